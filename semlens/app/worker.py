"""A process of its own for what is slow to load or to compute: foundation models, the studied model, the map.

It reads a request per line from standard input and writes replies to standard output, both JSON; arrays travel as
safetensors. `python -m semlens.app.worker` is started by `jobs.Worker`, by nobody else. What
it has loaded it keeps for as long as it lives: it is of one session, which ends it.
"""

import json
import os
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from safetensors.numpy import save

from semlens.errors import SemlensError
from semlens.index import ConceptIndex, load_index, pack
from semlens.types import FoundationId, FoundationModel, Progress

if TYPE_CHECKING:
    from PIL.Image import Image

    from semlens.images import ImageSet
    from semlens.model import VisionModel

SIDE = 512
"""Pixels of the longer side of whole images that are shown."""

Reply = tuple[Mapping[str, np.ndarray], Mapping[str, Any]]


@cache
def _index(folder: str) -> ConceptIndex:
    return load_index(folder)


@cache
def _foundation(name: str, digest: str, dimension: int, licence: str) -> FoundationModel:
    from semlens.analysis import load

    return load(FoundationId(name, digest, dimension, licence))


@cache
def _model(spec: str) -> "VisionModel":
    from semlens.model import load_model

    return load_model(spec)


@cache
def _images(source: str) -> "ImageSet":
    from semlens.images import load_images

    return load_images(source)


def _picture(file: str) -> "Image":
    from PIL.Image import open as read

    return read(BytesIO(b64decode(file)), formats=("PNG",)).convert("RGB")


def _webp(picture: "Image") -> bytes:
    file = BytesIO()
    picture.save(file, "WEBP", quality=80)
    return file.getvalue()


def texts(progress: Progress, *, foundation: Mapping[str, Any], texts: list[str]) -> Reply:
    """A vector per text."""
    progress("loading the foundation model", 0, 0)
    return {"vectors": _foundation(**foundation).embed_texts(texts)}, {}


def images(progress: Progress, *, foundation: Mapping[str, Any], files: list[str]) -> Reply:
    """A vector per image, which come as PNGs that the server has made itself."""
    progress("loading the foundation model", 0, 0)
    return {"vectors": _foundation(**foundation).embed_images(list(map(_picture, files)))}, {}


def heat(progress: Progress, *, index: str, model: str, images: str, component: str) -> Reply:
    """A component's examples with relevance over them, as WebP files end to end."""
    from semlens.revisit import portraits
    from semlens.views.heatmap import heated

    progress("loading the model", 0, 0)
    loaded = _index(index)
    examples = portraits(loaded, _model(model), _images(images), [component], examples=loaded.rows.shape[1])[0].examples
    return pack([_webp(picture) for picture in heated(examples, SIDE)]), {}


def ready(progress: Progress, *, index: str, model: str) -> Reply:
    """Loads what `own` needs, and what that imports."""
    from semlens.revisit import own_picture  # noqa: F401

    progress("loading the model", 0, 0)
    _index(index), _model(model)
    return {}, {}


def own(progress: Progress, *, index: str, model: str, picture: str, output: int | None = None) -> Reply:
    """What the studied model makes of a picture, which comes as a PNG that the server has made itself."""
    from semlens.revisit import own_picture

    progress("loading the model", 0, 0)
    loaded, studied = _index(index), _model(model)
    progress("looking at the picture", 0, 0)
    found = own_picture(loaded, studied, _picture(picture), output)
    arrays = {name: getattr(found, name) for name in ("logits", "activations", "relevance")}
    return arrays, {"names": list(found.names), "output": found.output, "warnings": list(found.warnings)}


def without(progress: Progress, *, index: str, model: str, picture: str, rows: list[int], setting: str) -> Reply:
    """The logits of such a picture with components set to another activation."""
    from semlens.revisit import logits_without

    assert setting in ("off", "strongest")
    return {"logits": logits_without(_index(index), _model(model), _picture(picture), rows, setting)}, {}  # type: ignore[arg-type]


