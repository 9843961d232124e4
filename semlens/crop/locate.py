"""One pass over the distinct example images: what a component is there, as a box in each original's own pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from semlens.collection import first_input
from semlens.crop.boxes import ActivationCrop, Crop, RelevanceCrop, input_boxes
from semlens.crop.geometry import measure_geometry
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.images.loader import batches, default_workers
from semlens.model import Components, Preprocess, Site, VisionModel, parse_all, record
from semlens.shapes import Bool, Float, Int64
from semlens.types import ConceptExamples, LayerAxis, Progress, silent

Maps = Callable[[Float[Tensor, "n ..."], Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]], Float[Tensor, "m h w"]]
"""Given preprocessed images and m pairs, as rows of those images and as rows of the component axis: for each pair the
component's heat map on the input, summed over colour."""

_Find = Callable[[Float[Tensor, "n ..."], Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]], Int64[np.ndarray, "m 4"]]
_PAIRS = 256  # maps that are held at once: 50 MB at 224 x 224
_ACTIVATION, _RELEVANCE = ActivationCrop(), RelevanceCrop()


@dataclass(frozen=True)
class Boxes:
    """Where each concept example lies in its image."""

    boxes: Int64[np.ndarray, "c k 4"]  # in pixels of the original; all zero where nothing was found or there is none
    missing: Bool[np.ndarray, "c k"]  # examples in whose image nothing of their component was found

    @property
    def without(self) -> int:
        """How many examples have no box."""
        return int(self.missing.sum())


def activation_boxes(
    model: VisionModel,
    images: ImageSet,
    examples: ConceptExamples,
    *,
    recipe: Crop = _ACTIVATION,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress = silent,
) -> Int64[np.ndarray, "c k 4"]:
    """For each concept example the box, in pixels of the original image, around where the component is most active.

    One more forward pass over the distinct example images. All zero, which stands for the whole image, where the
    component has no grid, is nowhere positive, or the slot holds no example.

    Args:
        recipe: with `RelevanceCrop.paper()`, what the paper does for transformers, which it gives no heat maps.
    """
    kinds = [kind for kind, _ in parse_all(model.net, [a.layer for a in examples.layers], first_input(model, images))]
    find = partial(_around_activations, model, kinds, examples.layers, recipe)
    return _locate(model, images, examples, find, batch_size, workers, progress).boxes


def relevance_boxes(
    model: VisionModel,
    images: ImageSet,
    examples: ConceptExamples,
    maps: Maps,
    *,
    recipe: Crop = _RELEVANCE,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress = silent,
) -> Boxes:
    """For each concept example the box, in pixels of the original image, around what in it made the component active.

    A component that has no relevance in an image has no box there: `missing` says which, `without` how many.

    Args:
        maps: gives the heat maps; asked for a few hundred at a time, those of one image together.
    """
    find = partial(_around_relevance, maps, recipe)
    return _locate(model, images, examples, find, batch_size, workers, progress)


def _locate(
    model: VisionModel,
    images: ImageSet,
    examples: ConceptExamples,
    find: _Find,
    batch_size: int,
    workers: int | None,
    progress: Progress,
) -> Boxes:
    """The pass itself: `find` gives the boxes on the model's input, they come back in each original's own pixels."""
    boxes = np.zeros((*examples.ids.shape, 4), dtype=np.int64)
    needed = np.unique(examples.ids[examples.valid])
    workers = default_workers(model.device.type) if workers is None else workers
    loader = batches(images, needed.tolist(), _Sized(model.preprocess), batch_size=batch_size, workers=workers)
    where = lru_cache(maxsize=256)(partial(measure_geometry, model.preprocess))
    done = 0
    for batch in loader:
        for gone in batch.unreadable:
            raise SemlensError(
                f"{images.names[gone.id]} could be read when examples were collected, and now not: {gone.reason}"
            )
        ids = np.asarray(batch.ids)
        slots = np.argwhere(examples.valid & np.isin(examples.ids, ids))
        rows = np.searchsorted(ids, examples.ids[tuple(slots.T)])
        x = torch.stack([item.pixels for item in batch.items]).to(model.device, model.dtype)
        found = find(x, rows, slots[:, 0])
        for row in np.unique(rows[found.any(axis=1)]):
            mine, size = (rows == row) & found.any(axis=1), batch.items[row].size
            boxes[tuple(slots[mine].T)] = where(size).to_original(found[mine].astype(np.float64), size)
        done += len(batch.ids)
        progress("locate", done, len(needed))
    return Boxes(boxes, examples.valid & ~boxes.any(axis=2))


