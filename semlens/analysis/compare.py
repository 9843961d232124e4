"""Do models know the same? Their components compared in one semantic space, and with random ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from semlens.analysis.atlas import differences, index_names, space_of
from semlens.analysis.chance import q_values, random_components
from semlens.analysis.results import Rows, pictures
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, Recipe
from semlens.numerics import cosine, mean_rows, paired_cosine
from semlens.numerics.metrics import Estimate, bootstrap
from semlens.shapes import Bool, Float32, Float64, Int64
from semlens.types import Component

FDR = 0.05
"""Matches are called shared at this false-discovery rate."""

RESAMPLED = 1000
"""Bootstrap resamples of a set's components, for the confidence interval of its similarity."""

_CELLS = 2**23  # similarities held at once
_RANDOM = 2**13  # random components held at once
_ROUNDING = 1e-6  # of a cosine in float32


@dataclass(frozen=True)
class PairRow:
    """How much of what `source` encodes is also in `target`."""

    source: str
    target: str
    excess: float  # of similarity over the baseline: 0 as random components, 1 if the target has all of the source
    similarity: float  # mean over the source's components of the cosine with their best match, in [-1, 1]
    low: float  # 95 % confidence interval of that, over bootstrap resamples of the source's components
    high: float
    corrected: float  # the same with the target thinned to the size of the smallest set
    baseline: float  # what as many random components as the target has reach
    baseline_low: float  # 95 % of random sets lie between
    baseline_high: float


@dataclass(frozen=True)
class MatchRow:
    """A component of `source` and its best match in `target`."""

    source: str
    component: Component
    target: str
    match: Component
    similarity: float  # cosine, in [-1, 1]
    p_value: float  # one-sided, against the best of as many random components as the target has, in (0, 1]
    shared: bool  # whether that is a discovery at a false-discovery rate of FDR; otherwise unique
    others: int  # other components of the source whose best match is the same: one to one is 0


