"""A map of everything that one or several models encode: near on it is near in the semantic space, mostly."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np

from semlens.analysis.probe import Probes, check_space, vocabulary_id
from semlens.analysis.responses import check_embedded_alike, common_way, encoded_from, responses
from semlens.analysis.results import Rows, pictures
from semlens.errors import SemlensError, missing_extra, unknown
from semlens.index import DRAWINGS, AtlasId, ConceptIndex, Recipe
from semlens.numerics import cosine, unit
from semlens.progress import visible
from semlens.types import Component, Float, Float32, Int64, Progress, silent

_BLOCK = 1024  # components whose neighbours are found at once
_MIN_FOR_UMAP = 5  # components that are too few for neighbourhoods: their map is their two principal axes
_STARTS, _ROUNDS = 4, 100  # of k-means
_PICTURES = 4  # pictures of a component


@dataclass(frozen=True)
class AtlasRow:
    """Where a component lies on the map, and in which group in the semantic space."""

    model: str
    component: Component
    x: float
    y: float
    cluster: int  # 0 is the largest
    label: str  # the cluster's; empty if it has none


@dataclass(frozen=True, eq=False, repr=False)
class Atlas:
    """A drawing of the living components of one or several indexes, and their groups. Only the groups are measured, in
    the semantic space or by encoding: distances on the drawing are no figures."""

    indexes: tuple[ConceptIndex, ...] = field(repr=False)
    models: tuple[str, ...]  # what the indexes are called
    index_number: Int64[np.ndarray, "n"]
    row: Int64[np.ndarray, "n"]  # in its index
    x: Float32[np.ndarray, "n"]
    y: Float32[np.ndarray, "n"]
    cluster: Int64[np.ndarray, "n"]
    labels: tuple[str, ...]  # of each cluster
    fits: tuple[float, ...]  # how much nearer the label is to the cluster than to the map at large; NaN without one
    sizes: tuple[int, ...]  # components in each cluster
    dead: int  # components left out, for they have no example, or by encoding no encoding
    recipe: AtlasId

    @property
    def components(self) -> tuple[Component, ...]:
        """The components in the order of the arrays."""
        pairs = zip(self.index_number, self.row, strict=True)
        return tuple(self.indexes[number].component(int(row)) for number, row in pairs)

    @property
    def rows(self) -> Rows[AtlasRow]:
        """A row per component."""
        placed = zip(self.components, self.index_number, self.x, self.y, self.cluster, strict=True)
        rows = [
            AtlasRow(self.models[number], component, float(x), float(y), int(cluster), self.labels[cluster])
            for component, number, x, y, cluster in placed
        ]
        return Rows(rows, f"Atlas of {', '.join(self.models)}", self._pictures)

    def __repr__(self) -> str:
        named = sum(bool(label) for label in self.labels)
        groups = f"{len(self.sizes)} clusters, {named} with a label"
        return f"Atlas({', '.join(self.models)}: {len(self.x)} components, {self.dead} dead; {groups})"

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()

    def _pictures(self, row: AtlasRow) -> list[bytes]:
        return pictures(self.indexes[self.models.index(row.model)], row.component, _PICTURES)


def atlas(
    indexes: ConceptIndex | Sequence[ConceptIndex],
    *,
    by: str = "examples",
    vocabulary: Probes | None = None,
    clusters: int | None = None,
    neighbours: int = 15,
    min_dist: float = 0.1,
    drawing: str = "umap",
    seed: int = 0,
    progress: Progress = visible,
) -> Atlas:
    """A 2-D map of all living components, with groups found in the semantic space or by encoding, not on the map.

    Args:
        by: whose vectors are drawn and grouped: "examples", the components' semantic embeddings; "encoding", their
            encodings, so that the cosine of two is the correlation of what they predict over all images; "auto", the
            second where all indexes have encodings of the same images.
        vocabulary: phrases to name the groups with.
        clusters: how many groups; for n components the root of n/2 if not given, from 2 to 40.
        neighbours: how many near components shape a place on the map: few show detail, many the whole.
        min_dist: how close together points are drawn, in [0, 1].
        drawing: "umap", by who is near whom (cosine); "principal", on the two principal axes, which takes no time and
            needs no extra, and on which groups overlap.

    Source: McInnes, Healy and Melville 2018 (UMAP), from the principal axes on; Dhillon and Modha 2001 (spherical
    k-means).

    Raises:
        SemlensError: indexes of different foundation models, or by encoding of other images or without encodings;
            nothing alive, an unknown drawing or way, or umap-learn is not installed.
    """
    given = (indexes,) if isinstance(indexes, ConceptIndex) else tuple(indexes)
    by = common_way(given, by) if given else by
    _check(given, vocabulary, by)
    if (clusters is not None and clusters < 1) or neighbours < 2 or not 0 <= min_dist <= 1:
        raise SemlensError("ask for at least 1 cluster and 2 neighbours, and a min_dist between 0 and 1")
    if drawing not in DRAWINGS:
        raise unknown("drawing", drawing, DRAWINGS)
    alive = [_placed(index, by) for index in given]
    row, number = np.concatenate(alive), np.repeat(np.arange(len(given)), list(map(len, alive)))
    if not len(row):
        raise SemlensError(f"no component has an {by.removesuffix('s')}: there is nothing to draw")
    means = np.concatenate([_vectors(index, rows, by) for index, rows in zip(given, alive, strict=True)])
    wanted = clusters or min(40, max(2, round((len(row) / 2) ** 0.5)))
    cluster = spherical_clusters(means, min(wanted, len(row)), seed, progress)
    sizes = np.bincount(cluster)
    words = _phrases(given[0], vocabulary, by) if vocabulary else None
    labels, fits = cluster_labels(means, cluster, words) if words else ([""], [np.nan])
    times = 1 if vocabulary else len(sizes)
    x, y = (principal(means) if drawing == "principal" else draw(means, neighbours, min_dist, seed, progress)).T
    dead = sum(len(index.rows) for index in given) - len(row)
    names, groups = index_names(given, [()] * len(given)), (tuple(labels * times), tuple(fits * times))
    asked = vocabulary_id(vocabulary) if vocabulary else None
    recipe = AtlasId(drawing, clusters, neighbours, float(min_dist), seed, asked, by)
    return Atlas(given, names, number, row, x, y, cluster, *groups, tuple(map(int, sizes)), dead, recipe)


def index_names(indexes: Sequence[ConceptIndex], layers: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """A name of its own for each: the model's, with its layers or a number where several have the same."""
    models = [index.recipe.model.name for index in indexes]
    parts = [f"{name} {', '.join(of)}" if of else name for name, of in zip(models, layers, strict=True)]
    wanted = [part if models.count(name) > 1 else name for name, part in zip(models, parts, strict=True)]
    names: list[str] = []
    for name in wanted:
        free = (f"{name} ({number})" for number in count(2))
        names.append(name if name not in names else next(other for other in free if other not in names + wanted))
    return tuple(names)


