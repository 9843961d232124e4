"""What is asked by encoding, and harder conditions to ask it in: few images, unequal classes, the same patients again,
a foundation model that sees less and less."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from semlens.analysis.audit import Spec, check_spec
from semlens.benchmark.truth import Effects
from semlens.index import ConceptIndex, Encodings, Thumbnails, given
from semlens.numerics import Estimate, unit
from semlens.pipeline import explained
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CONCEPTS, Scene, concept, scenario
from semlens.types import Bool, Float, Float64, FoundationModel, Int32, Int64

FEW = 20
"""Images per class where these are few."""

TIMES = 5
"""How often a patient's picture is there again, a little changed, where images belong together."""

NOISE = (1.0, 2.0, 4.0, 8.0)
"""What is added to the embeddings of a foundation model that sees less, in lengths of their own deviation."""


@dataclass(frozen=True, eq=False)
class Asked:
    """An index by encoding, and the truth about its components."""

    name: str  # of the testbed's classifier
    index: ConceptIndex
    foundation: FoundationModel
    truth: Effects
    scenes: tuple[Scene, ...]  # by image id

    @property
    def planted(self) -> tuple[str, ...]:
        """The shortcuts that are asked about: those that the network, or its twin, was trained on."""
        return CLASSIFIERS[self.name].planted

    @property
    def has_shortcuts(self) -> bool:
        """Whether the network itself was."""
        return bool(scenario(CLASSIFIERS[self.name].population).shortcuts)

    @property
    def responds(self) -> Bool[np.ndarray, "c q"]:
        """Which concepts each component responds to; none, where it is dead in the index."""
        return self.truth.responds & ~self.index.dead[:, None]


@dataclass(frozen=True)
class Figure:
    """One figure: how it is called, with chance and the best there is, NaN where there is none."""

    measure: str
    estimate: Estimate
    chance: float = float("nan")
    oracle: float = float("nan")


RULE = tuple(one.name for one in CONCEPTS if one.letter)
"""The ABCDE rule."""


def spec_of(
    spurious: Sequence[str], output: str = CLASSES[0], valid: Sequence[str] = RULE, **more: Sequence[str]
) -> Spec:
    """Some concepts against others, in all their phrases."""
    sides = {"valid": valid, "spurious": spurious}
    named = {side: [{"name": one, "phrases": concept(one).phrases} for one in own] for side, own in sides.items()}
    return check_spec({"output": output, **named, **more})


def conditions(asked: Asked, harder: Sequence[str]) -> Iterator[tuple[str, Asked]]:
    """All images that were kept, and every harder condition of these names, in words."""
    own = asked.index.encodings
    assert own is not None
    yield f"{len(own.ids)} images", asked
    labels = np.array([CLASSES.index(asked.scenes[i].diagnosis) for i in own.ids.tolist()])
    for name in harder:
        for what, other in HARDER[name](own, labels):
            yield what, replace(asked, index=asked.index._with(Encodings, partial(given, other)))


def again(
    own: Encodings,
    images: Int64[np.ndarray, "m"],
    *,
    embeddings: Float[np.ndarray, "m d"] | None = None,
    activations: Float64[np.ndarray, "a m"] | None = None,
    groups: Int32[np.ndarray, "m"] | None = None,
) -> Encodings:
    """The encodings of some of the images that were kept, by their numbers; a number may stand there twice."""
    e = np.asarray(own.embeddings[images] if embeddings is None else embeddings, np.float64)
    y = own.activations[:, images].astype(np.float64) if activations is None else activations
    y = y - y.mean(axis=1, keepdims=True)
    spread = y.std(axis=1, keepdims=True)
    y = np.divide(y, spread, out=np.zeros_like(y), where=spread > 1e-6)
    away, together = e - e.mean(axis=0), np.arange(len(e), dtype=np.int32) if groups is None else groups
    return replace(
        own,
        recipe=replace(own.recipe, groups="" if groups is None else "patient"),
        images=len(e),
        mean=e.mean(axis=0),
        covariance=away.T @ away / len(e),
        cross=(y @ away / len(e)).astype(np.float32),
        deviation=own.deviation * (spread[:, 0] > 1e-6),
        r2=explained(e.astype(np.float16), y.T, together).astype(np.float32),
        ids=own.ids[images],
        groups=together,
        embeddings=e.astype(np.float16),
        activations=y.astype(np.float16),
        thumbnails=Thumbnails.pack([b""] * len(e)),
    )


def _few(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    some = np.sort(np.concatenate([np.flatnonzero(labels == y)[:FEW] for y in np.unique(labels)]))
    yield f"{FEW} images per class", again(own, some)


def _unequal(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    common = np.flatnonzero(labels == 0)
    some = np.sort(np.concatenate([common, np.flatnonzero(labels == 1)[: len(common) // 19]]))
    yield "one class in 95 % of the images", again(own, some)


def _repeated(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    rng, first = np.random.default_rng(0), np.arange(len(labels) // TIMES)
    images = np.tile(first, TIMES)
    e = noisy(own.embeddings[images].astype(np.float64), 0.1, 1)
    y = own.activations[:, images].astype(np.float64)
    y += 0.1 * rng.normal(size=y.shape)
    of_patients = {"": None, ", permuted as patients": images.astype(np.int32)}
    for how, groups in of_patients.items():
        yield (
            f"{len(first)} patients {TIMES} times{how}",
            again(own, images, embeddings=e, activations=y, groups=groups),
        )


def _blind(own: Encodings, labels: Int64[np.ndarray, "m"]) -> Iterator[tuple[str, Encodings]]:
    images, e = np.arange(len(labels)), own.embeddings.astype(np.float64)
    for step, amount in enumerate(NOISE):
        yield f"embeddings with {amount:g} parts of noise", again(own, images, embeddings=noisy(e, amount, step))


HARDER = {"few": _few, "unequal": _unequal, "repeated": _repeated, "blind": _blind}
"""Conditions in which questions are harder, by name: each gives the encodings of one or more."""


def noisy(e: Float64[np.ndarray, "m d"], amount: float, seed: int) -> Float[np.ndarray, "m d"]:
    """Unit embeddings with so much noise, in lengths of their deviation from their mean."""
    away = np.sqrt(np.square(e - e.mean(axis=0)).sum(axis=1).mean() / e.shape[1])
    return unit(e + amount * away * np.random.default_rng(seed).normal(size=e.shape))
