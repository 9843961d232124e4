"""Do models know the same? Their components compared in one semantic space, with random ones and untrained ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import nan

import numpy as np

from semlens.analysis.ask import as_vocabulary
from semlens.analysis.chance import q_values
from semlens.analysis.comparisons.changed import LabelChange, Named, label_changes, named
from semlens.analysis.comparisons.matches import Best, Null, best_matches, null_of
from semlens.analysis.comparisons.spaces import Side, check_alike, comparison_remarks, side_of, sides_of
from semlens.analysis.probe import Probes, check_space
from semlens.analysis.responses import common_way
from semlens.analysis.results import Rows, pictures
from semlens.analysis.words import remark
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.numerics import Estimate, bootstrap
from semlens.types import Bool, Component, Float64, Int64

FDR = 0.05
"""Matches are called shared at this false-discovery rate."""

RESAMPLED = 1000
"""Bootstrap resamples of a set's components, for the confidence interval of its similarity."""

_PRINTED = (
    "source",
    "target",
    "excess",
    "over_untrained",
    "similarity",
    "low",
    "high",
    "baseline",
    "shared",
    "components",
)

_TOLD = ("label", "change", "before", "after", "untrained", "kept", "became", "reach_before", "reach_after")


@dataclass(frozen=True)
class PairRow:
    """How much of what `source` encodes is also in `target`."""

    source: str
    target: str
    excess: float  # of similarity over the baseline: 0 as random components, 1 if the target has all of the source
    over_untrained: float | None  # the same over `untrained`; None where no untrained network is given
    similarity: float  # mean over the source's components of the similarity with their best match, in [-1, 1]
    low: float  # 95 % confidence interval of that, over bootstrap resamples of the source's components
    high: float
    corrected: float  # the same with the target thinned to the size of the smallest set
    baseline: float  # what as many random components as the target has reach
    baseline_low: float  # 95 % of random sets lie between
    baseline_high: float
    untrained: float | None  # what as many components of the untrained network as the target has reach, or all it has
    components: int  # of the source
    shared: int  # of these, matched beyond chance
    by: str  # "encoding" or "examples"


@dataclass(frozen=True)
class MatchRow:
    """A component of `source` and its best match in `target`."""

    source: str
    component: Component
    target: str
    match: Component
    similarity: float  # correlation of what their encodings predict, or cosine of semantic embeddings, in [-1, 1]
    p_value: float  # one-sided, against the best of as many random components as the target has, in (0, 1]
    shared: bool  # whether that is a discovery at a false-discovery rate of FDR; otherwise unique
    others: int  # other components of the source whose best match is the same: one to one is 0
    untrained: float | None  # similarity of the best match in the untrained network; None where none is given


