"""The architectures that `zoo.py` goes through, untrained and as small as their libraries make them: how to build each,
and the size of the images that it takes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

SIDES = (64, 96, 128, 160, 192, 224, 256)
CLASSES = 13

TIMM = """
test_convnext test_efficientnet test_vit test_nfnet test_mambaout test_byobnet test_resnet starnet_s050 test_vit2
test_vit3 test_vit4 mobilevit_xxs mobilevitv2_050 dla46_c edgenext_xx_small mobilenetv3_small_050
ese_vovnet19b_slim_dw repghostnet_050 efficientvit_m0 ghostnet_050 ghostnetv3_050 regnetx_002 regnety_002 cspnext_tiny
iformer_t xcit_nano_12_p8_224 cs3darknet_focus_s efficientvit_b0 swiftformer_xs efficientformerv2_s0 pvt_v2_b0
fasternet_t0 fastvit_t8 fastvit_mci0 lcnetv2_small inception_next_atto rexnet_100 pit_ti_224 pit_ti_distilled_224
hardcorenas_b repvit_m1 coat_tiny coat_lite_tiny eva02_tiny_patch14_224 vit_tiny_patch16_dinov3_qkvb
vit_pe_spatial_tiny_patch16_512 convit_tiny deit_tiny_patch16_224 deit_tiny_distilled_patch16_224 gmlp_ti16_224
mixer_s32_224 resmlp_12_224 hgnetv2_b0 hgnet_tiny shvit_s1 vit_tiny_r_s16_p8_224 cpubone_nano efficientvim_m1
crossvit_tiny_240 densenet121 halonet_h1 lambda_resnet26t dpn48b levit_128s levit_conv_128s visformer_tiny resnest14d
csatv2 resnetv2_18 legacy_seresnet18 poolformer_s12 poolformerv2_s12 caformer_s18 cait_xxs24_224 skresnet18
gcvit_xxtiny tiny_vit_5m_224 efficientformer_l1 hrnet_w18_small lowformer_b0 nest_tiny convmixer_768_32
vitamin_small_224 legacy_xception tnt_s_patch16_224 tnt_s_legacy_patch16_224 inception_v3 rdnet_tiny twins_svt_small
twins_pcpvt_small mvitv2_tiny mvitv2_small_cls res2next50 volo_d1_224 xception41p sequencer2d_s hiera_tiny_224
hiera_small_abswin_256 sam2_hiera_tiny swin_tiny_patch4_window7_224 swin_s3_tiny_224 swinv2_cr_tiny_224
swinv2_tiny_window8_256 davit_tiny focalnet_tiny_srf selecsls42 tresnet_m nextvit_small hieradet_small
coatnet_nano_rw_224 maxvit_pico_rw_256 convnextv2_atto convnext_zepto_rms test_vit_relpos
vit_relpos_small_patch16_rpn_224 vit_srelpos_small_patch16_224 vit_xsmall_patch16_clip_224
vit_little_patch16_reg4_gap_256 vit_small_patch14_reg4_dinov2 vit_small_patch16_36x1_224 inception_v4
inception_resnet_v2 mobilenetv5_base pnasnet5large samvit_base_patch16_224 beit_base_patch16_224
naflexvit_base_patch16_gap naflexvit_base_patch16_map qwen3_vit_88m nasnetalarge vgg11 vgg11_bn gemma4_vit_167m
deepseek_vit_412m tf_efficientnet_lite0 tf_efficientnet_cc_b0_4e mobilenetv4_conv_small_035 mobilenetv4_hybrid_medium
mixnet_s mnasnet_small fbnetc_100 spnasnet_100 gernet_s repvgg_a0 mobileone_s0 eca_botnext26ts_256 sehalonet33ts
bat_resnext26ts gcresnet33ts resnet18d seresnet18 ecaresnet26t selecsls60b hrnet_w18_ssld nf_regnet_b0 dm_nfnet_f0
resnetblur18
""".split()
"""At least one of each of timm's modules, and a second where a module holds another kind of network."""

