"""A comparison as a figure: how much of each side is in each other, and how near their components come."""

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from semlens.analysis import Comparison, Direction
from semlens.types import Float64
from semlens.views.heatmap import blank_page
from semlens.views.tiles import short

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_INK, _GREY, _BAND = "#222222", "#777777", "#e0a030"
_SHARED, _UNIQUE = "#2a6f97", "#c9ced6"
_BINS = 40


def compare_figure(comparison: Comparison) -> "matplotlib.figure.Figure":
    """A matplotlib figure: the matrix of directed similarities with what chance reaches, and for each pair how near the
    source's components come to the target's; nothing of matplotlib's own state changes.

    Raises:
        SemlensError: where matplotlib is not installed.
    """
    count = len(comparison.sides)
    tall = max(4.4, 2.0 * count)
    page = blank_page((6.0 + 3.6 * (count - 1), tall))
    left, right = page.subfigures(1, 2, squeeze=False, width_ratios=(6, 3.6 * (count - 1)))[0]
    _matrix(left.add_subplot(), comparison)
    panels = right.subplots(count, count - 1, squeeze=False, sharex=True)
    values = np.concatenate([direction.similarity for direction in comparison.directions])
    lowest = min(float(values.min()), *(float(direction.baseline.min()) for direction in comparison.directions))
    bins = np.linspace(lowest, max(float(values.max()), lowest + 1e-3), _BINS + 1)
    for source in range(count):
        for axes, direction in zip(
            panels[source], (d for d in comparison.directions if d.source == source), strict=True
        ):
            _histogram(axes, comparison, direction, bins)
    for axes in panels[-1]:
        axes.set_xlabel("similarity with the best match", color=_GREY, fontsize=9)
    handles, names = panels[0, 0].get_legend_handles_labels()
    page.legend(handles, names, loc="outside lower right", ncols=4, frameon=False, fontsize=8, labelcolor=_INK)
    return page


def _matrix(axes: "matplotlib.axes.Axes", comparison: Comparison) -> None:
    """Row in column: directed similarity, what chance reaches below it."""
    count = len(comparison.sides)
    table = np.full((count, count), np.nan)
    for direction in comparison.directions:
        table[direction.source, direction.target] = direction.similarity.mean()
    low, high = float(np.nanmin(table)), float(np.nanmax(table))
    spread = max(high - low, 0.02)
    axes.imshow(table, cmap="Blues", vmin=low - spread, vmax=high + 2 * spread)  # ink stays readable
    for direction, row in zip(comparison.directions, comparison.pairs, strict=True):
        place: dict[str, Any] = {"ha": "center", "color": _INK}
        axes.text(direction.target, direction.source - 0.1, f"{row.similarity:.2f}", fontsize=15, **place)
        axes.text(direction.target, direction.source + 0.14, f"like sizes {row.corrected:.2f}", fontsize=8, **place)
        chance = f"chance {row.baseline_low:.2f}–{row.baseline_high:.2f}"
        axes.text(direction.target, direction.source + 0.3, chance, fontsize=8, **place)
    names = ["\n".join(wrap(side.name, 20)[:3]) for side in comparison.sides]
    axes.set_xticks(range(count), names)
    counted = zip(names, comparison.sides, strict=True)
    axes.set_yticks(range(count), [f"{name}\n{len(side.rows):,} components" for name, side in counted])
    axes.tick_params(length=0, labelsize=9, labelcolor=_INK)
    axes.spines[:].set_visible(False)
    axes.set_title("How much of the row is in the column", loc="left", fontsize=11, color=_INK)


def _histogram(
    axes: "matplotlib.axes.Axes", comparison: Comparison, direction: Direction, bins: Float64[np.ndarray, "e"]
) -> None:
    parts = [direction.similarity[direction.shared], direction.similarity[~direction.shared]]
    axes.hist(parts, bins=bins.tolist(), stacked=True, color=[_SHARED, _UNIQUE], label=["shared", "unique"])
    low, high = np.quantile(direction.baseline, (0.025, 0.975))
    axes.axvspan(low, high, color=_BAND, alpha=0.45, linewidth=0, label="mean by chance (95 %)")
    axes.axvline(float(direction.similarity.mean()), color=_INK, linewidth=1.2, label="mean")
    source, target = (short(comparison.names[at], 32) for at in (direction.source, direction.target))
    title = f"{source} in {target}:\n{len(parts[0]):,} of {len(direction.similarity):,} shared"
    axes.set_title(title, loc="left", fontsize=9, color=_INK)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8, labelcolor=_GREY)
