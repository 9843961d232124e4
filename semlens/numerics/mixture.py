"""Mixtures of Gaussians in many dimensions with few points: a full covariance on principal axes, one variance beyond.

Model. Points x in D dimensions, their mean m, and Q the first q principal axes of all points. With y = Q'(x - m), and r
the squared length of what the axes leave of x - m,

    p(x) = N(r; s2 in each of the other D - q dimensions) * sum_j w_j N(y; mu_j, S_j),

so every component has the covariance Q S_j Q' + s2 (1 - QQ'): never singular, and never more numbers than points can
tell. With q = D and diagonal S_j it is the mixture with diagonal covariances.

Shrinkage. S_j is the weighted covariance C_j of its n_j points, shrunk towards the diagonal of W, the covariance within
all components: S_j = (n_j C_j + l diag W) / (n_j + l), with l = SHRINKAGE points for each axis (for all axes together,
where S_j is diagonal). A component of few points has the spread of all. BIC counts the numbers of S_j by the part that
is its own, n_j / (n_j + l).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from semlens.types import Float64, Int64

STEPS, GAIN = 300, 1e-7  # of expectation-maximisation: at most so many, until it gains less (in nats a point)
POINTS_PER_AXIS = 10
FEWEST_POINTS = 8  # points of a component that counts as one; fewer are some odd points
SHRINKAGE = 4.0  # points, for each axis of a full covariance
_LEAST = 1e-12  # of the whole variance: what every variance has at least


@dataclass(frozen=True, eq=False)
class Axes:
    """A frame of principal axes, with one variance for everything beyond them."""

    mean: Float64[np.ndarray, "d"]
    axes: Float64[np.ndarray, "q d"]  # unit, orthogonal, that of most variance first
    beyond: float  # variance in each of the other dimensions; 0 where there is none

    def scores(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n q"]:
        """The points on the axes."""
        return (x - self.mean) @ self.axes.T

    def log_rest(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n"]:
        """The log density of what lies beyond the axes, in nats."""
        others = x.shape[1] - len(self.axes)
        if not others:
            return np.zeros(len(x))
        away = np.square(x - self.mean).sum(axis=1) - np.square(self.scores(x)).sum(axis=1)
        return -(others * np.log(2 * np.pi * self.beyond) + np.maximum(away, 0) / self.beyond) / 2


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of Gaussians over points in D dimensions."""

    frame: Axes
    weights: Float64[np.ndarray, "k"]  # add up to 1, the largest first
    means: Float64[np.ndarray, "k q"]
    covariances: Float64[np.ndarray, "k q q"]
    bic: float  # the lower the better, in nats
    asked: int  # components that were fitted; those of too few points are no longer there

    def log_joint(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n k"]:
        """Log of weight times density of every component at every point, in nats."""
        inside = _log_normal(self.frame.scores(x), self.means, self.covariances)
        return inside + np.log(self.weights) + self.frame.log_rest(x)[:, None]

    def log_density(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n"]:
        """Log density of the mixture, in nats."""
        return np.asarray(np.logaddexp.reduce(self.log_joint(x), axis=1))

    def assign(self, x: Float64[np.ndarray, "n d"]) -> Int64[np.ndarray, "n"]:
        """The component from which each point most probably comes."""
        return np.asarray(self.log_joint(x).argmax(axis=1))

    def mean_points(self) -> Float64[np.ndarray, "k d"]:
        """The components' means in all dimensions."""
        return self.frame.mean + self.means @ self.frame.axes


def principal_axes(x: Float64[np.ndarray, "n d"], most: int) -> Axes:
    """The principal axes of the points, at most `most` and at most one for POINTS_PER_AXIS points."""
    mean, (n, d) = x.mean(axis=0), x.shape
    _, lengths, axes = np.linalg.svd(x - mean, full_matrices=False)
    variances = np.square(lengths) / max(n - 1, 1)
    least = variances.sum() * _LEAST + np.finfo(float).tiny
    q = min(max(1, n // POINTS_PER_AXIS), most, d, max(1, int((variances > least).sum())))
    left = variances[q:].sum() / (d - q) if d > q else 0.0
    return Axes(mean, axes[:q], max(float(left), least))


def fit_mixture(
    x: Float64[np.ndarray, "n d"],
    k: int,
    *,
    diagonal: bool = False,
    axes: int = 8,
    fewest: int = 0,
    restarts: int = 5,
    seed: int = 0,
) -> Mixture:
    """The mixture of k components that expectation-maximisation makes most likely, of several starts.

    Args:
        diagonal: variances along each component alone, without principal axes.
        axes: principal axes, at most.
        fewest: components of fewer points are taken out in the end: these points are odd, and no cluster.
        restarts: starts, each of which runs k-means first (seeded as k-means++ does).

    Source: Dempster, Laird and Rubin 1977; Bishop 2006, section 9.2; Schwarz 1978 (BIC).
    """
    n, d = x.shape
    frame = Axes(x.mean(axis=0), np.eye(d), 0.0) if diagonal else principal_axes(x, axes)
    y = frame.scores(x)
    starts = [_k_means(y, k, np.random.default_rng([seed, start])) for start in range(restarts if k > 1 else 1)]
    best = max((_climb(y, start, diagonal) for start in starts), key=lambda fit: fit.log_likelihood)
    order = np.argsort(-best.weights, kind="stable")
    order = order[: max(1, int((n * best.weights >= fewest).sum()))]
    bic = _numbers(best.weights * n, y.shape[1], diagonal) * np.log(n) - 2 * best.log_likelihood
    weights = best.weights[order] / best.weights[order].sum()
    return Mixture(frame, weights, best.means[order], best.covariances[order], float(bic), k)


def _numbers(points: Float64[np.ndarray, "k"], q: int, diagonal: bool) -> float:
    """How many numbers a mixture has that were chosen freely."""
    k, whole = len(points), q if diagonal else q * (q + 1) / 2
    own = float((points / (points + _shrinkage(q, diagonal))).sum()) if k > 1 else 0.0
    return k - 1 + k * q + (q if k > 1 else whole) + whole * own


def choose_mixture(
    x: Float64[np.ndarray, "n d"], most: int = 8, *, diagonal: bool = False, axes: int = 8, seed: int = 0
) -> Mixture:
    """The mixture of 1 to `most` components with the lowest BIC, of which those of fewer points than FEWEST_POINTS are
    taken out. With one more it must fall at least once in two tries, else the search ends."""
    fit = partial(fit_mixture, x, diagonal=diagonal, axes=axes, fewest=FEWEST_POINTS, seed=seed)
    best, since = fit(1), 0
    for k in range(2, min(most, len(x) // 2) + 1):
        found = fit(k)
        best, since = (found, 0) if found.bic < best.bic else (best, since + 1)
        if since == 2:
            break
    return best


@dataclass(frozen=True, eq=False)
class _Fit:
    """A mixture on the axes, on its way."""

    weights: Float64[np.ndarray, "k"]
    means: Float64[np.ndarray, "k q"]
    covariances: Float64[np.ndarray, "k q q"]
    log_likelihood: float = -np.inf  # of all points on the axes


def _climb(y: Float64[np.ndarray, "n q"], parts: Float64[np.ndarray, "n k"], diagonal: bool) -> _Fit:
    """Expectation and maximisation in turn, from the parts of each point that belong to each component."""
    fit, before = _maximised(y, parts, diagonal), -np.inf
    for _ in range(STEPS):
        joint = _log_normal(y, fit.means, fit.covariances) + np.log(fit.weights)
        total = np.logaddexp.reduce(joint, axis=1)
        now = float(total.sum())
        fit = replace(fit, log_likelihood=now)
        if now - before < GAIN * len(y):
            break
        fit, before = replace(_maximised(y, np.exp(joint - total[:, None]), diagonal), log_likelihood=now), now
    return fit


def _maximised(y: Float64[np.ndarray, "n q"], parts: Float64[np.ndarray, "n k"], diagonal: bool) -> _Fit:
    points = parts.sum(axis=0) + 1e-9
    means = parts.T @ y / points[:, None]
    away = [y - mean for mean in means]
    own = np.stack([(parts[:, j, None] * a).T @ a / points[j] for j, a in enumerate(away)])
    q, least = y.shape[1], y.var(axis=0).sum() * _LEAST + np.finfo(float).tiny
    own = own * np.eye(q) if diagonal else own
    if len(points) > 1:
        within = np.eye(q) * (points[:, None, None] * own).sum(axis=0) / len(y)
        weight, size = _shrinkage(q, diagonal), points[:, None, None]
        own = (size * own + weight * within) / (size + weight)
    return _Fit(points / points.sum(), means, own + least * np.eye(q))


def _shrinkage(q: int, diagonal: bool) -> float:
    """By how many points a component's covariance is shrunk."""
    return SHRINKAGE * (1 if diagonal else q)


def _log_normal(
    y: Float64[np.ndarray, "n q"], means: Float64[np.ndarray, "k q"], covariances: Float64[np.ndarray, "k q q"]
) -> Float64[np.ndarray, "n k"]:
    """Log density of every Gaussian at every point."""
    found = []
    for mean, covariance in zip(means, covariances, strict=True):
        away, spread = (y - mean).T, np.sqrt(np.diagonal(covariance))
        if np.count_nonzero(covariance) == len(covariance):  # a diagonal one
            standard = away / spread[:, None]
        else:
            root = np.linalg.cholesky(covariance)
            standard, spread = np.linalg.solve(root, away), np.diagonal(root)
        log_volume = 2 * np.log(spread).sum() + y.shape[1] * np.log(2 * np.pi)
        found.append(-(np.square(standard).sum(axis=0) + log_volume) / 2)
    return np.stack(found, axis=1)


def _k_means(y: Float64[np.ndarray, "n q"], k: int, rng: np.random.Generator) -> Float64[np.ndarray, "n k"]:
    """Which of k clusters each point belongs to, as ones: k-means on standardised scores, seeded as k-means++ does."""
    z = y / np.maximum(y.std(axis=0).max(), np.finfo(float).tiny)
    centres = z[[rng.integers(len(z))]]
    for _ in range(1, k):
        away = np.square(z[:, None] - centres).sum(axis=2).min(axis=1)
        chance = away / away.sum() if away.sum() > 0 else None
        centres = np.concatenate([centres, z[[rng.choice(len(z), p=chance)]]])
    for _ in range(20):
        nearest = np.square(z[:, None] - centres).sum(axis=2).argmin(axis=1)
        ones = np.eye(k)[nearest]
        size = ones.sum(axis=0)[:, None]
        centres = np.where(size > 0, ones.T @ z / np.maximum(size, 1), centres)
    return ones