TORCHVISION = """
alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5
mobilenet_v2 mobilenet_v3_small regnet_x_400mf regnet_y_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5
squeezenet1_0 swin_t swin_v2_t vgg11 vgg11_bn vit_b_32 wide_resnet50_2
""".split()
SEGMENTATION = "deeplabv3_mobilenet_v3_large deeplabv3_resnet50 fcn_resnet50 lraspp_mobilenet_v3_large".split()
DETECTION = """
fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_resnet50_fpn_v2 fcos_resnet50_fpn keypointrcnn_resnet50_fpn
maskrcnn_resnet50_fpn retinanet_resnet50_fpn ssd300_vgg16 ssdlite320_mobilenet_v3_large
""".split()
VIDEO = "mc3_18 mvit_v2_s r2plus1d_18 r3d_18 s3d swin3d_t".split()


@dataclass(frozen=True)
class Subject:
    """A network in eval mode and what it takes.

    Args:
        shape: of one preprocessed image.
        around: how many tokens come before and behind the patches, where the library says it and images do not show it.
    """

    net: nn.Module
    shape: tuple[int, ...]
    around: tuple[int, int] | None = None

    @property
    def registers(self) -> int:
        """How many register tokens the library says that it has."""
        config = getattr(self.net, "config", None)
        tokens = [p.shape[-2] for name, p in self.net.named_parameters() if name.endswith("reg_token")]
        return int(getattr(config, "num_register_tokens", 0) or sum(tokens))


@dataclass(frozen=True)
class Entry:
    """One architecture: the name of its family, its own, and how it is built."""

    family: str
    name: str
    build: Callable[[], Subject]


def runs(net: nn.Module, *shape: int) -> bool:
    """Whether the network takes two images of that shape."""
    try:
        with torch.no_grad():
            net(torch.zeros(2, *shape))
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return False
    return True


def _too_odd(make: Callable[[], nn.Module], side: int) -> bool:
    """Whether a network asserts another size of images. Asked of one without memory: a large one takes longer to draw
    its weights for each size than all that is measured of it."""
    try:
        with torch.device("meta"), torch.no_grad():
            make().eval()(torch.zeros(2, 3, side, side))
    except AssertionError:
        return True
    except Exception:
        return False  # of what cannot be told without memory the network itself says more
    return False


def _timm(name: str) -> Subject:
    import timm

    for side in SIDES:
        sizes: tuple[dict[str, Any], ...] = ({"img_size": side}, {})
        for sized in sizes:
            if _too_odd(partial(timm.create_model, name, pretrained=False, num_classes=CLASSES, **sized), side):
                continue
            try:
                net = timm.create_model(name, pretrained=False, num_classes=CLASSES, **sized).eval()
            except (AssertionError, RuntimeError, TypeError, ValueError):
                continue
            if runs(net, 3, side, side):
                return Subject(net, (3, side, side))
    raise RuntimeError(f"no side of {SIDES} fits {name}")


def _torchvision(name: str) -> Subject:
    from torchvision import models

    more: dict[str, Any] = {"vit_b_32": {"image_size": 64}}.get(name, {})
    more |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    net = models.get_model(name, weights=None, num_classes=CLASSES, **more).eval()
    side = {"inception_v3": 96, "maxvit_t": 224}.get(name, 64)
    return Subject(net, (3, side, side))


def _segmentation(name: str) -> Subject:
    from torchvision.models import get_model

    return Subject(get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES).eval(), (3, 64, 64))


def _detection(name: str) -> Subject:
    from torchvision.models import get_model

    sized = {} if name.startswith("ssd") else {"min_size": 128, "max_size": 128}
    scored = {"box_score_thresh" if "rcnn" in name else "score_thresh": 0.0}
    net = get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES, **sized, **scored).eval()
    return Subject(net, (3, 128, 128))


def _video(name: str) -> Subject:
    from torchvision.models import get_model

    net = get_model(name, weights=None, num_classes=CLASSES).eval()
    sizes = ((3, 16, 224, 224),) if "mvit" in name else ((3, 8, 64, 64), (3, 16, 64, 64), (3, 16, 224, 224))
    return Subject(net, next(shape for shape in sizes if runs(net, *shape)))


SMALL: Mapping[str, Any] = {
    "hidden_size": 32, "d_model": 32, "embed_dim": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_layers": 2,
    "intermediate_size": 48, "mlp_dim": 48, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
    "neck_hidden_sizes": [16, 16, 32, 32],
    "decoder_hidden_size": 32, "decoder_num_hidden_layers": 1, "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 48, "num_queries": 7, "num_detection_tokens": 10,
    "patch_size": 8, "image_size": 64, "use_timm_backbone": False, "use_pretrained_backbone": False,
}  # fmt: skip
"""Sizes that a transformers configuration gets where it has them."""

