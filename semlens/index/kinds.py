"""What a kind of addition is: all that the format, the reader and the writer need to know of it, in one record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from semlens.index.files import Arrays
from semlens.index.rules import PartRules
from semlens.types import LayerAxis


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
