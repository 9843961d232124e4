from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from math import isnan
from typing import Any
from xml.etree import ElementTree

import networkx
import numpy as np
import pytest

from semlens.analysis.graphs.relevance_graph import Affected, Edge, Graph, Wanted, graph, wanted
from semlens.analysis.labels.labelling import Labels
from semlens.attribution.classes import relevance
from semlens.attribution.edges import edges
from semlens.collection.collect import collect
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex
from semlens.index.records import Thumbnails
from semlens.pipeline.embed import embed
from semlens.types import MISSING, SHARE_UNIT, Edges, Origin, Relevance, axis_of
from semlens.views.plot.graph import graph_svg
from semlens.views.plot.layout import crossings, ordered
from tests.analysis.test_search import FM, random_index, toy_index
from tests.planted import BY_HAND, planted, with_relevance
from tests.tiny_index import tiny, whole
from tests.toy import colours, flat_images

SVG = "{http://www.w3.org/2000/svg}"


def with_shares(
    index: ConceptIndex, positive: np.ndarray, negative: np.ndarray, names: tuple[str, ...], count: int = 64
) -> ConceptIndex:
    """The index with these mean shares, of outputs 10, 11, ..."""
    recipe, y = index.recipe, len(names)
    images = recipe.images
    slots = np.full((len(index.rows), 1), MISSING, np.int32)
    made = Relevance(
        origin=Origin(
            "toy", recipe.model.fingerprint, recipe.model.preprocess, "", images.fingerprint, images.count, "float32"
        ),
        layers=index.layers,
        method="gradient",
        parameters={},
        of="label",
        classes=tuple(range(10, 10 + y)),
        class_names=names,
        positive=np.round(positive * count * SHARE_UNIT).astype(np.int64),
        negative=np.round(negative * count * SHARE_UNIT).astype(np.int64),
        top=np.zeros(positive.shape, np.int64),
        counts=np.full(y, count),
        beside=(),
        passing=np.zeros((0, y), np.int64),
        ids=slots,
        shares=np.full(slots.shape, -np.inf, np.float32),
        seen=((0, images.count),),
        unreadable=(),
    )
    return index.with_relevance(made)


def labelled(index: ConceptIndex, words: list[str | None]) -> Labels:
    """Labels by hand, None where none fits."""
    vocabulary = tuple(dict.fromkeys(word for word in words if word)) or ("thing",)
    ranked = np.array([[vocabulary.index(word) if word else 0] for word in words], np.int32)
    c = len(words)
    q = np.array([0.01 if word else 0.9 for word in words])
    flat = np.zeros(c, np.float32)
    return Labels(index, vocabulary, BY_HAND, ranked, flat[:, None], q, q, flat, {})


def ox(words: tuple[str | None, ...] = ("wheel", None, "wheel", "grass", "cart", "cart", None)) -> tuple:
    """Layer a of 4 components below layer b of 3, in two outputs of which 10 is "ox"; the labels; edges of b:0, b:1."""
    index = replace(random_index(7, 3, 0), layers=axis_of([("a", "channels", 4), ("b", "channels", 3)]))
    pictures = Thumbnails.pack([f"picture {i}".encode() for i in range(len(toy_index().vectors))])
    index = replace(
        index,
        rows=np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, MISSING], [5, 0], [0, 2]], np.int32),
        read_unit_names=lambda: (None,) * 7,
        read_thumbnails=lambda: pictures,
    )
    positive = np.array([[0.375, 0.3, 0.125, 0.125, 0.25, 0.5, 0.01], [0.05, 0, 0.02, 0, 0.1, 0.2, 0]]).T
    negative = np.array([[0, 0.015, 0.06, 0, 0, 0.04, 0.2], [0, 0, 0, 0, 0, 0, 0]]).T
    index = with_shares(index, positive, negative, ("ox", "horse"))
    weights = np.array([[0.25, 0.02, -0.05, 0.125], [0.05, -0.01, -0.125, 0.25]], np.float32)
    return index, labelled(index, list(words)), Edges("b", "a", 10, (0, 1), np.zeros(2, np.float32), weights, 8)


INDEX_OX, LABELS, EDGES = ox()


