"""Relevance per component and class as the pass over the images gives it: how two parts merge, its file, and
which images of a class have their vectors kept: the first in one random order of all, so that any parts merge."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from semlens.collection.states import (
    StateKind,
    holding_both,
    join,
    load_pass,
    save_pass,
    strongest,
    unreadable_of,
)
from semlens.errors import SemlensError
from semlens.types import Bool, Float16, Int32, Int64, Relevance, VectorRows


def merge_relevance(a: Relevance, b: Relevance) -> Relevance:
    """The relevance of one pass over the images of both: associative, commutative, and idempotent.

    Raises:
        SemlensError: the two were computed differently, or share some images but neither holds all of the other's.
    """
    if a.recipe != b.recipe:
        raise SemlensError(
            "relevance of different models, images, layers, methods, classes, k or vectors cannot be merged"
        )
    if whole := holding_both(a, b):
        return whole
    ids, shares = np.concatenate([a.ids, b.ids], axis=1), np.concatenate([a.shares, b.shares], axis=1)
    best = strongest(ids, shares, a.ids.shape[1])
    return replace(
        a,
        positive=a.positive + b.positive,
        negative=a.negative + b.negative,
        top=a.top + b.top,
        counts=a.counts + b.counts,
        passing=a.passing + b.passing,
        ids=np.take_along_axis(ids, best, axis=1),
        shares=np.take_along_axis(shares, best, axis=1),
        seen=join(a.seen + b.seen),
        unreadable=unreadable_of(a, b),
        vectors=join_rows([a.vectors, b.vectors], a.origin.count) if a.vectors and b.vectors else None,
    )


def save_relevance(relevance: Relevance, path: Path) -> None:
    """Writes the relevance to one safetensors file, which either replaces the old one whole or leaves it."""
    save_pass(relevance, path, "relevance")


def load_relevance(path: Path) -> Relevance:
    """The relevance in a file.

    Raises:
        SemlensError: it holds none, or is damaged.
    """
    return load_pass(Relevance, path, "relevance")


RELEVANCE = StateKind(merge_relevance, save_relevance, load_relevance, "layers, classes, method or vectors")

_PENDING = 1024  # rows that wait before those beyond `most` are let go


def no_rows(most: int, components: int) -> VectorRows:
    """Nothing yet."""
    none = np.zeros(0, np.int32)
    return VectorRows(most, none, none, none, np.zeros((0, components), np.float16))


def join_rows(parts: Sequence[VectorRows], images: int) -> VectorRows:
    """The rows of all parts that one pass over their images keeps. Associative, commutative; parts share no image.

    Args:
        images: in the whole set, whose order decides.
    """
    first = parts[0]
    ids, columns, predicted, vectors = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("ids", "columns", "predicted", "vectors")
    )  # fmt: skip
    turn = _turns(images)[ids]
    order = np.lexsort((turn, columns))
    place = np.arange(len(order)) - np.searchsorted(columns[order], columns[order])  # within the class
    kept = order[place < first.most]
    kept = kept[np.lexsort((ids[kept], columns[kept]))]
    return VectorRows(first.most, ids[kept], columns[kept], predicted[kept], vectors[kept])


def _turns(images: int) -> Int64[np.ndarray, "i"]:
    """Each image's place in the order."""
    return np.random.default_rng(0).permutation(images)


@dataclass
class Drawing:
    """The rows of a pass so far. Mutable, because a pass goes on."""

    rows: VectorRows
    classes: int
    images: int  # in the whole set
    _waiting: list[VectorRows] = field(default_factory=list)
    _turn: Int64[np.ndarray, "i"] = field(init=False)
    _last: Int64[np.ndarray, "y"] = field(init=False)  # of a class that is full, the turn of its last image

    def __post_init__(self) -> None:
        self._turn = _turns(self.images)
        self._last = np.full(self.classes, self.images if self.rows.most else -1)

    def wanted(self, ids: Int64[np.ndarray, "n"], columns: Int64[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
        """Which images may be among those kept of their class."""
        return self._turn[ids] < self._last[columns]

    def add(
        self, ids: Int32[np.ndarray, "n"], columns: Int32[np.ndarray, "n"], predicted: Int32[np.ndarray, "n"],
        vectors: Float16[np.ndarray, "n c"],
    ) -> None:  # fmt: skip
        """Takes rows in that are wanted."""
        self._waiting.append(VectorRows(self.rows.most, ids, columns, predicted, vectors))
        if sum(len(some.ids) for some in self._waiting) > _PENDING:
            self.settled()

    def settled(self) -> VectorRows:
        """The rows that are kept now."""
        if self._waiting:
            self.rows = join_rows([self.rows, *self._waiting], self.images)
            self._waiting.clear()
            counts = np.bincount(self.rows.columns, minlength=self.classes)
            last = np.full(self.classes, -1)
            np.maximum.at(last, self.rows.columns, self._turn[self.rows.ids])
            self._last = np.where(counts >= self.rows.most, last, self.images)
        return self.rows
