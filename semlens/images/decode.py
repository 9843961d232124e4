"""One image: from a file, its bytes or an open Pillow image to 8-bit RGB."""

import os
import warnings
from io import BytesIO
from stat import S_ISREG

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from semlens.errors import unknown

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM")
"""What Pillow may take a file for: each further parser is one more that a hostile file can reach."""

Raw = str | bytes | Image.Image
"""An image before decoding: the path of a file, the bytes of a file, or an image that Pillow has open."""


def decode(raw: Raw, background: str, max_pixels: int) -> Image.Image:
    """The image in 8-bit RGB: first frame, upright by its EXIF orientation, transparency on `background`, no metadata.

    Colour profiles are not applied, as nowhere in the field. Anything raised means that the image cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what can be read must not depend on the program's warning filters
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if isinstance(raw, Image.Image):
            return _rgb(raw, background, max_pixels)
        if isinstance(raw, str):
            check_file(raw)
        with Image.open(BytesIO(raw) if isinstance(raw, bytes) else raw, formats=FORMATS) as image:
            return _rgb(image, background, max_pixels)


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


def _rgb(image: Image.Image, background: str, max_pixels: int) -> Image.Image:
    width, height = image.size
    if not 0 < width * height <= max_pixels:  # the header's word, before anything is decoded
        raise ValueError(f"it has {width} x {height} pixels, and the limit is {max_pixels}")
    image = _eight_bit(ImageOps.exif_transpose(image))
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, colour(background))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    rgb = image.convert("RGB")
    rgb.info = {}  # or a colour profile would follow the pixels into every file saved from them
    return rgb


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 0 to 65535, or of 0 to 1 where it is a float, as 0 to 255; other images as they are.

    Pillow itself clips: every value above 255 would be white. Values outside these ranges have no known white: refused.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    white = 1 if image.mode == "F" else 65535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):  # in this form NaN is refused too
        raise ValueError(f"grey from {low} to {high}, and mode {image.mode} is read from 0, black, to {white}, white")
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
