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

from semlens.analysis.stored import stored_atlas, stored_labels, stored_scores
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex, load_index
from semlens.types import MISSING
from tests.tiny_index import (
    ADDED,
    ARRAYS,
    ENCODED,
    GOLDEN_VECTORS,
    LATER,
    VECTORS,
    forge,
    forge_array,
    forge_part,
    part_file,
    read_all,
    sign,
    tiny,
)


def by_examples(manifest: dict[str, Any]) -> dict[str, Any]:
    """Nothing, once the atlas goes by examples, as it did before 1.3."""
    manifest["atlas"].pop("by")
    return {}


def drop_part(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """Drops a part, and changes nothing else."""
    del manifest["parts"][name]
    return {}


@pytest.fixture
def folder(vectors_folder: Path) -> Path:
    return vectors_folder


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
        ("histogram", "counts", lambda a: -a, "counts holds a negative number, or more than 4 images"),
        ("histogram", "counts", lambda a: a * 2, "counts holds a negative number, or more than 4 images"),
        ("histogram", "counts", lambda a: np.full_like(a, 2**31 - 1), "counts holds a negative number, or more than 4"),
        ("histogram", "counts", lambda a: a[:, :128], r"counts is int32 \[3, 128\], not int32 \[3, 129\]"),
        ("histogram", "counts", lambda a: a.astype(np.int64), r"counts is int64 \[3, 129\], not int32 \[3, 129\]"),
        ("labels", "ranked", lambda a: np.where(a == 1, 2, a), "ranked points outside of 0 to 1"),
        ("labels", "ranked", lambda a: np.where(a == 1, -1, a), "ranked points outside of 0 to 1"),
        ("labels", "ranked", lambda a: np.where(a == 1, MISSING, a), "ranked holds MISSING beside a phrase"),
        ("labels", "ranked", lambda a: a[[0, 2, 1]], "alignments holds a value that is not finite, or one"),
        ("labels", "ranked", lambda a: a[:, :1], r"alignments is \[3, 2\], not \[3, 1\] as ranked"),
        ("labels", "ranked", lambda a: a[:2], r"ranked is int32 \[2, 2\], not int32 \[3, 'm'\]"),
        ("labels", "ranked", lambda a: a[:, 0], r"ranked is int32 \[3\], not int32 \[3, 'm'\]"),
        ("labels", "alignments", lambda a: np.nan_to_num(a), "alignments holds .* or one where ranked names no phrase"),
        ("labels", "alignments", lambda a: a / 0, "alignments holds a value that is not finite"),
        ("labels", "p_value", lambda a: a - 1, "p_value holds a value outside of 0 to 1"),
        ("labels", "p_value", lambda a: a * np.nan, "p_value holds a value outside of 0 to 1"),
        ("labels", "q_value", lambda a: a + 1, "q_value holds a value outside of 0 to 1"),
        ("labels", "q_value", lambda a: a.astype(np.float32), r"q_value is float32 \[3\], not float64 \[3\]"),
        ("labels", "stability", lambda a: a * 2, "stability holds a value outside of 0 to 1"),
        ("label-phrases", "offsets", lambda a: a[:-1], r"offsets is int64 \[2\], not int64 \[3\]"),
        ("label-phrases", "offsets", lambda a: np.array([0, 2**63 - 1, -2]), "offsets do not divide data"),
        ("label-phrases", "data", lambda a: a | 128, "'utf-8' codec can't decode"),
        ("label-meanings", "rows", lambda a: a + 3, "rows points outside of 0 to 2"),
        ("label-meanings", "rows", lambda a: a - 1, "rows points outside of 0 to 2"),
        ("label-meanings", "rows", lambda a: a + 1, "groups names a slot that holds no example"),
        ("label-meanings", "rows", lambda a: a[:0], r"rows is int32 \[0\], not int32 \[1\]"),
        ("label-meanings", "phrases", lambda a: a + 1, "phrases points outside of 0 to 1"),
        ("label-meanings", "scores", lambda a: a / 0, "scores holds a value that is not finite"),
        ("label-meanings", "groups", lambda a: a + 1, "groups holds a value above 2"),
        ("label-meanings", "groups", lambda a: a[:, :1], r"groups is uint8 \[1, 1\], not uint8 \[1, 2\]"),
        ("scores", "clarity", lambda a: a + 1, "clarity holds a value outside of -1 to 1"),
        ("scores", "polysemanticity", lambda a: -a, "polysemanticity holds a value outside of 0 to 2"),
        ("scores", "redundancy", lambda a: np.full_like(a, -np.inf), "redundancy holds a value outside of -1 to 1"),
        ("scores", "clarity_p", lambda a: a + 1, "clarity_p holds a value outside of 0 to 1"),
        ("scores", "excess", lambda a: a - np.inf, "excess holds a value above 1, or an infinite one"),
        ("scores", "excess", lambda a: a + 1, "excess holds a value above 1, or an infinite one"),
        ("scores", "clarity", lambda a: a.astype(np.float64), r"clarity is float64 \[3\], not float32 \[3\]"),
        ("layer-scores", "clarity", lambda a: a * 9, "clarity holds a value outside of -1 to 1"),
        ("layer-scores", "redundancy", lambda a: a[:, :5], r"redundancy is float32 \[1, 5\], not float32 \[1, 6\]"),
        ("layer-scores", "redundancy", lambda a: a[:0], r"redundancy is float32 \[0, 6\], not float32 \[1, 6\]"),
        ("atlas", "x", lambda a: a / 0, "x holds a value that is not finite"),
        ("atlas", "y", np.nan_to_num, "y holds .* or one where cluster is MISSING"),
        ("atlas", "cluster", lambda a: np.where(a == 1, 2, a), "cluster points outside of 0 to 1"),
        ("atlas", "cluster", lambda a: np.where(a == 1, -1, a), "cluster points outside of 0 to 1"),
        ("atlas", "cluster", lambda a: np.where(a == 1, 0, a), "cluster leaves a cluster without components"),
        ("atlas", "cluster", lambda a: np.where(a == 1, MISSING, a), "x holds .* or one where cluster is MISSING"),
        ("clusters", "fits", lambda a: a / 0, "fits holds an infinite value"),
        ("clusters", "fits", lambda a: a[:1], r"fits is float32 \[1\], not float32 \[2\]"),
        ("clusters", "offsets", lambda a: a + 1, "offsets do not divide data"),
        ("encodings", "cross", lambda a: a * np.nan, "cross holds a value outside of -1 to 1"),
        ("encodings", "cross", lambda a: a * 9, "cross holds a value outside of -1 to 1"),
        ("encodings", "cross", lambda a: a + 0.1, "cross is not zero where deviation is"),
        ("encodings", "cross", lambda a: a[:, :2], r"cross is float32 \[5, 2\], not float32 \[5, 3\]"),
        ("encodings", "average", lambda a: a / 0, "average holds a value that is not finite"),
        ("encodings", "deviation", lambda a: a * np.nan, "deviation holds a value that is not finite"),
        ("encodings", "deviation", lambda a: -a, "deviation holds a negative value"),
        ("encodings", "r2", lambda a: a + 1, "r2 holds a value above 1, an infinite one, or one where deviation is"),
        ("encodings", "r2", np.nan_to_num, "r2 holds .* or one where deviation is zero"),
        ("encodings", "r2", lambda a: np.full_like(a, -np.inf), "r2 holds a value above 1, an infinite one"),
        ("encoding-space", "mean", lambda a: a * 9, "mean holds a value outside of -1 to 1"),
        ("encoding-space", "covariance", lambda a: a * np.nan, "covariance holds a value outside of -1 to 1"),
        ("encoding-space", "covariance", lambda a: np.triu(a), "covariance is not symmetric"),
        ("encoding-space", "covariance", lambda a: -a, "covariance is not symmetric, or negative on its diagonal"),
        ("encoding-space", "covariance", lambda a: a[:, :2], r"covariance is float64 \[3, 2\], not float64 \[3, 3\]"),
        ("encoding-images", "ids", lambda a: a + 2, "ids points outside of 0 to 3"),
        ("encoding-images", "ids", lambda a: a - 1, "ids points outside of 0 to 3"),
        ("encoding-images", "ids", lambda a: a[::-1], "ids does not ascend"),
        ("encoding-images", "ids", lambda a: a * 0, "ids does not ascend"),
        ("encoding-images", "groups", lambda a: a - 1, "groups holds a negative number"),
        ("encoding-images", "groups", lambda a: a[:1], r"groups is int32 \[1\], not int32 \[2\]"),
        ("encoding-images", "embeddings", lambda a: a * np.nan, "embeddings holds a value that is not finite"),
        ("encoding-images", "activations", lambda a: a / 0, "activations holds a value that is not finite"),
        ("encoding-images", "activations", lambda a: a[:4], r"activations is float16 \[4, 2\], not float16 \[5, 2\]"),
        ("encoding-thumbnails", "offsets", lambda a: a + 1, "offsets do not divide data"),
        ("output-names", "data", lambda a: a | 128, "'utf-8' codec can't decode"),
        ("relevance-vectors", "ids", lambda a: a + 2, "ids points outside of 0 to 3"),
        ("relevance-vectors", "columns", lambda a: a + 2, "columns points outside of 0 to 2"),
        ("relevance-vectors", "predicted", lambda a: a - 1, "predicted points outside of 0"),
        ("relevance-vectors", "ids", lambda a: a * 0, "the rows do not ascend by class and image"),
        ("relevance-vectors", "columns", lambda a: a[::-1], "the rows do not ascend by class and image"),
        ("relevance-vectors", "vectors", lambda a: a * 2, "vectors holds a value outside of -1 to 1"),
        ("relevance-vectors", "vectors", lambda a: a * np.nan, "vectors holds a value outside of -1 to 1"),
        ("relevance-vectors", "vectors", lambda a: a[:, :2], r"vectors is float16 \[3, 2\], not float16 \[3, 3\]"),
        ("relevance-vectors", "predicted", lambda a: a[:1], r"predicted is int32 \[1\], not int32 \[3\]"),
        ("vector-classes", "offsets", lambda a: a + 1, "offsets do not divide data"),
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
        (lambda m: m["layers"][1].update(stop=10**9), r"part '\w+' has not the 100000000\d rows"),
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
        (lambda m: m["version"].update(minor=1), r"version 1\.1 has no histogram"),
        (lambda m: m["version"].update(minor=1, **drop_part(m, "histogram")), r"version 1\.1 has no labels"),
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
        (lambda m: m.pop("labels"), "part 'label-meanings' is unknown"),
        (lambda m: m.pop("scores"), "part 'layer-scores' is unknown"),
        (lambda m: m.pop("atlas"), "part 'atlas' is unknown"),
        (lambda m: m["parts"].pop("labels"), "part 'labels' is absent"),
        (lambda m: m["parts"].pop("layer-scores"), "part 'layer-scores' is absent"),
        (lambda m: m["parts"].pop("clusters"), "part 'clusters' is absent"),
        (lambda m: m["parts"]["histogram"].update(rows=2), "part 'histogram' has not the 3 rows"),
        (lambda m: m["parts"]["label-phrases"].update(rows=-1), "part 'label-phrases' has not the -1 rows"),
        (lambda m: m["labels"].update(fdr=1.0), "the false-discovery rate of the labels does not lie between 0 and 1"),
        (lambda m: m["labels"].update(fdr=1), r"the manifest\.labels\.fdr is a int, not a float"),
        (lambda m: m["labels"].update(layers=["layer2"]), "the layers asked for are not those of the index"),
        (lambda m: m["labels"].update(layers=["fc", "layer1"]), "the layers asked for are not those of the index"),
        (lambda m: m["labels"].update(vocabulary=None), r"labels\.vocabulary is a NoneType, not a dict"),
        (lambda m: m["labels"]["vocabulary"].pop("digest"), r"labels\.vocabulary lacks digest"),
        (lambda m: m["labels"].update(later=1), r"the manifest\.labels has unknown keys later"),
        (lambda m: m["scores"].update(layers=["layer1", "layer1"]), "the layers asked for are not those of the index"),
        (lambda m: m["scores"].update(layers=["layer1", "fc"]), "part 'layer-scores' has not a row for each"),
        (lambda m: m["scores"].update(draws="50"), r"scores\.draws is a str, not a int"),
        (lambda m: m["atlas"].update(drawing="x" * 99), "the drawing of the atlas is 'xxxxxxxxx.*, not one of umap"),
        (lambda m: m["atlas"].update(clusters=2.0), r"atlas\.clusters is a float, not a int or NoneType"),
        (lambda m: m["atlas"].update(vocabulary=[]), r"atlas\.vocabulary is a list, not a dict"),
        (lambda m: m["version"].update(minor=2), r"version 1\.2 has no atlas"),
        (lambda m: m["version"].update(minor=2, **by_examples(m)), r"version 1\.2 has no encodings"),
        (lambda m: m["atlas"].update(by="size"), "the atlas goes by 'size', not by examples or encoding"),
        (lambda m: m["atlas"].update(by=None), r"atlas\.by is a NoneType, not a str"),
        (lambda m: m.pop("encodings"), "part 'encoding-images' is unknown"),
        (lambda m: m["parts"].pop("encoding-space"), "part 'encoding-space' is absent"),
        (lambda m: m["parts"]["encodings"].update(rows=4), "part 'encodings' has not the 5 rows"),
        (lambda m: m["parts"]["encoding-space"].update(rows=4), "part 'encoding-space' has not the 3 rows"),
        (lambda m: m["encodings"].update(kept=1), "the encodings keep 2 images, of which there are at most 1"),
        (lambda m: m["encodings"].update(count=1), "the encodings keep 2 images, of which there are at most 1"),
        (lambda m: m["encodings"].update(count=5001), "the encodings are over 5001 images, of which 5000 were asked"),
        (lambda m: m["encodings"].update(transforms=["raw", "raw"]), "have not one transform for each layer, and one"),
        (lambda m: m["encodings"].update(transforms=["raw", "raw", "log"]), "'log' is no transform of activations"),
        (lambda m: m["encodings"].update(images="all"), r"encodings\.images is a str, not a int or NoneType"),
        (lambda m: m["encodings"].update(later=1), r"the manifest\.encodings has unknown keys later"),
        (lambda m: m["version"].update(minor=3), r"version 1\.3 has no relevance_vectors"),
        (lambda m: m.pop("relevance_vectors"), "part '(relevance-vectors|vector-classes)' is unknown"),
        (lambda m: m["parts"].pop("vector-classes"), "part 'vector-classes' is absent"),
        (lambda m: m["relevance_vectors"].update(most=1, classes=[4, 0]), "'vector-classes' has not the 2 rows"),
        (lambda m: m["relevance_vectors"].update(most=0), "there are 3 relevance vectors, more than 0 a class"),
        (lambda m: m["relevance_vectors"].update(classes=[4, 0, 4]), "the classes are not distinct numbers"),
        (lambda m: m["relevance_vectors"].update(classes=[4, 0, -1]), "the classes are not distinct numbers"),
        (lambda m: m["relevance_vectors"].update(most="2"), r"relevance_vectors\.most is a str, not a int"),
        (lambda m: m["relevance_vectors"].pop("of"), r"the manifest\.relevance_vectors lacks of"),
        (lambda m: m.update(atlas=None), r"the manifest\.atlas is a NoneType, not a dict"),
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
    manifest["later"] = manifest["recipe"]["later"] = [1]
    for name in ("relevance", "labels", "scores", "atlas", "encodings", "relevance_vectors"):
        manifest[name]["later"] = [1]
    manifest["labels"]["vocabulary"]["later"] = 1
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
    forge(folder, lambda manifest: manifest["version"].update(minor=5))
    index = load_index(folder)
    assert index.recipe == tiny().recipe
    assert index.relevance
    assert index.relevance.of_class(4).tolist() == [0.375, 0.125, 1]
    assert index.held == ("relevance", "histogram", "labels", "scores", "atlas", "encodings", "relevance_vectors")


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from([*ARRAYS, *LATER, *ADDED, *ENCODED, *VECTORS, "manifest"]),
    at=st.floats(0, 1, exclude_max=True),
    new=st.binary(max_size=9),
)
def test_no_forgery_of_a_signed_index_crashes(tmp_path_factory: Any, name: str, at: float, new: bytes) -> None:
    """Bytes overwritten anywhere, every digest made right: one sentence, or an index that can be used."""
    folder = tmp_path_factory.mktemp("forged") / "i"
    shutil.copytree(GOLDEN_VECTORS, folder)
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
    use(index)


def use(index: ConceptIndex) -> None:
    """Asks for all that was kept, as a page would that shows it."""
    labels, scores, drawn = stored_labels(index), stored_scores(index), stored_atlas(index)
    if labels:
        assert repr(labels)
        for one in labels.rows:
            slots = [slot for meaning in one.meanings for slot in meaning.examples]
            assert all(index.rows[index.row(one.component), slot] != MISSING for slot in slots)
    assert scores is None or repr(scores)
    assert scores is None or all(row.component.layer in scores.recipe.layers for row in scores.rows)
    if drawn:
        assert sum(drawn.sizes) == len(drawn.rows)
        assert all(size > 0 for size in drawn.sizes)
    if index.encodings:
        shown = index.encodings.level_ids()
        assert set(shown[shown != MISSING].tolist()) <= set(index.encodings.ids.tolist())
        assert all(isinstance(index.encodings.thumbnail(image), bytes) for image in index.encodings.ids.tolist())
    if index.histogram:
        assert (index.histogram.counts.sum(axis=1) <= index.recipe.images.count).all()
