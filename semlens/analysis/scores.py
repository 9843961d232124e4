"""How interpretable are the components? The paper's measures on an index, each beside that of random components."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from semlens.analysis.atlases import differences, space_of
from semlens.analysis.chance import RandomComponents, Statistic, p_values, random_components
from semlens.analysis.results import Rows, pictures
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, ScoresId
from semlens.numerics import bootstrap, each, two_means, unit
from semlens.types import MISSING, Bool, Component, Float, Float32, Float64, Int32, Int64, LayerAxis

MEASURES = ("clarity", "polysemanticity", "redundancy")

_BLOCK = 256  # components whose examples are read at once
_COMPARED = 1024  # components compared with as many others at once


@dataclass(frozen=True)
class ScoreRow:
    """A component's measures; not a number where they are not defined."""

    component: Component
    clarity: float  # mean cosine of two of its examples, in [-1/(k - 1), 1]
    polysemanticity: float  # 1 minus the cosine of its examples' two clusters, in [0, 2]
    redundancy: float  # cosine to the nearest other component of the layer, in [-1, 1]
    p_value: float  # of clarity: one-sided, against the null distribution of random components, in (0, 1]
    r2: float = nan  # how much of its activation the foundation model explains in images left out, at most 1


@dataclass(frozen=True)
class Summary:
    """A measure in a layer: the mean over its components that have all their examples, with its 95 % confidence
    interval, and random components' mean with the range that 95 % of them fall in."""

    mean: float
    low: float
    high: float
    baseline: float
    baseline_low: float
    baseline_high: float


@dataclass(frozen=True)
class LayerScores:
    """The measures of a layer. Its dead and its incomplete components are left out of the means."""

    layer: str
    components: int
    dead: int  # without any concept example
    incomplete: int  # with some, but fewer than k
    clarity: Summary
    polysemanticity: Summary
    redundancy: Summary


@dataclass(frozen=True)
class SummaryRow:
    """One measure of one layer."""

    layer: str
    measure: str
    components: int
    dead: int
    incomplete: int
    mean: float
    low: float
    high: float
    baseline: float
    baseline_low: float
    baseline_high: float
    untrained: float = nan  # the mean in the same layer of an untrained network, where one is given


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """The measures of every component of an index; NaN for those not asked for, and where one is not defined."""

    index: ConceptIndex
    clarity: Float64[np.ndarray, "c"]  # in [-1/(k - 1), 1]
    polysemanticity: Float64[np.ndarray, "c"]  # in [0, 2]
    redundancy: Float64[np.ndarray, "c"]  # in [-1, 1]
    clarity_p: Float64[np.ndarray, "c"]  # one-sided, against the null distribution of random components, in (0, 1]
    excess: Float64[np.ndarray, "c"]  # clarity above that of random components, which have 0; 1 at most
    layers: tuple[LayerScores, ...]  # those asked for, in the index's order
    recipe: ScoresId
    untrained: "Scores | None" = None  # of an untrained network with the same layers: a second baseline

    @property
    def rows(self) -> Rows[ScoreRow]:
        """One per component of the layers asked for, with pictures of its first examples."""
        slices = [self.index.layer_slice(scored.layer) for scored in self.layers]
        shown = [row for layer in slices for row in range(layer.start, layer.stop)]
        columns = (self.clarity, self.polysemanticity, self.redundancy, self.clarity_p, _r2(self.index))
        rows = (ScoreRow(self.index.component(row), *(float(column[row]) for column in columns)) for row in shown)
        return Rows(rows, "interpretability of components", lambda row: pictures(self.index, row.component))

    @property
    def summary(self) -> Rows[SummaryRow]:
        """One per layer and measure; R2 where the index holds encodings."""
        rows = [
            SummaryRow(
                layer.layer,
                measure,
                layer.components,
                layer.dead,
                layer.incomplete,
                **vars(summary),
                untrained=self.untrained._mean(layer.layer, measure) if self.untrained else nan,
            )
            for layer in self.layers
            for measure, summary in self._summaries(layer)
        ]
        beside = ("untrained",) if self.untrained else ()
        printed = ("layer", "measure", "components", "mean", "low", "high", "baseline", *beside)
        return Rows(rows, "interpretability of layers, beside that of random components", printed=printed)

    def _summaries(self, layer: LayerScores) -> list[tuple[str, Summary]]:
        """The measures of a layer by name."""
        told = [(measure, getattr(layer, measure)) for measure in MEASURES]
        if self.index.encodings is not None:
            explained = _r2(self.index)[self.index.layer_slice(layer.layer)]
            told.append(("r2", _summary(explained, np.empty(0), self.recipe.seed)))
        return told

    def _mean(self, layer: str, measure: str) -> float:
        """A measure's mean in a layer; NaN where it has none."""
        summaries = [dict(self._summaries(one)) for one in self.layers if one.layer == layer]
        return summaries[0][measure].mean if summaries and measure in summaries[0] else nan

    def __repr__(self) -> str:
        return repr(self.summary)

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()


