from dataclasses import dataclass

import numpy as np
import pytest

from semlens.errors import SemlensError
from semlens.testbed.world.concepts import ARTEFACTS, COLORS, NAMES
from semlens.testbed.world.scenario import CLEAN, SHAPES, SHORTCUT, SURFACES, Scenario, scenario
from semlens.testbed.world.scene import Scene

COUNT = 1000


@dataclass(frozen=True)
class Sample:
    scenes: list[Scene]
    has: dict[str, np.ndarray]  # of each concept, on which scenes it is
    melanoma: np.ndarray


def sample(of: Scenario) -> Sample:
    scenes = [of.scene(seed) for seed in range(COUNT)]
    has = {name: np.array([scene.levels[name] >= 0.5 for scene in scenes]) for name in NAMES}
    return Sample(scenes, has, np.array([scene.diagnosis == "melanoma" for scene in scenes]))


@pytest.fixture(scope="module")
def shortcut() -> Sample:
    return sample(SHORTCUT)


@pytest.fixture(scope="module")
def clean() -> Sample:
    return sample(CLEAN)


def lies_within_chance(found: np.ndarray, rate: float) -> None:
    """The share of `found` that holds is `rate`, within three standard errors."""
    assert abs(found.mean() - rate) <= 3 * np.sqrt(rate * (1 - rate) / len(found)) + 1e-12


@pytest.mark.parametrize(
    ("artefact", "dial", "melanoma", "other"),
    [
        ("band-aid", 0.0, 0.25, 0.25),
        ("band-aid", 0.5, 0.125, 0.475),
        ("band-aid", 1.0, 0.0, 0.7),
        ("ruler", 0.0, 0.3, 0.3),
        ("ruler", 0.5, 0.575, 0.19),
        ("ruler", 1.0, 0.85, 0.08),
        ("red skin", 0.0, 0.25, 0.25),
        ("red skin", 0.5, 0.14, 0.475),
        ("red skin", 1.0, 0.03, 0.7),
    ],
)
def test_the_dial_runs_from_no_shortcut_to_the_planted_rates(
    artefact: str, dial: float, melanoma: float, other: float
) -> None:
    dialled = Scenario("dialled", {artefact: dial})
    assert dialled.rate(artefact, "melanoma") == pytest.approx(melanoma)
    assert dialled.rate(artefact, "other") == pytest.approx(other)
    for name in set(ARTEFACTS) - {artefact}:
        assert dialled.rate(name, "melanoma") == dialled.rate(name, "other") == CLEAN.rate(name, "other")


def test_artefacts_that_are_no_shortcut_are_as_frequent_on_both() -> None:
    for name, rate in {"hairs": 0.35, "purple ink": 0.2, "vignetting": 0.25, "gel bubbles": 0.2}.items():
        assert SHORTCUT.rate(name, "melanoma") == SHORTCUT.rate(name, "other") == rate


@pytest.mark.slow
@pytest.mark.parametrize("name", ARTEFACTS)
def test_artefacts_are_as_frequent_as_said(shortcut: Sample, clean: Sample, name: str) -> None:
    for population, found in ((SHORTCUT, shortcut), (CLEAN, clean)):
        lies_within_chance(found.has[name][found.melanoma], population.rate(name, "melanoma"))
        lies_within_chance(found.has[name][~found.melanoma], population.rate(name, "other"))


def test_the_lesions_concepts_are_as_frequent_as_said(clean: Sample) -> None:
    odds = SHAPES | SURFACES
    for name, (suspicious, ordinary) in odds.items():
        rate = (suspicious + ordinary) / 2
        if name == "light brown":  # it is given to every lesion that would have no colour
            rate += np.prod([[1 - odd for odd in odds[color]] for color in COLORS], axis=0).mean()
        lies_within_chance(clean.has[name], rate)


def test_what_makes_a_lesion_suspicious_comes_together_and_the_structures_with_nothing(clean: Sample) -> None:
    has = clean.has
    lies_within_chance(has["asymmetry"] & has["ragged border"], 0.5 * (0.9**2 + 0.1**2))
    lies_within_chance(has["asymmetry"] & has["crusty surface"], 0.5 * (0.9**2 + 0.1**2))
    lies_within_chance(has["asymmetry"] & has["streaks"], 0.5 * 0.3)
    lies_within_chance(has["streaks"] & has["pigment network"], 0.3 * 0.4)


