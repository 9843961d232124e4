"""The concept index: what every component encodes, in memory and on disk. The border: from here on there is no torch.

docs/index-format.md is the norm of what `save` writes and `load_index` accepts.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.index.encodings import Encodings
from semlens.index.kept import KINDS, Addition, Held, StoredAtlas, StoredLabels, StoredScores, kind_of
from semlens.index.reader import open_stored
from semlens.index.records import ImageTable, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance, RelevanceVectors, class_relevance, relevance_vectors
from semlens.index.writer import Contents, Frame, write_addition, write_index
from semlens.numerics import Histogram
from semlens.types import MISSING, Bool, Component, Float16, Float32, Int32, Int64, LayerAxis, Relevance

T = TypeVar("T")


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
    read_additions: Mapping[type, Callable[[], Any]] = field(default_factory=dict)  # what it holds besides, by type

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

    def addition(self, record: type[T]) -> T | None:
        """What the index holds of a type that may be added to one, None where it holds none; read when first asked."""
        if record not in self._additions:
            self._additions[record] = self.read_additions.get(record, lambda: None)()
        addition: T | None = self._additions[record]
        return addition

    @cached_property
    def _additions(self) -> dict[type, Any]:
        return {}

    @property
    def relevance(self) -> ClassRelevance | None:
        """What every component contributes to some outputs of the model, if that was computed."""
        return self.addition(ClassRelevance)

    @property
    def relevance_vectors(self) -> RelevanceVectors | None:
        """What every component contributes to a class on single images of it, if kept (build --vectors)."""
        return self.addition(RelevanceVectors)

    @property
    def histogram(self) -> Histogram | None:
        """How often every component reaches which activation, if that was counted."""
        return self.addition(Histogram)

    @property
    def encodings(self) -> Encodings | None:
        """What every component responds to over many images, if that was collected (build --encode)."""
        return self.addition(Encodings)

    @property
    def labels(self) -> StoredLabels | None:
        """The labels that were kept, if any; as `label` gave them by `keep.stored_labels`."""
        return self.addition(StoredLabels)

    @property
    def scores(self) -> StoredScores | None:
        """The scores that were kept, if any; as `score` gave them by `keep.stored_scores`."""
        return self.addition(StoredScores)

    @property
    def atlas(self) -> StoredAtlas | None:
        """The atlas that was kept, if any; as `atlas` gave it by `keep.stored_atlas`."""
        return self.addition(StoredAtlas)

    @property
    def held(self) -> tuple[str, ...]:
        """What the index holds beside what all indexes hold: some of relevance, histogram, labels, scores,
        atlas, encodings and relevance_vectors."""
        return tuple(kind.name for kind in KINDS if self.addition(kind.record) is not None)

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
        """The layer's rows.

        Raises:
            SemlensError: with the nearest names if there is no such layer.
        """
        axis = self._axis(layer)
        return slice(axis.start, axis.stop)

    def row(self, component: Component) -> int:
        """The component's row.

        Raises:
            SemlensError: if the index has no such component.
        """
        axis = self._axis(component.layer)
        if not 0 <= component.unit < axis.components:
            raise SemlensError(f"unknown component '{component}': {axis.layer} has units 0 to {axis.components - 1}")
        return axis.start + component.unit

    def component(self, row: int) -> Component:
        """The component in a row.

        Raises:
            SemlensError: if there is no such row.
        """
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
        """This index with the relevance beside it, and its vectors of single images if it has any, in place of any
        before; `save` writes it.

        Raises:
            SemlensError: if it was computed from another model, other images or other layers.
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
        index, vectors = self._with(ClassRelevance, partial(class_relevance, relevance)), relevance_vectors(relevance)
        return index._with(RelevanceVectors, partial(given, vectors))  # those of another relevance do not stay

    def with_addition(self, addition: Addition) -> "ConceptIndex":
        """This index with the histogram, labels, scores, atlas, encodings or relevance vectors beside it, in place of
        any before; `save` writes it.

        Raises:
            SemlensError: if it is of another index.
        """
        kind, index = kind_of(addition), self._with(type(addition), partial(given, addition))
        try:
            frame = index._frame()
            frame.checked(frame.parts[kind.name])
        except ValueError as fault:
            raise SemlensError(f"the {kind.name} cannot stand beside this index: {fault}") from fault
        return index

    def _with(self, record: type, read: Callable[[], Any]) -> "ConceptIndex":
        return replace(self, read_additions={**self.read_additions, record: read})

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes the index to `folder`, replacing an index there in one step.

        Raises:
            SemlensError: if that fails or the folder holds something else; what was there is then unchanged.
        """
        contents = Contents(vars(self), self.thumbnails, self.unit_names, self.images)
        write_index(Path(folder), self._frame(), contents)

    def add(self, addition: Addition, folder: str | os.PathLike[str]) -> None:
        """Writes the addition to this index's `folder`, in place of one of its kind; every other part stays as it is.

        Raises:
            SemlensError: if that fails, or if the folder does not hold this index; what was there is then unchanged.
        """
        write_addition(Path(folder), self.with_addition(addition)._frame(), addition)

    def _frame(self) -> Frame:
        """What every part of this index has to fit."""
        additions: list[Held | None] = [self.addition(kind.record) for kind in KINDS]
        held = tuple(addition for addition in additions if addition is not None)
        return Frame(self.recipe, self.layers, self.rows, len(self.sources), held)

    def __repr__(self) -> str:
        model, images, space = self.recipe.model.name, self.recipe.images.count, self.recipe.foundation.name
        components = f"{len(self.rows)} components in {len(self.layers)} layers, {self.dead.sum()} dead"
        return f"ConceptIndex({model}: {components}; {images} images, k={self.recipe.k}, {space})"

    def _repr_html_(self) -> str:
        cells = [(a.layer, a.kind, a.components, self.dead[a.start : a.stop].sum()) for a in self.layers]
        rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in cells)
        return f"<table><caption>{escape(repr(self))}</caption>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def load_index(folder: str | os.PathLike[str], *, verify: bool = False, quick: bool = False) -> ConceptIndex:
    """The index in `folder`, memory-mapped. A part's digest is checked when it is first read; the tables', which only
    other tools read, now.

    Args:
        verify: check every part now, and look through all numbers.
        quick: as a search opens it, which must not wait: parts above 256 MiB and tables are hashed once on a machine,
            which the user's cache remembers until the file changes.

    Raises:
        SemlensError: naming the file, if anything is wrong with it.
    """
    stored = open_stored(Path(folder), verify, quick)
    arrays = stored.arrays("examples") | stored.arrays("means") | stored.arrays("vectors")
    return ConceptIndex(
        stored.manifest.recipe,
        stored.manifest.layers,
        **arrays,
        read_images=stored.images,
        read_unit_names=stored.unit_names,
        read_thumbnails=stored.thumbnails,
        read_additions={kind.record: partial(stored.addition, kind) for kind in stored.held},
    )


def given(thing: T) -> T:
    """A reader of what is in memory already, as `partial(given, thing)`; unlike a lambda it can be pickled."""
    return thing
