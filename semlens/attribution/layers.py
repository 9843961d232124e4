"""Layers with weights: linear layers and convolutions of every kind, also as products of matrices, whose rule is up to
the composite."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution.affine import Affine, convolution, linear
from semlens.attribution.functions import Direct, Proportional, portion
from semlens.attribution.marks import Branch, LayerCall, Part, mark_of, remark
from semlens.attribution.operations import Call, carries
from semlens.attribution.products import multilinear, product, share_product, weighted
from semlens.attribution.rules import PerLayer
from semlens.errors import SemlensError

Run = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def affine(call: Call, layer: Affine, kind: str, x: Tensor, run: Callable[[Tensor], Tensor], part: str = "") -> Tensor:
    """The output of an affine layer, whose rule the composite chooses.

    Args:
        kind: "linear" or "convolution".
        run: the model's own call.
        part: the layer's name within the module, for a module that holds several.
    """
    if x.ndim == 1:  # one image's features, without an axis of images
        return affine(call, layer, kind, x[None], lambda t: run(t[0])[None], part)[0]
    shadow = mark_of(x).shadow
    name = f"{call.layer}.{part}" if part else call.layer
    rule = call.setting.composite.rule(name, kind, first=shadow is not None)
    rule = rule.make(layer) if isinstance(rule, PerLayer) else rule
    precise = torch.promote_types(x.dtype, layer.weight.dtype)
    layer_call = LayerCall(_converted(layer, precise), rule, name, call.setting.ledger, run)
    z: Tensor = Proportional.apply(x, layer_call) if rule.proportional else Direct.apply(x, shadow, layer_call)
    remark(z, layer=layer_call, branch=Branch(x, x._version, (Part(layer_call),)))
    return z


def _converted(layer: Affine, dtype: torch.dtype) -> Affine:
    """The layer with weight and bias in the precision of its rule, where autocast mixes several."""
    bias = layer.bias
    if layer.weight.dtype == dtype and (bias is None or bias.dtype == dtype):
        return layer
    return replace(layer, weight=layer.weight.to(dtype), bias=None if bias is None else bias.to(dtype))


def _layer(call: Call, kind: str, of: Callable[[Tensor, Tensor | None], Affine], run: Run) -> Any:
    """A layer of input, weight and bias. A weight made from the image is a factor of a product, a bias a summand.

    The input's share of the product follows the layer's rule, the weight's its gradient: the layer is linear in it.
    Where gates get nothing of a product, such a weight is one: it mixes constant weights (CondConv).
    """
    x, weight, bias = call.get("input", 0), call.get("weight", 1), call.get("bias", 2)
    if carries(x) and not carries(weight) and not carries(bias):
        return affine(call, of(weight, bias), kind, x, lambda t: run(t, weight, bias))
    if carries(x) and carries(weight) and call.setting.composite.product == "signal":
        weight = weight.detach()
    share = share_product(call, x, weight)
    parts = []
    if carries(share[0]):
        fixed = weight.detach()
        z = affine(call, of(fixed, None), kind, x, lambda t: run(t, fixed, None))
        parts.append(portion(z, 0.5) if carries(share[1]) else z)
    if carries(share[1]):
        parts.append(run(x.detach(), share[1], None))
    with torch.no_grad():
        value = run(x, weight, bias)
    if bias is None:
        return call.joined(value, *parts)
    along = of(weight.detach(), None).along(bias, value)
    return call.joined(value, *parts, along) if carries(bias) else call.joined(value, *parts, constant=along)


def linear_layer(call: Call) -> Any:
    """A linear layer."""
    if call.get("weight", 1).ndim != 2:
        return product(call)
    return _layer(call, "linear", linear, functional.linear)


def convolution_layer(call: Call) -> Any:
    """A convolution or a transposed one."""
    transposed = "transpose" in call.name
    names = ("stride", "padding", "output_padding", "groups", "dilation") if transposed else (
        "stride", "padding", "dilation", "groups",
    )  # fmt: skip
    standard = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
    how = {name: call.get(name, 3 + place, standard[name]) for place, name in enumerate(names)}
    x, weight = call.get("input", 0), call.get("weight", 1)
    n = weight.ndim - 2
    if x.ndim != n + 2:
        raise SemlensError(f"layer {call.layer!r} convolves an input without a batch axis: give the model a batch")
    rest = {name: value for name, value in call.kwargs.items() if name not in {"input", "weight", "bias"}}
    return _layer(
        call,
        "convolution",
        lambda w, b: convolution(w, b, **how, transposed=transposed),
        lambda x, w, b: call.func(x, w, b, *call.args[3:], **rest),
    )


def any_convolution(call: Call) -> Any:
    """`torch.convolution`, which exported programs call."""
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = (
        call.get(name, place) for place, name in enumerate(_ARGUMENTS)
    )
    how: Mapping[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    rest = (stride, padding, dilation, transposed, output_padding, groups)
    of = lambda w, b: convolution(w, b, **how, transposed=transposed, output_padding=output_padding)  # noqa: E731
    call = call._replace(args=(x, weight, bias), kwargs={})
    return _layer(call, "convolution", of, lambda x, w, b: call.func(x, w, b, *rest))


_ARGUMENTS = "input weight bias stride padding dilation transposed output_padding groups".split()


def deformed_convolution(call: Call) -> Any:
    """A deformable convolution: where it looks and how much of it are constants, which leaves a convolution.

    Its offsets and masks say where from relevance comes, as attention weights do in CP-LRP (Ali et al. 2022).
    """
    x, weight, offset, mask, bias, *rest = call.args
    offset, mask = offset.detach(), mask.detach()

    def apply(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        zeros = w.new_zeros(len(w)) if b is None else b
        x = x.expand(len(offset), *x.shape[1:])
        out: Tensor = call.func(x, w, offset, mask, zeros, *rest)
        return out

    def pull(s: Tensor, w: Tensor, x: Tensor) -> Tensor:
        with torch.enable_grad():
            source = x.detach().requires_grad_()
            (down,) = torch.autograd.grad(apply(source, w, None), source, s)
        return down

    def layer(w: Tensor, b: Tensor | None) -> Affine:
        return Affine(w, b, apply, pull, lambda w, by: w * by.view(-1, 1, 1, 1), channels=1)

    if not carries(x):
        raise SemlensError(
            f"layer {call.layer!r} deforms by what it sees something that is no image, which no rule covers: treat it "
            f"with composite.with_function({call.name!r}, 'linear' or 'constant')"
        )
    return _layer(call._replace(args=(x, weight, bias), kwargs={}), "convolution", layer, apply)


def matmul(call: Call) -> Any:
    """A product of matrices: a linear layer if the second is constant, else half of the relevance to each.

    Source: Achtibat et al. 2024, Prop. 3.3.
    """
    a, b = call.args[0], call.kwargs.get("mat2", call.get("other", 1))
    if carries(a) and carries(b):
        return weighted(call, a, b)
    if carries(a) and b.ndim == 2:
        return affine(call, linear(b.T, None), "linear", a, lambda x: call.func(x, b))
    return call.func(*call.args, **call.kwargs)


def matmul_from_right(call: Call) -> Any:
    """`other @ self`, as Python's operator calls it."""
    b, a, *_ = call.args
    return matmul(call._replace(func=lambda a, b: call.func(b, a), args=(a, b)))


def addmm(call: Call) -> Any:
    """A linear layer written as a matrix product and a sum; any other such sum is a formula."""
    bias, x, weight = (call.get(name, place) for place, name in enumerate(("input", "mat1", "mat2")))
    plain = call.kwargs.get("alpha", 1) == call.kwargs.get("beta", 1) == 1 and bias.ndim == 1
    if carries(bias) or carries(weight) or not plain:
        return multilinear(call)
    return affine(call, linear(weight.T, bias), "linear", x, lambda t: call.func(bias, t, weight))
