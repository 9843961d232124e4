"""How relevance passes each function that a network may call, except layers with weights, products, normalisations and
layers with several functions in one: the handlers that `table` chooses from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from semlens.attribution.branches import BranchSum, one_layer
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.constants import constants_in, is_input, names_of, origin_of, with_zeros
from semlens.attribution.functions import ElementWise, Joined, Late, Noted, SameSign, Scaled, SelfGated, portion
from semlens.attribution.marks import SavedTensors, mark_of, remark
from semlens.errors import SemlensError

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax", "expit"})
"""Functions whose result, in a product, is the gate and not the signal."""
SELF_GATED = MappingProxyType({"gelu": 0.5, "silu": 0.5, "hardswish": 0.5, "mish": 0.6})
"""Functions that are their argument times a gate made of it, and what that gate is at zero."""


@dataclass(frozen=True)
class Setting:
    """What all calls of one trace share.

    Args:
        modules: the model's, with their paths.
    """

    composite: Composite
    ledger: Ledger
    modules: Sequence[tuple[str, nn.Module]]
    saved: SavedTensors = field(default_factory=SavedTensors)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The names of the model's parameters and buffers, looked for when the first is asked for: few networks need
        them."""
        return names_of(self.modules)


class Call(NamedTuple):
    """One call of a function on tensors that carry relevance. Parameters among the arguments are detached already."""

    func: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    in_place: bool
    layer: str  # the module it happens in
    setting: Setting

    def run(self, *args: Any) -> Any:
        """The model's own function; the given arguments take the place of the first ones."""
        return self.func(*args, *self.args[len(args) :], **self.kwargs)

    def get(self, name: str, position: int, default: Any = None) -> Any:
        """An argument by name or position."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if position < len(self.args) else default

    def value(self) -> Any:
        """What the model's own function gives, without a graph."""
        with torch.no_grad():
            return self.func(*self.args, **self.kwargs)

    def joined(self, value: Tensor, *parts: Tensor, constant: Any = None) -> Tensor:
        """A value of this call whose relevance goes to `parts`, but for that of a `constant` summand."""
        out: Tensor = Joined.apply(value, constant, self.layer, self.setting.ledger, *parts)
        return out


def carries(value: Any) -> bool:
    """Whether relevance can flow through the value."""
    return isinstance(value, Tensor) and value.requires_grad


def carrying_in(value: Any) -> Iterator[Tensor]:
    """The tensors among nested arguments that carry relevance, in order."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from carrying_in(item)
    elif isinstance(value, dict):
        yield from carrying_in(tuple(value.values()))


def each_carrying(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Nested arguments with every tensor that carries relevance changed."""
    if isinstance(value, Tensor):
        return change(value) if value.requires_grad else value
    if type(value) in (tuple, list):
        return type(value)(each_carrying(item, change) for item in value)
    return {key: each_carrying(item, change) for key, item in value.items()} if isinstance(value, dict) else value


def by_gradient(call: Call) -> Any:
    """The function unchanged: its own gradient carries relevance."""
    return call.func(*call.args, **call.kwargs)


def pooled(call: Call) -> Any:
    """A mean: by its gradient, or only to the values of its own sign if the composite says so.

    By the gradient, values of both signs, which cancel in a mean over many positions, all keep their whole relevance,
    of which the sum of |relevance| grows without bound. To those of its own sign is the z+ rule, for sums of any sign.

    Source: Montavon et al. 2017; Andéol et al. 2021 (sums of any sign).
    """
    x, out = call.args[0], by_gradient(call)
    if call.setting.composite.pools == "all" or x.is_complex() or bool(x.detach().min() >= 0 if x.numel() else True):
        return out
    of_one_sign: Tensor = SameSign.apply(out, call.run(x.abs()))
    remark(of_one_sign, mean=out)
    return of_one_sign


def centring(call: Call) -> Call:
    """The call of a sum with a mean that is subtracted by its gradient: that centres, as a LayerNorm does, and pools
    nothing."""
    mean = mark_of(call.args[1]).mean if len(call.args) > 1 else None
    centres = mean is not None and call.name in {"sub", "subtract"}
    return call._replace(args=(call.args[0], mean, *call.args[2:])) if centres else call


