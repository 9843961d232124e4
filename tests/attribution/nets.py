"""Small networks for attribution, in float64, with the paths that matter: a chain, a skip, two branches, tokens."""

import torch
from torch import Tensor, nn

from semlens.model.vision_model import VisionModel


def to_tensor(image: object) -> Tensor:
    raise AssertionError("these networks are given tensors")


class Chain(nn.Module):
    """Two convolutions, a pool, a linear head; `bias` also turns the BatchNorms on."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 6, 3, padding=1, bias=bias)
        self.norm = nn.BatchNorm2d(6) if bias else nn.Identity()
        self.relu: nn.Module = nn.ReLU(inplace=True)
        self.two = nn.Conv2d(6, 5, 3, bias=bias)
        self.relu2: nn.Module = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.head = nn.Linear(5, 4, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu2(self.two(self.relu(self.norm(self.one(x)))))
        return self.head(self.flat(self.pool(x)))


class Skip(nn.Module):
    """A residual block: `inner` lies beside a skip path."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.inner = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.inner(x))
        return self.head(x.mean((2, 3)))


class Branches(nn.Module):
    """Two convolutions side by side, added up."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1, bias=False)
        self.left = nn.Conv2d(4, 3, 3, padding=1, bias=False)
        self.right = nn.Conv2d(4, 3, 3, padding=1, bias=False)
        self.head = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head((torch.relu(self.left(x)) + torch.relu(self.right(x))).mean((2, 3)))


def model(net: nn.Module, seed: int = 0, names: tuple[str, ...] = ()) -> VisionModel:
    """The network with random weights and statistics, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double().eval()
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator, dtype=torch.float64) * 0.5)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_var is not None
                module.running_var.abs_().add_(0.5)
    return VisionModel(net, to_tensor, names, "net")


def pixels(n: int = 3, side: int = 8, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
