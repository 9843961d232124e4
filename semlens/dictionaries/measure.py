"""How well a dictionary explains a layer's vectors: on images, those it was learned on or others."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from semlens.collection import Feed
from semlens.dictionaries.vectors import in_order
from semlens.errors import SemlensError
from semlens.model import Dictionary, Latents, VisionModel, as_model, moved, parse_all
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, Float, Progress

_BLOCK = 2**23  # products that are held at once


@dataclass(frozen=True)
class Reconstruction:
    """What a dictionary leaves unexplained of some vectors.

    Args:
        fvu: fraction of their variance that is not explained: 0 is all explained, 1 no better than their mean.
        dead: share of the units that fired on none of them, 0 to 1.
        active: units that fire at a position, on average.
        vectors: how many these were.
    """

    fvu: float
    dead: float
    active: float
    vectors: int


def reconstruction(
    model: VisionModel | str,
    images: ExampleSet | Any,
    dictionary: Dictionary | str,
    *,
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress = visible,
) -> Reconstruction:
    """How well a dictionary explains the vectors of its layer on some images. One that was made for another model, or
    for vectors that were prepared otherwise, leaves as much as their mean does, or more.

    Args:
        dictionary: itself, or `LAYER@dictionary:FILE`.

    Raises:
        SemlensError: it does not fit the layer, or no image can be read.
    """
    feed = Feed(as_model(model), open_set(images), batch_size, workers)
    ((kind, _),) = parse_all(feed.model.net, [dictionary], feed.first)
    if not isinstance(kind, Latents):
        raise SemlensError(f"{dictionary!r} is no dictionary: write LAYER@dictionary:FILE")
    return measured(kind.dictionary, in_order(feed, kind.base, range(len(feed.images)), progress))


@torch.no_grad()
def measured(dictionary: Dictionary, vectors: Iterable[Float[torch.Tensor, "_ d"]]) -> Reconstruction:
    """What a dictionary leaves of vectors, which are gone through once.

    Raises:
        SemlensError: there are none.
    """
    missed = squares = active = 0.0
    count, total, fired, weights = 0, torch.zeros(dictionary.width, dtype=torch.float64), None, None
    for found in vectors:
        weights = weights or moved(dictionary, found.device, found.dtype)
        fired = fired if fired is not None else torch.zeros(dictionary.units, dtype=torch.bool, device=found.device)
        for x in found.split(max(1, _BLOCK // dictionary.units)):
            acts = weights.activations(x)
            missed += float((x - weights.decoded(x, acts)).square().sum(dtype=torch.float64))
            away = (x - weights.centre).double() if not dictionary.standardised else x.double()
            squares += float(away.square().sum())
            total += away.sum(0).cpu()
            active += float((acts != 0).sum())
            fired |= (acts != 0).any(0)
            count += len(x)
    if not count or fired is None:
        raise SemlensError(f"layer {dictionary.layer!r} gives no finite vector on these images")
    variance = squares - float(total.square().sum()) / count
    return Reconstruction(missed / max(variance, 1e-30), float((~fired).float().mean()), active / count, count)
