"""How faithful relevance is, as a figure: the output while components go, and while they come back."""

from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis import CURVES, Curve, Faithfulness
from semlens.views.heatmap import blank_page, faint_lines

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_SAID = {
    "gradient": "attribution patching",
    "integrated_gradients": "integrated gradients",
    "logit_lens": "logit lens",
    "activation_logit_lens": "activation x logit lens",
    "energy": "energy",
    "random": "random order",
    "ablation": "each one ablated (oracle)",
}
_LOOK = {"random": ("0.55", ":"), "ablation": ("black", "--")}  # what frames the others: chance and the oracle
_COLORS = ("#c51b7d", "#4c78a8", "#1b7837", "#b35806", "#7b5aa6", "#2a9d9d", "#8c6d31")
_TITLES = {"deletion": "Taken away, most relevant first", "insertion": "Put back, most relevant first"}
_BETTER = {"deletion": "lower is better", "insertion": "higher is better"}


def faithful_figure(found: Faithfulness) -> "matplotlib.figure.Figure":
    """A matplotlib figure with both kinds of curves: the output as a mean over images, with its 95 % interval.

    Raises:
        SemlensError: where matplotlib is not installed.
    """
    figure = blank_page((11.5, 4.8))
    charts = figure.subplots(1, 2, sharey=True)
    for axes, curve in zip(charts, CURVES, strict=True):
        _chart(axes, found, curve)
    charts[0].set_ylabel(f"what is explained, mean of {found.deletion.shape[1]:,} images")
    figure.suptitle(f"How faithful relevance is: components of {found.layer}", fontsize=12)
    return figure


def _chart(axes: "matplotlib.axes.Axes", found: Faithfulness, curve: Curve) -> None:
    points = found.points
    free = iter(_COLORS)
    for by in found.methods:
        own = [point for point in points if (point.by, point.curve) == (by, curve)]
        color, style = _LOOK.get(by) or (next(free, "0.3"), "-")
        width = 2.6 if by == found.methods[0] else 1.5
        share = 100 * np.array([point.fraction for point in own])
        axes.plot(
            share, [point.score for point in own], style, color=color, lw=width, zorder=2 + width,
            label=f"{_SAID.get(by, by)}  {np.mean(found.area(by, curve)):.3f}",
        )  # fmt: skip
        axes.fill_between(share, [p.low for p in own], [p.high for p in own], color=color, alpha=0.12, lw=0)
    axes.set_title(f"{_TITLES[curve]} ({_BETTER[curve]})", fontsize=10.5, loc="left")
    axes.set_xlabel(f"% of the {found.components:,.0f} components that are active on an image")
    faint_lines(axes)
    axes.margins(x=0)
    axes.legend(title="ranked by, and area", fontsize=8, title_fontsize=8, frameon=False)