def test_a_graph_by_hand() -> None:
    found = graph(INDEX_OX, "ox", labels=LABELS, edges=[EDGES], layers=["a", "b"])
    assert [(n.layer, n.label, n.unlabelled, n.others, list(map(str, n.components))) for n in found.nodes] == [
        ("a", "wheel", False, False, ["a:0", "a:2"]),
        ("a", "a:1", True, False, ["a:1"]),
        ("a", "grass", False, False, ["a:3"]),
        ("b", "cart", False, False, ["b:1", "b:0"]),
        ("b", "1 other", False, True, ["b:2"]),
        ("", "ox", False, False, []),
    ]
    assert [n.relevance for n in found.nodes] == pytest.approx([0.5, 0.3, 0.125, 0.75, 0.01, 0.76])
    assert [n.against for n in found.nodes] == pytest.approx([0.06, 0.015, 0, 0.04, 0.2, 0.24])
    assert [n.id for n in found.nodes] == ['a "wheel"', "a:1", 'a "grass"', 'b "cart"', "b others", "output"]
    # 0.25 + 0.05 - 0.05 - 0.125 reach the wheels through the carts, 0.125 + 0.25 the grass; 0.01 of 0.51 is too little
    expected = [
        ('b "cart"', "output", 0.71, 0.71 / 0.9),
        ('a "grass"', 'b "cart"', 0.375, 0.375 / 0.51),
        ("b others", "output", -0.19, 0.19 / 0.9),
        ('a "wheel"', 'b "cart"', 0.125, 0.125 / 0.51),
    ]
    assert [(e.source, e.target) for e in found.edges] == [(source, target) for source, target, *_ in expected]
    assert [[e.weight, e.part] for e in found.edges] == [pytest.approx(list(rest)) for _, _, *rest in expected]
    assert (found.dropped_edges, found.dropped) == (1, pytest.approx(0.01 / 0.51))
    assert (found.output, found.images, found.edge_images, found.layers) == ("ox", 64, 8, ("a", "b"))
    assert [[(a.output, round(a.relevance, 6)) for a in n.affected] for n in found.nodes] == [
        [("horse", 0.07)], [], [], [("horse", 0.3)], [], [],
    ]  # fmt: skip


def test_an_edge_that_speaks_against() -> None:
    negative = replace(EDGES, weights=-EDGES.weights)
    found = graph(INDEX_OX, 10, labels=LABELS, edges=[negative])
    assert found.edges[1] == Edge('a "grass"', 'b "cart"', -0.375, found.edges[1].part)
    assert 'class="edge against"' in graph_svg(found, INDEX_OX)


def test_without_labels_every_component_is_its_own() -> None:
    found = graph(INDEX_OX, "ox", least=0.0)
    assert [n.id for n in found.nodes] == ["a:0", "a:1", "a:2", "a:3", "b:1", "b:0", "b:2", "output"]
    assert not any(n.unlabelled or n.others for n in found.nodes)
    assert isnan(found.dropped)
    assert found.edge_images == found.dropped_edges == 0
    named = replace(INDEX_OX, read_unit_names=lambda: ("stripes", *[None] * 6))
    assert graph(named, "ox").nodes[0].label == "stripes"


def test_what_is_wanted() -> None:
    assert wanted(INDEX_OX, "ox", labels=LABELS) == [Wanted("b", "a", (0, 1))]
    assert wanted(INDEX_OX, "ox", least=0.0) == [Wanted("b", "a", (0, 1, 2))]
    assert wanted(INDEX_OX, "ox", most=1) == [Wanted("b", "a", (1,))]
    assert wanted(INDEX_OX, "ox", layers=["b"]) == []
    assert wanted(INDEX_OX, "ox", layers=["b", "a"], most=2) == [Wanted("a", "b", (0, 1))]


def test_a_layer_without_relevance_is_one_node_of_others() -> None:
    nothing = with_shares(INDEX_OX, np.zeros((7, 1)), np.zeros((7, 1)), ("ox",))
    found = graph(nothing, "ox", labels=labelled(nothing, ["wheel"] * 7))
    assert [(n.label, n.relevance) for n in found.nodes] == [("4 others", 0), ("3 others", 0), ("ox", 0)]
    assert wanted(nothing, "ox") == []
    assert "3 others" in graph_svg(found, nothing)