def space_of(recipe: Recipe) -> dict[str, object]:
    """What must be the same for two indexes to lie in one space."""
    return {"foundation": recipe.foundation.name, "foundation digest": recipe.foundation.digest}


def differences(names: Sequence[str], ways: Sequence[dict[str, object]]) -> str:
    """In what the others differ from the first, field by field with both values; empty if in nothing."""
    told = []
    for name, way in zip(names[1:], ways[1:], strict=True):
        odd = [key for key in {**ways[0], **way} if ways[0].get(key) != way.get(key)]
        listed = ", ".join(f"{key} ({_short(ways[0].get(key))} and {_short(way.get(key))})" for key in odd)
        told += [f"{names[0]} and {name} differ in {listed}"] if odd else []
    return "; ".join(told)


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text  # a digest


def _check(indexes: tuple[ConceptIndex, ...], vocabulary: Probes | None, by: str) -> None:
    if not indexes:
        raise SemlensError("give an index to draw")
    names = index_names(indexes, [()] * len(indexes))
    if told := differences(names, [space_of(index.recipe) for index in indexes]):
        raise SemlensError(f"{told}: only indexes made with the same foundation model share a map")
    if by == "encoding" and (told := differences(names, [encoded_from(index) for index in indexes])):
        raise SemlensError(f"{told}: only encodings over the same images share a map; draw by examples")
    if by == "encoding":
        check_embedded_alike(names, indexes)
    if vocabulary is not None:
        check_space(indexes[0], vocabulary)


