"""Which components fit the valid concepts of a spec, the spurious ones, both or neither, and how firmly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.audit.spec import SIDES, Entry
from semlens.analysis.chance import RandomComponents, Statistic, critical_p, critical_values, layer_numbers, p_values
from semlens.analysis.labels import BLOCK, Linear, resampled, standardised
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex
from semlens.shapes import Bool, Float16, Float32, Float64, Int64


@dataclass(frozen=True, eq=False)
class Fit:
    """How well some components fit the best concept of either side; axis 2 is valid, spurious."""

    members: Int64[np.ndarray, "n"]  # rows of the index
    z: Float32[np.ndarray, "n 2"]  # alignment with the best concept, in standard deviations of random components
    best: Int64[np.ndarray, "n 2"]  # which entry of the spec that is
    critical: Float64[np.ndarray, "n 2"]  # what `z` has to exceed to fit
    p_value: Float64[np.ndarray, "n 2"]  # random components that fit some concept of the side as well
    drawn: Bool[np.ndarray, "n b 2"]  # whether it fits, with its examples drawn anew b times ...
    leaning: Bool[np.ndarray, "n b"]  # ... and whether it then fits spurious concepts better than valid ones

    @property
    def fits(self) -> Bool[np.ndarray, "n 2"]:
        """Which sides each component fits."""
        return np.asarray(self.z > self.critical)


def quadrant(fits: Bool[np.ndarray, "*n 2"]) -> Int64[np.ndarray, "*n"]:
    """Where components stand that fit the valid and the spurious side or not, as numbers of QUADRANTS."""
    return np.array([[3, 1], [0, 2]])[fits[..., 0].astype(int), fits[..., 1].astype(int)]


def fit(
    index: ConceptIndex, probes: Probes, asked: Sequence[Entry], random: RandomComponents, *, fdr: float,
    resamples: int, seed: int,
) -> Fit:  # fmt: skip
    """How well the components of the layers that random components were drawn for fit either side.

    Each side has its own threshold, at the false-discovery rate `fdr`: of many concepts some one fits by chance more
    easily than of few.
    """
    sides = [np.flatnonzero([entry.side == side for entry in asked]) for side in SIDES]
    scorers = {int(n): standardised(index, probes, random, int(n)) for n in np.unique(random.layer)}
    number = layer_numbers(index)
    members = np.flatnonzero(np.isin(number, list(scorers)) & ~index.dead)
    found, best = _sides(scorers, number[members], index.means[members], sides)
    chance, _ = _sides(scorers, random.layer, random.means, sides)
    p, critical = np.empty(found.shape), np.empty(found.shape)
    for side in range(len(SIDES)):
        mine = Statistic(found[:, side], index.valid[members].sum(axis=1), number[members])
        null = random.statistic(chance[:, side])
        p[:, side] = p_values(mine, null)
        critical[:, side] = critical_values(mine, null, critical_p(p[:, side], fdr))
    drawn = np.empty((len(members), resamples, 2), bool)
    leaning = np.empty((len(members), resamples), bool)
    for start in range(0, len(members), BLOCK // 4):
        of = slice(start, start + BLOCK // 4)
        again = _again(index, scorers, number, members[of], sides, resamples, seed)
        # Drawn anew, a sample holds some examples twice and fits less.
        again += (found[of] - again.mean(axis=1))[:, None]
        drawn[of], leaning[of] = again > critical[of, None], again[..., 1] > again[..., 0]
    return Fit(members, found, best, critical, p, drawn, leaning)


def _sides(
    scorers: Mapping[int, Linear],
    layer: Int64[np.ndarray, "n"],
    means: Float16[np.ndarray, "n d"],
    sides: Sequence[Int64[np.ndarray, "_"]],
) -> tuple[Float32[np.ndarray, "n 2"], Int64[np.ndarray, "n 2"]]:
    """The highest score on either side, and which probe has it."""
    score, best = np.empty((len(means), 2), np.float32), np.empty((len(means), 2), np.int64)
    for number, scorer in scorers.items():
        of = np.flatnonzero(layer == number)
        scores = scorer.of(means[of])
        for s, side in enumerate(sides):
            at = scores[:, side].argmax(axis=1)
            best[of, s], score[of, s] = side[at], scores[np.arange(len(of)), side[at]]
    return score, best


def _again(
    index: ConceptIndex, scorers: Mapping[int, Linear], number: Int64[np.ndarray, "c"],
    of: Int64[np.ndarray, "n"], sides: Sequence[Int64[np.ndarray, "_"]], resamples: int, seed: int,
) -> Float32[np.ndarray, "n b 2"]:  # fmt: skip
    """The highest score on either side with every component's examples drawn anew, with replacement."""
    again = np.empty((len(of), resamples, 2), np.float32)
    for n in np.unique(number[of]).tolist():
        mine = np.flatnonzero(number[of] == n)
        every = np.tile(np.arange(len(scorers[n].weights)), (len(mine), 1))
        scores = resampled(index, scorers[n], of[mine], resamples, seed, every)
        for s, side in enumerate(sides):
            again[mine, :, s] = scores[:, :, side].max(axis=2)
    return again
