"""One pass over the distinct example images: what a component is there, as a box in each original's own pixels."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semlens.collection import image_batches
from semlens.crop.geometry import Geometry, GeometryError, geometries
from semlens.images import ImageSet
from semlens.images.loader import default_workers
from semlens.model import Preprocess, VisionModel
from semlens.types import Float, Int32, Int64, Progress, silent

Find = Callable[[Float[Tensor, "n ..."], Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]], Int64[np.ndarray, "m 4"]]
"""Given preprocessed images and m pairs, as rows of those images and as rows of the component axis: for each pair a box
on the model's input, all zero where there is nothing of the component."""


def locate(
    model: VisionModel,
    images: ImageSet,
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
    place = _Placing(geometries(model.preprocess))
    workers = default_workers(model.device.type) if workers is None else workers
    for batch in image_batches(
        images, np.unique(ids).tolist(), _Sized(model.preprocess), "locate", batch_size=batch_size, workers=workers,
        readable_when="examples were collected", progress=progress,
    ):  # fmt: skip
        pairs = np.flatnonzero(np.isin(ids, batch.ids))
        rows = np.searchsorted(batch.ids, ids[pairs])
        x = torch.stack([item.pixels for item in batch.items]).to(model.device, model.dtype)
        on_input = find(x, rows, components[pairs])
        somewhere = on_input.any(axis=1)
        for row in np.unique(rows[somewhere]):
            here = (rows == row) & somewhere
            boxes[pairs[here]] = place(on_input[here], batch.items[row].size, images.names[batch.ids[row]])
    place.warn()
    return boxes


class UnplacedWarning(UserWarning):
    """What the model sees of some images cannot be placed in them; they are taken whole."""


@dataclass
class _Placing:
    """Boxes on the model's input, placed in the originals. Mutable: it remembers which images they cannot be placed
    in."""

    geometry: Callable[[tuple[int, int]], Geometry]
    whole: dict[str, str] = field(default_factory=dict)  # why, by name

    def __call__(self, boxes: Int64[np.ndarray, "m 4"], size: tuple[int, int], name: str) -> Int64[np.ndarray, "m 4"]:
        try:
            return self.geometry(size).to_original(boxes.astype(np.float64), size)
        except GeometryError as fault:
            self.whole[name] = f"{size[0]} x {size[1]}: {fault}"
            return np.tile([0, 0, *size], (len(boxes), 1))

    def warn(self) -> None:
        if self.whole:
            name, why = next(iter(self.whole.items()))
            more = f" and {len(self.whole) - 1} more images" if len(self.whole) > 1 else ""
            warnings.warn(
                f"{name}{more} cannot be cropped and is embedded whole ({why})", UnplacedWarning, stacklevel=3
            )


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
