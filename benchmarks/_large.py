"""A made-up index of any number of components, with pictures, labels and a map, quickly: for the page."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from semlens.analysis.probe import cached
from semlens.app.request import pack
from semlens.index import ClassRelevance, ConceptIndex, CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.numerics import mean_rows, unit
from semlens.types import MISSING, FoundationId, axis_of

DIMENSION, CONCEPTS, CROPS, K = 64, 40, 4000, 4
SPACE = FoundationId("made up", "e" * 64, DIMENSION, "none")
WORDS = tuple(f"concept {number}" for number in range(CONCEPTS))
LAYERS = 8


def large(components: int, seed: int = 0) -> tuple[ConceptIndex, np.ndarray]:
    """An index whose components each show one of 40 concepts, and the concept of each."""
    rng = np.random.default_rng(seed)
    shown = np.sort(rng.integers(CONCEPTS, size=CROPS))
    noise = rng.normal(size=(CROPS, DIMENSION)) / np.sqrt(DIMENSION)
    vectors = unit(_directions()[shown] + 1.5 * _directions()[-1] + 0.6 * noise).astype(np.float16)
    about = rng.integers(CONCEPTS, size=components)
    starts, sizes = np.searchsorted(shown, np.arange(CONCEPTS)), np.bincount(shown, minlength=CONCEPTS)
    slots = (rng.integers(CROPS, size=(components, 1)) + 7 * np.arange(K)) % sizes[about][:, None]
    rows = (starts[about][:, None] + slots).astype(np.int32)
    return _index(rows, vectors, rng), about


def _directions() -> np.ndarray:
    return unit(np.linalg.qr(np.random.default_rng(0).normal(size=(DIMENSION, CONCEPTS + 1)))[0].T)


def _index(rows: np.ndarray, vectors: np.ndarray, rng: np.random.Generator) -> ConceptIndex:
    c, table = len(rows), ImageTable(tuple(f"{i}.png" for i in range(CROPS)), (None,) * CROPS, (None,) * CROPS)
    shares = rng.dirichlet(np.full(c, 0.2), size=2).T.astype(np.float32)
    relevance = ClassRelevance(
        "made up", {}, "label", (0, 1), 20, ("cat", "dog"), shares, shares / 10, (shares > 0).astype(np.float32),
        np.full(2, 50), np.full((c, 1), MISSING, np.int32), np.full((c, 1), -np.inf, np.float32),
    )  # fmt: skip
    sizes = [c // LAYERS] * (LAYERS - 1) + [c - c // LAYERS * (LAYERS - 1)]
    side = np.full(CROPS, 96)
    return ConceptIndex(
        recipe=Recipe(
            ModelId("made up", "a" * 64, "none"), ImagesId("made up", "b" * 64, CROPS, 0), K, "max", CropId("none", {}),
            "float32", SPACE, "Pillow 0", 0, {"semlens": "0"},
        ),
        layers=axis_of((f"layer{n}", "channels", size) for n, size in enumerate(sizes)),
        ids=rows.copy(), positions=np.zeros_like(rows),
        activations=np.tile(np.linspace(2, 1, K, dtype=np.float32), (c, 1)), rows=rows,
        fired=np.full(c, CROPS), nan=np.zeros(c, np.int64), lowest=np.zeros(c, np.float32),
        means=mean_rows(vectors, rows), random=mean_rows(vectors, rng.integers(CROPS, size=(50, K), dtype=np.int32)),
        vectors=vectors, sources=np.arange(CROPS, dtype=np.int32),
        boxes=np.stack([0 * side, 0 * side, side, side], axis=1).astype(np.int32),
        read_images=lambda: table, read_unit_names=lambda: (None,) * c,
        read_thumbnails=lambda: Thumbnails.pack([_picture(crop) for crop in range(CROPS)]),
        read_additions={ClassRelevance: lambda: relevance},
    )  # fmt: skip


def _picture(number: int) -> bytes:
    """One of 200 crops of 96 pixels."""
    if number % 200 not in _PICTURES:
        image = Image.fromarray(np.random.default_rng(number % 200).integers(0, 90, (96, 96, 3), np.uint8))
        ImageDraw.Draw(image).ellipse((15, 15, 80, 80), (number % 200 + 40, 120, 255 - number % 200))
        file = BytesIO()
        image.save(file, "WEBP", quality=75)
        _PICTURES[number % 200] = file.getvalue()
    return _PICTURES[number % 200]


_PICTURES: dict[int, bytes] = {}


def drawing(about: np.ndarray, seed: int = 0) -> bytes:
    """A map as the server sends it: an island for each concept. UMAP of 100,000 components takes minutes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(CONCEPTS, 2)) * 10
    places = (centres[about] + rng.normal(size=(len(about), 2)) * rng.uniform(0.5, 1.5, (CONCEPTS, 2))[about]).T
    largest_first = np.argsort(np.argsort(-np.bincount(about, minlength=CONCEPTS), kind="stable"))
    arrays = {
        "x": np.ascontiguousarray(places[0], np.float32),
        "y": np.ascontiguousarray(places[1], np.float32),
        "cluster": largest_first[about].astype(np.int32),
    }
    names = [WORDS[concept] for concept in np.argsort(largest_first)]
    return pack(arrays, {"names": json.dumps(names), "drawing": "umap"})


@contextmanager
def own_folders(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a server whose caches lie in a folder, and in which the concepts' names have been embedded."""
    changed = {name: str(folder / name) for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME")}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        base = _directions()
        vectors = dict(zip(WORDS, unit(base[:-1] + 0.7 * base[-1]), strict=True)) | {"": base[-1]}
        cached(SPACE, lambda asked: np.stack([vectors[text] for text in asked]))([*WORDS, ""])
        yield {**os.environ}
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
