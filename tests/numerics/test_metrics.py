from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binomtest, spearmanr
from scipy.stats import bootstrap as scipy_bootstrap

from semlens.numerics.metrics import (
    Estimate,
    auroc,
    auroc_estimate,
    average_precision,
    bootstrap,
    bootstrap_over,
    chance_precision,
    coverage,
    mass_accuracy,
    pointing,
    precision_of_box,
    rank_accuracy,
    rate,
    spearman,
)

NONE = np.zeros((2, 2), dtype=bool)
LEFT = np.array([[True, False], [True, False]])
CORNER = np.array([[True, False], [False, False]])
HEAT = np.array([[4.0, 3.0], [1.0, -2.0]])
FLAT = np.ones((2, 2))


def precision_of_order(relevant: list[bool]) -> float:
    """Average precision as it is defined, of an order without ties."""
    return float(np.mean([np.mean(relevant[: i + 1]) for i, hit in enumerate(relevant) if hit]))


def precision_over_orders(scores: np.ndarray, relevant: np.ndarray) -> float:
    """The mean over every order that does not contradict the scores."""
    orders = [o for o in permutations(range(len(scores))) if all(np.diff(scores[list(o)]) <= 0)]
    return float(np.mean([precision_of_order(list(relevant[list(o)])) for o in orders]))


def test_average_precision_by_hand():
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, np.array([True, True, False, False])) == 1
    assert average_precision(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx((1 + 1 / 2) / 2)
    assert np.isnan(average_precision(scores, np.zeros(4, dtype=bool)))
    assert np.isnan(average_precision(np.array([np.nan, 1.0]), np.array([True, True])))
    assert average_precision(np.array([-np.inf, 1.0]), np.array([True, False])) == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_the_mean_over_the_orders_of_ties(seed: int):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, size=6).astype(np.float64)
    relevant = rng.permutation(np.arange(6) < 1 + seed % 6)
    assert average_precision(scores, relevant) == pytest.approx(precision_over_orders(scores, relevant), abs=1e-12)


def test_chance_precision_is_the_mean_over_all_orders():
    for c in range(1, 7):
        for r in range(1, c + 1):
            expected = np.mean([precision_of_order([i < r for i in order]) for order in permutations(range(c))])
            assert chance_precision(c, r) == pytest.approx(expected, abs=1e-12)
    assert chance_precision(2, 1) == pytest.approx(3 / 4)
    assert np.isnan(chance_precision(4, 0))
    assert np.isnan(chance_precision(4, 5))
    assert np.isnan(chance_precision(0, 0))


def test_chance_precision_is_that_of_one_great_tie():
    assert average_precision(np.zeros(500), np.arange(500) < 7) == pytest.approx(chance_precision(500, 7), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_auroc_is_the_share_of_pairs(seed: int):
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, 5, size=30).astype(np.float64), rng.permutation(np.arange(30) < 1 + 3 * seed)
    pairs = [(p > q) + 0.5 * (p == q) for p in scores[positive] for q in scores[~positive]]
    assert auroc(scores, positive) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_auroc_by_hand():
    positive = np.array([False, True, True])
    assert auroc(np.array([0.1, 0.2, 0.3]), positive) == 1
    assert auroc(np.array([0.3, 0.2, 0.1]), positive) == 0
    assert auroc(np.array([0.2, 0.2, 0.1]), positive) == 0.25
    assert np.isnan(auroc(np.array([0.1, 0.2]), np.array([True, True])))
    assert np.isnan(auroc(np.array([0.1, 0.2]), np.array([False, False])))
    assert np.isnan(auroc(np.array([np.nan, 0.2]), np.array([False, True])))


@pytest.mark.parametrize("seed", range(10))
def test_spearman_is_scipys(seed: int):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 6, size=25).astype(np.float64)
    b = a + rng.integers(0, 8, size=25)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)


def test_spearman_by_hand():
    a = np.array([1.0, 2.0, 3.0])
    assert spearman(a, np.exp(a)) == 1
    assert spearman(a, -a) == -1
    assert spearman(a, np.array([1.0, 3.0, 2.0])) == pytest.approx(0.5)
    assert np.isnan(spearman(a, np.ones(3)))
    assert np.isnan(spearman(np.array([]), np.array([])))
    assert np.isnan(spearman(np.array([1.0]), np.array([2.0])))
    assert np.isnan(spearman(a, np.array([1.0, np.nan, 2.0])))


def test_mass_accuracy_by_hand():
    assert mass_accuracy(HEAT, LEFT) == pytest.approx(5 / 8)  # -2 counts as 0
    assert mass_accuracy(HEAT, CORNER) == pytest.approx(4 / 8)
    assert mass_accuracy(HEAT, ~NONE) == 1
    assert np.isnan(mass_accuracy(-np.abs(HEAT), LEFT))
    assert np.isnan(mass_accuracy(HEAT, NONE))


