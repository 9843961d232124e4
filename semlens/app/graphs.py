"""How a class comes about: its concept graph, laid out for the page."""

from typing import Any

from semlens.analysis import Graph, graph
from semlens.app.foundation_proxy import labels_if_any
from semlens.app.jobs import LONG, Job
from semlens.app.request import Answer, Call, as_json
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Progress
from semlens.views.plot import Sizes, layout

MAX_ROWS = 500
"""Components that a node lists, at most."""

_WIDE, _HIGH, _GAP = 216, 92, 16  # of a box; between boxes
_MARGIN = 16  # beside it, the names of the layers take 34 pixels above or 112 at the left
_SIZES = {
    "right": Sizes(_WIDE, _HIGH, _HIGH, _GAP, 120, 32, free=20, thin=1.2, thick=18.0, left=_MARGIN, top=_MARGIN + 34),
    "up": Sizes(_WIDE, _HIGH, _HIGH, _GAP, 100, 32, free=20, thin=1.2, thick=18.0, left=_MARGIN + 112, top=_MARGIN),
}


def class_graph(call: Call) -> Answer:
    """The concept graph of a class: `class`, `layers` by commas, `edges` 1 for what passes between layers."""
    opened, query = call.opened, call.request.query
    if not query.get("class", "").isdecimal():
        raise SemlensError("give the class by its number")
    target = int(query["class"][:9])
    layers = [name for name in query.get("layers", "").split(",") if name]
    labels = labels_if_any(call)
    possible = opened.model is not None and opened.images is not None
    if query.get("edges") == "1" and possible:
        shown = _with_edges(call, target, layers, labelled=labels is not None)
    else:
        shown = payload(opened.index, graph(opened.index, target, labels=labels, layers=layers))
    return as_json(shown | {"edges_possible": possible})


def payload(index: ConceptIndex, drawn: Graph) -> dict[str, Any]:
    """A graph as the page shows it: components by their rows, and where everything lies, from left to right and up."""
    node_link, nodes = drawn.node_link(), []
    for node, record in zip(drawn.nodes, node_link["nodes"], strict=True):
        fields = {name: value for name, value in record.items() if name != "components"}
        nodes.append(fields | {"rows": [index.row(component) for component in node.components[:MAX_ROWS]]})
    layouts = {way: _placed(drawn, way) for way in _SIZES}
    return node_link["graph"] | {"nodes": nodes, "links": node_link["links"], "layouts": layouts}


def _placed(drawn: Graph, way: str) -> dict[str, Any]:
    """A layout, its boxes and lines by the numbers of their nodes and links."""
    sizes = _SIZES[way]
    placed = layout(drawn, sizes, upwards=way == "up")
    node = {node.id: number for number, node in enumerate(drawn.nodes)}
    link = {(edge.source, edge.target): number for number, edge in enumerate(drawn.edges)}
    return {
        "width": sizes.left + placed.width + _MARGIN,
        "height": sizes.top + placed.height + _MARGIN,
        "box": [_WIDE, _HIGH],
        "ranks": [[{"node": node[box.node.id], "x": box.x, "y": box.y} for box in row] for row in placed.rows],
        "lines": [
            {
                "link": link[line.edge.source, line.edge.target],
                "thick": line.thick,
                "strength": line.strength,
                "others": line.others,
                "path": line.path,
            }
            for line in placed.lines
        ],
    }


def _with_edges(call: Call, target: int, layers: list[str], *, labelled: bool) -> dict[str, Any]:
    opened, session = call.opened, call.session
    assert opened.images is not None
    arguments = {
        "index": str(opened.folder), "model": opened.model, "images": opened.images.source, "of": target,
        "layers": layers, "labelled": labelled,
    }  # fmt: skip

    def run(progress: Progress) -> dict[str, Any]:
        shown: dict[str, Any] = session.model.ask("edges", progress, **arguments).metadata["graph"]
        return shown

    key = ("edges", opened.number, target, labelled, *layers)
    return session.jobs.get(key, Job(opened.number, "edges", "computing what passes between layers"), run, lane=LONG)
