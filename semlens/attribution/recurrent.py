"""LSTM, GRU and their cells: unrolled, so that the products and sums of every step follow a rule.

The relevance of a product of gate and signal is shared by the composite's `product`: "signal" gives the signal all
(LRP-all, Arras et al. 2017), "half" half to each (LRP-half, Arjona-Medina et al. 2018), "proportional" in proportion to
the two pre-activations (LRP-prop, Ding et al. 2017).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from semlens.attribution.affine import linear
from semlens.attribution.functions import ElementWise, portion
from semlens.attribution.layers import affine
from semlens.attribution.operations import Call, carries
from semlens.attribution.rules import ROUNDING, stabilise, step_of
from semlens.errors import SemlensError
from semlens.types import Float

Step = Callable[[Call, str, Tensor, tuple[Tensor, ...], Sequence[Tensor]], tuple[Tensor, ...]]


class _Proportion(Function):
    """gate(a) * signal(b), whose relevance goes to the pre-activations a and b in proportion to their values:
    R_a = a / (a + b) R.

    Source: Ding et al. 2017.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, product: Tensor) -> Tensor:
        ctx.save_for_backward(a, b, product)
        return product.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b, product = ctx.saved_tensors
        both = a + b
        share = g * product / stabilise(both, step_of(both.abs(), (-1,), ROUNDING))
        return share, share, None


def gated(
    call: Call,
    before_gate: Tensor,
    before_signal: Tensor,
    activate: Callable[[Tensor], Tensor],
) -> Tensor:
    """`sigmoid(before_gate) * activate(before_signal)`, its relevance shared by the composite's `product`."""
    product = call.setting.composite.product
    if product == "proportional":
        value = (torch.sigmoid(before_gate) * activate(before_signal)).detach()
        return _Proportion.apply(before_gate, before_signal, value)
    signal = before_signal if activate is _identity else _element_wise(before_signal, activate)
    if product == "signal":
        return torch.sigmoid(before_gate.detach()) * signal
    return portion(_element_wise(before_gate, torch.sigmoid), 0.5) * portion(signal, 0.5)


def _element_wise(x: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
    return ElementWise.apply(x, run) if carries(x) else run(x)


def _identity(x: Tensor) -> Tensor:
    return x


def lstm_step(
    call: Call, name: str, x: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Hidden state and cell state after one step of an LSTM."""
    h, c = state
    i, f, g, o = _pre_activation(call, name, x, h, weights).chunk(4, -1)
    c = gated(call, f, c, _identity) + gated(call, i, g, torch.tanh)
    return gated(call, o, c, torch.tanh), c


def gru_step(
    call: Call, name: str, x: Tensor, state: tuple[Tensor, ...], weights: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Hidden state after one step of a GRU."""
    (h,) = state
    w_ih, w_hh, *biases = weights
    b_ih, b_hh = biases if biases else (w_ih.new_zeros(len(w_ih)), w_hh.new_zeros(len(w_hh)))
    size = h.shape[-1]
    first = [w_ih[: 2 * size], w_hh[: 2 * size], b_ih[: 2 * size], b_hh[: 2 * size]]
    r, z = _pre_activation(call, f"{name}.gates", x, h, first).chunk(2, -1)
    from_x = _layer(call, f"{name}.new_x", x, w_ih[2 * size :], b_ih[2 * size :])
    from_h = _layer(call, f"{name}.new_h", h, w_hh[2 * size :], b_hh[2 * size :])
    new = from_x + gated(call, r, from_h, _identity)
    # h' = (1 - sigmoid(z)) * tanh(new) + sigmoid(z) * h. The first gate is sigmoid(-z), so -z is what it is made from:
    # relevance is then the same for a GRU whose z counts the other way round.
    return (gated(call, -z, new, torch.tanh) + gated(call, z, h, _identity),)


def _pre_activation(call: Call, name: str, x: Tensor, h: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """The pre-activation of both weight matrices: one linear layer on the concatenated input and hidden state."""
    w_ih, w_hh, *biases = weights
    bias = biases[0] + biases[1] if biases else None
    return _layer(call, name, torch.cat([x, h], -1), torch.cat([w_ih, w_hh], 1), bias)


def _layer(call: Call, name: str, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    layer = linear(weight, bias)
    if not carries(x):
        return layer.apply(x, weight, bias)
    return affine(call, layer, "linear", x, lambda t: layer.apply(t, weight, bias), name)


def recurrent(call: Call) -> Any:
    """The result of torch.lstm and torch.gru: the outputs of all steps, then the last states."""
    if isinstance(call.args[3], Sequence):
        packed(call)
    x, hx, weights, biased, layers, _, _, bidirectional, batch_first = call.args[:9]
    step, states = (lstm_step, hx) if call.name == "lstm" else (gru_step, (hx,))
    if call.name == "lstm" and hx[0].shape[-1] != hx[1].shape[-1]:
        raise SemlensError(f"layer {call.layer!r} is an LSTM with projections, which no rule covers")
    per_layer = 4 if biased else 2
    x = x.transpose(0, 1) if batch_first else x
    last: list[tuple[Tensor, ...]] = []
    for depth in range(layers):
        runs = []
        for direction in range(2 if bidirectional else 1):
            number = len(last)
            start = tuple(state[number] for state in states)
            layer_weights = weights[number * per_layer : (number + 1) * per_layer]
            outs, end = _unroll(call, f"layer{depth}", step, x, start, layer_weights, direction == 1)
            runs.append(outs)
            last.append(end)
        x = torch.cat(runs, -1)
    ends = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
    return (x.transpose(0, 1) if batch_first else x, *ends)


def _unroll(
    call: Call,
    name: str,
    step: Step,
    x: Float[Tensor, "p n d"],
    state: tuple[Tensor, ...],
    weights: Sequence[Tensor],
    backwards: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    outs: list[Tensor] = []
    for step_input in reversed(x) if backwards else x:
        state = step(call, name, step_input, state, weights)
        outs.append(state[0])
    return torch.stack(outs[::-1] if backwards else outs), state


def recurrent_cell(call: Call) -> Any:
    """The result of torch.lstm_cell and torch.gru_cell."""
    x, hx, *weights = call.args
    weights = [w for w in weights if w is not None]
    if call.name == "lstm_cell":
        return lstm_step(call, "cell", x, tuple(hx), weights)
    return gru_step(call, "cell", x, (hx,), weights)[0]


def packed(call: Call) -> Any:
    """Refuses packed sequences: they have no axis of images, along which relevance could be told apart.

    Raises:
        SemlensError: always.
    """
    raise SemlensError(f"layer {call.layer!r} packs sequences, which no rule covers: give the padded ones to the LSTM")
