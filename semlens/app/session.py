"""What the app works on: one or two indexes, what the user allows it to read besides, and its worker processes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from semlens.analysis.atlas import space_of
from semlens.analysis.keep import stored_labels
from semlens.analysis.labels import Labels
from semlens.analysis.probe import Probes
from semlens.app.jobs import Jobs
from semlens.app.notes import Notes, open_notes
from semlens.app.workers import Worker
from semlens.errors import SemlensError
from semlens.index import MANIFEST, ConceptIndex, load_index
from semlens.numerics import lengths
from semlens.shapes import Float32

_BLOCK = 8192  # components measured at once

if TYPE_CHECKING:
    from semlens.images import ImageSet


@dataclass(frozen=True, eq=False)
class Opened:
    """An index that the app shows."""

    number: int
    name: str
    folder: Path
    index: ConceptIndex
    digest: str  # of its manifest
    images: "ImageSet | None"  # the whole images, where the user gave them
    model: str | None  # the studied model's spec, where the user gave it
    notes: Notes | None  # None: nothing can be noted

    @cached_property
    def lengths(self) -> Float32[np.ndarray, "c"]:
        """Of the semantic embeddings, which are unit but for rounding; 1 for a dead component. To find them costs four
        times what a search then does."""
        found = np.ones(len(self.index.means), np.float32)
        for start in range(0, len(found), _BLOCK):
            found[start : start + _BLOCK] = lengths(self.index.means[start : start + _BLOCK])
        return found

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
    jobs: Jobs = field(default_factory=Jobs)
    towers: Worker = field(default_factory=Worker)  # foundation models
    studied: Worker = field(default_factory=Worker)  # the studied model: heat maps, edges
    maths: Worker = field(default_factory=Worker)  # map and measures
    queries: dict[str, Probes] = field(default_factory=dict)  # images that were asked for

    @cached_property
    def comparable(self) -> bool:
        """Whether there are two indexes in one semantic space."""
        spaces = [space_of(one.index.recipe) for one in self.opened]
        return len(spaces) == 2 and spaces[0] == spaces[1]

    def close(self) -> None:
        """Ends what the session started."""
        self.jobs.close()
        for worker in (self.towers, self.studied, self.maths):
            worker.close()
        for one in self.opened:
            if one.notes is not None:
                one.notes.close()


def open_session(
    folders: Sequence[Path],
    *,
    images: Sequence[str] = (),
    model: Sequence[str] = (),
    vocabulary: str | None = None,
    frozen: bool = False,
) -> Session:
    """A session over one or two indexes.

    Args:
        images: for each index where its images are, if they may be shown whole; the same for both if there is one.
        model: likewise the spec of the studied model, for heat maps.

    Raises SemlensError for an index that cannot be used, or images that are not those it was made from.
    """
    if not 1 <= len(folders) <= 2:
        raise SemlensError(f"{len(folders)} indexes were given: one is shown, or two are compared")
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{name}-{number}" for number, name in enumerate(names, 1)]
    opened = [
        _opened(number, name, folder, _of(images, number), _of(model, number), frozen)
        for number, (name, folder) in enumerate(zip(names, folders, strict=True))
    ]
    return Session(tuple(opened), vocabulary, frozen)


def _opened(number: int, name: str, folder: Path, images: str | None, model: str | None, frozen: bool) -> Opened:
    index = load_index(folder)
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    notes = open_notes(folder, digest) if not frozen else None
    return Opened(number, name, folder.resolve(), index, digest, _images(index, images), model, notes)


def _images(index: ConceptIndex, source: str | None) -> "ImageSet | None":
    """The images, which have to be those that the index was made from: an id must not name another patient's."""
    if source is None:
        return None
    from semlens.images import load_images

    found = load_images(source)
    if found.fingerprint != index.recipe.images.fingerprint:
        raise SemlensError(f"{source} does not hold the images the index was made from ({index.recipe.images.source})")
    return found


def _of(given: Sequence[str], number: int) -> str | None:
    return given[min(number, len(given) - 1)] if given else None
