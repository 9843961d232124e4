"""The preparation of a study: pictures drawn, two indexes built, every concept put in and taken out."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from semlens.benchmark.study import Settings, Study
from semlens.benchmark.truth import effects
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.model import load_model
from semlens.pipeline import build
from semlens.testbed.nets import CLASSIFIERS, ConvNet, ResidualNet, transformer
from semlens.testbed.world import CLASSES, CLEAN, World, scenario, write_world
from semlens.types import Progress, silent

HELD_OUT_SEED, INTERVENTION_SEED = 2, 3
"""Seeds of the worlds that indexes are made from, and that concepts are put into: neither was trained on."""

LAYERS: dict[Callable[[int], nn.Module], tuple[str, ...]] = {
    ConvNet: ("block1", "block2", "block3", "block4"),
    ResidualNet: ("stage1", "stage2", "stage3", "stage4"),
    transformer: ("blocks.0", "blocks.1", "blocks.2"),  # after the last block only the class token counts
}
"""What of each architecture is studied."""


def prepare(name: str, out: Path, settings: Settings, *, progress: Progress = silent) -> Study:
    """A study of the testbed's classifier `name`; pictures and indexes are written below `out`."""
    model, foundation = load_model(f"testbed:{name}"), load_foundation("testbed:clip")
    population = CLASSIFIERS[name].population
    pictures = World.of(scenario(population), settings.count, HELD_OUT_SEED)
    images = load_images(write_world(pictures, out / population, progress=progress))
    layers = settings.layers or LAYERS[CLASSIFIERS[name].build]
    make = partial(build, model, images, layers, foundation, k=settings.k, resume=True)
    index = make(
        out / f"{name}-relevance", crop="relevance", classes=CLASSES, progress=_under(f"{name}, relevance", progress)
    )
    whole = make(out / f"{name}-none", crop="none", progress=_under(f"{name}, none", progress))
    changed = World.of(CLEAN, settings.pairs, INTERVENTION_SEED).scenes
    truth = effects(model, changed, layers, progress=_under(name, progress))
    return Study(name, settings, model, pictures.scenes, images, index, whole, foundation, truth)


def _under(heading: str, progress: Progress) -> Progress:
    """The progress with a heading before every step."""
    return lambda step, done, total: progress(f"{heading}: {step}", done, total)
