"""Folders and tables as exports and other programs leave them: nothing is read wrongly, or left out unsaid."""

import json
import unicodedata
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semlens.errors import SemlensError
from semlens.images import ImageSet, ImagesWarning, UnreadableImage, load_images, match_labels

NAMES = ("a.png", "b.png", "c.png")
LABELS = ("cat", "dog", "cat")
ROWS = "".join(f"{name},{label}\n" for name, label in zip(NAMES, LABELS, strict=True))
RECORDS = [{"image": name, "label": label} for name, label in zip(NAMES, LABELS, strict=True)]


def pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (number, 0, 0)).save(folder / name, "PNG")
    return folder


def quietly(source: Any) -> ImageSet:
    """What is loaded, of which nothing is left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ImagesWarning)
        return load_images(source)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "sep=;\r\nimage;label\r\n" + ROWS.replace(",", ";")),
        ("t.csv", "# exported in 2020, by us\n\n# twice\nimage,label\n" + ROWS),
        ("t.csv", "\n#image,label\n" + ROWS),
        ("t.csv", "# exported, by us\nshot,kind\n" + ROWS),
        ("t.csv", 'image,note,label\n"a.png","two\nlines, here",cat\nb.png,,dog\nc.png,"",cat\n'),
        ("t.json", json.dumps(dict(zip(NAMES, LABELS, strict=True)))),
        ("t.json", json.dumps({"version": 1, "data": RECORDS})),
        ("t.json", json.dumps({"image": NAMES, "label": LABELS}, indent=1)),
        ("t.json", "\n".join(map(json.dumps, RECORDS))),
        ("t.json", "\n".join(json.dumps({"shot": row["image"], "kind": row["label"]}) for row in RECORDS)),
    ],
)  # fmt: skip
def test_a_table_begins_where_its_rows_do(tmp_path: Path, name: str, content: str) -> None:
    (pictures(tmp_path, *NAMES) / name).write_text(content, newline="")
    images = quietly(tmp_path / name)
    assert images.labels == LABELS
    assert [images.load(id).getpixel((0, 0)) for id in range(3)] == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]


def test_a_line_that_is_too_long_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    (pictures(tmp_path, *NAMES) / "t.csv").write_text("sep=,\n# x\nimage,label\na.png,cat\nb.png,dog,3\n")
    with pytest.raises(SemlensError, match=r"line 5 of .* has 3 cells, and there are 2 columns"):
        load_images(tmp_path / "t.csv")


def test_labels_with_their_images_and_columns_that_differ_in_length(tmp_path: Path) -> None:
    table = pictures(tmp_path, *NAMES) / "t.json"
    table.write_text(json.dumps({"cat": ["a.png", "c.png"], "dog": ["b.png"]}))
    images = quietly(table)
    assert (images.names, images.labels) == (("a.png", "c.png", "b.png"), ("cat", "cat", "dog"))
    table.write_text(json.dumps({"image": ["a.png", "b.png"], "label": ["cat"]}))
    with pytest.raises(SemlensError, match="has columns of different lengths"):
        load_images(table)
    for odd in ({"image": ["a.png"], "of": 3}, {}, 3):
        table.write_text(json.dumps(odd))
        with pytest.raises(SemlensError, match=r"is no table|has no rows"):
            load_images(table)


def test_accents_are_one_however_they_are_written(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "bär.png")
    (pictures(tmp_path, apart) / "t.csv").write_text("image,label\nbär.png,Öl\n", "utf-8")
    images = quietly(tmp_path / "t.csv")
    assert images.load(0).size == (6, 4)
    assert match_labels(images.labels, [unicodedata.normalize("NFD", "Öl")]).matched == 1


def test_rows_of_one_file_are_counted(tmp_path: Path) -> None:
    (pictures(tmp_path, *NAMES) / "t.csv").write_text("image,label\n" + ROWS + "b.png,cat\nb.png,cow\n,cat\n,dog\n")
    with pytest.warns(ImagesWarning, match=r"2 of 7 images are files that are named before, as b\.png: each counts"):
        assert len(load_images(tmp_path / "t.csv")) == 7


@pytest.mark.parametrize(
    ("names", "labels", "note"),
    [
        (("fold1/cat/a.png", "fold2/dog/b.png", "fold_10/cat/c.png"), ("cat", "dog", "cat"), "fold1 and fold2"),
        (("data2020/cat/a.png", "data2020/dog/b.png"), ("cat", "dog"), "below data2020"),
        (("zip/train/cat/a.png", "zip/val/dog/b.png"), ("cat", "dog"), "below train and val"),
        (("cat/one/a.png", "cat/b.png"), ("cat", "cat"), ""),
        (("cat/train/a.png", "dog/val/b.png"), ("cat", "dog"), ""),
        (("mask/a.png", "no mask/b.png"), ("mask", "no mask"), ""),
    ],
)  # fmt: skip
def test_which_folders_are_labels(tmp_path: Path, names: tuple[str, ...], labels: tuple[str, ...], note: str) -> None:
    images = quietly(pictures(tmp_path, *names))
    found = dict(zip(images.names, images.labels, strict=True))
    assert [found[name] for name in names] == list(labels)
    assert note in " ".join(images.notes)


def test_masks_copies_of_systems_and_volumes(tmp_path: Path) -> None:
    pictures(tmp_path / "a", "images/1.png", "images/2.png", "masks/1_mask.png", "masks/2.png")
    with pytest.warns(
        ImagesWarning, match="2 images may be masks that are drawn over others, as masks/1_mask.png: give"
    ):
        assert set(load_images(tmp_path / "a").labels) == {None}
    pictures(tmp_path / "b", "cat/1.png", "dog/2.png", "__MACOSX/cat/1.png", "cat/@eaDir/1.png/SYNO_THUMB.png")
    assert quietly(tmp_path / "b").names == ("cat/1.png", "dog/2.png")
    (pictures(tmp_path / "c", "1.png") / "brain.nii.gz").write_bytes(b"\x1f\x8b")
    with pytest.warns(ImagesWarning, match=r"\(1 \.nii\.gz\); save the slices of volumes as pictures$"):
        load_images(tmp_path / "c")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("s3://bucket/photos", "is an address, not a folder or table: fetch the images and pass their folder"),
        ("file:///data/photos", "is an address, not a folder or table: write its path"),
        ("photos/*.jpg", "is a pattern, which is not expanded: pass the folder, photos"),
    ],
)
def test_what_is_no_path_leads_somewhere(source: str, sentence: str) -> None:
    with pytest.raises(SemlensError, match=sentence):
        load_images(source)


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pictures(tmp_path, "photos/a.png")))
    assert quietly("~/photos").names == ("a.png",)


def test_a_name_with_another_ending_is_told_where_it_is(tmp_path: Path) -> None:
    (pictures(tmp_path, "deep/a.png") / "t.csv").write_text("image\na.jpg\n")
    with pytest.raises(SemlensError, match=r"looked for .*a\.jpg, .*, where deep/a\.png is$"):
        load_images(tmp_path / "t.csv")


def test_dicom_without_picture_with_several_and_by_number(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    for number, count in ((0, 1), (1, 3), (2, 0)):
        dicom(pydicom, tmp_path / f"{number}.dcm", count)
    with pytest.warns(ImagesWarning, match="1 of 3 files .* hold several pictures, frames or slices, as 1.dcm"):
        images = load_images(tmp_path)
    assert np.asarray(images.load(1)).std() > 0
    with pytest.raises(UnreadableImage, match="it is DICOM without a picture, as a directory or a report is"):
        images.load(2)
    (tmp_path / "t.csv").write_text("dicom_id,Target\n0,1\n0,0\n".replace("0,0", "2,0"))
    assert quietly(tmp_path / "t.csv").labels == ("1", "0")  # found without their suffix


def dicom(pydicom: Any, path: Path, count: int) -> None:
    """A CT slice, several in one file, or a file without any."""
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = pydicom.uid.ExplicitVRLittleEndian, "1.2.3"
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    made = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    made.Modality = "CT"
    if count:
        made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 4, 6, 1, "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = 16
        made.HighBit, made.PixelRepresentation, made.NumberOfFrames = 15, 1, count
        made.PixelData = np.arange(-12, 24 * count - 12, dtype=np.int16).tobytes()
    made.save_as(path, enforce_file_format=True)
