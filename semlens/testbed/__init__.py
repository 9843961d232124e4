"""A world with known truth: pictures whose every concept is drawn, networks trained on them, and a benchmark.

What draws needs no torch and is named here; `truth`, `train` and `benchmark` are imported by those who use them.
"""

from semlens.testbed.world import (
    CLEAN,
    CONCEPTS,
    SHORTCUT,
    Concept,
    Picture,
    Scenario,
    Scene,
    World,
    caption,
    draw,
    write_world,
)

__all__ = [
    "CLEAN", "CONCEPTS", "SHORTCUT", "Concept", "Picture", "Scenario", "Scene", "World", "caption", "draw",
    "write_world",
]  # fmt: skip
