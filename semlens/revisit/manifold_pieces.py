"""Manifold alignment of models: their layers on the same pieces of the same images."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.analysis import Alignment, align, manifold
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.model import Vectors, VisionModel, parse_all, record
from semlens.progress import visible
from semlens.types import ExampleSet, Float, Float32, Progress


def compare_manifolds(
    sides: Sequence[tuple[VisionModel, str]],
    images: ExampleSet,
    *,
    count: int = 100,
    grid: int = 4,
    reduction: str = "pca",
    least: int = 15,
    draws: int = 10,
    seed: int = 0,
    progress: Progress = visible,
) -> Alignment:
    """How alike layers of one or several models are in which pieces of images they put together.

    Each image is divided into `grid` x `grid` pieces; a layer's vectors are averaged over each.

    Args:
        sides: models, each with a layer that has vectors at positions.
        count: images, drawn at random where there are more.
        reduction, least: of every representation before it is clustered, and the pieces of a cluster; see `manifold`.
        draws: permutations, for chance.

    Raises:
        SemlensError: fewer than two sides, a layer without a square grid of vectors, or too few pieces for clusters.
    """
    ids = sorted(np.random.default_rng(seed).permutation(len(images))[:count].tolist())
    vectors: dict[tuple[int, str], Float32[np.ndarray, "n d"]] = {}
    for model in {id(model): model for model, _ in sides}.values():
        layers = list(dict.fromkeys(layer for other, layer in sides if other is model))
        for layer, found in zip(layers, pieces(model, layers, images, ids, grid, progress), strict=True):
            vectors[id(model), layer] = found
    made = [
        manifold(name, vectors[id(model), layer], reduction=reduction, least=least, seed=seed)
        for name, (model, layer) in zip(_names(sides), sides, strict=True)
    ]
    return align(made, draws=draws, seed=seed)


def pieces(
    model: VisionModel, layers: Sequence[str], images: ExampleSet, ids: Sequence[int], grid: int, progress: Progress
) -> list[Float32[np.ndarray, "n d"]]:
    """Each layer's vectors on some images, averaged over the pieces of each: image by image, from left to right, top
    down.

    Raises:
        SemlensError: a layer has no square grid of vectors.
    """
    feed = Feed(model, images, 16)
    kinds = [kind for kind, _ in parse_all(model.net, layers, feed.first)]
    for kind in kinds:
        if not isinstance(kind, Vectors):
            raise SemlensError(f"{kind.layer!r} has no vectors at positions: name the layer itself, not a dictionary")

    def keep(site: Any, output: Any) -> list[Tensor]:
        mine = [kind for kind in kinds if kind.site == site]
        return [_averaged(kind.vectors(output).float(), kind.layer, grid) for kind in mine]  # type: ignore[attr-defined]

    found: list[list[np.ndarray]] = [[] for _ in kinds]
    sites = list(dict.fromkeys(kind.site for kind in kinds))
    with torch.no_grad():
        for x, batch in feed.batches(ids, "pieces of images", readable_when="the pass began", progress=progress):
            with record(model.net, sites, keep) as seen:
                model.net(x)
                for at, kind in enumerate(kinds):
                    mine = [other for other in kinds if other.site == kind.site].index(kind)
                    found[at].append(seen[kind.site][mine][: len(batch.ids) * grid * grid].numpy(force=True))
    return [np.concatenate(parts) for parts in found]


def _averaged(vectors: Float[Tensor, "n p d"], layer: str, grid: int) -> Float[Tensor, "m d"]:
    side = round(vectors.shape[1] ** 0.5)
    if side * side != vectors.shape[1] or side < grid:
        raise SemlensError(
            f"{layer!r} has {vectors.shape[1]} positions, which are no square grid of {grid} x {grid} or more: choose "
            "another layer, or a smaller grid"
        )
    maps = vectors.mT.unflatten(2, (side, side))
    return torch.nn.functional.adaptive_avg_pool2d(maps, grid).flatten(2).mT.flatten(0, 1)


def _names(sides: Sequence[tuple[VisionModel, str]]) -> list[str]:
    models = {model.name for model, _ in sides}
    return [layer if len(models) == 1 else f"{model.name} {layer}" for model, layer in sides]
