"""Training a small network on: what it changes, what it leaves, and that it can be killed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from semlens.collection import UnreadableWarning
from semlens.correct import Correction, Course, concept_directions, load_correction, retrain
from semlens.correct.pasting import one_after_another
from semlens.correct.seen import see
from semlens.correct.training import Lesson
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes, Dictionary, VisionModel, load_changes
from semlens.types import silent
from tests.toy import to_tensor

SHORT = Course(epochs=3, rate=0.02, batch=8, patience=3)


class Small(nn.Module):
    """Two convolutions, a norm, dropout, and a linear layer on the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 6, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
        self.body, self.drop, self.head = nn.Conv2d(6, 6, 1), nn.Dropout(0.5), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.act(self.norm(self.stem(x))))
        return self.head(self.drop(x.mean((2, 3))))


@pytest.fixture
def model() -> VisionModel:
    torch.manual_seed(0)
    return VisionModel(Small().train(), to_tensor, ("dark", "light"), "toy:small")


def scenes(count: int = 60, together: float = 0.9) -> tuple[ImageSet, np.ndarray, np.ndarray]:
    """Pictures that are light by their green; a red left half goes along with it. Also which are light, and red."""
    rng = np.random.default_rng(0)
    light = rng.random(count) < 0.5
    red = np.where(rng.random(count) < together, light, ~light)
    pixels = rng.integers(0, 60, (count, 8, 8, 3)).astype(np.uint8)
    pixels[..., 1] += (40 * light[:, None, None] + rng.integers(0, 60, (count, 1, 1))).astype(np.uint8)
    pixels[red, :, :4, 0] = 240
    pairs = [(image, "light" if one else "dark") for image, one in zip(_pictures(pixels), light, strict=True)]
    return load_images(pairs), light, red


def _pictures(pixels: np.ndarray) -> list[Any]:
    from PIL.Image import fromarray

    return [fromarray(one) for one in pixels]


def red_masks(red: np.ndarray) -> dict[str, dict[int, np.ndarray]]:
    half = np.zeros((8, 8), bool)
    half[:, :4] = True
    return {"red": {int(id): half for id in np.flatnonzero(red)}}


def red_marks(images: ImageSet, red: np.ndarray) -> dict[str, dict[str, bool]]:
    return {"red": dict(zip(images.names, red.tolist(), strict=True))}


def directions(model: VisionModel, images: ImageSet, red: np.ndarray, layer: str = "body") -> Dictionary:
    ids = np.flatnonzero(red).tolist()
    return concept_directions(model, images, layer, positive={"red": ids}, progress=silent)


def same(one: Correction, other: Correction) -> bool:
    a, b = one.changes.weights, other.changes.weights
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_network_stays_and_the_correction_changes_it(model: VisionModel, tmp_path: Path) -> None:
    images, _, _ = scenes()
    before, logits = model.fingerprint(), see(model, images).logits
    one = retrain(model, images, "fine-tune", course=SHORT, progress=silent)
    assert model.fingerprint() == before
    assert model.net.training
    assert all(value.grad is None and value.requires_grad for value in model.net.parameters())
    with one as changed:
        after = see(changed, images).logits
    assert np.abs(after - logits).max() > 0.05
    assert np.array_equal(see(model, images).logits, logits)
    assert set(one.changes.weights) == {name for name, _ in model.net.named_parameters()}
    assert one.save(tmp_path / "one", images)  # all of it is in a state dict
    assert load_changes(tmp_path / "one").changes.digest() == one.changes.digest()
    with load_correction(tmp_path / "one", model) as again:
        assert np.array_equal(see(again, images).logits, after)
    assert "8 parameters" in repr(one)


