"""Whether relevance of pixels is faithful: what becomes of an output as they go, most or least relevant first."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.analysis import Faithfulness
from semlens.attribution import Fixed, attribute, fixed
from semlens.collection import Feed
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet
from semlens.model import VisionModel, still
from semlens.progress import visible
from semlens.revisit.rankings import places_of
from semlens.types import Float, Progress

ORDERS = ("morf", "lerf")
"""Most relevant first, least relevant first."""

PIXELS = ("auto", "gradient", "integrated_gradients", "random")


def flipping(
    model: VisionModel,
    x: Float[Tensor, "n c h w"],
    heat: Float[Tensor, "n ..."],
    target: Any = None,
    *,
    order: str = "morf",
    steps: int = 20,
    baseline: float | Float[Tensor, "..."] = 0.0,
    upto: float = 1.0,
) -> Float[Tensor, "n f"]:
    """The explained output of each image as its pixels are set to a baseline in equal steps: at the start, and after
    each step.

    Args:
        heat: relevance of each pixel "n h w", which goes in all colours at once, or of each number "n c h w". Of equal
            ones the first goes first.
        order: ORDERS.
        baseline: a number, or what broadcasts with `x`.
        upto: the share of the pixels that goes.

    Source: Bach et al. 2015; Samek et al. 2017 (MoRF, LeRF). Equal to Quantus' PixelFlipping, which leaves the start
    out, with as many features in a step.

    Raises:
        SemlensError: an unknown order, a heat map of another shape, or a target that does not exist.
    """
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    if heat.shape not in (x.shape, (len(x), *x.shape[2:])) or steps < 1 or not 0 < upto <= 1:
        raise SemlensError(
            f"a heat map of shape {tuple(heat.shape)} for an input of {tuple(x.shape)} in {steps} steps up to {upto}: "
            "give relevance for each pixel, 1 step or more, and a share above 0 and up to 1"
        )
    places = places_of(heat if order == "morf" else -heat)
    goal, size = fixed(model, target, x), places[0].numel()
    gone = [int(np.ceil(step * size * upto / steps)) for step in range(steps + 1)]
    scores = [_score(model, goal, x, places >= count, baseline) for count in gone]
    return torch.stack(scores, dim=1)


def faithful_pixels(
    model: VisionModel,
    images: ImageSet,
    target: Any = None,
    *,
    by: Sequence[str] = PIXELS,
    baseline: float = 0.0,
    count: int = 100,
    steps: int = 20,
    upto: float = 1.0,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress = visible,
) -> Faithfulness:
    """`faithful` of pixels: deletion curves (MoRF: the most relevant pixels go first) and insertion curves (they come
    back first; read from its end, at `upto` 1, that is LeRF).

    Args:
        by: methods of `attribute`, or "random"; the first is the one that the others are held against.
        baseline: what a number of the model's input becomes: after most preprocessing 0 is the mean colour.
        count: images looked at, drawn at random where there are more.

    Raises:
        SemlensError: what `attribute` refuses, or no image that can be read.
    """
    drawn = sorted(np.random.default_rng(seed).permutation(len(images))[:count].tolist())
    parts: list[Float[np.ndarray, "2 m n f"]] = []
    generator = torch.Generator().manual_seed(seed)
    for x, here in Feed(model, images, batch_size).readable(drawn, "faithful", progress):
        x = x[: len(here)]
        goal = fixed(model, target, x)
        heats = [_heat(model, x, goal, way, generator) for way in by]
        parts.append(np.stack([_both(model, x, heat, goal, steps, upto, baseline) for heat in heats], axis=1))
    if not parts:
        raise SemlensError(f"no image of {images.source} can be read")
    deletion, insertion = np.concatenate(parts, axis=2)
    size = float(np.prod(x.shape[2:]))
    return Faithfulness("pixels", tuple(by), np.linspace(0, upto, steps + 1), deletion, insertion, size)


def _heat(model: VisionModel, x: Tensor, goal: Fixed, way: str, generator: torch.Generator) -> Tensor:
    if way == "random":
        return torch.rand((len(x), *x.shape[2:]), generator=generator).to(x)
    heat = attribute(model, x, goal.target, method=way).heat
    assert heat is not None
    return heat.detach()


def _both(
    model: VisionModel, x: Tensor, heat: Tensor, goal: Fixed, steps: int, upto: float, baseline: float
) -> Float[np.ndarray, "2 n f"]:
    places = places_of(heat)
    gone = [int(np.ceil(step * places[0].numel() * upto / steps)) for step in range(steps + 1)]
    kept = [[places >= count for count in gone], [places < count for count in gone]]
    curves = [torch.stack([_score(model, goal, x, keep, baseline) for keep in curve], dim=1) for curve in kept]
    return np.asarray(torch.stack(curves).double().cpu().numpy())


def _score(model: VisionModel, goal: Fixed, x: Tensor, keep: Tensor, baseline: Any) -> Float[Tensor, "n"]:
    kept = keep if keep.ndim == x.ndim else keep[:, None]
    with torch.no_grad(), still(model.net):
        return goal.of(model.net(torch.where(kept, x, torch.as_tensor(baseline).to(x))), torch.arange(len(x)))
