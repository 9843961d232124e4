"""The models and photographs under test, the same in either environment: this file must not import semlens."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms

PREPROCESS = transforms.Compose(
    [transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
)


@dataclass(frozen=True)
class Studied:
    """A network in eval mode and the modules that are looked at."""

    net: nn.Module
    modules: tuple[str, ...]
    sequence: bool  # their outputs are images x tokens x features


def studied(name: str, weights: str | None = None) -> Studied:
    """The model of that name, with random weights of a fixed seed or those of the checkpoint `weights`."""
    torch.manual_seed(0)
    make, choose, sequence = MODELS[name]
    net = make().eval()
    if weights:  # the checkpoint names its tensors in another way than timm, but holds them in timm's order
        tensors = torch.load(weights, map_location="cpu", weights_only=True).values()
        net.load_state_dict(dict(zip(net.state_dict(), tensors, strict=True)))
    return Studied(net, tuple(choose(net)), sequence)


def _stages(net: nn.Module) -> list[str]:
    return [f"layer{i}" for i in (1, 2, 3, 4)]


def _convolutions(net: nn.Module) -> list[str]:
    return [path for path, module in net.named_modules() if isinstance(module, nn.Conv2d)]


def _mlps(net: nn.Module) -> list[str]:
    return [path for path, _ in net.named_modules() if path.endswith(".mlp")]


def _vit() -> Any:
    return timm.create_model("vit_tiny_patch16_224")


MODELS: dict[str, tuple[Callable[[], Any], Callable[[nn.Module], list[str]], bool]] = {
    "resnet18 stages": (torchvision.models.resnet18, _stages, False),
    "resnet50 convolutions": (torchvision.models.resnet50, _convolutions, False),
    "efficientnet_lite0 convolutions": (lambda: timm.create_model("tf_efficientnet_lite0"), _convolutions, False),
    "vit_tiny mlp": (_vit, _mlps, True),
}
REAL_WEIGHTS = "efficientnet_lite0 convolutions"


def write_photos(folder: Path, count: int, side: int = 256) -> None:
    """`count` JPEG files of some 14 kB that look like photographs to a decoder: smooth colours, some texture."""
    rng = np.random.default_rng(0)
    for number in range(count):
        layers = [
            _upsampled(rng.random((grid, grid, 3)), side) * weight for grid, weight in ((3, 0.5), (9, 0.3), (64, 0.2))
        ]
        pixels = np.clip(sum(layers) * 255, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.jpg", quality=85)


def _upsampled(grid: np.ndarray, side: int) -> np.ndarray:
    small = Image.fromarray((grid * 255).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32) / 255
