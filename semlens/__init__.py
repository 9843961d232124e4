"""semlens: search, label and audit what every component of a vision model has learned.

Names are loaded when first used, so that reading and searching an index never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from semlens.analysis import atlas as atlas
    from semlens.analysis import compare as compare
    from semlens.analysis import cosy_retrieved as cosy_retrieved
    from semlens.analysis import drivers as drivers
    from semlens.analysis import final_layer as final_layer
    from semlens.analysis import graph as graph
    from semlens.analysis import keep as keep
    from semlens.analysis import label as label
    from semlens.analysis import load_vocabulary as load_vocabulary
    from semlens.analysis import probe as probe
    from semlens.analysis import probe_images as probe_images
    from semlens.analysis import probe_spec as probe_spec
    from semlens.analysis import q_values as q_values
    from semlens.analysis import retrieve as retrieve
    from semlens.analysis import score as score
    from semlens.analysis import search as search
    from semlens.analysis import simulation as simulation
    from semlens.analysis import stored_atlas as stored_atlas
    from semlens.analysis import stored_labels as stored_labels
    from semlens.analysis import stored_scores as stored_scores
    from semlens.analysis import strategies as strategies
    from semlens.analysis import unexpected as unexpected
    from semlens.analysis.audit import Concept as Concept
    from semlens.analysis.audit import Spec as Spec
    from semlens.analysis.audit import audit as audit
    from semlens.analysis.audit import changes as changes
    from semlens.analysis.audit import load_spec as load_spec
    from semlens.app.widget import explore as explore
    from semlens.attribution import Activation as Activation
    from semlens.attribution import Composite as Composite
    from semlens.attribution import attribute as attribute
    from semlens.attribution import box_score as box_score
    from semlens.attribution import check as check
    from semlens.attribution import conditional_maps as conditional_maps
    from semlens.attribution import edges as edges
    from semlens.attribution import feedback as feedback
    from semlens.attribution import map_mean as map_mean
    from semlens.attribution import mask_logit as mask_logit
    from semlens.attribution import relevance as relevance
    from semlens.attribution import similarity as similarity
    from semlens.collection import collect as collect
    from semlens.collection import merge as merge
    from semlens.correct import Correction as Correction
    from semlens.correct import Course as Course
    from semlens.correct import Pruning as Pruning
    from semlens.correct import concept_directions as concept_directions
    from semlens.correct import corrected as corrected
    from semlens.correct import load_correction as load_correction
    from semlens.correct import load_masks as load_masks
    from semlens.correct import measure_correction as measure_correction
    from semlens.correct import phrase_directions as phrase_directions
    from semlens.correct import prune as prune
    from semlens.correct import pruning_curves as pruning_curves
    from semlens.correct import relevance_masks as relevance_masks
    from semlens.correct import retrain as retrain
    from semlens.correct import revise as revise
    from semlens.correct import suppress as suppress
    from semlens.correct import tune_rules as tune_rules
    from semlens.dictionaries import learn_dictionary as learn_dictionary
    from semlens.dictionaries import neural_pca as neural_pca
    from semlens.dictionaries import reconstruction as reconstruction
    from semlens.dictionaries import tcav as tcav
    from semlens.errors import SemlensError as SemlensError
    from semlens.foundation import load_foundation as load_foundation
    from semlens.images import load_images as load_images
    from semlens.index import ConceptIndex as ConceptIndex
    from semlens.index import load_index as load_index
    from semlens.index import remarks as remarks
    from semlens.model import Dictionary as Dictionary
    from semlens.model import VisionModel as VisionModel
    from semlens.model import edit as edit
    from semlens.model import load_dictionary as load_dictionary
    from semlens.model import load_model as load_model
    from semlens.model import load_weights as load_weights
    from semlens.model import patch as patch
    from semlens.model import record as record
    from semlens.model import save_dictionary as save_dictionary
    from semlens.model import text_model as text_model
    from semlens.model import untrained as untrained
    from semlens.numerics import cosine as cosine
    from semlens.numerics import two_means as two_means
    from semlens.pipeline import BuildPlan as BuildPlan
    from semlens.pipeline import build as build
    from semlens.pipeline import embed as embed
    from semlens.pipeline import encode as encode
    from semlens.pipeline import plan as plan
    from semlens.revisit import compare_manifolds as compare_manifolds
    from semlens.revisit import doctor as doctor
    from semlens.revisit import faithful as faithful
    from semlens.revisit import faithful_pixels as faithful_pixels
    from semlens.revisit import flipping as flipping
    from semlens.revisit import mean_relevance as mean_relevance
    from semlens.revisit import portraits as portraits
    from semlens.revisit import split as split
    from semlens.revisit import verify_audit as verify_audit
    from semlens.synthesis import maximise as maximise
    from semlens.texts import load_texts as load_texts
    from semlens.types import Component as Component
    from semlens.types import ConceptExamples as ConceptExamples
    from semlens.views.contact_sheet import contact_sheet as contact_sheet
    from semlens.views.contact_sheet import label_sheet as label_sheet
    from semlens.views.heatmap import figure as figure
    from semlens.views.heatmap import heat_sheet as heat_sheet
    from semlens.views.heatmap import overlay as overlay
    from semlens.views.plot import curve_figure as curve_figure
    from semlens.views.plot import graph_svg as graph_svg
    from semlens.views.plot import plot as plot
    from semlens.views.report import certificate as certificate
    from semlens.views.report import report as report
    from semlens.views.strategy_sheet import strategy_sheet as strategy_sheet

_HOME = {
    "Activation": "attribution",
    "Component": "types",
    "Composite": "attribution",
    "Concept": "analysis.audit",
    "ConceptExamples": "types",
    "ConceptIndex": "index",
    "Dictionary": "model",
    "Pruning": "correct",
    "prune": "correct",
    "pruning_curves": "correct",
    "relevance_masks": "correct",
    "tune_rules": "correct",
    "curve_figure": "views.plot",
    "Correction": "correct",
    "Course": "correct",
    "SemlensError": "errors",
    "Spec": "analysis.audit",
    "VisionModel": "model",
    "atlas": "analysis",
    "attribute": "attribution",
    "audit": "analysis.audit",
    "box_score": "attribution",
    "BuildPlan": "pipeline",
    "build": "pipeline",
    "certificate": "views.report",
    "changes": "analysis.audit",
    "check": "attribution",
    "collect": "collection",
    "compare": "analysis",
    "compare_manifolds": "revisit",
    "concept_directions": "correct",
    "conditional_maps": "attribution",
    "corrected": "correct",
    "contact_sheet": "views.contact_sheet",
    "cosine": "numerics",
    "cosy_retrieved": "analysis",
    "doctor": "revisit",
    "drivers": "analysis",
    "edges": "attribution",
    "edit": "model",
    "embed": "pipeline",
    "encode": "pipeline",
    "explore": "app.widget",
    "faithful": "revisit",
    "faithful_pixels": "revisit",
    "feedback": "attribution",
    "flipping": "revisit",
    "figure": "views.heatmap",
    "final_layer": "analysis",
    "graph": "analysis",
    "graph_svg": "views.plot",
    "heat_sheet": "views.heatmap",
    "keep": "analysis",
    "label": "analysis",
    "label_sheet": "views.contact_sheet",
    "learn_dictionary": "dictionaries",
    "load_dictionary": "model",
    "load_correction": "correct",
    "load_masks": "correct",
    "load_foundation": "foundation",
    "load_images": "images",
    "load_index": "index",
    "load_model": "model",
    "load_spec": "analysis.audit",
    "load_texts": "texts",
    "text_model": "model",
    "patch": "model",
    "load_vocabulary": "analysis",
    "load_weights": "model",
    "map_mean": "attribution",
    "mask_logit": "attribution",
    "maximise": "synthesis",
    "measure_correction": "correct",
    "mean_relevance": "revisit",
    "merge": "collection",
    "neural_pca": "dictionaries",
    "overlay": "views.heatmap",
    "phrase_directions": "correct",
    "retrain": "correct",
    "plan": "pipeline",
    "plot": "views.plot",
    "portraits": "revisit",
    "probe": "analysis",
    "probe_images": "analysis",
    "probe_spec": "analysis",
    "q_values": "analysis",
    "reconstruction": "dictionaries",
    "record": "model",
    "relevance": "attribution",
    "remarks": "index",
    "report": "views.report",
    "retrieve": "analysis",
    "revise": "correct",
    "save_dictionary": "model",
    "score": "analysis",
    "search": "analysis",
    "tcav": "dictionaries",
    "similarity": "attribution",
    "simulation": "analysis",
    "split": "revisit",
    "stored_atlas": "analysis",
    "stored_labels": "analysis",
    "stored_scores": "analysis",
    "strategies": "analysis",
    "strategy_sheet": "views.strategy_sheet",
    "suppress": "correct",
    "unexpected": "analysis",
    "two_means": "numerics",
    "untrained": "model",
    "verify_audit": "revisit",
}
"""Which package or file holds each public name."""

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'semlens' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"semlens.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
