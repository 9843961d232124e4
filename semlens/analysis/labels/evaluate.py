"""How faithful labels are: held against true names, against images that show what they say, and as predictions.

Beside the labels' figures stand, over the same components, what a phrase drawn at random from the vocabulary gets (its
exact expectation) and what the best phrase gets (chosen on what it is measured on: a ceiling, not a method).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import erfc, prod, sqrt
from typing import Any

import numpy as np

from semlens.analysis.chance import q_values
from semlens.analysis.probe import TextTower
from semlens.analysis.results import Rows
from semlens.analysis.vocabulary import same_key, true_names
from semlens.errors import SemlensError, unknown
from semlens.numerics import Estimate, bootstrap, cosine, unit
from semlens.types import MISSING, Float, Float64, Int64

LABELS = ("found", "random", "oracle")

SOURCES = ("retrieved", "generated")
"""Where images that show a label come from."""

FDR = 0.05
"""Components are called significant at this false-discovery rate."""

_PHRASES, _COMPONENTS = 1024, 256  # that are held in float64 at once


@dataclass(frozen=True, eq=False)
class LabelScores:
    """One measure of every component's label; NaN where a component lacks what it needs."""

    measure: str
    labels: str  # "found", "random" or "oracle"
    values: Float64[np.ndarray, "c"]
    mean: Estimate  # over the components that have a value; the interval says what other such components would give
    images_from: str = ""  # "retrieved" or "generated", where images were sought that show the label
    p: Float64[np.ndarray, "c"] | None = None  # of each AUC, that its label's images excite a component no more


@dataclass(frozen=True)
class EvaluationRow:
    """The mean of a measure over components, with its 95 % bootstrap confidence interval."""

    measure: str
    labels: str
    value: float
    low: float
    high: float
    n: int  # components that count
    left_out: int  # dead, constant, without a label or a true name
    images_from: str


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What was measured of some components' labels."""

    scores: tuple[LabelScores, ...]
    by: str = ""  # what the labels go by, "encoding" or "examples"; empty where that is not known

    @property
    def rows(self) -> Rows[EvaluationRow]:
        """A row per measure and kind of labels."""
        return Rows(map(_row, self.scores), f"How faithful the labels{self.by and f' by {self.by}'} are")

    def of(self, measure: str, labels: str = "found") -> LabelScores:
        """A measure of every component.

        Raises:
            SemlensError: it was not measured.
        """
        names = [f"{scores.measure} ({scores.labels})" for scores in self.scores]
        if (name := f"{measure} ({labels})") not in names:
            raise unknown("measure", name, names)
        return self.scores[names.index(name)]

    def __repr__(self) -> str:
        return repr(self.rows)


def merge_evaluations(evaluations: Iterable[Evaluation]) -> Evaluation:
    """Evaluations of the same components as one.

    Raises:
        SemlensError: a measure that occurs twice, another number of components, or images of which some were retrieved
            and others generated: such figures do not compare.
    """
    evaluations = tuple(evaluations)
    scores = tuple(scores for evaluation in evaluations for scores in evaluation.scores)
    if len({s.images_from for s in scores} - {""}) > 1:
        raise SemlensError("figures of retrieved and of generated images do not compare: keep the evaluations apart")
    if len({len(s.values) for s in scores}) > 1 or len({(s.measure, s.labels) for s in scores}) < len(scores):
        raise SemlensError("the evaluations repeat a measure or are of different components: keep them apart")
    return Evaluation(scores, next((evaluation.by for evaluation in evaluations if evaluation.by), ""))


def _row(s: LabelScores) -> EvaluationRow:
    left_out = len(s.values) - s.mean.n
    return EvaluationRow(s.measure, s.labels, s.mean.value, s.mean.low, s.mean.high, s.mean.n, left_out, s.images_from)


