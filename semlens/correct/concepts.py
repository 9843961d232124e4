"""Concept directions of a layer as a dictionary: from images that show a concept and images that do not, or phrases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semlens.analysis import Rows
from semlens.correct.seen import embed_images, glance
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
from semlens.types import MISSING, Bool, Component, Float, Float32, Float64, FoundationModel, Int64, Progress

Shows = str | tuple[str, ...] | Component | Sequence[int] | Path | ImageSet
"""What shows a concept: a phrase or several for one, a component by its examples, images by their ids, or a folder."""


WAYS = ("pattern", "ridge", "logistic", "svm")
HELD_OUT, MOST_HELD = 5, 2000
"""Every fifth image, by its place, is left out to see whether a direction tells the concept, up to so many."""


def is_phrase(shows: Any) -> bool:
    """Whether it is a phrase, or several for one concept."""
    return isinstance(shows, str) or (isinstance(shows, tuple) and len(shows) > 0 and isinstance(shows[0], str))


def name_of(shows: Shows) -> str:
    """What a concept is called that was given without a name."""
    if isinstance(shows, str | Component):
        return str(shows)
    if isinstance(shows, Path):
        return shows.name
    return Path(shows.source).name if isinstance(shows, ImageSet) else "concept"


@dataclass(frozen=True, eq=False)
class Shown:
    """Some concepts and the images that they are looked for in: those that ids speak of, and those of every concept
    that comes with images of its own."""

    sets: tuple[ImageSet, ...]
    of: tuple[Shows, ...]  # what each further set shows
    concepts: Mapping[str, Shows]
    negative: Sequence[int] | Path | ImageSet | None
    directions: Float[np.ndarray, "q d"]  # of phrases in the semantic space; zeros of the others
    ids: Mapping[str, frozenset[int]]  # of concepts that are told by ids
    foundation: FoundationModel | None

    @classmethod
    def of_all(
        cls, images: ImageSet, concepts: Mapping[str, Shows], negative: Sequence[int] | Path | ImageSet | None,
        foundation: FoundationModel | None, index: ConceptIndex | None,
    ) -> "Shown":  # fmt: skip
        """The record, with every phrase embedded once.

        Raises:
            SemlensError: a phrase without a foundation model, or a component without an index.
        """
        apart = [one for one in (*concepts.values(), negative) if isinstance(one, Path | ImageSet)]
        sets = tuple(one if isinstance(one, ImageSet) else load_images(one) for one in apart)
        texts = {name: _texts(shows) for name, shows in concepts.items() if is_phrase(shows)}
        if texts and foundation is None:
            said = next(iter(texts.values()))[0]
            raise SemlensError(f"{said!r} is a phrase: give the foundation model that knows it (--foundation)")
        found = {
            name: unit(foundation.embed_texts(one)).mean(axis=0)
            for name, one in texts.items()
            if foundation is not None
        }
        nothing = np.zeros(len(next(iter(found.values()))) if found else 0)
        directions = np.stack([found.get(name, nothing) for name in concepts])
        ids = {
            name: frozenset(_ids(shows, index))
            for name, shows in concepts.items()
            if name not in texts and not isinstance(shows, Path | ImageSet)
        }
        return cls((images, *sets), tuple(apart), concepts, negative, directions, ids, foundation)

    @property
    def phrases(self) -> Bool[np.ndarray, "q"]:
        """Which concepts are told by phrases."""
        return np.array([is_phrase(shows) for shows in self.concepts.values()], bool)

    def scores(self, source: int, ids: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n q"]:
        """How much of each concept is in some images of a set: similarity to its phrases, or 1 and 0."""
        scores = np.zeros((len(ids), len(self.concepts)))
        if self.phrases.any():
            assert self.foundation is not None
            scores = embed_images(self.foundation, self.sets[source], ids).astype(np.float64) @ self.directions.T
        for q, (name, shows) in enumerate(self.concepts.items()):
            if name in self.ids:
                scores[:, q] = (source == 0) & np.isin(ids, list(self.ids[name]))
            elif not is_phrase(shows):
                scores[:, q] = source > 0 and self.of[source - 1] is shows
        return scores

    def counts(
        self, source: int, ids: Int64[np.ndarray, "n"], scores: Float64[np.ndarray, "n q"]
    ) -> Bool[np.ndarray, "n"]:
        """Which of these images count: all, or those that show a concept and those that were named as showing none."""
        if self.negative is None:
            return np.ones(len(ids), bool)
        shown = (scores[:, ~self.phrases] > 0).any(axis=1)
        if isinstance(self.negative, Path | ImageSet):
            return np.asarray(shown | (source == len(self.sets) - 1))
        return np.asarray(shown | ((source == 0) & np.isin(ids, list(self.negative))))


def phrase_direction(foundation: FoundationModel, texts: Sequence[str]) -> Float[np.ndarray, "d"]:
    """The direction of a concept in the semantic space: the mean of its phrases' unit embeddings."""
    return np.asarray(unit(foundation.embed_texts(list(texts))).mean(axis=0))


