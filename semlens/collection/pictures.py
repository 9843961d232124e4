"""Which images are copies of another: how many show each picture, over all that a pass sees, in bounded memory.

A picture is what the model gets, told by 64 bits. Of more than KEPT_PICTURES those of the least digests are kept: a
random sample. A picture that is in the sample of all images is in that of every part, so the counts add up exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from semlens.types import ConceptExamples, Int32, Int64, Shaped

KEPT_PICTURES = 65_536
"""Up to so many pictures copies are counted exactly; of more, among a random sample."""

_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class Tally:
    """Pictures, and how many images show each."""

    pictures: Int64[np.ndarray, "p"]  # digests, ascending
    shown: Int32[np.ndarray, "p 3"]  # by how many images, and the first and last of these

    @classmethod
    def of(cls, pictures: Int64[np.ndarray, "n"], ids: Int32[np.ndarray, "n"]) -> "Tally":
        """The pictures of some images."""
        return _joined(pictures, np.stack([np.ones_like(ids), ids, ids], axis=1))


class RunningPictures:
    """The pictures so far. Mutable, because a pass goes on."""

    def __init__(self) -> None:
        self._tally = Tally.of(np.empty(0, np.int64), np.empty(0, np.int32))
        self._new: list[tuple[Tensor, Sequence[int]]] = []  # left on the device, so that no batch waits for it

    def add(self, x: Shaped[Tensor, "n ..."], ids: Sequence[int]) -> None:
        """Takes images in as the model gets them."""
        self._new.append((digests(x), ids))
        if sum(len(ids) for _, ids in self._new) >= KEPT_PICTURES:
            self.state()

    def state(self) -> Tally:
        """What was seen so far."""
        if self._new:
            ids = np.concatenate([np.asarray(ids, np.int32) for _, ids in self._new])
            told = torch.cat([digest for digest, _ in self._new]).cpu().numpy()
            self._tally, self._new = merge_pictures(self._tally, Tally.of(told, ids)), []
        return self._tally


def merge_pictures(a: Tally, b: Tally) -> Tally:
    """The pictures of the images of both, which share none: associative and commutative."""
    return _joined(np.concatenate([a.pictures, b.pictures]), np.concatenate([a.shown, b.shown]))


def _joined(digests: Int64[np.ndarray, "n"], rows: Int32[np.ndarray, "n 3"]) -> Tally:
    """Rows of one picture as one."""
    pictures, at = np.unique(digests, return_inverse=True)
    shown = np.tile(np.array([0, np.iinfo(np.int32).max, -1], np.int32), (len(pictures), 1))
    np.add.at(shown[:, 0], at, rows[:, 0])
    np.minimum.at(shown[:, 1], at, rows[:, 1])
    np.maximum.at(shown[:, 2], at, rows[:, 2])
    return Tally(pictures[:KEPT_PICTURES], shown[:KEPT_PICTURES])


def digests(x: Shaped[Tensor, "n ..."]) -> Int64[Tensor, "n"]:
    """64 bits for each image: equal for equal ones, and for others by a chance of at most 2^-49.

    Source: multilinear hashing, Carter and Wegman 1979. But: modulo 2^64, and the upper half of each number is mixed
    into the lower one before, since of a difference that is a multiple of 2^b only 64 - b bits are left.
    """
    size = x.element_size()
    rows = x.flatten(1).view(_BITS[size])
    weights = _weights(rows.shape[1], x.device)
    at_once = 1 if x.device.type == "cpu" else len(rows)  # a row and what is made of it stay in the cache
    sums = [((part ^ (part >> 4 * size)) * weights).sum(dim=1) for part in rows.split(max(1, at_once))]
    return _scrambled(torch.cat(sums))


@lru_cache(maxsize=1)
def _weights(count: int, device: torch.device) -> Int64[Tensor, "p"]:
    """Random odd numbers, the same everywhere."""
    return _scrambled(torch.arange(1, count + 1)).bitwise_or(1).to(device)


def _scrambled(numbers: Int64[Tensor, "n"]) -> Int64[Tensor, "n"]:
    """Each number as another one, so that near ones lie anywhere.

    Source: the finaliser of SplitMix64, Steele et al. 2014.
    """
    z = numbers - 7046029254386353131  # 0x9E3779B97F4A7C15
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        z = (z ^ _upper(z, shift)) * factor
    return z ^ _upper(z, 31)


def _upper(z: Int64[Tensor, "n"], shift: int) -> Int64[Tensor, "n"]:
    """A shift to the right that fills with zeros."""
    return (z >> shift) & (2 ** (64 - shift) - 1)


def copies_told(examples: ConceptExamples, names: Sequence[str]) -> list[str]:
    """How many images of a pass are copies of another, in a sentence; none where none is."""
    images, pictures = int(examples.shown[:, 0].sum()), len(examples.pictures)
    several = examples.shown[examples.shown[:, 0] > 1]
    if not len(several):
        return []
    first, last = (names[id] for id in several[np.argmin(several[:, 1]), 1:])
    counted = f"{images - pictures:,} of the {images:,} images are copies"
    if images < examples.images:
        counted = f"about {1 - pictures / images:.1%} of the {examples.images:,} images are copies"
    pair = f"{last} of {first}" if last != first else f"{first}, which is listed more than once"
    return [f"{counted} of another, as the model sees them, first {pair}: what they show counts as often"]