def constant(call: Call) -> Any:
    """The function without a graph: its result is treated as a constant, which carries no relevance."""
    return call.value()


def activation(call: Call) -> Any:
    """Relevance passes unchanged, element by element; of several operands each gets an even share.

    Source: Achtibat et al. 2024, Eq. 9; Prop. 3.2 for several operands.
    """
    operands = list(carrying_in((call.args, call.kwargs)))
    if any(t.is_complex() for t in operands):
        raise SemlensError(f"{call.name!r} of complex numbers, in layer {call.layer!r}, is covered by no rule")
    tensors = [t for t in (*call.args, *call.kwargs.values()) if isinstance(t, Tensor)]
    if len(tensors) == 1 and call.args and tensors[0] is call.args[0]:

        def run(x: Tensor) -> Any:
            out = call.run(x)
            _check_shape(call, out, x)
            return out

        out: Any = _element_wise(call.name, tensors[0], run)
    else:
        value = call.value()
        _check_shape(call, value, *operands)
        parts = [ElementWise.apply(t.expand(value.shape), lambda _: value.data) for t in operands]
        out = parts[0] if len(parts) == 1 else call.joined(value, *(portion(part, 1 / len(parts)) for part in parts))
    if call.name in GATES:
        remark(out, gate=True)
    return out


def _element_wise(name: str, x: Tensor, run: Callable[[Tensor], Tensor]) -> Any:
    """The function with the backward pass that costs least; all of them pass f(x) / x."""
    if name in SELF_GATED:
        return SelfGated.apply(x, run, SELF_GATED[name])
    return Late.apply(x, run) if name in GATES else ElementWise.apply(x, run)


def _check_shape(call: Call, out: Any, *operands: Tensor) -> None:
    shape = out.shape if isinstance(out, Tensor) else None
    if shape is None or not all(t.shape == shape or _broadcasts(t.shape, shape) for t in operands):
        raise SemlensError(
            f"{call.name!r} in layer {call.layer!r} is no element-wise function: its treatment is 'linear', 'product' "
            "or 'constant'"
        )


def _broadcasts(shape: Sequence[int], to: Sequence[int]) -> bool:
    sides = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(own in (1, wanted) for own, wanted in sides)


def softmax(call: Call) -> Any:
    """A softmax s = softmax(x): R_i = x_i (R_i - s_i sum_j R_j).

    Its own gradient carries that: with R = s * g at the output it is the bracket, and x_i times it the relevance.

    Source: Achtibat et al. 2024, Prop. 3.1.
    """
    out = call.func(*call.args, **call.kwargs)
    remark(out, gate=True)
    return out


def add(call: Call) -> Any:
    """A sum: each summand gets relevance in proportion to its value; that of a constant is absorbed."""
    call = centring(call)
    a, b = call.args[0], call.get("other", 1)
    alpha = call.kwargs.get("alpha", 1)
    of_a, of_b = {"rsub": (-alpha, 1), "sub": (1, -alpha), "subtract": (1, -alpha)}.get(call.name, (1, alpha))
    constant = b if carries(a) else a
    if carries(a) and carries(b):
        return _sum_of_two(call, a, b)
    if not isinstance(constant, Tensor) and constant == 0:
        out = call.func(*call.args, **call.kwargs)
        if call.name in {"add", "radd"}:  # as Python's sum begins
            remark(out, branch=mark_of(a if carries(a) else b).branch)
        return out
    account = _account(call, constant)
    if carries(a):
        return Scaled.apply(a, call.run, of_a, of_b * b, account, call.setting.ledger)
    run = partial(call.func, a, **call.kwargs)
    return Scaled.apply(b, run, of_b, of_a * a, account, call.setting.ledger)