def _texts(shows: Any) -> tuple[str, ...]:
    return (shows,) if isinstance(shows, str) else tuple(shows)


def _ids(shows: Any, index: ConceptIndex | None) -> list[int]:
    """The images that show a concept by their ids, or by a component's examples."""
    if not isinstance(shows, Component):
        return [int(id) for id in shows]
    if index is None:
        raise SemlensError(f"{shows} is a component: give the index in which it has its examples (--index)")
    ids = index.ids[index.row(shows)]
    return np.unique(ids[ids != MISSING]).tolist()


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

    Patterns need sums over the images only, so any number of these does; filters hold every image's vector.

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
    wanted = dict(positive) if isinstance(positive, Mapping) else {name_of(positive): positive}
    shown = Shown.of_all(images, wanted, negative, foundation, index)
    phrases = shown.phrases
    kept, held = _look(model, shown, layer, whole=how != "pattern", progress=progress)
    _check(tuple(wanted), phrases, kept.moments + held.moments)
    added = (RIDGE if phrases.any() else 0.0) if ridge is None else ridge
    told = []
    if held.moments.count:
        checked = _units(kept, phrases, how, jointly, added).read(held.x)
        told = [_told(name, checked[:, q], held.scores[:, q], bool(phrases[q])) for q, name in enumerate(wanted)]
    made = _units(kept.joined(held), phrases, how, jointly, added)
    return Directions(made.dictionary(layer, tuple(wanted)), Rows(told, f"concepts in {layer!r}"))


@dataclass(frozen=True, eq=False)
class _Material:
    """What directions are made of: moments and, where they are needed, the vectors and scores themselves."""

    moments: Moments
    x: Float32[np.ndarray, "n d"]
    scores: Float64[np.ndarray, "n q"]

    def joined(self, other: "_Material") -> "_Material":
        """Both together."""
        x, scores = np.concatenate([self.x, other.x]), np.concatenate([self.scores, other.scores])
        return _Material(self.moments + other.moments, x, scores)


def _look(
    model: VisionModel, shown: Shown, layer: str, *, whole: bool, progress: Progress
) -> tuple[_Material, _Material]:
    """What the images give, and what those of them give that are held out.

    Args:
        whole: whether vectors are kept of all images, beside those that are held out.
    """
    sums: list[Moments | None] = [None, None]
    rows: list[list[tuple[Any, Any]]] = [[], []]
    place = out = 0
    for source, one in enumerate(shown.sets):
        for seen in glance(model, one, layer=layer, progress=progress):
            scores = shown.scores(source, seen.ids)
            count = shown.counts(source, seen.ids, scores)
            x, scores = seen.vectors[count], scores[count]
            held = (np.arange(place, place + len(x)) % HELD_OUT == HELD_OUT - 1) & (out < MOST_HELD)
            place, out = place + len(x), out + int(held.sum())
            for part, mine in enumerate((~held, held)):
                own = Moments.of(x[mine], scores[mine])
                before = sums[part]
                sums[part] = own if before is None else before + own
                keep = mine if whole or part else mine & False
                rows[part].append((x[keep], scores[keep]))
    kept, left = (
        _Material(total, *(np.concatenate(parts) for parts in zip(*own, strict=True)))
        for total, own in zip(sums, rows, strict=True)
        if total is not None
    )
    return kept, left


def _check(names: Sequence[str], phrases: Bool[np.ndarray, "q"], moments: Moments) -> None:
    """Raises SemlensError if all images show a concept that is told by marks, or none."""
    for name, share, phrase in zip(names, moments.score.tolist(), phrases.tolist(), strict=True):
        marked = round(share * moments.count)
        if not phrase and marked in (0, moments.count):
            raise SemlensError(
                f"{name!r}: {marked} of {moments.count} images show it: give images that do, and some that do not"
            )


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


def _units(material: _Material, phrases: Bool[np.ndarray, "q"], how: str, jointly: bool, ridge: float) -> _Units:
    moments = material.moments
    spread = np.where(phrases, np.sqrt(np.diagonal(moments.scores) / max(moments.count, 1)), 1.0)
    found = patterns(moments, jointly=jointly, ridge=ridge) * spread
    if how == "pattern":
        return units_of(found, moments.activation)
    return _filtered(_filters(material.x, material.scores, phrases, how), found)


def units_of(found: Float64[np.ndarray, "d q"], centre: Float64[np.ndarray, "d"]) -> _Units:
    """Units that read how much of each pattern there is, all together."""
    return _Units(readers(found).T, np.zeros(found.shape[1]), found.T, centre)


def _filtered(filters: Filters, found: Float64[np.ndarray, "d q"]) -> _Units:
    """Units that give a filter's score; to set one moves along the patterns, by as much as the filter sees."""
    decoder = np.linalg.pinv(found.T @ filters.weights, rcond=1e-9) @ found.T
    return _Units(filters.weights, filters.intercept, decoder, np.zeros(len(found)))


def _filters(
    x: Float32[np.ndarray, "n d"], scores: Float64[np.ndarray, "n q"], phrases: Bool[np.ndarray, "q"], how: str
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
