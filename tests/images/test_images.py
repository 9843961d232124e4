"""Every way an image can be stored, every place it can lie, and that ids never move."""

import csv
import io
import os
import pickle
import random
import re
import resource
import shutil
import struct
import subprocess
import sys
import zlib
from importlib import import_module
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from semlens.errors import SemlensError
from semlens.images import ImageSet, ImagesWarning, UnreadableImage, like, load_images, loader
from semlens.images.decode import FORMATS
from semlens.images.loader import Batch, batches, default_workers
from semlens.types import Unreadable

COLOURS = {"red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}


def noise(height: int = 4, width: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain(colour: str, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (6, 4), colour).convert(mode)


def pixels(images: ImageSet, id: int = 0) -> np.ndarray:
    image = images.load(id)
    assert (image.mode, image.info) == ("RGB", {})
    return np.asarray(image)


def colour_of(images: ImageSet, id: int = 0) -> tuple[int, ...]:
    colours = images.load(id).getcolors(1)
    assert colours is not None
    ((_, colour),) = colours
    assert isinstance(colour, tuple)
    return colour


def stored(folder: Path, name: str, image: Image.Image, **options) -> ImageSet:
    """The image set of a folder with this one file."""
    image.save(folder / name, **options)
    return load_images(folder)


def problem(images: ImageSet, id: int = 0) -> str:
    with pytest.raises(UnreadableImage) as caught:
        images.load(id)
    assert str(caught.value) == f"cannot read {images.names[id]}: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value.reason


def png_of(width: int, height: int) -> bytes:
    """A PNG file that ends where the pixels would begin: enough to say how large the image is."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + checked + struct.pack(">I", width * height) + b"IDAT"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven images, of which the fourth is broken."""
    for id in range(7):
        Image.fromarray(noise(seed=id)).save(tmp_path / f"{id}.png")
    (tmp_path / "3.png").write_bytes((tmp_path / "3.png").read_bytes()[:60])
    return tmp_path


# --- one image -------------------------------------------------------------------------------------------------------

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.webp", "a.jpg"])
def test_orientation_is_undone(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"lossless": True} if name == "a.webp" else {}
    got = pixels(stored(tmp_path, name, Image.fromarray(noise()), exif=exif, **lossless))
    expected = UPRIGHT[orientation](noise())
    if name == "a.jpg":  # loses pixels, not their places
        with Image.open(tmp_path / name) as image:
            expected = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(UPRIGHT[orientation](np.asarray(Image.open(tmp_path / name))), expected)
    np.testing.assert_array_equal(got, expected)


def test_broken_exif_leaves_a_jpeg_as_it_is(tmp_path):
    images = stored(tmp_path, "a.jpg", plain("white"), exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert colour_of(images) == COLOURS["white"]


@pytest.mark.parametrize("background", ["white", "black", "#ff0000"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_the_background(tmp_path, mode, background):
    grey, alpha = np.full((1, 256), 90, np.uint8), np.arange(256, dtype=np.uint8)[None]
    channels = [grey] * (len(mode) - 1) + [alpha]
    Image.merge(mode, [Image.fromarray(channel) for channel in channels]).save(tmp_path / "a.png")
    ground = np.array({"white": (255,) * 3, "black": (0,) * 3, "#ff0000": (255, 0, 0)}[background])
    share = alpha[0, :, None] / 255
    got = pixels(load_images(tmp_path, background=background))[0]
    np.testing.assert_allclose(got, 90 * share + ground * (1 - share), atol=1)
    assert tuple(got[0]) == tuple(ground)
    assert tuple(got[255]) == (90, 90, 90)


def test_transparent_palette_entry_and_colour_key_show_the_background(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "a.png", transparency=0)
    Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)).save(tmp_path / "b.png", transparency=(1, 2, 3))
    images = load_images(tmp_path, background="blue")
    assert pixels(images, 0).tolist() == [[[0, 0, 255], [40, 50, 60]]]
    assert pixels(images, 1).tolist() == [[[0, 0, 255], [4, 5, 6]]]


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "big-endian.tiff", "a.pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, name):
    values = np.arange(65536).reshape(256, 256)
    if name == "big-endian.tiff":
        image = Image.frombytes("I;16B", (256, 256), values.astype(">u2").tobytes())
    else:
        image = Image.fromarray(values.astype(np.uint16))
    expected = [round(value / 257) for value in range(65536)]
    got = pixels(stored(tmp_path, name, image))
    assert got[..., 0].ravel().tolist() == got[..., 2].ravel().tolist() == expected


def test_float_grey_runs_from_0_to_1(tmp_path):
    values = np.array([[0, 0.2, 0.5, 1]], np.float32)
    assert pixels(stored(tmp_path, "a.tiff", Image.fromarray(values)))[0, :, 1].tolist() == [0, 51, 128, 255]


@pytest.mark.parametrize("values", [[[0, 70000]], [[-1, 9]], [[0.0, 1.5]], [[-0.5, 1.0]], [[np.nan, 1.0]]])
def test_grey_without_a_known_white_is_refused(values):
    array = np.array(values)
    image = Image.fromarray(array.astype(np.float32 if array.dtype.kind == "f" else np.int32))
    assert problem(load_images([image])).startswith("grey from ")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_black_is_black_in_every_mode(mode):
    assert colour_of(load_images([plain("black", mode) if mode != "I;16" else Image.new("I;16", (6, 4))])) == (0, 0, 0)


def test_pillow_images_are_read_like_files_and_stay_as_they_were():
    image = Image.fromarray(np.array([[0, 300, 65535]], np.uint16))
    image.info["icc_profile"] = b"profile"
    images = load_images([image])
    assert pixels(images)[0, :, 0].tolist() == [0, 1, 255]
    assert (image.mode, image.info) == ("I;16", {"icc_profile": b"profile"})
    images.load(0).putpixel((0, 0), (9, 9, 9))
    assert pixels(images)[0, 0].tolist() == [0, 0, 0]


def test_cmyk_jpeg_and_lab_tiff(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg", quality=95)
    Image.new("LAB", (16, 16), (255, 128, 128)).save(tmp_path / "lab.tif")
    images = load_images(tmp_path)
    np.testing.assert_allclose(colour_of(images, 0), COLOURS["red"], atol=3)
    np.testing.assert_allclose(colour_of(images, 1), COLOURS["white"], atol=3)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tiff"])
def test_first_frame_of_an_animation(tmp_path, name):
    lossless = {"lossless": True} if name == "a.webp" else {}
    frames = [plain("blue"), plain("red")]
    with pytest.warns(
        ImagesWarning, match=f"1 of 1 files .* hold several pictures, frames or slices, as {name}: the first"
    ):
        images = stored(tmp_path, name, plain("green"), save_all=True, append_images=frames, **lossless)
    assert colour_of(images) == COLOURS["green"]


def test_two_photographs_in_one_jpeg_as_telephones_store_them(tmp_path):
    images = stored(tmp_path, "a.jpg", plain("white"), format="MPO", save_all=True, append_images=[plain("black")])
    assert colour_of(images) == COLOURS["white"]


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_broken_files_say_what_is_wrong_without_saying_where_they_are(tmp_path):
    Image.fromarray(noise(64, 64)).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no image at all")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "header.png").write_bytes(png_of(5, 5))
    (tmp_path / "postscript.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    reasons = {}
    images = load_images(tmp_path)
    for id, name in enumerate(images.names):
        if name != "whole.jpg":
            reasons[name] = problem(images, id)
    assert reasons["empty.jpg"] == "the file is empty"
    assert reasons["text.jpg"] == reasons["postscript.jpg"]
    assert reasons["text.jpg"] == f"not an image in one of the formats {', '.join(FORMATS)}"
    assert "truncated" in reasons["truncated.jpg"]
    assert len(reasons) == 5
    assert not any(str(tmp_path) in reason or "0x" in reason for reason in reasons.values())


def test_files_that_are_none(tmp_path):
    plain("red").save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    names = ["a.png", "gone.png", "pipe.png", "folder.png", "nul\0.png", ""]
    pq.write_table(pa.table({"path": names}), tmp_path / "t.parquet")
    images = load_images(tmp_path / "t.parquet")
    assert colour_of(images) == COLOURS["red"]
    expected = ["No such file or directory", "not a file", "not a file", "embedded null byte", "not a file"]
    assert [problem(images, id) for id in range(1, 6)] == expected


def test_size_is_checked_in_the_header_before_decoding(tmp_path):
    (tmp_path / "a.png").write_bytes(png_of(9, 9))  # has no pixels: decoding would give another reason
    assert problem(load_images(tmp_path, max_pixels=80)).startswith("it has 9 x 9 pixels, and the limit is 80: raise")
    assert "limit" not in problem(load_images(tmp_path, max_pixels=81))
    assert problem(load_images([plain("red")], max_pixels=23)).startswith(
        "it has 6 x 4 pixels, and the limit is 23: raise"
    )
    assert colour_of(load_images([plain("red")], max_pixels=24)) == COLOURS["red"]


@pytest.mark.parametrize("side", [9_600, 30_000])
def test_a_limit_above_pillows_own_is_ours_alone_and_for_us_alone(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_of(side, side))
    assert re.match(
        rf"it has ({side} x {side}|{side**2}) pixels, and the limit is 89478485", problem(load_images(tmp_path))
    )
    assert "limit" not in problem(load_images(tmp_path, max_pixels=10**9))  # it has no pixels
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def test_ids_are_never_counted_from_the_end(folder):
    images = load_images(folder)
    for id in (-1, 7):
        with pytest.raises(SemlensError, match=f"there is no image {id}: ids run from 0 to 6"):
            images.load(id)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.sampled_from(FORMATS))
def test_no_damage_to_a_file_does_more_than_make_it_unreadable(damage, place, form):
    buffer = io.BytesIO()
    Image.fromarray(noise(16, 16)).save(buffer, form)
    data = bytearray(buffer.getvalue())
    data[place : place + len(damage)] = damage
    images = ImageSet("", ("a",), (None,), "", "white", 10**6, lambda _: bytes(data))
    try:
        outcome = images.load(0).mode
    except UnreadableImage as error:
        outcome = error.reason
    assert outcome == "RGB" or (outcome and "0x" not in outcome)


# --- sources ---------------------------------------------------------------------------------------------------------


def test_folder_is_sorted_by_path_and_labelled_by_sub_folder(tmp_path):
    left_out = [".hidden.png", ".git/x.png"]
    for name in ["b/1.png", "a-b/3.PNG", "a/deep/2.jpg", "a/x.png", "z.png", *left_out]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        plain("red").save(tmp_path / name, "PNG")
    (tmp_path / "a" / "notes.txt").write_text("BM, no picture")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    images = load_images(tmp_path)
    assert images.names == ("a-b/3.PNG", "a/deep/2.jpg", "a/x.png", "b/1.png", "z.png")
    assert images.labels == ("a-b", "a", "a", "b", None)
    assert images.source == str(tmp_path)
    assert repr(images).count("png") == 0


def test_what_is_not_there_names_what_is(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SemlensError, match=r"unknown folder or table 'fotos'; nearest: photos"):
        load_images(tmp_path / "fotos" / "deeper")
    with pytest.raises(SemlensError, match=r"no images in .*photos: a folder is searched for \.jpg .*\.webp"):
        load_images(str(tmp_path / "photos"))
    with pytest.raises(SemlensError, match=r"unknown column 'image'; nearest: x. Say which one has the images"):
        load_images(tmp_path / "notes.txt")
    (tmp_path / "notes.pdf").write_text("x")
    with pytest.raises(SemlensError, match=r"notes.pdf is neither a folder nor a table: pass a folder, or a .csv"):
        load_images(tmp_path / "notes.pdf")
    with pytest.raises(SemlensError, match=r"unknown background 'whit'; nearest: white"):
        load_images(tmp_path / "photos", background="whit")
    Path(os.fsdecode(os.fsencode(tmp_path / "photos") + b"/\xff.png")).touch()
    with pytest.raises(SemlensError, match=r"the file name '\\udcff.png' is not UTF-8: rename it"):
        load_images(tmp_path / "photos")


def table(path: Path, /, **columns: list) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_of_paths(tmp_path, suffix):
    (tmp_path / "images").mkdir()
    (tmp_path / "other").mkdir()
    plain("red").save(tmp_path / "images" / "a.png")
    plain("blue").save(tmp_path / "other" / "b, ü.png")
    made = table(tmp_path / f"t{suffix}", id=[1, 2, 3], File=["other/b, ü.png", "a.png", "c.png"], Label=["x", "", "y"])
    images = load_images(made)
    assert images.names == ("other/b, ü.png", "a.png", "c.png")
    assert images.labels == ("x", None, "y")
    assert [colour_of(images, id) for id in (0, 1)] == [COLOURS["blue"], COLOURS["red"]]
    assert problem(images, 2) == "No such file or directory"
    assert load_images(made, image_column="File", label_column="id").labels == ("1", "2", "3")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_table_mistakes(tmp_path, suffix):
    made = table(tmp_path / f"t{suffix}", shown=["a"], tag=["x"])
    with pytest.raises(SemlensError, match=r"unknown column 'image'; nearest: tag. Say which one has the images"):
        load_images(made)
    with pytest.raises(SemlensError, match=r"unknown column 'tags'; nearest: tag"):
        load_images(made, image_column="shown", label_column="tags")
    with pytest.raises(SemlensError, match=r"none of the 1 files in .* exists"):
        load_images(made, image_column="shown")
    made.write_bytes(b"\xff\xfe\0broken")
    with pytest.raises(SemlensError, match=r"cannot read the table"):
        load_images(made)


def test_list_of_images():
    images = load_images([plain("red"), plain("blue", "L")], background="black")
    assert (images.names, images.labels, len(images)) == (("image 0", "image 1"), (None, None), 2)
    assert colour_of(images) == COLOURS["red"]
    with pytest.raises(SemlensError, match="no images in list of 0 images"):
        load_images([])
    with pytest.raises(SemlensError, match="none of the 1 files in the list exists: looked for .*gone.png"):
        load_images(["gone.png"])
    with pytest.raises(SemlensError, match="a generator has no items by number"):
        load_images(image for image in [plain("red")])


def test_opened_files_do_not_spoil_each_other_in_workers(tmp_path):
    Image.fromarray(noise(300, 300)).save(tmp_path / "a.png")  # longer than the buffer of an open file
    images = load_images([Image.open(tmp_path / "a.png") for _ in range(130)])
    for workers in (1, 1, 0):
        (batch,) = batches(images, [1], np.asarray, batch_size=1, workers=workers)  # 1: not read for the fingerprint
        np.testing.assert_array_equal(batch.items[0], noise(300, 300))


def test_torchvision_data_sets(tmp_path):
    fake = torchvision.datasets.FakeData(size=5, image_size=(3, 8, 8), num_classes=3)
    images = load_images(fake)
    assert images.source == "FakeData of 5 images"
    assert images.labels == tuple(str(int(label)) for _, label in fake)  # which the items alone tell
    np.testing.assert_array_equal(pixels(images, 4), np.asarray(fake[4][0]))
    for name, colour in [("cat/1.png", "red"), ("dog/2.png", "blue")]:
        (tmp_path / name).parent.mkdir()
        plain(colour).save(tmp_path / name)
    (tmp_path / "dog" / "3.png").write_text("broken")
    pets = torchvision.datasets.ImageFolder(tmp_path)
    images = load_images(torch.utils.data.Subset(pets, [2, 1, 0]))
    assert images.labels == ("dog", "dog", "cat")
    assert colour_of(images, 2) == COLOURS["red"]
    assert problem(images, 0) == f"not an image in one of the formats {', '.join(FORMATS)}"
    with pytest.raises(SemlensError, match="item 0 is a Tensor, no image: pass the raw images, without transform"):
        load_images(torchvision.datasets.ImageFolder(tmp_path, transform=lambda _: torch.zeros(3, 4, 4)))


def hugging_face() -> datasets.Dataset:
    features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]))
    shots = [Image.new("RGBA", (6, 4)), plain("red"), None]
    return datasets.Dataset.from_dict({"image": shots, "label": [1, 0, -1]}, features=features)


def test_hugging_face_data_set(tmp_path):
    made = hugging_face()
    for version in (made, made.with_transform(lambda rows: {"image": [torch.zeros(3)] * len(rows["image"])})):
        images = load_images(version, background="blue")
        assert images.labels == ("dog", "cat", None)
        assert [colour_of(images, id) for id in (0, 1)] == [COLOURS["blue"], COLOURS["red"]]
        assert problem(images, 2) == "the data set has no image here"
    assert made[1]["image"].size == (6, 4)  # still decodes for its owner
    with pytest.raises(SemlensError, match="unknown column 'imag'; nearest: image"):
        load_images(made, image_column="imag")


def test_hugging_face_spec(tmp_path):
    datasets.DatasetDict(train=hugging_face(), test=hugging_face().select([1])).save_to_disk(tmp_path / "both")
    hugging_face().save_to_disk(tmp_path / "one")
    images = load_images(f"hf:{tmp_path}/both:test")
    assert (images.source, images.labels) == (f"hf:{tmp_path}/both:test", ("cat",))
    assert colour_of(images) == COLOURS["red"]
    assert load_images(f"hf:{tmp_path}/one").labels == ("dog", "cat", None)
    with pytest.raises(SemlensError, match="unknown split 'tets'; nearest: test"):
        load_images(f"hf:{tmp_path}/both:tets")
    with pytest.raises(SemlensError, match=r"unknown split ''; nearest: train, test. Write hf:.*both:SPLIT"):
        load_images(f"hf:{tmp_path}/both")
    with pytest.raises(SemlensError, match="write hf:PATH or hf:PATH:SPLIT"):
        load_images("hf:")
    with pytest.raises(SemlensError, match="has the splits train, test: pass one of them"):
        load_images(datasets.load_from_disk(tmp_path / "both"))


def test_hugging_face_spec_of_a_folder_of_images(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    for id, colour in enumerate(["red", "green", "blue"]):
        (tmp_path / "photos" / colour).mkdir(parents=True)
        plain(colour).save(tmp_path / "photos" / colour / f"{id}.png")
    images = load_images(f"hf:{tmp_path}/photos:train[1:]")
    assert images.labels == ("green", "red")
    assert [colour_of(images, id) for id in (0, 1)] == [COLOURS[label] for label in images.labels]


# --- fingerprint -----------------------------------------------------------------------------------------------------


def test_fingerprint_is_of_the_images_not_of_their_place(folder, tmp_path_factory):
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("elsewhere") / "copy")
    first = load_images(folder)
    assert first.fingerprint == load_images(copy).fingerprint
    assert len(first.fingerprint) == 64
    seen = {first.fingerprint, load_images(folder, background="black").fingerprint}
    seen.add(load_images(folder, max_pixels=5).fingerprint)
    data = bytearray((copy / "5.png").read_bytes())
    data[-20] ^= 1
    (copy / "5.png").write_bytes(data)
    seen.add(load_images(copy).fingerprint)
    (copy / "6.png").rename(copy / "7.png")
    seen.add(load_images(copy).fingerprint)
    (copy / "7.png").unlink()
    seen.add(load_images(copy).fingerprint)
    assert len(seen) == 6
    assert load_images(folder, background="#FFFFFF").fingerprint == first.fingerprint


def test_fingerprint_covers_labels_and_pixels(tmp_path):
    plain("red").save(tmp_path / "a.png")
    labels = [load_images(table(tmp_path / "t.csv", path=["a.png"], label=[label])).fingerprint for label in "xyx"]
    assert labels[0] == labels[2] != labels[1]
    seen = [load_images([plain(colour)]).fingerprint for colour in ("red", "blue", "red")]
    assert seen[0] == seen[2] != seen[1]
    rows = [load_images(hugging_face().select([id])).fingerprint for id in (0, 1, 0)]
    assert rows[0] == rows[2] != rows[1]


def test_fingerprint_reads_64_files_and_the_size_of_all(tmp_path):
    for id in range(130):
        (tmp_path / f"{id:03}.png").write_bytes(b"00")
    before = load_images(tmp_path).fingerprint
    (tmp_path / "001.png").write_bytes(b"01")  # between two of the sample: the documented gap
    assert load_images(tmp_path).fingerprint == before
    (tmp_path / "001.png").write_bytes(b"000")
    assert load_images(tmp_path).fingerprint != before
    (tmp_path / "001.png").write_bytes(b"00")
    (tmp_path / "002.png").write_bytes(b"01")  # image 1 * 130 // 64
    assert load_images(tmp_path).fingerprint != before


# --- batches ---------------------------------------------------------------------------------------------------------


def to_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))


