"""Whether a picture made for a component means what excites the component among images."""

from collections.abc import Sequence

from semlens.analysis import probe_images, search
from semlens.index import ConceptIndex
from semlens.synthesis.maximise import Maximised
from semlens.types import FoundationModel


def own_ranks(index: ConceptIndex, foundation: FoundationModel, made: Sequence[Maximised]) -> list[int]:
    """The place of each picture's own component when its layer is searched for the picture: 1 is the first. It goes by
    encodings where the index has any, else by examples; a component that has neither comes last.

    Raises:
        SemlensError: another foundation model than the index's, or a component that it does not hold.
    """
    ranks = []
    for each in made:
        layer = each.component.layer
        components = index.layer_slice(layer)
        probe = probe_images(foundation, each.picture)
        hits = search(index, probe, layers=[layer], top=components.stop - components.start)
        row, order = index.row(each.component), [index.row(hit.component) for hit in hits]
        ranks.append(order.index(row) + 1 if row in order else components.stop - components.start)
    return ranks