def score(
    index: ConceptIndex,
    *,
    layers: Sequence[str] = (),
    draws: int = 1000,
    seed: int = 0,
    untrained: ConceptIndex | None = None,
) -> Scores:
    """Clarity, polysemanticity and redundancy of every component, and of `draws` random components for each layer.

    The measures need two examples, and redundancy a second component in the layer that is alive; else they are NaN.

    Args:
        layers: only these; all if empty.
        untrained: an index of the same architecture with random weights, over the same images: what of a measure is
            owed to images and architecture, not to training.

    Source: Dreyer et al. 2025, the measures of interpretability; the baseline of random components is ours.

    Raises:
        SemlensError: an unknown layer, `draws` below 1, or an untrained network's index made in another way.
    """
    if draws < 1:
        raise SemlensError(f"draws is {draws}: a p-value needs random components, 1000 or more")
    for layer in layers:
        index.layer_slice(layer)  # raises for one that is unknown
    second = None if untrained is None else _untrained(index, untrained, layers, draws, seed)
    columns = {name: np.full(len(index.rows), np.nan) for name in (*MEASURES, "clarity_p", "excess")}
    scored = []
    for axis in index.layers:
        if not layers or axis.layer in layers:
            views = {name: column[axis.start : axis.stop] for name, column in columns.items()}
            scored.append(_scored(index, axis, draws, seed, views))
    recipe = ScoresId(tuple(layer.layer for layer in scored), draws, seed)
    return Scores(index, **columns, layers=tuple(scored), recipe=recipe, untrained=second)


def _untrained(index: ConceptIndex, other: ConceptIndex, layers: Sequence[str], draws: int, seed: int) -> Scores:
    """The scores of an untrained network, in the layers that both have.

    Raises:
        SemlensError: its index was made in another way, or it has none of the layers.
    """
    names = ("the index", "the untrained network's index")
    ways = [
        space_of(recipe) | {"k": recipe.k, "crop": recipe.crop.kind, "images": recipe.images.fingerprint}
        for recipe in (index.recipe, other.recipe)
    ]
    if odd := differences(names, ways):
        raise SemlensError(f"{odd}: build both in the same way from the same images")
    asked = layers or [axis.layer for axis in index.layers]
    shared = [axis.layer for axis in other.layers if axis.layer in asked]
    if not shared:
        raise SemlensError("the untrained network's index has none of the layers: give one of the same architecture")
    return score(other, layers=shared, draws=draws, seed=seed)


def _r2(index: ConceptIndex) -> Float64[np.ndarray, "c"]:
    """How much of each component's activation the foundation model explains; NaN where that is not known."""
    if index.encodings is None:
        return np.full(len(index.rows), np.nan)
    with np.errstate(invalid="ignore"):  # a NaN that signals, in a file of another hand, is a NaN
        return index.encodings.r2[: len(index.rows)].astype(np.float64)


