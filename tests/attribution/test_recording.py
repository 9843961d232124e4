"""Reading layers changes nothing: whatever is read, heat maps and the relevance of every other layer are the same."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import COMPOSITES
from semlens.attribution.maps import component_maps
from semlens.attribution.targets import Activation
from semlens.model.layers import list_layers, parse_all
from semlens.model.vision_model import VisionModel
from semlens.types import Component
from tests.attribution.loops import each
from tests.attribution.nets import model

pytestmark = pytest.mark.filterwarnings(
    "ignore::semlens.attribution.conservation.ConservationWarning",
    "ignore::semlens.attribution.taps.UnreadTokensWarning",
)
METHODS = ["epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat", "attnlrp_gamma", "cp_lrp", "gradient"]
"""Every rule and every treatment of products that composites know."""


class Net(nn.Module):
    """Parts by name, and a function that says how they are put together."""

    def __init__(self, body: Callable[[Any, Tensor], Tensor], **parts: Any) -> None:
        super().__init__()
        self.body = body
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(self, x)
        head: nn.Module = self.get_submodule("head")
        return head(y.mean((2, 3)) if y.ndim == 4 else y.mean(1) if y.ndim == 3 else y)


def conv(wide: int = 4, size: int = 3, of: int = 3) -> nn.Conv2d:
    return nn.Conv2d(of, wide, size, padding=size // 2)


def head(wide: int = 4) -> nn.Linear:
    return nn.Linear(wide, 3)


def added_in_place(m: Any, x: Tensor) -> Tensor:
    y = m.relu(m.norm(m.one(x)))
    z = m.norm2(m.two(y))
    z += m.shortcut(y)
    return m.relu2(z)


def tokens(m: Any, x: Tensor) -> Tensor:
    t = m.patches(m.one(x))  # a view
    t += m.place
    return m.mix(t)


def twice(m: Any, x: Tensor) -> Tensor:
    y = m.act(m.norm(m.one(x)))
    return m.act(m.shared(m.act(m.shared(y)))) + m.drop(y)


def used_beside_its_norm(m: Any, x: Tensor) -> Tensor:
    return m.both(x) + m.act(m.both.norm_of)


class Both(nn.Module):
    """Returns its convolution's output, of which it has taken the norm: what is used later is not only the norm."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = conv(), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        z = self.one(x)
        self.norm_of = self.norm(z)
        return z


NETS: dict[str, Callable[[], nn.Module]] = {
    "convolution and norm": lambda: nn.Sequential(
        conv(), nn.BatchNorm2d(4), nn.ReLU(inplace=True), conv(of=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * 36, 5), nn.BatchNorm1d(5), nn.ReLU(), head(5),
    ),
    "a sum in place": lambda: Net(
        added_in_place, one=conv(), norm=nn.BatchNorm2d(4), relu=nn.ReLU(inplace=True), two=conv(of=4),
        norm2=nn.BatchNorm2d(4), shortcut=nn.Sequential(), relu2=nn.ReLU(inplace=True), head=head(),
    ),
    "norm first": lambda: nn.Sequential(
        nn.Identity(), nn.BatchNorm2d(3), nn.Dropout(), conv(), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), head(144)
    ),
    "a view written into": lambda: Net(
        tokens, one=conv(), patches=nn.Sequential(nn.Flatten(2), nn.Identity(), Turn()),
        place=nn.Parameter(torch.zeros(1, 36, 4)), head=head(),
        mix=nn.TransformerEncoderLayer(4, 2, 8, batch_first=True),
    ),
    "called twice": lambda: Net(
        twice, one=conv(), norm=nn.BatchNorm2d(4), act=nn.ReLU(), shared=conv(of=4), drop=nn.Dropout(), head=head()
    ),
    "gates": lambda: Net(
        lambda m, x: (y := m.act(m.norm(m.one(x)))) * m.gate(m.squeeze(m.pool(y))), one=conv(), norm=nn.BatchNorm2d(4),
        act=nn.SiLU(inplace=True), pool=nn.AdaptiveAvgPool2d(1), squeeze=conv(4, 1, 4), gate=nn.Sigmoid(), head=head(),
    ),
    "beside its norm": lambda: Net(used_beside_its_norm, both=Both(), act=nn.ReLU(), head=head()),
    "nested": lambda: Net(
        lambda m, x: m.outer(x), outer=nn.Sequential(nn.Sequential(nn.Sequential(conv(), nn.Identity()),
        nn.BatchNorm2d(4), nn.ReLU(inplace=True)), nn.Identity()), head=head(),
    ),
    "attention": lambda: timm.create_model(
        "vit_tiny_patch16_224", img_size=6, patch_size=2, depth=1, embed_dim=8, num_heads=2, num_classes=3, reg_tokens=1
    ),
}  # fmt: skip


