"""What components respond to over all images: an index's encodings as questions ask them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis.probe import Probes
from semlens.errors import SemlensError, unknown
from semlens.index import ConceptIndex, Encodings
from semlens.numerics import Metric
from semlens.types import Bool, Float32

WAYS = ("auto", "encoding", "examples")
"""What a question goes by: encodings, which say what a component responds to over all images, or its strongest
examples; auto is the first where an index has any."""

ALIKE = 0.01
"""How far mean and covariance of the same images' embeddings may lie apart, in parts of how the images vary; rounding
by batch size or device moves them far less."""

TINY = 1e-12


def way(index: ConceptIndex, by: str) -> str:
    """What a question of an index goes by: "encoding" or "examples".

    Raises:
        SemlensError: there is no such way, or the index has no encodings.
    """
    if by not in WAYS:
        raise unknown("way", by, WAYS)
    if by == "encoding" and index.encodings is None:
        raise SemlensError(
            "the index holds no encodings: add them with `semlens encode`, or ask with by='examples' (--by examples)"
        )
    if by == "auto":
        return "encoding" if index.encodings is not None else "examples"
    return by


def common_way(indexes: Sequence[ConceptIndex], by: str) -> str:
    """What a question of several indexes goes by; "auto" is by encoding where all have encodings of the same images.

    Raises:
        SemlensError: there is no such way, or an index has no encodings.
    """
    ways = {way(index, by) for index in indexes}
    alike = len({tuple(encoded_from(index).items()) for index in indexes}) == 1
    return "encoding" if ways == {"encoding"} and (alike or by == "encoding") else "examples"


def encoded_from(index: ConceptIndex) -> dict[str, object]:
    """What must be the same for encodings of two indexes to compare: the images they are over, and what is encoded."""
    own, same = index.encodings, {"images": index.recipe.images.fingerprint, "pool": index.recipe.pool}
    if own is None:
        return {**same}
    return {**same, "encoded images": own.images, "at most": own.recipe.images, "seed of the draw": own.recipe.seed}


def check_embedded_alike(names: Sequence[str], indexes: Sequence[ConceptIndex]) -> None:
    """Checks that encodings lie in one space: that the images were embedded alike, whatever made them differ.

    Raises:
        SemlensError: the embeddings' mean or covariance is another than the first one's.
    """
    first, *others = (index.encodings for index in indexes)
    for name, own in zip(names[1:], others, strict=True):
        if first is None or own is None:
            continue
        spread, varied = np.trace(first.covariance) ** 0.5 + TINY, np.linalg.norm(first.covariance) + TINY
        moved, turned = own.mean - first.mean, own.covariance - first.covariance
        away = max(float(np.linalg.norm(moved) / spread), float(np.linalg.norm(turned) / varied))
        if away > ALIKE:
            raise SemlensError(
                f"{names[0]} and {name} embed the same images differently (by {away:.1%} of how they vary): encode one "
                "of them again with the software and images of the other (`semlens encode`), or ask by examples"
            )


@dataclass(frozen=True, eq=False)
class Responses:
    """The encodings of an index's components, in its rows."""

    index: ConceptIndex
    encodings: Encodings

    @cached_property
    def metric(self) -> Metric:
        """The space of embeddings as the images fill it."""
        return Metric(self.encodings.covariance, self.encodings.images)

    @property
    def cross(self) -> Float32[np.ndarray, "c d"]:
        """Covariance of embedding and activation."""
        return self.encodings.cross[: len(self.index.rows)]

    @property
    def r2(self) -> Float32[np.ndarray, "c"]:
        """The part of the variance that the embedding explains in images left out."""
        return self.encodings.r2[: len(self.index.rows)]

    @cached_property
    def encoded(self) -> Bool[np.ndarray, "c"]:
        """Components that have an encoding: their activation varies, and is finite on every image."""
        return np.asarray(self.encodings.deviation[: len(self.index.rows)] > 0)

    def directions(self, probes: Probes) -> Float32[np.ndarray, "q d"]:
        """Where the probes lie: texts as they are, images as they differ from the mean image."""
        directions = np.array(probes.vectors, np.float32)
        directions[list(probes.images)] -= self.encodings.mean.astype(np.float32)
        return directions


def responses(index: ConceptIndex) -> Responses:
    """The responses of an index that has encodings.

    Raises:
        SemlensError: it has none.
    """
    way(index, "encoding")
    assert index.encodings is not None
    return Responses(index, index.encodings)
