from dataclasses import replace

import numpy as np
import pytest

from semlens.analysis.chance import (
    MIN_NULL_SIZE,
    Statistic,
    check_rate,
    critical_p,
    critical_values,
    p_values,
    q_values,
    random_components,
    statistic,
)
from semlens.errors import SemlensError
from semlens.types import MISSING
from tests.planted import planted

SIZE = MIN_NULL_SIZE
INDEX = planted([None] * 40, layers=(30, 10), absent={3: 4, 5: 10})


def sample(value: list[float], examples: int = 10, layer: int = 0) -> Statistic:
    return Statistic(np.array(value), np.full(len(value), examples), np.full(len(value), layer))


def test_random_components_keep_the_number_of_examples_and_the_sizes_of_crops() -> None:
    random = random_components(INDEX, draws=300)
    real = INDEX.rows[random.like]
    assert ((random.rows == MISSING) == (real == MISSING)).all()
    side = INDEX.boxes[:, 2]
    valid = real != MISSING
    assert (side[random.rows[valid]] == side[real[valid]]).all()
    assert (random.rows[valid] != real[valid]).mean() > 0.98
    assert (random.layer == (random.like >= 30)).all()
    assert 5 not in random.like  # it is dead


def test_every_number_of_examples_gets_its_own_random_components() -> None:
    random = random_components(INDEX, draws=2000)
    first = random.layer == 0
    assert (random.examples[first] == 6).sum() == SIZE
    assert (random.examples[first] == 10).sum() == round(2000 * 28 / 29)
    assert (random.examples[~first] == 10).sum() == 2000


def test_random_components_follow_the_seed_and_the_layers_asked_for() -> None:
    a, b = random_components(INDEX, draws=50, seed=3), random_components(INDEX, draws=50, seed=3)
    assert (a.rows == b.rows).all()
    assert (a.rows[:50] != random_components(INDEX, draws=50, seed=4).rows[:50]).any()
    assert set(random_components(INDEX, layers=["layer1"], draws=50).layer) == {1}
    with pytest.raises(SemlensError, match="unknown layer 'layer2'; nearest: layer"):
        random_components(INDEX, layers=["layer2"])
    with pytest.raises(SemlensError, match="draws is 0"):
        random_components(INDEX, draws=0)
    dead = replace(INDEX, rows=np.full_like(INDEX.rows, MISSING))
    with pytest.raises(SemlensError, match="no component has an example"):
        random_components(dead)


def test_crops_are_drawn_evenly() -> None:
    drawn = random_components(INDEX, draws=4000).rows
    counts = np.bincount(drawn[drawn != MISSING], minlength=600)
    assert counts.min() > 0.6 * counts.mean()
    assert counts.max() < 1.5 * counts.mean()


def test_p_values_count_the_null_that_is_as_high() -> None:
    null = sample([1.0, 2, 3, 4])
    found = p_values(sample([0.5, 1, 2.5, 4, 5, np.nan]), null)
    np.testing.assert_allclose(found, [1, 1, 3 / 5, 2 / 5, 1 / 5, 1])


@pytest.mark.parametrize("p", [0.001, 0.05, 0.3, 0.9999, 1.0])
def test_a_critical_value_is_exceeded_exactly_where_the_p_value_is_low_enough(p: float) -> None:
    rng = np.random.default_rng(0)
    null = Statistic(rng.integers(30, size=500).astype(float), rng.integers(1, 4, size=500), rng.integers(2, size=500))
    found = Statistic(
        rng.integers(-1, 32, size=90).astype(float), rng.integers(1, 6, size=90), rng.integers(2, size=90)
    )
    exceeds = found.value > critical_values(found, null, p)
    assert (exceeds == (p_values(found, null) <= p)).all()


