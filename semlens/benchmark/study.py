"""What the benchmark is computed on, a model of the testbed with its two indexes and the truth about its components,
and the rows that it gives."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from math import isnan
from typing import Any

import numpy as np

from semlens.analysis import METHODS
from semlens.benchmark.truth import Effects
from semlens.images import ImageSet
from semlens.index import ConceptIndex
from semlens.model import VisionModel
from semlens.numerics import Estimate
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import Scene, draw
from semlens.types import Bool, FoundationModel, Int64


@dataclass(frozen=True)
class Settings:
    """How much material the benchmark takes. The defaults give the published figures; the tests take less."""

    count: int = 600  # pictures that the indexes are made from
    k: int = 12  # concept examples per component
    pairs: int = 64  # pictures that every concept is put into or taken out of
    layers: tuple[str, ...] = ()  # those studied; empty: all blocks of the model
    unseen: int = 800  # pictures on which the models themselves are measured
    captions: int = 200  # of these, how many have their captions sought
    removals: int = 64  # pictures of a class on which components are removed
    heat_examples: int = 4  # concept examples per component whose heat maps are looked at
    methods: tuple[str, ...] = tuple(METHODS)  # of labelling
    harder: tuple[str, ...] = ("few", "unequal", "repeated", "blind")  # conditions for what is asked by encoding
    doubles: int = 80  # components made with two meanings
    draws: int = 4000  # random components per layer, the null distribution of labels and audits
    draws_if_slow: int = 1000  # the same for what is slower: the method csp, and the measures
    resamples: int = 1000  # bootstrap resamples of what is computed anew on each


PUBLISHED = Settings()


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that the parts of the benchmark ask."""

    name: str
    settings: Settings
    model: VisionModel
    scenes: tuple[Scene, ...]  # by image id of the indexes
    images: ImageSet
    index: ConceptIndex  # relevance crops, and relevance of every class
    whole: ConceptIndex  # the same with whole images
    foundation: FoundationModel
    truth: Effects

    @property
    def planted(self) -> tuple[str, ...]:
        """The shortcuts that are asked about: those that the model, or its twin, was trained on."""
        return CLASSIFIERS[self.name].planted

    @property
    def responds(self) -> Bool[np.ndarray, "c q"]:
        """Which concepts each component responds to; none, where it is dead in the index."""
        alive = ~self.index.dead[:, None]
        return self.truth.responds & alive

    @property
    def single_concept(self) -> Int64[np.ndarray, "c"]:
        """The number of the only concept that each component responds to; -1 where there is none or more than one."""
        responds = self.responds
        return np.where(responds.sum(axis=1) == 1, responds.argmax(axis=1), -1)

    @cached_property
    def masks(self) -> tuple[Mapping[str, Bool[np.ndarray, "h w"]], ...]:
        """Where each concept is visible, by image id: each picture is drawn once for all parts."""
        return tuple(draw(scene).masks for scene in self.scenes)


@dataclass(frozen=True)
class Row:
    """One figure about one model."""

    model: str
    part: str  # of the benchmark: "search", "relevance", ...
    what: str  # "ruler", "mean of 14 concepts"
    measure: str  # "average precision, relevance crops"
    estimate: Estimate
    chance: float  # what a random answer reaches; NaN where there is none
    oracle: float  # what the best possible answer reaches on the same material

    def cells(self) -> tuple[str, ...]:
        """As a person reads it."""
        interval = f"{self.estimate.low:.2f} to {self.estimate.high:.2f}"
        return (
            self.model,
            self.part,
            self.what,
            self.measure,
            _two_digits(self.estimate.value),
            interval,
            _two_digits(self.chance),
            _two_digits(self.oracle),
            str(self.estimate.n),
        )

    def json(self) -> dict[str, Any]:
        """As a script reads it: figures that do not exist are null."""
        names = {"model": self.model, "part": self.part, "what": self.what, "measure": self.measure}
        figures = {**asdict(self.estimate), "chance": self.chance, "oracle": self.oracle}
        return names | {key: None if isnan(value) else value for key, value in figures.items()}


HEADER = ("model", "part", "what", "measure", "value", "95 % interval", "chance", "oracle", "n")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table of Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _two_digits(value: float) -> str:
    return "" if isnan(value) else f"{value:.2f}"
