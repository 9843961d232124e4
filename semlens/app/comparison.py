"""What two indexes or two layers share."""

from typing import Any

from semlens.analysis import Comparison, compare
from semlens.app.jobs import LONG, Job
from semlens.app.request import Answer, Call, as_json
from semlens.app.session import Opened
from semlens.errors import SemlensError
from semlens.types import Progress

_MAX_SIMILARITIES = 2_000_000_000  # that random sets may cost
_MIN_SETS, _MAX_SETS = 40, 200  # random sets


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

    return as_json(session.jobs.get(key, Job(0, "compare", "comparing"), run, lane=LONG))


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
        "by": result.by,
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
