"""Which components encode it? Components ranked by their alignment with texts or images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.ask import as_probes
from semlens.analysis.probe import Probes, check_space
from semlens.analysis.results import Rows, pictures
from semlens.errors import SemlensError, right_keywords
from semlens.index import ConceptIndex
from semlens.numerics import cosine, dot_rows, lengths
from semlens.shapes import Float32, Int64
from semlens.types import Component, several

_BLOCK = 1024  # components compared at once


@dataclass(frozen=True)
class Hit:
    """A component that is among the best aligned with a probe."""

    probe: str
    component: Component
    similarity: float  # cosine of the component's semantic embedding and the probe, in [-1, 1]
    alignment: float  # similarity minus the cosine of the probe's null: what hits are ranked by
    baseline: float  # 95 % of components made of random examples of this index are less similar to the probe
    chance: float  # 95 % of these are less aligned with it: a hit below is no evidence


@dataclass(frozen=True, eq=False)
class Alignments:
    """How near components lie to probes; NaN for a dead component."""

    similarity: Float32[np.ndarray, "n q"]  # cosine of semantic embedding and probe, in [-1, 1]
    alignment: Float32[np.ndarray, "n q"]  # similarity minus the cosine of the probe's null, in [-2, 2]


@right_keywords(k="top", n="top", layer="layers")
def search(
    index: ConceptIndex, probes: Probes | str | Sequence[str], *, top: int = 10, layers: Sequence[str] = ()
) -> Rows[Hit]:
    """For each probe its `top` components, the best aligned first; ties go to the lower row. Dead components are left
    out.

    Args:
        probes: as `probe` and `probe_images` make them, or texts; these want the foundation model that made the index.
        layers: search only these; all if empty.

    Raises:
        SemlensError: probes made by another foundation model, an unknown layer, or `top` below 1.
    """
    probes = as_probes(index.recipe.foundation, probes)
    check_space(index, probes)
    if top < 1:
        raise SemlensError(f"top is {top}; ask for at least one component")
    slices = [index.layer_slice(layer) for layer in several(layers)] or [slice(0, len(index.means))]
    similar, aligned = baseline(index, probes), aligned_baseline(index, probes)
    hits: list[Hit] = []
    for probe, *reached in zip(probes, similar.tolist(), aligned.tolist(), strict=True):
        rows = np.concatenate([_candidates(index, probe, layer, top) for layer in slices])
        found = alignments(index, probe, rows)
        similarity, alignment = found.similarity[:, 0], found.alignment[:, 0]
        best = np.lexsort((rows, -alignment))[:top]
        hits += [
            Hit(probe.names[0], index.component(int(rows[i])), float(similarity[i]), float(alignment[i]), *reached)
            for i in best
        ]
    return Rows(hits, "components by alignment", lambda hit: pictures(index, hit.component))


def alignments(
    index: ConceptIndex,
    probes: Probes,
    rows: Int64[np.ndarray, "n"] | None = None,
    row_lengths: Float32[np.ndarray, "n"] | None = None,
) -> Alignments:
    """Similarity and alignment of components with every probe.

    Source: Dreyer et al. 2025 (arXiv 2505.20229), alignment as cosine difference.

    Args:
        rows: of the components; all of the index if not given.
        row_lengths: of their semantic embeddings, where they are known, which saves most of the time.

    Raises:
        SemlensError: probes made by another foundation model.
    """
    check_space(index, probes)
    count = len(index.means) if rows is None else len(rows)
    similarity, to_null = (np.empty((count, len(probes)), np.float32) for _ in range(2))
    for start in range(0, count, _BLOCK):
        block = slice(start, start + _BLOCK)
        means = index.means[block if rows is None else rows[block]].astype(np.float32)
        length = lengths(means) if row_lengths is None else row_lengths[block]
        similarity[block] = cosine(means, probes.vectors, length)
        to_null[block] = cosine(means, probes.nulls, length)
    similarity[index.dead if rows is None else index.dead[rows]] = np.nan
    return Alignments(similarity, similarity - to_null)


def baseline(index: ConceptIndex, probes: Probes, quantile: float = 0.95) -> Float32[np.ndarray, "q"]:
    """The similarity that components made of random examples reach: their `quantile` for each probe, NaN if there are
    none."""
    return _reached(index, probes.vectors, quantile)


def aligned_baseline(index: ConceptIndex, probes: Probes, quantile: float = 0.95) -> Float32[np.ndarray, "q"]:
    """The same for alignment, which hits are ranked by."""
    return _reached(index, probes.vectors - probes.nulls, quantile)


def _reached(index: ConceptIndex, directions: Float32[np.ndarray, "q d"], quantile: float) -> Float32[np.ndarray, "q"]:
    if not len(index.random):
        return np.full(len(directions), np.nan, dtype=np.float32)
    place = int(quantile * len(index.random))
    values = index.random.astype(np.float32) @ directions.T  # unit rows already
    return np.partition(values, place, axis=0)[place]  # np.quantile would import numpy.ma


def _candidates(index: ConceptIndex, probe: Probes, layer: slice, top: int) -> Int64[np.ndarray, "m"]:
    """Rows of `layer` among which its exact `top` are: a fast pass in float16, then a margin for its rounding."""
    query = probe.contrasts[0]
    scores = dot_rows(index.means[layer], query[None])[:, 0]
    scores[index.dead[layer]] = -np.inf
    alive = len(scores) - int(index.dead[layer].sum())
    if alive <= top:
        return layer.start + np.flatnonzero(scores > -np.inf)
    least = np.partition(scores, -top)[-top]
    # Of two rows each: the query rounded to float16, and stored rows whose lengths are 1 only to float16's 2^-11.
    rounding = 2 * np.linalg.norm(query - query.astype(np.float16)) + 2**-10 * np.linalg.norm(query) + 1e-5
    return layer.start + np.flatnonzero(scores >= least - rounding)
