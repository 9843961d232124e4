"""What a network is trained on besides the labels, held against derivatives by hand and closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from semlens.correct.clarc import Target, behind
from semlens.correct.penalties import Batch, contextual_decomposition, pairing, plain, right_reasons
from semlens.errors import SemlensError
from semlens.model import Dictionary, Linear, Site, VisionModel
from semlens.types import silent
from tests.toy import flat_images, to_tensor


class Bilinear(nn.Module):
    """Logit k is (a_k . h)(b_k . h), h being the mean of a map; so that its slope depends on h and on both."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv2d(3, 4, 1)
        self.first, self.second = nn.Linear(4, 3, bias=False), nn.Linear(4, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.map(x).mean((2, 3))
        return self.first(h) * self.second(h)


@pytest.fixture
def model() -> VisionModel:
    torch.manual_seed(0)
    return VisionModel(Bilinear().eval(), to_tensor, ("a", "b", "c"), "toy:bilinear")


@pytest.fixture
def batch() -> Batch:
    random = torch.Generator().manual_seed(1)
    signs = torch.tensor([[1.0, -1, 1], [1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])
    return Batch(torch.randn(5, 3, 8, 8, generator=random), np.arange(5), signs)


def patterns(layer: str) -> Dictionary:
    """Two directions, read together."""
    found = torch.randn(4, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Dictionary(layer, torch.linalg.pinv(found).T, torch.zeros(2).double(), found.T.contiguous(),
                      torch.full((4,), 0.1).double(), Linear(), ("one", "two"))  # fmt: skip


def parameters(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone().requires_grad_() for name, value in net.named_parameters()}


def test_the_gradient_of_right_reason_clarc_is_that_of_the_closed_form(model: VisionModel, batch: Batch) -> None:
    """d logit / d t along v is (a.v)(b.h) + (a.h)(b.v); summed over two directions, averaged over images."""
    one, weights = patterns("map"), parameters(model.net)
    passed = Target.of(model, one, None).right_reasons()(model.net, weights, batch)
    h = nn.functional.conv2d(batch.x, weights["map.weight"], weights["map.bias"]).mean((2, 3))
    a, b, v = weights["first.weight"], weights["second.weight"], one.decoder.float()
    slopes = torch.einsum("kd,ud->ku", a, v)[None] * (h @ b.T)[..., None]
    slopes = slopes + (h @ a.T)[..., None] * torch.einsum("kd,ud->ku", b, v)[None]
    expected = torch.einsum("nk,nku->nu", batch.signs, slopes).square().sum(1).mean()
    assert passed.term is not None
    torch.testing.assert_close(passed.term, expected)
    torch.testing.assert_close(passed.logits, model.net(batch.x))
    names = ["first.weight", "second.weight", "map.weight"]
    own, other = (torch.autograd.grad(term, [weights[n] for n in names]) for term in (passed.term, expected))
    torch.testing.assert_close(own, other)
    assert own[0].abs().max() > 0.1


def test_pairs_are_of_the_same_image_even_where_a_partner_is_lacking(model: VisionModel, batch: Batch) -> None:
    """The third image's other version cannot be read, say."""
    logits = model.net(batch.x)
    expected = ((logits[0] - logits[1]).square().sum() + (logits[3] - logits[4]).square().sum()) / 2
    pairs = Batch(batch.x, np.array([7, 7, 2, 0, 0]), batch.signs)
    found = pairing(model.net, parameters(model.net), pairs)
    assert found.term is not None
    torch.testing.assert_close(found.term, expected)
    torch.testing.assert_close(found.logits, logits)
    assert pairing(model.net, parameters(model.net), batch).term is None


def test_some_units_are_those_that_are_named(model: VisionModel, batch: Batch) -> None:
    weights, one = parameters(model.net), patterns("map")
    each = [Target.of(model, one, [name]).right_reasons()(model.net, weights, batch).term for name in ("one", "two")]
    both = Target.of(model, one, None).right_reasons()(model.net, weights, batch).term
    assert each[0] is not None
    torch.testing.assert_close(sum(each), both)
    channel = Target.of(model, "map:2", None).right_reasons()(model.net, weights, batch).term
    unit = Dictionary("map", torch.eye(4)[:, 2:3], torch.zeros(1), torch.eye(4)[2:3], torch.zeros(4), Linear())
    torch.testing.assert_close(channel, Target.of(model, unit, None).right_reasons()(model.net, weights, batch).term)


def test_augmentive_clarc_moves_all_images_to_what_the_marked_ones_have(model: VisionModel, batch: Batch) -> None:
    """h' = h + v (z - s(h)) / (v.v), with s(h) = v.h and z its mean over the marked images."""
    images = flat_images([(10 * n, 200 - 9 * n, (n * n) % 255) for n in range(12)])
    x = torch.stack([to_tensor(images.load(i)) for i in range(12)])
    v = patterns("map").decoder[:1].float()
    one = Dictionary("map", v.T / v.square().sum(), torch.zeros(1), v, torch.zeros(4), Linear(), ("one",))
    shown = np.arange(12) % 3 == 1
    method = Target.of(model, one, None).augmentive(model, images, {"one": shown}, silent)
    weights = parameters(model.net)
    with torch.no_grad():
        read = model.net.map(x).mean((2, 3)) @ v[0] / v.square().sum()  # type: ignore[operator]
        h = nn.functional.conv2d(batch.x, weights["map.weight"], weights["map.bias"]).mean((2, 3))
        moved = h + (read[torch.from_numpy(shown)].mean() - h @ v[0] / v.square().sum())[:, None] * v
        expected = (moved @ weights["first.weight"].T) * (moved @ weights["second.weight"].T)
        torch.testing.assert_close(method(model.net, weights, batch).logits, expected)
    assert (expected - model.net(batch.x)).abs().max() > 0.01


def test_right_reasons_are_the_slope_by_the_masked_pixels() -> None:
    """Of linear logits w_k . x, sum_k log p_k has the slope sum_k w_k - K sum_k p_k w_k."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    x, mask = torch.randn(2, 3, 2, 2), torch.tensor([[[1.0, 0], [0, 1]]])
    weights = parameters(net)
    passed = right_reasons({7: mask})(net, weights, Batch(x, np.array([4, 7]), torch.ones(2, 3)))
    w = weights["1.weight"]
    slope = w.sum(0) - 3 * passed.logits.softmax(1) @ w
    expected = (slope.view(2, 3, 2, 2)[1] * mask).square().sum() / 2
    assert passed.term is not None
    torch.testing.assert_close(passed.term, expected)
    own, other = (torch.autograd.grad(term, w, retain_graph=True)[0] for term in (passed.term, expected))
    torch.testing.assert_close(own, other)


def test_contextual_decomposition_is_what_masked_pixels_give() -> None:
    """Of linear logits: w_k . (mask x), with its share of the bias."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    x, mask = torch.randn(2, 3, 2, 2), torch.tensor([[[1.0, 0], [0, 1]]])
    weights = parameters(net)
    passed = contextual_decomposition({7: mask})(net, weights, Batch(x, np.array([4, 7]), torch.ones(2, 3)))
    own = weights["1.weight"] @ (x[1] * mask).flatten()
    rest = weights["1.weight"] @ (x[1] * (1 - mask)).flatten()
    expected = (own + weights["1.bias"] * own.abs() / (own.abs() + rest.abs())).abs().sum() / 2
    torch.testing.assert_close(passed.term, expected)


def test_without_a_mask_there_is_no_term() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    batch = Batch(torch.randn(2, 3, 2, 2), np.array([0, 1]), torch.ones(2, 3))
    for make in (right_reasons, contextual_decomposition):
        passed = make({7: torch.ones(1, 2, 2)})(net, parameters(net), batch)
        assert passed.term is None
        assert torch.equal(passed.logits, plain(net, parameters(net), batch).logits)


def test_only_what_runs_behind_a_layer_is_trained() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
    tied = nn.Linear(4, 4)
    net = nn.Sequential(inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), tied, nn.ReLU(), nn.Linear(4, 2))
    x = torch.zeros(1, 3, 4, 4)
    assert behind(net, Site.parse("0.0"), x) == ("0.2.weight", "0.2.bias", "3.weight", "3.bias", "5.weight", "5.bias")
    assert behind(net, Site.parse("0"), x) == ("3.weight", "3.bias", "5.weight", "5.bias")
    twice = nn.Sequential(nn.Flatten(), tied, nn.ReLU(), tied, nn.Linear(4, 2))
    assert behind(twice, Site.parse("2"), x[:, :1, :2, :2]) == ("4.weight", "4.bias")
    with pytest.raises(SemlensError, match="further down"):
        behind(net, Site.parse("5"), x)


def test_what_is_no_target_is_said(model: VisionModel) -> None:
    with pytest.raises(SemlensError, match="--what"):
        Target.of(model, None, None)
    with pytest.raises(SemlensError, match="one layer"):
        Target.of(model, ["map:1", "first:0"], None)
