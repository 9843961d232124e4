"""The concept index in memory, its round trip through a folder, and the bytes that the format page promises."""

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from semlens.errors import SemlensError
from semlens.format import LAYOUT
from semlens.index import ConceptIndex, Thumbnails, load_index
from semlens.types import Component, LayerAxis
from tests.tiny_index import ARRAYS, GOLDEN, ROOT, TABLES, part_file, read_all, run, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny().save(tmp_path / "toy.semlens")
    return tmp_path / "toy.semlens"


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


def test_golden_bytes(folder: Path) -> None:
    """Arrays and manifest by their bytes; tables by content, as a Parquet file names the version of its writer."""
    for name in ARRAYS:
        golden = part_file(GOLDEN, name)
        assert (folder / golden.name).read_bytes() == golden.read_bytes()
    for name in TABLES:
        assert pq.read_table(part_file(folder, name)).equals(pq.read_table(part_file(GOLDEN, name)))
    manifests = [json.loads((where / "manifest.json").read_bytes()) for where in (folder, GOLDEN)]
    for manifest in manifests:
        del manifest["sha256"]
        for name in TABLES:
            for key in ("file", "bytes", "sha256"):
                del manifest["parts"][name][key]
    assert json.dumps(manifests[0]) == json.dumps(manifests[1])  # the order of keys too


def test_golden_index_loads() -> None:
    index, thumbnails, images, names = read_all(GOLDEN, verify=True)
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


def test_the_reader_in_the_format_page_reads_an_index(folder: Path) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/index-format.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    page: dict[str, Any] = {}
    exec(code[1], page)
    manifest, arrays = page["read_index"](folder)
    assert manifest["recipe"]["k"] == 2
    assert arrays["vectors"]["boxes"].tolist() == tiny().boxes.tolist()
    assert page["nearest"](folder, np.array([0, 0, 1], np.float32), top=2) == [("fc", 0, 1.0), ("layer1", 0, 0.0)]


def test_the_format_page_lists_every_tensor_and_column(folder: Path) -> None:
    page = (ROOT / "docs/index-format.md").read_text(encoding="utf-8")
    for name in ARRAYS:
        for tensor in load_file(part_file(folder, name)):
            assert f"`{tensor}`" in page
    for name in TABLES:
        for column in pq.read_schema(part_file(folder, name)).names:
            assert f"`{column}`" in page


def test_text_that_is_no_unicode_is_saved_with_question_marks(tmp_path: Path) -> None:
    index = tiny()
    recipe = replace(index.recipe, images=replace(index.recipe.images, source="caf\udce9"))
    table = replace(index.images, names=("caf\udce9", "b", "c", "d"))
    replace(index, recipe=recipe, read_images=lambda: table).save(tmp_path / "i")
    loaded = load_index(tmp_path / "i")
    assert (loaded.recipe.images.source, loaded.images.names[0]) == ("caf?", "caf?")


def test_an_index_without_components_round_trips(tmp_path: Path) -> None:
    made = tiny()
    arrays = [name for part in ("examples", "means", "vectors") for name in LAYOUT[part]]
    none: dict[str, Any] = {name: getattr(made, name)[:0] for name in arrays}
    none |= {"read_unit_names": tuple, "read_thumbnails": lambda: Thumbnails.pack([])}
    replace(made, layers=(), **none).save(tmp_path / "i")
    index, thumbnails, _, names = read_all(tmp_path / "i", verify=True)
    assert (index.means.shape, len(thumbnails), names) == ((0, 3), 0, ())


def test_a_wrong_index_is_not_saved(tmp_path: Path) -> None:
    index = tiny()
    for wrong, words in [
        (replace(index, sources=np.array([2, 0, 4], np.int32)), "sources points outside of 0 to 3"),
        (replace(index, means=np.full((3, 3), np.nan, np.float16)), "means holds a value that is not finite"),
    ]:
        with pytest.raises(ValueError, match=words):
            wrong.save(tmp_path / "i")
    assert not (tmp_path / "i").exists()


def test_an_index_is_read_without_torch_and_searched_without_pyarrow() -> None:
    script = "import sys, semlens.index; index = semlens.index.load_index(sys.argv[1]); index.images, index.unit_names"
    script += "; print('torch' in sys.modules, 'pyarrow' in sys.modules)"
    assert run(script, GOLDEN) == "False False\n"
