"""The attribution graph as SVG: layers as rows, the output on top, concepts as boxes with their pictures."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from unicodedata import east_asian_width

from semlens.analysis import OUTPUT, Graph, Node, data_url, pictures
from semlens.index import ConceptIndex
from semlens.views.plot.layout import Box, Line, Sizes, layout

_WIDE, _HIGH, _GAP, _RISE = 152, 148, 20, 108  # of a box; between boxes of a row; between rows
_LEFT, _HEAD, _FOOT, _EDGE = 118, 74, 66, 24  # what the names of the layers, title, legend and margin take
_MIN_WIDTH = 860  # wide enough for the legend
_THUMB, _SHOWN, _TOP = 42, 3, 96  # a picture's side, how many, and the output's height
_SIZES = Sizes(
    _WIDE, _HIGH, _TOP, _GAP, _RISE, _RISE, free=24, thin=1.0, thick=22.0, left=_LEFT + _EDGE // 2, top=_HEAD
)  # fmt: skip
_SMALL = 11  # characters of all but names, in pixels
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


def graph_svg(graph: Graph, index: ConceptIndex) -> str:
    """An SVG picture that fetches nothing: from the input at the bottom to the output on top, a box per concept, edges
    as wide as what passes, those that speak against the output dashed.

    Args:
        index: the one that the graph was made of, for the pictures.
    """
    shown = {node.id: _pictures(node, index) for node in graph.nodes}
    drawn = layout(
        graph, _SIZES, upwards=True, room=_MIN_WIDTH - _LEFT - 2 * _EDGE, high=lambda node: _high(node, shown)
    )
    width, height = _LEFT + drawn.width + 2 * _EDGE, _HEAD + drawn.height + _FOOT
    boxes = [box for row in drawn.rows for box in row]
    most = max((node.relevance for node in graph.nodes if node.layer and not node.others), default=0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{_safe(f'How {graph.output} comes about')}</title><style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_title(graph, width),
        *_layer_names(graph, boxes),
        *_edges(drawn.lines),
        *(line for box in boxes for line in _box(box, shown[box.node.id], most)),
        *_legend(width, height),
        "</svg>",
    ]
    return "\n".join(parts)


def _pictures(node: Node, index: ConceptIndex) -> list[bytes]:
    return pictures(index, node.components[0], _SHOWN) if node.components and not node.others else []


def _high(node: Node, shown: Mapping[str, Sequence[bytes]]) -> int:
    """The height of a node's box: less where there are no pictures."""
    return _TOP if not node.layer else _HIGH if shown[node.id] else _HIGH - _THUMB - 6


def _title(graph: Graph, width: int) -> list[str]:
    about = f"shares of each layer's relevance, mean over {graph.images:,} images"
    if graph.edge_images:
        about += f"; edges between layers over {graph.edge_images:,}"
    if graph.dropped_edges:
        about += f"; edges left out: {graph.dropped_edges:,}, with {_percent(graph.dropped)} of what passes"
    head = _lines(f"How “{graph.output}” comes about", 19, width - 2 * _EDGE, 1)
    return [_window(_EDGE, 10, width - 2 * _EDGE, 56), _text(0, 20, head[0], "head"), _text(0, 42, about), "</svg>"]


def _layer_names(graph: Graph, boxes: Sequence[Box]) -> list[str]:
    middle = {box.node.layer: box.y + box.high / 2 for box in boxes}
    parts = []
    for layer in graph.layers:
        lines = _lines(layer, 13, _LEFT - 16, 3)
        parts.append(_window(12, middle[layer] - 26, _LEFT - 16, 60))
        parts += [_text(0, 30 + 16 * at - 8 * (len(lines) - 1), line, "name") for at, line in enumerate(lines)]
        parts.append("</svg>")
    return parts


def _edges(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        edge = line.edge
        sign = "for" if edge.weight >= 0 else "against"
        sign += " others" if line.others else ""
        opacity = 0.4 + 0.4 * line.strength
        title = f"{edge.source} to {edge.target}: share {edge.weight:.3f}, {_percent(edge.part)} of what comes in"
        yield (
            f'<path class="edge {sign}" stroke-width="{line.thick:.1f}" stroke-opacity="{opacity:.2f}" '
            f'd="{line.path}"><title>{_safe(title)}</title></path>'
        )


def _box(box: Box, shown: Sequence[bytes], most: float) -> Iterator[str]:
    """A node: pictures, what it is called, a bar of its shares, and what a reader has to know."""
    node, inside = box.node, _WIDE - 24
    kind = "others" if node.others else "unlabelled" if node.unlabelled else "concept"
    tint = 0.0 if node.others else min(1.0, node.relevance / most) if most else 0.0
    colour = "#" + "".join(f"{round(255 - tint * (255 - full)):02x}" for full in _TINT)
    members = ", ".join(map(str, node.components[:20])) + (", …" if len(node.components) > 20 else "")
    yield f'<g class="{kind}">' + _window(box.x, box.y, _WIDE, box.high)
    yield f"<title>{_safe(f'{node.label}: {members}' if members else node.label)}</title>"
    yield f'<rect class="box" x="1" y="1" width="{_WIDE - 2}" height="{box.high - 2}" rx="9" fill="{colour}"/>'
    left = (_WIDE - len(shown) * (_THUMB + 4) + 4) / 2
    for at, picture in enumerate(shown):
        yield (
            f'<image x="{left + at * (_THUMB + 4):.1f}" y="9" width="{_THUMB}" height="{_THUMB}" '
            f'href="{data_url(picture)}"/>'
        )
    y = 9 + (_THUMB + 6 if shown else 0)
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