def _placed(index: ConceptIndex, by: str) -> Int64[np.ndarray, "n"]:
    """The rows that have a place: those with an example, and by encoding with an encoding."""
    return np.flatnonzero(~index.dead & (responses(index).encoded if by == "encoding" else True))


def _vectors(index: ConceptIndex, rows: Int64[np.ndarray, "n"], by: str) -> Float32[np.ndarray, "n d"]:
    """Unit vectors of components, of which those are near that are alike."""
    if by == "examples":
        return unit(index.means[rows])
    asked = responses(index)
    return asked.metric.whitened(asked.cross[rows])


def _phrases(index: ConceptIndex, vocabulary: Probes, by: str) -> Probes:
    """The phrases where the components lie."""
    if by == "examples":
        return vocabulary
    asked = responses(index)
    return replace(vocabulary, vectors=asked.metric.whitened(asked.directions(vocabulary)))


def spherical_clusters(
    vectors: Float32[np.ndarray, "n d"], clusters: int, seed: int = 0, progress: Progress = silent
) -> Int64[np.ndarray, "n"]:
    """The group of every unit vector by cosine, 0 the largest: the best of a few seeded runs of spherical k-means.

    Where fewer vectors than `clusters` differ there are fewer groups, and none is empty.

    Source: Dhillon and Modha 2001, started as in Arthur and Vassilvitskii 2007 with 1 - cosine for the distance.
    """
    rng = np.random.default_rng(seed)
    best, most = np.zeros(len(vectors), np.int64), -np.inf
    for start in range(_STARTS):
        centres = _spread(vectors, clusters, rng)
        group = np.full(len(vectors), -1)
        for _ in range(_ROUNDS):
            old, similar = group, vectors @ centres.T
            group = similar.argmax(axis=1)
            if np.array_equal(old, group):
                break
            sums = np.eye(len(centres), dtype=np.float32)[:, group] @ vectors
            centres = np.where(sums.any(axis=1, keepdims=True), unit(sums), centres)
        reached = float(np.take_along_axis(similar, group[:, None], axis=1).sum(dtype=np.float64))
        best, most = (group, reached) if reached > most else (best, most)
        progress("grouping components", start + 1, _STARTS)
    _, first, inverse, sizes = np.unique(best, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    return np.argsort(order)[inverse]


def _spread(vectors: Float32[np.ndarray, "n d"], clusters: int, rng: np.random.Generator) -> Float32[np.ndarray, "m d"]:
    """Vectors to start from, each drawn by its distance from those before; fewer where no other is left."""
    chosen = [int(rng.integers(len(vectors)))]
    away = np.full(len(vectors), np.inf)
    while len(chosen) < clusters:
        distance = 1 - (vectors @ vectors[chosen[-1]]).astype(np.float64)
        away = np.minimum(away, np.where(distance > 1e-6, distance, 0))
        if not away.sum():
            break
        chosen.append(int(rng.choice(len(vectors), p=away / away.sum())))
    return vectors[chosen]


def cluster_labels(
    means: Float32[np.ndarray, "n d"], cluster: Int64[np.ndarray, "n"], vocabulary: Probes
) -> tuple[list[str], list[float]]:
    """For each group the phrase that is most nearer to its mean direction than to the components at large, and by how
    much in cosine; no phrase twice, the group that it fits better keeps it. None where no phrase left is nearer."""
    count_of = int(cluster.max()) + 1
    centres = np.stack([unit(means[cluster == g].mean(axis=0)) for g in range(count_of)])
    at_large = vocabulary.vectors @ means.mean(axis=0)  # the mean of the cosines
    fit, names = cosine(centres, vocabulary.vectors) - at_large, np.array(vocabulary.names)
    labels, fits = [""] * count_of, [float("nan")] * count_of
    while fit.max() > 0:
        group, phrase = np.unravel_index(int(fit.argmax()), fit.shape)
        labels[group], fits[group] = str(names[phrase]), float(fit[group, phrase])
        fit[group], fit[:, names == names[phrase]] = -np.inf, -np.inf
    return labels, fits


def draw(
    means: Float32[np.ndarray, "n d"], neighbours: int, min_dist: float, seed: int, progress: Progress = silent
) -> Float32[np.ndarray, "n 2"]:
    """Places on the map: UMAP's, or for a few components their two principal axes."""
    if len(means) < _MIN_FOR_UMAP:
        return principal(means)
    UMAP = _umap()
    nearest = min(neighbours, len(means) - 1)
    at, distance = nearest_neighbours(means, nearest, progress)
    axes = principal(means)
    noise = np.random.default_rng(seed).normal(size=axes.shape)  # parts those that are alike
    start = (axes + 1e-4 * max(float(np.abs(axes).max()), 1e-3) * noise).astype(np.float32)
    progress("drawing the map", 0, 1)
    with warnings.catch_warnings():
        # The neighbours are exact, so there is no search index, which only placing further points would need.
        warnings.filterwarnings("ignore", "precomputed_knn\\[2\\]", UserWarning)
        reducer = UMAP(
            n_neighbors=nearest,
            min_dist=min_dist,
            metric="cosine",
            init=start,
            precomputed_knn=(at, distance, None),
            disconnection_distance=np.inf,  # opposites are far, not absent
            random_state=seed,
            n_jobs=1,
        )
        placed = np.asarray(reducer.fit_transform(means), np.float32)
    progress("drawing the map", 1, 1)
    return placed


def _umap() -> type:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)  # it is not wanted
            from umap import UMAP
    except ImportError:
        raise missing_extra("umap-learn", "umap") from None
    return UMAP


