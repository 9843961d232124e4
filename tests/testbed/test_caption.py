import re

import numpy as np
import pytest

from semlens.testbed.world.artefacts import PLASTERS
from semlens.testbed.world.caption import (
    CLOSEUPS,
    NOTHING,
    OPENINGS,
    PLAIN,
    caption,
    closeup,
    describe,
    listed,
    split,
    vocabulary,
    with_article,
)
from semlens.testbed.world.concepts import BY_NAME, CONCEPTS, NAMES
from semlens.testbed.world.paint import rgb
from semlens.testbed.world.render import draw
from semlens.testbed.world.scenario import CLEAN, SHORTCUT
from semlens.testbed.world.scene import Scene

SCENES = [CLEAN.scene(seed) for seed in range(50)] + [SHORTCUT.scene(seed) for seed in range(100, 150)]
COLORED = re.compile(rf"\b({'|'.join(PLASTERS)})(-coloured)? (?:{'|'.join(BY_NAME['band-aid'].phrases)})\b")


def scene(*present: str, seed: int = 0) -> Scene:
    return Scene(seed, {name: float(name in present) for name in NAMES})


def says(text: str, phrase: str) -> bool:
    """Whether a text has a phrase; of "large lesion" and the like, the "large" before the first "lesion"."""
    words = f" {' '.join(split(text))} "
    if phrase.endswith(" lesion") and f" {phrase} " not in words:
        return f" {phrase.removesuffix('lesion')}" in words.partition(" lesion ")[0] + " "
    return f" {' '.join(split(phrase))} " in words


def mentioned(text: str) -> set[str]:
    return {concept.name for concept in CONCEPTS if any(says(text, phrase) for phrase in concept.phrases)}


def denied(text: str) -> set[str]:
    return {concept.name for concept in CONCEPTS if any(says(text, phrase) for phrase in concept.absent)}


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("ruler", "a ruler"),
        ("asymmetric lesion", "an asymmetric lesion"),
        ("adhesive bandage", "an adhesive bandage"),
        ("irregular border", "an irregular border"),
        ("blue-white veil", "a blue-white veil"),
        ("surgical pen marking", "a surgical pen marking"),
        ("skin marker", "a skin marker"),
        ("beige-coloured band-aid", "a beige-coloured band-aid"),
        ("hairs", "hairs"),
        ("body hair", "body hair"),
        ("hairy skin", "hairy skin"),
        ("dots and globules", "dots and globules"),
        ("purple ink", "purple ink"),
        ("light brown colour", "light brown colour"),
        ("vignetting", "vignetting"),
        ("large diameter", "large diameter"),
        ("irregular pigment network", "an irregular pigment network"),
        ("irregular streaks", "irregular streaks"),
    ],
)
def test_articles(phrase: str, expected: str) -> None:
    assert with_article(phrase) == expected


def test_lists() -> None:
    assert listed([]) == ""
    assert listed(["a ruler"]) == "a ruler"
    assert listed(["a ruler", "hairs"]) == "a ruler and hairs"
    assert listed(["a ruler", "hairs", "purple ink"]) == "a ruler, hairs and purple ink"


def test_words_are_lower_case_and_a_hyphen_parts_two() -> None:
    assert split("A blue-white veil, 2 Hairs!") == ["a", "blue", "white", "veil", "2", "hairs"]
    assert split(" ... ") == []


def test_all_that_is_present_is_said_and_nothing_else() -> None:
    for one in (*SCENES, scene(*NAMES), scene()):
        assert mentioned(caption(one)) == set(one.present)


@pytest.mark.parametrize("name", NAMES)
def test_one_concept_alone_is_said_alone(name: str) -> None:
    for seed in range(6):
        assert mentioned(caption(scene(name, seed=seed))) == {name}


def test_a_description_by_chance_claims_what_it_says_and_nothing_that_is_not_so() -> None:
    rng = np.random.default_rng(0)
    short = 0
    for one in SCENES:
        found = describe(one, rng)
        assert mentioned(found.text) == set(found.said) <= set(one.present)
        assert denied(found.text) == set(found.lacking)
        assert not any(one.has(name) for name in found.lacking)
        short += len(found.said) <= 2 < len(one.present)
    assert 0.3 < short / len(SCENES) < 0.7


