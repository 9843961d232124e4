"""How well phrases fit components: five ways to score it, each the same for real components and for random ones.

A scorer takes components as rows of examples, so chance is scored exactly as what is real.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from semlens.analysis.chance import RandomComponents, alive_rows
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex
from semlens.numerics import each, mean_rows, unit, weighted_mean_dots
from semlens.types import MISSING, Float16, Float32, Int32, Int64

POOL = 4096
"""Crops among which contrastive projection looks for a neighbour that a component does not fire on."""

BLOCK = 1024
"""Components looked at together, at most."""

_CELLS = 2**21
"""Scores held at once: they stay near the processor, and memory need not be fetched anew for each block."""

_SKEW = (np.float32(0.01), np.float32(2))  # of chance; below it nothing is changed, which is rather too strict

_LEAST_SPREAD = 1e-4
"""Cosines are known to about this: a phrase that varies less over random components says nothing."""


@runtime_checkable
class Scorer(Protocol):
    """Scores components against every probe; higher fits better."""

    def __call__(self, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n q"]:
        """The scores of components with these examples; `like` says whose activations each has."""
        ...


@dataclass(frozen=True, eq=False)
class Linear:
    """Scores that are linear in the semantic embedding, up to a scale that rises with them."""

    vectors: Float16[np.ndarray, "u d"]
    weights: Float32[np.ndarray, "q d"]
    offsets: Float32[np.ndarray, "q"]
    skew: Float32[np.ndarray, "q"] | None = None

    def __call__(self, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n q"]:
        """Scores of the unit mean of the examples."""
        return self.of(mean_rows(self.vectors, rows))

    def of(self, means: Float16[np.ndarray, "n d"]) -> Float32[np.ndarray, "n q"]:
        """Scores of semantic embeddings."""
        return self.scaled(means.astype(np.float32) @ self.weights.T, self.offsets, self.skew)

    def scaled(
        self,
        products: Float32[np.ndarray, "*n m"],
        offsets: Float32[np.ndarray, "*m"],
        skew: Float32[np.ndarray, "*m"] | None,
    ) -> Float32[np.ndarray, "*n m"]:
        """Scores from products with the weights, which are overwritten; `offsets` and `skew` are those of the probes in
        question."""
        products -= offsets
        return products if skew is None else normal(products, skew)


def normal(scores: Float32[np.ndarray, "*n m"], skew: Float32[np.ndarray, "*m"]) -> Float32[np.ndarray, "*n m"]:
    """Standard scores of skewed chance on the scale of the normal distribution, so that those of different phrases
    compare far out too.

    Source: Wilson and Hilferty 1931, for the gamma distribution of this skewness.
    """
    root = scores * (skew / 2)
    root += 1  # in place from here on: there are many
    np.cbrt(np.maximum(root, 0, out=root), out=root)
    root *= 6 / skew
    root += skew / 6 - 6 / skew
    return root


def standardised(index: ConceptIndex, probes: Probes, random: RandomComponents, layer: int) -> Linear:
    """Alignment in standard deviations of chance: the cosine, less its mean over random components of the layer, by
    its spread over them; on a normal scale where chance is skewed, as it is for what few images show.

    Every phrase has its own mean, spread and skewness, as foundation models have phrases that fit everything a little.
    The cosine of the empty prompt is not subtracted: it would move all phrases of a component alike, and with it how
    surely any of them stands out.
    """
    chance = random.means[random.layer == layer].astype(np.float32)
    middle, away = chance.mean(axis=0), chance - chance.mean(axis=0)
    variance = ((probes.vectors @ (away.T @ away / len(away))) * probes.vectors).sum(axis=1)
    spread = np.sqrt(np.maximum(variance, _LEAST_SPREAD**2))
    weights = probes.vectors / spread[:, None]
    scores = away[:BLOCK] @ weights.T
    skew = (scores * scores * scores).mean(axis=0)
    return Linear(index.vectors, weights, weights @ middle, np.clip(skew, *_SKEW))


def by_blocks(work: Callable[[slice], None], count: int, probes: int) -> None:
    """Does the work on `count` components, block by block on several cores: as many as have their scores for so many
    probes held at once. What it writes must not overlap."""
    size = max(1, min(BLOCK, _CELLS // max(probes, 1)))
    each(work, (slice(start, start + size) for start in range(0, count, size)))


def scores_of(
    scorer: Scorer, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"], means: Float16[np.ndarray, "n d"]
) -> Float32[np.ndarray, "n q"]:
    """Scores of components whose semantic embeddings are at hand, for scorers that ask for no more."""
    return scorer.of(means) if isinstance(scorer, Linear) else scorer(rows, like)


def resampled(
    index: ConceptIndex, scorer: Linear, of: Int64[np.ndarray, "n"], times: int, seed: int,
    asked: Int32[np.ndarray, "n m"] | Int64[np.ndarray, "n m"],
) -> Float32[np.ndarray, "n b m"]:  # fmt: skip
    """Scores of components for the probes asked of each, on bootstrap resamples of their examples."""
    valid = index.valid[of]
    examples = index.vectors[np.where(valid, index.rows[of], 0)].astype(np.float32)  # unit as they lie
    examples *= valid[..., None]
    k = valid.shape[1]
    drawn = np.random.default_rng(seed).multinomial(k, np.full(k, 1 / k), times).astype(np.float32)  # "b k"
    products = weighted_mean_dots(examples, drawn, scorer.weights[asked])
    skew = None if scorer.skew is None else scorer.skew[asked][:, None]
    return scorer.scaled(products, scorer.offsets[asked][:, None], skew)


def against_prompt(index: ConceptIndex, probes: Probes, random: RandomComponents, layer: int) -> Linear:
    """The paper's alignment, as a search ranks by it: the cosine minus that of the empty prompt.

    Source: Dreyer et al. 2025 (arXiv 2505.20229).
    """
    return Linear(index.vectors, probes.contrasts, np.zeros(len(probes), np.float32))


def centred(index: ConceptIndex, probes: Probes, random: RandomComponents, layer: int) -> Linear:
    """The cosine minus the phrase's mean cosine over all crops of the index."""
    middle = np.mean(index.vectors, axis=0, dtype=np.float32)
    return Linear(index.vectors, probes.vectors, probes.vectors @ middle)


