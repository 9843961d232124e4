import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import semlens.numerics.vectors as vectors_module
from semlens.numerics.vectors import cosine, dot_rows, lengths, mean_rows, paired_cosine, unit, weighted_mean_dots
from semlens.types import MISSING


def test_unit_by_hand() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)


def test_cosine_by_hand() -> None:
    root = math.sqrt(0.5)
    x, y = np.array([[1.0, 0], [1, 1]]), np.array([[0.0, 2], [-3, 0]])
    np.testing.assert_allclose(cosine(x, y), [[0.0, -1.0], [root, -root]], atol=1e-7)


@pytest.mark.parametrize(("n", "m", "d"), [(4, 4, 4), (4, 3, 4), (3, 4, 3), (5, 2, 7)])
def test_cosine_is_of_all_pairs_whatever_the_shapes(n: int, m: int, d: int) -> None:
    """T2: the published package multiplies without transposing where n components meet n dimensions."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    slow = [[sum(a * b for a, b in zip(r, s, strict=True)) / math.hypot(*r) / math.hypot(*s) for s in y] for r in x]
    np.testing.assert_allclose(cosine(x, y), slow, atol=1e-6)


def test_known_lengths_give_the_same_cosines() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 5)).astype(np.float32), rng.normal(size=(2, 5))
    x[3] = 0
    assert lengths(x)[3] == 1
    np.testing.assert_allclose(lengths(x)[:3], [math.hypot(*row) for row in x[:3]], rtol=1e-6)
    np.testing.assert_allclose(cosine(x, y, lengths(x)), cosine(x, y), atol=1e-6)
    np.testing.assert_array_equal(cosine(x, y, lengths(x))[3], [0, 0])


def test_paired_cosine_is_the_diagonal_and_of_a_vector_with_itself_exactly_one() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(50, 33)).astype(np.float32) for _ in range(2))
    x[4] = 0
    np.testing.assert_allclose(paired_cosine(x, y), np.diag(cosine(x, y)), atol=1e-6)
    assert paired_cosine(x, y)[4] == 0
    assert (np.delete(paired_cosine(x, x), 4) == 1).all()


def test_dots_of_weighted_means_equal_those_of_the_means_themselves() -> None:
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(3, 5, 8)).astype(np.float32), rng.normal(size=(3, 2, 8)).astype(np.float32)
    weights = rng.integers(0, 4, (6, 5)).astype(np.float32)
    means = unit(np.einsum("bk,nkd->nbd", weights, vectors))
    slow = np.einsum("nbd,nmd->nbm", means, queries)
    np.testing.assert_allclose(weighted_mean_dots(vectors, weights, queries), slow, rtol=1e-4, atol=1e-5)


def test_a_planted_match_is_found_in_a_square_matrix() -> None:
    """T2, as it was met: 512 components in 512 dimensions."""
    x = np.random.default_rng(0).normal(size=(512, 512)).astype(np.float32)
    assert cosine(x, x[7:8]).argmax() == 7


def test_mean_weighs_every_example_alike_and_leaves_invalid_ones_out() -> None:
    vectors = np.array([[10.0, 0], [0, 1], [5, 5]], np.float16)
    rows = np.array([[0, 1, MISSING], [MISSING, MISSING, MISSING]], np.int32)
    half = np.float16(math.sqrt(0.5))
    np.testing.assert_array_equal(mean_rows(vectors, rows), np.array([[half, half], [0, 0]]))


def test_mean_is_its_slow_twin_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 8)).astype(np.float16)
    rows = np.where(rng.random((11, 5)) < 0.7, rng.integers(20, size=(11, 5)), MISSING).astype(np.int32)
    rows[4] = MISSING
    slow = [unit(unit(vectors[row[row != MISSING]]).sum(axis=0)) for row in rows]
    np.testing.assert_allclose(mean_rows(vectors, rows), slow, atol=2**-11)  # half the gap of float16 below 1
    monkeypatch.setattr("semlens.numerics.vectors._BLOCK", 3)
    np.testing.assert_allclose(mean_rows(vectors, rows), slow, atol=2**-11)


@given(n=st.integers(1, 70), q=st.integers(1, 5), d=st.integers(1, 130), seed=st.integers(0, 99))
def test_dot_rows_is_the_product(n: int, q: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, queries = unit(rng.normal(size=(n, d))).astype(np.float16), unit(rng.normal(size=(q, d)))
    np.testing.assert_allclose(
        dot_rows(rows, queries), rows.astype(np.float64) @ queries.T.astype(np.float64), atol=1e-3
    )


def test_dot_rows_is_the_same_without_numkong_whatever_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same to float32's rounding, and so the same order wherever two products differ by more."""
    rng = np.random.default_rng(0)
    rows, queries = unit(rng.normal(size=(1000, 64))).astype(np.float16), unit(rng.normal(size=(3, 64)))
    assert vectors_module.numkong is not None
    fast = dot_rows(rows, queries)
    monkeypatch.setattr(vectors_module, "numkong", None)
    for block in (7, 1024):
        monkeypatch.setattr(vectors_module, "_BLOCK", block)
        plain = dot_rows(rows, queries)
        assert (plain.dtype, plain.shape) == (fast.dtype, fast.shape)
        np.testing.assert_allclose(plain, fast, atol=1e-6)
        for column in range(3):
            ranked = plain[np.argsort(fast[:, column]), column]
            assert (np.diff(ranked) > -2e-6).all()
    assert dot_rows(rows[:0], queries).shape == (0, 3)


def test_the_length_of_an_example_vector_does_not_count() -> None:
    """T15: the published measures take raw vectors, so that rescaling half of the examples changes the result; they
    raise for one example, and guess the axis from the number of dimensions."""
    vectors = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float16)
    rows = np.arange(120, dtype=np.int32).reshape(4, 30)
    scaled = vectors * np.where(np.arange(120) % 2, 8, 1).astype(np.float16)[:, None]  # in float16 exact
    np.testing.assert_array_equal(mean_rows(scaled, rows), mean_rows(vectors, rows))
    assert mean_rows(vectors, rows).dtype == np.float16
    np.testing.assert_allclose(mean_rows(vectors, rows[:, :1]), unit(vectors[::30]), atol=2**-11)
