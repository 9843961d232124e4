"""Concept directions of a layer as a dictionary: from images that show a concept and images that do not, or phrases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semlens.analysis import Rows
from semlens.collection import as_is, image_batches
from semlens.correct.seen import see
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet, load_images
from semlens.index import ConceptIndex
from semlens.model import Dictionary, Linear, VisionModel, as_model
from semlens.numerics import (
    RIDGE,
    Filters,
    Moments,
    auroc_estimate,
    logistic_filters,
    patterns,
    readers,
    ridge_filters,
    svm_filters,
    unit,
)
from semlens.progress import visible
from semlens.types import MISSING, Bool, Component, Float, Float64, FoundationModel, Int64, Progress

WAYS = ("pattern", "ridge", "logistic", "svm")
HELD_OUT = 5
"""Every fifth image, by its place, is left out to see whether a direction tells the concept."""

Shows = str | tuple[str, ...] | Component | Sequence[int] | Path | ImageSet
"""What shows a concept: a phrase or several for one, a component by its examples, images by their ids, or a folder."""


@dataclass(frozen=True)
class Told:
    """How well a direction tells its concept, on images that it was not made from."""

    concept: str
    auroc: float  # by marks; of a phrase, its quarter of most similar images against that of the least similar
    low: float  # 95 % interval over images like these
    high: float
    n: int  # images that this is from


@dataclass(frozen=True, eq=False)
class Directions:
    """Concept directions, and how well each tells its concept."""

    dictionary: Dictionary
    told: Rows[Told]


def concept_directions(model: VisionModel | str, images: ImageSet | Any, layer: str, **how: Any) -> Dictionary:
    """The dictionary that `learn_concepts` makes: a unit per concept, to be searched, labelled, audited or corrected as
    any component."""
    return learn_concepts(model, images, layer, **how).dictionary


def learn_concepts(
    model: VisionModel | str,
    images: ImageSet | Any,
    layer: str,
    *,
    positive: Mapping[str, Shows] | Shows,
    negative: Sequence[int] | Path | ImageSet | None = None,
    how: str = "pattern",
    jointly: bool = True,
    foundation: FoundationModel | None = None,
    index: ConceptIndex | None = None,
    ridge: float | None = None,
    progress: Progress = visible,
) -> Directions:
    """Directions of concepts in a layer, on the mean over positions of its vectors.

    A unit's decoder is its pattern, how the layer changes with the concept, so that to set it is to change that and
    nothing else. With how="pattern" its activation is how much of the pattern is there, all patterns together: 1 is the
    difference that the concept makes (a standard deviation of a phrase's similarity), 0 the mean image. With the others
    it is the filter's score, above 0 where the concept is more likely there than not.

    Args:
        positive: what shows the concept, or a mapping from names to it for several.
        negative: images that show none; of ids, all other images if none are given.
        how: "pattern", for removing, or a filter, for detecting: "ridge", "logistic", "svm".
        jointly: every pattern with the other concepts held, else each by itself.
        foundation: which tells how similar an image is to a phrase; the index's space is `index.recipe.foundation`.
        index: in which a component has its examples.
        ridge: added to the variance of each concept, which counts as 1; RIDGE for phrases, none for marks.

    Raises:
        SemlensError: an unknown way, no images for or against, a phrase without a foundation model, or a component
            without an index.
    """
    if how not in WAYS:
        raise unknown("way", how, WAYS)
    model, images = as_model(model), load_images(images)
    wanted = dict(positive) if isinstance(positive, Mapping) else {_name(positive): positive}
    seen = _look(model, images, layer, [*wanted.values(), negative], progress)
    phrases = [_is_phrase(shows) for shows in wanted.values()]
    scores = np.stack([seen.score(name, shows, foundation, index) for name, shows in wanted.items()], axis=1)
    counts = seen.counts(negative, scores[:, [not phrase for phrase in phrases]] > 0)
    x, scores = seen.vectors[counts], scores[counts]
    held = np.arange(len(x)) % HELD_OUT == HELD_OUT - 1
    added = (RIDGE if any(phrases) else 0.0) if ridge is None else ridge
    checked = _units(x[~held], scores[~held], phrases, how, jointly, added).read(x[held])
    told = [_told(name, checked[:, q], scores[held, q], phrases[q]) for q, name in enumerate(wanted)]
    made = _units(x, scores, phrases, how, jointly, added)
    return Directions(made.dictionary(layer, tuple(wanted)), Rows(told, f"concepts in {layer!r}"))


def _is_phrase(shows: Any) -> bool:
    return isinstance(shows, str) or (isinstance(shows, tuple) and len(shows) > 0 and isinstance(shows[0], str))


def _texts(shows: Any) -> tuple[str, ...]:
    return (shows,) if isinstance(shows, str) else tuple(shows)


def _name(shows: Shows) -> str:
    if isinstance(shows, str | Component):
        return str(shows)
    if isinstance(shows, Path):
        return shows.name
    return Path(shows.source).name if isinstance(shows, ImageSet) else "concept"


@dataclass(frozen=True, eq=False)
class _Looked:
    """What a model made of the images of one or several sources, the first of which is all that ids speak of."""

    sets: Sequence[ImageSet]
    of: Sequence[Shows | None]  # what each further source shows
    source: Int64[np.ndarray, "n"]
    ids: Int64[np.ndarray, "n"]
    vectors: Float64[np.ndarray, "n d"]
    kept: list[Float[np.ndarray, "n d"]] = field(default_factory=list)  # the images' embeddings, once they are made

    def score(
        self, name: str, shows: Shows, foundation: FoundationModel | None, index: ConceptIndex | None
    ) -> Float64[np.ndarray, "n"]:
        """How much of a concept is in each image: similarity to a phrase, or 1 and 0."""
        if _is_phrase(shows):
            return self._similarity(_texts(shows), foundation)
        if isinstance(shows, Path | ImageSet):
            mark = self.source == 1 + next(n for n, one in enumerate(self.of) if one is shows)
        else:
            mark = (self.source == 0) & np.isin(self.ids, _ids(shows, index))
        if mark.all() or not mark.any():
            raise SemlensError(
                f"{name!r}: {int(mark.sum())} of {len(mark)} images show it: give images that do, and some that do not"
            )
        return mark.astype(np.float64)

    def _similarity(self, phrases: Sequence[str], foundation: FoundationModel | None) -> Float64[np.ndarray, "n"]:
        if foundation is None:
            raise SemlensError(f"{phrases[0]!r} is a phrase: give the foundation model that knows it (--foundation)")
        direction = unit(foundation.embed_texts(phrases)).mean(axis=0)
        if not self.kept:
            self.kept.append(self.embedded(foundation))
        return np.asarray(self.kept[0] @ direction, np.float64)

    def embedded(self, foundation: FoundationModel) -> Float[np.ndarray, "n d"]:
        """Unit embeddings of the whole images."""
        parts = [embed_images(foundation, one, self.ids[self.source == n]) for n, one in enumerate(self.sets)]
        return np.concatenate(parts)

    def counts(
        self, negative: Sequence[int] | Path | ImageSet | None, shown: Bool[np.ndarray, "n q"]
    ) -> Bool[np.ndarray, "n"]:
        """Which images count: all, or those that show a concept and those that were named as showing none."""
        if negative is None:
            return np.ones(len(self.ids), bool)
        if isinstance(negative, Path | ImageSet):
            return np.asarray(shown.any(axis=1) | (self.source == len(self.sets) - 1))
        return np.asarray(shown.any(axis=1) | ((self.source == 0) & np.isin(self.ids, list(negative))))


def _look(
    model: VisionModel, images: ImageSet, layer: str, given: Sequence[Shows | None], progress: Progress
) -> _Looked:
    of = [one for one in given if isinstance(one, Path | ImageSet)]
    sets = [images, *(one if isinstance(one, ImageSet) else load_images(one) for one in of)]
    seen = [see(model, one, layer=layer, progress=progress) for one in sets]
    source = np.repeat(np.arange(len(sets)), [len(one.ids) for one in seen])
    vectors = np.concatenate([one.vectors for one in seen]).astype(np.float64)
    return _Looked(sets, of, source, np.concatenate([one.ids for one in seen]), vectors)


def _ids(shows: Any, index: ConceptIndex | None) -> list[int]:
    """The images that show a concept by their ids, or by a component's examples."""
    if not isinstance(shows, Component):
        return [int(id) for id in shows]
    if index is None:
        raise SemlensError(f"{shows} is a component: give the index in which it has its examples (--index)")
    ids = index.ids[index.row(shows)]
    return np.unique(ids[ids != MISSING]).tolist()


def embed_images(
    foundation: FoundationModel, images: ImageSet, ids: Sequence[int] | Int64[np.ndarray, "n"]
) -> Float[np.ndarray, "n d"]:
    """Unit embeddings of some whole images.

    Raises:
        SemlensError: one of them cannot be read any more.
    """
    parts = [
        foundation.embed_images(list(batch.items))
        for batch in image_batches(images, [int(id) for id in ids], as_is, "embed", batch_size=64, workers=0,
                                   readable_when="the model looked at it")
    ]  # fmt: skip
    return unit(np.concatenate(parts))


@dataclass(frozen=True, eq=False)
class _Units:
    """What a dictionary of concepts is made of."""

    encoder: Float64[np.ndarray, "d q"]
    bias: Float64[np.ndarray, "q"]
    decoder: Float64[np.ndarray, "q d"]
    centre: Float64[np.ndarray, "d"]

    def read(self, x: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n q"]:
        return (x - self.centre) @ self.encoder + self.bias

    def dictionary(self, layer: str, names: tuple[str, ...]) -> Dictionary:
        encoder, bias, decoder, centre = (
            torch.from_numpy(np.ascontiguousarray(one, np.float32))
            for one in (self.encoder, self.bias, self.decoder, self.centre)
        )
        return Dictionary(layer, encoder, bias, decoder, centre, Linear(), names)


def _units(
    x: Float[np.ndarray, "n d"], scores: Float64[np.ndarray, "n q"], phrases: Sequence[bool], how: str, jointly: bool,
    ridge: float,
) -> _Units:  # fmt: skip
    moments = Moments.of(x, scores)
    spread = np.where(phrases, scores.std(axis=0), 1.0)
    found = patterns(moments, jointly=jointly, ridge=ridge) * spread
    if how == "pattern":
        return units_of(found, moments.activation)
    return _filtered(_filters(x, scores, phrases, how), found)


def units_of(found: Float64[np.ndarray, "d q"], centre: Float64[np.ndarray, "d"]) -> _Units:
    """Units that read how much of each pattern there is, all together."""
    return _Units(readers(found).T, np.zeros(found.shape[1]), found.T, centre)


def _filtered(filters: Filters, found: Float64[np.ndarray, "d q"]) -> _Units:
    """Units that give a filter's score; to set one moves along the patterns, by as much as the filter sees."""
    decoder = np.linalg.pinv(found.T @ filters.weights, rcond=1e-9) @ found.T
    return _Units(filters.weights, filters.intercept, decoder, np.zeros(len(found)))


def _filters(
    x: Float[np.ndarray, "n d"], scores: Float64[np.ndarray, "n q"], phrases: Sequence[bool], how: str
) -> Filters:
    marks: Bool[np.ndarray, "n q"] = scores > np.where(phrases, np.median(scores, axis=0), 0.5)
    if how == "ridge":
        return ridge_filters(Moments.of(x, np.where(marks, 1.0, -1.0)))
    return (logistic_filters if how == "logistic" else svm_filters)(x, marks)


def _told(name: str, read: Float64[np.ndarray, "n"], score: Float64[np.ndarray, "n"], phrase: bool) -> Told:
    """How well what is read tells the concept, on images left out."""
    if phrase:
        low, high = np.quantile(score, (0.25, 0.75)) if len(score) else (0.0, 0.0)
        counts = (score <= low) | (score >= high)
        read, positive = read[counts], score[counts] >= high
    else:
        positive = score > 0.5
    found = auroc_estimate(read, np.asarray(positive))
    return Told(name, found.value, found.low, found.high, found.n)
