from itertools import product

import numpy as np
import pytest

from semlens.errors import SemlensError
from semlens.numerics.two_means import TwoMeans, two_means
from semlens.numerics.vectors import unit


def mixtures(c: int, k: int, d: int, seed: int, noise: float = 0.8) -> np.ndarray:
    """Examples around one to six directions each, none of them opposite."""
    rng = np.random.default_rng(seed)
    offset = rng.normal(size=d)
    groups = [rng.normal(size=(rng.integers(1, 7), d)) + offset for _ in range(c)]
    examples = [centres[rng.integers(len(centres), size=k)] for centres in groups]
    return unit(np.stack(examples) + noise * rng.normal(size=(c, k, d)))


def every(vectors: np.ndarray) -> np.ndarray:
    return np.ones(vectors.shape[:2], bool)


def slow_inertia(points: np.ndarray, second: np.ndarray) -> float:
    """Squared distances to the centroids, one by one."""
    total = 0.0
    for side in (False, True):
        members = [point.astype(np.float64) for point, of in zip(points, second, strict=True) if of == side]
        if members:
            centroid = sum(members) / len(members)
            total += sum(float(((member - centroid) ** 2).sum()) for member in members)
    return total


def least_inertia(points: np.ndarray) -> float:
    """Over every way to make two clusters."""
    ways = (np.array((False, *way)) for way in product((False, True), repeat=len(points) - 1) if any(way))
    return min(slow_inertia(points, way) for way in ways)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k", "d", "noise"), [(2, 3, 1.0), (3, 2, 0.3), (7, 5, 3.0), (8, 16, 0.4)])
def test_no_two_clusters_are_better(k: int, d: int, noise: float, seed: int) -> None:
    vectors = mixtures(12, k, d, seed, noise)
    found = two_means(vectors, every(vectors))
    for at, points in enumerate(vectors):
        best = least_inertia(points)
        assert slow_inertia(points, found.second[at]) == pytest.approx(best, rel=1e-6, abs=1e-9)
        assert found.inertia[at] == pytest.approx(best, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("noise", [0.4, 0.8, 2.0])
def test_never_worse_than_scikit_learn(noise: float) -> None:
    from sklearn.cluster import KMeans

    vectors = mixtures(20, 30, 64, 5, noise)
    ours = two_means(vectors, every(vectors)).second
    for points, second in zip(vectors.astype(np.float64), ours, strict=True):
        theirs = KMeans(n_clusters=2, n_init=10, random_state=0, algorithm="lloyd").fit(points)
        assert slow_inertia(points, second) <= theirs.inertia_ * (1 + 1e-6)


def test_clear_clusters_are_found_with_their_means() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(10) % 3 == 1  # slots 1, 4, 7
    vectors = unit(np.where(truth[None, :, None], [0, 1, 0], [1, 0, 0]) + 0.05 * rng.normal(size=(40, 10, 3)))
    found = two_means(vectors, every(vectors))
    assert (found.second == truth).all()
    assert (found.sizes == [7, 3]).all()
    for at, points in enumerate(vectors):
        np.testing.assert_allclose(found.centroids[at, 0], points[~truth].mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(found.centroids[at, 1], points[truth].mean(axis=0), atol=1e-6)
        assert found.inertia[at] == pytest.approx(slow_inertia(points, truth), rel=1e-4)


def test_the_larger_is_first_and_of_equals_the_one_with_the_strongest() -> None:
    x, y = [1.0, 0.0], [0.0, 1.0]
    vectors = np.array([[x, y, y, y], [x, y, x, y], [y, x, x, y]], np.float32)
    found = two_means(vectors, every(vectors))
    assert found.second.astype(int).tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 1, 1, 0]]
    assert found.sizes.tolist() == [[3, 1], [2, 2], [2, 2]]
    assert found.centroids[0].tolist() == [y, x]
    np.testing.assert_allclose(found.inertia, 0, atol=1e-7)


