"""The quadrant chart: how well each component fits valid and spurious concepts, and how relevant it is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, isfinite, sqrt

from semlens.analysis.audit import AuditRow
from semlens.views.report.charts import shape
from semlens.views.report.text import SHORT, Html, el, join, line

WIDTH, HEIGHT = 760, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 14.0, 54.0
_LARGEST, _SMALLEST = 17.0, 2.2  # radius of a dot

NAMED = 10
"""Dots whose label stands beside them."""

_LETTER, _LINE = 6.8, 15.0  # room for a letter of a label, and for its line
_LETTERS = 24


_Box = tuple[float, float, float, float]  # left, top, right, bottom

_NAMED_CORNERS: list[_Box] = [
    (x, y, x + 125.0, y + 28.0) for x in (_LEFT, WIDTH - _RIGHT - 125.0) for y in (_TOP, HEIGHT - _BOTTOM - 28.0)
]


@dataclass(frozen=True)
class Scale:
    """Where alignments lie on the chart, the same step on both axes."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, valid: float, spurious: float) -> tuple[float, float]:
        """The place of a component."""
        (x0, x1), (y0, y1) = self.x, self.y
        across, down = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        return _LEFT + (valid - x0) / (x1 - x0) * across, _TOP + (y1 - spurious) / (y1 - y0) * down


def scatter(
    rows: Sequence[AuditRow], critical: tuple[float, float], described: Callable[[AuditRow], str],
    pictured: Callable[[AuditRow], int | None], title: str,
) -> Html:  # fmt: skip
    """The components of a layer, the most relevant first, as a chart.

    Args:
        critical: what alignment a component has to exceed to fit valid and spurious concepts.
        described: what a dot says when it is pointed at, in lines.
        pictured: under which number the script finds a component's crops.
        title: of the chart, for those who do not see it.
    """
    scale = Scale(
        *(_range([*alignments, limit]) for alignments, limit in zip(_alignments(rows), critical, strict=True))
    )
    most = max((row.relevance for row in rows), default=0.0) or 1.0
    places = [(*scale.at(row.valid, row.spurious), _radius(row.relevance / most)) for row in rows]
    dots = [
        shape(
            row.quadrant, *place, el("title", described(row)), role="img", data_n=pictured(row),
            tabindex=0 if at == 0 else None,
        )
        for at, (row, place) in enumerate(zip(rows, places, strict=True))
    ]  # fmt: skip
    parts = join(*_regions(scale, critical), *_axes(scale), *dots, *_labels(rows[:NAMED], places))
    return el("svg", parts, class_="scatter", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="group", aria_label=title)


def label(row: AuditRow) -> str:
    """What a component is called on the chart: its label, else the concept that puts it where it stands."""
    of_quadrant = {"valid": row.valid_concept, "neither": str(row.component)}.get(row.quadrant, row.spurious_concept)
    return row.label or of_quadrant


