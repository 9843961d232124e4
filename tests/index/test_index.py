"""The concept index in memory, its round trip through a folder, and the bytes that the format page promises."""

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex, load_index
from semlens.index.kept import Addition
from semlens.index.layout import PARTS
from semlens.index.records import Thumbnails
from semlens.index.relevance import ClassRelevance
from semlens.numerics.histogram import Histogram
from semlens.types import MISSING, Component, LayerAxis
from tests.tiny_index import (
    ADDED,
    ARRAYS,
    ENCODED,
    GOLDEN,
    GOLDEN_ADDED,
    GOLDEN_ENCODED,
    GOLDEN_VECTORS,
    GOLDEN_WHOLE,
    LATER,
    ROOT,
    TABLES,
    VECTORS,
    added,
    encoded,
    forge,
    part_file,
    read_all,
    run,
    tiny,
    tiny_atlas,
    tiny_encodings,
    tiny_histogram,
    tiny_labels,
    tiny_relevance,
    tiny_scores,
    tiny_vectors,
    whole,
    with_vectors,
)


@pytest.fixture
def folder(tiny_folder: Path) -> Path:
    return tiny_folder


def test_rows_and_components_name_each_other() -> None:
    index = tiny()
    assert [str(index.component(row)) for row in range(3)] == ["layer1:0", "layer1:1", "fc:0"]
    assert [index.row(index.component(row)) for row in range(3)] == [0, 1, 2]
    assert index.layer_slice("fc") == slice(2, 3)


def test_valid_slots_and_dead_components() -> None:
    index = tiny()
    assert index.valid.tolist() == [[True, True], [False, False], [True, False]]
    assert index.dead.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda index: index.row(Component("layer2", 0)), "unknown layer 'layer2'; nearest: layer1"),
        (lambda index: index.layer_slice("cf"), "nearest: fc"),
        (lambda index: index.row(Component("fc", 1)), "unknown component 'fc:1': fc has units 0 to 0"),
        (lambda index: index.component(3), "there is no row 3: the index has 3 components"),
        (lambda index: index.component(-1), "there is no row -1"),
        (lambda index: index.thumbnails.get(3), "there is no thumbnail 3"),
        (lambda index: index.thumbnails.get(-1), "there is no thumbnail -1"),
    ],
)
def test_what_does_not_exist_is_named(ask: Callable[[ConceptIndex], Any], words: str) -> None:
    with pytest.raises(SemlensError, match=re.escape(words)):
        ask(tiny())


def test_thumbnails_are_packed_end_to_end() -> None:
    packed = Thumbnails.pack([b"ab", b"", b"c"])
    assert [packed.get(row) for row in range(len(packed))] == [b"ab", b"", b"c"]
    assert packed.offsets.tolist() == [0, 2, 2, 3]
    assert len(Thumbnails.pack([])) == 0


def test_display_counts_and_escapes() -> None:
    index = replace(tiny(), layers=(LayerAxis("<script>", "channels", 0, 3),))
    assert repr(index) == "ConceptIndex(toy: 3 components in 1 layers, 1 dead; 4 images, k=2, toy:space)"
    assert "<tr><td>&lt;script&gt;</td><td>channels</td><td>3</td><td>1</td></tr>" in index._repr_html_()
    assert "<script>" not in index._repr_html_()


def test_load_gives_what_was_saved(folder: Path) -> None:
    index, thumbnails, images, names = read_all(folder, verify=True)
    made = tiny()
    assert index.recipe == made.recipe
    assert index.layers == made.layers
    for part in ("examples", "means", "vectors"):
        for name in load_file(part_file(folder, part)):
            np.testing.assert_array_equal(getattr(index, name), getattr(made, name), strict=True)
    assert [thumbnails.get(row) for row in range(3)] == [b"first", b"", b"third"]
    assert images == made.images
    assert names == (None, None, "zebra")


def test_loaded_arrays_are_mapped_and_read_only(folder: Path) -> None:
    means = load_index(folder).means
    assert type(means) is np.ndarray
    assert not means.flags.writeable
    base = means
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert type(base).__name__ == "mmap"


def test_a_loaded_index_can_be_pickled_for_workers(folder: Path) -> None:
    copy = pickle.loads(pickle.dumps(load_index(folder)))
    assert copy.images == tiny().images


