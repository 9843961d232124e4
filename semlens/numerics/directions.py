"""Directions of concepts in a layer: how activations change with a concept (patterns), and what detects it (filters).

With activations x (c of them) and scores s of q concepts (marks 0 and 1, or similarities to phrases) over images:

    patterns   A = C_xs C_ss^-1   activations regressed on all scores together: x = A s + rest, each concept with the
                                  others held; one at a time C_xs / var(s), of marks the difference of the means
    filters    W = (C_xx + l (tr C_xx / c) I)^-1 C_xs, or logistic regression, or a support vector machine

A filter turns away from what else varies in the layer, S^-1 a instead of a, so it is for detecting; what is to be taken
out of the layer is the pattern. What goes along with a concept in the data, a diagnosis with its artefacts, is in a
pattern made of the concept alone, and not in one that is made with the other concept held.

Patterns and ridge filters need moments only, which stream and add up; the two others need the activations themselves.

Source: Haufe et al. 2014 (NeuroImage 87), Eq. 6; Kim et al. 2018 (arXiv 1711.11279), concept activation vectors;
Pahde et al. 2022 (arXiv 2202.03482), patterns as these. But: several concepts jointly, by what each explains alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from semlens.types import Bool, Float, Float64

RIDGE = 0.1
"""Added to the variance, which is 1, of similarities to phrases, as these resemble each other."""

_STEPS, _SMALL = 100, 1e-10
_FLAT = 1e-12  # of the largest eigenvalue: below it a matrix says nothing

Loss = Callable[[Float64[np.ndarray, "n"]], tuple[Float64[np.ndarray, "n"], ...]]
"""From margins to loss, slope and curvature of each image."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Means and centred products of activations and scores over images; those of two sets of images add up to those of
    both.

    Source: Chan, Golub and LeVeque 1979, whose sums lose nothing where means are large.
    """

    count: int
    activation: Float64[np.ndarray, "c"]  # means
    score: Float64[np.ndarray, "q"]
    activations: Float64[np.ndarray, "c c"]  # sums of products, each factor less its mean
    cross: Float64[np.ndarray, "c q"]
    scores: Float64[np.ndarray, "q q"]

    @classmethod
    def of(
        cls, activations: Float[np.ndarray, "n c"], scores: Float[np.ndarray, "n q"] | Bool[np.ndarray, "n q"]
    ) -> "Moments":
        """The moments of some images."""
        x, s = np.asarray(activations, np.float64), np.asarray(scores, np.float64)
        if not len(x):
            c, q = x.shape[1], s.shape[1]
            return cls(0, np.zeros(c), np.zeros(q), np.zeros((c, c)), np.zeros((c, q)), np.zeros((q, q)))
        mean, level = x.mean(axis=0), s.mean(axis=0)
        away, apart = x - mean, s - level
        return cls(len(x), mean, level, away.T @ away, away.T @ apart, apart.T @ apart)

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        share = other.count / max(count, 1)
        x, s = other.activation - self.activation, other.score - self.score
        weight = self.count * share
        return Moments(
            count,
            self.activation + share * x,
            self.score + share * s,
            self.activations + other.activations + weight * np.outer(x, x),
            self.cross + other.cross + weight * np.outer(x, s),
            self.scores + other.scores + weight * np.outer(s, s),
        )


def patterns(moments: Moments, *, jointly: bool = True, ridge: float = 0.0) -> Float64[np.ndarray, "c q"]:
    """How activations change per unit of each score; zero for a score that never varies.

    Args:
        jointly: each with the other scores held, else each by itself.
        ridge: added to the variance of every score, which counts as 1.
    """
    spread = np.sqrt(np.diagonal(moments.scores))
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    return _regressed(moments.cross * unit, moments.scores * np.outer(unit, unit), jointly, ridge) * unit


def _regressed(
    cross: Float64[np.ndarray, "c q"], correlation: Float64[np.ndarray, "q q"], jointly: bool, ridge: float
) -> Float64[np.ndarray, "c q"]:
    if not jointly:
        return cross / (1 + ridge)
    return cross @ np.linalg.pinv(correlation + ridge * np.eye(len(correlation)), rcond=_FLAT, hermitian=True)


def joint_patterns(
    cross: Float[np.ndarray, "c d"], covariance: Float[np.ndarray, "d d"], directions: Float[np.ndarray, "q d"],
    ridge: float = RIDGE,
) -> Float64[np.ndarray, "c q"]:  # fmt: skip
    """Joint patterns on the similarities to directions of the embedding's space, from the sums that encodings are made
    of, without any image: how activations change per standard deviation of each similarity.

    Args:
        cross: covariances of activation and embedding.
        covariance: of the embeddings.
    """
    wide, c = np.asarray(directions, np.float64), np.asarray(covariance, np.float64)
    products = wide @ c @ wide.T
    spread = np.sqrt(np.maximum(np.diagonal(products), 0))
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    return _regressed(np.asarray(cross, np.float64) @ wide.T * unit, products * np.outer(unit, unit), True, ridge)


def readers(directions: Float64[np.ndarray, "c q"]) -> Float64[np.ndarray, "q c"]:
    """What reads how much of each direction is in x, by least squares with all together: readers @ directions is the
    identity where no direction is a mixture of the others; of one direction it is itself over its squared length."""
    return np.linalg.pinv(np.asarray(directions, np.float64), rcond=1e-9)


@dataclass(frozen=True, eq=False)
class Filters:
    """What detects concepts: x @ weights + intercept rises with each."""

    weights: Float64[np.ndarray, "c q"]
    intercept: Float64[np.ndarray, "q"]

    def scores(self, activations: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n q"]:
        """What the filters give on some images."""
        return np.asarray(activations, np.float64) @ self.weights + self.intercept


def ridge_filters(moments: Moments, shrinkage: float = 0.1) -> Filters:
    """Scores regressed on activations, the ridge in parts of the mean variance."""
    c = len(moments.activations)
    ridged = moments.activations + shrinkage * np.trace(moments.activations) / max(c, 1) * np.eye(c)
    weights = np.linalg.pinv(ridged, rcond=_FLAT, hermitian=True) @ moments.cross
    return Filters(weights, moments.score - moments.activation @ weights)


def logistic_filters(
    activations: Float[np.ndarray, "n c"], marks: Bool[np.ndarray, "n q"], penalty: float = 1e-2
) -> Filters:
    """Logistic regression of marks on standardised activations, both classes with the same weight: the minimum of mean
    loss + penalty / 2 |w|^2, the intercept free."""
    return _each(activations, marks, penalty, _logistic)


def svm_filters(
    activations: Float[np.ndarray, "n c"], marks: Bool[np.ndarray, "n q"], penalty: float = 1e-2
) -> Filters:
    """The same with the squared hinge: a linear support vector machine.

    Source: Keerthi and DeCoste 2005 (JMLR 6), whose Newton steps with a line search these are.
    """
    return _each(activations, marks, penalty, _squared_hinge)


def _logistic(margin: Float64[np.ndarray, "n"]) -> tuple[Float64[np.ndarray, "n"], ...]:
    wrong = 1 / (1 + np.exp(np.clip(margin, -500, 500)))
    return np.logaddexp(0, -margin), -wrong, wrong * (1 - wrong)


def _squared_hinge(margin: Float64[np.ndarray, "n"]) -> tuple[Float64[np.ndarray, "n"], ...]:
    lack = np.maximum(1 - margin, 0)
    return lack**2, -2 * lack, 2.0 * (lack > 0)


def _each(activations: Float[np.ndarray, "n c"], marks: Bool[np.ndarray, "n q"], penalty: float, loss: Loss) -> Filters:
    """A filter per column of marks, in the activations' own unit."""
    x, marks = np.asarray(activations, np.float64), np.asarray(marks, bool)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    unit = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    rows = np.concatenate([(x - mean) * unit, np.ones((len(x), 1))], axis=1)
    found = np.stack([_newton(rows, mark, penalty, loss) for mark in marks.T], axis=1)
    weights = found[:-1] * unit[:, None]
    return Filters(weights, found[-1] - mean @ weights)


