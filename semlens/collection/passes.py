"""One pass over images, whoever makes it: batches in the order of their ids, on the model's device, with one policy.

The policy for an image that cannot be read: it keeps its id, is skipped and is reported. `fill` lists it in the state
that it returns; `Feed.readable` warns (`UnreadableWarning`), since its callers return means over the other images.
Where a result needs every image, because each could be read when the index or its examples were made, `readable_when`
says when that was, and the first that no longer can be read is an error that names it.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from semlens.collection.states import Pass, StateKind, earlier, join, missing_ranges
from semlens.errors import SemlensError, UnreadableItem
from semlens.images.loader import Batch, batches, default_workers
from semlens.model import VisionModel
from semlens.types import ExampleSet, Progress, Shaped, Unreadable, silent


class UnreadableWarning(UserWarning):
    """Some images could not be read; the result is a mean over the others."""


def image_batches(
    images: ExampleSet,
    ids: Sequence[int],
    transform: Callable[[Any], Any],
    step: str,
    *,
    batch_size: int,
    workers: int | None = None,
    readable_when: str = "",
    progress: Progress = silent,
) -> Iterator[Batch]:
    """The transformed images, `batch_size` ids at a time. Progress is told of a batch when the next one is asked for.

    Args:
        workers: None takes as many as are worth having beside a model on the CPU.
        readable_when: if every image is needed, when it could be read: "examples were collected". Empty where images
            that cannot be read are reported in their batch instead.

    Raises:
        SemlensError: an image that could be read then and cannot be now.
    """
    done, workers = 0, default_workers("cpu") if workers is None else workers
    for batch in batches(images, ids, transform, batch_size=batch_size, workers=workers):
        if readable_when and batch.unreadable:
            gone = batch.unreadable[0]
            raise SemlensError(
                f"{images.names[gone.id]} could be read when {readable_when}, and now not: {gone.reason}"
            )
        yield batch
        done += len(batch.ids) + len(batch.unreadable)
        progress(step, done, len(ids))


def as_is(item: Any) -> Any:
    """The transform of a pass that takes items as they are."""
    return item


def shifted(progress: Progress, start: int, total: int) -> Progress:
    """The progress of a stretch, which begins at `start`, as a part of the whole."""

    def tell(step: str, done: int, _: int) -> None:
        progress(step, start + done, total)

    return tell


@dataclass(frozen=True, eq=False)
class Feed:
    """How images reach a model: preprocessed, all of one size, `batch_size` at a time, on its device."""

    model: VisionModel
    images: ExampleSet
    batch_size: int
    workers: int | None = None

    @cached_property
    def first(self) -> Shaped[Tensor, "1 ..."]:
        """The first image that can be read, as the model takes it: what layers give is seen on it."""
        return first_input(self.model, self.images)

    def batches(
        self, ids: Sequence[int], step: str, *, readable_when: str = "", progress: Progress = silent
    ) -> Iterator[tuple[Shaped[Tensor, "n ..."], Batch]]:
        """Batches with their images as one tensor: always `batch_size` rows, of which those beyond `batch.ids` only pad
        it; none if no image of the batch can be read."""
        model, first = self.model, self.first
        workers = default_workers(model.device.type) if self.workers is None else self.workers
        for batch in image_batches(
            self.images, ids, model.preprocess, step, batch_size=self.batch_size, workers=workers,
            readable_when=readable_when, progress=progress,
        ):  # fmt: skip
            x = stack(batch, self.images, self.batch_size, first) if batch.ids else first[:0]
            yield model.given(x, non_blocking=True), batch

    def readable(
        self, ids: Sequence[int], step: str, progress: Progress = silent
    ) -> Iterator[tuple[Shaped[Tensor, "n ..."], tuple[int, ...]]]:
        """The batches in which an image can be read, each with the ids of these; warns of the images left out."""
        unreadable: list[Unreadable] = []
        for x, batch in self.batches(ids, step, progress=progress):
            unreadable += batch.unreadable
            if batch.ids:
                yield x, batch.ids
        if unreadable:
            name, reason = self.images.names[unreadable[0].id], unreadable[0].reason
            warnings.warn(
                f"{step}: {len(unreadable):,} of {len(ids):,} images cannot be read and are left out, first {name}: "
                f"{reason}",
                UnreadableWarning,
                stacklevel=2,
            )


def readable_items(images: ExampleSet) -> Iterator[tuple[int, Any]]:
    """The items that can be read and are like others, with their ids."""
    for i in range(len(images)):
        with suppress(UnreadableItem):
            item = images.load(i)
            if not images.odd(item):
                yield i, item


def first_input(model: VisionModel, images: ExampleSet) -> Shaped[Tensor, "1 ..."]:
    """The first item that can be read, as the model takes it; the model's own example if none can."""
    for i, item in readable_items(images):
        with suppress(UnreadableItem):  # one that this model does not take
            return _preprocessed(model, item, images.names[i])
    return model.example_input()


