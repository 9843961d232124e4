"""The rules of layer-wise relevance propagation for layers z_k = sum_j x_j w_jk + b_k.

Relevance is carried as a modified gradient g: the relevance of a tensor t is R = t * g. A rule whose messages are
proportional to the input, R_j = x_j * (...), is then a formula for the bracket alone and divides by no activation. The
other rules (flat, w-square, z-box) give relevance to inputs of zero too, and return relevance itself.

Source: Bach et al. 2015 (LRP-0, epsilon, alpha-beta); Montavon et al. 2017 (w-square, z-box); Lapuschkin et al. 2019
(flat); Montavon et al. 2019 (gamma); Andéol et al. 2021 (gamma for inputs and outputs of any sign).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from semlens.attribution.affine import Affine
from semlens.attribution.conservation import per_image
from semlens.errors import SemlensError
from semlens.types import Float

STABILISER = 1e-9
"""By how much a denominator is moved away from zero, as a share of the layer's mean |output|."""

ROUNDING = 1e-6
"""The same for a denominator in which large numbers may cancel: what is left below this share is rounding."""

SMALLEST = 1.2e-38
"""The least step away from zero: the smallest normal number of float32."""


@dataclass(frozen=True)
class Message:
    """The result of a rule for one layer.

    Args:
        down: modified gradient at the layer's input, or relevance for a rule that is not `proportional`.
        absorbed: pairs of a bias and the modified gradient that reaches it; their product is what the bias absorbs.
        kept: computes what the stabiliser keeps, for each index of the first axis, by the rule's own formula; without
            it that is what enters the layer and neither leaves it nor stays with the bias.
    """

    down: Float[Tensor, "..."]
    absorbed: tuple[tuple[Float[Tensor, "c"], Float[Tensor, "..."]], ...] = ()
    kept: Callable[[], Float[Tensor, "n"]] | None = None


@runtime_checkable
class Rule(Protocol):
    """How the relevance of a layer's outputs is shared among its inputs."""

    @property
    def proportional(self) -> bool:
        """Whether an input of zero never gets relevance: then `down` is a modified gradient, else relevance."""
        ...

    def __call__(
        self, layer: Affine, x: Float[Tensor, "..."], z: Float[Tensor, "..."], g: Float[Tensor, "..."]
    ) -> Message:
        """The message to the input `x` of a layer with output `z`, where the modified gradient is `g`."""
        ...


def step_of(sizes: Float[Tensor, "..."], axes: Sequence[int], epsilon: float) -> Float[Tensor, "..."]:
    """By how much to move away from zero what is divided by at a layer with output z: `epsilon` times mean |z|.

    A network whose activations are a thousand times smaller thus has the same relevance.

    Args:
        sizes: |z|.
        axes: what the mean is over; never the images, or relevance would depend on which of them run together.
    """
    wide, least = _limits(sizes.dtype)
    # torch takes no axes for all of them; a sum takes half as long as a mean where there is little
    total = sizes.sum(tuple(axes), True, dtype=wide) if axes else sizes.to(wide, copy=True)
    step = total.mul_(epsilon / max(math.prod(sizes.shape[axis] for axis in axes), 1)).clamp_min_(least)
    return step if step.dtype == sizes.dtype else step.to(sizes.dtype)


@cache
def _limits(kind: torch.dtype) -> tuple[torch.dtype, float]:
    """In which type means are taken, and the least step that is not rounded to 0 in this one."""
    limits = torch.finfo(kind)
    return torch.promote_types(kind, torch.float32), max(limits.tiny * limits.eps, SMALLEST)


