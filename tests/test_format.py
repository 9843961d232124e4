"""The rules that the arrays and the manifest of an index must keep, whoever signed them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save

from semlens.errors import SemlensError
from semlens.index import load_index
from semlens.types import MISSING
from tests.tiny_index import (
    ARRAYS,
    GOLDEN_WHOLE,
    LATER,
    forge,
    forge_array,
    forge_part,
    part_file,
    read_all,
    sign,
    tiny,
    whole,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    whole().save(tmp_path / "toy.semlens")
    return tmp_path / "toy.semlens"


@pytest.mark.parametrize(
    ("part", "name", "change", "words"),
    [
        ("examples", "rows", lambda a: np.where(a == 2, 3, a), "rows points outside of 0 to 2"),
        ("examples", "rows", lambda a: np.where(a == 2, -1, a), "rows points outside"),
        ("examples", "ids", lambda a: np.where(a == 2, 4, a), "ids points outside of 0 to 3"),
        ("examples", "ids", lambda a: np.full_like(a, MISSING), "rows names a crop where ids names no image"),
        ("examples", "fired", lambda a: -a, "a position or a count is negative"),
        ("examples", "ids", lambda a: a.astype(np.int64), r"ids is int64 \[3, 2\], not int32 \[3, 2\]"),
        ("examples", "ids", lambda a: a[:, :1], r"ids is int32 \[3, 1\], not int32 \[3, 2\]"),
        ("examples", "lowest", lambda a: a[:2], r"lowest is float32 \[2\], not float32 \[3\]"),
        ("means", "means", lambda a: a * np.nan, "means holds a value that is not finite"),
        ("means", "random", lambda a: a / 0, "random holds a value that is not finite"),
        ("means", "random", lambda a: a[:, :2], r"random is float16 \[2, 2\], not float16 \['r', 3\]"),
        ("vectors", "sources", lambda a: a + 2, "sources points outside of 0 to 3"),
        ("vectors", "boxes", lambda a: a[:, [2, 1, 0, 3]], "boxes holds an empty box"),
        ("vectors", "boxes", lambda a: a[:, [0, 3, 2, 1]], "boxes holds an empty box"),
        ("vectors", "boxes", lambda a: a - 1, "boxes holds an empty box"),
        ("vectors", "vectors", lambda a: a[:2], r"vectors is float16 \[2, 3\], not float16 \[3, 3\]"),
        ("thumbnails", "offsets", lambda a: a[[0, 2, 1, 3]] * [1, 2, 1, 1], "offsets do not divide data"),
        ("thumbnails", "offsets", lambda a: a + 1, "offsets do not divide data"),
        ("image-labels", "offsets", lambda a: a + 1, "offsets do not divide data"),
        ("image-names", "data", lambda a: a | 128, "'utf-8' codec can't decode"),
        ("image-names", "offsets", lambda a: a[:-1], r"offsets is int64 \[4\], not int64 \[5\]"),
        ("unit-names", "offsets", lambda a: a.astype(np.int32), r"offsets is int32 \[4\], not int64 \[4\]"),
        ("thumbnails", "offsets", lambda a: a[:-1], r"offsets is int64 \[3\], not int64 \[4\]"),
        ("relevance", "positive", lambda a: a + 1, "positive holds a value outside of 0 to 1"),
        ("relevance", "positive", np.nan_to_num, "positive holds .* or one for a class without images"),
        ("relevance", "positive", lambda a: a[:, :2], r"positive is float32 \[3, 2\], not float32 \[3, 3\]"),
        ("relevance", "negative", lambda a: a * np.nan, "negative holds a value outside"),
        ("relevance", "frequency", lambda a: -a, "frequency holds a value outside"),
        ("relevance", "frequency", lambda a: a / 0, "frequency holds a value outside"),
        ("relevance", "counts", lambda a: -a, "counts holds a value outside of 0 to 4"),
        ("relevance", "counts", lambda a: a + 3, "counts holds a value outside of 0 to 4"),
        ("relevance", "counts", lambda a: a[:2], r"counts is int64 \[2\], not int64 \[3\]"),
        ("relevance", "ids", lambda a: np.where(a == 2, 4, a), "ids points outside of 0 to 3"),
        ("relevance", "ids", lambda a: np.where(a == 2, -1, a), "ids points outside of 0 to 3"),
        ("relevance", "ids", lambda a: np.full_like(a, MISSING), "shares holds .* or one where ids names no image"),
        ("relevance", "ids", lambda a: a * 0, "shares holds a value outside of 0 to 1"),
        ("relevance", "shares", lambda a: a * 2, "shares holds a value outside of 0 to 1"),
        ("relevance", "shares", lambda a: np.maximum(a, 0), "shares holds .* or one where ids names no image"),
        ("relevance", "shares", lambda a: np.where(a == 1, np.nan, a), "shares holds a value outside of 0 to 1"),
        ("relevance", "shares", lambda a: a[:, :2], r"shares is \[3, 2\], not \[3, 3\] as ids"),
        ("class-names", "offsets", lambda a: a[:-1], r"offsets is int64 \[3\], not int64 \[4\]"),
        ("class-names", "data", lambda a: a | 128, "'utf-8' codec can't decode"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")  # of the forgery, which makes infinities
def test_forged_arrays_are_refused(
    folder: Path, part: str, name: str, change: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    forge_array(folder, part, name, change)
    with pytest.raises(SemlensError, match=rf"{part}-.* cannot be used: {words}"):
        read_all(folder)


def test_vectors_are_looked_through_when_asked(folder: Path) -> None:
    forge_array(folder, "vectors", "vectors", lambda a: np.full_like(a, np.inf))
    assert np.isinf(load_index(folder).vectors).all()
    with pytest.raises(SemlensError, match="vectors holds a value that is not finite"):
        load_index(folder, verify=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["layers"][1].update(start=1), "do not lie end to end"),
        (lambda m: m["layers"][0].update(stop=-1), "do not lie end to end"),
        (lambda m: m["layers"][1].update(layer="layer1"), "two layers have the same name"),
        (lambda m: m["layers"][1].update(stop=10**9), r"part 'examples' has not the 1000000000 rows"),
        (lambda m: m["recipe"]["images"].update(count=10**12), "part 'image-names' has not the"),
        (lambda m: m["recipe"].update(k="2"), r"the manifest\.recipe\.k is a str, not a int"),
        (lambda m: m["recipe"].update(k=True), r"recipe\.k is a bool"),
        (lambda m: m["recipe"].update(k=3), r"ids is int32 \[3, 2\], not int32 \[3, 3\]"),
        (lambda m: m["recipe"].update(seed=None), r"recipe\.seed is a NoneType"),
        (lambda m: m["recipe"].update(software=["x"]), r"software is a list, not a dict"),
        (lambda m: m["recipe"]["crop"]["parameters"].update(x=[1]), r"parameters\.x is a list"),
        (lambda m: m.pop("layers"), "the manifest lacks layers"),
        (lambda m: m["parts"].pop("random", m["parts"].pop("means")), "part 'means' is absent"),
        (lambda m: m["parts"]["means"]["tensors"]["means"].update(shape=[3, 4]), "not those that the manifest lists"),
        (lambda m: m.update(version=3), "version is a int, not a dict"),
        (lambda m: m["parts"]["means"].update(bytes=5), "it has .* bytes instead of 5"),
        (lambda m: m["version"].update(minor=0), r"version 1\.0 has no relevance"),
        (lambda m: m.pop("relevance"), "part 'class-names' is unknown"),
        (lambda m: m["parts"].pop("relevance"), "part 'relevance' is absent"),
        (lambda m: m["parts"].pop("class-names"), "part 'class-names' is absent"),
        (lambda m: m.update(relevance=None), r"the manifest\.relevance is a NoneType, not a dict"),
        (lambda m: m["relevance"].pop("top"), r"the manifest\.relevance lacks top"),
        (lambda m: m["relevance"].update(later=1), r"the manifest\.relevance has unknown keys later"),
        (lambda m: m["relevance"]["parameters"].update(x=[1]), r"parameters\.x is a list"),
        (lambda m: m["relevance"].update(classes=["4", 0, 2]), r"relevance\.classes is a str, not a int"),
        (lambda m: m["relevance"].update(classes=[4, 0, 4]), "the classes are not distinct numbers from 0 up"),
        (lambda m: m["relevance"].update(classes=[4, 0, -2]), "the classes are not distinct numbers from 0 up"),
        (lambda m: m["relevance"].update(classes=[4, 0, 10**40]), "the classes are not distinct numbers"),
        (lambda m: m["relevance"].update(classes=[4, 0]), "part 'class-names' has not the 2 rows"),
    ],
)
def test_a_forged_manifest_is_refused(folder: Path, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    forge(folder, change)
    with pytest.raises(SemlensError, match=words):
        load_index(folder)


@pytest.mark.parametrize(
    ("major", "words"), [(2, "made by a newer semlens .* update semlens"), (0, "rebuild it with `semlens build`")]
)
def test_another_major_version_is_refused(folder: Path, major: int, words: str) -> None:
    forge(folder, lambda manifest: manifest["version"].update(major=major))
    with pytest.raises(SemlensError, match=words):
        load_index(folder)


def add_everywhere(manifest: dict[str, Any]) -> None:
    manifest["later"] = manifest["recipe"]["later"] = manifest["relevance"]["later"] = [1]
    manifest["parts"]["later"] = manifest["parts"]["means"]


def test_a_newer_minor_version_may_add(folder: Path) -> None:
    arrays = load_file(part_file(folder, "means")) | {"later": np.zeros(5, np.float32)}
    listed = {key: {"dtype": array.dtype.name, "shape": list(array.shape)} for key, array in arrays.items()}
    forge_part(folder, "means", save(arrays), tensors=listed)
    with pytest.raises(SemlensError, match="tensor 'later' is unknown"):
        load_index(folder)
    forge(folder, add_everywhere)
    with pytest.raises(SemlensError, match="has unknown keys later"):
        load_index(folder)
    forge(folder, lambda manifest: manifest["version"].update(minor=3))
    index = load_index(folder)
    assert index.recipe == tiny().recipe
    assert index.relevance
    assert index.relevance.of_class(4).tolist() == [0.375, 0.125, 1]


@settings(deadline=None, max_examples=150)
@given(
    name=st.sampled_from([*ARRAYS, *LATER, "manifest"]),
    at=st.floats(0, 1, exclude_max=True),
    new=st.binary(max_size=9),
)
def test_no_forgery_of_a_signed_index_crashes(tmp_path_factory: Any, name: str, at: float, new: bytes) -> None:
    """Bytes overwritten anywhere, every digest made right: one sentence, or an index that can be used."""
    folder = tmp_path_factory.mktemp("forged") / "i"
    shutil.copytree(GOLDEN_WHOLE, folder)
    path = folder / "manifest.json" if name == "manifest" else part_file(folder, name)
    data = path.read_bytes()
    begin = int(at * len(data))
    data = data[:begin] + new + data[begin + len(new) :]
    try:
        if name == "manifest":
            sign(folder, json.loads(data))
        else:
            forge_part(folder, name, data)
    except (ValueError, AttributeError):  # no JSON object any more: nothing to sign
        path.write_bytes(data)
    try:
        index, thumbnails, images, names = read_all(folder)
    except SemlensError:
        return  # any other exception fails the test
    assert [len(thumbnails.get(row)) for row in range(len(index.vectors))] == np.diff(thumbnails.offsets).tolist()
    assert (len(images.names), len(names)) == (index.recipe.images.count, len(index.rows))
    for number in index.relevance.classes if index.relevance else ():
        assert index.relevance.of_class(number).shape == (len(index.rows),)
