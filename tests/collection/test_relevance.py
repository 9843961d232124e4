"""Relevance per class: what its sums mean, merging equal to one pass, its file, and classes asked for by name."""

import itertools
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from semlens.collection.relevance import Drawing, load_relevance, merge_relevance, no_rows, save_relevance
from semlens.collection.states import save_examples
from semlens.errors import SemlensError
from semlens.index.relevance import class_relevance
from semlens.types import MISSING, SHARE_UNIT, ConceptExamples, Origin, Relevance, Unreadable, VectorRows, axis_of
from tests.tiny_index import tiny_relevance

ORIGIN = Origin("m", "f", "p", "i", "g", 40, "float32")
LAYERS = axis_of([("a", "channels", 2), ("b", "channels", 1)])
CLASSES = (5, 3)
BROKEN = 7


def one_pass(shares: np.ndarray, labels: np.ndarray, start: int, stop: int, k: int = 4) -> Relevance:
    """The slow twin: relevance of images start to stop, image by image in Python's whole numbers; one is broken."""
    seen = [i for i in range(start, stop) if i != BROKEN]
    of = {y: [i for i in seen if labels[i] == y] for y in CLASSES}
    units = [[round(float(share) * SHARE_UNIT) for share in row] for row in shares]
    c = range(shares.shape[1])
    best = [sorted((-shares[i, j], i) for y in CLASSES for i in of[y] if shares[i, j] > 0)[:k] for j in c]
    best = [[*found, *[(np.inf, int(MISSING))] * (k - len(found))] for found in best]
    return Relevance(
        ORIGIN, LAYERS, "gradient", {"baseline": "zero"}, "label", CLASSES, ("cat", "dog"),
        positive=np.array([[sum(max(units[i][j], 0) for i in of[y]) for y in CLASSES] for j in c]),
        negative=np.array([[sum(max(-units[i][j], 0) for i in of[y]) for y in CLASSES] for j in c]),
        top=np.array([[sum(shares[i, j] > 0.2 for i in of[y]) for y in CLASSES] for j in c], np.int64),
        counts=np.array([len(of[y]) for y in CLASSES]),
        beside=("a@cls",),
        passing=np.array([[sum(abs(units[i][0]) for i in of[y]) for y in CLASSES]]),
        ids=np.array([[i for _, i in found] for found in best], np.int32),
        shares=np.array([[-share for share, _ in found] for found in best], np.float32),
        seen=((start, stop),),
        unreadable=(Unreadable(BROKEN, "broken"),) if start <= BROKEN < stop else (),
        vectors=kept_rows(shares, of),
    )  # fmt: skip


def kept_rows(shares: np.ndarray, of: dict[int, list[int]], most: int = 5) -> VectorRows:
    """The slow twin: of each class the images that come first in one random order of all 40."""
    turn = {image: place for place, image in enumerate(np.argsort(np.random.default_rng(0).permutation(40)))}
    kept = [(y, i) for y, number in enumerate(CLASSES) for i in sorted(sorted(of[number], key=turn.get)[:most])]  # type: ignore[arg-type]
    ids, columns = (np.array([row[at] for row in kept], np.int32) for at in (1, 0))
    vectors = shares[ids].astype(np.float16).reshape(-1, shares.shape[1])
    return VectorRows(most, ids, columns, ids * 3, vectors)


