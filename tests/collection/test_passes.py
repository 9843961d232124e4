"""One pass over images: one policy for those that cannot be read, progress, and what a checkpoint leaves to do."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.collection import Feed, UnreadableWarning, collect, first_input, image_batches, shifted
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from tests.toy import colours, to_tensor

BROKEN = "not an image in one of the formats"


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """Seven images, red rising; the first and the fourth cannot be read."""
    for i in range(7):
        Image.new("RGB", (8, 8), (30 * i, 0, 0)).save(tmp_path / f"{i}.png")
    for i in (0, 3):
        (tmp_path / f"{i}.png").write_bytes(b"not an image")
    return load_images(tmp_path)


def red(x: torch.Tensor) -> list[int]:
    return (x[:, 0, 0, 0] * 255).round().int().tolist()


def test_an_unreadable_image_keeps_its_id_is_skipped_and_reported(images: ImageSet) -> None:
    told: list[tuple[str, int, int]] = []
    found = [
        (batch.ids, [image.id for image in batch.unreadable])
        for batch in image_batches(
            images, range(7), to_tensor, "look", batch_size=3, progress=lambda *step: told.append(step)
        )
    ]
    assert found == [((1, 2), [0]), ((4, 5), [3]), ((6,), [])]
    assert told == [("look", 3, 7), ("look", 6, 7), ("look", 7, 7)]


def test_where_every_image_is_needed_the_one_that_is_gone_is_named(images: ImageSet) -> None:
    batches = image_batches(
        images, [1, 2, 3, 4], to_tensor, "look", batch_size=2, readable_when="examples were collected"
    )
    assert next(batches).ids == (1, 2)
    with pytest.raises(
        SemlensError, match=rf"3\.png could be read when examples were collected, and now not: {BROKEN}"
    ):
        next(batches)


def test_a_feed_gives_batches_of_one_size_and_warns_of_what_it_leaves_out(images: ImageSet) -> None:
    feed = Feed(colours(), images, batch_size=3)
    assert red(feed.first) == [30]  # the first that can be read
    with pytest.warns(
        UnreadableWarning, match=rf"look: 2 of 5 images cannot be read and are left out, first 0\.png: {BROKEN}"
    ):
        found = [(red(x), ids) for x, ids in feed.readable([0, 3, 6, 5, 1], "look")]
    assert found == [([180, 0, 0], (6,)), ([150, 30, 0], (5, 1))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [ids for _, ids in feed.readable([2, 4], "look")] == [(2, 4)]
        assert list(feed.readable([], "look")) == []


def test_a_batch_of_which_nothing_can_be_read_has_no_rows(images: ImageSet) -> None:
    ((x, batch),) = Feed(colours(), images, batch_size=2).batches([0, 3], "look")
    assert x.shape == (0, 3, 8, 8)
    assert [image.id for image in batch.unreadable] == [0, 3]


def test_without_a_readable_image_the_first_is_the_models_example(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not an image")
    model = colours()
    torch.testing.assert_close(first_input(model, load_images(tmp_path)), model.example_input(), rtol=0, atol=0)


def test_a_pass_goes_on_before_and_behind_what_the_checkpoint_holds(images: ImageSet, tmp_path: Path) -> None:
    file, told = tmp_path / "part.safetensors", []
    collect(colours(), images, ["fc"], k=3, batch_size=2, shard=(1, 3), checkpoint=file)  # images 2 and 3
    resumed = collect(
        colours(), images, ["fc"], k=3, batch_size=2, checkpoint=file, resume=True,
        progress=lambda step, done, total: told.append((step, done, total)),
    )  # fmt: skip
    whole = collect(colours(), images, ["fc"], k=3, batch_size=2)
    assert told == [("collect", 4, 7), ("collect", 6, 7), ("collect", 7, 7)]
    assert resumed.seen == whole.seen == ((0, 7),)
    assert [image.id for image in resumed.unreadable] == [0, 3]
    np.testing.assert_array_equal(resumed.ids, whole.ids)


def test_the_progress_of_a_stretch_is_a_part_of_the_whole() -> None:
    told: list[tuple[str, int, int]] = []
    shifted(lambda *step: told.append(step), 10, 40)("look", 3, 5)
    assert told == [("look", 13, 40)]
