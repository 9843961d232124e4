"""How relevance passes each function that a network may call, except normalisations and layers with several functions
in one: the handlers that `table` chooses from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution.affine import Affine, convolution, linear
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.constants import constants_in, is_input, origin_of, with_zeros
from semlens.attribution.functions import Direct, ElementWise, Noted, Proportional, Scaled, portion
from semlens.attribution.marks import LayerCall, SavedTensors, mark_of, remark
from semlens.errors import SemlensError

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax"})
"""Functions whose result, in a product, is the gate and not the signal."""


@dataclass(frozen=True)
class Setting:
    """What all calls of one trace share.

    Args:
        names: of the model's parameters and buffers, by the identity of the tensor.
    """

    composite: Composite
    ledger: Ledger
    names: Mapping[int, str] = field(default_factory=dict)
    saved: SavedTensors = field(default_factory=SavedTensors)


@dataclass(frozen=True)
class Call:
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
        return self.kwargs.get(name, self.args[position] if position < len(self.args) else default)


def by_gradient(call: Call) -> Any:
    """The function unchanged: its own gradient carries relevance."""
    return call.func(*call.args, **call.kwargs)


def constant(call: Call) -> Any:
    """The function without a graph: its result is treated as a constant, which carries no relevance."""
    with torch.no_grad():
        return call.func(*call.args, **call.kwargs)


def activation(call: Call) -> Any:
    """Relevance passes unchanged, element by element."""
    out = ElementWise.apply(call.args[0], call.run)
    if call.name in GATES:
        remark(out, gate=True)
    return out


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
    a, b = call.args[0], call.get("other", 1)
    alpha = call.kwargs.get("alpha", 1)
    of_a, of_b = {"rsub": (-alpha, 1), "sub": (1, -alpha), "subtract": (1, -alpha)}.get(call.name, (1, alpha))
    constant = b if carries(a) else a
    if (carries(a) and carries(b)) or (not isinstance(constant, Tensor) and constant == 0):
        return call.func(*call.args, **call.kwargs)
    account = _account(call, constant)
    if call.in_place:
        part = of_b * b if carries(a) else a.clone()
        out = call.func(*call.args, **call.kwargs)
        return out if out._is_view() else Noted.apply(out, part, account, call.setting.ledger)
    if carries(a):
        return Scaled.apply(a, call.run, of_a, of_b * b, account, call.setting.ledger)
    run = partial(call.func, a, **call.kwargs)
    return Scaled.apply(b, run, of_b, of_a * a, account, call.setting.ledger)


def join(call: Call) -> Any:
    """Values put beside or among each other: each keeps its relevance, and that of a constant is booked by its name."""
    out = call.func(*call.args, **call.kwargs)
    for constant in constants_in((call.args, call.kwargs)) if isinstance(out, Tensor) else ():
        with torch.no_grad():
            part = call.func(*with_zeros(call.args, constant), **with_zeros(call.kwargs, constant))
        out = Noted.apply(out, part, _input_account(call, constant), call.setting.ledger)
    return out


def _account(call: Call, constant: Any) -> str:
    """Where the relevance of a constant that is added is booked: at the layer, as its bias, or as an input's."""
    return _input_account(call, constant) if is_input(constant) else call.layer


def _input_account(call: Call, constant: Tensor) -> str:
    origin = origin_of(constant, call.setting.names)
    return call.setting.ledger.account_of_input(" + ".join(origin) or f"a constant of {call.layer or 'the model'!r}")


def multiply(call: Call) -> Any:
    """A product: a constant factor only scales; two that carry relevance share it by the composite's `product`."""
    a, b = call.args[0], call.get("other", 1)
    return call.func(*share_product(call, a, b), *call.args[2:])


def share_product(call: Call, a: Any, b: Any) -> tuple[Any, Any]:
    """Two factors, their relevance shared by the composite's `product`."""
    if not (carries(a) and carries(b)):
        return a, b
    if call.setting.composite.product == "signal" and mark_of(a).gate != mark_of(b).gate:
        return (a.detach(), b) if mark_of(a).gate else (a, b.detach())
    return portion(a, 0.5), portion(b, 0.5)


def divide(call: Call) -> Any:
    """A quotient: its divisor is treated as a constant.

    Source: Achtibat et al. 2024, Prop. 3.4.
    """
    a, b = call.args[0], call.get("other", 1)
    return call.func(a, b.detach() if carries(b) else b, *call.args[2:], **call.kwargs)


def matmul(call: Call) -> Any:
    """A product of matrices: a linear layer if the second is constant, else half of the relevance to each.

    Source: Achtibat et al. 2024, Prop. 3.3.
    """
    a, b = call.args[0], call.kwargs.get("mat2", call.get("other", 1))
    if carries(a) and carries(b):
        if call.setting.composite.attention == "cp" and mark_of(a).gate != mark_of(b).gate:
            return call.func(*((a.detach(), b) if mark_of(a).gate else (a, b.detach())))
        return call.func(portion(a, 0.5), portion(b, 0.5))
    if carries(a) and b.ndim == 2:
        return affine(call, linear(b.T, None), "linear", a, lambda x: call.func(x, b))
    return call.func(*call.args, **call.kwargs)


