"""Where the model's input lies in the original image, measured by sending ramps through the user's preprocessing."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model import OfItems, Preprocess
from semlens.types import Float, Float64, Int64, UInt8

_USUAL = (320, 240)  # the size of image on which a preprocessing is looked at before any image is
_CALLS = 8  # of a preprocessing, to see whether each gives the same: it may have a random generator of its own
_DRAWS = 48  # of one that draws random numbers: a change of 1 call in 10 is missed in 1 case of 150
_RANDOM = (
    "the model's preprocessing is random (it gives another input for the same image at each call), so what the model "
    "sees cannot be placed in the image: give the model the preprocessing of its evaluation"
)

_BENT = (
    "the model's preprocessing turns, mirrors or bends the image, or recolours it beyond recognition, so what the "
    "model sees cannot be placed in the image: give the model one that only resizes, crops and pads, or embed whole "
    "images (crop none)"
)
_TOO_LITTLE = "too little of the image is left in the model's input to say where it lies"


class GeometryError(SemlensError):
    """What the model sees cannot be found again in the original image."""


@dataclass(frozen=True)
class Geometry:
    """Where the model's input lies in the original image: `original = scale * input + offset` in pixels, per axis (x,
    y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]
    side: tuple[int, int]  # width and height of the input

    def to_original(self, boxes: Float[np.ndarray, "m 4"], size: tuple[int, int]) -> Int64[np.ndarray, "m 4"]:
        """Boxes (left, top, right, bottom; right and bottom exclusive) in whole pixels of an image of `size`, never
        empty."""
        scale, offset, limit = (np.tile(np.asarray(v, dtype=np.float64), 2) for v in (self.scale, self.offset, size))
        exact = boxes * scale + offset
        low = np.clip(np.floor(exact[:, :2] + 1e-3), 0, limit[:2] - 1)  # a thousandth of a pixel is measuring error
        high = np.clip(np.ceil(exact[:, 2:] - 1e-3), low + 1, limit[2:])
        return np.concatenate([low, high], axis=1).astype(np.int64)


def check_geometry(preprocess: Preprocess) -> None:
    """Returns if boxes on the model's input can be mapped back to an image.

    Raises:
        GeometryError: `preprocess` is random, or no resize, crop and padding, as of an image of usual size.
    """
    if isinstance(preprocess, OfItems):  # it places them itself
        return
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*_USUAL[::-1], 3), dtype=np.uint8))
    with _random_numbers_kept() as drawn:
        first = _colours(preprocess(image))
        calls = _DRAWS if drawn() else _CALLS
        if not all(torch.equal(first, _colours(preprocess(image))) for _ in range(calls)):
            raise GeometryError(_RANDOM)
        measure_geometry(preprocess, _USUAL)


def measure_geometry(preprocess: Preprocess, size: tuple[int, int]) -> Geometry:
    """Where `preprocess` takes the model's input from in an image of `size` (width, height).

    Measured, not read off a configuration, so it holds for any function that resizes, crops, pads and normalises: ramps
    in x and y go in, and a straight line is fitted to what comes out, between what black and white become.

    Raises:
        GeometryError: the preprocessing turns, mirrors or bends the image, or shows too little of one of this size.
    """
    black, white = (_colours(preprocess(Image.new("RGB", size, value))) for value in ("black", "white"))
    lines = []
    for axis, length in enumerate(size):
        values = _ramp(length, size[1 - axis])
        ramp = _colours(preprocess(Image.fromarray(values if axis == 0 else values.T).convert("RGB")))
        grey = ((ramp - black) / (white - black)).nanmean(0)  # NaN where no image shows
        grey[~grey.isfinite()] = torch.nan
        lines.append(_line((grey if axis == 0 else grey.T).numpy() * length, length))
    (ax, bx), (ay, by) = lines
    return Geometry((ax, ay), (bx, by), (black.shape[2], black.shape[1]))


def geometries(preprocess: Preprocess) -> Callable[[tuple[int, int]], Geometry]:
    """`measure_geometry` by size of image, where many images have one of a few sizes."""
    return lru_cache(maxsize=256)(partial(measure_geometry, preprocess))


