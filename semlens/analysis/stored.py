"""Answers that an index keeps: labels, scores and a map, as the records that are stored with it, and back."""

import os
from math import nan

import numpy as np

from semlens.analysis.atlases import Atlas, index_names
from semlens.analysis.labels import ENCODING, Labels, Meaning
from semlens.analysis.scores import MEASURES, LayerScores, Scores, Summary
from semlens.errors import SemlensError
from semlens.index import SCORES, ConceptIndex, StoredAtlas, StoredLabels, StoredMeanings, StoredScores, Summaries
from semlens.types import MISSING


def keep(results: Labels | Scores | Atlas, folder: str | os.PathLike[str]) -> None:
    """Stores labels, scores or an atlas in the `folder` of the index they are of, in place of those kept before.

    Raises:
        SemlensError: the folder does not hold that index, or an atlas is of several; nothing has changed then.
    """
    index = results.indexes[0] if isinstance(results, Atlas) else results.index
    index.add(as_stored(results), folder)


def as_stored(results: Labels | Scores | Atlas) -> StoredLabels | StoredScores | StoredAtlas:
    """The record that an index keeps.

    Raises:
        SemlensError: an atlas of several indexes.
    """
    if isinstance(results, Labels):
        return _of_labels(results)
    return _of_scores(results) if isinstance(results, Scores) else _of_atlas(results)


def stored_labels(index: ConceptIndex) -> Labels | None:
    """The labels that the index keeps, as `label` gave them, None without any; the vocabulary is what they name."""
    kept = index.labels
    if kept is None:
        return None
    arrays = (kept.ranked, kept.alignments, kept.p_value, kept.q_value, kept.stability)
    return Labels(index, kept.phrases, kept.recipe, *arrays, meanings=_meanings(kept))


def stored_scores(index: ConceptIndex) -> Scores | None:
    """The scores that the index keeps, as `score` gave them up to the rounding of float32; None without any."""
    kept = index.scores
    if kept is None:
        return None
    columns = {name: getattr(kept, name).astype(np.float64) for name in SCORES.parts["scores"].tensors}
    layers = tuple(_layer_scores(index, kept, at) for at in range(len(kept.recipe.layers)))
    return Scores(index, **columns, layers=layers, recipe=kept.recipe)


def stored_atlas(index: ConceptIndex) -> Atlas | None:
    """The atlas that the index keeps, as `atlas` gave it, None without any."""
    kept = index.atlas
    if kept is None:
        return None
    row = np.flatnonzero(kept.cluster != MISSING)
    cluster = kept.cluster[row].astype(np.int64)
    return Atlas(
        indexes=(index,),
        models=index_names((index,), [()]),
        index_number=np.zeros(len(row), np.int64),
        row=row,
        x=kept.x[row],
        y=kept.y[row],
        cluster=cluster,
        labels=kept.labels,
        fits=tuple(kept.fits.tolist()),
        sizes=tuple(np.bincount(cluster, minlength=len(kept.labels)).tolist()),
        dead=len(kept.cluster) - len(row),
        recipe=kept.recipe,
    )


def _of_labels(labels: Labels) -> StoredLabels:
    """With the phrases that no component has left out, and the others numbered anew in their order."""
    first = {phrase: number for number, phrase in reversed(list(enumerate(labels.vocabulary)))}
    rows = sorted(labels.meanings)
    pairs = np.array([[first[one.label] for one in labels.meanings[row]] for row in rows], np.int32).reshape(-1, 2)
    given = labels.ranked != MISSING
    named = np.unique(np.concatenate([labels.ranked[given], pairs.ravel()]))
    groups = np.zeros((len(rows), labels.index.rows.shape[1]), np.uint8)
    for at, row in enumerate(rows):
        for number, meaning in enumerate(labels.meanings[row], start=1):
            groups[at, list(meaning.examples)] = number
    fits = np.array([[meaning.score for meaning in labels.meanings[row]] for row in rows], np.float32).reshape(-1, 2)
    return StoredLabels(
        labels.recipe,
        tuple(labels.vocabulary[at] for at in named),
        np.where(given, np.searchsorted(named, labels.ranked), MISSING).astype(np.int32),
        labels.fits,
        labels.p_value,
        labels.q_value,
        labels.stability,
        StoredMeanings(np.array(rows, np.int32), np.searchsorted(named, pairs).astype(np.int32), fits, groups),
    )


def _meanings(kept: StoredLabels) -> dict[int, tuple[Meaning, ...]]:
    it = kept.meanings
    return {
        row: tuple(
            Meaning(
                kept.phrases[phrase],
                score,
                tuple(np.flatnonzero(groups == number).tolist()),
                score / scores[0] if kept.recipe.method == ENCODING else nan,
            )
            for number, (phrase, score) in enumerate(zip(phrases, scores, strict=True), start=1)
        )
        for row, phrases, scores, groups in zip(
            it.rows.tolist(), it.phrases.tolist(), it.scores.tolist(), it.groups, strict=True
        )
    }


def _of_scores(scores: Scores) -> StoredScores:
    columns = {name: getattr(scores, name).astype(np.float32) for name in SCORES.parts["scores"].tensors}
    tables = ([list(vars(getattr(of, name)).values()) for of in scores.layers] for name in MEASURES)
    summaries = Summaries(*(np.array(table, np.float32).reshape(-1, 6) for table in tables))
    return StoredScores(scores.recipe, **columns, summaries=summaries)


def _layer_scores(index: ConceptIndex, kept: StoredScores, at: int) -> LayerScores:
    """A layer's summaries, with what the index itself tells: how many components are dead or incomplete."""
    layer = kept.recipe.layers[at]
    part = index.layer_slice(layer)
    dead, complete = index.dead[part], index.valid[part].all(axis=1)
    rows = {name: Summary(*getattr(kept.summaries, name)[at].tolist()) for name in MEASURES}
    return LayerScores(layer, len(dead), int(dead.sum()), int((~dead & ~complete).sum()), **rows)


def _of_atlas(atlas: Atlas) -> StoredAtlas:
    if len(atlas.indexes) > 1:
        raise SemlensError("an atlas of several indexes cannot be kept in one of them: draw one of that index alone")
    c = len(atlas.indexes[0].rows)
    x, y = np.full(c, np.nan, np.float32), np.full(c, np.nan, np.float32)
    cluster = np.full(c, MISSING, np.int32)
    x[atlas.row], y[atlas.row], cluster[atlas.row] = atlas.x, atlas.y, atlas.cluster
    return StoredAtlas(atlas.recipe, x, y, cluster, atlas.labels, np.array(atlas.fits, np.float32))
