"""An index in which it is known what every component is about: its crops are drawn around the vectors of concepts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from semlens.analysis.probe import Probes
from semlens.index.index import ConceptIndex
from semlens.index.kept import LabelsId, VocabularyId
from semlens.index.records import CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance
from semlens.numerics.vectors import mean_rows, unit
from semlens.types import MISSING, FoundationId, axis_of

DIMENSION, CONCEPTS = 48, 12
BY_HAND = LabelsId("by hand", 0.05, (), True, 1, 0, VocabularyId(2, "0" * 64))
"""The recipe of labels that a test gives itself."""
SPACE = FoundationId("toy:planted", "f" * 64, DIMENSION, "CC0-1.0")


def directions(seed: int = 0) -> np.ndarray:
    """A unit vector per concept, and last the one that all images share."""
    return unit(np.linalg.qr(np.random.default_rng(seed).normal(size=(DIMENSION, CONCEPTS + 1)))[0].T)


def planted(
    about: Sequence[tuple[int, ...] | None], *, crops: int = 600, k: int = 10, noise: float = 0.6, seed: int = 1,
    layers: tuple[int, ...] = (), absent: dict[int, int] | None = None,
) -> ConceptIndex:  # fmt: skip
    """An index whose component i shows the concepts `about[i]`, one after the other; None: random crops.

    Args:
        layers: components per layer; one layer if empty.
        absent: by component, how many of its last slots hold no example; all of them make it dead.
    """
    rng, base = np.random.default_rng(seed), directions()
    shown = rng.integers(CONCEPTS, size=crops)
    vectors = unit(base[shown] + 1.5 * base[-1] + noise * rng.normal(size=(crops, DIMENSION)) / np.sqrt(DIMENSION))
    rows = np.empty((len(about), k), np.int32)
    for row, concepts in enumerate(about):
        pools = [np.flatnonzero(shown == c) for c in concepts] if concepts else [np.arange(crops)]
        drawn = [rng.choice(pool, k, replace=False) for pool in pools]
        rows[row] = [drawn[slot % len(pools)][slot] for slot in range(k)]
        rows[row, k - (absent or {}).get(row, 0) :] = MISSING
    valid = rows != MISSING
    activations = np.where(valid, np.linspace(2, 1, k), -np.inf).astype(np.float32)
    sizes = layers or (len(about),)
    table = ImageTable(tuple(f"{i}.png" for i in range(crops)), (None,) * crops, (None,) * crops)
    side = np.where(np.arange(crops) % 2, 8, 16)
    vectors = vectors.astype(np.float16)
    return ConceptIndex(
        recipe=Recipe(
            ModelId("toy", "a" * 64, "none"), ImagesId("photos", "b" * 64, crops, 0), k, "max", CropId("none", {}),
            "float32", SPACE, "Pillow 0", 0, {"semlens": "0"},
        ),
        layers=axis_of((f"layer{n}", "channels", size) for n, size in enumerate(sizes)),
        ids=rows.copy(), positions=np.where(valid, 0, MISSING).astype(np.int32), activations=activations, rows=rows,
        fired=np.full(len(about), crops), nan=np.zeros(len(about), np.int64), lowest=np.zeros(len(about), np.float32),
        means=mean_rows(vectors, rows), random=mean_rows(vectors, rng.integers(crops, size=(50, k), dtype=np.int32)),
        vectors=vectors, sources=np.arange(crops, dtype=np.int32),
        boxes=np.stack([0 * side, 0 * side, side, side], axis=1).astype(np.int32),
        read_images=lambda: table, read_unit_names=lambda: (None,) * len(about),
        read_thumbnails=lambda: Thumbnails.pack([b"crop %d" % u for u in range(crops)]),
    )  # fmt: skip


def phrases(names: list[int] | None = None) -> Probes:
    """A probe "concept i" per concept; all of them share something, as texts do. The null is what they share."""
    base = directions()
    asked = list(range(CONCEPTS)) if names is None else names
    vectors = unit(base[asked] + 0.7 * base[-1])
    nulls = np.repeat(base[-1:], len(asked), axis=0)
    return Probes(tuple(f"concept {c}" for c in asked), vectors, nulls, SPACE)


def with_relevance(index: ConceptIndex, positive: list[list[float]], names: tuple[str, ...]) -> ConceptIndex:
    """The index with relevance: mean positive shares per component and class; a tenth of each speaks against."""
    shares = np.array(positive, np.float32)
    c, y = shares.shape
    found = ClassRelevance(
        "toy", {}, "label", tuple(range(y)), 20, names, shares, shares / 10, (shares > 0).astype(np.float32),
        np.full(y, 50), np.full((c, 1), MISSING, np.int32), np.full((c, 1), -np.inf, np.float32),
    )  # fmt: skip
    return replace(index, read_additions={ClassRelevance: lambda: found})
