"""What lies on the skin or on the lens: hairs, ruler, plaster, ink, dark corners, reddened skin, bubbles.

But for reddened skin, nothing here depends on the lesion's outline: a change of the lesion moves no artefact.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from semlens.testbed.world.paint import Paint, Pen, Place, rgb, smooth, step
from semlens.types import Float32

Grid = Float32[np.ndarray, "..."]

MOST = 25
"""No picture has more hairs or bubbles than this."""

PLASTERS = {"beige": "#ecd3a6", "blue": "#3d7fd0", "green": "#4fae62", "pink": "#f58fb4", "yellow": "#f4d53c"}
"""The colours of plasters."""

DIGITS = ("abfea", "bf", "abdcef", "abdcdfe", "acdbf", "bacdfe", "baefdc", "abf", "cabfecd", "dcabfe")
"""The stroke of each digit, through the corners a b, middles c d and feet e f of its box."""


def hairs(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Dark, curved body hairs that taper to the tip, 5 to 25 of them, a third across the lesion."""
    count = round(level * rng.uniform(8.5, MOST))
    color = _between("#17100e", "#4a2d1c", rng.random() ** 2)
    pen = Pen(place.side)
    for outline in _hairs(place.centre, rng)[:count]:
        pen.polygon(outline)
    return [Paint(color, pen.alpha * np.float32(0.93))]


def _hairs(centre: tuple[float, float], rng: np.random.Generator) -> Float32[np.ndarray, "n p 2"]:
    """The outlines of all the hairs that there can be."""
    grain, unruly, thick = rng.uniform(0, math.pi), rng.uniform(0.7, 1.8), rng.uniform(0.010, 0.015)
    x, y, turn, reach, bend, twist, width = rng.random((7, MOST, 1), np.float32)
    x, y = 2.1 * x - 1.05, 2.1 * y - 1.05
    x[::3], y[::3] = 0.35 * x[::3] + centre[0], 0.35 * y[::3] + centre[1]
    t = np.linspace(-1, 1, 12, dtype=np.float32)
    length = 0.35 + 0.55 * reach
    u, v = length * t, length * (1.1 * (bend - 0.5) * t**2 + 0.5 * (twist - 0.5) * t**3)
    angle = grain + unruly * (turn - 0.5)
    points = np.stack([x + np.cos(angle) * u - np.sin(angle) * v, y + np.sin(angle) * u + np.cos(angle) * v], -1)
    return _ribbons(points, thick * (0.7 + 0.6 * width) * (0.3 + 0.7 * np.sqrt((1 - t) / 2)))


