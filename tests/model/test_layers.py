from typing import Any

import pytest
import timm
import torch
from torch import nn

from semlens.errors import SemlensError
from semlens.model.hooks import record
from semlens.model.kinds import Channels, Heads, Tokens
from semlens.model.layers import list_layers, parse, parse_all, registers, unit_names
from tests.toy import Colours

X = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def tiny_vit(**options: Any) -> nn.Module:
    torch.manual_seed(0)
    return timm.models.VisionTransformer(
        img_size=8, patch_size=2, embed_dim=12, depth=1, num_heads=3, num_classes=5, **options
    ).eval()


def test_maps_and_units_are_channels() -> None:
    net = Colours()
    assert parse(net, "conv", X) == Channels("conv")
    assert parse(net, "fc@channels", X) == Channels("fc@channels")
    assert [(kind.layer, size) for kind, size in parse_all(net, ["conv", "fc"], X)] == [("conv", 3), ("fc", 4)]


@pytest.mark.parametrize(
    ("options", "special"),
    [({}, (1, 0)), ({"reg_tokens": 4}, (1, 4)), ({"class_token": False, "global_pool": "avg"}, (0, 0))],
)
def test_sequences_are_tokens_without_the_special_ones(options: dict[str, Any], special: tuple[int, int]) -> None:
    net = tiny_vit(**options)
    kind = parse(net, "blocks.0", X)
    assert kind == Tokens("blocks.0", "patch", *special, sides=(4, 4))
    with record(net, ["blocks.0"]) as seen, torch.no_grad():
        net(X)
        assert kind.read(seen["blocks.0"]).shape == (1, 24, 16)


def test_special_tokens_of_other_libraries() -> None:
    from torchvision.models import VisionTransformer
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel, ViTConfig, ViTModel

    kind = parse(VisionTransformer(8, 2, 1, 1, 4, 4), "encoder.ln", X)
    assert kind == Tokens("encoder.ln", "patch", 1, sides=(4, 4))
    sizes: dict[str, Any] = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1}
    sizes |= {"image_size": 8, "patch_size": 2}
    kind = parse(ViTModel(ViTConfig(**sizes, intermediate_size=4)), "layernorm", X)
    assert kind == Tokens("layernorm", "patch", 1, sides=(4, 4))
    net = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, num_register_tokens=3))
    assert registers(net) == 3
    assert parse(net, "layernorm", X) == Tokens("layernorm", "patch", 1, 3, sides=(4, 4))


def test_heads_are_the_vectors_that_the_projection_takes() -> None:
    net = tiny_vit()
    kind = parse(net, "blocks.0.attn@heads", X)
    assert kind == Heads("blocks.0.attn@heads", "blocks.0.attn.proj", 3, 1, sides=(4, 4))
    with record(net, [kind.site]) as seen, torch.no_grad():
        net(X)
        vectors = seen[kind.site].reshape(1, 17, 3, 4)
        torch.testing.assert_close(kind.read(seen[kind.site]), vectors[:, 1:].norm(dim=-1).transpose(1, 2))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conv@head", "unknown component kind 'head'; nearest: heads"),
        ("conv@tokens", "not images x tokens x features"),
        ("conv@heads", "not an attention module"),
        ("cnv", "nearest: conv"),
    ],
)
def test_mistakes(spec: str, message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        parse(Colours(), spec, X)


def test_registers_where_there_are_none() -> None:
    with pytest.raises(SemlensError, match="no register tokens"):
        parse(tiny_vit(), "blocks.0@registers", X)


def test_no_layer_and_a_layer_twice() -> None:
    with pytest.raises(SemlensError, match="no layer given"):
        parse_all(Colours(), [], X)
    with pytest.raises(SemlensError, match="given twice"):
        parse_all(Colours(), ["conv", "conv"], X)


def test_two_kinds_on_one_layer_are_two_layers_of_the_index() -> None:
    found = parse_all(tiny_vit(), ["blocks.0", "blocks.0@cls"], X)
    assert [(kind.layer, size) for kind, size in found] == [("blocks.0", 24), ("blocks.0@cls", 24)]


def test_list_layers_lists_what_can_be_parsed() -> None:
    net = tiny_vit()
    rows = list_layers(net, X)
    assert ("blocks.0", "tokens", 24) in [(r.layer, r.kind, r.components) for r in rows]
    assert ("blocks.0.attn", "heads", 3) in [(r.layer, r.kind, r.components) for r in rows]
    for row in rows:
        ((_, size),) = parse_all(net, [f"{row.layer}@{row.kind}"], X)
        assert size == row.components


def test_an_nhwc_model_has_its_channels_last() -> None:
    torch.manual_seed(0)
    net = timm.models.SwinTransformer(
        img_size=16, patch_size=2, embed_dim=4, depths=(1,), num_heads=(1,), window_size=4, num_classes=2
    )
    assert parse(net, "layers.0", torch.rand(1, 3, 16, 16)) == Channels("layers.0", -1)


def test_units_are_named_by_class_only_at_the_output() -> None:
    net = Colours()
    names = unit_names(net, parse_all(net, ["conv", "fc"], X), ("red", "green", "blue", "not red"), X)
    assert names == (None, None, None, "red", "green", "blue", "not red")
