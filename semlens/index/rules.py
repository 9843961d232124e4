"""What a part of an index may hold, and what a kind of addition is: all that format, reader and writer need to know.

What is wrong is a ValueError with the bare fact; who opens a file adds its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from semlens.index.files import Arrays
from semlens.types import MISSING, Bool, Float, Int32, LayerAxis, Shaped

Sizes = Mapping[str, int]
"""The length of each axis."""


@dataclass(frozen=True)
class PartRules:
    """What a part holds, and when it is right."""

    axis: str  # what its rows are
    tensors: Mapping[str, str]  # dtype and axes of each: "float32 c k"; axes r, b and m may have any length
    numbers: Callable[[Arrays, Sizes], None] | None = None  # raises ValueError for a number that cannot be
    examples: Callable[[Arrays, Int32[np.ndarray, "c k"]], None] | None = None  # for one that contradicts `rows`

    def check(
        self, arrays: Arrays, sizes: Sizes, *, finite: bool, example_rows: Callable[[], Int32[np.ndarray, "c k"]]
    ) -> None:
        """Returns if the arrays of the part keep every rule of the format.

        Args:
            sizes: the length of each axis.
            finite: whether to look through the vectors for a value that is not finite.
            example_rows: the index's `rows`; called only for a part that speaks of concept examples.

        Raises:
            ValueError: for an array of a wrong type or shape, and for a number that points outside or is out of range.
        """
        for name, layout in self.tensors.items():
            _check_shape(name, arrays[name], layout, sizes)
        if self.numbers:
            self.numbers(arrays, sizes)
        if "offsets" in arrays:
            _check_offsets(arrays["data"], arrays["offsets"])
        for name, layout in self.tensors.items():
            if finite and layout.startswith("float16") and not np.isfinite(arrays[name]).all():
                raise ValueError(f"{name} holds a value that is not finite")
        if self.examples:
            self.examples(arrays, example_rows())

    def rows(self, arrays: Arrays) -> int:
        """How many things the part describes."""
        if "offsets" in self.tensors:
            return len(arrays["offsets"]) - 1
        return len(arrays[next(name for name, layout in self.tensors.items() if layout.split()[1] == self.axis)])

    def pick(self, record: object) -> Arrays:
        """The part's tensors, which are attributes of a record."""
        return {name: getattr(record, name) for name in self.tensors}


def texts(axis: str) -> PartRules:
    """A part of texts, packed, one a row."""
    return PartRules(axis, {"data": "uint8 b", "offsets": f"int64 {axis}+1"})


@runtime_checkable
class Parts(Protocol):
    """The parts of an index on disk."""

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a part."""
        ...

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a part; empty where there is none."""
        ...


def _own_recipe(addition: Any) -> Any:
    return addition.recipe


def _anything(recipe: Any, layers: tuple[LayerAxis, ...], rows: Mapping[str, int]) -> None:
    """No rule."""


@dataclass(frozen=True)
class Kind:
    """A kind of addition: an index holds all of its parts, or none.

    What determines an addition beside the index is its recipe, a dataclass that stands in the manifest.
    """

    name: str  # key of the manifest
    record: type  # what it is in memory
    parts: Mapping[str, PartRules]
    write: Callable[[Any], dict[str, Arrays]]  # the arrays of each part, of a record
    read: Callable[[Any, Parts], Any]  # the record, of its recipe and the parts
    since: int  # the minor version that brought it
    recipe: type | None = None  # None where the index alone determines it: then no key stands in the manifest
    recipe_of: Callable[[Any], Any] = _own_recipe
    check: Callable[[Any, tuple[LayerAxis, ...], Mapping[str, int]], None] = _anything
    """Raises ValueError for a recipe that contradicts itself, the index's layers, or how many rows the parts have."""
    since_of: Callable[[Any], int] | None = None  # the same by the recipe, where some came later

    def minor(self, recipe: Any) -> int:
        """The minor version that brought what this recipe makes."""
        return self.since_of(recipe) if self.since_of else self.since


def check_alike(arrays: Arrays, one: str, other: str) -> None:
    """Raises ValueError unless two tensors have one shape."""
    if arrays[one].shape != arrays[other].shape:
        raise ValueError(f"{other} is {list(arrays[other].shape)}, not {list(arrays[one].shape)} as {one}")


def check_inside(name: str, values: Int32[np.ndarray, "..."], stop: int, *, missing: bool = False) -> None:
    """Raises ValueError for a value outside of [0, stop); MISSING may stand for none if `missing`."""
    wrong = _outside(values, stop)
    if (wrong & (values != MISSING) if missing else wrong).any():
        raise ValueError(f"{name} points outside of 0 to {stop - 1}")


def _outside(values: Int32[np.ndarray, "..."], stop: int) -> Bool[np.ndarray, "..."]:
    """Which values are not in [0, stop), in one pass: as an unsigned number a negative one is larger than any stop."""
    return np.asarray(values.view(np.uint32) >= stop)


def check_range(name: str, values: Float[np.ndarray, "..."], least: int, most: int, *, nan: bool = True) -> None:
    """Raises ValueError for a value outside of [least, most]; not a number may stand for none if `nan`."""
    if not ((values >= least) & (values <= most) | (np.isnan(values) & nan)).all():
        raise ValueError(f"{name} holds a value outside of {least} to {most}")


def _check_offsets(data: np.ndarray, offsets: np.ndarray) -> None:
    if offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("offsets do not divide data")


def _check_shape(name: str, array: Shaped[np.ndarray, "..."], layout: str, sizes: Mapping[str, int]) -> None:
    dtype, *axes = layout.split()
    shape = [int(axis) if axis.isdecimal() else sizes.get(axis, axis) for axis in axes]
    fits = len(axes) == array.ndim and all(m in (n, axis) for m, n, axis in zip(shape, array.shape, axes, strict=True))
    if array.dtype.name != dtype or not fits:
        raise ValueError(f"{name} is {array.dtype.name} {list(array.shape)}, not {dtype} {shape}")
