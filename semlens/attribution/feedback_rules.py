"""How reward passes the weights of a layer z_k = sum_j x_j w_jk + b_k: the rules of feedback propagation."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from semlens.attribution.affine import Affine
from semlens.attribution.rules import STABILISER, Epsilon, Gamma, Rule, damped, step_of
from semlens.errors import SemlensError, unknown
from semlens.types import Float


@dataclass(frozen=True, eq=False)
class Passed:
    """The reward that passes each weight and each bias of a layer, summed over images and positions."""

    weight: Float[Tensor, "..."]
    bias: Float[Tensor, "c"] | None


@runtime_checkable
class FeedbackRule(Protocol):
    """A rule of relevance, by which reward goes down, and what of it passes each weight."""

    @property
    def rule(self) -> Rule:
        """By which reward reaches the layer's input."""
        ...

    def passed(
        self, layer: Affine, x: Float[Tensor, "..."], z: Float[Tensor, "..."], g: Float[Tensor, "..."]
    ) -> Passed:
        """What passes each weight, where the reward at the output `z` is z * g."""
        ...


@dataclass(frozen=True)
class EpsilonFeedback:
    """r_jk = x_j w_jk / (z_k + epsilon m sign(z_k)) r_k with m the layer's mean |z|.

    Args:
        epsilon: 0 for the plain rule, which divides by nothing in a ReLU network. Behind steps, which pass reward where
            z_k is near 0, about 0.3.

    Source: Weber et al. 2025. But: epsilon is relative to the layer's scale.
    """

    epsilon: float = 0.0

    @property
    def rule(self) -> Rule:
        """LRP-epsilon."""
        return Epsilon(self.epsilon)

    def passed(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Passed:
        """x_j w_jk g_k, damped by epsilon."""
        sizes = z.abs()
        s = damped(g, sizes, step_of(sizes, layer.within(z), self.epsilon)) if self.epsilon else g
        bias = None if layer.bias is None else layer.bias * layer.sums(s).sum(0)
        return Passed(layer.weight * _by_weight(layer, x, s), bias)


@dataclass(frozen=True)
class GammaFeedback:
    """r_jk = x_j w_jk (1 + gamma [x_j w_jk z_k > 0]) / sum_i x_i w_ik (1 + gamma [x_i w_ik z_k > 0]) r_k: connections
    that agree with the output get more of its reward, whatever the signs of inputs, weights and outputs.

    Source: Weber et al. 2025 use epsilon for the weights and gamma for what is passed on, with the formula for positive
    outputs. But: derived for both signs, from the one principle that a weight's feedback is what passes it.
    """

    gamma: float = 0.25

    @property
    def rule(self) -> Rule:
        """LRP-gamma."""
        return Gamma(self.gamma)

    def passed(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Passed:
        """The message along each connection: x w of `plain`, and |x w| of what has the sign of z."""
        w, b, half = layer.weight, layer.bias, self.gamma / 2
        beside = half / (1 + half)  # x w (1 + gamma [x w z > 0]) is (1 + half) (x w + beside sign(z) |x w|)
        sizes = layer.apply(x.abs(), w.abs(), None if b is None else b.abs())
        step = step_of(z.abs(), layer.within(z), STABILISER / (1 + half))
        favoured = g * z / (z.abs() + beside * sizes + step)
        plain = favoured * torch.where(z < 0, -1, 1)
        weight = w * _by_weight(layer, x, plain) + beside * w.abs() * _by_weight(layer, x.abs(), favoured)
        if b is None:
            return Passed(weight, None)
        return Passed(weight, b * layer.sums(plain).sum(0) + beside * b.abs() * layer.sums(favoured).sum(0))


@dataclass(frozen=True)
class HebbianFeedback:
    """w_jk z_k r_k (x_j - |z_k| w_jk): weights grow by what fires together, where that is rewarded. Reward goes down
    by epsilon.

    Args:
        oja: whether to subtract z_k^2 |r_k| w_jk (Oja's rule), so that weights stay bounded; that term counts
            punishment as reward does, or what is punished would grow without bound.

    Source: Oja 1982; Weber et al. 2025.
    """

    oja: bool = True
    epsilon: float = 0.0

    @property
    def rule(self) -> Rule:
        """LRP-epsilon."""
        return Epsilon(self.epsilon)

    def passed(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Passed:
        """w times the sum of z r x, less w times that of z^2 |r|."""
        reward = z * g
        along, of_bias = _by_weight(layer, x, z * reward), layer.sums(z * reward).sum(0)
        if self.oja:
            decay = layer.sums(z * z * reward.abs()).sum(0)
            along = along - layer.scale(layer.weight, decay)
            of_bias = of_bias if layer.bias is None else of_bias - layer.bias * decay
        return Passed(layer.weight * along, None if layer.bias is None else layer.bias * of_bias)


FEEDBACK_RULES: Mapping[str, FeedbackRule] = MappingProxyType(
    {"epsilon": EpsilonFeedback(), "gamma": GammaFeedback(), "hebbian": HebbianFeedback()}
)


def feedback_rule(rule: str | FeedbackRule) -> FeedbackRule:
    """A rule by its name; "epsilon:0.3", "gamma:0.1" and "hebbian:0.3" say the number as well, which of the Hebbian
    rule is the epsilon by which reward goes down.

    Raises:
        SemlensError: an unknown rule, or a number that is none or below 0.
    """
    if not isinstance(rule, str):
        return rule
    name, colon, text = rule.partition(":")
    if name not in FEEDBACK_RULES:
        raise unknown("feedback rule", name, FEEDBACK_RULES)
    if not colon:
        return FEEDBACK_RULES[name]
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not 0 <= number < inf:
        raise SemlensError(f"{rule!r}: write a rule's number as {name}:0.1, at least 0")
    if name == "epsilon":
        return EpsilonFeedback(number)
    return GammaFeedback(number) if name == "gamma" else HebbianFeedback(epsilon=number)


def _by_weight(layer: Affine, x: Tensor, s: Tensor) -> Tensor:
    """The sum of x_j s_k over images and positions for each weight: the layer's own gradient, which knows what shares
    a weight."""
    with torch.enable_grad():
        weight = layer.weight.detach().requires_grad_()
        (found,) = torch.autograd.grad(layer.apply(x.detach(), weight, None), weight, s.detach())
    return found
