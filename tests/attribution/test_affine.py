from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.affine import Affine, convolution, linear
from semlens.attribution.composite import COMPOSITES, Composite
from semlens.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, WSquare, ZBox, z_plus
from semlens.attribution.trace import trace
from semlens.model.kinds import Channels
from tests.attribution.heat import ZERO, accounts, heat, single
from tests.attribution.loops import each

RULES: dict[str, Rule] = {
    "zero": Epsilon(0.0),
    "epsilon": Epsilon(),
    "gamma": Gamma(),
    "alpha 2 beta 1": AlphaBeta(),
    "z+": z_plus(),
    "flat": Flat(),
    "w-square": WSquare(),
    "z-box": ZBox((-4.0,), (4.0,)),
}
PROPORTIONAL = [name for name, rule in RULES.items() if rule.proportional]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


AFFINE: dict[str, tuple[Callable[[], Affine], tuple[int, ...]]] = {
    "linear": (lambda: linear(randn(4, 3), randn(4)), (2, 3)),
    "linear on tokens": (lambda: linear(randn(4, 3), randn(4)), (2, 5, 3)),
    "1d": (lambda: convolution(randn(4, 2, 3), randn(4), stride=2, padding=1), (2, 2, 7)),
    "2d": (lambda: convolution(randn(4, 2, 3, 2), randn(4), stride=(2, 1), dilation=(1, 2), groups=2), (2, 4, 6, 5)),
    "2d same": (lambda: convolution(randn(3, 2, 4, 3), randn(3), padding="same", dilation=(1, 2)), (2, 2, 5, 4)),
    "3d": (lambda: convolution(randn(2, 2, 2, 1, 2), randn(2), padding=(1, 0, 1)), (2, 2, 3, 2, 3)),
    "1d back": (lambda: convolution(randn(2, 3, 3), randn(3), stride=2, transposed=True), (2, 2, 4)),
    "2d back": (
        lambda: convolution(
            randn(4, 3, 2, 3), randn(6), stride=2, padding=(0, 1), output_padding=(1, 0), groups=2, transposed=True
        ),
        (2, 4, 3, 3),
    ),
    "3d back": (
        lambda: convolution(randn(2, 2, 1, 2, 2), randn(2), stride=(1, 2, 1), transposed=True),
        (2, 2, 2, 2, 2),
    ),
}


@pytest.mark.parametrize("name", AFFINE)
def test_to_pull_is_the_transpose_of_to_apply_and_looks_at_no_input(name: str) -> None:
    layer, shape = AFFINE[name][0](), AFFINE[name][1]
    x = randn(*shape, seed=1)
    z = layer.apply(x, layer.weight, None)
    s = randn(*z.shape, seed=2)
    pulled = layer.pull(s, layer.weight, torch.full_like(x, torch.nan))
    assert pulled.shape == x.shape
    torch.testing.assert_close((pulled * x).sum(), (s * z).sum(), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", AFFINE)
def test_a_folded_layer_gives_the_scaled_and_shifted_output(name: str) -> None:
    layer, shape = AFFINE[name][0](), AFFINE[name][1]
    x, assert_close = randn(*shape, seed=1), torch.testing.assert_close
    z = layer.apply(x, layer.weight, layer.bias)
    assert layer.bias is not None
    scale, shift = randn(len(layer.bias), seed=3), randn(len(layer.bias), seed=4)
    axis = layer.channels % z.ndim
    expected = (z.movedim(axis, -1) * scale + shift).movedim(-1, axis)
    assert_close(z * layer.along(scale, z) + layer.along(shift, z), expected)
    folded = layer.folded(scale, shift)
    assert_close(folded.apply(x, folded.weight, folded.bias), expected)
    bare = replace(layer, bias=None).folded(scale, shift)
    assert_close(bare.bias, shift)


# BatchNorm -----------------------------------------------------------------------------------------------------------


Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
Layer = nn.Conv2d | nn.Linear | nn.ConvTranspose2d


def norm(channels: int, dims: int = 2) -> Norm:
    """A BatchNorm whose numbers are all its own: one negative weight, one of zero."""
    made = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dims - 1](channels).double()
    made.weight.data = randn(channels, seed=5) + 1
    made.weight.data[0], made.weight.data[1] = -0.7, 0
    made.bias.data, made.running_mean = randn(channels, seed=6), randn(channels, seed=7)
    made.running_var = randn(channels, seed=8).square() + 0.5
    return made.eval()


def scale_of(bn: Norm) -> Tensor:
    """What it multiplies each channel by."""
    assert bn.running_var is not None
    return bn.weight / (bn.running_var + bn.eps).sqrt()


