"""Which positions of a sequence are patches, and which grid they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isqrt

import torch

from semlens.model.dry_run import Fingerprint

_NOTHING = 1e-6  # of the greatest change: below it a token is the same for every image
_MOST_SPECIAL = 8  # tokens that are counted from shapes alone


@dataclass
class Positions:
    """What has been seen of positions so far. Mutable: tensors are gone through in the order in which they pass.

    Args:
        image: height and width of the input.
        grids: height and width of the maps that have passed.
        ends: special tokens at the start and at the end of a sequence, by its length.
    """

    image: tuple[int, ...]
    grids: list[tuple[int, int]] = field(default_factory=list)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)

    def note_tokens(self, shape: tuple[int, ...], places: Sequence[int], two: Fingerprint, other: Fingerprint) -> None:
        """Special tokens in a sequence of which it is not known which of two axes holds the positions."""
        for axis in places if len(places) == 2 else ():
            ends = unchanging(two, other, axis)
            if ends and sum(ends):
                self.ends.setdefault(shape[axis], ends)

    def special(self, length: int, axis: int, two: Fingerprint, other: Fingerprint) -> tuple[int, int]:
        """How many tokens at the start and at the end of a sequence are no patches, decided where one of its length
        first passes."""
        if length not in self.ends:
            ends = unchanging(two, other, axis)
            self.ends[length] = self._counted(length) if ends == (0, 0) else ends or (0, 0)
        return self.ends[length]

    def _counted(self, length: int) -> tuple[int, int]:
        """Special tokens of a sequence that is mixed already when it first passes: as many as it is longer than the
        greatest grid that fits into it, where they lay before."""
        over = min((length - h * w for h, w in self.grids if h * w <= length), default=0)
        if not 0 < over <= _MOST_SPECIAL or isqrt(length) ** 2 == length:
            return 0, 0
        return next((ends for ends in reversed(self.ends.values()) if sum(ends) == over), (over, 0))

    def sides(self, patches: int) -> tuple[int, int] | None:
        """The latest grid with as many places as there are patches, else one of the shape of the image."""
        for sides in reversed(self.grids):
            if sides[0] * sides[1] == patches:
                return sides
        if len(self.image) != 2 or not all(self.image):
            return None
        height = round((patches * self.image[0] / self.image[1]) ** 0.5)
        width = patches // max(height, 1)
        fits = height * width == patches > 0 and height * self.image[1] == width * self.image[0]
        return (height, width) if fits else None


def unchanging(two: Fingerprint, other: Fingerprint, axis: int) -> tuple[int, int] | None:
    """How many tokens at the start and at the end of a sequence are the same for every image, as special ones are until
    the layers mix them. None where some between are too: padding, which is read like any other place."""
    change = (two.sums[axis] - other.sums[axis]).abs()
    moves = torch.nonzero(change > _NOTHING * change.max()).flatten()
    first, last = int(moves[0]), len(change) - 1 - int(moves[-1])
    return (first, last) if len(moves) == len(change) - first - last else None