def _colours(x: Any) -> Float64[Tensor, "3 h w"]:
    if not isinstance(x, Tensor) or x.ndim != 3:
        shape = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise GeometryError(f"the model's preprocessing gives {shape}, not one picture (colours, height, width)")
    return x.double().cpu()


@contextmanager
def _random_numbers_kept() -> Iterator[Callable[[], bool]]:
    """Puts the random numbers of torch, numpy and Python back to where they stood; tells whether any has been drawn."""
    before = _states()
    try:
        yield lambda: _states() != before
    finally:
        torch.set_rng_state(torch.tensor(before["torch"], dtype=torch.uint8))
        np.random.set_state(before["numpy"])  # noqa: NPY002  it is what a preprocessing may draw from
        random.setstate(before["python"])


def _states() -> dict[str, Any]:
    """The states of the generators that are everybody's, as plain values."""
    numbers = np.random.get_state(legacy=False)  # noqa: NPY002
    numbers["state"]["key"] = numbers["state"]["key"].tolist()
    return {"torch": torch.get_rng_state().tolist(), "numpy": numbers, "python": random.getstate()}


def _ramp(length: int, across: int) -> UInt8[np.ndarray, "{across} {length}"]:
    """Grey rising along a row; what eight bits cut off is spread over the rows, so that their mean has it again."""
    exact = 255 * (np.arange(length) + 0.5) / length
    rounding = np.arange(across) * 0.6180339887 % 1  # evenly spread over any number of rows
    return np.floor(exact + rounding[:, None]).astype(np.uint8)


def _line(origin: Float64[np.ndarray, "q p"], length: int) -> tuple[float, float]:
    """Slope and offset of where each input pixel's centre came from, along an axis on which the image has `length`.

    Args:
        origin: the coordinate that each input pixel shows, across the axis and along it; NaN where no image shows.

    Raises:
        GeometryError: it is no rising line along the axis, the same everywhere across it.
    """
    at = np.arange(origin.shape[1]) + 0.5
    if length == 1:
        return 1 / len(at), 0.0  # any place on it is this one pixel
    along = torch.from_numpy(origin).nanmean(0).numpy()
    scale, offset = _middle_line(at, along)
    near = max(1.0, 0.01 * length)
    for tolerance in (2 * near, near):
        inside = np.abs(scale * at + offset - along) <= tolerance
        if scale <= 0 or inside.sum() < 2:
            raise GeometryError(_BENT)
        scale, offset = np.polyfit(at[inside], along[inside], 1)
    # What lies beyond the image's borders may repeat or mirror it, but must show nothing that is not shown inside.
    beyond = (scale * at + offset < 0) | (scale * at + offset > length)
    new = (along < along[inside].min() - near) | (along > along[inside].max() + near)
    error = torch.from_numpy(origin[:, inside] - (scale * at[inside] + offset))
    across = error.nanmean(1)
    slant = across.nanquantile(0.98) - across.nanquantile(0.02)
    if (
        (~inside & ~beyond).sum() > max(2, 0.05 * len(at))
        or new.any()
        or slant > near
        or error.abs().nanquantile(0.95) > max(1.5, 2 * near)
    ):
        raise GeometryError(_BENT)
    return float(scale), float(offset)


def _middle_line(at: Float64[np.ndarray, "p"], along: Float64[np.ndarray, "p"]) -> tuple[float, float]:
    """The line on which most of the points lie, between borders that repeat one pixel; those that mirror the image lie
    elsewhere.

    Raises:
        GeometryError: too few move.
    """
    shown = np.isfinite(along)
    at, along = at[shown], along[shown]
    step = np.abs(np.gradient(along)) if len(along) > 1 else np.zeros(len(along))
    moving = step[step > 1e-6]
    steps = np.flatnonzero(step > 0.25 * np.median(moving)) if len(moving) else moving
    if len(steps) < 2:
        raise GeometryError(_TOO_LITTLE)
    at, along = at[steps[0] : steps[-1] + 1], along[steps[0] : steps[-1] + 1]
    apart = max(1, len(at) // 3)
    scale = np.median((along[apart:] - along[:-apart]) / (at[apart:] - at[:-apart]))
    return float(scale), float(np.median(along - scale * at))
