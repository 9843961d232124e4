"""Whether two clusters are more than 2-means makes of one: the cluster index held against a normal distribution."""

import numpy as np

from semlens.numerics.two_means import TwoMeans, two_means
from semlens.types import Bool, Float32, Float64

TEST_DRAWS = 400
"""Draws from the null distribution of each set of points."""

RESTARTS = 6

_BLOCK = 64  # draws at once


def cluster_index(
    vectors: Float32[np.ndarray, "c k d"], valid: Bool[np.ndarray, "c k"], found: TwoMeans
) -> Float64[np.ndarray, "c"]:
    """The sum of squares within the two clusters by the total one, in [0, 1]; NaN where there are no two clusters."""
    count = np.maximum(valid.sum(axis=1), 1)[:, None]
    away = (vectors - (vectors * valid[..., None]).sum(axis=1, keepdims=True) / count[..., None]) * valid[..., None]
    total = np.einsum("ckd,ckd->c", away, away, dtype=np.float64)
    index: Float64[np.ndarray, "c"] = np.where(total > 0, found.inertia / np.where(total > 0, total, 1), np.nan)
    return index


def cluster_p(
    vectors: Float32[np.ndarray, "c k d"],
    valid: Bool[np.ndarray, "c k"],
    found: TwoMeans,
    *,
    draws: int = TEST_DRAWS,
    seed: int = 0,
) -> Float64[np.ndarray, "c"]:
    """One-sided p-values, in (0, 1], of each set's cluster index against that of normal points of the same covariance,
    with the +1 correction; 1 where there are no two clusters.

    So a long or flat cloud, which 2-means cuts well, is no two clusters: only points that are missing between them are.
    Normal points have as many dimensions as the centred ones, so only the eigenvalues of the Gram matrix matter. These
    are spread wider than those of the population, which makes the test conservative.

    Source: SigClust (Liu, Hayes, Nobel and Marron 2008), with the sample's own eigenvalues (Huang et al. 2015).
    """
    index, p = cluster_index(vectors, valid, found), np.ones(len(vectors))
    for row in np.flatnonzero(np.isfinite(index)).tolist():
        null = _null(vectors[row, valid[row]], draws, seed)
        p[row] = ((null <= index[row]).sum() + 1) / (draws + 1)
    return p


def _null(points: Float32[np.ndarray, "n d"], draws: int, seed: int) -> Float64[np.ndarray, "r"]:
    """The cluster index of each draw; every set of points is held against the same random numbers."""
    away = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    values = np.linalg.eigvalsh(away @ away.T)[::-1][: len(points) - 1]
    scale = np.sqrt(np.maximum(values, 0)).astype(np.float32)
    rng = np.random.default_rng(seed)
    index = []
    for start in range(0, draws, _BLOCK):
        size = (min(_BLOCK, draws - start), len(points), len(scale))
        drawn = rng.standard_normal(size, np.float32) * scale
        every = np.ones(size[:2], bool)
        index.append(cluster_index(drawn, every, two_means(drawn, every, restarts=RESTARTS, seed=seed)))
    return np.concatenate(index)
