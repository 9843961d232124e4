"""An index on disk: its manifest, and its parts, each checked against every rule of the format when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from semlens.index.files import unpack_texts
from semlens.index.folder import (
    HASH_LIMIT,
    MANIFEST,
    Part,
    Version,
    blaming,
    check_digest,
    locate,
    read_arrays,
    read_manifest,
)
from semlens.index.kept import KINDS
from semlens.index.layout import PARTS, axis_sizes, check_layers, check_names, part_names
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.index.rules import Kind, Sizes
from semlens.types import LayerAxis

OPTIONAL = {kind.name: kind.recipe for kind in KINDS if kind.recipe is not None}
"""Keys that a manifest need not have."""

FINITE = ("means", "encoding-images")
"""Parts of float16 that are looked through for values that are not finite whenever they are read, unless large."""

TABLES = ("components", "images")
"""Parts that are written for people and other tools."""


@dataclass(frozen=True)
class Manifest:
    """What every manifest.json holds, its own digest aside."""

    format: str
    version: Version
    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    parts: dict[str, Part]


@dataclass(frozen=True)
class Stored:
    """An index in a folder."""

    folder: Path
    manifest: Manifest
    recipes: Mapping[str, Any]  # of the additions, by the manifest's keys
    verify: bool
    quick: bool

    @property
    def held(self) -> tuple[Kind, ...]:
        """The additions that the index holds; what is determined by the index has no key, but its part."""
        return tuple(
            kind for kind in KINDS if kind.name in (self.manifest.parts if kind.recipe is None else self.recipes)
        )

    @cached_property
    def sizes(self) -> Sizes:
        """The length of every axis."""
        rows = {name: part.rows for name, part in self.manifest.parts.items() if name in PARTS}
        recipe = self.manifest.recipe
        dimension, images = recipe.foundation.dimension, recipe.images.count
        return axis_sizes(self.manifest.layers, recipe.k, dimension, images, rows=rows)

    def check(self) -> None:
        """Returns if the manifest does not contradict itself and every part is what it says.

        Raises:
            SemlensError: if not.
        """
        with blaming(self.folder / MANIFEST):
            self._check_manifest()
        for name in part_names(self.held):
            path = locate(self.folder, name, self.manifest.parts[name])
            if self.verify or name in TABLES:  # nothing here reads a table, but others do
                check_digest(path, self.manifest.parts[name], remembered=self.quick and not self.verify)

    def _check_manifest(self) -> None:
        manifest, version = self.manifest, self.manifest.version
        check_layers(manifest.layers)
        check_names("part", manifest.parts, part_names(self.held), newer=version.newer)
        for kind in self.held:
            if (kind.since if kind.recipe is None else kind.minor(self.recipes[kind.name])) > version.minor:
                raise ValueError(f"version {version.major}.{version.minor} has no {kind.name}")
            if kind.recipe is not None:
                rows = {part: manifest.parts[part].rows for part in kind.parts}
                kind.check(self.recipes[kind.name], manifest.layers, rows)
        for name in part_names(self.held):
            size = self.sizes[PARTS[name].axis]
            if manifest.parts[name].rows != size or size < 0:
                raise ValueError(f"part {name!r} has not the {size} rows that the others ask for")

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a part."""
        part, newer = self.manifest.parts[name], self.manifest.version.newer
        arrays = read_arrays(self.folder, name, part, quick=self.quick)
        finite = self.verify or (name in FINITE and part.bytes <= HASH_LIMIT)
        with blaming(self.folder / part.file):
            check_names("tensor", arrays, PARTS[name].tensors, newer=newer)
            PARTS[name].check(arrays, self.sizes, finite=finite, example_rows=lambda: self.arrays("examples")["rows"])
        return {tensor: arrays[tensor] for tensor in PARTS[name].tensors}

    def thumbnails(self) -> Thumbnails:
        """One picture per crop."""
        return Thumbnails(**self.arrays("thumbnails"))

    def images(self) -> ImageTable:
        """The images by id."""
        names, labels, errors = (self._unpacked(f"image-{column}") for column in ("names", "labels", "errors"))
        return ImageTable(tuple(name or "" for name in names), labels, errors)

    def unit_names(self) -> tuple[str | None, ...]:
        """The model's own names of the components."""
        return self._unpacked("unit-names")

    def addition(self, kind: Kind) -> Any:
        """What the index holds of a kind."""
        return kind.read(self.recipes.get(kind.name), self)

    def texts(self, name: str) -> tuple[str, ...]:
        """The texts of a part; empty where there is none."""
        return tuple(text or "" for text in self._unpacked(name))

    def _unpacked(self, name: str) -> tuple[str | None, ...]:
        arrays = self.arrays(name)
        with blaming(self.folder / self.manifest.parts[name].file):
            return unpack_texts(arrays["data"], arrays["offsets"])


def open_stored(folder: Path, verify: bool, quick: bool) -> Stored:
    """The index in `folder`, with its manifest and its files checked, and nothing else read.

    Args:
        verify: whether every part is hashed and looked through now; else each is hashed when it is first read.
        quick: whether parts above 256 MiB, and tables, are hashed only if they were not before on this machine.

    Raises:
        SemlensError: naming the file, if anything is wrong with it.
    """
    stored = Stored(folder, *read_manifest(folder, Manifest, OPTIONAL), verify, quick)
    stored.check()
    return stored
