"""The default composite follows what a network computes, not what its classes are called."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import COMPOSITES, choose, default_composite
from semlens.model import VisionModel

WIDTH = 8
CONVOLUTIONAL, ATTENDING = "epsilon_plus_flat", "attnlrp_gamma"


class Net(nn.Module):
    """Convolutions in front, one way to mix positions or channels, a linear head."""

    def __init__(self, mix: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(
            nn.Conv2d(3, WIDTH, 3, 2, 1), nn.BatchNorm2d(WIDTH), nn.SiLU(), nn.Conv2d(WIDTH, WIDTH, 3, 2, 1), nn.SiLU()
        )
        self.mix, self.head = mix, nn.Linear(WIDTH, 3)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head((x + self.mix(x)).mean((2, 3)))


class Mix(nn.Module):
    """Tokens made from a feature map, mixed, and put back."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).mT
        return self.out(self.mixed(tokens)).mT.unflatten(2, x.shape[2:])

    def mixed(self, tokens: Tensor) -> Tensor:
        raise NotImplementedError


class ByHand(Mix):
    def mixed(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).chunk(3, -1)
        return (q @ k.mT / math.sqrt(WIDTH)).softmax(-1) @ v


class Fused(Mix):
    def mixed(self, tokens: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(*self.qkv(tokens).chunk(3, -1))


class Einsum(Mix):
    def mixed(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).chunk(3, -1)
        return torch.einsum("nqk,nkd->nqd", torch.einsum("nqd,nkd->nqk", q, k).softmax(-1), v)


class Windows(Mix):
    """Attention in halves of the sequence, which lie on the axis of the images."""

    def mixed(self, tokens: Tensor) -> Tensor:
        halves = tokens.unflatten(1, (2, -1)).flatten(0, 1)
        q, k, v = self.qkv(halves).chunk(3, -1)
        return torch.bmm(torch.softmax(torch.bmm(q, k.mT), -1), v).unflatten(0, (-1, 2)).flatten(1, 2)


class WithoutSoftmax(Mix):
    """Linear attention: keys and values are multiplied first."""

    def mixed(self, tokens: Tensor) -> Tensor:
        q, k, v = self.qkv(tokens).chunk(3, -1)
        return torch.matmul(q.relu(), torch.matmul(k.relu().mT, v))


class Library(Mix):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def mixed(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = self.layer(tokens, tokens, tokens, need_weights=False)[0]
        return mixed


class Encoder(Mix):
    """Which torch computes by one fused function where no gradient is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True)

    def mixed(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = self.layer(tokens)
        return mixed


class LearnedQuery(Mix):
    """Attention pooling: the query is a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, WIDTH))

    def mixed(self, tokens: Tensor) -> Tensor:
        _, k, v = self.qkv(tokens).chunk(3, -1)
        return ((self.query @ k.mT).softmax(-1) @ v).expand_as(tokens)


class MixerWithConstantWeights(Mix):
    """An MLP-Mixer: tokens are mixed by a learned matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(64, 64))

    def mixed(self, tokens: Tensor) -> Tensor:
        return self.weight @ tokens


class SqueezeAttention(nn.Module):
    """Called attention, and squeeze-and-excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.qkv(x.mean((2, 3), keepdim=True)).sigmoid()


class SoftmaxOverBranches(SqueezeAttention):
    """Selective kernels: a softmax chooses between two branches, channel by channel."""

    def forward(self, x: Tensor) -> Tensor:
        scores = self.qkv(x.mean((2, 3), keepdim=True))
        chosen = torch.stack([scores, -scores]).softmax(0)
        return chosen[0] * x + chosen[1] * x.roll(1, 2)


