"""Whether everything that is to work together does: what is installed, whether a model can be studied, and what a
foundation model sees on images of this kind. One row per thing that was looked at, with advice in words."""

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis import Rows, probe_spec
from semlens.errors import SemlensError
from semlens.numerics import unit
from semlens.types import FoundationModel, Progress, silent

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from semlens.images import ImageSet
    from semlens.model import VisionModel

SAMPLE = 200
"""Images, evenly over all, on which the foundation model is tried."""

CHECKED = 4
"""Images on which attribution is tried."""

BATCH = 32
"""Images that are held at once."""

COLOURS = ("red", "green", "blue", "yellow", "black", "white")
"""What every model of pictures and words is expected to tell apart: plain pictures of these, by their names."""

_FREE = 5  # GB of disk below which a build may not fit


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    part: str  # "installed", "machine", "model" or "foundation model"
    what: str
    verdict: str  # "good", "doubt" or "fault"; "absent" for an extra that is not installed
    said: str  # what was found, and what to do about it


def doctor(
    model: "VisionModel | None" = None,
    images: "ImageSet | None" = None,
    foundation: FoundationModel | None = None,
    phrases: Sequence[str] = (),
    *,
    marks: "str | Path | None" = None,
    progress: Progress = silent,
) -> Rows[Finding]:
    """What is installed, and whether a model, images and a foundation model can be used together.

    Args:
        model: the one to be studied: are there layers, do rules of attribution cover it, is relevance conserved.
        images: of the kind to be studied; up to `SAMPLE` are taken. Without any the model is tried on noise.
        foundation: tried on plain colours, and with images on the phrases.
        phrases: what the foundation model has to see. One that is a label of the images too is decided by them.
        marks: a table with a row per image and a column per phrase, 1 where it shows, which decides as well.

    Raises:
        SemlensError: phrases without a foundation model and images.
    """
    if phrases and (foundation is None or images is None):
        raise SemlensError("whether phrases are seen takes a foundation model and images: give both")
    found = [*_installed(), *_machine()]
    if model is not None:
        taken = _photos(images, CHECKED, progress) if images is not None else ()
        found += _studied(model, [photo for _, some in taken for photo in some])
    if foundation is not None:
        found += _colours(foundation)
        found += _phrases(foundation, images, phrases, marks, progress) if phrases and images is not None else ()
    return Rows(found)


def _installed() -> Iterator[Finding]:
    """Python, semlens, and what each extra brings or lacks."""
    yield Finding("installed", "Python", "good", sys.version.split()[0])
    yield Finding("installed", "semlens", "good", version("semlens"))
    extras: dict[str, list[str]] = {}
    for line in requires("semlens") or ():
        asked = re.match(r"([\w.-]+)[^;]*; extra == ['\"](\w+)['\"]", line)
        if asked and asked[1] != "semlens" and asked[2] not in ("dev", "all"):
            extras.setdefault(asked[2], []).append(asked[1])
    for extra, packages in extras.items():
        here = {package: _version(package) for package in packages}
        absent = [package for package, number in here.items() if not number]
        if absent:
            said = f"{', '.join(absent)} not installed; if you need it: pip install 'semlens[{extra}]'"
        else:
            said = ", ".join(f"{package} {number}" for package, number in here.items())
        yield Finding("installed", f"extra {extra}", "absent" if absent else "good", said)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _machine() -> Iterator[Finding]:
    """Cores, the device that models run on, and the room that is left on the disk."""
    yield Finding("machine", "processor", "good", f"{os.cpu_count()} cores")
    yield Finding("machine", "device", "good", _device())
    free = shutil.disk_usage(".").free / 1e9
    said = f"{free:,.0f} GB free here" + ("" if free >= _FREE else ": an index with crops may not fit")
    yield Finding("machine", "disk", "good" if free >= _FREE else "doubt", said)


def _device() -> str:
    if not find_spec("torch"):
        return "none: indexes can be read and searched, models need pip install 'semlens[torch]'"
    import torch

    if torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / 1e9:.0f} GB"
    if torch.backends.mps.is_available():
        return "mps: an Apple processor's own"
    return f"cpu, {torch.get_num_threads()} threads: no accelerator that torch {torch.__version__} knows"


