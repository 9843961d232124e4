"""How a class comes about, and what indexes or layers share."""

from typing import Any

from semlens.analysis.compare import Comparison, compare
from semlens.analysis.graph import graph
from semlens.app.foundation_proxy import labels_if_any
from semlens.app.jobs import Job
from semlens.app.request import Answer, Call, as_json
from semlens.app.session import Opened
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Component, Progress

MAX_ROWS = 500
"""Components that a node lists, at most."""

_MAX_SIMILARITIES = 2_000_000_000  # that random sets may cost
_MIN_SETS, _MAX_SETS = 40, 200  # random sets


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
        node_link = _with_edges(call, target, layers, labelled=labels is not None)
    else:
        node_link = graph(opened.index, target, labels=labels, layers=layers).node_link()
    return as_json(payload(opened.index, node_link) | {"edges_possible": possible})


def comparison(call: Call) -> Answer:
    """What two indexes share or, of one index, two layers: `a` and `b`."""
    session, query = call.session, call.request.query
    if len(session.opened) == 2:
        sides = [(opened, query.get(name)) for opened, name in zip(session.opened, "ab", strict=True)]
    else:
        layers = [axis.layer for axis in session.opened[0].index.layers]
        sides = [(session.opened[0], query.get("a", layers[0])), (session.opened[0], query.get("b", layers[-1]))]
        if sides[0][1] == sides[1][1]:
            raise SemlensError("choose two different layers, or serve two indexes: `semlens serve A B`")
    key = ("compare", *(layer for _, layer in sides))

    def run(progress: Progress) -> dict[str, Any]:
        progress("holding components against each other and against chance", 0, 0)
        return _compared(sides)

    return as_json(session.jobs.get(key, Job(0, "compare", "comparing"), run))


def payload(index: ConceptIndex, node_link: dict[str, Any]) -> dict[str, Any]:
    """A node-link graph as the page shows it: components by their rows."""
    nodes = []
    for node in node_link["nodes"]:
        rows = [index.row(Component.parse(name)) for name in node["components"][:MAX_ROWS]]
        nodes.append({name: value for name, value in node.items() if name != "components"} | {"rows": rows})
    return node_link["graph"] | {"nodes": nodes, "links": node_link["links"]}


def _with_edges(call: Call, target: int, layers: list[str], *, labelled: bool) -> dict[str, Any]:
    opened, session = call.opened, call.session
    assert opened.images is not None
    arguments = {
        "index": str(opened.folder), "model": opened.model, "images": opened.images.source, "of": target,
        "layers": layers, "labelled": labelled,
    }  # fmt: skip

    def run(progress: Progress) -> dict[str, Any]:
        node_link: dict[str, Any] = session.model.ask("edges", progress, **arguments).metadata["graph"]
        return node_link

    key = ("edges", opened.number, target, labelled, *layers)
    return session.jobs.get(key, Job(opened.number, "edges", "computing what passes between layers"), run)


def _compared(sides: list[tuple[Opened, str | None]]) -> dict[str, Any]:
    layers = [[layer] if layer else [] for _, layer in sides]
    sizes = [
        sum(axis.components for axis in opened.index.layers if layer in (None, axis.layer)) for opened, layer in sides
    ]
    draws = min(_MAX_SETS, max(_MIN_SETS, _MAX_SIMILARITIES // max(1, sizes[0] * sizes[1])))
    result = compare([opened.index for opened, _ in sides], draws=draws, layers=layers)
    numbers = [opened.number for opened, _ in sides]
    return {
        "sides": [
            {"index": number, "name": side.name, "layers": side.layers, "components": len(side.rows)}
            for number, side in zip(numbers, result.sides, strict=True)
        ],
        "pairs": result.pairs.records(),
        "matches": _matches(result),
        "draws": draws,
    }


def _matches(result: Comparison) -> list[dict[str, Any]]:
    records = []
    for direction in result.directions:
        source, shared = result.sides[direction.source], direction.shared
        for n, row in enumerate(source.rows.tolist()):
            records.append(
                {
                    "from": direction.source,
                    "row": row,
                    "to": direction.target,
                    "match": int(direction.match[n]),
                    "similarity": float(direction.similarity[n]),
                    "q_value": float(direction.q_value[n]),
                    "shared": bool(shared[n]),
                }
            )
    return sorted(records, key=lambda record: -record["similarity"])
