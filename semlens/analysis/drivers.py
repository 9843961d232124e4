"""What drives an output of the model, by its own encoding: before any component, and without relevance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.ask import as_vocabulary
from semlens.analysis.probe import Probes, check_space
from semlens.analysis.results import Rows
from semlens.analysis.words import remark
from semlens.errors import SemlensError, unknown
from semlens.index import ConceptIndex, Encodings
from semlens.numerics import Metric
from semlens.types import Float, Float32, Float64, Int64

RESAMPLES = 400
"""Bootstrap resamples of the images, for the intervals."""

ALIKE = 0.6
"""Similarities of two phrases that correlate so much over the images: what is one's may be credited to the other."""


@dataclass(frozen=True)
class Driver:
    """What a phrase has to do with an output over all images, all other phrases equal."""

    output: str
    phrase: str
    effect: float  # standard deviations of the output per standard deviation of the phrase's similarity
    z: float  # effect by its standard error
    low: float  # 95 % interval over images like these, widened by what phrases that are hardly told apart share
    high: float
    alike: tuple[str, ...]  # phrases that it is hardly told apart from on these images


@dataclass(frozen=True, eq=False)
class Driven:
    """An output regressed on the images' similarities to some directions, all together."""

    output: str  # in words, as "melanoma - other" where it is a difference
    effects: Float64[np.ndarray, "q"]
    drawn: Float64[np.ndarray, "b q"]  # the same in bootstrap resamples of the images
    correlation: Float64[np.ndarray, "q q"]  # of the similarities over the images

    def share(self, chosen: Sequence[int] | Int64[np.ndarray, "_"]) -> Float64[np.ndarray, "b"]:
        """The share of some directions in all that drives the output, for it or against it, by squared effects: first
        itself, then resampled."""
        squared = np.concatenate([self.effects[None], self.drawn]) ** 2
        total = squared.sum(axis=1)
        return np.divide(squared[:, chosen].sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)

    def rows(self, phrases: Sequence[str]) -> list[Driver]:
        """A row per direction, the largest effect first."""
        order = np.argsort(-np.abs(self.effects), kind="stable")
        return [self._row(q, phrases) for q in order.tolist()]

    def _row(self, q: int, phrases: Sequence[str]) -> Driver:
        like = [p for p in np.flatnonzero(np.abs(self.correlation[q]) > ALIKE).tolist() if p != q]
        low, high = np.quantile(self.drawn[:, q], (0.025, 0.975)).tolist()
        for p in like:  # all that is the other's may be its own, or the other way round
            other = float(np.sign(self.correlation[q, p]) * self.effects[p])
            low, high = min(low, low + other, 0.0), max(high, high + other, 0.0)
        effect, spread = float(self.effects[q]), float(self.drawn[:, q].std())
        z = effect / spread if spread > 0 else 0.0
        low, high = min(low, effect), max(high, effect)
        return Driver(self.output, phrases[q], effect, z, low, high, tuple(phrases[p] for p in like))


def drivers(
    index: ConceptIndex, vocabulary: Probes | str | Sequence[str], of: str | int | None = None, *, seed: int = 0
) -> Rows[Driver]:
    """What drives an output of the model, the largest effect first: the output regressed on the images' similarities to
    all phrases together. Of a classifier with two classes it is the difference of their logits.

    Phrases that go along with each other over these images share what is one's: `alike` names them, and the interval
    reaches as far as that may go. What none of the phrases says is not seen.

    Args:
        vocabulary: phrases, a file of them, or probes.
        of: an output by name or number; all if none is given.

    Raises:
        SemlensError: an index without encodings of the outputs, an unknown output, or probes of another foundation
            model.
    """
    encodings = encodings_of(index)
    probes = as_vocabulary(index.recipe.foundation, vocabulary)
    check_space(index, probes)
    numbers = range(len(encodings.outputs)) if of is None else [output_of(encodings, of)]
    rows = [row for n in numbers for row in driven(encodings, n, probes.vectors, seed=seed).rows(probes.names)]
    title = f"what drives {'the outputs' if of is None else repr(encodings.outputs[numbers[0]])}"
    return Rows(rows, title, remarks=[remark(probes.unknown)])


