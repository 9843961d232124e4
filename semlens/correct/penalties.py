"""What a network is trained on besides the labels, so that it relies less on what it should not: one term each.

With f the logits, m signs drawn for each image and class, v a direction in a layer and t how much of it is added at
every position of an image, A the pixels of a mask:

    RR-ClArC    mean over images of the sum over directions of (d m.f / d t at 0)^2
    RRR         mean over images of the sum over pixels in A of (d sum_k log p_k / d x)^2
    CDEP        mean over images of the sum over classes of |what the pixels in A give to f|
    augment     mean over images of the sum over classes of (f(one version) - f(another))^2, at weights above 0
    A-ClArC     no term: while it is trained, what is read of v is the same in every image

A direction is as long as what it says of the concept: in a dictionary of patterns, t = 1 adds the difference that the
concept makes, so that RR-ClArC's term is in squared logits.

Source: Dreyer et al. 2024 (arXiv 2308.09437); Ross et al. 2017 (arXiv 1703.03717), Eq. 1; Rieger et al. 2020 (arXiv
1909.13584); Anders et al. 2022 (Information Fusion 77), A-ClArC; Garg et al. 2019 (arXiv 1809.10610), counterfactual
logit pairing, of which augment's term is the square. But: RR-ClArC's directions as long as they are, and
its gradient summed over positions, as the concept is added to all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from semlens.correct.contextual import Decomposition, part_of
from semlens.errors import SemlensError
from semlens.model import Components, edit, logits_of
from semlens.types import Float, Int64, Shaped

Weights = Mapping[str, Tensor]
Masks = Mapping[int, Float[Tensor, "1 h2 w2"]]
"""By image, 1 where pixels are masked as the network takes them, else 0."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images as a network takes them."""

    x: Shaped[Tensor, "n ..."]
    ids: Int64[np.ndarray, "n"]
    signs: Float[Tensor, "n y"]  # 1 or -1 by chance for each image and class


@dataclass(frozen=True, eq=False)
class Passed:
    """What a network makes of them."""

    logits: Float[Tensor, "n y"]
    term: Float[Tensor, ""] | None = None


Method = Callable[[nn.Module, Weights, Batch], Passed]
"""How images pass through a network that is being trained, by these weights."""


def plain(net: nn.Module, weights: Weights, batch: Batch) -> Passed:
    """No term: fine-tuning."""
    return Passed(run(net, weights, batch.x))


def pairing(net: nn.Module, weights: Weights, batch: Batch) -> Passed:
    """Logit pairing: what two versions of an image, one after the other in the batch, are told apart by."""
    logits = run(net, weights, batch.x)
    first = torch.from_numpy(np.flatnonzero(batch.ids[:-1] == batch.ids[1:])).to(logits.device)
    if not len(first):
        return Passed(logits)
    return Passed(logits, (logits[first] - logits[first + 1]).square().sum(1).mean())


def augmentive_clarc(kind: Components, setter: Callable[[Any], Any]) -> Method:
    """A-ClArC, by what `setter` makes of what a layer gives: the same is read of the directions in every image."""

    def passed(net: nn.Module, weights: Weights, batch: Batch) -> Passed:
        with edit(net, kind.site, setter):
            return Passed(run(net, weights, batch.x))

    return passed


def right_reason_clarc(kind: Components, units: Sequence[int], components: int) -> Method:
    """RR-ClArC on some units of a layer, which has so many."""

    def passed(net: nn.Module, weights: Weights, batch: Batch) -> Passed:
        added = batch.x.new_zeros(len(batch.x), len(units), requires_grad=True)

        def add(output: Any) -> Any:
            acts = kind.read(output)
            own = added.to(acts.dtype)
            at = torch.tensor(units, device=acts.device)
            return kind.write(output, acts + own.new_zeros(len(own), components).index_copy(1, at, own)[..., None])

        with edit(net, kind.site, add):
            logits = run(net, weights, batch.x)
        return Passed(logits, _slope((logits * batch.signs).sum(), added).square().sum(1).mean())

    return passed


def right_reasons(masks: Masks) -> Method:
    """RRR, by the mask of each image that has one."""

    def passed(net: nn.Module, weights: Weights, batch: Batch, mask: Tensor) -> Passed:
        x = batch.x.detach().requires_grad_()
        logits = run(net, weights, x)
        slope = _slope(logits.log_softmax(1).sum(), x)
        return Passed(logits, (mask * slope).square().flatten(1).sum(1).mean())

    return _masked(masks, passed)


def contextual_decomposition(masks: Masks) -> Method:
    """CDEP, by the mask of each image that has one."""

    def passed(net: nn.Module, weights: Weights, batch: Batch, mask: Tensor) -> Passed:
        with Decomposition() as parts:
            logits = run(net, weights, parts.begin(batch.x, mask))
            return Passed(logits, part_of(logits).abs().sum(1).mean())

    return _masked(masks, passed)


def _masked(masks: Masks, method: Callable[[nn.Module, Weights, Batch, Tensor], Passed]) -> Method:
    """The method where a batch has masks, fine-tuning where it has none."""

    def passed(net: nn.Module, weights: Weights, batch: Batch) -> Passed:
        mask = _laid(masks, batch)
        return plain(net, weights, batch) if mask is None else method(net, weights, batch, mask)

    return passed


def run(net: nn.Module, weights: Weights, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n y"]:
    """The logits by these weights.

    Raises:
        SemlensError: the network gives none.
    """
    logits = logits_of(functional_call(net, dict(weights), (x,)), len(x))
    if logits is None:
        raise SemlensError("the model gives no row of logits per image: only classifiers are trained on")
    return logits


def _laid(masks: Masks, batch: Batch) -> Float[Tensor, "n 1 h2 w2"] | None:
    """The mask of each image, 0 for one that has none; None if no image of the batch has one."""
    own = [masks.get(int(id)) for id in batch.ids]
    known = next((mask for mask in own if mask is not None), None)
    if known is None:
        return None
    return torch.stack([torch.zeros_like(known) if mask is None else mask for mask in own]).to(batch.x)


def _slope(value: Float[Tensor, ""], by: Tensor) -> Tensor:
    """The gradient, itself to be derived.

    Raises:
        SemlensError: the value does not hang on it.
    """
    (slope,) = torch.autograd.grad(value, by, create_graph=True, allow_unused=True)
    if slope is None:
        raise SemlensError("the logits do not hang on what the term is about: name another layer")
    return slope
