"""The concept index: what every component encodes, in memory and on disk. The border: from here on there is no torch.

docs/index-format.md is the norm of what `save` writes and `load_index` accepts.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.index import folder as store
from semlens.index.files import Arrays, NewArrays, NewTable, pack_texts
from semlens.index.kept import KINDS, Addition, StoredAtlas, StoredLabels, StoredScores, arrays_of, rows_of
from semlens.index.layout import (
    ADDED,
    COMPONENTS,
    COUNTED,
    IMAGES,
    LAYOUT,
    axis_sizes,
    check,
    check_asked,
    check_classes,
    least_minor,
)
from semlens.index.reader import OPTIONAL, Manifest, Stored
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance, RelevanceId, class_relevance
from semlens.index.rules import check_beside
from semlens.numerics import Histogram
from semlens.shapes import Bool, Float16, Float32, Int32, Int64
from semlens.types import MISSING, Component, LayerAxis, Relevance

T = TypeVar("T")


def _nothing() -> None:
    """The reader of what an index does not hold."""


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
    read_relevance: Callable[[], ClassRelevance | None] = _nothing
    read_histogram: Callable[[], Histogram | None] = _nothing
    read_labels: Callable[[], StoredLabels | None] = _nothing
    read_scores: Callable[[], StoredScores | None] = _nothing
    read_atlas: Callable[[], StoredAtlas | None] = _nothing

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

    @cached_property
    def histogram(self) -> Histogram | None:
        """How often every component reaches which activation, if that was counted."""
        return self.read_histogram()

    @cached_property
    def labels(self) -> StoredLabels | None:
        """The labels that were kept, if any; as `label` gave them by `keep.stored_labels`."""
        return self.read_labels()

    @cached_property
    def scores(self) -> StoredScores | None:
        """The scores that were kept, if any; as `score` gave them by `keep.stored_scores`."""
        return self.read_scores()

    @cached_property
    def atlas(self) -> StoredAtlas | None:
        """The atlas that was kept, if any; as `atlas` gave it by `keep.stored_atlas`."""
        return self.read_atlas()

    @property
    def held(self) -> tuple[str, ...]:
        """What the index holds beside what all indexes hold: some of relevance, histogram, labels, scores and atlas."""
        return tuple(name for name in ADDED if getattr(self, name) is not None)

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

    def with_addition(self, addition: Addition) -> "ConceptIndex":
        """This index with the histogram, labels, scores or atlas beside it, in place of any before; `save` writes it.

        Raises SemlensError if it is of another index.
        """
        kind = KINDS[type(addition)]
        reader: dict[str, Any] = {f"read_{kind}": partial(_given, addition)}
        found = replace(self, **reader)
        try:
            _checked(found, arrays_of(addition))
        except ValueError as fault:
            raise SemlensError(f"the {kind} cannot stand beside this index: {fault}") from fault
        return found

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the index to `folder`, replacing an index there in one step.

        Raises SemlensError if that fails or the folder holds something else: what was there is then unchanged.
        """
        table, sizes = self.images, _sizes(self)
        contents: dict[str, NewArrays | NewTable] = {**_checked(self, _arrays(self))}
        contents["components"] = NewTable(sizes["c"], COMPONENTS, _component_columns(self))
        contents["images"] = NewTable(sizes["i"], IMAGES, (range(sizes["i"]), table.names, table.labels, table.errors))
        store.save(Path(folder), least_minor(self.held), _head(self) | _recipes(self, self.held), contents)

    def add(self, addition: Addition, folder: str | os.PathLike[str]) -> None:
        """Writes the addition to this index's `folder`, in place of one of its kind; every other part stays as it is.

        Raises SemlensError if that fails, or if the folder does not hold this index: what was there is then unchanged.
        """
        kind, found = KINDS[type(addition)], self.with_addition(addition)
        contents = _checked(found, arrays_of(addition))
        store.add(Path(folder), least_minor([kind]), _recipes(found, [kind]), contents, _head(self))

    def __repr__(self) -> str:
        model, images, space = self.recipe.model.name, self.recipe.images.count, self.recipe.foundation.name
        components = f"{len(self.rows)} components in {len(self.layers)} layers, {self.dead.sum()} dead"
        return f"ConceptIndex({model}: {components}; {images} images, k={self.recipe.k}, {space})"

    def _repr_html_(self) -> str:
        cells = [(a.layer, a.kind, a.components, self.dead[a.start : a.stop].sum()) for a in self.layers]
        rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in cells)
        return f"<table><caption>{escape(repr(self))}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def load_index(folder: str | os.PathLike[str], *, verify: bool = False) -> ConceptIndex:
    """The index in `folder`, memory-mapped. Raises SemlensError, naming the file, if anything is wrong with it.

    A part's digest is checked when it is opened; above 256 MiB, where that outlasts a search, only if `verify`.
    """
    folder = Path(folder)
    stored = Stored(folder, store.read_manifest(folder, Manifest, OPTIONAL), verify)
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
        read_histogram=stored.histogram,
        read_labels=stored.labels,
        read_scores=stored.scores,
        read_atlas=stored.atlas,
    )


