"""The rules of layer-wise relevance propagation for layers that are linear up to a bias.

Relevance is carried as a modified gradient g: at every tensor t its relevance is t * g. A rule whose messages are
proportional to the input, R_j = x_j * (...), is then a formula for the bracket alone and divides by no activation. The
other rules (flat, w-square, z-box) give relevance also to inputs of zero and return it as such.

Source: Bach et al. 2015 (LRP-0, epsilon, alpha-beta); Montavon et al. 2017 (w-square, z-box); Lapuschkin et al. 2019
(flat); Montavon et al. 2019 (gamma); Andéol et al. 2021 (gamma for inputs and outputs of any sign).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from semlens.attribution.affine import Affine
from semlens.errors import SemlensError
from semlens.shapes import Float

STABILISER = 1e-6


@dataclass(frozen=True)
class Message:
    """What a rule sends down from one layer.

    Args:
        down: modified gradient at the layer's input, or relevance for a rule that is not `proportional`.
        kept: pairs of a bias and the modified gradient that reaches it; their product is what the bias absorbs.
    """

    down: Float[Tensor, "..."]
    kept: tuple[tuple[Float[Tensor, "c"], Float[Tensor, "..."]], ...] = ()


@runtime_checkable
class Rule(Protocol):
    """How the relevance of a layer's outputs is shared among its inputs."""

    @property
    def proportional(self) -> bool:
        """Whether an input of zero always gets none: then `down` is a modified gradient, else relevance."""
        ...

    def __call__(
        self, layer: Affine, x: Float[Tensor, "..."], z: Float[Tensor, "..."], g: Float[Tensor, "..."]
    ) -> Message:
        """The message to the input `x` of a layer with output `z`, where the modified gradient is `g`."""
        ...


def stabilise(z: Float[Tensor, "..."], epsilon: float = STABILISER) -> Float[Tensor, "..."]:
    """`z` moved away from zero by `epsilon`, in the direction of its sign; zero counts as positive."""
    return z + torch.where(z < 0, -epsilon, epsilon).to(z.dtype)


@dataclass(frozen=True)
class Epsilon:
    """R_j = sum_k x_j w_jk / (z_k + epsilon sign(z_k)) R_k; LRP-0 with `epsilon=0`. What the denominator gains is
    absorbed."""

    epsilon: float = STABILISER
    proportional = True

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        s = g * (z / stabilise(z, self.epsilon)) if self.epsilon else g
        return Message(layer.pull(s, layer.weight, x), _kept(layer.bias, s))


@dataclass(frozen=True)
class Gamma:
    """R_j = sum_k x_j (w_jk + gamma w+_jk) / sum_i(...) R_k, which favours positive contributions.

    For inputs of any sign the favoured weights are those that push z_k further to the side where it lies: w+ meets
    positive inputs and w- negative ones if z_k > 0, and the other way round if z_k < 0.
    """

    gamma: float = 0.25
    proportional = True

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        w, b = layer.weight, layer.bias
        up, down = w + self.gamma * w.clamp(min=0), w + self.gamma * w.clamp(max=0)
        raised = None if b is None else b + self.gamma * b.clamp(min=0)
        lowered = None if b is None else b + self.gamma * b.clamp(max=0)
        positive = _two_sided(layer, x, up, down, raised)
        s_up = _share(g, z, positive, z > 0)
        if not batched(g) and not ((z < 0) & (g != 0)).any():  # a ReLU follows, most often: nothing comes from z < 0
            return Message(_pull_two_sided(layer, x, s_up, up, down), _kept(raised, s_up))
        negative = _two_sided(layer, x, down, up, lowered)
        s_down = _share(g, z, negative, z < 0)
        message = _pull_two_sided(layer, x, s_up, up, down) + _pull_two_sided(layer, x, s_down, down, up)
        return Message(message, _kept(raised, s_up) + _kept(lowered, s_down))


@dataclass(frozen=True)
class AlphaBeta:
    """R_j = sum_k (alpha (x_j w_jk)+ / z+_k - beta (x_j w_jk)- / z-_k) R_k with alpha - beta = 1."""

    alpha: float = 2.0
    beta: float = 1.0
    proportional = True

    def __post_init__(self) -> None:
        if abs(self.alpha - self.beta - 1) > 1e-9 or self.beta < 0:
            raise SemlensError(
                f"alpha-beta rule with alpha {self.alpha} and beta {self.beta}: beta must be 0 or more and "
                "alpha = 1 + beta, or relevance is not conserved"
            )

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        plus, minus = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        b = layer.bias
        b_plus = None if b is None else b.clamp(min=0)
        s = self.alpha * _share(g, z, _two_sided(layer, x, plus, minus, b_plus))
        message, kept = _pull_two_sided(layer, x, s, plus, minus), _kept(b_plus, s)
        if not self.beta:
            return Message(message, kept)
        b_minus = None if b is None else b.clamp(max=0)
        s = -self.beta * _share(g, z, _two_sided(layer, x, minus, plus, b_minus))
        return Message(message + _pull_two_sided(layer, x, s, minus, plus), kept + _kept(b_minus, s))


