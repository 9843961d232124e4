"""Questions about an index that need the model or the images again."""

from semlens.revisit.doctor import Finding, doctor
from semlens.revisit.evaluate_images import check_simulator, evaluate_held_out
from semlens.revisit.example_heatmaps import input_box, portraits
from semlens.revisit.faithful import UPTO, faithful
from semlens.revisit.flipping import PIXELS, faithful_pixels, flipping
from semlens.revisit.graph_edges import flows
from semlens.revisit.manifold_pieces import compare_manifolds
from semlens.revisit.mean_relevance import mean_relevance
from semlens.revisit.own_picture import OwnPicture, logits_without, own_heat, own_picture
from semlens.revisit.rankings import BY
from semlens.revisit.split import split
from semlens.revisit.verify_audit import Removed, Verified, verify_audit, verify_spec, without_component

__all__ = [
    "BY", "PIXELS", "UPTO", "Finding", "OwnPicture", "Removed", "Verified", "check_simulator", "compare_manifolds",
    "doctor", "evaluate_held_out", "faithful", "faithful_pixels", "flipping", "flows", "input_box", "logits_without",
    "mean_relevance", "own_heat", "own_picture", "portraits", "split", "verify_audit", "verify_spec",
    "without_component",
]  # fmt: skip
