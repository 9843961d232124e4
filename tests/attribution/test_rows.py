"""Layers whose first axis is not the images, and layers of which only some tokens are read: windows, flattened tokens,
sequence first, class and register tokens."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from semlens.attribution.attribute import attribute
from semlens.attribution.classes import relevance
from semlens.attribution.composite import COMPOSITES
from semlens.attribution.edges import edges
from semlens.attribution.flow import exact_device
from semlens.attribution.maps import component_maps, conditional_maps
from semlens.attribution.taps import UnreadTokensWarning
from semlens.attribution.targets import Activation
from semlens.model.layers import LayerRow, list_layers, parse_all
from semlens.model.vision_model import VisionModel
from semlens.types import Component
from tests.attribution.loops import each
from tests.attribution.nets import model, pixels
from tests.toy import random_images, to_tensor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::semlens.attribution.conservation.ConservationWarning"),
]


class Windows(nn.Module):
    """The four windows of each image lie on the batch axis, one behind the other."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.inner, self.act = nn.Conv2d(3, 4, 2, 2), nn.Linear(4, 5), nn.ReLU()
        self.outer, self.head = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        f = self.patch(x)
        n, c, h, w = f.shape
        t = f.view(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 3, 5, 1).reshape(n * 4, -1, c)
        t = self.outer(self.act(self.inner(t)))
        return self.head(t.reshape(n, -1, 4).mean(1))


class FlatTokens(nn.Module):
    """The tokens of all images lie on one axis."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.inner, self.norm = nn.Conv2d(3, 4, 2, 2), nn.Linear(4, 5), nn.BatchNorm1d(5)
        self.act, self.outer, self.head = nn.ReLU(), nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        t = self.patch(x).flatten(2).transpose(1, 2)
        n, p, c = t.shape
        t = self.outer(self.act(self.norm(self.inner(t.reshape(n * p, c)))))
        return self.head(t.reshape(n, p, -1).mean(1))


class SequenceFirst(nn.Module):
    """Tokens first, then images."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.inner = nn.Conv2d(3, 4, 2, 2), nn.Linear(4, 5)
        self.act, self.outer, self.head = nn.ReLU(), nn.TransformerEncoderLayer(5, 1, 6), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        t = self.patch(x).flatten(2).permute(2, 0, 1)
        return self.head(self.outer(self.act(self.inner(t))).mean(0))


NETS: dict[str, type[nn.Module]] = {"windows": Windows, "flat tokens": FlatTokens, "sequence first": SequenceFirst}
METHODS = ["epsilon_plus_flat", "attnlrp", "gradient", "integrated_gradients"]


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> VisionModel:
    made = model(NETS[request.param](), seed=3, names=("a", "b", "c"))
    for module in made.net.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_var is not None
            module.running_var.abs_().add_(0.5)
    return replace(made, preprocess=to_tensor)


def test_relevance_of_a_layer_is_activation_times_gradient_of_each_image_alone(net: VisionModel) -> None:
    x = pixels(3)
    found = attribute(net, x, 1, method="gradient", layers=["inner"]).layers["inner"]
    kept: list[Tensor] = []
    handle = net.net.get_submodule("inner").register_forward_hook(lambda _m, _a, output: kept.append(output))
    for i in range(3):
        y = net.net(x[i : i + 1])
        (g,) = torch.autograd.grad(y[0, 1], kept[i])
        value = kept[i].detach().reshape(-1, 5)
        r = value * g.reshape(-1, 5)
        expected = torch.where(value >= 0, r, 0), torch.where(value < 0, r, 0)
        if found.shape[1] == 10:  # a + and a - component of each feature
            torch.testing.assert_close(found[i], torch.cat(expected, 1).T)
        else:
            torch.testing.assert_close(found[i], r.T)
    handle.remove()
    assert len(found) == 3


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_each_image_gives_alone(net: VisionModel, method: str) -> None:
    x, layers = pixels(3), ["inner", "act", "outer"]
    targets = [2, "inner:1", Activation(Component("act", 2), "max")][: 1 if method == "integrated_gradients" else 3]
    for target in each(targets):
        for start in ("value", "one"):
            both = attribute(net, x, target, method=method, layers=layers, start=start, steps=2)
            assert both.heat is not None
            for i in range(3):
                one = attribute(net, x[i : i + 1], target, method=method, layers=layers, start=start, steps=2)
                assert one.heat is not None
                torch.testing.assert_close(both.value[i], one.value[0])
                torch.testing.assert_close(both.heat[i], one.heat[0])
                for layer in layers:
                    torch.testing.assert_close(both.layers[layer][i], one.layers[layer][0])


