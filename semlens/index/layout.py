"""The index format as data: which parts and tables an index has, and which of them each addition brings.

This is docs/index-format.md in code. What is wrong is a ValueError with the bare fact; who opens a file adds its name.
"""

from collections.abc import Collection, Mapping
from itertools import pairwise
from types import MappingProxyType

from semlens.index.files import Arrays, Columns
from semlens.index.kept import KINDS
from semlens.index.rules import Kind, PartRules, Sizes, check_inside, texts
from semlens.types import MISSING, LayerAxis


def _check_examples(arrays: Arrays, sizes: Sizes) -> None:
    ids, rows = arrays["ids"], arrays["rows"]
    check_inside("ids", ids, sizes["i"], missing=True)
    check_inside("rows", rows, sizes["u"], missing=True)
    if ((rows != MISSING) & (ids == MISSING)).any():
        raise ValueError("rows names a crop where ids names no image")
    if any(arrays[name].min(initial=0) < 0 for name in ("positions", "fired", "nan")):
        raise ValueError("a position or a count is negative")


def _check_crops(arrays: Arrays, sizes: Sizes) -> None:
    check_inside("sources", arrays["sources"], sizes["i"])
    left, top, right, bottom = arrays["boxes"].T
    if not ((left >= 0) & (top >= 0) & (right > left) & (bottom > top)).all():
        raise ValueError("boxes holds an empty box")


_EXAMPLES = {
    "ids": "int32 c k",
    "positions": "int32 c k",
    "activations": "float32 c k",
    "rows": "int32 c k",
    "fired": "int64 c",
    "nan": "int64 c",
    "lowest": "float32 c",
}
_VECTORS = {"vectors": "float16 u d", "sources": "int32 u", "boxes": "int32 u 4"}
_EVERY: Mapping[str, PartRules] = MappingProxyType(
    {
        "examples": PartRules("c", _EXAMPLES, _check_examples),
        "means": PartRules("c", {"means": "float16 c d", "random": "float16 r d"}),
        "unit-names": texts("c"),
        "components": PartRules("c", {}),
        "vectors": PartRules("u", _VECTORS, _check_crops),
        "thumbnails": texts("u"),
        "image-names": texts("i"),
        "image-labels": texts("i"),
        "image-errors": texts("i"),
        "images": PartRules("i", {}),
    }
)
"""The parts of every index. Components and images are tables, which we only write."""

PARTS: Mapping[str, PartRules] = MappingProxyType(
    {**_EVERY, **{name: rules for kind in KINDS for name, rules in kind.parts.items()}}
)
"""Every part: what its rows are (c components, u distinct crops, i images, and what an addition counts for itself), its
tensors, and what their numbers may be."""

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


def part_names(held: Collection[Kind]) -> tuple[str, ...]:
    """Every part of an index that holds these additions."""
    return (*_EVERY, *(part for kind in held for part in kind.parts))


def axis_sizes(layers: tuple[LayerAxis, ...], k: int, dimension: int, images: int, *, rows: Mapping[str, int]) -> Sizes:
    """The length of every axis of known length: c components, i images, k slots, d embedding; and, by the `rows` of the
    parts, of what only they count."""
    counts = {PARTS[part].axis: count for part, count in rows.items()}
    counts |= {"c": layers[-1].stop if layers else 0, "i": images}
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
