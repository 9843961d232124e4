"""Encodings as an index keeps them: what every component responds to, over many images and not only its strongest."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from semlens.errors import SemlensError
from semlens.index.files import Arrays, pack_texts
from semlens.index.records import Thumbnails
from semlens.index.rules import Kind, PartRules, Parts, Sizes, check_inside, texts
from semlens.types import MISSING, Float, Float16, Float32, Float64, Int32, LayerAxis

TRANSFORMS = ("raw", "squared", "root")
"""What of an activation is explained: itself, the square of its positive part, or, of a layer that is the model's
output, the root of the probability that the outputs make (softmax)."""

LEVELS = (0.5, 0.9, 0.99)
"""Quantiles of a component's activations near which images are shown, beside its strongest."""

_SLACK = 1e-3  # of a unit vector's length: its elements are rounded to 2^-14
_ROWS = 256  # rows whose images are put in order at a time


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


@dataclass(frozen=True)
class _Stored(EncodingsId):
    """The same as the manifest has it."""

    count: int  # images that the sums are over


@dataclass(frozen=True, eq=False, repr=False)
class Encodings:
    """The linear relation of embedding and activation over images i = 1..n, for every component and every output.

    e_i is the unit embedding of the whole image i, y_i the component's pooled activation there (or the output),
    transformed as its layer is and standardised to mean 0 and variance 1 over the n images. What never varies, or is
    not finite on some image, has a row of zeros and no R2.

    Axis `a`: the components of the index in its rows, then the outputs; `o`: the outputs; `e`: the images kept.
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
    ids: Int32[np.ndarray, "e"]  # the images kept, ascending
    groups: Int32[np.ndarray, "e"]  # which belong together, by number; each its own where there are no groups
    embeddings: Float16[np.ndarray, "e d"]  # their e
    activations: Float16[np.ndarray, "a e"]  # their y
    thumbnails: Thumbnails  # of the images kept, empty where none is at hand

    def __repr__(self) -> str:
        return f"Encodings({len(self.cross):,} components and outputs over {self.images:,} images)"

    def level_ids(
        self, rows: Sequence[int] | slice = slice(None), levels: Sequence[float] = LEVELS
    ) -> Int32[np.ndarray, "r l"]:
        """The kept image that lies at each quantile of a row's activations, of equal ones the lower id; MISSING where
        the row has no encoding.

        Raises:
            SemlensError: a level outside of 0 to 1.
        """
        if not all(0 <= level <= 1 for level in levels):
            raise SemlensError(f"levels are quantiles from 0 to 1, not {', '.join(map(str, levels))}")
        encoded, activations = self.deviation[rows] > 0, self.activations[rows]
        ids = np.full((len(activations), len(levels)), MISSING, np.int32)
        if len(self.ids):
            at = [round(level * (len(self.ids) - 1)) for level in levels]
            for start in range(0, len(ids), _ROWS):
                block = slice(start, start + _ROWS)
                ids[block] = self.ids[np.argsort(activations[block], axis=1, kind="stable")[:, at]]
        ids[~encoded] = MISSING
        return ids

    def thumbnail(self, image: int) -> bytes:
        """The WebP file of a kept image; no bytes where there is none."""
        at = int(np.searchsorted(self.ids, image))
        return self.thumbnails.get(at) if at < len(self.ids) and self.ids[at] == image else b""


def _check_rows(arrays: Arrays, sizes: Sizes) -> None:
    deviation, cross = arrays["deviation"], arrays["cross"]
    for name in ("average", "deviation"):
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} holds a value that is not finite")
    if (deviation < 0).any():
        raise ValueError("deviation holds a negative value")
    _check_within("cross", cross, 1 + _SLACK)
    if cross[deviation == 0].any():
        raise ValueError("cross is not zero where deviation is")
    if np.isinf(arrays["r2"]).any() or (arrays["r2"] > 1).any() or not np.isnan(arrays["r2"][deviation == 0]).all():
        raise ValueError("r2 holds a value above 1, an infinite one, or one where deviation is zero")


def _check_space(arrays: Arrays, sizes: Sizes) -> None:
    covariance = arrays["covariance"]
    _check_within("mean", arrays["mean"], 1 + _SLACK)
    _check_within("covariance", covariance, 1 + _SLACK)
    if (covariance != covariance.T).any() or (np.diagonal(covariance) < 0).any():
        raise ValueError("covariance is not symmetric, or negative on its diagonal")


def _check_kept(arrays: Arrays, sizes: Sizes) -> None:
    ids = arrays["ids"]
    check_inside("ids", ids, sizes["i"])
    if (ids[1:] <= ids[:-1]).any():
        raise ValueError("ids does not ascend")
    if (arrays["groups"] < 0).any():
        raise ValueError("groups holds a negative number")


def _check_within(name: str, values: Float[np.ndarray, "..."], most: float) -> None:
    if not (np.abs(values) <= most).all():  # which NaN is not
        raise ValueError(f"{name} holds a value outside of -1 to 1")


def _check_recipe(recipe: _Stored, layers: tuple[LayerAxis, ...], rows: Mapping[str, int]) -> None:
    """Raises ValueError for a recipe that contradicts the index's layers or how many rows there are."""
    components, outputs = layers[-1].stop if layers else 0, rows["output-names"]
    if rows["encodings"] != components + outputs:
        raise ValueError(f"part 'encodings' has not the {components + outputs} rows that the others ask for")
    if len(recipe.transforms) != len(layers) + bool(outputs):
        raise ValueError("the encodings have not one transform for each layer, and one for the outputs")
    most = min(recipe.count, recipe.kept)
    if rows["encoding-images"] > most:
        raise ValueError(f"the encodings keep {rows['encoding-images']} images, of which there are at most {most}")
    if recipe.images is not None and recipe.count > recipe.images:
        raise ValueError(f"the encodings are over {recipe.count} images, of which {recipe.images} were asked for")


_PARTS = {
    "encodings": PartRules(
        "a",
        {"cross": "float32 a d", "average": "float32 a", "deviation": "float32 a", "r2": "float32 a"},
        _check_rows,
    ),
    "encoding-space": PartRules("d", {"mean": "float64 d", "covariance": "float64 d d"}, _check_space),
    "encoding-images": PartRules(
        "e",
        {"ids": "int32 e", "groups": "int32 e", "embeddings": "float16 e d", "activations": "float16 a e"},
        _check_kept,
    ),
    "encoding-thumbnails": texts("e"),
    "output-names": texts("o"),
}


def _write(encodings: Encodings) -> dict[str, Arrays]:
    named = ("encodings", "encoding-space", "encoding-images")
    return {name: _PARTS[name].pick(encodings) for name in named} | {
        "encoding-thumbnails": {"data": encodings.thumbnails.data, "offsets": encodings.thumbnails.offsets},
        "output-names": pack_texts(encodings.outputs),
    }


def _read(recipe: _Stored, parts: Parts) -> Encodings:
    stored = asdict(recipe)
    count = stored.pop("count")
    named: dict[str, Any] = {}
    for part in ("encodings", "encoding-space", "encoding-images"):
        named |= parts.arrays(part)
    thumbnails = Thumbnails(**parts.arrays("encoding-thumbnails"))
    return Encodings(EncodingsId(**stored), count, parts.texts("output-names"), **named, thumbnails=thumbnails)


def _recipe(encodings: Encodings) -> _Stored:
    return _Stored(**asdict(encodings.recipe), count=encodings.images)


ENCODINGS = Kind(
    "encodings", Encodings, _PARTS, _write, _read, since=3, recipe=_Stored, recipe_of=_recipe, check=_check_recipe,
)  # fmt: skip
