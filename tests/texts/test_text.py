"""Windows of texts, and their pictures: the marked part lies on its ground, and everything fits."""

import numpy as np
import pytest
from PIL import Image

from semlens.texts.text import SIDE, Text, picture

GROUND = (255, 215, 94)


def marked_pixels(text: Text) -> int:
    return int((np.asarray(picture(text)) == GROUND).all(axis=2).sum())


def test_a_window_keeps_the_mark() -> None:
    text = Text("The old dog sleeps.")
    assert text.window((4, 8, 11, 11)) == Text("old dog", 4, 7, before=True, after=True)
    assert text.window((0, 0, 19, 19)) == text
    assert text.window((4, 4, 11, 11)) == Text("old dog", before=True, after=True)


def test_only_what_is_marked_has_a_ground() -> None:
    assert marked_pixels(Text("The old dog sleeps.")) == 0
    one, two = (marked_pixels(Text("The old dog sleeps.", 4, stop)) for stop in (7, 11))
    assert 0 < one < two


@pytest.mark.parametrize("words", [1, 12, 60, 2000])
def test_a_picture_fits_whatever_the_text(words: int) -> None:
    text = "word " * words
    end = 5 * (words // 2)
    shown = picture(Text(text, end, end + 4))
    assert shown.size == (SIDE, SIDE)
    assert marked_pixels(Text(text, end, end + 4)) > 0, "the mark stays where text is left out"


def test_a_word_that_is_wider_than_the_picture_goes_on_below() -> None:
    ink = np.asarray(picture(Text("m" * 40)).convert("L")) < 128
    assert ink[: SIDE // 2].any()
    assert ink[SIDE // 2 :].any()
    assert not ink[:, SIDE - 5 :].any(), "nothing runs over the edge"


def test_a_text_reads_as_itself() -> None:
    assert str(Text("old dog", 4, 7)) == "old dog"
    assert Text("old dog", 4, 7).marked() == "old [dog]"
    assert isinstance(picture(Text("x")), Image.Image)
