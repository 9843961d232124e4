"""By encoding: search, labels and audits over all images, and where it is harder."""

from collections.abc import Iterator, Sequence

import numpy as np

from semlens.analysis import label, probe, probe_spec, responses
from semlens.analysis.audit import concepts_of, encoded_components, entries, fit_encoded
from semlens.benchmark.conditions import Asked, Figure, conditions, spec_of
from semlens.benchmark.labels import FDR, vocabulary_of
from semlens.benchmark.study import Row, Study
from semlens.benchmark.verdicts import decided, massed
from semlens.numerics import auroc, average_precision, bootstrap, chance_precision
from semlens.testbed.world import ARTEFACTS, CONCEPTS, NAMES
from semlens.types import Bool, Float32, Int64

CLEAR = 0.75
"""By how many of its deviations a component has to rise to lie clear of the line of half a deviation."""


def rows(study: Study) -> Iterator[Row]:
    """All figures over all images, and the same of every harder condition that the settings name."""
    asked = Asked(study.name, study.index, study.foundation, study.truth, study.scenes)
    for what, one in conditions(asked, study.settings.harder):
        for figure in (*searched(one), *labelled(one), *audited(one), *decided(one)):
            yield Row(study.name, "by encoding", what, figure.measure, figure.estimate, figure.chance, figure.oracle)
    for figure in (*massed(asked), *selective(asked)):
        yield Row(
            study.name, "by encoding", "all images", figure.measure, figure.estimate, figure.chance, figure.oracle
        )


def searched(asked: Asked) -> Iterator[Figure]:
    """Mean average precision over the concepts that some component responds to: each phrase alone, and all jointly."""
    of, responds = responses(asked.index), asked.responds
    directions = of.directions(probe(asked.foundation, [one.phrases[0] for one in CONCEPTS]))
    cross = of.cross.astype(np.float32)
    answered = np.flatnonzero(responds.any(axis=0))
    chance = float(np.mean([chance_precision(len(responds), int(responds[:, q].sum())) for q in answered]))
    for how, scores in (
        ("a lone phrase", of.metric.z(cross, directions)),
        ("jointly", of.metric.joint(cross, directions)),
    ):
        alive = np.where(asked.index.dead[:, None], -np.inf, scores)
        precision = bootstrap([average_precision(alive[:, q], responds[:, q]) for q in answered])
        yield Figure(f"search, mean average precision, {how}", precision, chance)


def labelled(asked: Asked) -> Iterator[Figure]:
    """What part of the components has a label; of those that respond to something, what part has a right one; and what
    part of the labels, and of the second ones, names what has no effect."""
    words, vocabulary = vocabulary_of(asked.foundation)
    number, sign = words.T
    found = label(asked.index, vocabulary, by="encoding", fdr=FDR)
    given_out = np.flatnonzero(found.accepted)
    best = found.ranked[given_out, 0]
    responds, alive = asked.responds, ~asked.index.dead
    is_right = np.zeros(len(alive), bool)
    is_right[given_out] = responds[given_out, number[best]] & (sign[best] > 0)
    effect, error = asked.truth.activation, asked.truth.activation_error
    nothing: Bool[np.ndarray, "c v"] = np.asarray(sign * effect[:, number] <= 2 * error[:, number])
    second = {row: found.vocabulary.index(pair[1].label) for row, pair in found.meanings.items()}
    wrong = [bool(nothing[row, word]) for row, word in second.items()]
    by_chance = float(nothing[given_out].mean()) if len(given_out) else float("nan")
    yield Figure("components labelled", bootstrap(found.accepted[alive]))
    yield Figure("right labels, of those that respond", bootstrap(is_right[responds.any(axis=1)]), np.nan, 1.0)
    yield Figure("labels without effect", bootstrap(nothing[given_out, best]), by_chance, 0.0)
    yield Figure("labels with a second one", bootstrap(np.isin(given_out, list(second))))
    yield Figure("second labels without effect", bootstrap(wrong), by_chance, 0.0)