def _given(thing: T) -> T:
    """A reader of what is in memory already; unlike a lambda it can be sent to workers."""
    return thing


def _sizes(index: ConceptIndex) -> Mapping[str, int]:
    """The length of every axis."""
    recipe, classes = index.recipe, len(index.relevance.classes) if index.relevance else 0
    rows = {"vectors": len(index.sources)}
    for addition in _additions(index):
        rows |= rows_of(addition)
    dimension, images = recipe.foundation.dimension, recipe.images.count
    return axis_sizes(index.layers, recipe.k, dimension, images, classes=classes, rows=rows)


def _additions(index: ConceptIndex) -> list[Addition]:
    found = (index.histogram, index.labels, index.scores, index.atlas)
    return [addition for addition in found if addition is not None]


def _head(index: ConceptIndex) -> dict[str, Any]:
    """What determines an index, as its manifest has it."""
    return {"recipe": asdict(index.recipe), "layers": [asdict(axis) for axis in index.layers]}


def _recipes(index: ConceptIndex, held: Iterable[str]) -> dict[str, Any]:
    """What determines some of the additions, as the manifest has it; a histogram is determined by the index."""
    found: dict[str, Any] = {}
    for name in held:
        if name == "relevance":
            found[name] = {field.name: getattr(index.relevance, field.name) for field in fields(RelevanceId)}
        elif name in OPTIONAL:
            found[name] = asdict(getattr(index, name).recipe)
    return found


def _checked(index: ConceptIndex, parts: Mapping[str, Arrays]) -> dict[str, NewArrays]:
    """The parts, ready to be written. Raises ValueError if one breaks a rule of the format."""
    sizes = _sizes(index)
    check_classes(index.relevance.classes if index.relevance else ())
    for scored in (index.labels, index.scores):
        check_asked(index.layers, scored.recipe.layers if scored else ())
    for part, arrays in parts.items():
        check(part, arrays, sizes, finite=True)
        check_beside(part, arrays, index.rows)
    return {part: NewArrays(sizes[COUNTED[part]], arrays) for part, arrays in parts.items()}


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
    for addition in _additions(index):
        packed |= arrays_of(addition)
    plain = ("examples", "means", "vectors")
    return {part: {name: getattr(index, name) for name in LAYOUT[part]} for part in plain} | packed


def _component_columns(index: ConceptIndex) -> list[Any]:
    """The values of the components table, column by column: what the arrays say, for people and other tools."""
    axes = [axis for axis in index.layers for _ in range(axis.components)]
    units = [unit for axis in index.layers for unit in range(axis.components)]
    names = ([axis.layer for axis in axes], units, [axis.kind for axis in axes], index.unit_names)
    valid, strongest = index.valid.sum(axis=1, dtype=np.int32), index.activations.max(axis=1, initial=-np.inf)
    return [range(len(axes)), *names, valid, index.fired, index.nan, index.dead, strongest]
