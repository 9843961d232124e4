"""The encodings of embeddings and activations that are at hand, computed at once: the slow twin of what a pass sums."""

import numpy as np

from semlens.index.encodings import Encodings, EncodingsId
from semlens.index.records import Thumbnails


def encoded(
    embeddings: np.ndarray,
    activations: np.ndarray,
    *,
    outputs: tuple[str, ...] = (),
    transforms: tuple[str, ...] = ("raw",),
    groups: np.ndarray | None = None,
) -> Encodings:
    """Encodings of n images, all of them kept; `activations` are "n a", transformed already, the outputs last."""
    e, y = np.asarray(embeddings, np.float64), np.asarray(activations, np.float64)
    n = len(e)
    average, deviation = y.mean(axis=0), y.std(axis=0)
    standard = np.where(deviation > 0, (y - average) / np.where(deviation > 0, deviation, 1), 0)
    away = e - e.mean(axis=0)
    return Encodings(
        EncodingsId(None, n, 0, transforms, "" if groups is None else "group"),
        n,
        outputs,
        e.mean(axis=0),
        away.T @ away / n,
        (standard.T @ away / n).astype(np.float32),
        average.astype(np.float32),
        deviation.astype(np.float32),
        np.full(y.shape[1], np.nan, np.float32),
        np.arange(n, dtype=np.int32),
        np.arange(n, dtype=np.int32) if groups is None else np.asarray(groups, np.int32),
        e.astype(np.float16),
        standard.T.astype(np.float16),
        Thumbnails.pack([b""] * n),
    )