@dataclass(frozen=True, eq=False)
class Side:
    """What takes part of one index: the components of some layers that have examples."""

    name: str
    index: ConceptIndex = field(repr=False)
    layers: tuple[str, ...]
    rows: Int64[np.ndarray, "n"]
    dead: int  # components left out, for they have no example

    @property
    def vectors(self) -> Float32[np.ndarray, "n d"]:
        """Their semantic embeddings."""
        return self.index.means[self.rows].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Direction:
    """One side seen in another, component by component of the source."""

    source: int  # which side
    target: int
    match: Int64[np.ndarray, "n"]  # row of the most similar component in the target's index; ties: the lower
    similarity: Float64[np.ndarray, "n"]  # cosine with it, in [-1, 1]
    corrected: Float64[np.ndarray, "n"]  # expected best in a random part of the target, of the size of the smallest set
    p_value: Float64[np.ndarray, "n"]
    q_value: Float64[np.ndarray, "n"]
    mean: Estimate  # of the similarity, over resampled components; a single one has no interval
    baseline: Float64[np.ndarray, "s"]  # mean similarity with each random set

    @property
    def shared(self) -> Bool[np.ndarray, "n"]:
        """Whose match is a discovery, beyond what random components reach; the others are unique to the source."""
        return np.asarray(self.q_value <= FDR)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Every index, or part of one, held against every other, in both directions."""

    sides: tuple[Side, ...]
    directions: tuple[Direction, ...]
    size: int  # components of the smallest side: what `corrected` thins the targets to

    @property
    def names(self) -> tuple[str, ...]:
        """What the sides are called: their models, with the layers where one model appears twice."""
        return tuple(side.name for side in self.sides)

    @property
    def pairs(self) -> Rows[PairRow]:
        """How much of each side is in each other."""
        return Rows(map(self._pair, self.directions), "How much of source is in target")

    @property
    def matches(self) -> Rows[MatchRow]:
        """Every component with its best match in each other side, the most similar first."""
        by_name = {side.name: side for side in self.sides}
        rows = (row for direction in self.directions for row in self._matches(direction))
        return Rows(rows, "Best matches", lambda row: pictures(by_name[row.source].index, row.component))

    def __repr__(self) -> str:
        listed = ", ".join(f"{side.name} ({len(side.rows)} components, {side.dead} dead)" for side in self.sides)
        return f"Comparison({listed})\n{self.pairs!r}"

    def _repr_html_(self) -> str:
        return self.pairs._repr_html_()

    def _pair(self, pair: Direction) -> PairRow:
        mean, (least, most) = pair.mean, np.quantile(pair.baseline, (0.025, 0.975))
        base = pair.baseline.mean()
        excess = (mean.value - base) / (1 - base) if base < 1 else np.nan
        means = (excess, mean.value, mean.low, mean.high, pair.corrected.mean(), base, least, most)
        return PairRow(self.names[pair.source], self.names[pair.target], *map(float, means))

    def _matches(self, pair: Direction) -> list[MatchRow]:
        source, target, shared = self.sides[pair.source], self.sides[pair.target], pair.shared
        times = np.bincount(pair.match)
        return [
            MatchRow(
                source.name,
                source.index.component(int(source.rows[i])),
                target.name,
                target.index.component(int(pair.match[i])),
                float(pair.similarity[i]),
                float(pair.p_value[i]),
                bool(shared[i]),
                int(times[pair.match[i]]) - 1,
            )
            for i in np.argsort(-pair.similarity, kind="stable")
        ]


def compare(
    indexes: Sequence[ConceptIndex], *, draws: int = 200, seed: int = 0, layers: Sequence[Sequence[str]] = ()
) -> Comparison:
    """How much of what each index encodes is in each other, which components they share, and which are unique.

    Args:
        indexes: two or more. One may be given several times, with other `layers`.
        draws: random sets for the baseline and the p-values, which are never below 1 / (draws + 1).
        layers: for each index the layers that take part, all if empty.

    Source: Dreyer et al. 2025, Eq. 5, S(M→N): the mean over M of the maximal cosine with N. But: a large set finds
    nearer matches by its size alone, so the value for sets of like size and that of chance stand beside it.

    Raises:
        SemlensError: indexes made in different ways, an unknown layer, a side without a living component.
    """
    if draws < 1:
        raise SemlensError(f"draws is {draws}: the baseline needs random sets, 200 for example")
    sides = _sides(indexes, layers)
    _check_alike([side.name for side in sides], [index.recipe for index in indexes])
    size = min(len(side.rows) for side in sides)
    vectors = [side.vectors for side in sides]
    best = {(m, n): best_matches(vectors[m], vectors[n], size) for m, n in permutations(range(len(sides)), 2)}
    chance: dict[tuple[int, int], _Chance] = {}
    for n, target in enumerate(sides):
        similarity = {m: best[m, n].similarity for m in range(len(sides)) if m != n}
        by_source = _chance(target, {m: vectors[m] for m in similarity}, similarity, draws, seed)
        chance |= {(m, n): by_source[m] for m in by_source}
    return Comparison(sides, tuple(_direction(pair, sides, best[pair], chance[pair], seed) for pair in best), size)


def _check_alike(names: Sequence[str], recipes: Sequence[Recipe]) -> None:
    ways = [
        space_of(recipe)
        | {"k": recipe.k, "pool": recipe.pool, "crop": recipe.crop.kind, "images": recipe.images.fingerprint}
        | {f"crop {key}": value for key, value in recipe.crop.parameters.items()}
        for recipe in recipes
    ]
    if odd := differences(names, ways):
        raise SemlensError(f"{odd}: build the indexes to compare in the same way from the same images")


def _sides(indexes: Sequence[ConceptIndex], layers: Sequence[Sequence[str]]) -> tuple[Side, ...]:
    if len(indexes) < 2:
        raise SemlensError("give two indexes or more to compare; one may be given twice, with other layers")
    if layers and len(layers) != len(indexes):
        raise SemlensError(f"layers are given for {len(layers)} of {len(indexes)} indexes: give () where all are meant")
    chosen = [tuple(dict.fromkeys(names)) for names in layers or [()] * len(indexes)]
    sides = []
    for name, index, asked in zip(index_names(indexes, chosen), indexes, chosen, strict=True):
        taking_part = asked or tuple(axis.layer for axis in index.layers)
        rows = np.concatenate([np.arange(len(index.rows))[index.layer_slice(layer)] for layer in taking_part])
        alive = rows[~index.dead[rows]]
        if not len(alive):
            raise SemlensError(f"{name} has no component with an example: there is nothing to compare")
        sides.append(Side(name, index, taking_part, alive, len(rows) - len(alive)))
    return tuple(sides)


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
class _Chance:
    baseline: Float64[np.ndarray, "s"]
    as_large: Int64[np.ndarray, "n"]  # random sets whose best is at least as similar


def _chance(
    target: Side, sources: dict[int, np.ndarray], similarity: dict[int, np.ndarray], draws: int, seed: int
) -> dict[int, _Chance]:
    """The null distribution: the sources' best matches in `draws` sets of random components, each set with as many of
    each layer and number of examples as the target. `similarity` is that with the target itself."""
    null = {m: _Chance(np.zeros(draws), np.zeros(len(x), np.int64)) for m, x in sources.items()}
    at_once = max(1, _RANDOM // len(target.rows))
    for first in range(0, draws, at_once):
        sets = min(at_once, draws - first)
        random = _random_sets(target, sets, (seed, first))
        for m, x in sources.items():
            step = max(1, _CELLS // len(random))
            for start in range(0, len(x), step):
                block = slice(start, start + step)
                best = cosine(x[block], random).reshape(-1, sets, len(target.rows)).max(axis=2)
                null[m].baseline[first : first + sets] += best.sum(axis=0, dtype=np.float64) / len(x)
                null[m].as_large[block] += (best >= similarity[m][block, None] - _ROUNDING).sum(axis=1)
    return null


def _random_sets(target: Side, sets: int, seed: tuple[int, int]) -> Float32[np.ndarray, "r d"]:
    """Random components in the place of the target's, as many of each layer and number of examples; set after set."""
    index, picked = target.index, []
    for number, layer in enumerate(target.layers):
        examples = index.valid[index.layer_slice(layer)].sum(axis=1)
        alive = examples[examples > 0]
        if not len(alive):
            continue
        state = int(np.random.SeedSequence((*seed, number)).generate_state(1)[0])
        drawn = random_components(index, layers=[layer], draws=sets * len(alive), seed=state)
        for size, many in zip(*np.unique(alive, return_counts=True), strict=True):
            picked.append(drawn.rows[drawn.examples == size][: sets * many].reshape(sets, many, -1))
    rows = np.concatenate(picked, axis=1)
    return mean_rows(index.vectors, rows.reshape(-1, rows.shape[-1])).astype(np.float32)


def _direction(pair: tuple[int, int], sides: tuple[Side, ...], best: Best, chance: _Chance, seed: int) -> Direction:
    p = (chance.as_large + 1) / (len(chance.baseline) + 1)
    mean = bootstrap(best.similarity, seed=seed, draws=RESAMPLED, least=2)
    match = sides[pair[1]].rows[best.match]
    return Direction(*pair, match, best.similarity, best.corrected, p, q_values(p), mean, chance.baseline)
