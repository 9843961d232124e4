from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES
from semlens.model.kinds import Channels
from tests.attribution.heat import ZERO, accounts, heat


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape or (2, 4, 6, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Then(nn.Module):
    """One function, and a linear layer without bias on all it gives."""

    def __init__(self, function: Callable[[Tensor], Tensor], x: Tensor) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.head = nn.Linear(function(x).flatten(1).shape[1], 3, bias=False).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(x).flatten(1))


# Their gradient times the input is the share in proportion to contributions; winners take all.
EXACT: dict[str, Callable[[Tensor], Tensor]] = {
    "max pool": nn.MaxPool2d(3, stride=2, padding=1),
    "max pool 1d": lambda x: functional.max_pool1d(x.flatten(2), 3),
    "max pool 3d": lambda x: functional.max_pool3d(x, 2),
    "max pool, dilated": nn.MaxPool2d(2, stride=1, dilation=2, return_indices=False),
    "average pool": nn.AvgPool2d(3, stride=2, padding=1),
    "average pool of real pixels": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "adaptive average": nn.AdaptiveAvgPool2d((4, 5)),
    "adaptive maximum": nn.AdaptiveMaxPool2d((4, 5)),
    "adaptive, larger than the input": nn.AdaptiveAvgPool2d(7),
    "global": lambda x: x.mean((-2, -1)),
    "amax": lambda x: x.amax((2, 3)),
    "max with indices": lambda x: x.max(1).values,
    "nearest": nn.Upsample(scale_factor=2),
    "bilinear": nn.Upsample(size=(9, 8), mode="bilinear"),
    "bicubic, aligned": lambda x: functional.interpolate(x, size=(4, 9), mode="bicubic", align_corners=True),
    "zeros": lambda x: functional.pad(x, (1, 2, 0, 1)),
    "reflect": nn.ReflectionPad2d(2),
    "circular": nn.CircularPad2d((1, 2, 0, 1)),
    "replicate": nn.ReplicationPad2d(1),
    "pixel shuffle": nn.PixelShuffle(2),
    "unfold": nn.Unfold(3),
    "roll and flip": lambda x: x.roll(1, -1).flip(2),
    "leaky": nn.LeakyReLU(0.2),
    "prelu": nn.PReLU(4).double(),
    "softmax-free sum": lambda x: x.cumsum(2),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_moves_adds_or_picks_shares_by_contribution_and_loses_nothing(name: str) -> None:
    x = pixels()
    net = Then(EXACT[name], x)
    source = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(net(source)[:, 1].sum(), source)
    got = heat(net, x, ZERO)
    torch.testing.assert_close(got, x * g, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(got.flatten(1).sum(1), net(x)[:, 1].detach(), rtol=1e-12, atol=0)


Padding = Literal["zeros", "reflect", "circular", "replicate"]


@pytest.mark.parametrize("mode", get_args(Padding))
def test_a_convolution_pads_as_if_the_padding_were_a_layer(mode: Padding) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(4, 3, 3, padding=(1, 2), padding_mode=mode).double(), pixels()
    pad = {"zeros": "constant"}.get(mode, mode)
    plain = lambda z: functional.conv2d(functional.pad(z, (2, 2, 1, 1), mode=pad), conv.weight, conv.bias)  # noqa: E731
    torch.testing.assert_close(heat(Then(conv, x), x, ZERO), heat(Then(plain, x), x, ZERO))
    for name in ("epsilon_plus_flat", "epsilon_gamma_box"):
        if mode != "zeros":  # the first layer's rule sees through the padding to the pixels that it repeats
            torch.testing.assert_close(
                heat(Then(conv, x), x, COMPOSITES[name]), heat(Then(plain, x), x, COMPOSITES[name])
            )
        found = accounts(Then(conv, x), x, COMPOSITES[name])
        torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-9, atol=1e-12)


def test_what_a_padded_constant_gets_does_not_arrive() -> None:
    x = torch.tensor([[[2.0, 3.0]]], dtype=torch.float64)
    net = nn.Sequential(nn.ConstantPad1d((0, 1), 5.0), nn.Flatten(), nn.Linear(3, 1, bias=False)).double()
    net[2].weight.data = torch.tensor([[1.0, 10.0, 100.0]], dtype=torch.float64)
    assert heat(net, x, ZERO, unit=0).tolist() == [[[2.0, 30.0]]]


PASSING = [
    nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Mish(), nn.ELU(), nn.SELU(), nn.CELU(), nn.Softplus(),
    nn.Tanh(), nn.Sigmoid(), nn.Hardtanh(), nn.ReLU6(), nn.Hardswish(), nn.Hardsigmoid(), nn.LogSigmoid(),
    nn.Softsign(), nn.Tanhshrink(), nn.Softshrink(), nn.Hardshrink(), nn.ReLU(), nn.LeakyReLU(), nn.Threshold(0.1, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("function", PASSING, ids=repr)
def test_relevance_passes_an_activation_unchanged(function: nn.Module) -> None:
    x = pixels(2, 40)
    x = x + 0.1 * x.sign()
    net = Then(function, x)
    expected = function(x) * net.head.weight[1].detach()  # what the linear layer gives its inputs
    torch.testing.assert_close(heat(net, x, ZERO), expected, rtol=2e-5, atol=1e-12)


Norm = nn.LayerNorm | nn.GroupNorm | nn.InstanceNorm2d | nn.RMSNorm


def by_hand(kind: str, layer: Norm, x: Tensor) -> Tensor:
    """The normalisation with its divisor, and nothing else, taken as a number."""
    axes = {"layer": (-1,), "last two": (-2, -1), "group": (2, 3, 4), "instance": (2, 3), "rms": (-1,)}[kind]
    grouped = x.unflatten(1, (2, 2)) if kind == "group" else x
    centred = grouped if kind == "rms" else grouped - grouped.mean(axes, keepdim=True)
    eps = layer.eps or torch.finfo(x.dtype).eps
    scale = (centred.square().mean(axes, keepdim=True) + eps).rsqrt().detach()
    out = (centred * scale).flatten(1, 2) if kind == "group" else centred * scale
    wide = (-1, 1, 1) if kind in ("group", "instance") else layer.weight.shape
    bias = getattr(layer, "bias", None)
    return out * layer.weight.view(wide) + (0 if bias is None else bias.view(wide))


NORMS: dict[str, Callable[[], Norm]] = {
    "layer": lambda: nn.LayerNorm(6),
    "last two": lambda: nn.LayerNorm((6, 6)),
    "group": lambda: nn.GroupNorm(2, 4),
    "instance": lambda: nn.InstanceNorm2d(4, affine=True),
    "rms": lambda: nn.RMSNorm(6),
}


@pytest.mark.parametrize("name", NORMS)
def test_a_normalisation_shares_with_its_divisor_a_number_and_its_shift_absorbs(name: str) -> None:
    layer, x = NORMS[name]().double(), pixels()
    layer.weight.data = pixels(*layer.weight.shape, seed=1)
    bias = getattr(layer, "bias", None)
    if bias is not None:
        bias.data = pixels(*bias.shape, seed=2)
    net = Then(layer, x)
    torch.testing.assert_close(by_hand(name, layer, x), layer(x))
    source = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(net.head(by_hand(name, layer, source).flatten(1))[:, 1].sum(), source)
    torch.testing.assert_close(heat(net, x, ZERO), x * g, rtol=1e-9, atol=1e-12)
    found = accounts(net, x, ZERO)
    torch.testing.assert_close(found.arrived + found.bias, found.entered, rtol=1e-9, atol=1e-12)
    assert (found.bias.abs().sum() > 1e-3) == (name != "rms")


def test_what_a_constant_adds_is_booked_as_bias_under_its_layer() -> None:
    x = pixels(2, 5)
    net = Then(lambda z: 3.0 - (z + 2.0), x)  # 1 - z
    found = accounts(net, x, ZERO)
    torch.testing.assert_close(found.arrived, -(x * net.head.weight[1]).sum(1).detach())
    shift = Then(lambda z: z - torch.arange(5.0, dtype=torch.float64), x)
    found = accounts(shift, x, ZERO)
    torch.testing.assert_close(found.bias, -(shift.head.weight[1] * torch.arange(5.0)).sum().expand(2).detach())
    torch.testing.assert_close(found.arrived + found.bias, found.entered)
    numbers = torch.arange(5.0, dtype=torch.float64)
    for function in (
        lambda z: torch.add(z, numbers, alpha=2),
        lambda z: torch.add(numbers, z, alpha=3),
        lambda z: torch.sub(z, 1.5, alpha=2),
        lambda z: torch.sub(numbers, z),
    ):
        net = Then(function, x)
        found = accounts(net, x, ZERO)
        at_zero = net(torch.zeros_like(x))[:, 1].detach()
        torch.testing.assert_close(found.bias, at_zero)
        torch.testing.assert_close(found.arrived, found.entered - at_zero)


class Gated(nn.Module):
    """A signal times a gate made of the same input, as squeeze-and-excitation has it."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.squeeze, self.head = nn.Conv2d(4, 4, 1), nn.Linear(4, 3, bias=False)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x * self.squeeze(x.mean((2, 3), keepdim=True)).sigmoid()).mean((2, 3)))


def test_a_gate_takes_nothing_or_half() -> None:
    net, x = Gated(), pixels()
    gate = net.squeeze(x.mean((2, 3), keepdim=True)).sigmoid().detach()
    signal = x * gate * net.head.weight[1].view(4, 1, 1).detach() / 36
    whole = replace(COMPOSITES["epsilon_plus"], pools="all")
    torch.testing.assert_close(heat(net, x, whole), signal, rtol=1e-3, atol=1e-7)
    found = accounts(net, x, COMPOSITES["epsilon"])  # half through the gate, where a bias absorbs some of it
    torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-4, atol=1e-9)
    halves = heat(net, x, COMPOSITES["epsilon"]) - signal / 2
    relevant = 0.5 * (gate * x.mean((2, 3), keepdim=True) * net.head.weight[1].view(4, 1, 1)).detach()
    pre = net.squeeze(x.mean((2, 3), keepdim=True)).detach()
    weight = net.squeeze.weight[:, :, 0, 0].detach()
    shares = torch.einsum("nk,kj->nj", (relevant / pre)[:, :, 0, 0], weight)[:, :, None, None] * x / 36
    torch.testing.assert_close(halves, shares, rtol=1e-2, atol=1e-7)


def test_a_square_and_a_product_of_a_tensor_with_itself_are_the_same() -> None:
    x = pixels(2, 5) + 3
    expected = x.square() * Then(torch.square, x).head.weight[1].detach()
    for function in (torch.square, lambda z: z**2, lambda z: z * z, lambda z: z.pow(2)):
        torch.testing.assert_close(heat(Then(function, x), x, ZERO), expected, rtol=1e-5, atol=1e-9)


def test_a_divisor_is_a_number() -> None:
    x = pixels(2, 5) + 3
    functions = (
        lambda z: z / z.sum(1, keepdim=True),
        lambda z: functional.normalize(z, p=1.0),
        lambda z: z / z.norm(p=1, dim=1)[:, None],
    )
    for function in functions:
        net = Then(function, x)
        found = accounts(net, x, ZERO)
        torch.testing.assert_close(found.arrived, found.entered)
        torch.testing.assert_close(heat(net, x, ZERO), function(x) * net.head.weight[1].detach())


def test_what_does_not_depend_on_the_image_can_be_in_the_way() -> None:
    """Masks, where, indices and numbers read off the tensor are no part of what is explained."""

    def function(z: Tensor) -> Tensor:
        order = torch.tensor([2, 0, 1, 3])
        kept = torch.where(z > 0, z, torch.zeros_like(z)).masked_fill(z > 2, 0.0)
        return kept[:, order] * float(z.shape[1])

    x = pixels()
    net = Then(function, x)
    source = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(net(source)[:, 1].sum(), source)
    torch.testing.assert_close(heat(net, x, ZERO), x * g)


def test_a_tap_sees_the_tensor_of_a_layer_that_only_moves() -> None:
    x = pixels()
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(144, 3)).double()
    got = heat(net, x, COMPOSITES["epsilon"], Channels("1"))
    torch.testing.assert_close(got, heat(net, x, COMPOSITES["epsilon"]))


MEANS: dict[str, Callable[[Tensor], Tensor]] = {
    "global": lambda x: x.mean((2, 3)),
    "of everything": lambda x: x.mean((1, 2, 3), keepdim=True),
    "adaptive": nn.AdaptiveAvgPool2d(2),
    "overlapping": nn.AvgPool2d(3, 2, 1),
    "one dimension": lambda x: functional.avg_pool1d(x.flatten(2), 3, 2),
}


@pytest.mark.parametrize("name", MEANS)
def test_a_mean_gives_all_to_the_values_of_its_own_sign(name: str) -> None:
    """Against every mean written out as a weighted sum."""
    x = pixels()
    net = Then(MEANS[name], x)
    units = torch.eye(x[0].numel(), dtype=torch.float64).view(-1, *x.shape[1:])
    weights = torch.cat([net.function(unit[None]).flatten(1) for unit in units]).T  # of every mean, one after another
    expected = []
    for image, means in zip(x.flatten(1), net.function(x).flatten(1), strict=True):
        parts = weights * image
        same = torch.where(parts * means[:, None] > 0, parts, 0)
        expected.append((net.head.weight[1] * means) @ (same / same.sum(1, keepdim=True)))
    sign = replace(ZERO, pools="sign")
    torch.testing.assert_close(heat(net, x, sign).flatten(1), torch.stack(expected).detach())
    assert heat(net, x, sign).abs().sum() < 0.7 * heat(net, x, ZERO).abs().sum()


def test_a_mean_of_what_is_never_negative_and_one_that_is_subtracted_go_by_their_gradient() -> None:
    sign = replace(ZERO, pools="sign")
    functions: list[Callable[[Tensor], Tensor]] = [
        lambda x: (x * 2).abs().mean(1),
        lambda x: x * 2 - (x * 2).mean(1, keepdim=True),
        lambda x: (x * 2).sub_((x * 2).mean()),
    ]
    for function in functions:
        net, x = Then(function, pixels()), pixels()
        torch.testing.assert_close(heat(net, x, sign), heat(net, x, ZERO), rtol=1e-12, atol=0)
