"""Changes of a network, held against what is written out by hand; and that nothing is left of them."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from semlens.errors import SemlensError
from semlens.model import (
    Change,
    Changes,
    Condition,
    Dictionary,
    Head,
    Linear,
    SavedChanges,
    changed,
    load_changes,
    save_changes,
)


class Net(nn.Module):
    """A map, its pool, and a head on it."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.act = nn.ReLU()
        self.pool = pool
        self.head = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.act(self.conv(x))).flatten(1))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net(nn.AdaptiveAvgPool2d(1)).eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(5, 3, 7, 7, generator=torch.Generator().manual_seed(1))


def directions(layer: str, count: int = 2) -> Dictionary:
    """Patterns that are not orthogonal, read all together."""
    patterns = torch.randn(6, count, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return Dictionary(layer, torch.linalg.pinv(patterns).T, torch.zeros(count).double(), patterns.T.contiguous(),
                      torch.full((6,), 0.5).double(), Linear(), tuple(f"d{n}" for n in range(count)))  # fmt: skip


def inside(net: nn.Module, x: torch.Tensor, changes: Changes, at: str) -> torch.Tensor:
    """What passes at a layer, behind the changes."""
    seen = []
    with changed(net, changes, x[:1]):
        handle = net.get_submodule(at).register_forward_hook(lambda _m, _a, out: seen.append(out.detach().clone()))
        net(x)
        handle.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_projection_is_the_target_exactly_and_all_else_stays(net: Net, x: torch.Tensor, pool: str) -> None:
    """Before the ReLU, with the maximum first or with the mean."""
    one = directions("conv")
    target = torch.tensor([0.7, -0.2])
    before = net.conv(x).detach()
    after = inside(net, x, Changes((Change(one, (0, 1), target, pool),)), "conv")  # type: ignore[arg-type]
    pooled = after.double().amax((2, 3)) if pool == "max" else after.double().mean((2, 3))
    read = (pooled - one.centre) @ one.encoder
    torch.testing.assert_close(read, target.double().expand_as(read), atol=1e-5, rtol=0)
    moved = (after - before).double().flatten(2).transpose(1, 2)
    orthogonal = moved - moved @ torch.linalg.pinv(one.decoder) @ one.decoder
    assert orthogonal.abs().max() < 1e-5 < moved.abs().max()
    assert (moved - moved[:, :1]).abs().max() < 1e-5  # every position alike


def test_one_of_two_directions_leaves_what_is_read_of_the_other(net: Net, x: torch.Tensor) -> None:
    one = directions("conv")
    before = (net.conv(x).detach().double().mean((2, 3)) - one.centre) @ one.encoder
    after = inside(net, x, Changes((Change(one, (1,), torch.tensor([3.0]), "mean"),)), "conv").double().mean((2, 3))
    read = (after - one.centre) @ one.encoder
    torch.testing.assert_close(read[:, 0], before[:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(read[:, 1], torch.full((5,), 3.0).double(), atol=1e-5, rtol=0)


def test_units_are_set_at_every_position_and_others_keep_their_bits(net: Net, x: torch.Tensor) -> None:
    before = net.act(net.conv(x)).detach()
    after = inside(net, x, Changes((Change("act", (1, 4), torch.tensor([0.0, 2.5])),)), "act")
    assert not after[:, 1].any()
    assert (after[:, 4] == 2.5).all()
    assert torch.equal(after[:, [0, 2, 3, 5]], before[:, [0, 2, 3, 5]])


def test_a_condition_changes_its_images_and_no_bit_of_the_others(net: Net, x: torch.Tensor) -> None:
    one = directions("conv")
    clean = net(x).detach()
    mean = net.conv(x).detach().mean((2, 3))
    score = mean @ torch.ones(6)
    condition = Condition(torch.ones(6, 1), -score.sort().values[2:4].mean()[None])  # two of five images
    change = Change(one, (0,), torch.tensor([9.0]), "mean", condition)
    where = score + condition.intercept > 0
    assert where.sum() == 2
    with changed(net, Changes((change,)), x[:1]):
        found = net(x).detach()
        alone = net(x[~where][:1]).detach()
    assert torch.equal(found[~where], clean[~where])
    assert torch.equal(alone, net(x[~where][:1]).detach())
    assert (found[where] - clean[where]).abs().max() > 1e-3


def test_everything_is_as_it_was_also_after_an_error(net: Net, x: torch.Tensor) -> None:
    state = {name: value.clone() for name, value in net.state_dict().items()}
    changes = Changes((Change("act", (0,), torch.zeros(1)),), Head("head", torch.ones(4, 6), torch.ones(4)))
    with changed(net, changes, x[:1]):
        assert torch.equal(net.head.weight, torch.ones(4, 6))
        assert set(net.state_dict()) - set(state) == {"_semlens_correction"}
        with pytest.raises(RuntimeError):
            net(x[:, :2])
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    with pytest.raises(RuntimeError), changed(net, changes, x[:1]):
        net(x[:, :2])
    assert set(net.state_dict()) == set(state)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not net.act._forward_hooks
    with (
        changed(net, Changes(), x[:1]),
        pytest.raises(SemlensError, match="corrected already"),
        changed(net, changes, x[:1]),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (Changes((Change("act", (6,), torch.zeros(1)),)), "act:6 does not exist: the layer has 6 components"),
        (Changes((Change("nothing", (0,), torch.zeros(1)),)), "nothing"),
        (Changes((), Head("conv", torch.ones(4, 6), torch.ones(4))), "no linear layer"),
        (Changes((), Head("head", torch.ones(3, 6), torch.ones(3))), r"but one of \(4, 6\)"),
    ],
)
def test_what_a_network_does_not_have_is_said(net: Net, x: torch.Tensor, changes: Changes, words: str) -> None:
    with pytest.raises(SemlensError, match=words), changed(net, changes, x[:1]):
        pass


def test_a_folder_holds_the_same_changes(net: Net, x: torch.Tensor, tmp_path: Path) -> None:
    condition = Condition(torch.randn(6, 2), torch.randn(2))
    changes = Changes(
        (Change(directions("conv"), (0, 1), torch.randn(2), "max", condition), Change("act", (3,), torch.zeros(1))),
        Head("head", torch.randn(4, 6), torch.randn(4)),
    )
    save_changes(SavedChanges("file:net.py:net", "abc", changes, {"seed": 3}, None), tmp_path / "out", None)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    found = load_changes(tmp_path / "elsewhere")
    assert (found.model, found.fingerprint, found.recipe, found.weights) == (
        "file:net.py:net",
        "abc",
        {"seed": 3},
        None,
    )
    assert found.changes.digest() == changes.digest()
    outputs = []
    for one in (changes, found.changes):
        with changed(net, one, x[:1]):
            outputs.append(net(x).detach())
    assert torch.equal(*outputs)
    manifest = json.loads((tmp_path / "elsewhere" / "correction.json").read_text())
    manifest["layers"][1]["units"] = [2]
    (tmp_path / "elsewhere" / "correction.json").write_text(json.dumps(manifest))
    with pytest.raises(SemlensError, match="its digest is another"):
        load_changes(tmp_path / "elsewhere")
    with pytest.raises(SemlensError, match="holds no correction"):
        load_changes(tmp_path)


def test_a_last_layer_without_a_bias_has_one_as_long_as_it_is_changed(x: torch.Tensor) -> None:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False)).eval()
    before, keys = net(x), set(net.state_dict())
    head = Head("2", torch.randn(2, 3), torch.tensor([0.0, -30.0]))
    with changed(net, Changes((), head), x[:1]):
        torch.testing.assert_close(net(x), x.mean((2, 3)) @ head.weight.T + head.bias)
    assert torch.equal(net(x), before)
    assert set(net.state_dict()) == keys
