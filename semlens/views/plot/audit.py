"""An audit as a figure: how well components fit what may matter and what must not, the larger the more relevant."""

from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis.audit import QUADRANTS, Audit
from semlens.analysis.chance import layer_numbers
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

    Raises SemlensError where matplotlib is not installed.
    """
    layer = layer_numbers(audit.index)[audit.fit.members]
    numbers = np.unique(layer).tolist()
    figure = blank_page((6.5 * len(numbers), 6.2))
    for axes, number in zip(np.ravel(figure.subplots(1, len(numbers), squeeze=False)), numbers, strict=True):
        _chart(axes, audit, np.flatnonzero(layer == number))
        axes.set_title(audit.index.layers[number].layer, fontsize=11)
    figure.suptitle(f"What speaks for {audit.output!r}", fontsize=13)
    return figure


def _chart(axes: "matplotlib.axes.Axes", audit: Audit, of: "np.ndarray") -> None:
    x, y = audit.fit.z[of].T
    size = audit.relevance[of] / max(float(audit.relevance[of].max()), 1e-12) * _LARGEST
    for at, name in enumerate(QUADRANTS):
        mine = audit.quadrant[of] == at
        color, marker = _LOOK[name]
        share = audit.relevance[of][mine].sum() / max(float(audit.relevance[of].sum()), 1e-12)
        label = f"{name} ({mine.sum()}, {share:.0%})"
        axes.scatter(
            x[mine], y[mine], s=size[mine] + 4, c=color, marker=marker, alpha=0.55, edgecolors="white", label=label
        )
    valid, spurious = np.median(audit.fit.critical[of], axis=0)
    axes.axvline(valid, color="0.4", linestyle="--", linewidth=1)
    axes.axhline(spurious, color="0.4", linestyle="--", linewidth=1)
    rows = {row.component: row for row in audit.rows}
    for n in of[np.argsort(-audit.relevance[of], kind="stable")[:_NAMED]].tolist():
        row = rows[audit.index.component(int(audit.fit.members[n]))]
        said = row.label or (row.spurious_concept if row.spurious > row.valid else row.valid_concept)
        where = (float(audit.fit.z[n, 0]), float(audit.fit.z[n, 1]))
        axes.annotate(short(said, 22), where, xytext=(6, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="fits what may matter (standard deviations of chance)", ylabel="fits what must not (the same)")
    legend = axes.legend(title="components, share of relevance", fontsize=8, title_fontsize=8, loc="upper right")
    for handle in legend.legend_handles:
        handle.set_sizes([40])  # type: ignore[union-attr]
