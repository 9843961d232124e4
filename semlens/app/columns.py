"""Columns over the components of an index: what is stored, and what is computed once and kept for the next time."""

import json
from collections.abc import Callable

import numpy as np
from platformdirs import user_cache_path

from semlens import __version__
from semlens.analysis.keep import stored_scores
from semlens.analysis.outputs import relevance_of
from semlens.analysis.score import MEASURES
from semlens.app.answer import Answer, Job, as_arrays, as_json
from semlens.app.asked import Asked
from semlens.app.session import Opened
from semlens.app.stored import labels_of
from semlens.app.workers import Reply
from semlens.index import cached, digest_of
from semlens.types import MISSING, Progress

_TOLD = "told"  # the array of a cached file that holds, as JSON, what no array can


def base(asked: Asked) -> Answer:
    """What a list of components needs."""
    index = asked.opened.index
    layer = np.repeat(np.arange(len(index.layers)), [axis.components for axis in index.layers])
    first = np.where(index.valid.any(axis=1), index.rows[np.arange(len(index.rows)), index.valid.argmax(axis=1)], -1)
    readable = max(1, index.recipe.images.count - index.recipe.images.unreadable)
    strongest = index.activations.max(axis=1, initial=-np.inf)
    arrays = {
        "layer": layer,
        "dead": index.dead.astype(np.uint8),
        "crop": first,
        "examples": index.valid.sum(axis=1),
        "fired": (index.fired / readable).astype(np.float32),
        "strongest": np.where(np.isfinite(strongest), strongest, np.nan),
    }
    return as_arrays(arrays, names=[[row, name] for row, name in enumerate(index.unit_names) if name])


def labels(asked: Asked) -> Answer:
    """The label of every component, and the phrase that fits best."""
    found = labels_of(asked.session, asked.opened)
    best = np.where(found.ranked[:, 0] == MISSING, -1, found.ranked[:, 0])
    used, number = np.unique(best[best >= 0], return_inverse=True)
    at = np.full(len(best), -1)
    at[best >= 0] = number
    arrays = {
        "label": np.where(found.accepted, at, -1),
        "best": at,
        "alignment": found.margin_over_chance[:, 0],
        "p_value": found.p_value,
        "stability": found.stability,
    }
    phrases = [found.vocabulary[phrase] for phrase in used.tolist()]
    return as_arrays(arrays, phrases=phrases, fdr=found.fdr, method=found.method)


def relevance(asked: Asked) -> Answer:
    """What every component contributes to one class."""
    found = relevance_of(asked.opened.index)
    column = found.column(asked.number("number"))
    return as_arrays({name: getattr(found, name)[:, column] for name in ("positive", "negative")})


def scores(asked: Asked) -> Answer:
    """Clarity, polysemanticity and redundancy, and each layer's beside chance."""
    opened, session = asked.opened, asked.session
    stored = stored_scores(opened.index)
    if stored is not None and len(stored.layers) == len(opened.index.layers):
        return as_arrays({name: getattr(stored, name) for name in MEASURES}, summary=stored.summary.records())

    def run(progress: Progress) -> Answer:
        reply = _kept("scores", [opened], lambda: session.maths.ask("scores", progress, index=str(opened.folder)))
        return as_arrays(reply.arrays, **reply.told)

    return session.jobs.get(("scores", opened.number), Job(opened.number, "scores", "measuring"), run)


def atlas(asked: Asked) -> Answer:
    """Where every component lies on the map; of two comparable indexes, on one map."""
    session, opened = asked.session, asked.opened
    drawn = list(session.opened) if session.comparable else [opened]
    stored = opened.index.atlas
    if stored is not None and drawn == [opened]:
        cluster = np.where(stored.cluster == MISSING, -1, stored.cluster)
        arrays = {"x": stored.x, "y": stored.y, "cluster": cluster}
        return as_arrays(arrays, names=stored.labels, drawing=stored.recipe.drawing)

    def run(progress: Progress) -> Reply:
        folders = [str(one.folder) for one in drawn]
        return _kept("atlas", drawn, lambda: session.maths.ask("atlas", progress, indexes=folders))

    key = ("atlas", *(one.number for one in drawn))
    found = session.jobs.get(key, Job(opened.number, "atlas", "drawing the map"), run)
    return as_arrays(_part(found, opened, drawn.index(opened)), **found.told)


def jobs(asked: Asked) -> Answer:
    """What is being computed."""
    return as_json([vars(job) for job in asked.session.jobs.running()])


def _part(found: Reply, opened: Opened, number: int) -> dict[str, np.ndarray]:
    """An index's own part of a map: a place for each of its components."""
    mine = found.arrays["number"] == number
    rows, count = found.arrays["row"][mine], len(opened.index.rows)
    x, y, cluster = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32), np.full(count, -1)
    x[rows], y[rows], cluster[rows] = (found.arrays[name][mine] for name in ("x", "y", "cluster"))
    return {"x": x, "y": y, "cluster": cluster}


def _kept(what: str, of: list[Opened], compute: Callable[[], Reply]) -> Reply:
    """What was computed before for these very indexes by this very version, or is now.

    An index that is looked at does not change: whoever signed off its digest finds the same. So this lies in the user's
    cache folder; `semlens atlas --save` and `semlens score --save` put it into the index.
    """
    recipe = [what, __version__, *(one.digest for one in of)]
    path = user_cache_path("semlens") / "derived" / f"{digest_of(recipe)}.safetensors"

    def arrays() -> dict[str, np.ndarray]:
        reply = compute()
        return {**reply.arrays, _TOLD: np.frombuffer(json.dumps(reply.told).encode(), np.uint8)}

    stored = dict(cached(path, recipe, arrays, optional=True))
    return Reply(stored, json.loads(stored.pop(_TOLD).tobytes()))