def merged(layer: Layer, bn: Norm) -> Layer:
    """The layer with the BatchNorm in its weights, one output channel after the other."""
    assert bn.running_mean is not None
    channels = bn.num_features
    transposed, groups = isinstance(layer, nn.ConvTranspose2d), getattr(layer, "groups", 1)
    weight, bias = layer.weight.detach().clone(), torch.zeros(channels, dtype=torch.float64)
    for c in range(channels):
        a = scale_of(bn)[c]
        group, place = divmod(c, channels // groups)
        per_group = len(weight) // groups
        rows = weight[group * per_group : (group + 1) * per_group, place] if transposed else weight[c]
        rows *= a.detach()
        bias[c] = (0 if layer.bias is None else layer.bias[c]) * a + bn.bias[c] - bn.running_mean[c] * a
    made = deepcopy(layer)
    made.weight.data, made.bias = weight, nn.Parameter(bias.detach())
    return made


def stack(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(3)
    head = nn.Linear(6, 3).double()
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def conv(groups: int = 1, bias: bool = True) -> nn.Conv2d:
    torch.manual_seed(1)
    return nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=groups, bias=bias).double()


def back(bias: bool = True) -> nn.ConvTranspose2d:
    torch.manual_seed(1)
    return nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2, bias=bias).double()


