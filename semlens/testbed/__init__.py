"""A world with known truth: pictures whose every concept is drawn, networks trained on them, and a benchmark.

What draws needs no torch and is named here; `truth`, `train` and `benchmark` are imported by those who use them.
"""

from semlens.testbed.world.caption import caption
from semlens.testbed.world.concepts import CONCEPTS, Concept
from semlens.testbed.world.files import write_world
from semlens.testbed.world.population import World
from semlens.testbed.world.render import Picture, draw
from semlens.testbed.world.scenario import CLEAN, SHORTCUT, Scenario
from semlens.testbed.world.scene import Scene

__all__ = [
    "CLEAN", "CONCEPTS", "SHORTCUT", "Concept", "Picture", "Scenario", "Scene", "World", "caption", "draw",
    "write_world",
]  # fmt: skip
