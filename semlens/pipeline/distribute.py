"""A build in parts: which there are, and what is done about those whose process dies."""

import json
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from semlens.collection import load_examples, load_relevance, missing_ranges
from semlens.errors import SemlensError
from semlens.pipeline.executors import Died, Executor, Outcome
from semlens.pipeline.partial import claimed, join_relevance, join_shards
from semlens.pipeline.shard import shard_name
from semlens.pipeline.work import BY_IMAGES, EXAMPLES, Part, Work
from semlens.types import Progress

LARGEST = 1024
"""Images of a part: what is lost with a process that dies."""

PER_SLOT = 4
"""Parts for each process, so that none waits long for the last."""

MOST_SKIPPED = 20
"""Images that may each kill a process before a build gives up."""

SILENT = 60.0
"""Seconds without any part done after which it is said what is missing."""

_SKIPPED = "skipped.json"


class PartWarning(UserWarning):
    """What happened to parts of a build: a process that died, an image skipped for it, a cluster without room."""


def distribute(executor: Executor, work: Work, *, resume: bool, progress: Progress) -> tuple[int, ...]:
    """Leaves all files in `OUT.partial` that a build which resumes goes on from, so that nothing is left to compute.
    Returns the images that were skipped.

    A part whose process dies is tried again, then in halves, down to the image that it dies of, which is skipped as one
    that cannot be read.

    Raises:
        SemlensError: as the verbs whose parts these are; or too many images kill whoever reads them, or something else
            does.
    """
    with claimed(work.out, resume=resume) as partial:  # alone, for nobody may write what is joined here
        _joined(partial, bool(work.relating))
    with claimed(work.out, resume=True, part="parts") as partial, closing(executor):
        executor.open(work)
        run = _Run(executor, work, partial, progress)
        run.over_images("look", len(work.shared()))
        for step in ("collect", *(["relevance"] if work.relating else [])):
            run.over_images(step, len(work.images))
        _joined(partial, bool(work.relating))
        if work.crop != "none":
            run.over_files("locate", [EXAMPLES])
        run.over_files("embed", [EXAMPLES, "boxes-*", "whole-*"])
        return run.skipped()


def _joined(partial: Path, relating: bool) -> None:
    """Puts shards together; what is then whole elsewhere is removed, for parts of another cut would overlap with it."""
    join_shards(partial)
    if relating:
        join_relevance(partial)
    for kind in ("shard", *(["relevance-shard"] if relating else [])):
        for file in partial.glob(f"{kind}-*.safetensors"):
            file.unlink()


@dataclass
class _Run:
    """The parts of one build under way. Mutable, because it goes on."""

    executor: Executor
    work: Work
    partial: Path
    progress: Progress
    deaths: Counter[Part] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)

    def over_images(self, step: str, total: int) -> None:
        """All parts of a step over images that no file holds yet."""
        largest = self._largest()
        gaps = missing_ranges(_seen(self.partial, step), 0, total)
        self.executor.begin([])
        self._all([part for gap in gaps for part in _cut(step, *gap, largest)], total)

    def _largest(self) -> int:
        """A whole number of batches, so that few are padded."""
        share, batch = -(-len(self.work.images) // (self.executor.slots * PER_SLOT)), self.work.batch_size
        return max(1, min(-(-share // batch), LARGEST // batch)) * batch

    def over_files(self, step: str, inputs: Sequence[str]) -> None:
        """All parts of a step over what was found."""
        self.executor.begin([file for pattern in inputs for file in sorted(self.partial.glob(pattern))])
        number = self.executor.slots * PER_SLOT
        self._all([Part(step, i, number) for i in range(number)], number)

    def _all(self, parts: Iterable[Part], total: int) -> None:
        waiting, running = deque(parts), 0
        done = total - sum(part.size for part in waiting)
        while waiting or running:
            while waiting and running < self.executor.slots:
                self.executor.submit(replace(waiting.popleft(), skipped=self.skipped()))
                running += 1
            outcomes = self.executor.finished(SILENT)
            if not outcomes and (missing := self.executor.missing()):
                self._tell(f"no part was done for {SILENT:g} s: {missing}")
            for outcome in outcomes:
                running -= 1
                again = self._after(outcome)
                waiting.extendleft(again)
                done += 0 if again else outcome.part.size
                self.progress(outcome.part.step, done, total)

    def _after(self, outcome: Outcome) -> list[Part]:
        """What is left to do of a part.

        Raises:
            SemlensError: nothing can be done about its fault.
        """
        for category, text in outcome.warned:
            self._tell(text, category)
        if outcome.fault is None:
            return []
        if not isinstance(outcome.fault, Died):
            raise outcome.fault
        part = replace(outcome.part, skipped=())
        self.deaths[part] += 1
        if self.deaths[part] < 2:
            self._tell(f"the process at work on {part} died: it is done again")
            return [part]
        if part.step not in BY_IMAGES:
            raise SemlensError(
                f"the process at work on {part} died twice: give each more memory, by fewer processes or a smaller "
                "batch size (--batch-size), and go on with resume (--resume)"
            )
        return self._narrowed(part)

    def _narrowed(self, part: Part) -> list[Part]:
        """The halves of a part that killed its process; of a single image itself, which is skipped from now on."""
        if part.step != "look":
            for file in self.partial.glob(f"*{shard_name(range(part.start, part.stop))}.safetensors"):
                file.unlink()  # what overlaps with its halves
        if part.size > 1:
            halves = part.halves()
            self.deaths.update(halves)  # of which one death is enough
            return list(halves)
        id = self.work.shared()[part.start] if part.step == "look" else part.start
        skipped, name = (*self.skipped(), id), self.work.images.names[id]
        if len(skipped) > MOST_SKIPPED:
            raise SemlensError(
                f"{len(skipped)} images killed the process that worked on them, the last {name}: processes may lack "
                "memory; use fewer, or a smaller batch size (--batch-size), and go on with resume (--resume)"
            )
        (self.partial / _SKIPPED).write_text(json.dumps(skipped))
        self._tell(f"{name} kills the process that works on it: it is skipped")
        return [part]

    def skipped(self) -> tuple[int, ...]:
        """Images that killed a process each."""
        file = self.partial / _SKIPPED
        return tuple(json.loads(file.read_text())) if file.exists() else ()

    def _tell(self, text: str, category: type[Warning] = PartWarning) -> None:
        if text not in self.told:
            self.told.add(text)
            warnings.warn(text, category, stacklevel=5)


def _seen(partial: Path, step: str) -> tuple[tuple[int, int], ...]:
    """The images that a file of a step covers."""
    file = partial / {"collect": EXAMPLES, "relevance": "relevance.safetensors"}.get(step, "none")
    if not file.exists():
        return ()
    return load_examples(file).seen if step == "collect" else load_relevance(file).seen


def _cut(step: str, start: int, stop: int, largest: int) -> Iterator[Part]:
    """Parts from start to stop."""
    for low in range(start, stop, largest):
        yield Part(step, low, min(low + largest, stop))
