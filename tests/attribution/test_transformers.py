"""Transformers as the libraries write them: fused and written-out attention give one relevance, and without biases what
goes in at the top comes out at the pixels."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import COMPOSITES
from semlens.attribution.trace import trace
from semlens.model.vision_model import VisionModel
from tests.attribution.heat import arrived
from tests.attribution.loops import each
from tests.conftest import OPEN_CLIP

pytestmark = pytest.mark.slow

Pick = Callable[[Any], Tensor]
SMALL: dict[str, Any] = {"img_size": 32, "num_classes": 3}
HUGGING_FACE: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip


def photos(count: int = 2, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def relevance(net: nn.Module, x: Tensor, name: str, pick: Pick) -> tuple[Tensor, Tensor]:
    """Of every input value, and the value explained."""
    with trace(net, x, COMPOSITES[name], then=pick) as t:
        return arrived(t, t.output.sum()), t.output.detach()


def logit(out: Any) -> Tensor:
    return (out if isinstance(out, Tensor) else out.logits)[:, 1]


def shaken(net: nn.Module, biases: bool = True) -> nn.Module:
    """The model in float64 with random weights, and with random or no constants: biases, statistics, added tokens."""
    torch.manual_seed(1)
    for name, parameter in net.named_parameters():
        constant = name.endswith("bias") or any(part in name for part in ("pos_embed", "position", "cls_", "class_"))
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="linear")
        else:
            nn.init.normal_(parameter, 0.0 if constant else 1.0, 0.3)
        if constant and not biases:
            nn.init.zeros_(parameter)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1 * biases)
            module.running_var.uniform_(0.5, 1.5)
    return net.double().eval()


def timm_model(name: str, fused: bool = True, **how: Any) -> nn.Module:
    net = timm.create_model(name, **SMALL, **how)
    for module in net.modules():
        if "fused_attn" in vars(module):
            vars(module)["fused_attn"] = fused
    return net


def timm_vit(fused: bool) -> nn.Module:
    return timm_model("vit_tiny_patch16_224", fused, depth=2, embed_dim=24, num_heads=2)


def learned_query(fused: bool) -> nn.Module:
    """A query that is a parameter pools the tokens, as in SigLIP."""
    how: dict[str, Any] = {"global_pool": "map", "class_token": False, "embed_dim": 24, "num_heads": 2}
    return timm_model("vit_tiny_patch16_224", fused, depth=1, **how)


def open_clip_tower() -> nn.Module:
    import open_clip  # here and below: slow to import, and every worker collects this file

    return open_clip.CLIP(**OPEN_CLIP).visual


def hugging_face_vit(fused: bool) -> nn.Module:
    import transformers

    kernel = "sdpa" if fused else "eager"
    how = HUGGING_FACE | {"num_labels": 3, "attn_implementation": kernel}
    return transformers.ViTForImageClassification(transformers.ViTConfig(**how))


def hugging_face_clip(fused: bool) -> nn.Module:
    import transformers

    how = HUGGING_FACE | {"attn_implementation": "sdpa" if fused else "eager"}
    return transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**how))


def pooled(out: Any) -> Tensor:
    return out.pooler_output[:, 1]


@pytest.mark.parametrize("name", ["attnlrp", "cp_lrp"])
@pytest.mark.parametrize(
    ("make", "pick"),
    [(timm_vit, logit), (learned_query, logit), (hugging_face_vit, logit), (hugging_face_clip, pooled)],
)
def test_fused_attention_is_written_out_attention(make: Callable[[bool], nn.Module], pick: Pick, name: str) -> None:
    found, _ = relevance(shaken(make(True)), photos(), name, pick)
    wanted, _ = relevance(shaken(make(False)), photos(), name, pick)
    assert wanted.abs().max() > 1e-4
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["attnlrp", "cp_lrp"])
def test_torchvisions_vit_is_timms(name: str) -> None:
    """One goes through nn.MultiheadAttention, the other through four functions: same weights, same relevance."""
    theirs = shaken(torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=3))
    ours = timm_model("vit_tiny_patch16_224", depth=2, embed_dim=16, num_heads=2, mlp_ratio=1.5, patch_size=8).double()
    renamed = {
        "class_token": "cls_token", "conv_proj": "patch_embed.proj", "encoder.pos_embedding": "pos_embed",
        "encoder.layers.encoder_layer_": "blocks.", "ln_1": "norm1", "ln_2": "norm2", "encoder.ln": "norm",
        "self_attention.in_proj_": "attn.qkv.", "self_attention.out_proj": "attn.proj", "mlp.0": "mlp.fc1",
        "mlp.3": "mlp.fc2", "heads.head": "head",
    }  # fmt: skip
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in renamed.items():
            key = key.replace(old, new)
        state[key] = value
    ours.load_state_dict(state)
    found, value = relevance(theirs, photos(), name, logit)
    wanted, same = relevance(ours, photos(), name, logit)
    torch.testing.assert_close(value, same)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


SWIN: dict[str, Any] = {"window_size": 4, "embed_dim": 8, "depths": (2, 2), "num_heads": (2, 2)}
WHOLE: dict[str, Callable[[], nn.Module]] = {
    "timm vit": lambda: timm_vit(True),
    "timm learned query": lambda: learned_query(True),
    "timm swin": lambda: timm_model("swin_tiny_patch4_window7_224", **SWIN),
    "timm swin v2": lambda: timm_model("swinv2_tiny_window8_256", **SWIN),
    "timm eva": lambda: timm_model("eva02_tiny_patch14_224", patch_size=16, depth=2, embed_dim=24, num_heads=2),
    "timm levit": lambda: timm_model("levit_128s", embed_dim=(16, 24), depth=(1, 1), num_heads=(2, 2), key_dim=8),
    "torchvision vit": lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 24, num_classes=3),
    "torchvision swin": lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=3),
    "open_clip": open_clip_tower,
    "hugging face vit": lambda: hugging_face_vit(True),
}


@pytest.mark.parametrize("model", WHOLE)
def test_without_biases_all_relevance_arrives(model: str) -> None:
    """With the attention weights as constants, and nothing added: `cp_lrp` is conserving."""
    found, value = relevance(shaken(WHOLE[model](), biases=False), photos(), "cp_lrp", logit)
    assert value.abs().min() > 1e-3
    torch.testing.assert_close(found.flatten(1).sum(1), value, rtol=2e-3, atol=0)


@pytest.mark.parametrize("model", ["timm swin", "timm swin v2", "timm levit", "torchvision swin", "timm eva"])
def test_what_windows_keep_is_booked_with_their_images(model: str) -> None:
    """With constant attention weights nothing is lost elsewhere; the first image's account is that of it alone."""
    net, reports = shaken(WHOLE[model]()), []
    for x in (photos(), photos()[:1], photos()[1:]):
        with trace(net, x, COMPOSITES["cp_lrp"], then=logit) as t:
            t.ledger.on = True
            (g,) = torch.autograd.grad(t.output.sum(), [t.source])
            reports.append(t.ledger.close(t.output.detach(), [(t.source.detach() * g).flatten(1).sum(1)]))
    both, *alone = reports
    assert abs(both.bias) > 1e-3
    assert both.rest == pytest.approx(0, abs=1e-4 * abs(both.entered))  # activations book no stabiliser
    for layer in each(both.layers):
        kept = [row.bias for report in alone for row in report.layers if row.layer == layer.layer]
        assert layer.bias == pytest.approx(sum(kept) / 2, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("model", "layer", "width", "positions"), [
    ("timm swin", "layers.0", 8, 64), ("timm swin", "layers.1", 16, 16),
    ("timm swin v2", "layers.0", 8, 64), ("timm swin v2", "layers.1", 16, 16),
    ("timm levit", "stages.0", 32, 4), ("timm levit", "stages.1", 48, 1),
    ("torchvision swin", "features.1", 8, 64),
    ("torchvision swin", "features.3", 16, 16),
])  # fmt: skip
def test_components_of_a_model_with_windows_hold_each_images_relevance(
    model: str, layer: str, width: int, positions: int
) -> None:
    """With constant attention weights and without biases, all relevance passes each stage."""
    net = VisionModel(shaken(WHOLE[model](), biases=False), lambda _: torch.zeros(3, 32, 32), (), model)
    both, alone = (attribute(net, x, 1, method="cp_lrp", layers=[layer]) for x in (photos(), photos()[1:]))
    assert both.layers[layer].shape == (2, width, positions)
    assert both.value.abs().min() > 1e-3
    torch.testing.assert_close(both.layers[layer].sum((1, 2)), both.value, rtol=2e-3, atol=0)
    torch.testing.assert_close(both.layers[layer][1:], alone.layers[layer], rtol=1e-5, atol=1e-9)


