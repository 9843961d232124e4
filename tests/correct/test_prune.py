"""Pruning: what of a network can go, in which order, and what is left, against the same weights set to zero by hand."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from semlens.collection import Feed
from semlens.correct import Pruning, load_correction, prune, pruning_curves, structures, tune_rules
from semlens.correct.criteria import magnitudes, margin, per_image
from semlens.correct.curves import _widths
from semlens.correct.tuning import layer_groups
from semlens.errors import SemlensError
from semlens.images import ImageSet, LabelWarning
from semlens.model import VisionModel, load_model
from semlens.types import silent
from tests.model.test_layout import InParts
from tests.model.test_layout import Net as Grid
from tests.toy import SIDE, colours, flat_images, random_images, to_tensor


class Net(nn.Module):
    """Two convolutions with norms that shift, one of which runs twice, a hidden linear layer, three outputs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.norm1 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.twice, self.norm2 = nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.hidden, self.out = nn.Linear(6, 8), nn.Linear(8, 3)
        for norm in (self.norm1, self.norm2):
            nn.init.normal_(norm.weight, 1, 0.2)
            nn.init.normal_(norm.bias)
            norm.running_mean = torch.randn(6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.conv1(x)).relu()
        first = self.twice(x)
        x = (self.norm2(first) + first).relu()  # the convolution's output is not the norm's alone
        x = (x + self.twice(x)).relu()
        return self.out(self.hidden(x.mean((2, 3))).relu())


def studied() -> tuple[VisionModel, Tensor]:
    model = VisionModel(Net().eval(), to_tensor, ("a", "b", "c"), "toy:net")
    return model, torch.rand(5, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def test_what_can_go_is_found_with_its_calls_and_norms() -> None:
    model, _ = studied()
    found = structures(model, model.example_input())
    assert [(one.layer, one.components, one.kind, one.calls, one.norms) for one in found] == [
        ("conv1", 6, "filter", ("conv1",), ("norm1",)),
        ("twice", 6, "filter", ("twice#0", "twice#1"), ("norm2",)),
        ("hidden", 8, "unit", ("hidden",), ()),
    ]


def test_a_pruned_filter_is_one_with_zero_weights_and_no_shift_behind_it(tmp_path: Path) -> None:
    model, x = studied()
    before, fingerprint = model.net(x), model.fingerprint()
    scores = np.ones(20)
    scores[[1, 4, 6, 9, 13, 19]] = 0  # two filters of each convolution, two units
    correction = Pruning(model, structures(model, x[:1]), scores, {"method": "given"}).at(6 / 20)
    by_hand = deepcopy(model.net)
    with torch.no_grad():
        for name, units in {
            "conv1": [1, 4],
            "norm1": [1, 4],
            "twice": [0, 3],
            "norm2": [0, 3],
            "hidden": [1, 7],
        }.items():
            layer = by_hand.get_submodule(name)
            layer.weight[units], layer.bias[units] = 0, 0  # type: ignore[operator]
    with correction as pruned:
        assert torch.allclose(pruned.net(x), by_hand(x), atol=1e-6)
        assert not torch.allclose(pruned.net(x), before, atol=1e-2)
    assert torch.equal(model.net(x), before)
    assert model.fingerprint() == fingerprint
    assert correction.save(tmp_path / "pruned")
    again = deepcopy(model.net)
    again.load_state_dict(load_file(tmp_path / "pruned" / "weights.safetensors"))
    assert torch.allclose(again(x), by_hand(x), atol=1e-6)
    with load_correction(tmp_path / "pruned", model) as pruned:
        assert torch.allclose(pruned.net(x), by_hand(x), atol=1e-6)


def test_masks_nest_whatever_the_order_goes_by() -> None:
    model, _ = studied()
    references = random_images(6)
    for method in ("auto", "epsilon_plus", "gradient", "integrated_gradients", "magnitude", "random"):
        order = prune(model, references, method=method, progress=silent)
        masks = [order.gone(share) for share in (0.0, 0.1, 0.35, 0.8, 1.0)]
        assert [int(mask.sum()) for mask in masks] == [0, 2, 7, 16, 20]
        assert all((small <= large).all() for small, large in pairwise(masks))
        assert len(set(order.components(0.35)) & set(order.components(0.8))) == 7
        assert (order.gone(0.35) == prune(model, references, method=method, progress=silent).gone(0.35)).all()


def test_gradient_times_activation_is_weight_times_gradient_over_a_filter_with_its_bias() -> None:
    model, _ = studied()
    images = random_images(4)
    kept = structures(model, model.example_input())
    classes = np.array([0, 1, 2, 1])
    found = per_image(model, Feed(model, images, 4), classes, kept, "gradient", silent)
    for n in range(4):
        model.net.zero_grad()
        margin(classes[n : n + 1])(model.net(model.preprocess(images.load(n))[None])).sum().backward()
        by_weight = [
            ((m.weight * m.weight.grad).flatten(1).sum(1) + m.bias * m.bias.grad).detach().numpy()  # type: ignore[operator]
            for m in (model.net.conv1, model.net.twice, model.net.hidden)
        ]
        np.testing.assert_allclose(found[n], np.concatenate(by_weight), rtol=1e-3, atol=1e-5)


def test_relevance_by_hand() -> None:
    """Two hidden units with weights known; the margin is that of class 0 over class 1."""
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False), nn.ReLU(),
                        nn.Linear(2, 2, bias=False))  # fmt: skip
    hidden, last = net[2], net[4]
    assert isinstance(hidden, nn.Linear)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        hidden.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 2.0, 0]]))
        last.weight.copy_(torch.tensor([[3.0, 0], [0, 1.0]]))
    model = VisionModel(net.eval(), to_tensor, ("a", "b"), "toy:two")
    order = prune(model, flat_images([(255, 51, 0), (51, 255, 0)]), scale="none", progress=silent)
    # margins: 3 r - 2 g for red images, whose parts are 3 and -0.4; 2 g - 3 r, parts -0.6 and 2
    np.testing.assert_allclose(order.scores, [(3 + 0.6) / 2, (0.4 + 2) / 2], rtol=1e-5)
    signed = prune(model, flat_images([(255, 51, 0), (51, 255, 0)]), scale="none", signed=True, progress=silent)
    np.testing.assert_allclose(signed.scores, [(3 - 0.6) / 2, (2 - 0.4) / 2], rtol=1e-5)
    shares = prune(model, flat_images([(255, 51, 0), (51, 255, 0)]), progress=silent)
    np.testing.assert_allclose(shares.scores, [(3 / 3.4 + 0.6 / 2.6) / 2, (0.4 / 3.4 + 2 / 2.6) / 2], rtol=1e-5)


