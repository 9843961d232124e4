"""Chance of an effect: p-values from permuted activations, for one direction and for the best of many.

What an effect reaches by chance depends on the shapes of the distributions of activations and embeddings: where both
are skewed a normal approximation is wrong by 10 to 100 times. So activations of images that were kept are permuted: it
leaves both distributions as they are and only takes the relation away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.numerics.encoding import Metric
from semlens.numerics.parallel import each
from semlens.shapes import Float, Float16, Float32, Float64, Int32, Int64

DRAWS = 1000
"""Permutations that a null distribution is made of."""

TAIL = 0.1
"""The part of a null distribution, its highest, to which an exponential tail is fitted."""

BEYOND = 10
"""How many times smaller than 1 / draws a p-value of the fitted tail may be: 1 in 10,000 with 1,000 draws."""

_SHAPE = 0.5  # activations whose kurtosis differs by a factor of less than e to this share their permutations
_BLOCK = 256  # permutations looked at together


@dataclass(frozen=True, eq=False)
class Permutations:
    """Images that were kept, in orders drawn at random, and what is asked of them."""

    embeddings: Float32[np.ndarray, "m d"]  # less their mean
    contrasts: Float32[np.ndarray, "q d"]  # so that the dot products have variance 1 over these images
    orders: Int32[np.ndarray, "r m"]

    def z(self, activations: Float[np.ndarray, "b m"], draws: Int64[np.ndarray, "b"]) -> Float32[np.ndarray, "b q"]:
        """z of every direction for permuted activations, each row in the order of its draw."""
        permuted = standard(np.take_along_axis(activations, self.orders[draws], axis=1))
        if self._projected is not None:
            return permuted @ self._projected
        return (permuted @ self.embeddings) @ self._scaled.T

    @cached_property
    def _scaled(self) -> Float32[np.ndarray, "q d"]:
        return self.contrasts / np.float32(np.sqrt(len(self.embeddings)))

    @cached_property
    def _projected(self) -> Float32[np.ndarray, "m q"] | None:
        """The images along every direction, where these are fewer than dimensions: it saves the way round."""
        few = len(self.contrasts) <= self.embeddings.shape[1]
        return self.embeddings @ self._scaled.T if few else None


def permutations(
    metric: Metric,
    embeddings: Float16[np.ndarray, "m d"] | Float32[np.ndarray, "m d"],
    groups: Int32[np.ndarray, "m"],
    directions: Float[np.ndarray, "q d"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Permutations:
    """The permutations by which effects of these directions are tested.

    Args:
        groups: images that belong together have one number; what is permuted is whole groups.
    """
    wide = np.asarray(embeddings, np.float32)
    away = wide - wide.mean(axis=0)
    contrasts = metric.contrasts(directions)
    spread = np.sqrt(np.einsum("qd,de,qe->q", contrasts, away.T @ away / len(away), contrasts, optimize=True))[:, None]
    contrasts = np.divide(contrasts, spread, out=np.zeros_like(contrasts), where=spread > 0)
    return Permutations(away, contrasts, _orders(groups, draws, np.random.default_rng(seed)))


def single_null(permuted: Permutations, activation: Float[np.ndarray, "m"]) -> Float32[np.ndarray, "r q"]:
    """z of every direction under each permutation of one component's activation."""
    draws = np.arange(len(permuted.orders))
    return permuted.z(np.broadcast_to(activation, (len(draws), len(activation))), draws)


def highest_p(
    best: Float[np.ndarray, "a"], permuted: Permutations, activations: Float[np.ndarray, "a m"]
) -> Float64[np.ndarray, "a"]:
    """One-sided p-values, in (0, 1], of each component's highest z over all directions.

    Permuting destroys all of an activation but the shape of its distribution. So components whose activations have
    like shapes, by the sign of the skewness and the kurtosis, share their permutations: each order is drawn for one of
    them. 1 for a component whose activation never varies.
    """
    p = np.ones(len(best))
    for members in like_shapes(activations):
        null = highest_null(permuted, activations, members)
        p[members] = tail_p(best[members], null)
    return p


