"""One verb opens any set; every set answers the same questions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.images import ImageSet, load_images
from semlens.sets import open_set
from semlens.texts import TextSet, load_texts
from semlens.types import ExampleSet, FoundationId


class Lengths:
    """A foundation model of toys: a picture is its size, a text the number of its letters and words."""

    identity = FoundationId("toy", "0", 2, "none")

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.array([image.size for image in images], np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([(len(text), len(text.split())) for text in texts], np.float32)


@pytest.fixture
def photos(tmp_path: Path) -> ImageSet:
    Image.new("RGB", (300, 150), "red").save(tmp_path / "a.png")
    return load_images(tmp_path)


def test_a_set_is_opened_as_what_it_is(photos: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One. Two.")
    texts = load_texts(["One. Two."])
    assert open_set(photos) is photos
    assert open_set(texts) is texts
    assert isinstance(open_set(str(tmp_path)), ImageSet)
    assert open_set(f"texts:{tmp_path}").names == ("a.txt: One.", "a.txt: Two.")
    assert isinstance(open_set(load_texts(tmp_path).source), TextSet)


def test_every_set_answers_the_same_questions(photos: ImageSet) -> None:
    text = load_texts(["The old dog sleeps."])
    for one in (photos, text):
        assert isinstance(one, ExampleSet)
    assert not isinstance([], ExampleSet)
    picture, sentence = photos.load(0), text.load(0)
    assert photos.size(picture) == (300, 150)
    assert photos.crop(picture, (0, 0, 30, 20)).size == (30, 20)
    assert photos.show(picture).size == (128, 64)
    assert text.size(sentence) == (19, 19)
    window = text.crop(sentence, (4, 8, 18, 11))
    assert (window.text, window.marked()) == ("old dog sleeps", "old [dog] sleeps")
    assert text.crop(sentence, (0, 0, 19, 19)) == sentence
    foundation = Lengths()
    assert photos.embed(foundation, [picture]).tolist() == [[300, 150]]
    assert text.embed(foundation, [sentence, window]).tolist() == [[19, 4], [14, 3]]


def test_only_a_picture_can_be_odd(photos: ImageSet) -> None:
    assert photos.odd(Image.new("RGB", (2, 90))) == "it has 2 x 90 pixels"
    assert photos.odd(photos.load(0)) == ""
    assert load_texts(["x"]).odd(load_texts(["x"]).load(0)) == ""
