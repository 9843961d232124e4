"""A model changed so that what should not be there counts no more, reversibly; and what that did."""

from semlens.correct.certify import measure_correction
from semlens.correct.choose import choose_units
from semlens.correct.concepts import Directions, Told, concept_directions, learn_concepts
from semlens.correct.correction import Correction, load_correction
from semlens.correct.curves import SHARES, Curve, pruning_curves, share_within
from semlens.correct.localise import Localised, localise
from semlens.correct.masks import RELEVANCE, relevance_masks
from semlens.correct.measure import Measured, behaviour, outcome, shift, worst_group
from semlens.correct.pasting import load_masks
from semlens.correct.phrases import phrase_directions, spec_directions
from semlens.correct.pruning import Pruning, prune
from semlens.correct.retrain import METHODS, retrain, usual_course
from semlens.correct.revise import Revision, Round, revise
from semlens.correct.structures import Structure, structures
from semlens.correct.suppress import suppress
from semlens.correct.training import Course
from semlens.correct.tuning import RULES, Trial, Tuned, tune_rules
from semlens.correct.whole import corrected

__all__ = [
    "METHODS",
    "RELEVANCE",
    "RULES",
    "SHARES",
    "Correction",
    "Course",
    "Curve",
    "Directions",
    "Localised",
    "Measured",
    "Pruning",
    "Revision",
    "Round",
    "Structure",
    "Told",
    "Trial",
    "Tuned",
    "behaviour",
    "choose_units",
    "concept_directions",
    "corrected",
    "learn_concepts",
    "load_correction",
    "load_masks",
    "localise",
    "measure_correction",
    "outcome",
    "phrase_directions",
    "prune",
    "pruning_curves",
    "relevance_masks",
    "retrain",
    "revise",
    "share_within",
    "shift",
    "spec_directions",
    "structures",
    "suppress",
    "tune_rules",
    "usual_course",
    "worst_group",
]
