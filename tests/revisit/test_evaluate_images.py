"""Images of one colour each, so that what every component does on a picture is read off its name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import mannwhitneyu

from semlens.analysis.labels.labelling import Labels
from semlens.analysis.probe import probe
from semlens.collection import UnreadableWarning, collect
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index.index import ConceptIndex
from semlens.pipeline.embed import embed
from semlens.revisit.evaluate_images import LEAST, check_simulator, evaluate_held_out
from semlens.types import MISSING
from tests.planted import BY_HAND
from tests.toy import SIDE, Colours, ColourSpace, colours, to_tensor

FM, MODEL = ColourSpace(), colours()
WORDS = ("red", "green", "blue", "green blue")
VOCABULARY = probe(FM, WORDS)
UNITS = 7  # act: red, green, blue; fc: the same, and what is not red


class Recorder(ColourSpace):
    """Another space of colours, in which red and green count double; it remembers the pictures it was shown."""

    def __init__(self) -> None:
        super().__init__("toy:other colours")
        self.seen: list[tuple[int, ...]] = []

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.seen += [tuple(image.tobytes()[:3]) for image in images]
        return super().embed_images(images) * np.array([2, 2, 1], np.float32)


def painted(count: int, seed: int) -> list[tuple[int, int, int]]:
    """Colours of one brightness: a word fits a picture as well as the picture shows it."""
    rgb = np.abs(np.random.default_rng(seed).normal(size=(count, 3)))
    return [tuple(one) for one in np.rint(250 * rgb / np.linalg.norm(rgb, axis=1, keepdims=True)).astype(int).tolist()]


def image_set(rgb: list[tuple[int, int, int]]) -> ImageSet:
    return load_images([Image.new("RGB", (SIDE, SIDE), one) for one in rgb])


RGB, OTHER = painted(120, 0), painted(200, 1)
IMAGES, HELD_OUT = image_set(RGB), image_set(OTHER)
INDEX = embed(collect(MODEL, IMAGES, ["act", "fc"], k=4), IMAGES, FM)


def labelled(labels: list[str | None], index: ConceptIndex = INDEX) -> Labels:
    """Labels by hand, None where there is none."""
    ranked = np.array([[WORDS.index(label) if label else 0] for label in labels], np.int32)
    q, flat = np.array([0.01 if label else 0.9 for label in labels]), np.zeros(len(labels), np.float32)
    return Labels(index, WORDS, BY_HAND, ranked, flat[:, None], q, q, flat, {})


RIGHT = labelled(["red", "green", "blue", "red", "green", "blue", "green blue"])
WRONG = labelled(["green", "blue", "red", "green", "blue", "red", "red"])


def activations(rgb: np.ndarray) -> np.ndarray:
    """Of all components of the toy: a colour's part of 255, and for the last one what there is of red, negative."""
    part = rgb / 255
    return np.concatenate([part, part, -part[:, :1]], axis=1)


def by_hand(label: str | None, unit: int, rgb: np.ndarray, top: int) -> float:
    """The AUC of a label's nearest pictures of the first half against the second half."""
    assert label is not None
    half = len(rgb) // 2
    word = probe(FM, [label]).vectors[0].astype(np.float64)
    fit = rgb[:half] @ word / np.linalg.norm(rgb[:half], axis=1)
    nearest, acts = np.argsort(-fit, kind="stable")[:top], activations(rgb)[:, unit]
    u = mannwhitneyu(acts[:half][nearest], acts[half:]).statistic
    return float(u / (top * (len(rgb) - half)))


def test_right_labels_are_near_one_and_every_value_is_that_of_the_hand() -> None:
    found = evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, top=5, seed=3)
    order = np.random.default_rng(3).permutation(len(OTHER))
    rgb = np.array(OTHER)[order]
    hand = [by_hand(RIGHT.of(unit), unit, rgb, 5) for unit in range(UNITS)]
    np.testing.assert_allclose(found.of("AUC").values, hand, atol=1e-6)
    assert found.of("AUC").mean.value == pytest.approx(np.mean(hand), abs=1e-6)
    assert (found.of("AUC").values[:6] > 0.95).all()  # "green blue" says more than what is not red
    every = np.array([[by_hand(word, unit, rgb, 5) for word in WORDS] for unit in range(UNITS)])
    np.testing.assert_allclose(found.of("AUC", "random").values, every.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.of("AUC", "oracle").values, every.max(axis=1), atol=1e-6)
    assert {row.images_from for row in found.rows} == {"retrieved"}


def test_wrong_labels_fall_short_of_right_ones_and_of_chance() -> None:
    right, wrong = (evaluate_held_out(one, VOCABULARY, MODEL, HELD_OUT, FM, top=5) for one in (RIGHT, WRONG))
    assert wrong.of("AUC").mean.high < right.of("AUC").mean.low
    assert (wrong.of("AUC").values < wrong.of("AUC", "random").values).all()
    for found in (right, wrong):
        assert (found.of("AUC", "oracle").values >= found.of("AUC").values).all()
    np.testing.assert_array_equal(right.of("AUC", "oracle").values, wrong.of("AUC", "oracle").values)
    assert right.of("significant").mean.value > 0.5
    assert wrong.of("significant").mean.value == 0


