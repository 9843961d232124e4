"""Relevance of every component for some classes over a data set: one pass, streamed and mergeable as `collect` is."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from semlens.attribution.class_stream import ClassStream, ClassTask
from semlens.attribution.composite import Composite, choose
from semlens.attribution.conservation import WARN_ABOVE, warn
from semlens.attribution.membership import Classes, check_of, membership
from semlens.attribution.taps import warn_unread
from semlens.attribution.targets import logits_in, warn_of_probability
from semlens.collection import RELEVANCE, Checkpoint, Feed, check_k, fill, origin_of, part_of, tuned_allocator
from semlens.errors import SemlensError
from semlens.model import Layer, VisionModel, as_layers, as_model, parse_all, still
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import SHARE_UNIT, ExampleSet, Progress, Relevance, axis_of, several


def relevance(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    classes: Sequence[int | str],
    *,
    of: str = "auto",
    method: str | Composite = "auto",
    k: int = 30,
    vectors: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    shard: tuple[int, int] | range = (0, 1),
    checkpoint: Path | None = None,
    checkpoint_every: int = 100,
    resume: bool = False,
    warn_above: float = WARN_ABOVE,
    progress: Progress = visible,
) -> Relevance:
    """How much every component moves the logits of some classes, on average over their images, and the k images on
    which each component is used most (RelMax).

    On every image each layer's relevance is divided by its sum of magnitudes, so that a loud image is not worth ten.

    Source: Dreyer et al. 2025 (class relevance); Achtibat et al. 2023 (RelMax).

    Args:
        classes: outputs by number or class name.
        of: whose images count for a class: "label", those that carry its name or number as label, of several labels
            for each; "predicted", those where its logit is the highest of all; "all", every image for every class, and
            an image's own class is then the highest of these. "auto": by label where a label names one of the classes,
            else predicted, with a warning (`LabelWarning`) if there are labels.
        method: as in `attribute`, except for integrated gradients, which need a pass per step and layer.
        vectors: of up to so many images a class, drawn at random, the share of every component is kept, from which
            `strategies` are found.
        shard, checkpoint, resume: as in `collect`.

    Raises:
        SemlensError: a class, layer or method that does not exist, or k or vectors out of range.
    """
    model, images = as_model(model), open_set(images)
    part = part_of(images, shard)
    feed = Feed(model, images, batch_size, workers)
    stream = ClassStream(_task(feed, layers, classes, of, method, k, vectors))
    kept = Checkpoint(checkpoint, checkpoint_every, resume)
    with tuned_allocator():
        found = fill(stream, RELEVANCE, feed, part, "relevance", kept, progress)
    if stream.report is not None:
        warn(stream.report, warn_above)
    images_counted = max(int(found.counts.sum()), 1)
    warn_unread(
        {
            name: total / images_counted / SHARE_UNIT
            for name, total in zip(found.beside, found.passing.sum(1).tolist(), strict=True)
        }
    )
    return found


def check_classes(
    model: VisionModel, images: ExampleSet, layers: Layer | Sequence[Layer], classes: Sequence[int | str], of: str,
    method: str | Composite, k: int, vectors: int = 0,
) -> None:  # fmt: skip
    """Returns if `relevance` would begin its pass.

    Raises:
        SemlensError: every mistake that it would name before.
    """
    _task(Feed(model, images, 1), layers, classes, of, method, k, vectors)


def _task(
    feed: Feed, layers: Layer | Sequence[Layer], classes: Sequence[int | str], of: str, method: str | Composite, k: int,
    vectors: int,
) -> ClassTask:  # fmt: skip
    """The task that the arguments describe.

    Raises:
        SemlensError: what a user may have got wrong.
    """
    model, images = feed.model, feed.images
    rules = choose(method, model, feed.first)
    if rules == "integrated_gradients":
        raise SemlensError("integrated gradients need a pass per step and layer: choose another method for a data set")
    check_of(of)
    check_k(k, images)
    if vectors < 0:
        raise SemlensError(f"vectors is {vectors}: give how many images of a class to keep, or 0 for none")
    with torch.no_grad(), still(model.net):
        logits = logits_in(model.net(feed.first), len(feed.first))
    warn_of_probability(logits)
    named = Classes.of(several(classes), model.class_names, logits.shape[1])
    parsed = parse_all(model.net, as_layers(layers), feed.first)
    return ClassTask(
        model=model,
        origin=origin_of(model, images, "float32"),
        kinds=tuple(kind for kind, _ in parsed),
        axes=axis_of((kind.layer, kind.kind, components) for kind, components in parsed),
        classes=named,
        members=membership(of, images, named, model.class_names, logits.shape[1]),
        method=rules if isinstance(rules, str) else rules.name,
        rules=None if isinstance(rules, str) else rules,
        parameters={} if isinstance(rules, str) else parameters_of(rules),
        k=k,
        vectors=vectors,
    )


def parameters_of(rules: Composite) -> dict[str, str | int | float | bool]:
    """The composite as plain values: what a result made with it is remembered by."""
    parameters: dict[str, str | int | float | bool] = {}
    for setting in fields(rules):
        value = getattr(rules, setting.name)
        if setting.name not in {"name", "named", "functions"}:
            parameters[setting.name] = value if isinstance(value, str) else repr(value)
    parameters |= {f"named {pattern}": repr(rule) for pattern, rule in rules.named}
    return parameters | {f"function {name}": treatment for name, treatment in rules.functions.items()}
