"""What is it about? The phrase of a vocabulary that fits each component, or none where chance fits as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis.chance import (
    DRAWS,
    RandomComponents,
    alive_rows,
    check_rate,
    p_values,
    q_values,
    random_components,
    statistic,
)
from semlens.analysis.labels.meanings import Meaning, halve, meanings
from semlens.analysis.labels.scorers import METHODS, Linear, Scorer, blocks, resampled, scores_of
from semlens.analysis.probe import Probes, vocabulary_id
from semlens.analysis.results import Rows, pictures
from semlens.analysis.search import check_space
from semlens.errors import unknown
from semlens.index import ConceptIndex, LabelsId
from semlens.numerics import each
from semlens.shapes import Bool, Float32, Float64, Int32, Int64
from semlens.types import MISSING, Component, Progress, silent

KEPT = 5
"""Phrases kept per component: the label and its runners-up."""

RESAMPLES = 100

_PRINTED = ("component", "name", "label", "alignment", "p_value", "stability", "meanings")


@dataclass(frozen=True)
class Runner:
    """A phrase that fits, and by how much: cosine minus what random components reach for it."""

    label: str
    alignment: float


@dataclass(frozen=True)
class Label:
    """What a component is about, and how sure that is."""

    component: Component
    name: str | None  # what the model itself calls it
    label: str | None  # None: chance fits some phrase of the vocabulary as well
    alignment: float  # of the best phrase, label or not: cosine minus its mean over random components, in [-2, 2]
    p_value: float  # random components of like crops that fit some phrase of the vocabulary as well
    stability: float  # how often the phrase stays ahead of its runners-up when the examples are drawn anew, in [0, 1]
    margin: float  # alignment ahead of the first runner-up; negative where that leads in alignment but not in score
    runners_up: tuple[Runner, ...]
    meanings: tuple[Meaning, ...]  # of a polysemantic component: its two meanings


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """The labels of an index's components by one vocabulary. Rows are those of the index; NaN where one is dead."""

    index: ConceptIndex
    vocabulary: tuple[str, ...]
    recipe: LabelsId
    ranked: Int32[np.ndarray, "c m"]  # numbers of the best phrases, the best first; MISSING for a dead component
    alignments: Float32[np.ndarray, "c m"]
    p_value: Float64[np.ndarray, "c"]
    q_value: Float64[np.ndarray, "c"]  # the least rate of false discoveries at which it would be labelled
    stability: Float32[np.ndarray, "c"]
    meanings: Mapping[int, tuple[Meaning, ...]]  # of the polysemantic ones, by row

    @property
    def method(self) -> str:
        """How phrases were scored."""
        return self.recipe.method

    @property
    def fdr(self) -> float:
        """The part of labels given, at most, that chance would have given too."""
        return self.recipe.fdr

    @cached_property
    def accepted(self) -> Bool[np.ndarray, "c"]:
        """Components that have a label."""
        return np.asarray((self.q_value <= self.fdr) & (self.ranked[:, 0] != MISSING))

    def of(self, row: int) -> str | None:
        """The label of a component by its row, None if it has none."""
        return self.vocabulary[self.ranked[row, 0]] if self.accepted[row] else None

    def best(self, row: int) -> str:
        """The phrase that fits a component best, label or not; empty for a dead component."""
        return self.vocabulary[self.ranked[row, 0]] if self.ranked[row, 0] != MISSING else ""

    def runner_up(self, row: int) -> str:
        """The phrase that comes next; empty where there is none."""
        second = self.ranked[row, 1:2]
        return self.vocabulary[second[0]] if len(second) and second[0] != MISSING else ""

    @property
    def rows(self) -> Rows[Label]:
        """A row per component that is not dead and was asked for."""
        asked = np.flatnonzero(self.ranked[:, 0] != MISSING)
        given = int(self.accepted[asked].sum())
        title = f"{given:,} of {len(asked):,} components have a label (false-discovery rate {self.fdr:g})"
        return Rows(map(self.at, asked.tolist()), title, lambda one: pictures(self.index, one.component), _PRINTED)

    def at(self, row: int) -> Label:
        """All about the label of a component, by its row."""
        phrases = [self.vocabulary[at] for at in self.ranked[row] if at != MISSING]
        aligned = self.alignments[row].tolist()
        return Label(
            self.index.component(row),
            self.index.unit_names[row],
            self.of(row),
            aligned[0],
            float(self.p_value[row]),
            float(self.stability[row]),
            aligned[0] - aligned[1] if len(phrases) > 1 else float("nan"),
            tuple(Runner(phrase, value) for phrase, value in list(zip(phrases, aligned, strict=False))[1:]),
            self.meanings.get(row, ()),
        )

    def __repr__(self) -> str:
        return repr(self.rows)

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()


