"""Relevance: which components and which pixels moved an output, by how much, in which direction."""

from semlens.attribution.attribute import attribute
from semlens.attribution.check import Check, check, noise
from semlens.attribution.classes import check_classes, parameters_of, relevance
from semlens.attribution.composite import COMPOSITES, Composite, choose, rules_for
from semlens.attribution.conservation import Conservation
from semlens.attribution.edges import edges
from semlens.attribution.feedback import Feedback, feedback
from semlens.attribution.feedback_rules import (
    EpsilonFeedback,
    FeedbackRule,
    GammaFeedback,
    HebbianFeedback,
    feedback_rule,
)
from semlens.attribution.flow import sides_of
from semlens.attribution.maps import component_maps, conditional_maps
from semlens.attribution.recipes import box_score, map_mean, mask_logit
from semlens.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox
from semlens.attribution.targets import Activation, Fixed, ProbabilityWarning, fixed, logits_in, similarity
from semlens.attribution.trace import trace

__all__ = [
    "COMPOSITES",
    "Activation",
    "AlphaBeta",
    "Check",
    "Composite",
    "Conservation",
    "Epsilon",
    "EpsilonFeedback",
    "Feedback",
    "FeedbackRule",
    "Fixed",
    "Flat",
    "Gamma",
    "GammaFeedback",
    "HebbianFeedback",
    "ProbabilityWarning",
    "Rule",
    "WSquare",
    "ZBox",
    "attribute",
    "box_score",
    "check",
    "check_classes",
    "choose",
    "component_maps",
    "conditional_maps",
    "edges",
    "feedback",
    "feedback_rule",
    "fixed",
    "logits_in",
    "map_mean",
    "mask_logit",
    "noise",
    "parameters_of",
    "relevance",
    "rules_for",
    "sides_of",
    "similarity",
    "trace",
]