def test_versions_of_an_image_are_told_apart_by_less(model: VisionModel) -> None:
    """One version with red put in or taken out: at weight 0 it alone is trained on, above it a pair with the image."""
    images, light, red = scenes(160)
    pixels = np.stack([np.asarray(images.load(i)) for i in range(160)])
    turned = pixels.copy()
    turned[:, :, :4, 0] = np.where(red[:, None, None], pixels[:, :, 4:, 0], 240)
    other = load_images([(one, label) for one, label in zip(_pictures(turned), images.labels, strict=True)])
    left = []
    for weight in (0.0, 1.0):
        course = Course(epochs=6, rate=0.02, batch=16, patience=6, weight=weight)
        left.append(influence(retrain(model, images, "augment", versions=[other], course=course, progress=silent)))
    assert left[1] < 0.25 * left[0]
    lesson = Lesson(model, one_after_another(images, (other, other)), light.astype(np.int64), np.ones(160),
                    np.zeros(160, bool), {}, (), 2, paired=True)  # fmt: skip
    drawn = lesson.drawn(np.arange(160), np.random.default_rng(0)).reshape(160, 2)
    assert (drawn % 160 == np.arange(160)[:, None]).all()
    assert {tuple(sorted(pair)) for pair in (drawn // 160).tolist()} == {(1, 2)}  # not the image itself, given two


@pytest.mark.parametrize("how", ["rr-clarc", "rrr", "cdep"])
def test_weight_zero_is_plain_fine_tuning_bit_for_bit(model: VisionModel, how: str) -> None:
    images, _, red = scenes()
    given: dict[str, Any] = {"what": directions(model, images, red)} if how == "rr-clarc" else {"masks": red_masks(red)}
    zero, one = (Course(epochs=2, rate=0.02, batch=8, weight=weight) for weight in (0.0, 1.0))
    found = retrain(model, images, how, course=zero, progress=silent, **given)
    plain = retrain(model, images, "fine-tune", course=zero, progress=silent,
                    layer="body" if how == "rr-clarc" else "")  # fmt: skip
    assert same(found, plain)
    assert not same(found, retrain(model, images, how, course=one, progress=silent, **given))


class _Killed(Exception):
    """What stands for the end of a process."""


def killed_after(batches: int) -> Callable[[str, int, int], None]:
    """A progress that ends the run."""
    count = [0]

    def tell(step: str, done: int, total: int) -> None:
        count[0] += step == "train"
        if count[0] == batches:
            raise _Killed

    return tell


@pytest.mark.parametrize("batches", [3, 10])
def test_a_killed_run_is_taken_up_to_the_same_bytes(
    model: VisionModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """Within an epoch, as states are kept after every batch here, and at a later one."""
    monkeypatch.setattr("semlens.correct.training.EVERY", -1.0)
    images, _, red = scenes()
    given: dict[str, Any] = {"what": directions(model, images, red), "course": SHORT}
    whole = retrain(model, images, "rr-clarc", **given, progress=silent)
    with pytest.raises(_Killed):
        retrain(model, images, "rr-clarc", **given, out=tmp_path / "out", progress=killed_after(batches))
    assert (tmp_path / "out.partial").exists()
    with pytest.raises(SemlensError, match="unfinished work"):
        retrain(model, images, "rr-clarc", **given, out=tmp_path / "out", progress=silent)
    other = {**given, "course": Course(epochs=3, rate=0.01, batch=8)}
    with pytest.raises(SemlensError, match="images or settings"):
        retrain(model, images, "rr-clarc", **other, out=tmp_path / "out", resume=True, progress=silent)
    told: list[int] = []
    resumed = retrain(model, images, "rr-clarc", **given, out=tmp_path / "out", resume=True,
                      progress=lambda _step, done, _total: told.append(done))  # fmt: skip
    assert same(whole, resumed)
    assert resumed.recipe == whole.recipe
    assert min(told) > 8 * (batches - 1) - 8  # what was done is not done again
    assert not (tmp_path / "out.partial").exists()


def test_the_best_weights_on_images_held_out_come_back(model: VisionModel) -> None:
    """A rate so high that every epoch makes it worse leaves what was; groups are held out, each a fifth."""
    images, _, red = scenes(160, together=0.7)
    wild = Course(epochs=6, rate=30.0, batch=8, patience=2)
    found = retrain(model, images, "fine-tune", course=wild, progress=silent)
    scores = found.recipe["scores"]
    best = min(range(len(scores)), key=lambda n: scores[n]["loss"])
    assert found.recipe["best_epoch"] == best
    assert len(scores) == best + 3  # two without a better one end it
    if best == 0:
        assert all(torch.equal(value, model.net.get_parameter(name)) for name, value in found.changes.weights.items())
    longer = Course(epochs=6, rate=0.05, batch=16, patience=6, by="worst group")
    by_group = retrain(model, images, "fine-tune", course=longer, marks=red_marks(images, red), progress=silent)
    top = max(by_group.recipe["scores"], key=lambda score: (score["worst_group"], -score["loss"]))
    assert by_group.recipe["best_epoch"] == top["epoch"]
    assert 0 < top["worst_group"] <= 1


@pytest.mark.parametrize("how", ["augment", "a-clarc", "rr-clarc", "rrr", "cdep", "reweight"])
def test_each_method_relies_less_on_red_than_fine_tuning(model: VisionModel, how: str) -> None:
    """What red does to the logits, in exact pairs of pictures."""
    images, _, red = scenes(160)
    others = [scenes(160, together=0.5)[0]]
    course = Course(epochs=8, rate=0.02, batch=16, patience=8, weight={"rrr": 300.0, "cdep": 3.0}.get(how, 1.0))
    by_method: dict[str, dict[str, Any]] = {
        "augment": {"versions": others}, "rrr": {"masks": red_masks(red)}, "cdep": {"masks": red_masks(red)},
        "reweight": {"marks": red_marks(images, red)},
    }  # fmt: skip
    given = by_method.get(how) or {"what": directions(model, images, red, "norm")}
    plain = retrain(model, images, "fine-tune", course=course, progress=silent)
    found = retrain(model, images, how, course=course, progress=silent, **given)
    assert influence(found) < 0.75 * influence(plain)


def influence(correction: Correction) -> float:
    """By how much a red half moves the logits."""
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 100, (20, 8, 8, 3)).astype(np.uint8)
    with_red = pixels.copy()
    with_red[:, :, :4, 0] = 240
    with correction as model:
        pair = [see(model, load_images(_pictures(one))).logits for one in (pixels, with_red)]
    moved = pair[1] - pair[0]
    return float(np.abs((moved[:, 1] - moved[:, 0]).mean()))


def test_what_a_method_lacks_is_said(model: VisionModel) -> None:
    images, _, red = scenes(20)
    for how, match in {
        "rrr": "masks", "cdep": "masks", "augment": "versions", "reweight": "groups", "rr-clarc": "--what",
        "rr-clark": "rr-clarc",
    }.items():  # fmt: skip
        with pytest.raises(SemlensError, match=match):
            retrain(model, images, how, progress=silent)
    by_group = Course(by="worst group")
    with pytest.raises(SemlensError, match="marks"):
        retrain(model, images, "fine-tune", course=by_group, progress=silent)
    with pytest.raises(SemlensError, match="no group has 10"):
        retrain(model, images, "fine-tune", course=by_group, marks=red_marks(images, red), progress=silent)
    with pytest.raises(SemlensError, match="worst group"):
        Course(by="worst")
    with pytest.raises(SemlensError, match="augment does"):
        retrain(model, images, "fine-tune", versions=[images], progress=silent)
    with pytest.raises(SemlensError, match="table of marks"):
        retrain(model, images, "reweight", marks={"red": {"elsewhere.png": True}}, progress=silent)
    one = load_images([(images.load(i), "dark") for i in range(4)])
    with pytest.raises(SemlensError, match="two classes"):
        retrain(model, one, "fine-tune", progress=silent)
    with pytest.raises(SemlensError, match="has 20 images|one for each"):
        retrain(model, images, "augment", versions=[scenes(10)[0]], progress=silent)
    wild = Course(epochs=2, rate=1e30, batch=4)
    with pytest.raises(SemlensError, match="lower rate"):
        retrain(model, images, "fine-tune", course=wild, progress=silent)
    with pytest.raises(SemlensError, match="epochs"):
        Course(epochs=0)
    with pytest.raises(SemlensError, match="rate"):
        Course(rate=-1)
    half = VisionModel(Small().half(), to_tensor, model.class_names)
    with pytest.raises(SemlensError, match="float32"):
        retrain(half, images, "fine-tune", progress=silent)


def test_an_image_that_cannot_be_read_is_left_out_and_told(model: VisionModel, tmp_path: Path) -> None:
    """As if it were not there, but for its place among the others."""
    images, _, _ = scenes(24)
    for label in ("dark", "light"):
        (tmp_path / label).mkdir()
    for id in range(24):
        images.load(id).save(tmp_path / str(images.labels[id]) / f"{id:02}.png")
    whole = load_images(tmp_path)
    broken = next(iter(whole.names))
    (tmp_path / broken).write_bytes(b"no picture")
    with pytest.warns(UnreadableWarning, match=rf"1 of 24 images .* first {broken}"):
        found = retrain(model, tmp_path, "fine-tune", course=SHORT, progress=silent)
    assert all(np.isfinite(score["loss"]) for score in found.recipe["scores"])


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_a_scripted_network_is_refused(model: VisionModel) -> None:
    scripted = VisionModel(torch.jit.trace(model.net.eval(), torch.zeros(1, 3, 8, 8)), to_tensor, model.class_names)
    with pytest.raises(SemlensError, match="TorchScript"):
        retrain(scripted, scenes(20)[0], "fine-tune", progress=silent)


def test_a_parameter_of_another_shape_is_refused(model: VisionModel) -> None:
    for name, match in {"head.weight": r"\(2, 6\)", "neck.weight": "none of that name"}.items():
        with pytest.raises(SemlensError, match=match), Correction(model, Changes(weights={name: torch.zeros(3)})):
            pass
