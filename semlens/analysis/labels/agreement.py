"""Do labels say what components do on all images? Correlation and average precision over the images of encodings."""

import numpy as np

from semlens.analysis.labels.evaluate import Evaluation, scores_of_measures
from semlens.analysis.labels.labelling import Labels
from semlens.analysis.probe import Probes, check_space, vocabulary_id
from semlens.errors import SemlensError
from semlens.numerics import unit
from semlens.types import MISSING, Float, Float32, Float64, Int64

SHOWN = 0.05
"""The part of the images, those most similar to a phrase, that count as showing it."""

COMPARED = 256
"""Phrases of which the average precision is taken for the rows of a random phrase and of the best one, at most."""


def over_all_images(labels: Labels, vocabulary: Probes, *, seed: int = 0) -> Evaluation:
    """How well labels go with activations over the images that the index keeps with its encodings.

    Correlation in [-1, 1]: Pearson's, of the images' similarity to the label and the activation.
    AUPRC in [0, 1]: average precision with which the activation finds the images that show the label, which are the
    SHOWN most similar ones; chance is SHOWN.

    The foundation model is the one that chose the labels, and by encoding the images are those it chose them on: the
    rows of a random and of the best phrase say what that makes of any phrase.

    Args:
        vocabulary: what the labels were chosen from.

    Source: Oikarinen, Yan and Weng 2025 (arXiv 2506.05774): of the usual measures these two pass their sanity checks.

    Raises:
        SemlensError: an index without encodings, or another vocabulary.
    """
    kept = labels.index.encodings
    if kept is None or len(kept.ids) < 2:
        raise SemlensError("the index holds no encodings: add them with `semlens encode`, or give images (--images)")
    check_space(labels.index, vocabulary)
    if vocabulary_id(vocabulary) != labels.recipe.vocabulary and vocabulary.names != labels.vocabulary:
        raise SemlensError("the labels were chosen from another vocabulary: give theirs")
    c = len(labels.index.rows)
    found = np.where(labels.accepted, labels.ranked[:, 0], MISSING).astype(np.int64)
    similarity = kept.embeddings.astype(np.float32) @ vocabulary.vectors.T
    activations = kept.activations[:c].astype(np.float32)
    measures = {
        "correlation over all images": _correlations(similarity, activations, found),
        "AUPRC over all images": _precisions(similarity, activations, found, seed),
    }
    return Evaluation(scores_of_measures(measures, seed=seed), labels.by)


def _correlations(
    similarity: Float32[np.ndarray, "i v"], activations: Float32[np.ndarray, "c i"], found: Int64[np.ndarray, "c"]
) -> Float64[np.ndarray, "3 c"]:
    """Of the label, of every phrase on average, and of the best; NaN without a label or where nothing varies."""
    about, act = _about_mean(similarity.T), _about_mean(activations)
    table = (act @ about.T).astype(np.float64)
    own = np.take_along_axis(table, np.where(found == MISSING, 0, found)[:, None], axis=1)[:, 0]
    known = (found != MISSING) & act.any(axis=1)
    return np.where(known, np.stack([own, table.mean(axis=1), table.max(axis=1)]), np.nan)


def _precisions(
    similarity: Float32[np.ndarray, "i v"], activations: Float32[np.ndarray, "c i"], found: Int64[np.ndarray, "c"],
    seed: int,
) -> Float64[np.ndarray, "3 c"]:  # fmt: skip
    """The same of average precision; the best is that of COMPARED phrases and the label."""
    i, v = similarity.shape
    shown = np.argpartition(-similarity, max(1, round(SHOWN * i)) - 1, axis=0)[: max(1, round(SHOWN * i))].T
    drawn = np.sort(np.random.default_rng(seed).permutation(v)[:COMPARED])
    precision = np.full((3, len(found)), np.nan)
    for row in np.flatnonzero((found != MISSING) & (np.ptp(activations, axis=1) > 0)):
        ordered = np.sort(activations[row])
        above = i - np.searchsorted(ordered, activations[row], side="left")  # images that excite it as much, or more
        every = average_precisions(above[shown[drawn]])
        own = float(average_precisions(above[shown[found[row]]][None])[0])
        precision[:, row] = own, every.mean(), max(own, every.max())
    return precision


def average_precisions(above: Int64[np.ndarray, "v p"]) -> Float64[np.ndarray, "v"]:
    """Average precision of rankings, by how many items stand as high as each positive one, or higher; ties count
    together."""
    ranked = np.sort(above, axis=1)
    p = ranked.shape[1]
    last = np.concatenate([ranked[:, 1:] != ranked[:, :-1], np.ones((len(ranked), 1), bool)], axis=1)
    places = np.where(last, np.arange(1, p + 1), p + 1)
    positives = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]  # that stand as high, or higher
    return np.asarray((positives / ranked).mean(axis=1))


def _about_mean(rows: Float[np.ndarray, "n i"]) -> Float32[np.ndarray, "n i"]:
    """Unit rows about their mean: the dot product of two is their correlation; zero where nothing varies."""
    away = rows - rows.mean(axis=1, keepdims=True)
    return np.where(np.ptp(rows, axis=1)[:, None] > 0, unit(away), 0).astype(np.float32)
