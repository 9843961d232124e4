"""Relevance per component and class as the pass over the images gives it: how two parts merge, and its file."""

from dataclasses import replace
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
from semlens.types import Relevance


def merge_relevance(a: Relevance, b: Relevance) -> Relevance:
    """The relevance of one pass over the images of both: associative, commutative, and idempotent.

    Raises:
        SemlensError: the two were computed differently, or share some images but neither holds all of the other's.
    """
    if a.recipe != b.recipe:
        raise SemlensError("relevance of different models, images, layers, methods, classes or k cannot be merged")
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


RELEVANCE = StateKind(merge_relevance, save_relevance, load_relevance, "layers, classes or method")