def tail_p(values: Float[np.ndarray, "n"], null: Float[np.ndarray, "r"]) -> Float64[np.ndarray, "n"]:
    """One-sided p-values, in (0, 1]: (draws at least as large + 1) / (draws + 1), and for what is above all draws an
    exponential tail through the highest tenth of them, down to 1 / (BEYOND draws).

    Source: Phipson and Smyth 2010 (the count); Knijnenburg et al. 2009 (a tail fitted to permutations). But:
    exponential, as the shape of a free Pareto tail is known too badly from a hundred draws.
    """
    level = np.sort(np.asarray(null, np.float64))
    count = len(level) - np.searchsorted(level, values, side="left")
    counted = (count + 1) / (len(level) + 1)
    top = level[len(level) - max(int(TAIL * len(level)), 1) :]
    mean = max(float((top - top[0]).mean()), 1e-9)
    fitted = TAIL * np.exp(-np.maximum(np.asarray(values, np.float64) - top[0], 0) / mean)
    beyond = np.clip(fitted, 1 / (BEYOND * len(level)), 1 / (len(level) + 1))
    return np.where(count > 0, counted, beyond)


def like_shapes(activations: Float[np.ndarray, "a m"]) -> Iterator[Int64[np.ndarray, "g"]]:
    """Groups of components whose activations have like shapes; those that never vary are in none."""
    shape = _shapes(activations)
    step = np.floor(shape / _SHAPE)
    for each_step in np.unique(step[np.isfinite(step)]):
        yield np.flatnonzero(step == each_step)


def standard(activations: Float[np.ndarray, "a m"]) -> Float32[np.ndarray, "a m"]:
    """Rows with mean 0 and variance 1; zero where nothing varies."""
    wide = np.asarray(activations, np.float32)
    away = wide - wide.mean(axis=1, keepdims=True)
    deviation = np.sqrt((away * away).mean(axis=1, keepdims=True))
    return np.divide(away, deviation, out=np.zeros_like(away), where=deviation > 1e-6)


def _shapes(activations: Float[np.ndarray, "a m"]) -> Float64[np.ndarray, "a"]:
    """The logarithm of the kurtosis with the sign of the skewness; NaN for what never varies."""
    shapes = np.full(len(activations), np.nan)
    for start in range(0, len(activations), _BLOCK):
        block = slice(start, start + _BLOCK)
        y = standard(activations[block])
        square = y * y
        varies = square.mean(axis=1) > 0.5
        kurtosis = np.log(np.maximum((square * square).mean(axis=1), 1), dtype=np.float64)
        shapes[block] = np.where(varies, np.where((square * y).mean(axis=1) < 0, -kurtosis, kurtosis), np.nan)
    return shapes


def highest_null(
    permuted: Permutations, activations: Float[np.ndarray, "a m"], members: Int64[np.ndarray, "g"]
) -> Float32[np.ndarray, "r"]:
    """The highest z of every draw, each of one of the members in turns."""
    count = len(permuted.orders)
    highest, whose = np.empty(count, np.float32), members[np.arange(count) % len(members)]

    def reach(block: slice) -> None:
        draws = np.arange(count)[block]
        highest[block] = permuted.z(activations[whose[block]], draws).max(axis=1)

    each(reach, (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)))
    return highest


def _orders(groups: Int32[np.ndarray, "m"], draws: int, rng: np.random.Generator) -> Int32[np.ndarray, "r m"]:
    """For each draw, from which image each image gets its activation: that of another group's first image for the first
    of its own, and so on, from the first again where the other group is smaller. With groups of one size these are
    permutations; where sizes differ, a group still gets values that belong together, which pieces of groups would not.
    """
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    places = np.argsort(member, kind="stable")  # where the images of the first group lie, of the second, ...
    starts = np.cumsum(sizes) - sizes
    group = member[places]
    within = np.arange(len(groups)) - starts[group]
    orders = np.empty((draws, len(groups)), np.int32)
    for order in orders:
        other = rng.permutation(len(sizes))[group]
        order[places] = places[starts[other] + within % sizes[other]]
    return orders
