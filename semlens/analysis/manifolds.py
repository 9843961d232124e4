"""Manifold alignment: whether two representations put the same pieces of images together, whatever their axes are.

A concept is a cluster of pieces, not a direction. Each piece i has soft memberships c_i in the clusters of a
representation, which add up to 1. Two representations A and B agree as far as they tell the same pieces apart:

    E(i, j) = 1 - |c_i - c_j|_1 / 2,    R = 1 - 2 / (n (n - 1)) * sum over i < j of |E_A(i, j) - E_B(i, j)|.

With many clusters most E are near 0 whatever is compared, so R is near 1. `alignment` is therefore (R - M) / (1 - M), M
the mean of R over permutations of the pieces of B: 1 for the same memberships, 0 for shuffled ones.

Source: NLMCD (concept-based alignment of vision transformers, arXiv 2412.06639). But: less its permutation mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from semlens.analysis.results import Rows
from semlens.errors import SemlensError, missing_extra
from semlens.types import Bool, Float32, Float64, Int64

REDUCTIONS = ("pca", "umap")
_VARIANCE = 0.99  # of each representation, whose axes SVCCA keeps


@dataclass(frozen=True, eq=False)
class Manifold:
    """A representation of some pieces of images, and its clusters."""

    name: str
    features: Float32[np.ndarray, "n d"]
    memberships: Float64[np.ndarray, "n k"]  # rows add up to 1

    @property
    def sizes(self) -> Int64[np.ndarray, "k"]:
        """Pieces that belong most to each cluster."""
        return np.bincount(self.memberships.argmax(axis=1), minlength=self.memberships.shape[1])


@dataclass(frozen=True)
class Aligned:
    """How alike two representations are."""

    one: str
    other: str
    alignment: float  # of memberships: 1 for the same, 0 for chance
    rand: float  # the generalised Rand index itself, in [0, 1]
    chance: float  # its mean over permutations
    matched: float  # mean alignment of the concepts that are matched, weighted by their pieces
    cka: float  # linear baselines, in [0, 1]
    svcca: float
    concepts: tuple[int, int]  # clusters of each


@dataclass(frozen=True)
class Matched:
    """A concept of one representation and the one of the other that it is matched with."""

    one: str
    concept: int  # from 0
    pieces: int
    other: str
    match: int
    match_pieces: int
    alignment: float  # of these two alone: 1 for the same memberships, 0 for chance


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """Some representations of the same pieces of images, held against each other."""

    manifolds: tuple[Manifold, ...]
    pairs: Rows[Aligned]
    matches: Rows[Matched]

    def __repr__(self) -> str:
        return repr(self.pairs)

    def _repr_html_(self) -> str:
        return self.pairs._repr_html_()


def manifold(
    name: str, features: Float32[np.ndarray, "n d"], *, reduction: str = "pca", dimensions: int = 50, least: int = 15,
    seed: int = 0,
) -> Manifold:  # fmt: skip
    """The clusters of a representation: reduced to some dimensions, clustered by HDBSCAN, memberships by how near each
    piece is to the core of each cluster.

    Args:
        reduction: "pca", principal axes; "umap", by neighbourhoods, as the paper has it.
        least: pieces of a cluster, at least.

    Raises:
        SemlensError: an unknown reduction, no cluster, or scikit-learn or umap-learn is not installed.
    """
    if reduction not in REDUCTIONS:
        raise SemlensError(f"unknown reduction {reduction!r}: choose pca or umap")
    reduced = _reduced(features.astype(np.float64), reduction, min(dimensions, features.shape[1]), seed)
    try:
        from sklearn.cluster import HDBSCAN  # here, since only who asks for manifolds needs it
    except ModuleNotFoundError:
        raise missing_extra("scikit-learn", "manifold") from None
    found = HDBSCAN(
        min_cluster_size=least, min_samples=max(2, least // 3), cluster_selection_method="leaf", copy=True
    ).fit(reduced)
    clusters = int(found.labels_.max()) + 1
    if clusters < 2:
        raise SemlensError(
            f"{name}: {len(features):,} pieces of images make {clusters} clusters of {least} or more, two are needed: "
            "take more images, or smaller clusters"
        )
    cores = [(found.labels_ == j) & (found.probabilities_ >= _core(found, j)) for j in range(clusters)]
    return Manifold(name, features, memberships(reduced, cores))


def _core(found: "object", cluster: int) -> float:
    """The strength from which a piece belongs to the core of a cluster: that of its strongest tenth."""
    mine = found.probabilities_[found.labels_ == cluster]  # type: ignore[attr-defined]
    return float(np.quantile(mine, 0.9))


def memberships(x: Float64[np.ndarray, "n d"], cores: Sequence[Bool[np.ndarray, "n"]]) -> Float64[np.ndarray, "n k"]:
    """How much each point belongs to each cluster: the inverse of its distance to the nearest point of its core, by
    the sum over all clusters.

    Source: soft clustering of the package hdbscan (McInnes, Healy and Astels 2017), membership by distance.
    """
    square = np.square(x).sum(axis=1)
    away = np.stack(
        [np.maximum(square[:, None] - 2 * x @ x[core].T + square[core], 0).min(axis=1) for core in cores], axis=1
    )
    inverse = 1 / np.maximum(np.sqrt(away), 1e-6 * np.sqrt(max(square.mean(), 1e-300)))
    return inverse / inverse.sum(axis=1, keepdims=True)


def alike(memberships: Float64[np.ndarray, "n k"]) -> Float32[np.ndarray, "n n"]:
    """E(i, j) of every two pieces, in [0, 1]."""
    apart = np.zeros((len(memberships),) * 2, np.float32)
    for column in memberships.T.astype(np.float32):
        apart += np.abs(column[:, None] - column)
    return 1 - apart / 2


def _agreement(one: Float32[np.ndarray, "n n"], other: Float32[np.ndarray, "n n"]) -> float:
    """R of two tables of E; every pair counts twice, and a piece with itself, which never differs, not at all."""
    n = len(one)
    return float(1 - np.abs(one - other).sum(dtype=np.float64) / (n * (n - 1)))


def generalised_rand(one: Float64[np.ndarray, "n k"], other: Float64[np.ndarray, "n l"]) -> float:
    """R of two soft clusterings of the same pieces, in [0, 1]."""
    return _agreement(alike(one), alike(other))


def align(manifolds: Sequence[Manifold], *, draws: int = 10, seed: int = 0) -> Alignment:
    """Every two representations held against each other: pairs, and their concepts matched one to one.

    Args:
        draws: permutations of the pieces.

    Raises:
        SemlensError: representations of other numbers of pieces, or fewer than two of them.
    """
    if len(manifolds) < 2 or len({len(m.features) for m in manifolds}) > 1:
        raise SemlensError("alignment takes two or more representations of the same pieces of images")
    orders = [np.random.default_rng([seed, draw]).permutation(len(manifolds[0].features)) for draw in range(draws)]
    pairs, matches, tables = [], [], {id(m): alike(m.memberships) for m in manifolds}
    for one, other in combinations(manifolds, 2):
        mine, theirs = tables[id(one)], tables[id(other)]
        rand = _agreement(mine, theirs)
        chance = float(np.mean([_agreement(mine, theirs[np.ix_(order, order)]) for order in orders]))
        found = _matched(one, other, orders[:3])
        matches += found
        weight = np.array([row.pieces for row in found], float)
        matched = float(np.average([row.alignment for row in found], weights=weight))
        numbers = (one.memberships.shape[1], other.memberships.shape[1])
        pairs.append(
            Aligned(
                one.name, other.name, (rand - chance) / max(1 - chance, 1e-12), rand, chance, matched,
                cka(one.features, other.features), svcca(one.features, other.features), numbers,
            )
        )  # fmt: skip
    title = f"alignment of {len(manifolds)} representations of {len(manifolds[0].features):,} pieces of images"
    return Alignment(tuple(manifolds), Rows(pairs, title), Rows(matches, "concepts matched one to one"))


def _matched(one: Manifold, other: Manifold, orders: Sequence[Int64[np.ndarray, "n"]]) -> list[Matched]:
    """The concepts of two representations, one to one so that they are most alike in sum (the Hungarian method)."""
    from scipy.optimize import linear_sum_assignment  # which scikit-learn brings

    rand = _between(one.memberships, other.memberships)
    chance = np.mean([_between(one.memberships, other.memberships[order]) for order in orders], axis=0)
    found = (rand - chance) / np.maximum(1 - chance, 1e-12)
    return [
        Matched(one.name, a, int(one.sizes[a]), other.name, b, int(other.sizes[b]), float(found[a, b]))
        for a, b in zip(*(axis.tolist() for axis in linear_sum_assignment(found, maximize=True)), strict=True)
    ]


def _between(
    one: Float64[np.ndarray, "n k"], other: Float64[np.ndarray, "n l"], pairs: int = 50_000
) -> Float64[np.ndarray, "k l"]:
    """R of every concept of one with every one of the other, each by its memberships alone: 1 less the mean of half of
    | |a_i - a_j| - |b_i - b_j| | over pairs of pieces, `pairs` of them drawn at random where there are more."""
    n = len(one)
    i, j = np.random.default_rng(0).integers(0, n, (2, pairs))
    apart = i != j
    a, b = (np.abs(x[i[apart]] - x[j[apart]]).T for x in (one, other))
    return np.stack([1 - np.abs(mine - b).mean(axis=1) / 2 for mine in a])


def cka(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "n e"]) -> float:
    """Linear centred kernel alignment, in [0, 1].

    Source: Kornblith et al. 2019.
    """
    x, y = (part.astype(np.float64) - part.mean(axis=0, dtype=np.float64) for part in (x, y))
    return float(np.square(x.T @ y).sum() / max(np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y), 1e-300))


def svcca(x: Float32[np.ndarray, "n d"], y: Float32[np.ndarray, "n e"]) -> float:
    """Mean canonical correlation of the principal axes that hold 99 % of the variance of each, in [0, 1].

    Source: Raghu et al. 2017.
    """
    one, other = _kept_axes(x), _kept_axes(y)
    return float(np.linalg.svd(one.T @ other, compute_uv=False).clip(0, 1).mean())


def _kept_axes(x: Float32[np.ndarray, "n d"]) -> Float64[np.ndarray, "n q"]:
    left, lengths, _ = np.linalg.svd(x.astype(np.float64) - x.mean(axis=0, dtype=np.float64), full_matrices=False)
    share = np.cumsum(np.square(lengths)) / max(np.square(lengths).sum(), 1e-300)
    return left[:, : 1 + int(np.searchsorted(share, _VARIANCE))]


def _reduced(x: Float64[np.ndarray, "n d"], reduction: str, dimensions: int, seed: int) -> Float64[np.ndarray, "n q"]:
    if reduction == "umap":
        try:
            from umap import UMAP
        except ModuleNotFoundError:
            raise missing_extra("umap-learn", "manifold") from None
        drawn = UMAP(
            n_components=min(dimensions, len(x) - 2), n_neighbors=30, min_dist=0.01, random_state=seed, n_jobs=1
        )
        return np.asarray(drawn.fit_transform(x), np.float64)
    away = x - x.mean(axis=0)
    left, lengths, _ = np.linalg.svd(away, full_matrices=False)
    return left[:, :dimensions] * lengths[:dimensions]