def own_heat(progress: Progress, *, index: str, model: str, picture: str, output: int, row: int | None = None) -> Reply:
    """Heat over such a picture, as a WebP file: of a component, or of an output."""
    from semlens.revisit import own_heat as heat_of
    from semlens.views.heatmap import heated

    progress("computing a heat map", 0, 0)
    example = heat_of(_index(index), _model(model), _picture(picture), row, output)
    return pack([_webp(heated([example], SIDE)[0])]), {}


def edges(
    progress: Progress, *, index: str, model: str, images: str, of: int, layers: list[str], labelled: bool
) -> Reply:
    """The graph of a class with what passes between layers, as the page shows it."""
    from semlens.analysis import graph, stored_labels
    from semlens.app.graphs import payload
    from semlens.revisit import flows

    progress("loading the model", 0, 0)
    loaded = _index(index)
    labels = stored_labels(loaded) if labelled else None
    between = flows(loaded, of, _model(model), _images(images), labels=labels, layers=layers, progress=progress)
    return {}, {"graph": payload(loaded, graph(loaded, of, labels=labels, edges=between, layers=layers))}


def removed(progress: Progress, *, index: str, model: str, images: str, row: int) -> Reply:
    """What every output loses without a component."""
    from semlens.revisit import without_component

    progress("loading the model", 0, 0)
    rows = without_component(_index(index), _model(model), _images(images), row, progress=progress)
    return {}, {"rows": [vars(one) for one in rows]}


def verify(progress: Progress, *, index: str, model: str, images: str, spec: dict[str, Any]) -> Reply:
    """What an output loses without the components that an audit flags."""
    from semlens.revisit import verify_spec

    progress("loading the model", 0, 0)
    rows = verify_spec(_index(index), spec, _model(model), _images(images), progress)
    return {}, {"rows": rows.records()}


def atlas(progress: Progress, *, indexes: list[str]) -> Reply:
    """One map of all components, drawn by UMAP where it is installed."""
    from importlib.util import find_spec

    from semlens.analysis import atlas as draw

    drawing = "umap" if find_spec("umap") else "principal"
    drawn = draw([_index(folder) for folder in indexes], drawing=drawing, progress=progress)
    arrays = {"x": drawn.x, "y": drawn.y, "cluster": drawn.cluster, "row": drawn.row, "number": drawn.index_number}
    return arrays, {"names": list(drawn.labels), "drawing": drawing, "by": drawn.recipe.by}


def scores(progress: Progress, *, index: str, untrained: list[str]) -> Reply:
    """The measures of every component, and of every layer beside the null distribution and an untrained network."""
    from semlens.analysis import score

    progress("measuring", 0, 0)
    result = score(_index(index), untrained=_index(untrained[0]) if untrained else None)
    arrays = {name: getattr(result, name).astype(np.float32) for name in ("clarity", "polysemanticity", "redundancy")}
    return arrays, {"summary": result.summary.records()}


WORK: dict[str, Callable[..., Reply]] = {
    work.__name__: work
    for work in (texts, images, heat, ready, own, without, verify, removed, own_heat, edges, atlas, scores)
}


def main() -> None:
    """Answers until standard input ends."""
    # What libraries print must not stand between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        _reply(replies, _answered(replies, request))


def _answered(replies: TextIO, request: dict[str, Any]) -> dict[str, Any]:
    def progress(step: str, done: int, total: int) -> None:
        _reply(replies, {"step": step, "done": done, "total": total})

    try:
        arrays, metadata = WORK[request.pop("do")](progress, **request)
    except (SemlensError, ModuleNotFoundError, OSError, MemoryError) as fault:
        return {"error": str(fault) or type(fault).__name__}
    packed = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return {"metadata": metadata, "arrays": b64encode(packed).decode()}


def _reply(replies: TextIO, tree: dict[str, Any]) -> None:
    replies.write(json.dumps(tree) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
