"""All that is known about one component."""

from dataclasses import asdict
from typing import Any

import numpy as np

from semlens.analysis.labels import Labels
from semlens.app.answer import Answer, NotThere, Pending, as_json
from semlens.app.asked import Asked
from semlens.app.session import Opened
from semlens.app.stored import labels_if_any
from semlens.index import ConceptIndex
from semlens.numerics import cosine
from semlens.types import MISSING

NEAR = 12
"""Neighbours that are listed."""

CLASSES = 20
"""Classes whose relevance is listed, at most: those that it speaks most for or against."""


def component(asked: Asked) -> Answer:
    """What a component's page shows."""
    return as_json(describe(asked, asked.row))


def describe(asked: Asked, row: int) -> dict[str, Any]:
    """What is known about the component in a row."""
    opened, index = asked.opened, asked.opened.index
    axis = next(axis for axis in index.layers if axis.start <= row < axis.stop)
    lowest = float(index.lowest[row])
    try:
        labels = labels_if_any(asked.session, opened)
    except (Pending, NotThere):
        labels = None
    return {
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
        "histogram": _histogram(index, row),
        "label": _label(labels, row) if labels else None,
        "relevance": _relevance(index, row),
        "neighbours": _near(opened, opened, row),
        "elsewhere": [near for other in asked.session.opened if asked.session.comparable and other is not opened
                      for near in _near(opened, other, row)],
    }  # fmt: skip


def _examples(index: ConceptIndex, row: int) -> list[dict[str, Any]]:
    found = []
    for slot in np.flatnonzero(index.rows[row] != MISSING).tolist():
        crop, image = int(index.rows[row, slot]), int(index.ids[row, slot])
        found.append(
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
    return found


def _histogram(index: ConceptIndex, row: int) -> dict[str, Any] | None:
    """How often it reaches which activation, without the empty bins at either end."""
    found = index.histogram
    if found is None or not found.counts[row].any():
        return None
    used = np.flatnonzero(found.counts[row])
    first, last = int(used[0]), int(used[-1])
    return {
        "edges": found.edges[first : last + 2].tolist(),
        "counts": found.counts[row, first : last + 1].tolist(),
    }


def _label(labels: Labels, row: int) -> dict[str, Any] | None:
    if labels.ranked[row, 0] == MISSING:
        return None
    found = labels.at(row)
    return {
        "label": found.label,
        "best": labels.best(row),
        "alignment": found.alignment,
        "p_value": found.p_value,
        "stability": found.stability,
        "runners_up": [asdict(one) for one in found.runners_up],
        "meanings": [asdict(one) for one in found.meanings],
        "fdr": labels.fdr,
    }


def _relevance(index: ConceptIndex, row: int) -> list[dict[str, Any]]:
    found = index.relevance
    if found is None:
        return []
    positive, negative, frequency = (getattr(found, name)[row] for name in ("positive", "negative", "frequency"))
    known = np.flatnonzero(found.counts > 0)
    order = known[np.argsort(-np.maximum(positive, negative)[known], kind="stable")][:CLASSES]
    return [
        {
            "class": found.name(at),
            "number": found.classes[at],
            "positive": float(positive[at]),
            "negative": float(negative[at]),
            "frequency": float(frequency[at]),
        }
        for at in order.tolist()
    ]


def _near(of: Opened, among: Opened, row: int) -> list[dict[str, Any]]:
    """The components of an index that are most similar to one, the nearest first."""
    if of.index.dead[row]:
        return []
    near = cosine(among.index.means, of.index.means[row : row + 1])[:, 0]
    near[among.index.dead] = -np.inf
    if of is among:
        near[row] = -np.inf
    order = np.argsort(-near, kind="stable")[:NEAR]
    return [{"row": int(at), "similarity": float(near[at])} for at in order if near[at] > -np.inf]
