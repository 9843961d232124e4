"""The lesion: where it lies, its body, the colours in it and the crust on it."""

from functools import lru_cache

import numpy as np

from semlens.testbed.world.paint import Paint, Place, above, around, axis, rgb, shaded, step
from semlens.testbed.world.scene import Scene
from semlens.types import Float32, Float64

ANGLES = np.linspace(-np.pi, np.pi, 721)
SMALL, LARGE = 0.30, 0.62  # mean radius of a lesion, of half the picture


def place(scene: Scene, side: int) -> Place:
    """Where the lesion of a scene lies in a picture of `side` pixels."""
    chance = scene.random("outline")
    (cx, cy), (jitter, stretch, turn) = chance.uniform(-0.1, 0.1, 2), chance.random(3)
    shape = (0.04 + 0.10 * stretch) * np.cos(2 * (ANGLES - np.pi * turn))
    shape += scene.levels["asymmetry"] * _lopsided(scene.random("asymmetry"))
    shape += scene.levels["ragged border"] * _ragged(scene.random("ragged border"))
    radius = (SMALL + (LARGE - SMALL) * scene.levels["large lesion"]) * (0.96 + 0.08 * jitter)
    outline = np.exp(shape)
    outline *= radius / np.sqrt(np.mean(outline**2))
    x, y = _grid(side)
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    edge = np.interp(np.arctan2(dy, dx), ANGLES, outline).astype(np.float32)
    return Place(x, y, edge - np.hypot(dx, dy), (float(cx), float(cy)), float(radius))


@lru_cache(maxsize=8)
def _grid(side: int) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    x, y = np.meshgrid(axis(side), axis(side))
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def _lobe(at: float, sharp: float) -> Float64[np.ndarray, "n"]:
    """A bump of the outline: 1 in one direction, narrower the sharper."""
    return np.exp(sharp * (np.cos(ANGLES - at) - 1))


def _lopsided(rng: np.random.Generator) -> Float64[np.ndarray, "n"]:
    """The growth of the outline, as a logarithm, that makes a lesion lopsided: a lobe here, a bay beside it."""
    at, bay, hump, sharp = rng.uniform((0, 1.6, 3.2, 2.5), (2 * np.pi, 2.3, 4.2, 4.5))
    turn = rng.choice((-1, 1))
    return 0.5 * _lobe(at, sharp) - 0.65 * _lobe(at + turn * bay, 4.0) + 0.25 * _lobe(at + turn * hump, 6.0)


def _ragged(rng: np.random.Generator) -> Float64[np.ndarray, "n"]:
    """The growth of the outline, as a logarithm, that makes a border ragged: jags all round, and a few notches."""
    count = int(rng.integers(15, 20)) * 2
    knots = np.linspace(-np.pi, np.pi, count + 1) + rng.uniform(-0.05, 0.05, count + 1)
    jags = rng.uniform(0.02, 0.15, count + 1) * np.where(np.arange(count + 1) % 2, 1, -1)
    ragged = np.interp(ANGLES, knots, np.append(jags[:-1], jags[0]))
    for at in rng.uniform(0, 2 * np.pi, 4):
        ragged -= rng.uniform(0.2, 0.4) * _lobe(at, 60.0)
    return ragged


def base(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """The body of the lesion, without colour of its own: skin that is darker and a little pinker."""
    body = step(place.depth, 0.03)
    uneven = 0.45 + 0.08 * around(rng, 5, place) + 0.08 * around(rng, 20, place) + 0.3 * np.clip(place.depth, 0, 0.5)
    return [Paint(rgb("#a8674f"), np.clip(uneven, 0, 1) * body)]


def light_brown(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Tan over most of the lesion."""
    where = _patches(place, rng, 3, 0.6 + 0.25 * level, soft=0.6)
    return [_coat(place, rng, "#a26a38", where, 0.72)]


def dark_brown(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Large patches of dark brown."""
    where = _patches(place, rng, 3, 0.28 + 0.17 * level, soft=0.5)
    return [_coat(place, rng, "#4d2a15", where, 0.84)]


def black(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """One or few black blotches to one side."""
    where = _patches(place, rng, 3, 0.13 + 0.09 * level, aside=0.9, soft=0.35)
    return [_coat(place, rng, "#15100f", where, 0.94)]


def red(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Milky-red areas."""
    where = _patches(place, rng, 3, 0.18 + 0.13 * level, aside=0.5, soft=0.5)
    milk = step(around(rng, 7, place), 1.2) * where
    return [_coat(place, rng, "#bf3238", where, 0.8), Paint(rgb("#eeb0aa"), 0.35 * milk)]


def blue_white_veil(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """A steel-blue film with a white haze."""
    where = _patches(place, rng, 2, 0.18 + 0.12 * level, aside=0.7, soft=0.6)
    haze = step(around(rng, 4, place), 1.0) * where
    return [Paint(rgb("#56749f"), 0.84 * where), Paint(rgb("#d5dfec"), 0.5 * haze)]


def white_structures(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Patches like scars, white to yellowish."""
    where = _patches(place, rng, 4, 0.15 + 0.10 * level, aside=0.3, soft=0.4)
    return [_coat(place, rng, "#f1e9da", where, 0.85)]


def crusty_surface(place: Place, level: float, rng: np.random.Generator) -> list[Paint]:
    """Yellowish flakes with cracks between them, rough in the light."""
    cells = around(rng, 15, place)
    flakes = step(cells + 0.3, 0.25) * _patches(place, rng, 3, 0.35 + 0.2 * level, soft=0.3)
    slope = cells - np.roll(cells, (1, 1), (0, 1))  # lit from one side
    light = np.clip(0.55 + slope * np.float32(place.radius * place.side / 55), 0, 1)[..., None]
    scales = rgb("#a87a3c") + light * (rgb("#f0dfae") - rgb("#a87a3c"))
    return [Paint(scales, 0.88 * flakes)]


def _patches(
    place: Place, rng: np.random.Generator, cells: int, part: float, *, aside: float = 0.0, soft: float = 0.2
) -> Float32[np.ndarray, "h w"]:
    """Soft-edged areas of chance that fill about `part` of the lesion, more `aside` from its centre if asked."""
    field = around(rng, cells, place) + 0.25 * around(rng, 4 * cells, place)
    angle = rng.uniform(0, 2 * np.pi)
    (x, y), reach = place.centre, 2 * aside / place.radius
    field = field + np.float32(reach * np.cos(angle)) * (place.x - np.float32(x))
    field += np.float32(reach * np.sin(angle)) * (place.y - np.float32(y))
    return step(above(field, place, part), soft) * step(place.depth - 0.015, 0.02)


def _coat(place: Place, rng: np.random.Generator, color: str, where: Float32[np.ndarray, "h w"], cover: float) -> Paint:
    """Paint of one colour, a little uneven."""
    shade = 1 + 0.12 * around(rng, 6, place) + 0.12 * around(rng, 24, place)
    return Paint(np.clip(shaded(rgb(color), shade), 0, 1), cover * where)