def stabilise(z: Float[Tensor, "..."], step: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`z` moved away from zero by `step`, in the direction of its sign; zero counts as positive."""
    return torch.copysign(step, z.detach() + 0.0).add_(z)  # -0.0 + 0.0 is 0.0, which counts as positive


def kept_by(step: Float[Tensor, "..."], s: Float[Tensor, "..."]) -> Float[Tensor, "n"]:
    """What `step`, as `step_of` gives it, keeps for each index of the first axis, where it was added to a denominator
    of which `s` is the quotient."""
    axes = [axis for axis in range(1, s.ndim) if step.shape[axis] == 1]
    total = s.sum(axes, True, dtype=_limits(s.dtype)[0]) if axes else s
    return (total * step).flatten(1).sum(1)


def share_of_positive(
    g: Float[Tensor, "..."], z: Float[Tensor, "..."], denominator: Float[Tensor, "..."], step: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """`share` by a sum of what is never negative, which is overwritten."""
    return (g * z).div_(denominator.clamp_min_(0).add_(step))  # below 0 by rounding alone


def share(
    g: Float[Tensor, "..."], z: Float[Tensor, "..."], denominator: Float[Tensor, "..."], step: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """The relevance z * g divided by a denominator moved away from zero by `step`."""
    return (g * z).div_(stabilise(denominator, step))


def damped(g: Float[Tensor, "..."], sizes: Float[Tensor, "..."], step: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """g z / (z + step sign(z)) with `sizes` = |z|: `share` with z as its own denominator."""
    # computed as g - g / (|z| / step + 1), in fewer passes over the memory, and exactly 0 where z is
    return torch.addcdiv(g, g, (sizes / step).add_(1), value=-1)


@dataclass(frozen=True)
class Epsilon:
    """R_j = sum_k x_j w_jk / (z_k + epsilon m sign(z_k)) R_k with m the layer's mean |z|; LRP-0 with `epsilon=0`.

    The share of epsilon in the denominator is absorbed. The mean is over all channels and positions of a convolution's
    output on one image, and over the units of a linear layer at one position.

    Source: Bach et al. 2015. But: epsilon is relative to the layer's scale, as in Montavon et al. 2019, and not in the
    unit of its output.
    """

    epsilon: float = STABILISER
    proportional = True

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        entered = g
        if self.epsilon:
            sizes = z.abs()
            g = damped(g, sizes, step_of(sizes, layer.within(z), self.epsilon))
        down = layer.pull(g, layer.weight, x)
        return Message(down, _bias_share(layer.bias, g), lambda: per_image(z, entered - g))


@dataclass(frozen=True)
class Gamma:
    """R_j = sum_k x_j (w_jk + gamma w+_jk) / sum_i x_i (w_ik + gamma w+_ik) R_k, which favours positive contributions.

    For inputs of any sign, the favoured contributions are those of the sign of z_k: w+ with positive inputs and w- with
    negative ones if z_k > 0, and the other way round if z_k < 0.

    Source: Montavon et al. 2019; Andéol et al. 2021 (inputs and outputs of any sign).
    """

    gamma: float = 0.25
    proportional = True

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        # What has the sign of z_k sums to (z_k + sign(z_k) sum_j |x_j w_jk|) / 2, and w+, w- are (w + |w|) / 2 and
        # (w - |w|) / 2: one pass up and two down serve inputs and outputs of every sign. Nothing cancels.
        w, b, half = layer.weight, layer.bias, self.gamma / 2
        sizes, of_bias = w.abs(), None if b is None else b.abs()
        positive_inputs = never_negative(x)
        whole = layer.apply(x if positive_inputs else x.abs(), sizes, of_bias)
        of_z, beside_z = z.abs(), half / (1 + half)
        step = step_of(of_z, layer.within(z), STABILISER / (1 + half))
        part = z / of_z.add_(whole, alpha=beside_z).add_(step)
        favoured = g * part  # times the sign of z: what w counts; of w the whole, of |w| the share `beside_z`
        kept = partial(kept_by, step, favoured)
        plain = g * part.abs_()
        if positive_inputs and not batched(g) and torch.equal(plain, favoured):  # usual before a ReLU
            raised = None if b is None or of_bias is None else of_bias.mul_(beside_z).add_(b)
            return Message(layer.pull(favoured, sizes.mul_(beside_z).add_(w), x), _bias_share(raised, favoured), kept)
        down, beside = layer.pull(plain, w, x), layer.pull(favoured, sizes, x)
        down = down.add_(beside, alpha=beside_z) if positive_inputs else down.addcmul_(beside, x.sign(), value=beside_z)
        of_bias = None if of_bias is None else of_bias.mul_(beside_z)
        return Message(down, _bias_share(b, plain) + _bias_share(of_bias, favoured), kept)


@dataclass(frozen=True)
class AlphaBeta:
    """R_j = sum_k (alpha (x_j w_jk)+ / z+_k - beta (x_j w_jk)- / z-_k) R_k with alpha - beta = 1.

    Source: Bach et al. 2015.

    Raises:
        SemlensError: alpha - beta is not 1, or beta is negative.
    """

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
        b, sides = layer.bias, _Sides(layer, x)
        minus = layer.weight.clamp_max(0) if self.beta or not sides.never_negative else layer.weight  # else not read
        plus, b_plus = _positive(layer, overwrite=layer.fresh and not self.beta)
        step = step_of(z.abs(), layer.within(z), STABILISER)
        s = share_of_positive(g, z, sides.apply(plus, minus, b_plus), step)
        s = s if self.alpha == 1 else s * self.alpha
        message, absorbed = sides.pull(s, plus, minus), _bias_share(b_plus, s)
        if not self.beta:
            return Message(message, absorbed, partial(kept_by, step, s))
        b_minus = None if b is None else b.clamp(max=0)
        s = share(g, z, sides.apply(minus, plus, b_minus), step).mul_(-self.beta)
        return Message(message + sides.pull(s, minus, plus), absorbed + _bias_share(b_minus, s))


def z_plus() -> AlphaBeta:
    """The z+ rule, alpha 1 and beta 0: only positive contributions get relevance.

    Source: Montavon et al. 2017.
    """
    return AlphaBeta(1.0, 0.0)


@dataclass(frozen=True)
class Flat:
    """R_j = sum_k 1 / sum_i 1 R_k: evenly over the inputs of a unit.

    Source: Lapuschkin et al. 2019.
    """

    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        return Message(_spread(layer, torch.ones_like(layer.weight), x, z * g))


@dataclass(frozen=True)
class WSquare:
    """R_j = sum_k w_jk^2 / sum_i w_ik^2 R_k: for real-valued inputs of the first layer.

    Source: Montavon et al. 2017.
    """

    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        return Message(_spread(layer, layer.weight.square(), x, z * g))


@dataclass(frozen=True)
class ZBox:
    """R_j = sum_k (x_j w_jk - l_j w+_jk - h_j w-_jk) / sum_i (x_i w_ik - l_i w+_ik - h_i w-_ik) R_k, for inputs between
    l and h.

    Source: Montavon et al. 2017.

    Args:
        low, high: the bounds l and h, one number or one per channel, of the normalised input. None: the least and the
            greatest value in each image.
    """

    low: tuple[float, ...] | None = None
    high: tuple[float, ...] | None = None
    proportional = False

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        w, plus, minus = layer.weight, layer.weight.clamp(min=0), layer.weight.clamp(max=0)
        low, high = self._bound(self.low, x, least=True), self._bound(self.high, x, least=False)
        denominator = layer.apply(x, w, None) - layer.apply(low, plus, None) - layer.apply(high, minus, None)
        s = share(g, z, denominator, step_of(z.abs(), layer.within(z), ROUNDING))
        terms = ((x, w), (-low, plus), (-high, minus))
        down = [value * layer.pull(s, weight, x) for value, weight in terms]
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


@dataclass(frozen=True, eq=False)
class PerLayer:
    """A rule that is made for each layer: it knows the layer's own weights, also where a norm is folded into them."""

    make: Callable[[Affine], Rule]
    proportional = True

    def __call__(self, layer: Affine, x: Tensor, z: Tensor, g: Tensor) -> Message:
        return self.make(layer)(layer, x, z, g)


def has_total(rule: Rule) -> bool:
    """Whether what a unit gives under this rule are shares of a total of its own, which is never negative."""
    return isinstance(rule, Flat | WSquare) or (isinstance(rule, AlphaBeta) and not rule.beta)


def total(rule: Rule, layer: Affine, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """That total, for each unit of the layer's output: what z+ or a rule for the first layer divides by."""
    if isinstance(rule, AlphaBeta):
        sides = _Sides(layer, x)
        minus = layer.weight if sides.never_negative else layer.weight.clamp_max(0)  # else not read
        plus, b_plus = _positive(layer, overwrite=layer.fresh)
        return sides.apply(plus, minus, b_plus)
    weight = torch.ones_like(layer.weight) if isinstance(rule, Flat) else layer.weight.square()
    return layer.apply(torch.ones_like(x), weight, None)


def _positive(layer: Affine, *, overwrite: bool) -> tuple[Tensor, Tensor | None]:
    """The positive part of weight and bias, which may be written over the layer's own."""
    w, b = layer.weight, layer.bias
    if overwrite:
        return w.clamp_min_(0), None if b is None else b.clamp_min_(0)
    return w.clamp_min(0), None if b is None else b.clamp_min(0)


def batched(g: Tensor) -> bool:
    """Whether `g` is that of many backward passes at once (vmap), whose values Python cannot read."""
    is_batched = torch._C._functorch.is_batchedtensor(g) or torch._C._functorch.is_legacy_batchedtensor(g)
    return bool(is_batched)


def never_negative(x: Tensor) -> bool:
    """Whether no input is negative, as behind a ReLU."""
    return not x.numel() or float(x.min()) >= 0


class _Sides:
    """A layer with one weight for positive inputs and another for negative ones."""

    def __init__(self, layer: Affine, x: Tensor) -> None:
        self.layer, self.x = layer, x
        self.never_negative = never_negative(x)

    def apply(self, w: Tensor, w_negative: Tensor, b: Tensor | None) -> Tensor:
        """The output: `w` applied to positive inputs plus `w_negative` applied to negative ones, plus the bias."""
        if self.never_negative:
            return self.layer.apply(self.x, w, b)
        above = self.layer.apply(self.x.clamp_min(0), w, b)
        return above.add_(self.layer.apply(self.x.clamp_max(0), w_negative, None))

    def pull(self, s: Tensor, w: Tensor, w_negative: Tensor) -> Tensor:
        """`s` multiplied by the transposed map, for each input that with the weight of its sign."""
        down = self.layer.pull(s, w, self.x)
        if self.never_negative:
            return down
        below = self.layer.pull(s, w_negative, self.x)
        return torch.lerp(down, below, (self.x < 0).to(down.dtype))  # exactly one of both; `where` takes twice as long


def _spread(layer: Affine, weight: Tensor, x: Tensor, relevance: Tensor) -> Tensor:
    """Relevance shared in proportion to `weight`, whatever the inputs are."""
    weights = layer.apply(torch.ones_like(x[:1]), weight, None)  # a sum of what is not negative: nothing cancels
    seen = weights != 0
    return layer.pull(torch.where(seen, relevance / torch.where(seen, weights, 1), 0), weight, x)


def _bias_share(bias: Tensor | None, s: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
    return () if bias is None else ((bias, s),)
