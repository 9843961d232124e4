"""Contextual decomposition, held against loops over every position."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from semlens.correct.contextual import Decomposition, part_of
from semlens.errors import SemlensError


class Net(nn.Module):
    """A convolution, a norm, a ReLU, a maximum, a sum with what came in, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.pool = nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.MaxPool2d(2)
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.act(self.norm(self.conv(x)))
        y = y + x
        return self.head(self.pool(y).flatten(1))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(3)
    net = Net().double()
    with torch.no_grad():
        net.norm.running_mean.uniform_(-0.5, 0.5)
        net.norm.running_var.uniform_(0.5, 2)
        net.norm.bias.uniform_(-0.5, 0.5)
    return net.eval()


def share(part: Any, rest: Any, constant: Any) -> Any:
    """The part with its share of a constant."""
    size = abs(part) + abs(rest)
    return part + constant * abs(part) / size if size else part


def slow(net: Net, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of each logit of one image, a position at a time."""
    weight, bias = net.conv.weight.detach().numpy(), net.conv.bias.detach().numpy()
    mean, var = (value.numpy() for value in (net.norm.running_mean, net.norm.running_var))
    scale = net.norm.weight.detach().numpy() / np.sqrt(var + net.norm.eps)
    constant = net.norm.bias.detach().numpy() - mean * scale
    part, total = np.zeros((2, 4, 4)), np.zeros((2, 4, 4))
    wide, inside = np.pad(x, ((0, 0), (1, 1), (1, 1))), np.pad(x * mask, ((0, 0), (1, 1), (1, 1)))
    for c, i, j in np.ndindex(2, 4, 4):
        own = (weight[c] * inside[:, i : i + 3, j : j + 3]).sum()
        whole = (weight[c] * wide[:, i : i + 3, j : j + 3]).sum()
        own = share(own, whole - own, bias[c])
        whole += bias[c]
        normed = share(own * scale[c], (whole - own) * scale[c], constant[c])
        part[c, i, j] = max(normed, 0) + (x * mask)[c, i, j]
        total[c, i, j] = max(whole * scale[c] + constant[c], 0) + x[c, i, j]
    pooled, alls = [], []
    for c, i, j in np.ndindex(2, 2, 2):
        window = total[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        place = np.unravel_index(window.argmax(), (2, 2))
        alls.append(window[place])
        pooled.append(part[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2][place])
    head = net.head.weight.detach().numpy()
    own, other = head @ np.array(pooled), head @ (np.array(alls) - np.array(pooled))
    return np.array([share(*pair) for pair in zip(own, other, net.head.bias.detach().numpy(), strict=True)])


def test_parts_are_those_of_the_formulas(net: Net) -> None:
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(3, 2, 4, 4)), (rng.random((3, 1, 4, 4)) > 0.5).astype(float)
    with Decomposition() as parts:
        logits = net(parts.begin(torch.from_numpy(x), torch.from_numpy(mask)))
        found = part_of(logits)
    torch.testing.assert_close(logits, net(torch.from_numpy(x)), rtol=0, atol=0)
    np.testing.assert_allclose(found.detach(), [slow(net, *pair) for pair in zip(x, mask, strict=True)], atol=1e-12)
    assert np.abs(found.detach().numpy()).max() > 0.1


def test_all_pixels_give_the_logits_and_none_nothing(net: Net) -> None:
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    for mask, expected in ((torch.ones(2, 1, 4, 4).double(), net(x)), (torch.zeros(2, 1, 4, 4).double(), 0 * net(x))):
        with Decomposition() as parts:
            found = part_of(net(parts.begin(x, mask)))
        torch.testing.assert_close(found, expected)


def test_a_gradient_reaches_every_weight(net: Net) -> None:
    with Decomposition() as parts:
        found = part_of(net(parts.begin(torch.randn(2, 2, 4, 4).double(), torch.ones(2, 1, 4, 4).double())))
    slopes = torch.autograd.grad(found.abs().sum(), list(net.parameters()))
    assert all(slope.abs().max() > 0 for slope in slopes)


def test_what_has_no_rule_is_refused() -> None:
    x = torch.randn(2, 3)
    with Decomposition() as parts:
        start = parts.begin(x, torch.ones(2, 3))
        with pytest.raises(SemlensError, match="softmax"):
            torch.softmax(start, 1)
        with pytest.raises(SemlensError, match="mul"):
            start * start
        with pytest.raises(SemlensError, match="batch_norm"):
            nn.functional.batch_norm(start, torch.zeros(3), torch.ones(3), training=True)
        with pytest.raises(SemlensError, match="followed"):
            part_of(torch.ones(2))
        torch.testing.assert_close(part_of(2 - start), -x + 2)  # all of the constant, as all is the part
        torch.testing.assert_close(part_of(start / 2), x / 2)
