"""Normalisations: the divisor is treated as a constant, and the relevance of the shift is absorbed.

Source: Achtibat et al. 2024, Prop. 3.4.
"""

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.affine import Affine
from semlens.attribution.chance import refuse_batch_statistics
from semlens.attribution.functions import Centred, FoldedNorm, Scaled
from semlens.attribution.layers import affine
from semlens.attribution.marks import Part, mark_of, remark
from semlens.attribution.operations import Call, carries
from semlens.attribution.products import share_product
from semlens.errors import SemlensError


def modulated(norm: Callable[[Call], Any], *places: int) -> Callable[[Call], Any]:
    """A normalisation whose weight and bias may be made from the image: then they are a factor and a summand.

    Args:
        norm: the handler for constant ones.
        places: of weight and bias among the arguments.
    """

    def handler(call: Call) -> Any:
        weight, bias = call.get("weight", places[0]), call.get("bias", places[1]) if len(places) > 1 else None
        if not carries(weight) and not carries(bias):
            return norm(call)
        plain = [None if place in places else arg for place, arg in enumerate(call.args)]
        named = {name: None if name in {"weight", "bias"} else value for name, value in call.kwargs.items()}
        out = norm(call._replace(args=tuple(plain), kwargs=named))
        trailing = call.name in {"layer_norm", "rms_norm"}
        shaped = [t if t is None or trailing else t.view(-1, *[1] * (out.ndim - 2)) for t in (weight, bias)]
        if shaped[0] is not None:
            factors = share_product(call, out, shaped[0])
            out = factors[0] * factors[1]
        if carries(shaped[1]):
            out = out + shaped[1]
        return call.joined(call.value(), out, constant=None if carries(shaped[1]) else shaped[1])

    return handler


def by_schema(norm: Callable[[Call], Any]) -> Callable[[Call], Any]:
    """A norm called as torch's own function, `torch.batch_norm`, which takes weight and bias before the statistics."""

    def handler(call: Call) -> Any:
        if isinstance(call.func, FunctionType):
            return norm(call)  # torch.nn.functional's
        named = dict(zip(_SCHEMA, call.args, strict=False)) | call.kwargs
        used = "use_input_stats" if call.name == "instance_norm" else "training"
        order = ("input", "running_mean", "running_var", "weight", "bias", used, "momentum", "eps")
        args = tuple(named.get(name, named.get("training") if name == used else None) for name in order)
        rest = call.args[8:]

        def func(x: Tensor, mean: Any, variance: Any, weight: Any, bias: Any, use: bool, *more: Any) -> Any:
            return call.func(x, weight, bias, mean, variance, use, *more, *rest)

        return norm(call._replace(func=func, args=args, kwargs={}))

    return handler


_SCHEMA = "input weight bias running_mean running_var training momentum eps".split()


def batch_norm(call: Call) -> Any:
    """A BatchNorm: folded into the affine layer before it, else an affine layer of its own, `scale * x + shift`."""
    x, mean, variance = (call.get(name, i) for i, name in enumerate(("input", "running_mean", "running_var")))
    weight, bias = call.get("weight", 3), call.get("bias", 4)
    refuse_batch_statistics(call.args, call.kwargs, call.layer)
    scale = (variance + call.get("eps", 7, 1e-5)).rsqrt_()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else torch.addcmul(bias, mean, scale, value=-1)
    per_channel = (-1, *[1] * (x.ndim - 2))
    before = mark_of(x).layer
    if before is not None and before.scale is None and before.uses == 0 and before.layer.channels % x.ndim == 1:
        before.scale, before.shift, before.uses = scale, shift, 1
        out = FoldedNorm.apply(x, call.run, before, scale.view(per_channel))
        branch = mark_of(x).branch
        remark(out, branch=None if branch is None else branch._replace(parts=(Part(before, folded=True),)))
        return out
    if before is not None:
        before.uses += 1
    if mark_of(x).shadow is not None:  # of the input itself: it only normalises, and the first layer follows
        factor, constant = scale.view(per_channel), shift.view(per_channel)
        return Scaled.apply(x, call.run, factor, constant, call.layer, call.setting.ledger)
    return affine(call, _per_channel(scale, shift), "convolution" if x.ndim > 3 else "linear", x, call.run)


