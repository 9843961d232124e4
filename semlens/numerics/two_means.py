"""Two clusters among the concept examples of every component at once: k-means with k = 2 on Gram matrices.

Objective. Let x_1 ... x_n be a component's examples less their mean, G the Gram matrix of their dot products, S the
second cluster of m = |S| examples, 0 < m < n, and s its vector of ones: s_i = 1 where i is in S. As all x sum to zero,
the first cluster's sum is minus the second's, |sum of S|^2 = s' G s, and

    inertia(S) = trace G - between(S),    between(S) = n s' G s / (m (n - m)),

the sum of squares between the clusters. The least inertia is the largest between(S); its constant factor n is left out
in what follows, so `_between` is s' G s / (m (n - m)).

Update. Let a group of examples (one, or several alike; a vector g of ones) change sides: s becomes s + w g with w = +1
where the group lies outside of S and w = -1 where it lies inside. Then

    s' G s becomes s' G s + 2 w s' G g + g' G g,    m becomes m + w |g|,

which takes the products G s and G g only. The move that makes between(S) largest is made, again and again, until none
gains. Where that is so for single examples the partition is a local optimum under single-point moves.

Steps: `_starts` (k-means++), `_moved` (single examples, every try), `_hopeful` (the best few), `_regrouped` (groups),
`_best`.
"""

from dataclasses import dataclass

import numpy as np

from semlens.errors import SemlensError
from semlens.types import Bool, Float32, Float64, Int64

_BLOCK = 32  # components at once: what they need stays in a processor's cache
_HOPEFUL = 3  # tries that go on to moves of groups
_GAIN = 1e-9  # a move must raise between(S) by this part of it, or rounding could move it back


@dataclass(frozen=True, eq=False)
class TwoMeans:
    """The best two clusters found for every component. The first cluster is the larger one; of two equally large ones,
    the one with the strongest example."""

    second: Bool[np.ndarray, "c k"]  # the example belongs to the second cluster
    inertia: Float32[np.ndarray, "c"]  # sum of squared distances to the centroids; NaN below two examples
    centroids: Float32[np.ndarray, "c 2 d"]  # plain means of the members, not unit; NaN for a cluster without members
    sizes: Int64[np.ndarray, "c 2"]  # examples in each cluster


def two_means(
    vectors: Float32[np.ndarray, "c k d"], valid: Bool[np.ndarray, "c k"], *, restarts: int = 20, seed: int = 0
) -> TwoMeans:
    """The two clusters of least inertia among each component's valid examples, of `restarts` tries.

    Every component is tried from the same random numbers, so what comes back for one does not depend on the others.
    Slots that are not valid belong to no cluster. Of one example, or of none, there is no second cluster.

    Source: starts, Arthur and Vassilvitskii 2007 (k-means++), the first points spread evenly over the examples; then
    single examples move as long as one gains (Hartigan and Wong 1979). But: no iterations of Lloyd's, which stop where
    a single example would still gain, and take different starts to the same end; and the best tries go on with whole
    groups of examples. All of it on the k x k dot products, so that no step costs more where vectors are longer.

    Raises:
        SemlensError: `restarts` below 1.
    """
    if restarts < 1:
        raise SemlensError(f"restarts is {restarts}: two clusters need at least one try")
    c, k, d = vectors.shape
    draws = np.random.default_rng(seed).random((2, restarts))
    draws[0] = (np.arange(restarts) + draws[0]) / restarts
    second, inertia = np.zeros((c, k), bool), np.full(c, np.nan, np.float32)
    centroids = np.full((c, 2, d), np.nan, np.float32)
    for start in range(0, c, _BLOCK):
        block = slice(start, start + _BLOCK)
        second[block] = _clusters(vectors[block], valid[block], draws)
        centroids[block], inertia[block] = _describe(vectors[block], valid[block], second[block])
    sizes = np.stack([(valid & ~second).sum(axis=1), second.sum(axis=1)], axis=1)
    inertia[sizes[:, 1] == 0] = np.nan
    return TwoMeans(second, inertia, centroids, sizes)


def _clusters(
    vectors: Float32[np.ndarray, "c k d"], valid: Bool[np.ndarray, "c k"], draws: Float64[np.ndarray, "2 r"]
) -> Bool[np.ndarray, "c k"]:
    """Members of the second cluster, the smaller one."""
    second = np.zeros(valid.shape, bool)
    enough = valid.sum(axis=1) > 1
    if enough.any():
        valid = valid[enough]
        gram = _gram(vectors[enough], valid)
        tries = _hopeful(gram, _moved(gram, _starts(gram, valid, draws), valid), valid)
        second[enough] = _best(gram, _regrouped(gram, tries, valid), valid)
    return second


