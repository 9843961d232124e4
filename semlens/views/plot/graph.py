"""The attribution graph as SVG: layers as rows, the output on top, concepts as boxes with their pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from unicodedata import east_asian_width

import numpy as np

from semlens.analysis.graph import OUTPUT, Edge, Graph, Node
from semlens.analysis.results import data_url, pictures
from semlens.index import ConceptIndex

SWEEPS = 12
"""Times that every row is ordered anew, upwards and downwards."""

_WIDE, _HIGH, _GAP, _RISE = 152, 148, 20, 108  # of a box; between boxes of a row; between rows
_LEFT, _HEAD, _FOOT, _EDGE = 118, 74, 66, 24  # what the names of the layers, title, legend and margin take
_LEAST = 860  # wide enough for the legend
_THUMB, _SHOWN, _TOP = 42, 3, 96  # a picture's side, how many, and the output's height
_THICK = 22.0  # the strongest edge
_SMALL = 11  # letters of all but names, in pixels
_INK, _GREY, _LINE = "#222222", "#6b6b6b", "#9aa3ad"
_FOR, _AGAINST, _TINT = "#2a6f97", "#c8553d", (203, 225, 240)
_NARROW, _BROAD = frozenset("ilIjtfr.,:;'|!()[]- "), frozenset("mwMW@%&")

_STYLE = (
    f"text{{font-family:system-ui,sans-serif;font-size:{_SMALL}px;fill:{_INK}}}"
    f".small{{fill:{_GREY}}}.name{{font-size:13px;font-weight:bold}}.head{{font-size:19px;font-weight:bold}}.middle{{text-anchor:middle}}"
    f".box{{stroke:{_LINE};stroke-width:1.2}}.unlabelled .box{{stroke:{_INK};stroke-dasharray:5 4;stroke-width:1.6}}"
    f".edge{{fill:none}}.for{{stroke:{_FOR}}}.against{{stroke:{_AGAINST};stroke-dasharray:7 4}}"
    ".edge.others{opacity:.4}.edge:hover{opacity:1;stroke-opacity:1}"
)

_Pixels = int | float


@dataclass(frozen=True)
class _Box:
    """Where a node is drawn: its upper left corner, and its height."""

    node: Node
    x: _Pixels
    y: _Pixels
    high: int
    pictures: tuple[bytes, ...]


def graph_svg(graph: Graph, index: ConceptIndex) -> str:
    """An SVG picture that fetches nothing: from the input at the bottom to the output on top, a box per concept, edges
    as wide as what passes, those that speak against the output dashed.

    Args:
        index: the one that the graph was made of, for the pictures.
    """
    rows = ordered(graph)
    width = max(_LEAST, _LEFT + 2 * _EDGE + max(len(row) for row in rows) * (_WIDE + _GAP) - _GAP)
    height = _HEAD + _TOP + (len(rows) - 1) * (_RISE + _HIGH) + _FOOT
    boxes = _place(rows, index, width)
    most = max((node.relevance for node in graph.nodes if node.layer and not node.others), default=0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{_safe(f'How {graph.output} comes about')}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_title(graph, width),
        *_layer_names(graph, boxes),
        *_edges(graph.edges, {box.node.id: box for box in boxes}),
        *(line for box in boxes for line in _box(box, most)),
        *_legend(width, height),
        "</svg>",
    ]
    return "\n".join(parts)


def ordered(graph: Graph) -> list[list[Node]]:
    """The nodes of every row, from the input up and from left to right, so that strong edges cross little: by the mean
    place of what they are joined to, in turns up and down. The others stand at the right."""
    rows = [[node for node in graph.nodes if node.layer == layer] for layer in (*graph.layers, "")]
    best, least = rows, crossings(rows, graph.edges)
    for sweep in range(SWEEPS):
        rows = _swept(rows, graph.edges, up=bool(sweep % 2))
        if (crossed := crossings(rows, graph.edges)) < least:
            best, least = rows, crossed
    return best


def _swept(rows: Sequence[Sequence[Node]], edges: Sequence[Edge], *, up: bool) -> list[list[Node]]:
    """The rows in order of what each node is joined to in the row below, or above; each row after its neighbour."""
    found = [list(row) for row in rows]
    for at in range(1, len(rows)) if up else range(len(rows) - 2, -1, -1):
        place = _places(found[at - 1 if up else at + 1])
        sums = {node.id: [0.0, 0.0] for node in found[at]}
        for edge in edges:
            own, other = (edge.target, edge.source) if up else (edge.source, edge.target)
            if own in sums and other in place:
                sums[own][0] += abs(edge.weight) * place[other]
                sums[own][1] += abs(edge.weight)
        own_place = _places(found[at])
        mean = {key: total / mass if mass else own_place[key] for key, (total, mass) in sums.items()}
        found[at].sort(key=lambda node: (node.others, mean[node.id]))
    return found


def _places(row: Sequence[Node]) -> dict[str, float]:
    """Where each node of a row stands, in steps from the middle."""
    return {node.id: at - (len(row) - 1) / 2 for at, node in enumerate(row)}


def crossings(rows: Sequence[Sequence[Node]], edges: Sequence[Edge]) -> float:
    """The sum over every two edges that cross of the lesser one's |weight|."""
    total = 0.0
    for lower, upper in pairwise(rows):
        below, above = _places(lower), _places(upper)
        here = [edge for edge in edges if edge.source in below and edge.target in above]
        ends = np.array([(below[edge.source], above[edge.target], abs(edge.weight)) for edge in here]).reshape(-1, 3)
        start, end, weight = ends.T
        crossed = (start[:, None] < start) & (end[:, None] > end)
        total += float(np.minimum(weight[:, None], weight)[crossed].sum())
    return total


