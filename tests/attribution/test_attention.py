"""Attention in every way that it is written, against a slow twin."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES, Composite
from semlens.attribution.rules import Gamma
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from tests.attribution.attention_twin import (
    CLASS,
    HEADS,
    SCALE,
    TOKENS,
    WIDTH,
    batched,
    block,
    eager,
    expected,
    fused,
    images,
    masks,
    scaled_before,
    summed,
    torchs_block,
)
from tests.attribution.heat import heat

MASKS = pytest.mark.parametrize("mask", ["no mask", "bool mask", "float mask"])
RULES = pytest.mark.parametrize("name", ["attnlrp", "cp_lrp"])


def relevance(net: nn.Module, x: Tensor, rules: str | Composite = "attnlrp", unit: int = CLASS) -> Tensor:
    """Relevance of every input value for one output."""
    return heat(net, x, rules if isinstance(rules, Composite) else COMPOSITES[rules], unit=unit)


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    """Within `tolerance` of the largest value: an epsilon that is added in another place may not matter."""
    assert wanted.abs().amax() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=10 * tolerance, atol=tolerance * float(wanted.abs().max()))


@MASKS
@RULES
@pytest.mark.parametrize("kernel", [fused, eager, scaled_before, batched, summed])
def test_every_way_to_write_attention_is_the_twins(kernel: Any, name: str, mask: str) -> None:
    assert_close(relevance(block(kernel, mask), images(), name), expected(name, mask))


@MASKS
@RULES
@pytest.mark.parametrize("how", [{"need_weights": False}, {}, {"average_attn_weights": False}], ids=str)
def test_torchs_attention_is_the_twins(how: Any, name: str, mask: str) -> None:
    net = torchs_block(mask, batch_first=mask != "bool mask", **how)
    assert_close(relevance(net, images(), name), expected(name, mask))


@pytest.mark.parametrize(("norm", "activation", "name"), [
    ("LayerNorm", "silu", "attnlrp"), ("LayerNorm", "swiglu", "cp_lrp"), ("RMSNorm", "gelu", "cp_lrp"),
    ("RMSNorm", "swiglu", "attnlrp"),
])  # fmt: skip
def test_norms_and_feedforwards_are_the_twins(norm: str, activation: str, name: str) -> None:
    net = block(fused, "no mask", norm, activation)
    assert_close(relevance(net, images(), name), expected(name, "no mask", norm, activation))


def test_each_projection_of_torchs_attention_is_a_layer() -> None:
    rules = COMPOSITES["attnlrp"]
    named = rules.with_rule("attention.attention.in_proj.v", Gamma()).with_rule("attention.attention.out_proj", Gamma())
    found, wanted = relevance(torchs_block(), images(), named), relevance(
        block(fused), images(), rules.with_rule("attention.[vo]", Gamma())
    )  # fmt: skip
    assert_close(found, wanted)
    assert not torch.allclose(found, relevance(block(fused), images()), rtol=0.1)


def test_what_the_projections_keep_is_booked_per_image() -> None:
    kept = []
    for net in (torchs_block(), block(fused)):
        with trace(net, images(3), COMPOSITES["attnlrp"]) as t:
            t.ledger.on = True
            value = t.output[:, CLASS]
            (g,) = torch.autograd.grad(value.sum(), [t.source])
        report = t.ledger.close(value.detach(), [(t.source.detach() * g).flatten(1).sum(1)])
        kept.append({layer.layer: layer.bias for layer in report.layers})
    for part, own in (("in_proj.q", "q"), ("in_proj.k", "k"), ("in_proj.v", "v"), ("out_proj", "o")):
        wanted = kept[1][f"attention.{own}"]
        assert kept[0][f"attention.attention.{part}"] == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        assert wanted > 1e-3 or own == "k"  # what is added to all keys alike changes no weight


class Written(nn.Module):
    """A model that is one function of its input, and what it holds."""

    def __init__(self, write: Callable[[Tensor], Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.write, self.parts = write, nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.write(x).flatten(1)


@RULES
@pytest.mark.parametrize("carrying", ["q", "k", "v", "qk", "kv", "qkv", "mv", "qm", "qkvm"])
def test_a_factor_without_relevance_leaves_its_share_to_the_others(carrying: str, name: str) -> None:
    """A learned query (attention pooling), given values, a mask made from the image: fused as written out."""
    fixed = torch.randn(4, 1, HEADS, TOKENS, TOKENS, generator=torch.Generator().manual_seed(4), dtype=torch.float64)

    def written(kernel: Any) -> Written:
        def write(x: Tensor) -> Tensor:
            made = [x.roll(i, 1).unflatten(-1, (HEADS, -1)).transpose(1, 2) for i in range(3)]
            made.append(made[0] @ fixed[3, ..., :4, :])
            parts = [
                made[i] if part in carrying else fixed[i, ..., : made[i].shape[-1]].expand_as(made[i])
                for i, part in enumerate("qkvm")
            ]
            return kernel(*parts)

        return Written(write)

    found = relevance(written(fused), images(), name)
    if name == "cp_lrp" and "v" in carrying:
        assert_close(found.sum((1, 2)), written(fused)(images())[:, CLASS])
    assert_close(found, relevance(written(eager), images(), name))


def by_hand(layer: nn.MultiheadAttention, q: Tensor, k: Tensor, v: Tensor, allowed: Tensor | None = None) -> Tensor:
    """torch's attention written out with its own weights."""
    weights = layer.in_proj_weight.chunk(3) if layer.in_proj_weight is not None else (
        layer.q_proj_weight, layer.k_proj_weight, layer.v_proj_weight,
    )  # fmt: skip
    biases = layer.in_proj_bias.chunk(3)
    q, k, v = (
        functional.linear(t, w, b).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        for t, w, b in zip((q, k, v), weights, biases, strict=True)
    )
    return layer.out_proj(fused(q, k, v, allowed).transpose(1, 2).flatten(2))


