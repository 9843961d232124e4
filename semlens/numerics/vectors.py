"""The semantic space: the only place that normalises and averages vectors, and takes cosines of what is not unit."""

import numpy as np

from semlens.types import MISSING, Float, Float16, Float32, Float64, Int32

try:
    import numkong  # the extra `fast`
except ImportError:
    numkong = None  # type: ignore[assignment]

_BLOCK = 1024  # components whose examples are averaged at once, or whose means are multiplied


def lengths(vectors: Float[np.ndarray, "*n d"]) -> Float32[np.ndarray, "*n"]:
    """Euclidean lengths in float32, to divide by: 1 for a zero vector."""
    length = np.linalg.norm(np.asarray(vectors, dtype=np.float32), axis=-1)
    return np.where(length > 0, length, np.float32(1))


def unit(vectors: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
    """Vectors of length 1 in float32; a zero vector stays zero."""
    wide = np.asarray(vectors, dtype=np.float32)
    return wide / lengths(wide)[..., None]


def cosine(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], x_lengths: Float32[np.ndarray, "n"] | None = None
) -> Float[np.ndarray, "n m"]:
    """Cosine similarity in [-1, 1] of every row of `x` with every row of `y`; 0 where a row is zero.

    Always all pairs: which side is transposed is never guessed from the shapes.

    Args:
        x_lengths: of the rows of `x`, where they are known: to find them takes longer than the products.
    """
    if x_lengths is None:
        return np.clip(unit(x) @ unit(y).T, -1, 1)
    return np.clip(np.asarray(x, dtype=np.float32) @ unit(y).T / x_lengths[:, None], -1, 1)


def paired_cosine(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> Float64[np.ndarray, "n"]:
    """Cosine similarity in [-1, 1] of each row of `x` with the same row of `y`; 0 where one is zero.

    In float64 the root of a square is exact, so a float32 vector has exactly 1 with itself.
    """
    wide = x.astype(np.float64), y.astype(np.float64)
    dot, own, other = ((a * b).sum(axis=1) for a, b in (wide, (wide[0], wide[0]), (wide[1], wide[1])))
    length = np.sqrt(own * other)
    return np.clip(dot / np.where(length > 0, length, 1), -1, 1)


def weighted_mean_dots(
    vectors: Float32[np.ndarray, "n k d"], weights: Float32[np.ndarray, "b k"], queries: Float32[np.ndarray, "n m d"]
) -> Float32[np.ndarray, "n b m"]:
    """Dot products of queries with weighted means of vectors, the means made unit: for weights w of vectors x,

        q . (sum_k w_k x_k) / |sum_k w_k x_k|, where |sum_k w_k x_k|^2 = w' (x x') w.

    The means themselves are never made, so many weightings of the same k vectors cost products of k numbers each.
    """
    products = weights @ np.einsum("nkd,nmd->nkm", vectors, queries, optimize=True)
    length = np.sqrt(((weights @ (vectors @ vectors.transpose(0, 2, 1))) * weights).sum(axis=2))
    return products / np.maximum(length, 1e-6)[..., None]


def mean_rows(vectors: Float16[np.ndarray, "u d"], rows: Int32[np.ndarray, "c k"]) -> Float16[np.ndarray, "c d"]:
    """Semantic embeddings: the mean of the unit vectors that a component's valid rows name, made unit again; zero where
    it has none.

    Source: Dreyer et al. 2025, Eq. 2. But: examples are unit vectors first, so that none outweighs another by its
    length.
    """
    means = np.zeros((len(rows), vectors.shape[1]), dtype=np.float16)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        valid = block != MISSING
        if valid.any():
            examples = vectors[np.where(valid, block, 0)].astype(np.float32)
            length = np.sqrt(np.einsum("nkd,nkd->nk", examples, examples))
            weight = np.divide(1, length, out=np.zeros_like(length), where=valid & (length > 0))
            means[start : start + _BLOCK] = unit((weight[:, None] @ examples)[:, 0])
    return means


def dot_rows(rows: Float16[np.ndarray, "n d"], queries: Float32[np.ndarray, "q d"]) -> Float32[np.ndarray, "n q"]:
    """Dot products of stored rows with queries, to about 1e-3 of the query's length.

    Reads memory-mapped float16 as it lies; the queries are rounded to float16 for it, so what is shown is computed
    anew. Without numkong, numpy does the same block by block: one query over 20,000 rows of 512 then takes 19 ms
    in place of 1.
    """
    if not len(rows) or not len(queries):
        return np.zeros((len(rows), len(queries)), dtype=np.float32)
    halves = np.ascontiguousarray(queries, dtype=np.float16)
    if numkong is None:
        return _dot_blocks(rows, halves)
    return np.asarray(numkong.cdist(halves, np.asarray(rows), "dot"), dtype=np.float32).T


def _dot_blocks(rows: Float16[np.ndarray, "n d"], queries: Float16[np.ndarray, "q d"]) -> Float32[np.ndarray, "n q"]:
    """Dot products in float32, of which only a block of rows is a copy at a time."""
    products, wide = np.empty((len(rows), len(queries)), np.float32), queries.astype(np.float32).T
    for start in range(0, len(rows), _BLOCK):
        products[start : start + _BLOCK] = rows[start : start + _BLOCK].astype(np.float32) @ wide
    return products
