"""Whole images, each embedded once: kept in files under `OUT.partial`, which shards, resumed runs and crops share."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from semlens.collection import as_is, fast_cpu, image_batches, missing_ranges, shifted
from semlens.index import Arrays, cached, kept_in
from semlens.numerics import unit
from semlens.types import ExampleSet, Float16, FoundationModel, Int64, Progress

_CHUNK = 1024  # images whose vectors are kept together
_BATCH = 32  # images that go through the foundation model at once
_FILE = re.compile(r"whole-(\d+)-(\d+)\.safetensors")


@dataclass(frozen=True, eq=False)
class WholeImages:
    """The embeddings of the images drawn. A file at a time is in memory, as ids that are asked for ascend mostly."""

    foundation: FoundationModel
    images: ExampleSet
    order: Int64[np.ndarray, "n"]  # ids of the images drawn
    folder: Path
    spans: dict[int, int] = field(default_factory=dict)  # the ids that each file covers, start and stop
    _last: dict[int, Arrays] = field(default_factory=dict)  # the file that was read last

    def file(self, start: int, stop: int) -> Path:
        """Where the vectors of the images from start to stop are kept."""
        return self.folder / f"whole-{start:09d}-{stop:09d}.safetensors"

    def recipe(self, start: int, stop: int) -> list[object]:
        """What determines them."""
        return [asdict(self.foundation.identity), self.images.fingerprint, self.drawn(start, stop)]

    def drawn(self, start: int, stop: int) -> list[int]:
        """The images drawn of those from start to stop, ascending."""
        return np.sort(self.order[(self.order >= start) & (self.order < stop)]).tolist()

    def vectors(self, ids: Sequence[int]) -> Float16[np.ndarray, "m d"]:
        """Unit vectors; a row of NaN for an image that has none."""
        rows = np.full((len(ids), self.foundation.identity.dimension), np.nan, np.float16)
        starts = sorted(self.spans)
        for at, id in enumerate(ids):
            place = bisect_right(starts, id) - 1
            if place >= 0 and id < self.spans[starts[place]]:
                arrays = self._arrays(starts[place])
                row = int(np.searchsorted(arrays["ids"], id))
                if row < len(arrays["ids"]) and arrays["ids"][row] == id:
                    rows[at] = arrays["vectors"][row]
        return rows

    def _arrays(self, start: int) -> Arrays:
        if start not in self._last:
            self._last.clear()
            stop = self.spans[start]
            self._last[start] = kept_in(self.file(start, stop), self.recipe(start, stop)) or {}
        return self._last[start]


def embed_whole(
    foundation: FoundationModel, images: ExampleSet, order: Int64[np.ndarray, "n"], gaps: Sequence[tuple[int, int]],
    folder: Path, workers: int | None, progress: Progress,
) -> WholeImages:  # fmt: skip
    """The embeddings of the images drawn that lie in the gaps, of which files in the folder are not computed again."""
    whole = WholeImages(foundation, images, order, folder)
    covered = 0
    for start, stop in sorted(_named(folder)):
        if start >= covered and kept_in(whole.file(start, stop), whole.recipe(start, stop)):
            whole.spans[start] = covered = stop
    stretches = [part for start, stop in gaps for part in _stretches(whole, start, stop)]
    total, done = sum(len(whole.drawn(*stretch)) for stretch in stretches), 0
    with fast_cpu():
        for start, stop in stretches:
            ids = whole.drawn(start, stop)
            compute = partial(_embedded, foundation, images, ids, workers, shifted(progress, done, total))
            cached(whole.file(start, stop), whole.recipe(start, stop), compute)
            whole.spans[start] = stop
            done += len(ids)
    return whole


def _named(folder: Path) -> Iterator[tuple[int, int]]:
    """The ids that files of the folder cover, by their names."""
    for path in folder.glob("whole-*.safetensors"):
        if match := _FILE.fullmatch(path.name):
            yield int(match[1]), int(match[2])


def _stretches(whole: WholeImages, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The ids from start to stop that no file covers, cut where _CHUNK of the images drawn are together."""
    for low, high in missing_ranges(whole.spans.items(), start, stop):
        ids = whole.drawn(low, high)
        edges = [low, *ids[_CHUNK::_CHUNK], high]
        yield from pairwise(edges)


def _embedded(
    foundation: FoundationModel, images: ExampleSet, ids: Sequence[int], workers: int | None, progress: Progress
) -> dict[str, np.ndarray]:
    """The ids of the images that can be read, and their unit vectors."""
    read: list[int] = []
    vectors = [np.empty((0, foundation.identity.dimension), np.float16)]
    for batch in image_batches(
        images, ids, as_is, "embed images", batch_size=_BATCH, workers=workers, progress=progress
    ):
        if batch.ids:
            read += batch.ids
            vectors.append(unit(_padded(foundation, images, batch.items)).astype(np.float16))
    return {"ids": np.array(read, np.int64), "vectors": np.concatenate(vectors)}


def _padded(foundation: FoundationModel, images: ExampleSet, some: Sequence[Any]) -> np.ndarray:
    """Their vectors, made in a batch of full size, since another may run by another kernel and round otherwise."""
    return images.embed(foundation, [*some, *[some[-1]] * (_BATCH - len(some))])[: len(some)]
