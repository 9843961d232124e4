"""Corrections of small networks: what they take out, what they leave, and how they are kept."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semlens.correct.concepts import concept_directions, learn_concepts
from semlens.correct.correction import Correction, load_correction
from semlens.correct.head import balanced, fit_head
from semlens.correct.seen import Seen, head_path, see
from semlens.correct.suppress import split, suppress
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes, Head, VisionModel, load_model
from semlens.types import Component, silent
from tests.toy import ColourSpace, colours, flat_images, to_tensor

RED, GREEN, BLUE = range(3)


def pictures(count: int = 60) -> tuple[ImageSet, np.ndarray]:
    """Pictures whose red, green and blue are chosen by chance, red going along with green; and these, in [0, 1]."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (count, 3))
    levels[:, RED] = np.where(rng.random(count) < 0.8, levels[:, GREEN], levels[:, RED])
    return flat_images([tuple(row) for row in levels.tolist()]), levels / 255


def test_a_component_is_zero_or_its_mean_and_the_model_comes_back(tmp_path: Path) -> None:
    images, levels = pictures()
    model = colours()
    before = see(model, images).logits
    fingerprint = model.fingerprint()
    with suppress(model, "act:0", "zero") as corrected:
        np.testing.assert_allclose(see(corrected, images).logits[:, 0], 0, atol=1e-7)
        assert corrected.fingerprint() != fingerprint
    with suppress(model, [Component("act", 0), "act:2"], "mean", images=images) as corrected:
        after = see(corrected, images).logits
    np.testing.assert_allclose(after[:, :3] - np.where([True, False, True], levels.mean(axis=0), 0),
                               np.where([True, False, True], 0, levels), atol=1e-6)  # fmt: skip
    assert np.array_equal(see(model, images).logits, before)
    assert model.fingerprint() == fingerprint


def test_on_twice_is_refused_and_undo_is_harmless() -> None:
    correction = suppress(colours(), "act:0", "zero")
    correction.undo()
    with correction, pytest.raises(SemlensError, match="on already"):
        correction.apply()
    with correction, pytest.raises(SemlensError, match="undo it"):
        correction.save("nowhere")
    assert "off" in repr(correction)


def test_joint_directions_take_out_a_colour_and_leave_the_one_that_goes_along() -> None:
    """Red goes along with green in the pictures: alone its direction is green's too, jointly it is red's."""
    images, levels = pictures(200)
    phrases = {"red": "red", "green": "green", "blue": "blue"}
    found = {}
    for jointly in (True, False):
        how = {"positive": phrases, "foundation": _Levels(), "jointly": jointly, "ridge": 0.0}
        one = concept_directions(colours(), images, "act", **how, progress=silent)
        with suppress(colours(), one, units=["red"]) as corrected:
            found[jointly] = see(corrected, images).logits
    np.testing.assert_allclose(found[True][:, RED], levels[:, RED].mean(), atol=0.02)
    np.testing.assert_allclose(found[True][:, 1:3], levels[:, 1:], atol=0.02)
    assert np.abs(found[False][:, GREEN] - levels[:, GREEN]).mean() > 0.1