def listed(images: ImageSet, ids, transform=to_tensor, **how) -> list[Batch]:
    return list(batches(images, ids, transform, **how))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_moves_no_other(folder, workers):
    images = load_images(folder)
    got = listed(images, range(7), batch_size=3, workers=workers)
    assert [batch.ids for batch in got] == [(0, 1, 2), (4, 5), (6,)]
    assert [batch.unreadable for batch in got] == [(), (Unreadable(3, problem(images, 3)),), ()]
    for batch in got:
        for id, item in zip(batch.ids, batch.items, strict=True):
            np.testing.assert_array_equal(item.numpy(), noise(seed=id))


def test_batches_are_the_same_for_any_number_of_workers(folder):
    images = load_images(folder)
    ids = random.Random(0).choices(range(7), k=40)
    for transform in (to_tensor, Image.Image.tobytes, differing):
        one, two = (listed(images, ids, transform, batch_size=4, workers=workers) for workers in (0, 2))
        assert [id for batch in one for id in batch.ids] == [id for id in ids if id != 3]
        assert [(batch.ids, batch.unreadable) for batch in one] == [(batch.ids, batch.unreadable) for batch in two]
        assert [as_lists(batch) for batch in one] == [as_lists(batch) for batch in two]


def differing(image: Image.Image) -> torch.Tensor:
    """Tensors of three shapes and two types, which do not stack."""
    kind = image.tobytes()[0] % 3
    return to_tensor(image)[: kind + 1].to(torch.float32 if kind == 1 else torch.uint8)


