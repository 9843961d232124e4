"""From a scene to its picture, and to the pixels of everything in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from PIL import Image

from semlens.testbed.world import artefacts, lesion, structures
from semlens.testbed.world.concepts import BY_NAME
from semlens.testbed.world.paint import Paint, Place
from semlens.testbed.world.scene import Scene
from semlens.testbed.world.skin import skin
from semlens.types import Bool, Float32

SIDE = 128
"""Pixels along an edge of a picture, unless another size is asked for."""

VISIBLE = 0.25
"""A pixel shows a concept if this much of its colour comes from it."""

SEEN = 0.03
"""A concept is seen in a part of a picture if it takes this much of it."""

Drawing = Callable[[Place, float, np.random.Generator], list[Paint]]

# From the lowest coat to the highest: what comes later lies on top.
DRAWINGS: dict[str, Drawing] = {
    "red skin": artefacts.red_skin,
    "light brown": lesion.light_brown,
    "dark brown": lesion.dark_brown,
    "red": lesion.red,
    "black": lesion.black,
    "white structures": lesion.white_structures,
    "blue-white veil": lesion.blue_white_veil,
    "pigment network": structures.pigment_network,
    "dots and globules": structures.dots_and_globules,
    "streaks": structures.streaks,
    "crusty surface": lesion.crusty_surface,
    "gel bubbles": artefacts.gel_bubbles,
    "purple ink": artefacts.purple_ink,
    "hairs": artefacts.hairs,
    "ruler": artefacts.ruler,
    "band-aid": artefacts.band_aid,
    "vignetting": artefacts.vignetting,
}

EDGE = 0.1
"""A ragged border shows this near to the lesion's edge, in halves of a picture's side."""


@dataclass(frozen=True)
class Picture:
    """A scene drawn."""

    image: Image.Image
    masks: Mapping[str, Bool[np.ndarray, "h w"]]  # where each present concept is visible, and "lesion", the whole of it


def draw(scene: Scene, side: int = SIDE) -> Picture:
    """The picture of a scene, `side` pixels square.

    The shape and size of a lesion show in all of it, a ragged border along its edge; what is covered does not show.
    """
    place = lesion.place(scene, side)
    pixels = reduce(_coat, lesion.base(place, 1.0, scene.random("base")), skin(scene.random("skin"), side))
    shown = {"lesion": (place.depth > 0).astype(np.float32), "border": (np.abs(place.depth) < EDGE).astype(np.float32)}
    for name in (name for name in DRAWINGS if scene.levels[name] > 0):
        coats = DRAWINGS[name](place, scene.levels[name], scene.random(name))
        pixels = reduce(_coat, coats, pixels)
        through = reduce(np.multiply, (1 - coat.alpha for coat in coats))
        for other in shown:
            if BY_NAME[name].artefact or other in BY_NAME:  # a lesion is not hidden by its own colours
                shown[other] = shown[other] * through
        shown[name] = 1 - through
    whole = {"asymmetry": "lesion", "large lesion": "lesion", "ragged border": "border"}
    masks = {name: shown[whole.get(name, name)] > VISIBLE for name in ("lesion", *scene.present)}
    return Picture(Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)), masks)


def _coat(pixels: Float32[np.ndarray, "h w 3"], coat: Paint) -> Float32[np.ndarray, "h w 3"]:
    return pixels + coat.alpha[..., None] * (coat.color - pixels)