def test_three_clear_groups_are_put_in_two_in_the_best_way() -> None:
    """Two groups at 60 degrees and a third that is opposite to both, of every mix of sizes: the third is by itself."""
    groups = np.array([[1, 0], [0.5, 3**0.5 / 2], [-(3**0.5) / 2, -0.5]], np.float32)
    sizes = [(a, b, 30 - a - b) for a in range(4, 12) for b in range(4, 12)]
    vectors = np.stack([np.repeat(groups, size, axis=0) for size in sizes])
    found = two_means(vectors, every(vectors), restarts=1)
    for points, second, size in zip(vectors, found.second, sizes, strict=True):
        ways = [np.repeat(way, size) for way in ([True, False, False], [False, True, False], [False, False, True])]
        assert slow_inertia(points, second) == pytest.approx(min(slow_inertia(points, way) for way in ways), rel=1e-6)


def test_slots_that_are_not_valid_change_nothing() -> None:
    vectors = mixtures(20, 12, 8, 1)
    valid = np.random.default_rng(2).random((20, 12)) < 0.7
    valid[:, :2] = True
    dirty = np.where(valid[..., None], vectors, 7).astype(np.float32)
    found = two_means(dirty, valid)
    assert not found.second[~valid].any()
    for at in range(20):
        kept = vectors[at][valid[at]]
        assert found.inertia[at] == pytest.approx(slow_inertia(kept, found.second[at][valid[at]]), rel=1e-5)
        assert found.inertia[at] <= two_means(kept[None], every(kept[None])).inertia[0] * (1 + 1e-5)
        assert found.sizes[at].sum() == valid[at].sum()


def test_of_one_example_and_of_none_there_is_no_second_cluster() -> None:
    vectors = mixtures(3, 4, 5, 3)
    valid = np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1]], bool)
    found = two_means(vectors, valid)
    assert found.sizes.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert np.isnan(found.inertia).tolist() == [True, True, False]
    assert found.second.astype(int).tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(found.centroids[0, 0], vectors[0, 1], atol=1e-7)
    assert np.isnan(found.centroids[0, 1]).all()
    assert np.isnan(found.centroids[1]).all()
    assert np.isnan(two_means(vectors[:, :1], every(vectors[:, :1])).inertia).all()


def test_examples_all_alike_still_make_two_clusters() -> None:
    vectors = np.broadcast_to(unit(np.arange(1.0, 6)), (3, 9, 5)).astype(np.float32)
    found = two_means(vectors, every(vectors))
    assert (found.sizes.min(axis=1) >= 1).all()
    np.testing.assert_allclose(found.inertia, 0, atol=1e-10)


def same(a: TwoMeans, b: TwoMeans, part: slice) -> bool:
    pairs = ((a.second, b.second), (a.inertia, b.inertia), (a.centroids, b.centroids), (a.sizes, b.sizes))
    return all(np.array_equal(x[part], y) for x, y in pairs)


def test_a_component_does_not_depend_on_those_beside_it() -> None:
    vectors = mixtures(101, 30, 64, 4)
    valid = np.random.default_rng(1).random((101, 30)) < 0.9
    whole = two_means(vectors, valid)
    for part in (slice(0, 50), slice(50, 101), slice(0, 1), slice(77, 78), slice(1, 101)):
        assert same(whole, two_means(vectors[part], valid[part]), part)
    assert same(whole, two_means(vectors, valid), slice(None))


def test_what_was_passed_in_is_left_alone() -> None:
    vectors, valid = mixtures(5, 6, 4, 6), np.arange(30).reshape(5, 6) % 5 > 0
    before, mask = vectors.copy(), valid.copy()
    two_means(vectors, valid)
    assert np.array_equal(vectors, before)
    assert np.array_equal(valid, mask)


def test_no_try_is_a_mistake() -> None:
    with pytest.raises(SemlensError, match="restarts is 0"):
        two_means(mixtures(1, 3, 3, 0), np.ones((1, 3), bool), restarts=0)