def _alignments(rows: Sequence[AuditRow]) -> tuple[list[float], list[float]]:
    return [row.valid for row in rows], [row.spurious for row in rows]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From below the lowest to above the highest, with some room; at least from 0 to 4."""
    known = [value for value in values if isfinite(value)]
    low, high = min([0.0, *known]), max([4.0, *known])
    room = (high - low) * 0.06
    return low - room, high + room


def _radius(part: float) -> float:
    return max(_SMALLEST, _LARGEST * sqrt(max(part, 0.0)))


def _regions(scale: Scale, critical: tuple[float, float]) -> Iterator[Html]:
    """The quadrants, tinted and named, with the thresholds between them."""
    x, y = scale.at(*(limit if isfinite(limit) else 1e9 for limit in critical))
    right, low = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    x, y = min(x, right), max(y, _TOP)  # a threshold that nothing can exceed lies at the edge
    corners = {
        "spurious": (_LEFT, _TOP, x, y, "start"),
        "both": (x, _TOP, right, y, "end"),
        "neither": (_LEFT, y, x, low, "start"),
        "valid": (x, y, right, low, "end"),
    }
    for quadrant, (x0, y0, x1, y1, anchor) in corners.items():
        if x1 - x0 > 1 and y1 - y0 > 1:
            yield el("rect", class_=f"region {quadrant}", x=f"{x0:.1f}", y=f"{y0:.1f}", width=f"{x1 - x0:.1f}",
                     height=f"{y1 - y0:.1f}")  # fmt: skip
            at = x0 + 8 if anchor == "start" else x1 - 8
            below = y0 + 20 if y0 == _TOP else y1 - 10
            yield el("text", SHORT[quadrant], class_=f"corner {quadrant}", x=f"{at:.1f}", y=f"{below:.1f}",
                     text_anchor=anchor)  # fmt: skip
    yield el("line", class_="threshold", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=_TOP, y2=low)
    yield el("line", class_="threshold", x1=_LEFT, x2=right, y1=f"{y:.1f}", y2=f"{y:.1f}")


def _axes(scale: Scale) -> Iterator[Html]:
    """Ticks, and what the axes mean in words."""
    low = HEIGHT - _BOTTOM
    for tick in _ticks(scale.x):
        x, _ = scale.at(float(tick), 0.0)
        yield el("text", f"{tick:g}", class_="tick", x=f"{x:.1f}", y=low + 17, text_anchor="middle")
    for tick in _ticks(scale.y):
        _, y = scale.at(0.0, float(tick))
        yield el("text", f"{tick:g}", class_="tick", x=_LEFT - 8, y=f"{y + 4:.1f}", text_anchor="end")
    across = (_LEFT + WIDTH - _RIGHT) / 2
    yield el("text", "fits VALID concepts → (standard deviations of chance)", class_="axis",
             x=f"{across:.1f}", y=HEIGHT - 10, text_anchor="middle")  # fmt: skip
    yield el("text", "fits SPURIOUS concepts →", class_="axis", text_anchor="middle",
             transform=f"translate(16 {(_TOP + low) / 2:.1f}) rotate(-90)")  # fmt: skip


def _ticks(span: tuple[float, float]) -> list[int]:
    step = max(1, 2 * round((span[1] - span[0]) / 16))
    return list(range(ceil(span[0] / step) * step, floor(span[1]) + 1, step))


def _labels(rows: Sequence[AuditRow], places: Sequence[tuple[float, float, float]]) -> Iterator[Html]:
    """The names of some dots, each where it covers neither another name nor a named dot, with a line to its dot."""
    taken = [*_NAMED_CORNERS, *((x - r, y - r, x + r, y + r) for x, y, r in places[: len(rows)])]
    for row, (x, y, r) in zip(rows, places, strict=False):
        text = line(label(row), _LETTERS)
        wide = len(text) * _LETTER
        boxes = [box for box in _around(x, y, r, wide) if not any(_overlap(box, other) for other in taken)]
        box = boxes[0] if boxes else (x + r, y - _LINE / 2, x + r + wide, y + _LINE / 2)
        taken.append(box)
        near = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
        if (near[0] - x) ** 2 + (near[1] - y) ** 2 > (r + 5) ** 2:
            yield el("line", class_="lead", x1=f"{x:.1f}", y1=f"{y:.1f}", x2=f"{near[0]:.1f}", y2=f"{near[1]:.1f}")
        yield el("text", text, class_="name", x=f"{(box[0] + box[2]) / 2:.1f}", y=f"{box[3] - 4:.1f}",
                 text_anchor="middle")  # fmt: skip


def _around(x: float, y: float, r: float, wide: float) -> Iterator[_Box]:
    """Boxes for a text around a dot, the nearest first, that lie on the chart."""
    for away, rise in product((0, 18, 36, 60), (0, -1, 1, -2, 2)):
        for left in (x + r + 3 + away, x - r - 3 - away - wide, x - wide / 2):
            if left == x - wide / 2 and rise == 0:
                continue  # would lie on the dot
            middle = y + rise * (r + _LINE / 2 + 2 + away / 2)
            box = (left, middle - _LINE / 2, left + wide, middle + _LINE / 2)
            if box[0] >= _LEFT and box[2] <= WIDTH - _RIGHT and box[1] >= _TOP and box[3] <= HEIGHT - _BOTTOM:
                yield box


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
