"""The atlas as a figure: a point per component, the name of a group where the group is densest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from semlens.analysis import Atlas
from semlens.errors import unknown
from semlens.types import Float32, Int64
from semlens.views.heatmap import blank_page
from semlens.views.tiles import short

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

COLORS = ("cluster", "layer", "model")

_BLOCK = 1024  # points whose distances are taken at once
_INK, _GREY = "#222222", "#777777"
_RAMPS = ("Blues", "Oranges", "Greens", "Purples", "Reds", "Greys")
_LEGEND = 30  # entries that a legend may have


@dataclass(frozen=True)
class _Groups:
    """What the colours stand for."""

    number: Int64[np.ndarray, "n"]  # of each point
    names: tuple[str, ...]  # empty: the names stand on the map
    title: str
    palette: Float32[np.ndarray, "m 3"]


def atlas_figure(atlas: Atlas, *, color: str = "cluster") -> "matplotlib.figure.Figure":
    """A matplotlib figure of the atlas; nothing of matplotlib's own state changes.

    Args:
        color: what the points are coloured by: "cluster", "layer" or "model".

    Raises:
        SemlensError: for another colour, or where matplotlib is not installed.
    """
    if color not in COLORS:
        raise unknown("color", color, COLORS)
    page = blank_page((10.0, 8.0))
    axes = page.add_subplot()
    groups = _groups(atlas, color)
    palette = groups.palette
    order = np.random.default_rng(0).permutation(len(atlas.x))  # so that no group covers another
    size = float(np.clip(20000 / len(order), 3, 60))
    dots: dict[str, Any] = {"s": size, "alpha": 0.8, "edgecolors": "white", "linewidths": min(0.4, size / 60)}
    axes.scatter(atlas.x[order], atlas.y[order], c=palette[groups.number[order]], **dots)
    axes.set(xticks=[], yticks=[])
    axes.margins(0.06)
    axes.spines[:].set_visible(False)
    shown = f"{len(atlas.x):,} components" + (f", {atlas.dead:,} dead ones left out" if atlas.dead else "")
    axes.set_title(short(", ".join(atlas.models), 80), loc="left", fontsize=14, color=_INK, pad=22)
    axes.text(0, 1, shown, transform=axes.transAxes, fontsize=10, color=_GREY, va="bottom")
    remark = "a drawing: what is near is alike, but distances and areas are no figures"
    axes.set_xlabel(remark, color=_GREY, fontsize=9, loc="left")
    if groups.names:
        _legend(axes, groups)
    _write_labels(axes, atlas, palette if color == "cluster" else None)
    return page


def _groups(atlas: Atlas, color: str) -> _Groups:
    if color == "cluster":
        return _Groups(atlas.cluster, (), "", _hues(len(atlas.sizes)))
    if color == "model":
        return _Groups(atlas.index_number, atlas.models, "model", _hues(len(atlas.models)))
    several = len(atlas.models) > 1
    axes = [(i, axis) for i, index in enumerate(atlas.indexes) for axis in index.layers]
    names = tuple(f"{atlas.models[i]} {axis.layer}" if several else axis.layer for i, axis in axes)
    number = np.zeros(len(atlas.row), np.int64)
    for at, (i, axis) in enumerate(axes):
        number[(atlas.index_number == i) & (atlas.row >= axis.start) & (atlas.row < axis.stop)] = at
    ramps = [_ramp(i if several else None, len(index.layers)) for i, index in enumerate(atlas.indexes)]
    return _Groups(number, names, "layer", np.concatenate(ramps))


def _ramp(model: int | None, layers: int) -> Float32[np.ndarray, "m 3"]:
    """The colours of one model's layers, in their order; of several models each has its own hue."""
    import matplotlib

    if model is None:
        return matplotlib.colormaps["viridis"](np.linspace(0.03, 0.92, layers))[:, :3].astype(np.float32)
    name = _RAMPS[model % len(_RAMPS)]
    return matplotlib.colormaps[name](np.linspace(0.4, 0.95, layers))[:, :3].astype(np.float32)


