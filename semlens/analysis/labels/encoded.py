"""Labels by encoding: the phrases that a component responds to over all images, where chance does not reach as far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.chance import critical_p, layer_numbers, q_values
from semlens.analysis.labels.meanings import Meaning
from semlens.analysis.probe import Probes
from semlens.analysis.responses import Responses
from semlens.numerics import BEYOND, Permutations, each, highest_p, permutations_along
from semlens.types import MISSING, Float32, Float64, Int32, Int64

CANDIDATES = 50
"""Phrases of the highest z among which a second label is looked for."""

RATIO, RATIO_OF_MANY, MANY = 0.6, 0.7, 300
"""A second label has at least this part of the first one's z; the larger one where there are more than MANY phrases."""

CLEAR = 0.15
"""z of a second label is at least this part of the root of the number of images, which makes z a correlation: what is
weaker may be sure and still be what other things leave behind."""

OVERLAP = 0.2
"""By chance, z of a second label correlates with that of the first by less than this: it is no synonym."""

_BLOCK = 128
_STRETCH = 16  # columns looked at together


@dataclass(frozen=True, eq=False)
class Ranking:
    """Phrases by z for some components, and what chance says of it. Axis `n`: the components."""

    rows: Int64[np.ndarray, "n"]  # of the index
    ranked: Int32[np.ndarray, "n m"]  # numbers of the phrases of the highest z, the highest first
    z: Float32[np.ndarray, "n m"]
    second: Int32[np.ndarray, "n"]  # which of `ranked` may be a label too; MISSING where none
    p: Float64[np.ndarray, "n 2"]  # of the first, and of the second
    q: Float64[np.ndarray, "n"]  # of the first

    def meanings(self, names: Sequence[str], fdr: float) -> dict[int, tuple[Meaning, ...]]:
        """The two labels of every component that has two, by its row: the second has to be as sure as any first is."""
        found = self.q <= fdr
        sure = critical_p(self.p[:, 0], fdr)
        two: dict[int, tuple[Meaning, ...]] = {}
        for n in np.flatnonzero(found & (self.second != MISSING) & (self.p[:, 1] <= sure)).tolist():
            pair = [0, int(self.second[n])]
            two[int(self.rows[n])] = tuple(
                Meaning(names[self.ranked[n, place]], z, (), z / float(self.z[n, 0]))
                for place, z in zip(pair, self.z[n, pair].tolist(), strict=True)
            )
        return two


def rank(asked: Responses, vocabulary: Probes, layers: Sequence[int], *, fdr: float, draws: int, seed: int) -> Ranking:
    """Every component's phrases of the highest z.

    Args:
        layers: whose components are ranked, by their numbers.
        draws: permutations. Where all that stands out is few components at the least p-value that so many can show, as
            many more are drawn for these as lower it ten times.
    """
    alive = asked.encoded & ~asked.index.dead & np.isin(layer_numbers(asked.index), layers)
    rows = np.flatnonzero(alive)
    directions = asked.directions(vocabulary)
    metric = asked.metric.among(directions)
    contrasts = metric.contrasts(directions)
    ranked, z = _highest(asked.cross[rows], contrasts, min(CANDIDATES, len(vocabulary)))
    second = _second(ranked, z, metric.whitened(directions), len(vocabulary), metric.images)
    both = np.stack([z[:, 0], np.where(second == MISSING, -np.inf, z[np.arange(len(z)), second % z.shape[1]])], axis=1)
    kept, activations = asked.encodings, asked.encodings.activations[rows]

    def permuted(draws: int) -> Permutations:
        return permutations_along(contrasts, kept.embeddings, kept.groups, draws=draws, seed=seed)

    p = highest_p(both, permuted(draws), activations)
    least = p[:, 0] <= least_p(draws)
    if least.any() and least.sum() * fdr < least_p(draws) * len(p):
        p[least] = highest_p(both[least], permuted(BEYOND * draws), activations[least])
    return Ranking(rows, ranked, z, second, p, q_values(p[:, 0]))


def least_p(draws: int) -> float:
    """The smallest p-value that so many permutations can show."""
    return 1 / (BEYOND * draws)


def _highest(
    cross: Float32[np.ndarray, "n d"], contrasts: Float32[np.ndarray, "q d"], m: int
) -> tuple[Int32[np.ndarray, "n m"], Float32[np.ndarray, "n m"]]:
    """The phrases of the highest z and z, the highest first; ties go to the lower number."""
    ranked, z = np.empty((len(cross), m), np.int32), np.empty((len(cross), m), np.float32)

    def some(block: slice) -> None:
        scores = cross[block] @ contrasts.T
        top = np.sort(_top(scores, m), axis=1)
        values = np.take_along_axis(scores, top, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        ranked[block], z[block] = (np.take_along_axis(array, order, axis=1) for array in (top, values))

    each(some, (slice(start, start + _BLOCK) for start in range(0, len(cross), _BLOCK)))
    return ranked, z


def _top(scores: Float32[np.ndarray, "n q"], m: int) -> Int64[np.ndarray, "n m"]:
    """Columns of the m highest scores, in no order: of many they lie in the m stretches with the highest maxima."""
    n, q = scores.shape
    if q < 4 * _STRETCH * m:
        return np.argpartition(scores, q - m, axis=1)[:, -m:]
    whole = q - q % _STRETCH
    highest = scores[:, :whole].reshape(n, -1, _STRETCH).max(axis=2)
    inside = _top(highest, m)[..., None] * _STRETCH + np.arange(_STRETCH)
    among = np.concatenate([inside.reshape(n, -1), np.broadcast_to(np.arange(whole, q), (n, q - whole))], axis=1)
    return np.take_along_axis(among, _top(np.take_along_axis(scores, among, axis=1), m), axis=1)


def _second(
    ranked: Int32[np.ndarray, "n m"], z: Float32[np.ndarray, "n m"], whitened: Float32[np.ndarray, "q d"],
    phrases: int, images: int,
) -> Int32[np.ndarray, "n"]:  # fmt: skip
    """Which of the ranked phrases comes next that is no synonym of the first, if it is clear and not far behind."""
    second = np.full(len(ranked), MISSING, np.int32)

    def some(block: slice) -> None:
        overlap = (whitened[ranked[block]] @ whitened[ranked[block, 0]][..., None])[..., 0]
        near = z[block] >= (RATIO_OF_MANY if phrases > MANY else RATIO) * z[block, :1]
        fits = near & (overlap < OVERLAP) & (z[block] >= CLEAR * np.sqrt(images))
        second[block] = np.where(fits.any(axis=1), fits.argmax(axis=1), MISSING)

    each(some, (slice(start, start + _BLOCK) for start in range(0, len(ranked), _BLOCK)))
    return second
