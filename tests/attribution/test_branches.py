"""Layers side by side that take the same tensor and are added up share as the one layer that they are: the oracle is
that layer, on copies of the tensor side by side."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution import attribute, conditional_maps
from semlens.attribution.rules import Flat, Rule, WSquare, z_plus
from tests.attribution.heat import ZERO, accounts, heat, single
from tests.attribution.nets import model

CHANNELS = 4
Way = Callable[..., Tensor]


def pixels(side: int = 6) -> Tensor:
    return torch.randn(2, CHANNELS, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def added(*parts: Tensor) -> Tensor:
    return parts[0] + parts[1] + parts[2]


def in_place(*parts: Tensor) -> Tensor:
    out = parts[0]
    out += parts[1]
    return out.add_(parts[2])


def called(*parts: Tensor) -> Tensor:
    return torch.add(parts[0], torch.add(parts[1], parts[2]))


def summed(*parts: Tensor) -> Tensor:
    return sum(parts)  # type: ignore[return-value]  # that starts with 0


class Branched(nn.Module):
    """A convolution with a BatchNorm, one without, and a BatchNorm alone or the input itself, added up."""

    def __init__(self, way: Way = added, *, norm: bool = True) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.wide, self.wide_norm = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS)
        self.narrow = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.skip: nn.Module = nn.BatchNorm2d(CHANNELS) if norm else nn.Identity()
        self.head = nn.Linear(CHANNELS, 3, bias=False)
        for norm_layer in (m for m in self.modules() if isinstance(m, nn.BatchNorm2d)):
            for values in (norm_layer.weight, norm_layer.bias, norm_layer.running_mean):
                nn.init.normal_(values)  # type: ignore[arg-type]  # a buffer that is there
        self.way = way
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()  # so that it is no longer the network's input, which a BatchNorm only normalises
        parts = self.wide_norm(self.wide(x)), self.narrow(x), self.skip(x)
        return self.head(self.way(*parts).flatten(2).sum(2))

    def merged(self) -> "Merged":
        """The same as one convolution of three copies of the input."""
        wide = nn.utils.fuse_conv_bn_eval(self.wide, self.wide_norm)
        skip = nn.Conv2d(CHANNELS, CHANNELS, 1, groups=1).double()
        assert skip.bias is not None
        with torch.no_grad():
            skip.weight.copy_(torch.eye(CHANNELS)[..., None, None])
            skip.bias.zero_()
        if isinstance(self.skip, nn.BatchNorm2d):
            skip = nn.utils.fuse_conv_bn_eval(skip.eval(), self.skip)
        kernels = [wide.weight, *(functional.pad(conv.weight, (1, 1, 1, 1)) for conv in (self.narrow, skip))]
        biases = [conv.bias for conv in (wide, self.narrow, skip) if conv.bias is not None]
        return Merged(kernels, biases, self.head)


class Merged(nn.Module):
    """One convolution, whose bias is kept as one positive and one negative part per branch."""

    def __init__(self, kernels: list[Tensor], biases: list[Tensor], head: nn.Linear) -> None:
        super().__init__()
        self.kernel, self.head = torch.cat([*kernels, *(_of_ones(bias) for bias in biases)], 1).detach(), head

    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()
        ones = torch.ones_like(x[:, :1])
        copies = torch.cat([x, x, x, ones, ones, ones], 1)
        return self.head(functional.conv2d(copies, self.kernel, padding=1).flatten(2).sum(2))


def _of_ones(bias: Tensor) -> Tensor:
    """A kernel that makes the bias from a channel of ones."""
    return functional.pad(bias.view(-1, 1, 1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("way", [added, in_place, called, summed])
def test_branches_are_one_layer_under_z_plus(way: Way, norm: bool) -> None:
    net, x, composite = Branched(way, norm=norm), pixels(), single(z_plus())
    one = net.merged()
    torch.testing.assert_close(net(x.clone()), one(x))
    torch.testing.assert_close(heat(net, x, composite), heat(one, x, composite), rtol=1e-5, atol=1e-9)
    found = accounts(net, x, composite)
    torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rule", [Flat(), WSquare()])
def test_so_they_are_where_they_see_the_input(rule: Rule) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.left, self.right = (nn.Conv2d(CHANNELS, 5, 3, padding=1, bias=False).double() for _ in range(2))
            self.head = nn.Linear(5, 3, bias=False).double()

        def forward(self, x: Tensor) -> Tensor:
            return self.head((self.left(x) + self.right(x)).flatten(2).sum(2))

    class One(Two):
        def forward(self, x: Tensor) -> Tensor:
            kernel = torch.cat([self.left.weight, self.right.weight], 1)
            return self.head(functional.conv2d(torch.cat([x, x], 1), kernel, padding=1).flatten(2).sum(2))

    composite = replace(ZERO, first=rule)
    torch.testing.assert_close(heat(Two(), pixels(), composite), heat(One(), pixels(), composite), rtol=1e-5, atol=1e-9)


def test_units_that_nothing_excites_have_relevance_to_give_and_nobody_to_give_it_to() -> None:
    net = Branched(norm=False).float()
    with torch.no_grad():
        for conv in (net.wide, net.narrow):
            assert conv.bias is not None
            conv.weight.abs_().neg_()
            nn.init.zeros_(conv.bias)
        net.wide_norm.weight.abs_()
        nn.init.zeros_(net.wide_norm.bias)
        nn.init.zeros_(net.wide_norm.running_mean)  # type: ignore[arg-type]  # a buffer that is there
        net.head.weight.mul_(1e4)
    x = pixels().float().abs() * (torch.arange(CHANNELS) != 2).view(-1, 1, 1)  # one channel, and its skip, is zero
    assert torch.isfinite(heat(net, x, single(z_plus()))).all()


def test_what_is_no_sum_of_layers_of_one_tensor_is_shared_in_proportion() -> None:
    """Of two tensors, of one that changes between, of a layer behind another function."""
    conv, x = nn.Conv2d(CHANNELS, CHANNELS, 1).double(), pixels()
    cases: list[Callable[[Tensor], Tensor]] = [
        lambda x: conv(x) + conv(x * 1),
        lambda x: conv(x) + conv(x.mul_(1)),
        lambda x: conv(x) + conv(x).neg().neg(),
    ]

    class Case(nn.Module):
        def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.function = function

        def forward(self, x: Tensor) -> Tensor:
            return self.function(x * 1).flatten(2).sum(2)

    class Apart(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([conv(x * 1), conv(x * 1)]).sum(0).flatten(2).sum(2)

    expected = heat(Apart(), x, single(z_plus()))
    for case in cases:
        torch.testing.assert_close(heat(Case(case), x, single(z_plus())), expected)


def _branch(width: int, kernel: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(width, width, kernel, 1, kernel // 2), nn.BatchNorm2d(width))


class Deep(nn.Module):
    """Blocks as RepVGG trains them."""

    def __init__(self, depth: int = 10, width: int = 8) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, width, 3, 2, 1), nn.Linear(width, 4)
        self.blocks = nn.ModuleList(nn.ModuleList(_branch(width, kernel) for kernel in (3, 3, 1)) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branches in self.blocks:
            x = sum(branch(x) for branch in branches).relu()  # type: ignore[attr-defined]
        return self.head(x.mean((2, 3)))


def test_relevance_does_not_grow_from_block_to_block() -> None:
    net = model(Deep())
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    layers = ["blocks.1.0.0", "blocks.1.1.0", "blocks.1.2.0"]
    result = attribute(net, x, 1, layers=layers, method="epsilon_plus", warn_above=float("inf"))
    assert result.heat is not None
    assert result.heat.abs().sum() < 10 * result.value.abs().sum()
    for layer in layers:
        units = [f"{layer}:{unit}" for unit in range(8)]
        whole = attribute(net, x, 1, conditions=units, method="epsilon_plus", warn_above=float("inf")).heat
        assert whole is not None
        maps = torch.cat(list(conditional_maps(net, x, 1, layer, range(8), method="epsilon_plus")))
        torch.testing.assert_close(maps.sum(0), whole)
