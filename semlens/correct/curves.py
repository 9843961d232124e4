"""What a network still tells when more and more of its components are gone: accuracy against the share pruned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semlens.analysis import Rows
from semlens.collection import Feed, tuned_allocator
from semlens.correct.pruning import Pruning, classes_of
from semlens.correct.seen import BATCH
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index import cached, digest_of
from semlens.model import logits_of
from semlens.numerics import bootstrap
from semlens.progress import visible
from semlens.types import Bool, Float64, Int64, Progress, silent

SHARES = tuple(step / 20 for step in range(20))
"""0 to 0.95."""


@dataclass(frozen=True)
class Curve:
    """Accuracy against the share of components pruned, by one order.

    Args:
        order: what it goes by.
        area: the mean accuracy between the first share and the last, in [0, 1], with its 95 % interval over images.
        gain: the first order's area less this one's, on the same images, with its interval; none for the first.
        n: images.
        shares, accuracy: the points of the curve; of several draws their means.
    """

    order: str
    area: float
    low: float
    high: float
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    n: int
    shares: tuple[float, ...]
    accuracy: tuple[float, ...]


def share_within(curve: Curve, loss: float) -> float:
    """The largest share of a curve up to which accuracy is nowhere further than `loss` below that of the first."""
    kept = curve.shares[0]
    for share, accuracy in zip(curve.shares, curve.accuracy, strict=True):
        if accuracy < curve.accuracy[0] - loss:
            break
        kept = share
    return kept


PRINTED = ("order", "area", "low", "high", "gain", "gain_low", "gain_high", "n")


def pruning_curves(
    orders: Mapping[str, Pruning | Sequence[Pruning]],
    images: ImageSet | Any,
    *,
    shares: Sequence[float] = SHARES,
    of: str = "auto",
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress = visible,
) -> Rows[Curve]:
    """Accuracy by each order at each share, and the area beneath, the first order against every other.

    Args:
        orders: by what they are called, all of one model; several draws of one kind together.
        images: that served for nothing else.
        of: what is right: the images' "label", or what the whole network "predicted"; as in `prune`.
        seed: of the intervals.
        checkpoint: a folder in which each order's answers on each batch are kept; the same call goes on from there.

    Source: Hatefi et al. 2024 (arXiv 2408.12568).

    Raises:
        SemlensError: no order, orders of several models, shares that do not rise within [0, 1], or no image with a
            class.
    """
    drawn = {name: (one,) if isinstance(one, Pruning) else tuple(one) for name, one in orders.items()}
    every = [one for some in drawn.values() for one in some]
    model = _one_model(every)
    points = _rising(shares)
    photos = load_images(images)
    classes = classes_of(model, photos, of, silent)
    right = _right(every, points, photos, classes, checkpoint, progress)
    rows: list[Curve] = []
    place, first = 0, np.zeros(0)
    for name, some in drawn.items():
        own = right[:, place : place + len(some)].mean(axis=1)
        place += len(some)
        areas = own @ _widths(points)
        first = first if rows else areas
        rows.append(_curve(name, own, areas, first if rows else None, points, seed))
    return Rows(rows, f"{model.name}: accuracy while components are pruned", printed=PRINTED)


def _one_model(every: Sequence[Pruning]) -> Any:
    if not every:
        raise SemlensError("no order to prune by: give one at least, as `prune` makes it")
    if len({id(one.model) for one in every}) > 1:
        raise SemlensError("the orders are of several models: load the model once, and make all of them from it")
    return every[0].model


def _rising(shares: Sequence[float]) -> Float64[np.ndarray, "s"]:
    points = np.asarray(shares, np.float64)
    if len(points) < 2 or (np.diff(points) <= 0).any() or points[0] < 0 or points[-1] > 1:
        raise SemlensError(f"shares {tuple(shares)}: give two at least, rising, between 0 and 1")
    return points


def _widths(points: Float64[np.ndarray, "s"]) -> Float64[np.ndarray, "s"]:
    """What each point weighs in the mean over the curve, by the trapezoid rule."""
    half = np.diff(points) / 2
    return np.asarray((np.append(half, 0) + np.insert(half, 0, 0)) / (points[-1] - points[0]))


def _curve(
    name: str, right: Float64[np.ndarray, "n s"], areas: Float64[np.ndarray, "n"],
    first: Float64[np.ndarray, "n"] | None, points: Float64[np.ndarray, "s"], seed: int,
) -> Curve:  # fmt: skip
    area = bootstrap(areas, seed=seed)
    gain = None if first is None else bootstrap(first - areas, seed=seed)
    gained, low, high = (None, None, None) if gain is None else (gain.value, gain.low, gain.high)
    accuracy = right.mean(axis=0)
    return Curve(
        name, area.value, area.low, area.high, gained, low, high, area.n, tuple(points.tolist()),
        tuple(accuracy.tolist()),
    )  # fmt: skip


def _right(
    every: Sequence[Pruning], points: Float64[np.ndarray, "s"], images: ImageSet, classes: Int64[np.ndarray, "i"],
    checkpoint: Path | None, progress: Progress,
) -> Bool[np.ndarray, "n m s"]:  # fmt: skip
    """Whether each image is told right, by each order at each share.

    Raises:
        SemlensError: no image has a class.
    """
    ids = np.flatnonzero(classes >= 0)
    if not len(ids):
        raise SemlensError(f"{images.source}: no image can be read and has a class")
    model = every[0].model
    feed = Feed(model, images, BATCH)
    recipe = {"model": model.fingerprint(), "images": images.fingerprint, "shares": points}
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    parts: list[Bool[np.ndarray, "b m s"]] = []
    for some in batches:
        own = []
        for order in every:
            wanted = {**recipe, "order": order.scores, "ids": some, "classes": classes[some]}
            file = None if checkpoint is None else checkpoint / f"{digest_of(wanted)[:16]}.safetensors"
            told = cached(file, wanted, partial(_told, order, points, feed, some, classes[some]))
            own.append(told["right"].astype(bool))
            progress("prune", len(parts) * len(every) + len(own), len(batches) * len(every))
        parts.append(np.stack(own, axis=1))
    return np.concatenate(parts)


def _told(
    order: Pruning, points: Float64[np.ndarray, "s"], feed: Feed, ids: Int64[np.ndarray, "b"],
    classes: Int64[np.ndarray, "b"],
) -> dict[str, Bool[np.ndarray, "b s"]]:  # fmt: skip
    """Whether each image of a batch is told right at each share."""
    ((x, _),) = feed.readable(ids.tolist(), "curves")
    right = []
    for share in points.tolist():
        with torch.no_grad(), tuned_allocator(), order.at(share):
            logits = logits_of(feed.model.net(x), len(x))
        assert logits is not None
        right.append(logits[: len(ids)].argmax(1).cpu().numpy() == classes)
    return {"right": np.stack(right, axis=1)}
