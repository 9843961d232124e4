"""Heads of `nn.MultiheadAttention` are the vectors before its output projection, whichever way torch computes them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.attribute import attribute
from semlens.model.hooks import edit, record
from semlens.model.kinds import Heads
from semlens.model.layers import LayerRow, list_layers, parse
from semlens.model.vision_model import VisionModel
from tests.attribution.loops import each
from tests.attribution.nets import to_tensor

X = torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ATTENTIONS: dict[str, dict[str, Any]] = {
    "batch first": {"batch_first": True},
    "sequence first": {},
    "no biases": {"batch_first": True, "bias": False},
    "other widths": {"batch_first": True, "kdim": 4, "vdim": 5},
    "odd heads": {"heads": 3},
    "masked": {"masked": True, "batch_first": True},
    "with its weights": {"weights": True},
}


class Attending(nn.Module):
    """A class token and patches, which attention mixes; the class token is read."""

    def __init__(self, heads: int = 2, masked: bool = False, weights: bool = False, **how: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.cls_token = nn.Conv2d(3, 12, 2, 2), nn.Parameter(torch.randn(1, 1, 12))
        self.attn, self.head = nn.MultiheadAttention(12, heads, **how), nn.Linear(12, 3)
        self.how: dict[str, Any] = {"need_weights": weights}
        if masked:
            self.how["attn_mask"] = torch.ones(10, 10, dtype=torch.bool).triu(5)
        if self.attn.in_proj_bias is not None:
            nn.init.normal_(self.attn.in_proj_bias)
            nn.init.normal_(self.attn.out_proj.bias)
        self.double().eval()

    def tokens(self, x: Tensor) -> Tensor:
        t = self.patch(x).flatten(2).mT
        return torch.cat([self.cls_token.expand(len(t), -1, -1), t], 1)

    def asked(self, x: Tensor) -> list[Tensor]:
        """Query, key and value, images first."""
        t = self.tokens(x)
        return [t, t[..., : self.attn.kdim], t[..., : self.attn.vdim]] if self.attn.kdim != 12 else [t] * 3

    def forward(self, x: Tensor) -> Tensor:
        asked = self.asked(x)
        if self.attn.batch_first:
            y = asked[0] + self.attn(*asked, **self.how)[0]
        else:
            turned = [t.transpose(0, 1) for t in asked]
            turned = turned[:1] * 3 if asked[1] is asked[0] else turned
            y = asked[0] + self.attn(*turned, **self.how)[0].transpose(0, 1)
        return self.head(y[:, 0])


def vectors(net: Attending, x: Tensor) -> Tensor:
    """The slow twin: each head's vectors "n h p d", one image, head and token after the other."""
    attn, side = net.attn, 12 // net.attn.num_heads
    projections = attn.in_proj_weight.chunk(3) if attn.in_proj_weight is not None else (
        attn.q_proj_weight, attn.k_proj_weight, attn.v_proj_weight,
    )  # fmt: skip
    biases = (0, 0, 0) if attn.in_proj_bias is None else attn.in_proj_bias.chunk(3)
    asked = zip(net.asked(x), projections, biases, strict=True)
    q, k, v = ((t @ w.T + b).unflatten(2, (-1, side)) for t, w, b in asked)
    made = torch.zeros(len(x), attn.num_heads, q.shape[1], side, dtype=x.dtype)
    for i, head, place in torch.cartesian_prod(*map(torch.arange, made.shape[:3])).tolist():
        scores = torch.stack([q[i, place, head] @ k[i, other, head] / side**0.5 for other in range(k.shape[1])])
        if "attn_mask" in net.how:
            scores = scores.masked_fill(net.how["attn_mask"][place], -torch.inf)
        made[i, head, place] = scores.softmax(0) @ v[i, :, head]
    return made