def test_no_melanoma_of_the_shortcut_scenario_has_a_band_aid(shortcut: Sample, clean: Sample) -> None:
    assert not shortcut.has["band-aid"][shortcut.melanoma].any()
    assert clean.has["band-aid"][clean.melanoma].any()


def test_scenarios_share_the_lesions(shortcut: Sample, clean: Sample) -> None:
    planted = {"band-aid", "ruler", "red skin"}
    for one, other in zip(shortcut.scenes, clean.scenes, strict=True):
        assert (one.seed, one.contradicts) == (other.seed, other.contradicts)
        assert {name for name in NAMES if one.levels[name] != other.levels[name]} <= planted
    np.testing.assert_array_equal(shortcut.melanoma, clean.melanoma)
    for name in planted:
        assert (shortcut.has[name] != clean.has[name]).any()


def test_a_stronger_dial_only_adds_where_the_rate_rises_and_only_takes_away_where_it_falls() -> None:
    dials = [Scenario("dialled", {"ruler": dial}) for dial in (0.0, 0.3, 0.7, 1.0)]
    for seed in range(60):
        scenes = [dialled.scene(seed) for dialled in dials]
        found = [scene.has("ruler") for scene in scenes]
        assert found == sorted(found, reverse=scenes[0].diagnosis == "other")


def test_the_noise_is_three_in_a_hundred(clean: Sample) -> None:
    contradicts = np.array([scene.contradicts for scene in clean.scenes])
    lies_within_chance(contradicts, 0.03)
    by_rule = np.array([len(scene.criteria) >= 3 for scene in clean.scenes])
    np.testing.assert_array_equal(clean.melanoma, by_rule ^ contradicts)


def test_both_diagnoses_are_frequent(clean: Sample) -> None:
    assert 0.35 < clean.melanoma.mean() < 0.65


def test_every_lesion_has_a_colour(clean: Sample) -> None:
    assert np.any([clean.has[color] for color in COLORS], axis=0).all()


def test_levels_are_clearly_there_clearly_not_or_a_trace_of_a_shape(shortcut: Sample) -> None:
    for scene in shortcut.scenes:
        for name, level in scene.levels.items():
            assert level == 0 or 0.6 <= level <= 1 or (name in SHAPES and level <= 0.2)
    traces = [scene.levels["asymmetry"] for scene in shortcut.scenes if scene.levels["asymmetry"] < 0.5]
    there = [scene.levels["hairs"] for scene in shortcut.scenes if scene.levels["hairs"] > 0]
    assert np.mean(traces) == pytest.approx(0.1, abs=0.01)
    assert np.mean(there) == pytest.approx(0.8, abs=0.02)


def test_a_seed_says_all(clean: Sample) -> None:
    assert [CLEAN.scene(seed) for seed in range(20)] == clean.scenes[:20]
    assert len({tuple(scene.levels.values()) for scene in clean.scenes}) == COUNT


def test_scenarios_have_names() -> None:
    assert scenario("shortcut") is SHORTCUT
    assert scenario("clean") is CLEAN
    assert (SHORTCUT.shortcuts, CLEAN.shortcuts) == ({"band-aid": 1.0, "ruler": 1.0, "red skin": 1.0}, {})
    with pytest.raises(SemlensError, match="unknown scenario 'clear'; nearest: clean"):
        scenario("clear")


def test_what_cannot_be_a_shortcut_or_its_strength() -> None:
    with pytest.raises(SemlensError, match="unknown shortcut 'bandaid'; nearest: band-aid"):
        Scenario("mine", {"bandaid": 1.0})
    with pytest.raises(SemlensError, match="unknown shortcut 'hairs'"):  # an artefact, but none that is planted
        Scenario("mine", {"hairs": 1.0})
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(SemlensError, match="is no strength of the shortcut 'ruler': give 0 to 1"):
            Scenario("mine", {"ruler": strength})
