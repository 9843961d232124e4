"""Components with two meanings: groups of examples that each earn a phrase, and not the same one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from semlens.alignment import Scorer, blocks, scores_of
from semlens.clusters import two_means
from semlens.index import ConceptIndex
from semlens.null import RandomComponents, Statistic, layer_numbers, p_values, q_values
from semlens.probe import Probes
from semlens.shapes import Bool, Float16, Float32, Int32, Int64
from semlens.space import unit
from semlens.threads import each
from semlens.types import MISSING

RESTARTS = 6
"""Tries at splitting: of examples that fall apart the first ones find how."""

DRAWN = 500
"""Random components per layer that are split, to see what splitting makes of chance."""

FEWEST = 3
"""Examples that a meaning rests on, at least."""


@dataclass(frozen=True)
class Meaning:
    """What one of the two groups of a polysemantic component's examples is about."""

    label: str
    score: float  # by the method of the labels
    examples: tuple[int, ...]  # slots of the component, 0 for its strongest example

    def __str__(self) -> str:
        return f"{self.label} ({len(self.examples)})"


@dataclass(frozen=True)
class _Groups:
    """Two groups of examples of each of some components, the larger first."""

    rows: Int32[np.ndarray, "n 2 k"]  # of `vectors`; MISSING outside of the group
    best: Int64[np.ndarray, "n 2"]  # the phrase that fits each best
    score: Float32[np.ndarray, "n 2"]  # how well; NaN where a group is smaller than FEWEST
    other: Float32[np.ndarray, "n 2"]  # how well it fits the other group

    @property
    def weaker(self) -> Float32[np.ndarray, "n"]:
        """How well phrases fit both groups: the lower score of the two."""
        return np.asarray(self.score.min(axis=1))


def meanings(
    index: ConceptIndex,
    vocabulary: Probes,
    random: RandomComponents,
    scorers: Mapping[int, Scorer],
    *,
    fdr: float,
    seed: int,
) -> dict[int, tuple[Meaning, ...]]:
    """The two meanings of each component that has two, by its row.

    The examples are split in two by 2-means. A component has two meanings if some phrases fit both groups better than
    they fit both groups of random components, at the false-discovery rate `fdr`, and the phrase of either group fits
    the other no better than a random group is fitted by its best.

    Source: PURE (Dreyer et al. 2024) for the splitting. But: what does not earn two labels is not split.
    """
    chosen = np.concatenate([np.flatnonzero(random.layer == number)[:DRAWN] for number in scorers])
    chance = _split(index, scorers, random.rows[chosen], random.like[chosen], len(vocabulary), seed)
    known = ~np.isnan(chance.weaker)
    null = Statistic(chance.weaker[known], random.examples[chosen][known], random.layer[chosen][known])
    number = layer_numbers(index)
    alive = np.flatnonzero(np.isin(number, list(scorers)) & ~index.dead)
    found = _split(index, scorers, index.rows[alive], alive, len(vocabulary), seed)
    p = p_values(Statistic(found.weaker, index.valid[alive].sum(axis=1), number[alive]), null)
    tested, q = ~np.isnan(found.weaker), np.ones(len(p))
    q[tested] = q_values(p[tested])
    middle = {n: np.median(chance.score[known & (random.layer[chosen] == n)]) for n in set(null.layer.tolist())}
    usual = np.array([middle.get(n, -np.inf) for n in number[alive].tolist()])
    two = (q <= fdr) & (found.other < usual[:, None]).all(axis=1) & (found.best[:, 0] != found.best[:, 1])
    return {int(alive[at]): _pair(found, vocabulary, at) for at in np.flatnonzero(two).tolist()}


def _pair(found: _Groups, vocabulary: Probes, at: int) -> tuple[Meaning, ...]:
    return tuple(
        Meaning(
            vocabulary.names[found.best[at, half]],
            float(found.score[at, half]),
            tuple(np.flatnonzero(found.rows[at, half] != MISSING).tolist()),
        )
        for half in (0, 1)
    )


def _split(
    index: ConceptIndex,
    scorers: Mapping[int, Scorer],
    rows: Int32[np.ndarray, "n k"],
    like: Int64[np.ndarray, "n"],
    probes: int,
    seed: int,
) -> _Groups:
    """The two groups of every component, with the phrase that fits each best."""
    layer = layer_numbers(index)[like]
    groups, best = np.empty((len(rows), 2, rows.shape[1]), np.int32), np.zeros((len(rows), 2), np.int64)
    score, other = np.full((len(rows), 2), np.nan, np.float32), np.full((len(rows), 2), np.nan, np.float32)
    for number, scorer in scorers.items():
        of_layer = np.flatnonzero(layer == number)
        means = np.empty((len(of_layer), 2, index.means.shape[1]), np.float16)

        def part(block: slice, of: Int64[np.ndarray, "_"] = of_layer, means: Any = means) -> None:
            groups[of[block]], means[block] = _groups(index, rows[of[block]], seed)

        each(part, blocks(len(of_layer), 2**13))
        large = ((groups[of_layer] != MISSING).sum(axis=2) >= FEWEST).all(axis=1)
        of_layer, means = of_layer[large], means[large]

        def fit(block: slice, of: Int64[np.ndarray, "_"] = of_layer, means: Any = means, scorer: Any = scorer) -> None:
            at = of[block]
            found = [scores_of(scorer, groups[at, half], like[at], means[block, half]) for half in (0, 1)]
            for half, (mine, others) in enumerate(((found[0], found[1]), (found[1], found[0]))):
                best[at, half] = mine.argmax(axis=1)
                score[at, half] = mine.max(axis=1)
                other[at, half] = others[np.arange(len(at)), best[at, half]]

        each(fit, blocks(len(of_layer), probes))
    return _Groups(groups, best, score, other)


def _groups(
    index: ConceptIndex, rows: Int32[np.ndarray, "n k"], seed: int
) -> tuple[Int32[np.ndarray, "n 2 k"], Float16[np.ndarray, "n 2 d"]]:
    """The examples of the two groups of each component, and the groups' semantic embeddings."""
    valid: Bool[np.ndarray, "n k"] = rows != MISSING
    vectors = index.vectors[np.where(valid, rows, 0)].astype(np.float32)  # unit as they lie
    found = two_means(vectors, valid, restarts=RESTARTS, seed=seed)
    groups = np.stack([np.where(valid & (found.second == half), rows, MISSING) for half in (False, True)], axis=1)
    return groups, unit(np.nan_to_num(found.centroids)).astype(np.float16)
