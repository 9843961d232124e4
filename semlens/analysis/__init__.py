"""Questions to an index, one per file: pure functions of the index and a few probes. numpy only.

Audits are asked for by their own package: to read a spec takes pydantic, which no search waits for. Rooms that a search
does without are loaded when a name of theirs is first used; they are named by nouns, so that none hides its verb.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from semlens.analysis.ask import as_probes, ask, ask_spec, ask_vocabulary, choices_of, labels_by, load, probe_spec
from semlens.analysis.chance import DRAWS, critical_p, layer_numbers, q_values, random_components
from semlens.analysis.drivers import (
    ALIKE,
    Driven,
    Driver,
    driven,
    drivers,
    joint_of,
    output_of,
    resampled_images,
    similarities,
)
from semlens.analysis.outputs import affected, column_of, gives_outputs, hidden_layers, relevance_of
from semlens.analysis.probe import Probes, cached, check_space, probe, probe_images
from semlens.analysis.responses import Responses, responses, way
from semlens.analysis.results import Rows, cell, data_url, pictures, plain
from semlens.analysis.search import Hit, aligned_baseline, alignments, baseline, effects, search
from semlens.analysis.vocabulary import load_vocabulary
from semlens.analysis.words import remark

if TYPE_CHECKING:
    from semlens.analysis.atlases import Atlas, atlas, space_of
    from semlens.analysis.comparisons import Comparison, Direction, LabelChange, compare
    from semlens.analysis.faithfulness import CURVES, Curve, Faithfulness
    from semlens.analysis.graphs import OUTPUT, Edge, Graph, Node, graph, wanted
    from semlens.analysis.labels import (
        METHODS,
        SOURCES,
        Evaluation,
        Labels,
        Meaning,
        cosy_retrieved,
        final_layer,
        merge_evaluations,
        over_all_images,
        retrieve,
        simulation,
    )
    from semlens.analysis.labels.labelling import label as label  # by the face mypy takes it for a module
    from semlens.analysis.manifolds import Alignment, align, manifold
    from semlens.analysis.prototypes import Placed, Prototype, Strategies, picture_of, strategies
    from semlens.analysis.scores import MEASURES, LayerScores, Scores, Summary, score
    from semlens.analysis.stored import keep, stored_atlas, stored_labels, stored_scores
    from semlens.analysis.surprises import unexpected

__all__ = [
    "ALIKE",
    "CURVES",
    "DRAWS",
    "MEASURES",
    "METHODS",
    "OUTPUT",
    "SOURCES",
    "Alignment",
    "Atlas",
    "Comparison",
    "Curve",
    "Direction",
    "Driven",
    "Driver",
    "Edge",
    "Evaluation",
    "Faithfulness",
    "Graph",
    "Hit",
    "LabelChange",
    "Labels",
    "LayerScores",
    "Meaning",
    "Node",
    "Placed",
    "Probes",
    "Prototype",
    "Responses",
    "Rows",
    "Scores",
    "Strategies",
    "Summary",
    "affected",
    "align",
    "aligned_baseline",
    "alignments",
    "as_probes",
    "ask",
    "ask_spec",
    "ask_vocabulary",
    "atlas",
    "baseline",
    "cached",
    "cell",
    "check_space",
    "choices_of",
    "column_of",
    "compare",
    "cosy_retrieved",
    "critical_p",
    "data_url",
    "driven",
    "drivers",
    "effects",
    "final_layer",
    "gives_outputs",
    "graph",
    "hidden_layers",
    "joint_of",
    "keep",
    "label",
    "labels_by",
    "layer_numbers",
    "load",
    "load_vocabulary",
    "manifold",
    "merge_evaluations",
    "output_of",
    "over_all_images",
    "picture_of",
    "pictures",
    "plain",
    "probe",
    "probe_images",
    "probe_spec",
    "q_values",
    "random_components",
    "relevance_of",
    "remark",
    "resampled_images",
    "responses",
    "retrieve",
    "score",
    "search",
    "similarities",
    "simulation",
    "space_of",
    "stored_atlas",
    "stored_labels",
    "stored_scores",
    "strategies",
    "unexpected",
    "wanted",
    "way",
]

_ROOMS = {
    "atlases": "Atlas atlas space_of",
    "comparisons": "Comparison Direction LabelChange compare",
    "faithfulness": "CURVES Curve Faithfulness",
    "graphs": "OUTPUT Edge Graph Node graph wanted",
    "labels": "METHODS SOURCES Evaluation Labels Meaning cosy_retrieved final_layer label merge_evaluations "
    "over_all_images retrieve simulation",
    "manifolds": "Alignment align manifold",
    "prototypes": "Placed Prototype Strategies picture_of strategies",
    "scores": "MEASURES LayerScores Scores Summary score",
    "stored": "keep stored_atlas stored_labels stored_scores",
    "surprises": "unexpected",
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names.split()}
"""Which room holds a name that is loaded when it is first used."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'semlens.analysis' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"semlens.analysis.{_HOME[name]}"), name)
        return value
