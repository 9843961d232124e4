"""Softmax written by hand: exp, its sum, the division of both, and the same with logarithms.

What exp is for is known only when its result is divided by its sum. Until then its `Exponential` record waits: divided,
exp and the division pass relevance by their gradients, which together are those of a softmax, whatever was subtracted
before, since the gradient of that is zero; otherwise exp is an activation as any other. 1 / (1 + exp(-x)) and exp(x) /
(1 + exp(x)), where nothing is summed over positions, are sigmoids.

Source: Achtibat et al. 2024, Prop. 3.1 (softmax) and Eq. 9 (element-wise functions).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor
from torch.autograd import Function

from semlens.attribution.functions import ElementWise, divisor_of, own, portion
from semlens.attribution.marks import OF_EXP, Exponent, Exponential, SavedTensors, mark_of, remark
from semlens.attribution.operations import Call, activation, carries, normaliser

KEEPS = frozenset("add radd mul rmul multiply div truediv true_divide divide clamp clamp_min clip".split())
"""Functions whose result is of the form of their operand, if nothing else carries relevance."""

DIVISIONS = frozenset("div truediv true_divide divide".split())
ADDS_UP = frozenset("sum mean nansum cumsum".split())


class _Exp(Function):
    """exp, whose record says in the backward pass what it was for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, record: Exponential, saved: SavedTensors) -> Tensor:
        out = own(call.run(x), x)
        ctx.x, ctx.out, ctx.record = saved.save(x), saved.save(out), record
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, out = ctx.x.value, ctx.out.value
        return g * (out if ctx.record.normalised else out / divisor_of(x)), None, None, None


def exponential(call: Call) -> Any:
    """exp(x), marked with its record; by its gradient where x is a log probability, for then it is a softmax."""
    x = call.args[0]
    if not carries(x):
        return activation(call)
    exponent = mark_of(x).exponent
    record = Exponential(x, normalised=exponent is not None and exponent.form == "log probability")
    out = _Exp.apply(x, call, record, call.setting.saved)
    remark(out, gate=record.normalised, exponent=None if record.normalised else Exponent(record))
    return out


def logarithm(call: Call) -> Any:
    """log(x); by its gradient where x is a sum of exponentials, which makes it a log-sum-exp."""
    exponent = mark_of(call.args[0]).exponent
    if exponent is not None and exponent.form == "exp":
        return _of_source(call, exponent.call)  # a softplus
    if exponent is None or exponent.form != "sum" or call.name != "log":
        return activation(call)
    exponent.call.normalised = True
    out = call.func(*call.args, **call.kwargs)
    remark(out, exponent=replace(exponent, form="log"))
    return out


def log_sum_exp(call: Call) -> Any:
    """log sum exp x: R_i = s_i x_i with s = softmax(x), its gradient; the rest, the entropy of s, arrives nowhere."""
    out = call.func(*call.args, **call.kwargs)
    remark(out, exponent=Exponent(Exponential(call.args[0], normalised=True), "log"))
    return out


def log_softmax(call: Call) -> Any:
    """x less its log-sum-exp, by its gradient."""
    out = call.func(*call.args, **call.kwargs)
    remark(out, exponent=Exponent(Exponential(call.args[0], normalised=True), "log probability"))
    return out


def divide(call: Call) -> Any:
    """A quotient: its divisor is treated as a constant, unless both are of one exp, which makes it a softmax.

    Source: Achtibat et al. 2024, Prop. 3.4.
    """
    a, b = call.args[0], call.get("other", 1)
    if call.kwargs.get("rounding_mode"):
        return call.value()  # a step
    if not carries(b):
        return call.func(*call.args, **call.kwargs)
    if not carries(a):
        return _inverse(call, b)
    above, below = mark_of(a).exponent, mark_of(b).exponent
    if above is None or below is None or above.call is not below.call:
        return call.func(a, b.detach(), *call.args[2:], **call.kwargs)
    if above.form == below.form == "exp":
        return _sigmoid(call, below.call)
    above.call.normalised = True
    out = call.func(a, portion(b, above.share), *call.args[2:], **call.kwargs)
    remark(out, gate=above.form in OF_EXP)
    return out


def invert(call: Call) -> Any:
    """A constant divided by what carries relevance, as Python's `1 / x` calls it, or a reciprocal."""
    return _inverse(call, call.args[0])


def _inverse(call: Call, divisor: Tensor) -> Any:
    """A sigmoid written by hand, or a `normaliser`."""
    exponent = mark_of(divisor).exponent
    if exponent is not None and exponent.form == "exp":
        return _sigmoid(call, exponent.call)
    return normaliser(call)


def _sigmoid(call: Call, record: Exponential) -> Tensor:
    """A quotient of exponentials, element by element."""
    out = _of_source(call, record)
    remark(out, gate=True)
    return out


def _of_source(call: Call, record: Exponential) -> Tensor:
    """What is computed of an exp element by element, as an activation of what exp was given."""
    value = call.value()
    out: Tensor = ElementWise.apply(record.source.expand(value.shape), lambda _: value)
    return out


def pass_on(call: Call, carrying: Sequence[Tensor], moves: bool, out: Any) -> None:
    """Marks the result of a call on exponentials: it may be one still, some of their sums, or a log probability."""
    exponents = [mark_of(t).exponent for t in carrying]
    if not isinstance(out, Tensor) or mark_of(out).exponent is not None or mark_of(out).gate:
        return
    if call.name in DIVISIONS and len(carrying) == 2:
        exponents = exponents[:1] if exponents[1] is None else [None]  # the divisor is a constant, or a softmax is done
    last, known = exponents[-1], [e for e in exponents if e is not None]
    if call.name in {"sub", "subtract"} and last is not None and last.form == "log":
        remark(out, exponent=replace(last, form="log probability"))
    elif len(known) == 1 and len(exponents) == 2 and known[0].form in OF_EXP and _weighs(call):
        remark(out, exponent=replace(known[0], form="weighted", share=0.5))
    elif len(known) == len(exponents) and all(e.call is known[0].call for e in known):
        form = _form(call.name, [e.form for e in known], moves)
        if form:
            remark(out, exponent=replace(known[0], form=form))


def _weighs(call: Call) -> bool:
    """Whether a product gives each factor half, also the exponentials that weigh the other."""
    if call.name in {"mul", "rmul", "multiply"}:
        return call.setting.composite.product != "signal"
    return call.name in {"matmul", "bmm", "mm", "einsum"} and call.setting.composite.attention != "cp"


def _form(name: str, forms: Sequence[str], moves: bool) -> str:
    """What is made of parts of one exp; nothing known if empty."""
    only = forms[0] if len(set(forms)) == 1 else "sum" if set(forms) <= set(OF_EXP) else ""
    if moves:
        return "sum" if only == "exp" else only
    if only not in (*OF_EXP, "weighted"):
        return ""
    if name in ADDS_UP:
        return "sum" if only == "exp" else only
    return only if name in KEEPS and (len(forms) == 1 or name in {"add", "where"}) else ""