def label(
    index: ConceptIndex,
    vocabulary: Probes,
    *,
    fdr: float = 0.05,
    method: str = "standardised",
    layers: Sequence[str] = (),
    split: bool = True,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> Labels:
    """For every component the phrase of the vocabulary that fits best, if chance does not fit as well.

    Chance is what components made of random examples of this index reach, with as many examples and crops as large:
    a component's p-value is the part of them for which some phrase of the vocabulary scores as high. Labels are given
    to as many components as keep the rate of false discoveries at `fdr`.

    Args:
        method: how a phrase is scored; see `alignment.METHODS`.
        split: whether to look for components with two meanings, and label each.
        draws: random components per layer.

    Raises:
        SemlensError: an unknown method or layer, `fdr` not between 0 and 1, or a vocabulary of another foundation
            model.
    """
    check_space(index, vocabulary)
    check_rate(fdr)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    random = random_components(index, layers=layers, draws=draws, seed=seed)
    found = _Ranking.empty(len(index.means), min(KEPT, len(vocabulary)))
    chance, halves = np.empty(len(random.rows), np.float32), []
    for number in np.unique(random.layer).tolist():
        scorer = METHODS[method](index, vocabulary, random, number)
        drawn = np.flatnonzero(random.layer == number)
        _rank(found, index, scorer, number, len(vocabulary), seed)
        _align(found, index, vocabulary, number, random.means[drawn].mean(axis=0, dtype=np.float32))
        _meet(chance, random, scorer, drawn, len(vocabulary))
        if split:
            halves.append(halve(index, scorer, random, number, len(vocabulary), seed))
        progress("label", number + 1, len(index.layers))
    p, known = p_values(statistic(index, found.best), random.statistic(chance)), ~np.isnan(found.best)
    q = np.ones(len(p))
    q[known] = q_values(p[known])
    double = meanings(halves, vocabulary, fdr) if halves else {}
    asked = tuple(axis.layer for axis in index.layers if not layers or axis.layer in layers)
    recipe = LabelsId(method, float(fdr), asked, split, draws, seed, vocabulary_id(vocabulary))
    return Labels(index, vocabulary.names, recipe, found.ranked, found.alignments, p, q, found.stability, double)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """The best phrases of every component; filled in layer by layer, NaN and MISSING where nothing was."""

    ranked: Int32[np.ndarray, "c m"]
    alignments: Float32[np.ndarray, "c m"]
    best: Float32[np.ndarray, "c"]  # the highest score
    stability: Float32[np.ndarray, "c"]

    @classmethod
    def empty(cls, c: int, m: int) -> "_Ranking":
        nothing = np.full(c, np.nan, np.float32)
        ranked = np.full((c, m), MISSING, np.int32)
        return cls(ranked, np.full((c, m), np.nan, np.float32), nothing, nothing.copy())


def _rank(into: _Ranking, index: ConceptIndex, scorer: Scorer, layer: int, probes: int, seed: int) -> None:
    """Ranks the phrases for the components of a layer."""
    alive = alive_rows(index, layer)

    def block(part: slice) -> None:
        of = alive[part]
        scores = scores_of(scorer, index.rows[of], of, index.means[of])
        into.ranked[of] = _best(scores, into.ranked.shape[1])
        into.best[of] = np.take_along_axis(scores, into.ranked[of, :1], axis=1)[:, 0]
        into.stability[of] = _stability(index, scorer, of, into.ranked[of], seed)

    each(block, blocks(len(alive), probes))


def _align(
    into: _Ranking, index: ConceptIndex, vocabulary: Probes, layer: int, expected: Float32[np.ndarray, "d"]
) -> None:
    """Alignment with the ranked phrases: the cosine less that of the mean random component."""
    alive = alive_rows(index, layer)
    away = index.means[alive].astype(np.float32) - expected
    for place in range(into.ranked.shape[1]):
        into.alignments[alive, place] = (away * vocabulary.vectors[into.ranked[alive, place]]).sum(axis=1)


def _meet(
    into: Float32[np.ndarray, "r"], random: RandomComponents, scorer: Scorer, drawn: Int64[np.ndarray, "n"], probes: int
) -> None:
    """The highest score that random components reach with any phrase."""

    def block(part: slice) -> None:
        of = drawn[part]
        into[of] = scores_of(scorer, random.rows[of], random.like[of], random.means[of]).max(axis=1)

    each(block, blocks(len(drawn), probes))


def _best(scores: Float32[np.ndarray, "n q"], m: int) -> Int64[np.ndarray, "n m"]:
    """The numbers of the m highest scores, the highest first; ties go to the lower number."""
    top = np.sort(np.argpartition(-scores, m - 1, axis=1)[:, :m], axis=1)
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def _stability(
    index: ConceptIndex, scorer: Scorer, of: Int64[np.ndarray, "n"], ranked: Int32[np.ndarray, "n m"], seed: int
) -> Float32[np.ndarray, "n"]:
    """How often the best phrase stays ahead of its runners-up when the examples are drawn anew, with replacement; NaN
    for a method that is not linear in them."""
    if not isinstance(scorer, Linear):
        return np.full(len(of), np.nan, np.float32)
    scores = resampled(index, scorer, of, RESAMPLES, seed, ranked)
    return (scores.argmax(axis=2) == 0).mean(axis=1).astype(np.float32)
