"""Merging: associative, commutative, idempotent, and equal to one pass."""

import itertools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from semlens.collection.pictures import RunningPictures
from semlens.collection.states import load_examples, merge, merge_all, missing_ranges, save_examples
from semlens.collection.topk import TopK, decode
from semlens.errors import SemlensError
from semlens.types import MISSING, ConceptExamples, Origin, Unreadable, axis_of

ORIGIN = Origin("m", "f", "p", "i", "g", 40, "float32")


def one_pass(activations: np.ndarray, start: int, stop: int, k: int = 4) -> ConceptExamples:
    """Examples of images start to stop; image 7 is unreadable."""
    ids = np.array([i for i in range(start, stop) if i != 7], dtype=np.int64)
    c = activations.shape[1]
    top = TopK(c, k, torch.device("cpu"), with_positions=True, with_histogram=True)
    running = RunningPictures()
    for part in np.array_split(ids, 3):
        if len(part):
            acts = torch.from_numpy(activations[part])
            running.add(acts[:, :1].nan_to_num(), part.tolist())  # which has few values, so that some are copies
            top.add(acts, torch.from_numpy(part), (torch.from_numpy(part)[:, None] * 10 + torch.arange(c)).int())
    top.flush()
    keys, order = top.keys.sort(dim=1, descending=True)
    a, i = decode(keys.numpy())
    return ConceptExamples(
        ORIGIN, axis_of([("layer", "channels", c)]), (None,) * c, "max", i, a, top.positions.gather(1, order).numpy(),
        top.lowest.numpy(), top.fired.numpy(), top.nan.numpy(), top.histogram.numpy(), ((start, stop),),
        (Unreadable(7, "broken"),) if start <= 7 < stop else (), running.state().pictures, running.state().shown,
    )  # fmt: skip


def same(a: ConceptExamples, b: ConceptExamples) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 39), min_size=1, max_size=5, unique=True), data=st.data()
)
def test_any_split_merged_in_any_order_is_one_pass(seed: int, cuts: list[int], data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    activations = rng.choice(np.array([0, 0.5, 1, np.nan, -1, rng.normal()], dtype=np.float32), size=(40, 3))
    edges = [0, *sorted(cuts), 40]
    parts = [one_pass(activations, low, high) for low, high in itertools.pairwise(edges)]
    order = data.draw(st.permutations(parts))
    assert same(merge_all(order), one_pass(activations, 0, 40))
    if len(parts) > 2:
        a, b, *rest = order
        assert same(merge(a, merge_all([b, *rest])), merge(merge(a, b), merge_all(rest)))
    assert same(merge(order[0], order[0]), order[0])
    whole = merge_all(order)
    assert same(merge(whole, order[0]), whole)
    assert same(merge(order[0], whole), whole)


def test_overlap_and_other_recipes_are_refused() -> None:
    activations = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    a, b = one_pass(activations, 0, 20), one_pass(activations, 10, 30)
    with pytest.raises(SemlensError, match="share some images"):
        merge(a, b)
    with pytest.raises(SemlensError, match="cannot be merged"):
        merge(a, replace(one_pass(activations, 20, 30), origin=replace(ORIGIN, model_fingerprint="other")))
    with pytest.raises(SemlensError, match="cannot be merged"):
        merge(a, one_pass(activations, 20, 30, k=5))


def test_a_file_gives_back_what_was_saved_and_the_same_bytes(tmp_path: Path) -> None:
    examples = one_pass(np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32), 0, 40)
    save_examples(examples, tmp_path / "a" / "x.safetensors")
    save_examples(load_examples(tmp_path / "a" / "x.safetensors"), tmp_path / "y.safetensors")
    assert same(load_examples(tmp_path / "y.safetensors"), examples)
    assert (tmp_path / "a" / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_examples(one_pass(np.zeros((40, 2), dtype=np.float32), 0, 40), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SemlensError, match="damaged"):
        load_examples(path)
    with pytest.raises(SemlensError, match="no examples at"):
        load_examples(tmp_path / "none")


def test_a_file_from_before_histograms_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_examples(one_pass(np.zeros((40, 2), dtype=np.float32), 0, 40), path)
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    arrays = load_file(path)
    del arrays["histogram"]
    save_file(arrays, path, metadata)
    with pytest.raises(SemlensError, match="delete it and begin again"):
        load_examples(path)


def test_the_histogram_counts_every_image_but_those_that_gave_nan() -> None:
    examples = with_activations([[1.0, 3.0, 0.0, -1.0], [np.nan, 3.0, np.nan, 0.5]], k=2)
    assert examples.histogram.sum(axis=1).tolist() == [4, 2]
    assert examples.histogram[0, [31, 64, 97, 100]].tolist() == [1, 1, 1, 1]
    assert examples.histogram[:, 65:].sum(axis=1).tolist() == examples.fired.tolist()


def test_missing_ranges() -> None:
    assert missing_ranges([(2, 4), (6, 8)], 0, 10) == [(0, 2), (4, 6), (8, 10)]
    assert missing_ranges([(0, 10)], 2, 8) == []
    assert missing_ranges([], 3, 5) == [(3, 5)]
    assert missing_ranges([(0, 3), (3, 6)], 2, 8) == [(6, 8)]


def with_activations(values: list[list[float]], k: int) -> ConceptExamples:
    activations = np.array(values, dtype=np.float32).T
    return one_pass(activations, 0, len(activations), k)


def test_what_does_not_fire_is_no_example() -> None:
    """T3: a channel that never fires was described by the last image of the data set."""
    never, rarely, negative, constant = [0.0] * 5, [0, 0, 2.0, 0, 0], [-1.0, -2, -3, -4, -5], [-3.0] * 5
    examples = with_activations([never, rarely, negative, constant], k=3)
    assert examples.valid.tolist() == [[False] * 3, [True, False, False], [True] * 3, [False] * 3]
    assert examples.ids[1, 0] == 2
    assert examples.dead == 2
    assert examples.alive.tolist() == [False, True, True, False]


def test_fewer_images_than_k_leave_slots_empty() -> None:
    examples = with_activations([[1.0, 3.0, 2.0]], k=4)
    assert examples.ids[0].tolist() == [1, 2, 0, int(MISSING)]
    assert examples.valid[0].tolist() == [True, True, True, False]
    with pytest.raises(IndexError):
        np.arange(100)[examples.ids[0, 3]]
