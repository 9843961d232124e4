"""What is it about? For each component the phrase that it responds to, or that its examples show, or none where chance
does as well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import nan

import numpy as np

from semlens.analysis.ask import as_vocabulary
from semlens.analysis.chance import (
    DRAWS,
    RandomComponents,
    alive_rows,
    check_draws,
    check_rate,
    p_values,
    q_values,
    random_components,
    statistic,
)
from semlens.analysis.labels.encoded import least_p, rank
from semlens.analysis.labels.meanings import Meaning, halve, meanings
from semlens.analysis.labels.scorers import METHODS, Linear, Scorer, by_blocks, resampled, scores_of
from semlens.analysis.probe import Probes, check_space, vocabulary_id
from semlens.analysis.responses import responses, way
from semlens.analysis.results import Rows, pictures
from semlens.analysis.words import remark
from semlens.errors import SemlensError, unknown
from semlens.index import ConceptIndex, LabelsId
from semlens.numerics import PERMUTATIONS
from semlens.progress import visible
from semlens.types import MISSING, Bool, Component, Float32, Float64, Int32, Int64, Progress, Shaped, several

PHRASES_KEPT = 5
"""Phrases kept per component: the label and its runners-up."""

RESAMPLES = 100
"""Bootstrap resamples of a component's examples."""

ENCODING = "encoding"
"""The method of labels by encoding, among those of labels by examples."""

FEW_IMAGES = 200
"""Encodings over fewer images leave many components unlabelled that do respond to something: it is said."""

_PRINTED = {
    "examples": ("component", "name", "label", "alignment", "p_value", "stability", "meanings"),
    "encoding": ("component", "name", "label", "z", "r2", "p_value", "meanings"),
}


@dataclass(frozen=True)
class Runner:
    """A phrase that fits, and by how much."""

    label: str
    alignment: float  # margin over chance: cosine minus its mean over random components, in [-2, 2]; not by encoding
    z: float = nan  # by encoding: the effect over its standard error by chance
    ratio: float = nan  # of z to that of the first


