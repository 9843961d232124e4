"""How many units are taken out: groups of redundant ones, chosen while they help, on images of their own."""

from dataclasses import replace

import numpy as np
import torch

from semlens.correct.choose import choose_units, part_of, redundant
from semlens.correct.head import NEVER
from semlens.correct.seen import see
from semlens.correct.suppress import activations, suppress
from semlens.correct.whole import corrected
from semlens.images import ImageSet
from semlens.model import Changes, Head, VisionModel
from semlens.types import silent
from tests.toy import colours, flat_images


def test_units_are_chosen_while_they_help() -> None:
    """Two groups that help, the larger first; one that harms."""
    worth = {(0,): 0.2, (1, 2): 0.3, (3,): -0.1}

    class Made:
        def __init__(self, units: tuple[int, ...]) -> None:
            self.value = sum(value for group, value in worth.items() if set(group) <= set(units))

        def __enter__(self) -> float:
            return self.value

        def __exit__(self, *_: object) -> None: ...

    assert choose_units(Made, list(worth), lambda model: model) == (1, 2, 0)  # type: ignore[arg-type, return-value]


def test_units_that_rise_and_fall_together_are_one_group() -> None:
    x = np.random.default_rng(0).normal(size=(50, 5))
    x[:, 3] = -2 * x[:, 0] + 0.1 * x[:, 3]
    x[:, 4] = 7.0  # never varies
    assert redundant(x) == [(0, 3), (1,), (2,), (4,)]


def test_a_part_of_a_correction_is_that_correction_of_fewer_units() -> None:
    images = _labelled(40)
    model = colours()
    whole = suppress(model, ["act:0", "act:2", "conv:1"], "reactive", images=images)
    part, alone = part_of(whole.changes, [1, 2]), suppress(model, ["act:2", "conv:1"], "reactive", images=images)
    assert part.digest() == alone.changes.digest()
    assert activations(whole, images).shape == (len(images), 3)
    head = Head("fc", torch.zeros(4, 3), torch.zeros(4))
    nothing = part_of(Changes(whole.changes.layers, head), ())
    assert nothing.layers == ()
    assert nothing.head is head


def _labelled(count: int, classes: int = 2) -> ImageSet:
    """Red or green images; blue goes along with red on those, and says nothing where `classes` is 3."""
    rng = np.random.default_rng(classes)
    rows = []
    for n in range(count):
        label = n % 2
        blue = 230 * (label == 0) if classes == 2 else 230 * int(rng.integers(2))
        rows.append(
            (110 + 60 * (label == 0) + int(rng.integers(40)), 110 + 60 * (label == 1) + int(rng.integers(40)), blue)
        )
    images = flat_images(rows)
    return replace(images, labels=tuple(("red", "green")[n % 2] for n in range(count)))


def _fooled() -> VisionModel:
    """Two outputs: red and half of blue, green."""
    model = colours()
    with torch.no_grad():
        model.net.get_submodule("fc").weight.copy_(  # type: ignore[operator]
            torch.tensor([[1.0, 0, 0.5], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
        )
    return replace(model, class_names=("red", "green", "blue", "none"))


def test_only_what_helps_the_worst_group_is_taken_out() -> None:
    """Blue fools the network and goes; red and green are what it should see, and stay."""
    found = corrected(
        _fooled(), ["act:0", "act:1", "act:2"], _labelled(40), how="zero", refit=False, choose=_labelled(40, 3),
        progress=silent,
    )  # fmt: skip
    assert found.recipe["suppressed"] == ["act:2"]
    assert [change.units for change in found.changes.layers] == [(2,)]
    assert found.recipe["chosen on, digest"] == _labelled(40, 3).fingerprint


def test_a_class_without_images_is_named() -> None:
    found = corrected(_fooled(), None, _labelled(40), progress=silent)
    assert found.recipe[NEVER] == ["blue", "none"]
    with found as model:
        assert see(model, _labelled(20)).logits.argmax(axis=1).max() == 1
    untouched = corrected(_fooled(), "act:2", _labelled(40), how="zero", refit=False, progress=silent)
    assert NEVER not in untouched.recipe
