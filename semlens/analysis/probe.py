"""Texts and images as points in the semantic space, with the null they are measured against."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from semlens.analysis.words import unknown_words
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, VocabularyId
from semlens.numerics import unit
from semlens.types import Float32, FoundationId, FoundationModel, Progress, several, silent

_CHUNK = 256  # texts embedded at once

NULLS = ("cosine", "vector", "none")


@dataclass(frozen=True, repr=False)
class Probes:
    """Points to search with. `nulls` is what "nothing in particular" looks like to each probe; zero where there is no
    null."""

    names: tuple[str, ...]
    vectors: Float32[np.ndarray, "q d"]  # unit
    nulls: Float32[np.ndarray, "q d"]  # unit or zero
    foundation: FoundationId
    images: tuple[int, ...] = ()  # which of them were made of images, the others of texts
    unknown: tuple[tuple[str, str], ...] = ()  # texts with a word that the foundation model does not know, and the word

    def __repr__(self) -> str:
        more = f" and {len(self) - 5:,} more" if len(self) > 5 else ""
        return f"Probes({', '.join(map(repr, self.names[:5]))}{more}; {self.foundation.name})"

    @property
    def contrasts(self) -> Float32[np.ndarray, "q d"]:
        """Each vector less its null: the alignment of a unit vector with a probe is its dot product with this."""
        return self.vectors - self.nulls

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, q: int) -> "Probes":
        """One of the probes."""
        single = slice(q, q + 1)
        image = (0,) if range(len(self))[q] in self.images else ()
        strange = tuple(one for one in self.unknown if one[0] in self.names[single])
        return Probes(self.names[single], self.vectors[single], self.nulls[single], self.foundation, image, strange)

    def __iter__(self) -> Iterator["Probes"]:
        return (self[q] for q in range(len(self)))


def vocabulary_id(probes: Probes) -> VocabularyId:
    """By what an answer remembers the phrases that it was chosen from."""
    digest = hashlib.sha256(json.dumps(probes.names).encode())
    for vectors in (probes.vectors, probes.nulls):
        digest.update(np.ascontiguousarray(vectors, "<f4").data)
    return VocabularyId(len(probes), digest.hexdigest())


TextTower = Callable[[Sequence[str]], Float32[np.ndarray, "n d"]]


def probe(
    foundation: FoundationModel,
    texts: Sequence[str],
    *,
    templates: Sequence[str] = ("{}",),
    null: str = "cosine",
) -> Probes:
    """A probe per text: the mean of its unit vectors over the templates, made unit again.

    Args:
        templates: phrases with {} where the text goes, "a photo of a {}".
        null: what the empty prompt (each template filled with nothing) does. "cosine": its cosine is subtracted from
            the text's, which keeps similarities of different texts comparable. "vector": its vector is subtracted
            before normalising.

    Source: cosine difference, Dreyer et al. 2025 (arXiv 2505.20229); vector difference, the published package's only
    form.

    Raises:
        SemlensError: no text, an empty text, or a template without {}.
    """
    texts, templates = several(texts), several(templates)
    if not texts or any(not text.strip() for text in texts):
        raise SemlensError("a probe needs a text that is not empty")
    wrong = [template for template in templates if "{}" not in template]
    if wrong or not templates:
        raise SemlensError(f"template {wrong[0] if wrong else ''!r} has no {{}} to put the text in")
    if null not in NULLS:
        raise SemlensError(f"null {null!r} is unknown; choose one of {', '.join(NULLS)}")
    filled = [[template.replace("{}", text) for template in templates] for text in texts]
    empty = [template.replace("{}", "").strip() for template in templates] if null != "none" else []
    flat = [prompt for prompts in filled for prompt in prompts] + empty
    vectors = unit(foundation.embed_texts(flat))
    split = len(texts) * len(templates)
    by_text = vectors[:split].reshape(len(texts), len(templates), -1)
    nothing = vectors[split:] if empty else np.zeros((1, vectors.shape[1]), dtype=np.float32)
    if null == "vector":
        by_text, nothing = by_text - nothing, np.zeros_like(nothing)
    nulls = np.repeat(unit(nothing.mean(axis=0, keepdims=True)), len(texts), axis=0)
    try:
        strange = unknown_words(foundation, texts)
    except SemlensError:  # the texts were kept, but the foundation model is not here: its words are not asked for
        strange = ()
    return Probes(tuple(texts), unit(by_text.mean(axis=1)), nulls, foundation.identity, unknown=strange)


def probe_images(
    foundation: FoundationModel, images: Sequence[Any] | Any, name: str = "image", *, background: str = "white"
) -> Probes:
    """One probe from one or several images of the same thing: the mean of their unit vectors, made unit again.

    Args:
        images: PIL images of any mode, paths, bytes of files or arrays of 8-bit pixels; see `images.load_image`.
        background: what shows through where one is transparent: that of the images of the index to be asked.

    Raises:
        SemlensError: there is none, or one cannot be read.
    """
    from semlens.images import load_image  # decoding, which texts do without

    given = list(images) if isinstance(images, list | tuple) else [images]
    if not given:
        raise SemlensError("a probe needs at least one image")
    shown = [load_image(image, background) for image in given]
    vectors = unit(unit(foundation.embed_images(shown)).mean(axis=0, keepdims=True))
    return Probes((name,), vectors, np.zeros_like(vectors), foundation.identity, (0,))


def check_space(index: ConceptIndex, probes: Probes) -> None:
    """Checks that vectors of the index and the probes compare.

    Raises:
        SemlensError: they come from different foundation models, or from one with different weights.
    """
    own, other = index.recipe.foundation, probes.foundation
    if own.name != other.name:
        raise SemlensError(
            f"the index was made with {own.name}, the probes with {other.name}; make the probes with {own.name}"
        )
    if own.digest != other.digest:
        raise SemlensError(
            f"index and probes both name {own.name}, but its weights differ ({own.digest[:8]}, {other.digest[:8]})"
        )


def concat_probes(probes: Iterable[Probes]) -> Probes:
    """Several probes as one set.

    Raises:
        SemlensError: their foundation models differ.
    """
    sets = list(probes)
    if len({(p.foundation.name, p.foundation.digest) for p in sets}) != 1:
        raise SemlensError("probes of different foundation models cannot be joined")
    starts = np.cumsum([0, *map(len, sets)]).tolist()[: len(sets)]
    return Probes(
        tuple(name for p in sets for name in p.names),
        np.concatenate([p.vectors for p in sets]),
        np.concatenate([p.nulls for p in sets]),
        sets[0].foundation,
        tuple(start + q for start, p in zip(starts, sets, strict=True) for q in p.images),
        tuple(one for p in sets for one in p.unknown),
    )


def cached(
    identity: FoundationId, embed: TextTower, folder: Path | None = None, progress: Progress = silent
) -> TextTower:
    """`embed` with its vectors kept on disk, so that a text asked before is answered without loading the text tower.

    Many texts are embedded and kept in chunks, so that a killed run has not worked for nothing. Kept per foundation
    digest in the user's cache folder, readable by the user alone.
    """
    folder = user_cache_path("semlens") if folder is None else folder

    def towers(texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            store = sqlite3.connect(folder / "texts.sqlite", timeout=10)
        except (OSError, sqlite3.Error):  # a cache that cannot be kept is no reason to fail
            return embed(texts)
        try:
            return _through(store, identity, embed, texts, progress)
        except sqlite3.Error:
            return embed(texts)
        finally:
            store.close()

    return towers


def _through(
    store: sqlite3.Connection, identity: FoundationId, embed: TextTower, texts: Sequence[str], progress: Progress
) -> Float32[np.ndarray, "n d"]:
    store.execute("create table if not exists texts (key blob primary key, vector blob) without rowid")
    keys = {text: hashlib.sha256(f"{identity.digest}\n{text}".encode()).digest() for text in texts}
    known: dict[str, Float32[np.ndarray, "d"]] = {}
    for text, key in keys.items():
        row = store.execute("select vector from texts where key = ?", (key,)).fetchone()
        if row is not None and len(row[0]) == 4 * identity.dimension:
            known[text] = np.frombuffer(row[0], dtype="<f4")
    absent = [text for text in keys if text not in known]
    for start in range(0, len(absent), _CHUNK):
        chunk = absent[start : start + _CHUNK]
        vectors = np.asarray(embed(chunk), dtype="<f4")
        store.executemany(
            "insert or replace into texts values (?, ?)",
            [(keys[text], vector.tobytes()) for text, vector in zip(chunk, vectors, strict=True)],
        )
        store.commit()
        known.update(zip(chunk, vectors, strict=True))
        progress("embed texts", start + len(chunk), len(absent))
    return np.stack([known[text] for text in texts]).astype(np.float32)