def _place(rows: Sequence[Sequence[Node]], index: ConceptIndex, width: int) -> list[_Box]:
    """Every node's box, the rows centred beside the names of the layers."""
    boxes = []
    for at, row in enumerate(rows):
        above = len(rows) - 1 - at
        top = _HEAD + (_TOP + _RISE + (above - 1) * (_HIGH + _RISE) if above else 0)
        left = (_LEFT + width - _EDGE - len(row) * (_WIDE + _GAP) + _GAP) / 2
        for place, node in enumerate(row):
            shown = pictures(index, node.components[0], _SHOWN) if node.components and not node.others else []
            high = (_HIGH if shown else _HIGH - _THUMB - 6) if above else _TOP
            middle = top + (_HIGH - high) / 2 if above else top
            boxes.append(_Box(node, left + place * (_WIDE + _GAP), middle, high, tuple(shown)))
    return boxes


def _title(graph: Graph, width: int) -> list[str]:
    about = f"shares of each layer's relevance, mean over {graph.images:,} images"
    if graph.edge_images:
        about += f"; edges between layers over {graph.edge_images:,}"
    if graph.dropped_edges:
        about += f"; edges left out: {graph.dropped_edges:,}, with {_percent(graph.dropped)} of what passes"
    head = _lines(f"How “{graph.output}” comes about", 19, width - 2 * _EDGE, 1)
    return [_window(_EDGE, 10, width - 2 * _EDGE, 56), _text(0, 20, head[0], "head"), _text(0, 42, about), "</svg>"]


def _layer_names(graph: Graph, boxes: Sequence[_Box]) -> list[str]:
    middle = {box.node.layer: box.y + box.high / 2 for box in boxes}
    parts = []
    for layer in graph.layers:
        lines = _lines(layer, 13, _LEFT - 16, 3)
        parts.append(_window(12, middle[layer] - 26, _LEFT - 16, 60))
        parts += [_text(0, 30 + 16 * at - 8 * (len(lines) - 1), line, "name") for at, line in enumerate(lines)]
        parts.append("</svg>")
    return parts


def _edges(edges: Sequence[Edge], boxes: Mapping[str, _Box]) -> Iterator[str]:
    """The edges, the strongest last, so that it lies on top."""
    largest = max((abs(edge.weight) for edge in edges), default=0.0) or 1.0
    thick = {(edge.source, edge.target): 1 + _THICK * abs(edge.weight) / largest for edge in edges}
    leave, enter = _ports(thick, boxes, up=True), _ports(thick, boxes, up=False)
    for edge in reversed(edges):
        source, target = boxes[edge.source], boxes[edge.target]
        key = edge.source, edge.target
        low, high = source.y, target.y + target.high
        x, to, middle = leave[key], enter[key], (low + high) / 2
        sign = "for" if edge.weight >= 0 else "against"
        sign += " others" if source.node.others or target.node.others else ""
        seen = 0.4 + 0.4 * abs(edge.weight) / largest
        told = f"{edge.source} to {edge.target}: share {edge.weight:.3f}, {_percent(edge.part)} of what comes in"
        yield (
            f'<path class="edge {sign}" stroke-width="{thick[key]:.1f}" stroke-opacity="{seen:.2f}" '
            f'd="M{x:.1f} {low:.1f}C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {high:.1f}">'
            f"<title>{_safe(told)}</title></path>"
        )


def _ports(
    thick: Mapping[tuple[str, str], float], boxes: Mapping[str, _Box], *, up: bool
) -> dict[tuple[str, str], float]:
    """Where on its box each edge begins, or ends: side by side, in the order of the boxes at the other end."""
    found: dict[tuple[str, str], float] = {}
    for box in boxes.values():
        mine = [key for key in thick if key[0 if up else 1] == box.node.id]
        mine.sort(key=lambda key: boxes[key[1 if up else 0]].x)
        centres = np.cumsum([thick[key] + 3 for key in mine]) - [thick[key] / 2 + 3 for key in mine]
        span = sum(thick[key] + 3 for key in mine) - 3
        squeeze = min(1.0, (_WIDE - 24) / span) if mine else 1.0
        found |= {
            key: box.x + _WIDE / 2 + squeeze * (float(at) - span / 2) for key, at in zip(mine, centres, strict=True)
        }
    return found