def test_mass_is_summed_in_float64():
    heat = np.full((300, 300), 0.1, dtype=np.float16)
    assert mass_accuracy(heat, np.arange(300)[:, None] < np.full(300, 100)) == pytest.approx(1 / 3, abs=1e-12)


def test_rank_accuracy_by_hand():
    assert rank_accuracy(HEAT, LEFT) == 0.5  # of 4 and 3 only 4
    assert rank_accuracy(HEAT, CORNER) == 1
    assert rank_accuracy(HEAT, ~LEFT) == 0.5
    assert rank_accuracy(FLAT, CORNER) == 0.25  # chance
    assert rank_accuracy(np.array([[4.0, 1.0], [1.0, 1.0]]), LEFT) == pytest.approx((1 + 1 / 3) / 2)
    assert np.isnan(rank_accuracy(HEAT, NONE))


@pytest.mark.parametrize("seed", range(10))
def test_rank_accuracy_is_the_mean_over_the_orders_of_ties(seed: int):
    rng = np.random.default_rng(seed)
    heat, mask = rng.integers(0, 3, size=6).astype(np.float64), rng.permutation(np.arange(6) < 1 + seed % 6)
    orders = [o for o in permutations(range(6)) if all(np.diff(heat[list(o)]) <= 0)]
    expected = np.mean([mask[list(o)][: mask.sum()].mean() for o in orders])
    assert rank_accuracy(heat.reshape(2, 3), mask.reshape(2, 3)) == pytest.approx(expected, abs=1e-12)


def test_pointing_by_hand():
    assert pointing(HEAT, LEFT) == 1
    assert pointing(HEAT, ~LEFT) == 0
    assert pointing(HEAT, ~LEFT, tolerance=1) == 1
    assert pointing(HEAT, np.rot90(CORNER, 2), tolerance=1) == 0  # the opposite corner is 1.41 pixels away
    assert pointing(HEAT, np.rot90(CORNER, 2), tolerance=2) == 1
    assert pointing(FLAT, CORNER) == 0.25
    assert pointing(np.array([[4.0, 4.0], [1.0, 1.0]]), LEFT) == 0.5
    assert np.isnan(pointing(HEAT, NONE))
    assert np.isnan(pointing(HEAT, NONE, tolerance=2))


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 9])
def test_tolerance_is_the_distance_to_the_mask(tolerance: int):
    mask = np.random.default_rng(tolerance).random((7, 9)) < 0.05
    mask[6, 8] = True
    for y, x in np.ndindex(7, 9):
        heat = np.zeros((7, 9))
        heat[y, x] = 1
        near = min(np.hypot(y - v, x - u) for v, u in np.argwhere(mask)) <= tolerance
        assert pointing(heat, mask, tolerance) == near


@pytest.mark.parametrize("measure", [mass_accuracy, rank_accuracy, pointing])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_heat_map_that_is_not_finite_has_no_measure(measure, bad: float):
    assert np.isnan(measure(np.array([[bad, 1.0], [2.0, 3.0]]), LEFT))


def test_boxes_by_hand():
    top, corner, none = np.array([0, 0, 2, 1]), np.array([0, 0, 1, 1]), np.zeros(4, dtype=np.int64)
    assert coverage(top, LEFT) == 0.5
    assert coverage(top, CORNER) == 1
    assert coverage(none, LEFT) == 0
    assert np.isnan(coverage(top, NONE))
    assert precision_of_box(top, LEFT) == 0.5
    assert precision_of_box(corner, LEFT) == 1
    assert precision_of_box(np.array([1, 0, 2, 2]), LEFT) == 0
    assert np.isnan(precision_of_box(none, LEFT))
    assert np.isnan(precision_of_box(top, NONE))


def test_a_box_is_left_top_right_bottom_and_ends_with_the_image():
    mask = np.zeros((3, 5), dtype=bool)
    mask[2, 1:4] = True
    assert coverage(np.array([3, 2, 5, 3]), mask) == pytest.approx(1 / 3)
    assert precision_of_box(np.array([3, 2, 5, 3]), mask) == 0.5
    assert coverage(np.array([-2, -2, 9, 9]), mask) == 1
    assert precision_of_box(np.array([-2, -2, 9, 9]), mask) == pytest.approx(3 / 15)
    assert np.isnan(precision_of_box(np.array([-4, -4, -1, -1]), mask))


