"""Which components encode it? Components ranked by what they respond to, or by their examples' alignment."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from semlens.analysis.ask import as_probes, as_vocabulary
from semlens.analysis.probe import Probes, check_space
from semlens.analysis.responses import Responses, responses, way
from semlens.analysis.results import Rows, pictures
from semlens.analysis.words import remark
from semlens.errors import SemlensError, right_keywords
from semlens.index import ConceptIndex
from semlens.numerics import cosine, dot_rows, lengths, orders_of, standard
from semlens.types import Component, Float32, Float64, Int64, several

_BLOCK = 1024  # components compared at once


_PERMUTED, _ORDERS = 512, 20  # components whose activations are permuted for what chance reaches, and how often each


@dataclass(frozen=True)
class Hit:
    """A component that is among the best for a probe. By examples it has no effect, z and joint coefficient."""

    probe: str
    component: Component
    similarity: float  # cosine of the component's semantic embedding and the probe, in [-1, 1]
    alignment: float  # similarity minus the cosine of the probe's null: what hits are ranked by if by examples
    baseline: float  # 95 % of components made of random examples of this index are less similar to the probe
    chance: float  # 95 % of these are less aligned with it: a hit below is no evidence, if by examples
    by: str = "examples"  # or "encoding"
    effect: float = nan  # of the probe: standard deviations of the activation per unit of the space
    z: float = nan  # effect over its standard error: what hits of a lone probe are ranked by
    joint: float = nan  # coefficient beside all other phrases, where there are any: then ranked by it
    r2: float = nan  # how much of the activation the foundation model can explain at all, at most 1
    permuted: float = nan  # of what is ranked by: 95 % of components with permuted activations stay below


@dataclass(frozen=True, eq=False)
class Alignments:
    """How near components lie to probes; NaN for a dead component."""

    similarity: Float32[np.ndarray, "n q"]  # cosine of semantic embedding and probe, in [-1, 1]
    alignment: Float32[np.ndarray, "n q"]  # similarity minus the cosine of the probe's null, in [-2, 2]


@right_keywords(k="top", n="top", layer="layers")
def search(
    index: ConceptIndex,
    probes: Probes | str | Sequence[str],
    *,
    top: int = 10,
    layers: Sequence[str] = (),
    by: str = "auto",
    against: Probes | str | Sequence[str] | None = None,
) -> Rows[Hit]:
    """For each probe its `top` components, the best first; ties go to the lower row. What is dead is left out.

    By encoding, components are ranked by what they respond to over all images: by z for a lone probe, and by joint
    coefficients where there are several texts or a vocabulary, so that what only goes along with another phrase does
    not count twice. By examples, they are ranked by the alignment of their strongest ones.

    Args:
        probes: as `probe` and `probe_images` make them, or texts; these want the foundation model that made the index.
        layers: search only these; all if empty.
        by: "encoding", "examples", or "auto": by encoding where the index has encodings.
        against: what else may explain the components: probes, or what `load_vocabulary` takes. By encoding only.

    Raises:
        SemlensError: probes made by another foundation model, an unknown layer, `top` below 1, or a question by
            encoding to an index without.
    """
    by = way(index, by)
    probes = as_probes(index.recipe.foundation, probes)
    check_space(index, probes)
    if top < 1:
        raise SemlensError(f"top is {top}; ask for at least one component")
    if against is not None and by == "examples":
        raise SemlensError("examples cannot be searched against a vocabulary: that takes encodings (semlens encode)")
    slices = [index.layer_slice(layer) for layer in several(layers)] or [slice(0, len(index.means))]
    if by == "encoding":
        others = None if against is None else as_vocabulary(index.recipe.foundation, against)
        return _by_encoding(responses(index), probes, others, np.concatenate([_rows(part) for part in slices]), top)
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
    return Rows(
        hits, "components by alignment", lambda hit: pictures(index, hit.component), _BY_EXAMPLES,
        remarks=[remark(probes.unknown)],
    )  # fmt: skip


_BY_EXAMPLES = ("probe", "component", "similarity", "alignment", "baseline", "chance")
_BY_ENCODING = ("probe", "component", "z", "joint", "effect", "r2", "permuted", "alignment")


def _by_encoding(
    asked: Responses, probes: Probes, others: Probes | None, rows: Int64[np.ndarray, "n"], top: int
) -> Rows[Hit]:
    """The hits among some rows, by z or by joint coefficients."""
    index, metric, rows = asked.index, asked.metric, rows[asked.encoded[rows]]
    cross, directions = asked.cross[rows].astype(np.float32), asked.directions(probes)
    effects, z = metric.effects(cross, directions), metric.z(cross, directions)
    contrasts, beside = _contrasts(asked, probes, others)
    scores, permuted = cross @ contrasts.T, _permuted(asked, rows, contrasts)
    similar, aligned = baseline(index, probes), aligned_baseline(index, probes)
    hits: list[Hit] = []
    for q, probe in enumerate(probes):
        best = np.lexsort((rows, -scores[:, q]))[:top]
        near = alignments(index, probe, rows[best])
        ranked = scores[best, q].tolist()
        hits += [
            Hit(
                probe.names[0],
                index.component(int(row)),
                float(near.similarity[place, 0]),
                float(near.alignment[place, 0]),
                float(similar[q]),
                float(aligned[q]),
                by="encoding",
                effect=float(effects[i, q]),
                z=float(z[i, q]),
                joint=ranked[place] if beside[q] else nan,
                r2=float(asked.r2[row]),
                permuted=float(permuted[q]),
            )
            for place, (i, row) in enumerate(zip(best.tolist(), rows[best].tolist(), strict=True))
        ]
    most = max(beside, default=0)
    title = f"components by encoding, beside {most:,} other phrases" if most else "components by encoding"
    strange = (*probes.unknown, *(others.unknown if others else ()))
    return Rows(
        hits, title, lambda hit: pictures(index, hit.component), _BY_ENCODING,
        remarks=[remark(dict.fromkeys(strange))],
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Effects:
    """What probes do to every component by encoding, each by itself; NaN for one that is dead or has no encoding."""

    effect: Float32[np.ndarray, "c q"]  # standard deviations of the activation per unit of the space
    error: Float32[np.ndarray, "q"]  # standard error of an effect if nothing were related: z is effect over it
    chance: Float64[np.ndarray, "q"]  # 95 % of components with permuted activations stay below


def effects(asked: Responses, probes: Probes) -> Effects:
    """The effects of probes on all components of an index.

    Raises:
        SemlensError: probes made by another foundation model.
    """
    check_space(asked.index, probes)
    directions = asked.directions(probes)
    found = asked.metric.effects(asked.cross, directions)
    found[asked.index.dead | ~asked.encoded] = np.nan
    error = (asked.metric.spread(directions) / np.sqrt(max(asked.encodings.images, 1))).astype(np.float32)
    rows = np.flatnonzero(asked.encoded)
    return Effects(found, error, _permuted(asked, rows, asked.metric.contrasts(directions)) * error)


def _contrasts(asked: Responses, probes: Probes, others: Probes | None) -> tuple[Float32[np.ndarray, "q d"], list[int]]:
    """What the covariances with the embedding are multiplied with to rank by each probe, and beside how many other
    phrases that is: none for an image, and where there are no others."""
    directions = asked.directions(probes)
    contrasts, beside = asked.metric.contrasts(directions), [0] * len(probes)
    texts = [q for q in range(len(probes)) if q not in probes.images]
    known = {probes.names[q] for q in texts}
    more = [q for q, name in enumerate(others.names if others else ()) if name not in known]
    if texts and len(texts) + len(more) > 1:
        vectors = directions[texts] if others is None else np.concatenate([directions[texts], others.vectors[more]])
        contrasts[texts] = asked.metric.joint_contrasts(vectors)[: len(texts)]
        for q in texts:
            beside[q] = len(vectors) - 1
    return contrasts, beside


def _permuted(
    asked: Responses, rows: Int64[np.ndarray, "n"], contrasts: Float32[np.ndarray, "q d"], quantile: float = 0.95
) -> Float64[np.ndarray, "q"]:
    """What components reach whose activations are permuted over the images kept: their `quantile` for each contrast."""
    kept, some = asked.encodings, rows[:: -(-len(rows) // _PERMUTED)] if len(rows) else rows
    if not len(some) or len(kept.ids) < 2:
        return np.full(len(contrasts), np.nan)
    away = kept.embeddings.astype(np.float32) - kept.mean.astype(np.float32)
    orders, activations = orders_of(kept.groups, _ORDERS), standard(kept.activations[some])
    reached = np.empty(len(contrasts))
    for q, along in enumerate((away @ contrasts.T).T):
        scores = activations @ standard(along[orders]).T * (along.std() / np.sqrt(len(along) * kept.images))
        reached[q] = np.sort(scores, axis=None)[int(quantile * scores.size)]
    return reached


def _rows(part: slice) -> Int64[np.ndarray, "n"]:
    return np.arange(part.start, part.stop)


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