@pytest.mark.parametrize("method", ["epsilon_plus_flat", "attnlrp"])
def test_conditions_maps_and_crops_are_those_of_each_image_alone(net: VisionModel, method: str) -> None:
    x = pixels(3)
    units = range(parse_all(net.net, ["inner"], x[:1])[0][1])
    maps = torch.cat([*conditional_maps(net, x, 2, "inner", units, method=method, chunk=3)])
    torch.testing.assert_close(maps.sum(0), attribute(net, x, 2, method=method).heat)
    condition = attribute(net, x, 2, method=method, conditions=["inner:1", "inner:4"])
    torch.testing.assert_close(condition.heat, maps[1] + maps[4])
    assert condition.report is not None
    kinds = [kind for kind, _ in parse_all(net.net, ["inner", "outer"], x[:1])]
    pairs = {kind.layer: (torch.tensor([0, 2]), torch.tensor([1, 3])) for kind in kinds}
    rules = COMPOSITES[method]
    made = component_maps(net, x, kinds, pairs, rules=rules)
    for i in range(3):
        alone = torch.cat([*conditional_maps(net, x[i : i + 1], 2, "inner", units, method=method)])
        torch.testing.assert_close(maps[:, i], alone[:, 0])
    for layer, (rows, chosen) in each(pairs.items()):
        for k, (row, unit) in enumerate(zip(rows.tolist(), chosen.tolist(), strict=True)):
            target = Activation(Component(layer, unit), "max")
            one = attribute(net, x[row : row + 1], target, method=method).heat
            assert one is not None
            torch.testing.assert_close(made[layer][k], one[0])


def test_over_a_data_set_too(net: VisionModel) -> None:
    images, layers = random_images(5), ["inner", "act"]
    whole = relevance(net, images, layers, [0, 2], of="all", k=2, batch_size=3, workers=0)
    single = relevance(net, images, layers, [0, 2], of="all", k=2, batch_size=1, workers=0)
    np.testing.assert_allclose(whole.mean, single.mean, atol=1e-7)
    np.testing.assert_array_equal(whole.ids, single.ids)
    expected = torch.zeros(len(whole.positive), dtype=torch.float64)
    for i in range(5):
        x = net.preprocess(images.load(i))[None].double()
        found = attribute(net, x, 2, layers=layers).layers
        totals = [found[layer][0].sum(1) for layer in layers]
        expected += torch.cat([total / total.abs().sum() for total in totals]) / 5
    np.testing.assert_allclose(whole.mean[:, 1], expected, atol=1e-6)
    upper, lower = "outer", "inner"
    many = edges(net, images, range(5), 1, upper, lower, [0, 3], batch_size=3, chunk=1, workers=0)
    one = edges(net, images, range(5), 1, upper, lower, [0, 3], batch_size=1, workers=0)
    np.testing.assert_allclose(many.weights, one.weights, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(many.nodes, one.nodes, rtol=1e-5, atol=1e-8)
    x = net.preprocess(images.load(4))[None].double()
    top = attribute(net, x, 1, layers=[upper]).layers[upper][0].sum(1)
    below = attribute(net, x, 1, conditions=[f"{upper}:3"], layers=[lower]).layers[lower][0].sum(1)
    fourth = edges(net, images, [4], 1, upper, lower, [3], workers=0)
    np.testing.assert_allclose(fourth.weights[0], below / top.abs().sum(), rtol=1e-5, atol=1e-8)


# --- tokens of one layer ----------------------------------------------------------------------------------------------

FAMILIES: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "one class token": ("vit_tiny_patch16_224", {}, ("cls",)),
    "registers": ("vit_tiny_patch16_224", {"reg_tokens": 2}, ("cls", "registers")),
    "distilled": ("deit_tiny_distilled_patch16_224", {}, ("cls",)),
}


