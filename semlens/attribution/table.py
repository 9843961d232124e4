"""Which function is treated how, and what calls it: the one table that decides what relevance may pass."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from semlens.attribution import norms
from semlens.attribution import operations as ops
from semlens.attribution.attention import multi_head_attention
from semlens.attribution.operations import Call
from semlens.attribution.recurrent import packed, recurrent, recurrent_cell
from semlens.errors import SemlensError


def operate(call: Call) -> Any:
    """The function's result, with a backward pass that carries relevance. Raises SemlensError where no rule covers
    it."""
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
    call.setting.shelf.before_overwriting(first)
    if handler in (ops.natural, ops.add):
        first._gate = False
        return ops.natural(call)
    # A rule needs the old value: it works on a copy, and the result is written where the model expects it.
    out_of_place = replace(
        call,
        func=_out_of_place(call),
        args=(first.clone(), *call.args[1:]),
        kwargs={key: value for key, value in call.kwargs.items() if key != "inplace"},
        in_place=False,
    )
    result = handler(out_of_place)
    first.copy_(result)
    first._gate = ops.is_gate(result)
    return first


def _out_of_place(call: Call) -> Callable[..., Any]:
    """A function that gives what `call.func` writes into its first argument."""
    if call.kwargs.get("inplace"):
        return call.func  # works on a copy by itself, now that it is not told otherwise

    def func(x: Any, *args: Any, **kwargs: Any) -> Any:
        return call.func(x.clone(), *args, **kwargs)

    return func


_TREATMENTS: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {"activation": ops.activation, "linear": ops.natural, "constant": ops.constant}
)
_TABLE: Mapping[str, Callable[[Call], Any]] = MappingProxyType(
    {
        **dict.fromkeys(ops.MOVES | ops.SUMS | ops.WINNERS | ops.PIECEWISE, ops.natural),
        **dict.fromkeys(ops.ACTIVATIONS, ops.activation),
        **dict.fromkeys(ops.NORMALISERS, ops.constant),
        **dict.fromkeys(("add", "radd", "sub", "subtract"), ops.add),
        "rsub": ops.natural,
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
        "cosine_similarity": norms.cosine,
        "glu": ops.glu,
        "scaled_dot_product_attention": ops.attention,
        "multi_head_attention_forward": multi_head_attention,
        **dict.fromkeys(("lstm", "gru"), recurrent),
        **dict.fromkeys(("lstm_cell", "gru_cell"), recurrent_cell),
        "pack_padded_sequence": packed,
    }
)
