"""How a class comes about: the concept attribution graph of an index."""

from semlens.analysis.graphs.relevance_graph import OUTPUT, Edge, Graph, Node, graph, wanted

__all__ = ["OUTPUT", "Edge", "Graph", "Node", "graph", "wanted"]