def _gram(vectors: Float32[np.ndarray, "c k d"], valid: Bool[np.ndarray, "c k"]) -> Float64[np.ndarray, "c k k"]:
    """G, the dot products of the examples less their mean; zero in slots that are not valid.

    About the mean the two clusters' sums are opposite, and examples that are nearly alike keep their digits.
    """
    weights = (valid / valid.sum(axis=1, keepdims=True)).astype(np.float32)
    centred = vectors - weights[:, None] @ vectors
    if not valid.all():
        centred *= valid[..., None]
    gram = (centred @ centred.swapaxes(1, 2)).astype(np.float64)
    return (gram + gram.swapaxes(1, 2)) / 2  # exactly symmetric, or moves could go round in circles


def _starts(
    gram: Float64[np.ndarray, "c k k"], valid: Bool[np.ndarray, "c k"], draws: Float64[np.ndarray, "2 r"]
) -> Float64[np.ndarray, "c r k"]:
    """s of every try: the examples nearer to the second of two seeds, the second drawn with a probability proportional
    to its squared distance from the first (k-means++)."""
    trial, component = np.arange(draws.shape[1]), np.arange(len(gram))[:, None]
    valid_first = np.argsort(~valid, axis=1, kind="stable")
    first = valid_first[component, (draws[0] * valid.sum(axis=1, keepdims=True)).astype(np.int64)]
    square = np.diagonal(gram, axis1=1, axis2=2)
    to_first = square[:, None] - 2 * gram[component, first]  # but for the first one's own square
    apart = np.maximum(to_first + square[component, first][..., None], 0) + 1e-30  # where all are alike, any one
    apart *= valid[:, None]
    apart[component, trial, first] = 0
    far = np.cumsum(apart, axis=2)
    other = (far <= far[..., -1:] * draws[1][:, None] * (1 - 1e-9)).sum(axis=2)
    to_other = square[:, None] - 2 * gram[component, other]
    nearer = to_other + square[component, other][..., None] < to_first + square[component, first][..., None]
    nearer[component, trial, other] = True
    return (nearer & valid[:, None]).astype(np.float64)


def _moved(
    gram: Float64[np.ndarray, "c k k"], second: Float64[np.ndarray, "c r k"], valid: Bool[np.ndarray, "c k"]
) -> Float64[np.ndarray, "c r k"]:
    """Every try led to a local optimum under single-point moves: the example that gains most changes its cluster, until
    none gains. Of example i alone, g = e_i: s' G s becomes s' G s + 2 w (G s)_i + G_ii, and G s becomes G s + w G_i."""
    shape = second.shape
    count, running = valid.sum(axis=1), np.arange(shape[0] * shape[1])  # the tries where an example may yet gain
    diagonal, ones = np.diagonal(gram, axis1=1, axis2=2), np.ones(shape[2])
    flat = second.reshape(-1, shape[2]).copy()
    products = (second @ gram).reshape(-1, shape[2])  # G s
    while len(running):
        component, s = running // shape[1], flat[running]
        n, m, gs = count[component], s @ ones, products[running]
        sgs, w = _dot(s, gs), 1 - 2 * s
        m_after = m[:, None] + w
        sizes = m_after * (n[:, None] - m_after)  # zero where a cluster would be left empty
        allowed = valid[component] & (sizes > 0)
        sgs_after = sgs[:, None] + 2 * w * gs + diagonal[component]
        between = np.where(allowed, sgs_after, -np.inf) / np.where(allowed, sizes, 1)
        best = between.argmax(axis=1)
        row = np.arange(len(running))
        gains = between[row, best] > sgs / (m * (n - m)) * (1 + _GAIN)
        running, best, row = running[gains], best[gains], row[gains]
        flat[running, best] = 1 - flat[running, best]
        products[running] += w[row, best][:, None] * gram[component[gains], best]
    return flat.reshape(shape)


def _regrouped(
    gram: Float64[np.ndarray, "c k k"], second: Float64[np.ndarray, "c r k"], valid: Bool[np.ndarray, "c k"]
) -> Float64[np.ndarray, "c r k"]:
    """Every try led to a local optimum under moves of groups of like examples, single ones among them.

    Where the examples fall into three clear groups or more, each partition of the groups is a local optimum under
    single-point moves: only a whole group leaves it. The move of group g gives s' G s + 2 w s' G g + g' G g, as above.
    """
    groups, tries = _groups(gram, valid), second.copy()
    count, group_sizes = valid.sum(axis=1), groups.sum(axis=2)
    ggg = _dot(groups @ gram, groups)  # g' G g
    running = np.arange(len(gram))  # components with a try where a group may yet gain
    while len(running):
        s, g, n = tries[running], groups[running], count[running][:, None, None]
        gs = s @ gram[running]
        m, sgs = s.sum(axis=2, keepdims=True), _dot(s, gs)[..., None]
        inside, sgg, g_size = s @ g.swapaxes(1, 2), gs @ g.swapaxes(1, 2), group_sizes[running][:, None]
        w = (inside == 0) * 1.0 - (inside == g_size)  # 0 for a group that is divided, or has no member
        m_after = m + w * g_size
        sizes = m_after * (n - m_after)
        allowed = (w != 0) & (sizes > 0)
        between = (sgs + 2 * w * sgg + ggg[running][:, None]) / np.where(allowed, sizes, 1)
        best = np.where(allowed, between, -np.inf).argmax(axis=2)[..., None]
        gains = np.take_along_axis(between, best, 2) > sgs / (m * (n - m)) * (1 + _GAIN)
        gains &= np.take_along_axis(allowed, best, 2)
        step = np.take_along_axis(w, best, 2) * gains
        tries[running] = s + step * g[np.arange(len(running))[:, None], best[..., 0]]
        running = running[gains.any(axis=(1, 2))]
    return tries


