"""The autograd functions that pass a modified gradient `g` in place of the gradient: the relevance of a tensor `t` is
`t * g`.

Functions that only move, add, average or select values need none of these: their own gradient already shares relevance
in proportion to the contributions.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from semlens.attribution.conservation import Ledger
from semlens.attribution.marks import LayerCall
from semlens.attribution.rules import ROUNDING, batched, step_of


class Proportional(Function):
    """An affine layer whose rule gives a modified gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: LayerCall) -> Tensor:
        ctx.save_for_backward(x)
        ctx.call = call
        return call.run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return ctx.call.message(x, g), None


class Direct(Function):
    """An affine layer whose rule gives relevance itself, to inputs of zero too: it is the gradient of `shadow`.

    Without a shadow, below other layers, the relevance is divided by the input, and that of an input of zero is lost.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shadow: Tensor | None, call: LayerCall) -> Tensor:
        ctx.save_for_backward(x)
        ctx.call, ctx.has_shadow = call, shadow is not None
        return call.run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        relevance = ctx.call.message(x, g)
        if ctx.has_shadow:
            return torch.zeros_like(relevance), relevance, None
        return torch.where(x == 0, 0, relevance / torch.where(x == 0, 1, x)), None, None


class FoldedNorm(Function):
    """A BatchNorm in eval mode behind an affine layer, into which its scale and shift are folded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], call: LayerCall, scale: Tensor) -> Tensor:
        ctx.call, ctx.scale = call, scale
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        call: LayerCall = ctx.call
        if call.folds:
            return g, None, None, None
        if call.ledger.on and not batched(g) and call.shift is not None:
            call.ledger.absorb(f"{call.name} (norm)", g * call.layer.along(call.shift, g))
        return g * ctx.scale, None, None, None


class Scaled(Function):
    """A function that multiplies by `factor` and may add `constant`: the relevance of the constant is absorbed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], factor: Any, constant: Any, name: str, ledger: Ledger
    ) -> Tensor:
        ctx.factor, ctx.constant, ctx.name, ctx.ledger, ctx.shape = factor, constant, name, ledger, x.shape
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g) and ctx.constant is not None:
            ctx.ledger.absorb(ctx.name, (g * ctx.constant).nan_to_num())
        return (g * ctx.factor).sum_to_size(ctx.shape), None, None, None, None, None


class Noted(Function):
    """A tensor just made, of which `part` comes from a constant: the relevance of that part is booked as it passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Tensor | float, name: str, ledger: Ledger) -> Tensor:
        ctx.part, ctx.name, ctx.ledger = part, name, ledger
        ctx.mark_dirty(x)  # nobody else has it yet, so no copy is needed
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g):
            ctx.ledger.absorb(ctx.name, (g * ctx.part).nan_to_num(0.0, 0.0, 0.0))
        return g, None, None, None


class ElementWise(Function):
    """An element-wise function f through which relevance passes unchanged: the modified gradient takes f(x) / x.

    An x nearer to zero than 1e-6 of the mean |x| of its image counts as that far from it.

    Source: Achtibat et al. 2024, Eq. 9.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        plain = x.detach()
        step = step_of(plain, range(1, x.ndim), ROUNDING)
        divisor = torch.where(plain.abs() < step, torch.copysign(step, plain + 0.0), plain)
        out = run(x)  # which may overwrite x
        ctx.ratio = out.detach() / divisor
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.ratio, None


class Centred(Function):
    """A normalisation whose standard deviation is treated as a constant: it centres, scales and shifts, and the
    relevance of the shift is absorbed.

    Source: Achtibat et al. 2024, Prop. 3.4.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], centre: Callable[[Tensor], Tensor],
        factor: Tensor | float, shift: Tensor | None, name: str, ledger: Ledger,
    ) -> Tensor:  # fmt: skip
        ctx.centre, ctx.factor, ctx.shift, ctx.name, ctx.ledger = centre, factor, shift, name, ledger
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g) and ctx.shift is not None:
            ctx.ledger.absorb(ctx.name, g * ctx.shift)
        return ctx.centre(g * ctx.factor), None, None, None, None, None, None


class Portion(Function):
    """The identity, which passes only `share` of the relevance."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float | Tensor) -> Tensor:
        ctx.share = share
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.share, None


def portion(x: Tensor, share: float | Tensor) -> Tensor:
    """`x` with its relevance multiplied by `share`; `x` itself if it carries none."""
    return Portion.apply(x, share) if x.requires_grad else x