def as_lists(batch: Batch) -> list:
    return [(item.dtype, item.tolist()) if isinstance(item, torch.Tensor) else item for item in batch.items]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_of_nothing_but_broken_images(folder, workers):
    (batch,) = listed(load_images(folder), [3, 3], batch_size=2, workers=workers)
    assert (batch.ids, batch.items, [one.id for one in batch.unreadable]) == ((), (), [3, 3])
    assert listed(load_images(folder), [], batch_size=2, workers=workers) == []


def fails_on_wide(image: Image.Image) -> int:
    if image.width == 6:
        raise ArithmeticError("too wide\nby far")
    return 1


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_the_transform_names_the_image(folder, workers):
    Image.fromarray(noise(4, 7)).save(folder / "0.png")
    running = batches(load_images(folder), range(7), fails_on_wide, batch_size=1, workers=workers)
    assert next(running).items == (1,)
    with pytest.raises(SemlensError, match=r"^the transform fails on 1\.png: ArithmeticError: too wide$") as caught:
        next(running)
    assert "in fails_on_wide" in str(caught.value.__cause__)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_mistakes_are_one_sentence(folder, workers):
    with pytest.raises(SemlensError, match=r"^there is no image 7: ids run from 0 to 6$"):
        listed(load_images(folder), [0, 7], batch_size=2, workers=workers)
    with pytest.raises(SemlensError, match="batch_size is 0: at least 1 is needed"):
        batches(load_images(folder), [0], to_tensor, batch_size=0, workers=workers)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_users_random_numbers_are_not_advanced(folder, workers):
    before = torch.get_rng_state()
    listed(load_images(folder), range(7), batch_size=3, workers=workers)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_large_batch_needs_few_file_handles():
    """A worker out of handles would leave us waiting, until the timeout that every test has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    images = load_images([plain("red")])
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        (batch,) = listed(images, [0] * 400, batch_size=400, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(batch.items) == 400


def test_an_image_set_can_be_sent_to_a_process_that_starts_afresh(folder):
    images = pickle.loads(pickle.dumps(load_images(folder)))
    np.testing.assert_array_equal(pixels(images, 2), noise(seed=2))
    error = pickle.loads(pickle.dumps(UnreadableImage("a.png", "it is broken")))
    assert (str(error), error.reason) == ("cannot read a.png: it is broken", "it is broken")


def test_what_cannot_be_sent_to_workers_is_done_here_and_said(folder, monkeypatch):
    monkeypatch.setattr(loader, "START", "spawn")  # as on macOS and Windows
    images = load_images(folder)
    with pytest.warns(UserWarning, match="decoded in this process.*lambda.*define it with def"):
        found = list(batches(images, range(3), lambda image: torch.ones(1), batch_size=2, workers=2))
    assert [batch.ids for batch in found] == [(0, 1), (2,)]


def test_default_workers(monkeypatch):
    for cores, cpu, cuda in [(1, 0, 0), (2, 0, 1), (3, 2, 2), (64, 8, 8)]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert (default_workers("cpu"), default_workers("cuda")) == (cpu, cuda)


def test_importing_needs_neither_torchvision_nor_datasets():
    code = "import sys, semlens.images; print({'torchvision', 'datasets', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


# --- metadata, depth, other formats ----------------------------------------------------------------------------------


def test_broken_metadata_does_not_make_a_picture_unreadable(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n  10\n0008000201120003\n")
    assert colour_of(stored(tmp_path, "a.png", plain("red"), pnginfo=info)) == COLOURS["red"]
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"tEXt") if b"tEXt" in data else data.index(b"zTXt")
    (tmp_path / "a.png").write_bytes(data[: at + 6] + b"\xff" + data[at + 7 :])  # its checksum is wrong now
    assert colour_of(load_images(tmp_path)) == COLOURS["red"]


def test_an_orientation_beside_broken_metadata_counts(tmp_path: Path) -> None:
    rows = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x011A, 2, 4, b"72\0\0")]
    table = b"".join(struct.pack("<HHI", *row[:3]) + row[3] for row in rows)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + table + b"\0\0\0\0"
    assert stored(tmp_path, "a.jpg", Image.new("RGB", (40, 30)), exif=exif).load(0).size == (30, 40)


@pytest.mark.parametrize(
    ("brightest", "kind"), [(255, np.int32), (1023, np.uint16), (4095, np.uint16), (4095, np.int32)]
)
def test_grey_of_fewer_bits_than_its_file_is_scaled_by_its_own_range(
    tmp_path: Path, brightest: int, kind: type
) -> None:
    values = np.linspace(0, brightest, 1200).reshape(30, 40)
    got = pixels(stored(tmp_path, "a.tif", Image.fromarray(values.astype(kind))))[..., 0]
    np.testing.assert_allclose(got, values * 255 / brightest, atol=1)


def test_white_is_zero_in_16_bits(tmp_path: Path) -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    images = stored(tmp_path, "a.tif", Image.fromarray(values), tiffinfo={262: 0})
    np.testing.assert_allclose(pixels(images)[..., 0], 255 - values / 257, atol=0.51)


def test_colours_of_16_bits_that_would_be_black_are_refused(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    for brightest, reads in [(4095, False), (65535, True), (0, True)]:
        row = b"\0" + struct.pack(">3H", *[brightest] * 3) * 4
        parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 16, 2, 0, 0, 0)), chunk(b"IDAT", zlib.compress(row))]
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
        images = load_images(tmp_path)
        if reads:
            assert colour_of(images) == (brightest // 257,) * 3
        else:
            assert problem(images).startswith("its colours use 12 of 16 bits or fewer, and it would be all but black")


@pytest.mark.parametrize(("name", "kind"), [("a.avif", "AVIF"), ("a.jp2", "JPEG2000"), ("a.heic", "HEIC")])
def test_other_formats_are_read_where_they_can_be(tmp_path: Path, name: str, kind: str) -> None:
    if kind == "HEIC":
        heif = import_module("pillow_heif")
        heif.from_pillow(Image.fromarray(noise(32, 48))).save(tmp_path / name, quality=-1)
    else:
        Image.new("RGB", (48, 32), "red").save(tmp_path / name)
    images = load_images(tmp_path)
    assert images.names == (name,)
    assert images.load(0).size == (48, 32)


def test_a_source_is_read_as_another_was(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    chosen = "old.csv?label_column=dx&background=black"
    assert like(str(table), chosen) == f"{table}?label_column=dx&background=black"
    assert like(str(tmp_path), chosen) == f"{tmp_path}?background=black"
    for other in ("old.csv", "what?/is that", "hf:a"):
        assert like(str(table), other) == str(table)


def test_dicom_is_read_by_its_window(tmp_path: Path) -> None:
    pydicom = import_module("pydicom")
    values = np.linspace(0, 4000, 64, dtype=np.uint16).reshape(8, 8)
    for photometric in ("MONOCHROME2", "MONOCHROME1"):
        made = pydicom.Dataset()
        made.file_meta = pydicom.dataset.FileMetaDataset()
        made.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        made.Rows = made.Columns = 8
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, photometric
        made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
        made.WindowCenter, made.WindowWidth = 1000, 1000
        made.PixelData = values.tobytes()
        made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        shown = np.clip((values.astype(float) - 500) * 255 / 1000, 0, 255)
        expected = 255 - shown if photometric == "MONOCHROME1" else shown
        np.testing.assert_allclose(pixels(load_images(tmp_path))[..., 0], expected, atol=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (1, 5000)])
def test_extreme_shapes_cost_themselves_their_place_and_nothing_else(size: tuple[int, int]) -> None:
    images = load_images([Image.new("RGB", size), *[Image.fromarray(noise(30, 30))] * 2])

    def strict(image: Image.Image) -> torch.Tensor:
        if min(image.size) < 3:
            raise ValueError("padding size should be less than the input\nand so on")
        return to_tensor(image.resize((8, 8)))

    (batch,) = listed(images, range(3), strict, batch_size=3)
    assert batch.ids == (1, 2)
    assert f"it has {size[0]} x {size[1]} pixels" in batch.unreadable[0].reason
