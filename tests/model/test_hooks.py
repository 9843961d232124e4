from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from semlens.errors import SemlensError
from semlens.model.hooks import Site, each_module, edit, follow, modules_of, record, still, survey
from tests.toy import Colours

X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Twice(nn.Module):
    """Calls one ReLU twice, as ResNet blocks do."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.unused = nn.ReLU(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(x) - 1)


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.out = nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Conv2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.drop(self.norm(x)))


def test_record_gives_the_layers_outputs_of_the_latest_pass() -> None:
    net = Colours()
    with record(net, ["conv", "fc"]) as seen:
        net(X)
        out = net(X * 2)
        assert torch.equal(seen["fc"], out)
        torch.testing.assert_close(seen["conv"], X * 2)


def test_keep_is_applied_inside_the_hook() -> None:
    net = Colours()
    with record(net, ["conv"], lambda layer, output: (layer, output.shape)) as seen:
        net(X)
    assert seen["conv"] == ("conv", (2, 3, 8, 8))


def test_edit_continues_with_the_changed_output() -> None:
    net = Colours()
    with edit(net, "act", lambda output: torch.zeros_like(output)):
        assert net(X).abs().sum() == 0
    assert net(X).abs().sum() > 0


def test_edit_of_an_input() -> None:
    net = Colours()
    with edit(net, Site("fc", side="input"), lambda x: x * 0 + torch.tensor([1.0, 0, 0])):
        assert net(X)[0].tolist() == [1.0, 0.0, 0.0, -1.0]


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_in_train_mode_is_left_as_found(fails: bool) -> None:
    """T8: the published package never calls eval, so statistics move and dropout applies."""
    net = Noisy().train()
    net.norm.eval()
    net.out.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    grads = [p.requires_grad for p in net.parameters()]

    def run() -> None:
        with record(net, ["out"], (lambda *_: 1 / 0) if fails else (lambda _, output: output)) as seen:
            net.norm.training = False
            a, b = net(X), net(X)
            assert torch.equal(a, b)
            assert torch.equal(seen["out"], a)

    if fails:
        with pytest.raises(ZeroDivisionError):
            run()
    else:
        run()
    assert [module.training for module in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == grads
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_statistics_do_not_move_while_recording() -> None:
    net = Noisy().train()
    assert net.norm.running_mean is not None
    mean = net.norm.running_mean.clone()
    with record(net, ["out"]):
        net(X)
    assert torch.equal(net.norm.running_mean, mean)
    net(X)
    assert not torch.equal(net.norm.running_mean, mean)


def test_a_module_called_twice_is_refused_unless_a_call_is_named() -> None:
    """T7: the published package mixes the calls and counts images twice."""
    net, x = Twice(), torch.tensor([0.5, 3.0])
    with record(net, ["relu"]), pytest.raises(SemlensError, match="relu#0 or relu#1"):
        net(x)
    with record(net, ["relu#0", "relu#1"]) as seen:
        net(x)
        assert seen["relu#0"].tolist() == [0.5, 3.0]
        assert seen["relu#1"].tolist() == [0.0, 2.0]
        net(x)  # a second pass counts anew
    with record(net, ["relu#2"]), pytest.raises(SemlensError, match="ran 2 times"):
        net(x)


def test_a_layer_that_does_not_run_is_an_error() -> None:
    net = Twice()
    with record(net, ["unused"]), pytest.raises(SemlensError, match="'unused' did not run"):
        net(X)


def test_an_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(SemlensError, match="unknown layer 'convv'; nearest: conv"), record(Colours(), ["convv"]):
        pass
    with pytest.raises(SemlensError, match="number of the call"), record(Colours(), ["conv#x"]):
        pass


def test_survey_lists_every_call() -> None:
    def sites(net: nn.Module) -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        survey(net, X, lambda site, _module, _value: seen.append((str(site), site.side)))
        return seen

    relu = [(f"relu#{call}", side) for call in (0, 1) for side in ("input", "output")]
    assert sites(Twice()) == [("#0", "input"), *relu, ("#0", "output")]
    layers = [layer for layer, side in sites(Colours()) if side == "output"]
    assert layers == ["conv#0", "act#0", "pool#0", "fc#0", "#0"]


def test_still_keeps_mixed_modes() -> None:
    net = Noisy()
    net.drop.eval()
    with still(net):
        assert not any(module.training for module in net.modules())
    assert net.training
    assert net.norm.training
    assert not net.drop.training


class Repeating(nn.Module):
    """Runs one block twice, and computes on its own between."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.inner(x) + 1) * 2


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_modules_are_those_that_torch_names_in_its_order() -> None:
    shared = nn.Linear(2, 2)
    named = nn.ModuleDict()
    net = nn.Sequential(shared, nn.Sequential(nn.ModuleList([shared, nn.ReLU()]), nn.Identity()), named)
    net.register_module("none", None)
    named["itself"] = net[1]
    assert modules_of(net) == list(net.named_modules())
    assert {*each_module(net)} == {*net.modules()}
    scripted: nn.Module = torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU())))
    assert [path for path, _ in modules_of(scripted)] == ["", "0", "1", "1.0"]


def test_follow_tells_the_module_that_hooks_would() -> None:
    net = nn.Sequential(nn.Linear(3, 3), Repeating(), nn.Softmax(1))
    where, running = follow(modules_of(net)), [""]

    def leave(*_: Any) -> None:
        running.pop()

    for path, module in net.named_modules():
        module.register_forward_pre_hook(lambda *_, path=path: running.append(path))
        module.register_forward_hook(leave)
    told: list[tuple[str, str]] = []

    class See(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            told.append((where(), running[-1]))
            return func(*args, **(kwargs or {}))

    with See():
        net(torch.zeros(2, 3)).exp()
    assert all(ours == hooks for ours, hooks in told)
    assert {ours for ours, _ in told} == {"", "0", "1", "1.inner.0", "1.inner.1", "2"}
