"""Which concepts of a spec components respond to, by their encodings, and how relevance divides between them.

A concept is one direction here, the mean of its phrases and images, for coefficients of synonyms taken together would
share what belongs to the concept. A component responds to a side of the spec if its z there is significant by its own
permutations, as large as half of its best, and no trifle, in itself and beside what the spec does not name.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis import (
    ALIKE,
    Driven,
    Probes,
    critical_p,
    driven,
    joint_of,
    layer_numbers,
    output_of,
    resampled_images,
    similarities,
)
from semlens.analysis.audit.grammar import QUADRANTS, SIDES
from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.analysis.audit.requirements import LayerFigures
from semlens.analysis.audit.spec import Entry
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, Encodings
from semlens.numerics import Metric, highest_null, like_shapes, permutations, tail_p, unit
from semlens.types import Bool, Float, Float32, Float64, Int64

RATIO = 0.5
"""Of its highest z over the concepts of the spec a component must reach as much on a side to respond to it."""

SIZE, BESIDE = 0.19, 0.21
"""What a concept must reach on a component, in standard deviations of the activation over all images: the mean of its
correlation alone and its coefficient beside the other concepts. The second in parts of how far what no concept of the
spec names raises the component, so that what is not named is not credited to what is."""

HIGH = 0.95
"""The quantile of images over their median that tells how far something raises a component."""

SMALL = 2.0
"""A coefficient of so many standard deviations of noise is small."""

_BEST = 2**-16  # a z as large as the threshold exceeds it
_BLOCK = 2048  # components at a time
_LEAST = 1e-9  # of the variance of all concepts: added, so that two with one direction can be regressed on


@dataclass(frozen=True, eq=False)
class Concepts:
    """The concepts of a spec as directions of the space that encodings are in."""

    names: tuple[tuple[str, str], ...]  # side and name of each
    directions: Float32[np.ndarray, "q d"]  # unit
    entry: Int64[np.ndarray, "q"]  # of the spec, the first of each

    def on(self, side: int) -> Bool[np.ndarray, "q"]:
        """Which concepts are on a side, by its number."""
        return np.array([own == SIDES[side] for own, _ in self.names])

    @property
    def spurious(self) -> Bool[np.ndarray, "q"]:
        """Which concepts are spurious."""
        return self.on(SIDES.index("spurious"))


def concepts_of(probes: Probes, entries: Sequence[Entry], unknown: Collection[str] = ()) -> Concepts:
    """A direction per concept: the mean of the unit vectors of its phrases and images, made unit. None, which is zero,
    where nothing of it is known: what an unknown word leaves of a phrase is credited with nothing.

    Args:
        unknown: phrases that the foundation model does not know, left out.
    """
    names = tuple(dict.fromkeys((entry.side, entry.concept) for entry in entries))
    every = [[n for n, entry in enumerate(entries) if (entry.side, entry.concept) == name] for name in names]
    own = [[n for n in numbers if entries[n].phrase not in unknown] for numbers in every]
    zero = np.zeros(probes.vectors.shape[1], np.float32)
    directions = unit(np.stack([probes.vectors[numbers].mean(axis=0) if numbers else zero for numbers in own]))
    return Concepts(
        names, directions, np.array([(known or numbers)[0] for known, numbers in zip(own, every, strict=True)])
    )


@dataclass(frozen=True, eq=False)
class Encoded:
    """Some components and their encodings along the concepts of a spec."""

    encodings: Encodings
    concepts: Concepts
    members: Int64[np.ndarray, "n"]  # rows of the index

    @cached_property
    def metric(self) -> Metric:
        """The space that the encodings are in."""
        return Metric(self.encodings.covariance, self.encodings.images)

    @cached_property
    def joint(self) -> Float32[np.ndarray, "n q"]:
        """Coefficients of all concepts together, each for what the others do not explain."""
        return self.metric.joint(self.encodings.cross[self.members], self.concepts.directions)

    @cached_property
    def shares(self) -> Float64[np.ndarray, "n q"]:
        """Of what a component responds to among the concepts, the share of each: its squared positive coefficient, less
        what noise adds to a square."""
        return squared_shares(self.joint, self.noise)

    @cached_property
    def noise(self) -> Float64[np.ndarray, "q"]:
        """The variance of each coefficient if the activation had nothing to do with any image."""
        directions = self.concepts.directions.astype(np.float64)
        similarity = directions @ self.encodings.covariance @ directions.T
        weights = Metric(similarity, self.encodings.images)
        of_sums = np.asarray(
            weights.joint(np.eye(len(similarity), dtype=np.float32), np.eye(len(similarity))), np.float64
        )
        return np.einsum("pq,pr,rq->q", of_sums, similarity, of_sums) / self.encodings.images

    @cached_property
    def unnamed(self) -> Float64[np.ndarray, "n"]:
        """How far what no concept names raises each component, in its standard deviations: of what its encoding
        predicts and regression on the concepts leaves, the 95th percentile of images over their median. What lowers it
        does not count. 0 where R2, to which it is scaled, is not known."""
        directions, cross = self.concepts.directions.astype(np.float64), self.encodings.cross[self.members]
        similarity = directions @ self.encodings.covariance @ directions.T
        ridge = _LEAST * max(np.trace(similarity), _LEAST) * np.eye(len(similarity))
        weights = np.linalg.solve(similarity + ridge, directions)  # (T C T')^-1 T
        named = np.einsum("nq,nq->n", cross @ directions.T, cross @ weights.T)
        left = np.sqrt(np.maximum(np.nan_to_num(self.encodings.r2[self.members]) - named, 0))
        vectors = self.metric.vectors(cross)
        vectors -= (vectors @ (self.encodings.covariance @ directions.T)) @ weights
        away, raised = self.encodings.embeddings.astype(np.float32), np.zeros(len(left))
        for start in range(0, len(left), _BLOCK):
            rest = away @ vectors[start : start + _BLOCK].T
            spread = rest.std(axis=0)
            rise = np.quantile(rest, HIGH, axis=0) - np.median(rest, axis=0)
            raised[start : start + _BLOCK] = np.divide(rise, spread, out=np.zeros(len(spread)), where=spread > 0)
        return raised * left

    @cached_property
    def activations(self) -> Float32[np.ndarray, "n m"]:
        """Standardised activations on the images that were kept."""
        return self.encodings.activations[self.members].astype(np.float32)

    def resampled(self, draws: int, seed: int) -> Iterator[Float64[np.ndarray, "n q"]]:
        """The shares in bootstrap resamples of the images that were kept; what these make of the coefficients is
        moved to where all images have them. One in three takes for noise what is small or does not reach half of the
        largest, as to respond takes, and one goes by z, each concept by itself: nobody knows which of these describes a
        component best, and the interval holds them all."""
        similarity = similarities(self.encodings, self.concepts.directions)
        base = joint_of(similarity, self.activations, np.ones(len(similarity)))
        again = self.noise * self.encodings.images / len(similarity)  # which resampling adds
        z, alone = self.metric.z(self.encodings.cross[self.members], self.concepts.directions), self._alone
        for number, weights in enumerate(resampled_images(self.encodings, draws, seed)):
            if number % 3 == 2:
                yield squared_shares(z + self.activations @ (alone * (weights - 1)[:, None]), np.ones(len(self.noise)))
                continue
            drawn = self.joint + joint_of(similarity, self.activations, weights) - base
            if number % 3:
                drawn = np.where(drawn >= RATIO * drawn.max(axis=1, keepdims=True), drawn, 0)
            yield squared_shares(drawn, again + (SMALL**2 * self.noise if number % 3 else 0))

    @property
    def _alone(self) -> Float32[np.ndarray, "m q"]:
        """What each image that was kept adds to z of every concept, by the activation there."""
        contrasts = self.metric.contrasts(self.concepts.directions)
        along = self.encodings.embeddings.astype(np.float32) @ contrasts.T
        return np.asarray((along - along.mean(axis=0)) / np.float32(len(along)))


def squared_shares(joint: Float[np.ndarray, "n q"], noise: Float64[np.ndarray, "q"]) -> Float64[np.ndarray, "n q"]:
    """Squared positive coefficients, less the variance of noise in each, over their sum; zero where nothing is left."""
    squared = np.maximum(np.maximum(joint, 0).astype(np.float64) ** 2 - noise, 0)
    total = squared.sum(axis=1, keepdims=True)
    return np.divide(squared, total, out=np.zeros_like(squared), where=total > 0)


def encoded_components(index: ConceptIndex, encodings: Encodings, concepts: Concepts, layers: Sequence[str]) -> Encoded:
    """The components of some layers that have an example and whose activation varies."""
    rows = np.concatenate([np.arange(len(index.rows))[index.layer_slice(layer)] for layer in layers])
    return Encoded(encodings, concepts, rows[(encodings.deviation[rows] > 0) & ~index.dead[rows]])


def fit_encoded(index: ConceptIndex, found: Encoded, *, fdr: float, seed: int) -> Fit:
    """How well the components fit the best concept of either side, by z."""
    z = found.metric.z(found.encodings.cross[found.members], found.concepts.directions).astype(np.float32)
    n = len(found.members)
    best, score = np.empty((n, 2), np.int64), np.empty((n, 2), np.float32)
    p, critical = np.ones((n, 2)), np.full((n, 2), np.inf)
    least = np.maximum(SIZE, BESIDE * found.unnamed)
    for side in range(len(SIDES)):
        own = np.flatnonzero(found.concepts.on(side))
        first = own[z[:, own].argmax(axis=1)]
        best[:, side], score[:, side] = found.concepts.entry[first], z[np.arange(n), first]
        p[:, side], needed = _by_permutation(found, own, score[:, side], fdr, seed)
        alone = np.sqrt(found.encodings.images) * (2 * least - found.joint[np.arange(n), first])
        critical[:, side] = np.maximum(needed, np.maximum(RATIO * z.max(axis=1), alone) - _BEST)
    layer = layer_numbers(index)[found.members]
    drawn = np.empty((n, 0, 2), bool)
    shares = found.shares.astype(np.float32)
    return Fit(found.members, layer, score, best, critical, p, drawn, drawn[..., 0], shares)


def _by_permutation(
    found: Encoded, own: Int64[np.ndarray, "_"], score: Float32[np.ndarray, "n"], fdr: float, seed: int
) -> tuple[Float64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """p-values of the best z over some concepts, and the z that a discovery at the rate needs."""
    kept = found.encodings
    drawn = permutations(found.metric, kept.embeddings, kept.groups, found.concepts.directions[own], seed=seed)
    p, nulls = np.ones(len(score)), []
    for members in like_shapes(drawn, found.activations):
        null = highest_null(drawn, found.activations, members)
        p[members] = tail_p(score[members], null)
        nulls.append((members, null))
    most, needed = critical_p(p, fdr), np.full(len(score), np.inf)
    for members, null in nulls:
        grid = np.linspace(null.min(), max(null.max(), score[members].max()) * 1.5, 400)
        enough = grid[tail_p(grid, null) <= most]
        needed[members] = enough.min() if len(enough) else np.inf
    needed[p <= most] = np.minimum(needed, score - _BEST)[p <= most]  # the grid is coarse
    needed[p > most] = np.maximum(needed, score)[p > most]
    return p, needed


def encoded_figures(
    divided: Iterable[Float64[np.ndarray, "n q"]],
    spurious: Bool[np.ndarray, "q"],
    fit: Fit,
    shares: tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]],
    names: Sequence[str],
    images: int,
    seed: int,
) -> tuple[LayerFigures, ...]:
    """The figures of each layer: relevance divided by what each component responds to, in place of a cut.

    Args:
        divided: the shares of the concepts in what each component responds to, and the same of every resample.
        spurious: which concepts are.
        shares: relevance for the output, and what of it speaks against, in the same unit.
        names: of all layers of the index.
    """
    places, leans = quadrant(fit.fits), fit.fits[:, 1] & (fit.z[:, 1] > fit.z[:, 0])
    numbers = np.unique(fit.layer).tolist()
    tables: dict[int, list[_Divided]] = {number: [] for number in numbers}
    for drawn in divided:
        for number in numbers:
            m = fit.layer == number
            tables[number].append(_divide(drawn[m], places[m], leans[m], (shares[0][m], shares[1][m]), spurious))
    count = np.stack([np.bincount(places[fit.layer == number], minlength=4) for number in numbers])
    return tuple(
        LayerFigures(
            names[number], images, np.stack([one.mass for one in rows]), np.stack([one.net for one in rows]),
            np.tile(count[at], (len(rows), 1)), np.array([one.worst for one in rows]), seed,
        )
        for at, (number, rows) in enumerate(tables.items())
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Divided:
    mass: Float64[np.ndarray, "4"]
    net: Float64[np.ndarray, "2"]
    worst: float


def _divide(
    shares: Float64[np.ndarray, "n q"],
    places: Int64[np.ndarray, "n"],
    leans: Bool[np.ndarray, "n"],
    relevance: tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n"]],
    spurious: Bool[np.ndarray, "q"],
) -> _Divided:
    """The relevance of a layer by side, every component's by its shares; and, beside it, what part of it lies in
    components that fit neither side, so that their shares are a guess."""
    speaks, against = (one.astype(np.float64) for one in relevance)
    total = speaks.sum() or np.nan
    divided = speaks[shares.any(axis=1)].sum() or np.nan  # of what responds to nothing at all no side has a part
    sides = [shares[:, ~spurious].sum(axis=1), shares[:, spurious].sum(axis=1)]
    mass = [float(side @ speaks) / divided for side in sides]
    balance = (shares.T @ (speaks - against)) / divided
    net = np.array([np.maximum(balance[own], 0).sum() for own in (~spurious, spurious)])
    worst = float((sides[1] * speaks * leans).max(initial=0)) / total
    neither = float(speaks[places == QUADRANTS.index("neither")].sum()) / total
    return _Divided(np.array([*mass, 0, neither]), net, worst)


def driving_of(index: ConceptIndex, of: str | int, concepts: Concepts, seed: int) -> Driven | None:
    """What drives the output by its own encoding; None where the index has none of it."""
    if index.encodings is None or not index.encodings.outputs:
        return None
    try:
        number = output_of(index.encodings, of)
    except SemlensError:
        return None
    return driven(index.encodings, number, concepts.directions, seed=seed)


def driven_share(driving: Driven | None, concepts: Concepts, seed: int) -> LayerFigures | None:
    """Each side's share in what drives the output; what is hardly told apart may belong to either."""
    if driving is None:
        return None
    spurious = concepts.spurious
    like = np.abs(driving.correlation) > ALIKE
    doubted = (like & (spurious[:, None] != spurious[None])).any(axis=1)
    ways = [spurious] if not doubted.any() else [spurious, spurious | doubted, spurious & ~doubted]
    drawn = [driving.share(np.flatnonzero(way)) for way in ways]  # an interval over all ways holds each of them
    share = np.concatenate([drawn[0][:1], *(one[1:] for one in drawn)])
    none = np.zeros_like(share)
    mass = np.stack([1 - share, share, none, none], axis=1)
    return LayerFigures("the output", 0, mass, mass[:, :2], np.zeros(mass.shape, np.int64), none, seed)