def addmm(call: Call) -> Any:
    """A linear layer written as a matrix product and a sum."""
    bias, x, weight = call.args[:3]
    if carries(bias) or carries(weight) or call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("beta", 1) != 1:
        raise SemlensError(f"layer {call.layer!r} calls addmm in a way no rule covers: write it as a Linear layer")
    return affine(call, linear(weight.T, bias), "linear", x, lambda t: call.func(bias, t, weight))


def einsum(call: Call) -> Any:
    """A sum of products: its relevance is shared evenly among the factors that carry any."""
    equation, *operands = call.args
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    if call.setting.composite.attention == "cp" and len({mark_of(t).gate for t in tensors if carries(t)}) == 2:
        tensors = [
            t.detach() if mark_of(t).gate else t for t in tensors
        ]  # attention weights and values, as in `matmul`
    share = 1 / max(sum(carries(t) for t in tensors), 1)
    return call.func(equation, *[portion(t, share) if carries(t) and share < 1 else t for t in tensors])


def linear_layer(call: Call) -> Any:
    """A linear layer: its rule is up to the composite."""
    weight, bias = call.get("weight", 1), call.get("bias", 2)
    if carries(weight):
        raise SemlensError(f"layer {call.layer!r} computes its weights from the image, which no rule covers")
    return affine(
        call, linear(weight, bias), "linear", call.get("input", 0), lambda x: functional.linear(x, weight, bias)
    )


def convolution_layer(call: Call) -> Any:
    """A convolution or a transposed one: its rule is up to the composite."""
    transposed = "transpose" in call.name
    names = ("stride", "padding", "output_padding", "groups", "dilation") if transposed else (
        "stride", "padding", "dilation", "groups",
    )  # fmt: skip
    standard = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
    how = {name: call.get(name, 3 + place, standard[name]) for place, name in enumerate(names)}
    x, weight, bias = call.get("input", 0), call.get("weight", 1), call.get("bias", 2)
    n = weight.ndim - 2
    if x.ndim != n + 2:
        raise SemlensError(f"layer {call.layer!r} convolves an input without a batch axis: give the model a batch")
    layer = convolution(weight, bias, **how, transposed=transposed)
    return affine(call, layer, "convolution", x, call.run)


def affine(call: Call, layer: Affine, kind: str, x: Tensor, run: Callable[[Tensor], Tensor], part: str = "") -> Tensor:
    """The output of an affine layer, whose rule the composite chooses.

    Args:
        kind: "linear" or "convolution".
        run: the model's own call.
        part: the layer's name within the module, for a module that holds several.
    """
    shadow = mark_of(x).shadow
    name = f"{call.layer}.{part}" if part else call.layer
    rule = call.setting.composite.rule(name, kind, first=shadow is not None)
    layer_call = LayerCall(layer, rule, name, call.setting.ledger, run)
    z: Tensor = Proportional.apply(x, layer_call) if rule.proportional else Direct.apply(x, shadow, layer_call)
    layer_call.z = call.setting.saved.save(z)
    remark(z, layer=layer_call)
    return z


def glu(call: Call) -> Any:
    """A gated linear unit: a signal times the sigmoid of a gate."""
    x, dim = call.args[0], call.get("dim", 1, -1)
    signal, gate = x.chunk(2, dim)
    gate = ElementWise.apply(gate, torch.sigmoid)
    if call.setting.composite.product == "signal":
        return signal * gate.detach()
    return portion(signal, 0.5) * portion(gate, 0.5)


def attention(call: Call) -> Any:
    """Fused attention; see `shared_attention`."""
    q, k, v, mask = (call.get(name, i) for i, name in enumerate(("query", "key", "value", "attn_mask")))
    rest = {key: value for key, value in call.kwargs.items() if key not in {"query", "key", "value", "attn_mask"}}
    return call.func(*shared_attention(q, k, v, mask, call.setting.composite), *call.args[4:], **rest)


def shared_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, composite: Composite
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Query, key, value and mask such that the gradient of any attention kernel carries relevance by AttnLRP.

    The product of weights and values gives half to each, that of query and key halves its half again; the softmax
    between is exact as it is. With `cp` the weights are constants and all goes to the values. A factor that carries no
    relevance, such as a learned query, leaves its half to the other, as in any product.

    Source: Achtibat et al. 2024, Prop. 3.1, 3.3 and App. A (efficient form); Ali et al. 2022 for `cp`.
    """
    if composite.attention == "cp" and carries(v):
        return q.detach(), k.detach(), v, None if mask is None else mask.detach()
    weights = 0.5 if carries(v) else 1.0
    values = 0.5 if any(carries(t) for t in (q, k, mask)) else 1.0
    each = weights * (0.5 if carries(q) and carries(k) else 1.0)
    return portion(q, each), portion(k, each), portion(v, values), None if mask is None else portion(mask, weights)


def carries(value: Any) -> bool:
    """Whether relevance can flow through the value."""
    return isinstance(value, Tensor) and value.requires_grad
