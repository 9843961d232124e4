"""ImageSet, which has every image under its id, and its fingerprint."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL.Image import Image

from semlens.errors import SemlensError
from semlens.images.decode import Raw, check_file, colour, decode, reason
from semlens.images.sources import SUFFIXES, Files, Listing, listing

SAMPLED = 64
"""How many images' content the fingerprint covers."""


class UnreadableImage(SemlensError):
    """An image that cannot be read, and why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)  # both, for pickle builds it anew from what it finds here
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"cannot read {self.name}: {self.reason}"


@dataclass(frozen=True)
class ImageSet:
    """Raw images by id, from 0 up. `load_images` makes one."""

    source: str  # what the user gave, as text
    names: tuple[str, ...] = field(repr=False)  # path below the root, or "image 12"
    labels: tuple[str | None, ...] = field(repr=False)
    fingerprint: str  # equal for equal images, see `_fingerprint`
    background: str  # shows through where an image is transparent
    max_pixels: int
    read: Callable[[int], Raw] = field(repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def load(self, id: int) -> Image:
        """The image in 8-bit RGB, upright and opaque. Raises UnreadableImage if it cannot be had."""
        if not 0 <= id < len(self):  # Python would take -1 for the last image
            raise SemlensError(f"there is no image {id}: ids run from 0 to {len(self) - 1}")
        try:
            return decode(self.read(id), self.background, self.max_pixels)
        except SemlensError:
            raise
        except Exception as error:  # whatever Pillow, or a data set of the user's, makes of a broken file
            raise UnreadableImage(self.names[id], reason(error)) from error


def load_images(
    source: Any,
    *,
    background: str = "white",
    max_pixels: int = 89_478_485,
    image_column: str | None = None,
    label_column: str | None = None,
) -> ImageSet:
    """All images of a source, in an order that is the same on every machine.

    Args:
        source: one of
            a folder: all below it, sorted by path, hidden files left out; the first sub-folders are the labels;
            a CSV or Parquet table: its paths start from its own folder, or from the folder `images` beside it;
            a list of PIL images;
            a map-style data set of PIL images, (image, ...) or {"image": ...}; its labels are its `targets`, if any;
            a Hugging Face data set, or `hf:PATH[:split]` for one of the hub or a folder; its format is undone.
        background: what shows through where an image is transparent: a colour's name or #rrggbb.
        max_pixels: an image whose header says more is not decoded. The default is Pillow's own
            `Image.MAX_IMAGE_PIXELS`, which holds as well.
        image_column: the column of a table, or key of an item, that has the images, unless its name is a usual one.
        label_column: likewise for the labels.

    Raises:
        SemlensError: there are none, or the source cannot be read.
    """
    colour(background)  # so that a wrong one is an error before the first image
    listed = listing(source, image_column, label_column)
    if not listed.names:
        raise SemlensError(f"no images in {listed.source}: a folder is searched for {' '.join(SUFFIXES)}")
    return ImageSet(
        source=listed.source,
        names=listed.names,
        labels=listed.labels,
        fingerprint=_fingerprint(listed, background, max_pixels),
        background=background,
        max_pixels=max_pixels,
        read=listed.read,
    )


def _fingerprint(listed: Listing, background: str, max_pixels: int) -> str:
    """sha256, in hex, of background, max_pixels, every name, label and file size, and the content of a sample.

    The sample is up to SAMPLED images, evenly spaced: the bytes of a file, else the pixels. So an image outside it that
    changes but keeps its size goes unnoticed: to read all would take as long as the run that this is to identify.
    The place does not count: a copied folder has the same fingerprint.
    """
    total = hashlib.sha256(json.dumps([colour(background), max_pixels]).encode())
    for id, (name, label) in enumerate(zip(listed.names, listed.labels, strict=True)):
        size = _size(listed.read(id)) if isinstance(listed.read, Files) else None
        total.update(json.dumps([name, label, size]).encode())
    sample = min(SAMPLED, len(listed.names))
    for turn in range(sample):
        content = _content(listed, turn * len(listed.names) // sample, background, max_pixels)
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()


def _size(path: Raw) -> int | None:
    try:
        return os.stat(str(path)).st_size
    except (OSError, ValueError):  # missing, or no path at all
        return None


def _content(listed: Listing, id: int, background: str, max_pixels: int) -> bytes:
    try:
        raw = listed.read(id)
        if isinstance(raw, bytes):
            return raw
        if isinstance(raw, str):
            check_file(raw)
            return Path(raw).read_bytes()
        image = decode(raw, background, max_pixels)
        return f"{image.size}".encode() + image.tobytes()
    except SemlensError:
        raise
    except Exception:  # one that cannot be read is part of what the set is
        return b"unreadable"


def load_image(path: str | os.PathLike[str], background: str = "white") -> Image:
    """One image file in 8-bit RGB, read as an image of a set is. Raises UnreadableImage."""
    try:
        return decode(os.fspath(path), background, 89_478_485)
    except Exception as error:  # whatever Pillow makes of a broken file
        raise UnreadableImage(os.fspath(path), reason(error)) from error
