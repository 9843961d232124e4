"""Where boxes and edges of a graph lie, on graphs small enough to lay out by hand."""

from collections.abc import Mapping, Sequence

import pytest

from semlens.analysis.graphs import OUTPUT, Edge, Graph, Node
from semlens.analysis.results import Rows
from semlens.views.plot import Sizes, layout

SIZES = Sizes(wide=100, high=40, output_high=40, gap=10, rise=60, apart=20, free=20, thin=1.0, thick=9.0, left=5, top=7)


def graph(layers: Mapping[str, Sequence[str]], edges: Mapping[tuple[str, str], float]) -> Graph:
    """A graph of such nodes, a name that starts with "others" being those of its layer."""
    nodes = [
        Node(name, layer, name, False, name.startswith("others"), (), 0.5, 0.4, 0.6, 0.0, ())
        for layer, names in {**layers, "": [OUTPUT]}.items()
        for name in names
    ]
    links = sorted((Edge(*ends, weight, 1.0) for ends, weight in edges.items()), key=lambda edge: -abs(edge.weight))
    return Graph("ox", 10, 10, tuple(layers), Rows(nodes, "nodes"), Rows(links, "edges"), 0.0, 0)


SMALL = graph({"a": ["p", "q"], "b": ["r"]}, {("p", "r"): 0.5, ("q", "r"): -0.25, ("r", OUTPUT): 1.0})


def test_rows_lie_from_left_to_right() -> None:
    found = layout(SMALL, SIZES, upwards=False)
    places = {box.node.id: (box.x, box.y) for row in found.rows for box in row}
    assert places == {"p": (5, 7), "q": (5, 57), "r": (165, 32), OUTPUT: (325, 32)}
    assert (found.width, found.height) == (3 * 100 + 2 * 60, 2 * 40 + 10)


def test_rows_lie_from_the_bottom_up() -> None:
    found = layout(SMALL, SIZES, upwards=True)
    places = {box.node.id: (box.x, box.y) for row in found.rows for box in row}
    assert places == {"p": (5, 207), "q": (115, 207), "r": (60, 107), OUTPUT: (60, 7)}
    assert (found.width, found.height) == (2 * 100 + 10, 3 * 40 + 2 * 60)


def test_edges_run_side_by_side_between_the_boxes_as_wide_as_they_weigh() -> None:
    found = layout(SMALL, SIZES, upwards=False)
    lines = {(line.edge.source, line.edge.target): line for line in found.lines}
    assert [line.edge.weight for line in found.lines] == [-0.25, 0.5, 1.0]
    assert {ends: (line.thick, line.strength) for ends, line in lines.items()} == {
        ("p", "r"): (5.5, 0.5),
        ("q", "r"): (3.25, 0.25),
        ("r", OUTPUT): (10.0, 1.0),
    }
    # on the left side of r: 5.5 of p's, 3 between, 3.25 of q's, in all 11.75 around its middle at 52
    assert lines["p", "r"].path == "M105.0 27.0C135.0 27.0 135.0 48.9 165.0 48.9"
    assert lines["q", "r"].path == "M105.0 77.0C135.0 77.0 135.0 56.2 165.0 56.2"
    assert lines["r", OUTPUT].path == "M265.0 52.0C295.0 52.0 295.0 52.0 325.0 52.0"


def test_edges_that_are_too_many_for_a_side_are_squeezed_into_it() -> None:
    names = [f"n{at}" for at in range(5)]
    found = layout(graph({"a": names}, {(name, OUTPUT): 1.0 for name in names}), SIZES, upwards=False)
    top = next(box for row in found.rows for box in row if box.node.id == OUTPUT).y
    ends = sorted(float(line.path.rpartition(" ")[2]) for line in found.lines)
    assert ends[0] >= top + SIZES.free / 2
    assert ends[-1] <= top + SIZES.high - SIZES.free / 2
    assert ends[-1] - ends[0] > 10


def test_rows_that_no_edge_joins_lie_closer() -> None:
    found = layout(graph({"a": ["p"], "b": ["r"]}, {("r", OUTPUT): 1.0}), SIZES, upwards=False)
    assert [row[0].x for row in found.rows] == [5, 125, 285]


def test_a_row_is_ordered_so_that_edges_do_not_cross_and_the_others_come_last() -> None:
    edges = {("p", "s"): 1.0, ("q", "r"): 1.0, ("others", "r"): 0.1, ("r", OUTPUT): 0.5, ("s", OUTPUT): 0.4}
    found = layout(graph({"a": ["p", "q", "others"], "b": ["r", "s"]}, edges), SIZES, upwards=True)
    first, second, _ = ([box.node.id for box in row] for row in found.rows)
    assert first[2] == "others"
    assert (first[:2], second) in ((["p", "q"], ["s", "r"]), (["q", "p"], ["r", "s"]))
    assert [line.others for line in found.lines] == [line.edge.source == "others" for line in found.lines]


@pytest.mark.parametrize(("room", "x"), [(0, 5), (300, 105)])
def test_a_row_is_centred_in_the_room_there_is(room: int, x: int) -> None:
    found = layout(graph({"a": ["p"]}, {("p", OUTPUT): 1.0}), SIZES, upwards=True, room=room)
    assert found.rows[0][0].x == x
    assert found.width == max(room, 100)


def test_lower_boxes_lie_in_the_middle_of_their_row() -> None:
    found = layout(SMALL, SIZES, upwards=True, high=lambda node: 20 if node.id == "r" else 40)
    (box,) = found.rows[1]
    assert (box.y, box.high) == (107 + 10, 20)
    line = next(line for line in found.lines if line.edge.source == "r")
    assert line.path.startswith(f"M{110:.1f} {117:.1f}")