def test_a_label_is_never_taken_for_something_else() -> None:
    index, labels, found = ox(("a:1", None, "others", "a others", "output", "output", None))
    ids = [n.id for n in graph(index, "ox", labels=labels, edges=[found]).nodes]
    assert len(set(ids)) == len(ids) == 7


def at_random(seed: int) -> tuple[ConceptIndex, Labels, list[Edges]]:
    """Three layers, labels of four words, outputs 10 to 12, edges of every component of an upper layer."""
    rng = np.random.default_rng(seed)
    index = replace(
        random_index(60, 4, seed), layers=axis_of([("x", "channels", 20), ("y", "channels", 25), ("z", "channels", 15)])
    )
    index = replace(index, read_unit_names=lambda: (None,) * 60)
    shares = rng.exponential(size=(60, 3)) ** 2 / 200
    index = with_shares(index, shares, rng.exponential(size=(60, 3)) / 300, ("p", "q", ""))
    words = [("cat", "dog", "sky", "tree", None, None)[at] for at in rng.integers(6, size=60)]
    made = [
        Edges(upper, lower, 12, tuple(range(a)), np.zeros(a, np.float32), rng.normal(size=(a, c)).astype(np.float32), 5)
        for upper, lower, a, c in (("z", "y", 15, 25), ("y", "x", 25, 20))
    ]
    return index, labelled(index, words), made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("least", "most"), [(0.02, 12), (0.0, 100), (0.1, 3), (0.05, 1)])
def test_grouping_and_edges_against_loops(seed: int, least: float, most: int) -> None:
    index, labels, made = at_random(seed)
    found = graph(index, 12, labels=labels, edges=made, least=least, most=most)
    shares, against = index.relevance.positive[:, 2].tolist(), index.relevance.negative[:, 2].tolist()
    expected: dict[str, list[float]] = {}
    group_of: dict[int, str] = {}
    for axis in index.layers:
        sums: defaultdict[str, float] = defaultdict(float)
        for row in range(axis.start, axis.stop):
            word = labels.vocabulary[labels.ranked[row, 0]] if labels.q_value[row] <= 0.05 else None
            group_of[row] = f'{axis.layer} "{word}"' if word else f"{axis.layer}:{row - axis.start}"
            sums[group_of[row]] += shares[row]
        best = sorted(sums, key=lambda key: -sums[key])[:most]
        kept = {key for key in best if sums[key] >= least * sum(sums.values())}
        for row in range(axis.start, axis.stop):
            group_of[row] = group_of[row] if group_of[row] in kept else f"{axis.layer} others"
            before = expected.setdefault(group_of[row], [0.0, 0.0])
            expected[group_of[row]] = [before[0] + shares[row], before[1] + against[row]]
    assert {n.id: [n.relevance, n.against] for n in found.nodes if n.layer} == {
        key: pytest.approx(values) for key, values in expected.items()
    }
    flows: defaultdict[tuple[str, str], float] = defaultdict(float)
    for one in made:
        for a, unit in enumerate(one.units):
            for c in range(one.weights.shape[1]):
                upper, lower = index.layer_slice(one.upper).start + unit, index.layer_slice(one.lower).start + c
                flows[group_of[lower], group_of[upper]] += float(one.weights[a, c])
    mass: defaultdict[str, float] = defaultdict(float)
    for (_, target), weight in flows.items():
        mass[target] += abs(weight)
    strong = {key: weight for key, weight in flows.items() if abs(weight) >= least * mass[key[1]]}
    between = {(e.source, e.target): e.weight for e in found.edges if e.target != "output"}
    assert between == {key: pytest.approx(weight, abs=1e-5) for key, weight in strong.items()}
    lost = sum(abs(weight) for key, weight in flows.items() if key not in strong)
    assert found.dropped == pytest.approx(lost / sum(map(abs, flows.values())), abs=1e-6)
    assert found.dropped_edges == len(flows) - len(strong)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost(seed: int) -> None:
    """What is kept and the others are together the layer; edges into a node are what its components pass on."""
    index, labels, made = at_random(seed)
    found = graph(index, 12, labels=labels, edges=made, least=0.0, most=4)
    for axis in index.layers:
        nodes = [n for n in found.nodes if n.layer == axis.layer]
        part = slice(axis.start, axis.stop)
        assert sum(n.relevance for n in nodes) == pytest.approx(index.relevance.positive[part, 2].sum(), rel=1e-6)
        assert sum(n.against for n in nodes) == pytest.approx(index.relevance.negative[part, 2].sum(), rel=1e-6)
        assert sorted(c.unit for n in nodes for c in n.components) == list(range(axis.components))
    assert found.dropped == 0
    for node in (n for n in found.nodes if n.layer in ("y", "z")):
        whole = {one.upper: one.weights for one in made}[node.layer][[c.unit for c in node.components]].sum()
        assert sum(e.weight for e in found.edges if e.target == node.id) == pytest.approx(float(whole), abs=1e-4)
    out = sum(e.weight for e in found.edges if e.target == "output")
    assert out == pytest.approx(found.nodes[-1].relevance - found.nodes[-1].against)


