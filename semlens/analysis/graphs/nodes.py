"""Which components of an index one node of a graph stands for: those of a label, a single one, or all that are left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.labels import Labels
from semlens.analysis.outputs import column_of, hidden_layers, relevance_of
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.types import MISSING, Float64, Int64, several


@dataclass(frozen=True)
class Group:
    """The components of a node, by row, the most relevant first."""

    layer: str
    id: str
    label: str
    rows: Int64[np.ndarray, "m"]
    unlabelled: bool = False
    others: bool = False


def grouped(
    index: ConceptIndex, of: str | int, *, labels: Labels | None, layers: Sequence[str], least: float, most: int
) -> dict[str, list[Group]]:
    """The nodes of every layer, from the input up, for the arguments of `graph`.

    Raises:
        SemlensError: an output without relevance, an unknown layer, or labels of another index.
    """
    column = column_of(index, of)
    if not 0 <= least <= 1 or most < 1:
        raise SemlensError(f"least is {least} and most is {most}: least is a part in [0, 1], most at least 1")
    names = list(several(layers)) or list(hidden_layers(index))
    if len(set(names)) < len(names):
        raise SemlensError(f"a layer is named twice: {', '.join(names)}")
    if labels is not None:
        _check_labels(index, labels, names)
    return {name: _groups(index, name, column, labels, least=least, most=most) for name in names}


def _groups(
    index: ConceptIndex, layer: str, column: int, labels: Labels | None, *, least: float, most: int
) -> list[Group]:
    """A layer's nodes, the most relevant first; what has no node of its own in one more."""
    part, shares = index.layer_slice(layer), relevance_of(index).positive[:, column].astype(np.float64)
    members: dict[str | int, list[int]] = {}  # by label, and by row where there is none
    for row in range(part.start, part.stop):
        label = labels.of(row) if labels else None
        members.setdefault(row if label is None else label, []).append(row)
    total = {key: float(shares[rows].sum()) for key, rows in members.items()}
    ranked = sorted(members, key=lambda key: (-total[key], members[key][0]))
    enough = least * float(shares[part].sum())
    kept = [key for key in ranked if total[key] > 0 and total[key] >= enough][:most]
    rest = [row for key in members if key not in kept for row in members[key]]
    found = []
    for key in kept:
        rows = _by_relevance(shares, members[key])
        if isinstance(key, str):  # in quotation marks, so that no label is taken for a component or for the others
            found.append(Group(layer, f'{layer} "{key}"', key, rows))
        else:
            name = str(index.component(key))
            found.append(Group(layer, name, index.unit_names[key] or name, rows, unlabelled=labels is not None))
    if rest:
        label = f"{len(rest):,} other{'s' if len(rest) > 1 else ''}"
        found.append(Group(layer, f"{layer} others", label, _by_relevance(shares, rest), others=True))
    return found


def _by_relevance(shares: Float64[np.ndarray, "c"], rows: Sequence[int]) -> Int64[np.ndarray, "m"]:
    """The rows, the most relevant first."""
    return np.array(rows, np.int64)[np.lexsort((np.array(rows), -shares[rows]))]


def _check_labels(index: ConceptIndex, labels: Labels, layers: Sequence[str]) -> None:
    """Checks that the labels are of this index and these layers.

    Raises:
        SemlensError: labels of another index, or that leave a layer out.
    """
    if labels.index.recipe != index.recipe or labels.index.layers != index.layers:
        raise SemlensError("the labels are of another index: label this one")
    for layer in layers:
        part = index.layer_slice(layer)
        if (labels.ranked[part, 0] == MISSING).all() and not index.dead[part].all():
            raise SemlensError(f"layer {layer!r} was left out when the components were labelled: label it too")
