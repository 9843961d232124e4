"""Attention as one function: fused attention, and `torch.nn.MultiheadAttention`, whose one call holds four linear
layers and the attention between them."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from semlens.attribution.affine import linear
from semlens.attribution.composite import Composite
from semlens.attribution.functions import portion
from semlens.attribution.layers import affine, matmul
from semlens.attribution.marks import remark
from semlens.attribution.operations import Call, carries
from semlens.errors import SemlensError


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


def multi_head_attention(call: Call) -> Any:
    """The function's result: the output, and the attention weights or None. Its projections follow the rule for linear
    layers."""
    _check_supported(call)
    heads, weight, bias = (call.get(n, i) for n, i in (("num_heads", 4), ("in_proj_weight", 5), ("in_proj_bias", 6)))
    if call.get("use_separate_proj_weight", 17, False):
        weights = [call.get(f"{name}_proj_weight", 18 + i) for i, name in enumerate("qkv")]
    else:
        weights = weight.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    q, k, v = (
        # images come first from here on, as everywhere else: what biases keep is booked per image
        rearrange(
            _projection(call, f"in_proj.{name}", call.get(argument, i).transpose(0, 1), weights[i], biases[i]),
            "n p (h d) -> n h p d",
            h=heads,
        )
        for i, (name, argument) in enumerate(zip("qkv", ("query", "key", "value"), strict=True))
    )
    out, attention = _attend(call, q, k, v, _mask(call, q, heads))
    out = rearrange(out, "n h p d -> n p (h d)")
    projection, shift = call.get("out_proj_weight", 11), call.get("out_proj_bias", 12)
    if not _is_identity(projection, shift):  # as it is where the projection runs as a module of its own
        out = _projection(call, "out_proj", out, projection, shift)
    if attention is not None and call.get("average_attn_weights", 23, True):
        attention = attention.mean(1)
    return out.transpose(0, 1), attention


def _projection(call: Call, name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if not carries(x):
        return functional.linear(x, weight, bias)
    return affine(call, linear(weight, bias), "linear", x, lambda t: functional.linear(t, weight, bias), name)


def _is_identity(weight: Tensor, bias: Tensor | None) -> bool:
    same = torch.equal(weight, torch.eye(len(weight), dtype=weight.dtype, device=weight.device))
    return same and (bias is None or not bool(bias.any()))


def _attend(call: Call, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The weighted sums of the values, and the attention weights if the call wants them."""
    if not call.get("need_weights", 15, True):
        shared = shared_attention(q, k, v, mask, call.setting.composite)
        return functional.scaled_dot_product_attention(*shared), None
    scores = _product(call, q * q.shape[-1] ** -0.5, k.mT)
    weights = torch.softmax(scores if mask is None else scores + mask, -1)
    remark(weights, gate=True)
    return _product(call, weights, v), weights


def _product(call: Call, a: Tensor, b: Tensor) -> Tensor:
    return matmul(call._replace(func=torch.matmul, args=(a, b), kwargs={}))


def _mask(call: Call, q: Tensor, heads: int) -> Tensor | None:
    """Both masks as one tensor to be added to the scores: -inf where a boolean mask is True."""
    masks = []
    attention, padding = call.get("attn_mask", 16), call.get("key_padding_mask", 14)
    if attention is not None:
        masks.append(attention.unflatten(0, (len(q), heads)) if attention.ndim == 3 else attention)
    if padding is not None:
        masks.append(padding[:, None, None])
    added = [
        torch.zeros_like(m, dtype=q.dtype).masked_fill(m, -torch.inf) if m.dtype == torch.bool else m for m in masks
    ]
    return sum(added[1:], start=added[0]) if added else None


def _check_supported(call: Call) -> None:
    unsupported = {
        "bias_k": call.get("bias_k", 7) is not None,
        "add_zero_attn": call.get("add_zero_attn", 9, False),
        "static_k or static_v": call.get("static_k", 21) is not None or call.get("static_v", 22) is not None,
        "an input without a batch axis": call.get("query", 0).ndim != 3,
    }
    for name, is_used in unsupported.items():
        if is_used:
            raise SemlensError(
                f"layer {call.layer!r} is attention with {name}, which no rule covers: write it with "
                "scaled_dot_product_attention"
            )