def images(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares with many ties, and labels of which one is of no class asked for."""
    rng = np.random.default_rng(seed)
    shares = rng.choice(np.array([0, 0.5, 1, -0.5, 1 / 3, -1, rng.uniform(-1, 1)], np.float32), size=(40, 3))
    return shares, rng.choice([3, 5, 8], size=40)


def same(a: Relevance, b: Relevance) -> bool:
    plain = all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name != "vectors")
    assert a.vectors
    assert b.vectors
    return plain and all(np.array_equal(value, vars(b.vectors)[name]) for name, value in vars(a.vectors).items())


def merge_all(parts: list[Relevance]) -> Relevance:
    merged, *rest = parts
    for part in rest:
        merged = merge_relevance(merged, part)
    return merged


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000), cuts=st.lists(st.integers(1, 39), min_size=1, max_size=5, unique=True), data=st.data()
)
def test_any_split_merged_in_any_order_is_one_pass(seed: int, cuts: list[int], data: st.DataObject) -> None:
    edges = [0, *sorted(cuts), 40]
    parts = [one_pass(*images(seed), low, high) for low, high in itertools.pairwise(edges)]
    order = data.draw(st.permutations(parts))
    whole = merge_all(order)
    assert same(whole, one_pass(*images(seed), 0, 40))
    if len(parts) > 2:
        a, b, *rest = order
        assert same(merge_relevance(a, merge_all([b, *rest])), merge_relevance(merge_relevance(a, b), merge_all(rest)))
    for part in parts:
        assert same(merge_relevance(part, part), part)
        assert same(merge_relevance(whole, part), whole)
        assert same(merge_relevance(part, whole), whole)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": replace(ORIGIN, model_fingerprint="other")},
        {"layers": axis_of([("a", "channels", 1), ("b", "channels", 2)])},
        {"method": "attnlrp"},
        {"parameters": {"baseline": "mean"}},
        {"of": "predicted"},
        {"classes": (3, 5)},
        {"ids": np.zeros((3, 5), np.int32), "shares": np.ones((3, 5), np.float32)},
        {"vectors": None},
        {"vectors": kept_rows(np.zeros((40, 3)), {5: [21], 3: []}, most=6)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_computed_otherwise_does_not_merge(change: dict[str, Any]) -> None:
    a, b = one_pass(*images(0), 0, 20), one_pass(*images(0), 20, 40)
    with pytest.raises(SemlensError, match="cannot be merged"):
        merge_relevance(a, replace(b, **change))


def test_some_images_in_common_are_refused() -> None:
    with pytest.raises(SemlensError, match="share some images"):
        merge_relevance(one_pass(*images(0), 0, 20), one_pass(*images(0), 10, 30))


def test_sums_are_exact_up_to_the_last_image_an_id_can_name() -> None:
    """2**31 - 1 images with share 1, and one with the smallest share there is, added from either side."""
    most, least = (2**31 - 1) * SHARE_UNIT, 1
    a, b = one_pass(*images(0), 0, 20), one_pass(*images(0), 20, 40)
    a, b = replace(a, positive=np.full((3, 2), most)), replace(b, positive=np.full((3, 2), least))
    for merged in (merge_relevance(a, b), merge_relevance(b, a)):
        assert merged.positive.tolist() == [[2**63 - 2**32 + 1] * 2] * 3


def test_means_and_frequency() -> None:
    """Worked by hand: layer1:1 has shares -1/2 and 3/4 on the two images of output 4; output 2 has no image."""
    relevance, nan = tiny_relevance(), np.nan
    np.testing.assert_array_equal(relevance.mean_positive, [[0.375, 0, nan], [0.375, 0, nan], [1, 0, nan]])
    np.testing.assert_array_equal(relevance.mean_negative, [[0, 1, nan], [0.25, 0, nan], [0, 0, nan]])
    np.testing.assert_array_equal(relevance.mean, [[0.375, -1, nan], [0.125, 0, nan], [1, 0, nan]])
    np.testing.assert_array_equal(relevance.frequency, [[1, 0, nan], [0.5, 0, nan], [1, 0, nan]])
    assert relevance.mean.dtype == relevance.frequency.dtype == np.float32


def test_arrays_that_do_not_fit_are_no_relevance() -> None:
    relevance = tiny_relevance()
    for change in (
        {"classes": (1,)},
        {"class_names": ("a", "b")},
        {"layers": relevance.layers[:1]},
        {"vectors": kept_rows(np.zeros((40, 2)), {5: [1], 3: []})},
        {"vectors": replace(kept_rows(np.zeros((40, 3)), {5: [1], 3: []}), columns=np.array([3], np.int32))},
    ):
        with pytest.raises(ValueError, match="do not fit its layers and classes"):
            replace(relevance, **change)


def test_a_file_gives_back_what_was_saved_and_the_same_bytes(tmp_path: Path) -> None:
    relevance = one_pass(*images(3), 0, 40)
    save_relevance(relevance, tmp_path / "a" / "x.safetensors")
    loaded = load_relevance(tmp_path / "a" / "x.safetensors")
    save_relevance(loaded, tmp_path / "y.safetensors")
    assert same(loaded, relevance)
    assert loaded.recipe == relevance.recipe
    assert (tmp_path / "a" / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_a_file_from_before_vectors_is_taken(tmp_path: Path) -> None:
    """A build that began with an older semlens is taken up by this one."""
    path, before = tmp_path / "x.safetensors", replace(one_pass(*images(3), 0, 15), vectors=None)
    save_relevance(before, path)
    with safe_open(path, framework="numpy") as file:
        plain = json.loads(file.metadata()["semlens-relevance"])
    assert plain.pop("vectors") is None
    save_file(load_file(path), path, {"semlens-relevance": json.dumps(plain)})
    assert load_relevance(path).vectors is None
    assert merge_relevance(load_relevance(path), replace(one_pass(*images(3), 15, 40), vectors=None)).vectors is None


def test_vectors_stream_as_they_are_drawn() -> None:
    """Row by row and in batches, with what waits let go in between: the rows of the twin."""
    shares, labels = images(11)
    wanted = one_pass(shares, labels, 0, 40).vectors
    assert wanted
    for size in (1, 7, 40):
        drawing = Drawing(no_rows(5, 3), 2, 40)
        for start in range(0, 40, size):
            batch = range(start, min(start + size, 40))
            ids = np.array([i for i in batch if labels[i] in CLASSES and i != BROKEN], int)
            columns = np.array([CLASSES.index(labels[i]) for i in ids], int)
            wanted_now = drawing.wanted(ids, columns)
            ids, columns = ids[wanted_now].astype(np.int32), columns[wanted_now].astype(np.int32)
            drawing.add(ids, columns, 3 * ids, shares[ids].astype(np.float16))
            if start % 3 == 0:
                drawing.settled()
        for name, value in vars(wanted).items():
            np.testing.assert_array_equal(getattr(drawing.settled(), name), value)


def test_a_loaded_part_merges_with_one_in_memory(tmp_path: Path) -> None:
    save_relevance(one_pass(*images(3), 0, 15), tmp_path / "x")
    assert same(
        merge_relevance(load_relevance(tmp_path / "x"), one_pass(*images(3), 15, 40)), one_pass(*images(3), 0, 40)
    )


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_relevance(tiny_relevance(), path)
    good = path.read_bytes()
    for keep in (0, 5, 100, len(good) - 20):
        path.write_bytes(good[:keep])
        with pytest.raises(SemlensError, match="does not hold relevance, or is damaged .* delete it and begin again"):
            load_relevance(path)
    with pytest.raises(SemlensError, match="no relevance at"):
        load_relevance(tmp_path / "none")


@pytest.mark.slow
def test_a_flipped_byte_in_the_header_is_one_sentence_or_still_relevance(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_relevance(tiny_relevance(), path)
    good = path.read_bytes()
    refused = 0
    for at in range(8 + int.from_bytes(good[:8], "little")):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            assert load_relevance(path).positive.shape == (3, 3)
        except SemlensError:
            refused += 1
    assert refused > 500


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.pop("method"),
        lambda plain: plain.update(later=1),
        lambda plain: plain.update(origin="toy"),
        lambda plain: plain.update(layers=[{"layer": "a"}]),
        lambda plain: plain.update(classes=[4, 0]),
        lambda plain: plain.update(seen=[[0, 1, 2]]),
    ],
)
def test_a_file_of_other_fields_is_one_sentence(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "x.safetensors"
    save_relevance(tiny_relevance(), path)
    header = path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    plain = json.loads(json.loads(header)["__metadata__"]["semlens-relevance"])
    change(plain)
    save_file(load_file(path), path, {"semlens-relevance": json.dumps(plain)})
    with pytest.raises(SemlensError, match="does not hold relevance, or is damaged"):
        load_relevance(path)


def test_concept_examples_are_no_relevance(tmp_path: Path) -> None:
    none = np.zeros((3, 0))
    examples = ConceptExamples(
        ORIGIN, LAYERS, (None,) * 3, "max", none.astype(np.int32), none.astype(np.float32), none.astype(np.int32),
        np.zeros(3, np.float32), np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros((3, 129), np.int32),
        ((0, 4),), (), np.zeros(0, np.int64), np.zeros((0, 3), np.int32),
    )  # fmt: skip
    save_examples(examples, tmp_path / "x")
    with pytest.raises(SemlensError, match="does not hold relevance"):
        load_relevance(tmp_path / "x")


def test_a_class_is_found_by_name_or_number() -> None:
    relevance = class_relevance(replace(tiny_relevance(), class_names=("crane", "4", "crane")))
    assert [relevance.column(which) for which in (4, 0, 2, "0", "2")] == [0, 1, 2, 1, 2]
    assert relevance.column("4") == 1  # a name goes before a number
    with pytest.raises(SemlensError, match="2 classes are called 'crane': give the number, 4 or 2"):
        relevance.of_class("crane")


def test_an_unknown_class_is_met_with_the_nearest() -> None:
    relevance = class_relevance(tiny_relevance())
    with pytest.raises(SemlensError, match="unknown class 'zebar'; nearest: zebra"):
        relevance.of_class("zebar")
    with pytest.raises(SemlensError, match="unknown class '7'; nearest: zebra, 0, çat"):
        relevance.of_class(7)
    with pytest.raises(SemlensError, match="unknown class '-4'"):
        relevance.of_class(-4)