def torchs(**how: Any) -> nn.MultiheadAttention:
    torch.manual_seed(5)
    layer = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **how).double()
    nn.init.normal_(layer.in_proj_bias)
    return layer


@pytest.mark.parametrize("need_weights", [False, True])
def test_torchs_attention_to_another_sequence(need_weights: bool) -> None:
    layer, query = torchs(kdim=6, vdim=3), torchs().in_proj_weight.detach()[None, :4]

    def compare(source: Callable[[Tensor], Tensor]) -> None:
        expected = Written(lambda x: by_hand(layer, source(x), x[..., :6], x[..., 5:]), layer)
        net = Written(lambda x: layer(source(x), x[..., :6], x[..., 5:], need_weights=need_weights)[0], layer)
        assert_close(relevance(net, images()), relevance(expected, images()))

    compare(lambda x: x)
    compare(lambda x: query.expand(len(x), -1, -1))


@pytest.mark.parametrize("need_weights", [False, True])
def test_padding_is_a_mask(need_weights: bool) -> None:
    layer, there = torchs(), torch.tensor([[True] * TOKENS, [True, True, True, False, False]])
    expected = Written(lambda x: by_hand(layer, x, x, x, there[:, None, None]), layer)
    net = Written(lambda x: layer(x, x, x, key_padding_mask=~there, need_weights=need_weights)[0], layer)
    found = relevance(net, images())
    assert_close(found, relevance(expected, images()))
    assert found[1, 3:].abs().max() == 0 < found[0, 3:].abs().min()  # the output explained is of token 0


def test_a_mask_for_every_image_and_head() -> None:
    layer = torchs()
    mask = torch.randn(2 * HEADS, TOKENS, TOKENS, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = Written(lambda x: by_hand(layer, x, x, x, mask.unflatten(0, (2, HEADS))), layer)
    net = Written(lambda x: layer(x, x, x, attn_mask=mask, need_weights=False)[0], layer)
    assert_close(relevance(net, images()), relevance(expected, images()))


@pytest.mark.parametrize("average", [True, False])
def test_attention_weights_that_are_used_carry_relevance(average: bool) -> None:
    layer = torchs()

    def used(x: Tensor) -> Tensor:
        return layer(x, x, x, average_attn_weights=average)[1]

    def written(x: Tensor) -> Tensor:
        q, k = (
            functional.linear(x, layer.in_proj_weight[at], layer.in_proj_bias[at]).unflatten(-1, (HEADS, -1))
            for at in (slice(0, WIDTH), slice(WIDTH, 2 * WIDTH))
        )
        weights = (SCALE * q.transpose(1, 2) @ k.permute(0, 2, 3, 1)).softmax(-1)
        return weights.mean(1) if average else weights

    torch.testing.assert_close(used(images()), written(images()))
    assert_close(relevance(Written(used, layer), images()), relevance(Written(written, layer), images()))


@pytest.mark.parametrize("weights", [False, True])
def test_what_torchs_attention_outputs_is_unchanged(weights: bool) -> None:
    mask, padding = masks()["float mask"], torch.tensor([[False] * TOKENS, [False, False, True, True, False]])
    padding = torch.where(padding, -torch.inf, 0.0).double()
    layer = torchs()
    net = Written(lambda x: layer(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=weights)[0])
    with trace(net, images(), COMPOSITES["attnlrp"]) as t:
        torch.testing.assert_close(t.output, net(images()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("how", "named"), [({"add_bias_kv": True}, "bias_k"), ({"add_zero_attn": True}, "add_zero_attn")]
)
def test_what_no_rule_covers_is_named(how: Any, named: str) -> None:
    layer = torchs(**how)
    with pytest.raises(SemlensError, match=f"'parts.0' is attention with {named}"):
        relevance(Written(lambda x: layer(x, x, x, need_weights=False)[0], layer), images())


def test_a_single_image_without_a_batch_is_refused() -> None:
    layer = torchs()
    with pytest.raises(SemlensError, match="without a batch axis"):
        relevance(Written(lambda x: layer(x[0], x[0], x[0], need_weights=False)[0], layer), images())


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_frozen_torch_encoder_takes_no_fast_path(norm_first: bool) -> None:
    torch.manual_seed(7)
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 12, batch_first=True, norm_first=norm_first, activation="gelu")
    net = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Flatten()).double()
    found = relevance(net, images())
    assert_close(relevance(net.requires_grad_(False), images()), found)
