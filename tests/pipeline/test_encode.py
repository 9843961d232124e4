"""Encodings of a build: as their slow twin has them, whatever way the work is cut, and no image embedded twice."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semlens.collection import KEPT
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index import EncodingsId, IndexWarning, encoding_remarks, load_index
from semlens.model import VisionModel
from semlens.numerics import unit
from semlens.pipeline import build, build_shard, encode
from semlens.pipeline.encoding import explained, numbered
from semlens.types import MISSING
from tests.encoded import encoded
from tests.pipeline.test_build import Stop, content
from tests.toy import ColourSpace, colours, flat_images, random_images, to_tensor

LAYERS = ["act", "fc"]


class Seeing(ColourSpace):
    """Which images it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bytes] = []

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        self.seen += [image.tobytes() for image in images]
        return super().embed_images(images)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return random_images(130)


@pytest.fixture(scope="module")
def whole(images: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "whole"
    build(colours(), images, LAYERS, ColourSpace(), folder, k=9, workers=0)
    return folder


def pictures(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings, and what is explained of all layers and outputs: the layer that is the output as the roots of its
    probabilities."""
    pixels = [images.load(i) for i in range(len(images))]
    means = np.stack([to_tensor(image).double().mean((1, 2)).numpy() for image in pixels])
    head = np.concatenate([means, -means[:, :1]], axis=1)
    chances = np.exp(head) / np.exp(head).sum(axis=1, keepdims=True)
    y = np.concatenate([means, np.sqrt(chances), head], axis=1)
    return unit(ColourSpace().embed_images(pixels)).astype(np.float16), y


def test_encodings_are_those_of_the_slow_twin(images: ImageSet, whole: Path) -> None:
    """Up to quantisation: e in 2^-14, y in 2^-17 of at most twice the range."""
    found, (e, y) = load_index(whole, verify=True).encodings, pictures(images)
    assert found
    twin = encoded(e, y, outputs=("red", "green", "blue", "not red"), transforms=("raw", "root", "raw"))
    assert (found.images, found.outputs) == (130, twin.outputs)
    assert found.recipe == EncodingsId(5000, KEPT, 0, ("raw", "root", "raw"), "")
    for name, most in {
        "mean": 2**-15,
        "covariance": 2**-15,
        "cross": 1e-5,
        "average": 2**-16,
        "deviation": 2**-16,
    }.items():
        np.testing.assert_allclose(getattr(found, name), getattr(twin, name), rtol=0, atol=most)
    np.testing.assert_array_equal(found.ids, twin.ids)
    np.testing.assert_array_equal(found.embeddings, twin.embeddings)
    np.testing.assert_allclose(found.activations, twin.activations, rtol=0, atol=2e-3)
    assert (found.covariance == found.covariance.T).all()
    assert [bool(found.thumbnail(i)) for i in range(130)] == [i in found.level_ids() for i in range(130)]


@pytest.mark.slow
def test_shards_resumed_runs_and_an_addition_give_the_same_bytes(tmp_path: Path, images: ImageSet, whole: Path) -> None:
    for number in (2, 0, 1):
        build_shard(
            colours(), images, LAYERS, tmp_path / "parts", (number, 3), k=9, workers=0, foundation=ColourSpace()
        )
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "parts", k=9, workers=0, resume=True, batch_size=7)
    assert content(tmp_path / "parts") == content(whole)

    def stop(at: str, done: int, total: int) -> None:
        if done > total // 2 and at == step:
            raise Stop

    how: dict[str, Any] = {"k": 9, "workers": 0, "batch_size": 1}
    for step in ("embed images", "collect", "thumbnails"):
        with pytest.raises(Stop):
            build(colours(), images, LAYERS, ColourSpace(), tmp_path / step, **how, progress=stop)
        build(colours(), images, LAYERS, ColourSpace(), tmp_path / step, **how, resume=True)
        assert content(tmp_path / step) == content(whole)
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "old", k=9, workers=0, encode="none")
    assert load_index(tmp_path / "old").encodings is None
    added = encode(tmp_path / "old", colours(), images, foundation=ColourSpace(), workers=0)
    assert added.encodings
    assert content(tmp_path / "old") == content(whole)


def test_no_image_is_embedded_twice(tmp_path: Path, images: ImageSet) -> None:
    """Batches are filled with copies of their last image, which are no second look at it."""
    space = Seeing()
    build(colours(), images, LAYERS, space, tmp_path / "index", k=60, workers=0)
    shown = space.seen[1:]  # after the picture that tries the model
    batches = [shown[start : start + 32] for start in range(0, len(shown), 32)]
    assert sum(len(set(batch)) for batch in batches) == len(set(shown)) == 130
    few = Seeing()
    build_shard(colours(), images, LAYERS, tmp_path / "part", (1, 4), k=9, workers=0, foundation=few)
    assert len(set(few.seen)) == len(range(130 * 1 // 4, 130 * 2 // 4))


def test_a_random_part_is_encoded_and_of_it_a_part_is_kept(
    tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[encode.__module__], "KEPT", 20)
    made = build(colours(), images, LAYERS, ColourSpace(), tmp_path / "i", k=9, workers=0, encode=50).encodings
    assert made
    order = np.random.default_rng(0).permutation(130)
    assert (made.images, made.recipe.images, made.recipe.kept) == (50, 50, 20)
    assert made.ids.tolist() == sorted(order[:20].tolist())
    e, y = pictures(images)
    np.testing.assert_allclose(made.average, y[order[:50]].mean(axis=0), atol=2**-16)
    np.testing.assert_allclose(made.mean, e[order[:50]].astype(float).mean(axis=0), atol=2**-15)


def test_an_image_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    rows = [saved(random_images(12).load(i), tmp_path / f"{i}.png") for i in range(12)]
    rows[5].unlink()
    with pytest.warns(IndexWarning, match="skipped"):
        made = build(colours(), load_images(rows), ["act"], ColourSpace(), tmp_path / "i", k=3, workers=0).encodings
    assert made
    assert made.images == 11
    assert made.ids.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_images_of_one_group_have_one_number(tmp_path: Path) -> None:
    images = random_images(12)
    names = [saved(images.load(i), tmp_path / f"{i}.png").name for i in range(12)]
    patients = ["a", "b", "a", "", "", "b", "c", "a", "c", "c", "a", "d"]
    lines = [f"{name},x,{patient}" for name, patient in zip(names, patients, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,Patient", *lines]))
    table = load_images(tmp_path / "t.csv", group_column="patient")
    made = build(colours(), table, ["act"], ColourSpace(), tmp_path / "i", k=3, workers=0).encodings
    assert made
    assert made.recipe.groups == "patient"
    assert made.groups.tolist() == [0, 1, 0, 2, 3, 1, 4, 0, 4, 4, 0, 5]
    with pytest.raises(SemlensError, match="unknown column 'doctor'; nearest:"):
        load_images(tmp_path / "t.csv", group_column="doctor")
    with pytest.raises(SemlensError, match="come without columns: give a table of them"):
        load_images(tmp_path, group_column="patient")


class Odd(nn.Module):
    """Two channels, the second not a number or far out of range on bright images; no logits."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.act, self.value = nn.ReLU(), value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = x[:, 2:] > 0.9
        return self.act(torch.cat([x[:, :1], torch.where(bright, self.value, x[:, 1:2])], dim=1))


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_what_is_not_finite_or_far_out_of_range_has_no_encoding_and_that_is_said(tmp_path: Path, value: float) -> None:
    model = VisionModel(Odd(value), to_tensor)
    noise = np.random.default_rng(0).integers(0, 200, (40, 8, 8, 3), dtype=np.uint8)
    noise[31] = 255
    images = load_images([Image.fromarray(one) for one in noise])
    with pytest.warns(IndexWarning, match="no encoding|gave NaN"):
        index = build(model, images, ["act@channels:1"], ColourSpace(), tmp_path / "i", k=3, workers=0)
    made = index.encodings
    assert made
    assert made.outputs == ()
    assert made.deviation[0] > 0
    assert (made.deviation[1], made.cross[1].any(), np.isnan(made.r2[1])) == (0, False, True)
    assert not made.activations[1].any()
    assert made.level_ids()[1].tolist() == [MISSING] * 3
    assert encoding_remarks(index)[0] == "1 components have no encoding: not finite or far out of range on some image"


def test_what_the_embedding_explains_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    e = unit(rng.normal(size=(400, 6))).astype(np.float16)
    y = np.stack([e[:, 0] * 3 + 7, rng.normal(size=400), np.zeros(400)], axis=1)
    alone, patients = np.arange(400, dtype=np.int32), np.repeat(np.arange(40, dtype=np.int32), 10)
    found = explained(e, y.astype(np.float64), alone)
    assert 0.9 < found[0] <= 1
    assert -0.1 < found[1] < 0.05
    assert np.isnan(found[2])
    copied = np.repeat(rng.normal(size=(40, 1)), 10, axis=0)  # a patient's own number, in images that look alike
    same = unit(np.repeat(rng.normal(size=(40, 30)), 10, axis=0)).astype(np.float16)
    assert explained(same, copied, alone)[0] > 0.3 > 0.1 > explained(same, copied, patients)[0]
    assert np.isnan(explained(e[:19], y[:19].astype(np.float64), alone[:19])).all()


class Roots(nn.Module):
    """Two layers of what a colour is: its share of the picture's length, and the root of that."""

    def __init__(self) -> None:
        super().__init__()
        self.share, self.root = nn.Identity(), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.share(x / x.mean((2, 3), keepdim=True).norm(dim=1, keepdim=True))
        return self.root((x - 0.4).clamp(min=0).sqrt()).mean((2, 3)) - torch.tensor([0, 0, 9.0])


def test_one_transform_is_chosen_for_a_layer(tmp_path: Path) -> None:
    """The embedding is the share itself; of the outputs one is never positive, so all of them stay as they are."""
    images = flat_images([tuple(one) for one in np.random.default_rng(0).integers(0, 256, (300, 3)).tolist()])
    layers, model = ["share@channels:1", "root@channels:1"], VisionModel(Roots(), to_tensor)
    made = build(model, images, layers, ColourSpace(), tmp_path / "i", k=3, workers=0).encodings
    assert made
    assert made.recipe.transforms == ("raw", "squared", "raw")
    share = made.embeddings.astype(np.float64)
    root = np.sqrt(np.maximum(share - 0.4, 0))
    alone = np.arange(300, dtype=np.int32)
    y = np.concatenate([share, root**2, root - [0, 0, 9]], axis=1)
    np.testing.assert_allclose(made.r2, explained(made.embeddings, y, alone), atol=0.01)
    assert np.quantile(explained(made.embeddings, root**2, alone), 0.9) > np.quantile(made.r2[6:], 0.9)
    np.testing.assert_allclose(made.average, y.mean(axis=0), atol=2e-3)


def test_numbers_of_groups_come_in_their_order() -> None:
    assert numbered(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]


@pytest.mark.parametrize("asked", ["some", "-1", True, ""])
def test_what_is_no_number_of_images_is_refused(tmp_path: Path, asked: object) -> None:
    with pytest.raises(SemlensError, match="give a number of images, all or none"):
        build(colours(), random_images(3), ["act"], ColourSpace(), tmp_path / "i", k=1, encode=asked)  # type: ignore[arg-type]


def test_an_addition_is_of_the_indexs_own_model_and_images(images: ImageSet, whole: Path) -> None:
    with pytest.raises(SemlensError, match="not the images the index was made from"):
        encode(whole, colours(), random_images(9), foundation=ColourSpace())
    with pytest.raises(SemlensError, match="not the model the index was made from"):
        encode(whole, VisionModel(Odd(0), to_tensor), images, foundation=ColourSpace())
    with pytest.raises(SemlensError, match="other is not the foundation model of the index"):
        encode(whole, colours(), images, foundation=ColourSpace("other"))
    with pytest.raises(SemlensError, match="nothing to add"):
        encode(whole, colours(), images, foundation=ColourSpace(), encode="none")
    with pytest.raises(SemlensError, match="a shard with encodings needs the foundation model"):
        build_shard(colours(), images, LAYERS, whole.parent / "x", (0, 2))