@dataclass(frozen=True)
class Label:
    """What a component is about, and how sure that is."""

    component: Component
    name: str | None  # what the model itself calls it
    label: str | None  # None: random components fit some phrase of the vocabulary as well
    alignment: float  # the best phrase's margin over chance, label or not, in [-2, 2]; see `Runner`
    p_value: float  # one-sided, against what the best phrase reaches by chance, in (0, 1]
    stability: float  # share of bootstrap resamples of the examples in which the phrase stays ahead of its runners-up
    margin: float  # alignment ahead of the first runner-up; negative where that leads in alignment but not in score
    runners_up: tuple[Runner, ...]
    meanings: tuple[Meaning, ...]  # of a component that has two
    by: str = "examples"  # or "encoding": then there is no alignment, stability and margin, but z
    z: float = nan  # of the best phrase, label or not: its effect over its standard error by chance
    r2: float = nan  # how much of the activation the foundation model can explain at all, at most 1


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """The labels of an index's components by one vocabulary, in the rows of the index; NaN where one is dead."""

    index: ConceptIndex
    vocabulary: tuple[str, ...]
    recipe: LabelsId
    ranked: Int32[np.ndarray, "c m"]  # numbers of the best phrases, the best first; MISSING for a dead component
    fits: Float32[np.ndarray, "c m"]  # of each of them: z, or by examples the margin over chance; see `Runner`
    p_value: Float64[np.ndarray, "c"]
    q_value: Float64[np.ndarray, "c"]  # the least false-discovery rate at which it would be labelled
    stability: Float32[np.ndarray, "c"]
    meanings: Mapping[int, tuple[Meaning, ...]]  # of the polysemantic ones, by row
    unknown: tuple[tuple[str, str], ...] = ()  # phrases with a word that the foundation model does not know, and it

    @property
    def method(self) -> str:
        """How phrases were scored."""
        return self.recipe.method

    @property
    def by(self) -> str:
        """What the labels go by: "encoding" or "examples"."""
        return "encoding" if self.recipe.method == ENCODING else "examples"

    @property
    def fdr(self) -> float:
        """The false-discovery rate: the share of the labels given, at most, that random components would get too."""
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
        ranked = np.flatnonzero(self.ranked[:, 0] != MISSING)
        given = int(self.accepted[ranked].sum())
        title = f"{given:,} of {len(ranked):,} components have a label by {self.by} (false-discovery rate {self.fdr:g})"
        title += f"; {self.too_few}" if self.too_few else ""
        return Rows(
            map(self.at, ranked.tolist()), title, lambda row: pictures(self.index, row.component), _PRINTED[self.by],
            remarks=[self.remark],
        )  # fmt: skip

    @property
    def remark(self) -> str:
        """Which phrases the foundation model does not know, and how many labels are of such; empty if none is."""
        if not (told := remark(self.unknown)):
            return ""
        strange = {phrase for phrase, _ in self.unknown}
        rows = np.flatnonzero(self.accepted).tolist()
        return f"{told}; {sum(self.of(row) in strange for row in rows):,} labels are of such phrases"

    @property
    def too_few(self) -> str:
        """Whether components stand out by all that the draws can show and yet are too few for a label, or images are
        too few for most of them, in words; empty if not."""
        ranked, kept = self.ranked[:, 0] != MISSING, self.index.encodings
        if self.by == "encoding" and kept and kept.images < FEW_IMAGES and 2 * self.accepted.sum() < ranked.sum():
            return f"{kept.images:,} images tell few components from chance: encode more (semlens encode)"
        out = int((ranked & ~self.accepted & (self.p_value <= least_p(self.recipe.draws) * 1.001)).sum())
        if not out:
            return ""
        far = f"{out:,} stand out as far as {self.recipe.draws:,} draws can show"
        return f"{far}, too few among {int(ranked.sum()):,}: ask for fewer layers, or more draws"

    def at(self, row: int) -> Label:
        """All about the label of a component, by its row."""
        phrases = [self.vocabulary[number] for number in self.ranked[row] if number != MISSING]
        encoded, fits = self.by == "encoding", self.fits[row].tolist()
        if encoded:
            others = [Runner(phrase, nan, z, z / fits[0]) for phrase, z in zip(phrases, fits, strict=False)]
        else:
            others = [Runner(phrase, margin) for phrase, margin in zip(phrases, fits, strict=False)]
        return Label(
            self.index.component(row),
            self.index.unit_names[row],
            self.of(row),
            others[0].alignment,
            float(self.p_value[row]),
            float(self.stability[row]),
            others[0].alignment - others[1].alignment if len(phrases) > 1 else nan,
            tuple(others[1:]),
            self.meanings.get(row, ()),
            self.by,
            others[0].z,
            float(responses(self.index).r2[row]) if encoded and self.index.encodings else nan,
        )

    def __repr__(self) -> str:
        return repr(self.rows)

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()


