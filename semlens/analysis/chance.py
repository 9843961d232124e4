"""Chance: the null distribution that every question holds its figures against, and the p-values that follow.

The null hypothesis is that a component's examples have nothing in common. Its distribution is drawn as in a permutation
test: random components, each a real one whose crops are exchanged for crops of other images, of like size, so that the
number of examples and the sizes of crops stay and only what the examples share is lost. A figure of a real component is
compared with that of the random ones of its layer and its number of examples. "By chance" and "random components" mean
this null distribution throughout the package.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.numerics import mean_rows, tail_p, tail_value
from semlens.types import MISSING, Bool, Float, Float16, Float64, Int32, Int64, several

DRAWS = 4000
"""Random components per layer: enough for p-values of 1/4000."""

LEAST_DRAWS = 1000
"""Fewer than so many are refused."""

MIN_NULL_SIZE = 500
"""Random components of like number of examples in the null distribution of a p-value, at least."""

_TRIES = 30  # at drawing images that a random component does not have yet

SIZE_GROUPS = 20
"""Crops are exchanged within this many groups of like size."""


@dataclass(frozen=True)
class Statistic:
    """A figure per component (or cluster of one), and what its null distribution depends on: the layer and the number
    of examples."""

    value: Float[np.ndarray, "n"]
    examples: Int64[np.ndarray, "n"]
    layer: Int64[np.ndarray, "n"]


@dataclass(frozen=True, eq=False)
class RandomComponents:
    """Draws from the null distribution: each is a real component with every crop replaced by one of another image and
    of like size. So they have its number of examples and its sizes of crops, and nothing in common."""

    vectors: Float16[np.ndarray, "u d"]  # of the index
    rows: Int32[np.ndarray, "r k"]  # of `vectors`; MISSING where the real one has no example
    like: Int64[np.ndarray, "r"]  # the row of the real component
    layer: Int64[np.ndarray, "r"]  # its layer's number

    @cached_property
    def means(self) -> Float16[np.ndarray, "r d"]:
        """Their semantic embeddings."""
        return mean_rows(self.vectors, self.rows)

    @property
    def examples(self) -> Int64[np.ndarray, "r"]:
        """How many examples each has."""
        return np.asarray((self.rows != MISSING).sum(axis=1))

    def statistic(self, value: Float[np.ndarray, "r"]) -> Statistic:
        """A figure of every random component."""
        return Statistic(value, self.examples, self.layer)


def random_components(
    index: ConceptIndex, *, layers: Sequence[str] = (), draws: int = DRAWS, seed: int = 0
) -> RandomComponents:
    """About `draws` random components for each layer that has an example at all; at least MIN_NULL_SIZE, or `draws` if
    that is less, for every number of examples that a component of the layer has.

    Args:
        layers: only for these; all if empty.

    Raises:
        SemlensError: an unknown layer, or nothing to draw from.
    """
    if draws < 1:
        raise SemlensError(f"draws is {draws}: a p-value needs random components, 1000 or more")
    rng = np.random.default_rng(seed)
    examples = index.valid.sum(axis=1)
    like = [np.empty(0, np.int64)]
    for chosen in [index.layer_slice(layer) for layer in several(layers)] or [slice(0, len(index.rows))]:
        for axis in (axis for axis in index.layers if chosen.start <= axis.start < chosen.stop):
            in_layer = examples[axis.start : axis.stop]
            for size in np.unique(in_layer[in_layer > 0]):
                rows = axis.start + np.flatnonzero(in_layer == size)
                count = max(min(MIN_NULL_SIZE, draws), round(draws * len(rows) / (in_layer > 0).sum()))
                like.append(rng.choice(rows, count))
    drawn = np.concatenate(like)
    if not len(drawn):
        raise SemlensError("no component has an example: there is nothing to compare with chance")
    rows = _exchanged(index, np.array(index.rows[drawn]), rng)
    return RandomComponents(index.vectors, rows, drawn, layer_numbers(index)[drawn])


def layer_numbers(index: ConceptIndex) -> Int64[np.ndarray, "c"]:
    """The number of the layer that each component belongs to."""
    return np.repeat(np.arange(len(index.layers)), [axis.components for axis in index.layers])


def alive_rows(index: ConceptIndex, layer: int) -> Int64[np.ndarray, "n"]:
    """The rows of a layer's components that have an example; the layer by its number."""
    axis = index.layers[layer]
    return axis.start + np.flatnonzero(~index.dead[axis.start : axis.stop])


def statistic(index: ConceptIndex, value: Float[np.ndarray, "c"]) -> Statistic:
    """A figure of every component of an index."""
    return Statistic(value, index.valid.sum(axis=1), layer_numbers(index))


def p_values(real: Statistic, null: Statistic, least: int = MIN_NULL_SIZE) -> Float64[np.ndarray, "c"]:
    """One-sided p-values in (0, 1] against the null distribution of the same layer and number of examples, with the +1
    correction: (figures of the null that are at least as large + 1) / (size of the null + 1); above all of these, by an
    exponential tail, down to a tenth of that (see `permutation.tail_p`).

    Where fewer than `least` random components have that number of examples, those with the nearest numbers count
    too. A figure that is NaN has p-value 1.
    """
    p = np.ones(len(real.value))
    for rows, level in _null_distributions(real, null, least):
        known = rows[~np.isnan(real.value[rows])]
        p[known] = tail_p(real.value[known], level)
    return p


