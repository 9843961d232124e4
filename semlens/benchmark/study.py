"""What the benchmark is computed on: a model of the testbed, its two indexes, and the truth about its components."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis.labels import METHODS
from semlens.benchmark.truth import Effects
from semlens.images import ImageSet
from semlens.index import ConceptIndex
from semlens.model import VisionModel
from semlens.shapes import Bool, Int64
from semlens.testbed.world import Scene, draw
from semlens.types import FoundationModel


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