@pytest.mark.parametrize("name", ATTENTIONS)
def test_heads_are_read_and_written_as_if_the_projection_ran(name: str) -> None:
    net = Attending(**ATTENTIONS[name])
    kind = parse(net, "attn@heads", X[:1])
    assert isinstance(kind, Heads)
    expected = vectors(net, X)
    with torch.no_grad():
        plain = net(X)
        with record(net, [kind.site]) as seen:
            torch.testing.assert_close(net(X), plain)
        torch.testing.assert_close(kind.read(seen[kind.site]), expected[:, :, 1:].norm(dim=-1))
        assert kind.grid(seen[kind.site]) == (3, 3)
        with edit(net, kind.site, lambda y: kind.write(y, kind.read(y) * torch.tensor([0, 1, 1])[: kind.heads, None])):
            got = net(X)
        mixed = torch.cat([torch.zeros_like(expected[:, :1]), expected[:, 1:]], 1)
        mixed[:, 0, 0] = expected[:, 0, 0]  # the class token's vectors are kept
        out = net.attn.out_proj(mixed.transpose(1, 2).flatten(2))
        torch.testing.assert_close(got, net.head((net.asked(X)[0] + out)[:, 0]))
        assert torch.equal(net(X), plain)
    assert "forward" not in vars(net.attn)


def test_heads_are_named_beside_the_attention_and_its_projection_is_no_row() -> None:
    rows = list_layers(Attending(batch_first=True), X[:1])
    assert [row for row in rows if row.layer.startswith("attn")] == [LayerRow("attn", "tokens", 24, ("cls",), 2)]


def test_an_interrupted_pass_leaves_the_attention_as_it_was() -> None:
    net = Attending(batch_first=True)
    with pytest.raises(RuntimeError), record(net, ["attn.out_proj"]):
        net(X[:, :2])
    assert "forward" not in vars(net.attn)


class Written(nn.Module):
    """An attention with the same weights, whose projections all run."""

    def __init__(self, attn: nn.MultiheadAttention) -> None:
        super().__init__()
        self.num_heads, self.out_proj = attn.num_heads, attn.out_proj
        self.projections = nn.ModuleList(nn.Linear(12, 12) for _ in range(3))
        for layer, weight, bias in zip(
            self.projections, attn.in_proj_weight.chunk(3), attn.in_proj_bias.chunk(3), strict=True
        ):
            layer.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, *asked: Tensor, need_weights: bool) -> tuple[Tensor, None]:
        q, k, v = (
            layer(t).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for layer, t in zip(self.projections, asked, strict=True)
        )
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out_proj(y.transpose(1, 2).flatten(2)), None


class Averaged(Attending):
    """All tokens are read."""

    def forward(self, x: Tensor) -> Tensor:
        t = self.tokens(x)
        return self.head((t + self.attn(t, t, t, need_weights=False)[0]).mean(1))


@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus_flat", "attnlrp", "gradient"])
def test_relevance_of_heads_is_that_of_an_attention_whose_projection_runs(method: str) -> None:
    net, twin = Averaged(batch_first=True), Averaged(batch_first=True)
    twin.attn = Written(net.attn)  # type: ignore[assignment]
    settings: dict[str, Any] = {"method": method, "warn_above": 1e9}
    for conditions in each([[]] if method == "gradient" else [[], ["attn@heads:1"]]):
        got, expected = (
            attribute(
                VisionModel(one, to_tensor, (), "attending"),
                X,
                1,
                layers=["attn@heads"],
                conditions=conditions,
                **settings,
            )
            for one in (net, twin)
        )
        assert got.heat is not None
        assert float(got.layers["attn@heads"].abs().max()) > 0
        torch.testing.assert_close(got.heat, expected.heat, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(got.layers["attn@heads"], expected.layers["attn@heads"], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{"batch_first": True}, {}, {"weights": True}], ids=str)
def test_reading_heads_changes_no_heat_map_and_no_accounts(how: dict[str, Any]) -> None:
    net = VisionModel(Attending(**how), to_tensor, (), "attending")
    for method in each(["epsilon", "epsilon_plus_flat", "attnlrp", "gradient"]):
        plain = attribute(net, X, 1, method=method, warn_above=1e9)
        read = attribute(
            net, X, 1, method=method, layers=["attn@heads", "attn.out_proj@cls", "attn.out_proj"], warn_above=1e9
        )
        assert plain.heat is not None
        assert float(plain.heat.abs().max()) > 0
        torch.testing.assert_close(read.heat, plain.heat, rtol=1e-9, atol=1e-12)
        assert str(read.report) == str(plain.report)
