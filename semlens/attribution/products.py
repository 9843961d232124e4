"""Products of tensors that carry relevance: each factor gets an even share, or the signal all where another is a gate.

A function that is a sum of products of its operands is known by a line of the table `FORMULAS`.

Source: Achtibat et al. 2024, Prop. 3.3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.constants import constants_in
from semlens.attribution.functions import ElementWise, portion
from semlens.attribution.marks import mark_of
from semlens.attribution.operations import Call, booked, carries, carrying_in, each_carrying

_FORMULAS = """
addcmul: input + tensor1 * tensor2
addcdiv: input + tensor1 | tensor2
addmv: input + mat * vec
addr: input + vec1 * vec2
addmm: input + mat1 * mat2
addbmm: input + batch1 * batch2
baddbmm: input + batch1 * batch2
mv: input * vec
dot: input * tensor
vdot: input * other
inner: input * other
outer: input * vec2
ger: input * vec2
kron: input * other
cross: input * other
vecdot: x * y
tensordot: a * b
bilinear: input1 * input2 * weight + bias
grid_sample: input | grid
grid_sampler: input | grid
grid_sampler_2d: input | grid
grid_sampler_3d: input | grid
nll_loss: input | target | weight
nll_loss2d: input | target | weight
cross_entropy: input | target | weight
trapezoid: y | x
trapz: y | x
cumulative_trapezoid: y | x
quantile: input | q
nanquantile: input | q
roi_align: input | rois
roi_pool: input | rois
ps_roi_align: input | rois
ps_roi_pool: input | rois
"""
"""What each function is in its operands, in the order in which it takes them. Factors are joined by `*`; what stands
after `|` (divisors, places, weights of a loss) is a constant wherever what stands before it carries relevance."""


@dataclass(frozen=True)
class Formula:
    """The operands of a function by their names, in order: those that multiply each other, and constants."""

    names: tuple[str, ...]
    factors: frozenset[str]
    constants: frozenset[str]


def _parsed(line: str) -> Formula:
    names, factors, constants = [], set(), set()
    for term in line.split(" + "):
        product, *rest = term.split(" | ")
        several = product.split(" * ")
        names += [*several, *rest]
        factors |= set(several) if len(several) > 1 else set()
        constants |= set(rest)
    return Formula(tuple(names), frozenset(factors), frozenset(constants))


FORMULAS: Mapping[str, Formula] = MappingProxyType(
    {name: _parsed(formula) for name, _, formula in (line.partition(": ") for line in _FORMULAS.split("\n") if line)}
)


def multilinear(call: Call) -> Any:
    """A function of `FORMULAS`: by its gradient, once its factors share and its constants are constants."""
    formula = FORMULAS[call.name]
    operands = {name: call.get(name, place) for place, name in enumerate(formula.names)}
    factors = [name for name in formula.names if name in formula.factors and carries(operands[name])]
    alone = all(name in formula.constants for name, value in operands.items() if carries(value))
    shares = shared(call, [operands[name] for name in factors])
    new = operands | dict(zip(factors, shares, strict=True))
    new |= {name: operands[name].detach() for name in formula.constants if carries(operands[name]) and not alone}
    args = [new[name] for name in formula.names[: len(call.args)]]
    kwargs = {name: new.get(name, value) for name, value in call.kwargs.items()}
    out = call.func(*args, *call.args[len(args) :], **kwargs)
    return _less_constant(call, operands, out)


def _less_constant(call: Call, operands: Mapping[str, Any], out: Any) -> Any:
    """Books the relevance of a constant summand, which would be lost without a word."""
    first = operands.get("input")
    if not call.name.startswith(("add", "badd")) or carries(first):
        return out
    factor = call.kwargs.get("beta", 1)
    return call.joined(out.detach(), out, constant=first if factor == 1 else first * factor)


def shared(call: Call, factors: Sequence[Tensor]) -> list[Tensor]:
    """Factors that all carry relevance, each with its share of it by the composite's `product`."""
    if len(factors) < 2:
        return list(factors)
    if len(factors) == 2:
        return list(share_product(call, *factors))
    return [portion(t, 1 / len(factors)) for t in factors]


