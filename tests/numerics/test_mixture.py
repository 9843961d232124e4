"""Mixtures: densities as scipy has them, planted clusters found again, one cloud left one."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from semlens.numerics import choose_mixture, fit_mixture
from semlens.numerics.mixture import principal_axes


def planted(seed: int, n: int = 400, d: int = 30, *, turned: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters of different shapes, in more dimensions than they need, and which point is of which."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n, p=[0.6, 0.3, 0.1])
    centres = rng.normal(size=(3, d))
    turns = (rng.normal(size=(3, d, d)) if turned else np.eye(d)[None].repeat(3, 0)) * np.linspace(0.3, 0.02, d)
    return np.einsum("nd,nde->ne", rng.normal(size=(n, d)), turns[labels]) * 0.5 + centres[labels] * 2, labels


@pytest.mark.parametrize("diagonal", [False, True])
def test_densities_equal_scipys(diagonal: bool) -> None:
    x, _ = planted(0, d=12)
    found = fit_mixture(x, 3, diagonal=diagonal, axes=5)
    q, d = found.frame.axes.shape
    assert q == (12 if diagonal else 5)
    axes, beyond = found.frame.axes, found.frame.beyond * (np.eye(d) - found.frame.axes.T @ found.frame.axes)
    joint = [
        np.log(w) + multivariate_normal(found.frame.mean + m @ axes, axes.T @ s @ axes + beyond).logpdf(x)
        for w, m, s in zip(found.weights, found.means, found.covariances, strict=True)
    ]
    np.testing.assert_allclose(found.log_joint(x), np.stack(joint, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.log_density(x), logsumexp(joint, axis=0), atol=1e-6)
    assert found.assign(x).tolist() == np.argmax(joint, axis=0).tolist()
    np.testing.assert_allclose(found.mean_points(), found.frame.mean + found.means @ axes)


def test_one_gaussian_is_the_maximum_of_the_likelihood() -> None:
    """Of one component there is nothing to shrink towards: mean and covariance of the points, and BIC by hand."""
    x = planted(1, d=4)[0]
    found = fit_mixture(x, 1, axes=4)
    np.testing.assert_allclose(found.mean_points()[0], x.mean(axis=0))
    covariance = found.frame.axes.T @ found.covariances[0] @ found.frame.axes
    np.testing.assert_allclose(covariance, np.cov(x.T, bias=True), atol=1e-9)
    likelihood = multivariate_normal(x.mean(axis=0), np.cov(x.T, bias=True)).logpdf(x).sum()
    assert found.bic == pytest.approx((4 + 10) * np.log(len(x)) - 2 * likelihood, rel=1e-6)


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("seed", [11])
def test_planted_strategies_are_recovered_within_two_points(diagonal: bool, seed: int) -> None:
    x, labels = planted(seed, turned=not diagonal)
    found = choose_mixture(x, axes=8, diagonal=diagonal)
    wanted = np.bincount(labels)[np.argsort(-np.bincount(labels))] / len(labels)
    assert len(found.weights) == 3
    np.testing.assert_allclose(found.weights, wanted, atol=0.02)
    order = np.argsort(-np.bincount(labels))
    assert (order[found.assign(x)] == labels).mean() >= 0.98


@pytest.mark.parametrize("seed", [21, 22])
def test_one_cluster_stays_one(seed: int) -> None:
    """A long cloud in as many dimensions as there are components in a layer."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(300, 96)) @ (rng.normal(size=(96, 96)) * np.linspace(1, 0.05, 96))
    assert len(choose_mixture(x, axes=8).weights) == 1


def test_some_odd_points_are_no_cluster() -> None:
    """Three points far away, all together: they get no component of their own, and remain unlikely."""
    x, labels = planted(31)
    x[:3] = x[:3].mean(axis=0) + 40 + np.random.default_rng(0).normal(size=(3, x.shape[1]))
    found = choose_mixture(x, axes=8)
    assert len(found.weights) == 3
    assert np.sort(np.argsort(found.log_density(x))[:3]).tolist() == [0, 1, 2]
    assert (np.argsort(-np.bincount(labels))[found.assign(x)] == labels)[3:].mean() >= 0.98


def test_fewer_points_than_dimensions_give_finite_densities_everywhere() -> None:
    x = np.random.default_rng(3).normal(size=(25, 200))
    found = choose_mixture(x, axes=8)
    assert len(principal_axes(x, 8).axes) == 2  # one for ten points
    far = found.log_density(100 * x)
    assert np.isfinite(far).all()
    assert far.max() < found.log_density(x).min()
    same = fit_mixture(np.repeat(x[:1], 25, axis=0), 1)
    assert np.isfinite(same.log_density(x)).all()
