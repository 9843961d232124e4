"""The test for two clusters: pure clouds are hardly ever called two, planted ones are, and found again."""

import numpy as np
import pytest

from semlens.numerics.cluster_test import cluster_index, cluster_p
from semlens.numerics.two_means import two_means

SETS, POINTS, SIZE = 60, 30, 24


def _shares(points: np.ndarray) -> np.ndarray:
    return (points / np.abs(points).sum(axis=2, keepdims=True)).astype(np.float32)


def _pure(shape: str, rng: np.random.Generator) -> np.ndarray:
    usual = rng.gamma(0.5, size=(SETS, 1, SIZE))
    if shape == "gamma":  # what flows into a component of its own few inputs, with noise that grows with the size
        return _shares(rng.gamma(np.broadcast_to(2 * usual + 0.05, (SETS, POINTS, SIZE))))
    noise = 0.1 * rng.standard_normal((SETS, POINTS, SIZE))
    if shape == "ball":
        return noise.astype(np.float32)
    along = rng.standard_normal((SETS, POINTS, 1))  # a long cloud, which 2-means cuts across
    return (noise + along * rng.standard_normal((SETS, 1, SIZE))).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["gamma", "ball", "long"])
def test_one_cloud_is_called_two_as_rarely_as_promised(shape: str) -> None:
    points = _pure(shape, np.random.default_rng(7))
    valid = np.ones(points.shape[:2], bool)
    p = cluster_p(points, valid, two_means(points, valid, restarts=6), draws=60)
    assert (p <= 0.05).mean() <= 0.05
    assert ((p > 0) & (p <= 1)).all()


def test_two_sources_are_called_two_whatever_their_sizes() -> None:
    rng = np.random.default_rng(8)
    sources, member = rng.gamma(0.5, size=(SETS, 2, SIZE)), np.arange(POINTS) % 3 == 0
    points = _shares(rng.gamma(20 * sources[:, member.astype(int)] + 0.05))
    valid = np.ones(points.shape[:2], bool)
    found = two_means(points, valid, restarts=6)
    p = cluster_p(points, valid, found, draws=60)
    assert (p <= 0.05).mean() >= 0.95
    assert (found.second == member).all(axis=1).mean() >= 0.95


def test_the_index_is_the_share_of_squares_within_and_slots_that_hold_nothing_change_nothing() -> None:
    points = np.random.default_rng(9).standard_normal((3, 8, 4)).astype(np.float32)
    valid = np.ones((3, 8), bool)
    valid[1, 5:] = False
    valid[2, 1:] = False
    found = two_means(points, valid, restarts=6)
    index = cluster_index(points, valid, found)
    for row in range(2):
        some, second = points[row, valid[row]], found.second[row, valid[row]]
        within = sum(((half - half.mean(axis=0)) ** 2).sum() for half in (some[second], some[~second]))
        assert index[row] == pytest.approx(within / ((some - some.mean(axis=0)) ** 2).sum(), rel=1e-5)
    p = cluster_p(points, valid, found, draws=40)
    alone = cluster_p(points[1:2, :5], valid[1:2, :5], two_means(points[1:2, :5], valid[1:2, :5], restarts=6), draws=40)
    assert p[1] == alone[0]
    assert np.isnan(index[2])
    assert p[2] == 1


def test_points_that_are_all_alike_are_not_two() -> None:
    points = np.ones((1, 6, 3), np.float32)
    valid = np.ones((1, 6), bool)
    assert cluster_p(points, valid, two_means(points, valid, restarts=3), draws=20)[0] == 1
