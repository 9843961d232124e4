"""The networks of the testbed, their weights beside this file, and how they take a picture."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import missing_extra, unknown
from semlens.testbed.world import CLASSES, SIDE, scenario
from semlens.types import Float

MEAN, SPREAD = 0.5, 0.25
"""Every channel is shifted and scaled by these."""

WEIGHTS = Path(__file__).with_name("weights")


class ConvNet(nn.Module):
    """A plain network: five blocks of convolution, BatchNorm and ReLU, and a linear head on their mean."""

    def __init__(self, outputs: int, widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        stem, *blocks = widths
        self.stem = _block(3, stem, 5, 2)
        self.block1, self.block2, self.block3, self.block4 = (
            _block(before, after, 3, 1) for before, after in zip(widths, blocks, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n y"]:
        """The outputs for pictures of SIDE pixels."""
        x = self.pool(self.stem(x))
        x = self.pool(self.block1(x))
        x = self.pool(self.block2(x))
        x = self.block4(self.block3(x))
        return self.head(self.mean(x).flatten(1))


def _block(before: int, after: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU())


class ResidualNet(nn.Module):
    """A residual network: a stem, four stages of two residual blocks, and a linear head on their mean."""

    def __init__(self, outputs: int, widths: tuple[int, int, int, int, int] = (16, 24, 32, 64, 96)) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = _block(3, stem, 5, 2)
        self.stage1, self.stage2, self.stage3, self.stage4 = (
            nn.Sequential(Residual(before, after, stride), Residual(after, after, 1))
            for before, after, stride in zip(widths, stages, (2, 2, 2, 1), strict=False)
        )
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n y"]:
        """The outputs for pictures of SIDE pixels."""
        x = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(x)))))
        return self.head(self.mean(x).flatten(1))


class Residual(nn.Module):
    """Two convolutions whose output is added to what came in. Source: He et al. 2016 (arXiv 1512.03385)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = _block(before, after, 3, stride)
        self.second = nn.Sequential(nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after))
        around = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.around = nn.Identity() if before == after and stride == 1 else around
        self.act = nn.ReLU()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        """Features of the next block."""
        return self.act(self.second(self.first(x)) + self.around(x))


def transformer(outputs: int) -> nn.Module:
    """A small vision transformer."""
    try:
        from timm.models.vision_transformer import VisionTransformer  # an extra
    except ImportError:
        raise missing_extra("timm", "torch") from None
    return VisionTransformer(img_size=SIDE, patch_size=16, embed_dim=96, depth=4, num_heads=4, num_classes=outputs)


@dataclass(frozen=True)
class Classifier:
    """A classifier of the testbed: how it is built, and what it is trained on."""

    build: Callable[[int], nn.Module]
    population: str  # the scenario of its pictures
    twin: str  # the scenario whose shortcuts are asked about: its own, or that of the twin which learnt them

    @property
    def planted(self) -> tuple[str, ...]:
        """The artefacts that give the diagnosis away in the scenario asked about."""
        return tuple(scenario(self.twin).shortcuts)


CLASSIFIERS = {
    "shortcut": Classifier(ConvNet, "shortcut", "shortcut"),
    "clean": Classifier(ConvNet, "clean", "shortcut"),
    "transformer": Classifier(transformer, "shortcut", "shortcut"),
    "residual": Classifier(ResidualNet, "ink", "ink"),
    "residual-clean": Classifier(ResidualNet, "clean", "ink"),
}


def load(name: str, build: Callable[[Mapping[str, str]], nn.Module]) -> nn.Module:
    """A network with the weights of that name, in eval mode.

    Args:
        build: makes the network from what its file says beside the weights.
    """
    from safetensors import safe_open  # torch's half of safetensors is loaded only where it is used

    with safe_open(WEIGHTS / f"{name}.safetensors", "pt") as file:
        net = build(file.metadata())
        net.load_state_dict({key: _wide(file.get_tensor(key)) for key in file.keys()})  # noqa: SIM118  the file is no dict
    return net.eval()


def _wide(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def load_classifier(name: str) -> nn.Module:
    """A classifier of the testbed.

    Raises:
        SemlensError: if there is none of that name.
    """
    if name not in CLASSIFIERS:
        raise unknown("model of the testbed", name, CLASSIFIERS)
    return load(name, lambda _: CLASSIFIERS[name].build(len(CLASSES)))


def preprocess() -> Callable[[Image], Tensor]:
    """From a picture to what every network of the testbed takes."""
    from torchvision.transforms import Compose, Normalize, Resize, ToTensor

    return Compose([Resize((SIDE, SIDE), antialias=True), ToTensor(), Normalize([MEAN] * 3, [SPREAD] * 3)])
