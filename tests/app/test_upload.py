"""Images that strangers send: what is read equals what the index's own reader makes of it, all else is one sentence."""

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from semlens.app import upload
from semlens.app.upload import read_image
from semlens.errors import SemlensError
from semlens.images.decode import decode

PHOTO = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def file_of(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def photo(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(PHOTO).convert(mode)


def refused(data: bytes) -> str:
    with pytest.raises(SemlensError) as caught:
        read_image(data)
    sentence = str(caught.value)
    assert plain(sentence)
    return sentence


def plain(sentence: str) -> bool:
    """Whether it is one short line, without the address of an object."""
    return "\n" not in sentence and " at 0x" not in sentence and 0 < len(sentence) < 300


def read_or_refuse(data: bytes) -> Image.Image | str:
    try:
        return read_image(data)
    except SemlensError as fault:
        return str(fault)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, colour: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks)


def webp_header(width: int, height: int, flags: int = 0) -> bytes:
    """A WebP file whose canvas has a size, and nothing on it."""
    canvas = bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def turned(form: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file_of(photo(), form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))


LOSSLESS = {
    "png": file_of(photo(), "PNG"),
    "webp": file_of(photo(), "WEBP", lossless=True),
}
GREY16 = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
READABLE = {
    **LOSSLESS,
    "jpeg": file_of(photo(), "JPEG"),
    "jpeg grey": file_of(photo("L"), "JPEG"),
    "jpeg cmyk": file_of(photo("CMYK"), "JPEG"),
    "jpeg progressive": file_of(photo(), "JPEG", progressive=True),
    "two jpegs in one": file_of(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (6, 4), "red")]),
    "png grey": file_of(photo("L"), "PNG"),
    "png grey and alpha": file_of(photo("LA"), "PNG"),
    "png palette": file_of(photo("P"), "PNG"),
    "png one bit": file_of(photo("1"), "PNG"),
    "png sixteen bits": file_of(GREY16, "PNG"),
    "png rgba": file_of(photo("RGBA"), "PNG"),
    "png transparent colour": file_of(photo(), "PNG", transparency=tuple(PHOTO[0, 0].tolist())),
    "png profile": file_of(photo(), "PNG", icc_profile=b"no profile"),
    "webp lossy": file_of(photo(), "WEBP"),
    "webp alpha": file_of(photo("RGBA"), "WEBP"),
    "turned": turned("JPEG", 6),
}


@pytest.mark.parametrize("data", LOSSLESS.values(), ids=LOSSLESS)
def test_the_pixels_are_those_of_the_file(data: bytes) -> None:
    np.testing.assert_array_equal(np.asarray(read_image(data)), PHOTO)


@pytest.mark.parametrize("data", READABLE.values(), ids=READABLE)
def test_an_image_is_read_as_one_of_a_set_is(data: bytes) -> None:
    image, twin = read_image(data), decode(data, "white", 50_000_000)
    assert (image.mode, image.info) == ("RGB", {})
    np.testing.assert_array_equal(np.asarray(image), np.asarray(twin))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (6, 4)), (3, (6, 4)), (6, (4, 6)), (8, (4, 6)), (9, (6, 4))])
def test_an_image_stands_upright(form: str, orientation: int, size: tuple[int, int]) -> None:
    assert read_image(turned(form, orientation)).size == size


def test_turned_by_a_quarter() -> None:
    np.testing.assert_array_equal(np.asarray(read_image(turned("PNG", 6))), np.rot90(PHOTO, -1))


