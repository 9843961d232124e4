"""A scene: what one picture will show. Everything in it is decided here; drawing it adds nothing."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from semlens.errors import SemlensError
from semlens.testbed.world.concepts import BY_NAME, COLORS, NAMES, concept

CLASSES = ("melanoma", "other")
NOISE = 0.03
"""On this part of the scenes the diagnosis contradicts the rule."""

CRITERIA = 3
"""A lesion that meets this many of the five criteria is a melanoma by the rule."""

MANY_COLORS = 3
"""A lesion of this many colours meets criterion C."""

PRESENT = 0.5
"""A concept at this level or above is present."""


@dataclass(frozen=True)
class Scene:
    """The exact content of one picture: a level in [0, 1] for every concept, and the seed of where and how."""

    seed: int
    levels: Mapping[str, float]  # 0 absent; PRESENT to 1 present, fainter to stronger; below PRESENT a natural trace
    contradicts: bool = False  # the diagnosis is not what the rule says

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", MappingProxyType(dict(self.levels)))
        if tuple(self.levels) != NAMES:
            raise ValueError("a scene has a level for each concept, in their order")
        if odd := [name for name, level in self.levels.items() if not 0 <= level <= 1]:
            raise SemlensError(f"{self.levels[odd[0]]} is no level of {odd[0]!r}: give 0 (absent) to 1")

    def __reduce__(self) -> tuple[object, ...]:  # a mapping proxy does not pickle
        return Scene, (self.seed, dict(self.levels), self.contradicts)

    def has(self, name: str) -> bool:
        """Whether a concept is present.

        Raises:
            SemlensError: for an unknown one.
        """
        return self.levels[concept(name).name] >= PRESENT

    @property
    def present(self) -> tuple[str, ...]:
        """The concepts that are present, in their order."""
        return tuple(name for name in NAMES if self.levels[name] >= PRESENT)

    @property
    def criteria(self) -> str:
        """The letters of the ABCDE rule that the lesion meets."""
        letters = {BY_NAME[name].letter for name in self.present} - {"", "C"}
        if sum(self.has(name) for name in COLORS) >= MANY_COLORS:
            letters.add("C")
        return "".join(sorted(letters))

    @property
    def diagnosis(self) -> str:
        """One of CLASSES: "melanoma" where at least CRITERIA letters are met, unless the scene contradicts the rule."""
        return CLASSES[(len(self.criteria) < CRITERIA) != self.contradicts]

    def with_level(self, name: str, level: float) -> "Scene":
        """The same scene but for one concept.

        Raises:
            SemlensError: for an unknown concept or a level outside [0, 1].
        """
        return replace(self, levels={**self.levels, concept(name).name: float(level)})

    def with_levels(self, levels: Mapping[str, float]) -> "Scene":
        """The same scene but for some concepts."""
        scene = self
        for name, level in levels.items():
            scene = scene.with_level(name, level)
        return scene

    def flipped(self, name: str) -> "Scene":
        """The exact counterfactual: the same scene with the concept taken away, or put in at level 1."""
        return self.with_level(name, 0.0 if self.has(name) else 1.0)

    def random(self, what: str) -> np.random.Generator:
        """Chance for one part of the scene: the same in every counterfactual, independent of all other parts."""
        return np.random.default_rng([self.seed, zlib.crc32(what.encode())])
