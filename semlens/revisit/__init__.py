"""Questions about an index that need the model or the images again."""

from semlens.revisit.evaluate_images import check_simulator, evaluate_held_out
from semlens.revisit.example_heatmaps import input_box, portraits
from semlens.revisit.faithful import faithful
from semlens.revisit.graph_edges import flows
from semlens.revisit.mean_relevance import mean_relevance
from semlens.revisit.rankings import BY
from semlens.revisit.split import split
from semlens.revisit.verify_audit import Verified, verify_audit

__all__ = [
    "BY", "Verified", "check_simulator", "evaluate_held_out", "faithful", "flows", "input_box", "mean_relevance",
    "portraits", "split", "verify_audit",
]  # fmt: skip