def test_the_edges_of_a_model() -> None:
    """Channel i of `act` is channel i of `conv`, and output "red" is red alone."""
    model = colours()
    images = flat_images([(250, 100, 10), (200, 0, 30), (10, 250, 10), (0, 200, 0)])
    index = embed(collect(model, images, ["conv", "act", "fc"], k=2), images, FM)
    index = index.with_relevance(relevance(model, images, ["conv", "act", "fc"], ["red", "not red"], of="all", k=2))
    (ask,) = wanted(index, "red")
    assert (ask.upper, ask.lower, ask.units) == ("act", "conv", (0,))
    made = edges(model, images, [0, 1], "red", ask.upper, ask.lower, ask.units)
    found = graph(index, "red", edges=[made])
    assert [n.label for n in found.nodes] == ["conv:0", "2 others", "act:0", "2 others", "red"]
    links = {(e.source, e.target): e.weight for e in found.edges if e.weight}
    assert links == {("conv:0", "act:0"): 1, ("act:0", "output"): 0.75}  # on the last image there is no red
    assert found.nodes[2].affected == ()  # it speaks against "not red"


def test_it_is_read_by_networkx() -> None:
    found = graph(INDEX_OX, "ox", labels=LABELS, edges=[EDGES])
    read = networkx.node_link_graph(found.node_link(), edges="links")
    assert set(read) == {n.id for n in found.nodes}
    assert {(a, b, w) for a, b, w in read.edges(data="weight")} == {(e.source, e.target, e.weight) for e in found.edges}
    assert read.nodes['a "wheel"']["components"] == ["a:0", "a:2"]
    assert read.graph["output"] == "ox"
    assert networkx.has_path(read, 'a "grass"', "output")
    assert graph(INDEX_OX, "ox").node_link()["graph"]["dropped"] is None  # JSON has no NaN


def test_the_rows_show_the_strongest_member() -> None:
    found = graph(INDEX_OX, "ox", labels=LABELS, edges=[EDGES])
    page = found.nodes[3:4]._repr_html_()
    assert "cGljdHVyZSA1" in page  # "picture 5", of b:1
    assert "cGljdHVyZSA0" not in page  # "picture 4", of b:0
    assert "<img" not in found.nodes[4:]._repr_html_()  # the others and the output
    assert found.edges.title == "what passes between concepts (edges left out: 1)"
    assert 'b "cart"' in repr(found)
    assert found.nodes.records()[3]["affected"] == [{"output": "horse", "relevance": pytest.approx(0.3)}]
    assert isinstance(found.nodes[3].affected[0], Affected)


def test_an_output_without_relevance_and_a_tiny_one() -> None:
    with pytest.raises(SemlensError, match="no relevance"):
        graph(tiny(), "zebra")
    with pytest.raises(SemlensError, match="no image counted for 'çat'"):
        graph(whole(), "çat")
    found = graph(whole(), 4)  # two images: 1/2 and 1/4 for layer1:0, -1/2 and 3/4 for layer1:1
    assert [(n.id, n.relevance, n.against) for n in found.nodes] == [
        ("layer1:0", 0.375, 0), ("layer1:1", 0.375, 0.25), ("output", 0.75, 0.25),
    ]  # fmt: skip


