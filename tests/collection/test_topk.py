"""The streaming top-k against a slow twin that sorts everything."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semlens.collection.topk import EMPTY, TopK, decode, encode, encode_on_device
from semlens.numerics.histogram import bins
from semlens.types import MISSING

CPU = torch.device("cpu")


def slow(activations: np.ndarray, ids: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorts Python lists of (activation, id), best first."""
    best_a = np.full((activations.shape[1], k), -np.inf, dtype=np.float32)
    best_i = np.full((activations.shape[1], k), MISSING)
    for c in range(activations.shape[1]):
        usable = [(-a, i) for a, i in zip(activations[:, c].tolist(), ids.tolist(), strict=True) if a > -np.inf]
        for slot, (a, i) in enumerate(sorted(usable)[:k]):
            best_a[c, slot], best_i[c, slot] = -a, i
    return best_a, best_i


def result(top: TopK) -> tuple[np.ndarray, np.ndarray]:
    top.flush()
    return decode(top.keys.sort(dim=1, descending=True).values.numpy())


def stream(activations: np.ndarray, ids: np.ndarray, k: int, batch: int, flush: bool = False) -> TopK:
    """All batches in one state; `flush` brings each into it at once, as batches of a thousand images would be."""
    top = TopK(activations.shape[1], k, CPU, with_histogram=True)
    for start in range(0, len(ids), batch):
        top.add(torch.from_numpy(activations[start : start + batch]), torch.from_numpy(ids[start : start + batch]))
        if flush:
            top.flush()
    return top


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 40),
    c=st.integers(1, 5),
    k=st.integers(1, 12),
    batch=st.integers(1, 17),
    seed=st.integers(0, 999),
    levels=st.integers(1, 6),
    flush=st.booleans(),
)
def test_equals_sorting_everything_with_ties_nan_and_infinities(
    n: int, c: int, k: int, batch: int, seed: int, levels: int, flush: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = np.array([*rng.normal(size=levels), 0.0, -0.0, np.nan, np.inf, -np.inf], dtype=np.float32)
    activations = rng.choice(values, size=(n, c))
    ids = rng.permutation(n).astype(np.int64)
    top = stream(activations, ids, k, batch, flush)
    a, i = result(top)
    expected_a, expected_i = slow(activations, ids, k)
    np.testing.assert_array_equal(i, expected_i)
    np.testing.assert_array_equal(a, expected_a)
    np.testing.assert_array_equal(top.nan.numpy(), np.isnan(activations).sum(0))
    np.testing.assert_array_equal(top.fired.numpy(), (np.nan_to_num(activations, nan=-1) > 0).sum(0))
    for column, found in zip(activations.T, top.histogram.numpy(), strict=True):
        counts = np.bincount(bins(column[~np.isnan(column)]), minlength=129)
        np.testing.assert_array_equal(found, counts)
    np.testing.assert_array_equal(top.lowest.numpy(), np.where(np.isnan(activations), np.inf, activations).min(0))


def test_of_equal_activations_the_lower_ids_stay_in_whatever_order_they_come() -> None:
    activations = np.ones((6, 1), dtype=np.float32)
    for ids in ([4, 5, 0, 1, 2, 3], [5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5], [1, 5, 0, 2, 4, 3]):
        _, i = result(stream(activations, np.array(ids), 2, 2, flush=True))
        assert i.tolist() == [[0, 1]]


def test_all_negative_components_keep_their_own_images() -> None:
    """T3: with a start value of 0 every id would be -1."""
    a, i = result(stream(np.array([[-5.0], [-1.0], [-3.0]], dtype=np.float32), np.arange(3), 2, 1))
    assert i.tolist() == [[1, 2]]
    assert a.tolist() == [[-1.0, -3.0]]


def test_close_values_are_told_apart() -> None:
    """T4: bfloat16 has eight bits and takes these for equal."""
    activations = (1 + np.arange(10, dtype=np.float32) * 2**-20)[:, None]
    _, i = result(stream(activations, np.arange(10), 3, 4))
    assert i.tolist() == [[9, 8, 7]]


def test_nan_never_wins_and_is_counted() -> None:
    """T5."""
    top = stream(np.array([[1.0], [np.nan], [2.0]], dtype=np.float32), np.arange(3), 3, 2)
    _, i = result(top)
    assert i.tolist() == [[2, 0, int(MISSING)]]
    assert top.nan.tolist() == [1]


def test_the_keys_made_on_a_device_are_those_made_in_numpy() -> None:
    values = np.array([[0.0, -0.0, 1e-38, -1e-38, np.inf, -np.inf, np.nan, 3.5, -3.5]], dtype=np.float32).T
    ids = np.array([0, 1, 2, 3, 4, 5, 6, 2**31 - 2, 8], dtype=np.int64)
    keys = encode(values, ids)
    np.testing.assert_array_equal(keys, encode_on_device(torch.from_numpy(values), torch.from_numpy(ids)).numpy())
    assert (keys[0, [5, 6]] == EMPTY).all()
    a, i = decode(keys)
    assert i[0, 7] == 2**31 - 2
    assert a[0, 7] == 3.5


def test_the_path_for_a_gpu_gives_the_same_state() -> None:
    rng = np.random.default_rng(1)
    activations, ids = torch.from_numpy(rng.normal(size=(50, 7)).astype(np.float32)), torch.arange(50)
    activations[::3, 2], activations[4, :3] = torch.nan, torch.tensor([torch.inf, -0.0, -torch.nan])
    fast, plain = TopK(7, 5, CPU, with_histogram=True), TopK(7, 5, CPU, with_histogram=True)
    for part in (slice(0, 20), slice(20, 50)):
        fast.add(activations[part], ids[part])
        fast.flush()
        plain._merge(activations[part], ids[part], None)
        plain._count(activations[part])
    np.testing.assert_array_equal(result(fast), result(plain))
    for name in ("lowest", "fired", "nan", "histogram"):
        np.testing.assert_array_equal(getattr(fast, name), getattr(plain, name))


@pytest.mark.parametrize("on_cpu", [True, False])
def test_positions_stay_with_their_images(on_cpu: bool) -> None:
    rng = np.random.default_rng(2)
    activations = rng.normal(size=(30, 4)).astype(np.float32)
    positions = rng.integers(0, 49, (30, 4), dtype=np.int32)
    top = TopK(4, 3, CPU, with_positions=True)
    for part in (slice(0, 11), slice(11, 30)):
        if on_cpu:
            ids = torch.arange(30)[part]
            top.add(torch.from_numpy(activations[part]), ids, torch.from_numpy(positions[part]))
            top.flush()
        else:
            top._merge(torch.from_numpy(activations[part]), torch.arange(30)[part], torch.from_numpy(positions[part]))
    _, kept = decode(top.keys.numpy())
    for c in range(4):
        assert top.positions[c].tolist() == [int(positions[i, c]) for i in kept[c]]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images() -> None:
    top = TopK(3, 2, CPU)
    for start in range(0, 20_000, 100):
        top.add(torch.rand(100, 3), torch.arange(start, start + 100))
        assert top._rows < 1024
    assert top.keys.shape == (3, 2)
