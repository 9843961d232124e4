"""The loop that trains a network on, whatever the method: resumable, seeded, stopped early, and kept at its best.

Norms and dropout rest, as they do when the network is used: only parameters change. The network itself is not touched;
what is learnt is a copy of the parameters that are trained.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from math import cos, inf, isfinite, pi
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semlens.collection import Feed, UnreadableWarning
from semlens.correct.penalties import Batch, Method, run
from semlens.correct.training_state import State
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet
from semlens.model import VisionModel, still
from semlens.types import Bool, Float, Float64, Int64, Progress

EVERY = 30.0
"""Seconds between two checkpoints within an epoch; what comes out does not depend on it."""


BY = ("loss", "worst group")
"""The least loss on images held out, the method's term included; or the highest accuracy of their worst group."""


@dataclass(frozen=True)
class Course:
    """How long, in what steps and how fast a network is trained on.

    Args:
        weight: of the method's term beside the mean cross-entropy; 0 is plain fine-tuning.
        rate: of Adam's steps at the start; it falls to 0 along a cosine.
        patience: after so many epochs without a better score it ends.
        held_out: the part of the images that only the score is of.
        by: what makes weights the best: BY.
    """

    epochs: int = 10
    rate: float = 1e-3
    weight: float = 1.0
    batch: int = 32
    patience: int = 4
    held_out: float = 0.2
    seed: int = 0
    by: str = "loss"

    def __post_init__(self) -> None:
        if self.by not in BY:
            raise unknown("measure of what is best", self.by, BY)
        if min(self.epochs, self.batch, self.patience) < 1 or self.seed < 0:
            raise SemlensError("epochs, batch and patience are whole numbers from 1 up, the seed one from 0 up")
        if not (self.rate > 0 and isfinite(self.rate) and 0 <= self.weight < inf and 0 < self.held_out < 1):
            raise SemlensError("the rate is above 0, the weight 0 or above, and held_out between 0 and 1")


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is trained on, and what its score is of.

    Image j of `images` is version j // n of image j % n, where n images have labels. Where there is more than one, the
    first are the images themselves, which only the worst group is of.
    """

    model: VisionModel
    images: ImageSet
    labels: Int64[np.ndarray, "n"]  # -1 where none is known
    share: Float64[np.ndarray, "n"]  # how much each image counts, 1 on average
    held: Bool[np.ndarray, "n"]  # which only the score is of
    groups: Mapping[str, Bool[np.ndarray, "n"]]  # of the images held out; none if their groups are not known
    trained: tuple[str, ...]  # the names of the parameters
    outputs: int
    paired: bool = False  # whether each image comes in two versions, one after the other

    def drawn(self, ids: Int64[np.ndarray, "m"], rng: np.random.Generator) -> Int64[np.ndarray, "v"]:
        """Some images, each in one of the versions that are trained on, or in two of them."""
        if self.versions == 1:
            return ids
        trained = self.trained_on
        places = rng.integers(len(trained), size=len(ids))
        if self.paired:
            other = (places + rng.integers(1, len(trained), size=len(ids))) % len(trained)
            places, ids = np.stack([places, other], axis=1).ravel(), np.repeat(ids, 2)
        return ids + len(self.labels) * np.asarray(trained)[places]

    @property
    def trained_on(self) -> range:
        """The versions that are trained on: not the first, unless it is all there is, or has to be one of a pair."""
        return range(min(1, self.versions - 1 - (self.paired and self.versions < 3)), self.versions)

    @property
    def versions(self) -> int:
        """How many versions there are of each image."""
        return len(self.images) // len(self.labels)


def train(
    lesson: Lesson, method: Method, course: Course, recipe: Mapping[str, Any], kept: Path | None, progress: Progress
) -> State:
    """The state at the end of training; `best` holds the weights of the best score, which may be those before it.

    Args:
        recipe: all that the result depends on, in what JSON can hold.
        kept: the file that a killed run leaves, and the next one goes on from; it is deleted at the end.

    Raises:
        SemlensError: a file of another recipe, one that cannot be written, or a loss that is no number.
    """
    digest = sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    state = State.begun(dict(lesson.model.net.named_parameters()), lesson.trained, course.rate)
    if kept is not None and kept.exists():
        state.take_up(kept, digest)
    with still(lesson.model.net), torch.enable_grad():
        going = _Run(lesson, method, course, state, _Keeper(kept, digest), progress)
        if not state.scores:
            going.score()
        while state.epoch < course.epochs and state.epoch - state.top.epoch < course.patience:
            going.epoch()
    if kept is not None:
        kept.unlink(missing_ok=True)
    _warn(lesson, going.lost)
    return state


def _warn(lesson: Lesson, lost: Mapping[int, str]) -> None:
    """Tells of images that were left out."""
    if lost:
        first = min(lost)
        warnings.warn(
            f"train: {len(lost):,} of {len(lesson.images):,} images cannot be read and are left out, first "
            f"{lesson.images.names[first]}: {lost[first]}",
            UnreadableWarning,
            stacklevel=3,
        )


@dataclass(eq=False)
class _Keeper:
    """Where a state is kept, and when it was last."""

    file: Path | None
    digest: str
    last: float = field(default_factory=monotonic)

    def keep(self, state: State) -> None:
        """Writes the state."""
        self.last = monotonic()
        if self.file is not None:
            state.write(self.file, self.digest)

    def at_times(self, state: State) -> None:
        """Writes it, if that was long ago."""
        if monotonic() - self.last > EVERY:
            self.keep(state)


@dataclass(frozen=True, eq=False)
class _Run:
    """Training as it runs."""

    lesson: Lesson
    method: Method
    course: Course
    state: State
    keeper: _Keeper
    progress: Progress
    lost: dict[int, str] = field(default_factory=dict)  # images that cannot be read, and why

    def batches(self, ids: Int64[np.ndarray, "n"], step: str) -> Iterator[tuple[Float[Tensor, "n ..."], list[int]]]:
        """The images that can be read of each batch of ids, and which they are; none of a batch, if it has none."""
        for x, batch in self.feed.batches(ids.tolist(), step):
            self.lost.update((image.id, image.reason) for image in batch.unreadable)
            yield x[: len(batch.ids)], list(batch.ids)

    @cached_property
    def feed(self) -> Feed:
        """How images reach the model."""
        return Feed(self.lesson.model, self.lesson.images, self.course.batch)

    @cached_property
    def rows(self) -> Int64[np.ndarray, "t"]:
        """The images that are trained on."""
        return np.flatnonzero((self.lesson.labels >= 0) & ~self.lesson.held)

    @property
    def fixed(self) -> dict[str, Tensor]:
        """The parameters that are not trained: without a graph, so that none is made of what stands before."""
        own = self.lesson.model.net.named_parameters()
        return {name: value.detach() for name, value in own if name not in self.state.weights}

    def epoch(self) -> None:
        """Goes once over the images, from where the state is."""
        course, state, rows = self.course, self.state, self.rows
        number = state.epoch + 1
        rng = np.random.default_rng([course.seed, number])
        order = self.lesson.drawn(rng.permutation(rows), rng)
        steps = -(-len(order) // course.batch)
        left = order[state.batch * course.batch :]
        total = course.epochs * len(order)
        for x, ids in self.batches(left, "train"):
            if ids:
                done = (number - 1) * steps + state.batch
                for group in state.optimizer.param_groups:
                    group["lr"] = course.rate * (1 + cos(pi * done / (course.epochs * steps))) / 2
                self.step(x, np.array(ids), number)
            state.batch += 1
            self.progress("train", min((number - 1) * len(order) + state.batch * course.batch, total), total)
            self.keeper.at_times(state)
        self.score()

    def step(self, x: Float[Tensor, "n ..."], ids: Int64[np.ndarray, "n"], epoch: int) -> None:
        """Learns from a batch."""
        loss = self.loss(x, ids, np.random.default_rng([self.course.seed, epoch, self.state.batch]))
        if not loss.isfinite():
            raise SemlensError(f"the loss is no number in epoch {epoch}: choose a lower rate, or a lower weight")
        weights = list(self.state.weights.values())
        for value, slope in zip(weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True):
            value.grad = slope
        self.state.optimizer.step()

    def loss(
        self, x: Float[Tensor, "n ..."], ids: Int64[np.ndarray, "n"], rng: np.random.Generator
    ) -> Float[Tensor, ""]:
        """What is made small: the cross-entropy, and the method's term by its weight."""
        lesson, own = self.lesson, ids % len(self.lesson.labels)
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], (len(ids), lesson.outputs))).to(x)
        passed = self.method(lesson.model.net, {**self.state.weights, **self.fixed}, Batch(x, own, signs))
        target = torch.from_numpy(lesson.labels[own]).to(x.device)
        share = torch.from_numpy(lesson.share[own]).to(passed.logits)
        loss = (share * nn.functional.cross_entropy(passed.logits, target, reduction="none")).mean()
        return loss if passed.term is None else loss + self.course.weight * passed.term

    def score(self) -> None:
        """Notes how good the weights are, and keeps them if they are the best."""
        self.state.note(self._worst_group() if self.lesson.groups else 0.0, self._held_out())
        self.keeper.keep(self.state)

    def _held_out(self) -> float:
        """The loss on the images held out, in all versions that are trained on."""
        held = np.flatnonzero(self.lesson.held & (self.lesson.labels >= 0))
        ids = np.add.outer(held, len(self.lesson.labels) * np.asarray(self.lesson.trained_on)).ravel()
        rng, total, seen = np.random.default_rng(self.course.seed), 0.0, 0
        for x, own in self.batches(ids, "hold out"):
            if own:
                total += self.loss(x, np.array(own), rng).item() * len(own)
                seen += len(own)
        return total / max(seen, 1)

    def _worst_group(self) -> float:
        """The least accuracy over groups of the images held out, as they are."""
        right = np.zeros(len(self.lesson.labels), bool)
        weights = {**self.state.weights, **self.fixed}
        with torch.no_grad():
            for x, ids in self.batches(np.flatnonzero(self.lesson.held), "hold out"):
                if ids:
                    found = run(self.lesson.model.net, weights, x).argmax(1).cpu().numpy()
                    right[ids] = found == self.lesson.labels[ids]
        return min(float(right[member].mean()) for member in self.lesson.groups.values())
