"""The records that an index is made of: how it was made, its pictures, its images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.errors import SemlensError
from semlens.index.files import pack
from semlens.types import FoundationId, Int64, UInt8


@dataclass(frozen=True)
class ModelId:
    """The studied model; `fingerprint` covers its weights, `preprocess` says how it sees an image."""

    name: str
    fingerprint: str
    preprocess: str

    def check(self, fingerprint: str) -> None:
        """Returns if the fingerprint is this model's.

        Raises:
            SemlensError: for the fingerprint of another model.
        """
        if fingerprint != self.fingerprint:
            raise SemlensError(f"this is not the model the index was made from ({self.name})")


@dataclass(frozen=True)
class ImagesId:
    """The images looked at: `count` with the unreadable ones, which keep their ids."""

    source: str
    fingerprint: str
    count: int
    unreadable: int

    def check(self, fingerprint: str) -> None:
        """Returns if the fingerprint is these images'.

        Raises:
            SemlensError: for the fingerprint of other images.
        """
        if fingerprint != self.fingerprint:
            raise SemlensError(f"these are not the images the index was made from ({self.source})")


@dataclass(frozen=True)
class CropId:
    """What of an image was embedded: the kind of crop and what determines its box."""

    kind: str
    parameters: dict[str, str | int | float | bool]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines what an index holds, and nothing else: no times, no folders of its own."""

    model: ModelId
    images: ImagesId
    k: int
    pool: str
    crop: CropId
    precision: str
    foundation: FoundationId
    decoder: str
    seed: int
    software: dict[str, str]


@dataclass(frozen=True)
class Thumbnails:
    """One small WebP per distinct crop, end to end in `data`; crop i ends where offset i + 1 says."""

    data: UInt8[np.ndarray, "b"]
    offsets: Int64[np.ndarray, "_"]  # one more than there are crops

    @classmethod
    def pack(cls, pictures: Sequence[bytes]) -> "Thumbnails":
        """The pictures in their order; an empty one where there is none."""
        return cls(**pack(pictures))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def get(self, row: int) -> bytes:
        """The WebP file of a row of `vectors`; no bytes where there is none.

        Raises:
            SemlensError: for a row that the index does not have.
        """
        if not 0 <= row < len(self):
            raise SemlensError(f"there is no thumbnail {row}: the index has {len(self)}")
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()


@dataclass(frozen=True)
class ImageTable:
    """By image id: its name, its label if it has one, and why it could not be read if it could not."""

    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    errors: tuple[str | None, ...]