def test_tokens_of_windows_hold_each_images_relevance() -> None:
    """A part only: the residual connection holds the rest."""
    net = VisionModel(shaken(WHOLE["timm swin"](), biases=False), lambda _: torch.zeros(3, 32, 32), (), "timm swin")
    layer = "layers.0.blocks.0.attn.proj"
    both, alone = (
        attribute(net, x, 1, method="cp_lrp", layers=[layer]).layers[layer] for x in (photos(), photos()[1:])
    )
    assert both.shape == (2, 2 * 8, 64)
    assert both.abs().amax((1, 2)).min() > 1e-4
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("model", ["timm swin", "timm levit", "torchvision vit"])
def test_attnlrp_does_not_mix_images(model: str) -> None:
    net = shaken(WHOLE[model]())
    both, _ = relevance(net, photos(), "attnlrp", logit)
    alone, _ = relevance(net, photos()[1:], "attnlrp", logit)
    assert alone.abs().max() > 1e-5
    torch.testing.assert_close(both[1:], alone, rtol=1e-5, atol=1e-8 * float(alone.abs().max()))


@pytest.mark.parametrize("name", ["attnlrp", "cp_lrp"])
def test_the_similarity_of_clip_to_a_text_is_explained(name: str) -> None:
    """The image's vector counts as divided by a number, so the similarity is a linear layer of it with the text as
    weights, and nothing is lost in it."""
    net = shaken(open_clip_tower(), biases=name == "attnlrp")
    text = torch.randn(12, generator=torch.Generator().manual_seed(3), dtype=torch.float64)

    def similarity(out: Tensor) -> Tensor:
        return functional.cosine_similarity(out, text[None])

    found, value = relevance(net, photos(), name, similarity)
    with torch.no_grad():
        norms = net(photos()).norm(dim=1)
    torch.testing.assert_close(value, similarity(net(photos())).detach())
    if name == "cp_lrp":
        torch.testing.assert_close(found.flatten(1).sum(1), value, rtol=1e-3, atol=0)
    wanted, _ = relevance(net, photos(), name, lambda out: functional.linear(out, (text / text.norm())[None])[:, 0])
    torch.testing.assert_close(found * norms[:, None, None, None], wanted, rtol=1e-4, atol=1e-7)


def test_clips_own_normalisation_is_the_cosine() -> None:
    net = shaken(open_clip_tower())
    text = functional.normalize(torch.randn(12, generator=torch.Generator().manual_seed(3), dtype=torch.float64), dim=0)
    wanted, _ = relevance(net, photos(), "attnlrp", lambda out: functional.cosine_similarity(out, text[None]))
    for write in (
        lambda out: functional.normalize(out, dim=-1) @ text,
        lambda out: (out / out.norm(dim=-1, keepdim=True)) @ text,
        lambda out: (functional.normalize(out, dim=-1) * text).sum(-1),
        lambda out: torch.einsum("nd,d->n", out / out.pow(2).sum(-1, keepdim=True).sqrt(), text),
    ):
        found, _ = relevance(net, photos(), "attnlrp", write)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-9)
