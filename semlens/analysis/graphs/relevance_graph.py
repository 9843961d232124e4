"""How does an output come about? A model's components as concepts, layer by layer, and what passes between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from semlens.analysis.graphs.nodes import Group, grouped
from semlens.analysis.labels import Labels
from semlens.analysis.outputs import affected, relevance_of
from semlens.analysis.results import Rows, pictures, plain
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.numerics import interval_of, over_images
from semlens.types import Component, Edges

INTERVAL_DRAWS = 2000
"""Posterior draws for the confidence interval of a node's relevance."""

OUTPUT = "output"
"""The id of the node at the top."""


@dataclass(frozen=True)
class Affected:
    """Another output that a node speaks for."""

    output: str
    relevance: float  # mean share in [0, 1]


@dataclass(frozen=True)
class Node:
    """Components of one layer with the same label, or one without. The output is the node without a layer."""

    id: str
    layer: str
    label: str  # what to call it: the label, else the model's own name of the component, else the component
    unlabelled: bool  # labels were given and none fits: to be looked at by hand
    others: bool  # all that got no node of its own
    components: tuple[Component, ...]  # the most relevant first
    relevance: float  # sum of the mean shares that speak for the output, in [0, 1]
    low: float  # 95 % interval over images
    high: float
    against: float  # sum of those that speak against it, in [0, 1]
    affected: tuple[Affected, ...]  # other outputs that these components speak for, the most relevant first


@dataclass(frozen=True)
class Edge:
    """What reaches the source through the target."""

    source: str  # id of the lower node
    target: str  # id of the upper one
    weight: float  # mean share of the target's layer, in [-1, 1]: negative where it speaks against the output
    part: float  # |weight| by the sum of |weight| over all that come into the target, in [0, 1]


@dataclass(frozen=True, repr=False)
class Graph:
    """How an output of a model comes about: concept nodes, layer by layer, and what passes between them."""

    output: str
    images: int  # that relevance is a mean over
    edge_images: int  # that the edges between layers are a mean over; 0 without any
    layers: tuple[str, ...]  # from the input up
    nodes: Rows[Node]  # from the input up, in a layer the most relevant first and the others last; then the output
    edges: Rows[Edge]  # the strongest first
    dropped: float  # part of the |weight| between layers that the edges left out carry; NaN without any
    dropped_edges: int
    by: str = ""  # what its labels go by, "encoding" or "examples"; empty without labels

    def node_link(self) -> dict[str, Any]:
        """The graph as networkx reads it: `networkx.node_link_graph(found, edges="links")`."""
        about = {"output": self.output, "images": self.images, "edge_images": self.edge_images, "by": self.by}
        about |= {"layers": list(self.layers), "dropped": plain(self.dropped), "dropped_edges": self.dropped_edges}
        links = self.edges.records()
        return {"directed": True, "multigraph": False, "graph": about, "nodes": self.nodes.records(), "links": links}

    def __repr__(self) -> str:
        return f"{self.nodes!r}\n{self.edges!r}"

    def _repr_html_(self) -> str:
        return self.nodes._repr_html_() + self.edges._repr_html_()


@dataclass(frozen=True)
class Wanted:
    """Edges that a graph needs: from these units of the upper layer to every component of the lower one."""

    upper: str
    lower: str
    units: tuple[int, ...]


def graph(
    index: ConceptIndex,
    of: str | int,
    *,
    labels: Labels | None = None,
    edges: Sequence[Edges] = (),
    layers: Sequence[str] = (),
    least: float = 0.02,
    most: int = 12,
) -> Graph:
    """The attribution graph of an output: which concepts its relevance passes through, and in what order.

    A node's relevance is the sum over its components of their mean shares, those for and those against the output
    apart. An edge is the sum, over the components of both nodes, of the mean share that passes between them; edges to
    the output are the nodes' relevance less what speaks against it.

    Source: Dreyer et al. 2025, Fig. 2c; the conditional relevance is that of Achtibat et al. 2023 (CRP).
    But: averaged over the images of a class, and with both signs.

    Args:
        of: the output, by its name or number, as in the index's relevance.
        labels: components of one label become one node; without, every component is its own.
        edges: of neighbouring layers, as `wanted` asks for them.
        layers: from the input up; all hidden ones of the index if empty.
        least: nodes and edges need this part of what speaks for the output in a layer, or of what comes into a node.
        most: nodes per layer, at most; all else of a layer is one more.

    Raises:
        SemlensError: an index without relevance for the output, unknown layers, labels of another index, or edges that
            are for something else or lack a node's component.
    """
    groups = grouped(index, of, labels=labels, layers=layers, least=least, most=most)
    relevance, names = relevance_of(index), list(groups)
    column = relevance.column(of)
    output = relevance.name(column)
    nodes = [_node(index, group, column) for name in names for group in groups[name]]
    top = [node for node in nodes if node.layer == names[-1]]
    _check_edges(index, edges, relevance.classes[column], names)
    flows = [edge for pair in edges for edge in _between(index, pair, groups[pair.upper], groups[pair.lower])]
    strong = [edge for edge in flows if edge.part >= least]
    mass = sum(abs(edge.weight) for edge in flows)
    shown = sorted([*strong, *_to_output(top)], key=lambda edge: -abs(edge.weight))
    return Graph(
        output=output,
        images=int(relevance.counts[column]),
        edge_images=min((pair.images for pair in edges), default=0),
        layers=tuple(names),
        nodes=_shown(index, [*nodes, _output(output, top)], labels.by if labels else ""),
        edges=Rows(shown, f"what passes between concepts (edges left out: {len(flows) - len(strong):,})"),
        by=labels.by if labels else "",
        dropped=1 - sum(abs(edge.weight) for edge in strong) / mass if mass else float("nan"),
        dropped_edges=len(flows) - len(strong),
    )