class _Levels(ColourSpace):
    """A foundation model whose embedding is the colour less its middle, of length one with what is left of it."""

    def embed_images(self, images: list[Image.Image]) -> np.ndarray:  # type: ignore[override]
        levels = super().embed_images(images) / 255 - 0.5
        return np.concatenate([levels, np.sqrt(1 - (levels**2).sum(axis=1, keepdims=True))], axis=1)

    def embed_texts(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
        return np.concatenate([super().embed_texts(texts), np.zeros((len(texts), 1))], axis=1)


def test_a_reactive_correction_leaves_what_does_not_show_it_to_the_bit() -> None:
    images, levels = pictures(120)
    shown = np.flatnonzero(levels[:, RED] > 0.6)
    clean = np.flatnonzero(levels[:, RED] <= 0.6)
    model = colours()
    one = concept_directions(model, images, "act", positive={"red": shown.tolist()}, progress=silent)
    before = see(model, images).logits
    with suppress(model, one, "reactive", images=images, clean=clean.tolist()) as corrected:
        after = see(corrected, images).logits
    same = (after == before).all(axis=1)
    assert same[clean].mean() >= 0.9  # 0.95 by the calibration
    assert not same[shown].all()
    direction = one.decoder[0].numpy()
    moved = (after - before)[~same][:, :3]
    cosine = moved @ direction / np.linalg.norm(moved, axis=1) / np.linalg.norm(direction)
    np.testing.assert_allclose(cosine, -1, atol=1e-4)


@pytest.mark.parametrize("how", ["pattern", "ridge", "logistic", "svm"])
def test_marked_images_give_a_direction_that_tells_them(how: str) -> None:
    images, levels = pictures(200)
    shown = np.flatnonzero(levels[:, BLUE] > 0.5)
    found = learn_concepts(colours(), images, "conv", positive={"blue": shown.tolist()}, how=how, progress=silent)
    (told,) = found.told
    assert told.concept == "blue"
    assert told.auroc > 0.9
    assert told.low < told.auroc <= told.high
    assert told.n == 40
    encoder, decoder = found.dictionary.encoder[:, 0].numpy(), found.dictionary.decoder[0].numpy()
    assert decoder @ encoder == pytest.approx(1, abs=1e-5)
    rest = np.setdiff1d(np.arange(200), shown)
    difference = levels[shown].mean(axis=0) - levels[rest].mean(axis=0)
    scaled = decoder / np.linalg.norm(decoder)
    np.testing.assert_allclose(scaled, difference / np.linalg.norm(difference), atol=1e-4)


def test_what_gives_no_direction_is_said() -> None:
    images, _ = pictures(20)
    model = colours()
    with pytest.raises(SemlensError, match="20 of 20 images show it"):
        learn_concepts(model, images, "conv", positive={"all": list(range(20))}, progress=silent)
    with pytest.raises(SemlensError, match="foundation model"):
        learn_concepts(model, images, "conv", positive="red", progress=silent)
    with pytest.raises(SemlensError, match="index"):
        learn_concepts(model, images, "conv", positive=Component("conv", 1), progress=silent)
    with pytest.raises(SemlensError, match="pattern"):
        learn_concepts(model, images, "conv", positive=[1], how="patern", progress=silent)
    with pytest.raises(SemlensError, match="give some"):
        suppress(model, "conv:0", "mean")
    with pytest.raises(SemlensError, match="reactive"):
        suppress(model, "conv:0", "reaktive")


def test_a_refitted_head_is_the_minimum_of_its_loss() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 5)) * [1, 5, 1, 1, 1] + 3
    labels = ((x - 3) @ rng.normal(size=(5, 3))).argmax(axis=1).astype(np.int64)
    seen = Seen(np.arange(90), np.zeros((90, 0), np.float32), x.astype(np.float32), np.zeros((90, 4), np.float32))
    head = fit_head("head", seen, labels, penalty=0.05)
    weight = (head.weight.double() * torch.from_numpy(x.std(axis=0))).requires_grad_()
    standard = torch.from_numpy((x - x.mean(axis=0)) / x.std(axis=0))
    bias = (head.bias.double() + head.weight.double() @ torch.from_numpy(x.mean(axis=0))).requires_grad_()
    loss = torch.nn.functional.cross_entropy(standard @ weight.T + bias, torch.from_numpy(labels), reduction="none")
    (torch.from_numpy(balanced(labels)) @ loss + 0.025 * weight.square().sum()).backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() < 1e-4
    logits = x @ head.weight.double().numpy().T + head.bias.double().numpy()
    assert (logits.argmax(axis=1) == labels).mean() > 0.9
    assert (logits[:, 3] < logits[:, :3].min(axis=1)).all()  # of which there was no image


