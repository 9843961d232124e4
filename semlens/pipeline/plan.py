"""What a build will cost before it starts: a short run over a few of the images, laid over all of them."""

import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from semlens.attribution import Composite, relevance
from semlens.collection import KEPT, collect, drawn
from semlens.crop import ChosenCrop, choose_crop, located_stretches
from semlens.foundation import load_foundation
from semlens.model import Layer, VisionModel, as_model
from semlens.pipeline.encode import ENCODED, SEED, drawn_whole, images_asked, to_encode
from semlens.pipeline.pieces import Plan, embed_pieces
from semlens.progress import visible
from semlens.sets import chosen, open_set
from semlens.types import MISSING, ConceptExamples, ExampleSet, FoundationModel, Progress, silent

T = TypeVar("T")

BATCHES = 3
"""Batches of images that a plan looks at."""

PAIRS = 24
"""Examples that crops are tried on."""

_SLOT = 16  # bytes of an example in an index: its image, activation, position and piece
_STATE = 24  # bytes of an example while images pass
_SUM = 16  # bytes of a row and dimension while sums run
_BOX = 20  # bytes of a piece beside its vector and thumbnail


@dataclass(frozen=True)
class Stage:
    """One step of a build."""

    step: str
    count: int  # at most, where it depends on what is found
    what: str  # images, examples or pieces
    each: float  # seconds for one, on this machine as it was

    @property
    def seconds(self) -> float:
        """For all, in one process."""
        return self.count * self.each


@dataclass(frozen=True)
class BuildPlan:
    """What a build will take."""

    images: int
    components: int
    start: float  # seconds of each process before its first image
    stages: tuple[Stage, ...]
    index_bytes: int  # of the index on disk, at most
    state_bytes: int  # kept in memory by each process while images pass, beside the models

    def seconds(self, processes: int = 1) -> float:
        """How long it takes so many processes, each with a machine like the part of this one that the probe had."""
        return self.start + sum(stage.seconds for stage in self.stages) / processes


def plan(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    foundation: FoundationModel | str,
    *,
    k: int = 30,
    pool: str = "mean",
    crop: str = "none",
    classes: Sequence[int | str] = (),
    of: str = "auto",
    method: str | Composite = "auto",
    vectors: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    encode: int | str = ENCODED,
    progress: Progress = visible,
) -> BuildPlan:
    """What `build` with these arguments will cost, from a few batches of the images, spread evenly, and a few crops.

    Raises:
        SemlensError: as `build` would before its first pass.
    """
    model, images = as_model(model), open_set(images)
    foundation = load_foundation(foundation) if isinstance(foundation, str) else foundation
    kind, asked = choose_crop(crop, model, method), images_asked(encode)
    spread = np.unique(np.linspace(0, len(images) - 1, min(len(images), BATCHES * batch_size)).astype(int))
    probe = _Probe(model, chosen(images, spread.tolist()), foundation, batch_size, workers, progress)
    few = min(k, len(spread))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few images; a build says what holds for all
        examples = probe.examples(layers, k=few, pool=pool, precision=precision, encode=asked != 0)
        if classes:
            probe.relevance(layers, classes, of=of, method=method, k=few, vectors=vectors)
        crop_seconds = probe.of_a_crop(kind, examples) if kind.kind else None
        piece = probe.of_a_piece()
    encoded = len(drawn(len(images), asked, SEED)) if asked != 0 else 0
    return _laid_over(probe, examples, len(images), k, encoded, crop_seconds, piece)


def _laid_over(
    probe: "_Probe", examples: ConceptExamples, images: int, k: int, encoded: int, crop: float | None,
    piece: tuple[float, int],
) -> BuildPlan:  # fmt: skip
    """What was seen of a few images, for all: `crop` is the seconds of one, `piece` those of one and its thumbnail."""
    slots = len(examples.ids) * k
    pieces = min(slots, images) if crop is None else slots
    stages = (
        Stage("embed images", encoded, "images", probe.each("embed images")),
        Stage("collect", images, "images", probe.each("collect")),
        Stage("relevance", images if "relevance" in probe.told else 0, "images", probe.each("relevance")),
        Stage("locate", 0 if crop is None else slots, "examples", crop or 0.0),
        Stage("embed", max(0, pieces - encoded) if crop is None else pieces, "pieces", piece[0]),
    )
    outputs = len(examples.encoding.outputs) if examples.encoding else 0
    rows, width = len(examples.ids) + outputs, probe.foundation.identity.dimension
    kept = min(encoded, KEPT)
    sums = 4 * rows * width + 8 * width**2 + kept * (2 * (rows + width) + piece[1]) if encoded else 0
    return BuildPlan(
        images=images,
        components=len(examples.ids),
        start=probe.start,
        stages=tuple(stage for stage in stages if stage.count),
        index_bytes=slots * _SLOT + pieces * (2 * width + piece[1] + _BOX) + sums,
        state_bytes=slots * _STATE + (_SUM * rows * width if encoded else 0),
    )