def encodings_of(index: ConceptIndex) -> Encodings:
    """The index's encodings, of outputs too.

    Raises:
        SemlensError: it has none.
    """
    if index.encodings is None:
        raise SemlensError("the index holds no encodings: add them with `semlens encode`")
    if not index.encodings.outputs:
        raise SemlensError("the index holds no encodings of outputs: its model is no classifier")
    return index.encodings


def output_of(encodings: Encodings, of: str | int) -> int:
    """The number of an output, by its name or number.

    Raises:
        SemlensError: there is none of that name.
    """
    names = encodings.outputs
    if isinstance(of, int) and 0 <= of < len(names):
        return of
    if str(of) in names:
        return names.index(str(of))
    if isinstance(of, str) and of.isdecimal() and int(of) < len(names):
        return int(of)
    raise unknown("output", str(of), names)


def driven(
    encodings: Encodings, number: int, directions: Float32[np.ndarray, "q d"], *, draws: int = RESAMPLES, seed: int = 0
) -> Driven:
    """An output, by its number, regressed on the images' similarities to some directions, all together."""
    name, cross, activation = _response(encodings, number)
    metric = Metric(encodings.covariance, encodings.images)
    own = np.asarray(metric.joint(cross[None], directions)[0], np.float64)
    similarity = similarities(encodings, directions)
    base = joint_of(similarity, activation[None], np.ones(len(similarity)))[0]
    drawn = [
        own + joint_of(similarity, activation[None], weights)[0] - base
        for weights in resampled_images(encodings, draws, seed)
    ]
    spread = similarity.std(axis=0)
    normal = similarity / np.where(spread > 0, spread, np.inf)
    return Driven(name, own, np.stack(drawn), normal.T @ normal / len(normal))


def _response(encodings: Encodings, number: int) -> tuple[str, Float64[np.ndarray, "d"], Float32[np.ndarray, "m"]]:
    """What is regressed: an output, less the other one where there are two; in its standard deviations."""
    first, name = len(encodings.cross) - len(encodings.outputs), encodings.outputs[number]
    row = first + number
    if len(encodings.outputs) != 2 or encodings.recipe.transforms[-1] != "raw":
        return name, encodings.cross[row].astype(np.float64), encodings.activations[row].astype(np.float32)
    scale = encodings.deviation.astype(np.float64)
    other = first + 1 - number
    difference = scale[row] * encodings.activations[row].astype(np.float64)
    difference -= scale[other] * encodings.activations[other].astype(np.float64)
    spread = float(difference.std())
    cross = scale[row] * encodings.cross[row].astype(np.float64) - scale[other] * encodings.cross[other]
    unit = 1 / spread if spread > 0 else 0.0
    told = f"{name} - {encodings.outputs[1 - number]}"
    return told, cross * unit, (difference * unit).astype(np.float32)


def similarities(encodings: Encodings, directions: Float32[np.ndarray, "q d"]) -> Float64[np.ndarray, "m q"]:
    """Of the images that were kept to some directions, less their mean."""
    similarity = encodings.embeddings.astype(np.float64) @ directions.T.astype(np.float64)
    return similarity - similarity.mean(axis=0)


def resampled_images(encodings: Encodings, draws: int, seed: int) -> Iterator[Float64[np.ndarray, "m"]]:
    """How often each image that was kept is in a bootstrap resample; those that belong together, together."""
    rng = np.random.default_rng(seed)
    _, group = np.unique(encodings.groups, return_inverse=True)
    count = int(group.max()) + 1
    for _ in range(draws):
        yield np.bincount(rng.integers(count, size=count), minlength=count)[group].astype(np.float64)


def joint_of(
    similarities: Float64[np.ndarray, "m q"], activations: Float32[np.ndarray, "n m"], weights: Float64[np.ndarray, "m"]
) -> Float64[np.ndarray, "n q"]:
    """Coefficients of all similarities taken together, each image with a weight: what `Metric.joint` makes of sums."""
    part = weights / weights.sum()
    away = similarities - part @ similarities
    weighted = away * part[:, None]
    cross: Float[np.ndarray, "n q"] = activations @ weighted.astype(np.float32)
    return np.asarray(Metric(weighted.T @ away, len(weights)).joint(cross, np.eye(away.shape[1])), np.float64)
