"""What an index says about the outputs of its model: which layers lead to them, and which others are affected."""

import numpy as np

from semlens.errors import SemlensError
from semlens.index import ClassRelevance, ConceptIndex
from semlens.types import Float, LayerAxis


def relevance_of(index: ConceptIndex) -> ClassRelevance:
    """The index's relevance.

    Raises:
        SemlensError: it has none.
    """
    if index.relevance is None:
        raise SemlensError("the index holds no relevance: build it with the classes to be audited (build --classes)")
    return index.relevance


def column_of(index: ConceptIndex, of: str | int) -> int:
    """The column of an output in the index's relevance, by its name or number.

    Raises:
        SemlensError: the index has none for it.
    """
    relevance = relevance_of(index)
    column = relevance.column(of)
    if not relevance.counts[column]:
        raise SemlensError(f"no image counted for {of!r} when relevance was computed: add images of it")
    return column


def hidden_layers(index: ConceptIndex) -> tuple[str, ...]:
    """The layers that are not the model's outputs, whose components are not all named by the model itself.

    Raises:
        SemlensError: there is none.
    """
    hidden = [axis.layer for axis in index.layers if not gives_outputs(index, axis)]
    if not hidden:
        raise SemlensError("the index holds the model's outputs only: build it with a layer before them")
    return tuple(hidden)


def gives_outputs(index: ConceptIndex, layer: LayerAxis) -> bool:
    """Whether a layer's components are the model's outputs, all named as classes are: features of tokens and heads have
    names too (+3, head 1), which are no classes'."""
    return layer.kind.startswith("channels") and all(index.unit_names[layer.start : layer.stop])


def affected(
    relevance: ClassRelevance, shares: Float[np.ndarray, "y"], column: int, count: int = 3, least: float = 0.01
) -> list[tuple[str, float]]:
    """The other classes that something speaks for with a share of at least `least`, and that share; the most relevant
    first, at most `count`.

    Args:
        shares: of each class; NaN where no image counted.
        column: the class that is not another.
    """
    order = [y for y in np.argsort(-shares, kind="stable").tolist() if y != column and shares[y] >= least]
    return [(relevance.name(y), float(shares[y])) for y in order[:count]]
