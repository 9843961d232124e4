"""An index in which it is known what every component responds to over all images, where two concepts go together."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from semlens.analysis.probe import Probes
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex, given
from semlens.numerics.vectors import unit
from tests.encoded import encoded
from tests.planted import CONCEPTS, DIMENSION, SPACE, directions, planted

IMAGES = 600


def shown(seed: int = 3) -> np.ndarray:
    """Which concepts each image shows: each in a quarter of the images, but concept 1 in most that show concept 0."""
    rng = np.random.default_rng(seed)
    shows = rng.random((IMAGES, CONCEPTS)) < 0.25
    shows[:, 1] = np.where(rng.random(IMAGES) < 0.85, shows[:, 0], shows[:, 1])
    return shows


def images(seed: int = 3) -> np.ndarray:
    """Their unit embeddings."""
    rng, base = np.random.default_rng(seed + 1), directions()
    noise = 0.3 * rng.normal(size=(IMAGES, DIMENSION)) / np.sqrt(DIMENSION)
    return unit(shown(seed) @ base[:CONCEPTS] + 1.5 * base[-1] + noise)


def responding(
    about: Sequence[tuple[int, ...] | None], *, noise: float = 0.5, seed: int = 3, groups: np.ndarray | None = None,
    layers: tuple[int, ...] = (), outputs: np.ndarray | None = None, absent: dict[int, int] | None = None,
) -> ConceptIndex:  # fmt: skip
    """An index whose component i responds to the concepts `about[i]`, but for noise; None: to nothing, (): it never
    varies. Its examples show these concepts too, and for concept 0 concept 1."""
    rng, shows = np.random.default_rng(seed + 2), shown(seed)
    y = rng.exponential(noise, (IMAGES, len(about)))
    for component, concepts in enumerate(about):
        if concepts is not None:
            y[:, component] = y[:, component] + shows[:, list(concepts)].sum(axis=1) if concepts else 1.0
    examples = [(0, 1) if concepts == (0,) else concepts or None for concepts in about]
    more = np.empty((IMAGES, 0)) if outputs is None else outputs
    names = tuple(f"class {n}" for n in range(more.shape[1]))
    index = planted(examples, crops=IMAGES, layers=layers, absent=absent)
    transforms = ("raw",) * (len(index.layers) + bool(names))
    encodings = encoded(images(seed), np.hstack([y, more]), outputs=names, transforms=transforms, groups=groups)
    return index._with(Encodings, partial(given, encodings))


def words(concepts: Sequence[int] = range(CONCEPTS)) -> Probes:
    """A probe "concept i" per concept; they share a little, as texts do."""
    base = directions()
    vectors = unit(base[list(concepts)] + 0.2 * base[-1])
    return Probes(tuple(f"concept {c}" for c in concepts), vectors, np.zeros_like(vectors), SPACE)