def final_layer(
    labels: Sequence[str | None],
    truth: Sequence[str | None],
    *,
    vocabulary: Sequence[str],
    spaces: Mapping[str, TextTower],
    ranked: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> Evaluation:
    """Accuracy, top-5 accuracy and cosine of labels whose truth is known, as it is for a classifier's outputs.

    A label is right if it is one of the true names, whatever its case. Its cosine, in [-1, 1], is that with the
    nearest of them.

    Args:
        labels: of each component; None where it has none, which leaves it out.
        truth: its true names, "tabby, tabby cat"; None where there is none.
        vocabulary: what the labels were chosen from.
        spaces: text towers to compare names in, by what to call them; not the one that chose the labels.
        ranked: for each component its best phrases, best first: with them there is a top-5 accuracy.

    Source: Oikarinen and Weng 2023 (arXiv 2204.10965). But: the nearest of several true names.
    """
    if len(labels) != len(truth) or len(ranked) not in (0, len(truth)) or not vocabulary:
        raise SemlensError("give a label and a true name for each component, and the vocabulary the labels are from")
    names = [true_names(true) if label else () for label, true in zip(labels, truth, strict=True)]
    if not any(names):
        raise SemlensError("no labelled component has a true name: take a layer whose units the model itself names")
    measures = {"accuracy": _accuracy([[label or ""] for label in labels], names, vocabulary, top=1)}
    if ranked:
        measures["top-5 accuracy"] = _accuracy(ranked, names, vocabulary, top=5)
    for space, embed in spaces.items():
        measures[f"cosine in {space}"] = _name_cosines(labels, names, vocabulary, embed)
    return Evaluation(scores_of_measures(measures, seed=seed))


def retrieve(similarity: Float[np.ndarray, "i v"], top: int) -> Int64[np.ndarray, "v k"]:
    """For each phrase the `top` images of a pool that fit it best, best first; ties go to the lower image id.

    Raises:
        SemlensError: the pool has fewer images, or a similarity is not a number.
    """
    if not 1 <= top <= len(similarity):
        raise SemlensError(f"{top} images for each phrase cannot be taken from a pool of {len(similarity)}")
    images = np.empty((similarity.shape[1], top), np.int64)
    for block in _blocks(len(images), _PHRASES):
        for v, fit in enumerate(np.ascontiguousarray(similarity[:, block].T), block.start):
            if not np.isfinite(fit).all():
                raise SemlensError("a similarity is not a number: leave out the images that could not be read")
            near = np.flatnonzero(fit >= np.partition(fit, -top)[-top])
            images[v] = near[np.argsort(-fit[near], kind="stable")[:top]]
    return images


def cosy(
    activations_concept: Float[np.ndarray, "n c"],
    activations_control: Float[np.ndarray, "m c"],
    *,
    images_from: str,
    highest: Float[np.ndarray, "c"] | None = None,
    labels: str = "found",
    seed: int = 0,
) -> Evaluation:
    """Do images of its label excite a component more than others do?

    AUC in [0, 1]: how often one of the label excites it more than one of the control; a tie counts half.
    MAD: how far their mean activation lies above the control's, in standard deviations of it; 0 if it is constant.
    DMA: their mean activation by the highest on the probing set; NaN unless that is above 0.
    significant: the part of components where the label's images win (one-sided Mann-Whitney, normal approximation).

    Args:
        activations_concept: of each component on images of its own label; NaN for one without a label.
        activations_control: on images like those that the studied model was trained on.
        images_from: "retrieved" from a held-out pool, or "generated".
        highest: highest activation of each component on the probing set, pooled alike; without it there is no DMA.
        labels: "found", or what else these images are of: "random" or "oracle".

    Source: Kopf et al. 2024 (arXiv 2405.20331); DMA as in NeuroLens.
    """
    if images_from not in SOURCES or labels not in LABELS:
        raise SemlensError(f"images_from is {' or '.join(SOURCES)}, labels {', '.join(LABELS)}")
    (n, components), m = activations_concept.shape, len(activations_control)
    sizes = {components, activations_control.shape[1], components if highest is None else len(highest)}
    if not n or not m or len(sizes) > 1:
        raise SemlensError("give images of the labels and of the control, and for each the same components")
    auc, p, level = _by_block(_mann_whitney, activations_concept, activations_control)
    measures = {"AUC": auc} | _heights(level, activations_control, highest)
    measures["significant"] = np.full(len(p), np.nan)
    measures["significant"][~np.isnan(p)] = q_values(p[~np.isnan(p)]) <= FDR
    rows = {name: row[None] for name, row in measures.items()}
    first, *others = scores_of_measures(rows, labels=(labels,), images_from=images_from, seed=seed)
    return Evaluation((replace(first, p=p), *others))


def cosy_retrieved(
    found: Int64[np.ndarray, "c"],
    retrieved: Int64[np.ndarray, "v k"],
    activations_pool: Float[np.ndarray, "i c"],
    activations_control: Float[np.ndarray, "m c"],
    *,
    images_from: str = "retrieved",
    highest: Float[np.ndarray, "c"] | None = None,
    seed: int = 0,
) -> Evaluation:
    """`cosy` on each phrase's images, with what a random phrase and the best one get.

    Args:
        found: which phrase each component's label is; MISSING where it has none, which leaves it out.
        retrieved: for each phrase its images in the pool, from `retrieve`, or generated for it.
        activations_pool: of every image of the pool, which shares none with the probing set or the control.
    """
    labelled = found != MISSING
    images = retrieved[np.where(labelled, found, 0)]
    own = np.where(labelled, np.take_along_axis(activations_pool, images.T, axis=0), np.nan)
    label = cosy(own, activations_control, images_from=images_from, highest=highest, seed=seed).scores

    def auc(pool: Float64[np.ndarray, "i b"], control: Float64[np.ndarray, "m b"]) -> Float64[np.ndarray, "2 b"]:
        return _over_phrases(_above(pool, control), retrieved)

    level = _by_block(lambda pool: _over_phrases(pool, retrieved), activations_pool)
    scale = {"AUC": _by_block(auc, activations_pool, activations_control)}
    scale |= _heights(level, activations_control, highest)  # both grow with the mean: its best phrase is theirs
    rows = {s.measure: np.stack([s.values, *scale.get(s.measure, ())]) for s in label}
    return Evaluation((label[0], *scores_of_measures(rows, images_from=images_from, seed=seed)[1:]))


def simulation(
    similarity: Float[np.ndarray, "i c"],
    activations: Float[np.ndarray, "i c"],
    *,
    vocabulary: Float[np.ndarray, "i v"] | None = None,
    seed: int = 0,
) -> Evaluation:
    """How well its label predicts what a component does: Pearson's correlation in [-1, 1] over held-out images, with
    the activations and with log1p of those above 0; NaN where either side is constant.

    Args:
        similarity: of each image and the component's label, in the space of a foundation model that did not choose
            the label; NaN for a component without one.
        activations: on the same images, none of which is a concept example.
        vocabulary: similarity of each image and each phrase: with it there are a random and an oracle row.

    Source: Oikarinen and Weng 2024 (arXiv 2405.06855). But: one phrase, no fitted weight.
    """
    if similarity.shape != activations.shape or (vocabulary is not None and len(vocabulary) != len(activations)):
        raise SemlensError("give every array a row for each image, and the first two a column for each component")
    # Activations behind a ReLU are heavy-tailed: a few images decide the first correlation, more of them the second.
    acts = {"correlation": activations, "correlation of log1p": np.log1p(np.maximum(activations, 0))}
    label, sides = _by_block(_standard, similarity), [_by_block(_standard, some) for some in acts.values()]
    rows = [np.concatenate([(label * side).sum(axis=0, dtype=np.float64) for side in sides])[None]]
    if vocabulary is not None:
        side, parts = np.concatenate(sides, axis=1), _blocks(vocabulary.shape[1], _PHRASES)
        rows.append(_chance_and_best(_standard(_numbers(vocabulary[:, part])).T @ side for part in parts))
    halves = np.split(np.clip(np.concatenate(rows), -1, 1), len(acts), axis=1)
    return Evaluation(scores_of_measures(dict(zip(acts, halves, strict=True)), seed=seed))


def scores_of_measures(
    rows: Mapping[str, Float64[np.ndarray, "r c"]],
    *,
    labels: Sequence[str] = LABELS,
    images_from: str = "",
    seed: int,
) -> tuple[LabelScores, ...]:
    """Every row of every measure, of the components that count in its first row."""
    return tuple(
        LabelScores(measure, of, values, bootstrap(values, seed=seed), images_from)
        for measure, some in rows.items()
        for of, values in zip(labels, np.where(np.isnan(some[0]), np.nan, some), strict=False)
    )


def _accuracy(
    guesses: Sequence[Sequence[str]], names: Sequence[Sequence[str]], vocabulary: Sequence[str], *, top: int
) -> Float64[np.ndarray, "3 c"]:
    """Whether one of the first guesses is right; how often it is if they are drawn; whether one could be."""
    phrases, accuracy = Counter(map(same_key, vocabulary)), np.full((3, len(names)), np.nan)
    v = len(vocabulary)
    for c, (guess, true) in enumerate(zip(guesses, names, strict=True)):
        if keys := set(map(same_key, true)):
            right = sum(phrases[key] for key in keys)
            wrong = prod(max(v - right - i, 0) / (v - i) for i in range(min(top, v)))
            accuracy[:, c] = any(same_key(name) in keys for name in guess[:top]), 1 - wrong, right > 0
    return accuracy


def _name_cosines(
    labels: Sequence[str | None], names: Sequence[Sequence[str]], vocabulary: Sequence[str], embed: TextTower
) -> Float64[np.ndarray, "3 c"]:
    """Cosine with the nearest true name of the label, of every phrase on average, and of the best."""
    known = [c for c, true in enumerate(names) if true]
    starts = np.cumsum([0, *(len(names[c]) for c in known)])[:-1]
    true = unit(embed([name for c in known for name in names[c]]))
    said, words = unit(embed([labels[c] or "" for c in known])), unit(embed(list(vocabulary)))
    own = np.repeat(said, [len(names[c]) for c in known], axis=0)
    parts = (np.maximum.reduceat(cosine(words[part], true), starts, axis=1) for part in _blocks(len(words), _PHRASES))
    cosines = np.full((3, len(names)), np.nan)
    cosines[0, known] = np.clip(np.maximum.reduceat((own * true).sum(axis=1), starts), -1, 1)
    cosines[1:, known] = _chance_and_best(parts)
    return cosines


def _above(values: Float64[np.ndarray, "n c"], control: Float64[np.ndarray, "m c"]) -> Float64[np.ndarray, "n c"]:
    """What part of a component's control each value lies above, equal ones counting half. Their mean is the AUC."""
    part = np.full(values.shape, np.nan)
    for c in np.flatnonzero(~np.isnan(control).any(axis=0)):
        base = np.sort(control[:, c])
        places = (np.searchsorted(base, values[:, c], side) for side in ("left", "right"))
        part[:, c] = np.where(np.isnan(values[:, c]), np.nan, sum(places) / (2 * len(base)))
    return part


def _mann_whitney(
    values: Float64[np.ndarray, "n c"], control: Float64[np.ndarray, "m c"]
) -> Float64[np.ndarray, "3 c"]:
    """AUC, its p-value (normal approximation with ties and continuity) and the mean of the values."""
    n, m = len(values), len(control)
    auc, both = _above(values, control).mean(axis=0), np.concatenate([values, control])
    counts = (np.unique(column, return_counts=True)[1].astype(float) for column in both.T)
    ties = np.array([(count**3 - count).sum() for count in counts])
    spread = np.sqrt(np.maximum(n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1))), 0))
    excess = n * m * (auc - 0.5) - 0.5
    p = [erfc(x / s / sqrt(2)) / 2 if s > 0 else 1 + 0 * x for x, s in zip(excess, spread, strict=True)]
    return np.stack([auc, p, values.mean(axis=0)])


