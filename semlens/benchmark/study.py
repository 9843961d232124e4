"""What the benchmark is computed on: a model of the testbed, its two indexes, and the truth about its components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from semlens.analysis.probe import probe
from semlens.analysis.search import search
from semlens.benchmark.truth import Effects, effects
from semlens.foundation import load_foundation
from semlens.images import ImageSet, load_images
from semlens.index import ConceptIndex
from semlens.model import VisionModel, load_model
from semlens.pipeline import build
from semlens.shapes import Bool, Float32, Int64
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, NAMES, Scene, World, concept, draw, scenario, write_world
from semlens.types import FoundationModel, Progress, silent

HELD_OUT, INTERVENED = 2, 3
"""Seeds of the worlds that indexes are made from, and that concepts are put into: neither was trained on."""

LAYERS = {"transformer": ("blocks.0", "blocks.1", "blocks.2")}  # after the last block only the class token counts
STAGES = ("block1", "block2", "block3", "block4")


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that the parts of the benchmark ask."""

    name: str
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
    def about(self) -> Int64[np.ndarray, "c"]:
        """Which concept each component responds to; -1 unless it is exactly one."""
        responds = self.responds
        return np.where(responds.sum(axis=1) == 1, responds.argmax(axis=1), -1)

    @cached_property
    def masks(self) -> tuple[Mapping[str, Bool[np.ndarray, "h w"]], ...]:
        """Where each concept is visible, by image id: each picture is drawn once for all parts."""
        return tuple(draw(scene).masks for scene in self.scenes)

    def relevant(self, layer: str) -> bool:
        """Whether anything of a layer is relevant to some class."""
        assert self.index.relevance is not None
        return bool(self.index.relevance.positive[self.index.layer_slice(layer)].any())

    def alignment(self, index: ConceptIndex) -> Float32[np.ndarray, "c q"]:
        """How well every component of an index fits the query of each concept; -inf where it is dead."""
        probes = probe(self.foundation, [concept(name).phrases[0] for name in NAMES])
        scores = np.full((len(index.means), len(NAMES)), -np.inf, np.float32)
        numbers = {text: q for q, text in enumerate(probes.names)}
        for hit in search(index, probes, top=len(index.means)):
            scores[index.row(hit.component), numbers[hit.probe]] = hit.alignment
        return scores


def study(name: str, out: Path, *, count: int, k: int, pairs: int, progress: Progress = silent) -> Study:
    """A study of the testbed's classifier `name`; pictures and indexes are written below `out`.

    Args:
        count: pictures that the indexes are made from.
        pairs: pictures that every concept is put into or taken out of.
    """
    model, foundation = load_model(f"testbed:{name}"), load_foundation("testbed:clip")
    pictures = World.of(scenario(CLASSIFIERS[name][1]), count, HELD_OUT)
    folder = out / CLASSIFIERS[name][1]
    images = load_images(write_world(pictures, folder, progress=progress))
    layers = LAYERS.get(name, STAGES)

    def made(crop: str, classes: Sequence[str]) -> ConceptIndex:
        return build(
            model, images, layers, foundation, out / f"{name}-{crop}", k=k, crop=crop, classes=classes, resume=True,
            progress=_under(f"{name}, {crop}", progress),
        )  # fmt: skip

    index, whole = made("relevance", CLASSES), made("none", ())
    changed = World.of(CLEAN, pairs, INTERVENED).scenes
    truth = effects(model, changed, layers, progress=_under(name, progress))
    return Study(name, model, pictures.scenes, images, index, whole, foundation, truth)


def _under(heading: str, progress: Progress) -> Progress:
    """The progress with a heading before every step."""
    return lambda step, done, total: progress(f"{heading}: {step}", done, total)