def test_two_saves_give_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    load_index(folder).save(tmp_path / "again")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    }


@pytest.mark.parametrize(
    ("make", "golden", "arrays"),
    [
        (tiny, GOLDEN, ARRAYS),
        (whole, GOLDEN_WHOLE, (*ARRAYS, *LATER)),
        (added, GOLDEN_ADDED, (*ARRAYS, *LATER, *ADDED)),
        (encoded, GOLDEN_ENCODED, (*ARRAYS, *LATER, *ADDED, *ENCODED)),
        (with_vectors, GOLDEN_VECTORS, (*ARRAYS, *LATER, *ADDED, *ENCODED, *VECTORS)),
    ],
)
def test_golden_bytes(tmp_path: Path, make: Callable[[], ConceptIndex], golden: Path, arrays: tuple[str, ...]) -> None:
    """Arrays and manifest by their bytes; tables by content, as a Parquet file names the version of its writer."""
    folder = tmp_path / "i"
    make().save(folder)
    assert sum(len(list(where.iterdir())) for where in (folder, golden)) == 2 * len([*arrays, *TABLES, "manifest"])
    for name in arrays:
        wanted = part_file(golden, name)
        assert (folder / wanted.name).read_bytes() == wanted.read_bytes()
    for name in TABLES:
        assert pq.read_table(part_file(folder, name)).equals(pq.read_table(part_file(golden, name)))
    manifests = [json.loads((where / "manifest.json").read_bytes()) for where in (folder, golden)]
    for manifest in manifests:
        del manifest["sha256"]
        for name in TABLES:
            for key in ("file", "bytes", "sha256"):
                del manifest["parts"][name][key]
    assert json.dumps(manifests[0]) == json.dumps(manifests[1])  # the order of keys too


@pytest.mark.parametrize(
    ("golden", "minor"),
    [(GOLDEN, 0), (GOLDEN_WHOLE, 1), (GOLDEN_ADDED, 2), (GOLDEN_ENCODED, 3), (GOLDEN_VECTORS, 4)],
)
def test_golden_index_loads(golden: Path, minor: int) -> None:
    """An index that holds nothing of 1.1 stays one of 1.0, which a reader of 1.0 takes; likewise those that follow."""
    index, thumbnails, images, names = read_all(golden, verify=True)
    assert json.loads((golden / "manifest.json").read_bytes())["version"] == {"major": 1, "minor": minor}
    everything = ("relevance", "histogram", "labels", "scores", "atlas", "encodings", "relevance_vectors")
    assert index.held == everything[: (0, 1, 5, 6, 7)[minor]]
    assert index.recipe == tiny().recipe
    assert index.means[0].tolist() == np.array([0.6, 0.8, 0], np.float16).tolist()
    assert (thumbnails.get(2), images.names[2], names[2]) == (b"third", "ç.png", "zebra")


