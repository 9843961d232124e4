"""Do labels say what components do on all images? Correlation, average precision and overlap over the images of
encodings."""

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
"""Phrases, at most, of which average precision and overlap are taken for the rows of a random and the best phrase."""


def over_all_images(labels: Labels, vocabulary: Probes, *, seed: int = 0) -> Evaluation:
    """How well labels go with activations over the images that the index keeps with its encodings.

    Correlation in [-1, 1]: Pearson's, of the images' similarity to the label and the activation.
    AUPRC in [0, 1]: average precision with which the activation finds the images that show the label, which are the
    SHOWN most similar ones; chance is SHOWN.
    F1, IoU in [0, 1]: overlap of these images with as many that excite the component most, ties together: twice what
    they share by the sum of both, and what they share by what either has. An image on which a component is at its
    minimum does not excite it.

    The foundation model is the one that chose the labels, and by encoding the images are those it chose them on: the
    rows of a random and of the best phrase say what that makes of any phrase.

    Args:
        vocabulary: what the labels were chosen from.

    Source: Oikarinen, Yan and Weng 2025 (arXiv 2506.05774): of the usual measures correlation and AUPRC pass their
    sanity checks; F1 and IoU, of Network Dissection (Bau et al. 2017), are there to compare with.

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
    shown, drawn = _shown(similarity), _drawn(similarity.shape[1], seed)
    measures = {
        "correlation over all images": _correlations(similarity, activations, found),
        "AUPRC over all images": _precisions(shown, drawn, activations, found),
        **_overlaps(shown, drawn, activations, found),
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


def _shown(similarity: Float32[np.ndarray, "i v"]) -> Int64[np.ndarray, "v p"]:
    """The images that show each phrase."""
    p = max(1, round(SHOWN * len(similarity)))
    return np.argpartition(-similarity, p - 1, axis=0)[:p].T


def _drawn(v: int, seed: int) -> Int64[np.ndarray, "r"]:
    """Phrases that stand for any."""
    return np.sort(np.random.default_rng(seed).permutation(v)[:COMPARED])


def _precisions(
    shown: Int64[np.ndarray, "v p"], drawn: Int64[np.ndarray, "r"], activations: Float32[np.ndarray, "c i"],
    found: Int64[np.ndarray, "c"],
) -> Float64[np.ndarray, "3 c"]:  # fmt: skip
    """The same of average precision; the best is that of the phrases drawn and the label."""
    precision = np.full((3, len(found)), np.nan)
    for row in np.flatnonzero((found != MISSING) & (np.ptp(activations, axis=1) > 0)):
        ordered = np.sort(activations[row])
        # images that excite it as much, or more
        above = activations.shape[1] - np.searchsorted(ordered, activations[row], side="left")
        every = average_precisions(above[shown[drawn]])
        own = float(average_precisions(above[shown[found[row]]][None])[0])
        precision[:, row] = own, every.mean(), max(own, every.max())
    return precision


def _overlaps(
    shown: Int64[np.ndarray, "v p"], drawn: Int64[np.ndarray, "r"], activations: Float32[np.ndarray, "c i"],
    found: Int64[np.ndarray, "c"],
) -> dict[str, Float64[np.ndarray, "3 c"]]:  # fmt: skip
    """F1 and IoU of the images that excite a component with those that show a phrase."""
    p, known = shown.shape[1], (found != MISSING) & (np.ptp(activations, axis=1) > 0)
    least = np.partition(activations, -p, axis=1)[:, -p, None]
    excited = (activations >= least) & (activations > activations.min(axis=1, keepdims=True))
    asked = np.concatenate([shown[drawn], shown[np.where(found == MISSING, 0, found)]])
    shows = np.zeros((len(asked), activations.shape[1]), np.float32)
    np.put_along_axis(shows, asked, 1, axis=1)
    both = excited.astype(np.float32) @ shows[: len(drawn)].T
    own = (excited * shows[len(drawn) :]).sum(axis=1)
    hits = np.concatenate([own[:, None], both], axis=1).astype(np.float64)
    sizes = excited.sum(axis=1, keepdims=True) + p
    overlaps = {"F1 over all images": 2 * hits / sizes, "IoU over all images": hits / (sizes - hits)}
    return {
        name: np.where(known, np.stack([of[:, 0], of[:, 1:].mean(axis=1), of.max(axis=1)]), np.nan)
        for name, of in overlaps.items()
    }


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