def _per_channel(scale: Tensor, shift: Tensor) -> Affine:
    """`scale * x + shift` as an affine layer, channel by channel."""

    def along(values: Tensor, x: Tensor) -> Tensor:
        return values.view(-1, *[1] * (x.ndim - 2))

    return Affine(
        scale,
        shift,
        apply=lambda x, w, b: x * along(w, x) if b is None else (x * along(w, x)).add_(along(b, x)),
        pull=lambda s, w, x: s * along(w, x),
        scale=lambda w, by: w * by,
        channels=1,
    )


def layer_norm(call: Call) -> Any:
    """A LayerNorm: it centres, and divides by a standard deviation that is treated as a constant."""
    x, shape = call.args[0], tuple(call.get("normalized_shape", 1))
    weight, bias, eps = call.get("weight", 2), call.get("bias", 3), call.get("eps", 4, 1e-5)
    axes = tuple(range(-len(shape), 0))
    out, _, deviation = torch.native_layer_norm(x.detach(), shape, weight, bias, eps)
    out = call.value() if torch.is_autocast_enabled(x.device.type) else out  # which may choose another precision

    def centre(g: Tensor) -> Tensor:
        g = g * deviation if weight is None else (g * weight).mul_(deviation)
        return g.sub_(g.mean(axes, keepdim=True)).to(x.dtype)

    return Centred.apply(x, lambda _: out, centre, bias, call.layer, call.setting.ledger)


def group_norm(call: Call) -> Any:
    """A GroupNorm: as a LayerNorm within each group."""
    x, groups = call.args[0], call.get("num_groups", 1)
    weight, bias, eps = call.get("weight", 2), call.get("bias", 3), call.get("eps", 4, 1e-5)
    return _grouped(call, x, groups, weight, bias, eps)


def instance_norm(call: Call) -> Any:
    """An InstanceNorm: a GroupNorm with one group per channel."""
    x = call.args[0]
    if not call.get("use_input_stats", 5, True):
        raise SemlensError(f"{call.layer!r} is an InstanceNorm with running statistics, which no rule covers")
    return _grouped(call, x, x.shape[1], call.get("weight", 3), call.get("bias", 4), call.get("eps", 7, 1e-5))


def _grouped(call: Call, x: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Any:
    n, c = x.shape[:2]
    _, _, deviation = torch.native_group_norm(
        x.detach().contiguous(), weight, bias, n, c, math.prod(x.shape[2:]), groups, eps
    )
    per_channel = (1, -1, *[1] * (x.ndim - 2))
    per_group = deviation.to(x.dtype)[:, :, None]

    def centre(g: Tensor) -> Tensor:
        g = (g if weight is None else g * weight.view(per_channel)).unflatten(-x.ndim + 1, (groups, -1))
        flat = g.flatten(-x.ndim + 1) * per_group
        return (flat - flat.mean(-1, keepdim=True)).reshape(*g.shape).flatten(-x.ndim, -x.ndim + 1)

    shift = None if bias is None else bias.view(per_channel)
    return Centred.apply(x, call.run, centre, shift, call.layer, call.setting.ledger)


def rms_norm(call: Call) -> Any:
    """An RMSNorm: it divides by a root mean square that is treated as a constant."""
    x, shape = call.args[0], call.get("normalized_shape", 1)
    weight, eps = call.get("weight", 2), call.get("eps", 3)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    factor = x.detach().square().mean(tuple(range(-len(shape), 0)), keepdim=True).add(eps).rsqrt()
    factor = factor if weight is None else factor * weight
    return Centred.apply(x, call.run, lambda g: g * factor, None, call.layer, call.setting.ledger)


def normalize(call: Call) -> Any:
    """A vector divided by its norm, which is treated as a constant."""
    x, p, dim, eps = call.args[0], call.get("p", 1, 2.0), call.get("dim", 2, 1), call.get("eps", 3, 1e-12)
    return call.joined(call.value(), x / x.detach().norm(p, dim, keepdim=True).clamp_min(eps))


def cosine_similarity(call: Call) -> Any:
    """A cosine similarity: the product of two vectors divided by their norms."""
    a, b, dim, eps = call.args[0], call.args[1], call.get("dim", 2, 1), call.get("eps", 3, 1e-8)
    a, b = share_product(call, *(t / t.detach().norm(2, dim, keepdim=True).clamp_min(eps) for t in (a, b)))
    return call.joined(call.value(), (a * b).sum(dim))