def _box(box: _Box, most: float) -> Iterator[str]:
    """A node: pictures, what it is called, a bar of its shares, and what a reader has to know."""
    node, inside = box.node, _WIDE - 24
    kind = "others" if node.others else "unlabelled" if node.unlabelled else "concept"
    tint = 0.0 if node.others else min(1.0, node.relevance / most) if most else 0.0
    colour = "#" + "".join(f"{round(255 - tint * (255 - full)):02x}" for full in _TINT)
    members = ", ".join(map(str, node.components[:20])) + (", …" if len(node.components) > 20 else "")
    yield f'<g class="{kind}">' + _window(box.x, box.y, _WIDE, box.high)
    yield f"<title>{_safe(f'{node.label}: {members}' if members else node.label)}</title>"
    yield f'<rect class="box" x="1" y="1" width="{_WIDE - 2}" height="{box.high - 2}" rx="9" fill="{colour}"/>'
    left = (_WIDE - len(box.pictures) * (_THUMB + 4) + 4) / 2
    for at, picture in enumerate(box.pictures):
        yield (
            f'<image x="{left + at * (_THUMB + 4):.1f}" y="9" width="{_THUMB}" height="{_THUMB}" '
            f'href="{data_url(picture)}"/>'
        )
    y = 9 + (_THUMB + 6 if box.pictures else 0)
    lines = _lines(node.label, 13, _WIDE - 16, 2)
    for at, line in enumerate(lines):
        yield _text(_WIDE / 2, y + 11 + 15 * at + (7 if len(lines) == 1 else 0), line, "name middle")
    yield f'<rect x="12" y="{y + 35}" width="{inside}" height="6" fill="#e4e7ea"/>'
    yield f'<rect x="12" y="{y + 35}" width="{inside * node.relevance:.1f}" height="6" fill="{_FOR}"/>'
    yield (
        f'<rect x="{12 + inside * (1 - node.against):.1f}" y="{y + 35}" width="{inside * node.against:.1f}" '
        f'height="6" fill="{_AGAINST}"/>'
    )
    for at, remark in enumerate(_remarks(node)):
        yield _text(
            _WIDE / 2, y + 54 + 14 * at, _lines(remark, _SMALL, _WIDE - 6, 1)[0], "small middle" if at else "middle"
        )
    yield "</svg></g>"


def _remarks(node: Node) -> list[str]:
    share = f"{_percent(node.relevance)} for"
    if node.against >= 0.005:
        share += f", {_percent(node.against)} against"
    if node.id == OUTPUT:
        return [share]
    count = len(node.components)
    what = "no label: look at it" if node.unlabelled else f"{count:,} component{'s' if count > 1 else ''}"
    also = [f"also {_percent(node.affected[0].relevance)} for {node.affected[0].output}"] if node.affected else []
    return [share, what, *also]


def _legend(width: int, height: int) -> Iterator[str]:
    yield _window(_EDGE, height - _FOOT + 16, width - 2 * _EDGE, _FOOT - 20)
    x = 0.0
    drawn = (
        ("for", "speaks for"),
        ("against", "speaks against"),
        ("for others", "to or from the others"),
    )
    for kind, text in drawn:
        yield f'<path class="edge {kind}" stroke-width="5" stroke-opacity=".8" d="M{x:.0f} 16h34"/>'
        yield _text(x + 42, 20, text)
        x += 62 + _wide(text, _SMALL)
    wider = "wider: more of the layer's relevance"
    yield f'<path fill="{_FOR}" fill-opacity=".8" d="M{x:.0f} 15l34 -6v14l-34 -6z"/>' + _text(x + 42, 20, wider)
    x += 62 + _wide(wider, _SMALL)
    yield f'<g class="unlabelled"><rect class="box" x="{x:.0f}" y="7" width="34" height="18" rx="5" fill="white"/></g>'
    yield _text(x + 42, 20, "no label fits") + "</svg>"


def _window(x: _Pixels, y: _Pixels, width: _Pixels, height: _Pixels) -> str:
    """The beginning of a drawing inside the drawing: nothing in it is seen outside."""
    return f'<svg x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'


def _text(x: _Pixels, y: _Pixels, text: str, kind: str = "small") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    """The text as XML may hold it, whoever wrote it: escaped, without control characters and what turns the line."""
    return escape("".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split())))


def _percent(part: float) -> str:
    return "<1 %" if 0 < part < 0.005 else f"{100 * part:.0f} %"


def _wide(text: str, size: int) -> float:
    """About how many pixels a text takes at most, in the fonts that browsers choose."""
    em = 0.0
    for letter in text:
        broad = east_asian_width(letter) in "WF" or letter in _BROAD
        em += 1.05 if broad else 0.42 if letter in _NARROW else 0.8 if letter.isupper() else 0.68
    return em * (size if size > _SMALL else 0.92 * size)  # what is larger is bold


def _lines(text: str, size: int, width: int, most: int) -> list[str]:
    """The text in at most so many lines of that width, its end cut off where it does not fit."""
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _wide(joined, size) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
        while _wide(lines[-1], size) > width and len(lines) <= most:
            fits = max(1, sum(_wide(lines[-1][: end + 1], size) <= width for end in range(len(lines[-1]))))
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    if len(lines) > most:
        last = lines[most - 1]
        while last and _wide(f"{last}…", size) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last}…"]
    return lines
