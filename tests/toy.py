"""Small worlds whose answers are known: images of one colour, models whose weights are set by hand."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from semlens.images import ImageSet, load_images
from semlens.model.vision_model import VisionModel
from semlens.types import FoundationId

SIDE = 8


def to_tensor(image: Image.Image) -> torch.Tensor:
    """RGB in [0, 1], 3 x 8 x 8."""
    array = np.array(image.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1)


class Colours(nn.Module):
    """Channel i of `conv` is colour i at every pixel; unit i of `fc` its mean, unit 3 the negative of red."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(3, 4, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3)[:, :, None, None])
            self.fc.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0]]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.act(self.conv(x))).flatten(1))


def colours() -> VisionModel:
    return VisionModel(Colours(), to_tensor, ("red", "green", "blue", "not red"), "toy:colours")


def flat_images(values: list[tuple[int, int, int]]) -> ImageSet:
    """An image of one colour for each RGB value."""
    return load_images([Image.new("RGB", (SIDE, SIDE), value) for value in values])


def random_images(count: int, seed: int = 0, side: int = SIDE) -> ImageSet:
    noise = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return load_images([Image.fromarray(image) for image in noise])


class ColourSpace:
    """A foundation model of three dimensions: an image is its mean colour, a text the colour that it names."""

    WORDS: ClassVar[dict[str, tuple[float, ...]]] = {
        "red": (1, 0, 0),
        "green": (0, 1, 0),
        "blue": (0, 0, 1),
        "": (1, 1, 1),
    }

    def __init__(self, name: str = "toy:colours") -> None:
        self.identity = FoundationId(name, hashlib.sha256(name.encode()).hexdigest(), 3, "apache-2.0")
        self.embedded = 0

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.embedded += len(images)
        return np.stack([np.asarray(image, dtype=np.float32).mean((0, 1)) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = [sum(np.array(self.WORDS.get(word, (0, 0, 0))) for word in text.split() or [""]) for text in texts]
        return np.stack(rows).astype(np.float32)
