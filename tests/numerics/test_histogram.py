"""The bins against a slow twin that compares with the edges one by one."""

import bisect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semlens.numerics.histogram import BINS, MIDDLE, Histogram, bins, count, edges

FLOATS = st.floats(width=32, allow_nan=False)


def slow(activation: float) -> int:
    """The bin by comparison with every edge, in float64, where none of them is a float32 but the powers of two."""
    positive = [2.0 ** (n // 2) * (math.sqrt(2) if n % 2 else 1) for n in range(-32, 33)]
    away = min(bisect.bisect_right(positive, abs(activation)), 64)
    return 64 + away if activation > 0 else 64 - away


@settings(max_examples=300)
@given(activation=FLOATS)
def test_any_number_falls_where_the_edges_say(activation: float) -> None:
    assert bins(np.array([activation], np.float32)).tolist() == [slow(activation)]


def test_numbers_next_to_an_edge_are_on_their_side() -> None:
    """A square is rounded, but never across a power of two: both neighbours of every edge, and theirs."""
    near = edges().astype(np.float32)
    for _ in range(3):
        near = np.concatenate([near, np.nextafter(near, np.float32(0)), np.nextafter(near, np.float32(np.inf))])
    assert bins(near).tolist() == list(map(slow, near.tolist()))


@pytest.mark.parametrize(
    ("activation", "bin"),
    [
        (0, 64), (-0.0, 64), (1e-45, 64), (2**-16, 65), (-(2**-16), 63), (1, 97), (-1, 31), (1.5, 98), (65535, 128),
        (65536, 128), (3e38, 128), (np.inf, 128), (-np.inf, 0), (-3e38, 0),
    ],
)  # fmt: skip
def test_bins_by_hand(activation: float, bin: int) -> None:
    assert bins(np.array([activation], np.float32)).tolist() == [bin]


def test_edges_part_the_bins() -> None:
    found = edges()
    assert (len(found), BINS, MIDDLE) == (130, 129, 64)
    assert found[[0, 64, 65, 129]].tolist() == [-65536, -(2.0**-16), 2.0**-16, 65536]
    np.testing.assert_allclose(found[66:] / found[65:-1], math.sqrt(2), rtol=1e-15)
    np.testing.assert_array_equal(found, -found[::-1])
    middles = np.concatenate([found[:64] / 1.1, [0], found[66:] / 1.1]).astype(np.float32)
    assert bins(middles).tolist() == list(range(129))


def test_counts_are_per_component_without_what_is_missing() -> None:
    activations = np.array([[1, np.nan, -1], [1, 0, 0], [0, np.nan, np.inf]], np.float32)
    counts = count(activations, np.isnan(activations))
    assert counts.sum(axis=1).tolist() == [3, 1, 3]
    assert counts[0, [97, 64]].tolist() == [2, 1]
    assert counts[1, 64] == 1
    assert counts[2, [31, 64, 128]].tolist() == [1, 1, 1]
    assert count(np.zeros((0, 2), np.float32)).tolist() == [[0] * 129] * 2


def test_a_histogram_brings_its_edges() -> None:
    made = Histogram(count(np.ones((3, 2), np.float32)).astype(np.int32))
    assert (repr(made), len(made.edges)) == ("Histogram(2 components, 129 bins)", 130)
    at = int(made.counts[0].argmax())
    assert made.edges[at] <= 1 < made.edges[at + 1]