TRANSFORMERS: Mapping[str, Mapping[str, Any]] = {
    "ViTForImageClassification": {}, "ViTModel": {}, "ViTMSNModel": {}, "DeiTForImageClassification": {},
    "DeiTForImageClassificationWithTeacher": {}, "BeitForImageClassification": {"use_relative_position_bias": True},
    "Data2VecVisionForImageClassification": {}, "Dinov2ForImageClassification": {},
    "Dinov2WithRegistersForImageClassification": {"num_register_tokens": 3},
    "DINOv3ViTModel": {"num_register_tokens": 2},
    "DINOv3ConvNextModel": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1]},
    "IJepaForImageClassification": {}, "PixioModel": {}, "CLIPVisionModel": {}, "CLIPVisionModelWithProjection": {},
    "SiglipVisionModel": {},
    "SiglipForImageClassification": {"vision_config": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 48, "image_size": 64, "patch_size": 16}}, "Aimv2VisionModel": {}, "MLCDVisionModel": {},
    "ViTMAEModel": {"mask_ratio": 0.0}, "ViTMAEForPreTraining": {}, "VitDetModel": {"window_block_indices": [0]},
    "YolosForObjectDetection": {}, "DetrForObjectDetection": {}, "ConditionalDetrForObjectDetection": {},
    "SwinForImageClassification": {"depths": [2, 2], "num_heads": [2, 2], "window_size": 4},
    "Swinv2ForImageClassification": {"depths": [2, 2], "num_heads": [2, 2], "window_size": 4},
    "DonutSwinModel": {"depths": [2, 2], "num_heads": [2, 2], "window_size": 4},
    "HieraForImageClassification": {
        "depths": [1, 2], "num_heads": [1, 2], "embed_dim": 16, "image_size": [64, 64], "patch_size": [7, 7],
        "num_query_pool": 1,
    },
    "ConvNextForImageClassification": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]},
    "ConvNextV2ForImageClassification": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]},
    "ResNetForImageClassification": {"embedding_size": 8, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]},
    "RegNetForImageClassification": {
        "embedding_size": 8, "hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1], "groups_width": 4,
    },
    "BitForImageClassification": {
        "embedding_size": 8, "hidden_sizes": [16, 16, 32, 32], "depths": [1, 1, 1, 1], "num_groups": 2,
    },
    "EfficientNetForImageClassification": {"width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640},
    "MobileNetV1ForImageClassification": {"depth_multiplier": 0.25}, "MobileNetV2ForImageClassification": {},
    "MobileViTForImageClassification": {
        "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 12, 16, 16, 24, 32], "patch_size": 2,
    },
    "MobileViTV2ForImageClassification": {"patch_size": 2, "width_multiplier": 0.5},
    "SegformerForImageClassification": {
        "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4], "patch_size": 7,
    },
    "SegformerForSemanticSegmentation": {
        "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4],
        "patch_sizes": [7, 3, 3, 3],
    },
    "PvtForImageClassification": {
        "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4],
        "patch_sizes": [4, 2, 2, 2],
    },
    "PvtV2ForImageClassification": {
        "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4],
        "patch_sizes": [7, 3, 3, 3], "image_size": {"height": 64, "width": 64},
    },
    "CvtForImageClassification": {
        "embed_dim": [8, 16, 32], "num_heads": [1, 2, 2], "depth": [1, 2, 3], "patch_sizes": [7, 3, 3],
    },
    "LevitForImageClassification": {
        "hidden_sizes": [16, 24, 32], "num_attention_heads": [2, 2, 2], "depths": [1, 1, 1], "key_dim": [8, 8, 8],
        "patch_size": 16, "drop_path_rate": 0, "attention_ratio": [2, 2, 2], "mlp_ratio": [2, 2, 2],
    },
    "PoolFormerForImageClassification": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "patch_size": 7},
    "FocalNetForImageClassification": {"embed_dim": 8, "depths": [1, 1], "hidden_sizes": [8, 16], "patch_size": 4},
    "SwiftFormerForImageClassification": {"embed_dims": [8, 12, 16, 20], "depths": [1, 1, 1, 1]},
    "TextNetForImageClassification": {}, "HGNetV2ForImageClassification": {}, "PPLCNetForImageClassification": {},
    "DPTForSemanticSegmentation": {
        "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "is_hybrid": False, "patch_size": 16,
    },
    "DPTForDepthEstimation": {
        "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "is_hybrid": False, "patch_size": 16,
    },
    "GLPNForDepthEstimation": {
        "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 2, 2, 4], "patch_size": 7,
    },
    "BeitForSemanticSegmentation": {"num_hidden_layers": 4, "out_indices": [1, 2, 3, 4], "patch_size": 16},
    "Swin2SRModel": {"depths": [2, 2], "num_heads": [2, 2], "window_size": 4, "patch_size": 1, "image_size": 32},
}  # fmt: skip
"""Classes of transformers' vision models, with sizes of their own."""