@dataclass(frozen=True)
class _Item:
    """A preprocessed image and the size that the original had."""

    pixels: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class _Sized:
    """A preprocessing that keeps the original's size."""

    preprocess: Preprocess

    def __call__(self, image: Image.Image) -> _Item:
        return _Item(self.preprocess(image), image.size)


def _parts(pairs: Int64[np.ndarray, "m"]) -> list[Int64[np.ndarray, "_"]]:
    """The pairs, a few at a time."""
    return [pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS)]


def _around_relevance(
    maps: Maps,
    recipe: Crop,
    x: Float[Tensor, "n ..."],
    rows: Int64[np.ndarray, "m"],
    components: Int64[np.ndarray, "m"],
) -> Int64[np.ndarray, "m 4"]:
    """A box in the model's input for each pair, a few pairs at a time; all zero where a heat map has nothing."""
    boxes = np.zeros((len(rows), 4), dtype=np.int64)
    order = np.argsort(rows, kind="stable")  # pairs of one image beside each other, so that they share its forward pass
    for part in _parts(order):
        asked, of = np.unique(rows[part], return_inverse=True)
        heat = maps(x[torch.from_numpy(asked)], of, components[part])
        if heat.shape != (len(part), *x.shape[2:]):
            raise SemlensError(
                f"heat maps of shape {tuple(heat.shape)} for {len(part)} pairs on an input of {tuple(x.shape[2:])}; "
                "give one for each pair, as large as the input and summed over colour"
            )
        boxes[part] = input_boxes(heat.detach(), recipe)
    return boxes


def _around_activations(
    model: VisionModel,
    kinds: Sequence[Components],
    axes: Sequence[LayerAxis],
    recipe: Crop,
    x: Float[Tensor, "n ..."],
    rows: Int64[np.ndarray, "m"],
    components: Int64[np.ndarray, "m"],
) -> Int64[np.ndarray, "m 4"]:
    """A box in the model's input for each pair; all zero where the component has no grid or is nowhere positive."""
    boxes = np.zeros((len(rows), 4), dtype=np.int64)

    def locate(kind: Components, axis: LayerAxis, output: Any) -> None:
        mine = (components >= axis.start) & (components < axis.stop)
        grid = kind.grid(output)
        if grid is None or not mine.any():
            return
        acts = kind.read(output)
        for part in _parts(np.flatnonzero(mine)):
            maps = acts[torch.from_numpy(rows[part]), torch.from_numpy(components[part] - axis.start)]
            maps = maps.float().cpu().unflatten(1, grid)
            maps = functional.interpolate(maps[:, None], size=x.shape[2:], mode="bilinear")[:, 0]
            # To be active is to be positive, whatever a recipe makes of negative relevance.
            boxes[part] = input_boxes(maps.clamp(min=0), recipe)

    def keep(site: Site, output: Any) -> None:
        for kind, axis in at[site]:
            locate(kind, axis, output)

    at: dict[Site, list[tuple[Components, LayerAxis]]] = {}
    for kind, axis in zip(kinds, axes, strict=True):
        at.setdefault(kind.site, []).append((kind, axis))
    with torch.no_grad(), record(model.net, list(at), keep):
        model.net(x)
    return boxes
