"""Labels: is what a component is called what truly excites it, and is nothing called anything that is not?"""

from collections.abc import Iterator

import numpy as np

from semlens.analysis.chance import DRAWS as NULL_DRAWS
from semlens.analysis.labels import METHODS, Labels, Meaning, label
from semlens.analysis.probe import Probes, probe
from semlens.benchmark.made import half_random, joined
from semlens.benchmark.row import Row
from semlens.benchmark.study import Study
from semlens.numerics import auroc, bootstrap, bootstrap_over
from semlens.shapes import Int64
from semlens.testbed.world import CONCEPTS
from semlens.types import MISSING

FDR = 0.05

DRAWS = {"csp": 1000}
"""Random components per layer for methods that are slow; the others have as many as `label` draws."""

MADE = 80
"""Components with two meanings."""


def rows(study: Study) -> Iterator[Row]:
    """Every method's labels against the truth, the rate of false labels among random components, and double labels."""
    words, vocabulary = _vocabulary(study)
    for method in METHODS:
        found = label(study.index, vocabulary, method=method, fdr=FDR, split=False, draws=DRAWS.get(method, NULL_DRAWS))
        yield from _against_truth(study, found, words, method)
    mixed, made = half_random(study.index)
    given = label(mixed, vocabulary, fdr=FDR, split=False).accepted
    rate = bootstrap(made[given].astype(float))
    yield Row(study.name, "labels", "half of all components random", "labels given to random ones", rate, 0.5, 0.0)
    yield from _double(study, words, vocabulary)


def _vocabulary(study: Study) -> tuple[Int64[np.ndarray, "v 2"], Probes]:
    """All phrases for concepts and for their absence: for each the number of the concept, and 1 or -1."""
    meant: list[tuple[int, int]] = []
    phrases: list[str] = []
    for q, concept in enumerate(CONCEPTS):
        for sign, texts in ((1, concept.phrases), (-1, concept.absent)):
            meant += [(q, sign)] * len(texts)
            phrases += texts
    return np.array(meant), probe(study.foundation, phrases)


def _against_truth(study: Study, found: Labels, words: Int64[np.ndarray, "v 2"], method: str) -> Iterator[Row]:
    """What part is labelled; of the labels, what part names what has no such effect, what it responds to, and its
    strongest concept. By chance: any phrase of the vocabulary."""
    alive = found.ranked[:, 0] != MISSING
    given = np.flatnonzero(found.accepted)
    effect, error = study.truth.activation.astype(np.float64), study.truth.activation_error
    every = [(concept, sign) for concept, sign in words.tolist()]
    false, right, strongest = (np.zeros((len(effect), len(every)), bool) for _ in range(3))
    for v, (q, sign) in enumerate(every):
        false[:, v] = sign * effect[:, q] <= 2 * error[:, q]
        right[:, v] = study.responds[:, q] & (sign > 0)
        strongest[:, v] = (effect.argmax(axis=1) == q) & (sign > 0)
    what = f"{method}, {len(every)} phrases"
    yield Row(
        study.name,
        "labels",
        what,
        "components labelled",
        bootstrap(found.accepted[alive].astype(float)),
        np.nan,
        np.nan,
    )
    for measure, table, best in (
        ("labels without effect", false, false.min(axis=1)),
        ("labels it responds to", right, right.max(axis=1)),
        ("labels of its strongest concept", strongest, strongest.max(axis=1)),
    ):
        value = bootstrap(table[given, found.ranked[given, 0]].astype(float))
        chance, oracle = (float(part.mean()) if len(given) else np.nan for part in (table[given], best[given]))
        yield Row(study.name, "labels", what, measure, value, chance, oracle)
    if method == "standardised":
        correct = right[np.arange(len(effect)), np.where(alive, found.ranked[:, 0], 0)]
        for name, sure in (("p-value", -found.p_value), ("stability", found.stability.astype(np.float64))):
            told = bootstrap_over(auroc, sure[alive], correct[alive])
            yield Row(study.name, "labels", what, f"AUROC of {name} for right labels", told, 0.5, 1.0)


def _double(study: Study, words: Int64[np.ndarray, "v 2"], vocabulary: Probes) -> Iterator[Row]:
    """Components with two true meanings get both as labels, those with one do not get two."""
    named = dict(zip(vocabulary.names, words[:, 0].tolist(), strict=True))
    mixed, meant = joined(study.index, study.about, MADE)
    if len(meant):
        found = label(mixed, vocabulary, fdr=FDR).meanings
        both = [_named(found[n], named) == set(pair) if n in found else False for n, pair in enumerate(meant.tolist())]
        yield Row(
            study.name, "labels", f"{len(meant)} made of two channels", "both meanings named",
            bootstrap(np.array(both, float)), 0.0, 1.0,
        )  # fmt: skip
    found = label(study.index, vocabulary, fdr=FDR).meanings
    single = [float(row in found) for row in np.flatnonzero(study.about >= 0).tolist()]
    if single:
        what = f"{len(single)} of one concept"
        yield Row(study.name, "labels", what, "called double", bootstrap(single), np.nan, 0.0)


def _named(meanings: tuple[Meaning, ...], named: dict[str, int]) -> set[int]:
    return {named[one.label] for one in meanings}
