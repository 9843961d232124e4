"""Sums for encodings: whole numbers, equal to a twin in Python's integers, in whatever order and parts they come."""

import itertools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semlens.collection import collect, load_examples, merge, save_examples
from semlens.collection.encode import RunningSums, ToEncode, answers_of, drawn, units
from semlens.collection.sums import MOST_BITS, merge_sums
from semlens.errors import SemlensError
from semlens.types import EncodingSums, EncodingTask
from tests.toy import colours, random_images

COUNT, D = 40, 3
LAYERS = (slice(0, 2), slice(2, 4))


def world(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors, of which image 7 has none; activations over twelve powers of ten, with what is not finite."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(COUNT, D))
    vectors = (e / np.linalg.norm(e, axis=1, keepdims=True)).astype(np.float16)
    vectors[7] = np.nan
    activations = (rng.normal(size=(COUNT, 4)) * 10.0 ** rng.integers(-6, 7, size=4)).astype(np.float32)
    activations[rng.random((COUNT, 4)) < 0.02] = rng.choice([np.nan, np.inf, -np.inf, 3e38])
    return vectors, activations


def summed(seed: int, ids: list[int], sizes: list[int], kept: int = 9) -> EncodingSums:
    """The sums over some images, in batches of these sizes."""
    vectors, activations = world(seed)
    order = drawn(COUNT, 30)
    wanted = ToEncode(EncodingTask("f", 30, kept, 0), D, order, lambda some: vectors[list(some)])
    first = torch.from_numpy(activations[order[:16]])
    sums = RunningSums(wanted, ("a", "b"), LAYERS, torch.device("cpu"), lambda: first)
    left = iter(ids)
    for size in itertools.cycle(sizes):
        batch = list(itertools.islice(left, size))
        if not batch:
            return sums.state()
        sums.add(torch.from_numpy(activations[batch]), batch)
        if size % 2:
            sums.flush()
    raise AssertionError


def same(a: EncodingSums, b: EncodingSums) -> bool:
    pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in fields(a)]
    return all(x.tobytes() == y.tobytes() if isinstance(x, np.ndarray) else x == y for x, y in pairs)


def test_a_layer_with_the_outputs_values_is_the_output_from_three_on() -> None:
    rows = torch.tensor([[1.0, 5, 6, 7, 5, 6, 7], [2, 8, 9, 1, 8, 9, 1]])
    layers = [slice(0, 1), slice(1, 4), slice(4, 7)]
    assert answers_of(rows, layers, 3) == (1, 4)
    assert answers_of(rows, [slice(0, 2), slice(2, 3), slice(3, 4)], 1) == ()
    rows[1, 2] += 1
    assert answers_of(rows, layers, 3) == ()
    found = summed(0, list(range(COUNT)), [COUNT])
    with pytest.raises(SemlensError, match="one part has a layer for the model's output and another has not"):
        merge_sums(found, replace(found, answers=(0, 2)))


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 39), max_size=4, unique=True),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), data=st.data(),
)  # fmt: skip
def test_any_split_in_any_order_gives_one_sum(
    seed: int, cuts: list[int], sizes: list[int], data: st.DataObject
) -> None:
    whole = summed(seed, list(range(COUNT)), [COUNT])
    edges = [0, *sorted(cuts), COUNT]
    parts = [summed(seed, list(range(low, high)), sizes) for low, high in itertools.pairwise(edges)]
    total = parts[0]
    for part in data.draw(st.permutations(parts[1:])):
        total = merge_sums(part, total) or total
    assert same(total, whole)
    assert same(summed(seed, data.draw(st.permutations(range(COUNT))), sizes), whole)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sums_are_those_of_whole_numbers(seed: int) -> None:
    vectors, activations = world(seed)
    found = summed(seed, list(range(COUNT)), [7])
    used = [i for i in sorted(drawn(COUNT, 30).tolist()) if i != 7]
    assert found.count == len(used)
    e = [[round(float(x) * 2**14) for x in vectors[i]] for i in used]
    assert found.embedding.tolist() == [sum(row[j] for row in e) for j in range(D)]
    assert found.products.tolist() == [[sum(row[j] * row[k] for row in e) for k in range(D)] for j in range(D)]
    for c, t in itertools.product(range(4), range(2)):
        whole, odd = [], 0
        for i in used:
            y = float(activations[i, c])
            y = (max(y, 0.0) ** 2 if t else y) * 2.0 ** (17 - (t + 1) * int(found.exponents[c]))
            bad = not abs(y) <= 2**25 + 0.5
            odd += bad
            whole.append(0 if bad else round(y))
        assert found.odd[t, c] == odd
        assert found.activation[t, c] == sum(whole)
        high, low = found.squares[t, c].tolist()
        assert high * 2**MOST_BITS + low == sum(y * y for y in whole)
        assert found.cross[t, c].tolist() == [
            sum(y * row[j] for y, row in zip(whole, e, strict=True)) for j in range(D)
        ]
    kept = sorted(set(drawn(COUNT, 30)[:9].tolist()) - {7})
    assert found.ids.tolist() == kept
    np.testing.assert_array_equal(found.activations, activations[kept])
    np.testing.assert_array_equal(found.embeddings, vectors[kept])


