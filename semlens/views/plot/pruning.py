"""Accuracy against the share of components pruned as a figure: a line for each order, the first with its colour."""

from typing import TYPE_CHECKING, Any

from semlens.analysis import Rows
from semlens.errors import SemlensError
from semlens.views.heatmap import blank_page, faint_lines

if TYPE_CHECKING:
    import matplotlib.figure

_FIRST, _GREY = "#2563eb", "#777777"
_OTHERS = ("#c2410c", "#0f766e", "#7c3aed", "#a16207", "#be185d", "#4d7c0f", "#334155")
_DASHES = ("--", "-.", ":")


def curve_figure(curves: Rows[Any]) -> "matplotlib.figure.Figure":
    """A matplotlib figure of what `pruning_curves` gives: the first order as a thick line, every other thin, each named
    with its area in the order of these; nothing of matplotlib's own state changes.

    Raises:
        SemlensError: there is no curve, or matplotlib is not installed.
    """
    if not len(curves):
        raise SemlensError("there is no curve to draw")
    figure = blank_page((7.2, 4.2))
    axes = figure.subplots()
    for place, curve in enumerate(curves):
        share = [100 * one for one in curve.shares]
        name = f"{curve.area:.2f}  {curve.order}"
        if place == 0:
            axes.plot(share, curve.accuracy, color=_FIRST, lw=2.6, marker="o", ms=4, label=name, zorder=5)
        else:
            style = _DASHES[(place - 1) % len(_DASHES)]
            axes.plot(share, curve.accuracy, style, color=_OTHERS[(place - 1) % len(_OTHERS)], lw=1.4, label=name)
    axes.set(xlabel="components pruned, %", ylabel="accuracy", ylim=(0, 1.02), xlim=(0, None))
    faint_lines(axes)
    handles, names = axes.get_legend_handles_labels()
    by_area = sorted(range(len(names)), key=lambda place: -curves[place].area)
    axes.legend([handles[at] for at in by_area], [names[at] for at in by_area], title="mean accuracy",
                frameon=False, fontsize=8, title_fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))  # fmt: skip
    axes.set_title(f"{curves.title}, {curves[0].n} images", fontsize=9, loc="left", color=_GREY)
    return figure
