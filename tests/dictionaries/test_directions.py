"""TCAV and class-wise neural PCA, against closed forms and against chance."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from semlens.dictionaries import neural_pca, tcav
from semlens.errors import SemlensError
from semlens.model import Dictionary, Linear, VisionModel, edit, parse_all
from tests.toy import random_images, to_tensor

IMAGES = random_images(60)
X = torch.stack([to_tensor(IMAGES.load(i)) for i in range(60)])
WIDTH = 8


def quiet(*_: object) -> None:
    """No progress."""


class Head(nn.Module):
    """Rectified channels, their means, and behind these whatever is given."""

    def __init__(self, behind: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act, self.behind = nn.Conv2d(3, WIDTH, 3, padding=1), nn.ReLU(), behind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.behind(self.act(self.conv(x)).mean((2, 3)))


def studied(behind: nn.Module | None = None) -> VisionModel:
    torch.manual_seed(1)
    behind = behind or nn.Linear(WIDTH, 3)
    return VisionModel(Head(behind).eval(), to_tensor, ("a", "b", "c"))


def directions(rows: np.ndarray) -> Dictionary:
    decoder = torch.from_numpy(np.ascontiguousarray(rows, np.float32))
    q = len(decoder)
    return Dictionary(
        "act", decoder.T.contiguous(), torch.zeros(q), decoder, torch.zeros(WIDTH), Linear(),
        tuple(f"direction {i}" for i in range(q)),
    )  # fmt: skip


class Bent(nn.Module):
    """Answers to one direction alone, upwards on some images and downwards on others."""

    def __init__(self, direction: torch.Tensor, mean: torch.Tensor) -> None:
        super().__init__()
        self.direction, self.mean = direction, mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        along = (x - self.mean) @ self.direction
        return torch.stack([along.square(), along, -along], dim=1)


def means() -> torch.Tensor:
    net: Any = studied().net
    with torch.no_grad():
        found: torch.Tensor = net.act(net.conv(X)).mean((2, 3))
    return found


def test_a_score_is_the_share_of_images_on_which_the_output_rises() -> None:
    seen = means()
    direction = torch.linspace(-1, 1, WIDTH)
    across = torch.ones(WIDTH) - direction * (direction.sum() / direction.square().sum())
    model = studied(Bent(direction, seen.mean(0)))
    rows = np.stack([direction.numpy(), across.numpy(), -direction.numpy()])
    found = tcav(model, IMAGES, directions(rows), "a", draws=400, batch_size=16, progress=quiet)
    along = ((seen - seen.mean(0)) @ direction).numpy()
    length = float(direction.square().sum())
    assert [row.direction for row in found] == ["direction 0", "direction 1", "direction 2"]
    assert found[0].score == pytest.approx((along > 0).mean())
    assert found[2].score == pytest.approx((along < 0).mean())
    assert found[0].effect == pytest.approx(2 * along.mean() * length, abs=1e-4)
    assert found[1].effect == pytest.approx(0, abs=1e-4)
    assert found[1].score == 0.5  # the output neither rises nor falls
    assert found[0].score_low <= found[0].score <= found[0].score_high


def test_behind_a_linear_layer_every_score_is_extreme_and_only_the_effect_tells() -> None:
    model = studied()
    net: Any = model.net
    weight = net.behind.weight[1].detach().double().numpy()
    across = np.ones(WIDTH) - weight * weight.sum() / (weight @ weight)
    found = tcav(model, IMAGES, directions(np.stack([weight, across])), "b", draws=500, progress=quiet)
    assert (found[0].score, found[0].score_p) == (1.0, 1.0)
    assert found[0].effect == pytest.approx(weight @ weight, rel=1e-5)
    assert found[0].effect_p < 0.01
    assert found[1].effect_p > 0.9


def test_random_directions_are_seldom_found() -> None:
    seen = means().double().numpy()
    torch.manual_seed(2)
    model = studied(nn.Sequential(nn.Linear(WIDTH, 16), nn.Tanh(), nn.Linear(16, 3)))
    drawn = np.random.default_rng(5).standard_normal((300, 60)) @ (seen - seen.mean(0))
    found = tcav(model, IMAGES, directions(drawn), 0, draws=500, progress=quiet)
    for p in (np.array([row.effect_p for row in found]), np.array([row.score_p for row in found])):
        assert (p <= 0.05).mean() <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5 + 0.02


def test_neural_pca_shares_the_output_out_and_takes_it_back_exactly() -> None:
    model = studied()
    net: Any = model.net
    with torch.no_grad():
        logits = net(X)
    counts = np.bincount(logits.argmax(1).numpy(), minlength=3)
    best = int(counts.argmax())
    found = neural_pca(model, IMAGES, "act", best, n=WIDTH, batch_size=7, progress=quiet)
    of_class = logits.argmax(1) == best
    ((kind, _),) = parse_all(net, [found], X[:1])
    with torch.no_grad():
        maps = net.act(net.conv(X[of_class]))
        alphas = kind.read(maps)
        mean = alphas.mean(2)
        expected = logits[of_class, best] - logits[of_class, best].mean()
        torch.testing.assert_close(mean.sum(1), expected, rtol=1e-3, atol=1e-4)
        spread = mean.std(0)
        assert (spread[:-1] >= spread[1:] - 1e-6).all()
        correlation = torch.corrcoef(mean.T[:4])
        torch.testing.assert_close(correlation, torch.eye(4), rtol=0, atol=1e-3)

        def without(output: torch.Tensor) -> torch.Tensor:
            acts = kind.read(output).clone()
            acts[:, 0] = 0
            written: torch.Tensor = kind.write(output, acts)
            return written

        with edit(net, "act", without):
            fixed = net(X[of_class])
            after = kind.read(without(maps)).mean(2)
    torch.testing.assert_close(logits[of_class, best] - fixed[:, best], mean[:, 0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after[:, 1:], mean[:, 1:], rtol=1e-3, atol=1e-4)  # the others stay
    assert after[:, 0].abs().max() < 1e-4
    assert found.names[:2] == (f"{best} 0", f"{best} 1")


def test_mistakes() -> None:
    model = studied()
    with pytest.raises(SemlensError, match="unknown class 'd'"):
        neural_pca(model, IMAGES, "act", "d", progress=quiet)
    with pytest.raises(SemlensError, match="directions need 101 at least"):
        neural_pca(model, IMAGES, "act", 0, n=100, progress=quiet)
    with pytest.raises(SemlensError, match="needs two images at least"):
        tcav(model, IMAGES, directions(np.eye(WIDTH)), 0, count=1, progress=quiet)
    with pytest.raises(SemlensError, match="is a component: choose an output"):
        tcav(model, IMAGES, directions(np.eye(WIDTH)), "act:1", progress=quiet)
    with pytest.raises(SemlensError, match="is no dictionary"):
        tcav(model, IMAGES, "act", 0, progress=quiet)