def z_plus() -> AlphaBeta:
    """The z+ rule, alpha 1 and beta 0: only what excites a unit gets relevance."""
    return AlphaBeta(1.0, 0.0)


@dataclass(frozen=True)
class Flat:
    """R_j = sum_k 1 / sum_i 1 R_k: spread evenly over the inputs that a unit sees."""

    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        return Message(_spread(layer, torch.ones_like(layer.weight), x, z * g))


@dataclass(frozen=True)
class WSquare:
    """R_j = sum_k w_jk^2 / sum_i w_ik^2 R_k: for real-valued inputs of the first layer."""

    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        return Message(_spread(layer, layer.weight.square(), x, z * g))


@dataclass(frozen=True)
class ZBox:
    """R_j = sum_k (x_j w_jk - l_j w+_jk - h_j w-_jk) / sum_i(...) R_k for inputs between l and h.

    Args:
        low, high: the bounds, one number or one per channel, as the model takes its input: normalised. None: the least
            and the greatest value that each input itself has.
    """

    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        w, plus, minus = layer.weight, layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        low, high = self._bound(self.low, x, least=True), self._bound(self.high, x, least=False)
        denominator = layer.apply(x, w, None) - layer.apply(low, plus, None) - layer.apply(high, minus, None)
        s = _share(g, z, denominator)
        parts = ((x, w), (-low, plus), (-high, minus))
        down = [value * layer.pull(s, weight, x) for value, weight in parts]
        return Message(down[0] + down[1] + down[2])

    def _bound(self, bound: tuple[float, ...] | None, x: Tensor, *, least: bool) -> Tensor:
        if bound is None:
            flat = x.flatten(1)
            value = flat.amin(1) if least else flat.amax(1)
            return value.view(-1, *[1] * (x.ndim - 1)).expand_as(x)
        if len(bound) not in (1, x.shape[1]):
            raise SemlensError(
                f"z-box rule with {len(bound)} bounds on an input of {x.shape[1]} channels: give 1 or all"
            )
        values = torch.tensor(bound, dtype=x.dtype, device=x.device)
        return values.view(1, -1, *[1] * (x.ndim - 2)).expand_as(x)


def batched(g: Tensor) -> bool:
    """Whether `g` stands for many backward passes at once, so that Python cannot look at its values."""
    is_batched = torch._C._functorch.is_batchedtensor(g) or torch._C._functorch.is_legacy_batchedtensor(g)
    return bool(is_batched)


def _share(g: Tensor, z: Tensor, denominator: Tensor, where: Tensor | None = None) -> Tensor:
    """Relevance z * g over a stabilised denominator."""
    s = g * (z / stabilise(denominator))
    return s if where is None else s * where


def _two_sided(layer: Affine, x: Tensor, w: Tensor, w_negative: Tensor, b: Tensor | None) -> Tensor:
    """The layer with weights `w` for the positive part of the input and `w_negative` for the negative one."""
    if _never_negative(x):
        return layer.apply(x, w, b)
    return layer.apply(x.clamp(min=0), w, b) + layer.apply(x.clamp(max=0), w_negative, None)


def _pull_two_sided(layer: Affine, x: Tensor, s: Tensor, w: Tensor, w_negative: Tensor) -> Tensor:
    down = layer.pull(s, w, x)
    return down if _never_negative(x) else torch.where(x < 0, layer.pull(s, w_negative, x), down)


def _spread(layer: Affine, weight: Tensor, x: Tensor, relevance: Tensor) -> Tensor:
    """Relevance shared by `weight`, whatever the inputs are."""
    weights = layer.apply(torch.ones_like(x[:1]), weight, None)
    return layer.pull(relevance / stabilise(weights), weight, x)


def _kept(bias: Tensor | None, s: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    return () if bias is None else ((bias, s),)


def _never_negative(x: Tensor) -> bool:
    return bool(x.min() >= 0) if x.numel() else True
