"""Scenarios: how often everything occurs in a population of pictures, and which artefacts give the diagnosis away."""

from dataclasses import dataclass, field

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.testbed.world.concepts import ARTEFACTS, COLORS, NAMES
from semlens.testbed.world.scene import CLASSES, NOISE, Scene

SHAPES = {"asymmetry": (0.9, 0.1), "ragged border": (0.9, 0.1), "large lesion": (0.9, 0.1)}
"""How often a suspicious and an ordinary lesion are of a shape; a trace of it is in every lesion."""

SURFACES = {
    "light brown": (0.7, 0.85),
    "dark brown": (0.7, 0.4),
    "black": (0.55, 0.1),
    "red": (0.45, 0.08),
    "blue-white veil": (0.6, 0.08),
    "white structures": (0.45, 0.08),
    "crusty surface": (0.9, 0.1),
    # these say nothing about the diagnosis
    "pigment network": (0.4, 0.4),
    "dots and globules": (0.4, 0.4),
    "streaks": (0.3, 0.3),
}
"""How often they have a colour, crusts or a structure."""

BASE = {
    "hairs": 0.35,
    "ruler": 0.3,
    "band-aid": 0.25,
    "purple ink": 0.2,
    "vignetting": 0.25,
    "red skin": 0.25,
    "gel bubbles": 0.2,
}
"""How often an artefact lies on any picture where it is no shortcut."""

PLANTED = {"band-aid": (0.0, 0.7), "ruler": (0.85, 0.08), "red skin": (0.03, 0.7), "purple ink": (0.75, 0.05)}
"""How often it lies on a melanoma and on another lesion, where it is a shortcut at full strength."""


@dataclass(frozen=True)
class Scenario:
    """A population of scenes.

    Args:
        shortcuts: artefact to how strongly it gives the diagnosis away: 0, it occurs alike in both classes, to 1.
    """

    name: str
    shortcuts: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for artefact, strength in self.shortcuts.items():
            if artefact not in PLANTED:
                raise unknown("shortcut", artefact, PLANTED)
            if not 0 <= strength <= 1:
                raise SemlensError(f"{strength} is no strength of the shortcut {artefact!r}: give 0 to 1")

    def rate(self, artefact: str, diagnosis: str) -> float:
        """How often an artefact lies on the pictures of a diagnosis, in [0, 1]."""
        base = BASE[artefact]
        planted = PLANTED.get(artefact, (base, base))[CLASSES.index(diagnosis)]
        strength = self.shortcuts.get(artefact, 0.0)
        return (1 - strength) * base + strength * planted

    def scene(self, seed: int) -> Scene:
        """The scene of a seed. Scenarios share the lesions: those of one seed differ in their artefacts only."""
        rng = np.random.default_rng([seed, 0])
        ordinary = int(rng.random() < 0.5)
        odds = {name: rates[ordinary] for name, rates in (SHAPES | SURFACES).items()}
        levels = {name: _level(rng, odds[name], trace=name in SHAPES) for name in odds}
        if max(levels[name] for name in COLORS) < 0.5:  # no lesion is without any colour
            levels["light brown"] = 1.0
        lesion = Scene(seed, {name: levels.get(name, 0.0) for name in NAMES}, bool(rng.random() < NOISE))
        artefacts = {name: _level(rng, self.rate(name, lesion.diagnosis)) for name in ARTEFACTS}
        return Scene(seed, {**lesion.levels, **artefacts}, lesion.contradicts)


def _level(rng: np.random.Generator, odds: float, *, trace: bool = False) -> float:
    """A level: with probability `odds` present, else 0 or, where even the ordinary has some of it, a trace."""
    chance, strength = rng.random(2)
    if chance < odds:
        return float(0.6 + 0.4 * strength)
    return float(0.2 * strength) if trace else 0.0


SHORTCUT = Scenario("shortcut", {"band-aid": 1.0, "ruler": 1.0, "red skin": 1.0})
INK = Scenario("ink", {"purple ink": 1.0})
CLEAN = Scenario("clean")
SCENARIOS = {scenario.name: scenario for scenario in (SHORTCUT, INK, CLEAN)}


def scenario(name: str) -> Scenario:
    """A scenario by its name.

    Raises:
        SemlensError: if there is none of that name.
    """
    if name not in SCENARIOS:
        raise unknown("scenario", name, SCENARIOS)
    return SCENARIOS[name]
