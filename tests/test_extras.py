"""What works without the extras, in a process that cannot import their packages; and what the rest asks for."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import semlens as sl
from semlens.errors import SemlensError
from semlens.images import load_images
from tests.tiny_index import (
    GOLDEN,
    GOLDEN_ADDED,
    GOLDEN_WHOLE,
    ROOT,
    TABLES,
    added,
    part_file,
    read_all,
    run,
    tiny,
    tiny_atlas,
)

pytestmark = pytest.mark.slow

EXTRAS = (
    *("torch", "torchvision", "timm", "einops", "transformers", "open_clip", "datasets", "umap"),
    *("pyarrow", "numkong", "starlette", "uvicorn", "pandas", "polars", "matplotlib", "anywidget"),
    *("pillow_heif", "pydicom"),
)
HIDDEN = f"import sys\nsys.modules.update(dict.fromkeys({EXTRAS!r}))\n"

SEARCHED = """
import sys
import numpy as np
import semlens as sl
from semlens.analysis.probe import Probes
index = sl.load_index(sys.argv[1], verify=True)
probes = Probes(("a", "b"), np.eye(3, dtype=np.float32)[:2], np.zeros((2, 3), np.float32), index.recipe.foundation)
for hit in sl.search(index, probes, top=2):
    print(hit.probe, hit.component, round(hit.similarity, 4), round(hit.alignment, 4))
print(index.images.names, index.labels.phrases, index.relevance.class_names)
index.save(sys.argv[2])
"""


def test_an_index_is_read_searched_and_saved_by_the_base_alone(tmp_path: Path) -> None:
    alone = run(HIDDEN + SEARCHED, GOLDEN_ADDED, tmp_path / "alone")
    assert alone == run(SEARCHED, GOLDEN_ADDED, tmp_path / "whole")
    assert alone.startswith("a layer1:0 0.6002 0.6002\na fc:0 0.0 0.0\nb layer1:0 0.7999 0.7999\n")
    for path in (tmp_path / "whole").glob("*.safetensors"):
        assert (tmp_path / "alone" / path.name).read_bytes() == path.read_bytes()


@pytest.fixture
def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)


def test_without_pyarrow_two_empty_parts_stand_for_the_tables(tmp_path: Path, without_pyarrow: None) -> None:
    """docs/index-format.md, "Tables": the files are as said there, and nothing else differs from the golden index."""
    folder = tmp_path / "i"
    added().save(folder)
    manifest, golden = (json.loads((f / "manifest.json").read_bytes()) for f in (folder, GOLDEN_ADDED))
    for name, rows in zip(TABLES, (3, 4), strict=True):
        file = part_file(folder, name)
        assert file.name == f"{name}-{manifest['parts'][name]['sha256'][:16]}.safetensors"
        assert file.read_bytes() == b"\x08" + bytes(7) + b"{}      "
        assert (manifest["parts"][name]["rows"], manifest["parts"][name]["tensors"]) == (rows, {})
        del manifest["parts"][name], golden["parts"][name]
    del manifest["sha256"], golden["sha256"]
    assert manifest == golden
    index, thumbnails, images, names = read_all(folder, verify=True)
    assert index.held == ("relevance", "histogram", "labels", "scores", "atlas")
    assert (thumbnails.get(0), images, names) == (b"first", tiny().images, (None, None, "zebra"))


def test_the_tables_come_back_when_it_is_saved_with_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "i"
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        tiny().save(folder)
        sl.load_index(folder).add(tiny_atlas(), folder)
    sl.load_index(folder).add(tiny_atlas(), folder)  # adding leaves the parts that are there
    assert {part_file(folder, name).suffix for name in TABLES} == {".safetensors"}
    sl.load_index(folder).save(folder)
    for name in TABLES:
        assert pq.read_table(part_file(folder, name)).equals(pq.read_table(part_file(GOLDEN, name)))
        assert len(list(folder.glob(f"{name}-*"))) == 1


@pytest.mark.parametrize("golden", [GOLDEN, GOLDEN_WHOLE, GOLDEN_ADDED])
def test_an_index_with_tables_is_read_without_pyarrow(golden: Path, without_pyarrow: None) -> None:
    assert read_all(golden, verify=True)[2] == tiny().images


def test_a_table_of_images_asks_for_pyarrow(tmp_path: Path, without_pyarrow: None) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(SemlensError, match=r"pyarrow is not installed: pip install 'semlens\[parquet\]'"):
        load_images(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("serve", "INDEX"), "uvicorn is not installed: pip install 'semlens[app]'"),
        (
            ("search", "INDEX", "a stripe"),
            "a new text or image needs the foundation model offline:conse, and torch is not installed: "
            "pip install 'semlens[offline]'",
        ),
        (("info", "INDEX"), "offline:conse"),
    ],
)
def test_what_the_base_cannot_do_is_one_sentence(tmp_path: Path, command: tuple[str, ...], words: str) -> None:
    made = tiny()
    recipe = replace(made.recipe, foundation=replace(made.recipe.foundation, name="offline:conse"))
    replace(made, recipe=recipe).save(tmp_path / "i")
    script = HIDDEN + "sys.stderr = sys.stdout\nfrom semlens.cli import main\n"
    script += "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
    said = run(script, *(str(tmp_path / "i") if word == "INDEX" else word for word in command))
    assert words in said
    if command[0] != "info":
        assert said == f"semlens: {words}\n2\n"


def test_each_extra_that_a_sentence_names_is_one() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    everything = extras["all"][0].removeprefix("semlens[").removesuffix("]").split(",")
    assert set(everything) == set(extras) - {"all", "dev"}
    named = "torch clip transformers offline datasets formats notebook umap manifold parquet fast app ray"
    assert set(everything) == set(named.split())
