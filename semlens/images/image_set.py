"""ImageSet, which has every image under its id, and its fingerprint."""

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from PIL.Image import Image, Resampling

from semlens.errors import SemlensError, UnreadableItem, unknown
from semlens.images.cells import raw_of
from semlens.images.decode import MAX_PIXELS, Raw, check_file, colour, decode, reason
from semlens.images.formats import frames
from semlens.images.listing import Files, ImagesWarning, Listing
from semlens.images.sources import group_texts, listing
from semlens.types import TEXTS, Float32, FoundationModel

SAMPLED = 64
"""How many images' content the fingerprint covers."""


SEVERAL_FRAMES = (".gif", ".tif", ".tiff", ".webp", ".png", ".apng", ".dcm", ".dicom")
"""Names of files that may hold more than one picture."""


THUMBNAIL = 128
"""The longer side of a small picture, in pixels."""


class UnreadableImage(UnreadableItem):
    """An image that cannot be read, and why."""


@dataclass(frozen=True)
class ImageSet:
    """Raw images by id, from 0 up. `load_images` makes one."""

    source: str  # what the user gave, as text, with what was chosen besides: `load_images` reads it again
    names: tuple[str, ...] = field(repr=False)  # path below the root, or "image 12"
    labels: tuple[str | None, ...] = field(repr=False)  # several of one image with | between
    fingerprint: str  # equal for equal images, see `_fingerprint`
    background: str  # shows through where an image is transparent
    max_pixels: int
    read: Callable[[int], Raw] = field(repr=False)
    notes: tuple[str, ...] = ()  # what was assumed of the source, a sentence each
    groups: tuple[str | None, ...] = field(default=(), repr=False)  # which images belong together, if that was asked
    group_column: str = ""  # the column that says so

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

    def size(self, item: Image) -> tuple[int, int]:
        """Width and height in pixels."""
        return item.size

    def crop(self, item: Image, box: tuple[int, int, int, int]) -> Image:
        """What lies inside left, top, right and bottom."""
        return item.crop(box)

    def show(self, item: Image) -> Image:
        """A copy of which the longer side has at most THUMBNAIL pixels."""
        small = item.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL), Resampling.BICUBIC)
        return small

    def embed(self, foundation: FoundationModel, items: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per image."""
        return foundation.embed_images(items)

    def odd(self, item: Image) -> str:
        """Whether a picture has a size that no photograph has: a line or dot that costs itself its place, nobody
        else's."""
        width, height = item.size
        return f"it has {width} x {height} pixels" if is_odd(item.size) else ""


def is_odd(size: tuple[int, int]) -> bool:
    """Whether a picture has a size that no photograph has."""
    return min(size) < 4 or max(size) > 20 * min(size)


def load_images(
    source: Any,
    *,
    background: str | None = None,
    max_pixels: int | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
) -> ImageSet:
    """All images of a source, in an order that is the same on every machine.

    What was assumed stands in the `notes` of what comes back; what is left out is warned of (`ImagesWarning`).

    Args:
        source: one of
            a folder: all below it, sorted by path, hidden files left out; the first sub-folders that say what images
            show (not train, val, images) are the labels; what a name does not tell, the first bytes of a file do;
            a table, as CSV (whatever stands between its cells), JSON, JSON lines or Parquet: its paths start from its
            own folder, from the folder `images` beside it, or else name one file below it; Parquet may hold the
            pictures themselves;
            a data frame of pandas, Polars or Arrow, a list of dicts, of pairs with a label, of paths or of PIL images;
            a map-style data set of PIL images, (image, label) or {"image": ..., "label": ...}, several of them
            concatenated, a subset; its labels are its `targets`, or what its items say;
            a Hugging Face data set, or `hf:PATH[:split]` for one of the hub or a folder; its format is undone.
            A path may end in what is to be chosen, "t.csv?label_column=dx&background=black", as `ImageSet.source` does.
        background: what shows through where an image is transparent: a colour's name or #rrggbb; white if not given.
        max_pixels: an image whose header says more is not decoded. The default is what Pillow holds for safe,
            89,478,485.
        image_column: the column of a table, or key of an item, that has the images, unless its name is a usual one.
        label_column: likewise for the labels.
        group_column: the column that says which images belong together, a patient's or a camera's, as they do not vary
            independently of each other.

    Raises:
        SemlensError: there are none, or the source cannot be read.
    """
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, str) and source.startswith(TEXTS):
        raise SemlensError(f"{source} are texts, and this takes images")
    given = {"image_column": image_column, "label_column": label_column, "group_column": group_column,
             "background": background, "max_pixels": max_pixels}  # fmt: skip
    source, chosen = _split_source(source, {name: value for name, value in given.items() if value is not None})
    ground, limit = chosen.get("background", "white"), _limit(chosen.get("max_pixels", MAX_PIXELS))
    colour(ground)  # so that a wrong one is an error before the first image
    listed = listing(source, chosen.get("image_column"), chosen.get("label_column"))
    if not listed.names:
        raise SemlensError(f"no images in {listed.source}")
    grouped = chosen.get("group_column", "")
    groups = group_texts(source, grouped, len(listed.names)) if grouped else ()
    for told in (*listed.lost, *_twice(listed), *_several(listed)):
        warnings.warn(f"{listed.source}: {told}", ImagesWarning, stacklevel=2)
    return ImageSet(
        source=f"{listed.source}?{urlencode(chosen)}" if chosen else listed.source,
        names=listed.names,
        labels=listed.labels,
        fingerprint=_fingerprint(listed, ground, limit),
        background=ground,
        max_pixels=limit,
        read=listed.read,
        notes=listed.notes,
        groups=groups,
        group_column=grouped,
    )