def ruler(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """A measuring scale along an edge: a baseline with long and short ticks, black on the skin or on a white strip."""
    angle = int(rng.integers(4)) * math.pi / 2 + rng.uniform(-0.05, 0.05)
    begin = rng.uniform(-1.1, -0.75)
    end = begin + rng.uniform(1.6, 2.2) * level**0.5
    ink, strip = Pen(place.side), rng.random() < 0.5
    for stroke in _scale(begin, end, rng):
        ink.line(_turned(stroke, angle), 0.026)
    black = Paint(rgb("#121212"), ink.alpha * np.float32(0.95))
    if not strip:
        return [black]
    white, left, right = Pen(place.side), begin - 0.08, end + 0.08
    white.polygon(_turned([(left, 0.6), (right, 0.6), (right, 1.3), (left, 1.3)], angle))
    return [Paint(rgb("#f1f0ea"), white.alpha * np.float32(0.94)), black]


def _scale(begin: float, end: float, rng: np.random.Generator) -> list[list[tuple[float, float]]]:
    """The strokes of a scale at the bottom of the picture: its baseline, its ticks and, on some, digits."""
    inward, numbered, pitch, first = rng.random() < 0.5, rng.random() < 0.45, rng.uniform(0.075, 0.11), rng.integers(5)
    base, up = (0.92, -1) if inward else (0.68, 1)
    strokes = [[(begin, base), (end, base)]]
    for tick in range(int((end - begin) / pitch) + 1):
        x, long = begin + tick * pitch, tick % 5 == 0
        strokes.append([(x, base), (x, base + up * (0.15 if long else 0.075))])
        if long and numbered:
            strokes.append(_digit(int(first) + tick // 5, x - 0.03, 0.63 if inward else 0.86))
    return strokes


def _digit(digit: int, x: float, y: float) -> list[tuple[float, float]]:
    """The stroke of a digit with its upper left corner at a point."""
    corners = ["abcdef".index(corner) for corner in DIGITS[digit]]
    return [(x + corner % 2 * 0.06, y + corner // 2 * 0.055) for corner in corners]


def band_aid_color(rng: np.random.Generator) -> str:
    """The name of the plaster's colour, from the first chance that its drawing takes."""
    return tuple(PLASTERS)[int(rng.integers(len(PLASTERS)))]


def band_aid(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """A plaster over a side or corner, with round ends, a pad, pores and a soft shadow, on 8 to 20 % of the picture."""
    color = rgb(PLASTERS[band_aid_color(rng)])
    plaster = _lay(level, rng)
    u, v = plaster.frame(place.x, place.y)
    depth = plaster.depth(u, v)
    shadow = step(plaster.depth(*plaster.frame(place.x - 0.03, place.y - 0.05)) + 0.02, 0.07)
    light = plaster.light(u, v) - np.float32(0.2) * np.exp(np.maximum(depth, 0) * np.float32(-33))
    pattern = np.stack([np.clip(light * part, 0, 1) for part in color], -1)
    return [
        Paint(rgb("#201010"), shadow * np.float32(0.4)),
        Paint(pattern, step(depth, 1.5 / place.side) * np.float32(0.98)),
    ]


@dataclass(frozen=True)
class _Plaster:
    """How a plaster lies on the picture."""

    x: float  # its middle
    y: float
    angle: float  # of its long axis
    long: float  # half its length
    half: float  # half its width

    def frame(self, x: Grid, y: Grid) -> tuple[Grid, Grid]:
        """Points of the picture, along the plaster and across it."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x, y = x - self.x, y - self.y
        return c * x + s * y, c * y - s * x

    def depth(self, u: Grid, v: Grid) -> Grid:
        """Distance to the plaster's edge, negative outside."""
        return _box(u, v, self.long, self.half, 0.92 * self.half)

    def light(self, u: Grid, v: Grid) -> Grid:
        """How bright the plaster's relief is: rounded over its width, with pores and the pad."""
        pad = _box(u, v, 0.36 * self.long, 0.74 * self.half, 0.06)
        inside = step(pad, 0.03)
        pores = step(np.cos(u * 57) * np.cos(v * 57) - 0.62, 0.2) * (0.33 - 0.25 * inside)
        return 1.04 - 0.16 * (v / self.half) ** 2 - pores + 0.1 * inside - 0.28 * np.exp(-((pad / 0.03) ** 2))


def _box(u: Grid, v: Grid, long: float, half: float, corner: float) -> Grid:
    """Depth in a box with round corners, half as long and wide as said; negative outside."""
    a, b = np.abs(u) - (long - corner), np.abs(v) - (half - corner)
    outside = np.sqrt(np.maximum(a, 0) ** 2 + np.maximum(b, 0) ** 2)
    return corner - outside - np.minimum(np.maximum(a, b), 0)


def _lay(level: float, rng: np.random.Generator) -> _Plaster:
    """A plaster, pushed into the picture from some direction until it covers as much as it should."""
    goal = (0.095 + 0.08 * rng.random()) * (0.75 + 0.25 * level)
    toward, along, half = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3), rng.uniform(0.27, 0.33)
    angle = toward + math.pi / 2 + rng.uniform(-0.7, 0.7)
    x, y = along * math.cos(angle), along * math.sin(angle)
    plaster = _Plaster(x, y, angle, half * rng.uniform(2.5, 3), half)
    away = np.linspace(1.6, 0.5, 18, dtype=np.float32)
    grid = np.linspace(-0.95, 0.95, 20, dtype=np.float32)
    move = away[:, None, None]
    u, v = plaster.frame(grid - move * math.cos(toward), grid[:, None] - move * math.sin(toward))
    covered = (plaster.depth(u, v) > 0).mean((1, 2))
    push = float(np.interp(goal, covered, away))
    return replace(plaster, x=x + push * math.cos(toward), y=y + push * math.sin(toward))


def purple_ink(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Surgical pen around the lesion: part of a circle, short strokes or dots, with edges that bleed a little."""
    color = _between("#481c9c", "#7826b8", rng.random())
    flow = np.clip(0.9 + 0.1 * smooth(rng, 14, place.side), 0.6, 1)
    half = rng.uniform(0.028, 0.038)
    pen = Pen(place.side)
    marks = _marks(place.centre, level, rng)
    if marks.shape[1] == 1:
        half *= 1.5
    else:
        for outline in _ribbons(marks, np.full(marks.shape[1], half, np.float32)):
            pen.polygon(outline)
    for x, y in marks[:, [0, -1]].reshape(-1, 2).tolist():
        pen.disc(x, y, half)
    return [Paint(color, pen.soft(0.016) * flow * np.float32(0.8 + 0.17 * level))]


def _marks(centre: tuple[float, float], level: float, rng: np.random.Generator) -> Float32[np.ndarray, "n p 2"]:
    """Points of each stroke of a pen on a ring around a point: of one arc, of spokes, of dashes or of single dots."""
    kind, begin, ring = rng.integers(4), rng.uniform(0, 2 * math.pi), rng.uniform(0.66, 0.8)
    count, part, jitter = round(level * rng.uniform(7, 11)), rng.uniform(0.5, 1), rng.uniform(-0.3, 0.3, (2, 11, 1))
    angle = begin + 2 * math.pi * part * (np.arange(count)[:, None] + jitter[0, :count]) / count
    radius = ring + 0.12 * jitter[1, :count]
    if kind == 0:
        angle = begin + np.linspace(0, 5.5 * part * level, 32)[None]
        radius = ring + 0.06 * np.cos(2 * angle - begin)
    elif kind == 1:
        radius = radius + np.array([-0.1, 0.1])
        angle = angle + np.array([-0.1, 0.1]) * jitter[0, 0] / 0.3
    elif kind == 2:
        angle = angle + np.array([-0.17, 0.17])
    points = np.stack(np.broadcast_arrays(centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)), -1)
    return points.astype(np.float32)


def vignetting(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Dark round corners, as of a dermoscope's tube."""
    x, y = rng.uniform(-0.06, 0.06, 2).astype(np.float32)
    radius, width = rng.uniform(1.0, 1.1) + 0.1 * (1 - level), rng.uniform(0.04, 0.2)
    far = np.sqrt((place.x - x) ** 2 + (place.y - y) ** 2)
    return [Paint(rgb("#0b0807"), step(far - radius, width) * np.float32(0.97))]


def red_skin(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Inflamed, blotchy skin around the lesion and away from it."""
    color = _between("#d42a3c", "#c23a30", rng.random())
    lean, angle = rng.uniform(0, 0.12), rng.uniform(0, 2 * math.pi)
    slope = place.x * (lean * math.cos(angle)) + place.y * (lean * math.sin(angle))
    blotches = 0.1 * smooth(rng, 5, place.side) + 0.05 * smooth(rng, 22, place.side)
    cover = np.clip(0.26 + 0.2 * level + slope + blotches, 0.1, 0.7)
    return [Paint(color, cover * step(-place.depth - 0.01, 0.05))]


def gel_bubbles(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Small clear bubbles with a dark rim and a bright highlight, 8 to 25 of them."""
    count = round(level * rng.uniform(13.5, MOST))
    bright, dark = Pen(place.side), Pen(place.side)
    for x, y, size in rng.uniform((-1, -1, 0), 1, (MOST, 3))[:count].tolist():
        radius = 0.05 + 0.08 * size**2
        bright.disc(x, y, radius, 90)
        bright.disc(x - 0.32 * radius, y - 0.32 * radius, max(0.3 * radius, 0.02))
        bright.disc(x + 0.4 * radius, y + 0.4 * radius, 0.15 * radius, 190)
        dark.disc(x, y, radius, 200)
        dark.disc(x - 0.08 * radius, y - 0.08 * radius, 0.72 * radius, 0)
    return [Paint(rgb("#fff6ee"), bright.alpha), Paint(rgb("#3a221c"), dark.alpha)]


def _between(one: str, other: str, part: float) -> Float32[np.ndarray, "3"]:
    """A colour between two."""
    return rgb(one) + np.float32(part) * (rgb(other) - rgb(one))


def _turned(points: list[tuple[float, float]], angle: float) -> Float32[np.ndarray, "n 2"]:
    """Points turned about the middle of the picture."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array(points, np.float32) @ np.array([[c, s], [-s, c]], np.float32)


def _ribbons(lines: Float32[np.ndarray, "n p 2"], half: Float32[np.ndarray, "..."]) -> Float32[np.ndarray, "n q 2"]:
    """The outlines of lines that reach `half` to either side."""
    along = np.gradient(lines, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    aside = half[..., None] * along[..., ::-1] * np.array([-1, 1], np.float32)
    return np.concatenate([lines + aside, (lines - aside)[:, ::-1]], 1).astype(np.float32)