def vit(family: str) -> VisionModel:
    name, how, _ = FAMILIES[family]
    torch.manual_seed(0)
    net = timm.create_model(name, img_size=8, patch_size=2, depth=2, embed_dim=8, num_heads=2, num_classes=3, **how)
    return VisionModel(net.double().eval(), to_tensor, ("a", "b", "c"))


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_of_one_layer_add_up_as_conditions(family: str) -> None:
    net, x = vit(family), pixels(2)
    also = FAMILIES[family][2]
    assert LayerRow("blocks.0", "tokens", 16, also) in list_layers(net.net, x)
    whole = attribute(net, x, 1).heat
    parts = []
    names = ["blocks.0", *(f"blocks.0@{kind}" for kind in also)]
    for name in names:
        units = [f"{name}:{unit}" for unit in range(16)]
        parts.append(attribute(net, x, 1, conditions=units, layers=names))
        assert float(parts[-1].layers[name].abs().max()) > 0
    together = attribute(net, x, 1, conditions=[f"{name}:{u}" for name in names for u in range(16)], layers=names)
    torch.testing.assert_close(together.heat, whole, rtol=1e-9, atol=1e-12)
    heats = [part.heat for part in parts if part.heat is not None]
    torch.testing.assert_close(sum(heats[1:], heats[0]), whole, rtol=1e-9, atol=1e-12)
    for name in names:  # before any mask, whichever of them is conditioned
        for part in parts:
            torch.testing.assert_close(part.layers[name], together.layers[name])


def test_class_relevance_of_a_last_block_says_where_it_went() -> None:
    net, images = vit("registers"), random_images(3)
    said = r"relevance passes tokens that are not read: all of layer 'blocks\.1' through 'blocks\.1@cls'"
    with pytest.warns(UnreadTokensWarning, match=said):
        found = relevance(net, images, ["blocks.1"], ["a"], of="all", k=2, workers=0)
    assert not found.positive.any()
    with pytest.warns(UnreadTokensWarning, match=said):
        attribute(net, pixels(2), 0, layers=["blocks.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnreadTokensWarning)
        relevance(net, images, ["blocks.1", "blocks.1@cls", "blocks.1@registers"], ["a"], of="all", k=2, workers=0)


@pytest.mark.filterwarnings("ignore::semlens.attribution.taps.UnreadTokensWarning")
def test_how_much_passes_what_is_not_read_is_measured() -> None:
    net, x = vit("one class token"), pixels(2)
    found = attribute(net, x, 0, layers=["blocks.0", "blocks.0@cls"])
    patch, cls = (found.layers[name].abs().sum((1, 2)) for name in ("blocks.0", "blocks.0@cls"))
    expected = cls / (patch + cls)
    torch.testing.assert_close(attribute(net, x, 0, layers=["blocks.0"]).unread["blocks.0@cls"], expected)
    torch.testing.assert_close(attribute(net, x, 0, layers=["blocks.0@cls"]).unread["blocks.0@tokens"], 1 - expected)
    assert found.unread == {}


def test_relevance_per_class_says_how_much_passes_what_is_not_read() -> None:
    net, images = vit("one class token"), random_images(5)
    x = torch.stack([net.preprocess(images.load(i)) for i in range(len(images))]).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnreadTokensWarning)
        found = relevance(net, images, ["blocks.0", "blocks.1@cls"], ["c", "a"], of="all", k=2, workers=0, batch_size=3)
        shares = [attribute(net, x, y, layers=["blocks.0", "blocks.1@cls"]).unread for y in (2, 0)]
    assert list(found.unread) == list(found.beside) == ["blocks.0@cls", "blocks.1@tokens"]
    for name in each(found.unread):
        expected = [float(by_class[name].mean()) for by_class in shares]
        np.testing.assert_allclose(found.unread[name], expected, atol=1e-6)
    assert 0.1 < found.unread["blocks.0@cls"][0] < 0.99
    assert relevance(net, images, ["blocks.1", "blocks.1@cls"], [0], of="all", k=2, workers=0).unread == {}


def test_sums_in_float64_are_made_where_there_is_float64() -> None:
    assert exact_device(torch.device("mps")) == torch.device("cpu")
    assert exact_device(torch.device("cuda", 1)) == torch.device("cuda", 1)
