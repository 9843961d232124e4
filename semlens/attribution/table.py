"""Which function is treated how: the one table that decides through which functions relevance may pass.

A function is known by its name, however it is called. A name that is in no table is an error; its relevance is never
passed through.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from semlens.attribution import exponential, layers, names, norms, products, writing
from semlens.attribution import operations as ops
from semlens.attribution.attention import attention, multi_head_attention
from semlens.attribution.operations import Call
from semlens.attribution.recurrent import packed, recurrent, recurrent_cell
from semlens.errors import SemlensError

_OPERATORS = {
    "__matmul__": "matmul", "__getitem__": "getitem", "__setitem__": "setitem", "__pow__": "pow",
    "__rand__": "and", "__ror__": "or", "__rxor__": "xor", "__rlshift__": "lshift", "__rrshift__": "rshift",
}  # fmt: skip
_NOT_IN_PLACE = frozenset({"__invert__", "__int__", "__index__", "__iter__"})
_NAMESPACES = ("linalg_", "special_")


def name_of(func: Any, kwargs: dict[str, Any]) -> tuple[str, bool]:
    """A function's name without the underscores of operators and in-place functions, and whether it works in place."""
    name, in_place = _name_of(func)
    return name, in_place or ("inplace" in kwargs and bool(kwargs["inplace"]))


@lru_cache(maxsize=1024)
def _name_of(func: Any) -> tuple[str, bool]:
    name: str = getattr(func, "__name__", str(func)).partition(".")[0]  # without the overload of an operator of aten
    if name in _OPERATORS:
        return _OPERATORS[name], name == "__setitem__"
    if name == "__get__" or name in names.PASSIVE:
        return name, False
    if name.startswith("__i") and name.endswith("__") and name not in _NOT_IN_PLACE:
        return name[3:-2], True
    if name.startswith("__") and name.endswith("__"):
        return name[2:-2], False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], name != "requires_grad_"
    return name.removeprefix("_"), False


def known_as(name: str) -> str:
    """The name under which the table has a function: `linalg_norm` is `norm`, `view_copy` is `view`."""
    if name in _TABLE:
        return name
    for namespace in _NAMESPACES:
        name = name.removeprefix(namespace)
    return name.removesuffix("_copy") if name not in _TABLE else name


def operate(call: Call) -> Any:
    """The function's result, with a backward pass that carries relevance.

    Raises:
        SemlensError: no rule covers the function.
    """
    treatment = call.setting.composite.functions.get(call.name)
    known = known_as(call.name)
    handler = _TREATMENTS[treatment] if treatment else _TABLE.get(known)
    if handler is None:
        raise SemlensError(_refusal(call, known))
    if handler is ops.join and call.in_place:
        handler = ops.by_gradient  # what stood in the memory before is no argument of its own
    if not treatment and known != call.name:
        call = call._replace(name=known)
    if call.kwargs.get("out") is not None:
        return writing.into(call, handler)
    return writing.in_place(call, handler) if call.in_place else handler(call)


def _refusal(call: Call, known: str) -> str:
    reason = _REFUSED.get(known)
    if "quantized" in str(getattr(call.func, "__module__", "")):
        reason = _REFUSED["quantize_per_tensor"]
    if reason:
        return f"layer {call.layer!r} calls {call.name!r}, which {reason.format(name=call.name)}"
    return (
        f"no rule covers {call.name!r}, which layer {call.layer!r} calls: say how relevance passes it with "
        f"composite.with_function({call.name!r}, 'activation'), 'linear', 'product' or 'constant' (docs/attribution.md)"
    )


_REFUSED = {name: reason for several, reason in names.WITHOUT_SENSE.items() for name in several.split()}
_TREATMENTS: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {"activation": ops.activation, "linear": ops.by_gradient, "product": products.product, "constant": ops.constant}
)
_TABLE: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {
        **dict.fromkeys(names.MOVES | names.SUMS | names.WINNERS | names.HOMOGENEOUS, ops.by_gradient),
        **dict.fromkeys(names.POOLS, ops.pooled),
        **dict.fromkeys(names.ACTIVATIONS, ops.activation),
        **dict.fromkeys(names.STEPS | names.PASSIVE, ops.constant),  # the passive ones where they write in place
        **dict.fromkeys(names.NORMS, ops.norm),
        **dict.fromkeys(("var", "var_mean"), ops.variance),
        "mse_loss": ops.half,
        **dict.fromkeys(("scatter_reduce", "index_reduce", "segment_reduce"), ops.reduced),
        **dict.fromkeys(("prelu", "prelu_kernel"), ops.prelu),
        "rsqrt": ops.normaliser,
        **dict.fromkeys(("clamp", "clip", "clamp_min", "clamp_max"), ops.clamp),
        **dict.fromkeys(names.JOINS, ops.join),
        **dict.fromkeys(("add", "radd", "sub", "rsub", "subtract"), ops.add),
        **dict.fromkeys(("softmax", "softmin", "safe_softmax"), ops.softmax),
        "exp": exponential.exponential,
        **dict.fromkeys(("log", "log1p"), exponential.logarithm),
        **dict.fromkeys(("logsumexp", "logcumsumexp"), exponential.log_sum_exp),
        "log_softmax": exponential.log_softmax,
        **dict.fromkeys(("div", "truediv", "true_divide", "divide"), exponential.divide),
        **dict.fromkeys(("rdiv", "rtruediv", "reciprocal"), exponential.invert),
        **dict.fromkeys(("mul", "rmul", "multiply"), products.multiply),
        **dict.fromkeys(products.FORMULAS, products.multilinear),
        **dict.fromkeys(("multi_dot", "chain_matmul", "trilinear", "embedding_bag"), products.product),
        **dict.fromkeys(("prod", "cumprod"), products.powers),
        "lerp": products.interpolated,
        "einsum": products.einsum,
        "glu": products.glu,
        **dict.fromkeys(("matmul", "bmm", "mm"), layers.matmul),
        "rmatmul": layers.matmul_from_right,
        "addmm": layers.addmm,
        "linear": layers.linear_layer,
        **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), layers.convolution_layer),
        **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), layers.convolution_layer),
        "convolution": layers.any_convolution,
        "deform_conv2d": layers.deformed_convolution,
        "batch_norm": norms.by_schema(norms.modulated(norms.batch_norm, 3, 4)),
        "instance_norm": norms.by_schema(norms.modulated(norms.instance_norm, 3, 4)),
        "layer_norm": norms.modulated(norms.layer_norm, 2, 3),
        "group_norm": norms.modulated(norms.group_norm, 2, 3),
        "rms_norm": norms.modulated(norms.rms_norm, 2),
        "normalize": norms.normalize,
        "cosine_similarity": norms.cosine_similarity,
        "scaled_dot_product_attention": attention,
        "multi_head_attention_forward": multi_head_attention,
        **dict.fromkeys(("lstm", "gru"), recurrent),
        **dict.fromkeys(("lstm_cell", "gru_cell"), recurrent_cell),
        "pack_padded_sequence": packed,
    }
)