def critical_values(real: Statistic, null: Statistic, p: float) -> Float64[np.ndarray, "c"]:
    """What each figure has to reach for a p-value of at most `p`; infinite where the null is too small for that."""
    values = np.full(len(real.value), np.inf)
    for rows, level in _null_distributions(real, null, MIN_NULL_SIZE):
        values[rows] = tail_value(p, level)
    return values


def _null_distributions(
    real: Statistic, null: Statistic, least: int
) -> Iterator[tuple[Int64[np.ndarray, "m"], Float[np.ndarray, "l"]]]:
    """For each layer and number of examples, the rows that have them and, in rising order, their null distribution."""
    for layer in np.unique(real.layer):
        in_layer = (null.layer == layer) & ~np.isnan(null.value)
        for size in np.unique(real.examples[real.layer == layer]):
            away = np.abs(null.examples[in_layer] - size)
            if len(away):
                reach = np.sort(away)[min(least, len(away)) - 1]
                rows = np.flatnonzero((real.layer == layer) & (real.examples == size))
                yield rows, np.sort(null.value[in_layer][away <= reach])


def q_values(p: Float64[np.ndarray, "c"]) -> Float64[np.ndarray, "c"]:
    """Adjusted p-values in (0, 1]: the least false-discovery rate at which each is still a discovery.

    Source: Benjamini and Hochberg 1995.
    """
    order = np.argsort(p, kind="stable")[::-1]
    ranked = p[order] * len(p) / np.arange(len(p), 0, -1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(np.minimum(ranked, 1))
    return q


def critical_p(p: Float64[np.ndarray, "c"], fdr: float) -> float:
    """What a p-value must not exceed to be a discovery at this false-discovery rate; where there is none, what the
    first would need."""
    return fdr * max(int((q_values(p) <= fdr).sum()), 1) / max(len(p), 1)


def check_draws(draws: int) -> None:
    """Checks a number of draws.

    Raises:
        SemlensError: there are so few that the null distribution itself is uncertain, and chance would get labels.
    """
    if draws < LEAST_DRAWS:
        raise SemlensError(f"draws is {draws}: what chance reaches is not known from fewer than {LEAST_DRAWS:,}")


def check_rate(fdr: float) -> None:
    """Checks a false-discovery rate.

    Raises:
        SemlensError: it does not lie between 0 and 1.
    """
    if not 0 < fdr < 1:
        raise SemlensError(f"the false-discovery rate is {fdr}: choose one between 0 and 1, for example 0.05")


def _size_groups(index: ConceptIndex) -> Int64[np.ndarray, "u"]:
    """To which group of like size each crop belongs: equal parts of the crops in the order of their area."""
    wide, high = (np.asarray(index.boxes[:, side + 2] - index.boxes[:, side], np.int64) for side in (0, 1))
    edges = np.quantile(wide * high, np.linspace(0, 1, SIZE_GROUPS + 1)[1:-1])
    return np.searchsorted(np.unique(edges), wide * high, side="right")


def _exchanged(
    index: ConceptIndex, rows: Int32[np.ndarray, "r k"], rng: np.random.Generator
) -> Int32[np.ndarray, "r k"]:
    """Every crop replaced by another of like size: of an image drawn evenly, so that images which excite many
    components, and are cropped often, count no more than others. No component gets an image twice where there are
    others of that size, as none has one twice."""
    group = _size_groups(index)
    order = np.lexsort((index.sources, group)).astype(np.int32)
    new = np.diff(group[order], prepend=-1) | np.diff(index.sources[order], prepend=-1)
    start = np.append(np.flatnonzero(new), len(order))  # of each image in each group
    first = np.searchsorted(group[order][start[:-1]], np.arange(group.max() + 2))  # image of each group
    drawn, again = rows.copy(), rows != MISSING
    size = group[np.where(again, rows, 0)]
    for _ in range(_TRIES):
        image = _between(first[size[again]], first[size[again] + 1], rng)
        drawn[again] = order[_between(start[image], start[image + 1], rng)]
        again = _repeated(np.where(rows != MISSING, index.sources[np.where(rows != MISSING, drawn, 0)], MISSING))
        if not again.any():
            return drawn
    for row, of in sorted({(int(row), int(size[row, slot])) for row, slot in np.argwhere(again)}):
        slots = np.flatnonzero((size[row] == of) & (rows[row] != MISSING))
        if len(slots) <= first[of + 1] - first[of]:  # nearly all images of that size: all are drawn at once
            image = first[of] + rng.permutation(first[of + 1] - first[of])[: len(slots)]
            drawn[row, slots] = order[_between(start[image], start[image + 1], rng)]
    return drawn


def _repeated(images: Int32[np.ndarray, "r k"]) -> Bool[np.ndarray, "r k"]:
    """Slots whose image another slot of the component has already; MISSING is no image."""
    order = np.argsort(images, axis=1, kind="stable")
    ranked = np.take_along_axis(images, order, axis=1)
    same = np.zeros(images.shape, bool)
    np.put_along_axis(same, order[:, 1:], (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] != MISSING), axis=1)
    return same


def _between(
    low: Int64[np.ndarray, "m"], high: Int64[np.ndarray, "m"], rng: np.random.Generator
) -> Int64[np.ndarray, "m"]:
    """Integers drawn uniformly from `low` up to, not including, `high`."""
    return (low + rng.random(len(low)) * (high - low)).astype(np.int64)
