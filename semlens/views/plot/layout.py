"""Where the boxes and edges of an attribution graph lie: rows of nodes ordered so that edges cross little.

The SVG picture and the page draw what is laid out here, each with its own sizes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from semlens.analysis import Edge, Graph, Node

SWEEPS = 12
"""Times that every row is ordered anew, upwards and downwards."""

_BETWEEN = 3  # pixels between edges on one side of a box


@dataclass(frozen=True)
class Sizes:
    """Lengths of a drawing in pixels. Rows follow each other from the input to the output, upwards or to the right."""

    wide: int  # of a box
    high: int
    output_high: int  # of the output's box
    gap: int  # between boxes of a row
    rise: int  # between rows that edges join
    apart: int  # between rows that no edge joins
    free: int  # of a box's side, where no edge begins or ends
    thin: float  # what is added to the width of every edge
    thick: float  # the width of the strongest, but for that
    left: int = 0  # where the drawing begins
    top: int = 0


@dataclass(frozen=True)
class Box:
    """Where a node is drawn: its upper left corner and its size."""

    node: Node
    x: float
    y: float
    wide: int
    high: int


@dataclass(frozen=True)
class Line:
    """How an edge is drawn."""

    edge: Edge
    thick: float
    strength: float  # |weight| by that of the strongest, in [0, 1]
    path: str  # as in SVG
    others: bool  # to or from all that got no node of its own


@dataclass(frozen=True)
class Layout:
    """A graph as it is drawn."""

    rows: tuple[tuple[Box, ...], ...]  # from the input to the output
    lines: tuple[Line, ...]  # the weakest first, so that the strongest lies on top
    width: int  # without what stands around it
    height: int


def layout(
    graph: Graph, sizes: Sizes, *, upwards: bool, room: int = 0, high: Callable[[Node], int] | None = None
) -> Layout:
    """Where each box and edge of a graph lies.

    Args:
        upwards: the output on top; else at the right.
        room: pixels that a row is centred in, if the widest row needs less.
        high: the height of a node's box where boxes differ; in its row it is centred.
    """
    ranks = ordered(graph)
    step = sizes.wide if upwards else sizes.high
    widest = max(max(map(len, ranks)) * (step + sizes.gap) - sizes.gap, room)
    starts, length = _depths(ranks, graph.edges, sizes, upwards=upwards)
    rows = []
    for depth, (start, rank) in enumerate(zip(starts, ranks, strict=True)):
        slot = sizes.output_high if depth == len(ranks) - 1 else sizes.high
        across = (widest - len(rank) * (step + sizes.gap) + sizes.gap) / 2
        row = []
        for place, node in enumerate(rank):
            over, tall = across + place * (step + sizes.gap), high(node) if high else slot
            x, y = (over, length - slot - start) if upwards else (start, over)
            y += (slot - tall) / 2
            row.append(Box(node, float(sizes.left + x), float(sizes.top + y), sizes.wide, tall))
        rows.append(tuple(row))
    lines = _lines(graph.edges, {box.node.id: box for row in rows for box in row}, sizes, upwards=upwards)
    width, height = (widest, length) if upwards else (length, widest)
    return Layout(tuple(rows), lines, width, height)


def ordered(graph: Graph) -> list[list[Node]]:
    """The nodes of every row, from the input up and from left to right, so that strong edges cross little: by the mean
    place of what they are joined to, in turns up and down. The others stand at the right."""
    rows = [[node for node in graph.nodes if node.layer == layer] for layer in (*graph.layers, "")]
    rows = [row for row in rows if row]
    best, least = rows, crossings(rows, graph.edges)
    for sweep in range(SWEEPS):
        rows = _swept(rows, graph.edges, up=bool(sweep % 2))
        if (crossed := crossings(rows, graph.edges)) < least:
            best, least = rows, crossed
    return best


def crossings(rows: Sequence[Sequence[Node]], edges: Sequence[Edge]) -> float:
    """The sum over every two edges that cross of the lesser one's |weight|."""
    total = 0.0
    for lower, upper in pairwise(rows):
        below, above = _places(lower), _places(upper)
        between = [edge for edge in edges if edge.source in below and edge.target in above]
        ends = np.array([(below[edge.source], above[edge.target], abs(edge.weight)) for edge in between]).reshape(-1, 3)
        start, end, weight = ends.T
        crossed = (start[:, None] < start) & (end[:, None] > end)
        total += float(np.minimum(weight[:, None], weight)[crossed].sum())
    return total


