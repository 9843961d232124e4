"""Which components fit the valid concepts of a spec, the spurious ones, both or neither, and how surely."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.audit.grammar import SIDES
from semlens.analysis.audit.spec import Entry
from semlens.analysis.chance import RandomComponents, Statistic, critical_p, critical_values, layer_numbers, p_values
from semlens.analysis.labels import BLOCK, Linear, resampled, standardised
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex
from semlens.types import Bool, Float16, Float32, Float64, Int64


@dataclass(frozen=True, eq=False)
class Fit:
    """How well some components fit the best concept of either side; axis 2 is valid, spurious."""

    members: Int64[np.ndarray, "n"]  # rows of the index
    layer: Int64[np.ndarray, "n"]  # the number of each one's layer
    z: Float32[np.ndarray, "n 2"]  # alignment with the best concept, in standard deviations of random components
    best: Int64[np.ndarray, "n 2"]  # which entry of the spec that is
    critical: Float64[np.ndarray, "n 2"]  # what `z` has to exceed to fit
    p_value: Float64[np.ndarray, "n 2"]  # one-sided, against the best concept of the side on random components
    drawn: Bool[np.ndarray, "n b 2"]  # whether it fits in each of b bootstrap resamples of its examples ...
    leaning: Bool[np.ndarray, "n b"]  # ... and whether it then fits spurious concepts better than valid ones
    shares: Float32[np.ndarray, "n q"] | None = None  # of each concept in what it responds to; None: by examples

    @property
    def fits(self) -> Bool[np.ndarray, "n 2"]:
        """Which sides each component fits."""
        return np.asarray(self.z > self.critical)


def quadrant(fits: Bool[np.ndarray, "*n 2"]) -> Int64[np.ndarray, "*n"]:
    """Where components stand that fit the valid and the spurious side or not, as numbers of QUADRANTS."""
    return np.array([[3, 1], [0, 2]])[fits[..., 0].astype(int), fits[..., 1].astype(int)]


def fit(
    index: ConceptIndex, probes: Probes, entries: Sequence[Entry], random: RandomComponents, *, fdr: float,
    resamples: int, seed: int, unknown: Collection[str] = (),
) -> Fit:  # fmt: skip
    """How well the components of the layers that random components were drawn for fit either side.

    Each side has its own threshold, at the false-discovery rate `fdr`: of many concepts some one fits by chance more
    easily than of few.

    Args:
        unknown: phrases that the foundation model does not know, left out.
    """
    sides = [
        np.flatnonzero([entry.side == side and entry.phrase not in unknown for entry in entries]) for side in SIDES
    ]
    scorers = {int(n): standardised(index, probes, random, int(n)) for n in np.unique(random.layer)}
    layers = layer_numbers(index)
    members = np.flatnonzero(np.isin(layers, list(scorers)) & ~index.dead)
    layer = layers[members]
    z, best = _sides(scorers, layer, index.means[members], sides)
    chance, _ = _sides(scorers, random.layer, random.means, sides)
    p, critical = np.ones(z.shape), np.full(z.shape, np.inf)
    for side in (s for s, own in enumerate(sides) if len(own)):
        real, null = Statistic(z[:, side], index.valid[members].sum(axis=1), layer), random.statistic(chance[:, side])
        p[:, side] = p_values(real, null)
        critical[:, side] = critical_values(real, null, critical_p(p[:, side], fdr))
    drawn = np.empty((len(members), resamples, 2), bool)
    leaning = np.empty((len(members), resamples), bool)
    for start in range(0, len(members), BLOCK // 4):
        block = slice(start, start + BLOCK // 4)
        scores = _resampled_sides(index, scorers, layer[block], members[block], sides, resamples, seed)
        # A bootstrap resample holds some examples twice and fits less: the bias is taken off.
        away = np.where(np.isfinite(z[block]), z[block], 0) - np.where(np.isfinite(z[block]), scores.mean(axis=1), 0)
        scores += away[:, None]
        drawn[block], leaning[block] = scores > critical[block, None], scores[..., 1] > scores[..., 0]
    return Fit(members, layer, z, best, critical, p, drawn, leaning)


def _sides(
    scorers: Mapping[int, Linear],
    layer: Int64[np.ndarray, "n"],
    means: Float16[np.ndarray, "n d"],
    sides: Sequence[Int64[np.ndarray, "_"]],
) -> tuple[Float32[np.ndarray, "n 2"], Int64[np.ndarray, "n 2"]]:
    """The highest score on either side, and which probe has it."""
    score, best = np.empty((len(means), 2), np.float32), np.empty((len(means), 2), np.int64)
    for number, scorer in scorers.items():
        rows = np.flatnonzero(layer == number)
        scores = scorer.of(means[rows])
        for s, side in enumerate(sides):
            if not len(side):  # all that is in doubt belongs to the other one: nothing fits this one
                best[rows, s], score[rows, s] = 0, -np.inf
                continue
            best[rows, s] = side[scores[:, side].argmax(axis=1)]
            score[rows, s] = scores[np.arange(len(rows)), best[rows, s]]
    return score, best


def _resampled_sides(
    index: ConceptIndex, scorers: Mapping[int, Linear], layer: Int64[np.ndarray, "n"],
    rows: Int64[np.ndarray, "n"], sides: Sequence[Int64[np.ndarray, "_"]], resamples: int, seed: int,
) -> Float32[np.ndarray, "n b 2"]:  # fmt: skip
    """The highest score on either side in bootstrap resamples of every component's examples."""
    highest = np.empty((len(rows), resamples, 2), np.float32)
    for number in np.unique(layer).tolist():
        own = np.flatnonzero(layer == number)
        every = np.tile(np.arange(len(scorers[number].weights)), (len(own), 1))
        scores = resampled(index, scorers[number], rows[own], resamples, seed, every)
        for s, side in enumerate(sides):
            highest[own, :, s] = scores[:, :, side].max(axis=2, initial=-np.inf)
    return highest
