from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.probe import cached, concat_probes, probe, probe_images
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.numerics.vectors import unit
from semlens.types import FoundationId
from tests.toy import ColourSpace

NAMES = "xyz"


class LetterSpace:
    """Each letter has its own dimension, so that mixed-up prompts show."""

    identity = FoundationId("toy:letters", "1", 26, "apache-2.0")

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        raise AssertionError("not asked for")

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack([[float(text.count(chr(97 + i))) + 0.01 for i in range(26)] for text in texts]).astype(
            np.float32
        )


def test_templates_and_texts_are_not_mixed_up() -> None:
    """T1: with two texts and three templates the published package averages prompts of different texts."""
    fm, texts, templates = LetterSpace(), ["dog", "zebra"], ["{}", "a {}", "photo of {}"]
    found = probe(fm, texts, templates=templates, null="none")
    for row, text in enumerate(texts):
        slow = unit(np.mean([unit(fm.embed_texts([t.format(text)]))[0] for t in templates], axis=0))
        np.testing.assert_allclose(found.vectors[row], slow, rtol=1e-5)
    assert found.names == ("dog", "zebra")
    assert (found.nulls == 0).all()


def test_the_null_is_the_empty_prompt() -> None:
    fm, templates = LetterSpace(), ["a {}", "{} x"]
    empty = unit(fm.embed_texts(["a", "x"]))
    found = probe(fm, ["dog", "cat"], templates=templates)
    np.testing.assert_allclose(found.nulls, np.repeat(unit(empty.mean(0))[None], 2, axis=0), rtol=1e-5)
    filled = unit(fm.embed_texts(["a dog", "dog x"]))
    by_vector = probe(fm, ["dog"], templates=templates, null="vector")
    np.testing.assert_allclose(by_vector.vectors[0], unit((filled - empty).mean(0)), rtol=1e-4)
    assert (by_vector.nulls == 0).all()


def test_braces_in_a_text_are_text() -> None:
    assert probe(LetterSpace(), ["{0} {x}"]).names == ("{0} {x}",)


def test_image_probes_average_unit_vectors() -> None:
    """T18: an average of raw vectors lets the brightest image win."""
    bright, dark = Image.new("RGB", (4, 4), (250, 0, 0)), Image.new("RGB", (4, 4), (0, 10, 0))
    found = probe_images(ColourSpace(), [bright, dark])
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, 0.5**0.5, 0]], rtol=1e-5)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "not empty"),
        ([" "], {}, "not empty"),
        (["a"], {"templates": ["photo"]}, "no {} to put"),
        (["a"], {"templates": []}, "no {} to put"),
        (["a"], {"null": "zero"}, "choose one of cosine, vector, none"),
    ],
)
def test_mistakes(texts: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        probe(LetterSpace(), texts, **options)


def test_no_image_is_a_mistake() -> None:
    with pytest.raises(SemlensError, match="at least one image"):
        probe_images(ColourSpace(), [])


def test_join_keeps_order_and_refuses_another_space() -> None:
    fm = ColourSpace()
    both = concat_probes([probe(fm, ["red"]), probe_images(fm, [Image.new("RGB", (2, 2), "blue")], "photo")])
    assert both.names == ("red", "photo")
    np.testing.assert_allclose(both.vectors, [[1, 0, 0], [0, 0, 1]])
    assert [(one.names, one.vectors.tolist()) for one in both] == [(("red",), [[1, 0, 0]]), (("photo",), [[0, 0, 1]])]
    with pytest.raises(SemlensError, match="different foundation models"):
        concat_probes([probe(fm, ["red"]), probe(ColourSpace("other"), ["red"])])


def test_a_text_asked_before_needs_no_tower(tmp_path: Path) -> None:
    fm = LetterSpace()
    asked: list[list[str]] = []

    def tower(texts: Sequence[str]) -> np.ndarray:
        asked.append(list(texts))
        return fm.embed_texts(texts)

    embed = cached(fm.identity, tower, tmp_path / "deep" / "cache")
    first = embed(["dog", "cat", "dog"])
    np.testing.assert_array_equal(embed(["cat", "dog"]), first[[1, 0]])
    embed(["dog", "bird"])
    assert asked == [["dog", "cat"], ["bird"]]
    other = FoundationId("toy:letters", "2", 26, "apache-2.0")
    cached(other, tower, tmp_path / "deep" / "cache")(["dog"])
    assert asked[-1] == ["dog"]
    assert (tmp_path / "deep" / "cache").stat().st_mode & 0o77 == 0


def test_a_cache_that_cannot_be_kept_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    fm = LetterSpace()
    np.testing.assert_array_equal(
        cached(fm.identity, fm.embed_texts, tmp_path / "file")(["dog"]), fm.embed_texts(["dog"])
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "texts.sqlite").write_bytes(b"not a data base" * 100)
    np.testing.assert_array_equal(
        cached(fm.identity, fm.embed_texts, tmp_path / "broken")(["dog"]), fm.embed_texts(["dog"])
    )


def test_one_text_is_one_probe() -> None:
    foundation = load_foundation("testbed:clip")
    one, several = probe(foundation, "ruler", templates="a {}"), probe(foundation, ["ruler"], templates=["a {}"])
    assert one.names == ("ruler",)
    np.testing.assert_array_equal(one.vectors, several.vectors)


def test_images_of_every_kind_make_a_probe(tmp_path: Path) -> None:
    foundation = load_foundation("testbed:clip")
    red = Image.new("RGB", (40, 30), (90, 90, 90))
    red.save(tmp_path / "a.png")
    clear = Image.new("RGBA", (40, 30), (9, 9, 9, 0))
    expected = probe_images(foundation, [red]).vectors
    for given in (red.convert("L"), red, str(tmp_path / "a.png"), tmp_path / "a.png", np.asarray(red)):
        np.testing.assert_allclose(probe_images(foundation, [given]).vectors, expected, atol=1e-6)
        np.testing.assert_allclose(probe_images(foundation, given).vectors, expected, atol=1e-6)
    white = probe_images(foundation, Image.new("RGB", (40, 30), "white")).vectors
    np.testing.assert_allclose(probe_images(foundation, [clear]).vectors, white, atol=1e-6)
    with pytest.raises(SemlensError, match="cannot read .*gone.png: No such file"):
        probe_images(foundation, [tmp_path / "gone.png"])
    with pytest.raises(SemlensError, match="item 0 is a int, no image"):
        probe_images(foundation, [3])


def test_what_a_notebook_shows_of_it_is_short() -> None:
    probes = probe(ColourSpace(), ["red", "green", "blue", "red", "green", "blue"])
    assert repr(probes) == "Probes('red', 'green', 'blue', 'red', 'green' and 1 more; toy:colours)"
