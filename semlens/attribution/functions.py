"""The autograd functions that pass a modified gradient `g` in place of the gradient: the relevance of a tensor `t` is
`t * g`.

Functions that only move, add, average or select values need none of these: their own gradient already shares relevance
in proportion to the contributions.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from semlens.attribution.conservation import Ledger
from semlens.attribution.marks import LayerCall
from semlens.attribution.rules import ROUNDING, SMALLEST, batched, step_of


def own(out: Tensor, *inputs: Tensor) -> Tensor:
    """What a function returns, as a tensor that the model may overwrite: no view, and no other tensor's memory.

    A view of memory that the function made itself (a linear layer on a transposed input) is taken without copying, one
    of its input's memory is copied.
    """
    if not out._is_view() and not any(out is x for x in inputs):
        return out
    memory = out.untyped_storage().data_ptr()
    return out.clone() if any(memory == x.untyped_storage().data_ptr() for x in inputs) else out.data


def without_autocast(x: Tensor) -> AbstractContextManager[Any]:
    """While it lasts, autocast is off for tensors where `x` is."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


class Proportional(Function):
    """An affine layer whose rule gives a modified gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: LayerCall) -> Tensor:
        z = own(call.run(x), x)
        ctx.save_for_backward(x, z)
        ctx.call = call
        return z

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, z = ctx.saved_tensors
        return _message(ctx.call, x, z, g).to(x.dtype), None


def _message(call: LayerCall, x: Tensor, z: Tensor, g: Tensor) -> Tensor:
    """The message of a layer's rule, in the precision of its weights whatever autocast makes of them."""
    dtype = call.layer.weight.dtype
    if x.dtype == z.dtype == g.dtype == dtype and not torch.is_autocast_enabled(x.device.type):
        return call.message(x, z, g)
    with without_autocast(x):
        return call.message(x.to(dtype), z.to(dtype), g.to(dtype))


class Direct(Function):
    """An affine layer whose rule gives relevance itself, to inputs of zero too: it is the gradient of `shadow`.

    Without a shadow, below other layers, the relevance is divided by the input, and that of an input of zero is lost.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shadow: Tensor | None, call: LayerCall) -> Tensor:
        z = own(call.run(x), x)
        ctx.save_for_backward(x, z)
        ctx.call, ctx.has_shadow = call, shadow is not None
        return z

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, z = ctx.saved_tensors
        relevance = _message(ctx.call, x, z, g).to(x.dtype)
        if ctx.has_shadow:
            return torch.zeros_like(relevance), relevance, None
        return torch.where(x == 0, 0, relevance / torch.where(x == 0, 1, x)), None, None


class FoldedNorm(Function):
    """A BatchNorm in eval mode behind an affine layer, into which its scale and shift are folded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], call: LayerCall, scale: Tensor) -> Tensor:
        ctx.call, ctx.scale = call, scale
        return own(run(x), x)

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
        return own(run(x), x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.constant is not None:
            _absorb(ctx.ledger, ctx.name, g, ctx.constant)
        return (g * ctx.factor).sum_to_size(ctx.shape), None, None, None, None, None


class Noted(Function):
    """A copy of a tensor of which `part` comes from a constant: the relevance of that part is booked as it passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Tensor | float, name: str, ledger: Ledger) -> Tensor:
        ctx.part, ctx.name, ctx.ledger = part, name, ledger
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g):
            ctx.ledger.absorb(ctx.name, (g * ctx.part).nan_to_num(0.0, 0.0, 0.0))
        return g, None, None, None


def divisor_of(x: Tensor) -> Tensor:
    """`x` as a divisor: what is nearer to zero than 1e-6 of the mean |x| of its image counts as that far from it; an
    infinite mean, that of masked scores, counts as 1. Without a graph where none is made, as in autograd functions."""
    plain = x + 0.0  # -0.0 + 0.0 is 0.0, which counts as positive
    sizes = plain.abs()
    step = step_of(sizes, range(1, x.ndim), ROUNDING)
    step = step.nan_to_num_(torch.nan, ROUNDING)  # where scores are masked by -inf
    return torch.maximum(sizes, step, out=sizes).copysign_(plain)


class ElementWise(Function):
    """An element-wise function f through which relevance passes unchanged: the modified gradient takes f(x) / x, with x
    as by `divisor_of`.

    Source: Achtibat et al. 2024, Eq. 9.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        divisor = divisor_of(x)
        out = own(run(x), x)
        ratio = torch.div(out, divisor, out=divisor) if out.dtype == divisor.dtype else out / divisor
        ctx.save_for_backward(ratio)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (ratio,) = ctx.saved_tensors
        return g * ratio, None


class Late(Function):
    """`ElementWise` for a function whose result often needs no gradient, as gates do: f(x) / x is computed when it is
    asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
        out = own(run(x), x)
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, out = ctx.saved_tensors
        return g * (out / divisor_of(x)), None


class SelfGated(Function):
    """`ElementWise` for a function f(x) = x h(x) with a smooth h, which f(x) / x is; at zero it is h(0) = `limit`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], limit: float) -> Tensor:
        out = own(run(x), x)
        ctx.save_for_backward((out / x).nan_to_num_(limit))
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (ratio,) = ctx.saved_tensors
        return g * ratio, None, None