@dataclass(frozen=True, eq=False)
class SoftWpmi:
    """Soft pointwise mutual information of phrases and examples, in nats."""

    vectors: Float16[np.ndarray, "u d"]
    probes: Float32[np.ndarray, "q d"]
    prior: Float32[np.ndarray, "q"]

    scale = 10.0  # of cosines, before the softmax over the vocabulary
    inside = (0.998, 0.97)  # probability that the first and the last example belong to the component's concept

    def __call__(self, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n q"]:
        """Sum over the examples of the log-probability of a phrase, less its log-mean over the layer's components."""
        found = np.zeros((len(rows), len(self.probes)), np.float32)
        for slot, inside in enumerate(np.linspace(*self.inside, rows.shape[1])):
            of = np.flatnonzero(rows[:, slot] != MISSING)
            cosines = self.vectors[rows[of, slot]].astype(np.float32) @ self.probes.T
            likely = np.exp(self.scale * (cosines - cosines.max(axis=1, keepdims=True)))
            likely /= likely.sum(axis=1, keepdims=True)
            found[of] += np.log(1 + np.float32(inside) * (likely - 1) + 1e-7)
        return found - self.prior


def soft_wpmi(index: ConceptIndex, probes: Probes, random: RandomComponents, layer: int) -> SoftWpmi:
    """Source: Oikarinen and Weng 2023 (CLIP-Dissect), Eq. 4 and 5, with lambda 1. But: over a component's concept
    examples in place of its 100 strongest images."""
    bare = SoftWpmi(index.vectors, probes.vectors, np.zeros(len(probes), np.float32))
    alive, total = alive_rows(index, layer), np.full(len(probes), -np.inf)
    for start in range(0, len(alive), BLOCK):
        of = alive[start : start + BLOCK]
        total = np.logaddexp(total, np.logaddexp.reduce(bare(index.rows[of], of).astype(np.float64), axis=0))
    return replace(bare, prior=(total - np.log(len(alive))).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Contrastive:
    """Alignment of what distinguishes the examples from their nearest neighbours elsewhere."""

    index: ConceptIndex
    probes: Float32[np.ndarray, "q d"]
    pool: Int64[np.ndarray, "m"]  # crops that may be neighbours
    middle: Float32[np.ndarray, "q"]
    spread: Float32[np.ndarray, "q"]

    gamma = 0.5  # the part of what an example shares with its neighbour that is taken away

    def __call__(self, rows: Int32[np.ndarray, "n k"], like: Int64[np.ndarray, "n"]) -> Float32[np.ndarray, "n q"]:
        """Cosine of the phrases with the activation-weighted mean of what is left, on the scale of chance."""
        neighbours = unit(self.index.vectors[self.pool])
        means = [self._mean(mine, row, neighbours) for mine, row in zip(rows, like.tolist(), strict=True)]
        return (unit(np.stack(means)) @ self.probes.T - self.middle) / self.spread

    def _mean(
        self, mine: Int32[np.ndarray, "k"], row: int, neighbours: Float32[np.ndarray, "m d"]
    ) -> Float32[np.ndarray, "d"]:
        valid = mine != MISSING
        own, of = unit(self.index.vectors[mine[valid]]), self.index.sources
        weight = (self.index.activations[row] - self.index.lowest[row])[valid, None]
        similarity = own @ neighbours.T
        similarity[:, np.isin(of[self.pool], of[mine[valid]])] = -np.inf
        nearest, shared = similarity.argmax(axis=1), similarity.max(axis=1)
        # Where every image is an example there is nothing to contrast with.
        shared = np.float32(self.gamma) * np.where(np.isfinite(shared), shared, 0)[:, None]
        return (np.maximum(weight, 1e-12) * (own - shared * neighbours[nearest])).sum(axis=0)


def contrastive(index: ConceptIndex, probes: Probes, random: RandomComponents, layer: int) -> Contrastive:
    """Source: Bouanani et al. 2026 (CSP), gamma 0.5. But: the neighbour is the nearest crop of an image that is not
    among the component's examples, of at most POOL crops, as an index does not know every image's activation; and
    cosines are standardised as alignment is."""
    step = -(-len(index.vectors) // POOL)
    zeros, ones = np.zeros(len(probes), np.float32), np.ones(len(probes), np.float32)
    bare = Contrastive(index, probes.vectors, np.arange(0, len(index.vectors), step), zeros, ones)
    of = np.flatnonzero(random.layer == layer)[:BLOCK]
    chance = bare(random.rows[of], random.like[of])
    return replace(bare, middle=chance.mean(axis=0), spread=np.maximum(chance.std(axis=0), _LEAST_SPREAD))


Method = Callable[[ConceptIndex, Probes, RandomComponents, int], Scorer]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "standardised": standardised,
        "prompt": against_prompt,
        "centred": centred,
        "soft-wpmi": soft_wpmi,
        "csp": contrastive,
    }
)
"""The ways by name."""
