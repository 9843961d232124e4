"""The vectors of a layer over images, in random order and in bounded memory: what dictionaries are learned from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.collection import Feed, fast_cpu
from semlens.errors import SemlensError
from semlens.model import Components, Layer, Vectors, VisionModel, layer_text, parse_all, record
from semlens.types import Float, Progress, Shaped

HELD_OUT = 20
"""One image in this many is held out, to measure what a dictionary does not explain."""


@dataclass(eq=False)
class VectorStream:
    """The vectors at a layer's positions, a block of images at a time. Mutable: it keeps the last block.

    Args:
        buffer: bytes that a block takes at most, unless one image takes more.
    """

    feed: Feed
    kind: Components
    buffer: int
    seed: int
    progress: Progress
    per_image: int = field(init=False)
    width: int = field(init=False)
    _last: tuple[tuple[int, ...], Tensor] | None = None

    def __post_init__(self) -> None:
        (first,) = _of(self.feed.model, self.kind, self.feed.first)
        self.per_image, self.width = first.shape

    @property
    def learned(self) -> list[int]:
        """The images that are learned from."""
        apart = set(self.held_out)
        return [i for i in range(len(self.feed.images)) if i not in apart]

    @property
    def held_out(self) -> list[int]:
        """The images that are not, drawn at random."""
        count = len(self.feed.images)
        drawn = np.random.default_rng([self.seed, 1]).permutation(count)
        return sorted(drawn[: max(1, count // HELD_OUT)].tolist())

    def blocks(self, turn: int) -> list[tuple[int, ...]]:
        """All images that are learned from, in the order of a turn, as many together as the buffer holds."""
        ids = self.learned
        order = np.random.default_rng([self.seed, 2, turn]).permutation(len(ids))
        size = max(1, self.buffer // (4 * self.per_image * self.width))
        blocks = [order[start : start + size] for start in range(0, len(ids), size)]
        return [tuple(sorted(ids[i] for i in block)) for block in blocks]

    def vectors(self, ids: tuple[int, ...], turn: int) -> Float[Tensor, "m d"]:
        """All finite vectors of some images, shuffled.

        Raises:
            SemlensError: there is none.
        """
        if self._last is None or self._last[0] != ids:
            self._last = None  # one block at a time
            found = torch.cat(list(self.in_order(ids)) or [torch.empty(0, self.width)])
            if not len(found):
                raise SemlensError(f"layer {self.kind.layer!r} gives no finite vector on any of {len(ids):,} images")
            self._last = ids, found
        x = self._last[1]
        order = np.random.default_rng([self.seed, 3, turn, ids[0]]).permutation(len(x))
        return x[torch.from_numpy(order)]

    def in_order(self, ids: Sequence[int]) -> Iterator[Float[Tensor, "m d"]]:
        """The finite vectors of some images, a batch of images at a time."""
        return in_order(self.feed, self.kind, ids, self.progress)


def in_order(feed: Feed, kind: Components, ids: Sequence[int], progress: Progress) -> Iterator[Float[Tensor, "m d"]]:
    """The finite vectors of a layer on some images, a batch of images at a time."""
    with torch.no_grad(), fast_cpu():
        for x, readable in feed.readable(list(ids), "vectors", progress):
            found = _of(feed.model, kind, x)[: len(readable)].flatten(0, 1)
            yield found[found.isfinite().all(1)]


def _of(model: VisionModel, kind: Components, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n p d"]:
    assert isinstance(kind, Vectors)

    def keep(_: Any, output: Any) -> Tensor:
        return kind.vectors(output).float().clone()

    with record(model.net, [kind.site], keep) as seen, torch.no_grad():
        model.net(x)
        return seen[kind.site]


def vectors_at(feed: Feed, layer: Layer, *, buffer: int, seed: int, progress: Progress) -> VectorStream:
    """The vectors of a layer.

    Raises:
        SemlensError: the layer has none, its model reads texts, or there are too few images to hold one out.
    """
    ((kind, _),) = parse_all(feed.model.net, [layer], feed.first)
    if not isinstance(kind, Vectors):
        raise SemlensError(f"{layer_text(layer)!r} is a dictionary already: name the layer itself")
    if getattr(kind, "words", None) is not None:
        raise SemlensError(f"{layer_text(layer)!r} has vectors at padding too, of which no dictionary is to be learned")
    if len(feed.images) < 2:
        raise SemlensError("a dictionary needs two images at least: one is held out to measure it")
    return VectorStream(feed, kind, buffer, seed, progress)
