"""Strategies: in which different ways a model comes to a class, by what components contribute on single images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import erfc, sqrt
from typing import Any

import numpy as np

from semlens.analysis.chance import q_values
from semlens.analysis.outputs import hidden_layers
from semlens.analysis.results import Rows
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, RelevanceVectors
from semlens.numerics import FEWEST_POINTS, Mixture, choose_mixture, fit_mixture
from semlens.types import MISSING, Bool, Component, Float64, Int64, Relevance, VectorRows

FEWEST = 15
"""Images of a class, at least, from which strategies are found."""

FOLDS = 10
SHOWN = 4
"""Components, and nearest images, that a row names."""

STRANGE, MISLABELLED = "strange", "mislabelled?"


@dataclass(frozen=True)
class Use:
    """What a component contributes, beside what it usually does."""

    component: Component
    label: str  # as the index keeps it; empty without one
    share: float  # of its layer's relevance, signed
    usual: float  # in the class, or in the prototype

    def __str__(self) -> str:
        name = f"{self.component} {self.label}".strip()
        return f"{name} {self.share:+.3f} ({self.share - self.usual:+.3f})"


@dataclass(frozen=True)
class Prototype:
    """One way in which the model comes to the class."""

    prototype: int  # from 1, the most frequent first
    share: float  # of the images, in [0, 1]
    images: int
    nearest: tuple[str, ...]  # names of the images nearest to its mean
    uses: tuple[Use, ...]  # the components of most relevance; usual is their mean over the class
    apart: tuple[Use, ...]  # those that differ most from the class


@dataclass(frozen=True)
class Placed:
    """An image beside the prototype from which it most probably comes."""

    image: str
    id: int
    prototype: int
    unusual: float  # how much less likely than usual it is, in robust standard deviations of the class's images
    p_value: float  # part of the class's images that are as unlikely when left out, in (0, 1]
    q_value: float  # false discoveries among images of the index that are at least as unusual; NaN for other images
    predicted: str  # the class with the highest logit; empty where the class itself
    verdict: str  # "strange", "mislabelled?" if another class is predicted, or empty
    more: tuple[Use, ...]  # what it uses more than its prototype
    less: tuple[Use, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Strategies:
    """The prototypes of a class, and how well each of its images fits one."""

    index: ConceptIndex
    layer: str
    output: str
    kept: RelevanceVectors
    number: int  # of the output
    alpha: float  # rate at which an image of the class is called unusual by mistake
    mixture: Mixture  # of square roots of shares, with their signs
    ids: Int64[np.ndarray, "n"]
    shares: Float64[np.ndarray, "n c"]
    predicted: Int64[np.ndarray, "n"]
    fitted: Bool[np.ndarray, "n"]  # images that the mixture was made from: those that are predicted to be of the class
    surprise: Float64[np.ndarray, "n"]  # minus log density, in nats; of those by a mixture of the others

    @cached_property
    def assigned(self) -> Int64[np.ndarray, "n"]:
        """The prototype from which each image most probably comes, from 0."""
        return self.mixture.assign(rooted(self.shares))

    @cached_property
    def means(self) -> Float64[np.ndarray, "k c"]:
        """Mean shares of each prototype's images."""
        members = np.eye(len(self.mixture.weights))[self.assigned] * self.fitted[:, None]
        return members.T @ self.shares / np.maximum(members.sum(axis=0), 1)[:, None]

    @property
    def prototypes(self) -> Rows[Prototype]:
        """The ways in which the model comes to the class, the most frequent first."""
        usual = self.shares[self.fitted].mean(axis=0)
        rows = [self._prototype(j, usual) for j in range(len(self.means))]
        of = f"{int(self.fitted.sum()):,} of {len(self.ids):,} images"
        title = f"how {self.index.recipe.model.name} comes to {self.output!r}, by {self.layer} ({of})"
        return Rows(rows, title, lambda row: [p for p in map(self._thumbnail, self.nearest(row.prototype - 1)) if p])

    def nearest(self, prototype: int, count: int = SHOWN) -> list[int]:
        """Ids of the images of a prototype nearest to its mean, the nearest first."""
        members = np.flatnonzero((self.assigned == prototype) & self.fitted)
        away = np.square(rooted(self.shares[members]) - self.mixture.mean_points()[prototype]).sum(axis=1)
        return self.ids[members[np.argsort(away, kind="stable")[:count]]].tolist()

    @property
    def images(self) -> Rows[Placed]:
        """The class's images, the most unusual first."""
        q = q_values(_one_sided(self._unusual(self.surprise)))
        q[~np.isfinite(q)] = 1.0
        names = self.index.images.names
        rows = self._placed(self.shares, self.surprise, self.predicted, q, [names[i] for i in self.ids], self.ids)
        flagged = sum(bool(row.verdict) for row in rows)
        title = f"{flagged} of {len(rows):,} images of {self.output!r} are further out than the others would be"
        return Rows(sorted(rows, key=lambda row: -row.unusual), title, printed=_PRINTED)

    def assign(self, relevance: Relevance, names: Sequence[str] = ()) -> Rows[Placed]:
        """Other images beside the prototypes, in the order of their ids; one that is of the class is called unusual at
        the rate `alpha`.

        Args:
            relevance: of these images for this class, from the same model by the same rules, with `vectors`.
            names: of these images, by id; else the ids.

        Raises:
            SemlensError: it has no vectors, or was computed differently.
        """
        rows = self._checked(relevance)
        axis = self.index.layer_slice(self.layer)
        mine = np.flatnonzero(rows.columns == relevance.classes.index(self.number))
        ids, shares = rows.ids[mine], rows.vectors[mine][:, axis].astype(np.float64)
        surprise = -self.mixture.log_density(rooted(shares))
        called = [names[i] if len(names) else str(i) for i in ids]
        none = np.full(len(ids), np.nan)
        predicted, ids = rows.predicted[mine].astype(np.int64), ids.astype(np.int64)
        found = self._placed(shares, surprise, predicted, none, called, ids)
        return Rows(found, f"images beside the prototypes of {self.output!r}", printed=_PRINTED)

    def _checked(self, relevance: Relevance) -> VectorRows:
        same = {
            "model": relevance.origin.model_fingerprint == self.index.recipe.model.fingerprint,
            "layers": relevance.layers == self.index.layers,
            "rules": (relevance.method, relevance.parameters) == (self.kept.method, self.kept.parameters),
            "class": self.number in relevance.classes,
        }
        if relevance.vectors is None:
            raise SemlensError("the relevance has no vectors of single images: compute it with vectors=N")
        if odd := ", ".join(name for name, equal in same.items() if not equal):
            raise SemlensError(f"the relevance is not of the strategies' {odd}: compute it as the index's was")
        return relevance.vectors

    def _unusual(self, surprise: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        """Robust standard deviations above the median of the images that were fitted; surprise is like a chi-squared
        number, whose cube root is nearly normal (Wilson and Hilferty 1931)."""
        least = -float(self.mixture.log_density(self.mixture.mean_points()).max())
        roots, known = (np.cbrt(np.maximum(s - least, 0)) for s in (surprise, self.surprise[self.fitted]))
        middle = np.median(known)
        spread = 1.4826 * float(np.median(np.abs(known - middle)))
        return (roots - middle) / max(spread, 1e-12)

    def _placed(
        self, shares: Float64[np.ndarray, "n c"], surprise: Float64[np.ndarray, "n"],
        predicted: Int64[np.ndarray, "n"], q: Float64[np.ndarray, "n"], names: Sequence[str],
        ids: Int64[np.ndarray, "n"],
    ) -> list[Placed]:  # fmt: skip
        assigned, unusual = self.mixture.assign(rooted(shares)), self._unusual(surprise)
        null = np.sort(self.surprise[self.fitted])
        p = (1 + len(null) - np.searchsorted(null, surprise, side="left")) / (len(null) + 1)
        rows = []
        for i, j in enumerate(assigned.tolist()):
            out = bool(q[i] <= self.alpha if np.isfinite(q[i]) else p[i] <= self.alpha)
            other = "" if predicted[i] == self.number else self._class_name(int(predicted[i]))
            away = shares[i] - self.means[j]
            more, less = (self._uses(sign * away, shares[i], self.means[j], positive=True) for sign in (1, -1))
            rows.append(
                Placed(
                    names[i], int(ids[i]), j + 1, float(unusual[i]), float(min(p[i], 1)), float(q[i]), other,
                    (MISLABELLED if other else STRANGE) if out else "", more, less,
                )
            )  # fmt: skip
        return rows

    def _prototype(self, j: int, usual: Float64[np.ndarray, "c"]) -> Prototype:
        members, mean = (self.assigned == j) & self.fitted, self.means[j]
        nearest = tuple(self.index.images.names[i] for i in self.nearest(j))
        uses, apart = self._uses(mean, mean, usual), self._uses(np.abs(mean - usual), mean, usual, positive=True)
        share = float(members.sum() / self.fitted.sum())
        return Prototype(j + 1, share, int(members.sum()), nearest, uses, apart)

    def _uses(
        self, rank: Float64[np.ndarray, "c"], shares: Float64[np.ndarray, "c"], usual: Float64[np.ndarray, "c"], *,
        positive: bool = False,
    ) -> tuple[Use, ...]:  # fmt: skip
        best = [u for u in np.argsort(-rank, kind="stable")[:SHOWN].tolist() if rank[u] > 0 or not positive]
        start = self.index.layer_slice(self.layer).start
        return tuple(
            Use(Component(self.layer, u), label_of(self.index, start + u), float(shares[u]), float(usual[u]))
            for u in best
        )

    def _class_name(self, number: int) -> str:
        names = dict(zip(self.kept.classes, self.kept.class_names, strict=True))
        return names.get(number) or str(number)

    def _thumbnail(self, image: int) -> bytes:
        return picture_of(self.index, image)

    def __repr__(self) -> str:
        return repr(self.prototypes)

    def _repr_html_(self) -> str:
        return self.prototypes._repr_html_()


_PRINTED = ("image", "prototype", "unusual", "p_value", "predicted", "verdict", "more")


def strategies(
    index: ConceptIndex,
    output: str | int,
    *,
    layer: str = "",
    most: int = 8,
    axes: int = 8,
    diagonal: bool = False,
    alpha: float = 0.05,
    seed: int = 0,
) -> Strategies:
    """In which different ways the model comes to a class: prototypes among the relevance vectors of its images, and how
    unusual each image is beside them.

    A mixture of Gaussians over the square roots of a layer's shares, signed; as many components as have the lowest BIC.

    Args:
        output: the class, by name or number.
        layer: of the index; by default its last whose components have no names of their own.
        most: prototypes, at most.
        axes: principal axes on which covariances are full; beyond them there is one variance (`fit_mixture`).
        diagonal: in place of it, variances of each component alone.
        alpha: rate at which an image of the class is called unusual; of the index's images, false ones among those
            that are.

    Source: PCX (Dreyer et al. 2024, arXiv 2311.16681). But: never a full covariance of more dimensions than images can
    tell; square roots of shares, which are nearer to normal; the number by BIC; a rate of false alarms.

    Raises:
        SemlensError: an index without relevance vectors, an unknown class or layer, or too few images.
    """
    kept = index.relevance_vectors
    if kept is None:
        raise SemlensError("the index holds no relevance vectors: build it with --classes and --vectors 500")
    if not (most >= 1 and axes >= 1 and 0 < alpha < 1):
        raise SemlensError(f"most is {most}, axes {axes}, alpha {alpha:g}: give 1 or more, and alpha between 0 and 1")
    column, layer = kept.column(output), layer or hidden_layers(index)[-1]
    rows, number, name = kept.rows(column), kept.classes[column], kept.name(column)
    shares = kept.vectors[rows, index.layer_slice(layer)].astype(np.float64)
    predicted, ids = kept.predicted[rows].astype(np.int64), kept.ids[rows].astype(np.int64)
    own = predicted == number
    if kept.of == "all":
        shares, predicted, ids, own = shares[own], predicted[own], ids[own], own[own]
    fitted = own if own.sum() >= FEWEST else np.ones(len(own), bool)
    x = rooted(shares)
    if fitted.sum() < FEWEST:
        raise SemlensError(f"the index has vectors of {len(own)} images of {name!r}: strategies need {FEWEST} or more")
    how = dict[str, Any](diagonal=diagonal, axes=axes, seed=seed)
    mixture = choose_mixture(x[fitted], most, **how)
    fit = partial(fit_mixture, k=mixture.asked, fewest=FEWEST_POINTS, restarts=2, **how)
    surprise = -mixture.log_density(x)
    surprise[fitted] = _left_out(x[fitted], fit, seed)
    return Strategies(index, layer, name, kept, number, alpha, mixture, ids, shares, predicted, fitted, surprise)


def rooted(shares: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    """Square roots of magnitudes, with the signs: vectors of length 1, whose distances are Hellinger's."""
    return np.sign(shares) * np.sqrt(np.abs(shares))


def label_of(index: ConceptIndex, row: int) -> str:
    """A component's label as the index keeps it, else the model's own name of it; empty without either."""
    kept = index.labels
    if kept is not None and kept.ranked[row, 0] != MISSING and kept.q_value[row] <= kept.recipe.fdr:
        return kept.phrases[int(kept.ranked[row, 0])]
    return index.unit_names[row] or ""


def picture_of(index: ConceptIndex, image: int) -> bytes:
    """The WebP file of an image that encodings keep, else of a piece of it that is somebody's example; or no bytes."""
    if index.encodings is not None and (kept := index.encodings.thumbnail(image)):
        return kept
    at = np.flatnonzero(index.sources == image)
    return index.thumbnails.get(int(at[0])) if len(at) else b""


def _left_out(
    x: Float64[np.ndarray, "n c"], fit: Callable[[Float64[np.ndarray, "n c"]], Mixture], seed: int
) -> Float64[np.ndarray, "n"]:
    """Minus log density of every image under a mixture of images in other folds."""
    fold = np.random.default_rng(seed).permutation(len(x)) % FOLDS
    surprise = np.zeros(len(x))
    for number in range(FOLDS):
        surprise[fold == number] = -fit(x[fold != number]).log_density(x[fold == number])
    return surprise


def _one_sided(z: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """Probability that a normal number is as large."""
    return np.array([erfc(value / sqrt(2)) / 2 for value in z.tolist()])
