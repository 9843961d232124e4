"""Whether relevance of components is faithful: what becomes of an output as they go, the most relevant first."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.analysis import Faithfulness
from semlens.attribution import fixed
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Components, Layer, VisionModel, as_model, layer_text, parse_all, record
from semlens.progress import visible
from semlens.revisit.rankings import BY, Asked, Lens, check_ways, places_of, ranked
from semlens.types import Bool, Float, Float64, Int64, Progress, Shaped

DRAWS = 3
"""Random orders of which the mean is taken."""
UPTO = 0.25
"""Share of the components that a curve goes up to."""


def faithful(
    model: VisionModel | str,
    images: ImageSet | Any,
    layer: Layer,
    target: Any = None,
    *,
    by: Sequence[str] = BY,
    baseline: ImageSet | None = None,
    count: int = 100,
    steps: int = 20,
    upto: float = UPTO,
    batch_size: int = 16,
    workers: int | None = None,
    seed: int = 0,
    progress: Progress = visible,
) -> Faithfulness:
    """Deletion and insertion curves: on each image, the components of a layer are ranked by each method, then set to
    zero one after the other, the most relevant first, or given back to a layer in which all are zero.

    Only components that do anything on an image count. What a dictionary does not explain stays throughout.

    Args:
        layer: whose components go: a layer, a dictionary, or `LAYER@dictionary:FILE`.
        target: an output, or a function of the model's output, as for `attribute`: `similarity(text, foundation)`.
        by: the ways to rank components, of BY ("gradient" is attribution patching, "ablation" the oracle), composites
            of LRP rules, or "greedy_gradient", patching that is done again as components go; the first is the one that
            the others are held against.
        baseline: images to compare with, one for each: components are set to what they are there in place of zero.
        count: images looked at, drawn at random where there are more.
        steps: parts of a curve.
        upto: the share of the components at which a curve ends. With most of them gone, what is left is what no method
            calls relevant, and the output on it says more of the model than of the ranking; 1 goes to the end.

    Source: Samek et al. 2017 (deletion, its first part); Petsiuk et al. 2018 (insertion); Dreyer et al. 2025
    (arXiv 2505.20229), of latents. But: what the dictionary leaves unexplained stays, as it does in attribution.

    Raises:
        SemlensError: a way, layer or target that does not exist, a component as target, or no image that can be read.
    """
    model, images, by = as_model(model), load_images(images), tuple(by)
    check_ways(by)
    if steps < 2 or count < 1 or not 0 < upto <= 1:
        raise SemlensError(
            f"{steps} steps up to {upto} on {count} images are no curve: choose 2 steps and 1 image or more, up to 1"
        )
    if baseline is not None and len(baseline) != len(images):
        raise SemlensError(f"{len(baseline)} images to compare with for {len(images)} images: give one for each")
    fractions = np.linspace(0, upto, steps + 1)
    lens, parts, sizes = Lens(), [], []
    for asked in _asked(model, images, layer, target, baseline, count, batch_size, workers, seed, progress):
        sizes += asked.counts.sum(1).tolist()
        parts.append(np.stack([_curves(way, asked, lens, fractions) for way in by], axis=1))
    if not parts:
        raise SemlensError(f"no image of {images.source} can be read")
    deletion, insertion = np.concatenate(parts, axis=2)
    return Faithfulness(layer_text(layer), by, fractions, deletion, insertion, float(np.mean(sizes)))


def _asked(
    model: VisionModel, images: ImageSet, layer: Layer, target: Any, baseline: ImageSet | None, count: int,
    batch_size: int, workers: int | None, seed: int, progress: Progress,
) -> Iterator[Asked]:  # fmt: skip
    """Batches of images with what their components are."""
    feed = Feed(model, images, batch_size, workers)
    ((kind, _),) = parse_all(model.net, [layer], feed.first)
    drawn = np.random.default_rng(seed).permutation(len(images))[:count]
    ids = sorted(drawn.tolist())
    others = _others(model, baseline, batch_size, workers)
    for x, here in feed.readable(ids, "faithful", progress):
        x, other = x[: len(here)], others(here)
        acts = _activations(model, kind, x)
        before = torch.zeros_like(acts) if other is None else _activations(model, kind, other)
        yield Asked(model, kind, fixed(model, target, x), x, acts, before, other, here, seed)


def _others(model: VisionModel, baseline: ImageSet | None, batch_size: int, workers: int | None) -> Any:
    """What gives the images that some are compared with."""
    if baseline is None:
        return lambda here: None
    feed = Feed(model, baseline, batch_size, workers)

    def others(here: Sequence[int]) -> Tensor:
        ((x, _),) = feed.batches(list(here), "faithful", readable_when="it is compared with")
        return x[: len(here)]

    return others


def _activations(model: VisionModel, kind: Components, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n c p"]:
    with torch.no_grad(), record(model.net, [kind.site], lambda _, output: kind.read(output).clone()) as seen:
        model.net(x)
        acts: Tensor = seen[kind.site]
        return acts


def _curves(by: str, asked: Asked, lens: Lens, fractions: Float64[np.ndarray, "f"]) -> Float64[np.ndarray, "2 n f"]:
    """Deletion and insertion of each image."""
    draws = DRAWS if by == "random" else 1
    found = [_curve(_places(ranked(by, asked, lens, draw), asked.counts), asked, fractions) for draw in range(draws)]
    return np.asarray(np.mean(found, axis=0))


def _places(relevance: Float[Tensor, "n c"], counts: Bool[Tensor, "n c"]) -> Int64[Tensor, "n c"]:
    """The place of each component on each image, the most relevant first, those last that do nothing; equal ones from
    the lower unit up."""
    return places_of(relevance.masked_fill(~counts, -torch.inf))


def _curve(
    places: Int64[Tensor, "n c"], asked: Asked, fractions: Float64[np.ndarray, "f"]
) -> Float64[np.ndarray, "2 n f"]:
    sizes = asked.counts.sum(1, keepdim=True)
    found = []
    for fraction in fractions.tolist():
        first = places < (sizes * fraction).round()
        found.append([asked.score(~first), asked.score(first)])
    curves = [torch.stack(scores, dim=1) for scores in zip(*found, strict=True)]
    return np.asarray(torch.stack(curves).double().cpu().numpy())
