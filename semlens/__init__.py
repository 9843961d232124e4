"""semlens: search, label and audit what every component of a vision model has learned.

Names are loaded when first used, so that reading and searching an index never imports torch.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from semlens.app.widget import explore as explore
    from semlens.ask import probe_spec as probe_spec
    from semlens.atlas import atlas as atlas
    from semlens.attribution.attribute import attribute as attribute
    from semlens.attribution.check import check as check
    from semlens.attribution.classes import relevance as relevance
    from semlens.attribution.composite import Composite as Composite
    from semlens.attribution.edges import edges as edges
    from semlens.attribution.maps import conditional_maps as conditional_maps
    from semlens.attribution.targets import similarity as similarity
    from semlens.audit import audit as audit
    from semlens.audit import changes as changes
    from semlens.build import build as build
    from semlens.collect import collect as collect
    from semlens.compare import compare as compare
    from semlens.embed import embed as embed
    from semlens.errors import SemlensError as SemlensError
    from semlens.examples import merge as merge
    from semlens.foundation import load_foundation as load_foundation
    from semlens.graph import graph as graph
    from semlens.heatmap import figure as figure
    from semlens.heatmap import heat_sheet as heat_sheet
    from semlens.heatmap import overlay as overlay
    from semlens.hooks import edit as edit
    from semlens.hooks import record as record
    from semlens.images import load_images as load_images
    from semlens.index import ConceptIndex as ConceptIndex
    from semlens.index import load_index as load_index
    from semlens.keep import keep as keep
    from semlens.keep import stored_atlas as stored_atlas
    from semlens.keep import stored_labels as stored_labels
    from semlens.keep import stored_scores as stored_scores
    from semlens.label import label as label
    from semlens.model import VisionModel as VisionModel
    from semlens.model import load_model as load_model
    from semlens.plot import graph_svg as graph_svg
    from semlens.plot import plot as plot
    from semlens.portraits import portraits as portraits
    from semlens.probe import probe as probe
    from semlens.probe import probe_images as probe_images
    from semlens.report import report as report
    from semlens.score import score as score
    from semlens.search import search as search
    from semlens.sheet import contact_sheet as contact_sheet
    from semlens.sheet import label_sheet as label_sheet
    from semlens.spec import Spec as Spec
    from semlens.spec import load_spec as load_spec
    from semlens.types import Component as Component
    from semlens.types import ConceptExamples as ConceptExamples
    from semlens.vocabulary import load_vocabulary as load_vocabulary

_HOME = {
    "Component": "types",
    "Composite": "attribution.composite",
    "ConceptExamples": "types",
    "ConceptIndex": "index",
    "SemlensError": "errors",
    "Spec": "spec",
    "VisionModel": "model",
    "atlas": "atlas",
    "attribute": "attribution.attribute",
    "audit": "audit",
    "build": "build",
    "changes": "audit",
    "check": "attribution.check",
    "collect": "collect",
    "compare": "compare",
    "conditional_maps": "attribution.maps",
    "contact_sheet": "sheet",
    "edges": "attribution.edges",
    "edit": "hooks",
    "embed": "embed",
    "explore": "app.widget",
    "figure": "heatmap",
    "graph": "graph",
    "graph_svg": "plot",
    "heat_sheet": "heatmap",
    "keep": "keep",
    "label": "label",
    "label_sheet": "sheet",
    "load_foundation": "foundation",
    "load_images": "images",
    "load_index": "index",
    "load_model": "model",
    "load_spec": "spec",
    "load_vocabulary": "vocabulary",
    "merge": "examples",
    "overlay": "heatmap",
    "plot": "plot",
    "portraits": "portraits",
    "probe": "probe",
    "probe_images": "probe",
    "probe_spec": "ask",
    "record": "hooks",
    "relevance": "attribution.classes",
    "report": "report",
    "score": "score",
    "search": "search",
    "similarity": "attribution.targets",
    "stored_atlas": "keep",
    "stored_labels": "keep",
    "stored_scores": "keep",
}
__all__ = [*_HOME]


class _Package(ModuleType):
    """This package. A verb and its file share a name, and here the name always means the verb: importing the file does
    not bind it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'semlens' has no attribute {name!r}")
        value = getattr(import_module(f"semlens.{_HOME[name]}"), name)
        setattr(self, name, value)
        return value


sys.modules[__name__].__class__ = _Package
