"""From maps on the model's input to boxes in its pixels: what a recipe takes for the region, and the square around it.

A box is left, top, right, bottom; right and bottom are exclusive. All zero stands for none.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semlens.errors import SemlensError, unknown
from semlens.types import Bool, Float, Int64

SIGNS = ("positive", "absolute")


@runtime_checkable
class Crop(Protocol):
    """A recipe: which part of a map the box goes around, and how small the box may be."""

    @property
    def minimum(self) -> float:
        """Least side of the box as a share of the input's shorter side."""
        ...

    def mask(self, maps: Float[Tensor, "m h w"]) -> Bool[Tensor, "m h w"]:
        """The part of each map that the box goes around; nowhere if the map has none."""
        ...


@dataclass(frozen=True)
class ActivationCrop:
    """How a crop is cut from an activation map.

    Args:
        threshold: the region is where the map is above this share of its maximum, connected to the maximum.
        minimum: least side of the box as a share of the input's side; 0.21 is what the blurred relevance crops of the
            paper's code come down to (47 of 224 pixels).
    """

    threshold: float = 0.5
    minimum: float = 0.21

    def mask(self, maps: Float[Tensor, "m h w"]) -> Bool[Tensor, "m h w"]:
        """Where each map is high, in one piece."""
        return region(maps, self.threshold)


@dataclass(frozen=True)
class RelevanceCrop:
    """How a crop is cut from a heat map: blurred, then its sign taken, then everything above a share of the maximum.

    Source: Dreyer et al. 2025, Sec. 3.1 and its code. But: only positive relevance counts, for what speaks against a
    component is no example of it; ends are inclusive, the square is moved into the image instead of cut, and there is a
    least side. `paper()` gives their sign and no least side.

    Args:
        blur: the Gaussian's kernel as a share of the input's shorter side: 51 pixels of 224, which has a
            standard deviation of 8 and ends at 25; at another size the nearest odd number of pixels.
        threshold: share of the blurred map's maximum.
        sign: "positive", or "absolute" to let negative relevance count as much. Taken after the blur, in which both
            cancel.
        minimum: least side of the box as a share of the input's shorter side.
    """

    blur: float = 51 / 224
    threshold: float = 0.01
    sign: str = "positive"
    minimum: float = 32 / 224

    def __post_init__(self) -> None:
        if self.sign not in SIGNS:
            raise unknown("sign", self.sign, SIGNS)
        if not (0 <= self.blur <= 1 and 0 <= self.threshold < 1 and 0 <= self.minimum <= 1):
            raise SemlensError(f"{self}: blur and minimum are shares of the input's side, threshold one of the maximum")

    @classmethod
    def paper(cls) -> "RelevanceCrop":
        """The paper's setting: absolute relevance, no least side."""
        return cls(sign="absolute", minimum=0.0)

    def mask(self, maps: Float[Tensor, "m h w"]) -> Bool[Tensor, "m h w"]:
        """Wherever the blurred map has relevance of the wanted sign above the threshold, in one piece or several."""
        radius = round((self.blur * min(maps.shape[1:]) - 1) / 2)
        blurred = blur(maps, 2 * max(radius, 0) + 1)
        signed = blurred.clamp(min=0) if self.sign == "positive" else blurred.abs()
        # Compared, not divided: a map of zeros has no quotient, and a comparison with NaN is false as it should be.
        return signed > self.threshold * signed.amax((1, 2), keepdim=True)


def input_boxes(maps: Float[Tensor, "m h w"], recipe: Crop) -> Int64[np.ndarray, "m 4"]:
    """A square in pixels of the input for each map; all zero where the recipe finds nothing in it.

    Nothing is found in a map that is zero, has no value of the sign that the recipe asks for, or is not a number
    somewhere.
    """
    height, width = maps.shape[1:]
    return square(tight_boxes(recipe.mask(maps)), (width, height), round(recipe.minimum * min(width, height)))


def blur(maps: Float[Tensor, "m h w"], kernel: int) -> Float[Tensor, "m h w"]:
    """Maps smoothed by a Gaussian of `kernel` pixels (odd), mirrored at the borders: what torchvision's `gaussian_blur`
    gives by default, in float32."""
    down, across = (_gaussian(side, kernel).to(maps.device) for side in maps.shape[1:])
    return down @ maps.float() @ across.T


def _gaussian(side: int, kernel: int) -> Float[Tensor, "{side} {side}"]:
    """The blur of one axis as a matrix: a product with it is several times faster than the convolution."""
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    weights = torch.softmax(-0.5 * ((torch.arange(kernel) - kernel // 2) / sigma) ** 2, dim=0)
    mirrored = functional.pad(torch.eye(side)[None], (kernel // 2, kernel // 2), mode="reflect")[0]
    return (mirrored.unfold(1, kernel, 1) @ weights).T


def region(maps: Float[Tensor, "m h w"], threshold: float) -> Bool[Tensor, "m h w"]:
    """Where each map is above `threshold` times its maximum and connected to that maximum; nowhere if no value is
    positive."""
    flat = maps.flatten(1)
    peak = flat.amax(1)[:, None, None]
    mask = (maps >= threshold * peak) & (maps > 0)
    grown = functional.one_hot(flat.argmax(1), flat.shape[1]).view_as(maps).bool() & mask
    while True:
        wider = _with_neighbours(grown) & mask
        if torch.equal(wider, grown):
            return grown
        grown = wider


def _with_neighbours(mask: Bool[Tensor, "m h w"]) -> Bool[Tensor, "m h w"]:
    """Each mask one pixel wider on all sides; on bits, for a pooling over numbers takes twenty times as long."""
    wide = mask.clone()
    wide[:, :, 1:] |= mask[:, :, :-1]
    wide[:, :, :-1] |= mask[:, :, 1:]
    tall = wide.clone()
    tall[:, 1:] |= wide[:, :-1]
    tall[:, :-1] |= wide[:, 1:]
    return tall


def tight_boxes(mask: Bool[Tensor, "m h w"]) -> Int64[np.ndarray, "m 4"]:
    """The smallest box around each mask, right and bottom exclusive; all zero for an empty mask."""
    boxes = np.zeros((len(mask), 4), dtype=np.int64)
    for axis, columns in ((0, mask.any(1)), (1, mask.any(2))):
        marked = columns.cpu().numpy()
        boxes[:, axis] = marked.argmax(1)
        boxes[:, axis + 2] = marked.shape[1] - marked[:, ::-1].argmax(1)
        boxes[~marked.any(1)] = 0
    return boxes


def square(boxes: Int64[np.ndarray, "m 4"], side: tuple[int, int], minimum: int = 1) -> Int64[np.ndarray, "m 4"]:
    """Boxes grown to squares of at least `minimum`, then shifted until they fit into an input of `side` (width,
    height).

    Only what is larger than the input is cut. An empty box stays empty.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    width = np.maximum((high - low).max(axis=1, keepdims=True), minimum)
    width = np.minimum(width, np.asarray(side))
    start = (low + high - width) // 2
    start = np.clip(start, 0, np.asarray(side) - width)
    grown = np.concatenate([start, start + width], axis=1)
    return np.where((high > low).all(axis=1, keepdims=True), grown, 0)
