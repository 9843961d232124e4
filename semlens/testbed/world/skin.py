"""Skin as a dermatoscope shows it: tone, fine creases, follicles and uneven light."""

import numpy as np

from semlens.testbed.world.paint import Pen, axis, rgb, shaded, smooth, step
from semlens.types import Float32

PALE, ROSY, TAN = rgb("#f1d3c3"), rgb("#e8bba8"), rgb("#d0a283")
FOLLICLE = rgb("#b98a72")


def skin(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "h w 3"]:
    """Bare skin, RGB in [0, 1]."""
    tone, rosy = rng.random(2).astype(np.float32)
    color = PALE + tone**1.5 * (TAN - PALE) + 0.5 * rosy * (ROSY - PALE) * (1 - tone)
    mottled = 0.012 * smooth(rng, 5, side) + 0.014 * smooth(rng, 56, side)
    shade = 1 + _light(rng, side) + mottled - _creases(rng, side)
    pixels = shaded(color, shade)
    pixels += _follicles(rng, side)[..., None] * (FOLLICLE * color.mean() - pixels)
    return np.clip(pixels, 0, 1)


def _light(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "h w"]:
    """How much brighter than even the light is: a slope over the picture."""
    across = axis(side)
    right, down = rng.uniform(-0.05, 0.05, 2).astype(np.float32)
    return right * across + (down * across - 0.05 * across**2)[:, None]


def _creases(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "h w"]:
    """How much darker the fine lines of the skin are: two families of furrows that cross."""
    across = axis(side)
    bend, patchy = smooth(rng, 6, side), smooth(rng, 4, side)
    turn, deep = rng.uniform(0, np.pi), rng.uniform(0.02, 0.05)
    total = np.zeros((side, side), np.float32)
    for angle in (turn, turn + rng.uniform(1.0, 1.5)):
        pitch = np.float32(rng.uniform(11, 16))
        waves = np.float32(np.cos(angle)) * pitch * across + (np.float32(np.sin(angle)) * pitch * across)[:, None]
        total += step(0.25 - np.abs(np.sin(waves + bend)), 0.25)
    return np.float32(deep) * total * np.clip(0.6 + 0.4 * patchy, 0, 1)


def _follicles(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "h w"]:
    """How much of each pixel the mouths of the hair follicles cover: a few faint dots."""
    pen = Pen(side)
    for x, y, size, faint in rng.random((24, 4)):
        pen.disc(2 * x - 1, 2 * y - 1, 0.012 + 0.012 * size, int(25 + 60 * faint))
    return pen.alpha
