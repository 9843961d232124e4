"""The images of a source by id, undecoded, with what was assumed and what was left out on the way to them."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from semlens.images.decode import Raw


class ImagesWarning(UserWarning):
    """Something of a source of images that is not used, or not as may be thought."""


@dataclass(frozen=True)
class Listing:
    """The images of a source by id. `read` is picklable, for worker processes."""

    source: str
    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    read: Callable[[int], Raw]
    notes: tuple[str, ...] = ()  # what was assumed, a sentence each
    lost: tuple[str, ...] = ()  # what was left out, likewise

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Files:
    """Reads the path of a file, which starts from a folder unless it is absolute."""

    folder: str
    paths: tuple[str, ...]

    def __call__(self, id: int) -> str:  # noqa: D102  the class says it
        return os.path.join(self.folder, self.paths[id])
