"""One small network, its images, and a VisionModel of it."""

import torch
from torch import Tensor, nn

from semlens.model import VisionModel
from tests.toy import to_tensor

CHANNELS, SIDE, CLASSES = 3, 8, 4


def network(channels: int = CHANNELS) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, CLASSES, bias=False),
    ).eval()


def batch(count: int = 4, channels: int = CHANNELS) -> Tensor:
    return torch.randn(count, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def studied() -> VisionModel:
    return VisionModel(network(), to_tensor, name="small")
