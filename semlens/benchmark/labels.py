"""Labels: is what a component is called what truly excites it, and is nothing called anything that is not?"""

from collections.abc import Iterator

import numpy as np

from semlens.analysis import Labels, Meaning, Probes, label, probe
from semlens.benchmark.made import half_random, joined
from semlens.benchmark.study import Row, Study
from semlens.numerics import auroc_estimate, bootstrap
from semlens.testbed.world import CONCEPTS
from semlens.types import MISSING, FoundationModel, Int64

FDR = 0.05

SLOW_METHODS = ("csp",)
"""Methods that get fewer random components per layer."""


def rows(study: Study) -> Iterator[Row]:
    """Every method's labels against the truth, the rate of false labels among random components, and double labels."""
    settings = study.settings
    words, vocabulary = vocabulary_of(study.foundation)
    for method in settings.methods:
        draws = settings.draws_if_slow if method in SLOW_METHODS else settings.draws
        labels = label(study.index, vocabulary, by="examples", method=method, fdr=FDR, split=False, draws=draws)
        yield from _against_truth(study, labels, words, method)
        if method == "standardised":
            yield from _certainty(study, labels, words, method)
    mixed, random = half_random(study.index)
    labelled = label(mixed, vocabulary, by="examples", fdr=FDR, split=False, draws=settings.draws).accepted
    rate = bootstrap(random[labelled])
    yield Row(study.name, "labels", "half of all components random", "labels given to random ones", rate, 0.5, 0.0)
    yield from _double(study, words, vocabulary)


def vocabulary_of(foundation: FoundationModel) -> tuple[Int64[np.ndarray, "v 2"], Probes]:
    """All phrases for concepts and for their absence: for each the number of the concept, and 1 or -1."""
    words = [(q, sign, text) for q, one in enumerate(CONCEPTS) for sign, texts in ((1, one.phrases), (-1, one.absent))
             for text in texts]  # fmt: skip
    return np.array([word[:2] for word in words]), probe(foundation, [word[2] for word in words])


def _against_truth(study: Study, labels: Labels, words: Int64[np.ndarray, "v 2"], method: str) -> Iterator[Row]:
    """What part is labelled; of the labels, what part names what has no such effect, what it responds to, and its
    strongest concept. By chance: any phrase of the vocabulary."""
    alive = labels.ranked[:, 0] != MISSING
    labelled = np.flatnonzero(labels.accepted)
    effect, error = study.truth.activation.astype(np.float64), study.truth.activation_error
    concept, sign = words.T
    false = sign * effect[:, concept] <= 2 * error[:, concept]
    right = study.responds[:, concept] & (sign > 0)
    strongest = (effect.argmax(axis=1)[:, None] == concept) & (sign > 0)
    what = _what(method, words)
    given = bootstrap(labels.accepted[alive])
    yield Row(study.name, "labels", what, "components labelled", given, np.nan, np.nan)
    for measure, table, best in (
        ("labels without effect", false, false.min(axis=1)),
        ("labels it responds to", right, right.max(axis=1)),
        ("labels of its strongest concept", strongest, strongest.max(axis=1)),
    ):
        value = bootstrap(table[labelled, labels.ranked[labelled, 0]].astype(float))
        chance, oracle = (float(x.mean()) if len(labelled) else np.nan for x in (table[labelled], best[labelled]))
        yield Row(study.name, "labels", what, measure, value, chance, oracle)


def _certainty(study: Study, labels: Labels, words: Int64[np.ndarray, "v 2"], method: str) -> Iterator[Row]:
    """How well p-value and stability tell right best phrases from wrong ones, given as labels or not."""
    alive = np.flatnonzero(labels.ranked[:, 0] != MISSING)
    concept, sign = words[labels.ranked[alive, 0]].T
    right = study.responds[alive, concept] & (sign > 0)
    for name, certainty in (("p-value", -labels.p_value), ("stability", labels.stability.astype(np.float64))):
        estimate = auroc_estimate(certainty[alive], right)
        yield Row(study.name, "labels", _what(method, words), f"AUROC of {name} for right labels", estimate, 0.5, 1.0)


def _what(method: str, words: Int64[np.ndarray, "v 2"]) -> str:
    return f"{method}, {len(words)} phrases"


def _double(study: Study, words: Int64[np.ndarray, "v 2"], vocabulary: Probes) -> Iterator[Row]:
    """Components with two true meanings get both as labels, those with one do not get two."""
    concept_of = dict(zip(vocabulary.names, words[:, 0].tolist(), strict=True))
    mixed, true_pairs = joined(study.index, study.single_concept, study.settings.doubles)
    if len(true_pairs):
        meanings = label(mixed, vocabulary, by="examples", fdr=FDR, draws=study.settings.draws).meanings
        pairs = [_concepts(meanings.get(row, ()), concept_of) for row in range(len(true_pairs))]
        both = [pair == set(true) for pair, true in zip(pairs, true_pairs.tolist(), strict=True)]
        what, share = f"{len(true_pairs)} made of two channels", bootstrap(np.array(both, float))
        yield Row(study.name, "labels", what, "both meanings named", share, 0.0, 1.0)
    meanings = label(study.index, vocabulary, by="examples", fdr=FDR, draws=study.settings.draws).meanings
    single = [float(row in meanings) for row in np.flatnonzero(study.single_concept >= 0).tolist()]
    if single:
        what = f"{len(single)} of one concept"
        yield Row(study.name, "labels", what, "called double", bootstrap(single), np.nan, 0.0)


def _concepts(meanings: tuple[Meaning, ...], concept_of: dict[str, int]) -> set[int]:
    return {concept_of[meaning.label] for meaning in meanings}