VIDEO_TRANSFORMERS: Mapping[str, Mapping[str, Any]] = {
    "VideoMAEForVideoClassification": {"num_frames": 4}, "TimesformerForVideoClassification": {"num_frames": 4},
    "VivitForVideoClassification": {"num_frames": 4, "tubelet_size": [2, 8, 8]},
}  # fmt: skip


class Pixels(nn.Module):
    """A transformers model that takes the pixels alone, first in order, frames before channels for a video."""

    def __init__(self, model: nn.Module, video: bool = False):
        super().__init__()
        self.model, self.video = model, video

    def forward(self, x: torch.Tensor) -> Any:
        """What the model gives."""
        return self.model(pixel_values=x.transpose(1, 2) if self.video else x)


def _transformers(name: str, sizes: Mapping[str, Any], video: bool = False) -> Subject:
    import transformers

    made = getattr(transformers, name)
    known = made.config_class().to_dict()
    small = {key: value for key, value in SMALL.items() if _alike(known.get(key), value)}
    config = made.config_class(**{**small, "num_labels": CLASSES, **sizes})  # which no dictionary of defaults shows
    config._attn_implementation = "eager"
    net = made(config).eval()
    detects = name.startswith(("Detr", "ConditionalDetr"))  # by queries, which are no patches and all alike
    around = (1, SMALL["num_detection_tokens"]) if name.startswith("Yolos") else (0, 0) if detects else None
    frames = (sizes["num_frames"],) if video else ()
    taken = Pixels(net, video) if video or detects else net
    for side in (64, *SIDES, 512):
        if runs(taken, 3, *frames, side, side):
            return Subject(taken, (3, *frames, side, side), around)
    taken(torch.zeros(2, 3, *frames, 64, 64))  # let its own error speak
    raise RuntimeError(f"no side of {SIDES} fits {name}")


def _alike(known: Any, value: Any) -> bool:
    """Whether a configuration has an entry of that type by default."""
    return type(known) is type(value)


OPEN_CLIP: Mapping[str, Mapping[str, Any]] = {
    "ViT": {}, "ViT, average of tokens": {"pool_type": "avg", "final_ln_after_pool": True},
    "ViT, attentional pooling": {"attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 4},
    "CoCa": {
        "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 5, "output_tokens": True,
    },
    "ViT, no class token": {"no_ln_pre": True, "pool_type": "avg", "pos_embed_type": "sin_cos_2d"},
    "ModifiedResNet": {"layers": [1, 1, 1, 1], "width": 16},
    "timm ResNet": {"timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear"},
    "timm ViT": {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "", "image_size": 160},
    "timm ConvNeXt": {"timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp"},
}  # fmt: skip


def _open_clip(sizes: Mapping[str, Any]) -> Subject:
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    cfg = CLIPVisionCfg(**{"layers": 2, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 64, **sizes})
    side = int(cfg.image_size)
    return Subject(_build_vision_tower(24, cfg).eval(), (3, side, side))


def entries() -> Iterator[Entry]:
    """All of them, the small families first."""
    for name, sizes in OPEN_CLIP.items():
        yield Entry("open_clip", name, partial(_open_clip, sizes))
    for name, sizes in TRANSFORMERS.items():
        yield Entry("transformers", name, partial(_transformers, name, sizes))
    for name, sizes in VIDEO_TRANSFORMERS.items():
        yield Entry("transformers, video", name, partial(_transformers, name, sizes, video=True))
    for family, names, build in (
        ("torchvision", TORCHVISION, _torchvision),
        ("torchvision, segmentation", SEGMENTATION, _segmentation),
        ("timm", TIMM, _timm),
        ("torchvision, video", VIDEO, _video),
        ("torchvision, detection", DETECTION, _detection),
    ):
        for name in names:
            yield Entry(family, name, partial(build, name))
