"""Which components encode it? Components ranked by how near they lie to texts or images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.probe import Probes
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.numerics import cosine, dot_rows
from semlens.shapes import Float32, Int64
from semlens.types import Component


@dataclass(frozen=True)
class Hit:
    """A component found for a probe."""

    probe: str
    component: Component
    similarity: float  # cosine of the component's semantic embedding and the probe, in [-1, 1]
    alignment: float  # similarity minus the cosine of the probe's null: what hits are ranked by
    baseline: float  # 95 % of components made of random examples of this index are less similar to the probe


def search(index: ConceptIndex, probes: Probes, *, top: int = 10, layers: Sequence[str] = ()) -> list[Hit]:
    """For each probe its `top` components, the best aligned first; ties go to the lower row. Dead components are left
    out.

    Args:
        layers: search only these; all if empty.

    Raises:
        SemlensError: probes made by another foundation model, an unknown layer, or `top` below 1.
    """
    check_space(index, probes)
    if top < 1:
        raise SemlensError(f"top is {top}; ask for at least one component")
    slices = [index.layer_slice(layer) for layer in layers] or [slice(0, len(index.means))]
    base = baseline(index, probes)
    hits: list[Hit] = []
    for q, name in enumerate(probes.names):
        rows = np.concatenate([_candidates(index, probes, q, part, top) for part in slices])
        similarity = cosine(index.means[rows], probes.vectors[q : q + 1])[:, 0]
        alignment = similarity - cosine(index.means[rows], probes.nulls[q : q + 1])[:, 0]
        best = np.lexsort((rows, -alignment))[:top]
        hits += [
            Hit(name, index.component(int(rows[i])), float(similarity[i]), float(alignment[i]), float(base[q]))
            for i in best
        ]
    return hits


def baseline(index: ConceptIndex, probes: Probes, quantile: float = 0.95) -> Float32[np.ndarray, "q"]:
    """The similarity that components made of random examples reach: their `quantile` for each probe, NaN if there are
    none."""
    if not len(index.random):
        return np.full(len(probes), np.nan, dtype=np.float32)
    at = int(quantile * len(index.random))
    similarity = index.random.astype(np.float32) @ probes.vectors.T  # unit rows already
    return np.partition(similarity, at, axis=0)[at]  # np.quantile would import numpy.ma


def check_space(index: ConceptIndex, probes: Probes) -> None:
    """Raises SemlensError unless index and probes come from the same foundation model with the same weights."""
    mine, theirs = index.recipe.foundation, probes.foundation
    if mine.name != theirs.name:
        raise SemlensError(
            f"the index was made with {mine.name}, the probes with {theirs.name}; make the probes with {mine.name}"
        )
    if mine.digest != theirs.digest:
        raise SemlensError(
            f"index and probes both name {mine.name}, but its weights differ ({mine.digest[:8]}, {theirs.digest[:8]})"
        )


def _candidates(index: ConceptIndex, probes: Probes, q: int, part: slice, top: int) -> Int64[np.ndarray, "m"]:
    """Rows of `part` among which its exact `top` are: a fast pass in float16, then a margin for its rounding."""
    query = probes.vectors[q] - probes.nulls[q]
    scores = dot_rows(index.means[part], query[None])[:, 0]
    scores[index.dead[part]] = -np.inf
    alive = len(scores) - int(index.dead[part].sum())
    if alive <= top:
        return part.start + np.flatnonzero(scores > -np.inf)
    least = np.partition(scores, -top)[-top]
    rounding = 2 * float(np.linalg.norm(query - query.astype(np.float16))) + 1e-5
    return part.start + np.flatnonzero(scores >= least - rounding)
