"""Layers that are linear up to a bias, in the one form that every rule needs: apply them with other weights, and
multiply a tensor by the transposed map."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semlens.types import Float


@dataclass(frozen=True)
class Affine:
    """`z = apply(x, weight) + bias`: a linear layer or a convolution of any dimension, transposed or not.

    Args:
        apply: from input, weight and bias to output.
        pull: from a tensor of the output's shape, weight and input to the product with the transposed map, of the
            input's shape; the input's values are not read.
        scale: from weight and one factor per output channel to the weight whose output channels are multiplied.
        channels: the axis of the output that the bias belongs to.
        fresh: whether weight and bias were made for this layer alone, so that a rule may overwrite them.
    """

    weight: Float[Tensor, "..."]
    bias: Float[Tensor, "c"] | None
    apply: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    pull: Callable[[Tensor, Tensor, Tensor], Tensor]
    scale: Callable[[Tensor, Tensor], Tensor]
    channels: int
    fresh: bool = False

    def along(self, values: Float[Tensor, "c"], z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """One number per output channel, shaped to broadcast against the output `z`."""
        return values.view(-1, *[1] * (z.ndim - 1 - self.channels % z.ndim))

    def sums(self, s: Float[Tensor, "..."]) -> Float[Tensor, "n c"]:
        """A tensor of the output's shape, summed over positions."""
        channels = self.channels % s.ndim
        axes = [axis for axis in range(1, s.ndim) if axis != channels]
        return s.sum(axes) if axes else s

    def within(self, z: Float[Tensor, "..."]) -> tuple[int, ...]:
        """The axes of the output `z` that hold the values of one image: all of a convolution's but the first. Of a
        linear layer's, which may have its images on any, the units alone."""
        return (z.ndim - 1,) if self.channels == -1 else tuple(range(1, z.ndim))

    def folded(self, scale: Float[Tensor, "c"], shift: Float[Tensor, "c"]) -> "Affine":
        """The layer together with the `scale * z + shift` that follows it."""
        bias = shift.clone() if self.bias is None else torch.addcmul(shift, self.bias, scale)
        weight = self.scale(self.weight, scale)
        return Affine(weight, bias, self.apply, self.pull, self.scale, self.channels, fresh=True)


def linear(weight: Float[Tensor, "c d"], bias: Float[Tensor, "c"] | None) -> Affine:
    """`x @ weight.T + bias`."""
    return Affine(
        weight,
        bias,
        apply=functional.linear,
        pull=lambda s, w, _: s @ w,
        scale=lambda w, by: w * by[:, None],
        channels=-1,
    )


def identity(x: Float[Tensor, "..."]) -> Affine:
    """`x` itself, as a layer."""
    one = torch.ones((), dtype=x.dtype, device=x.device)
    return Affine(one, None, lambda x, w, _: x * w, lambda s, w, _: s * w, lambda w, by: w * by, channels=1)


def convolution(
    weight: Float[Tensor, "..."],
    bias: Float[Tensor, "c"] | None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    transposed: bool = False,
    output_padding: Any = 0,
) -> Affine:
    """A convolution over one, two or three dimensions, with the arguments of `torch.nn.functional.conv2d`."""
    apply, pull, scale = _maps(
        weight.shape[2:],
        *(_hashable(v) for v in (stride, padding, dilation)),
        groups,
        transposed,
        _hashable(output_padding),
    )
    return Affine(weight, bias, apply, pull, scale, channels=1)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=1024)
def _maps(
    kernel: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    transposed: bool,
    output_padding: Any,
) -> tuple[Callable[..., Tensor], Callable[..., Tensor], Callable[..., Tensor]]:
    """The functions `apply`, `pull` and `scale` of a convolution."""
    n = len(kernel)
    stride, dilation, output_padding = (_all(value, n) for value in (stride, dilation, output_padding))
    extra: list[int] = []  # padding "same" with an odd total pads one more at the end
    if isinstance(padding, str):
        total = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
        padding = [t // 2 for t in total]
        extra = [end for t in reversed(total) for end in (0, t % 2)]
    options = (stride, _all(padding, n), dilation, transposed, output_padding, groups)

    padded = partial(functional.pad, pad=extra) if any(extra) else lambda x: x

    def apply(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        return torch.convolution(padded(x), w, b, *options)

    def pull(s: Tensor, w: Tensor, x: Tensor) -> Tensor:
        down = _convolution_backward(s, padded(x), w, None, *options, (True, False, False))[0]
        return functional.pad(down, [-end for end in extra]) if any(extra) else down

    def scale(w: Tensor, by: Tensor) -> Tensor:
        if not transposed:
            return w * by.view(-1, *[1] * (n + 1))
        grouped = w.unflatten(0, (groups, -1)) * by.view(groups, 1, -1, *[1] * n)  # weight "in out/groups ..."
        return grouped.flatten(0, 1)

    return apply, pull, scale


_convolution_backward = torch.ops.aten.convolution_backward.default


def _all(value: Any, n: int) -> list[int]:
    return [int(v) for v in value] if isinstance(value, tuple | list) else [int(value)] * n
