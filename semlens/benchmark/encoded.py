"""By encoding: search, labels and audits over all images, and where it is harder: few images, the same patients again,
a foundation model that sees less and less."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from semlens.analysis import label, probe, probe_spec, responses
from semlens.analysis.audit import (
    Spec,
    audit,
    check_spec,
    concepts_of,
    encoded_components,
    entries,
    fit_encoded,
)
from semlens.benchmark.labels import FDR, vocabulary_of
from semlens.benchmark.study import Row, Study
from semlens.benchmark.truth import Effects
from semlens.index import ConceptIndex, Encodings, Thumbnails, given
from semlens.numerics import Estimate, auroc, average_precision, bootstrap, chance_precision, unit
from semlens.pipeline import explained
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import ARTEFACTS, CLASSES, CONCEPTS, NAMES, Scene, concept, scenario
from semlens.types import Bool, Float, Float32, Float64, FoundationModel, Int32, Int64

FEW = 20
"""Images per class where these are few."""

TIMES = 5
"""How often a patient's picture is there again, a little changed, where images belong together."""

NOISE = (1.0, 2.0, 4.0, 8.0)
"""What is added to the embeddings of a foundation model that sees less, in lengths of their own deviation."""


@dataclass(frozen=True, eq=False)
class Asked:
    """An index by encoding, and the truth about its components."""

    index: ConceptIndex
    foundation: FoundationModel
    truth: Effects
    planted: tuple[str, ...]

    @property
    def responds(self) -> Bool[np.ndarray, "c q"]:
        """Which concepts each component responds to; none, where it is dead in the index."""
        return self.truth.responds & ~self.index.dead[:, None]


@dataclass(frozen=True)
class Figure:
    """One figure: how it is called, with chance and the best there is, NaN where there is none."""

    measure: str
    estimate: Estimate
    chance: float = float("nan")
    oracle: float = float("nan")


def rows(study: Study) -> Iterator[Row]:
    """All figures over all images, and the same of every harder condition that the settings name."""
    asked = Asked(study.index, study.foundation, study.truth, study.planted)
    for what, one in conditions(asked, study.scenes, study.settings.harder):
        for figure in (*searched(one), *labelled(one), *audited(one), *_verdicts(study, one)):
            yield Row(study.name, "by encoding", what, figure.measure, figure.estimate, figure.chance, figure.oracle)
    for figure in selective(asked):
        what = f"{figure.estimate.n} called an artefact"
        yield Row(study.name, "by encoding", what, figure.measure, figure.estimate, figure.chance, figure.oracle)


