"""The structures of a lesion: a net of lines, dots, and streaks at its edge."""

import numpy as np

from semlens.testbed.world.paint import Paint, Pen, Place, above, around, rgb, smooth, step
from semlens.types import Float32, Float64

LINE, HOLE = rgb("#3a200f"), rgb("#c99a6a")


def pigment_network(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """A brown net with paler holes, like an irregular honeycomb, over a good part of the lesion."""
    x = place.x + 0.018 * smooth(rng, 9, place.side)
    y = place.y + 0.018 * smooth(rng, 9, place.side)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.095, 0.125)
    waves = np.zeros_like(x)  # three waves whose crests meet at the corners of triangles: the middles of the holes
    for k in range(3):
        angle, pace = turn + k * 2 * np.pi / 3, 4 * np.pi / np.sqrt(3) / pitch
        waves += np.cos(np.float32(pace * np.cos(angle)) * x + np.float32(pace * np.sin(angle)) * y)
    where = _over(place, rng, 0.55 + 0.25 * level)
    lines = step(-0.45 - waves + 0.4 * smooth(rng, 8, place.side), 0.7)
    return [Paint(HOLE, 0.3 * where), Paint(LINE, (0.6 + 0.25 * level) * lines * where)]


def _over(place: Place, rng: np.random.Generator, part: float) -> Float32[np.ndarray, "h w"]:
    """A good part of the lesion, with a soft edge."""
    return step(above(around(rng, 2, place), place, part), 0.25) * step(place.depth - 0.02, 0.03)


def dots_and_globules(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Many round dark brown dots of varied size, each with a paler ring."""
    dots, rings = Pen(place.side), Pen(place.side)
    turn, out, size, dark = rng.random((60, 4))[: int(25 + 35 * level)].T
    angles = 2 * np.pi * turn
    far = (0.9 * np.sqrt(out)) * _reach(place, angles)
    xs, ys = place.centre[0] + far * np.cos(angles), place.centre[1] + far * np.sin(angles)
    for x, y, radius, darkness in zip(xs, ys, 0.014 + 0.024 * size**2, 200 + 55 * dark, strict=True):
        rings.disc(x, y, radius + 0.012, 110)
        dots.disc(x, y, radius, int(darkness))
    return [Paint(rgb("#c08a5c"), rings.alpha), Paint(rgb("#2b150b"), dots.alpha)]


def streaks(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Dark fingers that run out of the lesion along a good part of its edge, close together, some with a knob."""
    pen = Pen(place.side)
    start, knobs = rng.uniform(0, 2 * np.pi), rng.random() < 0.5
    turn, long, wide, bend = rng.random((40, 4)).T[..., None]
    arc = np.pi * (0.8 + 0.6 * level)
    angles = start + arc * (np.arange(40)[:, None] + 1.2 * turn) / 40
    edge, centre = _reach(place, angles), np.array(place.centre)
    inner, outer = edge - 0.10 - 0.05 * turn, edge + 0.02 + 0.15 * long
    towards = np.hstack([np.cos(angles), np.sin(angles)])
    aside = np.hstack([-np.sin(angles), np.cos(angles)]) * (0.011 + 0.010 * wide)
    root, tip = centre + inner * towards, centre + outer * towards + 2.5 * (bend - 0.5) * aside
    corners = np.stack([root - aside, root + aside, tip + 0.35 * aside, tip - 0.35 * aside], axis=1)
    for finger in corners.astype(np.float32):
        pen.polygon(finger)
    for x, y in tip[knobs & (wide[:, 0] > 0.5)]:
        pen.disc(x, y, 0.018)
    return [Paint(rgb("#3a2012"), 0.9 * pen.alpha)]


def _reach(place: Place, angles: Float64[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """How far the lesion's edge lies from its centre in some directions."""
    x, y = place.centre[0] + place.radius * np.cos(angles), place.centre[1] + place.radius * np.sin(angles)
    column, row = (((v + 1) / 2 * place.side).astype(int).clip(0, place.side - 1) for v in (x, y))
    px, py = place.x[row, column] - place.centre[0], place.y[row, column] - place.centre[1]
    return place.depth[row, column] + np.hypot(px, py)
