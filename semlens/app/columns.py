"""Columns over the components of an index: what is stored, and what is computed once and cached on disk."""

import json
from collections.abc import Callable
from functools import partial

import numpy as np
from platformdirs import user_cache_path

from semlens import __version__
from semlens.analysis import MEASURES, relevance_of, stored_scores
from semlens.app.foundation_proxy import labels_of
from semlens.app.jobs import LONG, Job, Reply
from semlens.app.request import Answer, Call, as_arrays, as_json
from semlens.app.session import Opened
from semlens.index import cached, digest_of
from semlens.types import MISSING, Progress

_METADATA = "metadata"  # the array of a cached file that holds, as JSON, what no array can


def base(call: Call) -> Answer:
    """What a list of components needs."""
    index = call.opened.index
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


def labels(call: Call) -> Answer:
    """The label of every component, and the phrase that fits best."""
    stored = labels_of(call)
    best = np.where(stored.ranked[:, 0] == MISSING, -1, stored.ranked[:, 0])
    used, inverse = np.unique(best[best >= 0], return_inverse=True)
    number = np.full(len(best), -1)  # in `phrases`
    number[best >= 0] = inverse
    arrays = {
        "label": np.where(stored.accepted, number, -1),
        "best": number,
        "alignment": stored.fits[:, 0],
        "p_value": stored.p_value,
        "stability": stored.stability,
    }
    phrases = [stored.vocabulary[phrase] for phrase in used.tolist()]
    return as_arrays(arrays, phrases=phrases, fdr=stored.fdr, method=stored.method, by=stored.by)


def relevance(call: Call) -> Answer:
    """What every component contributes to one class."""
    shares = relevance_of(call.opened.index)
    column = shares.column(call.number("number"))
    return as_arrays({name: getattr(shares, name)[:, column] for name in ("positive", "negative")})


def scores(call: Call) -> Answer:
    """Clarity, polysemanticity and redundancy, and each layer's beside chance."""
    opened, session = call.opened, call.session
    stored = stored_scores(opened.index)
    twin = [session.untrained] if session.untrained else []
    if stored is not None and len(stored.layers) == len(opened.index.layers) and not twin:
        return as_arrays({name: getattr(stored, name) for name in MEASURES}, summary=stored.summary.records())

    def run(progress: Progress) -> Answer:
        folder = str(opened.folder)
        beside = [str(one.folder) for one in twin]
        work = partial(session.analysis.ask, "scores", progress, index=folder, untrained=beside)
        reply = _derived("scores", [opened, *twin], work)
        return as_arrays(reply.arrays, **reply.metadata)

    return session.jobs.get(("scores", opened.number), Job(opened.number, "scores", "measuring"), run, lane=LONG)


def atlas(call: Call) -> Answer:
    """Where every component lies on the map; of two comparable indexes, on one map."""
    session, opened = call.session, call.opened
    drawn = list(session.opened) if session.comparable else [opened]
    stored = opened.index.atlas
    if stored is not None and drawn == [opened]:
        cluster = np.where(stored.cluster == MISSING, -1, stored.cluster)
        arrays = {"x": stored.x, "y": stored.y, "cluster": cluster}
        return as_arrays(arrays, names=stored.labels, drawing=stored.recipe.drawing, by=stored.recipe.by)

    def run(progress: Progress) -> Reply:
        folders = [str(side.folder) for side in drawn]
        return _derived("atlas", drawn, lambda: session.analysis.ask("atlas", progress, indexes=folders))

    key = ("atlas", *(side.number for side in drawn))
    reply = session.jobs.get(key, Job(opened.number, "atlas", "drawing the map"), run, lane=LONG)
    return as_arrays(_places(reply, opened, drawn.index(opened)), **reply.metadata)


def jobs(call: Call) -> Answer:
    """What is being computed."""
    return as_json([vars(job) for job in call.session.jobs.running()])


def _places(reply: Reply, opened: Opened, number: int) -> dict[str, np.ndarray]:
    """An index's share of a map: a place for each of its components."""
    members, count = reply.arrays["number"] == number, len(opened.index.rows)
    rows = reply.arrays["row"][members]
    x, y, cluster = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32), np.full(count, -1)
    x[rows], y[rows], cluster[rows] = (reply.arrays[name][members] for name in ("x", "y", "cluster"))
    return {"x": x, "y": y, "cluster": cluster}


def _derived(what: str, indexes: list[Opened], compute: Callable[[], Reply]) -> Reply:
    """What was computed before for these very indexes by this very version, or is now.

    An index that is looked at does not change: whoever signed off its digest finds the same. So this lies in the user's
    cache folder; `semlens atlas --save` and `semlens score --save` put it into the index.
    """
    recipe = [what, __version__, *(opened.digest for opened in indexes)]
    path = user_cache_path("semlens") / "derived" / f"{digest_of(recipe)}.safetensors"

    def arrays() -> dict[str, np.ndarray]:
        reply = compute()
        return {**reply.arrays, _METADATA: np.frombuffer(json.dumps(reply.metadata).encode(), np.uint8)}

    stored = dict(cached(path, recipe, arrays, optional=True))
    return Reply(stored, json.loads(stored.pop(_METADATA).tobytes()))
