import numpy as np
import pytest

from semlens.analysis.labels.meanings import Halves, Meaning, _Groups, meanings
from semlens.types import MISSING
from tests.planted import phrases


def groups(score: np.ndarray, other: np.ndarray, best: tuple[int, int] = (3, 7)) -> _Groups:
    """Six examples each, the first three against the last three."""
    n = len(score)
    rows = np.full((n, 2, 6), MISSING, np.int32)
    rows[:, 0, :3], rows[:, 1, 3:] = [0, 1, 2], [3, 4, 5]
    return _Groups(rows, np.tile(np.array(best), (n, 1)), score.astype(np.float32), other.astype(np.float32))


CHANCE = groups(np.random.default_rng(0).normal(1, 0.1, (300, 2)), np.zeros((300, 2)))  # the usual score is 1


def found(other: tuple[float, float], score: tuple[float, float] = (5, 4), best: tuple[int, int] = (3, 7)) -> object:
    halves = Halves(0, np.array([11]), groups(np.array([score]), np.array([other]), best), CHANCE)
    return meanings([halves], phrases(), 0.05)


def test_two_phrases_that_each_fit_one_half_are_two_meanings() -> None:
    pair = (Meaning("concept 3", 5.0, (0, 1, 2)), Meaning("concept 7", 4.0, (3, 4, 5)))
    assert found(other=(0.5, 0.5)) == {11: pair}


@pytest.mark.parametrize("other", [(0.5, 3.0), (3.0, 0.5), (3.0, 3.0)])
def test_a_phrase_that_fits_both_halves_makes_one_meaning(other: tuple[float, float]) -> None:
    """Better than a random half is fitted by its best phrase: then the halves are not about different things."""
    assert found(other=other) == {}


def test_one_phrase_for_both_or_a_half_that_chance_fits_as_well_makes_one_meaning() -> None:
    assert found(other=(0.5, 0.5), best=(3, 3)) == {}
    assert found(other=(0.5, 0.5), score=(5, 1)) == {}
