"""Audit: does it find the components that respond to planted shortcuts, and leave the others alone?"""

from collections.abc import Iterator, Sequence

import numpy as np

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import QUADRANTS, Audit, audit, check_spec
from semlens.benchmark import search
from semlens.benchmark.row import Row
from semlens.benchmark.study import Study
from semlens.numerics import Estimate, auroc, bootstrap, bootstrap_over
from semlens.shapes import Bool
from semlens.testbed.world import CLASSES, CONCEPTS, NAMES, PLANTED, concept


def rows(study: Study) -> Iterator[Row]:
    """How well alignment with each planted shortcut tells the components that respond to it from all others, and from
    those that it does not excite (at best: a perfect reader of the crops); what is flagged wrongly; and how much
    relevance is said to be spurious."""
    content = search.content(study, study.index)
    for artefact in PLANTED:
        found, q = _audit(study, [artefact], CLASSES[0]), NAMES.index(artefact)
        members = found.fit.members
        responds, alignment = study.responds[members, q], found.fit.z[:, 1]
        clear = responds | ~_excited(study, [artefact])[members]
        for against, of in (("all others", np.ones(len(members), bool)), ("those it does not excite", clear)):
            told = bootstrap_over(auroc, alignment[of], responds[of])
            best, what = auroc(content[members, q][of], responds[of]), f"{artefact}, {responds.sum()} respond"
            yield Row(study.name, "audit", what, f"AUROC against {against}", told, 0.5, best)
    every = {output: _audit(study, list(PLANTED), output) for output in CLASSES}
    found = every[CLASSES[0]]  # what is flagged does not depend on the output
    flagged, members = found.fit.fits[:, 1], found.fit.members
    respond = study.responds[members][:, [NAMES.index(name) for name in PLANTED]].any(axis=1)
    for who, of in (("do not respond", ~respond), ("are not excited", ~_excited(study, list(PLANTED))[members])):
        false = bootstrap(flagged[of].astype(float))
        yield Row(study.name, "audit", f"planted shortcuts, {of.sum()} {who}", "false flags", false, np.nan, 0.0)
    what, caught = f"planted shortcuts, {respond.sum()} respond", bootstrap(flagged[respond].astype(float))
    yield Row(study.name, "audit", what, "found", caught, float(flagged.mean()), 1.0)
    for output, found in every.items():
        yield from _masses(study, found, respond, output)


def _masses(study: Study, found: Audit, respond: Bool[np.ndarray, "n"], output: str) -> Iterator[Row]:
    """The relevance of spurious components, layer by layer; at best that of those that respond; by chance the part of
    components that are flagged."""
    for figures in found.figures:
        part = study.index.layer_slice(figures.layer)
        of = (found.fit.members >= part.start) & (found.fit.members < part.stop)
        quadrants = [QUADRANTS.index("spurious"), QUADRANTS.index("both")]
        value, low, high = figures.interval(figures.mass[:, quadrants].sum(axis=1), share=True)
        true = float(found.relevance[of][respond[of]].sum() / found.relevance[of].sum())
        said = Estimate(value, low, high, found.images)
        chance = float(found.fit.fits[of, 1].mean())
        yield Row(
            study.name, "audit", f"{output}, {figures.layer}", "relevance said to be spurious", said, chance, true
        )


def _audit(study: Study, spurious: Sequence[str], output: str) -> Audit:
    """An audit of all layers: the ABCDE rule against some artefacts, in all their phrases."""
    sides = {
        "valid": [{"name": one.name, "phrases": one.phrases} for one in CONCEPTS if one.letter],
        "spurious": [{"name": name, "phrases": concept(name).phrases} for name in spurious],
    }
    layers = [axis.layer for axis in study.index.layers if study.relevant(axis.layer)]
    spec = check_spec({"output": output, "layers": layers, **sides})
    return audit(study.index, spec, probe_spec(study.foundation, spec))


def _excited(study: Study, artefacts: Sequence[str]) -> Bool[np.ndarray, "c"]:
    """Components whose activation rises when one of the artefacts is put in: by more than two standard errors, and by
    a tenth of a standard deviation."""
    of = [NAMES.index(name) for name in artefacts]
    effect, error = study.truth.activation[:, of], study.truth.activation_error[:, of]
    return np.asarray(((effect > 2 * error) & (effect > 0.1)).any(axis=1))