def test_component_table_says_what_the_arrays_say(folder: Path) -> None:
    assert pq.read_table(part_file(folder, "components")).to_pylist()[1:] == [
        {"row": 1, "layer": "layer1", "unit": 1, "kind": "channels", "name": None}
        | {"valid": 0, "fired": 0, "nan": 0, "dead": True, "strongest": 0.0},
        {"row": 2, "layer": "fc", "unit": 0, "kind": "channels", "name": "zebra"}
        | {"valid": 1, "fired": 1, "nan": 2, "dead": False, "strongest": 0.5},
    ]


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_WHOLE, GOLDEN_ADDED, GOLDEN_ENCODED, GOLDEN_VECTORS])
def test_the_reader_in_the_format_page_reads_an_index(golden: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/index-format.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    page: dict[str, Any] = {}
    exec(code[1], page)
    manifest, arrays = page["read_index"](golden)
    assert manifest["recipe"]["k"] == 2
    if golden in (GOLDEN_ENCODED, GOLDEN_VECTORS):
        effect, z = page["responses"](manifest, arrays, np.array([1.0, 0, 0]))
        k = np.linalg.inv(np.eye(3) / 3 - 1 / 9 + 0.3 * 2 / 9 * np.eye(3))
        np.testing.assert_allclose(effect, arrays["encodings"]["cross"] @ k[0], atol=1e-9)
        np.testing.assert_allclose(z[3], np.sqrt(3), rtol=1e-6)  # y is the axis itself, standardised
        assert (effect[2], z[2]) == (0, 0)
    if golden in (GOLDEN_ADDED, GOLDEN_ENCODED, GOLDEN_VECTORS):
        assert arrays["labels"]["q_value"].tolist() == [0.02, 1, 0.3]
        assert arrays["histogram"]["counts"][0, [64, 97, 99]].tolist() == [1, 1, 1]
        assert page["label_of"](manifest, arrays, 0) == "ç"
        assert [page["label_of"](manifest, arrays, row) for row in (1, 2)] == [None, None]
    if golden != GOLDEN:
        assert manifest["relevance"]["classes"] == [4, 0, 2]
        assert arrays["relevance"]["positive"][:, 0].tolist() == [0.375, 0.375, 1]
    assert arrays["vectors"]["boxes"].tolist() == tiny().boxes.tolist()
    assert page["nearest"](golden, np.array([0, 0, 1], np.float32), top=2) == [("fc", 0, 1.0), ("layer1", 0, 0.0)]


def test_the_format_page_lists_every_tensor_and_column() -> None:
    page = (ROOT / "docs/index-format.md").read_text(encoding="utf-8")
    for name in (*ARRAYS, *LATER, *ADDED, *ENCODED, *VECTORS):
        assert f"| {name}" in page or f", {name}" in page
        for tensor in load_file(part_file(GOLDEN_VECTORS, name)):
            assert f"`{tensor}`" in page
    for name in TABLES:
        for column in pq.read_schema(part_file(GOLDEN_WHOLE, name)).names:
            assert f"`{column}`" in page
    manifest = json.loads((GOLDEN_VECTORS / "manifest.json").read_bytes())
    for addition in ("relevance", "labels", "scores", "atlas", "encodings", "relevance_vectors"):
        for key in manifest[addition]:
            assert f"`{key}`" in page


def test_text_that_is_no_unicode_is_saved_with_question_marks(tmp_path: Path) -> None:
    index = tiny()
    recipe = replace(index.recipe, images=replace(index.recipe.images, source="caf\udce9"))
    table = replace(index.images, names=("caf\udce9", "b", "c", "d"))
    replace(index, recipe=recipe, read_images=lambda: table).save(tmp_path / "i")
    loaded = load_index(tmp_path / "i")
    assert (loaded.recipe.images.source, loaded.images.names[0]) == ("caf?", "caf?")


def test_an_index_without_components_round_trips(tmp_path: Path) -> None:
    made = tiny()
    arrays = [name for part in ("examples", "means", "vectors") for name in PARTS[part].tensors]
    none: dict[str, Any] = {name: getattr(made, name)[:0] for name in arrays}
    none |= {"read_unit_names": tuple, "read_thumbnails": lambda: Thumbnails.pack([])}
    replace(made, layers=(), **none).save(tmp_path / "i")
    index, thumbnails, _, names = read_all(tmp_path / "i", verify=True)
    assert (index.means.shape, len(thumbnails), names) == ((0, 3), 0, ())


def test_a_wrong_index_is_not_saved(tmp_path: Path) -> None:
    index, right = tiny(), whole().relevance
    assert right
    twice, beyond = replace(right, classes=(0, 4, 4)), replace(right, ids=right.ids + 2)
    for wrong, words in [
        (replace(index, sources=np.array([2, 0, 4], np.int32)), "sources points outside of 0 to 3"),
        (replace(index, means=np.full((3, 3), np.nan, np.float16)), "means holds a value that is not finite"),
        (replace(whole(), read_additions={ClassRelevance: lambda: twice}), "the classes are not distinct"),
        (replace(whole(), read_additions={ClassRelevance: lambda: beyond}), "ids points outside of 0 to 3"),
    ]:
        with pytest.raises(ValueError, match=words):
            wrong.save(tmp_path / "i")
    assert not (tmp_path / "i").exists()


def test_an_index_is_read_without_torch_and_searched_without_pyarrow() -> None:
    script = "import sys, semlens.index; index = semlens.index.load_index(sys.argv[1]); index.images, index.unit_names"
    script += "; print('torch' in sys.modules, 'pyarrow' in sys.modules)"
    assert run(script, GOLDEN) == "False False\n"


def test_an_index_without_relevance_has_none() -> None:
    assert tiny().relevance is None


@pytest.mark.parametrize("saved", [False, True])
def test_relevance_by_class(tmp_path: Path, saved: bool) -> None:
    """Worked by hand: layer1:1 has -1/2 and 3/4 on the two images of the zebra."""
    index = whole()
    if saved:
        index.save(tmp_path / "i")
        index = load_index(tmp_path / "i", verify=True)
    relevance, made = index.relevance, tiny_relevance()
    assert relevance
    assert relevance.of_class("zebra").tolist() == relevance.of_class(4).tolist() == [0.375, 0.125, 1]
    assert relevance.of_class("0").tolist() == [-1, 0, 0]
    assert np.isnan(relevance.of_class("çat")).all()
    assert relevance.positive[:, 0].tolist() == [0.375, 0.375, 1]
    assert relevance.negative[:, 0].tolist() == [0, 0.25, 0]
    assert relevance.frequency[:, :2].tolist() == [[1, 0], [0.5, 0], [1, 0]]
    assert (relevance.method, relevance.parameters) == ("epsilon_plus_flat", {"epsilon": 1e-6, "signed": True})
    assert (relevance.of, relevance.top, relevance.counts.tolist()) == ("label", 20, [2, 1, 0])
    assert (relevance.classes, relevance.class_names) == ((4, 0, 2), ("zebra", "", "çat"))
    np.testing.assert_array_equal(relevance.ids, made.ids)
    np.testing.assert_array_equal(relevance.shares, made.shares)


def test_relevance_added_to_an_index_leaves_its_parts_alone(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    old = before.pop("manifest.json")
    load_index(folder).with_relevance(tiny_relevance()).save(folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.pop("manifest.json") != old
    assert {name for name in after if name not in before} == {part_file(folder, name).name for name in LATER}
    assert {name: after[name] for name in before} == before
    load_index(folder).save(folder)
    assert {path.name for path in folder.iterdir()} == {*after, "manifest.json"}


@pytest.mark.parametrize(
    ("name", "made", "parts"),
    [
        ("histogram", tiny_histogram(), ADDED[:1]),
        ("labels", tiny_labels(), ADDED[1:4]),
        ("scores", tiny_scores(), ADDED[4:6]),
        ("atlas", tiny_atlas(), ADDED[6:]),
        ("encodings", tiny_encodings(), ENCODED),
        ("relevance_vectors", tiny_vectors(), VECTORS),
    ],
)
def test_an_addition_comes_back_and_leaves_all_else_alone(
    folder: Path, name: str, made: Addition, parts: tuple[str, ...]
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    load_index(folder).add(made, folder)
    index = load_index(folder, verify=True)
    assert index.held == (name,)
    same(getattr(index, name), made)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path for path in after if path not in before} == {part_file(folder, part).name for part in parts}
    del before["manifest.json"]
    assert {path: after[path] for path in before} == before
    assert json.loads(after["manifest.json"])["version"]["minor"] == {ENCODED: 3, VECTORS: 4}.get(parts, 2)
    index.save(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == after


def same(found: object, made: object) -> None:
    """Records are equal, arrays to the bit."""
    assert type(found) is type(made)
    for name, value in vars(made).items():
        mine = getattr(found, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(mine, value, strict=True)
        elif is_dataclass(value) and any(isinstance(one, np.ndarray) for one in vars(value).values()):
            same(mine, value)
        else:
            assert mine == value


def test_additions_are_added_one_by_one(tmp_path: Path, folder: Path) -> None:
    """The order is of no account, nor is relevance forgotten, nor what is put in another's place left behind."""
    load_index(folder).with_relevance(tiny_relevance()).save(folder)
    other = replace(tiny_atlas(), labels=("one", "two"), fits=np.array([0.5, 0.25], np.float32))
    for addition in (other, tiny_scores(), tiny_atlas(), tiny_labels(), tiny_histogram()):
        load_index(folder).add(addition, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".parquet"} == {
        path.name: path.read_bytes() for path in whole_folder(tmp_path).iterdir() if path.suffix != ".parquet"
    }


def whole_folder(tmp_path: Path) -> Path:
    added().save(tmp_path / "added")
    return tmp_path / "added"


def test_an_index_of_a_newer_version_is_not_added_to(folder: Path) -> None:
    index = load_index(folder)
    forge(folder, lambda manifest: manifest["version"].update(minor=5))
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(SemlensError, match="is of a newer version: nothing was added"):
        index.add(tiny_scores(), folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_a_wrong_addition_is_not_added(folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    dead = replace(
        tiny_atlas(), cluster=np.array([0, 1, 0], np.int32), x=np.ones(3, np.float32), y=np.ones(3, np.float32)
    )
    with pytest.raises(SemlensError, match="the atlas cannot stand beside this index: cluster holds a dead component"):
        load_index(folder).add(dead, folder)
    with pytest.raises(SemlensError, match="the histogram cannot stand beside this index: counts holds"):
        load_index(folder).add(Histogram(tiny_histogram().counts * 2), folder)
    with pytest.raises(ValueError, match="false-discovery rate"):
        replace(tiny_labels().recipe, fdr=1.0)
    with pytest.raises(ValueError, match="the atlas goes by 'auto'"):
        replace(tiny_atlas().recipe, by="auto")
    with pytest.raises(ValueError, match="drawing of the atlas is 'x'"):
        replace(tiny_atlas().recipe, drawing="x")
    assert {path.name for path in folder.iterdir()} == before


def test_relevance_is_read_when_first_asked_for(folder: Path) -> None:
    load_index(folder).with_relevance(tiny_relevance()).save(folder)
    index = load_index(folder)
    part_file(folder, "relevance").write_bytes(b"")
    assert index.means.shape == load_index(GOLDEN).means.shape
    with pytest.raises(SemlensError, match=r"relevance-.* cannot be used: it has 0 bytes"):
        index.relevance


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_fingerprint": "f"}, "not of this index's model:"),
        ({"preprocess": "resize"}, "not of this index's model:"),
        ({"images_fingerprint": "f"}, "not of this index's images:"),
        ({"count": 5}, "not of this index's images:"),
    ],
)
def test_relevance_of_something_else_is_refused(change: dict[str, Any], words: str) -> None:
    relevance = tiny_relevance()
    with pytest.raises(SemlensError, match=words):
        tiny().with_relevance(replace(relevance, origin=replace(relevance.origin, **change)))


def test_relevance_of_other_layers_is_refused_and_of_moved_images_taken() -> None:
    relevance = tiny_relevance()
    other = (LayerAxis("layer2", "channels", 0, 2), relevance.layers[1])
    with pytest.raises(SemlensError, match="not of this index's layers: compute it as the index was built"):
        tiny().with_relevance(replace(relevance, layers=other))
    moved = replace(relevance, origin=replace(relevance.origin, images="elsewhere", model="the same by another name"))
    assert tiny().with_relevance(moved).relevance is not None


def test_an_index_with_relevance_can_be_pickled_for_workers(folder: Path) -> None:
    copy = pickle.loads(pickle.dumps(load_index(folder).with_relevance(tiny_relevance())))
    assert copy.relevance.of_class("zebra").tolist() == [0.375, 0.125, 1]


def test_levels_are_read_off_the_images_kept() -> None:
    """Five images 1, 3, 5, 7, 9 with y = 4, 0, 1, 1, 9 in row 0; of equal ones the lower id; row 2 has no encoding."""
    made, y = tiny_encodings(), np.array([[4, 0, 1, 1, 9]] * 5, np.float16)
    ids = np.array([1, 3, 5, 7, 9], np.int32)
    five = replace(made, ids=ids, groups=ids, embeddings=np.eye(5, 3, dtype=np.float16), activations=y)
    none = replace(made, ids=ids[:0], groups=ids[:0], embeddings=made.embeddings[:0], activations=y[:, :0])
    assert five.level_ids()[[0, 2]].tolist() == [[7, 9, 9], [MISSING] * 3]
    assert five.level_ids([0], (0.0, 0.25, 0.5)).tolist() == [[3, 5, 7]]
    assert none.level_ids(slice(0, 1)).tolist() == [[MISSING] * 3]
    with pytest.raises(SemlensError, match="levels are quantiles from 0 to 1, not 0.5, 90.0"):
        five.level_ids(levels=(0.5, 90.0))


def test_thumbnails_of_images_kept_are_found_by_id() -> None:
    assert [tiny_encodings().thumbnail(image) for image in (0, 1, 2, 3)] == [b"fourth", b"", b"", b""]
