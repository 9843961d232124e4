"""Searching: how similar every component is to a text or an image."""

import hashlib

from semlens.analysis.probe import Probes, probe, probe_images
from semlens.analysis.search import alignments, baseline
from semlens.app.answer import Answer, Job, NotThere, as_arrays, as_json
from semlens.app.asked import Asked
from semlens.app.session import Opened
from semlens.app.stored import tower_of
from semlens.app.upload import read_image
from semlens.errors import SemlensError
from semlens.types import Progress

IMAGES = 32
"""Images that can be asked for again, by their id."""

LONGEST = 1000
"""Letters of a text, at most."""

_SIDE = 1024  # pixels of an image that a foundation model can make use of


def search(asked: Asked) -> Answer:
    """The similarity of every component to what is asked: `text`, or `image` by its id."""
    session, opened, query = asked.session, asked.opened, asked.request.query
    if "image" in query:
        return _similar(opened, _image_probe(asked, query["image"]))
    text = query.get("text", "").strip()
    if not 0 < len(text) <= LONGEST:
        raise SemlensError(f"ask for a text of 1 to {LONGEST:,} letters")

    def run(progress: Progress) -> Probes:
        return probe(tower_of(session, opened, progress), [text])

    job = Job(opened.number, "tower", "loading the foundation model")
    digest = opened.index.recipe.foundation.digest
    return _similar(opened, session.jobs.get(("probe", digest, text), job, run, wait=1.0))


def keep_image(asked: Asked) -> Answer:
    """An image's vector under an id, for `search`; the image itself is not kept."""
    session, opened = asked.session, asked.opened
    picture = read_image(asked.request.body)
    picture.thumbnail((_SIDE, _SIDE))
    name = hashlib.sha256(asked.request.body).hexdigest()[:16]
    probes = probe_images(tower_of(session, opened), [picture], "an image")
    while len(session.queries) >= IMAGES:
        session.queries.pop(next(iter(session.queries)))
    session.queries[_key(opened, name)] = probes
    return as_json({"id": name})


def _image_probe(asked: Asked, name: str) -> Probes:
    found = asked.session.queries.get(_key(asked.opened, name))
    if found is None:
        raise NotThere("this image was asked for in another session: drop it here again")
    return found


def _key(opened: Opened, name: str) -> str:
    return f"{opened.index.recipe.foundation.digest}/{name}"


def _similar(opened: Opened, probes: Probes) -> Answer:
    found = alignments(opened.index, probes, row_lengths=opened.lengths)
    arrays = {"similarity": found.similarity[:, 0], "alignment": found.alignment[:, 0]}
    return as_arrays(arrays, baseline=float(baseline(opened.index, probes)[0]), probe=probes.names[0])
