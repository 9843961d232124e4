"""Results as figures of matplotlib, for notebooks and papers; none of them touches matplotlib's own state."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from semlens.analysis import Atlas, Comparison, Faithfulness, Scores
from semlens.analysis.audit import Audit
from semlens.errors import SemlensError
from semlens.views.plot.atlas import atlas_figure
from semlens.views.plot.audit import audit_figure
from semlens.views.plot.compare import compare_figure
from semlens.views.plot.faithful import faithful_figure
from semlens.views.plot.graph import graph_svg
from semlens.views.plot.layout import Layout, Sizes, layout
from semlens.views.plot.pruning import curve_figure
from semlens.views.plot.score import score_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Layout",
    "Sizes",
    "atlas_figure",
    "audit_figure",
    "compare_figure",
    "curve_figure",
    "faithful_figure",
    "graph_svg",
    "layout",
    "plot",
    "score_figure",
]


def plot(result: Any) -> "Figure":
    """The figure of scores, of an atlas, a comparison, an audit or curves of faithfulness.

    Raises:
        SemlensError: anything else, or matplotlib is not installed.
    """
    figures: dict[type, Callable[[Any], "Figure"]] = {
        Scores: score_figure,
        Atlas: atlas_figure,
        Comparison: compare_figure,
        Audit: audit_figure,
        Faithfulness: faithful_figure,
    }
    if type(result) not in figures:
        raise SemlensError(
            f"a {type(result).__name__} has no figure; scores, atlases, comparisons, audits and faithfulness have"
        )
    return figures[type(result)](result)
