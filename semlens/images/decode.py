"""One image: from a file, its bytes or an open Pillow image to 8-bit RGB."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from stat import S_ISREG
from threading import Lock

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError
from PIL.Image import Transpose

from semlens.errors import unknown
from semlens.images.formats import TooLarge, check_size, open_foreign, without_metadata

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF", "JPEG2000")
"""What Pillow may take a file for: each further parser is one more that a hostile file can reach."""

MAX_PIXELS = 89_478_485
"""What Pillow itself holds for safe: 256 MB of RGB."""

NARROWEST = 1000
"""How often the shorter side may go into the longer one: brought to 256 pixels it makes a picture of 65 megapixels."""

WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
"""What may be white in grey of more than eight bits: an image does not say how many of them it uses."""

UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
"""What makes an image upright, by its EXIF orientation."""

Raw = str | bytes | Image.Image
"""An image before decoding: the path of a file, the bytes of a file, or an image that Pillow has open."""

_of_the_process = Lock()


def decode(raw: Raw, background: str, max_pixels: int) -> Image.Image:
    """The image in 8-bit RGB: first frame, upright by its EXIF orientation, transparency on `background`, no metadata.

    Colour profiles are not applied, as nowhere in the field. Metadata that is broken counts as none. Anything raised
    means that the image cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what can be read must not depend on the program's warning filters
        if isinstance(raw, Image.Image):
            return _rgb(raw, background, max_pixels)
        if isinstance(raw, str):
            check_file(raw)
        try:
            return _opened(raw, background, max_pixels)
        except TooLarge:
            raise
        except Exception as fault:
            data = raw if isinstance(raw, bytes) else Path(raw).read_bytes()
            return _another_way(data, background, max_pixels, fault)


def check_file(path: str) -> None:
    """Returns if there is something to read at `path`. Raises OSError or ValueError."""
    status = os.stat(path)
    if not S_ISREG(status.st_mode):
        raise ValueError("not a file")  # a pipe would keep us waiting for ever
    if status.st_size == 0:
        raise ValueError("the file is empty")


def colour(background: str) -> tuple[int, ...]:
    """Red, green and blue, 0 to 255, of a colour's name or #rrggbb.

    Raises:
        SemlensError: it is neither.
    """
    try:
        return ImageColor.getrgb(background)[:3]
    except ValueError:
        raise unknown("background", background, ImageColor.colormap, "Give a colour's name or #rrggbb") from None


def reason(error: Exception) -> str:
    """Why an image cannot be read, in one line.

    It goes into the index, whose bytes must not depend on the machine: no path, no address of an object.
    """
    if isinstance(error, UnidentifiedImageError):
        return f"not an image in one of the formats {', '.join(FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    line = next(iter(str(error).splitlines()), "")
    return line if line and isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {line}"


def _opened(raw: str | bytes, background: str, max_pixels: int) -> Image.Image:
    """What Pillow reads. Its own limit gives way to one above it, for as long as it looks at the header."""
    limit = _without_pillows_limit() if max_pixels > (Image.MAX_IMAGE_PIXELS or 0) else nullcontext()
    try:
        with limit:
            image = Image.open(BytesIO(raw) if isinstance(raw, bytes) else raw, formats=FORMATS)
    except Image.DecompressionBombError as fault:
        pixels = next((word.strip("(") for word in str(fault).split() if word.strip("(").isdecimal()), "too many")
        raise TooLarge(
            f"it has {pixels} pixels, and the limit is {max_pixels}: see max_pixels (--max-pixels)"
        ) from None
    with image:
        return _rgb(image, background, max_pixels)


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    with _of_the_process:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _another_way(data: bytes, background: str, max_pixels: int, fault: Exception) -> Image.Image:
    """The image by another library, or by its pixels alone.

    Raises:
        Exception: `fault`, if there is no other way either.
    """
    other = open_foreign(data, max_pixels)
    if other is not None:
        return _rgb(other, background, max_pixels)
    bare = without_metadata(data)
    if bare is None:
        raise fault
    try:
        return _opened(bare, background, max_pixels)
    except Exception:
        raise fault from None


def _rgb(image: Image.Image, background: str, max_pixels: int) -> Image.Image:
    width, height = image.size
    check_size(width, height, max_pixels)  # the header's word, before anything is decoded
    if max(width, height) > NARROWEST * min(width, height):
        raise ValueError(f"it has {width} x {height} pixels: too narrow a strip for a model that sees squares")
    deep = ";16" in str(getattr(image, "tile", ""))  # of bits per colour, which is no longer known once it is loaded
    image.load()
    turn = UPRIGHT.get(_orientation(image))
    image = _eight_bit(image)
    if deep and image.mode in ("RGB", "RGBA"):
        _check_depth(image)
    if turn is not None:
        image = image.transpose(turn)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, colour(background))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    rgb = image.convert("RGB")
    rgb.info = {}  # or a colour profile would follow the pixels into every file saved from them
    return rgb


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1, upright, where metadata does not say or is broken."""
    try:
        told = image.getexif().get(0x0112, 1)
        return int(told) if told in UPRIGHT else 1
    except Exception:  # whatever Pillow makes of broken metadata: the pixels are there
        return 1


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of integers, or of 0 to 1 where it is a float, as 0 to 255; other images as they are.

    Pillow itself clips: every value above 255 would be white. White is the least of WHITES that no value exceeds.
    Values outside these ranges have no known white: refused.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    inverted = getattr(image, "tag_v2", {}).get(262) == 0  # TIFF's white is zero, which Pillow undoes for 8 bits only
    values = np.asarray(image)
    low, high = values.min(), values.max()
    white = 1 if image.mode == "F" else next((white for white in WHITES if high <= white), WHITES[-1])
    if not (low >= 0 and high <= white):  # in this form NaN is refused too
        raise ValueError(f"grey from {low} to {high}, and mode {image.mode} is read from 0, black, to {white}, white")
    eight = np.rint(values * (255 / white)).astype(np.uint8)
    return Image.fromarray(255 - eight if inverted else eight)


def _check_depth(image: Image.Image) -> None:
    """Returns if an image, of colours of 16 bits of which Pillow keeps the upper eight, still shows something.

    Raises:
        ValueError: it uses so few of the bits that it would be all but black.
    """
    brightest = int(np.asarray(image.convert("RGB")).max())
    if 0 < brightest < 16:
        raise ValueError("its colours use 12 of 16 bits or fewer, and it would be all but black: save it as 8 bits")
