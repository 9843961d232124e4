"""The concept index: what every component encodes, in memory and on disk. The border: from here on there is no torch.

docs/index-format.md is the norm of what `save` writes and `load_index` accepts.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from semlens import store
from semlens.contents import ImageTable, Recipe, Thumbnails
from semlens.errors import SemlensError, unknown
from semlens.format import (
    COMPONENTS,
    COUNTED,
    IMAGES,
    LAYOUT,
    axis_sizes,
    check,
    check_classes,
    check_layers,
    check_names,
    least_minor,
    part_names,
)
from semlens.parts import Arrays, NewArrays, NewTable, pack_texts, unpack_texts
from semlens.relevance import ClassRelevance, RelevanceId, class_relevance
from semlens.shapes import Bool, Float16, Float32, Int32, Int64
from semlens.types import MISSING, Component, LayerAxis, Relevance


@dataclass(frozen=True, eq=False, repr=False)
class ConceptIndex:
    """What every component encodes, in the space of one foundation model. Rows are components, all layers on one axis.

    Arrays of a loaded index are memory-mapped and read-only. What only a display needs is read when first asked for.
    """

    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    ids: Int32[np.ndarray, "c k"]
    positions: Int32[np.ndarray, "c k"]
    activations: Float32[np.ndarray, "c k"]
    rows: Int32[np.ndarray, "c k"]  # of `vectors`; MISSING where the slot holds no concept example
    fired: Int64[np.ndarray, "c"]
    nan: Int64[np.ndarray, "c"]
    lowest: Float32[np.ndarray, "c"]
    means: Float16[np.ndarray, "c d"]  # semantic embeddings, unit; zero for a dead component
    random: Float16[np.ndarray, "r d"]  # the same for components made of random examples: the baseline
    vectors: Float16[np.ndarray, "u d"]  # of each distinct (image, box), unit
    sources: Int32[np.ndarray, "u"]  # the image it was cut from
    boxes: Int32[np.ndarray, "u 4"]  # left, top, right, bottom in pixels of the original image; right, bottom exclusive
    read_images: Callable[[], ImageTable]
    read_unit_names: Callable[[], tuple[str | None, ...]]
    read_thumbnails: Callable[[], Thumbnails]
    read_relevance: Callable[[], ClassRelevance | None] = lambda: None

    @cached_property
    def images(self) -> ImageTable:
        """Names, labels and errors of the images, by id."""
        return self.read_images()

    @cached_property
    def unit_names(self) -> tuple[str | None, ...]:
        """What each component is called by the model itself: the class name of a classifier's unit, else None."""
        return self.read_unit_names()

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """One picture per row of `vectors`."""
        return self.read_thumbnails()

    @cached_property
    def relevance(self) -> ClassRelevance | None:
        """What every component contributes to some outputs of the model, if that was computed."""
        return self.read_relevance()

    @property
    def valid(self) -> Bool[np.ndarray, "c k"]:
        """Slots that hold a concept example."""
        return np.asarray(self.rows != MISSING)

    @cached_property
    def dead(self) -> Bool[np.ndarray, "c"]:
        """Components without any concept example."""
        return np.asarray(~self.valid.any(axis=1))

    def example_names(self, row: int) -> tuple[str, ...]:
        """Names of the images that are a component's concept examples, the strongest first."""
        return tuple(self.images.names[i] for i in self.ids[row][self.rows[row] != MISSING])

    def layer_slice(self, layer: str) -> slice:
        """The layer's rows. Raises SemlensError with the nearest names if there is no such layer."""
        axis = self._axis(layer)
        return slice(axis.start, axis.stop)

    def row(self, component: Component) -> int:
        """The component's row. Raises SemlensError if the index has no such component."""
        axis = self._axis(component.layer)
        if not 0 <= component.unit < axis.components:
            raise SemlensError(f"unknown component '{component}': {axis.layer} has units 0 to {axis.components - 1}")
        return axis.start + component.unit

    def component(self, row: int) -> Component:
        """The component in a row. Raises SemlensError if there is no such row."""
        for axis in self.layers:
            if axis.start <= row < axis.stop:
                return Component(axis.layer, int(row) - axis.start)
        raise SemlensError(f"there is no row {row}: the index has {len(self.rows)} components")

    def _axis(self, layer: str) -> LayerAxis:
        for axis in self.layers:
            if axis.layer == layer:
                return axis
        raise unknown("layer", layer, [axis.layer for axis in self.layers])

    def with_relevance(self, relevance: Relevance) -> "ConceptIndex":
        """This index with the relevance beside it, in place of any before; `save` writes it.

        Raises SemlensError if it was computed from another model, other images or other layers.
        """
        model, images, origin = self.recipe.model, self.recipe.images, relevance.origin
        same = {
            "model": (model.fingerprint, model.preprocess) == (origin.model_fingerprint, origin.preprocess),
            "images": (images.fingerprint, images.count) == (origin.images_fingerprint, origin.count),
            "layers": self.layers == relevance.layers,
        }
        if not all(same.values()):
            odd = ", ".join(name for name, equal in same.items() if not equal)
            raise SemlensError(f"the relevance is not of this index's {odd}: compute it as the index was built")
        return replace(self, read_relevance=partial(class_relevance, relevance))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the index to `folder`, replacing an index there in one step.

        Raises SemlensError if that fails or the folder holds something else: what was there is then unchanged.
        """
        recipe, table, relevance = self.recipe, self.images, self.relevance
        head = {"recipe": asdict(recipe), "layers": [asdict(axis) for axis in self.layers]}
        if relevance is not None:
            check_classes(relevance.classes)
            head["relevance"] = {field.name: getattr(relevance, field.name) for field in fields(RelevanceId)}
        sizes = _sizes(self, len(self.sources))
        contents: dict[str, NewArrays | NewTable] = {}
        for part, arrays in _arrays(self).items():
            check(part, arrays, sizes, finite=True)
            contents[part] = NewArrays(sizes[COUNTED[part]], arrays)
        contents["components"] = NewTable(sizes["c"], COMPONENTS, _component_columns(self))
        contents["images"] = NewTable(sizes["i"], IMAGES, (range(sizes["i"]), table.names, table.labels, table.errors))
        store.save(Path(folder), least_minor(contents), head, contents)

    def __repr__(self) -> str:
        model, images, space = self.recipe.model.name, self.recipe.images.count, self.recipe.foundation.name
        components = f"{len(self.rows)} components in {len(self.layers)} layers, {self.dead.sum()} dead"
        return f"ConceptIndex({model}: {components}; {images} images, k={self.recipe.k}, {space})"

    def _repr_html_(self) -> str:
        cells = [(a.layer, a.kind, a.components, self.dead[a.start : a.stop].sum()) for a in self.layers]
        rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in cells)
        return f"<table><caption>{escape(repr(self))}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@dataclass(frozen=True)
class Manifest:
    """What manifest.json holds, its own digest aside."""

    format: str
    version: store.Version
    recipe: Recipe
    layers: tuple[LayerAxis, ...]
    relevance: RelevanceId | None
    parts: dict[str, store.Part]


@dataclass(frozen=True)
class Stored:
    """An index on disk. Each part is checked against every rule of the format when it is read."""

    folder: Path
    manifest: Manifest
    verify: bool

    @property
    def sizes(self) -> Mapping[str, int]:
        """The length of every axis, as the manifest has it."""
        return _sizes(self.manifest, self.manifest.parts["vectors"].rows)

    def check(self) -> None:
        """Raises SemlensError if the manifest contradicts itself or a part is not what it says."""
        parts, version, relevance = self.manifest.parts, self.manifest.version, self.manifest.relevance
        names = part_names(relevance=relevance is not None)
        with store.blaming(self.folder / store.MANIFEST):
            check_layers(self.manifest.layers)
            check_names("part", parts, names, newer=version.newer)
            if least_minor(names) > version.minor:
                raise ValueError(f"version {version.major}.{version.minor} has no relevance")
            check_classes(relevance.classes if relevance else ())
            for name in names:
                rows = self.sizes[COUNTED[name]]
                if parts[name].rows != rows:
                    raise ValueError(f"part {name!r} has not the {rows} rows that the others ask for")
        for name in names:
            path = store.locate(self.folder, name, parts[name])
            if self.verify:
                store.check_digest(path, parts[name])

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a part."""
        part = self.manifest.parts[name]
        found = store.read_arrays(self.folder, name, part)
        with store.blaming(self.folder / part.file):
            check_names("tensor", found, LAYOUT[name], newer=self.manifest.version.newer)
            check(name, found, self.sizes, finite=self.verify or (name == "means" and part.bytes <= store.HASH_LIMIT))
        return {key: found[key] for key in LAYOUT[name]}

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

    def _texts(self, name: str) -> tuple[str | None, ...]:
        arrays = self.arrays(name)
        with store.blaming(self.folder / self.manifest.parts[name].file):
            return unpack_texts(**arrays)