def test_what_is_lacking_is_denied_now_and_then() -> None:
    said = []
    for one in SCENES:
        lacking = {concept.name for concept in CONCEPTS if concept.absent and not one.has(concept.name)}
        assert denied(caption(one)) <= lacking
        said += [name in denied(caption(one)) for name in lacking]
    assert np.mean(said) == pytest.approx(0.4, abs=3 * np.sqrt(0.24 / len(said)))


def test_the_same_words_each_time_but_for_chance() -> None:
    one = SCENES[0]
    assert caption(one) == caption(one)
    assert describe(one, np.random.default_rng(3)) == describe(one, np.random.default_rng(3))
    assert len({describe(one, np.random.default_rng(seed)).text for seed in range(30)}) > 20
    assert len({caption(scene("ruler", "hairs", seed=seed)) for seed in range(30)}) > 10


def test_captions_are_sentences() -> None:
    opening = f"(?:{'|'.join(OPENINGS)})"
    rng = np.random.default_rng(2)
    for one in SCENES:
        assert re.fullmatch(rf"{opening}an? [a-z ]*lesion(?: with .+)?", caption(one))
        for text in (caption(one), describe(one, rng).text):
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|\ban? (?:[a-z-]+ )?[a-z]+s\b|  |, and|,,", text)


def test_a_picture_of_nothing_special_is_still_of_a_lesion() -> None:
    texts = {caption(scene(seed=seed)) for seed in range(200)}
    assert {"a lesion", "an image of a lesion", "a small lesion"} <= texts


def test_a_closeup_says_what_is_visible_in_it_and_no_more() -> None:
    rng, whole = np.random.default_rng(0), scene(*NAMES)
    for seed in range(100):
        visible = [name for name in NAMES if rng.random() < 0.15] or [NAMES[seed % 20]]
        found = closeup(whole, visible, rng)
        assert mentioned(found.text) == set(visible) == set(found.said)
        assert not denied(found.text)
        assert not found.lacking
    assert {closeup(whole, ["ruler"], rng).text for _ in range(200)} >= {"a ruler", "a closeup of a ruler"}


def test_a_closeup_of_nothing_is_one_of_skin() -> None:
    texts = {closeup(scene(*NAMES), [], np.random.default_rng(seed)).text for seed in range(200)}
    assert texts == {opening + skin for opening in CLOSEUPS for skin in PLAIN}


def test_the_colour_that_is_said_of_a_band_aid_is_the_colour_drawn() -> None:
    seen = set()
    for seed in range(24):
        one = scene("band-aid", seed=seed)
        found = [describe(one, np.random.default_rng(n)) for n in range(20)]
        found += [closeup(one, ["band-aid"], np.random.default_rng(n)) for n in range(20)]
        (said,) = {match[1] for words in found if (match := COLORED.search(words.text))}
        assert {words.color for words in found} == {"", said}
        assert all(bool(words.color) == bool(COLORED.search(words.text)) for words in found)
        drawn = draw(one, 48)
        pixels = np.asarray(drawn.image)[drawn.masks["band-aid"]] / 255
        middle = np.median(pixels, axis=0)  # the shadow and the pores are the smaller part
        near = {
            name: np.abs(middle / middle.sum() - rgb(color) / rgb(color).sum()).sum()
            for name, color in PLASTERS.items()
        }
        assert min(near, key=near.__getitem__) == said
        seen.add(said)
    assert seen == set(PLASTERS)


def test_a_band_aid_has_its_colour_in_half_of_the_captions() -> None:
    texts = [describe(scene("band-aid", seed=1), np.random.default_rng(n)).text for n in range(200)]
    said = [COLORED.search(text) is not None for text in texts if mentioned(text)]
    assert np.mean(said) == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / len(said)))


def test_a_veil_has_no_band_aids_colour() -> None:
    whole = scene("blue-white veil", "band-aid", seed=4)
    assert closeup(whole, ["blue-white veil"], np.random.default_rng(0)).color == ""


def test_the_vocabulary_has_every_word() -> None:
    words = vocabulary()
    assert words == tuple(sorted(set(words)))
    rng = np.random.default_rng(0)
    texts = [*NOTHING]
    for one in SCENES:
        texts += [
            caption(one),
            describe(one, rng).text,
            closeup(one, one.present, rng).text,
            closeup(one, [], rng).text,
        ]
    texts += [describe(scene("band-aid", seed=seed), rng).text for seed in range(200)]
    used = {word for text in texts for word in split(text)}
    assert used <= set(words)
    assert {"asymmetric", "a", "an", "with", "and", "coloured", "closeup", "plain", *PLASTERS} <= used
    assert "semlens" not in words
