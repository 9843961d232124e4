"""What passes between the components of an index for a class: the edges of its graph."""

from collections.abc import Sequence

import torch

from semlens.analysis import Labels, relevance_of, wanted
from semlens.attribution import COMPOSITES, edges
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.images import match_labels
from semlens.index import ConceptIndex
from semlens.model import VisionModel, check_dictionaries, still, tensor_in
from semlens.progress import visible
from semlens.types import Edges, ExampleSet, Progress


def flows(
    index: ConceptIndex,
    of: str | int,
    model: VisionModel,
    images: ExampleSet,
    *,
    labels: Labels | None = None,
    layers: Sequence[str] = (),
    count: int = 64,
    progress: Progress = visible,
) -> list[Edges]:
    """The edges that `graph` with the same arguments asks for, as means over at most `count` images of the class.

    They are found by the rules that the index's relevance was; a gradient has no edges, the model's default rules have.

    Raises:
        SemlensError: another model or other images than the index was made from, or a class without images.
    """
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    index.recipe.images.check(images.fingerprint)
    relevance = relevance_of(index)
    target = relevance.classes[relevance.column(of)]
    missing = wanted(index, of, labels=labels, layers=layers)
    ids = _members(index, model, images, target, relevance.class_names[relevance.column(of)], count, progress)
    rules = relevance.method if relevance.method in COMPOSITES else "auto"
    return [
        edges(
            model, images, ids, target, edge.upper, edge.lower, edge.units, method=rules,
            progress=_between(edge.upper, progress),
        )
        for edge in missing
    ]  # fmt: skip


def _members(
    index: ConceptIndex, model: VisionModel, images: ExampleSet, target: int, name: str, count: int, progress: Progress
) -> list[int]:
    """The first `count` images that counted for the class when relevance was computed."""
    of = relevance_of(index).of
    readable = [i for i, error in enumerate(index.images.errors) if error is None]
    if of == "all":
        return readable[:count]
    if of == "label":
        named = match_labels(images.labels, model.class_names, max(len(model.class_names), target + 1)).numbers
        members = [i for i in readable if target in named[i]]
    else:
        members = _predicted(model, images, readable, target, count, progress)
    if not members:
        raise SemlensError(f"no image counts for {name or target!r}: edges have nothing to be a mean over")
    return members[:count]


def _predicted(
    model: VisionModel, images: ExampleSet, ids: Sequence[int], target: int, count: int, progress: Progress
) -> list[int]:
    """The first `count` images for which the model gives the class."""
    members: list[int] = []
    feed = Feed(model, images, batch_size=32)
    with torch.no_grad(), still(model.net):
        for x, batch in feed.batches(ids, "predict", readable_when="relevance was computed", progress=progress):
            best = tensor_in(model.net(x[: len(batch.ids)])).argmax(dim=1).tolist()
            members += [i for i, number in zip(batch.ids, best, strict=True) if number == target]
            if len(members) >= count:
                break
    return members


def _between(upper: str, progress: Progress) -> Progress:
    return lambda step, done, total: progress(f"{step} below {upper}", done, total)