def test_units_lie_above_what_first_images_reach_and_not_far_below_their_layer() -> None:
    first = torch.tensor([[3.0, -0.5, 1e-9, np.nan], [1.0, 4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert units(first, [slice(0, 3), slice(3, 4)]).tolist() == [2, 3, -4, 1]  # 3 / 64 is below 2^-4; none: 1
    assert units(first[:, 3:], [slice(0, 1)]).tolist() == [1]


def raised(sums: EncodingSums, power: int) -> np.ndarray:
    """Exponents of which that of row 1 is higher."""
    return sums.exponents + np.array([0, power, 0, 0], np.int32)


def test_sums_in_two_units_merge_in_the_finer_one() -> None:
    a, b = summed(0, list(range(20)), [5]), summed(0, list(range(20, COUNT)), [5])
    coarse = replace(b, exponents=raised(b, 1))
    found = merge_sums(a, coarse)
    assert found
    assert found.exponents.tolist() == a.exponents.tolist()
    assert found.activation[:, 1].tolist() == (a.activation[:, 1] + b.activation[:, 1] * [2, 4]).tolist()
    assert found.cross[1, 1].tolist() == (a.cross[1, 1] + b.cross[1, 1] * 4).tolist()
    high, low = (a.squares[1, 1].astype(object) + b.squares[1, 1].astype(object) * 16).tolist()
    assert found.squares[1, 1, 0] * 2**25 + found.squares[1, 1, 1] == high * 2**25 + low
    far = merge_sums(a, replace(b, exponents=raised(b, 9)))
    assert far
    assert (far.odd - found.odd).tolist() == [[0, 1, 0, 0]] * 2


def test_a_state_with_sums_comes_back_from_its_file_and_merges(tmp_path: Path) -> None:
    images, task = random_images(30), EncodingTask("f", None, 5, 0)
    vectors = np.random.default_rng(0).normal(size=(30, D)).astype(np.float16)
    wanted = ToEncode(task, D, drawn(30, None), lambda some: vectors[list(some)] / 8)
    parts = [collect(colours(), images, ["act"], k=3, shard=(n, 2), encode=wanted, workers=0) for n in range(2)]
    whole = collect(colours(), images, ["act"], k=3, batch_size=7, encode=wanted, workers=0)
    for n, part in enumerate(parts):
        save_examples(part, tmp_path / f"{n}.safetensors")
    joined = merge(load_examples(tmp_path / "1.safetensors"), load_examples(tmp_path / "0.safetensors"))
    save_examples(joined, tmp_path / "joined.safetensors")
    save_examples(whole, tmp_path / "whole.safetensors")
    assert (tmp_path / "joined.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert whole.encoding
    assert whole.encoding.outputs == ("red", "green", "blue", "not red")
    plain = collect(colours(), images, ["act"], k=3, shard=(0, 2), workers=0)
    with pytest.raises(SemlensError, match="k, pooling or encoding cannot be merged"):
        merge(plain, parts[1])


def test_more_images_than_sums_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semlens.collection.encode.MOST_IMAGES", 20)
    assert len(drawn(30, 20)) == 20
    with pytest.raises(SemlensError, match=r"30 images are more than .*: encode 20 or fewer"):
        drawn(30, None)
