from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.composite import Composite
from semlens.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, stabilise, step_of, z_plus
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from tests.attribution import dense
from tests.attribution.heat import accounts, arrived, heat, single
from tests.attribution.loops import each

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
LAYERS: dict[str, tuple[Callable[[bool], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda b: nn.Linear(6, 4, bias=b), (6,)),
    "linear on tokens": (lambda b: nn.Linear(3, 4, bias=b), (2, 3)),
    "conv1d": (lambda b: nn.Conv1d(2, 3, 3, stride=2, padding=1, bias=b), (2, 7)),
    "conv1d same, even": (lambda b: nn.Conv1d(2, 3, 4, padding="same", bias=b), (2, 6)),
    "conv2d": (lambda b: nn.Conv2d(2, 3, 3, stride=(2, 1), padding=(1, 2), dilation=(1, 2), bias=b), (2, 5, 4)),
    "conv2d grouped": (lambda b: nn.Conv2d(4, 4, 2, padding=1, groups=2, bias=b), (4, 3, 3)),
    "conv2d depthwise": (lambda b: nn.Conv2d(2, 4, 3, groups=2, bias=b), (2, 4, 4)),
    "conv2d same": (lambda b: nn.Conv2d(2, 2, 3, padding="same", dilation=(1, 2), bias=b), (2, 4, 4)),
    "conv2d same, even": (lambda b: nn.Conv2d(2, 2, (2, 3), padding="same", dilation=(3, 1), bias=b), (2, 4, 3)),
    "conv2d valid": (lambda b: nn.Conv2d(2, 2, 3, padding="valid", bias=b), (2, 4, 4)),
    "conv3d": (lambda b: nn.Conv3d(2, 2, (2, 3, 2), stride=(1, 2, 1), padding=(0, 1, 1), bias=b), (2, 3, 3, 2)),
    "conv3d same, even": (lambda b: nn.Conv3d(1, 2, (2, 1, 2), padding="same", bias=b), (1, 3, 2, 2)),
    "transposed 1d": (lambda b: nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1, bias=b), (2, 4)),
    "transposed 2d": (
        lambda b: nn.ConvTranspose2d(4, 4, 2, stride=(2, 1), output_padding=(1, 0), groups=2, dilation=(1, 2), bias=b),
        (4, 2, 3),
    ),
    "transposed 3d": (lambda b: nn.ConvTranspose3d(2, 2, 2, stride=(1, 2, 1), bias=b), (2, 2, 2, 2)),
}
RULES: dict[str, tuple[Rule, list[tuple[float, dense.Formula]]]] = {
    "zero": (Epsilon(0.0), [(1, dense.zero)]),
    "epsilon": (Epsilon(0.25), [(1, dense.epsilon(0.25))]),
    "gamma 0.25": (Gamma(), [(1, dense.gamma(0.25))]),
    "gamma 10": (Gamma(10.0), [(1, dense.gamma(10.0))]),
    "alpha 1 beta 0": (AlphaBeta(1.0, 0.0), [(1, dense.one_sided(1))]),
    "alpha 2 beta 1": (AlphaBeta(2.0, 1.0), [(2, dense.one_sided(1)), (-1, dense.one_sided(-1))]),
    "z+": (z_plus(), [(1, dense.one_sided(1))]),
    "flat": (Flat(), [(1, dense.flat)]),
    "w-square": (WSquare(), [(1, dense.w_square)]),
}


@cache
def make(name: str, bias: bool) -> tuple[nn.Module, Tensor, Tensor]:
    """A layer with weights of both signs and one of zero; two images and a modified gradient of mixed sign."""
    torch.manual_seed(0)
    build, shape = LAYERS[name]
    layer = build(bias).double()
    with torch.no_grad():
        layer.get_parameter("weight").flatten()[1] = 0
    x = torch.randn(2, *shape, dtype=torch.float64)
    return layer, x, torch.randn_like(layer(x).detach())


