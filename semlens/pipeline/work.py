"""The work of a build in parts that run anywhere: what any of them needs, and what each leaves in `OUT.partial`."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from semlens.collection import FIRST, Feed, drawn, load_examples
from semlens.crop import choose_crop, example_boxes, located_stretches
from semlens.model import Layer, VisionModel, still
from semlens.pipeline.encode import SEED, drawn_whole, images_asked
from semlens.pipeline.partial import claimed
from semlens.pipeline.pieces import chunks_of_pieces, plan_pieces
from semlens.pipeline.shard import collect_shard, relevance_shard
from semlens.sets import without
from semlens.types import ExampleSet, FoundationModel, silent

DIED = "the process that worked on it died"
"""Why an image is skipped."""

EXAMPLES = "examples.safetensors"
BY_IMAGES = ("look", "collect", "relevance")
"""Steps of which a part is a range of images; of the others it is each n-th stretch from the i-th on."""


@dataclass(frozen=True)
class Part:
    """What one process does at a time."""

    step: str  # look, collect, relevance, locate or embed
    start: int
    stop: int
    skipped: tuple[int, ...] = ()  # images that killed whoever read them

    @property
    def size(self) -> int:
        """In images; of a step without them, 1."""
        return self.stop - self.start if self.step in BY_IMAGES else 1

    def __str__(self) -> str:
        what = "images {} to {}" if self.step in BY_IMAGES else "part {} of {}"
        return f"{self.step}, {what.format(self.start, self.stop)}"

    def halves(self) -> "tuple[Part, Part]":
        """The same in two parts."""
        middle = (self.start + self.stop) // 2
        return replace(self, stop=middle), replace(self, start=middle)


@dataclass(frozen=True, eq=False)
class Work:
    """What every part needs, sent once to each process that takes some."""

    model: VisionModel
    images: ExampleSet
    layers: Layer | Sequence[Layer]
    foundation: FoundationModel
    out: Path
    k: int
    batch_size: int
    encode: int | str
    collecting: Mapping[str, Any]  # what `collect` alone takes
    relating: Mapping[str, Any]  # what `relevance` alone takes
    crop: str
    method: Any

    def shared(self) -> list[int]:
        """The images that every part looks at, whichever are its own."""
        asked = images_asked(self.encode)
        return [0] if asked == 0 else [0, *drawn(len(self.images), asked, SEED)[:FIRST].tolist()]

    def do(self, part: Part) -> list[tuple[type[Warning], str]]:
        """Leaves the part's files in `OUT.partial`, and returns what was warned of meanwhile.

        Raises:
            SemlensError: as the verb whose part it is.
        """
        work = replace(self, images=without(self.images, part.skipped, DIED))
        name = f"{part.step}-{part.start}-{part.stop}"
        with warnings.catch_warnings(record=True) as told, claimed(self.out, resume=True, part=name) as partial:
            warnings.simplefilter("always")
            _STEPS[part.step](work, part, partial)
        return [(warning.category, str(warning.message)) for warning in told]


def _look(work: Work, part: Part, partial: Path) -> None:
    feed = Feed(work.model, work.images, work.batch_size, 0)
    with torch.no_grad(), still(work.model.net):
        for x, _ in feed.batches(work.shared()[part.start : part.stop], part.step):
            work.model.net(x if len(x) else feed.first)


def _collect(work: Work, part: Part, partial: Path) -> None:
    collect_shard(
        work.model, work.images, work.layers, partial, range(part.start, part.stop), foundation=work.foundation,
        encode=work.encode, k=work.k, batch_size=work.batch_size, workers=0, progress=silent, **work.collecting,
    )  # fmt: skip


def _relevance(work: Work, part: Part, partial: Path) -> None:
    relevance_shard(
        work.model, work.images, work.layers, partial, range(part.start, part.stop), k=work.k,
        batch_size=work.batch_size, workers=0, progress=silent, **work.relating,
    )  # fmt: skip


def _locate(work: Work, part: Part, partial: Path) -> None:
    crop = choose_crop(work.crop, work.model, work.method)
    examples = load_examples(partial / EXAMPLES)
    for _ in located_stretches(crop, work.model, work.images, examples, (part.start, part.stop), 0, partial, silent):
        pass


def _embed(work: Work, part: Part, partial: Path) -> None:
    crop = choose_crop(work.crop, work.model, work.method)
    examples = load_examples(partial / EXAMPLES)
    with warnings.catch_warnings():  # of crops, which is said once, in the end
        warnings.simplefilter("ignore")
        boxes = example_boxes(crop, work.model, work.images, examples, workers=0, keep=partial)
    asked = images_asked(work.encode)
    whole = drawn_whole(work.foundation, work.images, asked, (0, 1), partial / EXAMPLES, 0, silent)
    for _ in chunks_of_pieces(
        work.images, work.foundation, plan_pieces(examples, boxes), (part.start, part.stop), work.batch_size, 0,
        partial, whole, silent,
    ):  # fmt: skip
        pass


_STEPS: Mapping[str, Callable[[Work, Part, Path], None]] = {
    "look": _look, "collect": _collect, "relevance": _relevance, "locate": _locate, "embed": _embed,
}  # fmt: skip
