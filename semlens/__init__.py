"""semlens: search, label and audit what every component of a vision model has learned.

Names are loaded when first used, so that reading and searching an index never imports torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from semlens.analysis.ask import probe_spec as probe_spec
    from semlens.analysis.atlas import atlas as atlas
    from semlens.analysis.audit import Concept as Concept
    from semlens.analysis.audit import Spec as Spec
    from semlens.analysis.audit import audit as audit
    from semlens.analysis.audit import changes as changes
    from semlens.analysis.audit import load_spec as load_spec
    from semlens.analysis.chance import q_values as q_values
    from semlens.analysis.compare import compare as compare
    from semlens.analysis.drivers import drivers as drivers
    from semlens.analysis.graph import graph as graph
    from semlens.analysis.keep import keep as keep
    from semlens.analysis.keep import stored_atlas as stored_atlas
    from semlens.analysis.keep import stored_labels as stored_labels
    from semlens.analysis.keep import stored_scores as stored_scores
    from semlens.analysis.labels import cosy_retrieved as cosy_retrieved
    from semlens.analysis.labels import final_layer as final_layer
    from semlens.analysis.labels import label as label
    from semlens.analysis.labels import retrieve as retrieve
    from semlens.analysis.labels import simulation as simulation
    from semlens.analysis.probe import probe as probe
    from semlens.analysis.probe import probe_images as probe_images
    from semlens.analysis.score import score as score
    from semlens.analysis.search import search as search
    from semlens.analysis.vocabulary import load_vocabulary as load_vocabulary
    from semlens.app.widget import explore as explore
    from semlens.attribution import Activation as Activation
    from semlens.attribution import Composite as Composite
    from semlens.attribution import attribute as attribute
    from semlens.attribution import box_score as box_score
    from semlens.attribution import check as check
    from semlens.attribution import conditional_maps as conditional_maps
    from semlens.attribution import edges as edges
    from semlens.attribution import map_mean as map_mean
    from semlens.attribution import mask_logit as mask_logit
    from semlens.attribution import relevance as relevance
    from semlens.attribution import similarity as similarity
    from semlens.collection import collect as collect
    from semlens.collection import merge as merge
    from semlens.correct import Correction as Correction
    from semlens.correct import concept_directions as concept_directions
    from semlens.correct import corrected as corrected
    from semlens.correct import load_correction as load_correction
    from semlens.correct import measure_correction as measure_correction
    from semlens.correct import phrase_directions as phrase_directions
    from semlens.correct import suppress as suppress
    from semlens.dictionaries import learn_dictionary as learn_dictionary
    from semlens.dictionaries import reconstruction as reconstruction
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
    from semlens.model import record as record
    from semlens.model import save_dictionary as save_dictionary
    from semlens.numerics import cosine as cosine
    from semlens.numerics.two_means import two_means as two_means
    from semlens.pipeline import build as build
    from semlens.pipeline import embed as embed
    from semlens.pipeline import encode as encode
    from semlens.revisit.example_heatmaps import portraits as portraits
    from semlens.revisit.split import split as split
    from semlens.revisit.verify_audit import verify_audit as verify_audit
    from semlens.types import Component as Component
    from semlens.types import ConceptExamples as ConceptExamples
    from semlens.views.contact_sheet import contact_sheet as contact_sheet
    from semlens.views.contact_sheet import label_sheet as label_sheet
    from semlens.views.heatmap import figure as figure
    from semlens.views.heatmap import heat_sheet as heat_sheet
    from semlens.views.heatmap import overlay as overlay
    from semlens.views.plot import graph_svg as graph_svg
    from semlens.views.plot import plot as plot
    from semlens.views.report import certificate as certificate
    from semlens.views.report import report as report

_HOME = {
    "Activation": "attribution",
    "Component": "types",
    "Composite": "attribution",
    "Concept": "analysis.audit",
    "ConceptExamples": "types",
    "ConceptIndex": "index",
    "Dictionary": "model",
    "Correction": "correct",
    "SemlensError": "errors",
    "Spec": "analysis.audit",
    "VisionModel": "model",
    "atlas": "analysis.atlas",
    "attribute": "attribution",
    "audit": "analysis.audit",
    "box_score": "attribution",
    "build": "pipeline",
    "certificate": "views.report",
    "changes": "analysis.audit",
    "check": "attribution",
    "collect": "collection",
    "compare": "analysis.compare",
    "concept_directions": "correct",
    "conditional_maps": "attribution",
    "corrected": "correct",
    "contact_sheet": "views.contact_sheet",
    "cosine": "numerics",
    "cosy_retrieved": "analysis.labels",
    "drivers": "analysis.drivers",
    "edges": "attribution",
    "edit": "model",
    "embed": "pipeline",
    "encode": "pipeline",
    "explore": "app.widget",
    "figure": "views.heatmap",
    "final_layer": "analysis.labels",
    "graph": "analysis.graph",
    "graph_svg": "views.plot",
    "heat_sheet": "views.heatmap",
    "keep": "analysis.keep",
    "label": "analysis.labels",
    "label_sheet": "views.contact_sheet",
    "learn_dictionary": "dictionaries",
    "load_dictionary": "model",
    "load_correction": "correct",
    "load_foundation": "foundation",
    "load_images": "images",
    "load_index": "index",
    "load_model": "model",
    "load_spec": "analysis.audit",
    "load_vocabulary": "analysis.vocabulary",
    "load_weights": "model",
    "map_mean": "attribution",
    "mask_logit": "attribution",
    "measure_correction": "correct",
    "merge": "collection",
    "overlay": "views.heatmap",
    "phrase_directions": "correct",
    "plot": "views.plot",
    "portraits": "revisit.example_heatmaps",
    "probe": "analysis.probe",
    "probe_images": "analysis.probe",
    "probe_spec": "analysis.ask",
    "q_values": "analysis.chance",
    "reconstruction": "dictionaries",
    "record": "model",
    "relevance": "attribution",
    "remarks": "index",
    "report": "views.report",
    "retrieve": "analysis.labels",
    "save_dictionary": "model",
    "score": "analysis.score",
    "search": "analysis.search",
    "similarity": "attribution",
    "simulation": "analysis.labels",
    "split": "revisit.split",
    "stored_atlas": "analysis.keep",
    "stored_labels": "analysis.keep",
    "stored_scores": "analysis.keep",
    "suppress": "correct",
    "two_means": "numerics.two_means",
    "verify_audit": "revisit.verify_audit",
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
