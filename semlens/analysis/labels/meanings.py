"""Components with two meanings: groups of examples that each earn a phrase, and not the same one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from semlens.analysis.chance import RandomComponents, Statistic, alive_rows, p_values, q_values
from semlens.analysis.labels.scorers import Scorer, by_blocks, scores_of
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex
from semlens.numerics import two_means, unit
from semlens.types import MISSING, Bool, Float16, Float32, Float64, Int32, Int64

RESTARTS = 6
"""Tries at splitting: of examples that fall apart the first ones find how."""

RANDOM_SPLIT = 2000
"""Random components per layer that are split, at most, to see what splitting makes of chance."""

LIKE_SIZE = 200
"""Random groups of like size that a group is held against, at least: small ones look alike more easily."""

MIN_EXAMPLES = 3
"""Examples that a meaning rests on, at least."""


@dataclass(frozen=True)
class Meaning:
    """One of two things that a component is about: a group of its examples, or by encoding what it responds to."""

    label: str
    score: float  # by the method of the labels; z by encoding
    examples: tuple[int, ...]  # slots of the component, 0 for its strongest example; none by encoding
    ratio: float = nan  # by encoding, of z to the first one's

    def __str__(self) -> str:
        return f"{self.label} ({len(self.examples) or format(self.ratio, '.2f')})"


@dataclass(frozen=True, eq=False)
class _Groups:
    """Two groups of examples of each of some components, the larger first."""

    rows: Int32[np.ndarray, "n 2 k"]  # of `vectors`; MISSING outside of the group
    best: Int64[np.ndarray, "n 2"]  # the phrase that fits each best
    score: Float32[np.ndarray, "n 2"]  # how well; NaN where a group is smaller than MIN_EXAMPLES
    other: Float32[np.ndarray, "n 2"]  # how well it fits the other group

    def half(self, which: int, layer: int) -> Statistic:
        """How well a phrase fits one of the groups, and how large the group is."""
        size = (self.rows[:, which] != MISSING).sum(axis=1)
        return Statistic(self.score[:, which], size, np.full(len(size), layer))


@dataclass(frozen=True, eq=False)
class Halves:
    """The components of a layer, split in two, and random ones split likewise."""

    layer: int
    members: Int64[np.ndarray, "n"]  # rows of the index
    real: _Groups
    chance: _Groups


def halve(index: ConceptIndex, scorer: Scorer, random: RandomComponents, layer: int, probes: int, seed: int) -> Halves:
    """The two groups that 2-means finds in every component of a layer, and in RANDOM_SPLIT random ones, with the phrase
    that fits each group best.

    Source: PURE (Dreyer et al. 2024) for the splitting.
    """
    members = alive_rows(index, layer)
    drawn = np.flatnonzero(random.layer == layer)[:RANDOM_SPLIT]
    real = _split(index, scorer, index.rows[members], members, probes, seed)
    return Halves(layer, members, real, _split(index, scorer, random.rows[drawn], random.like[drawn], probes, seed))


def meanings(halves: Sequence[Halves], vocabulary: Probes, fdr: float) -> dict[int, tuple[Meaning, ...]]:
    """The two meanings of each component that has two, by its row.

    A component has two meanings if both of its groups are fitted better than groups of random components, at the
    false-discovery rate `fdr`, and the phrase of either group fits the other no better than a random group is fitted by
    its best. What does not earn two labels is not split.
    """
    p = np.concatenate([_weaker_p(layer) for layer in halves])
    known = np.concatenate([~np.isnan(layer.real.score).any(axis=1) for layer in halves])
    q = np.ones(len(p))
    q[known] = q_values(p[known])
    two: dict[int, tuple[Meaning, ...]] = {}
    ends = np.cumsum([len(layer.members) for layer in halves])
    for layer, discovered in zip(halves, np.split(q <= fdr, ends[:-1]), strict=True):
        usual = np.nanmedian(layer.chance.score) if not np.isnan(layer.chance.score).all() else -np.inf
        apart = (layer.real.other < usual).all(axis=1) & (layer.real.best[:, 0] != layer.real.best[:, 1])
        double = np.flatnonzero(discovered & apart).tolist()
        two |= {int(layer.members[n]): _pair(layer.real, vocabulary, n) for n in double}
    return two


def _weaker_p(layer: Halves) -> Float64[np.ndarray, "n"]:
    """The larger of both groups' p-values, each against random groups of its own size: small only where neither is
    chance.

    Source: Berger 1982 (intersection-union test).
    """
    both = [layer.chance.half(which, layer.layer) for which in (0, 1)]
    null = Statistic(*(np.concatenate([getattr(half, name) for half in both]) for name in vars(both[0])))
    return np.max([p_values(layer.real.half(which, layer.layer), null, LIKE_SIZE) for which in (0, 1)], axis=0)


def _pair(groups: _Groups, vocabulary: Probes, n: int) -> tuple[Meaning, ...]:
    return tuple(
        Meaning(
            vocabulary.names[groups.best[n, half]],
            float(groups.score[n, half]),
            tuple(np.flatnonzero(groups.rows[n, half] != MISSING).tolist()),
        )
        for half in (0, 1)
    )


def _split(
    index: ConceptIndex, scorer: Scorer, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"], probes: int,
    seed: int,
) -> _Groups:  # fmt: skip
    """The two groups of every component, with the phrase that fits each best."""
    groups = np.empty((len(rows), 2, rows.shape[1]), np.int32)
    means = np.empty((len(rows), 2, index.means.shape[1]), np.float16)

    def divide(block: slice) -> None:
        groups[block], means[block] = _groups(index, rows[block], seed)

    by_blocks(divide, len(rows), 2**13)
    large = np.flatnonzero(((groups != MISSING).sum(axis=2) >= MIN_EXAMPLES).all(axis=1))
    best = np.zeros((len(rows), 2), np.int64)
    score, other = np.full((len(rows), 2), np.nan, np.float32), np.full((len(rows), 2), np.nan, np.float32)

    def fit(block: slice) -> None:
        some = large[block]
        scores = [scores_of(scorer, groups[some, half], like[some], means[some, half]) for half in (0, 1)]
        for half, (own, opposite) in enumerate((scores, scores[::-1])):
            best[some, half] = own.argmax(axis=1)
            score[some, half] = own.max(axis=1)
            other[some, half] = opposite[np.arange(len(some)), best[some, half]]

    by_blocks(fit, len(large), probes)
    return _Groups(groups, best, score, other)


def _groups(
    index: ConceptIndex, rows: Int32[np.ndarray, "n k"], seed: int
) -> tuple[Int32[np.ndarray, "n 2 k"], Float16[np.ndarray, "n 2 d"]]:
    """The examples of the two groups of each component, and the groups' semantic embeddings."""
    valid: Bool[np.ndarray, "n k"] = rows != MISSING
    vectors = index.vectors[np.where(valid, rows, 0)].astype(np.float32)  # unit as they lie
    clusters = two_means(vectors, valid, restarts=RESTARTS, seed=seed)
    groups = np.stack([np.where(valid & (clusters.second == half), rows, MISSING) for half in (False, True)], axis=1)
    return groups, unit(np.nan_to_num(clusters.centroids)).astype(np.float16)