def clarity(vectors: Float[np.ndarray, "n k d"], valid: Bool[np.ndarray, "n k"]) -> Float64[np.ndarray, "n"]:
    """Mean cosine of two different valid examples, in [-1/(examples - 1), 1]; NaN below two. The vectors are unit.

    C = (n / (n - 1)) (|mean|^2 - 1 / n)

    Source: Dreyer et al. 2025, clarity. But: not infinite for one example.
    """
    return _clarity(_means(vectors, valid), valid.sum(axis=1))


def polysemanticity(
    vectors: Float32[np.ndarray, "n k d"], valid: Bool[np.ndarray, "n k"], *, seed: int = 0
) -> Float64[np.ndarray, "n"]:
    """1 minus the cosine of the centroids of two clusters of the examples, in [0, 2]; NaN below two examples. The
    vectors are unit.

    Source: Dreyer et al. 2025, polysemanticity. But: clusters of unit vectors, as the other measures have them, where
    the published package clusters them at the lengths they come in. And where a cluster has a single example, that
    package measures something else, 1 minus the mean cosine of ten examples to their mean, so that P drops at once
    when a second example joins. Here P is what the centroids say, always: one odd example among thirty is a second
    meaning as far as the examples go, and for two examples P is 1 - C.
    """
    centroids = two_means(vectors, valid, seed=seed).centroids
    sides = unit(centroids).astype(np.float64)
    return 1 - np.clip(np.einsum("nd,nd->n", sides[:, 0], sides[:, 1]), -1, 1)


