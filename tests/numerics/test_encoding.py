"""Encodings against regressions written out over the images."""

import numpy as np
import pytest

from semlens.numerics.encoding import SHRINKAGE, Metric

RNG = np.random.default_rng(0)
N, D, A, Q = 80, 6, 5, 4


@pytest.fixture(scope="module")
def away():
    e = RNG.standard_normal((N, D)) @ RNG.standard_normal((D, D)) + 3
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    return e - e.mean(axis=0)


@pytest.fixture(scope="module")
def activations(away):
    y = away @ RNG.standard_normal((D, A)) + 0.1 * RNG.standard_normal((N, A))
    return (y - y.mean(axis=0)) / y.std(axis=0)


@pytest.fixture(scope="module")
def directions():
    return RNG.standard_normal((Q, D)).astype(np.float32)


def _metric(away):
    return Metric(away.T @ away / len(away), len(away))


def _cross(away, activations):
    return (activations.T @ away / len(away)).astype(np.float32)


def _ridge(x, y):
    """Ridge regression as least squares with a row more per coefficient."""
    ridge = np.sqrt(SHRINKAGE * (x * x).mean(axis=0).mean() * len(x))
    rows = np.vstack([x, ridge * np.eye(x.shape[1])])
    return np.linalg.lstsq(rows, np.vstack([y, np.zeros((x.shape[1], y.shape[1]))]), rcond=None)[0].T


def test_encoding_vectors_are_a_ridge_regression(away, activations, directions) -> None:
    metric, cross = _metric(away), _cross(away, activations)
    w = _ridge(away, activations)
    np.testing.assert_allclose(metric.vectors(cross), w, rtol=1e-4)
    np.testing.assert_allclose(metric.effects(cross, directions), w @ directions.T, rtol=1e-4, atol=1e-5)


def test_joint_coefficients_are_a_ridge_regression_on_the_similarities(away, activations, directions) -> None:
    similarities = away @ directions.T
    expected = _ridge(similarities, activations) * similarities.std(axis=0)
    np.testing.assert_allclose(
        _metric(away).joint(_cross(away, activations), directions), expected, rtol=1e-4, atol=1e-6
    )


def test_phrases_that_are_asked_together_say_where_encodings_lie(away, activations, directions) -> None:
    """The twin is a ridge regression whose penalty is by the prior covariance, written out as least squares."""
    moments = directions.astype(float).T @ directions
    prior = (moments * D / np.trace(moments) + np.eye(D)) / 2
    ridge = SHRINKAGE * np.trace(away.T @ away / N @ prior) / D
    rows = np.vstack([away / np.sqrt(N), np.sqrt(ridge) * np.linalg.inv(np.linalg.cholesky(prior))])
    w = np.linalg.lstsq(rows, np.vstack([activations / np.sqrt(N), np.zeros((D, A))]), rcond=None)[0]
    metric, cross = _metric(away).among(directions), _cross(away, activations)
    np.testing.assert_allclose(metric.vectors(cross), np.linalg.solve(prior, w).T, rtol=1e-3, atol=1e-4)
    places = away @ metric.inverse.T @ directions.T
    expected = np.sqrt(N) * np.corrcoef(activations.T, places.T)[:A, A:]
    np.testing.assert_allclose(metric.z(cross, directions), expected, rtol=1e-4, atol=1e-4)
    some, expected = directions[:2], np.corrcoef(places.T)
    np.testing.assert_allclose(metric.overlap(some, directions), expected[:2], atol=1e-4)


def test_z_is_the_root_of_n_times_a_correlation(away, activations, directions) -> None:
    """With the images' place along K t: what makes the effect of a direction a mean over images."""
    metric = _metric(away)
    places = away @ metric.inverse @ directions.T
    expected = np.sqrt(N) * np.corrcoef(activations.T, places.T)[:A, A:]
    np.testing.assert_allclose(metric.z(_cross(away, activations), directions), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(metric.spread(directions), places.std(axis=0), rtol=1e-5)


def test_the_standard_error_and_the_overlap_are_those_of_noise(away, directions) -> None:
    noise = np.random.default_rng(1).standard_normal((20_000, N))
    effects = _metric(away).effects(_cross(away, noise.T), directions)
    metric = _metric(away)
    np.testing.assert_allclose(effects.std(axis=0), metric.spread(directions) / np.sqrt(N), rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(effects.T), metric.overlap(directions, directions), atol=0.03)


def test_similarity_is_the_correlation_of_predictions(away, activations) -> None:
    metric, cross = _metric(away), _cross(away, activations)
    predicted = away @ metric.vectors(cross).T
    np.testing.assert_allclose(metric.similarity(cross, cross[:2]), np.corrcoef(predicted.T)[:, :2], atol=1e-5)


def test_confounds_are_taken_out() -> None:
    """Two things that go together in nine images of ten: a component that follows the first has no z for the second."""
    rng = np.random.default_rng(2)
    first = rng.random(2000) < 0.5
    second = np.where(rng.random(2000) < 0.9, first, ~first)
    e = np.stack([first, second], axis=1) + 0.05 * rng.standard_normal((2000, 2))
    away, y = e - e.mean(axis=0), (first - first.mean()) / first.std()
    metric = Metric(away.T @ away / 2000, 2000)
    effects = metric.effects((y[None] @ away / 2000).astype(np.float32), np.eye(2, dtype=np.float32))[0]
    assert effects[1] < 0.5 * effects[0]
    assert np.corrcoef(y, e[:, 1])[0, 1] > 0.75


def test_images_that_are_all_alike_tell_nothing() -> None:
    metric, some = Metric(np.zeros((3, 3)), 10), np.ones((2, 3), np.float32)
    nothing = metric.among(0 * some)
    assert nothing.prior is None
    for one in (metric.among(some), nothing):
        assert (one.z(some, some) == 0).all()
    for figures in (metric.z(some, some), metric.effects(some, some), metric.joint(some, some)):
        assert (figures == 0).all()
    assert (metric.similarity(some, some) == 0).all()
    assert (metric.overlap(some, some) == 0).all()


def test_a_direction_that_does_not_vary_has_no_z() -> None:
    metric = Metric(np.diag([1.0, 1.0, 0.0]), 10)
    z = metric.z(np.ones((1, 3), np.float32), np.array([[1, 0, 0], [0, 0, 1]], np.float32))
    assert z[0, 0] > 0
    assert z[0, 1] == 0
