"""Where the model's input lies in the original image, measured by sending ramps through the user's preprocessing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from PIL import Image

from semlens.errors import SemlensError
from semlens.model import Preprocess
from semlens.shapes import Float, Float64, Int64, UInt8


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


def measure_geometry(preprocess: Preprocess, size: tuple[int, int]) -> Geometry:
    """Where `preprocess` takes the model's input from in an image of `size` (width, height).

    Measured, not read off a configuration, so it holds for any function that resizes, crops and normalises: ramps in x
    and y go in, and a straight line is fitted to what comes out, between what black and white become.

    Raises:
        SemlensError: the preprocessing is not of that sort.
    """
    black, white = (preprocess(Image.new("RGB", size, value)).double() for value in ("black", "white"))
    lines = []
    for axis, length in enumerate(size):
        values = _ramp(length, size[1 - axis])
        image = Image.fromarray(values if axis == 0 else values.T)
        grey = (preprocess(image.convert("RGB")).double() - black) / (white - black)  # NaN where no image shows
        out = grey.nanmean(0)
        lines.append(_line((out if axis == 0 else out.T).nanmean(0).numpy() * length, length))
    (ax, bx), (ay, by) = lines
    return Geometry((ax, ay), (bx, by), (black.shape[2], black.shape[1]))


def geometries(preprocess: Preprocess) -> Callable[[tuple[int, int]], Geometry]:
    """`measure_geometry` by size of image, where many images have one of a few sizes."""
    return lru_cache(maxsize=256)(partial(measure_geometry, preprocess))


def _ramp(length: int, across: int) -> UInt8[np.ndarray, "{across} {length}"]:
    """Grey rising along a row; what eight bits cut off is spread over the rows, so that their mean has it again."""
    exact = 255 * (np.arange(length) + 0.5) / length
    rounding = np.arange(across) * 0.6180339887 % 1  # evenly spread over any number of rows
    return np.floor(exact + rounding[:, None]).astype(np.uint8)


def _line(origin: Float64[np.ndarray, "p"], length: int) -> tuple[float, float]:
    """Slope and offset of where each input pixel's centre came from; borders that show no image are left out."""
    at = np.arange(len(origin)) + 0.5
    step = np.abs(np.gradient(origin))
    moving = step[step > 1e-6]
    inside = step > 0.25 * np.median(moving) if len(moving) else np.zeros(len(origin), dtype=bool)
    if inside.sum() < 2:
        raise SemlensError("the model's preprocessing cannot be followed back to the image's pixels; use crop='none'")
    scale, offset = np.polyfit(at[inside], origin[inside], 1)
    error = np.abs(scale * at[inside] + offset - origin[inside])
    if np.median(error) > max(1.0, 0.02 * length):
        raise SemlensError(
            "the model's preprocessing is not a resize and crop, so boxes cannot be mapped back; use crop='none'"
        )
    return float(scale), float(offset)