def redundancy(means: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n"]:
    """Cosine of each semantic embedding to the nearest of the others, in [-1, 1]; NaN where there is no other.

    Source: Dreyer et al. 2025, redundancy: the mean of this over a set is the set's.
    """
    wide = unit(means)
    nearest = np.full(len(wide), -np.inf, np.float32)
    starts = range(0, len(wide), _COMPARED)
    for a in starts:
        for b in starts[a // _COMPARED :]:  # the other half is this one, transposed
            near = wide[a : a + _COMPARED] @ wide[b : b + _COMPARED].T
            if a == b:
                np.fill_diagonal(near, -np.inf)
            for start, best in ((a, near.max(axis=1)), (b, near.max(axis=0))):
                block = nearest[start : start + _COMPARED]
                np.maximum(block, best, out=block)
    return np.where(nearest > -np.inf, np.clip(nearest, -1, 1), np.float32(np.nan))


@dataclass(frozen=True, eq=False)
class _Read:
    """What examples say by themselves."""

    means: Float32[np.ndarray, "n d"]  # of the unit vectors, not unit
    clarity: Float64[np.ndarray, "n"]
    polysemanticity: Float64[np.ndarray, "n"]  # NaN where not asked for


def _scored(
    index: ConceptIndex, axis: LayerAxis, draws: int, seed: int, into: dict[str, Float64[np.ndarray, "c"]]
) -> LayerScores:
    """A layer's figures; those of its components are written into `into`, a view for each column of the result."""
    part = slice(axis.start, axis.stop)
    count, alive = index.valid[part].sum(axis=1), ~index.dead[part]
    complete, chance = count == index.rows.shape[1], {name: np.empty(0) for name in MEASURES}
    if alive.any():
        # The same seed for every layer: a layer's figures do not depend on which others are asked for.
        drawn = random_components(index, layers=[axis.layer], draws=max(draws, int(alive.sum())), seed=seed)
        random, like = _random(index, drawn, draws, seed)
        chance["clarity"], chance["polysemanticity"] = random.clarity[like], random.polysemanticity[like]
        chance["redundancy"] = _random_redundancy(random.means, drawn.examples, count[alive], like)
        real = _read(index, index.rows[part], np.ones(len(count), bool), seed)
        into["clarity"][:], into["polysemanticity"][:] = real.clarity, real.polysemanticity
        into["redundancy"][alive] = redundancy(index.means[part][alive])
        into["clarity_p"][:] = _clarity_p(real.clarity, count, drawn, random.clarity)
    summaries = {name: _summary(into[name][complete], chance[name], seed) for name in MEASURES}
    base = summaries["clarity"].baseline
    into["excess"][:] = (into["clarity"] - base) / (1 - base if base < 1 else np.nan)
    dead, incomplete = int((~alive).sum()), int((alive & ~complete).sum())
    return LayerScores(axis.layer, axis.components, dead, incomplete, **summaries)


def _read(index: ConceptIndex, rows: Int32[np.ndarray, "n k"], clustered: Bool[np.ndarray, "n"], seed: int) -> _Read:
    """The measures of components with these examples; polysemanticity, the expensive one, only of those `clustered`."""
    means = np.empty((len(rows), index.vectors.shape[1]), np.float32)
    clear, poly = np.full(len(rows), np.nan), np.full(len(rows), np.nan)

    def measure(block: slice) -> None:
        valid = np.asarray(rows[block] != MISSING)
        vectors = unit(index.vectors[np.where(valid, rows[block], 0)])
        means[block] = _means(vectors, valid)
        clear[block] = _clarity(means[block], valid.sum(axis=1))
        some = np.flatnonzero(clustered[block])
        poly[block.start + some] = polysemanticity(vectors[some], valid[some], seed=seed)

    each(measure, (slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)))
    return _Read(means, clear, poly)


def _means(vectors: Float[np.ndarray, "n k d"], valid: Bool[np.ndarray, "n k"]) -> Float32[np.ndarray, "n d"]:
    weights = valid / np.maximum(valid.sum(axis=1, keepdims=True), 1)
    return np.asarray(weights.astype(np.float32)[:, None] @ vectors)[:, 0]


def _clarity(means: Float32[np.ndarray, "n d"], count: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    square = np.einsum("nd,nd->n", means, means, dtype=np.float64)
    n = np.where(count > 1, count, np.nan)
    return np.clip(n / (n - 1) * (square - 1 / n), -1 / (n - 1), 1)


def _random(index: ConceptIndex, drawn: RandomComponents, draws: int, seed: int) -> tuple[_Read, Bool[np.ndarray, "r"]]:
    """What random components give; and which of them, `draws` at most, are like those that a layer's means are over:
    the complete ones, or all where there is none."""
    full = drawn.examples == index.rows.shape[1]
    like = full if full.any() else np.ones(len(full), bool)
    like = like & (np.cumsum(like) <= draws)
    return _read(index, drawn.rows, like, seed), like


def _random_redundancy(
    means: Float32[np.ndarray, "r d"],
    examples: Int64[np.ndarray, "r"],
    real: Int64[np.ndarray, "a"],
    like: Bool[np.ndarray, "r"],
) -> Float64[np.ndarray, "s"]:
    """Redundancy within a set of random components that has as many of each number of examples as the real one: the
    more there are, the nearer is the nearest."""
    sizes = zip(*np.unique(real, return_counts=True), strict=True)
    chosen = np.concatenate([np.flatnonzero(examples == size)[:count] for size, count in sizes])
    nearest = redundancy(means[chosen]).astype(np.float64)
    return nearest[like[chosen]] if like[chosen].any() else nearest


def _clarity_p(
    clear: Float64[np.ndarray, "c"],
    count: Int64[np.ndarray, "c"],
    drawn: RandomComponents,
    random: Float64[np.ndarray, "r"],
) -> Float64[np.ndarray, "c"]:
    """P-values of clarity, NaN where it is not defined."""
    defined, known = ~np.isnan(clear), ~np.isnan(random)
    p = np.full(len(clear), np.nan)
    null = Statistic(random[known], drawn.examples[known], drawn.layer[known])
    real = Statistic(clear[defined], count[defined], np.full(int(defined.sum()), drawn.layer[0]))
    p[defined] = p_values(real, null)
    return p


def _summary(real: Float64[np.ndarray, "c"], chance: Float64[np.ndarray, "r"], seed: int) -> Summary:
    mean, chance = bootstrap(real, seed=seed, least=2), chance[~np.isnan(chance)]
    base = float(chance.mean()) if len(chance) else np.nan
    least, most = np.quantile(chance, [0.025, 0.975]) if len(chance) else (np.nan, np.nan)
    return Summary(mean.value, mean.low, mean.high, base, float(least), float(most))
