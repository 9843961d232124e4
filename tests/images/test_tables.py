"""Tables as people have them: which column is taken, which file a name means, and that no label is lost."""

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from semlens.errors import SemlensError
from semlens.images import ImagesWarning, load_images

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A red picture a.jpg and a blue one b.jpg."""
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (8, 6), colour).save(tmp_path / f"{name}.jpg", quality=100, subsampling=0)
    return tmp_path


def colours(images: Any) -> list[str]:
    """Which of red and blue each image is."""
    seen = [np.asarray(images.load(id)).mean((0, 1)) for id in range(len(images))]
    return ["red" if red > blue else "blue" for red, _, blue in seen]


def text(folder: Path, content: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_text(content, encoding=encoding)
    return folder / name


SPELLINGS = {
    "plain": ("t.csv", "path,label\na.jpg,cat\nb.jpg,dog\n"),
    "spaces": ("t.csv", "path, label\na.jpg, cat\n b.jpg , dog \n"),
    "semicolons": ("t.csv", "path;label\na.jpg;cat\nb.jpg;dog\n"),
    "tabs": ("t.tsv", "path\tlabel\na.jpg\tcat\nb.jpg\tdog\n"),
    "bars": ("t.txt", "path|label\na.jpg|cat\nb.jpg|dog\n"),
    "quotes": ("t.csv", '"path", "label"\n"a.jpg", "cat"\n"b.jpg", "dog"\n\n'),
    "byte order mark": ("t.csv", "\ufeffpath,label\r\na.jpg,cat\r\nb.jpg,dog\r\n"),
    "another column": ("t.csv", "img_path,target,fold\na.jpg,cat,1\nb.jpg,dog,2\n"),
    "another case": ("t.csv", "Image Path,Class Name\na.jpg,cat\nb.jpg,dog\n"),
    "the only two": ("t.csv", "shot,animal\na.jpg,cat\nb.jpg,dog\n"),
    "no header": ("t.csv", "a.jpg,cat\nb.jpg,dog\n"),
    "no header, spaces": ("t.txt", "a.jpg cat\nb.jpg dog\n"),
    "names without suffix": ("t.csv", "image_id,dx\na,cat\nb,dog\n"),
    "another machine": ("t.csv", "file,label\n/data/x/a.jpg,cat\nC:\\y\\b.jpg,dog\n"),
    "a column for each class": ("t.csv", "image,cat,dog\na,1.0,0.0\nb,0.0,1.0\n"),
    "cells left empty": ("t.csv", "path,label,,\na.jpg,cat,,\nb.jpg,dog,,\n"),
    "JSON lines": ("t.jsonl", '{"file_name": "a.jpg", "label": "cat"}\n{"label": "dog", "file_name": "b.jpg"}\n'),
    "JSON lines called JSON": ("t.json", '{"path": "a.jpg", "label": "cat"}\n{"path": "b.jpg", "label": "dog"}\n'),
    "JSON": ("t.json", '[{"path": "a.jpg", "label": "cat"},\n {"path": "b.jpg", "label": "dog"}]'),
    "JSON of columns": ("t.json", '{"path": ["a.jpg", "b.jpg"], "label": ["cat", "dog"]}'),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_table_is_read_however_it_is_written(photos: Path, spelling: str) -> None:
    name, content = SPELLINGS[spelling]
    images = load_images(text(photos, content, name))
    assert images.labels == ("cat", "dog")
    assert colours(images) == ["red", "blue"]


def test_a_table_of_a_spreadsheet_is_read(photos: Path) -> None:
    images = load_images(text(photos, "path\tlabel\na.jpg\tcät\nb.jpg\tdog\n", "t.csv", "utf-16"))
    assert images.labels == ("cät", "dog")
    with pytest.raises(SemlensError, match=r"cannot read the table .*: it is not text in UTF-8: save it as such"):
        load_images(text(photos, "path,label\na.jpg,cät\n", "t.csv", "latin-1"))


def test_names_seen_from_inside_with_backslashes_and_in_another_case(photos: Path) -> None:
    (photos / "train").mkdir()
    for name in ("a", "b"):
        (photos / f"{name}.jpg").rename(photos / "train" / f"{name}.jpg")
    for names in (["train/a.jpg", "train/b.jpg"], ["train\\a.jpg", "train\\b.jpg"], ["TRAIN/A.JPG", "x/train/b"]):
        assert colours(load_images(text(photos, "\n".join(["path", *names])))) == ["red", "blue"]
    inside = text(photos / "train", "path\ntrain/a.jpg\ntrain/b.jpg\n")
    images = load_images(inside)
    assert images.names == ("train/a.jpg", "train/b.jpg")
    assert images.notes[-1] == "2 of 2 names lead to a file otherwise than written: train/a.jpg is a.jpg"


def test_a_file_of_the_same_name_elsewhere_is_not_taken(photos: Path) -> None:
    (photos / "train").mkdir()
    (photos / "a.jpg").rename(photos / "train" / "a.jpg")
    with pytest.raises(SemlensError, match=r"none of the 1 files in .* exists: looked for .*val/a.jpg, in images/"):
        load_images(text(photos, "path\nval/a.jpg\n"))
    (photos / "val").mkdir()
    (photos / "b.jpg").rename(photos / "val" / "a.jpg")
    with pytest.raises(SemlensError, match="none of the 1 files"):
        load_images(text(photos, "path\n/data/a.jpg\n"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("path,label\n", r"t.csv has no rows: its columns are path, label"),
        ("", r"t.csv is empty: a table has a row with the names of its columns"),
        ("path,label\na,b.jpg,cat\n", r"line 2 of .* has 3 cells, and there are 2 columns: put quotes around"),
        ("x,y\na.jpg,b.jpg\n", r"the columns x, y all name images. Say which one has the images: image_column"),
        ("path,path\na.jpg,b.jpg\n", r"several columns called 'path': rename them"),
        ("url,label\nhttps://x.org/a.jpg,cat\n", r"names addresses of a network, as https://x.org/a.jpg: download"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_sentence(photos: Path, content: str, sentence: str) -> None:
    with pytest.raises(SemlensError, match=sentence):
        load_images(text(photos, content))


def test_labels_that_several_columns_may_have_are_asked_for(photos: Path) -> None:
    made = text(photos, "path,sex,site\na.jpg,m,arm\nb.jpg,m,arm\n")
    with pytest.warns(ImagesWarning, match=r"several columns may have them \(sex, site\): say which, label_column"):
        assert load_images(made).labels == (None, None)
    images = load_images(f"{made}?label_column=SITE")
    assert images.labels == ("arm", "arm")
    assert load_images(images.source).fingerprint == images.fingerprint
    with pytest.raises(SemlensError, match="unknown choice 'labels'; nearest: label_column"):
        load_images(f"{made}?labels=site")


VALUES = {
    "integers with a gap": ([1.0, None], ("1", None)),
    "numpy": (list(np.array([1, 0], np.int16)), ("1", "0")),
    "decimals": ([Decimal("1.0"), Decimal(0)], ("1", "0")),
    "bytes": ([b"cat", b"dog"], ("cat", "dog")),
    "lists": ([["cat", "dog"], []], ("cat|dog", None)),
    "lists of numbers": ([[3, 7], [7, 3]], ("3|7", "7|3")),
    "joined": (["cat|dog", "dog"], ("cat|dog", "dog")),
    "fractions": ([0.5, float("nan")], ("0.5", None)),
    "records": ([{"name": "cat"}, {"label": 3}], ("cat", "3")),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("made", [pd.DataFrame, pl.DataFrame, pa.table, "list", "pairs"])
def test_labels_of_every_type_are_kept(photos: Path, kind: str, made: Any) -> None:
    values, expected = VALUES[kind]
    paths = [str(photos / "a.jpg"), str(photos / "b.jpg")]
    if made == "list":
        source: Any = [{"path": path, "label": value} for path, value in zip(paths, values, strict=True)]
    elif made == "pairs":
        source = list(zip(paths, values, strict=True))
    elif kind == "records" and made is not pd.DataFrame:
        pytest.skip("such a column has one type")
    else:
        source = made({"path": paths, "label": values})
    images = load_images(source)
    assert images.labels == expected
    assert colours(images) == ["red", "blue"]


def test_labels_that_a_csv_writes_as_fractions_or_lists(photos: Path) -> None:
    assert load_images(text(photos, "path,label\na.jpg,1.0\nb.jpg,\n")).labels == ("1", None)
    assert load_images(text(photos, "path,label\na.jpg,1.0\nb.jpg,2.5\n")).labels == ("1.0", "2.5")
    listed = text(photos, "path,label\na.jpg,\"['cat', 'dog']\"\nb.jpg,[broken\n")
    assert load_images(listed).labels == ("cat|dog", "[broken")


def test_lists_of_paths_and_of_pictures(photos: Path) -> None:
    paths = [photos / "a.jpg", photos / "b.jpg"]
    assert colours(load_images(paths)) == colours(load_images(list(map(str, paths)))) == ["red", "blue"]
    pictures = [Image.open(path) for path in paths]
    pairs = load_images(list(zip(pictures, ["cat", "dog"], strict=True)))
    frame = load_images(pd.DataFrame({"image": pictures, "label": ["cat", "dog"]}))
    arrays = load_images([np.asarray(picture) for picture in pictures])
    assert pairs.labels == frame.labels == ("cat", "dog")
    assert colours(pairs) == colours(frame) == colours(arrays) == ["red", "blue"]


def test_pictures_inside_parquet_are_read_in_any_order(photos: Path) -> None:
    files = [(photos / f"{name}.jpg").read_bytes() for name in "ab"] * 25
    cells: list[Any] = [{"bytes": data, "path": None} for data in files]
    labels = ["cat", "dog"] * 25
    for name, column in (("struct", cells), ("bytes", files)):
        path = photos / f"{name}.parquet"
        pq.write_table(pa.table({"id": list(range(50)), "image": column, "label": labels}), path, row_group_size=20)
        images = load_images(path)
        assert images.labels == tuple(labels)
        assert colours(images) == ["red", "blue"] * 25
        assert [colours_at(images, id) for id in (49, 3, 20, 19, 48)] == ["blue", "blue", "red", "blue", "red"]


def colours_at(images: Any, id: int) -> str:
    red, _, blue = np.asarray(images.load(id)).mean((0, 1))
    return "red" if red > blue else "blue"


def test_archives_and_what_is_no_table_lead_somewhere(photos: Path) -> None:
    for name, sentence in [
        ("x.tar", r"unpack it \(tar -xf x.tar -C FOLDER\) and pass the folder, or hf:FOLDER"),
        ("x.zip", r"unpack it \(unzip x.zip -d FOLDER\)"),
        ("x.xlsx", "save the sheet as CSV"),
        ("a.jpg", "it is one image, pass its folder"),
    ]:
        (photos / name).touch()
        with pytest.raises(SemlensError, match=sentence):
            load_images(photos / name)
    coco = text(photos, json.dumps({"images": [], "annotations": []}), "coco.json")
    with pytest.raises(SemlensError, match="is in COCO's form, which has labels for boxes"):
        load_images(coco)


def test_folders_that_say_where_images_lie_are_no_labels(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "val/dog/2.png", "val/cat/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    images = load_images(tmp_path)
    assert images.labels == ("cat", "cat", "dog")
    assert images.notes == ("labels are the folders below train and val",)
    assert load_images(tmp_path / "val").labels == ("cat", "dog")
    Image.new("L", (4, 4)).save(tmp_path / "val" / "4.png")
    assert load_images(tmp_path).labels == ("cat", None, "cat", "dog")


def test_files_are_images_by_what_they_hold(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(data, "PNG")
    (tmp_path / "a").write_bytes(data.getvalue())
    (tmp_path / "b.png").write_bytes(data.getvalue())
    (tmp_path / "notes.md").write_text("no picture")
    (tmp_path / "c.svg").write_text("<svg/>")
    (tmp_path / "d.tar").write_bytes(b"x")
    with pytest.warns(ImagesWarning) as told:
        images = load_images(tmp_path)
    assert images.names == ("a", "b.png")
    assert colours(images) == ["red", "red"]
    said = [str(one.message).removeprefix(f"{tmp_path}: ") for one in told]
    assert said == [
        "2 files are left out that may be pictures (1 .svg, 1 .tar); d.tar has to be unpacked first",
        "1 files are read by what they hold, not by their names: a is PNG",
    ]


def test_a_folder_without_images_names_the_table_in_it(photos: Path) -> None:
    (photos / "sub").mkdir()
    text(photos / "sub", "path\na.jpg\n")
    with pytest.raises(SemlensError, match=r"no images in .*sub: pass the table that names them, as t.csv"):
        load_images(photos / "sub")


def test_groups_come_from_a_column_of_any_table(tmp_path: Path) -> None:
    rows = [
        {"path": str(tmp_path / f"{n}.png"), "label": "x", "patient_id": patient}
        for n, patient in enumerate([7, 7, None])
    ]
    for row in rows:
        Image.new("RGB", (8, 8)).save(str(row["path"]))
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    pl.DataFrame(rows).write_parquet(tmp_path / "t.parquet")
    sources: list[Any] = [
        rows,
        pd.DataFrame(rows),
        pl.DataFrame(rows),
        pa.table({k: [r[k] for r in rows] for k in rows[0]}),
    ]
    for source in (
        *sources,
        tmp_path / "t.csv",
        tmp_path / "t.parquet",
        str(tmp_path / "t.csv?group_column=PatientID"),
    ):
        images = load_images(source, group_column=None if "?" in str(source) else "patient_id")
        assert images.groups == ("7", "7", None)
    assert images.source.endswith("group_column=PatientID")
    plain = load_images(tmp_path / "t.csv")
    assert (plain.groups, plain.group_column, plain.fingerprint) == ((), "", images.fingerprint)
    with pytest.raises(SemlensError, match="unknown column 'doctor'"):
        load_images(rows, group_column="doctor")
    with pytest.raises(SemlensError, match="these images come without columns: give a table of them"):
        load_images([row["path"] for row in rows], group_column="patient_id")
