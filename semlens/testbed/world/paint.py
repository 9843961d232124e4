"""What drawings are made of: paint, the place it goes to, and smooth chance."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from semlens.types import Float32

FINE = 4
"""Lines are drawn this many times finer and averaged down, so that they have no steps."""


@dataclass(frozen=True)
class Place:
    """Where a drawing goes: the grid of a square picture, and the lesion in it."""

    x: Float32[np.ndarray, "h w"]  # -1 at the left edge of the picture to 1 at the right
    y: Float32[np.ndarray, "h w"]  # -1 at the top to 1 at the bottom
    depth: Float32[np.ndarray, "h w"]  # distance to the lesion's edge, in the units of x; negative outside the lesion
    centre: tuple[float, float]  # of the lesion
    radius: float  # of the lesion, on average

    @property
    def side(self) -> int:
        """Pixels along an edge of the picture."""
        return len(self.x)


@dataclass(frozen=True)
class Paint:
    """One coat: `alpha` says how much of `color` covers what lay there."""

    color: Float32[np.ndarray, "..."]  # RGB in [0, 1]: "3" for one colour, "h w 3" for a pattern
    alpha: Float32[np.ndarray, "h w"]  # in [0, 1]


def rgb(color: str) -> Float32[np.ndarray, "3"]:
    """A colour written #rrggbb, as RGB in [0, 1]."""
    return np.frombuffer(bytes.fromhex(color[1:]), np.uint8).astype(np.float32) / 255


def shaded(color: Float32[np.ndarray, "3"], shade: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w 3"]:
    """A colour, brighter or darker from pixel to pixel; it may leave [0, 1]."""
    return np.moveaxis(shade * color[:, None, None], 0, -1)  # a plane per channel in memory: blending is 3x as fast


def smooth(rng: np.random.Generator, cells: int, side: int) -> Float32[np.ndarray, "h w"]:
    """A smooth random field of mean 0 and about unit spread, with features of 1/cells of the picture.

    It is the same field at every `side`.
    """
    coarse = Image.fromarray(rng.standard_normal((cells + 3, cells + 3)).astype(np.float32))
    field = coarse.resize((side, side), Image.Resampling.BICUBIC, box=(1.5, 1.5, cells + 1.5, cells + 1.5))
    return np.asarray(field) * np.float32(1.4)


def around(rng: np.random.Generator, cells: int, place: Place) -> Float32[np.ndarray, "h w"]:
    """A smooth random field like `smooth` that moves and grows with the lesion: features of 1/cells of its diameter.

    It is the same field at every `side`; chance fills the lesion and what is near, farther out it is 0.
    """
    (x, y), radius = place.centre, max(place.radius, 0.25)
    far, near = 5 * cells // 2, cells  # half widths in grid points: beyond the picture, and with chance
    coarse = np.zeros((2 * far + 1, 2 * far + 1), np.float32)
    coarse[far - near : far + near + 1, far - near : far + near + 1] = rng.standard_normal((2 * near + 1,) * 2)
    zoom, middle = cells / 2 / radius, far + 0.5
    box = (middle + (-1 - x) * zoom, middle + (-1 - y) * zoom, middle + (1 - x) * zoom, middle + (1 - y) * zoom)
    field = Image.fromarray(coarse).resize((place.side, place.side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(field) * np.float32(1.4)


def axis(side: int) -> Float32[np.ndarray, "w"]:
    """Where the pixels of a row lie, from -1 at its beginning to 1 at its end."""
    return (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1


def above(field: Float32[np.ndarray, "h w"], place: Place, part: float) -> Float32[np.ndarray, "h w"]:
    """The field moved so that it is positive on about `part` of the lesion."""
    some = slice(None, None, max(1, place.side // 40))
    inside = field[some, some][place.depth[some, some] > 0]
    return field - np.float32(np.quantile(inside, 1 - part))


def step(value: Float32[np.ndarray, "h w"], width: float) -> Float32[np.ndarray, "h w"]:
    """0 where `value` is below -width, 1 above width, and smooth in between."""
    t = np.clip(value / np.float32(2 * width) + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


class Pen:
    """Lines and shapes with smooth edges, in the coordinates of a Place; `alpha` is what they cover."""

    def __init__(self, side: int) -> None:
        self._image = Image.new("L", (side * FINE, side * FINE))
        self._draw = ImageDraw.Draw(self._image)
        self._side = side

    def line(self, points: Float32[np.ndarray, "n 2"], width: float, value: int = 255) -> None:
        """A line through points, as wide as `width` in the units of x."""
        self._draw.line(self._pixels(points), fill=value, width=max(1, self._length(width)), joint="curve")

    def polygon(self, points: Float32[np.ndarray, "n 2"], value: int = 255) -> None:
        """A filled shape."""
        self._draw.polygon(self._pixels(points), fill=value)

    def disc(self, x: float, y: float, radius: float, value: int = 255) -> None:
        """A filled circle."""
        scale = self._side * FINE / 2
        across, down, reach = ((x + 1) * scale - 0.5, (y + 1) * scale - 0.5, radius * scale)
        self._draw.ellipse((across - reach, down - reach, across + reach, down + reach), fill=value)

    @property
    def alpha(self) -> Float32[np.ndarray, "h w"]:
        """How much of each pixel is covered, in [0, 1]."""
        return np.asarray(self._image.reduce(FINE), np.float32) / 255

    def soft(self, bleed: float) -> Float32[np.ndarray, "h w"]:
        """The same with edges that run out over `bleed` to either side."""
        blurred = self._image.reduce(FINE).filter(ImageFilter.BoxBlur(bleed * self._side / 2))
        return np.asarray(blurred, np.float32) / 255

    def _pixels(self, points: Float32[np.ndarray, "n 2"]) -> list[tuple[float, float]]:
        scale = self._side * FINE / 2
        return list(map(tuple, ((np.asarray(points) + 1) * scale - 0.5).tolist()))

    def _length(self, length: float) -> int:
        return round(length * self._side * FINE / 2)
