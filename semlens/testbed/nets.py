"""The networks of the testbed, their weights beside this file, and how they take a picture."""

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import missing_extra, unknown
from semlens.shapes import Float
from semlens.testbed.world import CLASSES, SIDE

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


def transformer(outputs: int) -> nn.Module:
    """A small vision transformer."""
    try:
        from timm.models.vision_transformer import VisionTransformer  # an extra
    except ImportError:
        raise missing_extra("timm", "torch") from None
    return VisionTransformer(img_size=SIDE, patch_size=16, embed_dim=96, depth=4, num_heads=4, num_classes=outputs)


# name -> how it is built, and the scenario that it is trained on
CLASSIFIERS: dict[str, tuple[Callable[[int], nn.Module], str]] = {
    "shortcut": (ConvNet, "shortcut"),
    "clean": (ConvNet, "clean"),
    "transformer": (transformer, "shortcut"),
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
    return load(name, lambda _: CLASSIFIERS[name][0](len(CLASSES)))


def preprocess() -> Callable[[Image], Tensor]:
    """From a picture to what every network of the testbed takes."""
    from torchvision.transforms import Compose, Normalize, Resize, ToTensor

    return Compose([Resize((SIDE, SIDE), antialias=True), ToTensor(), Normalize([MEAN] * 3, [SPREAD] * 3)])
