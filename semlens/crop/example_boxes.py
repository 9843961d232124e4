"""Which box each concept example gets: the pass over the example images, in stretches that a killed run keeps."""

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from semlens.collection import fast_cpu, first_input, shifted, tuned_allocator
from semlens.crop.around import AroundActivations, AroundRelevance, RelevanceMaps
from semlens.crop.kinds import ChosenCrop
from semlens.crop.locate import Find, locate
from semlens.errors import SemlensError
from semlens.index import cached
from semlens.model import VisionModel, check_dictionaries, parse_all
from semlens.types import ConceptExamples, ExampleSet, Int32, Int64, Progress, silent

_IMAGES = 64  # images whose boxes are kept together when a run may be interrupted


class NoRelevanceWarning(UserWarning):
    """Some examples have no relevance that could say where to crop; they were embedded whole."""


def example_boxes(
    crop: ChosenCrop,
    model: VisionModel | None,
    images: ExampleSet,
    examples: ConceptExamples,
    *,
    workers: int | None = None,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Int64[np.ndarray, "c k 4"] | None:
    """For each concept example its box in pixels of the original image, all zero for the whole image; None if no image
    is cropped.

    Args:
        keep: folder that keeps what is done; a run that finds its own work there goes on from it.

    Raises:
        SemlensError: another model than the examples were collected from, or an image that could be read then and
            cannot be now.
    """
    if crop.kind is None:
        return None
    boxes = np.zeros((*examples.ids.shape, 4), dtype=np.int64)
    located = np.zeros((int(examples.valid.sum()), 4), dtype=np.int64)
    for pairs, some in located_stretches(crop, model, images, examples, (0, 1), workers, keep, progress):
        located[pairs] = some
    boxes[examples.valid] = located
    without = int((examples.valid & ~boxes.any(axis=2)).sum())
    if without and crop.rules is not None:
        warnings.warn(
            f"{without:,} of {int(examples.valid.sum()):,} examples have no relevance of the wanted sign; they are "
            "embedded whole",
            NoRelevanceWarning,
            stacklevel=3,
        )
    return boxes


def located_stretches(
    crop: ChosenCrop, model: VisionModel | None, images: ExampleSet, examples: ConceptExamples, part: tuple[int, int],
    workers: int | None, keep: Path | None, progress: Progress,
) -> Iterator[tuple[Int64[np.ndarray, "p"], Int32[np.ndarray, "p 4"]]]:  # fmt: skip
    """A few images at a time, which of the valid slots show them, and the boxes of these.

    Args:
        part: (i, n) takes each n-th stretch from the i-th on, for the sake of the files in `keep`.

    Raises:
        SemlensError: as `example_boxes`.
    """
    if model is None or model.fingerprint() != examples.origin.model_fingerprint:
        raise SemlensError(
            f"crop={crop.id.kind!r} runs the model once more: give embed the model that the examples were collected "
            "from"
        )
    # What only speeds up a forward pass may have no backward pass.
    with fast_cpu() if crop.rules is None else tuned_allocator():
        yield from _located(crop, model, images, examples, part, workers, keep, progress)


def _located(
    crop: ChosenCrop, model: VisionModel, images: ExampleSet, examples: ConceptExamples, part: tuple[int, int],
    workers: int | None, keep: Path | None, progress: Progress,
) -> Iterator[tuple[Int64[np.ndarray, "p"], Int32[np.ndarray, "p 4"]]]:  # fmt: skip
    find = _finder(crop, model, images, examples)
    recipe = [asdict(examples.origin), [asdict(axis) for axis in examples.layers], asdict(crop.id)]
    ids, components = examples.ids[examples.valid], np.nonzero(examples.valid)[0]
    needed = np.unique(ids)
    for start in range(part[0] * _IMAGES, len(needed), part[1] * _IMAGES):
        some = needed[start : start + _IMAGES]
        pairs = np.flatnonzero(np.isin(ids, some))

        def compute(pairs: Int64[np.ndarray, "p"] = pairs, start: int = start) -> dict[str, np.ndarray]:
            told = shifted(progress, start, len(needed))
            found = locate(model, images, ids[pairs], components[pairs], find, workers=workers, progress=told)
            return {"boxes": found.astype(np.int32)}

        file = keep / f"boxes-{start:08d}.safetensors" if keep else None
        yield pairs, cached(file, [recipe, ids[pairs], components[pairs]], compute)["boxes"]
        progress("locate", start + len(some), len(needed))


def _finder(crop: ChosenCrop, model: VisionModel, images: ExampleSet, examples: ConceptExamples) -> Find:
    """What gives the boxes on the model's input."""
    assert crop.kind is not None
    check_dictionaries(examples.layers)
    layers = [axis.layer for axis in examples.layers]
    kinds = [kind for kind, _ in parse_all(model.net, layers, first_input(model, images))]
    if crop.rules is None:
        return AroundActivations(model, kinds, examples.layers, crop.kind.recipe)
    return AroundRelevance(RelevanceMaps(model, kinds, examples.layers, crop.rules), crop.kind.recipe)