def _heights(
    level: Float64[np.ndarray, "*r c"], control: Float[np.ndarray, "m c"], highest: Float[np.ndarray, "c"] | None
) -> dict[str, Float64[np.ndarray, "*r c"]]:
    """MAD and, where the highest activation is known, DMA of mean activations."""
    base, spread = _by_block(_base_and_spread, control)
    heights = {"MAD": (level - base) / spread}
    return heights if highest is None else heights | {"DMA": level / np.where(highest > 0, highest, np.nan)}


def _base_and_spread(control: Float64[np.ndarray, "m c"]) -> Float64[np.ndarray, "2 c"]:
    """Mean and standard deviation; infinite where all are equal, which in floating point need not come out as 0."""
    return np.stack([control.mean(axis=0), np.where(np.ptp(control, axis=0) == 0, np.inf, control.std(axis=0))])


def _over_phrases(
    values: Float64[np.ndarray, "i c"], retrieved: Int64[np.ndarray, "v k"]
) -> Float64[np.ndarray, "2 c"]:
    """Mean of the values over each phrase's images: of all phrases on average, and of the best."""
    blocks = (retrieved[part] for part in _blocks(len(retrieved), _PHRASES))
    return _chance_and_best(sum(values[images] for images in block.T) / block.shape[1] for block in blocks)