def principal(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n 2"]:
    """Coordinates on the two principal axes, the sign such that the longest loading is positive; 0 where there is no
    such axis."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    last = np.pad(axes[:, ::-1], ((0, 0), (0, 1)))[:, :2]  # a space of one dimension has no second
    chosen = last * np.sign(np.take_along_axis(last, np.abs(last).argmax(axis=0)[None], axis=0))
    return (centred @ chosen).astype(np.float32)


def nearest_neighbours(
    vectors: Float32[np.ndarray, "n d"], nearest: int, progress: Progress = silent
) -> tuple[Int64[np.ndarray, "n j"], Float[np.ndarray, "n j"]]:
    """For every vector the `nearest` by cosine, itself first, then the nearer and of equals the lower; and how far they
    are, 1 - cosine in [0, 2]."""
    at, distance = np.empty((len(vectors), nearest), np.int64), np.empty((len(vectors), nearest), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        far = 1 - cosine(vectors[start : start + _BLOCK], vectors)
        far[np.arange(len(far)), start + np.arange(len(far))] = -1  # itself first, also among its like
        near = np.sort(np.argpartition(far, nearest - 1, axis=1)[:, :nearest], axis=1)
        order = np.argsort(np.take_along_axis(far, near, axis=1), axis=1, kind="stable")
        at[start : start + _BLOCK] = np.take_along_axis(near, order, axis=1)
        distance[start : start + _BLOCK] = np.maximum(np.take_along_axis(far, at[start : start + _BLOCK], axis=1), 0)
        progress("finding neighbours", min(start + _BLOCK, len(vectors)), len(vectors))
    return at, distance
