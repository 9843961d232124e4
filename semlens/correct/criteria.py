"""By what a network's components are put in order before they are pruned: what each counts for on reference images, or
how large its weights are."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semlens.attribution import Composite, attribute
from semlens.collection import Feed
from semlens.correct.structures import Convolution, Structure
from semlens.errors import SemlensError
from semlens.model import VisionModel, head_projection, logits_of, parse_all, still
from semlens.types import Float, Float64, Int64, Progress

BATCH = 8
STEPS = 20
"""Points on the path of integrated gradients."""

Method = str | Composite


def per_image(
    model: VisionModel, feed: Feed, classes: Int64[np.ndarray, "i"], kept: Sequence[Structure], method: Method,
    progress: Progress,
) -> Float64[np.ndarray, "n c"]:  # fmt: skip
    """What every component counts for in the margin of each image's class, summed over its positions and calls:
    relevance by a composite's rules; activation x gradient; or gradients integrated along the path from a grey image.

    Args:
        classes: of each image; those below 0 are left out.

    Source: Yeom et al. 2021 (arXiv 1912.08881), relevance of a filter summed over its positions; Molchanov et al. 2017
    (arXiv 1611.06440), Eq. 7, which is also the sum of weight x gradient over a filter and its bias; Dhamdhere et al.
    2019 (arXiv 1805.12233), conductance.

    Raises:
        SemlensError: no image has a class.
    """
    layers = [layer for one in kept for layer in one.calls]
    kinds = [kind for kind, _ in parse_all(model.net, layers, feed.first)]
    rows = []
    for x, here in feed.readable(np.flatnonzero(classes >= 0).tolist(), "relevance", progress):
        own = classes[list(here)]
        if method == "integrated_gradients":
            found = _conductance(model, x[: len(here)], own, kinds)
        else:
            found = _attributed(model, x[: len(here)], margin(own), kinds, method)
        rows.append(np.concatenate(list(_summed(kept, [found[layer] for layer in layers])), axis=1))
    if not rows:
        raise SemlensError(f"no image of {feed.images.source} can be read and has a class")
    return np.concatenate(rows)


def margin(
    classes: Int64[np.ndarray, "n"], rivals: Int64[Tensor, "n"] | None = None
) -> Callable[[Any], Float[Tensor, "n"]]:
    """By how much the logit of each image's class is above that of its rival, as a function of the model's output.

    Args:
        rivals: the other class of each image; the highest of the others if not given.
    """

    def above(output: Any) -> Float[Tensor, "n"]:
        logits = logits_of(output, len(classes))
        assert logits is not None
        rows, own = torch.arange(len(logits), device=logits.device), torch.from_numpy(classes).to(logits.device)
        return logits[rows, own] - logits[rows, highest_but(logits, own) if rivals is None else rivals]

    return above


def highest_but(logits: Float[Tensor, "n y"], own: Int64[Tensor, "n"]) -> Int64[Tensor, "n"]:
    """The class with the highest logit of all but one."""
    return logits.detach().scatter(1, own[:, None], -torch.inf).argmax(1)


def _summed(kept: Sequence[Structure], by_layer: Sequence[Any]) -> Iterator[Any]:
    """The calls of each structure added up."""
    rest = iter(by_layer)
    for one in kept:
        yield np.sum([next(rest) for _ in one.calls], axis=0)


def _attributed(
    model: VisionModel, x: Tensor, target: Callable[[Any], Tensor], kinds: Sequence[Any], method: Method, **how: Any
) -> dict[str, Any]:
    """What the components of each layer count for on each image."""
    found = attribute(model, x, target, method=method, layers=kinds, heat=False, warn_above=float("inf"), **how)
    return {name: one.sum(2, dtype=torch.float64).cpu().numpy() for name, one in found.layers.items()}


def _conductance(
    model: VisionModel, x: Tensor, classes: Int64[np.ndarray, "n"], kinds: Sequence[Any]
) -> dict[str, Any]:
    """Along the straight path from zero to the image, the gradient at each step times how activations change by it."""
    with torch.no_grad(), still(model.net):
        logits = logits_of(model.net(x), len(x))
    assert logits is not None
    target = margin(classes, highest_but(logits, torch.from_numpy(classes).to(x.device)))
    total: dict[str, Any] = {}
    for step in range(STEPS):
        point, before = x * ((step + 1) / STEPS), x * (step / STEPS)
        found = _attributed(model, point, target, kinds, "gradient", baseline=before)
        total = {name: total.get(name, 0) + one for name, one in found.items()}
    return total


def magnitudes(model: VisionModel, kept: Sequence[Structure]) -> Float64[np.ndarray, "c"]:
    """The length of each filter's or unit's weights, times what the norm behind multiplies it by; of a head, that of
    what projects it out.

    Source: Li et al. 2017 (arXiv 1608.08710), filters by their weights. But: with the norm, by the length.
    """
    return np.concatenate([_magnitudes(model.net, one) for one in kept])


def _magnitudes(net: nn.Module, one: Structure) -> Float64[np.ndarray, "c"]:
    module: Any = net.get_submodule(one.path)
    if one.kind == "head":
        found = head_projection(net, one.path)
        assert found is not None
        columns = module.get_submodule(found.path).weight.detach().double().unflatten(1, (one.components, -1))
        return np.asarray(columns.square().sum((0, 2)).sqrt().cpu().numpy())
    length = _rows(module).square().flatten(1).sum(1).sqrt()
    for layer in one.norms:
        norm: Any = net.get_submodule(layer.partition("@")[0].partition("#")[0])
        scale = (norm.running_var.detach().double() + norm.eps).rsqrt()
        length = length * (scale if norm.weight is None else (scale * norm.weight.detach().double()).abs())
    return np.asarray(length.cpu().numpy())


def _rows(module: Any) -> Float[Tensor, "c ..."]:
    """A module's weights, one row for each of its filters or units."""
    weight: Tensor = module.weight.detach().double()
    if isinstance(module, Convolution) and module.transposed:
        by_group = weight.unflatten(0, (module.groups, -1)).movedim(2, 1)  # group, output, input
        return by_group.flatten(0, 1)
    return weight