def test_bootstrap_by_hand():
    assert bootstrap([3.0, 3.0, 3.0]) == Estimate(3.0, 3.0, 3.0, 3)
    empty = bootstrap([float("nan")])
    assert empty.n == 0
    assert np.isnan([empty.value, empty.low, empty.high]).all()
    for few in (bootstrap([2.0, float("nan")]), bootstrap([2.0, 3.0], least=3)):
        assert few.value in (2, 2.5)
        assert np.isnan([few.low, few.high]).all()  # one value says nothing of another
    # Two values: the mean of a resample is 2, 3 or 4, and 95 % of Student's distribution with one degree is all of it.
    assert bootstrap([2.0, 4.0]) == Estimate(3.0, 2.0, 4.0, 2)
    assert bootstrap([2.0, 4.0], level=0.01) == Estimate(3.0, 3.0, 3.0, 2)


def test_a_mean_of_what_is_or_is_not_is_a_rate():
    """Wilson's interval, by an outside oracle; what percentiles of resamples give is a point where all are alike."""
    for successes, n in ((0, 10), (1, 10), (5, 10), (10, 10), (3, 200)):
        found = bootstrap(np.arange(n) < successes)
        expected = binomtest(successes, n).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found == rate(successes, n)
    assert np.isnan(rate(0, 0).low)


def test_bootstrap_takes_another_statistic():
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan])
    found = bootstrap(values, statistic=np.median)
    assert (found.value, found.low, found.n) == (3, 1, 5)
    rows = bootstrap_over(lambda a, _: float(np.median(a)), values[:5], values[:5], draws=2000)
    assert found == rows


def test_bootstrap_is_its_twin_over_rows_and_told_by_the_seed(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(0).normal(size=30)
    first = bootstrap(values, seed=1, draws=300)
    assert first == bootstrap(list(values), seed=1, draws=300)
    assert first.low != bootstrap(values, seed=2, draws=300).low
    twin = bootstrap_over(lambda a, _: float(np.mean(a)), values, values, seed=1, draws=300)
    assert (twin.low, twin.high) == pytest.approx((first.low, first.high), abs=1e-12)
    monkeypatch.setattr("semlens.numerics.metrics._BLOCK", 7 * 30)  # 43 blocks, the last one shorter
    assert bootstrap(values, seed=1, draws=300) == first


def test_an_interval_by_resamples_is_its_outside_oracles():
    """scipy's BCa, to which what is special here tends: the tails widened for few units, the ties of a mean."""
    values = np.random.default_rng(3).exponential(size=300)
    found = bootstrap(values, draws=20_000)
    oracle = scipy_bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(0))
    ends = oracle.confidence_interval
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=0.02 * (ends.high - ends.low) + 0.002)


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize("n", [5, 10, 60])
def test_the_interval_holds_the_true_mean_as_often_as_it_says(n: int, level: float):
    """Percentiles of resamples held it 84 times in 100 at 5 units, 89 at 10."""
    samples = np.random.default_rng(0).normal(2, 3, size=(500, n))
    found = [bootstrap(sample, seed=i, draws=400, level=level) for i, sample in enumerate(samples)]
    assert np.mean([f.low <= 2 <= f.high for f in found]) == pytest.approx(level, abs=0.04)


def test_an_auroc_is_held_by_its_interval_near_one_too():
    """Areas of two normal distributions; percentiles of resamples held 0.983 44 times in 100 at 20 units."""
    rng = np.random.default_rng(1)
    positive = np.arange(20) < 10
    for apart, least in ((0.0, 0.92), (1.0, 0.92), (3.0, 0.9)):
        true = NormalDist().cdf(apart / np.sqrt(2))
        found = [auroc_estimate(rng.normal(size=20) + apart * positive, positive) for _ in range(600)]
        assert np.mean([f.low <= true <= f.high for f in found]) >= least
    perfect = auroc_estimate(np.arange(6.0), np.arange(6) > 2)
    assert perfect.value == perfect.high == 1
    assert 0.4 < perfect.low < 0.8
    nothing = auroc_estimate(np.arange(3.0), np.ones(3, bool))
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_bootstrap_over_leaves_out_resamples_without_a_value():
    scores, positive = np.array([1.0, 2.0, 3.0]), np.array([False, True, False])
    found = bootstrap_over(auroc, scores, positive)
    assert found == Estimate(0.5, 0.0, 1.0, 3)
    never = bootstrap_over(auroc, scores, np.ones(3, dtype=bool))
    assert never.n == 3
    assert np.isnan([never.value, never.low, never.high]).all()


def test_bootstrap_over_few_rows():
    none = bootstrap_over(auroc, np.zeros(0), np.zeros(0, dtype=bool))
    assert none.n == 0
    assert np.isnan([none.value, none.low, none.high]).all()
    one = bootstrap_over(lambda a, b: float(a[0] + b[0]), np.array([2.0]), np.array([3.0]))
    assert (one.value, one.n) == (5, 1)
    assert np.isnan([one.low, one.high]).all()