def wanted(
    index: ConceptIndex,
    of: str | int,
    *,
    labels: Labels | None = None,
    layers: Sequence[str] = (),
    least: float = 0.02,
    most: int = 12,
) -> list[Wanted]:
    """The edges that `graph` needs with the same arguments, from the top layer down: to be computed by `semlens.edges`.

    Raises:
        SemlensError: as `graph` does.
    """
    groups = grouped(index, of, labels=labels, layers=layers, least=least, most=most)
    names = list(groups)
    needed = []
    for lower, upper in reversed([*pairwise(names)]):
        start = index.layer_slice(upper).start
        rows = [group.rows for group in groups[upper] if not group.others]
        if rows:
            needed.append(Wanted(upper, lower, tuple(np.sort(np.concatenate(rows) - start).tolist())))
    return needed


def _node(index: ConceptIndex, group: Group, column: int) -> Node:
    relevance = relevance_of(index)
    positive, negative = (
        shares[group.rows].sum(axis=0, dtype=np.float64) for shares in (relevance.positive, relevance.negative)
    )
    others = [Affected(*one) for one in affected(relevance, positive, column)]
    share = float(positive[column])
    low, high = interval_of(share, over_images(np.full(INTERVAL_DRAWS, share), int(relevance.counts[column])))
    return Node(
        id=group.id,
        layer=group.layer,
        label=group.label,
        unlabelled=group.unlabelled,
        others=group.others,
        components=tuple(map(index.component, group.rows.tolist())),
        relevance=share,
        low=low,
        high=high,
        against=float(negative[column]),
        affected=() if group.others else tuple(others),
    )


def _output(name: str, top: Sequence[Node]) -> Node:
    """The node at the top: all that the top layer's components say."""
    relevance, against = sum(node.relevance for node in top), sum(node.against for node in top)
    return Node(OUTPUT, "", name, False, False, (), relevance, float("nan"), float("nan"), against, ())


def _to_output(top: Sequence[Node]) -> list[Edge]:
    weights = [node.relevance - node.against for node in top]
    mass = sum(map(abs, weights)) or 1.0
    return [Edge(node.id, OUTPUT, weight, abs(weight) / mass) for node, weight in zip(top, weights, strict=True)]


def _between(index: ConceptIndex, pair: Edges, uppers: Sequence[Group], lowers: Sequence[Group]) -> list[Edge]:
    """Every edge between the nodes of two layers that is not zero: W[A, B], the sum over i in A and j in B of the mean
    share that reaches j through i."""
    above, below = index.layer_slice(pair.upper).start, index.layer_slice(pair.lower)
    place = {unit: i for i, unit in enumerate(pair.units)}
    number = np.empty(below.stop - below.start, np.int64)  # which of `lowers` each component belongs to
    for b, lower in enumerate(lowers):
        number[lower.rows - below.start] = b
    edges = []
    for upper in uppers:
        units = (upper.rows - above).tolist()
        missing = [unit for unit in units if unit not in place]
        if missing and upper.others:  # as a rule they are not asked for: each costs a backward pass
            continue
        if missing:
            raise SemlensError(f"the edges lack {pair.upper}:{missing[0]}: compute them for the units of `wanted`")
        flow = pair.weights[[place[unit] for unit in units]].sum(axis=0, dtype=np.float64)
        weights = np.bincount(number, flow, len(lowers)).tolist()
        mass = sum(map(abs, weights))
        edges += [
            Edge(lower.id, upper.id, weight, abs(weight) / mass)
            for lower, weight in zip(lowers, weights, strict=True)
            if weight
        ]
    return edges


def _shown(index: ConceptIndex, nodes: Sequence[Node], by: str) -> Rows[Node]:
    def strongest(node: Node) -> list[bytes]:
        return [] if node.others or not node.components else pictures(index, node.components[0])

    printed = ("layer", "label", "unlabelled", "relevance", "low", "high", "against", "affected")
    title = f"concepts by relevance for {nodes[-1].label!r}{by and f', labelled by {by}'}"
    return Rows(nodes, title, strongest, printed)


def _check_edges(index: ConceptIndex, edges: Sequence[Edges], target: int, layers: Sequence[str]) -> None:
    """Checks that the edges are of this graph.

    Raises:
        SemlensError: they are not.
    """
    seen = set()
    for pair in edges:
        between = f"the edges from {pair.upper!r} to {pair.lower!r}"
        if (pair.lower, pair.upper) not in pairwise(layers):
            raise SemlensError(f"{between} are not of neighbouring layers: from below, these are {', '.join(layers)}")
        if pair.upper in seen:
            raise SemlensError(f"{between} are given twice")
        if pair.target != target:
            raise SemlensError(f"{between} are for output {pair.target}, the graph is for {target}")
        axis = index.layer_slice(pair.lower)
        if pair.weights.shape != (len(pair.units), axis.stop - axis.start):
            raise SemlensError(
                f"{between} do not fit the index: {pair.lower!r} has {axis.stop - axis.start} components"
            )
        seen.add(pair.upper)
