"""An image that someone sends to search with: its bytes to 8-bit RGB, with as little trust as can be."""

import warnings
from io import BytesIO
from threading import Lock

from PIL import Image, UnidentifiedImageError

from semlens.errors import SemlensError
from semlens.images import decode, reason

FORMATS = ("JPEG", "PNG", "WEBP")
"""What Pillow may take the bytes for: what cameras and browsers write, and no parser more."""

BYTES = 20_000_000
PIXELS = 50_000_000
_ONE = Lock()  # an image of PIXELS takes up to 0.6 GB on the way, and warning filters belong to the whole process


def read_image(data: bytes, background: str = "white") -> Image.Image:
    """The image in 8-bit RGB, as an image of a set is read: first frame, upright, transparency on the background, no
    metadata.

    Raises:
        SemlensError: it is too large, broken, or no JPEG, PNG or WebP.
    """
    if len(data) > BYTES:
        raise SemlensError(f"the image has {len(data):,} bytes, and the limit is {BYTES:,}")
    try:
        with _ONE, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what can be read must not depend on the program's warning filters
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                return decode(image, background, PIXELS)  # looks at the size that the header states before all else
    except UnidentifiedImageError:
        raise SemlensError(f"this is no image in one of the formats {', '.join(FORMATS)}") from None
    except Exception as fault:  # whatever Pillow makes of a hostile file
        raise SemlensError(f"the image cannot be read: {reason(fault)[:200]}") from fault
