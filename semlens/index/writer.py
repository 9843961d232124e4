"""An index on its way to disk: its parts, each checked against every rule of the format before it is written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from semlens.index.files import Arrays, NewArrays, NewTable, new_table, pack_texts
from semlens.index.folder import add_parts, replace_parts
from semlens.index.kept import Addition, Held, kind_of
from semlens.index.layout import COMPONENTS, IMAGES, PARTS, axis_sizes
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.types import MISSING, Int32, LayerAxis


@dataclass(frozen=True, eq=False)
class Frame:
    """What every part of an index has to fit: its recipe, layers and examples, and what it holds besides."""

    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    rows: Int32[np.ndarray, "c k"]  # of the distinct crops; MISSING where the slot holds no concept example
    crops: int
    held: tuple[Held, ...]

    @cached_property
    def parts(self) -> dict[str, dict[str, Arrays]]:
        """The arrays of each part of what the index holds besides, by the name of its kind."""
        return {kind_of(held).name: kind_of(held).write(held) for held in self.held}

    def _rows(self, kind: str) -> dict[str, int]:
        """How many things each part of a kind describes."""
        return {part: PARTS[part].rows(arrays) for part, arrays in self.parts[kind].items()}

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """The length of every axis."""
        rows = {"vectors": self.crops}
        for kind in self.parts:
            rows |= self._rows(kind)
        dimension, images = self.recipe.foundation.dimension, self.recipe.images.count
        return axis_sizes(self.layers, self.recipe.k, dimension, images, rows=rows)

    @property
    def head(self) -> dict[str, Any]:
        """What determines the index, as its manifest has it."""
        return {"recipe": asdict(self.recipe), "layers": [asdict(axis) for axis in self.layers]}

    def checked(self, parts: Mapping[str, Arrays]) -> dict[str, NewArrays]:
        """The parts, ready to be written.

        Raises:
            ValueError: if one breaks a rule of the format.
        """
        for held in self.held:
            kind = kind_of(held)
            if kind.recipe is not None:
                kind.check(kind.recipe_of(held), self.layers, self._rows(kind.name))
        for part, arrays in parts.items():
            PARTS[part].check(arrays, self.sizes, finite=True, example_rows=lambda: self.rows)
        return {part: NewArrays(self.sizes[PARTS[part].axis], arrays) for part, arrays in parts.items()}


@dataclass(frozen=True, eq=False)
class Contents:
    """What every index holds."""

    arrays: Mapping[str, Any]  # by the names of the format; what else stands here is not written
    thumbnails: Thumbnails
    unit_names: tuple[str | None, ...]
    images: ImageTable

    @property
    def parts(self) -> dict[str, Arrays]:
        """The arrays of each part."""
        named = ("examples", "means", "vectors")
        plain = {part: {name: self.arrays[name] for name in PARTS[part].tensors} for part in named}
        return plain | {
            "thumbnails": {"data": self.thumbnails.data, "offsets": self.thumbnails.offsets},
            "unit-names": pack_texts(self.unit_names),
            "image-names": pack_texts(self.images.names),
            "image-labels": pack_texts(self.images.labels),
            "image-errors": pack_texts(self.images.errors),
        }


def write_index(folder: Path, frame: Frame, contents: Contents) -> None:
    """Writes an index to `folder`, replacing an index there in one step.

    Raises:
        SemlensError: if that fails or the folder holds something else; what was there is then unchanged.
        ValueError: if the index breaks a rule of the format.
    """
    arrays = contents.parts
    for written in frame.parts.values():
        arrays |= written
    images = contents.images
    image_columns = [range(frame.recipe.images.count), images.names, images.labels, images.errors]
    parts: dict[str, NewArrays | NewTable] = {**frame.checked(arrays)}
    parts["components"] = new_table(frame.sizes["c"], COMPONENTS, _component_columns(frame, contents))
    parts["images"] = new_table(frame.sizes["i"], IMAGES, image_columns)
    minor = max((_minor(held) for held in frame.held), default=0)  # the least, so that older readers stay strict
    replace_parts(folder, minor, frame.head | _recipes(*frame.held), parts)


def write_addition(folder: Path, frame: Frame, addition: Addition) -> None:
    """Writes the addition to the index in `folder`, in place of one of its kind; every other part stays as it is.

    Raises:
        SemlensError: if that fails, or if the folder does not hold the index; what was there is then unchanged.
    """
    kind = kind_of(addition)
    add_parts(folder, _minor(addition), _recipes(addition), frame.checked(frame.parts[kind.name]), frame.head)


def _minor(held: Held) -> int:
    """The minor version of the format that brought what is held."""
    kind = kind_of(held)
    return kind.since if kind.recipe is None else kind.minor(kind.recipe_of(held))


def _recipes(*held: Held) -> dict[str, Any]:
    """What determines each, by the manifest's keys; what came later and is as it always was is left out."""
    kinds = [(kind_of(addition), addition) for addition in held]
    return {kind.name: _stated(kind.recipe_of(addition)) for kind, addition in kinds if kind.recipe is not None}


def _stated(recipe: Any) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(recipe)}
    return {name: value for name, value in asdict(recipe).items() if value != usual[name]}


def _component_columns(frame: Frame, contents: Contents) -> list[Any]:
    """The values of the components table, column by column: what the arrays say, for people and other tools."""
    axes = [axis for axis in frame.layers for _ in range(axis.components)]
    units = [unit for axis in frame.layers for unit in range(axis.components)]
    names = ([axis.layer for axis in axes], units, [axis.kind for axis in axes], contents.unit_names)
    valid = (frame.rows != MISSING).sum(axis=1, dtype=np.int32)
    strongest = contents.arrays["activations"].max(axis=1, initial=-np.inf)
    return [range(len(axes)), *names, valid, contents.arrays["fired"], contents.arrays["nan"], valid == 0, strongest]
