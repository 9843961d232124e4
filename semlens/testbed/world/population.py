"""Scenes by number: a data set whose pictures are drawn when they are looked at."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from PIL.Image import Image

from semlens.testbed.world.render import SIDE, Picture, draw
from semlens.testbed.world.scenario import Scenario
from semlens.testbed.world.scene import Scene

START = "fork" if sys.platform == "linux" else "spawn"

Made = TypeVar("Made")


@dataclass(frozen=True, repr=False)
class World:
    """Pictures by number, with their diagnoses; `load_images` takes it as it is."""

    name: str
    scenes: tuple[Scene, ...]
    side: int = SIDE

    @classmethod
    def of(cls, scenario: Scenario, count: int, seed: int = 1) -> "World":
        """`count` pictures of a scenario. The networks of the testbed were trained on seed 0.

        Those of one seed have the same lesions in every scenario, those of different seeds nothing in common.
        """
        scenes = tuple(scenario.scene((seed << 32) + i) for i in range(count))
        return cls(f"{scenario.name}, seed {seed}", scenes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, i: int) -> tuple[Image, str]:
        return draw(self.scenes[i], self.side).image, self.scenes[i].diagnosis

    def picture(self, i: int) -> Picture:
        """The i-th picture with the masks of what it shows."""
        return draw(self.scenes[i], self.side)

    def part(self, ids: Sequence[int]) -> "World":
        """These pictures only, in this order."""
        return World(self.name, tuple(self.scenes[i] for i in ids), self.side)

    @property
    def targets(self) -> list[str]:
        """The diagnosis of every picture, its noise included."""
        return [scene.diagnosis for scene in self.scenes]

    def __repr__(self) -> str:
        return f"World({self.name}: {len(self)} pictures)"


def in_parts(world: World, make: Callable[[World], Made], *, size: int = 50, workers: int = 2) -> Iterator[Made]:
    """What `make` makes of each part of `size` pictures, in order; by worker processes, or here if `workers` is 0.

    Args:
        make: a function that pickles.
    """
    parts = [world.part(range(start, min(start + size, len(world)))) for start in range(0, len(world), size)]
    if workers == 0:
        yield from map(make, parts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context(START)) as pool, warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads; the workers use none of what others may have locked.
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        yield from pool.map(make, parts)