CHOICES = ("image_column", "label_column", "group_column", "background", "max_pixels")
"""What may stand behind a source, after a question mark."""


def like(source: str, other: str) -> str:
    """A source read as another one was, "photos?background=black", as far as that says so and it fits."""
    fitting = ("background", "max_pixels") if os.path.isdir(source) else CHOICES
    said = dict(parse_qsl(other.rpartition("?")[2])) if "?" in other else {}
    chosen = {name: said[name] for name in fitting if name in said}
    return f"{source}?{urlencode(chosen)}" if chosen else source


def _twice(listed: Listing) -> list[str]:
    """What is said of files that are named more than once."""
    counts = Counter(filter(None, listed.read.paths)) if isinstance(listed.read, Files) else Counter[str]()
    again = sum(counts.values()) - len(counts)
    if not again:
        return []
    return [
        f"{again:,} of {len(listed):,} images are files that are named before, as {counts.most_common(1)[0][0]}: each "
        "counts as an image of its own; write several labels of one image into one cell, as cat|dog"
    ]


def _several(listed: Listing) -> list[str]:
    """What is said of files that hold more than one picture, of a sample."""
    if not isinstance(listed.read, Files):
        return []
    files = [id for id, name in enumerate(listed.names) if name.lower().endswith(SEVERAL_FRAMES)]
    looked = [files[turn * len(files) // SAMPLED] for turn in range(SAMPLED)] if len(files) > SAMPLED else files
    odd = [listed.names[id] for id in looked if frames(listed.read(id)) > 1]
    if not odd:
        return []
    return [
        f"{len(odd):,} of {len(looked):,} files that were looked at hold several pictures, frames or slices, as "
        f"{odd[0]}: the first of each is read; save the others as files to have them"
    ]


def pixels_of(source: str) -> dict[str, Any]:
    """How the images of a source are read, "photos?background=black", as `load_image` takes it; nothing where it does
    not say so."""
    said = dict(parse_qsl(source.rpartition("?")[2])) if "?" in source else {}
    ground = {"background": said["background"]} if "background" in said else {}
    return ground | ({"max_pixels": _limit(said["max_pixels"])} if "max_pixels" in said else {})


def _split_source(source: Any, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The source by itself, and what is chosen with it; what is given besides comes before what its text says.

    Raises:
        SemlensError: its text says what cannot be chosen.
    """
    if not isinstance(source, str) or "?" not in source or os.path.exists(source):
        return source, dict(given)
    path, _, query = source.rpartition("?")
    chosen = dict(parse_qsl(query, keep_blank_values=True))
    if wrong := next((name for name in chosen if name not in CHOICES), None) or (not chosen and query):
        raise unknown("choice", str(wrong), CHOICES, f"Write it after {path}? as NAME=VALUE")
    return path, {name: given.get(name, chosen.get(name)) for name in CHOICES if name in chosen or name in given}


def _limit(pixels: int | str) -> int:
    try:
        number = int(pixels)
    except ValueError:
        number = 0
    if number < 1:
        raise SemlensError(f"max_pixels is {pixels!r}: give how many pixels an image may have")
    return number


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


def load_image(image: Any, background: str = "white", max_pixels: int = MAX_PIXELS) -> Image:
    """One image in 8-bit RGB, read as an image of a set is: a path, bytes, a PIL image or an array of 8-bit pixels.

    Raises:
        UnreadableImage: it cannot be read.
        SemlensError: it is none of these.
    """
    colour(background)
    raw, name = raw_of(image, 0), os.fspath(image) if isinstance(image, str | os.PathLike) else "the image"
    try:
        return decode(raw, background, max_pixels)
    except Exception as error:  # whatever Pillow makes of a broken file
        raise UnreadableImage(name, reason(error)) from error