def test_mistakes() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"layers": ["a", "c"]}, "unknown layer 'c'"),
        ({"layers": ["a", "a"]}, "named twice"),
        ({"least": 1.5}, "least is 1.5"),
        ({"most": 0}, "most is 0"),
        ({"layers": ["b", "a"]}, "not of neighbouring layers"),
        ({"edges": [EDGES, EDGES]}, "given twice"),
        ({"edges": [replace(EDGES, target=11)]}, "for output 11, the graph is for 10"),
        ({"edges": [replace(EDGES, units=(0,))]}, "do not fit"),
        ({"edges": [replace(EDGES, units=(0, 2))]}, "the edges lack b:1"),
        ({"labels": labelled(whole(), [None] * 3)}, "labels are of another index"),
        ({"labels": replace(LABELS, ranked=np.array([[0]] * 4 + [[MISSING]] * 3, np.int32))}, "'b' was left out"),
    ]
    for wrong, message in cases:
        with pytest.raises(SemlensError, match=message):
            graph(INDEX_OX, "ox", **({"labels": LABELS, "edges": [EDGES]} | wrong))
    with pytest.raises(SemlensError, match="unknown class 'oxx'; nearest: ox"):
        graph(INDEX_OX, "oxx")


# the picture


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text)


HOSTILE = '</text><script>alert("1")</script>&amp; \x00\x1b]]> \u202egnp.exe\ud800'


def test_hostile_labels_stay_text() -> None:
    words = (HOSTILE, "W" * 400, "字" * 300, " \n\t", "'><image href='http://evil/x.png'/>", "cart", None)
    index, labels, made = ox(words)
    index = replace(index, read_unit_names=lambda: (HOSTILE,) * 7)
    found = graph(index, "ox", labels=replace(labels, index=index), edges=[made], layers=["a", "b"])
    text = graph_svg(replace(found, output=HOSTILE), index)
    page = drawn(text)
    kinds = {node.tag.removeprefix(SVG) for node in page.iter()}
    assert kinds == {"svg", "title", "style", "rect", "g", "image", "path", "text"}
    assert all(value.startswith("data:image/webp;base64,") for value in hrefs(page))
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "").replace("http://evil", "")
    assert not set(text) & {"\x00", "\x1b", "\u202e", "\ud800"}
    assert any("<script>" in (node.text or "") for node in page.iter(f"{SVG}text"))  # it is shown as it was written
    text.encode()


def hrefs(page: ElementTree.Element) -> list[str]:
    return [value for node in page.iter() for name, value in node.attrib.items() if "href" in name or name == "src"]


def boxes(page: ElementTree.Element) -> list[tuple[float, ...]]:
    """Left, top, right and bottom of every drawing inside the drawing; what is outside of it is cut off."""
    found = [
        [float(node.attrib[name]) for name in ("x", "y", "width", "height")]
        for node in page.iter(f"{SVG}svg")
        if node.get("x")
    ]
    return [(x, y, x + width, y + height) for x, y, width, height in found]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_overlaps(seed: int) -> None:
    index, labels, made = at_random(seed)
    shown = graph(index, 12, labels=labels, edges=made, most=8)
    page = drawn(graph_svg(shown, index))
    _, _, width, height = map(float, page.attrib["viewBox"].split())
    found = boxes(page)
    assert len(found) == len(shown.nodes) + len(shown.layers) + 2  # title and legend
    for at, a in enumerate(found):
        assert 0 <= a[0] < a[2] <= width
        assert 0 <= a[1] < a[3] <= height
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in found[at + 1 :])
    for window in page.iter(f"{SVG}svg"):
        lines = list(window.iter(f"{SVG}text")) if window.get("x") else []
        centred = [float(node.attrib["y"]) for node in lines if "middle" in node.attrib["class"]]
        assert all(below - above >= 13 for above, below in pairwise(centred))