class Turn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def toy(name: str) -> VisionModel:
    made = model(NETS[name](), seed=4)
    for module in made.net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            assert module.running_var is not None
            module.running_var.abs_().add_(0.5)
    return made


def pixels(n: int = 2) -> Tensor:
    return torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def layers_of(net: nn.Module) -> list[str]:
    rows = list_layers(net, pixels(1))
    return [f"{row.layer}@heads" if row.kind == "heads" else row.layer for row in rows] + [
        f"{row.layer}@{kind}" for row in rows for kind in row.also
    ]


def same(a: Tensor | None, b: Tensor | None) -> None:
    assert a is not None
    assert b is not None
    assert float(a.abs().max()) > 0
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12 * float(a.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_no_layer_that_is_read_changes_a_heat_map_a_report_or_another_layer(name: str) -> None:
    net, x = toy(name), pixels()
    layers = layers_of(net.net)
    assert len(layers) >= 4
    some = random.Random(name).sample(layers, 3)
    for method in each(METHODS):
        plain = attribute(net, x, 1, method=method)
        every = attribute(net, x, 1, method=method, layers=layers)
        few = attribute(net, x, 1, method=method, layers=some)
        same(every.heat, plain.heat)
        same(few.heat, plain.heat)
        if plain.report and every.report and name != "a view written into":  # what a view is given is not booked
            assert str(every.report) == str(plain.report)
        for layer in some:
            torch.testing.assert_close(every.layers[layer], few.layers[layer], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_each_layer_alone_has_the_relevance_that_it_has_among_all(name: str) -> None:
    net, x = toy(name), pixels(1)
    layers = layers_of(net.net)
    every = attribute(net, x, 1, method="epsilon_plus_flat", layers=layers)
    for layer in each(layers):
        alone = attribute(net, x, 1, method="epsilon_plus_flat", layers=[layer])
        torch.testing.assert_close(alone.layers[layer], every.layers[layer], rtol=1e-9, atol=1e-12)
        same(alone.heat, every.heat)


@pytest.mark.parametrize(("name", "layer", "norm", "count"), [
    ("convolution and norm", "0", "1", 4), ("convolution and norm", "7", "8", 5), ("a sum in place", "two", "norm2", 4),
    ("nested", "outer.0.0.0", "outer.0.1", 4),
])  # fmt: skip
def test_a_layer_whose_norm_is_folded_into_it_has_the_relevance_of_the_norm(
    name: str, layer: str, norm: str, count: int
) -> None:
    net, x = toy(name), pixels()
    for method in each([m for m in METHODS if m != "gradient"]):
        found = attribute(net, x, 1, method=method, layers=[layer, norm]).layers
        torch.testing.assert_close(found[layer], found[norm], rtol=1e-9, atol=1e-12)
        assert float(found[layer].abs().max()) > 0
        here, there = (
            attribute(net, x, 1, method=method, conditions=[f"{one}:{u}" for u in range(1, count)], layers=[one])
            for one in (layer, norm)
        )
        same(here.heat, there.heat)
        torch.testing.assert_close(here.layers[layer], there.layers[norm], rtol=1e-9, atol=1e-12)
        whole = attribute(net, x, 1, method=method, conditions=[f"{layer}:{unit}" for unit in range(count)]).heat
        past = attribute(net, x, 1, method=method, conditions=[f"{norm}:{unit}" for unit in range(count)]).heat
        same(whole, past)


@pytest.mark.parametrize("method", ["epsilon_plus_flat", "epsilon_gamma_box", "attnlrp"])
def test_what_made_a_convolution_fire_is_asked_of_the_convolution_and_not_of_its_norm(method: str) -> None:
    net, x = toy("convolution and norm"), pixels()
    assert isinstance(net.net, nn.Sequential)
    cut = VisionModel(net.net[:4], net.preprocess, (), "cut")
    target = Activation(Component("3", 2), "max")
    expected = attribute(cut, x, target, method=method)
    for layers in each([["3"], ["3", "4"], ["0", "1", "3", "4", "9"]]):
        found = attribute(net, x, target, method=method, layers=layers)
        same(found.heat, expected.heat)
        torch.testing.assert_close(found.value, expected.value)
        torch.testing.assert_close(found.layers["3"].sum((1, 2)), found.value)
    kinds = [kind for kind, _ in parse_all(net.net, ["0", "3", "9"], x[:1])]
    pairs = {layer: (torch.tensor([0, 1]), torch.tensor([2, 1])) for layer in ("0", "3", "9")}
    together = component_maps(net, x, kinds, pairs, rules=COMPOSITES[method])
    for kind in each(kinds):
        alone = component_maps(net, x, [kind], {kind.layer: pairs[kind.layer]}, rules=COMPOSITES[method])
        same(together[kind.layer], alone[kind.layer])
    same(together["3"][0], expected.heat[0] if expected.heat is not None else None)
