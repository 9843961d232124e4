import gc
import itertools

import pytest
import timm
import torch
from torch import Tensor, nn

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import COMPOSITES, Composite, default_composite
from semlens.attribution.conservation import ConservationWarning
from semlens.attribution.maps import component_maps, conditional_maps
from semlens.attribution.rules import Epsilon
from semlens.attribution.targets import Activation, Scalar, similarity
from semlens.errors import SemlensError
from semlens.model.layers import parse_all
from semlens.model.vision_model import VisionModel
from semlens.types import Component
from tests.attribution.loops import each
from tests.attribution.nets import Branches, Chain, Skip, model, pixels

UNITS = 2 * 24
"""Components of a block of the transformer below: a + and a - side of each feature."""
PLAIN = Composite("plain", convolution=Epsilon(0.0), linear=Epsilon(0.0))


@pytest.fixture(scope="module")
def vit() -> VisionModel:
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=24, num_heads=3, num_classes=5)
    return VisionModel(net.double().eval(), lambda _: torch.zeros(3, 32, 32), ("a", "b", "c", "d", "e"))


def test_at_the_penultimate_layer_relevance_is_weight_times_activation() -> None:
    chain, x = Chain(), pixels()
    net = model(chain)
    for method in ("epsilon_plus_flat", "epsilon", "gradient", "integrated_gradients"):
        found = attribute(net, x, 2, method=method, layers=["flat"]).layers["flat"]
        with torch.no_grad():
            acts = nn.Sequential(*list(chain.children())[:-1])(x)
        torch.testing.assert_close(found[:, :, 0], acts * chain.head.weight[2], rtol=1e-4, atol=1e-9)


def test_one_pass_brings_heat_and_components_and_nothing_depends_on_the_batch() -> None:
    net, x = model(Chain(bias=True)), pixels(4)
    both = attribute(net, x, [0, 1, 2, 3], layers=["two", "relu"], warn_above=99.0)
    assert both.heat is not None
    assert both.heat.shape == (4, 8, 8)
    assert both.layers["two"].shape == (4, 5, 36)
    for i in range(4):
        one = attribute(net, x[i : i + 1], i, layers=["two", "relu"], warn_above=99.0)
        assert one.heat is not None
        torch.testing.assert_close(one.heat[0], both.heat[i], rtol=1e-10, atol=1e-14)
        for layer in ("two", "relu"):
            torch.testing.assert_close(one.layers[layer][0], both.layers[layer][i], rtol=1e-10, atol=1e-14)


def test_the_report_says_where_relevance_went() -> None:
    free = attribute(model(Chain()), pixels(), 1).report
    assert free is not None
    assert free.arrived == pytest.approx(free.entered, rel=1e-4)
    assert free.bias == 0
    net, x = model(Chain(bias=True)), pixels()
    with pytest.warns(ConservationWarning, match=r"more than 50% of the relevance: head \(\d+% bias, 0% stabiliser\)"):
        found = attribute(net, x, 1, method=PLAIN)
    assert found.report is not None
    assert found.heat is not None
    sign = found.value.sign()
    entered, arrived = float((sign * found.value).sum()), float((sign * found.heat.sum((1, 2))).sum())
    assert found.report.entered == pytest.approx(entered)
    assert found.report.arrived == pytest.approx(arrived)
    assert found.report.bias == pytest.approx(entered - arrived)
    assert found.report.elsewhere == pytest.approx(0, abs=1e-9)
    assert {row.layer for row in found.report.layers} == {"one", "two", "head"}
    assert "arrived" in str(found.report)


