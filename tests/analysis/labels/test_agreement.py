"""Correlation and average precision of labels over all images, held against scipy-free slow twins."""

from dataclasses import replace

import numpy as np
import pytest

from semlens.analysis.labels import SHOWN, label, over_all_images
from semlens.analysis.labels.agreement import _overlaps, average_precisions
from semlens.analysis.probe import Probes
from semlens.errors import SemlensError
from tests.encoded_audit import encoded_index
from tests.planted import phrases, planted


def slow_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """The mean, over the positives, of the share of positives among all that score as high."""
    found = [positive[scores >= scores[at]].mean() for at in np.flatnonzero(positive)]
    return float(np.mean(found))


def slow_f1(a: np.ndarray, b: np.ndarray) -> float:
    """The harmonic mean of precision and recall."""
    shared = (a & b).sum()
    precision, recall = shared / a.sum(), shared / b.sum()
    return float(0 if shared == 0 else 2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_equals_the_slow_twin(ties: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, 50).astype(float) if ties else rng.normal(size=50)
    shown = np.stack([rng.permutation(50)[:7] for _ in range(5)])
    above = (scores[None] >= scores[:, None]).sum(axis=1)
    expected = [slow_precision(scores, np.isin(np.arange(50), some)) for some in shown]
    np.testing.assert_allclose(average_precisions(above[shown]), expected)


def test_labels_are_held_against_the_activations_on_all_images() -> None:
    index, words = encoded_index([{0: 1.0}, {3: 1.0, 4: 0.3}, {}], [1.0] * 3), phrases()
    labels = label(index, words)
    found = over_all_images(labels, words)
    assert (found.by, found.rows.title) == ("encoding", "How faithful the labels by encoding are")
    kept = index.encodings
    assert kept is not None
    similar = kept.embeddings.astype(np.float32) @ words.vectors.T
    top = round(SHOWN * len(similar))
    for row, concept in ((0, 0), (1, 3)):
        activation = kept.activations[row].astype(np.float64)
        table = [float(np.corrcoef(activation, similar[:, v])[0, 1]) for v in range(len(words))]
        values = [found.of("correlation over all images", which).values[row] for which in ("found", "random", "oracle")]
        np.testing.assert_allclose(values, [table[concept], float(np.mean(table)), max(table)], atol=1e-4)
        shown = [np.isin(np.arange(len(similar)), np.argsort(-similar[:, v])[:top]) for v in range(len(words))]
        precise = [slow_precision(activation, one) for one in shown]
        values = [found.of("AUPRC over all images", which).values[row] for which in ("found", "random", "oracle")]
        np.testing.assert_allclose(values, [precise[concept], float(np.mean(precise)), max(precise)], atol=1e-6)
        assert precise[concept] > 2 * SHOWN
        excited = np.isin(np.arange(len(similar)), np.argsort(-activation)[:top])
        for measure, score in (("F1", slow_f1), ("IoU", lambda a, b: float((a & b).sum() / (a | b).sum()))):
            table = [score(excited, one) for one in shown]
            values = [found.of(f"{measure} over all images", of).values[row] for of in ("found", "random", "oracle")]
            np.testing.assert_allclose(values, [table[concept], float(np.mean(table)), max(table)], atol=1e-12)
    assert np.isnan(found.of("AUPRC over all images").values[2])  # it has no label
    assert np.isnan(found.of("correlation over all images").values[2])
    assert (found.of("correlation over all images").mean.n, label(index, words, by="examples").by) == (2, "examples")


def test_images_at_the_minimum_excite_no_component() -> None:
    shown, drawn, found = np.array([[0, 1], [2, 3]]), np.array([0, 1]), np.array([0, 0])
    acts = np.array([[5, 0, 0, 0, 0], [5, 3, 3, 0, 0]], np.float32)  # one image alone fires; three do, of which two tie
    both = _overlaps(shown, drawn, acts, found)
    np.testing.assert_allclose(both["IoU over all images"][0], [1 / 2, 2 / 3])
    np.testing.assert_allclose(both["F1 over all images"][0], [2 / 3, 4 / 5])
    np.testing.assert_allclose(both["IoU over all images"][1:], [[1 / 4, (2 / 3 + 1 / 4) / 2], [1 / 2, 2 / 3]])


def test_it_takes_encodings_and_the_vocabulary_of_the_labels() -> None:
    index, words = encoded_index([{0: 1.0}], [1.0]), phrases()
    labels = label(index, words)
    with pytest.raises(SemlensError, match="another vocabulary"):
        over_all_images(labels, phrases([0, 1]))
    with pytest.raises(SemlensError, match="the index holds no encodings"):
        over_all_images(label(planted([(0,)] * 9), words), words)
    other = Probes(words.names, words.vectors, words.nulls, replace(words.foundation, name="toy:other"))
    with pytest.raises(SemlensError, match="made with toy:planted"):
        over_all_images(labels, other)
