"""One pass over the distinct example images: what a component is there, as a box in each original's own pixels."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.collection import image_batches
from semlens.crop.geometry import GeometryError, geometries
from semlens.images.loader import default_workers
from semlens.model import OfItems, Preprocess, VisionModel
from semlens.types import ExampleSet, Int32, Int64, Progress, Shaped, silent

Find = Callable[[Shaped[Tensor, "n ..."], Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]], Int64[np.ndarray, "m 4"]]
"""Given preprocessed images and m pairs, as rows of those images and as rows of the component axis: for each pair a box
on the model's input, all zero where there is nothing of the component."""


def locate(
    model: VisionModel,
    images: ExampleSet,
    ids: Int32[np.ndarray, "m"],
    components: Int64[np.ndarray, "m"],
    find: Find,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress = silent,
) -> Int64[np.ndarray, "m 4"]:
    """For each pair of an image and a component the box that `find` gives, in pixels of the original image.

    All zero, which stands for the whole image, where nothing of the component is there. An image that shows too little
    of itself in the model's input to be found there, as one of a single row may, is taken whole; a warning names it.

    Raises:
        SemlensError: an image that could be read when examples were collected and cannot be now.
    """
    boxes = np.zeros((len(ids), 4), dtype=np.int64)
    place = _Placing(images, _placed(model.preprocess))
    workers = default_workers(model.device.type) if workers is None else workers
    for batch in image_batches(
        images, np.unique(ids).tolist(), _Kept(model.preprocess), "locate", batch_size=batch_size, workers=workers,
        readable_when="examples were collected", progress=progress,
    ):  # fmt: skip
        pairs = np.flatnonzero(np.isin(ids, batch.ids))
        rows = np.searchsorted(batch.ids, ids[pairs])
        x = model.given(torch.stack([taken.input for taken in batch.items]))
        on_input = find(x, rows, components[pairs])
        somewhere = on_input.any(axis=1)
        for row in np.unique(rows[somewhere]):
            here = (rows == row) & somewhere
            boxes[pairs[here]] = place(on_input[here], batch.items[row].item, images.names[batch.ids[row]])
    place.warn()
    return boxes


class UnplacedWarning(UserWarning):
    """What the model sees of some images cannot be placed in them; they are taken whole."""


Place = Callable[[Any, Int64[np.ndarray, "m 4"]], Int64[np.ndarray, "m 4"]]
"""Boxes on the model's input, as boxes of the item that it was made of."""


def _placed(preprocess: Preprocess) -> Place:
    """What places boxes: the preprocessing itself where it can, else the geometry of images that is measured of it."""
    if isinstance(preprocess, OfItems):
        return preprocess.place
    geometry = geometries(preprocess)
    return lambda image, boxes: geometry(image.size).to_original(boxes.astype(np.float64), image.size)


@dataclass
class _Placing:
    """Boxes on the model's input, placed in the originals. Mutable: it remembers which images they cannot be placed
    in."""

    images: ExampleSet
    place: Place
    whole: dict[str, str] = field(default_factory=dict)  # why, by name

    def __call__(self, boxes: Int64[np.ndarray, "m 4"], item: Any, name: str) -> Int64[np.ndarray, "m 4"]:
        try:
            return self.place(item, boxes)
        except GeometryError as fault:
            width, height = self.images.size(item)
            self.whole[name] = f"{width} x {height}: {fault}"
            return np.tile([0, 0, width, height], (len(boxes), 1))

    def warn(self) -> None:
        if self.whole:
            name, why = next(iter(self.whole.items()))
            more = f" and {len(self.whole) - 1} more images" if len(self.whole) > 1 else ""
            warnings.warn(
                f"{name}{more} cannot be cropped and is embedded whole ({why})", UnplacedWarning, stacklevel=3
            )


@dataclass(frozen=True)
class _Taken:
    """What a model gets of an item, and the item."""

    input: Tensor
    item: Any


@dataclass(frozen=True)
class _Kept:
    """A preprocessing that keeps the item."""

    preprocess: Preprocess

    def __call__(self, item: Any) -> _Taken:
        return _Taken(self.preprocess(item), item)
