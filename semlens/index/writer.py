"""An index on its way to disk: its parts, each checked against every rule of the format before it is written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semlens.index.files import Arrays, NewArrays, NewTable, new_table, pack_texts
from semlens.index.folder import add_parts, replace_parts
from semlens.index.kept import KINDS, Addition, Held, StoredLabels, StoredScores, arrays_of, recipe_of, rows_of
from semlens.index.layout import (
    COMPONENTS,
    COUNTED,
    IMAGES,
    LAYOUT,
    axis_sizes,
    check_chosen_layers,
    check_classes,
    check_part,
    least_minor,
)
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance
from semlens.shapes import Int32
from semlens.types import MISSING, LayerAxis


@dataclass(frozen=True, eq=False)
class Frame:
    """What every part of an index has to fit: its recipe, layers and examples, and what it holds besides."""

    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    rows: Int32[np.ndarray, "c k"]  # of the distinct crops; MISSING where the slot holds no concept example
    crops: int
    held: tuple[Held, ...]

    @property
    def sizes(self) -> Mapping[str, int]:
        """The length of every axis."""
        rows = {"vectors": self.crops}
        for held in self.held:
            rows |= rows_of(held)
        classes = next((len(held.classes) for held in self.held if isinstance(held, ClassRelevance)), 0)
        dimension, images = self.recipe.foundation.dimension, self.recipe.images.count
        return axis_sizes(self.layers, self.recipe.k, dimension, images, classes=classes, rows=rows)

    @property
    def head(self) -> dict[str, Any]:
        """What determines the index, as its manifest has it."""
        return {"recipe": asdict(self.recipe), "layers": [asdict(axis) for axis in self.layers]}

    def checked(self, parts: Mapping[str, Arrays]) -> dict[str, NewArrays]:
        """The parts, ready to be written.

        Raises:
            ValueError: if one breaks a rule of the format.
        """
        sizes = self.sizes
        for held in self.held:
            match held:
                case ClassRelevance():
                    check_classes(held.classes)
                case StoredLabels() | StoredScores():
                    check_chosen_layers(self.layers, held.recipe.layers)
        for part, arrays in parts.items():
            check_part(part, arrays, sizes, finite=True, example_rows=lambda: self.rows)
        return {part: NewArrays(sizes[COUNTED[part]], arrays) for part, arrays in parts.items()}


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
        plain = {part: {name: self.arrays[name] for name in LAYOUT[part]} for part in ("examples", "means", "vectors")}
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
    for held in frame.held:
        arrays |= arrays_of(held)
    images = contents.images
    image_columns = [range(frame.recipe.images.count), images.names, images.labels, images.errors]
    parts: dict[str, NewArrays | NewTable] = {**frame.checked(arrays)}
    parts["components"] = new_table(frame.sizes["c"], COMPONENTS, _component_columns(frame, contents))
    parts["images"] = new_table(frame.sizes["i"], IMAGES, image_columns)
    minor = least_minor(KINDS[type(held)] for held in frame.held)
    replace_parts(folder, minor, frame.head | _recipes(*frame.held), parts)


def write_addition(folder: Path, frame: Frame, addition: Addition) -> None:
    """Writes the addition to the index in `folder`, in place of one of its kind; every other part stays as it is.

    Raises:
        SemlensError: if that fails, or if the folder does not hold the index; what was there is then unchanged.
    """
    parts = frame.checked(arrays_of(addition))
    add_parts(folder, least_minor([KINDS[type(addition)]]), _recipes(addition), parts, frame.head)


def _recipes(*held: Held) -> dict[str, Any]:
    """What determines each, by the manifest's keys."""
    return {KINDS[type(one)]: recipe for one in held if (recipe := recipe_of(one)) is not None}


def _component_columns(frame: Frame, contents: Contents) -> list[Any]:
    """The values of the components table, column by column: what the arrays say, for people and other tools."""
    axes = [axis for axis in frame.layers for _ in range(axis.components)]
    units = [unit for axis in frame.layers for unit in range(axis.components)]
    names = ([axis.layer for axis in axes], units, [axis.kind for axis in axes], contents.unit_names)
    valid = (frame.rows != MISSING).sum(axis=1, dtype=np.int32)
    strongest = contents.arrays["activations"].max(axis=1, initial=-np.inf)
    return [range(len(axes)), *names, valid, contents.arrays["fired"], contents.arrays["nan"], valid == 0, strongest]
