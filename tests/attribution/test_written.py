"""However a model is written, its outputs stay as they are and its relevance is the same."""

import pytest
import torch
from torch import nn

from semlens.attribution.composite import COMPOSITES
from semlens.attribution.trace import trace
from tests.attribution.heat import ZERO, accounts, heat
from tests.attribution.loops import each
from tests.attribution.ways import PAIRS, SOME, Net, pixels


@pytest.mark.parametrize("name", PAIRS)
def test_however_a_model_is_written_its_outputs_stay_and_its_relevance_is_the_same(name: str) -> None:
    awkward, plain, x = Net(PAIRS[name][0]), Net(PAIRS[name][1]), pixels()
    for composite in each(SOME):
        with trace(awkward, x, composite) as t:
            assert torch.equal(t.output, awkward(x.clone()))
        got, expected = heat(awkward, x, composite), heat(plain, x, composite)
        assert expected.abs().sum() > 1e-3
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*PAIRS} - {"silu in place", "hardswish in place", "gate in place"}))
def test_lrp_0_without_biases_is_input_times_gradient(name: str) -> None:
    net = Net(PAIRS[name][0], bias=False)
    if name == "addmm":
        net.square.bias = nn.Parameter(torch.zeros(4, dtype=torch.float64))
    x = pixels().requires_grad_()
    (g,) = torch.autograd.grad(net(x.clone())[:, 1].sum(), x)
    torch.testing.assert_close(heat(net, x.detach(), ZERO), (x * g).detach(), rtol=1e-10, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_an_image_has_the_relevance_it_has_alone(name: str) -> None:
    net, x = Net(PAIRS[name][0]), pixels(2)
    x[1] = x[1].abs()  # rules take a short way where no input is negative
    for composite in each(SOME):
        together = heat(net, x, composite)
        for i in range(2):
            torch.testing.assert_close(heat(net, x[i : i + 1], composite)[0], together[i], rtol=1e-12, atol=1e-14)


def test_a_layer_that_runs_twice_counts_twice() -> None:
    """The same linear layer, tied or as two copies; the same ReLU module at every place."""
    tied = Net(lambda m, x: m.square(m.act(m.square(m.act(m.one(x).mean((2, 3)))))))
    apart = Net(lambda m, x: m.other(m.square(m.one(x).mean((2, 3)).relu()).relu()))
    apart.other = nn.Linear(4, 4).double()
    apart.other.load_state_dict(tied.square.state_dict())
    for composite in each(SOME):
        torch.testing.assert_close(heat(tied, pixels(), composite), heat(apart, pixels(), composite))
    tied.head = nn.Linear(4, 4).double()
    tied.head.weight = tied.square.weight  # one parameter in two modules
    found = accounts(tied, pixels(), COMPOSITES["epsilon"])
    torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered)
