"""The measures of interpretability as a figure: a cloud of components per layer, over what chance gives."""

from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis import MEASURES, LayerScores, Scores, Summary
from semlens.errors import SemlensError
from semlens.types import Float64
from semlens.views.heatmap import blank_page, faint_lines

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_GOLDEN = (5**0.5 - 1) / 2  # its multiples spread evenly, and the same every time
_NAMED = 24  # layers whose names find room side by side
_GREY, _BLUE, _DARK = "0.85", "#4c78a8", "#1f2d3d"


def score_figure(scores: Scores) -> "matplotlib.figure.Figure":
    """A matplotlib figure with a row per measure. A point is a component, the dark mark a layer's mean with its 95 %
    interval, the grey band what 95 % of random components have, the white line across it their mean. A notebook shows
    it; nothing of matplotlib's own state changes.

    Raises:
        SemlensError: where there is no layer, or matplotlib is not installed.
    """
    if not scores.layers:
        raise SemlensError("there is no layer to draw: score at least one")
    wide = float(np.clip(2.5 + 0.55 * len(scores.layers), 5, 16))
    figure = blank_page((wide, 7.0))
    rows = figure.subplots(len(MEASURES), 1, sharex=True)
    for axes, measure in zip(rows, MEASURES, strict=True):
        for at, layer in enumerate(scores.layers):
            part = scores.index.layer_slice(layer.layer)
            _draw(axes, at, getattr(scores, measure)[part], getattr(layer, measure))
        axes.set_ylabel(measure)
        faint_lines(axes)
    _name_layers(rows[-1], scores.layers)
    rows[0].set_title("grey: random examples, 95 % range and mean; dark: mean of the layer", fontsize=9, loc="left")
    return figure


def _draw(axes: "matplotlib.axes.Axes", x: int, values: Float64[np.ndarray, "c"], summary: Summary) -> None:
    """One layer in one row."""
    values = values[~np.isnan(values)]
    if summary.baseline_low <= summary.baseline_high:
        axes.fill_between(
            [x - 0.46, x + 0.46], summary.baseline_low, summary.baseline_high, color=_GREY, lw=0, zorder=1
        )
        axes.plot([x - 0.46, x + 0.46], [summary.baseline] * 2, color="white", lw=1.5, zorder=2)
    across = x + 0.7 * (np.arange(1, len(values) + 1) * _GOLDEN % 1 - 0.5)
    faint = float(np.clip(60 / max(len(values), 1), 0.15, 0.8))
    axes.scatter(across, values, s=8, color=_BLUE, alpha=faint, lw=0, zorder=3, gid="components", rasterized=True)
    if not np.isnan(summary.mean):
        axes.plot([x], [summary.mean], "_", color=_DARK, ms=14, mew=2, zorder=5)
    if summary.low <= summary.high:
        axes.plot([x, x], [summary.low, summary.high], color=_DARK, lw=2.5, zorder=4)


def _name_layers(axes: "matplotlib.axes.Axes", layers: tuple[LayerScores, ...]) -> None:
    """Names below the clouds, some left out where there are too many."""
    every = -(-len(layers) // _NAMED)
    names = [layer.layer for layer in layers]
    tilted = sum(map(len, names[::every])) > 40
    axes.set_xticks(range(0, len(layers), every), names[::every])
    axes.tick_params(axis="x", labelrotation=35 if tilted else 0)
    if tilted:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(layers) - 0.4)