def relevance_and_bias(layer: nn.Module, rule: Rule, x: Tensor, g: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Relevance at the input through a trace, "n j", and per image what the bias kept."""
    with trace(layer, x, single(rule)) as t:
        t.ledger.on = True
        relevance = arrived(t, (t.output * g).sum())
    assert torch.equal(t.output, layer(x))
    wide = torch.promote_types(x.dtype, torch.float32)  # numpy has no bfloat16
    return relevance.flatten(1).to(wide).numpy(), t.ledger.accounts(relevance.flatten(1)[:, 0]).bias.sum(0).numpy()


def check(layer: nn.Module, x: Tensor, g: Tensor, rule: Rule, weighted: list[tuple[float, dense.Formula]]) -> None:
    got, kept = relevance_and_bias(layer, rule, x, g)
    matrix = dense.dense(layer, tuple(x.shape[1:]))
    entered = (layer(x).detach() * g).flatten(1).numpy()
    for i in each(range(len(x))):
        scales = dense.scale(layer, layer(x[i : i + 1]).detach().numpy()[0])
        expected, bias = dense.share(matrix, x[i].flatten().numpy(), entered[i], scales, *weighted)
        np.testing.assert_allclose(got[i], expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
        np.testing.assert_allclose(kept[i], bias, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("bias", [False, True], ids=["bias-free", "bias"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", LAYERS)
def test_every_rule_equals_its_formula_on_the_dense_matrix(name: str, rule: str, bias: bool) -> None:
    check(*make(name, bias), *RULES[rule])


@pytest.mark.parametrize("name", LAYERS)
def test_the_z_box_equals_its_formula_for_each_way_to_give_bounds(name: str) -> None:
    layer, x, g = make(name, bias=True)
    per_channel = torch.ones_like(x[0]) * torch.arange(1.0, 1 + x.shape[1]).view(-1, *[1] * (x.ndim - 2))
    check(layer, x, g, ZBox((-3.0,), (4.0,)), [(1, dense.z_box(np.full(x[0].numel(), -3), np.full(x[0].numel(), 4)))])
    bounds = [float(v) for v in range(1, 1 + x.shape[1])]
    wide = per_channel.flatten().numpy()
    check(
        layer, x, g, ZBox(tuple(-v for v in bounds), tuple(2 * v for v in bounds)), [(1, dense.z_box(-wide, 2 * wide))]
    )
    for image, signal in each(zip(x.split(1), g.split(1), strict=True)):
        own = [np.full(image.numel(), float(bound)) for bound in (image.min(), image.max())]
        check(layer, image, signal, ZBox(), [(1, dense.z_box(*own))])


def test_a_z_box_of_the_wrong_number_of_bounds_is_an_error() -> None:
    layer, x, g = make("conv2d", bias=False)
    with pytest.raises(SemlensError, match="3 bounds on an input of 2 channels: give 1 or all"):
        relevance_and_bias(layer, ZBox((0.0,) * 3, (1.0,) * 3), x, g)


@pytest.mark.parametrize("rule", RULES)
def test_inputs_that_are_never_negative_take_the_short_way_to_the_same_end(rule: str) -> None:
    layer, x, g = make("conv2d", bias=True)
    check(layer, x.clamp(min=0) + (x > 0), g, *RULES[rule])


def test_gamma_with_no_relevance_on_negative_outputs() -> None:
    layer, x, g = make("conv2d", bias=True)
    check(layer, x, g * (layer(x) > 0), *RULES["gamma 0.25"])


# Two units see x = (2, 1): contributions (2, 2) and (6, -1), outputs 4 and 5 (4.5 in the mean), and these are their
# relevance.
WORKED: dict[str, tuple[Rule, tuple[float, float]]] = {
    "zero": (Epsilon(0.0), (8, 1)),
    "epsilon": (Epsilon(1 / 4.5), (2 * 4 / 5 + 6 * 5 / 6, 2 * 4 / 5 - 1 * 5 / 6)),
    "gamma": (Gamma(1.0), (2 + 5 * 12 / 11, 2 - 5 * 1 / 11)),  # (4, 4) and (12, -1)
    "z+": (z_plus(), (2 + 5, 2)),
    "alpha 2 beta 1": (AlphaBeta(), (4 + 10, 4 - 5)),  # the first unit has nothing negative to take the 4 back
    "flat": (Flat(), (4.5, 4.5)),
    "w-square": (WSquare(), (4 / 5 + 45 / 10, 16 / 5 + 5 / 10)),
    "z-box": (ZBox((0.0,), (4.0,)), (2 + 5 * 6 / 9, 2 + 5 * 3 / 9)),  # (2, 2) and (6, -1 + 4)
}


@pytest.mark.parametrize("name", WORKED)
def test_two_units_worked_by_hand(name: str) -> None:
    layer = nn.Linear(2, 2, bias=False).double()
    layer.weight.data = torch.tensor([[1.0, 2], [3, -1]], dtype=torch.float64)
    x = torch.tensor([[2.0, 1]], dtype=torch.float64)
    rule, expected = WORKED[name]
    got, _ = relevance_and_bias(layer, rule, x, torch.ones_like(x))
    np.testing.assert_allclose(got[0], expected, atol=1e-5 * 4.5)


def test_gamma_favours_what_makes_a_negative_output_more_negative() -> None:
    layer = nn.Linear(2, 1, bias=False).double()
    layer.weight.data = torch.tensor([[-1.0, 1]], dtype=torch.float64)
    x = torch.tensor([[2.0, 1]], dtype=torch.float64)  # contributions (-2, 1), favoured (-4, 1)
    got, _ = relevance_and_bias(layer, Gamma(1.0), x, torch.ones(1, 1))
    np.testing.assert_allclose(got[0], (-4 / 3, 1 / 3), rtol=1e-6)


def test_alpha_and_beta_must_differ_by_one() -> None:
    for alpha, beta in ((2.0, 0.5), (0.5, -0.5)):
        with pytest.raises(SemlensError, match="alpha = 1 \\+ beta"):
            AlphaBeta(alpha, beta)


def test_the_stabiliser_moves_away_from_zero_and_zero_counts_as_positive() -> None:
    moved = stabilise(torch.tensor([-2.0, -0.0, 0.0, 2.0]), torch.tensor(0.5))
    assert moved.tolist() == [-2.5, 0.5, 0.5, 2.5]


def test_numbers_of_which_each_is_an_image_are_each_of_their_own_scale() -> None:
    step = step_of(torch.tensor([1.0, 1000.0, 0.0]), (), 1e-3)
    assert step.tolist() == pytest.approx([1e-3, 1.0, 1.2e-38], rel=1e-5)


CONSERVING: dict[str, tuple[Rule, Rule | None]] = {
    "z+": (z_plus(), None),
    "gamma": (Gamma(), None),
    "alpha 2 beta 1": (AlphaBeta(), None),
    "flat": (z_plus(), Flat()),
    "w-square": (z_plus(), WSquare()),
    "z-box": (Gamma(), ZBox((-3.0,), (3.0,))),
}


@pytest.mark.parametrize("name", CONSERVING)
def test_a_net_without_biases_conserves_relevance(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1, bias=False),
        nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 10, bias=False), nn.ReLU(),
        nn.Linear(10, 4, bias=False),
    ).double()  # fmt: skip
    rule, first = CONSERVING[name]
    x = torch.randn(3, 3, 10, 10, dtype=torch.float64).clamp(-3, 3)
    found = accounts(net, x, Composite(name, convolution=rule, linear=rule, first=first))
    torch.testing.assert_close(found.arrived, found.entered, rtol=1e-4, atol=0)
    assert not found.bias.any()
    torch.testing.assert_close(found.arrived + found.stabiliser, found.entered, rtol=1e-9, atol=0)


class Tied(nn.Module):
    """One convolution, used again and again: its outputs shrink tenfold with every use."""

    def __init__(self, times: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.times, self.stem = times, nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.again, self.head = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.Linear(6, 4, bias=False)
        self.again.weight.data /= 5

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for _ in range(self.times):
            x = self.again(x).relu()
        return self.head(x.mean((2, 3)))


def test_epsilon_is_gradient_times_input_in_a_net_whose_activations_get_small() -> None:
    net, x = Tied(8), torch.randn(2, 3, 12, 12)
    source = x.clone().requires_grad_()
    value = net(source)[:, 1]
    (g,) = torch.autograd.grad(value.sum(), source)
    assert value.abs().max() < 1e-6  # smaller than the stabiliser, were it in the unit of the output
    found = heat(net, x, single(Epsilon()))
    torch.testing.assert_close(found, x * g, rtol=0, atol=1e-5 * float((x * g).abs().max()))


@pytest.mark.parametrize("name", CONSERVING)
def test_relevance_grows_as_the_weights_do(name: str) -> None:
    """A network without biases, scaled: the heat map stays, in whatever unit its activations are."""
    rule, first = CONSERVING[name]
    rules = Composite(name, convolution=rule, linear=Epsilon(0.1), first=first)
    net, x = Tied(3).double(), torch.randn(2, 3, 8, 8, dtype=torch.float64).clamp(-3, 3)
    before = heat(net, x, rules)
    net.stem.weight.data *= 1e-9
    torch.testing.assert_close(heat(net, x, rules) * 1e9, before, rtol=1e-9, atol=0)


@pytest.mark.parametrize("rule", [Epsilon(0.5), Gamma(), z_plus(), WSquare(), ZBox((-3.0,), (3.0,))], ids=repr)
@pytest.mark.parametrize("name", ["linear", "linear on tokens", "conv2d", "conv1d", "transposed 3d"])
def test_the_stabiliser_of_an_image_does_not_depend_on_those_beside_it(name: str, rule: Rule) -> None:
    layer, x, g = make(name, bias=True)
    x = torch.cat([x[:1], 1000 * x[1:]])
    together, _ = relevance_and_bias(layer, rule, x, g)
    alone, _ = relevance_and_bias(layer, rule, x[:1], g[:1])
    np.testing.assert_allclose(together[0], alone[0], rtol=1e-12, atol=1e-12 * np.abs(alone).max())


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rule", [Epsilon(), Gamma(), z_plus(), Flat(), WSquare()], ids=repr)
def test_an_output_of_zero_passes_nothing_and_divides_nothing(rule: Rule, kind: torch.dtype) -> None:
    layer = nn.Linear(3, 2, bias=False).to(kind)
    x = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0], [3e-4, 1e-4, 0.0]], dtype=kind)
    layer.weight.data = torch.tensor([[1.0, 1.5, -1.0], [0.0, 0.0, 0.0]], dtype=kind)  # 0 by cancelling, and 0 at all
    found, _ = relevance_and_bias(layer, rule, x, torch.ones(3, 2, dtype=kind))
    assert np.isfinite(found).all()
    assert not found[:2].any()
    assert found[2].sum() == pytest.approx(4.5e-4, rel=0.02)
