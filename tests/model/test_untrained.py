"""The untrained twin: every weight drawn anew by its own module, the same for a seed, the model itself untouched."""

import pytest
import torch
from torch import nn

from semlens.errors import SemlensError
from semlens.model import VisionModel, load_model, untrained
from tests.toy import colours, to_tensor


def weights(model: VisionModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.net.state_dict().items()}


@pytest.mark.parametrize("spec", ["testbed:shortcut", "testbed:transformer"])
def test_a_twin_is_drawn_anew_by_its_seed_and_the_model_stays(spec: str) -> None:
    model = load_model(spec)
    before, state = weights(model), torch.get_rng_state()
    twin, again, other = untrained(model), untrained(model), untrained(model, seed=1)
    assert (twin.name, twin.class_names) == (f"{spec} untrained (seed 0)", model.class_names)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.net.state_dict().items())
    assert twin.fingerprint() == again.fingerprint() != other.fingerprint()
    assert twin.fingerprint() != model.fingerprint()
    for name, value in twin.net.state_dict().items():
        if value.ndim > 1:
            assert not torch.equal(value, before[name])
        if name.endswith("running_mean"):
            assert not value.any()
    assert not twin.net.training


def test_a_weight_starts_as_its_module_says() -> None:
    twin = untrained(colours())
    made = colours().net
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in (made.fc, made.conv):
            assert isinstance(module, nn.Linear | nn.Conv2d)
            module.reset_parameters()
    mine, theirs = twin.net.state_dict(), made.state_dict()
    assert torch.equal(mine["fc.weight"], theirs["fc.weight"])
    assert torch.equal(mine["conv.weight"], theirs["conv.weight"])


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0]))


class Idle(Scaled):
    def reset_parameters(self) -> None:
        """Does nothing."""


class Asking(Scaled):
    def reset_parameters(self, spread: float) -> None:
        """Wants to be told."""


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Scaled(), r"1 \(Scaled\) does not say how its scale starts, so there is no untrained twin"),
        (Idle(), "1.scale is not drawn anew by its module"),
        (Asking(), r"the weights of 1 \(Asking\) cannot be drawn anew: .*spread"),
    ],
)
def test_what_cannot_be_drawn_anew_is_said(module: nn.Module, words: str) -> None:
    with pytest.raises(SemlensError, match=words):
        untrained(VisionModel(nn.Sequential(nn.Conv2d(3, 2, 1), module), to_tensor))