@dataclass(frozen=True, eq=False)
class Direction:
    """One side seen in another, component by component of the source."""

    source: int  # which side
    target: int
    match: Int64[np.ndarray, "n"]  # row of the most similar component in the target's index; ties: the lower
    similarity: Float64[np.ndarray, "n"]  # with it, in [-1, 1]
    corrected: Float64[np.ndarray, "n"]  # expected best in a random part of the target, of the size of the smallest set
    p_value: Float64[np.ndarray, "n"]
    q_value: Float64[np.ndarray, "n"]
    mean: Estimate  # of the similarity, over resampled components; a single one has no interval
    baseline: Float64[np.ndarray, "s"]  # mean similarity with each random set
    untrained: Float64[np.ndarray, "n"] | None  # with the best of as many untrained components, where there are any

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
    by: str  # "encoding" or "examples"
    named: tuple[Named, ...] = ()  # what the labels of each side say, where a vocabulary was given, last the untrained

    @property
    def names(self) -> tuple[str, ...]:
        """What the sides are called: their models, with the layers where one model appears twice."""
        return tuple(side.name for side in self.sides)

    @property
    def pairs(self) -> Rows[PairRow]:
        """How much of each side is in each other."""
        printed = [name for name in _PRINTED if name != "over_untrained" or self.untrained]
        title, remarks = f"How much of source is in target, by {self.by}", comparison_remarks(self.sides, self.by)
        return Rows(map(self._pair, self.directions), title, None, printed, remarks=remarks)

    @property
    def matches(self) -> Rows[MatchRow]:
        """Every component with its best match in each other side, the most similar first."""
        by_name = {side.name: side for side in self.sides}
        rows = (row for direction in self.directions for row in self._matches(direction))
        title, printed = f"Best matches, by {self.by}", list(MatchRow.__dataclass_fields__)
        if not self.untrained:
            printed.remove("untrained")
        return Rows(rows, title, lambda row: pictures(by_name[row.source].index, row.component), printed)

    @property
    def changes(self) -> Rows[LabelChange]:
        """What changed from each side to each later one, label by label: first what is gone, then what is new.

        Raises:
            SemlensError: it was compared without a vocabulary.
        """
        if not self.named:
            raise SemlensError("there are no labels to compare: compare with a vocabulary (--vocabulary)")
        by_pair = {(d.source, d.target): d for d in self.directions}
        found = [
            label_changes(self.sides[m], self.sides[n], self.named[m], self.named[n], by_pair[m, n].match, self._twin)
            for m, n in combinations(range(len(self.sides)), 2)
        ]
        printed = [name for name in _TOLD if name != "untrained" or self._twin]
        names = ("source", "target") if len(found) > 1 else ()
        told = " to ".join(self.names) if len(found) == 1 else "label by label"
        rows, title = (row for rows in found for row in rows), f"What changed, {told}, by {self.by}"
        return Rows(rows, title, None, [*names, *printed], remarks=[remark(self.named[0].labels.unknown)])

    @property
    def untrained(self) -> bool:
        """Whether the sides were also held against an untrained network."""
        return self.directions[0].untrained is not None

    @property
    def _twin(self) -> Named | None:
        return self.named[-1] if len(self.named) > len(self.sides) else None

    def __repr__(self) -> str:
        listed = ", ".join(f"{side.name} ({len(side.rows)} components, {side.dead} dead)" for side in self.sides)
        return f"Comparison({listed}; by {self.by})\n{self.pairs!r}"

    def _repr_html_(self) -> str:
        return self.pairs._repr_html_()

    def _pair(self, pair: Direction) -> PairRow:
        mean, (least, most) = pair.mean, np.quantile(pair.baseline, (0.025, 0.975)).tolist()
        base, untrained = float(pair.baseline.mean()), None if pair.untrained is None else float(pair.untrained.mean())
        return PairRow(
            source=self.names[pair.source],
            target=self.names[pair.target],
            excess=_above(mean.value, base),
            over_untrained=None if untrained is None else _above(mean.value, untrained),
            similarity=mean.value,
            low=mean.low,
            high=mean.high,
            corrected=float(pair.corrected.mean()),
            baseline=base,
            baseline_low=least,
            baseline_high=most,
            untrained=untrained,
            components=len(pair.match),
            shared=int(pair.shared.sum()),
            by=self.by,
        )

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
                None if pair.untrained is None else float(pair.untrained[i]),
            )
            for i in np.argsort(-pair.similarity, kind="stable")
        ]