def _swept(rows: Sequence[Sequence[Node]], edges: Sequence[Edge], *, up: bool) -> list[list[Node]]:
    """The rows in order of what each node is joined to in the row below, or above; each row after its neighbour."""
    swept = [list(row) for row in rows]
    for depth in range(1, len(rows)) if up else range(len(rows) - 2, -1, -1):
        neighbours = _places(swept[depth - 1 if up else depth + 1])
        sums = {node.id: [0.0, 0.0] for node in swept[depth]}
        for edge in edges:
            own, other = (edge.target, edge.source) if up else (edge.source, edge.target)
            if own in sums and other in neighbours:
                sums[own][0] += abs(edge.weight) * neighbours[other]
                sums[own][1] += abs(edge.weight)
        places = _places(swept[depth])
        mean = {name: total / mass if mass else places[name] for name, (total, mass) in sums.items()}
        swept[depth].sort(key=lambda node: (node.others, mean[node.id]))
    return swept


def _places(row: Sequence[Node]) -> dict[str, float]:
    """Where each node of a row stands, in steps from the middle."""
    return {node.id: place - (len(row) - 1) / 2 for place, node in enumerate(row)}


def _depths(
    ranks: Sequence[Sequence[Node]], edges: Sequence[Edge], sizes: Sizes, *, upwards: bool
) -> tuple[list[int], int]:
    """How far from the input each row begins, and where the last one ends."""
    starts, end = [0], sizes.high if upwards else sizes.wide
    for depth, (lower, upper) in enumerate(pairwise(ranks), 1):
        sources, targets = {node.id for node in lower}, {node.id for node in upper}
        joined = any(edge.source in sources and edge.target in targets for edge in edges)
        starts.append(end + (sizes.rise if joined else sizes.apart))
        high = sizes.output_high if depth == len(ranks) - 1 else sizes.high
        end = starts[-1] + (high if upwards else sizes.wide)
    return starts, end


def _lines(edges: Sequence[Edge], boxes: Mapping[str, Box], sizes: Sizes, *, upwards: bool) -> tuple[Line, ...]:
    largest = max((abs(edge.weight) for edge in edges), default=0.0) or 1.0
    strength = {(edge.source, edge.target): abs(edge.weight) / largest for edge in edges}
    thick = {(edge.source, edge.target): sizes.thin + sizes.thick * abs(edge.weight) / largest for edge in edges}
    leave = _ports(thick, boxes, sizes, upwards=upwards, target=False)
    enter = _ports(thick, boxes, sizes, upwards=upwards, target=True)
    lines = []
    for edge in reversed(edges):
        key, source, target = (edge.source, edge.target), boxes[edge.source], boxes[edge.target]
        ends = (source.y, target.y + target.high) if upwards else (source.x + source.wide, target.x)
        path = _curve(leave[key], enter[key], *ends, upwards=upwards)
        lines.append(Line(edge, thick[key], strength[key], path, source.node.others or target.node.others))
    return tuple(lines)


def _ports(
    thick: Mapping[tuple[str, str], float], boxes: Mapping[str, Box], sizes: Sizes, *, upwards: bool, target: bool
) -> dict[tuple[str, str], float]:
    """Where on its box each edge begins, or ends: side by side, in the order of the boxes at the other end."""

    def side(box: Box) -> tuple[float, int]:
        return (box.x, box.wide) if upwards else (box.y, box.high)

    ports: dict[tuple[str, str], float] = {}
    for box in boxes.values():
        keys = [key for key in thick if key[target] == box.node.id]
        keys.sort(key=lambda key: side(boxes[key[not target]])[0])
        centres = np.cumsum([thick[key] + _BETWEEN for key in keys]) - [thick[key] / 2 + _BETWEEN for key in keys]
        span = sum(thick[key] + _BETWEEN for key in keys) - _BETWEEN
        start, long = side(box)
        squeeze = min(1.0, (long - sizes.free) / span) if keys else 1.0
        ports |= {
            key: start + long / 2 + squeeze * (float(centre) - span / 2)
            for key, centre in zip(keys, centres, strict=True)
        }
    return ports


def _curve(leave: float, enter: float, low: float, high: float, *, upwards: bool) -> str:
    """A path from one row to the next that leaves and enters at right angles; `low` and `high` are along the way."""
    middle = (low + high) / 2
    points = [(leave, low), (leave, middle), (enter, middle), (enter, high)]
    start, *rest = [f"{x:.1f} {y:.1f}" for x, y in (points if upwards else [(y, x) for x, y in points])]
    return f"M{start}C{' '.join(rest)}"