def _groups(gram: Float64[np.ndarray, "c k k"], valid: Bool[np.ndarray, "c k"]) -> Float64[np.ndarray, "c g k"]:
    """Groups of like examples, as ones: each example alone, then every pair of groups that average linkage joins."""
    c, k, _ = gram.shape
    row, far = np.arange(c), 1e300  # not infinite, for it is averaged
    square = np.diagonal(gram, axis1=1, axis2=2)
    apart = square[:, :, None] + square[:, None] - 2 * gram
    apart[~(valid[:, :, None] & valid[:, None]) | np.eye(k, dtype=bool)] = far
    members, size = np.eye(k) * valid[:, None], valid.astype(np.float64)
    groups = [members.copy()]
    for _ in range(k - 2):  # the last one would be all
        a, b = np.divmod(apart.reshape(c, -1).argmin(axis=1), k)
        joined = apart[row, a, b] < far / 2
        total = np.maximum(size[row, a] + size[row, b], 1)
        mean = (apart[row, a] * size[row, a, None] + apart[row, b] * size[row, b, None]) / total[:, None]
        mean[row, a] = far
        apart[row, a], apart[row, :, a] = mean, mean
        apart[row, b], apart[row, :, b] = far, far
        members[row, a] += members[row, b]
        size[row, a] += size[row, b]
        groups.append((members[row, a] * joined[:, None])[:, None])
    return np.concatenate(groups, axis=1)


def _hopeful(
    gram: Float64[np.ndarray, "c k k"], tries: Float64[np.ndarray, "c r k"], valid: Bool[np.ndarray, "c k"]
) -> Float64[np.ndarray, "c s k"]:
    """The best few of the tries that differ."""
    tries, between = _between(gram, tries, valid)
    component = np.arange(len(gram))[:, None]
    order = np.argsort(-between, axis=1, kind="stable")
    ranked = between[component, order]
    again = np.zeros(ranked.shape, bool)
    again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
    return tries[component, order[component, np.argsort(again, axis=1, kind="stable")[:, :_HOPEFUL]]]


def _between(
    gram: Float64[np.ndarray, "c k k"], tries: Float64[np.ndarray, "c r k"], valid: Bool[np.ndarray, "c k"]
) -> tuple[Float64[np.ndarray, "c r k"], Float64[np.ndarray, "c r"]]:
    """The tries with the strongest example in the first cluster, so that like clusters give like bits; and s' G s /
    (m (n - m)) of each."""
    component, n = np.arange(len(gram)), valid.sum(axis=1)[:, None]
    turned = tries[component, :, valid.argmax(axis=1)][..., None] > 0
    tries = np.where(turned, valid[:, None] - tries, tries)
    m = tries.sum(axis=2)
    return tries, _dot(tries @ gram, tries) / (m * (n - m))


def _best(
    gram: Float64[np.ndarray, "c k k"], tries: Float64[np.ndarray, "c r k"], valid: Bool[np.ndarray, "c k"]
) -> Bool[np.ndarray, "c k"]:
    """The try of least inertia, the earliest of equal ones, with the smaller cluster as the second."""
    tries, between = _between(gram, tries, valid)
    best = tries[np.arange(len(gram)), between.argmax(axis=1)] > 0
    larger = best.sum(axis=1) * 2 > valid.sum(axis=1)
    return np.where(larger[:, None], valid & ~best, best)


def _describe(
    vectors: Float32[np.ndarray, "c k d"], valid: Bool[np.ndarray, "c k"], second: Bool[np.ndarray, "c k"]
) -> tuple[Float32[np.ndarray, "c 2 d"], Float32[np.ndarray, "c"]]:
    """Centroids and inertia."""
    members = np.stack([valid & ~second, second], axis=1)
    sizes = members.sum(axis=2, keepdims=True)
    centroids = (members / np.maximum(sizes, 1)).astype(np.float32) @ vectors
    away = members.swapaxes(1, 2).astype(np.float32) @ centroids
    np.subtract(vectors, away, out=away)
    square = np.einsum("ckd,ckd->ck", away, away)
    centroids[sizes[..., 0] == 0] = np.nan
    return centroids, (square * valid).sum(axis=1)


def _dot(x: Float64[np.ndarray, "*n k"], y: Float64[np.ndarray, "*n k"]) -> Float64[np.ndarray, "*n"]:
    """Row by row; several times as fast as `sum` where rows are short."""
    return np.einsum("...k,...k->...", x, y)