def test_dma_is_the_mean_by_the_highest_activation_of_the_index() -> None:
    found = evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, top=5)
    rgb = np.array(OTHER)[np.random.default_rng(0).permutation(len(OTHER))][:100]
    fit = rgb[:, 0] / np.linalg.norm(rgb, axis=1)
    red = rgb[np.argsort(-fit)[:5], 0].mean() / max(one[0] for one in RGB)
    np.testing.assert_allclose(found.of("DMA").values[[0, 3]], red, rtol=1e-6)
    assert np.isnan(found.of("DMA").values[6])  # "not red" is never above 0


def test_what_has_no_label_is_left_out_and_counted() -> None:
    some = labelled(["red", None, None, "red", None, None, None])
    found = evaluate_held_out(some, VOCABULARY, MODEL, HELD_OUT, FM, simulator=Recorder(), top=5)
    rows = {row.measure: row for row in found.rows if row.labels == "found"}
    assert (rows["AUC"].n, rows["AUC"].left_out) == (2, 5)
    assert (rows["correlation"].n, rows["correlation"].left_out) == (2, 5)
    assert np.flatnonzero(~np.isnan(found.of("AUC", "oracle").values)).tolist() == [0, 3]
    none = evaluate_held_out(labelled([None] * UNITS), VOCABULARY, MODEL, HELD_OUT, FM)
    assert all(row.n == 0 and np.isnan(row.value) for row in none.rows)


def test_a_dead_component_is_left_out() -> None:
    net = Colours()
    with torch.no_grad():
        net.conv.weight[1] = 0
    model = replace(MODEL, net=net)
    index = embed(collect(model, IMAGES, ["act", "fc"], k=4), IMAGES, FM)
    assert np.flatnonzero(index.dead).tolist() == [1, 4]
    some = replace(RIGHT, index=index, ranked=np.where(index.dead[:, None], MISSING, RIGHT.ranked))
    found = evaluate_held_out(some, VOCABULARY, model, HELD_OUT, FM, top=5)
    assert np.isnan(found.of("AUC").values).tolist() == [unit in (1, 4) for unit in range(UNITS)]


def test_simulation_is_the_correlation_with_another_space() -> None:
    other = Recorder()
    found = evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=other, top=5)
    rgb = np.array(OTHER, float)
    seen = rgb * [2, 2, 1]
    seen /= np.linalg.norm(seen, axis=1, keepdims=True)
    told = np.stack([seen @ probe(other, [word]).vectors[0] for word in WORDS], axis=1)
    acts = activations(rgb)
    for unit in range(UNITS):
        every = [np.corrcoef(told[:, word], acts[:, unit])[0, 1] for word in range(len(WORDS))]
        own = every[WORDS.index(RIGHT.of(unit) or "")]
        assert found.of("correlation").values[unit] == pytest.approx(own, abs=1e-5)
        assert found.of("correlation", "random").values[unit] == pytest.approx(np.mean(every), abs=1e-5)
        assert found.of("correlation", "oracle").values[unit] == pytest.approx(max(every), abs=1e-5)
    assert found.of("correlation").mean.value > 0.5
    assert [row.measure for row in found.rows if row.labels == "found"] == [
        "AUC", "MAD", "DMA", "significant", "correlation", "correlation of log1p",
    ]  # fmt: skip


def test_concept_examples_of_the_same_images_are_never_held_out() -> None:
    simulator = Recorder()
    evaluate_held_out(RIGHT, VOCABULARY, MODEL, IMAGES, FM, simulator=simulator)
    examples = {RGB[i] for i in INDEX.ids[INDEX.valid].tolist()}
    assert len(examples) > 10
    assert not examples & set(simulator.seen)
    left_out = {RGB[i] for i in INDEX.sources.tolist()}
    assert set(simulator.seen) == set(RGB) - left_out
    assert len(simulator.seen) == len(RGB) - len(left_out)


def test_count_bounds_the_images_looked_at() -> None:
    simulator, all_of_them = Recorder(), Recorder()
    evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=simulator, count=50)
    evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=all_of_them)
    assert len(set(simulator.seen)) == len(simulator.seen) == 50
    assert sorted(all_of_them.seen) == sorted(OTHER)


@pytest.mark.slow
def test_it_depends_on_the_seed_and_on_nothing_else() -> None:
    def values(seed: int, batch_size: int) -> np.ndarray:
        found = evaluate_held_out(
            RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=Recorder(), top=5, seed=seed, batch_size=batch_size
        )
        return np.concatenate([scores.values for scores in found.scores])

    np.testing.assert_array_equal(values(0, 32), values(0, 32))
    np.testing.assert_allclose(values(0, 32), values(0, 7), rtol=1e-5)
    assert (values(0, 32) != values(1, 32)).any()