def _newton(
    rows: Float64[np.ndarray, "n c1"], mark: Bool[np.ndarray, "n"], penalty: float, loss: Loss
) -> Float64[np.ndarray, "c1"]:
    """The minimum over weights, of which the last is the intercept."""
    sign = np.where(mark, 1.0, -1.0)
    share = np.where(mark, 0.5 / max(mark.sum(), 1), 0.5 / max((~mark).sum(), 1))
    ridge = np.append(np.full(rows.shape[1] - 1, penalty), 0.0)

    def value(w: Float64[np.ndarray, "c1"]) -> float:
        return float(share @ loss(sign * (rows @ w))[0] + ridge @ w**2 / 2)

    weights, now = np.zeros(rows.shape[1]), np.inf
    for _ in range(_STEPS):
        _, slope, bend = loss(sign * (rows @ weights))
        gradient = rows.T @ (share * sign * slope) + ridge * weights
        curvature = rows.T @ (rows * (share * bend)[:, None]) + np.diag(ridge + _SMALL)
        step, now = np.linalg.solve(curvature, gradient), value(weights)
        size = 1.0
        while size > _SMALL and value(weights - size * step) > now - 1e-4 * size * (gradient @ step):
            size /= 2
        weights = weights - size * step
        if gradient @ step < _SMALL**2 or size <= _SMALL:
            break
    return weights
