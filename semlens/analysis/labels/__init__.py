"""What a component is about, in words: labels, how well phrases fit, two meanings, how faithful labels are."""

from semlens.analysis.labels.agreement import SHOWN, over_all_images
from semlens.analysis.labels.evaluate import (
    SOURCES,
    Evaluation,
    cosy_retrieved,
    final_layer,
    merge_evaluations,
    retrieve,
    simulation,
)
from semlens.analysis.labels.labelling import ENCODING, Labels, label
from semlens.analysis.labels.meanings import Meaning
from semlens.analysis.labels.scorers import BLOCK, METHODS, Linear, resampled, standardised

__all__ = [
    "BLOCK",
    "ENCODING",
    "METHODS",
    "SHOWN",
    "SOURCES",
    "Evaluation",
    "Labels",
    "Linear",
    "Meaning",
    "cosy_retrieved",
    "final_layer",
    "label",
    "merge_evaluations",
    "over_all_images",
    "resampled",
    "retrieve",
    "simulation",
    "standardised",
]
