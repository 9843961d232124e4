"""Directions from an index's encodings, held against those that the images themselves give."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from semlens.analysis.probe import Probes
from semlens.correct.phrases import phrase_directions
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, Encodings, given
from semlens.numerics.directions import Moments, patterns
from tests.encoded import encoded
from tests.planted import planted


def an_index(kind: str, pool: str = "mean") -> tuple[ConceptIndex, np.ndarray, np.ndarray]:
    """An index of a layer of that kind with encodings of 80 images; the layer's vectors; and the embeddings."""
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(80, 48))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    vectors = rng.normal(size=(80, 4)) + 3 * embeddings[:, :4]
    acts = np.concatenate([vectors.clip(0), (-vectors).clip(0)], axis=1) if kind == "tokens" else vectors
    index = planted([None] * acts.shape[1], crops=80, layers=(acts.shape[1],))
    space = replace(index.recipe.foundation, dimension=48)
    index = replace(
        index, recipe=replace(index.recipe, foundation=space, pool=pool),
        means=np.zeros((acts.shape[1], 48), np.float16), random=np.zeros((0, 48), np.float16),
        layers=tuple(replace(axis, kind=kind) for axis in index.layers),
    )  # fmt: skip
    return index._with(Encodings, partial(given, encoded(embeddings, acts))), vectors, embeddings


@pytest.mark.parametrize("kind", ["channels", "tokens"])
def test_the_sums_of_encodings_give_what_the_images_give(kind: str) -> None:
    """Of tokens the vectors are the positive parts less the negative parts."""
    index, vectors, embeddings = an_index(kind)
    texts = np.eye(48)[:3].astype(np.float32)
    layer = index.layers[0].layer
    found = phrase_directions(index, _probes(index, texts), layer, ridge=0.1)
    similarity = embeddings @ texts.T
    expected = patterns(Moments.of(vectors, similarity), ridge=0.1) * similarity.std(axis=0)
    np.testing.assert_allclose(found.decoder.numpy().T, expected, atol=1e-4)
    np.testing.assert_allclose(found.encoder.numpy().T @ expected, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(found.centre.numpy(), vectors.mean(axis=0), atol=1e-5)
    assert found.names == ("a", "b", "c")


def test_what_has_no_directions_is_said() -> None:
    index, _, _ = an_index("heads")
    with pytest.raises(SemlensError, match="no axes"):
        phrase_directions(index, _probes(index, np.eye(48)[:3].astype(np.float32)), index.layers[0].layer)
    index, _, _ = an_index("channels", pool="max")
    with pytest.raises(SemlensError, match="no directions"):
        phrase_directions(index, _probes(index, np.eye(48)[:3].astype(np.float32)), index.layers[0].layer)
    with pytest.raises(SemlensError, match="no encodings"):
        phrase_directions(planted([None]), _probes(planted([None]), np.eye(48)[:3].astype(np.float32)), "layer0")


def _probes(index: ConceptIndex, vectors: np.ndarray) -> Probes:
    return Probes(("a", "b", "c"), vectors, np.zeros((3, 48), np.float32), index.recipe.foundation)
