"""LSTM and GRU: torch's numbers, and the relevance of a slow twin that goes back through time step by step."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.composite import COMPOSITES, Composite
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from tests.attribution.recurrent_twin import HIDDEN, STEPS, WIDTH, gru_twin, lstm_twin, stable

PRODUCTS = pytest.mark.parametrize("product", ["signal", "half", "proportional"])
KINDS = pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])


def sequences(count: int = 2) -> Tensor:
    return torch.randn(count, STEPS, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def random(net: Any) -> Any:
    """The module in float64 with random weights, the same ones for the same shapes."""
    generator = torch.Generator().manual_seed(1)
    for parameter in net.double().parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.6)
    return net


class Reader(nn.Module):
    """A recurrent layer, all of whose steps make three classes; without biases in the last layer."""

    def __init__(self, recurrent: Any, width: int = HIDDEN) -> None:
        super().__init__()
        self.recurrent, self.head = recurrent, nn.Linear(STEPS * width, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.recurrent(x)
        return self.head((out if isinstance(out, Tensor) else out[0]).flatten(1))


def relevance(net: nn.Module, x: Tensor, product: str) -> Tensor:
    with trace(net, x, Composite(product, product=product)) as t:
        (g,) = torch.autograd.grad(t.output[:, 1].sum(), [t.source])
    return t.source.detach() * g


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    assert wanted.abs().max() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=10 * tolerance, atol=tolerance * float(wanted.abs().max()))


@PRODUCTS
@pytest.mark.parametrize(("kind", "twin"), [(nn.LSTM, lstm_twin), (nn.GRU, gru_twin)])
def test_relevance_of_each_step_is_the_twins(kind: Any, twin: Callable[..., Tensor], product: str) -> None:
    net = random(Reader(kind(WIDTH, HIDDEN, batch_first=True)))
    with torch.no_grad():
        outs, value = net.recurrent(sequences())[0], net(sequences())[:, 1]
        r_outs = outs * net.head.weight[1].view(STEPS, HIDDEN) * (value / stable(value))[:, None, None]
        wanted = [twin(net.recurrent, *pair, product) for pair in zip(sequences(), r_outs, strict=True)]
    assert_close(relevance(net, sequences(), product), torch.stack(wanted))


@KINDS
@pytest.mark.parametrize("how", [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"batch_first": True}, {"bias": False},
    {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.5}, {"num_layers": 3, "bias": False},
], ids=str)  # fmt: skip
def test_outputs_and_states_are_torchs(kind: Any, how: Any) -> None:
    net = random(kind(WIDTH, HIDDEN, **how)).eval()
    with trace(net, sequences(), COMPOSITES["epsilon"]) as t:
        torch.testing.assert_close(t.output, net(sequences()), rtol=1e-12, atol=1e-12)


class Started(nn.Module):
    """A recurrent layer or cell that starts from a state of its own, or from one made from what it reads."""

    def __init__(self, cell: Any, given: bool) -> None:
        super().__init__()
        self.cell, self.given, self.h0, self.c0 = cell, given, nn.Linear(WIDTH, HIDDEN), nn.Linear(WIDTH, HIDDEN)

    def forward(self, x: Tensor) -> Any:
        source = torch.ones_like(x[:, 0]) if self.given else x[:, 0]
        h, c = self.h0(source), self.c0(source)
        if isinstance(self.cell, nn.RNNCellBase):
            return self.cell(x[:, 1], (h, c) if isinstance(self.cell, nn.LSTMCell) else h)
        return self.cell(x, (h[None], c[None]) if isinstance(self.cell, nn.LSTM) else h[None])


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_it_starts_where_the_model_says(kind: Any, given: bool, bias: bool) -> None:
    how = {"bias": bias} if "Cell" in kind.__name__ else {"bias": bias, "batch_first": True}
    net = random(Started(kind(WIDTH, HIDDEN, **how), given))
    with trace(net, sequences(), COMPOSITES["epsilon"]) as t:
        torch.testing.assert_close(t.output, net(sequences()), rtol=1e-12, atol=1e-12)


class Loop(nn.Module):
    """A cell, called step by step with the weights of a layer, from the last step to the first if it is to."""

    def __init__(self, layer: Any, depth: int = 0, suffix: str = "") -> None:
        super().__init__()
        width = layer.input_size if not depth else HIDDEN * (2 if layer.bidirectional else 1)
        self.cell = (nn.LSTMCell if isinstance(layer, nn.LSTM) else nn.GRUCell)(width, HIDDEN).double()
        self.backwards = bool(suffix)
        for name, parameter in self.cell.named_parameters():
            parameter.data = getattr(layer, f"{name}_l{depth}{suffix}").data

    def forward(self, x: Tensor) -> Tensor:
        state, outs = None, []
        for one in x.flip(1).unbind(1) if self.backwards else x.unbind(1):
            state = self.cell(one, state)
            outs.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(outs[::-1] if self.backwards else outs, 1)


class BothWays(nn.Module):
    def __init__(self, layer: Any, depth: int) -> None:
        super().__init__()
        self.there, self.back = Loop(layer, depth), Loop(layer, depth, "_reverse")

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.there(x), self.back(x)], -1)


@pytest.mark.slow
@PRODUCTS
@KINDS
def test_layers_and_directions_are_loops_of_cells(kind: Any, product: str) -> None:
    for both in (False, True):
        layer = kind(WIDTH, HIDDEN, num_layers=2, batch_first=True, bidirectional=both)
        net = random(Reader(layer, 2 * HIDDEN if both else HIDDEN))
        loops = nn.Sequential(*(BothWays(layer, depth) if both else Loop(layer, depth) for depth in range(2)))
        written = Reader(loops, 2 * HIDDEN if both else HIDDEN).double()
        written.head.weight.data = net.head.weight.data
        assert_close(relevance(net, sequences(), product), relevance(written, sequences(), product), 1e-9)


def test_steps_first_is_batch_first_turned() -> None:
    first, second = (random(nn.LSTM(WIDTH, HIDDEN, batch_first=choice)) for choice in (True, False))

    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return second(x.transpose(0, 1))[0].transpose(0, 1)

    found, wanted = (random(Reader(layer)) for layer in (Turned(), first))
    found.head.weight.data = wanted.head.weight.data
    assert_close(relevance(found, sequences(), "half"), relevance(wanted, sequences(), "half"), 1e-9)


@PRODUCTS
@KINDS
@pytest.mark.parametrize("how", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_without_biases_all_relevance_arrives_at_the_steps(kind: Any, how: Any, product: str) -> None:
    """The first state is zero and takes nothing."""
    net = random(Reader(kind(WIDTH, HIDDEN, bias=False, batch_first=True, **how), HIDDEN * (2 if how else 1)))
    value = net(sequences())[:, 1].detach()
    torch.testing.assert_close(relevance(net, sequences(), product).sum((1, 2)), value, rtol=2e-2, atol=0)


@PRODUCTS
@KINDS
def test_relevance_reaches_what_the_first_state_was_made_from(kind: Any, product: str) -> None:
    """A captioner's decoder: the image makes the first state, the words it reads are constants."""

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(WIDTH, HIDDEN, bias=False)
            self.recurrent = kind(WIDTH, HIDDEN, bias=False, batch_first=True)
            self.head = nn.Linear(HIDDEN, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            h = self.first(x.mean(1))[None]
            state = (h, h.clone()) if kind is nn.LSTM else h
            return self.head(self.recurrent(torch.zeros_like(x), state)[0][:, -1])

    net = random(Decoder())
    value = net(sequences())[:, 1].detach()
    torch.testing.assert_close(relevance(net, sequences(), product).sum((1, 2)), value, rtol=2e-2, atol=0)


def test_what_biases_keep_is_booked_under_the_steps_layers() -> None:
    net = random(Reader(nn.LSTM(WIDTH, HIDDEN, batch_first=True)))
    with trace(net, sequences(), COMPOSITES["epsilon"]) as t:
        t.ledger.on = True
        value = t.output[:, 1]
        (g,) = torch.autograd.grad(value.sum(), [t.source])
    report = t.ledger.close(value.detach(), [(t.source.detach() * g).flatten(1).sum(1)])
    assert {layer.layer for layer in report.layers} == {"recurrent.layer0", "head"}
    assert abs(report.bias) > 0.1 * abs(report.entered)
    assert report.arrived + report.bias + report.stabiliser == pytest.approx(report.entered, rel=1e-4)


class Text(nn.Module):
    """Token numbers to embeddings to a recurrent layer to classes."""

    def __init__(self, kind: Any, bias: bool) -> None:
        super().__init__()
        self.embedding, self.recurrent = nn.Embedding(11, WIDTH), kind(WIDTH, HIDDEN, bias=bias, batch_first=True)
        self.head = nn.Linear(HIDDEN, 3, bias=bias)

    def forward(self, numbers: Tensor) -> Tensor:
        return self.head(self.recurrent(self.embedding(numbers))[0][:, -1])


class Last(nn.Module):
    def forward(self, out: Any) -> Tensor:
        return out[0][:, -1]


@PRODUCTS
@KINDS
def test_every_token_of_a_text_gets_relevance(kind: Any, product: str) -> None:
    net, numbers = random(Text(kind, bias=False)), torch.tensor([[1, 4, 4, 2], [0, 9, 10, 3]])
    after = nn.Sequential(net.recurrent, Last(), net.head)
    found = relevance(net, numbers, product)
    assert_close(found, relevance(after, net.embedding(numbers).detach(), product), 1e-9)
    torch.testing.assert_close(found.sum((1, 2)), net(numbers)[:, 1].detach(), rtol=2e-2, atol=0)
    assert found.sum(2).abs().min() > 0


def test_projections_are_named() -> None:
    net = Reader(nn.LSTM(WIDTH, HIDDEN, proj_size=2, batch_first=True), 2).double()
    with pytest.raises(SemlensError, match="'recurrent' is an LSTM with projections"):
        relevance(net, sequences(), "half")


@pytest.mark.parametrize("constant", [True, False])
def test_packed_sequences_are_named(constant: bool) -> None:
    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(WIDTH, HIDDEN, batch_first=True).double()

        def forward(self, x: Tensor) -> Tensor:
            read = torch.ones_like(x) if constant else x
            state = x.new_zeros(1, 2, HIDDEN) + x.mean()
            together = nn.utils.rnn.pack_padded_sequence(read, torch.tensor([4, 2]), batch_first=True)
            return self.layer(together, (state, state))[1][0][0]

    with pytest.raises(SemlensError, match="pack"):
        relevance(Packed(), sequences(), "half")
