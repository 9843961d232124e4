"""Which function is treated how: the one table that decides through which functions relevance may pass.

A function is known by its name, however it is called. A name that is in no table is an error; its relevance is never
passed through.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from semlens.attribution import norms
from semlens.attribution import operations as ops
from semlens.attribution.attention import multi_head_attention
from semlens.attribution.marks import mark_of, remark
from semlens.attribution.operations import Call
from semlens.attribution.recurrent import packed, recurrent, recurrent_cell
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
"""Functions that only move values; their gradient moves relevance likewise. Dropout does nothing in eval mode."""

SUMS = frozenset(
    "sum mean neg negative positive cumsum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d interpolate upsample upsample_nearest upsample_bilinear".split()
)
"""Sums with constant weights; their gradient shares relevance in proportion to the contributions."""

WINNERS = frozenset(
    "max min amax amin maximum minimum max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices".split()
)
"""Functions that select a value, which gets all relevance, as it does by their gradient."""

PIECEWISE = frozenset("relu leaky_relu prelu hardshrink threshold rrelu abs".split())
"""Activations f that are linear on each side of zero, with f(0) = 0: f(x) / x is their gradient."""

ACTIVATIONS = frozenset(
    "gelu silu mish elu selu celu softplus tanh sigmoid hardtanh relu6 hardswish hardsigmoid logsigmoid log_sigmoid "
    "softsign tanhshrink softshrink clamp clip clamp_min clamp_max pow square sqrt erf local_response_norm".split()
)
"""Element-wise functions through which relevance passes unchanged."""

NORMALISERS = frozenset("rsqrt reciprocal norm vector_norm std var std_mean var_mean".split())
"""Functions whose result only normalises what it divides, so it is treated as a constant (AttnLRP, Prop. 3.4)."""

SHIFTS = frozenset("add radd sub rsub subtract mul rmul multiply div truediv true_divide divide batch_norm".split())
"""Functions that scale or shift values; with a constant, they only normalise."""

PASSIVE = frozenset(
    "size dim numel stride storage_offset data_ptr is_contiguous element_size ndimension get_device is_floating_point "
    "is_complex __len__ __repr__ __format__ __str__ __hash__ __bool__ __float__ __int__ item tolist numpy detach "
    "argmax argmin eq ne lt le gt ge isnan isinf isfinite all any zeros_like ones_like empty_like full_like "
    "rand_like randn_like new_zeros new_ones new_empty new_full new_tensor detach _assert is_same_size equal allclose "
    "is_nonzero __contains__ __array__ nonzero bincount is_set_to untyped_storage is_inference dequantize".split()
)
"""Functions whose result carries no relevance."""

_OPERATORS = {"__matmul__": "matmul", "__getitem__": "getitem", "__setitem__": "setitem", "__pow__": "pow"}


def name_of(func: Any, kwargs: dict[str, Any]) -> tuple[str, bool]:
    """A function's name without the underscores of operators and in-place functions, and whether it works in place."""
    name: str = getattr(func, "__name__", str(func))
    if name in _OPERATORS:
        return _OPERATORS[name], name == "__setitem__"
    if name == "__get__" or name in PASSIVE:
        return name, False
    if name.startswith("__i") and name.endswith("__") and name not in {"__invert__", "__int__"}:
        return name[3:-2], True
    if name.startswith("__") and name.endswith("__"):
        return name[2:-2], False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], name != "requires_grad_"
    return name.removeprefix("_"), bool(kwargs.get("inplace"))


def operate(call: Call) -> Any:
    """The function's result, with a backward pass that carries relevance.

    Raises:
        SemlensError: no rule covers the function.
    """
    treatment = call.setting.composite.functions.get(call.name)
    handler = _TREATMENTS[treatment] if treatment else _TABLE.get(call.name)
    if handler is None:
        raise SemlensError(
            f"no rule covers {call.name!r}, which layer {call.layer!r} calls: say how relevance passes it with "
            f"composite.with_function({call.name!r}, 'activation'), 'linear' or 'constant' (docs/attribution.md)"
        )
    if not call.in_place:
        return handler(call)
    first = call.args[0]
    call.setting.saved.before_overwriting(first)
    if handler in (ops.by_gradient, ops.add):
        if mark_of(first).gate:
            remark(first, gate=False)
        return handler(call)
    # A rule needs the old value: it works on a copy, and its result is written to where the model expects it.
    out_of_place = replace(
        call,
        func=_out_of_place(call),
        args=(first.clone(), *call.args[1:]),
        kwargs={key: value for key, value in call.kwargs.items() if key != "inplace"},
        in_place=False,
    )
    result = handler(out_of_place)
    first.copy_(result)
    remark(first, gate=mark_of(result).gate)
    return first


def _out_of_place(call: Call) -> Callable[..., Any]:
    """A function that returns what `call.func` writes into its first argument."""
    if call.kwargs.get("inplace"):
        return call.func  # returns a new tensor without `inplace`

    def func(x: Any, *args: Any, **kwargs: Any) -> Any:
        return call.func(x.clone(), *args, **kwargs)

    return func


_TREATMENTS: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {"activation": ops.activation, "linear": ops.by_gradient, "constant": ops.constant}
)
_TABLE: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {
        **dict.fromkeys(MOVES | SUMS | WINNERS | PIECEWISE, ops.by_gradient),
        **dict.fromkeys(ACTIVATIONS, ops.activation),
        **dict.fromkeys(NORMALISERS, ops.constant),
        **dict.fromkeys(("cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack", "where"), ops.join),
        **dict.fromkeys(("add", "radd", "sub", "rsub", "subtract"), ops.add),
        **dict.fromkeys(("mul", "rmul", "multiply"), ops.multiply),
        **dict.fromkeys(("div", "truediv", "true_divide", "divide"), ops.divide),
        **dict.fromkeys(("matmul", "bmm", "mm"), ops.matmul),
        **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), ops.convolution_layer),
        **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), ops.convolution_layer),
        "linear": ops.linear_layer,
        "addmm": ops.addmm,
        "einsum": ops.einsum,
        "softmax": ops.softmax,
        "batch_norm": norms.batch_norm,
        "layer_norm": norms.layer_norm,
        "group_norm": norms.group_norm,
        "instance_norm": norms.instance_norm,
        "rms_norm": norms.rms_norm,
        "normalize": norms.normalize,
        "cosine_similarity": norms.cosine_similarity,
        "glu": ops.glu,
        "scaled_dot_product_attention": ops.attention,
        "multi_head_attention_forward": multi_head_attention,
        **dict.fromkeys(("lstm", "gru"), recurrent),
        **dict.fromkeys(("lstm_cell", "gru_cell"), recurrent_cell),
        "pack_padded_sequence": packed,
    }
)