def _sum_of_two(call: Call, a: Tensor, b: Tensor) -> Any:
    """A sum of two that carry relevance: by its gradient, but for layers that together are one."""
    branches = one_layer(a, b) if call.name in {"add", "radd"} and not call.kwargs else None
    if branches is None:
        return call.func(*call.args, **call.kwargs)
    x = call.setting.saved.save(branches[0].given)
    out: Tensor = BranchSum.apply(a, b, call.value, branches, x)
    remark(out, branch=branches[0].plus(branches[1]))
    return out


def join(call: Call) -> Any:
    """Values put beside, among or onto each other: each keeps its relevance, and that of a constant is booked by its
    name."""
    out = by_gradient(call)
    reduces = any(isinstance(value, str) for value in (*call.args, *call.kwargs.values()))  # into a product, maybe
    return out if reduces or not isinstance(out, Tensor) else booked(call, out, constants_in((call.args, call.kwargs)))


def booked(call: Call, out: Tensor, constants: Sequence[Tensor]) -> Tensor:
    """The result of a call that is a sum over its operands, with the relevance of constant ones booked by their
    names."""
    for constant in constants:
        with torch.no_grad():
            part = call.func(*with_zeros(call.args, constant), **with_zeros(call.kwargs, constant))
        out = Noted.apply(out, part, _input_account(call, constant), call.setting.ledger)
    return out


def _account(call: Call, constant: Any) -> str:
    """Where the relevance of a constant that is added is booked: at the layer, as its bias, or as an input's."""
    return _input_account(call, constant) if is_input(constant) else call.layer


def _input_account(call: Call, constant: Tensor) -> str:
    names = call.setting.names
    known = " + ".join(names[tensor] for tensor in origin_of(constant, names) if tensor in names)
    return call.setting.ledger.account_of_input(known or f"a constant of {call.layer or 'the model'!r}")


def normaliser(call: Call) -> Any:
    """One over something: where it is a factor it only normalises, and is a constant there (`products.multiply`).

    Source: Achtibat et al. 2024, Prop. 3.4.
    """
    out = activation(call)
    remark(out, divisor=True)
    return out


def norm(call: Call) -> Any:
    """A norm or standard deviation, homogeneous of degree 1: its gradient shares it in proportion to what each input
    contributes (Euler's theorem), x_i^2 / |x| for the Euclidean one. Where it is a divisor or a factor, it is a
    constant, as in `normaliser`."""
    out = call.func(*call.args, **call.kwargs)
    if call.name in {"matrix_norm", "nuclear_norm"}:  # which torch computes otherwise where there is a graph
        out = call.joined(call.value(), out)
    remark(out[0] if isinstance(out, tuple) else out, divisor=True)
    return out


def half(call: Call) -> Any:
    """A function that is homogeneous of degree 2, so half of its gradient."""
    out = call.func(*call.args, **call.kwargs)
    return call.joined(out.detach(), portion(out, 0.5))


def variance(call: Call) -> Any:
    """A variance, homogeneous of degree 2, so half of its gradient; the mean beside it as any mean."""
    out = call.func(*call.args, **call.kwargs)
    first = out[0] if isinstance(out, tuple) else out
    first = call.joined(first.detach(), portion(first, 0.5))
    remark(first, divisor=True)
    return (first, *out[1:]) if isinstance(out, tuple) else first


def clamp(call: Call) -> Any:
    """Values between bounds: relevance passes unchanged; bounds that carry relevance get it where they are taken."""
    rest = list(carrying_in((call.args[1:], call.kwargs)))
    return by_gradient(call) if rest else activation(call)


def prelu(call: Call) -> Any:
    """Linear on each side of zero; a slope that is made from the image shares evenly."""
    return activation(call) if len(list(carrying_in((call.args, call.kwargs)))) > 1 else by_gradient(call)


def reduced(call: Call) -> Any:
    """Values gathered by an index into sums, means or extremes."""
    if any(isinstance(how, str) and how == "prod" for how in (*call.args, *call.kwargs.values())):
        raise SemlensError(
            f"layer {call.layer!r} multiplies by an index, with {call.name!r}, which no rule covers: treat its result "
            f"as a constant, composite.with_function({call.name!r}, 'constant')"
        )
    return by_gradient(call)