@pytest.mark.filterwarnings("ignore::semlens.attribution.conservation.ConservationWarning")
@pytest.mark.parametrize("method", ["epsilon_plus_flat", "epsilon", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat"])
def test_all_conditional_maps_of_a_layer_add_up_to_the_whole(method: str) -> None:
    net, x = model(Chain(bias=True)), pixels(2)
    for layer, count in (("relu2", 5), ("two", 5), ("norm", 6), ("one", 6)):
        whole = attribute(net, x, 1, method=method, conditions=[f"{layer}:{u}" for u in range(count)]).heat
        maps = torch.cat([*conditional_maps(net, x, 1, layer, range(count), method=method, chunk=3)])
        torch.testing.assert_close(maps.sum(0), whole, rtol=1e-9, atol=1e-12)
        free = attribute(net, x, 1, method=method).heat
        torch.testing.assert_close(maps.sum(0), free, rtol=1e-9, atol=1e-12)
        alone = attribute(net, x, 1, method=method, conditions=[f"{layer}:2"]).heat
        torch.testing.assert_close(maps[2], alone, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_maps_of_heads_and_of_all_tokens_add_up_too(vit: VisionModel) -> None:
    x = pixels(1, 32)
    whole = attribute(vit, x, 3, warn_above=9e9).heat
    parts = [torch.cat([*conditional_maps(vit, x, 3, f"blocks.0{k}", range(UNITS), chunk=16)]) for k in ("", "@cls")]
    torch.testing.assert_close(sum(part.sum(0) for part in parts), whole, rtol=1e-8, atol=1e-12)
    through = attribute(vit, x, 3, conditions=["blocks.0.attn@heads:0"], warn_above=9e9).heat
    maps = torch.cat([*conditional_maps(vit, x, 3, "blocks.0.attn@heads", range(3))])
    torch.testing.assert_close(maps[0], through, rtol=1e-9, atol=1e-12)
    assert float((maps[0] - maps[1]).abs().max()) > 1e-3 * float(maps[0].abs().max()) > 0


def test_conditions_in_several_layers_follow_every_path_through_them() -> None:
    """On a network without activations the relevance of a path is the product of its weights."""
    layers = [nn.Linear(3, 3, bias=False) for _ in range(3)]
    toy = model(nn.Sequential(*layers))
    a, b, c = (layer.weight.detach() for layer in layers)
    x = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    found = attribute(toy, x, 0, method=PLAIN, conditions=["1:0", "1:2", "0:1"], layers=["0", "1"])
    expected = x[0] * a[1] * sum(b[i, 1] * c[0, i] for i in (0, 2))
    assert found.heat is not None
    torch.testing.assert_close(found.heat[0], expected.sum())
    h0, h1 = x[0] @ a.T, x[0] @ a.T @ b.T
    torch.testing.assert_close(found.layers["1"][0, :, 0], h1 * c[0])  # before its mask: all units
    torch.testing.assert_close(found.layers["0"][0, :, 0], h0 * sum(c[0, i] * b[i] for i in (0, 2)))


def test_a_skip_beside_the_condition_is_not_counted() -> None:
    net, x = model(Skip()), pixels(2)
    whole = attribute(net, x, 0, method=PLAIN, layers=["inner"])
    inside = attribute(net, x, 0, method=PLAIN, conditions=[f"inner:{u}" for u in range(4)])
    assert whole.heat is not None
    assert inside.heat is not None
    torch.testing.assert_close(inside.heat.sum((1, 2)), whole.layers["inner"].sum((1, 2)))
    assert not torch.allclose(inside.heat.sum((1, 2)), whole.heat.sum((1, 2)))


def test_branches_side_by_side_are_counted_once_each() -> None:
    net, x = model(Branches()), pixels(2)
    left, right, both, every = (
        attribute(net, x, 0, method=PLAIN, conditions=conditions).heat
        for conditions in (
            ["left:0"],
            ["right:1"],
            ["left:0", "right:1"],
            [f"{b}:{u}" for b in ("left", "right") for u in range(3)],
        )
    )
    assert left is not None
    assert right is not None
    torch.testing.assert_close(both, left + right)
    torch.testing.assert_close(every, attribute(net, x, 0, method=PLAIN).heat)


def test_relevance_can_start_at_a_component_or_at_where_it_is_most_active() -> None:
    chain, x = Chain(), pixels(2)
    net = model(chain)
    with torch.no_grad():
        acts = chain.relu2(chain.two(chain.relu(chain.one(x))))
    whole = attribute(net, x, "relu2:3", method=PLAIN)
    torch.testing.assert_close(whole.value, acts[:, 3].sum((1, 2)))
    top = attribute(net, x, Activation(Component("relu2", 3), "max"), method=PLAIN)
    torch.testing.assert_close(top.value, acts[:, 3].amax((1, 2)))
    at = acts[:, 3].flatten(1).argmax(1)
    assert top.heat is not None
    for i, heat in enumerate(top.heat):
        row, column = divmod(int(at[i]), 6)
        outside = torch.ones(8, 8, dtype=torch.bool)
        outside[max(row - 1, 0) : row + 4, max(column - 1, 0) : column + 4] = False  # two 3 x 3 convolutions see 5 x 5
        assert float(heat[outside].abs().sum()) == 0
        assert float(heat.sum()) == pytest.approx(float(top.value[i]))
    given = attribute(net, x, Activation(Component("relu2", 3), torch.tensor([0, 7])), method=PLAIN)
    torch.testing.assert_close(given.value, torch.stack([acts[0, 3, 0, 0], acts[1, 3, 1, 1]]))


def test_pairs_of_image_and_component_are_mapped_as_one_by_one() -> None:
    net, x = model(Chain(bias=True)), pixels(3)
    kinds = [kind for kind, _ in parse_all(net.net, ["relu2", "head"], x[:1])]
    pairs = {
        "relu2": (torch.tensor([2, 0, 2, 2]), torch.tensor([1, 4, 3, 1])),
        "head": (torch.tensor([0]), torch.tensor([3])),
    }
    rules = COMPOSITES["epsilon_plus_flat"]
    maps = component_maps(net, x, kinds, pairs, rules=rules, chunk=2)
    for layer, (rows, units) in each(pairs.items()):
        for j, (row, unit) in each(enumerate(zip(rows.tolist(), units.tolist(), strict=True))):
            target = Activation(Component(layer, unit), "max")
            one = attribute(net, x[row : row + 1], target, method=rules, warn_above=99.0).heat
            assert one is not None
            torch.testing.assert_close(maps[layer][j], one[0], rtol=1e-10, atol=1e-14)


def test_similarity_and_any_scalar_are_attributed_through() -> None:
    net, x = model(Chain()), pixels(2)
    text = torch.tensor([1.0, -1, 2, 0], dtype=torch.float64)
    found = attribute(net, x, similarity(text))
    with torch.no_grad():
        out = net.net(x)
    torch.testing.assert_close(found.value, torch.cosine_similarity(out, text.expand_as(out)))
    assert found.heat is not None
    torch.testing.assert_close(found.heat.sum((1, 2)), found.value, rtol=1e-4, atol=1e-9)  # lengths are constants
    margin = attribute(net, x, Scalar(lambda out: out[:, 0] - out[:, 1])).heat
    apart = [attribute(net, x, y).heat for y in (0, 1)]
    assert apart[0] is not None
    assert apart[1] is not None
    torch.testing.assert_close(margin, apart[0] - apart[1])


def test_relevance_starts_with_the_value_or_with_one() -> None:
    net, x = model(Chain()), pixels(2)
    value, one = attribute(net, x, 1), attribute(net, x, 1, start="one")
    torch.testing.assert_close(one.value, torch.ones(2, dtype=torch.float64), rtol=1e-4, atol=0)
    assert value.heat is not None
    assert one.heat is not None
    torch.testing.assert_close(one.heat * value.value[:, None, None], value.heat, rtol=1e-4, atol=1e-9)


def test_gradient_times_activation_against_a_baseline() -> None:
    chain, x, x0 = Chain(), pixels(2), pixels(2, seed=5)
    net = model(chain)
    zero = attribute(net, x, 0, method="gradient", layers=["flat", "two"])
    assert zero.report is None
    to = attribute(net, x, 0, method="gradient", layers=["flat"], baseline=x0)
    with torch.no_grad():
        features = nn.Sequential(*list(chain.children())[:-1])
        difference = (features(x) - features(x0)) * chain.head.weight[0]
        out, out0 = chain(x), chain(x0)
    torch.testing.assert_close(to.layers["flat"][:, :, 0], difference)
    torch.testing.assert_close(to.layers["flat"].sum((1, 2)), out[:, 0] - out0[:, 0])  # exact for the last layer
    with torch.no_grad():
        two = chain.two(chain.relu(chain.one(x)))
    expected = two * (two > 0) * (chain.head.weight[0] / 36).view(1, -1, 1, 1)
    torch.testing.assert_close(zero.layers["two"], expected.flatten(2).detach())


@pytest.mark.slow
def test_integrated_gradients_are_complete_in_pixels_and_in_hidden_units() -> None:
    """Without kinks the error of the midpoint rule falls with the square of the steps, so that few will do."""
    smooth, x, x0 = Chain(bias=True), pixels(2), pixels(2, seed=5)
    smooth.relu, smooth.relu2 = nn.SiLU(inplace=True), nn.SiLU()
    net, layers = model(smooth), ["norm", "relu", "two"]
    found = attribute(net, x, 2, method="integrated_gradients", layers=layers, baseline=x0, steps=24)
    with torch.no_grad():
        difference = net.net(x)[:, 2] - net.net(x0)[:, 2]
    assert found.heat is not None
    assert difference.abs().min() > 0.1
    torch.testing.assert_close(found.heat.sum((1, 2)), difference, rtol=1e-3, atol=0)
    for layer in layers:
        torch.testing.assert_close(found.layers[layer].sum((1, 2)), difference, rtol=1e-3, atol=0)


def test_the_default_follows_the_kind_of_network(vit: VisionModel) -> None:
    assert default_composite(vit.net, vit.example_input()).name == "attnlrp_gamma"
    assert default_composite(model(Chain()).net, pixels(2)).name == "epsilon_plus_flat"
    assert default_composite(timm.create_model("resnet10t"), torch.zeros(1, 3, 64, 64)).name == "epsilon_plus_flat"


def test_mistakes_are_named() -> None:
    net, x = model(Chain(), names=("cat", "dog", "cat", "owl")), pixels(2)
    wrong = [
        ({"target": 4}, "no output 4"),
        ({"target": "dgo"}, "dog"),
        ({"target": "cat"}, r"2 classes are called 'cat'.*\[0, 2\]"),
        ({"target": [1]}, "1 targets for 2 images"),
        ({"target": "two:9"}, "units 0 to 4"),
        ({"target": 0, "method": "epsilonn"}, "nearest: epsilon"),
        ({"target": 0, "conditions": ["two:5"]}, "units 0 to 4"),
        ({"target": 0, "conditions": ["two:1"], "method": "gradient"}, "choose a composite"),
        ({"target": 0, "layers": ["tow"]}, "two"),
        ({"target": 0, "start": "none"}, "unknown start"),
        ({"target": 1.5}, "is no target"),
        ({"target": lambda out: out}, "not a number per image|not a row"),
    ]
    for arguments, said in wrong:
        with pytest.raises(SemlensError, match=said):
            attribute(net, x, **arguments)  # type: ignore[arg-type]
    assert attribute(net, x, "dog").value.tolist() == attribute(net, x, 1).value.tolist()


def test_what_does_not_depend_on_the_image_has_no_relevance() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)
            self.outer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.outer(x.mean((2, 3))) + self.inner(torch.ones(len(x), 2, dtype=x.dtype))

    with pytest.raises(SemlensError, match="'inner' does not depend on the image"):
        attribute(model(Constant()), pixels(2), 0, layers=["inner"])


def test_maps_of_many_units_are_those_of_one_at_a_time(vit: VisionModel) -> None:
    x = pixels(2, 32)
    first, maps = (
        torch.cat([*conditional_maps(vit, x, 1, "blocks.0", [0, 5, 20, UNITS - 1], chunk=chunk, start="one")])
        for chunk in (1, 4)
    )
    torch.testing.assert_close(maps, first, rtol=1e-9, atol=1e-14)
    assert all(not torch.equal(a, b) for a, b in itertools.pairwise(maps))


@pytest.mark.slow
def test_maps_left_half_way_leave_no_hook_no_mode_and_no_graph_behind() -> None:
    net, x = model(Chain()), pixels(2)
    net.net.train()
    expected = torch.cat([*conditional_maps(net, x, 1, "two", range(5), chunk=1)])

    def graphs() -> int:
        return sum(issubclass(type(one), Tensor) and one.grad_fn is not None for one in gc.get_objects())

    before = graphs()
    maps = conditional_maps(net, x, 1, "two", range(5), chunk=1)
    assert torch.equal(next(maps), expected[:1])
    assert all(module.training for module in net.net.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.net.modules())
    assert graphs() == before
    assert torch.equal(torch.cat([*maps]), expected[1:])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::semlens.attribution.conservation.ConservationWarning")
def test_a_trace_leaves_nothing_behind() -> None:
    """A reference cycle would keep each graph until the collector runs, which counts objects and not gigabytes."""

    def alive() -> int:
        return sum(issubclass(type(one), Tensor) for one in gc.get_objects())

    net, x = model(Chain(bias=True)), pixels(2)
    counts = []
    gc.collect()
    gc.freeze()  # what is there already need not be looked at
    gc.disable()
    try:
        for _ in range(3):
            attribute(net, x, 1, layers=["two", "relu"])
            _ = [*conditional_maps(net, x, 1, "two", [0, 1])]
            counts.append(alive())
    finally:
        gc.enable()
        gc.unfreeze()
    assert counts[0] == counts[1] == counts[2]
