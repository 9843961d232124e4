"""Directions of concepts, held against formulas written out, and against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from semlens.numerics.directions import (
    Moments,
    joint_patterns,
    logistic_filters,
    patterns,
    readers,
    ridge_filters,
    svm_filters,
)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def planted(n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x = c s + d eps: a concept along s, and a distractor d, at 45 degrees to it, that has nothing to do with it."""
    rng = np.random.default_rng(0)
    marks = rng.random(n) < 0.3
    signal, distractor = np.eye(12)[0], (np.eye(12)[0] + np.eye(12)[1]) / np.sqrt(2)
    x = np.outer(marks, signal) + np.outer(3 * rng.normal(size=n), distractor) + 0.3 * rng.normal(size=(n, 12))
    return x, marks, signal, distractor


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.97])
def test_the_pattern_of_marks_is_the_difference_of_the_means(share: float) -> None:
    rng = np.random.default_rng(1)
    marks = rng.random(500) < share
    x = 40 + rng.normal(size=(500, 9)) * marks[:, None] + rng.normal(size=(500, 9))
    expected = x[marks].mean(axis=0) - x[~marks].mean(axis=0)
    for jointly in (True, False):
        found = patterns(Moments.of(x, marks[:, None]), jointly=jointly)[:, 0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_moments_of_parts_add_up_where_means_are_large() -> None:
    rng = np.random.default_rng(2)
    x, s = 1e6 + rng.normal(size=(300, 5)), 1e4 + rng.normal(size=(300, 3))
    whole, parts = Moments.of(x, s), Moments.of(x[:0], s[:0])
    for start in (0, 7, 130):
        stop = {0: 7, 7: 130, 130: 300}[start]
        parts = parts + Moments.of(x[start:stop], s[start:stop])
    assert parts.count == 300
    for name in ("activation", "score", "activations", "cross", "scores"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6, atol=1e-6)


def test_a_pattern_points_along_the_signal_and_filters_do_not() -> None:
    x, marks, signal, distractor = planted()
    moments = Moments.of(x, marks[:, None])
    assert cosine(patterns(moments)[:, 0], signal) >= 0.95
    covariance = 9 * np.outer(distractor, distractor) + 0.09 * np.eye(12)
    turned = np.linalg.solve(covariance, signal)
    for found in (
        ridge_filters(moments, 1e-6),
        logistic_filters(x, marks[:, None], 1e-6),
        svm_filters(x, marks[:, None], 1e-6),
    ):
        assert cosine(found.weights[:, 0], turned) >= 0.95
        assert cosine(found.weights[:, 0], signal) < 0.8


def test_joint_patterns_hold_the_others_and_single_ones_take_them_along() -> None:
    """An artefact that lies on nine of ten pictures of a class: alone its direction is the class's too."""
    rng = np.random.default_rng(3)
    disease = rng.random(3000) < 0.5
    artefact = rng.random(3000) < np.where(disease, 0.9, 0.1)
    scores = np.stack([disease, artefact], axis=1).astype(float)
    truth = rng.normal(size=(30, 2))
    moments = Moments.of(scores @ truth.T + 0.1 * rng.normal(size=(3000, 30)), scores)
    np.testing.assert_allclose(patterns(moments), truth, atol=0.02)
    alone = patterns(moments, jointly=False)
    np.testing.assert_allclose(alone[:, 1], truth[:, 1] + 0.8 * truth[:, 0], atol=0.1)


def test_patterns_on_similarities_need_the_sums_of_encodings_only() -> None:
    rng = np.random.default_rng(4)
    embeddings, x, texts = rng.normal(size=(200, 8)), rng.normal(size=(200, 5)), rng.normal(size=(3, 8))
    away = embeddings - embeddings.mean(axis=0)
    similarity = embeddings @ texts.T
    from_sums = joint_patterns((x - x.mean(axis=0)).T @ away / 200, away.T @ away / 200, texts, 0.1)
    standard = (similarity - similarity.mean(axis=0)) / similarity.std(axis=0)
    ridged = standard.T @ standard / 200 + 0.1 * np.eye(3)
    np.testing.assert_allclose(from_sums, (x - x.mean(axis=0)).T @ standard / 200 @ np.linalg.inv(ridged), atol=1e-12)
    of_images = patterns(Moments.of(x, similarity), ridge=0.0) * similarity.std(axis=0)
    np.testing.assert_allclose(joint_patterns((x - x.mean(axis=0)).T @ away, away.T @ away, texts, 0.0),
                               of_images * np.sqrt(200), atol=1e-10)  # fmt: skip


def test_readers_read_each_direction_alone() -> None:
    directions = np.random.default_rng(5).normal(size=(20, 4))
    np.testing.assert_allclose(readers(directions) @ directions, np.eye(4), atol=1e-12)
    one = directions[:, :1]
    np.testing.assert_allclose(readers(one), one.T / (one**2).sum(), atol=1e-12)


def test_a_score_that_never_varies_has_no_direction() -> None:
    x = np.random.default_rng(6).normal(size=(50, 4))
    scores = np.stack([np.ones(50), x[:, 0] > 0], axis=1)
    found = patterns(Moments.of(x, scores))
    assert not found[:, 0].any()
    assert np.isfinite(found).all()
    assert np.isfinite(ridge_filters(Moments.of(0 * x, scores)).weights).all()


def test_filters_are_the_minima_that_scikit_learn_finds() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(200, 6)) * [1, 2, 3, 4, 5, 6] + 10
    score = x @ rng.normal(size=6) / 10 + rng.normal(size=200)
    marks = np.asarray(score > np.quantile(score, 0.7))
    penalty, n = 0.05, len(x)
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    balanced = {True: n / (2 * marks.sum()), False: n / (2 * (~marks).sum())}
    oracle = LogisticRegression(C=1 / (penalty * n), class_weight=balanced, tol=1e-10, max_iter=5000).fit(
        standard, marks
    )
    found = logistic_filters(x, marks[:, None], penalty)
    np.testing.assert_allclose(found.scores(x)[:, 0], oracle.decision_function(standard), atol=1e-4)
    machine = LinearSVC(C=1 / (penalty * n), class_weight=balanced, intercept_scaling=1e4, dual=False, tol=1e-12)
    machine.set_params(max_iter=100_000).fit(standard, marks)
    margins = svm_filters(x, marks[:, None], penalty).scores(x)[:, 0]
    np.testing.assert_allclose(margins, machine.decision_function(standard), atol=1e-3)
