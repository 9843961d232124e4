"""Best matches of one set of components in another, and in sets of random ones."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semlens.numerics import cosine, paired_cosine
from semlens.types import Float32, Float64, Int64

_CELLS = 2**23  # similarities held at once
_RANDOM = 2**13  # random components held at once
_ROUNDING = 1e-6  # of a cosine in float32


@dataclass(frozen=True)
class Best:
    """For every row of one set, the most similar in another."""

    match: Int64[np.ndarray, "n"]
    similarity: Float64[np.ndarray, "n"]
    corrected: Float64[np.ndarray, "n"]  # what the best of a random part of the other would be, on average


def best_matches(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "m d"], size: int) -> Best:
    """The row of `y` most similar to each of `x`, and the expected similarity of the best of `size` rows of `y`."""
    match, corrected = np.empty(len(x), np.int64), np.empty(len(x))
    weights = rank_weights(len(y), size)
    step, worst = max(1, _CELLS // len(y)), len(y) - len(weights)
    for start in range(0, len(x), step):
        block = slice(start, start + step)
        similar = cosine(x[block], y)
        match[block] = similar.argmax(axis=1)
        ranked = np.sort(np.partition(similar, worst, axis=1)[:, worst:], axis=1)[:, ::-1]
        corrected[block] = ranked @ weights
    similarity = paired_cosine(x, y[match])
    return Best(match, similarity, similarity if size == len(y) else corrected)


def rank_weights(n: int, size: int) -> Float64[np.ndarray, "r"]:
    """The probability that the best of `size` out of `n`, drawn without replacement, is the first of all, the second,
    ...: exactly what the mean over ever more draws tends to. The tail that adds less than 1e-12 is left out."""
    taken = size / np.arange(n, size - 1, -1)  # the next is among them, if none before was
    weights = taken * np.cumprod(np.concatenate([[1.0], 1 - taken[:-1]]))
    return weights[: 1 + int(np.searchsorted(np.cumsum(weights), 1 - 1e-12))]


@dataclass(frozen=True)
class Null:
    """Best matches in sets of random components."""

    baseline: Float64[np.ndarray, "s"]  # mean similarity with each set
    as_large: Int64[np.ndarray, "n"]  # sets whose best is at least as similar

    @property
    def p_value(self) -> Float64[np.ndarray, "n"]:
        """One-sided, in (0, 1], with the +1 correction."""
        return (self.as_large + 1) / (len(self.baseline) + 1)


RandomSets = Callable[[int, tuple[int, int]], Float32[np.ndarray, "r d"]]
"""So many sets of random components by a seed, set after set."""


def null_of(
    random: RandomSets, size: int, sources: dict[int, np.ndarray], similarity: dict[int, np.ndarray], draws: int,
    seed: int,
) -> dict[int, Null]:  # fmt: skip
    """The null distribution: the sources' best matches in `draws` sets of `size` random components each. `similarity`
    is that with the target itself."""
    null = {m: Null(np.zeros(draws), np.zeros(len(x), np.int64)) for m, x in sources.items()}
    at_once = max(1, _RANDOM // size)
    for first in range(0, draws, at_once):
        sets = min(at_once, draws - first)
        drawn = random(sets, (seed, first))
        for m, x in sources.items():
            step = max(1, _CELLS // len(drawn))
            for start in range(0, len(x), step):
                block = slice(start, start + step)
                best = cosine(x[block], drawn).reshape(-1, sets, size).max(axis=2)
                null[m].baseline[first : first + sets] += best.sum(axis=0, dtype=np.float64) / len(x)
                null[m].as_large[block] += (best >= similarity[m][block, None] - _ROUNDING).sum(axis=1)
    return null