def load_index(folder: str | os.PathLike[str], *, verify: bool = False) -> ConceptIndex:
    """The index in `folder`, memory-mapped. Raises SemlensError, naming the file, if anything is wrong with it.

    A part's digest is checked when it is opened; above 256 MiB, where that outlasts a search, only if `verify`.
    """
    folder = Path(folder)
    stored = Stored(folder, store.read_manifest(folder, Manifest, {"relevance": RelevanceId}), verify)
    stored.check()
    arrays = stored.arrays("examples") | stored.arrays("means") | stored.arrays("vectors")
    return ConceptIndex(
        stored.manifest.recipe,
        stored.manifest.layers,
        **arrays,
        read_images=stored.images,
        read_unit_names=stored.unit_names,
        read_thumbnails=stored.thumbnails,
        read_relevance=stored.relevance,
    )


def _sizes(head: ConceptIndex | Manifest, crops: int) -> Mapping[str, int]:
    """The length of every axis of an index with so many distinct crops."""
    recipe, classes = head.recipe, len(head.relevance.classes) if head.relevance else 0
    return axis_sizes(head.layers, recipe.k, recipe.foundation.dimension, recipe.images.count, crops, classes=classes)


def _arrays(index: ConceptIndex) -> Mapping[str, Arrays]:
    """What each part of the index holds, tables aside."""
    table, relevance = index.images, index.relevance
    packed: dict[str, Arrays] = {
        "thumbnails": {"data": index.thumbnails.data, "offsets": index.thumbnails.offsets},
        "unit-names": pack_texts(index.unit_names),
        "image-names": pack_texts(table.names),
        "image-labels": pack_texts(table.labels),
        "image-errors": pack_texts(table.errors),
    }
    if relevance is not None:
        packed["relevance"] = {name: getattr(relevance, name) for name in LAYOUT["relevance"]}
        packed["class-names"] = pack_texts(relevance.class_names)
    plain = ("examples", "means", "vectors")
    return {part: {name: getattr(index, name) for name in LAYOUT[part]} for part in plain} | packed


def _component_columns(index: ConceptIndex) -> list[Any]:
    """The values of the components table, column by column: what the arrays say, for people and other tools."""
    axes = [axis for axis in index.layers for _ in range(axis.components)]
    units = [unit for axis in index.layers for unit in range(axis.components)]
    names = ([axis.layer for axis in axes], units, [axis.kind for axis in axes], index.unit_names)
    valid, strongest = index.valid.sum(axis=1, dtype=np.int32), index.activations.max(axis=1, initial=-np.inf)
    return [range(len(axes)), *names, valid, index.fired, index.nan, index.dead, strongest]
