"""Which positions of a sequence are patches, and which grid they come from, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isqrt

import torch
from torch import Tensor

from semlens.model.dry_run import Graph
from semlens.model.hooks import Site
from semlens.types import Float

_NOTHING = 1e-5  # of the greatest change: below it a token is the same for every image
_MOST_SPECIAL = 8  # tokens that are counted from shapes alone
_LOCAL = 0.25  # of the places: a token that depends on more has been mixed already


@dataclass(frozen=True)
class Grid:
    """A map that has passed: its height and width, where it did, and the two axes."""

    sides: tuple[int, int]
    site: Site | None
    axes: tuple[int, int]

    @property
    def places(self) -> int:
        """How many positions it has."""
        return self.sides[0] * self.sides[1]


@dataclass(frozen=True)
class Tokenised:
    """What passes at a site as images, positions and features: the axis of the positions, how many there are, and how
    much each changes from one image to another."""

    site: Site
    axis: int
    length: int
    change: Float[Tensor, "p"] | None


@dataclass
class Positions:
    """What has been seen of positions so far. Mutable: tensors are gone through in the order in which they pass.

    Args:
        image: height and width of the input.
        graph: of one image, which shows the place that a token comes from.
        grids: the maps that have passed.
        folded: places of the maps of which an image has several, as attention has one a head.
        ends: special tokens at the start and at the end of a sequence, by its length.
    """

    image: tuple[int, ...]
    graph: Graph
    grids: list[Grid] = field(default_factory=list)
    folded: set[int] = field(default_factory=set)
    ends: dict[int, tuple[int, int]] = field(default_factory=dict)
    _mixed: set[int] = field(default_factory=set)
    _shuffled: set[int] = field(default_factory=set)

    def note_tokens(self, candidates: Sequence[Tokenised]) -> None:
        """Special tokens in a sequence of which it is not known which of two axes holds the positions."""
        for one in candidates:
            ends = unchanging(one.change)
            if ends and sum(ends):
                self.ends.setdefault(one.length, ends)

    def special(self, one: Tokenised) -> tuple[int, int]:
        """How many tokens at the start and at the end of a sequence are no patches, decided where one of its length
        first passes."""
        if one.length not in self.ends and one.change is not None and bool(one.change.any()):
            ends = unchanging(one.change)
            self.ends[one.length] = self._counted(one) if ends == (0, 0) else ends or (0, 0)
        return self.ends.get(one.length, (0, 0))

    def _counted(self, one: Tokenised) -> tuple[int, int]:
        """Special tokens of a sequence of which every token changes when it first passes: as many as it is longer than
        a grid, if as many were seen before, or if the others can be seen to be the places of that grid."""
        over = sorted({one.length - places for places in self.folded | {grid.places for grid in self.grids}})
        for extra in (n for n in over if 0 < n <= _MOST_SPECIAL):
            before = [ends for ends in reversed(self.ends.values()) if sum(ends) == extra]
            if before and isqrt(one.length) ** 2 != one.length:
                return before[0]
            grid = next((grid for grid in reversed(self.grids) if grid.places == one.length - extra), None)
            if grid is None or grid.places == 1:  # every token comes from its only place, if from any
                continue
            for first in range(extra + 1):
                if self._comes_from(one, first, grid, (0, 0)) and self._in_order(one, first, grid):
                    return first, extra - first
        return 0, 0

    def sides(self, one: Tokenised, first: int, patches: int) -> tuple[int, int] | None:
        """The latest grid with as many places as there are patches, else one of the shape of the image; None where the
        patches can be seen to lie in another order than row by row."""
        grid = next((grid for grid in reversed(self.grids) if grid.places == patches), None) or self._like_image(
            patches
        )
        if grid is None or one.length in self._shuffled:
            return None
        if one.length not in self._mixed and one.site.side == "output":
            ordered = self._in_order(one, first, grid)
            if ordered is None:
                self._mixed.add(one.length)
            elif not ordered:
                self._shuffled.add(one.length)
                return None
        return None if grid.site is None and self._shuffled else grid.sides

    def _like_image(self, patches: int) -> Grid | None:
        if len(self.image) != 2 or not all(self.image):
            return None
        height = round((patches * self.image[0] / self.image[1]) ** 0.5)
        width = patches // max(height, 1)
        fits = height * width == patches > 0 and height * self.image[1] == width * self.image[0]
        return Grid((height, width), None, (2, 3)) if fits else None

    def _in_order(self, one: Tokenised, first: int, grid: Grid) -> bool | None:
        """Whether the patches lie row by row; None where they have been mixed."""
        height, width = grid.sides
        if height * width == 1:
            return True
        place = (1, 0) if height > 1 else (0, 1)
        return self._comes_from(one, first + place[0] * width + place[1], grid, place)

    def _comes_from(self, one: Tokenised, token: int, grid: Grid, place: tuple[int, int]) -> bool | None:
        """Whether a token depends on that place of a grid (or of the image, cut like it) and little around it; None
        where it depends on much, or it cannot be told."""
        gradient = self.graph.gradient(one.site, one.axis, token, grid.site)
        if gradient is None or gradient.ndim != 4:
            return None
        hit = gradient.abs().sum([axis for axis in range(4) if axis not in grid.axes]) > 0
        if not hit.any() or hit.float().mean() > max(_LOCAL, 1 / grid.places):
            return None
        at = [float(places.float().mean() + 0.5) for places in torch.nonzero(hit, as_tuple=True)]
        steps = [at[d] / hit.shape[d] * grid.sides[d] - place[d] - 0.5 for d in (0, 1)]
        return max(map(abs, steps)) < (1 if grid.site is None else 0.5)


def unchanging(change: Float[Tensor, "p"] | None) -> tuple[int, int] | None:
    """How many tokens at the start and at the end of a sequence are the same for every image, as special ones are until
    the layers mix them. None where some between are too: padding, which is read like any other place."""
    if change is None or not change.any():
        return None
    moves = torch.nonzero(change > _NOTHING * change.max()).flatten()
    first, last = int(moves[0]), len(change) - 1 - int(moves[-1])
    return (first, last) if len(moves) == len(change) - first - last else None
