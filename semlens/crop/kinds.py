"""Which box each concept example gets, by the kind of crop that is asked for."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from semlens.attribution import Composite, component_maps, parameters_of, rules_for
from semlens.collection import fast_cpu, first_input, tuned_allocator
from semlens.crop.boxes import ActivationCrop, Crop, RelevanceCrop
from semlens.crop.locate import activation_boxes, relevance_boxes
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet
from semlens.index import CropId
from semlens.model import Components, VisionModel, parse_all
from semlens.shapes import Float, Int64
from semlens.types import MISSING, ConceptExamples, LayerAxis, Progress, silent

_IMAGES = 64  # images whose boxes are kept together when a run may be interrupted


@dataclass(frozen=True)
class CropKind:
    """What a crop goes around: where the component is "active", or what is "relevant" to its activation."""

    around: str
    recipe: Crop


CROPS: Mapping[str, CropKind | None] = MappingProxyType(
    {
        "none": None,
        "activation": CropKind("active", ActivationCrop()),
        "relevance": CropKind("relevant", RelevanceCrop()),
        "relevance-paper": CropKind("relevant", RelevanceCrop.paper()),
        "tokens-paper": CropKind("active", RelevanceCrop.paper()),
    }
)
"""The crops by name. Of the paper's two, one is for convolutional networks and one for transformers, which it gives no
heat maps: the up-sampled activations of their tokens stand in."""


class NoRelevanceWarning(UserWarning):
    """Some examples have no relevance that could say where to crop; they were embedded whole."""


def check_crop(crop: str, model: VisionModel, method: str | Composite) -> None:
    """Raises SemlensError for a crop that does not exist, or that the method cannot give."""
    crop_id(crop, model, method)


def _kind(crop: str) -> CropKind | None:
    if crop not in CROPS:
        raise unknown("crop", crop, CROPS)
    return CROPS[crop]


def crop_id(crop: str, model: VisionModel | None, method: str | Composite) -> CropId:
    """What an index remembers a crop by: everything that determines its boxes."""
    kind = _kind(crop)
    if kind is None:
        return CropId(crop, {})
    parameters = asdict(kind.recipe)  # type: ignore[call-overload]
    if kind.around == "relevant" and model is not None:
        rules = rules_for(method, model, "crops around relevance")
        parameters |= {"method": rules.name, "position": "max"} | parameters_of(rules)
    return CropId(crop, parameters)


def example_boxes(
    crop: str,
    model: VisionModel | None,
    images: ImageSet,
    examples: ConceptExamples,
    *,
    method: str | Composite = "auto",
    workers: int | None = None,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Int64[np.ndarray, "c k 4"] | None:
    """For each concept example its box in pixels of the original image, all zero for the whole image; None if no image
    is cropped.

    Args:
        method: for crops around relevance, the composite; see `attribute`.
        keep: folder that keeps what is done; a run that finds its own work there goes on from it.

    Raises:
        SemlensError: an unknown crop or method, or another model than the examples were collected from.
    """
    kind = _kind(crop)
    if kind is None:
        return None
    if model is None or model.fingerprint() != examples.origin.model_fingerprint:
        raise SemlensError(
            f"crop={crop!r} runs the model once more: give embed the model that the examples were collected from"
        )
    locate = _active
    if kind.around == "relevant":
        locate = partial(_relevant, rules_for(method, model, "crops around relevance"))
    identity = [
        asdict(examples.origin),
        [asdict(axis) for axis in examples.layers],
        asdict(crop_id(crop, model, method)),
    ]
    boxes = np.zeros((*examples.ids.shape, 4), dtype=np.int64)
    needed = np.unique(examples.ids[examples.valid])
    without = 0
    # What only speeds up a forward pass may have no backward pass.
    with fast_cpu() if kind.around == "active" else tuned_allocator():
        for start in range(0, len(needed), _IMAGES):
            some = needed[start : start + _IMAGES]
            part = replace(examples, ids=np.where(np.isin(examples.ids, some), examples.ids, MISSING))
            file = keep / f"boxes-{start:08d}.safetensors" if keep else None
            found = _kept(file, identity, part)
            if found is None:
                found = locate(model, images, part, kind.recipe, workers, partial(_shift, progress, start, len(needed)))
                if file:
                    _keep(found, file, identity, part)
            boxes += found
            without += int((part.valid & ~found.any(axis=2)).sum())
            progress("locate", start + len(some), len(needed))
    if without and kind.around == "relevant":
        warnings.warn(
            f"{without:,} of {int(examples.valid.sum()):,} examples have no relevance of the wanted sign; they are "
            "embedded whole",
            NoRelevanceWarning,
            stacklevel=3,
        )
    return boxes


def _shift(progress: Progress, start: int, total: int, step: str, done: int, _: int) -> None:
    progress(step, start + done, total)


def _active(
    model: VisionModel, images: ImageSet, examples: ConceptExamples, recipe: Crop, workers: int | None,
    progress: Progress,
) -> Int64[np.ndarray, "c k 4"]:  # fmt: skip
    return activation_boxes(model, images, examples, recipe=recipe, workers=workers, progress=progress)


def _relevant(
    rules: Composite, model: VisionModel, images: ImageSet, examples: ConceptExamples, recipe: Crop,
    workers: int | None, progress: Progress,
) -> Int64[np.ndarray, "c k 4"]:  # fmt: skip
    found = parse_all(model.net, [axis.layer for axis in examples.layers], first_input(model, images))
    maps = partial(_maps, model, [kind for kind, _ in found], examples.layers, rules)
    return relevance_boxes(model, images, examples, maps, recipe=recipe, workers=workers, progress=progress).boxes


def _maps(
    model: VisionModel, kinds: list[Components], axes: tuple[LayerAxis, ...], rules: Composite,
    x: Float[Tensor, "n ..."], rows: Int64[np.ndarray, "m"], components: Int64[np.ndarray, "m"],
) -> Float[Tensor, "m h w"]:  # fmt: skip
    """Heat maps of pairs of an image's row and a row of the component axis."""
    maps = x.new_zeros(len(rows), *x.shape[-2:])
    slots = {
        axis.layer: np.flatnonzero((components >= axis.start) & (components < axis.stop)) for axis in axes
    }  # fmt: skip
    start = {axis.layer: axis.start for axis in axes}
    pairs = {
        layer: (torch.from_numpy(rows[mine]), torch.from_numpy(components[mine] - start[layer]))
        for layer, mine in slots.items()
        if len(mine)
    }
    for layer, found in component_maps(model, x, kinds, pairs, rules=rules).items():
        maps[torch.from_numpy(slots[layer])] = found
    return maps


def _digest(identity: Sequence[object], part: ConceptExamples) -> str:
    asked = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    asked.update(np.where(part.valid, part.ids, MISSING).tobytes())
    return asked.hexdigest()


def _keep(boxes: Int64[np.ndarray, "c k 4"], file: Path, identity: Sequence[object], part: ConceptExamples) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"boxes": boxes.astype(np.int32)}, file, {"recipe": _digest(identity, part)})


def _kept(file: Path | None, identity: Sequence[object], part: ConceptExamples) -> Int64[np.ndarray, "c k 4"] | None:
    """Boxes that an interrupted run left, or None if there are none, or they are another run's or damaged."""
    if file is None or not file.exists():
        return None
    try:
        with safe_open(file, framework="numpy") as stored:
            if (stored.metadata() or {}).get("recipe") != _digest(identity, part):
                return None
            return stored.get_tensor("boxes").astype(np.int64)
    except (SafetensorError, OSError):
        return None