def test_the_picture_says_what_the_graph_says() -> None:
    found = graph(INDEX_OX, "ox", labels=LABELS, edges=[EDGES])
    text = graph_svg(found, INDEX_OX)
    page = drawn(text)
    assert text == graph_svg(found, INDEX_OX)
    lines = [node.text or "" for node in page.iter(f"{SVG}text")]
    assert {"wheel", "cart", "a:1", "no label: look at it", "75 % for, 4 % against", "also 30 % for horse"} <= set(
        lines
    )
    assert "edges left out: 1, with 2 % of what passes" in lines[1]
    assert len(hrefs(page)) == 2 * 3 + 2  # two examples each of a:0, a:1 and a:3, two of b:1; the others have none
    edges = [
        node
        for node in page.iter(f"{SVG}path")
        if "c" in node.attrib["d"].lower() and node.find(f"{SVG}title") is not None
    ]
    thick = {node.find(f"{SVG}title").text.split(":")[0]: float(node.attrib["stroke-width"]) for node in edges}
    assert thick == {
        'b "cart" to output': 23.0,
        'a "grass" to b "cart"': pytest.approx(1 + 22 * 0.375 / 0.71, abs=0.06),
        "b others to output": pytest.approx(1 + 22 * 0.19 / 0.71, abs=0.06),
        'a "wheel" to b "cart"': pytest.approx(1 + 22 * 0.125 / 0.71, abs=0.06),
    }
    assert [node.get("class") for node in edges] == ["edge for", "edge against others", "edge for", "edge for"]
    dashed = [g for g in page.iter(f"{SVG}g") if g.get("class") == "unlabelled" and g.find(f"{SVG}svg") is not None]
    assert [g.find(f"{SVG}svg/{SVG}title").text for g in dashed] == ["a:1: a:1"]


def slow_crossings(found: Graph, rows: list) -> float:
    place = {node.id: at for row in rows for at, node in enumerate(row)}
    layer = {node.id: at for at, row in enumerate(rows) for node in row}
    total = 0.0
    for i, e in enumerate(found.edges):
        for f in found.edges[i + 1 :]:
            if layer[e.source] == layer[f.source]:
                sides = (place[e.source] - place[f.source]) * (place[e.target] - place[f.target])
                total += min(abs(e.weight), abs(f.weight)) if sides < 0 else 0
    return total


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_a_row_crosses_less(seed: int) -> None:
    index, labels, made = at_random(seed)
    found = graph(index, 12, labels=labels, edges=made, most=8)
    before = [[n for n in found.nodes if n.layer == layer] for layer in (*found.layers, "")]
    after = ordered(found)
    assert crossings(before, found.edges) == pytest.approx(slow_crossings(found, before))
    assert crossings(after, found.edges) == pytest.approx(slow_crossings(found, after))
    assert crossings(after, found.edges) < crossings(before, found.edges)
    for row, of in zip(after, before, strict=True):
        assert sorted(n.id for n in row) == sorted(n.id for n in of)
        assert not any(n.others for n in row[:-1])


def test_a_graph_that_need_not_cross_does_not() -> None:
    """Component i of each layer feeds component n - i of the next alone, whatever their relevance."""
    index = replace(random_index(12, 3, 0), layers=axis_of([("a", "channels", 6), ("b", "channels", 6)]))
    index = replace(index, read_unit_names=lambda: (None,) * 12)
    share = np.concatenate([np.arange(1, 7), [3, 6, 1, 5, 2, 4]]).astype(float)[:, None] / 21
    index = with_shares(index, share, np.zeros_like(share), ("ox",))
    made = Edges("b", "a", 10, tuple(range(6)), np.zeros(6, np.float32), np.eye(6, dtype=np.float32)[::-1].copy(), 1)
    found = graph(index, "ox", edges=[made])
    rows = [[n for n in found.nodes if n.layer == layer] for layer in ("a", "b", "")]
    assert crossings(rows, found.edges) > 1
    assert crossings(ordered(found), found.edges) == 0


def test_a_node_has_an_interval_over_images() -> None:
    """Jeffreys' interval of a share over so many images, the widest case."""
    from scipy.stats import beta

    index = with_relevance(planted([(0,), (1,)]), [[0.3], [0.7]], ("ox",))
    found = {node.id: node for node in graph(index, "ox").nodes}
    node = found["layer0:0"]
    np.testing.assert_allclose(
        [node.low, node.high], beta(50 * 0.3 + 0.5, 50 * 0.7 + 0.5).ppf([0.025, 0.975]), atol=0.015
    )
    assert node.low < node.relevance < node.high
    assert np.isnan(found["output"].low)
