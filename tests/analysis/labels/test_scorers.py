from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from semlens.analysis.chance import RandomComponents, random_components
from semlens.analysis.labels.scorers import (
    METHODS,
    Contrastive,
    SoftWpmi,
    contrastive,
    normal,
    resampled,
    soft_wpmi,
    standardised,
)
from semlens.numerics.vectors import mean_rows, unit
from semlens.types import MISSING
from tests.planted import phrases, planted

INDEX = planted([(c,) for c in range(12)] + [None] * 8, layers=(15, 5), absent={2: 3, 17: 10})
PHRASES = phrases()


@cache
def drawn_at_random() -> RandomComponents:
    return random_components(INDEX, draws=700)


ROWS = np.flatnonzero(~INDEX.dead)


@pytest.mark.parametrize("method", METHODS)
def test_the_phrase_of_what_a_component_shows_scores_highest(method: str) -> None:
    scores = METHODS[method](INDEX, PHRASES, drawn_at_random(), 0)(INDEX.rows[:12], np.arange(12))
    assert (scores.argmax(axis=1) == np.arange(12)).all()


def test_standardised_equals_the_slow_twin() -> None:
    found = standardised(INDEX, PHRASES, drawn_at_random(), 1)(INDEX.rows[ROWS], ROWS)
    chance = (
        mean_rows(INDEX.vectors, drawn_at_random().rows[drawn_at_random().layer == 1]).astype(np.float64)
        @ PHRASES.vectors.T
    )
    scores = (INDEX.means[ROWS].astype(np.float64) @ PHRASES.vectors.T - chance.mean(axis=0)) / chance.std(axis=0)
    skew = (((chance - chance.mean(axis=0)) / chance.std(axis=0)) ** 3).mean(axis=0)
    assert (skew > 0.1).all()  # of twelve concepts one is shown by few
    inner = np.maximum(1 + scores * skew / 2, 0)
    slow = 6 / skew * (np.cbrt(inner) - 1) + skew / 6
    np.testing.assert_allclose(found, slow, rtol=5e-3, atol=5e-3)


