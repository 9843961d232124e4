"""The semantic space: the only place that normalises, averages and compares vectors."""

import numpy as np

from semlens.shapes import Float, Float16, Float32, Int32
from semlens.types import MISSING

try:
    import numkong  # the extra `fast`
except ImportError:
    numkong = None  # type: ignore[assignment]

_BLOCK = 1024  # components whose examples are averaged at once, or whose means are multiplied


def unit(vectors: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
    """Vectors of length 1 in float32; a zero vector stays zero."""
    wide = np.asarray(vectors, dtype=np.float32)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return wide / np.where(length > 0, length, np.float32(1))


def cosine(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Cosine similarity in [-1, 1] of every row of `x` with every row of `y`; 0 where a row is zero.

    Always all pairs: which side is transposed is never guessed from the shapes.
    """
    return np.clip(unit(x) @ unit(y).T, -1, 1)


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
