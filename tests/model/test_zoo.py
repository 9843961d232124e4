"""Tiny models of many families, a sample of benchmarks/zoo.py: every listed row is as wide as its module says, and
`collect` gives what a plain hook sees, one image at a time, whatever the size of the batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from semlens.collection import collect
from semlens.model.layers import list_layers
from semlens.model.vision_model import VisionModel
from tests.model.plain_hooks import PlainHooks, spec, verdict, with_other_tokens
from tests.toy import random_images, to_tensor

pytestmark = pytest.mark.slow

IMAGES = random_images(3)
SIDE = 64


def large(image: Any) -> Tensor:
    return nn.functional.interpolate(to_tensor(image)[None], (SIDE, SIDE), mode="bilinear")[0]


@dataclass(frozen=True)
class Family:
    """How a tiny model is built, and what its library says of it: `PlainHooks` has the rest."""

    build: Callable[[], nn.Module]
    says: dict[str, Any] = field(default_factory=dict)


def of_timm(name: str, **sizes: Any) -> Family:
    return Family(lambda: timm.create_model(name, num_classes=5, **sizes), {"registers": sizes.get("reg_tokens", 0)})


def of_transformers(name: str, says: dict[str, Any] | None = None, **sizes: Any) -> Family:
    def build() -> nn.Module:
        import transformers

        made = getattr(transformers, name)
        common = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
        return made(made.config_class(**common, **{"image_size": SIDE, "patch_size": 16, **sizes}))

    return Family(build, says or {})


def open_clip_tower(**sizes: Any) -> nn.Module:
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    return _build_vision_tower(12, CLIPVisionCfg(**{"layers": 2, "width": 16, "image_size": SIDE, **sizes}))


def detector() -> nn.Module:
    backbone = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 2, 2), nn.ReLU())
    backbone.out_channels = 8  # type: ignore[assignment]
    anchors = torchvision.models.detection.anchor_utils.AnchorGenerator(((16, 32),), ((0.5, 1.0, 2.0),))
    return torchvision.models.detection.FasterRCNN(
        backbone, 4, min_size=SIDE, max_size=SIDE, rpn_anchor_generator=anchors, box_score_thresh=0.0
    )


ZOO: dict[str, Family] = {
    "swin": of_timm("swin_tiny_patch4_window7_224", img_size=SIDE, window_size=4, embed_dim=8, depths=(2, 2),
                    num_heads=(2, 2)),
    "torchvision swin": Family(
        lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5)),
    "convnext": of_timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 12, 16, 20)),
    "cait": of_timm("cait_xxs24_224", img_size=SIDE, depth=2, embed_dim=24, num_heads=2),
    "levit": of_timm("levit_128s", img_size=SIDE, embed_dim=(16, 24), depth=(1, 1), num_heads=(2, 2), key_dim=8),
    "registers": of_timm("vit_tiny_patch16_224", img_size=SIDE, depth=2, embed_dim=24, num_heads=2, reg_tokens=3),
    "resnet": Family(
        lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5)),
    "vgg": Family(
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(1350, 5))),
    "transformers, registers": of_transformers(
        "Dinov2WithRegistersForImageClassification", {"registers": 3}, num_register_tokens=3),
    "transformers, detection tokens": of_transformers(
        "YolosForObjectDetection", {"around": (1, 5)}, num_detection_tokens=5, image_size=[SIDE, SIDE]),
    "transformers, relative positions": of_transformers(
        "BeitForImageClassification", use_relative_position_bias=True),
    "open_clip": Family(lambda: open_clip_tower(patch_size=16, head_width=8)),
    "open_clip, pooled by queries": Family(
        lambda: open_clip_tower(patch_size=16, head_width=8, attentional_pool=True, attn_pooler_heads=2,
                                attn_pooler_queries=5)),
    "open_clip, convolutions": Family(lambda: open_clip_tower(layers=[1, 1, 1, 1], width=8)),
    "detector": Family(detector),
}  # fmt: skip


@pytest.mark.parametrize("family", ZOO)
def test_every_row_is_what_a_plain_hook_sees(family: str) -> None:
    torch.manual_seed(0)
    net = ZOO[family].build().eval()
    pictures = [large(IMAGES.load(i))[None] for i in range(len(IMAGES))]
    rows = with_other_tokens(list_layers(net, pictures[0]))
    assert len(rows) >= 5
    seen = PlainHooks(net, pictures, **ZOO[family].says)
    means = seen.means(rows)
    for batch_size in (2, 3):
        found = collect(
            VisionModel(net, large), IMAGES, [spec(row) for row in rows], k=3, batch_size=batch_size, workers=0
        )
        said = {spec(row): verdict(row, found, seen, means[spec(row)]) for row in rows}
        assert {layer: words for layer, words in said.items() if words != "right"} == {}


def test_the_truth_notices_what_is_not_right() -> None:
    """Rows read on another axis, and special tokens read as patches, are no match."""
    torch.manual_seed(0)
    net = ZOO["registers"].build().eval()
    pictures = [large(IMAGES.load(i))[None] for i in range(len(IMAGES))]
    rows = [row for row in list_layers(net, pictures[0]) if row.layer in ("blocks.0", "patch_embed")]
    found = collect(VisionModel(net, large), IMAGES, [row.layer for row in rows], k=3, workers=0)
    for around, expected in (((4, 0), "right"), ((0, 0), "other activations"), ((3, 1), "other activations")):
        seen = PlainHooks(net, pictures, around=around)
        said = verdict(rows[-1], found, seen, seen.means(rows)[rows[-1].layer])
        assert said.startswith(expected)