def share_product(call: Call, a: Any, b: Any) -> tuple[Any, Any]:
    """Two factors, their relevance shared by the composite's `product`."""
    a, b = without_constant(call, a, b)
    return (portion(a, 0.5), portion(b, 0.5)) if carries(a) and carries(b) else (a, b)


def without_constant(call: Call, a: Any, b: Any) -> tuple[Any, Any]:
    """Two factors, one of them without its graph if it only normalises, or gates where the signal gets all."""
    if not (carries(a) and carries(b)):
        return a, b
    of_a, of_b = mark_of(a), mark_of(b)
    if of_a.divisor != of_b.divisor:
        return (a.detach(), b) if of_a.divisor else (a, b.detach())
    if call.setting.composite.product == "signal" and of_a.weighs != of_b.weighs:
        return (a.detach(), b) if of_a.weighs else (a, b.detach())
    return a, b


def halved(out: Tensor, a: Any, b: Any) -> Tensor:
    """A product of two factors, of whose relevance each gets half if both carry any."""
    return portion(out, 0.5) if carries(a) and carries(b) else out


def multiply(call: Call) -> Any:
    """A product: a constant factor only scales; two that carry relevance share it by the composite's `product`."""
    a, b = call.args[0], call.get("other", 1)
    a, b = without_constant(call, a, b)
    return halved(call.func(a, b, *call.args[2:]), a, b)


def product(call: Call) -> Any:
    """Any function that is linear in each of the tensors that carry relevance: an even share for each."""
    factors = list(carrying_in((call.args, call.kwargs)))
    shares = iter(shared(call, factors))
    args, kwargs = each_carrying((call.args, call.kwargs), lambda _: next(shares))
    return call.func(*args, **kwargs)


def weighted(call: Call, a: Any, b: Any) -> Tensor:
    """A product of matrices: half to each factor, or all to the values if the composite says so; see `attention`."""
    if call.setting.composite.attention == "cp" and mark_of(a).weighs != mark_of(b).weighs:
        a, b = (a.detach(), b) if mark_of(a).weighs else (a, b.detach())
    return halved(call.func(a, b), a, b)


def einsum(call: Call) -> Any:
    """A sum of products: its relevance is shared evenly among the factors that carry any."""
    equation, *operands = call.args
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    if call.setting.composite.attention == "cp" and len({mark_of(t).weighs for t in tensors if carries(t)}) == 2:
        tensors = [
            t.detach() if mark_of(t).weighs else t for t in tensors
        ]  # attention weights and values, as in `matmul`
    out = call.func(equation, *tensors)
    several = sum(carries(t) for t in tensors)
    return portion(out, 1 / several) if several > 1 else out


def powers(call: Call) -> Any:
    """A product over an axis: each of its k factors gets R / k, also those of a running product."""
    x, dim = call.args[0], call.get("dim", 1)
    out = call.func(*call.args, **call.kwargs)
    if not x.ndim:  # of one number
        return out
    if call.name == "prod":
        return call.joined(out.detach(), portion(out, 1 / (x.numel() if dim is None else x.shape[dim])))
    factors = torch.arange(1, x.shape[dim] + 1, device=x.device, dtype=x.dtype)
    return call.joined(out.detach(), portion(out, 1 / factors.view(-1, *[1] * (x.ndim - 1 - dim % x.ndim))))


def interpolated(call: Call) -> Any:
    """start + weight (end - start): a sum, and a product where the weight carries relevance too."""
    start, end, weight = call.args[0], call.get("end", 1), call.get("weight", 2)
    if not carries(weight):
        sum_of_both = call._replace(func=lambda a, b: torch.lerp(a, b, weight), args=(start, end), kwargs={})
        return booked(sum_of_both, call.func(*call.args, **call.kwargs), constants_in((start, end)))
    difference = end - start
    share = share_product(call, difference, weight)
    out = start + share[0] * share[1]
    return call.joined(call.value(), out, constant=None if carries(start) else start)


def glu(call: Call) -> Any:
    """A gated linear unit: a signal times the sigmoid of a gate."""
    x, dim = call.args[0], call.get("dim", 1, -1)
    signal, gate = x.chunk(2, dim)
    gate = ElementWise.apply(gate, torch.sigmoid)
    if call.setting.composite.product == "signal":
        return signal * gate.detach()
    return portion(signal, 0.5) * portion(gate, 0.5)
