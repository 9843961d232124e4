"""One pass over images: a layer's vectors, what the last layer takes, and the logits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semlens.collection import Feed, as_is, image_batches
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import (
    Layer,
    Site,
    VisionModel,
    logits_of,
    parse_all,
    record,
    refuse_hidden,
    still,
    survey,
    tensor_in,
    vectors_of,
)
from semlens.numerics import unit
from semlens.types import Float, Float32, FoundationModel, Int64, Progress, Shaped, silent

BATCH = 32


@dataclass(frozen=True, eq=False)
class Seen:
    """What a model made of some images."""

    ids: Int64[np.ndarray, "n"]  # those that could be read
    vectors: Float32[np.ndarray, "n d"]  # of the layer, pooled over positions; no columns if no layer was asked
    features: Float32[np.ndarray, "n f"]  # what the last layer takes; no columns if that was not asked
    logits: Float32[np.ndarray, "n y"]


def glance(
    model: VisionModel,
    images: ImageSet,
    ids: Sequence[int] | None = None,
    *,
    layer: Layer | None = None,
    head: str = "",
    pool: str = "mean",
    progress: Progress = silent,
) -> Iterator[Seen]:
    """What a model makes of some images, of all if none are named, a batch at a time, as it is now: with a correction
    that is on.

    Args:
        head: path of the last layer, if its input is asked for.

    Raises:
        SemlensError: the model gives no row of logits for each image, or no image can be read.
    """
    feed, none = Feed(model, images, BATCH), True
    kinds = [kind for kind, _ in parse_all(model.net, [layer], feed.first)] if layer is not None else []
    at = Site.parse(head, side="input") if head else None
    sites = [kind.site for kind in kinds] + ([at] if at else [])
    with torch.no_grad(), record(model.net, sites) as seen:
        for x, here in feed.readable(range(len(images)) if ids is None else ids, "look", progress):
            logits = logits_of(model.net(x), len(x))
            if logits is None:
                raise SemlensError(f"{model.name} gives no row of logits per image: only classifiers are corrected")
            own = _pooled(vectors_of(kinds[0]).vectors(seen[kinds[0].site]), pool) if kinds else x.new_zeros(len(x), 0)
            taken = tensor_in(seen[at]).flatten(1) if at else x.new_zeros(len(x), 0)
            none = False
            yield Seen(
                np.array(here, np.int64), *(part[: len(here)].float().cpu().numpy() for part in (own, taken, logits))
            )
    if none:
        raise SemlensError(f"no image of {images.source} can be read")


def see(model: VisionModel, images: ImageSet, ids: Sequence[int] | None = None, **how: Any) -> Seen:
    """The same of all images together; `how` goes to `glance`."""
    parts = list(glance(model, images, ids, **how))
    return Seen(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Seen)))


def _pooled(vectors: Float[Tensor, "n p d"], how: str) -> Float[Tensor, "n d"]:
    return vectors.amax(1) if how == "max" else vectors.mean(1)


def outputs_of(model: VisionModel) -> int:
    """How many logits a classifier gives.

    Raises:
        SemlensError: it gives no row of logits.
    """
    with torch.no_grad(), still(model.net):
        logits = logits_of(model.net(model.example_input()), 1)
    if logits is None:
        raise SemlensError(f"{model.name} gives no row of logits per image: only classifiers are corrected")
    return logits.shape[1]


def head_path(model: VisionModel, x: Shaped[Tensor, "n ..."]) -> str:
    """The path of the linear layer that gives the model's logits.

    Raises:
        SemlensError: there is none.
    """
    refuse_hidden(model.net)
    given: dict[str, Tensor] = {}

    def keep(site: Site, module: nn.Module, value: Any) -> None:
        if isinstance(module, nn.Linear) and site.side == "output" and isinstance(value, Tensor):
            given[site.path] = value

    with torch.no_grad(), still(model.net):
        survey(model.net, x, keep)
        logits = logits_of(model.net(x), len(x))
    for path, value in reversed(given.items()):
        if logits is not None and path and torch.equal(value, logits):
            return path
    raise SemlensError(f"{model.name} has no linear layer that gives its logits: only such a last layer is refitted")


def embed_images(
    foundation: FoundationModel, images: ImageSet, ids: Sequence[int] | Int64[np.ndarray, "n"]
) -> Float[np.ndarray, "n d"]:
    """Unit embeddings of some whole images.

    Raises:
        SemlensError: one of them cannot be read any more.
    """
    parts = [
        foundation.embed_images(list(batch.items))
        for batch in image_batches(images, [int(id) for id in ids], as_is, "embed", batch_size=64, workers=0,
                                   readable_when="the model looked at it")
    ]  # fmt: skip
    return unit(np.concatenate(parts))
