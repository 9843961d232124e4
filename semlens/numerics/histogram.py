"""How often a component reaches which activation: counts in bins that no data decide, so that they merge exactly.

Source: Masson, Rim and Lee 2019 (DDSketch) for the bins. But: of a fixed range, so that there are as many for every
component and none needs to be collapsed.
"""

from dataclasses import dataclass

import numpy as np

from semlens.types import Bool, Float32, Float64, Int32, Int64, UInt8

OCTAVES = 16
"""Bins reach from 2^-OCTAVES to 2^OCTAVES on either side of zero."""

MIDDLE = 4 * OCTAVES
"""The bin of zero, and how many bins lie on either side of it."""

BINS = 2 * MIDDLE + 1

MIN_EXPONENT, MAX_EXPONENT = 126 - 2 * OCTAVES, 126 + 2 * OCTAVES
"""The exponent bits of squares in the middle bin, at most, and in the end bins, at least."""


@dataclass(frozen=True, eq=False, repr=False)
class Histogram:
    """On how many images each component reaches which activation, over all images that a pass looked at."""

    counts: Int32[np.ndarray, "c 129"]  # ascending; images that gave NaN are in none

    @property
    def edges(self) -> Float64[np.ndarray, "130"]:
        """Between which activations the bins lie; those beyond the ends are counted in the outermost two."""
        return edges()

    def __repr__(self) -> str:
        return f"Histogram({len(self.counts)} components, {BINS} bins)"


def edges() -> Float64[np.ndarray, "130"]:
    """What parts the bins, ascending: -2^16 to -2^-16 and 2^-16 to 2^16, each by the root of 2.

    An activation on an edge belongs to the bin further from zero.
    """
    half_octaves = np.arange(-2 * OCTAVES, 2 * OCTAVES + 1)
    positive = np.ldexp(np.where(half_octaves % 2, np.sqrt(2), 1), half_octaves // 2)
    return np.concatenate([-positive[::-1], positive])


def bins(activations: Float32[np.ndarray, "*n"]) -> UInt8[np.ndarray, "*n"]:
    """The number of the bin that each activation falls in, 0 for the lowest; none of them may be NaN."""
    return (_signed(activations) + MIDDLE).astype(np.uint8)


def _signed(activations: Float32[np.ndarray, "*n"]) -> Int32[np.ndarray, "*n"]:
    """The bin's distance from the middle one, in [-MIDDLE, MIDDLE].

    A number's half octave is its square's octave, which stands in the exponent bits. Exact, although the square is
    rounded: no float32 lies so near an edge, an odd power of the root of 2, that its square is rounded across.
    """
    with np.errstate(over="ignore"):  # what is beyond 2^64 becomes infinite, and is counted in the end bin anyway
        square = np.multiply(activations, activations)
    bin_ = square.view(np.int32)
    bin_ >>= 23  # the sign bit is 0
    np.clip(bin_, MIN_EXPONENT, MAX_EXPONENT, out=bin_)
    bin_ -= MIN_EXPONENT
    negative = activations.view(np.int32) >> 31  # -1 or 0
    bin_ ^= negative  # with the next line a change of sign where it is -1
    bin_ -= negative
    return bin_


def count(
    activations: Float32[np.ndarray, "n c"], missing: Bool[np.ndarray, "n c"] | None = None
) -> Int64[np.ndarray, "c 129"]:
    """How many of each component's activations fall in each bin, those not counted that are `missing`."""
    c = activations.shape[1]
    if missing is not None:
        activations = np.where(missing, np.float32(0), activations)
    flat = _signed(activations)
    flat += np.arange(MIDDLE, c * BINS, BINS, dtype=np.int32)
    counts = np.bincount(flat.ravel(), minlength=c * BINS).reshape(c, BINS)
    if missing is not None:
        counts[:, MIDDLE] -= missing.sum(axis=0)
    return counts