def _hues(count: int) -> Float32[np.ndarray, "m 3"]:
    """Colours without an order, those of neighbouring numbers far apart."""
    from matplotlib.colors import hsv_to_rgb

    at = np.arange(count)
    hue = (0.58 + 0.381966 * at) % 1  # by the golden section
    tint = np.stack([hue, np.array([0.72, 0.5, 0.85])[at % 3], np.array([0.78, 0.9, 0.62])[at % 3]], axis=1)
    return hsv_to_rgb(tint).astype(np.float32)


def _legend(axes: "matplotlib.axes.Axes", groups: _Groups) -> None:
    from matplotlib.lines import Line2D

    chosen = np.unique(np.linspace(0, len(groups.names) - 1, _LEGEND).astype(int))  # of many layers, evenly spread ones
    dots = [Line2D([], [], marker="o", linestyle="", color=groups.palette[at], markersize=7) for at in chosen]
    names = [short(groups.names[at], 40) for at in chosen]
    beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
    axes.legend(dots, names, title=groups.title, alignment="left", labelcolor=_INK, **beside)


def _write_labels(axes: "matplotlib.axes.Axes", atlas: Atlas, palette: Float32[np.ndarray, "m 3"] | None) -> None:
    """Writes each group's name, or its number without one, at its most central point; the large groups choose first,
    the others make way."""
    from matplotlib.patheffects import withStroke

    page = axes.get_figure(root=True)
    assert page is not None
    page.draw_without_rendering()
    page.set_layout_engine("none")  # from here on nothing may move
    taken: list[tuple[float, float, float, float]] = []
    bounds = axes.get_window_extent()
    edges = float(bounds.x0), float(bounds.y0), float(bounds.x1), float(bounds.y1)
    for group, label in enumerate(atlas.labels):
        at = medoid(np.stack([atlas.x, atlas.y], axis=1)[atlas.cluster == group])
        note = axes.annotate(
            short(label, 32) or str(group),
            at.tolist(),
            (0, 0),
            textcoords="offset pixels",
            ha="center",
            va="center",
            fontsize=10.5,
            color=_GREY if not label else _INK if palette is None else tuple(0.62 * palette[group]),
            weight="bold",
            path_effects=[withStroke(linewidth=3, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": _GREY, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 0},
        )
        box = note.get_window_extent()
        half = float(box.width) / 2 + 4, float(box.height) / 2 + 2
        x, y = map(float, axes.transData.transform(at))
        away = free_place((x, y), half, taken, edges)
        note.set_position(away)
        taken.append((x + away[0] - half[0], y + away[1] - half[1], x + away[0] + half[0], y + away[1] + half[1]))


def medoid(points: Float32[np.ndarray, "n 2"]) -> Float32[np.ndarray, "2"]:
    """The point whose distances to the others sum to the least; the first of several."""
    totals = np.concatenate(
        [
            np.linalg.norm(points[start : start + _BLOCK, None] - points, axis=2).sum(axis=1)
            for start in range(0, len(points), _BLOCK)
        ]
    )
    return points[totals.argmin()]


Box = tuple[float, float, float, float]


def free_place(
    at: tuple[float, float], half: tuple[float, float], taken: Sequence[Box], bounds: Box
) -> tuple[float, float]:
    """The shift, among rings of ever more of them, that keeps a box of that half width and height off the others and
    within bounds; none if there is no such place."""
    for ring in range(40):
        for angle in np.arange(16) * (np.pi / 8) + np.pi / 2:
            dx, dy = float(9 * ring * np.cos(angle)), float(7 * ring * np.sin(angle))
            box = (at[0] + dx - half[0], at[1] + dy - half[1], at[0] + dx + half[0], at[1] + dy + half[1])
            inside = box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]
            if inside and not any(_overlap(box, other) for other in taken):
                return dx, dy
    return 0.0, 0.0


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