def test_integrated_gradients_add_up_to_what_the_image_changes() -> None:
    model, _ = studied()
    images = random_images(3)
    kept = structures(model, model.example_input())[2:]  # the hidden layer, which everything passes
    classes = np.array([0, 1, 2])
    found = per_image(model, Feed(model, images, 3), classes, kept, "integrated_gradients", silent)
    x = torch.stack([model.preprocess(images.load(n)) for n in range(3)])
    logits, grey = model.net(x).detach(), model.net(torch.zeros_like(x)).detach()
    rivals = logits.clone()
    rivals[range(3), classes] = -torch.inf
    other = rivals.argmax(1)
    moved = (logits - grey)[range(3), classes] - (logits - grey)[range(3), other]
    np.testing.assert_allclose(found.sum(axis=1), moved.numpy(), atol=0.1 * float(moved.abs().max()))


def test_magnitude_knows_the_norm() -> None:
    model, _ = studied()
    kept = structures(model, model.example_input())[:1]
    net = model.net
    assert isinstance(net, Net)
    assert net.norm1.running_var is not None
    scale = (net.norm1.weight.abs() / (net.norm1.running_var + net.norm1.eps).sqrt()).detach()
    rows = [float(net.conv1.weight[unit].detach().norm() * scale[unit]) for unit in range(6)]
    np.testing.assert_allclose(magnitudes(model, kept), rows, rtol=1e-5)


def test_a_transposed_grouped_convolution_has_a_row_a_filter() -> None:
    up, last = nn.ConvTranspose2d(4, 6, 2, 2, groups=2), nn.Linear(24 * SIDE**2, 2)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), up, nn.Flatten(), last)
    model = VisionModel(net.eval(), to_tensor, ("a", "b"), "toy:up")
    found = magnitudes(model, structures(model, model.example_input()))[4:]
    weight = up.weight.detach()
    for unit in range(6):
        group, place = divmod(unit, 3)
        assert found[unit] == pytest.approx(float(weight[2 * group : 2 * group + 2, place].norm()), rel=1e-5)