class Centred(Function):
    """A normalisation whose standard deviation is treated as a constant: it centres, scales and shifts, and the
    relevance of the shift is absorbed.

    Source: Achtibat et al. 2024, Prop. 3.4.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], centre: Callable[[Tensor], Tensor],
        shift: Tensor | None, name: str, ledger: Ledger,
    ) -> Tensor:  # fmt: skip
        ctx.centre, ctx.shift, ctx.name, ctx.ledger = centre, shift, name, ledger
        return own(run(x), x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.shift is not None and ctx.ledger.on and not batched(g):
            trailing = ctx.shift.ndim == 1 < g.ndim and ctx.shift.dtype == g.dtype
            ctx.ledger.absorb(ctx.name, g @ ctx.shift if trailing else g * ctx.shift)
        return ctx.centre(g), None, None, None, None, None


class Joined(Function):
    """A value that the model's own function computed, and the `parts`, computed beside it, that get its relevance: each
    all of the modified gradient. The relevance of `constant`, a summand of the value, is absorbed."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, constant: Any, name: str, ledger: Ledger, *parts: Tensor) -> Tensor:
        ctx.constant, ctx.name, ctx.ledger, ctx.shapes = constant, name, ledger, [part.shape for part in parts]
        return own(value, *parts)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.constant is not None:
            _absorb(ctx.ledger, ctx.name, g, ctx.constant)
        return None, None, None, None, *(g.sum_to_size(shape) for shape in ctx.shapes)


def _absorb(ledger: Ledger, name: str, g: Tensor, constant: Any) -> None:
    """Books the relevance of a constant; of complex numbers the real part of the product, as everywhere."""
    if ledger.on and not batched(g):
        amount = (g.conj() * constant).real if g.is_complex() else g * constant
        ledger.absorb(name, amount.nan_to_num())


class SameSign(Function):
    """A sum z whose relevance goes to the summands of its own sign alone, in proportion to what they contribute.

    The modified gradient of such a summand is g z / (the sum of them), which is never larger than g. They sum to
    sign(z) (|z| + sizes) / 2 with `sizes` the sum of |summands|, whose own gradient says which they are.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, sizes: Tensor) -> Tensor:
        ctx.save_for_backward(z, sizes)
        return own(z, z)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        z, sizes = ctx.saved_tensors
        part = z / (z.abs() + sizes).clamp_(min=SMALLEST)
        return g * part.abs(), g * part


class Portion(Function):
    """The identity, which passes only `share` of the relevance."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float | Tensor) -> Tensor:
        ctx.share = share
        return x.data  # no view, which the model could not overwrite

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.share, None


def portion(x: Tensor, share: float | Tensor) -> Tensor:
    """`x` with its relevance multiplied by `share`; `x` itself if it carries none."""
    return Portion.apply(x, share) if x.requires_grad else x