def label(
    index: ConceptIndex,
    vocabulary: Probes | str | Sequence[str],
    *,
    by: str = "auto",
    fdr: float = 0.05,
    method: str = "standardised",
    layers: Sequence[str] = (),
    split: bool = True,
    draws: int | None = None,
    seed: int = 0,
    progress: Progress = visible,
) -> Labels:
    """For every component the phrase of the vocabulary that fits best, if it fits better than chance.

    By encoding it is the phrase of the highest z over all images; chance is that of permuted activations. By examples
    it is the phrase that fits the strongest images best; chance is that of random components (see `chance`). Labels are
    given at the false-discovery rate `fdr`.

    Args:
        vocabulary: probes of its phrases, or what `load_vocabulary` takes; then the foundation model is loaded.
        by: "encoding", "examples", or "auto": by encoding where the index has encodings, and no method is asked for.
        method: by examples, how a phrase is scored; see `scorers.METHODS`.
        split: whether to look for components with two meanings, and label each.
        draws: permutations, or random components per layer; 1,000 and 4,000 if not given.

    Raises:
        SemlensError: an unknown way, method or layer, `fdr` not between 0 and 1, too few draws, or a vocabulary of
            another foundation model.
    """
    vocabulary, layers = as_vocabulary(index.recipe.foundation, vocabulary), several(layers)
    check_space(index, vocabulary)
    check_rate(fdr)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    by = "examples" if by == "auto" and method != "standardised" else way(index, by)
    if by == "encoding" and method != "standardised":
        raise SemlensError(f"method {method!r} scores examples: ask by='examples' (--by examples)")
    draws = (PERMUTATIONS if by == "encoding" else DRAWS) if draws is None else draws
    check_draws(draws)
    for layer in layers:
        index.layer_slice(layer)
    asked = tuple(axis.layer for axis in index.layers if not layers or axis.layer in layers)
    recipe = LabelsId(
        ENCODING if by == "encoding" else method, float(fdr), asked, split, draws, seed, vocabulary_id(vocabulary)
    )
    find = _by_encoding if by == "encoding" else _by_examples
    return find(index, vocabulary, recipe, progress)


def _by_encoding(index: ConceptIndex, vocabulary: Probes, recipe: LabelsId, progress: Progress) -> Labels:
    """Labels by what components respond to over all images."""
    layers = [n for n, axis in enumerate(index.layers) if axis.layer in recipe.layers]
    found = rank(responses(index), vocabulary, layers, fdr=recipe.fdr, draws=recipe.draws, seed=recipe.seed)
    c, m = len(index.rows), min(PHRASES_KEPT, len(vocabulary))
    ranked, z = np.full((c, m), MISSING, np.int32), np.full((c, m), np.nan, np.float32)
    p, q = np.ones(c), np.ones(c)
    ranked[found.rows], z[found.rows] = found.ranked[:, :m], found.z[:, :m]
    p[found.rows], q[found.rows] = found.p[:, 0], found.q
    double = found.meanings(vocabulary.names, recipe.fdr) if recipe.split else {}
    progress("label", len(layers), len(layers))
    return Labels(
        index, vocabulary.names, recipe, ranked, z, p, q, np.full(c, np.nan, np.float32), double, vocabulary.unknown
    )


def _by_examples(index: ConceptIndex, vocabulary: Probes, recipe: LabelsId, progress: Progress) -> Labels:
    """Labels by what the strongest images show."""
    random = random_components(index, layers=recipe.layers, draws=recipe.draws, seed=recipe.seed)
    rankings, halves = [], []
    for number in np.unique(random.layer).tolist():
        scorer = METHODS[recipe.method](index, vocabulary, random, number)
        rankings.append(_ranking(index, vocabulary, random, scorer, number, recipe.seed))
        if recipe.split:
            halves.append(halve(index, scorer, random, number, len(vocabulary), recipe.seed))
        progress("label", number + 1, len(index.layers))
    p, q = _significance(index, random, rankings)
    double = meanings(halves, vocabulary, recipe.fdr) if halves else {}
    ranked = _column(index, rankings, "ranked", MISSING)
    margins, stability = (_column(index, rankings, name, np.nan) for name in ("margins", "stability"))
    return Labels(index, vocabulary.names, recipe, ranked, margins, p, q, stability, double, vocabulary.unknown)


@dataclass(frozen=True, eq=False)
class _Ranking:
    """The best phrases of a layer's components that have examples, and how well chance does. Axis `n`: those
    components; `r`: the layer's random ones."""

    rows: Int64[np.ndarray, "n"]  # of the index
    ranked: Int32[np.ndarray, "n m"]  # numbers of the best phrases
    margins: Float32[np.ndarray, "n m"]  # over chance, of each of them
    best: Float32[np.ndarray, "n"]  # the highest score
    stability: Float32[np.ndarray, "n"]
    drawn: Int64[np.ndarray, "r"]  # which of the random components are the layer's
    chance: Float32[np.ndarray, "r"]  # the highest score that each of them reaches with any phrase


