"""Interventions on a network whose answer is known: it sees redness, darkness, and nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from semlens.benchmark.truth import MAIN, RESPONDS, Effects, effects, outputs, removals
from semlens.errors import SemlensError
from semlens.model.vision_model import VisionModel
from semlens.testbed.nets import preprocess
from semlens.testbed.world.population import World
from semlens.testbed.world.render import draw
from semlens.testbed.world.scenario import CLEAN

pytestmark = pytest.mark.slow

SCENES = World.of(CLEAN, 12, 9).scenes


class Seer(nn.Module):
    """Channel 0 is redness, 1 darkness, 2 always zero; the outputs are known sums of their means."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Conv2d(3, 3, 1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(3, 2)
        with torch.no_grad():
            self.see.weight.copy_(torch.tensor([[1.0, -0.5, -0.5], [-1, -1, -1], [0, 0, 0]])[..., None, None])
            self.see.bias.copy_(torch.tensor([0.0, -3.0, -1.0]))
            self.head.weight.copy_(torch.tensor([[2.0, 1.0, 5.0], [-1.0, 0.0, 7.0]]))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.see(x)).mean((2, 3)))


@pytest.fixture
def model() -> VisionModel:
    return VisionModel(Seer(), preprocess(), ("a", "b"), "seer")


def means(scene) -> np.ndarray:
    """The seer's three means on a scene, computed from its pixels."""
    r, g, b = np.moveaxis((np.asarray(draw(scene).image) / 255 - 0.5) / 0.25, -1, 0)
    return np.array([np.maximum(r - (g + b) / 2, 0).mean(), np.maximum(-r - g - b - 3, 0).mean(), 0])


@pytest.fixture(scope="module")
def found() -> Effects:
    return effects(
        VisionModel(Seer(), preprocess(), ("a", "b"), "seer"),
        SCENES,
        ["relu"],
        concepts=["red skin", "vignetting", "ruler"],
    )


def test_an_effect_is_the_mean_change_in_standard_deviations(found):
    before = np.stack([means(scene) for scene in SCENES])
    for q, name in enumerate(found.concepts):
        with_it = np.stack([means(scene if scene.has(name) else scene.flipped(name)) for scene in SCENES])
        without = np.stack([means(scene.flipped(name) if scene.has(name) else scene) for scene in SCENES])
        change = (with_it - without)[:, :2] / before.std(axis=0)[:2]
        assert found.activation[:2, q] == pytest.approx(change.mean(axis=0), rel=1e-3, abs=1e-4)
        assert found.activation_error[:2, q] == pytest.approx(
            change.std(axis=0, ddof=1) / np.sqrt(12), rel=1e-3, abs=1e-4
        )


def test_what_never_varies_responds_to_nothing(found):
    assert (found.activation[2] == 0).all()
    assert not found.responds[2].any()


def test_components_respond_to_what_they_see(found):
    assert found.responds[:2].tolist() == [[True, False, False], [False, True, False]]


def test_logits_change_with_what_the_network_sees(found):
    red = np.stack([means(scene if scene.has("red skin") else scene.flipped("red skin")) for scene in SCENES])
    pale = np.stack([means(scene.flipped("red skin") if scene.has("red skin") else scene) for scene in SCENES])
    assert found.logit[:, :, 0] == pytest.approx(
        (red - pale) @ np.array([[2.0, 1, 5], [-1, 0, 7]]).T, rel=1e-3, abs=1e-4
    )


def test_a_prediction_is_turned_where_the_highest_output_changes(model, found):
    net = model.net
    with torch.no_grad():  # output b is a fixed bar that only a red picture's output a jumps over
        net.head.weight.copy_(torch.tensor([[2.0, 0, 0], [0, 0, 0]]))
        net.head.bias[1] = 2 * np.median([means(scene)[0] for scene in SCENES])
    turned = effects(model, SCENES, ["relu"], concepts=["red skin"]).turned[:, 0]
    base, other = outputs(model, SCENES), outputs(model, [scene.flipped("red skin") for scene in SCENES])
    assert turned.tolist() == (base.argmax(axis=1) != other.argmax(axis=1)).tolist()
    assert turned.any()
    assert not turned.all()


@pytest.mark.parametrize(
    ("activation", "error", "expected"),
    [
        ([RESPONDS, 0.0], 0.0, [True, False]),
        ([RESPONDS * 0.99, 0.0], 0.0, [False, False]),
        ([2.0, 2.0 * MAIN], 0.0, [True, True]),  # two concepts
        ([2.0, 1.9 * MAIN], 0.0, [True, False]),
        ([1.0, -3.0], 0.0, [True, False]),  # a fall is no response
        ([0.6, 0.0], 0.31, [False, False]),  # not sure
    ],
)
def test_what_counts_as_a_response(found, activation, error, expected):
    one = replace(
        found,
        concepts=found.concepts[:2],
        logit=found.logit[:, :, :2],
        turned=found.turned[:, :2],
        activation=np.array([activation], np.float32),
        activation_error=np.full((1, 2), error, np.float32),
    )
    assert one.responds.tolist() == [expected]


def test_outputs_are_those_of_the_network_in_the_order_of_the_scenes(model):
    expected = np.stack([means(scene) for scene in SCENES]) @ np.array([[2.0, 1, 5], [-1, 0, 7]]).T
    assert outputs(model, SCENES) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_to_remove_a_component_takes_its_part_of_the_output(model):
    falls = removals(model, SCENES, ["relu"], 0)
    expected = np.stack([means(scene) for scene in SCENES]).T * np.array([[2.0], [1], [5]])
    assert falls == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert outputs(model, SCENES[:1])[0, 0] == pytest.approx(falls[:, 0].sum(), rel=1e-3)  # the model is as before


def test_unknown_concepts_and_layers_are_named(model):
    with pytest.raises(SemlensError, match="unknown concept 'rulers'; nearest: ruler"):
        effects(model, SCENES[:2], ["relu"], concepts=["rulers"])
    with pytest.raises(SemlensError, match="unknown layer 'rel'"):
        effects(model, SCENES[:2], ["rel"], concepts=["ruler"])
