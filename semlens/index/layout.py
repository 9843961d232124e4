"""The index format as data: which arrays and tables each part holds, and when they are right.

This is docs/index-format.md in code; what the numbers may be is in `rules`. What is wrong is a ValueError with the
bare fact; who opens a file adds its name.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from semlens.index.files import Arrays, Columns
from semlens.index.rules import check_examples, check_numbers
from semlens.shapes import Int32, Shaped
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
        "histogram": {"counts": "int32 c 129"},
        "labels": {
            "ranked": "int32 c m",
            "alignments": "float32 c m",
            "p_value": "float64 c",
            "q_value": "float64 c",
            "stability": "float32 c",
        },
        "label-phrases": {"data": "uint8 b", "offsets": "int64 q+1"},
        "label-meanings": {"rows": "int32 s", "phrases": "int32 s 2", "scores": "float32 s 2", "groups": "uint8 s k"},
        "scores": dict.fromkeys(("clarity", "polysemanticity", "redundancy", "clarity_p", "excess"), "float32 c"),
        "layer-scores": dict.fromkeys(("clarity", "polysemanticity", "redundancy"), "float32 t 6"),
        "atlas": {"x": "float32 c", "y": "float32 c", "cluster": "int32 c"},
        "clusters": {"data": "uint8 b", "offsets": "int64 g+1", "fits": "float32 g"},
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
        **dict.fromkeys(("examples", "means", "unit-names", "components"), "c"),
        **dict.fromkeys(("vectors", "thumbnails"), "u"),
        **dict.fromkeys(("image-names", "image-labels", "image-errors", "images"), "i"),
        **dict.fromkeys(("relevance", "histogram", "labels", "scores", "atlas"), "c"),
        **{"class-names": "y", "label-phrases": "q", "label-meanings": "s", "layer-scores": "t", "clusters": "g"},
    }
)
"""Every part, and what its rows are: components, distinct crops, images, classes, phrases, components with two
meanings, layers that have scores, or clusters. Components and images are tables, which we only write."""

ADDED = MappingProxyType(
    {
        "relevance": ("relevance", "class-names"),
        "histogram": ("histogram",),
        "labels": ("labels", "label-phrases", "label-meanings"),
        "scores": ("scores", "layer-scores"),
        "atlas": ("atlas", "clusters"),
    }
)
"""What an index may hold besides, and the parts of each: all or none of them are there."""

SINCE = MappingProxyType({"relevance": 1, **dict.fromkeys(("histogram", "labels", "scores", "atlas"), 2)})
"""The minor version that brought each."""

_COUNTING = MappingProxyType(
    {"u": "vectors", "q": "label-phrases", "s": "label-meanings", "t": "layer-scores", "g": "clusters"}
)
"""Axes of which nothing but the part itself says how long they are."""


def part_names(held: Collection[str]) -> tuple[str, ...]:
    """Every part of an index that holds these additions."""
    later = {part: name for name, parts in ADDED.items() for part in parts}
    return tuple(part for part in COUNTED if part not in later or later[part] in held)


def least_minor(held: Iterable[str]) -> int:
    """The minor version that brought the latest of these additions: the one to write, so that older readers stay
    strict."""
    return max((SINCE[name] for name in held), default=0)


def axis_sizes(
    layers: tuple[LayerAxis, ...], k: int, dimension: int, images: int, *, classes: int, rows: Mapping[str, int]
) -> Mapping[str, int]:
    """The length of every axis of known length: c components, i images, y classes, k slots, d embedding; and by the
    `rows` of the parts u distinct crops, q phrases, s components with two meanings, t layers and g clusters."""
    counts = {"c": layers[-1].stop if layers else 0, "i": images, "y": classes}
    counts |= {axis: rows[part] for axis, part in _COUNTING.items() if part in rows}
    offsets = {f"{axis}+1": count + 1 for axis, count in counts.items()}
    return counts | offsets | {"k": k, "d": dimension}


def check_layers(layers: tuple[LayerAxis, ...]) -> None:
    """Returns if the layers lie end to end from row 0 and no two have one name.

    Raises:
        ValueError: if not.
    """
    if len({axis.layer for axis in layers}) < len(layers):
        raise ValueError("two layers have the same name")
    edges = [(0, 0), *((axis.start, axis.stop) for axis in layers)]
    if any(start != end or stop < start for (_, end), (start, stop) in pairwise(edges)):
        raise ValueError("the layers do not lie end to end on the component axis")


def check_classes(classes: tuple[int, ...]) -> None:
    """Returns if the classes can be outputs of a model, each named once.

    Raises:
        ValueError: if not.
    """
    if len(set(classes)) < len(classes) or not all(0 <= number < int(MISSING) for number in classes):
        raise ValueError("the classes are not distinct numbers from 0 up")


def check_names(what: str, names: Collection[str], expected: Collection[str], *, newer: bool) -> None:
    """Returns if the names are those expected; a newer version may have added others.

    Raises:
        ValueError: for a name that is absent or unknown.
    """
    absent, odd = set(expected) - set(names), set(names) - set(expected)
    if absent:
        raise ValueError(f"{what} {min(absent)!r} is absent")
    if odd and not newer:
        raise ValueError(f"{what} {min(odd)!r:.60} is unknown")


def check_chosen_layers(layers: tuple[LayerAxis, ...], chosen: tuple[str, ...]) -> None:
    """Returns if the layers that labels or scores were computed for are an index's, in its order.

    Raises:
        ValueError: if not.
    """
    if chosen != tuple(axis.layer for axis in layers if axis.layer in chosen):
        raise ValueError("the layers asked for are not those of the index in its order")


def check_part(
    part: str,
    arrays: Arrays,
    sizes: Mapping[str, int],
    *,
    finite: bool,
    example_rows: Callable[[], Int32[np.ndarray, "c k"]],
) -> None:
    """Returns if the arrays of a part keep every rule of the format.

    Args:
        sizes: the length of each axis.
        finite: whether to look through the vectors for a value that is not finite.
        example_rows: the index's `rows`; called only for a part that speaks of concept examples.

    Raises:
        ValueError: for an array of a wrong type or shape, and for a number that points outside or is out of range.
    """
    for name, layout in LAYOUT[part].items():
        _check_shape(name, arrays[name], layout, sizes)
    check_numbers(part, arrays, sizes)
    for name, layout in LAYOUT[part].items():
        if finite and layout.startswith("float16") and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} holds a value that is not finite")
    if part in ("labels", "label-meanings", "atlas"):
        check_examples(part, arrays, example_rows())


def _check_shape(name: str, array: Shaped[np.ndarray, "..."], layout: str, sizes: Mapping[str, int]) -> None:
    dtype, *axes = layout.split()
    shape = [int(axis) if axis.isdecimal() else sizes.get(axis, axis) for axis in axes]
    fits = len(axes) == array.ndim and all(m in (n, axis) for m, n, axis in zip(shape, array.shape, axes, strict=True))
    if array.dtype.name != dtype or not fits:
        raise ValueError(f"{name} is {array.dtype.name} {list(array.shape)}, not {dtype} {shape}")
