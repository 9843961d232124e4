"""What shows a concept in which images: phrases by similarity, and components, ids, folders or image sets by marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semlens.collection import as_is, image_batches
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index import ConceptIndex
from semlens.numerics import unit
from semlens.types import MISSING, Bool, Component, Float, Float64, FoundationModel, Int64

Shows = str | tuple[str, ...] | Component | Sequence[int] | Path | ImageSet
"""What shows a concept: a phrase or several for one, a component by its examples, images by their ids, or a folder."""


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