def _photos(
    images: "ImageSet", count: int, progress: Progress
) -> "Iterator[tuple[tuple[int, ...], tuple[Image, ...]]]":
    """Batches of ids and images, `count` of them evenly over the set; what cannot be read is left out.

    Raises:
        SemlensError: none can be read.
    """
    from semlens.collection import as_is, image_batches

    ids, readable = np.unique(np.linspace(0, len(images) - 1, count).astype(int)).tolist(), False
    for batch in image_batches(images, ids, as_is, "images", batch_size=BATCH, workers=0, progress=progress):
        readable |= bool(batch.ids)
        if batch.ids:
            yield batch.ids, batch.items
    if not readable:
        raise SemlensError(f"none of the images of {images.source} that were tried can be read")


def _studied(model: "VisionModel", photos: "Sequence[Image]") -> Iterator[Finding]:
    """Whether the model has layers that can be read, and whether attribution keeps its promises on it."""
    import torch

    from semlens.attribution import check, noise

    rows = model.layers()
    said = f"{len(rows)} layers with {sum(row.components for row in rows):,} components; `semlens layers` lists them"
    yield Finding("model", "layers", "good" if rows else "fault", said if rows else "no layer that can be read")
    on = f"{len(photos)} of your images" if photos else "noise; give images for what holds on yours"
    x = torch.stack([model.preprocess(photo) for photo in photos or noise(CHECKED)])
    (tried,) = check(model, x.to(model.device, model.dtype))
    told = [tried.fault, *tried.doubts, tried.remark]
    said = "; ".join(filter(None, told)) or f"rules cover every step, relevance is conserved ({tried.method})"
    yield Finding("model", "attribution", tried.verdict, f"{said}. On {on}")


def _colours(foundation: FoundationModel) -> Iterator[Finding]:
    """Whether plain pictures are nearest to the names of their colours, which needs nobody's images."""
    from PIL import Image

    vectors = unit(foundation.embed_images([Image.new("RGB", (224, 224), colour) for colour in COLOURS]))
    texts = unit(foundation.embed_texts([f"a plain {colour} picture" for colour in COLOURS]))
    similarities = vectors @ texts.T
    nearest = (similarities - similarities.mean(axis=1, keepdims=True)).argmax(axis=0)  # a picture may be near to all
    right = int((nearest == np.arange(len(COLOURS))).sum())
    one = bool(np.ptp(vectors, axis=0).max() < 1e-6)
    verdict = "fault" if one else "good" if right == len(COLOURS) else "doubt"
    said = f"{right} of {len(COLOURS)} names of colours find their plain picture first"
    if one:
        said = "all pictures are one to it: its weights or its preprocessing are broken"
    elif verdict == "doubt":
        said += ": try your own phrases on your own images before you rely on it"
    yield Finding("foundation model", "colours", verdict, f"{foundation.identity.name}: {said}")


def _phrases(
    foundation: FoundationModel,
    images: "ImageSet",
    phrases: Sequence[str],
    marks: "str | Path | None",
    progress: Progress,
) -> Iterator[Finding]:
    """Whether the foundation model knows and sees each phrase on the images, as an audit asks it."""
    from semlens.analysis.audit import UNRELATED, Concept, Spec, Views, entries, visibility

    taken = [(own, unit(foundation.embed_images(some))) for own, some in _photos(images, SAMPLE, progress)]
    ids = np.concatenate([own for own, _ in taken])
    named, labels = ([column[id] for id in ids] for column in (images.names, images.labels))
    every = {part for label in labels for part in (label or "").split("|")}
    concepts = [Concept(phrase, label=phrase if phrase in every else "") for phrase in dict.fromkeys(phrases)]
    spec = Spec(0, concepts, [UNRELATED[0]], marks=str(marks or ""))  # has two sides; here one is a phrase for nothing
    probes = probe_spec(foundation, spec)
    seen = Views(ids, np.concatenate([vectors for _, vectors in taken]), tuple(named), tuple(labels))
    strange = dict(probes.unknown)
    for one in visibility(spec, seen, probes, entries(spec))[: len(concepts)]:
        if one.concept in strange:
            said = f"it does not know the word {strange[one.concept]!r}: ask in other words"
            yield Finding("foundation model", one.concept, "fault", said)
        elif one.seen == "no":
            said = f"{one.reason}; ask in other words, or with another foundation model"
            yield Finding("foundation model", one.concept, "fault" if one.images else "doubt", said)
        else:
            yield Finding("foundation model", one.concept, "good" if one.seen == "yes" else "doubt", one.reason)
