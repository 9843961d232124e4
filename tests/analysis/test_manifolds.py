"""Manifold alignment: 1 for the same, 0 for shuffled, whatever the axes; each measure against its definition."""

from itertools import permutations

import numpy as np
import pytest

from semlens.analysis.manifolds import (
    Manifold,
    align,
    cka,
    generalised_rand,
    manifold,
    memberships,
    svcca,
)
from semlens.errors import SemlensError

N, D = 240, 20


def features(seed: int = 0, clusters: int = 6, spread: float = 0.25) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, D))
    return (centres[np.arange(N) % clusters] + spread * rng.normal(size=(N, D))).astype(np.float32)


def soft(n: int, k: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.5), size=n)


def test_rand_is_that_of_a_loop_over_pairs() -> None:
    a, b = soft(30, 3, 0), soft(30, 4, 1)
    total = 0.0
    for i in range(30):
        for j in range(i + 1, 30):
            total += abs(np.abs(a[i] - a[j]).sum() / 2 - np.abs(b[i] - b[j]).sum() / 2)
    assert generalised_rand(a, b) == pytest.approx(1 - 2 / (30 * 29) * total)


def test_rand_by_hand() -> None:
    """Pieces 0 and 1 together, 2 alone; and all three apart: of three pairs one is judged otherwise."""
    two, three = np.array([[1, 0], [1, 0], [0, 1]], float), np.eye(3)
    assert generalised_rand(two, three) == pytest.approx(2 / 3)
    assert generalised_rand(three, np.eye(3)[[2, 0, 1]]) == 1  # which is which does not matter


def test_the_same_is_1_and_shuffled_is_0() -> None:
    one = manifold("one", features())
    order = np.random.default_rng(3).permutation(N)
    shuffled = Manifold("shuffled", one.features[order], one.memberships[order])
    found = align([one, one, shuffled])
    same, other = found.pairs[0], found.pairs[1]
    assert same.alignment == pytest.approx(1)
    np.testing.assert_allclose([same.rand, same.cka, same.svcca], 1)
    assert same.matched == pytest.approx(1)
    assert abs(other.alignment) <= 0.01
    assert abs(other.matched) <= 0.05
    assert other.rand > 0.6  # which is why chance is taken off
    assert [(row.concept, row.match) for row in found.matches if row.other == "one"] == [(j, j) for j in range(6)]
    assert sum(row.pieces for row in found.matches if row.other == "one") == N


def test_turned_and_scaled_axes_change_nothing() -> None:
    x = features()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0].astype(np.float32)
    found = align([manifold("x", x), manifold("turned", 3 * x @ turn)])
    assert found.pairs[0].alignment == pytest.approx(1, abs=1e-3)
    assert found.pairs[0].cka == pytest.approx(1, abs=1e-5)


def test_a_layer_is_most_like_the_one_before_or_after() -> None:
    """Five layers, each the one before with some of its clusters moved."""
    rng, layers = np.random.default_rng(0), [features(0, 12, 0.15)]
    for step in range(4):
        centres = rng.normal(size=(12, D)).astype(np.float32)
        moved = np.isin(np.arange(N) % 12, [2 * step, 2 * step + 1])
        merged = np.where(moved, 0, np.arange(N) % 12)  # two clusters more are one with the first
        layers.append(np.where(moved[:, None], centres[merged] + 0.05 * rng.normal(size=(N, D)), layers[-1]))
    found = align([manifold(str(number), x.astype(np.float32)) for number, x in enumerate(layers)])
    by = {(int(row.one), int(row.other)): row.alignment for row in found.pairs}
    for number in range(5):
        others = {b if a == number else a: value for (a, b), value in by.items() if number in (a, b)}
        assert abs(max(others, key=lambda other: others[other]) - number) == 1


def test_concepts_are_matched_so_that_they_are_most_alike_in_sum() -> None:
    a, b = soft(60, 4, 5), soft(60, 4, 6)
    b[:, 2] += 3 * a[:, 0]
    b /= b.sum(axis=1, keepdims=True)
    x = features()[:60]
    found = align([Manifold("a", x, a), Manifold("b", x, b)], draws=3)
    value = np.zeros((4, 4))
    for i, j in ((i, j) for i in range(4) for j in range(4)):
        alone = align([Manifold("a", x, a[:, [i]]), Manifold("b", x, b[:, [j]])], draws=3)
        value[i, j] = alone.matches[0].alignment
    best = max(permutations(range(4)), key=lambda order: sum(value[i, order[i]] for i in range(4)))
    assert [row.match for row in found.matches] == [*best]
    assert found.matches[0].match == 2
    np.testing.assert_allclose([row.alignment for row in found.matches], [value[i, best[i]] for i in range(4)])


def test_memberships_are_the_inverse_of_the_distance_to_the_core() -> None:
    """On a line: cores at 0 and at 3 and 4."""
    x = np.array([[0.0], [1], [3], [4], [2]])
    found = memberships(x, [np.array([True, False, False, False, False]), np.array([False, False, True, True, False])])
    np.testing.assert_allclose(found[1], [2 / 3, 1 / 3])
    np.testing.assert_allclose(found[4], [1 / 3, 2 / 3])
    assert found[0, 0] > 0.999
    assert found[3, 1] > 0.999


def test_linear_measures_by_hand() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    assert svcca(x, x @ rng.normal(size=(6, 6)).astype(np.float32)) == pytest.approx(1, abs=1e-4)
    waves = np.stack([f(2 * np.pi * k * np.arange(200) / 200) for k in (1, 2) for f in (np.sin, np.cos)], axis=1)
    assert svcca(waves[:, :2].astype(np.float32), waves[:, 2:].astype(np.float32)) == pytest.approx(0, abs=1e-6)
    assert cka(waves[:, :2].astype(np.float32), waves[:, 2:].astype(np.float32)) == pytest.approx(0, abs=1e-6)
    a, b = x - x.mean(0), (x**2 - (x**2).mean(0)).astype(np.float32)
    gram = [(part @ part.T).astype(float) for part in (a, b)]
    by_gram = (gram[0] * gram[1]).sum() / np.sqrt((gram[0] ** 2).sum() * (gram[1] ** 2).sum())
    assert cka(x, x**2) == pytest.approx(by_gram, rel=1e-4)


def test_what_makes_no_sense_is_named() -> None:
    with pytest.raises(SemlensError, match="unknown reduction 'tsne': choose pca or umap"):
        manifold("x", features(), reduction="tsne")
    with pytest.raises(SemlensError, match="x: 40 pieces of images make . clusters of 15 or more, two are needed"):
        manifold("x", np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    one = manifold("x", features())
    with pytest.raises(SemlensError, match="two or more representations of the same pieces"):
        align([one])
    with pytest.raises(SemlensError, match="two or more representations of the same pieces"):
        align([one, Manifold("y", one.features[:9], one.memberships[:9])])
