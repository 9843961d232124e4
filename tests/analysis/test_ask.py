"""What a person types becomes the probes that the foundation model by itself would give."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.ask import ask, ask_spec, ask_vocabulary, choices_of, labels_by, load, probe_spec
from semlens.analysis.audit.spec import Concept, Spec, entries
from semlens.analysis.labels.labelling import label
from semlens.analysis.probe import Probes, probe, probe_images
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.images import load_image
from semlens.index.index import ConceptIndex
from semlens.types import FoundationId, FoundationModel
from tests.planted import planted


@functools.cache
def clip() -> FoundationModel:
    return load_foundation("testbed:clip", "cpu")


def nowhere() -> FoundationId:
    """The same weights under a name that cannot be loaded."""
    return replace(clip().identity, name="testbed:nowhere")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file, pixels in zip(files, noise, strict=True):
        Image.fromarray(pixels).save(file)
    return files


def alike(found: Probes, expected: Probes) -> None:
    assert found.names == expected.names
    assert found.foundation == expected.foundation
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-6)
    np.testing.assert_allclose(found.nulls, expected.nulls, atol=1e-6)


def shown(files: list[Path]) -> list[Image.Image]:
    return [Image.open(file).convert("RGB") for file in files]


@pytest.mark.parametrize("null", ["cosine", "vector", "none"])
def test_texts_are_probed_as_by_the_model(null: str) -> None:
    templates = ["{}", "an image of {}"]
    found = ask(clip().identity, ["ruler", "red skin"], templates=templates, null=null, device="cpu")
    alike(found, probe(clip(), ["ruler", "red skin"], templates=templates, null=null))
    assert float(found.vectors[0] @ found.vectors[1]) < 0.9


def test_a_text_asked_before_needs_no_model(cache: Path) -> None:
    before = ask(clip().identity, ["ruler"], device="cpu")
    assert any(cache.rglob("texts.sqlite"))
    again = ask(nowhere(), ["ruler"])
    np.testing.assert_array_equal(again.vectors, before.vectors)
    with pytest.raises(SemlensError, match="unknown foundation model 'testbed:nowhere'"):
        ask(nowhere(), ["a ruler not asked for before"])


def test_images_make_one_probe_and_come_after_the_texts(pictures: list[Path]) -> None:
    found = ask(clip().identity, ["ruler"], pictures, device="cpu")
    assert found.names == ("ruler", "one.png, two.png")
    alike(found[1], probe_images(clip(), shown(pictures), "one.png, two.png"))
    alike(ask(clip().identity, [], pictures[:1], device="cpu"), probe_images(clip(), shown(pictures[:1]), "one.png"))


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(SemlensError, match="nothing to search for"):
        ask(clip().identity, [])
    with pytest.raises(SemlensError, match="cannot read .*absent.png"):
        ask(clip().identity, [], [tmp_path / "absent.png"], device="cpu")
    other = FoundationId("testbed:clip", "0" * 64, clip().identity.dimension, "apache-2.0")
    with pytest.raises(SemlensError, match="testbed:clip here has other weights than the index was made with"):
        ask(other, ["ruler"], device="cpu")
    with pytest.raises(SemlensError, match="unknown vocabulary"):
        ask_vocabulary(clip().identity, str(tmp_path / "absent.txt"))


def test_load_gives_the_very_model() -> None:
    assert load(clip().identity, "cpu").identity == clip().identity
    np.testing.assert_array_equal(load(clip().identity, "cpu").embed_texts(["ruler"]), clip().embed_texts(["ruler"]))


def test_a_vocabulary_is_a_probe_for_each_of_its_phrases(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("# a remark\nruler\n\nred skin\nruler\n")
    told: list[tuple[str, int, int]] = []
    found = ask_vocabulary(
        clip().identity, str(words), ["an image of {}"], "cpu", progress=lambda *step: told.append(step)
    )
    alike(found, probe(clip(), ["ruler", "red skin"], templates=["an image of {}"]))
    assert told[0] == ("embed texts", 3, 3)  # the third is the empty prompt


def clip_index() -> ConceptIndex:
    """An index in the space of the testbed whose components show crops of single concepts."""
    index = planted([(0,), (1,), (2,), (3,), None, None], crops=300, k=8)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(clip().identity.dimension, clip().identity.dimension)))[0][
        : index.means.shape[1]
    ]
    vectors, means, random = (
        (one.astype(np.float32) @ turn).astype(np.float16) for one in (index.vectors, index.means, index.random)
    )
    recipe = replace(index.recipe, foundation=clip().identity)
    return replace(index, recipe=recipe, vectors=vectors, means=means, random=random)


def test_labels_by_a_vocabulary_are_those_of_label(tmp_path: Path) -> None:
    index, words = clip_index(), tmp_path / "words.txt"
    words.write_text("ruler\nred skin\nhairs\nband-aid\nstreaks\nlarge lesion\n")
    found = labels_by(index, str(words), device="cpu", fdr=0.5, method="centred", seed=3)
    expected = label(index, probe(clip(), words.read_text().split("\n")[:-1]), fdr=0.5, method="centred", seed=3)
    assert (found.vocabulary, found.method, found.fdr) == (expected.vocabulary, "centred", 0.5)
    np.testing.assert_array_equal(found.ranked, expected.ranked)
    np.testing.assert_allclose(found.fits, expected.fits, atol=1e-5)
    np.testing.assert_array_equal(found.p_value, expected.p_value)


SPEC = Spec(
    output="melanoma",
    valid=(Concept("veil", ("blue-white veil", "bluish veil"), ("one.png", "two.png")), "ragged border"),
    spurious=(Concept("ruler"), Concept("patch", images=("two.png",))),
    templates=("{}", "dermoscopy of {}"),
)


@pytest.mark.slow
def test_a_spec_is_probed_phrase_by_phrase_and_the_images_of_a_concept_together(pictures: list[Path]) -> None:
    words = probe(clip(), ["blue-white veil", "bluish veil", "ragged border", "ruler"], templates=SPEC.templates)
    folder = pictures[0].parent
    for found in (probe_spec(clip(), SPEC, folder), ask_spec(clip().identity, SPEC, folder, "cpu")):
        assert len(found) == len(entries(SPEC)) == 6
        for place, expected in (
            (0, words[0]),
            (1, words[1]),
            (2, probe_images(clip(), shown(pictures), "images of veil")),
            (3, words[2]),
            (4, words[3]),
            (5, probe_images(clip(), shown(pictures[1:]), "images of patch")),
        ):
            alike(found[place], expected)


@pytest.mark.slow
def test_images_of_a_spec_are_read_as_those_of_the_index(tmp_path: Path) -> None:
    """What is transparent shows the background of the index's images, in concepts, in marks and in image queries."""
    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    clear.paste((200, 30, 30, 255), (10, 10, 30, 30))
    clear.save(tmp_path / "clear.png")
    marked = Concept("b", ("ruler",), images=("clear.png",) * 2, without=("clear.png",) * 2)
    spec = Spec(output=0, valid=(Concept("a", images=("clear.png",)),), spurious=(marked,))
    index = clip_index()
    assert choices_of(index) == choices_of(None) == {}
    recipe = replace(
        index.recipe, images=replace(index.recipe.images, source="x/?label_column=dx&background=%23101010")
    )
    dark = replace(index, recipe=recipe)
    on_dark = probe_images(clip(), load_image(tmp_path / "clear.png", "#101010"), "images of a")
    on_white = probe_images(clip(), load_image(tmp_path / "clear.png"), "images of a")
    assert np.abs(on_dark.vectors - on_white.vectors).max() > 1e-3
    for found in (probe_spec(clip(), spec, tmp_path, dark), ask_spec(clip().identity, spec, tmp_path, "cpu", dark)):
        alike(found[0], on_dark)
        np.testing.assert_allclose(found.shown["b"].positive[0], on_dark.vectors[0], atol=1e-6)
        np.testing.assert_allclose(found.shown["b"].negative[1], on_dark.vectors[0], atol=1e-6)
    alike(probe_spec(clip(), spec, tmp_path, index)[0], on_white)
    alike(probe_images(clip(), tmp_path / "clear.png", "images of a", background="#101010"), on_dark)


def test_a_spec_of_images_only_and_one_of_phrases_only(pictures: list[Path]) -> None:
    folder = str(pictures[0].parent)
    only = Spec(output=0, valid=(Concept("a", images=("one.png",)),), spurious=(Concept("b", images=("two.png",)),))
    assert probe_spec(clip(), only, folder).names == ("images of a", "images of b")
    alike(probe_spec(clip(), only, folder)[1], probe_images(clip(), shown(pictures[1:]), "images of b"))
    plain = Spec(output=0, valid=("hairs",), spurious=("ruler",))
    alike(probe_spec(clip(), plain), probe(clip(), ["hairs", "ruler"]))
    ask_spec(clip().identity, plain, device="cpu")
    alike(replace(ask_spec(nowhere(), plain), foundation=clip().identity), probe(clip(), ["hairs", "ruler"]))
    with pytest.raises(SemlensError, match="cannot read .*one.png"):
        probe_spec(clip(), only, pictures[0].parent / "elsewhere")