@dataclass
class _Probe:
    """The steps of a build on a few images, timed. Mutable: it takes note of how long each took."""

    model: VisionModel
    few: ExampleSet
    foundation: FoundationModel
    batch_size: int
    workers: int | None
    progress: Progress
    start: float = 0.0
    told: dict[str, list[tuple[float, int]]] = field(default_factory=dict)  # by step, when how many were done

    def timed(self, step: str, work: Callable[[Progress], T]) -> T:
        """What the work gives, of which each stretch that is done is noted."""
        noted = self.told.setdefault(step, [(perf_counter(), 0)])

        def tell(at: str, done: int, total: int) -> None:
            if at == step:
                noted.append((perf_counter(), done))
            self.progress(f"plan: {at}", done, total)

        return work(tell)

    def each(self, step: str) -> float:
        """Seconds for one. The first batch, which waits for what is made ready, is left out if there are others."""
        noted = self.told.get(step, [(0.0, 0)])
        begun, ended = noted[min(1, len(noted) - 2)] if len(noted) > 2 else noted[0], noted[-1]
        return (ended[0] - begun[0]) / max(1, ended[1] - begun[1])

    def examples(self, layers: Layer | Sequence[Layer], *, encode: bool, **how: Any) -> ConceptExamples:
        """Those of the few images; and how long a process takes to begin."""
        with tempfile.TemporaryDirectory() as scratch:
            asked, nothing = None if encode else 0, Path(scratch, "none")
            whole = self.timed(
                "embed images",
                lambda told: drawn_whole(self.foundation, self.few, asked, (0, 1), nothing, self.workers, told),
            )
            over = to_encode(whole, asked)
            begun = perf_counter()
            examples = self.timed(
                "collect",
                lambda told: collect(
                    self.model, self.few, layers, batch_size=self.batch_size, workers=self.workers, encode=over,
                    progress=told, **how,
                ),
            )  # fmt: skip
        self.start = max(0.0, perf_counter() - begun - self.each("collect") * len(self.few))
        return examples

    def relevance(self, layers: Layer | Sequence[Layer], classes: Sequence[int | str], **how: Any) -> None:
        """Notes how long it takes."""
        self.timed(
            "relevance",
            lambda told: relevance(
                self.model, self.few, layers, classes, batch_size=self.batch_size, workers=self.workers,
                progress=told, **how,
            ),
        )  # fmt: skip

    def of_a_crop(self, kind: ChosenCrop, examples: ConceptExamples) -> float:
        """Seconds for one example, where each image is shown by many: what more examples of the same images cost."""
        slots = np.argwhere(examples.valid)
        slots = slots[np.argsort(examples.ids[slots[:, 0], slots[:, 1]], kind="stable")][:PAIRS]
        few = slots[: max(1, len(slots) // 4)]
        seconds = [self._located(kind, examples, some) for some in (few, few, slots)]  # the first makes ready
        return max(0.0, seconds[2] - seconds[1]) / max(1, len(slots) - len(few))

    def _located(self, kind: ChosenCrop, examples: ConceptExamples, slots: np.ndarray) -> float:
        ids = np.full_like(examples.ids, MISSING)
        ids[slots[:, 0], slots[:, 1]] = examples.ids[slots[:, 0], slots[:, 1]]
        begun = perf_counter()
        for _ in located_stretches(
            kind, self.model, self.few, replace(examples, ids=ids), (0, 1), self.workers, None, silent
        ):
            pass
        return perf_counter() - begun

    def of_a_piece(self) -> tuple[float, int]:
        """Seconds for one, cut out, embedded and made a thumbnail of; and bytes of the thumbnail."""
        number = min(len(self.few), 2 * self.batch_size)
        boxes = np.zeros((number, 4), np.int32)
        some = Plan(np.arange(number, dtype=np.int32), boxes, np.zeros((1, 1), np.int32))
        begun = perf_counter()
        pieces = embed_pieces(self.few, self.foundation, some, self.batch_size, self.workers, None, None, silent)
        return (perf_counter() - begun) / number, round(np.mean([len(file) for file in pieces.thumbnails]).item())
