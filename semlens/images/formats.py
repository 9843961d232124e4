"""What a file holds, by its first bytes; formats that another library reads; a file without its metadata."""

import os
import struct
import zlib
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

HEAD = 132
"""How many bytes tell a format: DICOM's mark lies behind 128 of anything."""

_STARTS = (
    (b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF8", "GIF"), (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"), (b"II+\0", "TIFF"), (b"MM\0+", "TIFF"), (b"\0\0\0\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)  # fmt: skip
_BMP_HEADERS = tuple(length.to_bytes(4, "little") for length in (12, 40, 52, 56, 64, 108, 124))
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "HEIC"),
}


def kind_of(head: bytes) -> str | None:
    """The format that a file's first HEAD bytes are of, None if they are of no picture's."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    if head[:2] == b"BM":  # which a text may begin with: the length of the header is a number that there is
        return "BMP" if head[14:18] in _BMP_HEADERS else None
    if head[128:132] == b"DICM":
        return "DICOM"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PPM"
    return next((name for start, name in _STARTS if head.startswith(start)), None)


def kind_of_file(path: str | Path) -> str | None:
    """The same of a file; None too for one that cannot be read."""
    try:
        if not S_ISREG(os.stat(path).st_mode):
            return None  # a pipe would keep us waiting for ever
        with open(path, "rb") as file:
            return kind_of(file.read(HEAD))
    except (OSError, ValueError):  # a name that holds what no name can
        return None


def needs(kind: str) -> str | None:
    """What has to be installed before a format can be read, None if nothing has."""
    if kind == "HEIC":
        return None if find_spec("pillow_heif") else "pillow-heif"
    if kind == "DICOM":
        return None if find_spec("pydicom") else "pydicom"
    part = {"AVIF": "avif", "JPEG2000": "jpg_2000"}.get(kind)
    return None if part is None or features.check(part) else f"a Pillow with {kind}"


def open_foreign(data: bytes, max_pixels: int) -> Image.Image | None:
    """The picture of a format that Pillow does not know; None if the bytes are of none.

    Raises:
        ValueError: what reads it is not installed, or it has too many pixels.
    """
    kind = kind_of(data[:HEAD])
    reader: Callable[[bytes, int], Image.Image] | None = {"HEIC": _heic, "DICOM": _dicom}.get(kind or "")
    if kind is None or reader is None:
        return None
    if package := needs(kind):
        raise ValueError(f"it is {kind}, which {package} reads: pip install 'semlens[formats]'")
    return reader(data, max_pixels)


def frames(path: str) -> int:
    """How many pictures a file holds one after the other, of which the first is read: pages, frames or slices; 2 where
    there are more than one and to count them takes a look at each. 1 for what cannot be read."""
    kind = kind_of_file(path)
    try:
        if kind == "DICOM":
            reader: Any = import_module("pydicom")  # only where such a file is met
            return int(reader.dcmread(path, stop_before_pixels=True).get("NumberOfFrames") or 1)
        if kind not in ("GIF", "TIFF", "WEBP", "PNG"):
            return 1
        with Image.open(path, formats=(kind,)) as image:
            return 2 if getattr(image, "is_animated", False) else 1
    except Exception:  # whatever is made of a broken file, which is told when its turn comes
        return 1


def _heic(data: bytes, max_pixels: int) -> Image.Image:
    reader: Any = import_module("pillow_heif")  # only where such a file is met
    picture = reader.open_heif(BytesIO(data))
    width, height = picture.size
    check_size(width, height, max_pixels)
    turned: Image.Image = picture.to_pillow()
    turned.info = {}  # libheif has turned it upright already
    return turned


def _dicom(data: bytes, max_pixels: int) -> Image.Image:
    """The first frame as its window, or else its own range, shows it."""
    reader: Any = import_module("pydicom")  # only where such a file is met
    pixels: Any = import_module("pydicom.pixels")
    read = reader.dcmread(BytesIO(data))
    if "Columns" not in read or "PixelData" not in read:
        raise ValueError("it is DICOM without a picture, as a directory or a report is")
    check_size(int(read.Columns), int(read.Rows), max_pixels)
    values = read.pixel_array
    values = values[0] if int(read.get("NumberOfFrames") or 1) > 1 else values
    if values.ndim == 3:  # colours, as RGB
        return Image.fromarray(_spread(values, 0.0, 2.0**read.BitsStored - 1))
    shown = np.asarray(pixels.apply_voi_lut(pixels.apply_modality_lut(values, read), read), np.float64)
    inverted = read.get("PhotometricInterpretation") == "MONOCHROME1"
    grey = _spread(shown, float(shown.min()), float(shown.max()))
    return Image.fromarray(255 - grey if inverted else grey)


def _spread(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    span = (high - low) or 1.0
    return np.rint((values - low) * (255 / span)).astype(np.uint8)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Returns if an image has some pixels, and no more than `max_pixels`.

    Raises:
        TooLarge: it has not.
    """
    if not 0 < width * height <= max_pixels:
        raise TooLarge(
            f"it has {width} x {height} pixels, and the limit is {max_pixels}: raise it with max_pixels (--max-pixels)"
        )


class TooLarge(ValueError):
    """More pixels than an image may have."""


# --- files without their metadata ------------------------------------------------------------------------------------


def without_metadata(data: bytes) -> bytes | None:
    """A PNG or JPEG with its pixels alone, so that metadata cannot make it unreadable; None for what is neither."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _bare_png(data)
        return _bare_jpeg(data) if data.startswith(b"\xff\xd8") else None
    except struct.error:  # it ends within a header
        return None


def _bare_png(data: bytes) -> bytes:
    """The chunks that pixels are made of, as long as they lie whole in the file."""
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND") or (name == b"eXIf" and _intact(chunk)):
            kept.append(chunk)
        at += 12 + length
    return b"".join(kept)


def _intact(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _bare_jpeg(data: bytes) -> bytes:
    """Without application segments, but JFIF's and Adobe's, which say what colours mean, and without comments."""
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:  # up to the first scan
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        application = 0xE0 <= marker <= 0xEF and marker not in (0xE0, 0xEE)
        if not (application or marker == 0xFE):
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return b"".join([*kept, data[at:]])