def _standard(values: Float64[np.ndarray, "i c"]) -> Float[np.ndarray, "i c"]:
    """Columns made unit about their mean: the dot product of two is their correlation. NaN for a constant one."""
    spread = np.ptp(values, axis=0)  # where all are equal the variance need not come out as exactly 0
    return unit(((values - values.mean(axis=0)) / np.where(spread > 0, spread, np.nan)).T).T


def _chance_and_best(parts: Iterable[Float[np.ndarray, "_ c"]]) -> Float64[np.ndarray, "2 c"]:
    """Mean and maximum over all rows of the parts, of what is a number; NaN if nothing is."""
    total, count, best = 0.0, 0.0, -np.inf
    for part in parts:
        known = ~np.isnan(part)
        total = total + np.where(known, part, 0).sum(axis=0, dtype=np.float64)
        count = count + known.sum(axis=0)
        best = np.maximum(best, np.where(known, part, -np.inf).max(axis=0, initial=-np.inf))
    return np.where(count > 0, np.stack([total / np.maximum(count, 1), best]), np.nan)


def _by_block(function: Callable[..., Any], *arrays: Float[np.ndarray, "_ c"]) -> Float[np.ndarray, "*r c"]:
    """The function of some components at a time, in float64 and with NaN for what is not finite."""
    parts = _blocks(arrays[0].shape[1], _COMPONENTS)
    return np.concatenate([function(*(_numbers(array[:, part]) for array in arrays)) for part in parts], axis=-1)


def _numbers(array: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    return np.where(np.isfinite(array), array, np.nan).astype(np.float64)


def _blocks(length: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, max(length, 1), size))