FOLDED: dict[str, Callable[[], Layer]] = {
    "conv": conv,
    "conv without bias": lambda: conv(bias=False),
    "grouped conv": lambda: conv(groups=2),
    "transposed, grouped": back,
    "transposed without bias": lambda: back(bias=False),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", FOLDED)
def test_a_batch_norm_counts_as_if_it_were_in_the_weights(name: str, rule: str) -> None:
    layer, bn = FOLDED[name](), norm(6)
    x = randn(2, 4, 5, 5, seed=9)
    two, one = stack(layer, bn), stack(merged(layer, bn))
    torch.testing.assert_close(two(x), one(x))
    got = heat(two, x, single(RULES[rule]))
    assert got.abs().sum() > 0.01
    torch.testing.assert_close(got, heat(one, x, single(RULES[rule])), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_a_linear_layer_takes_its_batch_norm_too(rule: str) -> None:
    torch.manual_seed(1)
    layer, bn, x = nn.Linear(5, 6).double(), norm(6, dims=1), randn(3, 5)
    head = nn.Linear(6, 3).double()
    expected = heat(nn.Sequential(merged(layer, bn), nn.ReLU(), head), x, single(RULES[rule]))
    got = heat(nn.Sequential(layer, bn, nn.ReLU(), head).eval(), x, single(RULES[rule]))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


class Converted(nn.Module):
    """What gives back the tensor that it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous().to(x.dtype)


@pytest.mark.parametrize(
    "between", [nn.Dropout(), nn.Dropout(inplace=True), nn.Dropout2d(), nn.AlphaDropout(), Converted()], ids=str
)
def test_what_changes_nothing_before_a_batch_norm_does_not_keep_it_from_folding(between: nn.Module) -> None:
    layer, bn, x = conv(), norm(6), randn(2, 4, 5, 5, seed=9)
    for rule in each(RULES):
        expected = heat(stack(layer, bn), x, single(RULES[rule]))
        assert expected.abs().sum() > 0.01
        assert torch.equal(heat(stack(layer, between, bn), x, single(RULES[rule])), expected)


def test_a_batch_norm_over_another_axis_than_the_layers_outputs_is_not_folded() -> None:
    """Linear writes the last axis, BatchNorm1d scales the middle one, and both have 4 entries."""
    torch.manual_seed(1)
    layer, bn, x = nn.Linear(5, 4, bias=False).double(), norm(4, dims=1), randn(2, 4, 5)
    net = nn.Sequential(layer, bn, nn.Flatten()).eval()
    g = torch.zeros(2, 4, 4, dtype=torch.float64)
    g.view(2, -1)[:, 1] = 1
    expected = x * ((g * scale_of(bn)[:, None]) @ layer.weight)
    torch.testing.assert_close(heat(net, x, ZERO), expected.detach())


class Fork(nn.Module):
    """A convolution whose output goes through a BatchNorm and round it."""

    def __init__(self, norm_first: bool) -> None:
        super().__init__()
        self.conv, self.bn, self.norm_first = conv(), norm(6), norm_first

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        if self.norm_first:
            return self.bn(z) + z.relu()
        past = z.relu()
        return self.bn(z) + past


def fork_by_hand(net: Fork, head: nn.Sequential, x: Tensor) -> Tensor:
    """Epsilon-0 relevance of the input: the plain gradient of the net with all constants, ReLU masks too, left out."""
    w, bn = net.conv, net.bn
    scale = scale_of(bn).view(-1, 1, 1)
    source = x.clone().requires_grad_()
    z = w(source)
    top = (bn(z) + z.relu()).detach()
    value = (top > 0) * (z * scale + z * (z > 0))
    out = head[-1](head[-2](head[-3](value)))[:, 1].sum()
    (g,) = torch.autograd.grad(out, source)
    return x * g


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_convolution_that_is_used_twice_keeps_its_own_weights(norm_first: bool) -> None:
    fork, x = Fork(norm_first), randn(2, 4, 5, 5, seed=9)
    net = stack(fork)
    expected = fork_by_hand(fork, net, x)
    torch.testing.assert_close(heat(net, x, ZERO), expected.detach(), rtol=1e-10, atol=1e-13)
    for name in each(PROPORTIONAL):
        found = accounts(net, x, single(RULES[name]))
        # the last layer and the norm absorb their constants, so everything that entered is found again
        torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-9, atol=1e-11)


def test_a_batch_norm_behind_no_layer_scales_and_its_shift_absorbs() -> None:
    torch.manual_seed(1)
    bn, x = norm(4), randn(2, 4, 5, 5)
    head = nn.Linear(100, 3, bias=False).double()
    net = nn.Sequential(nn.ReLU(), bn, nn.Flatten(), head).eval()
    expected = x.relu() * scale_of(bn).view(-1, 1, 1) * head.weight[1].view(4, 5, 5)
    torch.testing.assert_close(heat(net, x, ZERO), expected.detach())
    found = accounts(net, x, ZERO)
    torch.testing.assert_close(found.arrived + found.bias, found.entered)


def test_a_batch_norm_on_the_input_leaves_the_next_layer_the_first() -> None:
    torch.manual_seed(1)
    bn, layer, x = norm(4), conv(), randn(2, 4, 5, 5)
    flat = Composite("flat first", first=Flat())
    net = stack(bn, layer)
    torch.testing.assert_close(heat(net, x, flat), heat(net[1:], bn(x).detach(), flat))


@pytest.mark.parametrize("name", PROPORTIONAL)
def test_relevance_read_between_convolution_and_norm_is_what_the_convolution_gives_on(name: str) -> None:
    net, x = stack(conv(bias=False), norm(6)), randn(2, 4, 5, 5, seed=9)
    with trace(net, x, single(RULES[name]), [Channels("0")]) as t:
        t.ledger.on = True
        tap = t.taps["0"]
        ends: list[Any] = [tap.node, t.source]
        here, down = torch.autograd.grad(t.output[:, 1].sum(), ends)
        at_tap, arrived = tap.elements((here,)).flatten(1).sum(1), (t.source.detach() * down).flatten(1).sum(1)
    torch.testing.assert_close(tap.value, net[0](x).detach(), rtol=0, atol=0)
    # the norm's shift is the layer's bias
    absorbed = t.ledger.accounts(arrived)
    kept = (absorbed.bias + absorbed.stabiliser)[absorbed.names.index("0")]
    torch.testing.assert_close(arrived + kept, at_tap, rtol=1e-9, atol=1e-11)
    found = accounts(net, x, single(RULES[name]), Channels("0"))
    torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-9, atol=1e-11)


def test_presets_fold_too() -> None:
    layer, bn, x = conv(), norm(6), randn(2, 4, 5, 5, seed=9)
    for composite in each(COMPOSITES.values()):
        got, expected = heat(stack(layer, bn), x, composite), heat(stack(merged(layer, bn)), x, composite)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_norm_that_follows_no_layer_is_a_convolution_of_each_channel_by_itself(name: str) -> None:
    torch.manual_seed(0)
    norm, conv = nn.BatchNorm2d(4).double().eval(), nn.Conv2d(4, 4, 1, groups=4).double()
    for values in (norm.weight.data, norm.bias.data, norm.running_mean):
        assert values is not None
        nn.init.normal_(values)
    with torch.no_grad():
        scale = norm.weight / (1 + norm.eps) ** 0.5
        assert norm.running_mean is not None
        conv.weight.copy_(scale.view(4, 1, 1, 1))
        conv.bias.copy_(norm.bias - norm.running_mean * scale)
    before, after = nn.Conv2d(3, 4, 3).double(), nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(64, 3).double())
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    found, wanted = (heat(nn.Sequential(before, nn.ReLU(), one, after), x, COMPOSITES[name]) for one in (norm, conv))
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
