"""What an output does with a layer's vectors: each image's mean vector, and the output's gradient there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.attribution import fixed
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.model import Components, Layer, VisionModel, edit, parse_all, vectors_of
from semlens.types import ExampleSet, Float64, Int64, Progress, Shaped


@dataclass(frozen=True, eq=False)
class Slopes:
    """A layer and an output on some images.

    Args:
        vectors: the mean over positions of the layer's vectors.
        gradients: of the output: by how much it changes per unit that all positions move along an axis.
        outputs: which of the model's outputs was explained.
    """

    vectors: Float64[np.ndarray, "n d"]
    gradients: Float64[np.ndarray, "n d"]
    outputs: Int64[np.ndarray, "n"]


def slopes(
    model: VisionModel, images: ExampleSet, layer: Layer, target: Any, *, count: int, batch_size: int, seed: int,
    progress: Progress,
) -> Slopes:  # fmt: skip
    """The slopes of an output along a layer's vectors, on `count` images drawn at random, or on all.

    Raises:
        SemlensError: a layer or target that does not exist, or no image that can be read.
    """
    feed = Feed(model, images, batch_size)
    ((kind, _),) = parse_all(model.net, [layer], feed.first)
    ids = sorted(np.random.default_rng(seed).permutation(len(images))[:count].tolist())
    parts = [_of(model, kind, target, x[: len(here)]) for x, here in feed.readable(ids, "slopes", progress)]
    if not parts:
        raise SemlensError(f"no image of {images.source} can be read")
    vectors, gradients, outputs = (torch.cat(one).cpu().numpy() for one in zip(*parts, strict=True))
    return Slopes(vectors, gradients, outputs)


def _of(model: VisionModel, kind: Components, target: Any, x: Shaped[Tensor, "n ..."]) -> tuple[Tensor, Tensor, Tensor]:
    goal, base, held = fixed(model, target, x), vectors_of(kind), list[Tensor]()

    def loose(output: Any) -> Any:
        """The same output, whose vectors can be differentiated by."""
        held.append(base.vectors(output).detach().clone().requires_grad_())
        return base.put(output, held[-1])

    with torch.enable_grad(), edit(model.net, kind.site, loose):
        value = goal.of(model.net(x), torch.arange(len(x), device=x.device)).sum()
        if not value.requires_grad:
            raise SemlensError(f"what is explained does not depend on layer {kind.layer!r} by a gradient")
        (g,) = torch.autograd.grad(value, held[-1])
    return held[-1].detach().double().mean(1), g.double().sum(1), goal.columns
