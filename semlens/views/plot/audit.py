"""An audit as a figure: how well components fit what may matter and what must not, the larger the more relevant."""

from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis import layer_numbers
from semlens.analysis.audit import QUADRANTS, Audit
from semlens.views.heatmap import blank_page
from semlens.views.tiles import short

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_LOOK = {"valid": ("#1b7837", "o"), "spurious": ("#c51b7d", "D"), "both": ("#b35806", "s"), "neither": ("#888888", "o")}
_NAMED = 8  # most relevant components whose concepts are written beside them
_LARGEST = 900  # square points


def audit_figure(audit: Audit) -> "matplotlib.figure.Figure":
    """A matplotlib figure with a chart per audited layer; the dashed lines are what chance reaches.

    Raises:
        SemlensError: where matplotlib is not installed.
    """
    layer = layer_numbers(audit.index)[audit.fit.members]
    numbers = np.unique(layer).tolist()
    figure = blank_page((6.5 * len(numbers), 6.2))
    for axes, number in zip(np.ravel(figure.subplots(1, len(numbers), squeeze=False)), numbers, strict=True):
        _chart(axes, audit, np.flatnonzero(layer == number))
        axes.set_title(audit.index.layers[number].layer, fontsize=11)
    figure.suptitle(f"What speaks for {audit.output!r}", fontsize=13)
    return figure


def _chart(axes: "matplotlib.axes.Axes", audit: Audit, in_layer: "np.ndarray") -> None:
    x, y = audit.fit.z[in_layer].T
    size = audit.relevance[in_layer] / max(float(audit.relevance[in_layer].max()), 1e-12) * _LARGEST
    for number, name in enumerate(QUADRANTS):
        members = audit.quadrant[in_layer] == number
        color, marker = _LOOK[name]
        share = audit.relevance[in_layer][members].sum() / max(float(audit.relevance[in_layer].sum()), 1e-12)
        label = f"{name} ({members.sum()}, {share:.0%})"
        axes.scatter(
            x[members],
            y[members],
            s=size[members] + 4,
            c=color,
            marker=marker,
            alpha=0.55,
            edgecolors="white",
            label=label,
        )
    valid, spurious = np.median(audit.fit.critical[in_layer], axis=0)
    axes.axvline(valid, color="0.4", linestyle="--", linewidth=1)
    axes.axhline(spurious, color="0.4", linestyle="--", linewidth=1)
    rows = {row.component: row for row in audit.rows}
    for n in in_layer[np.argsort(-audit.relevance[in_layer], kind="stable")[:_NAMED]].tolist():
        row = rows[audit.index.component(int(audit.fit.members[n]))]
        said = row.label or (row.spurious_concept if row.spurious > row.valid else row.valid_concept)
        where = (float(audit.fit.z[n, 0]), float(audit.fit.z[n, 1]))
        axes.annotate(short(said, 22), where, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="fits what may matter (standard deviations of chance)", ylabel="fits what must not (the same)")
    legend = axes.legend(title="components, share of relevance", fontsize=8, title_fontsize=8, loc="upper right")
    for handle in legend.legend_handles:
        handle.set_sizes([40])  # type: ignore[union-attr]
