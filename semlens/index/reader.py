"""An index on disk: its manifest, and its parts, each checked against every rule of the format when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from semlens.index.kept import (
    AtlasId,
    LabelsId,
    ScoresId,
    StoredAtlas,
    StoredLabels,
    StoredMeanings,
    StoredScores,
    Summaries,
)
from semlens.index.layout import (
    ADDED,
    COUNTED,
    LAYOUT,
    SINCE,
    axis_sizes,
    check_chosen_layers,
    check_classes,
    check_layers,
    check_names,
    check_part,
    part_names,
)
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance, RelevanceId
from semlens.numerics import Histogram
from semlens.types import LayerAxis

OPTIONAL = {"relevance": RelevanceId, "labels": LabelsId, "scores": ScoresId, "atlas": AtlasId}
"""Keys that a manifest need not have."""


@dataclass(frozen=True)
class Manifest:
    """What manifest.json holds, its own digest aside."""

    format: str
    version: Version
    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    relevance: RelevanceId | None
    labels: LabelsId | None
    scores: ScoresId | None
    atlas: AtlasId | None
    parts: dict[str, Part]

    @property
    def held(self) -> tuple[str, ...]:
        """The additions that the index holds. A histogram is determined by the recipe, and has no key."""
        return tuple(
            name for name in ADDED if getattr(self, name, None) or (name not in OPTIONAL and name in self.parts)
        )

    @property
    def sizes(self) -> Mapping[str, int]:
        """The length of every axis."""
        recipe, classes = self.recipe, len(self.relevance.classes) if self.relevance else 0
        rows = {name: part.rows for name, part in self.parts.items()}
        dimension, images = recipe.foundation.dimension, recipe.images.count
        return axis_sizes(self.layers, recipe.k, dimension, images, classes=classes, rows=rows)


@dataclass(frozen=True)
class Stored:
    """An index in a folder."""

    folder: Path
    manifest: Manifest
    verify: bool

    def check(self) -> None:
        """Returns if the manifest does not contradict itself and every part is what it says.

        Raises:
            SemlensError: if not.
        """
        with blaming(self.folder / MANIFEST):
            self._check_manifest()
        for name in part_names(self.manifest.held):
            path = locate(self.folder, name, self.manifest.parts[name])
            if self.verify:
                check_digest(path, self.manifest.parts[name])

    def _check_manifest(self) -> None:
        manifest, version = self.manifest, self.manifest.version
        check_layers(manifest.layers)
        check_names("part", manifest.parts, part_names(manifest.held), newer=version.newer)
        for name in manifest.held:
            if SINCE[name] > version.minor:
                raise ValueError(f"version {version.major}.{version.minor} has no {name}")
        check_classes(manifest.relevance.classes if manifest.relevance else ())
        for recipe in (manifest.labels, manifest.scores):
            check_chosen_layers(manifest.layers, recipe.layers if recipe else ())
        if manifest.scores and manifest.parts["layer-scores"].rows != len(manifest.scores.layers):
            raise ValueError("part 'layer-scores' has not a row for each of the layers asked for")
        for name in part_names(manifest.held):
            rows = manifest.sizes[COUNTED[name]]
            if manifest.parts[name].rows != rows or rows < 0:
                raise ValueError(f"part {name!r} has not the {rows} rows that the others ask for")

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a part."""
        part, newer = self.manifest.parts[name], self.manifest.version.newer
        arrays = read_arrays(self.folder, name, part)
        finite = self.verify or (name == "means" and part.bytes <= HASH_LIMIT)
        with blaming(self.folder / part.file):
            check_names("tensor", arrays, LAYOUT[name], newer=newer)
            check_part(
                name, arrays, self.manifest.sizes, finite=finite, example_rows=lambda: self.arrays("examples")["rows"]
            )
        return {tensor: arrays[tensor] for tensor in LAYOUT[name]}

    def thumbnails(self) -> Thumbnails:
        """One picture per crop."""
        return Thumbnails(**self.arrays("thumbnails"))

    def images(self) -> ImageTable:
        """The images by id."""
        names, labels, errors = (self._texts(f"image-{column}") for column in ("names", "labels", "errors"))
        return ImageTable(tuple(name or "" for name in names), labels, errors)

    def unit_names(self) -> tuple[str | None, ...]:
        """The model's own names of the components."""
        return self._texts("unit-names")

    def relevance(self) -> ClassRelevance | None:
        """What every component contributes to the model's outputs, if the index holds it."""
        recipe = self.manifest.relevance
        if recipe is None:
            return None
        named: dict[str, Any] = vars(recipe) | self.arrays("relevance")
        return ClassRelevance(**named, class_names=tuple(name or "" for name in self._texts("class-names")))

    def histogram(self) -> Histogram | None:
        """How often every component reaches which activation, if the index holds it."""
        return Histogram(**self.arrays("histogram")) if "histogram" in self.manifest.held else None

    def labels(self) -> StoredLabels | None:
        """The labels, if the index holds them."""
        recipe = self.manifest.labels
        if recipe is None:
            return None
        phrases = tuple(phrase or "" for phrase in self._texts("label-phrases"))
        meanings = StoredMeanings(**self.arrays("label-meanings"))
        return StoredLabels(recipe, phrases, **self.arrays("labels"), meanings=meanings)

    def scores(self) -> StoredScores | None:
        """The scores, if the index holds them."""
        recipe = self.manifest.scores
        if recipe is None:
            return None
        return StoredScores(recipe, **self.arrays("scores"), summaries=Summaries(**self.arrays("layer-scores")))

    def atlas(self) -> StoredAtlas | None:
        """The atlas, if the index holds it."""
        recipe = self.manifest.atlas
        if recipe is None:
            return None
        labels = tuple(label or "" for label in self._texts("clusters"))
        return StoredAtlas(recipe, **self.arrays("atlas"), labels=labels, fits=self.arrays("clusters")["fits"])

    def _texts(self, name: str) -> tuple[str | None, ...]:
        arrays = self.arrays(name)
        with blaming(self.folder / self.manifest.parts[name].file):
            return unpack_texts(arrays["data"], arrays["offsets"])


def open_stored(folder: Path, verify: bool) -> Stored:
    """The index in `folder`, with its manifest and its files checked, and nothing else read.

    Args:
        verify: whether every part is hashed and looked through; else those above 256 MiB are not.

    Raises:
        SemlensError: naming the file, if anything is wrong with it.
    """
    stored = Stored(folder, read_manifest(folder, Manifest, OPTIONAL), verify)
    stored.check()
    return stored