def conditions(asked: Asked, scenes: Sequence[Scene], harder: Sequence[str]) -> Iterator[tuple[str, Asked]]:
    """All images that were kept, and every harder condition of these names, in words.

    Args:
        scenes: by image id.
    """
    own = asked.index.encodings
    assert own is not None
    yield f"{len(own.ids)} images", asked
    labels = np.array([CLASSES.index(scenes[i].diagnosis) for i in own.ids.tolist()])
    for name in harder:
        for what, other in HARDER[name](own, labels):
            yield what, replace(asked, index=asked.index._with(Encodings, partial(given, other)))


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
    what part of those that respond to one is flagged, and of those that do not; and of those that none excites."""
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
    called = words[np.maximum(found.ranked[:, 0], 0)]
    members = np.flatnonzero(found.accepted & np.isin(called[:, 0], numbers) & (called[:, 1] > 0))
    own = (called[members, 0][:, None] == numbers).argmax(axis=1)
    effect = asked.truth.activation[members][:, numbers].astype(np.float64)
    squared = effect**2 / np.maximum((effect**2).sum(axis=1, keepdims=True), 1e-12)
    rises = effect[np.arange(len(own)), own] > 0
    best = float(squared.max(axis=1).mean()) if len(own) else float("nan")
    yield Figure("selectivity for it", bootstrap(squared[np.arange(len(own)), own]), 1 / len(numbers), best)
    yield Figure("rises when it is put in", bootstrap(rises), 0.5, 1.0)


REQUIREMENTS = ("net_relevance(spurious) <= 0.10", "drivers(spurious) <= 0.25", "relevance_mass(spurious) <= 30%")
"""What a network with planted shortcuts does not meet, and its clean twin does, for either class."""


def _verdicts(study: Study, asked: Asked) -> Iterator[Figure]:
    """What part of the verdicts is right, wrong, and cannot be told, where images are marked that show the planted
    shortcuts."""
    if asked.index.relevance is None or not asked.index.relevance.positive.any():
        return
    right = "not met" if scenario(CLASSIFIERS[study.name].population).shortcuts else "met"
    names = [name.rpartition("/")[2] for name in asked.index.images.names]
    marks = {one: {name: scene.has(one) for name, scene in zip(names, study.scenes, strict=True)}
             for one in asked.planted}  # fmt: skip
    said: list[str] = []
    for output in CLASSES:
        spec = spec_of(asked.planted, output, requirements=REQUIREMENTS)
        probes = replace(probe_spec(asked.foundation, spec), marks=marks)
        said += [one.verdict for one in audit(asked.index, spec, probes, by="encoding").verdicts]
    yield Figure("audit: verdicts that are right", bootstrap([verdict == right for verdict in said]), np.nan, 1.0)
    yield Figure(
        "audit: verdicts that are wrong", bootstrap([verdict not in (right, "cannot tell") for verdict in said])
    )
    yield Figure("audit: cannot tell", bootstrap([verdict == "cannot tell" for verdict in said]))


def spec_of(spurious: Sequence[str], output: str = CLASSES[0], **more: Sequence[str]) -> Spec:
    """The ABCDE rule against some artefacts, in all their phrases."""
    valid = [{"name": one.name, "phrases": one.phrases} for one in CONCEPTS if one.letter]
    wrong = [{"name": name, "phrases": concept(name).phrases} for name in spurious]
    return check_spec({"output": output, "valid": valid, "spurious": wrong, **more})


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


def again(
    own: Encodings,
    images: Int64[np.ndarray, "m"],
    *,
    embeddings: Float[np.ndarray, "m d"] | None = None,
    activations: Float64[np.ndarray, "a m"] | None = None,
    groups: Int32[np.ndarray, "m"] | None = None,
) -> Encodings:
    """The encodings of some of the images that were kept, by their numbers; a number may stand there twice."""
    e = np.asarray(own.embeddings[images] if embeddings is None else embeddings, np.float64)
    y = own.activations[:, images].astype(np.float64) if activations is None else activations
    y = y - y.mean(axis=1, keepdims=True)
    spread = y.std(axis=1, keepdims=True)
    y = np.divide(y, spread, out=np.zeros_like(y), where=spread > 1e-6)
    away, together = e - e.mean(axis=0), np.arange(len(e), dtype=np.int32) if groups is None else groups
    return replace(
        own,
        recipe=replace(own.recipe, groups="" if groups is None else "patient"),
        images=len(e),
        mean=e.mean(axis=0),
        covariance=away.T @ away / len(e),
        cross=(y @ away / len(e)).astype(np.float32),
        deviation=own.deviation * (spread[:, 0] > 1e-6),
        r2=explained(e.astype(np.float16), y.T, together).astype(np.float32),
        ids=own.ids[images],
        groups=together,
        embeddings=e.astype(np.float16),
        activations=y.astype(np.float16),
        thumbnails=Thumbnails.pack([b""] * len(e)),
    )


def _few(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    some = np.sort(np.concatenate([np.flatnonzero(labels == y)[:FEW] for y in np.unique(labels)]))
    yield f"{FEW} images per class", again(own, some)


def _unequal(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    common = np.flatnonzero(labels == 0)
    some = np.sort(np.concatenate([common, np.flatnonzero(labels == 1)[: len(common) // 19]]))
    yield "one class in 95 % of the images", again(own, some)


def _repeated(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    rng, first = np.random.default_rng(0), np.arange(len(labels) // TIMES)
    images = np.tile(first, TIMES)
    e = noisy(own.embeddings[images].astype(np.float64), 0.1, 1)
    y = own.activations[:, images].astype(np.float64)
    y += 0.1 * rng.normal(size=y.shape)
    of_patients = {"": None, ", permuted as patients": images.astype(np.int32)}
    for how, groups in of_patients.items():
        yield (
            f"{len(first)} patients {TIMES} times{how}",
            again(own, images, embeddings=e, activations=y, groups=groups),
        )


def _blind(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    images, e = np.arange(len(labels)), own.embeddings.astype(np.float64)
    for step, amount in enumerate(NOISE):
        yield f"embeddings with {amount:g} parts of noise", again(own, images, embeddings=noisy(e, amount, step))


HARDER = {"few": _few, "unequal": _unequal, "repeated": _repeated, "blind": _blind}
"""Conditions in which questions are harder, by name: each gives the encodings of one or more."""


def noisy(e: Float64[np.ndarray, "m d"], amount: float, seed: int) -> Float[np.ndarray, "m d"]:
    """Unit embeddings with so much noise, in lengths of their deviation from their mean."""
    away = np.sqrt(np.square(e - e.mean(axis=0)).sum(axis=1).mean() / e.shape[1])
    return unit(e + amount * away * np.random.default_rng(seed).normal(size=e.shape))
