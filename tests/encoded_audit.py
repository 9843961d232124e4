"""An index with encodings in which it is known what every component and output responds to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from semlens.analysis.audit import SpecProbes
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex, Encodings
from semlens.index.relevance import ClassRelevance
from semlens.numerics import unit
from tests.encoded import encoded
from tests.planted import CONCEPTS, DIMENSION, SPACE, directions, phrases, planted, with_relevance

IMAGES = 600


def presence(chance: float = 0.3, together: Sequence[tuple[int, int]] = (), seed: int = 5) -> np.ndarray:
    """Which image shows which concept; of a pair that goes together the second mostly follows the first."""
    rng = np.random.default_rng(seed)
    shown = rng.random((IMAGES, CONCEPTS)) < chance
    for first, second in together:
        shown[:, second] = np.where(rng.random(IMAGES) < 0.8, shown[:, first], shown[:, second])
    return shown


def encoded_index(
    about: Sequence[Mapping[int, float]],
    shares: Sequence[float],
    *,
    logits: Sequence[Mapping[int, float]] = (),
    shown: np.ndarray | None = None,
    seen: Sequence[int] = tuple(range(CONCEPTS)),
    against: Sequence[float] = (),
) -> ConceptIndex:
    """An index whose component i is the sum of the concepts `about[i]` by their weights, and noise.

    Args:
        shares: relevance of each component for the class "ox".
        logits: the outputs "ox" and "cow" likewise.
        shown: as `presence` gives it.
        seen: concepts that the foundation model sees; the images' embeddings say nothing of others.
        against: what of each component speaks against; a tenth of its share if not given.
    """
    rng, shown = np.random.default_rng(7), presence() if shown is None else shown
    base = directions()
    known = np.zeros(CONCEPTS)
    known[list(seen)] = 1
    embeddings = unit((shown * known) @ base[:-1] + 1.5 * base[-1] + 0.5 * rng.normal(size=(IMAGES, DIMENSION)) / 7)
    weights = np.zeros((len(about) + len(logits), CONCEPTS))
    for row, concepts in enumerate([*about, *logits]):
        weights[row, list(concepts)] = list(concepts.values())
    activations = shown @ weights.T + 0.3 * rng.normal(size=(IMAGES, len(weights)))
    examples: list[tuple[int, ...] | None] = [tuple(concepts)[:1] or None for concepts in about]
    index = with_relevance(planted(examples, k=12), [[share] for share in shares], ("ox",))
    relevance = index.relevance
    assert relevance is not None
    if len(against):
        relevance = replace(relevance, negative=np.array(against, np.float32)[:, None])
    names = ("ox", "cow")[: len(logits)]
    transforms = ("raw", "raw") if logits else ("raw",)
    own = encoded(embeddings, activations, outputs=names, transforms=transforms)
    return replace(index, read_additions={ClassRelevance: lambda: relevance, Encodings: lambda: own})


def asked(concepts: Sequence[int], marks: np.ndarray | None = None, **more: Any) -> SpecProbes:
    """The probes of a spec of these concepts, with unrelated phrases, and with marks where the presence is given."""
    found: Probes = phrases(list(concepts))
    nothing = unit(np.random.default_rng(9).normal(size=(30, DIMENSION)) @ _outside() + 0.7 * directions()[-1])
    unrelated = Probes(tuple(map(str, range(30))), nothing.astype(np.float32), np.repeat(found.nulls[:1], 30, 0), SPACE)
    told = {} if marks is None else {
        f"concept {c}": {f"{i}.png": bool(marks[i, c]) for i in range(IMAGES)} for c in concepts
    }  # fmt: skip
    return replace(
        SpecProbes(found.names, found.vectors, found.nulls, found.foundation, unrelated=unrelated, marks=told), **more
    )


def _outside() -> np.ndarray:
    """Takes out of a vector what any image may show."""
    base = directions()
    return np.eye(DIMENSION) - base.T @ base
