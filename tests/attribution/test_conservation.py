"""What arrives at inputs that are no pixels, by name; in linear networks its amount is known without any rule."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution import Conservation, attribute
from semlens.attribution.conservation import joined
from tests.attribution.heat import ZERO
from tests.attribution.loops import each
from tests.attribution.nets import model, pixels

pytestmark = pytest.mark.filterwarnings("ignore::semlens.attribution.conservation.ConservationWarning")

PLACES, WIDTH = 4, 5


class Tokens(nn.Module):
    """Four patches, a token of its own before them, a position embedding: all of it linear but for a bias."""

    def __init__(self, embed: Callable[["Tokens", Tensor], Tensor]) -> None:
        super().__init__()
        self.embed = embed
        self.patches = nn.Conv2d(3, WIDTH, 4, stride=4, bias=False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, PLACES, WIDTH))
        self.places = nn.Embedding(PLACES, WIDTH)
        self.register_buffer("fixed", torch.zeros(1, PLACES, WIDTH))
        self.shift = nn.Parameter(torch.zeros(WIDTH))
        self.head = nn.Linear((PLACES + 1) * WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(self, self.patches(x).flatten(2).mT)
        return self.head(functional.pad(x, (0, 0, 0, PLACES + 1 - x.shape[1])).flatten(1))


def in_front(net: Tokens, x: Tensor) -> Tensor:
    return torch.cat([net.cls_token.expand(len(x), -1, -1), x], dim=1)


def interpolated(net: Tokens, x: Tensor) -> Tensor:
    small = net.pos_embed[:, :PLACES].transpose(1, 2).reshape(1, WIDTH, 2, 2)
    return x + functional.interpolate(small, size=(2, 2), mode="bicubic").flatten(2).mT


def in_place(net: Tokens, x: Tensor) -> Tensor:
    x = x.contiguous()
    x += net.pos_embed
    return x


def on_the_fly(net: Tokens, x: Tensor) -> Tensor:
    return x + torch.linspace(-1, 1, PLACES * WIDTH, dtype=x.dtype).view(1, PLACES, WIDTH)


WAYS: dict[str, tuple[Callable[[Tokens, Tensor], Tensor], dict[str, Callable[[Tokens], Tensor]]]] = {
    "put in front": (in_front, {"cls_token": lambda net: in_front(net, torch.zeros(1, PLACES, WIDTH).double())}),
    "added": (lambda net, x: x + net.pos_embed, {"pos_embed": lambda net: net.pos_embed}),
    "added in place": (in_place, {"pos_embed": lambda net: net.pos_embed}),
    "interpolated": (interpolated, {"pos_embed": lambda net: net.pos_embed}),
    "subtracted from": (lambda net, x: net.pos_embed - x, {"pos_embed": lambda net: net.pos_embed}),
    "an embedding": (
        lambda net, x: x + net.places(torch.arange(PLACES)),
        {"places.weight": lambda net: net.places.weight},
    ),
    "a buffer": (lambda net, x: x + net.get_buffer("fixed"), {"fixed": lambda net: net.get_buffer("fixed")}),
    "both": (
        lambda net, x: in_front(net, x + net.pos_embed),
        {
            "pos_embed": lambda net: functional.pad(net.pos_embed, (0, 0, 1, 0)),
            "cls_token": lambda net: in_front(net, torch.zeros(1, PLACES, WIDTH).double()),
        },
    ),
    "a sum of two": (
        lambda net, x: torch.cat([net.cls_token + net.pos_embed[:, :1], x[0:1]], 1).expand(len(x), -1, -1),
        {"cls_token + pos_embed": lambda net: functional.pad(net.cls_token + net.pos_embed[:, :1], (0, 0, 0, PLACES))},
    ),
    "chosen": (
        lambda net, x: torch.where(torch.eye(PLACES)[:1].T.bool(), net.cls_token, x),
        {"cls_token": lambda net: functional.pad(net.cls_token, (0, 0, 0, PLACES - 1))},
    ),
    "added onto, by index": (
        lambda net, x: torch.index_add(net.pos_embed.expand(len(x), -1, -1), 1, torch.arange(PLACES), x),
        {"pos_embed": lambda net: net.pos_embed},
    ),
    "scattered onto": (
        lambda net, x: x.scatter_add(1, torch.zeros(len(x), 1, WIDTH).long(), net.cls_token.expand(len(x), -1, -1)),
        {"cls_token": lambda net: functional.pad(net.cls_token, (0, 0, 0, PLACES - 1))},
    ),
    "copied by index": (
        lambda net, x: x.index_copy(1, torch.tensor([0]), net.cls_token.expand(len(x), -1, -1)),
        {"cls_token": lambda net: functional.pad(net.cls_token, (0, 0, 0, PLACES - 1))},
    ),
    "in a place of": (
        lambda net, x: torch.select_scatter(x, net.cls_token[:, 0].expand(len(x), -1), 1, 0),
        {"cls_token": lambda net: functional.pad(net.cls_token, (0, 0, 0, PLACES - 1))},
    ),
    "between": (
        lambda net, x: torch.lerp(x, net.pos_embed.expand(len(x), -1, -1), 0.25),
        {"pos_embed": lambda net: 0.25 * net.pos_embed},
    ),
    "between, from": (
        lambda net, x: net.pos_embed.expand(len(x), -1, -1).lerp(end=x, weight=torch.tensor(0.25).double()),
        {"pos_embed": lambda net: 0.75 * net.pos_embed},
    ),
    "without a name": (
        on_the_fly,
        {"a constant of 'the model'": lambda net: on_the_fly(net, torch.zeros(1, PLACES, WIDTH).double())},
    ),
}  # fmt: skip


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_an_input_that_is_no_pixel_is_named_with_what_it_contributes(way: str, frozen: bool) -> None:
    embed, contributions = WAYS[way]
    vision = model(Tokens(embed))
    net, x = vision.net, pixels(1)
    assert isinstance(net, Tokens)
    net.requires_grad_(not frozen)
    report = attribute(vision, x, 1, method=ZERO).report
    assert report is not None
    sign = float(net(x).detach()[0, 1].sign())
    found = {}
    for name, tensor in each(contributions.items()):
        there = functional.pad(tensor(net).reshape(1, -1, WIDTH), (0, 0, 0, PLACES + 1))[:, : PLACES + 1]
        found[name] = sign * float((there.flatten() @ net.head.weight[1]).detach())
    assert dict(report.inputs) == pytest.approx(found)
    assert report.bias == pytest.approx(sign * float(net.head.bias[1].detach()))
    assert report.rest == pytest.approx(0, abs=1e-9)
    assert report.elsewhere == pytest.approx(sum(found.values()))
    assert {row.layer for row in report.layers} == {"patches", "head"}
    assert all(f"{name} {report.share(amount):.1%}" in str(report) for name, amount in found.items())


@pytest.mark.parametrize("shape", [(WIDTH,), (1, 1, WIDTH), (1,), (PLACES, 1), ()])
@pytest.mark.parametrize("subtracted", [False, True])
def test_one_number_per_channel_is_a_bias(shape: tuple[int, ...], subtracted: bool) -> None:
    def embed(net: Tokens, x: Tensor) -> Tensor:
        shift = net.shift.repeat(2)[: torch.Size(shape).numel()].view(shape) if shape else 0.7
        return shift - x if subtracted else x + shift

    report = attribute(model(Tokens(embed)), pixels(2), 1, method=ZERO).report
    assert report is not None
    assert not report.inputs
    assert report.bias + report.arrived == pytest.approx(report.entered)
    assert {row.layer for row in report.layers} == {"patches", "head", "(the model itself)"}


class Scaled(nn.Module):
    """A residual branch multiplied by a layer scale, or with the scale folded into its linear layer."""

    def __init__(self, folded: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.inner = nn.Linear(WIDTH, WIDTH)
        self.scale = nn.Parameter(torch.zeros(WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, PLACES, WIDTH))
        self.head = nn.Linear(WIDTH, 3)
        self.folded = folded

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT + self.pos_embed
        inner = self.inner(torch.relu(x))
        return self.head((x + (inner if self.folded else inner * self.scale)).mean(1))


@pytest.mark.parametrize("method", ["epsilon", "attnlrp", "epsilon_plus"])
def test_folding_a_layer_scale_changes_no_figure(method: str) -> None:
    plain, folded = model(Scaled(False)), model(Scaled(True))
    with torch.no_grad():
        scale = plain.net.get_parameter("scale").abs().add_(0.5)
        plain.net.get_parameter("scale").copy_(scale)
        folded.net.load_state_dict(plain.net.state_dict())
        folded.net.get_parameter("inner.weight").mul_(scale[:, None])
        folded.net.get_parameter("inner.bias").mul_(scale)
    one, other = (attribute(vision, pixels(2), 2, method=method) for vision in (plain, folded))
    assert one.heat is not None
    assert other.heat is not None
    torch.testing.assert_close(one.heat, other.heat, rtol=1e-3, atol=1e-4 * float(one.heat.abs().max()))
    assert one.report is not None
    assert other.report is not None
    for figure in ("entered", "arrived", "bias", "rest"):
        assert getattr(one.report, figure) == pytest.approx(getattr(other.report, figure), rel=1e-4, abs=1e-6)
    assert dict(one.report.inputs) == pytest.approx(dict(other.report.inputs), rel=1e-4)
    assert abs(one.report.inputs["pos_embed"]) > 1e-3


def test_images_of_both_signs_do_not_cancel() -> None:
    vision, x = model(Tokens(lambda net, x: x + net.pos_embed)), pixels(8)
    values = vision.net(x)[:, 1].detach()
    assert values.min() < 0 < values.max()
    whole = attribute(vision, x, 1, method=ZERO).report
    alone = [attribute(vision, x[i : i + 1], 1, method=ZERO).report for i in range(8)]
    assert whole is not None
    assert whole.entered == pytest.approx(float(values.abs().sum()))
    together = joined([report for report in alone if report is not None])
    assert (whole.arrived, whole.bias) == (pytest.approx(together.arrived), pytest.approx(together.bias))
    assert dict(whole.inputs) == pytest.approx(dict(together.inputs))


def test_inputs_of_equal_parts_are_shown_together() -> None:
    report = Conservation(1, 10.0, 5.0, 1.0, 0.0, (), {"blocks.0.table": 1.0, "pos_embed": 2.5, "blocks.1.table": 0.4})
    assert report.shares_of_inputs() == pytest.approx({"pos_embed": 0.25, "blocks.*.table": 0.14})
    assert str(report).endswith("elsewhere: pos_embed 25.0%, blocks.*.table 14.0%, rest 1.0%")
    assert Conservation(1, 0.0, 0.0, 0.0, 0.0).share(1.0) == 0
