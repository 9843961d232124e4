"""Questions to an index, one per file: pure functions of the index and a few probes. numpy only.

Audits are asked for by their own package: to read a spec takes pydantic, which no search waits for.
"""

from semlens.analysis.ask import as_probes, ask, ask_spec, ask_vocabulary, choices_of, labels_by, load, probe_spec
from semlens.analysis.atlas import Atlas, atlas, space_of
from semlens.analysis.chance import DRAWS, critical_p, layer_numbers, q_values, random_components
from semlens.analysis.compare import Comparison, Direction, compare
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
from semlens.analysis.faithfulness import CURVES, Curve, Faithfulness
from semlens.analysis.graph import OUTPUT, Edge, Graph, Node, graph, wanted
from semlens.analysis.keep import keep, stored_atlas, stored_labels, stored_scores
from semlens.analysis.labels import (
    METHODS,
    SOURCES,
    Evaluation,
    Labels,
    Meaning,
    cosy_retrieved,
    final_layer,
    label,
    merge_evaluations,
    over_all_images,
    retrieve,
    simulation,
)
from semlens.analysis.outputs import affected, column_of, hidden_layers, relevance_of
from semlens.analysis.probe import Probes, cached, check_space, probe, probe_images
from semlens.analysis.responses import Responses, responses, way
from semlens.analysis.results import Rows, cell, data_url, pictures, plain
from semlens.analysis.score import MEASURES, LayerScores, Scores, Summary, score
from semlens.analysis.search import Hit, alignments, baseline, effects, search
from semlens.analysis.unexpected import unexpected
from semlens.analysis.vocabulary import load_vocabulary
from semlens.analysis.words import remark

__all__ = [
    "ALIKE",
    "CURVES",
    "DRAWS",
    "MEASURES",
    "METHODS",
    "OUTPUT",
    "SOURCES",
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
    "Labels",
    "LayerScores",
    "Meaning",
    "Node",
    "Probes",
    "Responses",
    "Rows",
    "Scores",
    "Summary",
    "affected",
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
    "graph",
    "hidden_layers",
    "joint_of",
    "keep",
    "label",
    "labels_by",
    "layer_numbers",
    "load",
    "load_vocabulary",
    "merge_evaluations",
    "output_of",
    "over_all_images",
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
    "unexpected",
    "wanted",
    "way",
]