def test_groups_count_alike() -> None:
    weights = balanced(np.array([0, 0, 0, 1, 2, 2]))
    np.testing.assert_allclose(weights, [1 / 9, 1 / 9, 1 / 9, 1 / 3, 1 / 6, 1 / 6])


def test_the_split_of_two_bumps_lies_between_them() -> None:
    values = np.concatenate([np.random.default_rng(2).normal(0, 0.3, 90), np.random.default_rng(3).normal(5, 0.3, 30)])
    assert 1 < split(values) < 4


def _norm_net() -> VisionModel:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6)
    block = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), norm, nn.ReLU())
    net = nn.Sequential(
        block, nn.Conv2d(6, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)
    )
    nn.init.normal_(norm.get_buffer("running_mean"))
    nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 2)
    nn.init.normal_(norm.bias)
    return VisionModel(net.eval(), to_tensor, ("a", "b"), "norms")


def test_what_folds_into_weights_is_written_as_weights_and_the_rest_as_changes(tmp_path: Path) -> None:
    images, _ = pictures(30)
    model = _norm_net()
    one = concept_directions(model, images, "2", positive={"x": [1, 2, 3, 4], "y": [5, 6, 7]}, progress=silent)
    head = Head("5", torch.randn(2, 5), torch.randn(2))
    cases = {
        "filter, norm and shift": (suppress(model, ["0:1", "0:4"], "zero"), True),
        "a mean through the norm": (suppress(model, "0:1", "mean", images=images), True),
        "directions and a head": (suppress(model, one, images=images).with_head(head), True),
        "a condition": (suppress(model, one, "reactive", images=images), False),
        "directions inside": (suppress(model, concept_directions(model, images, "0", positive={"x": [1, 2]},
                                                                 progress=silent), images=images), False),
    }  # fmt: skip
    for name, (correction, folds) in cases.items():
        with correction as corrected:
            expected = see(corrected, images).logits
        assert correction.save(tmp_path / name, images) is folds, name
        assert (tmp_path / name / "weights.safetensors").exists() is folds, name
        with load_correction(tmp_path / name, _norm_net()) as corrected:
            assert np.array_equal(see(corrected, images).logits, expected), name
    with pytest.raises(SemlensError, match="weights"):
        load_correction(tmp_path / "a condition", colours())


def test_a_model_is_loaded_corrected(tmp_path: Path) -> None:
    """Weights of its own where all folds, changes for good where not; and the base must be the same."""
    images, _ = pictures(20)
    model = load_model("testbed:shortcut")
    for how, names in {"zero": (), "reactive": ("reactive",)}.items():
        correction = suppress(model, ["block4:3", "block4:7"], how, images=images)
        assert correction.save(tmp_path / how, images) is (how == "zero")
        with correction as corrected:
            expected = see(corrected, images).logits
        loaded = load_model(f"corrected:{tmp_path / how}")
        assert (loaded.name, bool(names)) == (f"corrected:{tmp_path / how}", how == "reactive")
        np.testing.assert_allclose(see(loaded, images).logits, expected, atol=1e-5)
        assert loaded.fingerprint() != model.fingerprint()
    with pytest.raises(SemlensError, match="holds no correction"):
        load_model(f"corrected:{tmp_path}")


def test_the_last_layer_is_found() -> None:
    assert head_path(colours(), colours().example_input()) == "fc"
    net = VisionModel(nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten()), to_tensor, ("a", "b"))
    with pytest.raises(SemlensError, match="no linear layer"):
        head_path(net, net.example_input())


def test_nothing_changed_is_the_model_itself() -> None:
    images = load_images([Image.new("RGB", (8, 8), "red")])
    model = colours()
    before = see(model, images).logits
    with Correction(model, Changes()) as corrected:
        assert np.array_equal(see(corrected, images).logits, before)