def audited(asked: Asked) -> Iterator[Figure]:
    """How well z for a planted shortcut tells components that respond to it from all others, mean over the planted;
    what part of those that respond to one is flagged, of those clear of the line, of those that do not respond, and of
    those that none excites."""
    areas = []
    for artefact in asked.planted:
        members, z, _ = _fitted(asked, [artefact])
        areas.append(auroc(z, asked.responds[members, NAMES.index(artefact)]))
    members, _, found = _fitted(asked, asked.planted)
    numbers = [NAMES.index(name) for name in asked.planted]
    respond = asked.responds[members][:, numbers].any(axis=1)
    effect, error = asked.truth.activation[members][:, numbers], asked.truth.activation_error[members][:, numbers]
    calm = ~((effect > 2 * error) & (effect > 0.1)).any(axis=1)
    yield Figure("audit: AUROC against all others", bootstrap(areas), 0.5, 1.0)
    yield Figure("audit: found, of those that respond", bootstrap(found[respond]), float(found.mean()), 1.0)
    clear = respond & (effect >= CLEAR).any(axis=1)
    yield Figure(f"audit: found, of those that respond by {CLEAR}", bootstrap(found[clear]), float(found.mean()), 1.0)
    yield Figure("audit: flagged, of those that do not", bootstrap(found[~respond]), float(found.mean()), 0.0)
    yield Figure("audit: flagged, of those that none excites", bootstrap(found[calm]), float(found.mean()), 0.0)


def selective(asked: Asked) -> Iterator[Figure]:
    """Of components that are called an artefact: how much of what the artefacts do to them, in pairs of pictures that
    differ in one only, is that artefact's, and whether it rises; at best the artefact that does most.

    Source: TAPAScore (Dreyer et al. 2025) asks the same of dictionaries. But: by squared effects, over all artefacts.
    """
    words, vocabulary = vocabulary_of(asked.foundation)
    found = label(asked.index, vocabulary, by="encoding", fdr=FDR, split=False)
    numbers = np.array([NAMES.index(name) for name in ARTEFACTS])
    called = words[np.where(found.accepted, found.ranked[:, 0], 0)]
    members = np.flatnonzero(found.accepted & np.isin(called[:, 0], numbers) & (called[:, 1] > 0))
    own = (called[members, 0][:, None] == numbers).argmax(axis=1)
    effect = asked.truth.activation[members][:, numbers].astype(np.float64)
    squared = effect**2 / np.maximum((effect**2).sum(axis=1, keepdims=True), 1e-12)
    rises = effect[np.arange(len(own)), own] > 0
    best = float(squared.max(axis=1).mean()) if len(own) else float("nan")
    yield Figure("selectivity for it", bootstrap(squared[np.arange(len(own)), own]), 1 / len(numbers), best)
    yield Figure("rises when it is put in", bootstrap(rises), 0.5, 1.0)


def repeated(asked: Asked, few: Bool[np.ndarray, "c q"]) -> Iterator[Figure]:
    """How far few pictures measure the same truth: what part of the components that respond to a planted shortcut do so
    by these, and of those that do not. No audit can do better than what it is held against.

    Args:
        few: which concepts each component responds to by few pictures.
    """
    numbers = [NAMES.index(name) for name in asked.planted]
    again: Bool[np.ndarray, "c"] = np.asarray(few[:, numbers].any(axis=1))
    respond: Bool[np.ndarray, "c"] = np.asarray(asked.responds[:, numbers].any(axis=1))
    alive = ~asked.index.dead
    yield Figure("fewer changed pictures: respond, of those that do", bootstrap(again[alive & respond]), np.nan, 1.0)
    yield Figure("fewer changed pictures: of those that do not", bootstrap(again[alive & ~respond]), np.nan, 0.0)


def _fitted(
    asked: Asked, spurious: Sequence[str]
) -> tuple[Int64[np.ndarray, "n"], Float32[np.ndarray, "n"], Bool[np.ndarray, "n"]]:
    """The rows asked, their z for the spurious side, and whether they fit it."""
    spec, index = spec_of(spurious), asked.index
    concepts = concepts_of(probe_spec(asked.foundation, spec), entries(spec))
    assert index.encodings is not None
    some = encoded_components(index, index.encodings, concepts, [axis.layer for axis in index.layers])
    fits = fit_encoded(index, some, fdr=spec.fdr, seed=0)
    return fits.members, fits.z[:, 1], fits.fits[:, 1]