def test_a_pruned_head_is_gone_at_the_class_token_too(tmp_path: Path) -> None:
    model = load_model("testbed:transformer")
    x = torch.randn(2, *model.example_input().shape[1:], generator=torch.Generator().manual_seed(0))
    kept = structures(model, x[:1])
    heads = [one for one in kept if one.kind == "head"]
    assert [one.components for one in heads] == [4, 4, 4, 4]
    assert not [one for one in kept if ".attn." in one.path]
    scores = np.ones(sum(one.components for one in kept))
    starts = np.cumsum([0, *(one.components for one in kept)])
    last = kept.index(heads[-1])
    scores[starts[last] + 2] = 0
    correction = Pruning(model, kept, scores, {"method": "given"}).at(1 / len(scores))
    by_hand = deepcopy(model.net)
    projection = by_hand.get_submodule(f"{heads[-1].path}.proj")
    width = projection.weight.shape[1] // 4  # type: ignore[index]
    with torch.no_grad():
        projection.weight[:, 2 * width : 3 * width] = 0  # type: ignore[operator]
        wanted, before = by_hand(x), model.net(x)
        with correction as pruned:
            assert torch.allclose(pruned.net(x), wanted, atol=1e-5)
    assert not torch.allclose(wanted, before, atol=1e-3)
    assert correction.save(tmp_path / "headless")
    with torch.no_grad():
        assert torch.allclose(load_model(f"corrected:{tmp_path / 'headless'}").net(x), wanted, atol=1e-5)


def test_heads_in_a_module_of_their_own_are_heads() -> None:
    """As older transformers have them: the projection stands beside, and its columns tell how large a head is."""
    tokens = Grid(lambda net, f: net.head(net.attn(f.flatten(2).transpose(1, 2)).mean(1)),
                  attn=InParts(), head=nn.Linear(6, 2)).eval()  # fmt: skip
    model = VisionModel(tokens, to_tensor, ("a", "b"), "toy:parts")
    kept = structures(model, model.example_input())
    assert [(one.path, one.kind, one.components) for one in kept] == [("conv", "filter", 6), ("attn", "head", 2)]
    weight = tokens.attn.output[0].weight.detach().double()
    np.testing.assert_allclose(magnitudes(model, kept[1:]), [weight[:, :3].norm(), weight[:, 3:].norm()])
    x = torch.rand(2, 3, SIDE, SIDE)
    scores = np.arange(8.0)
    scores[6] = -1  # the first head goes first
    by_hand = deepcopy(tokens)
    with torch.no_grad():
        by_hand.attn.output[0].weight[:, :3] = 0
        wanted, before = by_hand(x), tokens(x)
        with Pruning(model, kept, scores, {"method": "given"}).at(1 / 8) as pruned:
            torch.testing.assert_close(pruned.net(x), wanted)
    assert not torch.allclose(wanted, before, atol=1e-4)


def shades() -> tuple[VisionModel, ImageSet]:
    """A network that says which colour is strongest, and images of one strong colour each."""
    return colours(), flat_images([(250, 40, 30), (20, 240, 10), (30, 20, 245), (10, 60, 230)])


def test_areas_are_those_of_the_curves_by_hand() -> None:
    model, images = shades()
    kept = structures(model, model.example_input())
    assert [one.layer for one in kept] == ["conv"]
    orders = {name: Pruning(model, kept, np.array(scores, float), {"method": name})
              for name, scores in {"red first": [0, 1, 2], "blue first": [2, 1, 0]}.items()}  # fmt: skip
    rows = pruning_curves(orders, images, shares=(0.0, 1 / 3, 2 / 3), progress=silent)
    # red gone: the red image is taken for green; then green: blue alone is right. Blue first: two of four are lost.
    assert rows[0].accuracy == (1, 0.75, 0.5)
    assert rows[1].accuracy == (1, 0.5, 0.25)
    assert rows[0].area == pytest.approx((0.875 + 0.625) / 2)
    assert rows[1].area == pytest.approx((0.75 + 0.375) / 2)
    assert rows[1].gain == pytest.approx(0.75 - 0.5625)
    assert rows[0].gain is None
    np.testing.assert_allclose(_widths(np.array([0, 0.1, 0.5])), [0.1, 0.5, 0.4])


