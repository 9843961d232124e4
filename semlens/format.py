"""The index format as data: which arrays and tables each part holds, and when they are right.

This is docs/index-format.md in code. What is wrong is a ValueError with the bare fact; who opens a file adds its name.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from semlens.parts import Arrays, Columns
from semlens.shapes import Bool, Int32, Shaped
from semlens.types import MISSING, LayerAxis

LAYOUT: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "examples": {
            "ids": "int32 c k",
            "positions": "int32 c k",
            "activations": "float32 c k",
            "rows": "int32 c k",
            "fired": "int64 c",
            "nan": "int64 c",
            "lowest": "float32 c",
        },
        "means": {"means": "float16 c d", "random": "float16 r d"},
        "vectors": {"vectors": "float16 u d", "sources": "int32 u", "boxes": "int32 u 4"},
        "thumbnails": {"data": "uint8 b", "offsets": "int64 u+1"},
        "unit-names": {"data": "uint8 b", "offsets": "int64 c+1"},
        "image-names": {"data": "uint8 b", "offsets": "int64 i+1"},
        "image-labels": {"data": "uint8 b", "offsets": "int64 i+1"},
        "image-errors": {"data": "uint8 b", "offsets": "int64 i+1"},
        "relevance": {
            "positive": "float32 c y",
            "negative": "float32 c y",
            "frequency": "float32 c y",
            "counts": "int64 y",
            "ids": "int32 c m",
            "shares": "float32 c m",
        },
        "class-names": {"data": "uint8 b", "offsets": "int64 y+1"},
    }
)
"""Every tensor of every part: its dtype and axes. Axes r, b and m may have any length."""

COMPONENTS: Columns = MappingProxyType(
    {
        "row": "int32",
        "layer": "string",
        "unit": "int32",
        "kind": "string",
        "name": "string",
        "valid": "int32",
        "fired": "int64",
        "nan": "int64",
        "dead": "bool",
        "strongest": "float",
    }
)
IMAGES: Columns = MappingProxyType({"id": "int32", "name": "string", "label": "string", "error": "string"})

COUNTED = MappingProxyType(
    {
        **dict.fromkeys(("examples", "means", "unit-names", "components", "relevance"), "c"),
        **dict.fromkeys(("vectors", "thumbnails"), "u"),
        **dict.fromkeys(("image-names", "image-labels", "image-errors", "images"), "i"),
        "class-names": "y",
    }
)
"""Every part, and what its rows are: components, distinct crops, images or classes. Two are tables, which we only
write."""

_SINCE = MappingProxyType({"relevance": 1, "class-names": 1})


def part_names(*, relevance: bool) -> tuple[str, ...]:
    """Every part of an index, with relevance or without."""
    return tuple(name for name in COUNTED if relevance or name not in _SINCE)


def least_minor(parts: Iterable[str]) -> int:
    """The minor version that brought the latest of these parts: the one to write, so that older readers stay strict."""
    return max(_SINCE.get(name, 0) for name in parts)


def axis_sizes(
    layers: tuple[LayerAxis, ...], k: int, dimension: int, images: int, crops: int, *, classes: int = 0
) -> Mapping[str, int]:
    """The length of every axis of known length: c components, i images, u distinct crops, y classes, k slots, d
    embedding."""
    counts = {"c": layers[-1].stop if layers else 0, "i": images, "u": crops, "y": classes}
    offsets = {f"{axis}+1": count + 1 for axis, count in counts.items()}
    return counts | offsets | {"k": k, "d": dimension, "4": 4}


def check_layers(layers: tuple[LayerAxis, ...]) -> None:
    """Raises ValueError unless the layers lie end to end from row 0 and no two have one name."""
    if len({axis.layer for axis in layers}) < len(layers):
        raise ValueError("two layers have the same name")
    edges = [(0, 0), *((axis.start, axis.stop) for axis in layers)]
    if any(start != end or stop < start for (_, end), (start, stop) in pairwise(edges)):
        raise ValueError("the layers do not lie end to end on the component axis")


def check_classes(classes: tuple[int, ...]) -> None:
    """Raises ValueError unless the classes can be outputs of a model, each named once."""
    if len(set(classes)) < len(classes) or not all(0 <= number < int(MISSING) for number in classes):
        raise ValueError("the classes are not distinct numbers from 0 up")


def check_names(what: str, found: Collection[str], wanted: Collection[str], *, newer: bool) -> None:
    """Raises ValueError for a name that is absent or, unless a newer version may have added it, unknown."""
    absent, odd = set(wanted) - set(found), set(found) - set(wanted)
    if absent:
        raise ValueError(f"{what} {min(absent)!r} is absent")
    if odd and not newer:
        raise ValueError(f"{what} {min(odd)!r:.60} is unknown")


def check(part: str, arrays: Arrays, sizes: Mapping[str, int], *, finite: bool) -> None:
    """Raises ValueError if an array of the part has a wrong shape or points outside, or if asked, is not finite.

    `sizes` gives the length of each axis.
    """
    for name, layout in LAYOUT[part].items():
        _check_shape(name, arrays[name], layout, sizes)
    if part == "examples":
        _check_examples(arrays, sizes)
    elif part == "vectors":
        _check_crops(arrays, sizes)
    elif part == "relevance":
        _check_relevance(arrays, sizes)
    elif "offsets" in LAYOUT[part]:
        _check_offsets(arrays)
    for name, layout in LAYOUT[part].items():
        if finite and layout.startswith("float16") and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} holds a value that is not finite")


def _check_shape(name: str, array: Shaped[np.ndarray, "..."], layout: str, sizes: Mapping[str, int]) -> None:
    dtype, *axes = layout.split()
    fits = len(axes) == array.ndim and all(sizes.get(axis, n) == n for axis, n in zip(axes, array.shape, strict=True))
    if array.dtype.name != dtype or not fits:
        wanted = [sizes.get(axis, axis) for axis in axes]
        raise ValueError(f"{name} is {array.dtype.name} {list(array.shape)}, not {dtype} {wanted}")


def _check_examples(arrays: Arrays, sizes: Mapping[str, int]) -> None:
    ids, rows = arrays["ids"], arrays["rows"]
    for name, stop in (("ids", sizes["i"]), ("rows", sizes["u"])):
        if (_outside(arrays[name], stop) & (arrays[name] != MISSING)).any():
            raise ValueError(f"{name} points outside of 0 to {stop - 1}")
    if ((rows != MISSING) & (ids == MISSING)).any():
        raise ValueError("rows names a crop where ids names no image")
    if any(arrays[name].min(initial=0) < 0 for name in ("positions", "fired", "nan")):
        raise ValueError("a position or a count is negative")


def _check_crops(arrays: Arrays, sizes: Mapping[str, int]) -> None:
    if _outside(arrays["sources"], sizes["i"]).any():
        raise ValueError(f"sources points outside of 0 to {sizes['i'] - 1}")
    left, top, right, bottom = arrays["boxes"].T
    if not ((left >= 0) & (top >= 0) & (right > left) & (bottom > top)).all():
        raise ValueError("boxes holds an empty box")


def _check_relevance(arrays: Arrays, sizes: Mapping[str, int]) -> None:
    ids, shares, counts = arrays["ids"], arrays["shares"], arrays["counts"]
    if ids.shape != shares.shape:
        raise ValueError(f"shares is {list(shares.shape)}, not {list(ids.shape)} as ids")
    empty = ids == MISSING
    if (_outside(ids, sizes["i"]) & ~empty).any():
        raise ValueError(f"ids points outside of 0 to {sizes['i'] - 1}")
    if not np.where(empty, shares == -np.inf, (shares > 0) & (shares <= 1)).all():
        raise ValueError("shares holds a value outside of 0 to 1, or one where ids names no image")
    if ((counts < 0) | (counts > sizes["i"])).any():
        raise ValueError(f"counts holds a value outside of 0 to {sizes['i']}")
    for name in ("positive", "negative", "frequency"):
        values = arrays[name]
        if not np.where(counts > 0, (values >= 0) & (values <= 1), np.isnan(values)).all():
            raise ValueError(f"{name} holds a value outside of 0 to 1, or one for a class without images")


def _outside(values: Int32[np.ndarray, "..."], stop: int) -> Bool[np.ndarray, "..."]:
    """Which values are not in [0, stop), in one pass: as an unsigned number a negative one is larger than any stop."""
    return np.asarray(values.view(np.uint32) >= stop)


def _check_offsets(arrays: Arrays) -> None:
    data, offsets = arrays["data"], arrays["offsets"]
    if offsets[0] != 0 or offsets[-1] != len(data) or (np.diff(offsets) < 0).any():
        raise ValueError("offsets do not divide data")