def _ranking(
    index: ConceptIndex, vocabulary: Probes, random: RandomComponents, scorer: Scorer, layer: int, seed: int
) -> _Ranking:
    """Ranks the phrases for the components of a layer."""
    rows, drawn, m = alive_rows(index, layer), np.flatnonzero(random.layer == layer), min(PHRASES_KEPT, len(vocabulary))
    ranked, best = np.empty((len(rows), m), np.int32), np.empty(len(rows), np.float32)
    stability, chance = np.empty(len(rows), np.float32), np.empty(len(drawn), np.float32)

    def rank(block: slice) -> None:
        some = rows[block]
        scores = scores_of(scorer, index.rows[some], some, index.means[some])
        ranked[block] = _best(scores, m)
        best[block] = np.take_along_axis(scores, ranked[block, :1], axis=1)[:, 0]
        stability[block] = _stability(index, scorer, some, ranked[block], seed)

    def reach(block: slice) -> None:
        some = drawn[block]
        chance[block] = scores_of(scorer, random.rows[some], random.like[some], random.means[some]).max(axis=1)

    by_blocks(rank, len(rows), len(vocabulary))
    by_blocks(reach, len(drawn), len(vocabulary))
    expected = random.means[drawn].mean(axis=0, dtype=np.float32)
    margins = _margins(index.means[rows].astype(np.float32) - expected, vocabulary, ranked)
    return _Ranking(rows, ranked, margins, best, stability, drawn, chance)


def _margins(
    away: Float32[np.ndarray, "n d"], vocabulary: Probes, ranked: Int32[np.ndarray, "n m"]
) -> Float32[np.ndarray, "n m"]:
    """The cosine with the ranked phrases less that of the mean random component, `away` being the difference of the
    embeddings."""
    places = [(away * vocabulary.vectors[phrase]).sum(axis=1) for phrase in ranked.T]
    return np.stack(places, axis=1)


def _significance(
    index: ConceptIndex, random: RandomComponents, rankings: Sequence[_Ranking]
) -> tuple[Float64[np.ndarray, "c"], Float64[np.ndarray, "c"]]:
    """P-values and q-values; 1 for what was not ranked, which does not count among the tests."""
    best, chance = np.full(len(index.means), np.nan, np.float32), np.empty(len(random.rows), np.float32)
    for ranking in rankings:
        best[ranking.rows], chance[ranking.drawn] = ranking.best, ranking.chance
    p, known = p_values(statistic(index, best), random.statistic(chance)), ~np.isnan(best)
    q = np.ones(len(p))
    q[known] = q_values(p[known])
    return p, q


def _column(
    index: ConceptIndex, rankings: Sequence[_Ranking], name: str, missing: float | np.int32
) -> Shaped[np.ndarray, "c *m"]:
    """A field of the rankings in the rows of the index, and `missing` in all others."""
    first = getattr(rankings[0], name)
    column = np.full((len(index.means), *first.shape[1:]), missing, first.dtype)
    for ranking in rankings:
        column[ranking.rows] = getattr(ranking, name)
    return column


def _best(scores: Float32[np.ndarray, "n q"], m: int) -> Int64[np.ndarray, "n m"]:
    """The numbers of the m highest scores, the highest first; ties go to the lower number."""
    top = np.sort(np.argpartition(-scores, m - 1, axis=1)[:, :m], axis=1)
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def _stability(
    index: ConceptIndex, scorer: Scorer, rows: Int64[np.ndarray, "n"], ranked: Int32[np.ndarray, "n m"], seed: int
) -> Float32[np.ndarray, "n"]:
    """In how many bootstrap resamples of the examples the best phrase stays ahead of its runners-up, in [0, 1]; NaN for
    a method that is not linear in them."""
    if not isinstance(scorer, Linear):
        return np.full(len(rows), np.nan, np.float32)
    scores = resampled(index, scorer, rows, RESAMPLES, seed, ranked)
    return (scores.argmax(axis=2) == 0).mean(axis=1).astype(np.float32)