def test_curves_go_on_from_their_checkpoint(tmp_path: Path) -> None:
    model, images = shades()
    order = {"by weight": prune(model, method="magnitude")}
    rows = pruning_curves(order, images, shares=(0.0, 0.5), checkpoint=tmp_path, progress=silent)
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(kept) == 1
    assert pruning_curves(order, images, shares=(0.0, 0.5), checkpoint=tmp_path, progress=silent) == rows
    assert {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == kept
    other = pruning_curves(order, images, shares=(0.0, 1.0), checkpoint=tmp_path, progress=silent)
    assert other[0].accuracy != rows[0].accuracy


def test_tuned_rules_are_the_best_that_were_tried(tmp_path: Path) -> None:
    model, _ = studied()
    references, validation = random_images(6), random_images(24, seed=1)
    how = {"shares": (0.0, 0.25, 0.5, 0.75), "checkpoint": tmp_path, "progress": silent}
    tuned = tune_rules(model, references, validation, **how)  # type: ignore[arg-type]
    assert [one.group for one in tuned.trials][::5] == ["low", "high", "last"]
    assert sum(one.kept for one in tuned.trials) == 3
    last = [one.area for one in tuned.trials if one.group == "last"]
    order = prune(model, references, method=tuned.composite, progress=silent)
    again = pruning_curves({"tuned": order}, validation, shares=(0.0, 0.25, 0.5, 0.75), progress=silent)
    assert again[0].area == max(last)
    assert max(last) >= tuned.trials[0].area  # the first trial is epsilon everywhere
    assert tune_rules(model, references, validation, **how).trials == tuned.trials  # type: ignore[arg-type]


def test_layers_stand_in_groups_by_where_they_run() -> None:
    model, _ = studied()
    assert layer_groups(model, model.example_input()) == {
        "low": ("conv1",), "high": ("twice",), "last": ("hidden", "out")}  # fmt: skip


def test_labels_count_where_they_name_classes_and_else_that_is_said() -> None:
    model, images = shades()
    kept = structures(model, model.example_input())
    order = {"red first": Pruning(model, kept, np.array([0.0, 1.0, 2.0]), {"method": "given"})}
    right = replace(images, labels=("green", "green", "blue", None))  # the red image is called green
    assert pruning_curves(order, right, shares=(0.0, 1 / 3), progress=silent)[0].accuracy == (2 / 3, 1)
    assert pruning_curves(order, right, shares=(0.0, 1 / 3), of="predicted", progress=silent)[0].accuracy == (1, 0.75)
    with pytest.warns(LabelWarning, match="predicts"):
        odd = pruning_curves(order, replace(images, labels=("cat",) * 4), shares=(0.0, 1 / 3), progress=silent)
    assert odd[0].accuracy == (1, 0.75)


def test_what_cannot_be_pruned_is_said() -> None:
    model, images = shades()
    with pytest.raises(SemlensError, match="give some"):
        prune(model)
    with pytest.raises(SemlensError, match="integrated_gradients"):
        prune(model, images, method="integrated_gradient")
    with pytest.raises(SemlensError, match="names a class|name a class"):
        prune(model, images, of="label", progress=silent)
    with pytest.raises(SemlensError, match="between 0 and 1"):
        prune(model, method="random").at(30.0)
    with pytest.raises(SemlensError, match="rising"):
        pruning_curves({"x": prune(model, method="random")}, images, shares=(0.0, 0.0))
    with pytest.raises(SemlensError, match="no order"):
        pruning_curves({}, images)
    with pytest.raises(SemlensError, match="several models"):
        pruning_curves({"x": prune(model, method="random"), "y": prune(colours(), method="random")}, images)
    number = VisionModel(nn.Sequential(nn.Conv2d(3, 1, SIDE), nn.Flatten()), to_tensor, (), "toy:number")
    with pytest.raises(SemlensError, match="classifiers"):
        prune(number, images)
    linear = VisionModel(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 2)), to_tensor, (), "toy:linear")
    with pytest.raises(SemlensError, match="nothing to prune"):
        prune(linear, images)