def test_images_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    for i, rgb in enumerate(OTHER):
        Image.new("RGB", (SIDE, SIDE), rgb).save(tmp_path / f"{i:03d}.png")
    for i in range(3):
        (tmp_path / f"{i:03d}.png").write_bytes(b"not an image")
    simulator = Recorder()
    with pytest.warns(
        UnreadableWarning, match=r"3 of 200 images cannot be read and are left out, first 000\.png: not an"
    ):
        found = evaluate_held_out(RIGHT, VOCABULARY, MODEL, load_images(tmp_path), FM, simulator=simulator, top=5)
    assert sorted(simulator.seen) == sorted(OTHER[3:])
    assert (found.of("AUC").values[:6] > 0.9).all()
    for i in range(len(OTHER) - LEAST + 1):
        (tmp_path / f"{i:03d}.png").write_bytes(b"not an image")
    with (
        pytest.warns(UnreadableWarning, match="161 of 200"),
        pytest.raises(SemlensError, match=f"only {LEAST - 1} held-out images could be read: {LEAST} are needed"),
    ):
        evaluate_held_out(RIGHT, VOCABULARY, MODEL, load_images(tmp_path), FM)


def test_progress_is_told() -> None:
    told: dict[str, tuple[int, int]] = {}

    def progress(step: str, done: int, total: int) -> None:
        assert done >= told.get(step, (0, 0))[0]
        told[step] = done, total

    evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=Recorder(), progress=progress)
    assert told == {
        "held-out activations": (200, 200),
        "embed by toy:colours": (100, 100),
        "embed by toy:other colours": (200, 200),
    }


def test_mistakes() -> None:
    other = Colours()
    with torch.no_grad():
        other.fc.weight[0, 0] = 2
    with pytest.raises(SemlensError, match="not the model the index was made from"):
        evaluate_held_out(RIGHT, VOCABULARY, replace(MODEL, net=other), HELD_OUT, FM)
    with pytest.raises(SemlensError, match="not the model the index was made from"):
        evaluate_held_out(RIGHT, VOCABULARY, replace(MODEL, preprocess=lambda image: to_tensor(image)), HELD_OUT, FM)
    with pytest.raises(SemlensError, match=f"only {LEAST - 1} of the {LEAST - 1} images are no concept examples"):
        evaluate_held_out(RIGHT, VOCABULARY, MODEL, image_set(OTHER[: LEAST - 1]), FM)
    with pytest.raises(SemlensError, match="count is 10: an evaluation needs 40"):
        evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, count=10)
    with pytest.raises(SemlensError, match="it would agree with itself"):
        evaluate_held_out(RIGHT, VOCABULARY, MODEL, HELD_OUT, FM, simulator=ColourSpace())
    with pytest.raises(SemlensError, match="it would agree with itself"):
        check_simulator(ColourSpace(), INDEX.recipe.foundation)
    check_simulator(Recorder(), INDEX.recipe.foundation)


def test_the_model_is_left_as_it_was() -> None:
    model = replace(MODEL, net=Colours().train())
    before = {name: tensor.clone() for name, tensor in model.net.state_dict().items()}
    evaluate_held_out(RIGHT, VOCABULARY, model, HELD_OUT, FM)
    assert all(module.training for module in model.net.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.net.state_dict().items())


def test_generated_images_stand_in_for_retrieved_ones() -> None:
    """One colour per phrase, more of some than of others: the right labels' images excite their components, and the
    control is all that is held out."""
    colours_of = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}
    made = [Image.new("RGB", (SIDE, SIDE), rgb) for rgb in colours_of.values()] * 3
    made.append(Image.new("RGB", (SIDE, SIDE), colours_of["red"]))
    names = (*colours_of, *colours_of, *colours_of, "red")
    generated = replace(load_images(made), labels=names)
    labels = labelled(["red", "green", "blue", "red", "green", "blue", None])
    found = evaluate_held_out(labels, VOCABULARY, MODEL, HELD_OUT, FM, generated=generated)
    auc = found.of("AUC")
    assert auc.images_from == "generated"
    assert (auc.values[:3] > 0.99).all()
    assert np.isnan(auc.values[6])
    wrong = evaluate_held_out(
        labelled(["green", "blue", "red", "green", "blue", "red", None]), VOCABULARY, MODEL, HELD_OUT, FM,
        generated=generated,
    )  # fmt: skip
    assert (wrong.of("AUC").values[:3] < 0.5).all()
    assert found.of("AUC", "oracle").mean.value >= found.of("AUC").mean.value
    left_out = labelled(["green blue", "green", None, None, None, None, None])
    partial = evaluate_held_out(left_out, VOCABULARY, MODEL, HELD_OUT, FM, generated=generated)
    assert np.isnan(partial.of("AUC").values).tolist() == [True, False, True, True, True, True, True]


def test_generated_images_of_no_phrase_are_refused() -> None:
    generated = replace(image_set(RGB[:5]), labels=("other",) * 5)
    with pytest.raises(SemlensError, match="no generated image belongs to a phrase"):
        evaluate_held_out(labelled(["red"] * UNITS), VOCABULARY, MODEL, HELD_OUT, FM, generated=generated)
