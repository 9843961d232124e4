"""What the app works on: one or two indexes, what the user allows it to read besides, and its worker processes.

Everything that is computed of an index is kept on these records, so that it goes with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar, final

import numpy as np
from PIL.Image import Image

from semlens.analysis import Labels, Responses, responses, space_of, stored_labels
from semlens.app.jobs import Jobs, Worker
from semlens.app.notes import Notes, digest_of, open_notes
from semlens.errors import SemlensError
from semlens.images import ImageSet, like, load_images
from semlens.index import ConceptIndex, load_index
from semlens.numerics import lengths
from semlens.types import Float32

T = TypeVar("T")

MAX_SENT = 8
"""Pictures that were sent and can be asked about again by their id; some 12 MB each at most."""

MAX_PICTURES = 1024
"""Whole images that an index keeps as shown, some 40 MB."""

_BLOCK = 8192  # components measured at once


@final
class Recent(Generic[T]):
    """The values last used, by key."""

    def __init__(self, size: int) -> None:
        self._size, self._values, self._lock = size, dict[object, T](), Lock()

    def get(self, key: object) -> T | None:
        """The value of a key, None if it is not kept."""
        with self._lock:
            if key in self._values:
                self._values[key] = self._values.pop(key)  # now the last
            return self._values.get(key)

    def put(self, key: object, value: T) -> T:
        """Keeps a value, in place of the one unused for longest if there are too many."""
        with self._lock:
            self._values.pop(key, None)
            while len(self._values) >= self._size:
                self._values.pop(next(iter(self._values)))
            self._values[key] = value
        return value


@dataclass(frozen=True, eq=False)
class Opened:
    """An index that the app shows."""

    number: int
    name: str
    folder: Path
    index: ConceptIndex
    digest: str  # of its manifest
    images: ImageSet | None  # the whole images, where the user gave them
    model: str | None  # the studied model's spec, where the user gave it
    notes: Notes | None  # None: nothing can be noted
    pictures: Recent[bytes] = field(default_factory=lambda: Recent(MAX_PICTURES))  # whole images, as shown

    @cached_property
    def lengths(self) -> Float32[np.ndarray, "c"]:
        """L2 norms of the semantic embeddings, which are unit but for rounding; 1 for a dead component. To compute them
        costs four times what a search then does."""
        norms = np.ones(len(self.index.means), np.float32)
        for start in range(0, len(norms), _BLOCK):
            norms[start : start + _BLOCK] = lengths(self.index.means[start : start + _BLOCK])
        return norms

    @cached_property
    def responses(self) -> Responses | None:
        """What the components respond to over all images, if the index has encodings."""
        return responses(self.index) if self.index.encodings is not None else None

    @cached_property
    def labels(self) -> Labels | None:
        """The labels that are stored in the index, if there are any."""
        return stored_labels(self.index)


@dataclass(frozen=True, eq=False)
class Session:
    """Everything that answers are made from."""

    opened: tuple[Opened, ...]
    vocabulary: str | None = None  # what components are labelled from where no labels are stored
    frozen: bool = False  # for a folder of files: nothing new can be asked
    untrained: Opened | None = None  # the untrained twin, to hold measures and comparisons against as well
    jobs: Jobs = field(default_factory=Jobs)
    foundation: Worker = field(default_factory=Worker)  # foundation models
    model: Worker = field(default_factory=Worker)  # the studied model: heat maps of examples, edges
    own: Worker = field(default_factory=Worker)  # the studied model again, for what a reader asks of their own picture
    analysis: Worker = field(default_factory=Worker)  # map and measures
    sent: Recent[Image] = field(default_factory=lambda: Recent(MAX_SENT))  # pictures that were sent, by their id

    @cached_property
    def comparable(self) -> bool:
        """Whether there are two indexes in one semantic space."""
        spaces = [space_of(opened.index.recipe) for opened in self.opened]
        return len(spaces) == 2 and spaces[0] == spaces[1]

    def close(self) -> None:
        """Ends what the session started."""
        self.jobs.close()
        for worker in (self.foundation, self.model, self.own, self.analysis):
            worker.close()
        for opened in self.opened:
            if opened.notes is not None:
                opened.notes.close()


def open_session(
    folders: Sequence[Path],
    *,
    images: Sequence[str] = (),
    model: Sequence[str] = (),
    vocabulary: str | None = None,
    frozen: bool = False,
    untrained: Path | None = None,
) -> Session:
    """A session over one or two indexes.

    Args:
        images: for each index where its images are, if they may be shown whole; the same for both if there is one.
        model: likewise the spec of the studied model, for heat maps.
        untrained: an index of a network with random weights (build --untrained), as a second baseline.

    Raises:
        SemlensError: an index that cannot be used, or images that are not those it was made from.
    """
    if not 1 <= len(folders) <= 2:
        raise SemlensError(f"{len(folders)} indexes were given: one is shown, or two are compared")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
    opened = [
        _opened(number, name, folder, _nth(images, number), _nth(model, number), frozen)
        for number, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]
    twin = _opened(len(folders), "the untrained network", untrained, None, None, True) if untrained else None
    return Session(tuple(opened), vocabulary, frozen, twin)


def _opened(number: int, name: str, folder: Path, images: str | None, model: str | None, frozen: bool) -> Opened:
    index = load_index(folder, quick=True)
    digest = digest_of(folder)
    notes = open_notes(folder, digest) if not frozen else None
    return Opened(number, name, folder.resolve(), index, digest, _images(index, images), model, notes)


def _images(index: ConceptIndex, source: str | None) -> ImageSet | None:
    """The images, which have to be those that the index was made from: an id must not name another patient's."""
    if source is None:
        return None
    loaded = load_images(source if "?" in source else like(source, index.recipe.images.source))
    if loaded.fingerprint != index.recipe.images.fingerprint:
        raise SemlensError(f"{source} does not hold the images the index was made from ({index.recipe.images.source})")
    return loaded


def _nth(values: Sequence[str], number: int) -> str | None:
    """An index's own value, or the one that is given for all."""
    return values[min(number, len(values) - 1)] if values else None