def _preprocessed(model: VisionModel, item: Any, name: str) -> Shaped[Tensor, "1 ..."]:
    """An item as the model takes it.

    Raises:
        SemlensError: the preprocessing fails, or gives no tensor.
    """
    try:
        return model.given(model.preprocess(item)[None])
    except UnreadableItem:
        raise
    except Exception as error:  # the user's code: anything may come
        first = next(iter(str(error).splitlines()), "")
        raise SemlensError(f"the preprocessing fails on {name}: {type(error).__name__}: {first}") from error


def stack(batch: Batch, images: ExampleSet, batch_size: int, first: Shaped[Tensor, "1 ..."]) -> Shaped[Tensor, "n ..."]:
    """The batch as one tensor, always of `batch_size` rows: another shape may run by another kernel and round so."""
    for i, item in zip(batch.ids, batch.items, strict=True):
        if item.shape != first.shape[1:]:
            raise SemlensError(
                f"the model's preprocessing gives images of different sizes: the first {tuple(first.shape[1:])}, "
                f"{images.names[i]} {tuple(item.shape)}; it must resize and crop every image to one size"
            )
    rows = list(batch.items) + [torch.zeros_like(batch.items[0])] * (batch_size - len(batch.items))
    return torch.stack(rows)


State = TypeVar("State", covariant=True)


@runtime_checkable
class Stream(Protocol[State]):
    """What a pass fills: running sums and running top-k that end as a state which merges."""

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """The images from start to stop that have to be looked at."""
        ...

    def add(self, x: Shaped[Tensor, "n ..."], ids: Sequence[int]) -> None:
        """Takes a batch in; rows of `x` beyond `ids` only pad it."""
        ...

    def state(self, seen: tuple[tuple[int, int], ...] = (), unreadable: tuple[Unreadable, ...] = ()) -> State:
        """What the stream holds now, from the images in `seen`."""
        ...


@dataclass(frozen=True)
class Checkpoint:
    """Where a pass keeps its state, every how many batches, and whether it goes on from what it finds there."""

    file: Path | None
    every: int
    resume: bool


def fill(
    stream: Stream[Pass],
    kind: StateKind[Pass],
    feed: Feed,
    ids: tuple[int, int],
    step: str,
    checkpoint: Checkpoint,
    progress: Progress = silent,
) -> Pass:
    """The state of a pass over the images from one id to another; what the checkpoint holds is not computed again.

    Raises:
        SemlensError: a checkpoint of a run with other settings.
    """
    before = earlier(checkpoint.file, stream.state(), kind) if checkpoint.resume else None
    gaps = missing_ranges(before.seen if before else (), *ids)
    seen = _Seen()

    def state() -> Pass:
        now = stream.state(seen.ranges, seen.unreadable)
        now = kind.merge(before, now) if before else now
        if checkpoint.file is not None:
            kind.save(now, checkpoint.file)
        return now

    total = ids[1] - ids[0]
    done = total - sum(stop - start for start, stop in gaps)
    for start, stop in gaps:
        for x, batch in feed.batches(stream.wanted(start, stop), step):
            if batch.ids:
                stream.add(x, batch.ids)
            seen.batch(batch, start)
            progress(step, done + seen.count, total)
            if seen.batches % checkpoint.every == 0 and checkpoint.file is not None:
                state()
        if seen.upto(start, stop):  # the last images of the gap are not wanted
            progress(step, done + seen.count, total)
    return state()


@dataclass
class _Seen:
    """Which images a pass has looked at so far. Mutable, because a pass goes on."""

    ranges: tuple[tuple[int, int], ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    batches: int = 0

    @property
    def count(self) -> int:
        """How many images these are, those that were not wanted among them."""
        return sum(stop - start for start, stop in self.ranges)

    def batch(self, batch: Batch, start: int) -> None:
        """Notes a batch of images of the gap that begins at `start`: all up to its last image are seen."""
        self.upto(start, 1 + max((*batch.ids, *(image.id for image in batch.unreadable))))
        self.unreadable += batch.unreadable
        self.batches += 1

    def upto(self, start: int, stop: int) -> bool:
        """Notes the images from start to stop; whether any of them is new."""
        before = self.ranges
        self.ranges = join([*before, (start, stop)])
        return self.ranges != before
