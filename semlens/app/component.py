"""All that is known about one component."""

from dataclasses import asdict
from typing import Any

import numpy as np

from semlens.analysis import Labels, remark
from semlens.app.foundation_proxy import labels_if_any
from semlens.app.jobs import Pending
from semlens.app.request import Answer, Call, as_json
from semlens.app.session import Opened
from semlens.index import LEVELS, ConceptIndex
from semlens.numerics import cosine
from semlens.types import MISSING

MAX_NEIGHBOURS = 12
"""Of an index, the most similar first."""

MAX_CLASSES = 20
"""Classes whose relevance is listed, at most: those that it speaks most for or against."""


def component(call: Call) -> Answer:
    """What is known about the component in a row."""
    opened, index, row = call.opened, call.opened.index, call.row
    axis = next(axis for axis in index.layers if axis.start <= row < axis.stop)
    lowest = float(index.lowest[row])
    try:
        labels = labels_if_any(call)
    except Pending:
        labels = None
    others = [other for other in call.session.opened if call.session.comparable and other is not opened]
    record = {
        "row": row,
        "component": str(index.component(row)),
        "layer": axis.layer,
        "unit": row - axis.start,
        "kind": axis.kind,
        "name": index.unit_names[row],
        "dead": bool(index.dead[row]),
        "examples": _examples(index, row),
        "images": index.recipe.images.count - index.recipe.images.unreadable,
        "fired": int(index.fired[row]),
        "nan": int(index.nan[row]),
        "lowest": lowest if np.isfinite(lowest) else None,
        "levels": _levels(index, row),
        "histogram": _histogram(index, row),
        "label": _label(labels, row) if labels else None,
        "relevance": _relevance(index, row),
        "neighbours": _neighbours(opened, opened, row),
        "elsewhere": [neighbour for other in others for neighbour in _neighbours(opened, other, row)],
    }
    return as_json(record)


def _examples(index: ConceptIndex, row: int) -> list[dict[str, Any]]:
    examples = []
    for slot in np.flatnonzero(index.rows[row] != MISSING).tolist():
        crop, image = int(index.rows[row, slot]), int(index.ids[row, slot])
        examples.append(
            {
                "crop": crop,
                "image": image,
                "name": index.images.names[image],
                "label": index.images.labels[image],
                "activation": float(index.activations[row, slot]),
                "box": index.boxes[crop].tolist(),
                "whole": index.recipe.crop.kind == "none",
            }
        )
    return examples


def _levels(index: ConceptIndex, row: int) -> list[dict[str, Any]]:
    """Images near some quantiles of its activations, the highest first, beside the strongest: where the index holds
    encodings, and a picture of the image."""
    kept = index.encodings
    if kept is None:
        return []
    (images,) = kept.level_ids([row]).tolist()
    return [
        {"quantile": level, "image": image, "name": index.images.names[image], "label": index.images.labels[image]}
        for level, image in sorted(zip(LEVELS, images, strict=True), reverse=True)
        if image != MISSING and kept.thumbnail(image)
    ]


def _histogram(index: ConceptIndex, row: int) -> dict[str, Any] | None:
    """How often it reaches which activation, without the empty bins at either end."""
    histogram = index.histogram
    if histogram is None or not histogram.counts[row].any():
        return None
    used = np.flatnonzero(histogram.counts[row])
    first, last = int(used[0]), int(used[-1])
    return {
        "edges": histogram.edges[first : last + 2].tolist(),
        "counts": histogram.counts[row, first : last + 1].tolist(),
    }


def _label(labels: Labels, row: int) -> dict[str, Any] | None:
    if labels.ranked[row, 0] == MISSING:
        return None
    label = labels.at(row)
    return {
        "label": label.label,
        "best": labels.best(row),
        "alignment": label.alignment,
        "p_value": label.p_value,
        "stability": label.stability,
        "by": label.by,
        "z": label.z,
        "r2": label.r2,
        "remark": remark(one for one in labels.unknown if one[0] == labels.best(row)),
        "runners_up": [asdict(phrase) for phrase in label.runners_up],
        "meanings": [asdict(meaning) for meaning in label.meanings],
        "fdr": labels.fdr,
    }


def _relevance(index: ConceptIndex, row: int) -> list[dict[str, Any]]:
    relevance = index.relevance
    if relevance is None:
        return []
    positive, negative, frequency = (getattr(relevance, name)[row] for name in ("positive", "negative", "frequency"))
    known = np.flatnonzero(relevance.counts > 0)
    order = known[np.argsort(-np.maximum(positive, negative)[known], kind="stable")][:MAX_CLASSES]
    return [
        {
            "class": relevance.name(column),
            "number": relevance.classes[column],
            "positive": float(positive[column]),
            "negative": float(negative[column]),
            "frequency": float(frequency[column]),
        }
        for column in order.tolist()
    ]


def _neighbours(opened: Opened, among: Opened, row: int) -> list[dict[str, Any]]:
    """The components of an index that are most similar to one, the most similar first."""
    if opened.index.dead[row]:
        return []
    similarity = cosine(among.index.means, opened.index.means[row : row + 1])[:, 0]
    similarity[among.index.dead] = -np.inf
    if opened is among:
        similarity[row] = -np.inf
    order = np.argsort(-similarity, kind="stable")[:MAX_NEIGHBOURS]
    return [{"row": int(n), "similarity": float(similarity[n])} for n in order if similarity[n] > -np.inf]
