"""Encodings as an index keeps them: what every component responds to, over many images and not only its strongest."""

from dataclasses import dataclass

import numpy as np

from semlens.shapes import Float16, Float32, Float64, Int32

TRANSFORMS = ("raw", "squared")
"""What of an activation is explained: itself, or the square of its positive part."""


@dataclass(frozen=True)
class EncodingsId:
    """Everything that determines an index's encodings, beside its recipe."""

    images: int | None  # embedded at most this many, drawn at random; None for all
    kept: int  # of which at most this many are kept, to permute
    seed: int  # of both draws
    transforms: tuple[str, ...]  # of each layer of the index in its order, and of the outputs if there are any
    groups: str  # the column by which images belong together, empty where each stands for itself

    def __post_init__(self) -> None:
        if unknown := [name for name in self.transforms if name not in TRANSFORMS]:
            raise ValueError(f"{unknown[0]!r:.20} is no transform of activations")


@dataclass(frozen=True, eq=False, repr=False)
class Encodings:
    """The linear relation of embedding and activation over images i = 1..n, for every component and every output.

    e_i is the unit embedding of the whole image i, y_i the component's pooled activation there (or the output),
    transformed as its layer is and standardised to mean 0 and variance 1 over the n images. What never varies, or is
    not finite on some image, has a row of zeros and no R2.

    Axis `a`: the components of the index in its rows, then the outputs; `o`: the outputs; `m`: the images kept.
    """

    recipe: EncodingsId
    images: int  # n, those that could not be read not counted
    outputs: tuple[str, ...]  # what the model calls its outputs, or their numbers; none where it is no classifier
    mean: Float64[np.ndarray, "d"]  # of e
    covariance: Float64[np.ndarray, "d d"]  # of e
    cross: Float32[np.ndarray, "a d"]  # covariance of e and y
    average: Float32[np.ndarray, "a"]  # of the transformed activation before it is standardised
    deviation: Float32[np.ndarray, "a"]  # its standard deviation
    r2: Float32[np.ndarray, "a"]  # variance of y that the embedding explains in images left out; NaN where undefined
    ids: Int32[np.ndarray, "m"]  # the images kept, ascending
    groups: Int32[np.ndarray, "m"]  # which belong together, by number; each its own where there are no groups
    embeddings: Float16[np.ndarray, "m d"]  # their e
    activations: Float16[np.ndarray, "a m"]  # their y

    def __repr__(self) -> str:
        return f"Encodings({len(self.cross):,} components and outputs over {self.images:,} images)"
