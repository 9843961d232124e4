import pickle

import numpy as np
import pytest

from semlens.errors import SemlensError
from semlens.testbed.world.concepts import ARTEFACTS, COLORS, CONCEPTS, NAMES
from semlens.testbed.world.scene import NOISE, Scene

STRUCTURES = ("pigment network", "dots and globules", "streaks")


def scene(*present: str, seed: int = 7, contradicts: bool = False) -> Scene:
    return Scene(seed, {name: float(name in present) for name in NAMES}, contradicts)


def changed(one: Scene, other: Scene) -> set[str]:
    assert (one.seed, one.contradicts) == (other.seed, other.contradicts)
    return {name for name in NAMES if one.levels[name] != other.levels[name]}


def test_the_concepts_are_those_of_the_rule_the_structures_and_the_artefacts() -> None:
    assert len(NAMES) == 20
    assert COLORS == ("light brown", "dark brown", "black", "red", "blue-white veil", "white structures")
    assert ARTEFACTS == ("hairs", "ruler", "band-aid", "purple ink", "vignetting", "red skin", "gel bubbles")
    letters = {concept.name: concept.letter for concept in CONCEPTS if concept.letter and concept.letter != "C"}
    assert letters == {"asymmetry": "A", "ragged border": "B", "large lesion": "D", "crusty surface": "E"}
    assert {concept.name for concept in CONCEPTS if not concept.letter} == {*STRUCTURES, *ARTEFACTS}


def test_no_phrase_stands_for_two_concepts() -> None:
    phrases = [phrase for concept in CONCEPTS for phrase in (*concept.phrases, *concept.absent)]
    assert len(set(phrases)) == len(phrases)


@pytest.mark.parametrize("name", NAMES)
def test_a_counterfactual_changes_one_concept_and_undoes_itself(name: str) -> None:
    for start in (scene("ruler", "red", "streaks"), scene(*NAMES, contradicts=True)):
        flipped = start.flipped(name)
        assert changed(start, flipped) == {name}
        assert flipped.has(name) is not start.has(name)
        assert flipped.levels[name] == 1.0 - start.levels[name]
        assert flipped.flipped(name) == start


@pytest.mark.parametrize(("level", "there"), [(0.0, False), (0.2, False), (0.49, False), (0.5, True), (1.0, True)])
def test_a_concept_is_present_from_half_a_level_up(level: float, there: bool) -> None:
    start = scene("ruler")
    other = start.with_level("hairs", level)
    assert changed(start, other) == ({"hairs"} if level else set())
    assert other.levels["hairs"] == level
    assert other.has("hairs") is there
    assert other.present == (("hairs", "ruler") if there else ("ruler",))
    assert other.flipped("hairs").levels["hairs"] == (0.0 if there else 1.0)
    assert other.with_level("hairs", 0.0) == start
    assert start.levels["hairs"] == 0.0


def test_what_is_present_keeps_the_order_of_the_concepts() -> None:
    assert scene("hairs", "red", "asymmetry").present == ("asymmetry", "red", "hairs")


def test_an_unknown_concept_is_answered_with_the_nearest() -> None:
    start = scene()
    for asked in (start.has, start.flipped, lambda name: start.with_level(name, 1.0)):
        with pytest.raises(SemlensError, match="unknown concept 'rulr'; nearest: ruler"):
            asked("rulr")


@pytest.mark.parametrize("level", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_level_lies_between_0_and_1(level: float) -> None:
    with pytest.raises(SemlensError, match="is no level of 'ruler': give 0 .absent. to 1"):
        scene().with_level("ruler", level)


@pytest.mark.parametrize(
    ("present", "criteria", "diagnosis"),
    [
        ((), "", "other"),
        (("asymmetry",), "A", "other"),
        (("asymmetry", "ragged border"), "AB", "other"),
        (("asymmetry", "ragged border", "large lesion"), "ABD", "melanoma"),
        (("crusty surface", "large lesion", "ragged border"), "BDE", "melanoma"),
        (("asymmetry", "ragged border", "red", "black"), "AB", "other"),  # two colours do not make many
        (("asymmetry", "ragged border", "red", "black", "white structures"), "ABC", "melanoma"),
        (("asymmetry", "red", "black", "light brown", "blue-white veil"), "AC", "other"),
        (COLORS, "C", "other"),  # six colours are one letter
        ((*COLORS, "crusty surface"), "CE", "other"),
        ((*COLORS, "crusty surface", "large lesion"), "CDE", "melanoma"),
        ((*STRUCTURES, *ARTEFACTS), "", "other"),
        ((*STRUCTURES, *ARTEFACTS, "asymmetry", "crusty surface"), "AE", "other"),
        (NAMES, "ABCDE", "melanoma"),
    ],
)
def test_the_rule_by_hand(present: tuple[str, ...], criteria: str, diagnosis: str) -> None:
    assert scene(*present).criteria == criteria
    assert scene(*present).diagnosis == diagnosis
    assert scene(*present, contradicts=True).criteria == criteria
    assert scene(*present, contradicts=True).diagnosis == {"melanoma": "other", "other": "melanoma"}[diagnosis]


def test_a_trace_meets_no_criterion() -> None:
    traces = scene("asymmetry", "ragged border").with_level("large lesion", 0.49)
    assert (traces.criteria, traces.diagnosis) == ("AB", "other")
    assert traces.with_level("large lesion", 0.5).diagnosis == "melanoma"


def test_chance_is_that_of_every_counterfactual_and_of_no_other_part_or_seed() -> None:
    start = scene("ruler")
    expected = start.random("ruler").random(4)
    np.testing.assert_array_equal(start.random("ruler").random(4), expected)
    for name in NAMES:
        np.testing.assert_array_equal(start.flipped(name).random("ruler").random(4), expected)
    np.testing.assert_array_equal(scene(contradicts=True).random("ruler").random(4), expected)
    parts = [start.random(what).random() for what in (*NAMES, "skin", "base", "outline", "caption")]
    seeds = [scene(seed=seed).random("ruler").random() for seed in (0, 1, 8, (1 << 32) + 7, (2 << 32) + 7)]
    assert len({expected[0], *parts, *seeds}) == 24 + 5  # start's own ruler is among the parts


def test_a_scene_pickles() -> None:
    start = scene("ruler", "red", seed=(3 << 32) + 5, contradicts=True).with_level("hairs", 0.25)
    again = pickle.loads(pickle.dumps(start))
    assert again == start
    assert tuple(again.levels) == NAMES
    assert (again.seed, again.contradicts, again.levels["hairs"]) == ((3 << 32) + 5, True, 0.25)
    np.testing.assert_array_equal(again.random("skin").random(3), start.random("skin").random(3))


def test_nothing_changes_a_scene() -> None:
    levels = dict(scene("ruler").levels)
    one = Scene(0, levels)
    levels["ruler"] = 0.0
    assert one.has("ruler")
    with pytest.raises(TypeError, match="does not support item assignment"):
        one.levels["ruler"] = 0.0  # type: ignore[index]


@pytest.mark.parametrize("names", [NAMES[:-1], NAMES[::-1], (*NAMES[1:], NAMES[0]), (*NAMES, "lens flare"), ()])
def test_a_scene_has_a_level_for_each_concept_in_their_order(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="a level for each concept, in their order"):
        Scene(0, dict.fromkeys(names, 0.0))


def test_three_diagnoses_in_a_hundred_contradict_the_rule() -> None:
    assert NOISE == 0.03
