"""How a class comes about, and what indexes or layers share."""

from typing import Any

from semlens.analysis.compare import Comparison
from semlens.analysis.compare import compare as hold
from semlens.analysis.graph import graph as connect
from semlens.app.answer import Answer, Job, as_json
from semlens.app.asked import Asked
from semlens.app.session import Opened, Session
from semlens.app.stored import labels_if_any
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import Component, Progress

OTHERS = 500
"""Components that a node lists, at most."""

_CELLS = 2_000_000_000  # similarities that random sets may cost
_DRAWS = 40, 200  # random sets, at least and at most


def graph(asked: Asked) -> Answer:
    """The concept graph of a class: `class`, `layers` by commas, `edges` 1 for what passes between layers."""
    session, opened, query = asked.session, asked.opened, asked.request.query
    if not query.get("class", "").isdecimal():
        raise SemlensError("give the class by its number")
    of = int(query["class"][:9])
    layers = [name for name in query.get("layers", "").split(",") if name]
    labels = labels_if_any(session, opened)
    possible = opened.model is not None and opened.images is not None
    if query.get("edges") == "1" and possible:
        found = _with_edges(session, opened, of, layers, labelled=labels is not None)
    else:
        found = connect(opened.index, of, labels=labels, layers=layers).node_link()
    return as_json(_told(opened.index, found) | {"edges_possible": possible})


def compare(asked: Asked) -> Answer:
    """What two indexes share or, of one index, two layers: `a` and `b`."""
    session, query = asked.session, asked.request.query
    if len(session.opened) == 2:
        sides = [(one, query.get(name)) for one, name in zip(session.opened, "ab", strict=True)]
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


def _with_edges(session: Session, opened: Opened, of: int, layers: list[str], *, labelled: bool) -> dict[str, Any]:
    assert opened.images is not None
    what = {
        "index": str(opened.folder), "model": opened.model, "images": opened.images.source, "of": of, "layers": layers,
        "labelled": labelled,
    }  # fmt: skip

    def run(progress: Progress) -> dict[str, Any]:
        found: dict[str, Any] = session.studied.ask("edges", progress, **what).told["graph"]
        return found

    key = ("edges", opened.number, of, labelled, *layers)
    return session.jobs.get(key, Job(opened.number, "edges", "computing what passes between layers"), run)


def _told(index: ConceptIndex, found: dict[str, Any]) -> dict[str, Any]:
    nodes = []
    for node in found["nodes"]:
        rows = [index.row(Component.parse(name)) for name in node["components"][:OTHERS]]
        nodes.append({name: value for name, value in node.items() if name != "components"} | {"rows": rows})
    return found["graph"] | {"nodes": nodes, "links": found["links"]}


def _compared(sides: list[tuple[Opened, str | None]]) -> dict[str, Any]:
    layers = [[layer] if layer else [] for _, layer in sides]
    sizes = [sum(axis.components for axis in one.index.layers if layer in (None, axis.layer)) for one, layer in sides]
    draws = min(_DRAWS[1], max(_DRAWS[0], _CELLS // max(1, sizes[0] * sizes[1])))
    found = hold([one.index for one, _ in sides], draws=draws, layers=layers)
    numbers = [one.number for one, _ in sides]
    return {
        "sides": [
            {"index": number, "name": side.name, "layers": side.layers, "components": len(side.rows)}
            for number, side in zip(numbers, found.sides, strict=True)
        ],
        "pairs": found.pairs.records(),
        "matches": _matches(found),
        "draws": draws,
    }


def _matches(found: Comparison) -> list[dict[str, Any]]:
    rows = []
    for way in found.directions:
        source, shared = found.sides[way.source], way.shared
        for n, row in enumerate(source.rows.tolist()):
            rows.append(
                {
                    "from": way.source,
                    "row": row,
                    "to": way.target,
                    "match": int(way.match[n]),
                    "similarity": float(way.similarity[n]),
                    "q_value": float(way.q_value[n]),
                    "shared": bool(shared[n]),
                }
            )
    return sorted(rows, key=lambda one: -one["similarity"])
