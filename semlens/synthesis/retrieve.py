"""Whether a picture made for a component means what excites the component among images."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semlens.analysis import Probes, probe_images, search
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.synthesis.maximise import Maximised
from semlens.types import Component, FoundationModel


def own_ranks(index: ConceptIndex, foundation: FoundationModel, made: Sequence[Maximised]) -> list[int]:
    """The place of each picture's own component when its layer is searched for the picture: 1 is the first. It goes by
    encodings where the index has any, else by examples; a component that has neither comes last.

    Raises:
        SemlensError: another foundation model than the index's, or a component that it does not hold.
    """
    return [_place(index, probe_images(foundation, each.picture), each.component) for each in made]


def _place(index: ConceptIndex, probe: Probes, component: Component) -> int:
    """The place of a component when its layer is searched for a probe."""
    components = index.layer_slice(component.layer)
    hits = search(index, probe, layers=[component.layer], top=components.stop - components.start)
    row, order = index.row(component), [index.row(hit.component) for hit in hits]
    return order.index(row) + 1 if row in order else components.stop - components.start


def own_rank_together(index: ConceptIndex, foundation: FoundationModel, made: Sequence[Maximised]) -> int:
    """The same of all pictures of one component, made on images, as one search: the mean embedding of the pictures less
    that of the images. What the images show cancels; what was changed in all of them is left.

    Raises:
        SemlensError: pictures made from noise, of several components, or what `own_ranks` refuses.
    """
    starts = [each.start for each in made if each.start is not None]
    if len(starts) < len(made) or len({each.component for each in made}) != 1:
        raise SemlensError("pictures are searched together that were made on images, for one component")
    after, before = (probe_images(foundation, some).vectors for some in ([each.picture for each in made], starts))
    middle = before if index.encodings is None else index.encodings.mean.astype(np.float32)[None]
    probe = probe_images(foundation, made[0].picture)
    probe = replace(probe, vectors=middle + after - before, nulls=middle if index.encodings is None else probe.nulls)
    return _place(index, probe, made[0].component)
