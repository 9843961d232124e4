"""How relevance passes every function that a network may call: the table, and the rules behind it.

A function is known by its name. Whatever stands in no table is an error, never passed through.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution.affine import Affine, convolution, linear
from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.functions import (
    Activation,
    Cell,
    Direct,
    Proportional,
    Scaled,
    Shelf,
    portion,
)
from semlens.errors import SemlensError

MOVES = frozenset(
    "reshape view flatten unflatten permute transpose swapaxes swapdims movedim moveaxis squeeze unsqueeze expand "
    "expand_as repeat tile repeat_interleave broadcast_to roll flip fliplr flipud rot90 chunk split split_with_sizes "
    "tensor_split unsafe_chunk unsafe_split unbind getitem setitem select narrow index_select gather take_along_dim "
    "cat concat concatenate stack hstack vstack dstack contiguous clone to type type_as float half bfloat16 double "
    "pad unfold fold pixel_shuffle pixel_unshuffle channel_shuffle view_as reshape_as t where masked_fill tril triu "
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout feature_dropout copy identity T mT H "
    "mH topk sort".split()
)
"""These only move values, and their gradient moves relevance with them (dropout rests in eval mode)."""

SUMS = frozenset(
    "sum mean neg negative positive cumsum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d interpolate upsample upsample_nearest upsample_bilinear".split()
)
"""These add up with fixed weights; their gradient shares relevance in proportion to the contributions."""

WINNERS = frozenset(
    "max min amax amin maximum minimum max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices".split()
)
"""These pick a value, which takes all relevance; so does their gradient."""

PIECEWISE = frozenset("relu leaky_relu prelu hardshrink threshold rrelu abs".split())
"""Activations that are linear through zero on each side: f(x) / x is their gradient."""

ACTIVATIONS = frozenset(
    "gelu silu mish elu selu celu softplus tanh sigmoid hardtanh relu6 hardswish hardsigmoid logsigmoid log_sigmoid "
    "softsign tanhshrink softshrink clamp clip clamp_min clamp_max pow square sqrt erf local_response_norm".split()
)
"""Element-wise functions through which relevance passes unchanged."""

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax"})
"""Functions whose result, in a product, is the gate and not the signal."""

NORMALISERS = frozenset("rsqrt reciprocal norm vector_norm std var std_mean var_mean".split())
"""Their result only normalises what it divides, so it counts as a number (AttnLRP's rule for normalisations)."""


@dataclass(frozen=True)
class Setting:
    """What all calls of one trace share."""

    composite: Composite
    ledger: Ledger
    shelf: Shelf


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


def natural(call: Call) -> Any:
    """The function as it is: its gradient carries relevance."""
    return call.func(*call.args, **call.kwargs)


def constant(call: Call) -> Any:
    """The function as it is, its result a number that carries nothing."""
    with torch.no_grad():
        return call.func(*call.args, **call.kwargs)


def activation(call: Call) -> Any:
    """Relevance passes unchanged, element by element."""
    out = Activation.apply(call.args[0], call.run, call.setting.shelf)
    if call.name in GATES:
        out._gate = True
    return out


def softmax(call: Call) -> Any:
    """Achtibat et al. 2024, Prop. 3.1."""
    # R_i = x_i (R_i - s_i sum_j R_j), and the gradient of a softmax is just the bracket over x_i when R = s * g.
    out = call.func(*call.args, **call.kwargs)
    out._gate = True
    return out


def add(call: Call) -> Any:
    """A sum: each summand has its share in proportion; what a constant gets is absorbed."""
    a, b = call.args[0], call.get("other", 1)
    factor = call.kwargs.get("alpha", 1) * (-1 if call.name.startswith("sub") else 1)
    constant = b if carries(a) else a
    if (carries(a) and carries(b)) or (not isinstance(constant, Tensor) and constant == 0):
        return call.func(*call.args, **call.kwargs)
    if carries(a):
        return Scaled.apply(a, call.run, 1, factor * b, call.layer, call.setting.ledger)
    return Scaled.apply(b, lambda x: call.func(a, x, **call.kwargs), factor, a, call.layer, call.setting.ledger)


def multiply(call: Call) -> Any:
    """A product: a constant factor only scales, two factors share as the composite says."""
    a, b = call.args[0], call.get("other", 1)
    return call.func(*share_product(call, a, b), *call.args[2:])


def share_product(call: Call, a: Any, b: Any) -> tuple[Any, Any]:
    """Two factors, with their relevance shared as the composite says."""
    if not (carries(a) and carries(b)):
        return a, b
    if call.setting.composite.product == "signal" and is_gate(a) != is_gate(b):
        return (a.detach(), b) if is_gate(a) else (a, b.detach())
    return portion(a, 0.5), portion(b, 0.5)


def divide(call: Call) -> Any:
    """A quotient: its divisor normalises, and counts as a number."""
    a, b = call.args[0], call.get("other", 1)
    return call.func(a, b.detach() if carries(b) else b, *call.args[2:], **call.kwargs)


def matmul(call: Call) -> Any:
    """A product of matrices: a linear layer if one is constant, else shared half and half (Prop. 3.3)."""
    a, b = call.args[0], call.kwargs.get("mat2", call.get("other", 1))
    if carries(a) and carries(b):
        if call.setting.composite.attention == "cp" and is_gate(a) != is_gate(b):
            return call.func(*((a.detach(), b) if is_gate(a) else (a, b.detach())))
        return call.func(portion(a, 0.5), portion(b, 0.5))
    if carries(a) and b.ndim == 2:
        return affine(call, linear(b.T, None), "linear", a, lambda x: call.func(x, b))
    return call.func(*call.args, **call.kwargs)


def addmm(call: Call) -> Any:
    """A linear layer written as one product and a sum."""
    bias, x, weight = call.args[:3]
    if carries(bias) or carries(weight) or call.kwargs.get("alpha", 1) != 1 or call.kwargs.get("beta", 1) != 1:
        raise SemlensError(f"layer {call.layer!r} calls addmm in a way no rule covers: write it as a Linear layer")
    return affine(call, linear(weight.T, bias), "linear", x, lambda t: call.func(bias, t, weight))


def einsum(call: Call) -> Any:
    """A sum of products: shared evenly among the factors that carry relevance."""
    equation, *operands = call.args
    tensors = operands[0] if len(operands) == 1 and isinstance(operands[0], tuple | list) else operands
    if call.setting.composite.attention == "cp" and len({is_gate(t) for t in tensors if carries(t)}) == 2:
        tensors = [t.detach() if is_gate(t) else t for t in tensors]  # attention weights and values, as in `matmul`
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
    """The output of an affine layer, whose rule the composite chooses; `part` names one of several in a module."""
    shadow = getattr(x, "_shadow", None)
    name = f"{call.layer}.{part}" if part else call.layer
    rule = call.setting.composite.rule(name, kind, first=shadow is not None)
    cell = Cell(layer, rule, name, call.setting.ledger, run)
    z: Tensor = Proportional.apply(x, cell) if rule.proportional else Direct.apply(x, shadow, cell)
    cell.z = call.setting.shelf.hold(z)
    z._cell = cell  # type: ignore[attr-defined]
    return z


def glu(call: Call) -> Any:
    """A gated linear unit: a signal times the sigmoid of its gate."""
    x, dim = call.args[0], call.get("dim", 1, -1)
    signal, gate = x.chunk(2, dim)
    gate = Activation.apply(gate, torch.sigmoid, call.setting.shelf)
    if call.setting.composite.product == "signal":
        return signal * gate.detach()
    return portion(signal, 0.5) * portion(gate, 0.5)


def attention(call: Call) -> Any:
    """Attention by any of its kernels: see `shared_attention`."""
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


def is_gate(value: Any) -> bool:
    """Whether the value comes from a function that opens and closes."""
    return getattr(value, "_gate", False)
