"""Sums for encodings: whole numbers, so that they are the same in whatever order images come, and how two merge."""

from dataclasses import replace

import numpy as np

from semlens.errors import SemlensError
from semlens.types import EncodingSums, Int32, Int64

EMBEDDING_BITS, ACTIVATION_BITS, MOST_BITS = 14, 17, 25
"""Embeddings count in 2^-14, activations in 2^-17 of their row's unit; more than 2^25 of these is out of range.

A product is below 2^39, so 2^14 of them add up exactly in float64, and 2^24 in int64."""

MOST_IMAGES = 2**24
_APART = 2  # powers of two: units that are further apart come of a model that is not one


def merge_sums(a: EncodingSums | None, b: EncodingSums | None) -> EncodingSums | None:
    """The sums over the images of both, which share none: associative and commutative.

    Raises:
        SemlensError: a layer is the model's output in one of them, and is not in the other.
    """
    if a is None or b is None:
        return None
    if not (a.count and b.count):
        return a if a.count else b
    if a.answers != b.answers:
        raise SemlensError("one part has a layer for the model's output and another has not: collect both anew")
    exponents = np.minimum(a.exponents, b.exponents)
    a, b = _in_units(a, exponents), _in_units(b, exponents)
    ids = np.concatenate([a.ids, b.ids])
    order = np.argsort(ids)
    return replace(
        a,
        count=a.count + b.count,
        exponents=exponents,
        embedding=a.embedding + b.embedding,
        products=a.products + b.products,
        activation=a.activation + b.activation,
        squares=carried(a.squares + b.squares),
        cross=a.cross + b.cross,
        odd=a.odd + b.odd,
        ids=ids[order],
        embeddings=np.concatenate([a.embeddings, b.embeddings])[order],
        activations=np.concatenate([a.activations, b.activations])[order],
    )


def carried(squares: Int64[np.ndarray, "t a l"]) -> Int64[np.ndarray, "t a l"]:
    """Sums of squares with the lower part below 2^25: one way to write each."""
    high, low = squares[..., 0], squares[..., 1]
    return np.stack([high + (low >> MOST_BITS), low & (2**MOST_BITS - 1)], axis=-1)


def _in_units(sums: EncodingSums, exponents: Int32[np.ndarray, "a"]) -> EncodingSums:
    """The same in finer units, exactly. Units are of a few images' activations, and another machine may round these to
    the other side of a power of two.
    """
    apart = sums.exponents - exponents
    if not apart.any():
        return sums
    far = apart > _APART
    once = np.where(far, 0, apart).astype(np.int64)
    raise_by = np.stack([once, 2 * once])
    return replace(
        sums,
        exponents=exponents,
        activation=sums.activation << raise_by,
        squares=carried(sums.squares << 2 * raise_by[..., None]),
        cross=sums.cross << raise_by[..., None],
        odd=sums.odd + far,
    )
