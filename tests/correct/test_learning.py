"""A network that is trained on by feedback: as feedback says, also where there is no gradient."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from semlens.attribution import feedback
from semlens.correct import Course, retrain
from semlens.correct.learning import by_feedback
from semlens.correct.penalties import Batch
from semlens.correct.seen import see
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import VisionModel
from semlens.types import silent
from tests.correct.test_training import Small, same, scenes
from tests.toy import to_tensor


class Steps(nn.Module):
    """Two layers of steps, which have no derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(3, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        zero = x.new_zeros(())
        x = torch.heaviside(self.first(x.mean((2, 3)) * 4 - 1), zero)
        return self.head(torch.heaviside(self.second(x), zero))


def accuracy(model: VisionModel, images: ImageSet) -> float:
    right = np.array([model.class_names.index(str(label)) for label in images.labels])
    return float((see(model, images).logits.argmax(1) == right).mean())


@pytest.mark.parametrize("rule", ["epsilon", "gamma:0.4", "hebbian"])
def test_what_goes_down_is_the_feedback_of_the_loss(rule: str) -> None:
    """For weights of one's own, the network having others; of a part of the images, each with its share."""
    torch.manual_seed(1)
    net, other = Small().eval(), Small().eval()
    x, labels, share = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 1, 0, 1, 0]), torch.tensor([2.0, 0.5, 1, 1, 1, 0.5])

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return (share * cross_entropy(logits, labels, reduction="none")).mean()

    weights = {name: value.detach().clone().requires_grad_() for name, value in other.named_parameters()}
    passed = by_feedback(net, rule)(net, weights, Batch(x, np.arange(6), torch.ones(6, 2)))
    found = torch.autograd.grad(loss(passed.logits), list(weights.values()), allow_unused=True)
    expected = feedback(other, x, loss, rule=rule)
    torch.testing.assert_close(passed.logits, expected.output)
    for (name, value), down in zip(other.named_parameters(), found, strict=True):
        assert (down is None) == (name in expected.without)
        torch.testing.assert_close(down, value.grad)
    assert all(value.grad is None for value in net.parameters())


def test_a_network_of_steps_is_trained_in_every_layer() -> None:
    torch.manual_seed(0)
    images, model = scenes(64)[0], VisionModel(Steps(), to_tensor, ("dark", "light"), "toy:steps")
    before, fingerprint = accuracy(model, images), model.fingerprint()
    course = Course(epochs=12, rate=0.05, batch=32, patience=12)
    found = retrain(model, images, "feedback", rule="epsilon:0.3", course=course, progress=silent)
    with found as learnt:
        assert accuracy(learnt, images) > before + 0.2
    assert model.fingerprint() == fingerprint
    for name, value in model.net.named_parameters():
        assert not torch.equal(found.changes.weights[name], value)
    assert found.recipe["rule"] == "epsilon:0.3"


def test_what_gets_no_feedback_stays_and_rules_differ() -> None:
    torch.manual_seed(0)
    model, images = VisionModel(Small(), to_tensor, ("dark", "light"), "toy:small"), scenes()[0]
    short = Course(epochs=2, rate=0.02, batch=8)
    one = retrain(model, images, "feedback", course=short, progress=silent)
    other = retrain(model, images, "feedback", rule="gamma", course=short, progress=silent)
    for name, value in model.net.named_parameters():
        assert torch.equal(value, one.changes.weights[name]) == (name in ("norm.weight", "norm.bias", "stem.bias"))
    assert not same(one, other)
    assert one.recipe["rule"] == "epsilon"


@pytest.mark.parametrize(
    ("how", "rule", "match"),
    [
        ("fine-tune", "gamma", "takes no rule"),
        ("feedback", "delta", "unknown feedback rule 'delta'"),
        ("feedback", "gamma:a", "gamma:0.1"),
        ("feedback", "epsilon:-1", "at least 0"),
        ("feedback", "epsilon:inf", "at least 0"),
    ],
)
def test_mistakes_are_said(how: str, rule: str, match: str) -> None:
    model = VisionModel(Small(), to_tensor, ("dark", "light"))
    with pytest.raises(SemlensError, match=match):
        retrain(model, scenes(20)[0], how, rule=rule, progress=silent)