def test_chance_is_standard_normal() -> None:
    """Also far out, where the best of many phrases lies."""
    random = random_components(INDEX, draws=8000, seed=1)
    of = random.layer == 1
    scores = standardised(INDEX, PHRASES, drawn_at_random(), 1)(random.rows[of], random.like[of])
    np.testing.assert_allclose(scores.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(scores.std(axis=0), 1, atol=0.1)
    assert np.quantile(scores, 0.999) == pytest.approx(3.09, abs=0.25)


@pytest.mark.parametrize("shape", [4.0, 16.0, 100.0])
def test_gamma_scores_become_normal(shape: float) -> None:
    drawn = np.random.default_rng(0).gamma(shape, size=400_000)
    scores = ((drawn - shape) / np.sqrt(shape)).astype(np.float32)
    found = normal(scores[:, None], np.array([2 / np.sqrt(shape)], np.float32))
    for level, expected in ((0.5, 0), (0.9, 1.2816), (0.999, 3.0902), (0.9999, 3.719)):
        assert np.quantile(found, level) == pytest.approx(expected, abs=0.06)
    assert (np.diff(normal(np.linspace(-2, 9, 50, dtype=np.float32), np.full(50, 0.9, np.float32))) >= 0).all()


def test_a_phrase_that_says_nothing_scores_nothing() -> None:
    flat = phrases([0])
    flat.vectors[:] = 0
    assert np.abs(standardised(INDEX, flat, drawn_at_random(), 0)(INDEX.rows[:3], np.arange(3))).max() < 0.01


def test_examples_drawn_anew_equal_the_slow_twin() -> None:
    scorer = standardised(INDEX, PHRASES, drawn_at_random(), 0)
    of, asked = np.array([0, 2]), np.array([[3, 0], [2, 5]])
    found = resampled(INDEX, scorer, of, 7, 3, asked)
    drawn = np.random.default_rng(3).multinomial(10, np.full(10, 0.1), 7)
    for n, row in enumerate(of):
        for b, counts in enumerate(drawn):
            rows = np.repeat(INDEX.rows[row], counts)
            again = scorer(rows[rows != MISSING][None], np.array([row]))[0, asked[n]]
            np.testing.assert_allclose(found[n, b], again, rtol=5e-3, atol=5e-3)


def test_prompt_and_centred_are_cosines_less_an_offset() -> None:
    cosines = INDEX.means[:12].astype(np.float64) @ PHRASES.vectors.T
    prompt = METHODS["prompt"](INDEX, PHRASES, drawn_at_random(), 0)(INDEX.rows[:12], np.arange(12))
    np.testing.assert_allclose(prompt, cosines - INDEX.means[:12].astype(np.float64) @ PHRASES.nulls.T, atol=1e-3)
    centred = METHODS["centred"](INDEX, PHRASES, drawn_at_random(), 0)(INDEX.rows[:12], np.arange(12))
    crops = INDEX.vectors.astype(np.float64) @ PHRASES.vectors.T
    np.testing.assert_allclose(centred, cosines - crops.mean(axis=0), atol=1e-3)


def slow_wpmi(rows: np.ndarray) -> np.ndarray:
    total = np.zeros(len(PHRASES))
    weights = np.linspace(0.998, 0.97, len(rows))
    for weight, row in zip(weights, rows, strict=True):
        if row != MISSING:
            logits = 10 * (INDEX.vectors[row].astype(np.float64) @ PHRASES.vectors.T)
            likely = np.exp(logits) / np.exp(logits).sum()
            total += np.log(1 + weight * (likely - 1) + 1e-7)
    return total


def test_soft_wpmi_equals_the_slow_twin() -> None:
    scorer = soft_wpmi(INDEX, PHRASES, drawn_at_random(), 0)
    assert isinstance(scorer, SoftWpmi)
    each = np.array([slow_wpmi(INDEX.rows[row]) for row in range(15)])
    prior = np.log(np.exp(each).mean(axis=0))
    np.testing.assert_allclose(scorer(INDEX.rows[:15], np.arange(15)), each - prior, rtol=1e-4, atol=1e-3)


def slow_contrast(row: int, gamma: float) -> np.ndarray:
    used, total = INDEX.rows[row][INDEX.rows[row] != MISSING], np.zeros(INDEX.vectors.shape[1])
    crops = unit(INDEX.vectors).astype(np.float64)
    for slot, crop in enumerate(used):
        others = [u for u in range(len(crops)) if INDEX.sources[u] not in INDEX.sources[used]]
        nearest = max(others, key=lambda u: crops[u] @ crops[crop])
        shared = crops[nearest] @ crops[crop]
        total += INDEX.activations[row, slot] * (crops[crop] - gamma * shared * crops[nearest])
    return total / np.linalg.norm(total)


def test_contrastive_projection_equals_the_slow_twin() -> None:
    scorer = contrastive(INDEX, PHRASES, drawn_at_random(), 0)
    assert isinstance(scorer, Contrastive)
    rows = np.array([0, 2, 13])
    slow = np.array([slow_contrast(row, 0.5) for row in rows]) @ PHRASES.vectors.T
    np.testing.assert_allclose(scorer(INDEX.rows[rows], rows) * scorer.spread + scorer.middle, slow, atol=1e-5)


def test_contrast_with_nothing_leaves_the_examples() -> None:
    few = planted([None], crops=12, k=12)
    scorer = contrastive(few, PHRASES, random_components(few, draws=20), 0)
    every = replace(few, rows=np.arange(12, dtype=np.int32)[None], activations=np.ones((1, 12), np.float32))
    raw = replace(scorer, index=every, middle=scorer.middle * 0, spread=scorer.spread * 0 + 1)
    expected = unit(unit(few.vectors).sum(axis=0)) @ PHRASES.vectors.T
    np.testing.assert_allclose(raw(every.rows, np.array([0]))[0], expected, atol=1e-5)
