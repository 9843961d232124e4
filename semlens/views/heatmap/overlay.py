"""One heat map over one photograph: red where the relevance is positive, blue where negative, nothing where there is
none."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from semlens.errors import SemlensError
from semlens.types import Float32

Box = tuple[int | float, int | float, int | float, int | float]
"""Left, top, right, bottom in pixels of the image; right and bottom exclusive. It may reach beyond the image."""
Pixels = tuple[int, int, int, int]

POSITIVE, NEGATIVE = (230, 30, 20), (0, 90, 255)  # told apart with any kind of colour blindness: a test computes it
SATURATION, OUTSIDE = 0.3, 0.35  # what is left of the photograph's colour; of its light where the model did not look
_OPAQUE, _GAMMA = 0.7, 0.8  # at full colour a third of the photograph still shows through
_QUANTILE = 0.99
_ROUNDING = 1e-6  # below this share of the largest, relevance is what float32 rounds


def full_colour(heats: Sequence[Float32[np.ndarray, "_h _w"]]) -> float:
    """The relevance to draw in full colour, positive or negative: the 99th percentile of the absolute values that are
    not zero, over all maps; 0 if there are none.

    Not the maximum, for then one stray pixel leaves all others pale. The percentile is one of the values and, of two or
    more, never the last, so that this holds on a grid of 7 x 7 too.
    """
    sizes = np.concatenate([np.zeros(0), *(np.abs(finite(heat)).ravel() for heat in heats)])
    sizes = sizes[sizes > _ROUNDING * sizes.max(initial=0)]
    return float(np.quantile(sizes, _QUANTILE, method="lower")) if len(sizes) else 0.0


def limit_of(heats: Sequence[Float32[np.ndarray, "_h _w"]], limit: float | None) -> float:
    """`limit`, or what the maps give. Where all is zero any scale will do, and it is 1."""
    if limit is not None and not 0 < limit < np.inf:
        raise SemlensError(f"limit {limit} is no relevance to draw in full colour: give a positive number, or None")
    return limit or full_colour(heats) or 1.0


def overlay(
    image: Image.Image, heat: Float32[np.ndarray, "h w"], *, box: Box | None = None, limit: float | None = None
) -> Image.Image:
    """The photograph, paler in colour, with relevance laid over it: the more of it, the less transparent.

    Zero is neutral and -x is as blue as x is red. Where relevance is zero or not a number no colour is added.

    Args:
        box: where the model's input, and so the heat map, lies in the image if not on all of it. What is outside, which
            the model did not see, is darkened.
        limit: relevance in full colour; `full_colour` of this map if not given. Maps compare only at the same limit.

    Raises:
        SemlensError: for a box that does not meet the image, and for a limit that is not positive.
    """
    limit = limit_of([heat], limit)
    photo = image.convert("RGB")
    area = whole(box, image.size) if box else (0, 0, *image.size)
    left, top, right, bottom = inside = pixels(area, image.size)
    picture = Image.blend(Image.new("RGB", image.size), photo, OUTSIDE)
    picture.paste(paint(photo.crop(inside), _stretch(finite(heat), area, inside, limit)), (left, top))
    if inside != (0, 0, *image.size):
        line = _line(image)
        edge = left - line, top - line, right + line - 1, bottom + line - 1
        ImageDraw.Draw(picture).rectangle(edge, None, "white", line)
    return picture


def outline(image: Image.Image, box: Box) -> Image.Image:
    """A copy of the image with a frame around the box: a white line in a black one, so that it shows on any ground.

    Around, so that nothing in the box is covered; only where the image ends do the lines lie inside. An image of less
    than 8 pixels has no room for them and stays as it is.
    """
    framed = image.convert("RGB")
    left, top, right, bottom = pixels(box, image.size)
    if min(image.size) >= 8:
        line, draw = _line(image), ImageDraw.Draw(framed)
        low = max(left - 2 * line, 0), max(top - 2 * line, 0)
        high = min(right + 2 * line, image.width) - 1, min(bottom + 2 * line, image.height) - 1
        draw.rectangle((*low, *high), None, "black", line)
        draw.rectangle((low[0] + line, low[1] + line, high[0] - line, high[1] - line), None, "white", line)
    return framed


def paint(photo: Image.Image, strength: Float32[np.ndarray, "h w"]) -> Image.Image:
    """An RGB photograph with relevance over it, pixel by pixel, as a share of full colour in [-1, 1]."""
    drawn = Image.blend(photo.convert("L").convert("RGB"), photo, SATURATION)  # or a red cup is taken for relevance
    for colour, part in ((POSITIVE, strength), (NEGATIVE, -strength)):
        opacity = np.rint(255 * _OPAQUE * np.clip(part, 0, 1) ** _GAMMA).astype(np.uint8)
        drawn.paste(colour, (0, 0, *photo.size), Image.fromarray(opacity))
    return drawn


def whole(box: Box, size: tuple[int, int]) -> Pixels:
    """The box with its edges moved outwards to whole pixels, inside or beyond an image of `size`.

    Raises:
        SemlensError: if it has no pixel of that image.
    """
    left, top = (math.floor(edge + 1e-6) for edge in box[:2])  # what rounding adds to an edge is no pixel more
    right, bottom = (math.ceil(edge - 1e-6) for edge in box[2:])
    if not (max(left, 0) < min(right, size[0]) and max(top, 0) < min(bottom, size[1])):
        raise SemlensError(
            f"box {box} has no pixel of the image of {size[0]} x {size[1]}: give left, top, right and bottom in the "
            "image's own pixels, or None for all of it"
        )
    return left, top, right, bottom


def pixels(box: Box, size: tuple[int, int]) -> Pixels:
    """The pixels of an image of `size` that the box touches.

    Raises:
        SemlensError: if there are none.
    """
    left, top, right, bottom = whole(box, size)
    return max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1])


def finite(heat: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The map with zero where it is infinite or not a number."""
    return np.where(np.isfinite(heat), heat, 0).astype(np.float32)


def _stretch(
    heat: Float32[np.ndarray, "h w"], area: Pixels, inside: Pixels, limit: float
) -> Float32[np.ndarray, "_h _w"]:
    """The map, which covers `area`, at each pixel of `inside`, as a share of `limit` in [-1, 1].

    Cut off before it is resized, so that a stray value does not spread. Bilinear, since what is smoother overshoots:
    beside red there would be blue.
    """
    share = Image.fromarray(np.clip(heat / limit, -1, 1).astype(np.float32))
    corner, size = np.tile(area[:2], 2), np.tile(np.subtract(area[2:], area[:2]), 2)
    left, top, right, bottom = ((inside - corner) * np.tile(share.size, 2) / size).tolist()
    shape = inside[2] - inside[0], inside[3] - inside[1]
    return np.asarray(share.resize(shape, Image.Resampling.BILINEAR, (left, top, right, bottom)))


def _line(image: Image.Image) -> int:
    """The width of a line that is seen when the whole image is, and leaves a narrow one room."""
    return max(1, min(round(max(image.size) / 150), min(image.size) // 8))
