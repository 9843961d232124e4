"""Functions that a model may compute in more than one way: as models are written, and plainly."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES

Way = Callable[[Any, Tensor], Tensor]


def pixels(n: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Net(nn.Module):
    """Two convolutions, a square linear layer and a head; `way` says how they are put together."""

    def __init__(self, way: Way, bias: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.way = way
        self.one, self.two = (nn.Conv2d(c, 4, 3, padding=1, bias=bias) for c in (3, 4))
        self.side = nn.Conv2d(3, 4, 1, bias=bias)
        self.square, self.head = nn.Linear(4, 4, bias=bias), nn.Linear(4, 3, bias=bias)
        self.act = nn.ReLU()
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        z = self.way(self, x)
        return self.head(z.mean((2, 3)) if z.ndim == 4 else z)


def into_a_buffer(m: Any, x: Tensor) -> Tensor:
    buffer = x.new_zeros(len(x), 8, 6, 6)
    buffer[:, :4] = m.one(x)
    buffer[:, 4:] = m.side(x)
    return buffer[:, 2:6]


def half_in_place(m: Any, x: Tensor) -> Tensor:
    z = m.one(x)
    z[:, :2].relu_()
    return z


def residual_in_place(m: Any, x: Tensor) -> Tensor:
    z = m.two(m.act(m.one(x)))
    z += m.side(x)
    return m.act(z)


def gated(inplace: bool) -> Way:
    def way(m: Any, x: Tensor) -> Tensor:
        z = m.one(x).relu()
        return z * functional.hardsigmoid(m.two(z), inplace=inplace)

    return way


def dense_blocks(m: Any, x: Tensor) -> Tensor:
    features = [m.one(x)]
    features.append(m.two(torch.cat(features, 1).relu()))
    return torch.cat(features, dim=1).relu()[:, 2:6]


def seen_apart(m: Any, x: Tensor) -> Tensor:
    first = m.one(x)
    second = m.two(first.relu())
    return torch.stack([first[:, 2], first[:, 3], second[:, 0], second[:, 1]], 1).relu()


# Each pair is one function of the same weights written twice: as a model may write it, and plainly.
PAIRS: dict[str, tuple[Way, Way]] = {
    "relu in place": (lambda m, x: m.two(functional.relu(m.one(x), inplace=True)), lambda m, x: m.two(m.one(x).relu())),
    "silu in place": (
        lambda m, x: m.two(functional.silu(m.one(x), inplace=True)),
        lambda m, x: m.two(functional.silu(m.one(x))),
    ),
    "hardswish in place": (
        lambda m, x: m.two(nn.Hardswish(inplace=True)(m.one(x))),
        lambda m, x: m.two(functional.hardswish(m.one(x))),
    ),
    "gate in place": (gated(inplace=True), gated(inplace=False)),
    "residual in place": (residual_in_place, lambda m, x: m.act(m.two(m.act(m.one(x))) + m.side(x))),
    "normalised in place": (lambda m, x: m.one(x.mul_(2).sub_(0.5).div_(3)), lambda m, x: m.one((x * 2 - 0.5) / 3)),
    "input overwritten": (lambda m, x: m.one(x.relu_()), lambda m, x: m.one(x.relu())),
    "into a buffer": (into_a_buffer, lambda m, x: torch.cat([m.one(x), m.side(x)], 1)[:, 2:6]),
    "half in place": (half_in_place, lambda m, x: torch.cat([m.one(x)[:, :2].relu(), m.one(x)[:, 2:]], 1)),
    "add with alpha": (lambda m, x: torch.add(m.one(x), m.side(x), alpha=2), lambda m, x: m.one(x) + 2 * m.side(x)),
    "sub with alpha": (lambda m, x: m.one(x).sub(m.side(x), alpha=2), lambda m, x: m.one(x) - 2 * m.side(x)),
    "add a constant with alpha": (lambda m, x: torch.add(m.one(x), 1.5, alpha=2), lambda m, x: 3.0 + m.one(x)),
    "python's sum": (lambda m, x: sum([m.one(x), m.side(x)]), lambda m, x: m.one(x) + m.side(x)),
    "stack": (  # of layers of two tensors: of one, added up, they would be one layer (test_branches)
        lambda m, x: torch.stack([m.one(x), m.side(x.clone())]).sum(0),
        lambda m, x: m.one(x) + m.side(x.clone()),
    ),
    "chunk": (lambda m, x: sum(m.one(x).repeat(1, 2, 1, 1).chunk(2, dim=1)), lambda m, x: 2 * m.one(x)),
    "dense": (dense_blocks, seen_apart),
    "named arguments": (
        lambda m, x: functional.conv2d(input=x, weight=m.one.weight, bias=m.one.bias, padding=1),
        lambda m, x: m.one(x),
    ),
    "matmul": (
        lambda m, x: m.one(x).mean((2, 3)) @ m.square.weight.T,
        lambda m, x: functional.linear(m.one(x).mean((2, 3)), m.square.weight),
    ),
    "addmm": (
        lambda m, x: torch.addmm(m.square.bias, m.one(x).mean((2, 3)), m.square.weight.t()),
        lambda m, x: m.square(m.one(x).mean((2, 3))),
    ),
    "identities": (
        lambda m, x: functional.dropout(m.one(x).contiguous().clone(), 0.5, m.training).to(x.dtype) + 0,
        lambda m, x: m.one(x),
    ),
}
SOME = [COMPOSITES[name] for name in ("epsilon", "epsilon_plus_flat", "epsilon_gamma_box", "attnlrp_gamma")]