def test_what_is_transparent_is_white() -> None:
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert read_image(file_of(clear, "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    values = [read_image(file_of(GREY16, "PNG")).getpixel((x, 0)) for x in range(3)]
    assert values == [(0, 0, 0), (1, 1, 1), (255, 255, 255)]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_a_film_the_first_frame_counts(form: str) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("lime", "red", "blue")]
    film = file_of(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
    assert read_image(film).getpixel((0, 0)) == (0, 255, 0)


OTHERS = ["GIF", "TIFF", "BMP", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "PDF", "EPS", "DIB", "SGI", "AVIF", "ICNS"]


def in_another_format(form: str) -> bytes:
    Image.init()
    if form not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {form}")
    return file_of(Image.new("RGB", (16, 16)), form)


@pytest.mark.parametrize("form", OTHERS)
def test_no_other_format_is_tried(form: str) -> None:
    data = in_another_format(form)
    assert refused(data) == "this is no image in one of the formats JPEG, PNG, WEBP"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 64,
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"8BPS\x00\x01",
        b"SIMPLE  =                    T",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"PK\x03\x04",
        b"../../etc/passwd",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
    ],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert refused(data).startswith(("this is no image", "the image cannot be read"))


LARGE = {
    (50_001, 1000): "it has 50001 x 1000 pixels, and the limit is 50000000",
    (1, 50_000_001): "it has 1 x 50000001 pixels, and the limit is 50000000",
    (8_000, 8_000): "it has 8000 x 8000 pixels, and the limit is 50000000",
    (12_000, 12_000): "DecompressionBombWarning: Image size (144000000 pixels) exceeds limit of 89478485 pixels",
    (2**31 - 1, 2**31 - 1): "DecompressionBombError: Image size (4611686014132420609 pixels) exceeds limit",
}
PIXELS_TO_COME = struct.pack(">I", 9) + b"IDAT"


@pytest.mark.parametrize(("size", "said"), LARGE.items())
def test_a_bomb_is_known_by_its_header(size: tuple[int, int], said: str) -> None:
    """The file ends where its pixels would begin: whoever decoded it would complain of that."""
    assert refused(png(*size, PIXELS_TO_COME)).startswith(f"the image cannot be read: {said}")


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_an_image_of_no_pixels_is_none(size: tuple[int, int]) -> None:
    assert refused(png(*size, PIXELS_TO_COME)) == "this is no image in one of the formats JPEG, PNG, WEBP"


def test_the_largest_image_is_let_through() -> None:
    """It fails for the pixels that the file lacks, not for its size."""
    assert "limit" not in refused(png(50_000, 1000, PIXELS_TO_COME))


def test_a_bomb_of_webp() -> None:
    assert refused(webp_header(16384, 16384)).startswith("the image cannot be read")


def test_a_film_with_a_large_canvas_is_refused() -> None:
    assert refused(webp_header(16384, 16384, flags=2)).startswith("the image cannot be read")


def test_a_bomb_stays_one_where_others_have_disarmed_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "limit is 50000000" in refused(png(12_000, 12_000, PIXELS_TO_COME))


def test_a_bomb_of_text_is_refused() -> None:
    """A compressed remark that unfolds to 20 MB."""
    packed = zlib.compress(bytes(20_000_000))
    pixels = chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    bomb = png(1, 1, chunk(b"zTXt", b"Comment\x00\x00" + packed), pixels, chunk(b"IEND", b""))
    assert len(bomb) < 100_000
    assert refused(bomb).startswith("the image cannot be read")


def test_pixels_that_unfold_to_more_than_the_header_says() -> None:
    """The rest is not unfolded: one pixel comes out."""
    pixels = chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00" + bytes(20_000_000), 9))
    assert read_image(png(1, 1, pixels, chunk(b"IEND", b""))).getpixel((0, 0)) == (255, 0, 0)


def test_too_many_bytes_are_not_looked_at() -> None:
    assert refused(bytes(20_000_001)) == "the image has 20,000,001 bytes, and the limit is 20,000,000"
    assert refused(bytes(20_000_000)).startswith("this is no image")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_cut_short_is_refused(form: str) -> None:
    data = file_of(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), form)
    assert refused(data[: len(data) // 2]).startswith("the image cannot be read")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_a_broken_orientation_is_an_image_or_a_sentence() -> None:
    broken = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff" + b"\x01\x12\x00\x03\xff\xff\xff\xff" * 9
    found = read_or_refuse(file_of(photo(), "JPEG", exif=broken))
    assert found.startswith("the image cannot be read") if isinstance(found, str) else found.size == (6, 4)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_spoilt_file_is_an_image_or_a_sentence(data: st.DataObject) -> None:
    spoilt = bytearray(data.draw(st.sampled_from(list(READABLE.values()))))
    for _ in range(data.draw(st.integers(1, 8))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    found = read_or_refuse(bytes(spoilt))
    assert plain(found) if isinstance(found, str) else found.mode == "RGB"


def test_reading_leaves_pillow_and_the_warnings_as_they_were() -> None:
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    read_image(LOSSLESS["png"])
    refused(b"")
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)) == before
    assert Image.MAX_IMAGE_PIXELS is not None


def test_many_at_once() -> None:
    """Threads share the warning filters: a bomb among them is refused each time, a photograph is read each time."""
    found: list[object] = []

    def work(number: int) -> None:
        found.append(refused(png(12_000, 12_000)) if number % 2 else read_image(LOSSLESS["png"]).size)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), found.count((6, 4))) == (32, 16)


def test_no_torch_is_needed() -> None:
    code = "import sys, semlens.app.upload; print('torch' in sys.modules)"
    root = Path(upload.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
