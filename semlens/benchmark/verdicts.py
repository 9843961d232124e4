"""Audits by encoding, end to end: are intervals of relevance masses and verdicts right?"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from semlens.analysis import probe_spec
from semlens.analysis.audit import QUADRANTS, Audit, Spec, audit, load_spec
from semlens.benchmark.conditions import RULE, Asked, Figure, spec_of
from semlens.numerics import Estimate, bootstrap
from semlens.testbed.world import ARTEFACTS, CLASSES, CONCEPTS, NAMES
from semlens.types import Bool, Float64

SHIPPED = "melanoma"
CALLED = {"dark corners": "vignetting", "ink": "purple ink"}
"""The shipped spec, and artefacts of the world that it calls otherwise."""

MASS = "relevance_mass(spurious) <= 30%"
"""Asked beside what the shipped spec requires: a network with planted shortcuts does not meet it, its twin does."""


def decided(asked: Asked) -> Iterator[Figure]:
    """What part of the verdicts is right, wrong, cannot be told, and met and sure though shortcuts were planted, where
    images are marked that show them; and every requirement of the shipped spec, with its figure. Nothing without
    relevance."""
    if not _relevant(asked):
        return
    right, shipped = "not met" if asked.has_shortcuts else "met", load_spec(SHIPPED)
    every = (*shipped.requirements, MASS)
    specs = [spec_of(asked.planted, output, requirements=every) for output in CLASSES]
    said = [verdict for spec in specs for verdict in _audited(asked, spec).verdicts]
    yield Figure("audit: verdicts that are right", bootstrap(_each(one.verdict == right for one in said)), np.nan, 1.0)
    yield Figure(
        "audit: verdicts that are wrong", bootstrap(_each(one.verdict not in (right, "cannot tell") for one in said))
    )
    yield Figure("audit: cannot tell", bootstrap(_each(one.verdict == "cannot tell" for one in said)))
    wrong = _each(asked.has_shortcuts and one.met and one.sure for one in said)
    yield Figure("audit: met and sure, with a shortcut", bootstrap(wrong), np.nan, 0.0)
    for requirement in every:
        own = _each(one.verdict == right for one in said if one.requirement == requirement)
        yield Figure(f"audit: {requirement}: right", bootstrap(own), np.nan, 1.0)
    for one in _audited(asked, shipped).verdicts:
        figure = Estimate(one.value, one.low, one.high, len(asked.scenes))
        yield Figure(f"shipped spec: {one.requirement}", figure)
        yield Figure(f"shipped spec: {one.requirement}: right", bootstrap(_each([one.verdict == right])), np.nan, 1.0)


def massed(asked: Asked) -> Iterator[Figure]:
    """In what part of the classes and layers the interval of the spurious mass holds the true share, and how far the
    mass lies from it: of every component's relevance the part that spurious concepts have in its squared rises, among
    all concepts of the spec. With the planted shortcuts for spurious concepts, and with all artefacts. Then what all
    artefacts truly have of net relevance for the first class. Nothing without relevance."""
    if not _relevant(asked):
        return
    lesion = tuple(one.name for one in CONCEPTS if one.name not in ARTEFACTS)
    for what, valid, spurious in (("planted shortcuts", RULE, asked.planted), ("all artefacts", lesion, ARTEFACTS)):
        specs = [replace(spec_of(spurious, output, valid), layers=_layers(asked)) for output in CLASSES]
        audits = [_audited(asked, spec) for spec in specs]
        pairs = [pair for audited in audits for pair in _masses(asked, audited)]
        held = _each(one.low <= true <= one.high for one, true in pairs)
        yield Figure(f"relevance mass, {what}: the interval holds the truth", bootstrap(held), np.nan, 1.0)
        away = [abs(one.value - true) for one, true in pairs]
        yield Figure(f"relevance mass, {what}: distance from the truth", bootstrap(away), np.nan, 0.0)
    said, true = _net(asked, audits[0])
    yield Figure(f"net relevance for {CLASSES[0]}, all artefacts, last layer", said)
    yield Figure(f"net relevance for {CLASSES[0]}, all artefacts, last layer: truly", Estimate(true, true, true, 0))


def _each(answers: Iterable[bool]) -> Bool[np.ndarray, "n"]:
    return np.array([bool(one) for one in answers], bool)


def _relevant(asked: Asked) -> bool:
    return asked.index.relevance is not None and bool(asked.index.relevance.positive.any())


def _layers(asked: Asked) -> tuple[str, ...]:
    """The layers that have relevance."""
    relevance = asked.index.relevance
    assert relevance is not None
    return tuple(axis.layer for axis in asked.index.layers if relevance.positive[axis.start : axis.stop].any())


def _audited(asked: Asked, spec: Spec) -> Audit:
    """An audit by encoding, where every artefact of the world has its marks."""
    names = [name.rpartition("/")[2] for name in asked.index.images.names]
    own = [one if isinstance(one, str) else one.name for one in (*spec.valid, *spec.spurious)]
    called = {name: CALLED.get(name, name) for name in own}
    marks = {
        name: {file: scene.has(one) for file, scene in zip(names, asked.scenes, strict=True)}
        for name, one in called.items()
        if one in ARTEFACTS
    }
    return audit(asked.index, spec, replace(probe_spec(asked.foundation, spec), marks=marks), by="encoding")


def _masses(asked: Asked, audited: Audit) -> Iterator[tuple[Estimate, float]]:
    """The spurious mass of each layer, and what it truly is."""
    spurious, shares = _true_shares(asked, audited)
    share = shares[:, spurious].sum(axis=1)
    for figures in audited.figures:
        inside = _inside(asked, audited, figures.layer)
        weight = audited.relevance[inside].astype(np.float64)
        interval = figures.interval(figures.mass[:, QUADRANTS.index("spurious")], share=True)
        yield Estimate(*interval, audited.images), float(weight @ share[inside] / weight.sum())


def _net(asked: Asked, audited: Audit) -> tuple[Estimate, float]:
    """The net relevance of the spurious side in the last layer, and what it truly is."""
    spurious, shares = _true_shares(asked, audited)
    figures = audited.figures[-1]
    inside = _inside(asked, audited, figures.layer)
    balance = shares[inside].T @ (audited.relevance - audited.against)[inside].astype(np.float64)
    said = Estimate(*figures.interval(figures.net[:, QUADRANTS.index("spurious")], share=True), audited.images)
    return said, float(np.maximum(balance[spurious], 0).sum() / audited.relevance[inside].sum())


def _true_shares(asked: Asked, audited: Audit) -> tuple[Bool[np.ndarray, "q"], Float64[np.ndarray, "n q"]]:
    """Which concepts of an audit are spurious, and the part of each in the squared rises of every component."""
    numbers = [NAMES.index(name) for _, name in audited.asked]
    rises = np.maximum(asked.truth.activation[audited.fit.members][:, numbers], 0)
    squared: Float64[np.ndarray, "n q"] = np.square(rises.astype(np.float64))
    total = squared.sum(axis=1, keepdims=True)
    shares = np.divide(squared, total, out=np.zeros_like(squared), where=total > 0)
    return np.array([side == "spurious" for side, _ in audited.asked]), shares


def _inside(asked: Asked, audited: Audit, layer: str) -> Bool[np.ndarray, "n"]:
    """Which of the audited components are of a layer."""
    rows = asked.index.layer_slice(layer)
    return np.asarray((audited.fit.members >= rows.start) & (audited.fit.members < rows.stop))
