"""Audit: does it find the components that respond to planted shortcuts, and leave the others alone?"""

from collections.abc import Iterator, Sequence

import numpy as np

from semlens.analysis import probe_spec
from semlens.analysis.audit import QUADRANTS, Audit, audit, check_spec
from semlens.benchmark.search import content
from semlens.benchmark.study import Row, Study
from semlens.numerics import Estimate, auroc, auroc_estimate, bootstrap
from semlens.testbed.world import CLASSES, CONCEPTS, NAMES, concept
from semlens.types import Bool


def rows(study: Study) -> Iterator[Row]:
    """How well alignment with each planted shortcut tells the components that respond to it from all others, and from
    those that it does not excite (at best: a perfect reader of the crops); what is flagged wrongly; and how much
    relevance is said to be spurious."""
    yield from _separation(study)
    audits = {output: _audit(study, study.planted, output) for output in CLASSES}
    first = audits[CLASSES[0]]  # what is flagged does not depend on the output
    respond = study.responds[first.fit.members][:, [NAMES.index(name) for name in study.planted]].any(axis=1)
    yield from _flags(study, first, respond)
    for output, audited in audits.items():
        yield from _masses(study, audited, respond, output)


def _separation(study: Study) -> Iterator[Row]:
    """AUROC of the alignment with each planted shortcut for the components that respond to it."""
    seen = content(study, study.index)
    for artefact in study.planted:
        fit, q = _audit(study, [artefact], CLASSES[0]).fit, NAMES.index(artefact)
        responds, alignment = study.responds[fit.members, q], fit.z[:, 1]
        clear = responds | ~_excited(study, [artefact])[fit.members]
        what = f"{artefact}, {responds.sum()} respond"
        for others, among in (("all others", np.ones(len(responds), bool)), ("those it does not excite", clear)):
            area = auroc_estimate(alignment[among], responds[among])
            best = auroc(seen[fit.members, q][among], responds[among])
            yield Row(study.name, "audit", what, f"AUROC against {others}", area, 0.5, best)


def _flags(study: Study, audited: Audit, respond: Bool[np.ndarray, "n"]) -> Iterator[Row]:
    """What part is flagged as spurious of the components that do not respond, are not excited, and respond."""
    flagged = audited.fit.fits[:, 1]
    calm = ~_excited(study, study.planted)[audited.fit.members]
    for who, among in (("do not respond", ~respond), ("are not excited", calm)):
        rate = bootstrap(flagged[among])
        yield Row(study.name, "audit", f"planted shortcuts, {among.sum()} {who}", "false flags", rate, np.nan, 0.0)
    what, rate = f"planted shortcuts, {respond.sum()} respond", bootstrap(flagged[respond])
    yield Row(study.name, "audit", what, "found", rate, float(flagged.mean()), 1.0)


def _masses(study: Study, audited: Audit, respond: Bool[np.ndarray, "n"], output: str) -> Iterator[Row]:
    """The relevance of spurious components, layer by layer; at best that of those that respond; by chance the part of
    components that are flagged."""
    for figures in audited.figures:
        layer = study.index.layer_slice(figures.layer)
        inside = (audited.fit.members >= layer.start) & (audited.fit.members < layer.stop)
        quadrants = [QUADRANTS.index("spurious"), QUADRANTS.index("both")]
        value, low, high = figures.interval(figures.mass[:, quadrants].sum(axis=1), share=True)
        true = float(audited.relevance[inside][respond[inside]].sum() / audited.relevance[inside].sum())
        mass = Estimate(value, low, high, audited.images)
        what, chance = f"{output}, {figures.layer}", float(audited.fit.fits[inside, 1].mean())
        yield Row(study.name, "audit", what, "relevance said to be spurious", mass, chance, true)


def _audit(study: Study, spurious: Sequence[str], output: str) -> Audit:
    """An audit of all layers that have relevance: the ABCDE rule against some artefacts, in all their phrases."""
    sides = {
        "valid": [{"name": criterion.name, "phrases": criterion.phrases} for criterion in CONCEPTS if criterion.letter],
        "spurious": [{"name": name, "phrases": concept(name).phrases} for name in spurious],
    }
    relevance = study.index.relevance
    assert relevance is not None
    layers = [axis.layer for axis in study.index.layers if relevance.positive[axis.start : axis.stop].any()]
    spec = check_spec({"output": output, "layers": layers, **sides})
    return audit(study.index, spec, probe_spec(study.foundation, spec), draws=study.settings.draws)


def _excited(study: Study, artefacts: Sequence[str]) -> Bool[np.ndarray, "c"]:
    """Components whose activation rises when one of the artefacts is put in: by more than two standard errors, and by
    a tenth of a standard deviation."""
    numbers = [NAMES.index(name) for name in artefacts]
    effect, error = study.truth.activation[:, numbers], study.truth.activation_error[:, numbers]
    return np.asarray(((effect > 2 * error) & (effect > 0.1)).any(axis=1))
