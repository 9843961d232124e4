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
from semlens.types import Float, Float16, Float32, Float64, Int32, Int64

PERMUTATIONS = 1000
"""Permutations that a null distribution is made of."""

TAIL = 0.1
"""The part of a null distribution, its highest, to which an exponential tail is fitted."""

BEYOND = 10
"""How many times smaller than 1 / draws a p-value of the fitted tail may be: 1 in 10,000 with 1,000 draws."""

_FITTED = 100  # draws that a tail is fitted to, at least
_SHAPE = 0.5  # activations whose kurtosis differs by a factor of less than e to this share their permutations ...
_SHIFT = 0.05  # ... and so do those whose shapes move the highest z by no more than this
_SAMPLE = 256  # directions whose shapes are looked at
_BLOCK = 256  # permutations looked at together


@dataclass(frozen=True, eq=False)
class Permutations:
    """Images that were kept, in orders drawn at random, and what is asked of them."""

    embeddings: Float32[np.ndarray, "m d"]  # less their mean
    contrasts: Float32[np.ndarray, "q d"]  # so that the dot products have variance 1 over these images
    groups: Int32[np.ndarray, "m"]
    draws: int
    seed: int

    def z(self, activations: Float[np.ndarray, "b m"], orders: Int32[np.ndarray, "b m"]) -> Float32[np.ndarray, "b q"]:
        """z of every direction for activations in another order."""
        permuted = standard(np.take_along_axis(activations, orders, axis=1))
        if self._projected is not None:
            return permuted @ self._projected
        return (permuted @ self.embeddings) @ self._scaled.T

    def orders(self) -> Iterator[Int32[np.ndarray, "b m"]]:
        """The orders, a thousand at a time: more are not held at once."""
        yield self._first
        for start in range(PERMUTATIONS, self.draws, PERMUTATIONS):
            yield orders_of(self.groups, min(PERMUTATIONS, self.draws - start), self.seed + start)

    def shift(self, skewness: Float64[np.ndarray, "a"], kurtosis: Float64[np.ndarray, "a"]) -> Float64[np.ndarray, "a"]:
        """How far an activation's shape moves the highest z by chance from where normal activations have it, about.

        Source: Cornish and Fisher 1938, the terms of skewness and kurtosis: both are the activation's times the
        images' along a direction, over the root of the number of images and over that number.
        """
        count, level = len(self.embeddings), np.sqrt(2 * np.log(20 * len(self.contrasts)))
        of_images = [np.quantile(np.abs(one), 0.9) for one in self._image_moments]
        return np.asarray(
            skewness * of_images[0] / np.sqrt(count) * (level**2 - 1) / 6
            + (kurtosis - 3) * (of_images[1] - 3) / count * (level**3 - 3 * level) / 24
        )

    @cached_property
    def _image_moments(self) -> tuple[Float64[np.ndarray, "s"], Float64[np.ndarray, "s"]]:
        """Skewness and kurtosis of the images along some of the directions."""
        some = self.contrasts[:: -(-len(self.contrasts) // _SAMPLE)]
        return moments((self.embeddings @ some.T).T)

    @cached_property
    def _first(self) -> Int32[np.ndarray, "b m"]:
        return orders_of(self.groups, min(PERMUTATIONS, self.draws), self.seed)

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
    draws: int = PERMUTATIONS,
    seed: int = 0,
) -> Permutations:
    """The permutations by which effects of these directions are tested.

    Args:
        groups: images that belong together have one number; what is permuted is whole groups.
    """
    return permutations_along(metric.contrasts(directions), embeddings, groups, draws=draws, seed=seed)


def permutations_along(
    contrasts: Float32[np.ndarray, "q d"],
    embeddings: Float16[np.ndarray, "m d"] | Float32[np.ndarray, "m d"],
    groups: Int32[np.ndarray, "m"],
    *,
    draws: int = PERMUTATIONS,
    seed: int = 0,
) -> Permutations:
    """The same where it is known what z of each direction is the dot product with (`Metric.contrasts`)."""
    wide = np.asarray(embeddings, np.float32)
    away = wide - wide.mean(axis=0)
    variance = np.einsum("qd,qd->q", contrasts @ (away.T @ away / len(away)), contrasts)
    spread = np.sqrt(np.maximum(variance, 0))[:, None]
    scaled = np.divide(contrasts, spread, out=np.zeros_like(contrasts), where=spread > 0)
    return Permutations(away, scaled, groups, draws, seed)


def single_null(permuted: Permutations, activation: Float[np.ndarray, "m"]) -> Float32[np.ndarray, "r q"]:
    """z of every direction under each permutation of one component's activation."""
    some = [permuted.z(np.broadcast_to(activation, orders.shape), orders) for orders in permuted.orders()]
    return np.concatenate(some)


def highest_p(
    values: Float[np.ndarray, "a *j"], permuted: Permutations, activations: Float[np.ndarray, "a m"]
) -> Float64[np.ndarray, "a *j"]:
    """One-sided p-values, in (0, 1], of a component's values of z against the highest of all directions by chance.

    Permuting destroys all of an activation but the shape of its distribution. So components whose activations have
    like shapes share their permutations (`like_shapes`): each order is drawn for one of them. 1 for a component whose
    activation never varies.
    """
    p = np.ones(values.shape)
    for members in like_shapes(permuted, activations):
        p[members] = tail_p(values[members], highest_null(permuted, activations, members))
    return p


def tail_p(values: Float[np.ndarray, "*n"], null: Float[np.ndarray, "r"]) -> Float64[np.ndarray, "*n"]:
    """One-sided p-values, in (0, 1]: (draws at least as large + 1) / (draws + 1), and for what is above all draws an
    exponential tail through the highest tenth of them, down to 1 / (BEYOND draws).

    Source: Phipson and Smyth 2010 (the count); Knijnenburg et al. 2009 (a tail fitted to permutations). But:
    exponential, as the shape of a free Pareto tail is known too badly from a hundred draws.
    """
    level = np.sort(np.asarray(null, np.float64))
    count = len(level) - np.searchsorted(level, values, side="left")
    counted = (count + 1) / (len(level) + 1)
    if len(level) < _FITTED:
        return counted
    start, mean = _tail(level)
    fitted = TAIL * np.exp(-np.maximum(np.asarray(values, np.float64) - start, 0) / mean)
    beyond = np.clip(fitted, 1 / (BEYOND * len(level)), 1 / (len(level) + 1))
    return np.where(count > 0, counted, beyond)


def tail_value(p: float, null: Float[np.ndarray, "r"]) -> float:
    """What a value has to reach for a p-value of at most `p` by `tail_p`; infinite where no value has that."""
    level = np.sort(np.asarray(null, np.float64))
    allowed = int(p * (len(level) + 1) + 1e-9) - 1  # draws that may be at least as large
    if allowed >= len(level):
        return -np.inf
    if allowed >= 0:
        return float(np.nextafter(level[-1 - allowed], np.inf))
    if len(level) < _FITTED or p < 1 / (BEYOND * len(level)):
        return np.inf
    start, mean = _tail(level)
    return max(float(np.nextafter(level[-1], np.inf)), start + mean * np.log(TAIL / p))


def _tail(level: Float64[np.ndarray, "r"]) -> tuple[float, float]:
    """Where the tail of sorted draws starts, and its mean excess."""
    top = level[len(level) - max(int(TAIL * len(level)), 1) :]
    return float(top[0]), max(float((top - top[0]).mean()), 1e-9)


def like_shapes(permuted: Permutations, activations: Float[np.ndarray, "a m"]) -> Iterator[Int64[np.ndarray, "g"]]:
    """Groups of components whose activations have like shapes: the same sign of the skewness and nearly the same
    kurtosis, or shapes that make no difference among so many images. Those that never vary are in none."""
    skewness, kurtosis = moments(activations)
    step = np.floor(np.where(skewness < 0, -1, 1) * np.log(kurtosis) / _SHAPE)
    shift = permuted.shift(skewness, kurtosis)
    together: list[Int64[np.ndarray, "g"]] = []
    start = 0.0
    for each_step in np.unique(step[np.isfinite(step)]):
        members = np.flatnonzero(step == each_step)
        own = float(shift[members].mean())
        if together and abs(own - start) > _SHIFT:
            yield np.sort(np.concatenate(together))
            together = []
        if not together:
            start = own
        together.append(members)
    if together:
        yield np.sort(np.concatenate(together))


def standard(activations: Float[np.ndarray, "a m"]) -> Float32[np.ndarray, "a m"]:
    """Rows with mean 0 and variance 1; zero where nothing varies."""
    wide = np.asarray(activations, np.float32)
    away = wide - wide.mean(axis=1, keepdims=True)
    deviation = np.sqrt((away * away).mean(axis=1, keepdims=True))
    return np.divide(away, deviation, out=np.zeros_like(away), where=deviation > 1e-6)


def moments(activations: Float[np.ndarray, "a m"]) -> tuple[Float64[np.ndarray, "a"], Float64[np.ndarray, "a"]]:
    """Skewness and kurtosis of each row, at least 1; NaN for what never varies."""
    skewness, kurtosis = np.full(len(activations), np.nan), np.full(len(activations), np.nan)
    for start in range(0, len(activations), _BLOCK):
        block = slice(start, start + _BLOCK)
        y = standard(activations[block])
        square = y * y
        varies = square.mean(axis=1) > 0.5
        skewness[block] = np.where(varies, (square * y).mean(axis=1), np.nan)
        kurtosis[block] = np.where(varies, np.maximum((square * square).mean(axis=1), 1), np.nan)
    return skewness, kurtosis


def highest_null(
    permuted: Permutations, activations: Float[np.ndarray, "a m"], members: Int64[np.ndarray, "g"]
) -> Float32[np.ndarray, "r"]:
    """The highest z of every draw, each of one of the members in turns."""
    highest, start = np.empty(permuted.draws, np.float32), 0
    for orders in permuted.orders():
        whose = members[(start + np.arange(len(orders))) % len(members)]
        some = highest[start : start + len(orders)]

        def reach(block: slice, orders=orders, whose=whose, some=some) -> None:  # type: ignore[no-untyped-def]
            some[block] = permuted.z(activations[whose[block]], orders[block]).max(axis=1)

        each(reach, (slice(first, first + _BLOCK) for first in range(0, len(orders), _BLOCK)))
        start += len(orders)
    return highest


def orders_of(groups: Int32[np.ndarray, "m"], draws: int, seed: int = 0) -> Int32[np.ndarray, "r m"]:
    """For each draw, from which image each image gets its activation: that of another group's first image for the first
    of its own, and so on, from the first again where the other group is smaller. With groups of one size these are
    permutations; where sizes differ, a group still gets values that belong together, which pieces of groups would not.
    """
    rng = np.random.default_rng(seed)
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