def test_layers_and_numbers_of_examples_have_nulls_of_their_own() -> None:
    low, high = np.linspace(0, 1, SIZE), np.linspace(10, 11, SIZE)
    null = Statistic(np.concatenate([low, high, high]), np.repeat([10, 3, 10], SIZE), np.repeat([0, 0, 1], SIZE))
    for examples, layer, few in ((10, 0, True), (3, 0, False), (10, 1, False)):
        assert (p_values(sample([5.0], examples, layer), null)[0] < 0.01) == few


def test_where_a_number_of_examples_is_rare_its_neighbours_are_taken_in() -> None:
    null = Statistic(np.arange(2.0 * SIZE), np.repeat([9, 4], SIZE), np.zeros(2 * SIZE, np.int64))
    assert p_values(sample([SIZE - 0.5], 8), null)[0] == pytest.approx(1 / (SIZE + 1))  # nearest: 9
    assert p_values(sample([SIZE - 0.5], 5), null)[0] == 1  # nearest: 4


def test_p_values_of_chance_are_uniform() -> None:
    index = planted([None] * 800, seed=5)
    random = random_components(index, draws=2000)
    x = np.random.default_rng(2).normal(size=(index.means.shape[1],)).astype(np.float32)
    from semlens.numerics.vectors import mean_rows

    chance = mean_rows(index.vectors, random.rows).astype(np.float32) @ x
    p = p_values(statistic(index, index.means.astype(np.float32) @ x), random.statistic(chance))
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 800))


def test_q_values_equal_the_step_up_procedure() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.5, 0.02])
    np.testing.assert_allclose(q_values(p), [0.05, 0.05, 0.05, 0.5, 0.05])
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(30) ** 3
        for fdr in (0.05, 0.2):
            order = np.sort(p)
            passing = np.flatnonzero(order <= fdr * np.arange(1, 31) / 30)
            level = order[passing[-1]] if len(passing) else -1
            assert ((q_values(p) <= fdr) == (p <= level)).all()
            cut = critical_p(p, fdr)
            assert cut == fdr * max(int((p <= level).sum()) if len(passing) else 1, 1) / 30
            assert (p <= cut).sum() == ((p <= level).sum() if len(passing) else 0)
    assert len(q_values(np.array([]))) == 0


@pytest.mark.parametrize("fdr", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_lies_between_0_and_1(fdr: float) -> None:
    with pytest.raises(SemlensError, match="false-discovery rate is"):
        check_rate(fdr)


def test_a_random_component_has_no_image_twice() -> None:
    """As none that is real has: with few images it would look more of one kind than chance is."""
    index = planted([None] * 40, k=30, crops=50)
    drawn = random_components(index, draws=1000)
    images = np.sort(index.sources[drawn.rows], axis=1)
    assert (images[:, 1:] != images[:, :-1]).all()
    clarity = [np.linalg.norm(index.vectors[rows].astype(np.float64).mean(axis=0)) for rows in drawn.rows]
    rng = np.random.default_rng(0)
    slow = [
        np.linalg.norm(index.vectors[rng.choice(50, 30, replace=False)].astype(np.float64).mean(axis=0))
        for _ in range(1000)
    ]
    assert np.mean(clarity) == pytest.approx(np.mean(slow), rel=3e-3)


def test_above_all_of_the_null_a_tail_goes_on() -> None:
    """Few real components among many can then still be told; a critical value is where the p-value is."""
    level = np.random.default_rng(0).exponential(1, 1000)
    null = Statistic(level, np.full(1000, 3), np.zeros(1000, int))
    values = np.array([level.max() + 0.2, level.max() + 20])
    real = Statistic(values, np.full(2, 3), np.zeros(2, int))
    p = p_values(real, null)
    assert 1e-4 < p[0] < 1 / 1001
    assert p[1] == 1e-4
    for asked in (0.2, 0.01, 5e-4):
        limit = critical_values(real, null, asked)[0]
        just = Statistic(np.array([limit, limit * 0.999]), np.full(2, 3), np.zeros(2, int))
        reached, below = p_values(just, null)
        assert reached <= asked < below
    assert critical_values(real, null, 1e-5)[0] == np.inf
