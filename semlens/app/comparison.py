"""What two indexes or two layers share."""

from collections.abc import Sequence
from typing import Any

from semlens.analysis import Comparison, LabelChange, Probes, compare, probe
from semlens.app.foundation_proxy import FoundationProxy, labels_if_any
from semlens.app.jobs import LONG, Job
from semlens.app.request import Answer, Call, as_json
from semlens.app.session import Opened
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
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
    first = Call(session, call.request, {"i": str(sides[0][0].number)})
    labels = labels_if_any(first)
    phrases = labels.vocabulary if labels is not None else ()

    def run(progress: Progress) -> dict[str, Any]:
        words, why = _words(first, phrases, progress)
        progress("holding components against each other and against chance", 0, 0)
        return _compared(sides, words, session.untrained) | {"no_changes": why}

    return as_json(session.jobs.get(key, Job(0, "compare", "comparing"), run, lane=LONG))


def _words(call: Call, phrases: Sequence[str], progress: Progress) -> tuple[Probes | None, str]:
    """The phrases that the first side is labelled by, to say what changed label by label; else why that is not told."""
    if not phrases:
        return None, "no labels are stored in the first index: `semlens label INDEX --vocabulary FILE --save`"
    try:
        return probe(FoundationProxy(call, progress), phrases), ""
    except SemlensError as fault:
        return None, str(fault)


def _compared(sides: list[tuple[Opened, str | None]], words: Probes | None, twin: Opened | None) -> dict[str, Any]:
    layers = [[layer] if layer else [] for _, layer in sides]
    sizes = [
        sum(axis.components for axis in opened.index.layers if layer in (None, axis.layer)) for opened, layer in sides
    ]
    draws = min(_MAX_SETS, max(_MIN_SETS, _MAX_SIMILARITIES // max(1, sizes[0] * sizes[1])))
    untrained = None if twin is None else twin.index
    indexes = [opened.index for opened, _ in sides]
    result = compare(indexes, draws=draws, layers=layers, untrained=untrained, vocabulary=words)
    numbers = [opened.number for opened, _ in sides]
    return {
        "sides": [
            {"index": number, "name": side.name, "layers": side.layers, "components": len(side.rows)}
            for number, side in zip(numbers, result.sides, strict=True)
        ],
        "pairs": result.pairs.records(),
        "matches": _matches(result),
        "changes": [] if words is None else [_change(one, indexes) for one in result.changes],
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


def _change(change: LabelChange, indexes: list[ConceptIndex]) -> dict[str, Any]:
    """What became of a label, its components by their rows in the index of `side`."""
    side = 0 if change.before else 1
    shown = {name: value for name, value in vars(change).items() if name not in ("source", "target", "components")}
    return shown | {"side": side, "rows": [indexes[side].row(component) for component in change.components]}