class Pooling(nn.Module):
    """A PoolFormer's token mixer."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 3, 1, 1) - x


class Norm(nn.Module):
    """A norm that centres each image, between convolutions, or written by hand."""

    def __init__(self, norm: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm, self.conv = norm, nn.Conv2d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x))


NORMS: list[Callable[[Tensor], Tensor]] = [
    nn.GroupNorm(2, WIDTH),
    nn.InstanceNorm2d(WIDTH),
    lambda x: functional.layer_norm(x.movedim(1, -1), (WIDTH,)).movedim(-1, 1),
    lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True),
]
ATTENTION = [ByHand, Fused, Einsum, Windows, WithoutSoftmax, Library, Encoder, LearnedQuery]
NO_ATTENTION = [MixerWithConstantWeights, SqueezeAttention, SoftmaxOverBranches, Pooling, nn.Identity]


def pictures(count: int = 2, side: int = 32) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", ATTENTION)
def test_products_of_matrices_made_from_the_image_are_attention(kind: type[nn.Module]) -> None:
    assert default_composite(Net(kind()), pictures()).name == ATTENDING


@pytest.mark.parametrize("norm", NORMS)
def test_norms_that_centre_each_image_want_gamma_too(norm: Callable[[Tensor], Tensor]) -> None:
    assert default_composite(Net(Norm(norm)), pictures()).name == ATTENDING
    assert default_composite(Net(Norm(nn.BatchNorm2d(WIDTH).eval())), pictures()).name == CONVOLUTIONAL


@pytest.mark.parametrize("kind", NO_ATTENTION)
def test_gates_pools_and_learned_matrices_are_not(kind: type[nn.Module]) -> None:
    assert default_composite(Net(kind()), pictures()).name == CONVOLUTIONAL


def test_one_model_has_one_default_whatever_the_batch_and_without_images() -> None:
    for kind, expected in ((ByHand, ATTENDING), (SqueezeAttention, CONVOLUTIONAL)):
        net = Net(kind())
        model = VisionModel(net, lambda image: pictures(1)[0])
        names = {default_composite(net, pictures(count)).name for count in (1, 2, 5)}
        assert names == {expected}
        chosen = choose("auto", model)
        assert chosen is choose("auto", model, pictures()) is COMPOSITES[expected]


class Counting(nn.Module):
    """Counts its forward passes, and writes what it computes into a buffer."""

    kept: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net, self.passes = Net(nn.Identity()), 0
        self.register_buffer("kept", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        out: Tensor = self.net(x)
        self.kept.copy_(out.detach().mean(0))
        return out


def test_the_look_is_remembered_until_the_network_changes_and_leaves_nothing() -> None:
    net = Counting().train()
    for _ in range(3):
        assert default_composite(net, pictures()).name == CONVOLUTIONAL
    assert net.passes == 1
    assert net.training
    assert net.net.training
    assert not vars(net.kept)
    net.net.mix = ByHand()
    assert default_composite(net, pictures()).name == ATTENDING
    assert net.passes == 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "expected"), [("test_coatnet", ATTENDING), ("test_efficientnet", CONVOLUTIONAL)])
def test_relevance_is_as_large_as_what_it_explains(name: str, expected: str) -> None:
    """Under epsilon relevance of both signs grows in every convolution and gate."""
    torch.manual_seed(0)
    sized: dict[str, Any] = {"img_size": 64} if "coatnet" in name else {}
    net = timm.create_model(name, num_classes=5, **sized).train()
    for _ in range(20):
        net(pictures(8, 64))  # statistics of BatchNorm
    model, sizes = VisionModel(net.eval(), lambda image: pictures(1, 64)[0]), {}
    for method in ("auto", "attnlrp"):
        found = attribute(model, pictures(2, 64), 1, method=method, warn_above=math.inf)
        assert found.heat is not None
        sizes[method] = float((found.heat.flatten(1).abs().sum(1) / found.value.abs()).max())
    assert default_composite(net, pictures(1, 64)).name == expected
    assert sizes["auto"] < 10
    assert sizes["attnlrp"] > 10 * sizes["auto"]
