"""Relevance held against zennit's, which gets there by another way: hooks that divide relevance, edited models.

Both agree to rounding once two habits of zennit 0.5 are taken out. Its canonizer leaves each BatchNorm in place with
its eps, so that its model gives 1 / sqrt(1 + eps) times less per BatchNorm; here eps is 0. And its rule for sums and
average pools stabilises what needs no division; here by 1e-13. What either habit costs is measured below. Its
stabiliser is in the unit of a layer's output, and ours a share of the layer's mean |output|: here both are 1e-13, but
where the two are made the same.
"""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from semlens.attribution import rules as our_rules
from semlens.attribution.composite import COMPOSITES, Composite
from semlens.attribution.rules import Epsilon, ZBox
from tests.attribution.heat import heat

pytest.importorskip("zennit")

from zennit import rules, types
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import EpsilonAlpha2Beta1Flat, EpsilonGammaBox, EpsilonPlusFlat, LayerMapComposite
from zennit.layer import Sum
from zennit.torchvision import ResNetCanonizer, VGGCanonizer

pytestmark = pytest.mark.slow

BOUND = 3.0
TINY = 1e-13
UNIT = 3
CANONIZERS = {"toy": SequentialMergeBatchNorm, "vgg11_bn": VGGCanonizer, "resnet18": ResNetCanonizer}
NAMES = ("epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat")


def toy() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3),
        nn.BatchNorm2d(12), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(10), nn.ReLU(), nn.Linear(10, 5),
    )  # fmt: skip


def vgg11_bn() -> nn.Module:
    """Layer for layer as it is, at a quarter of its width and with a small head, to save time."""
    plan: list[str | int] = [16, "M", 32, "M", 64, 64, "M", 128, 128, "M", 128, 128, "M"]
    net = torchvision.models.VGG(torchvision.models.vgg.make_layers(plan, batch_norm=True), init_weights=False)
    head = nn.Sequential(nn.Linear(128 * 49, 32), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(32, 5))
    return nn.Sequential(net.features, net.avgpool, nn.Flatten(), head)


def resnet18() -> nn.Module:
    """With one block per stage instead of two, to save time."""
    return torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)


def make(name: str, eps: float = 0.0, side: int = 64) -> tuple[nn.Module, Tensor]:
    """A net with random weights and BatchNorms that do something, and an image within the bounds."""
    torch.manual_seed(0)
    net = {"toy": toy, "vgg11_bn": vgg11_bn, "resnet18": resnet18}[name]().double().eval()
    x = torch.randn(1, 3, side, side, dtype=torch.float64).clamp(-BOUND, BOUND)
    net(x)  # a lazy layer wants to know its size
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = eps
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.3, 1.0)
    return net, x


def ours(name: str, net: nn.Module, x: Tensor, *, epsilon: float = 1e-9) -> Tensor:
    composite: Composite = replace(COMPOSITES[name], linear=Epsilon(epsilon))
    if isinstance(composite.convolution, Epsilon):
        composite = replace(composite, convolution=Epsilon(epsilon))
    if isinstance(composite.first, ZBox):
        composite = replace(composite, first=ZBox((-BOUND,), (BOUND,)))
    return heat(net, x, composite, unit=UNIT)


def theirs(
    name: str, net: nn.Module, x: Tensor, canonizer: type, *, epsilon: Any = 1e-6, norm: float = 1e-13
) -> Tensor:
    """zennit's relevance from the same start, the output itself."""
    shared = rules.Norm(stabilizer=norm)
    sums = [(types.AvgPool, shared), (Sum, shared)]
    how = {"canonizers": [canonizer()], "layer_map": sums, "epsilon": epsilon, "stabilizer": epsilon}
    if name == "epsilon":
        everywhere = [*sums, (types.Activation, rules.Pass()), (types.BatchNorm, rules.Pass())]
        everywhere += [(types.Linear, rules.Epsilon(epsilon)), (types.Convolution, rules.Epsilon(epsilon))]
        composite = LayerMapComposite(everywhere, canonizers=[canonizer()])
    elif name == "epsilon_gamma_box":
        bound = torch.full((1, 3, 1, 1), BOUND, dtype=x.dtype)
        composite = EpsilonGammaBox(low=-bound, high=bound, **how)
    else:
        kinds = {"epsilon_plus_flat": EpsilonPlusFlat, "epsilon_alpha2_beta1_flat": EpsilonAlpha2Beta1Flat}
        composite = kinds[name](**how)
    value, source = net(x).detach(), x.clone().requires_grad_()
    with composite.context(net) as edited:
        out = edited(source)
        start = torch.zeros_like(out)
        start[:, UNIT] = value[:, UNIT]
        return torch.autograd.grad(out, source, start)[0]


def apart(a: Tensor, b: Tensor) -> float:
    """Greatest difference, as share of the greatest relevance."""
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", CANONIZERS)
def test_both_give_the_same_relevance(model: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(our_rules, "STABILISER", TINY)
    monkeypatch.setattr(our_rules, "ROUNDING", TINY)
    # at 32 pixels this one's alpha-beta relevance is next to nothing
    net, x = make(model, side=64 if (model, name) == ("vgg11_bn", "epsilon_alpha2_beta1_flat") else 32)
    expected = theirs(name, net, x, CANONIZERS[model], epsilon=TINY)
    assert expected.abs().sum() > 0.01 * net(x)[0, UNIT].abs()
    assert apart(ours(name, net, x, epsilon=TINY), expected) < 1e-9


def of_the_mean(z: Tensor) -> Tensor:
    """Moved away from zero by a thousandth of the mean |z| of each image."""
    step = 1e-3 * z.abs().mean(tuple(range(1, z.ndim)), keepdim=True)
    return z + torch.where(z < 0, -step, step)


@pytest.mark.parametrize("model", CANONIZERS)
def test_epsilon_is_zennits_with_a_stabiliser_of_the_layers_scale(model: str) -> None:
    net, x = make(model, side=32)
    expected = theirs("epsilon", net, x, CANONIZERS[model], epsilon=of_the_mean)
    assert apart(ours("epsilon", net, x, epsilon=1e-9), expected) > 1e-4
    assert apart(ours("epsilon", net, x, epsilon=1e-3), expected) < 1e-9


def test_a_batch_norm_left_in_place_costs_zennit_half_its_eps() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).double().eval()
    x = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    out = net(x)
    with EpsilonPlusFlat(canonizers=[SequentialMergeBatchNorm()]).context(net) as edited:
        torch.testing.assert_close(edited(x), out * (1 + 1e-5) ** -0.5, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_as_both_come_they_are_apart_by_what_those_habits_cost(name: str) -> None:
    net, x = make("toy", eps=1e-5)
    assert apart(ours(name, net, x), theirs(name, net, x, SequentialMergeBatchNorm, norm=1e-6)) < 1e-3


def test_where_zennits_own_relevance_moves_with_its_stabiliser_it_is_no_judge() -> None:
    """Stabilised sums move its relevance of a ResNet as far as it then stands from ours: the difference is all its
    own."""
    net, x = make("resnet18", side=32)
    stabilised = theirs("epsilon", net, x, ResNetCanonizer, epsilon=TINY, norm=1e-6)
    own = apart(theirs("epsilon", net, x, ResNetCanonizer, epsilon=TINY, norm=1e-9), stabilised)
    assert own > 1e-6
    assert apart(ours("epsilon", net, x, epsilon=TINY), stabilised) < 1.1 * own