def compare(
    indexes: Sequence[ConceptIndex],
    *,
    by: str = "auto",
    draws: int = 200,
    seed: int = 0,
    layers: Sequence[Sequence[str]] = (),
    untrained: ConceptIndex | None = None,
    vocabulary: Probes | str | Sequence[str] | None = None,
) -> Comparison:
    """How much of what each index encodes is in each other, which components they share, and which are unique.

    By encoding two components are as similar as what their encodings predict correlates over the images, whose space is
    that of `Metric.overlap`; chance permutes the target's activations over all images. By examples it is the cosine of
    their semantic embeddings, and chance exchanges the target's crops for others of its index.

    Args:
        indexes: two or more. One may be given several times, with other `layers`.
        by: "encoding", "examples", or "auto": by encoding where all indexes have encodings of the same images.
        draws: random sets for the baseline and the p-values, which are never below 1 / (draws + 1).
        layers: for each index the layers that take part, all if empty.
        untrained: an index of a network with random weights (build --untrained), to hold every side against as well.
        vocabulary: phrases, a file of them or probes: then components are labelled, and `changes` says what changed.

    Source: Dreyer et al. 2025, Eq. 5, S(M→N): the mean over M of the maximal cosine with N. But: a large set finds
    nearer matches by its size alone, so the value for sets of like size and that of chance stand beside it.

    Raises:
        SemlensError: indexes made in different ways, an unknown way or layer, a side without a living component, or a
            vocabulary of another foundation model.
    """
    if draws < 1:
        raise SemlensError(f"draws is {draws}: the baseline needs random sets, 200 for example")
    if len(indexes) < 2:
        raise SemlensError("give two indexes or more to compare; one may be given twice, with other layers")
    every = [*indexes, *([untrained] if untrained else [])]
    by = common_way(every, by)
    sides = sides_of(indexes, layers, by)
    check_alike([*(side.name for side in sides), "the untrained network"][: len(every)], every, by)
    size = min(len(side.rows) for side in sides)
    best = {
        (m, n): best_matches(sides[m].vectors, sides[n].vectors, size) for m, n in permutations(range(len(sides)), 2)
    }
    null: dict[tuple[int, int], Null] = {}
    for n, target in enumerate(sides):
        similarity = {m: best[m, n].similarity for m in range(len(sides)) if m != n}
        vectors = {m: sides[m].vectors for m in similarity}
        by_source = null_of(target.random, len(target.rows), vectors, similarity, draws, seed)
        null |= {(m, n): by_source[m] for m in by_source}
    twins = [_twin(untrained, side, by) for side in sides] if untrained else [None] * len(sides)
    directions = [
        _direction(pair, sides, best[pair], null[pair], _in_twin(sides[pair[0]], sides[pair[1]], twins[pair[1]]), seed)
        for pair in best
    ]
    return Comparison(sides, tuple(directions), size, by, _named(sides, twins[-1], vocabulary, by, seed))


def _twin(untrained: ConceptIndex, side: Side, by: str) -> Side:
    """The layers of the untrained network that a side is of; all, where it has others."""
    has = {axis.layer for axis in untrained.layers}
    return side_of("the untrained network", untrained, side.layers if set(side.layers) <= has else (), by)


def _in_twin(source: Side, target: Side, twin: Side | None) -> Float64[np.ndarray, "n"] | None:
    """The similarity of the source's components with the best of as many untrained ones as the target has."""
    if twin is None:
        return None
    return best_matches(source.vectors, twin.vectors, min(len(twin.rows), len(target.rows))).corrected


def _named(
    sides: Sequence[Side], twin: Side | None, vocabulary: Probes | str | Sequence[str] | None, by: str, seed: int
) -> tuple[Named, ...]:
    """The labels of every side, and of the untrained network."""
    if vocabulary is None:
        return ()
    words = as_vocabulary(sides[0].index.recipe.foundation, vocabulary)
    check_space(sides[0].index, words)
    every = [*sides, *([twin] if twin else [])]
    return tuple(named(side, words, by, seed) for side in every)


def _direction(
    pair: tuple[int, int],
    sides: Sequence[Side],
    best: Best,
    null: Null,
    untrained: Float64[np.ndarray, "n"] | None,
    seed: int,
) -> Direction:
    mean = bootstrap(best.similarity, seed=seed, draws=RESAMPLED, least=2)
    match, p = sides[pair[1]].rows[best.match], null.p_value
    return Direction(
        *pair, match, best.similarity, best.corrected, p, q_values(p), mean, null.baseline, untrained,
    )  # fmt: skip


def _above(value: float, base: float) -> float:
    """By how much a similarity lies above another one, in parts of what is possible."""
    return (value - base) / (1 - base) if base < 1 else nan
