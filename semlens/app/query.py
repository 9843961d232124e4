"""Searching: what every component responds to, or how similar it is to a text or an image."""

import hashlib

from PIL.Image import Image, Resampling

from semlens.analysis import (
    Probes,
    aligned_baseline,
    alignments,
    baseline,
    choices_of,
    effects,
    probe,
    probe_images,
    remark,
)
from semlens.app.foundation_proxy import FoundationProxy
from semlens.app.jobs import Job
from semlens.app.request import Answer, Call, NotThere, as_arrays, as_json
from semlens.app.session import Opened
from semlens.app.upload import read_image
from semlens.errors import SemlensError
from semlens.types import Progress

MAX_CHARACTERS = 1000
"""Of a text that is searched for."""

MAX_SIDE = 2048
"""Pixels of the longer side of a picture that is kept for the studied model; a larger one is reduced, which is said."""

_SIDE = 1024  # pixels of an image that a foundation model can make use of


def search(call: Call) -> Answer:
    """What every component has to do with what is asked: `text`, or `image` by its id."""
    session, opened, query = call.session, call.opened, call.request.query
    if "image" in query:
        return _similarities(opened, probes_of(call, query["image"]))
    text = query.get("text", "").strip()
    if not 0 < len(text) <= MAX_CHARACTERS:
        raise SemlensError(f"ask for a text of 1 to {MAX_CHARACTERS:,} letters")

    def run(progress: Progress) -> Probes:
        return probe(FoundationProxy(call, progress), [text])

    digest = opened.index.recipe.foundation.digest
    return _similarities(opened, session.jobs.get(("probe", digest, text), _job(call), run, wait=1.0))


def keep_image(call: Call) -> Answer:
    """A picture under an id, for `search` and for the studied model; only while the server runs, and in its memory."""
    picture = read_image(call.request.body, choices_of(call.opened.index).get("background", "white"))
    full = picture.size
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Resampling.LANCZOS)
    name = hashlib.sha256(call.request.body).hexdigest()[:16]
    call.session.sent.put((call.opened.number, name), picture)
    return as_json({"id": name, "width": full[0], "height": full[1], "reduced": picture.size != full})


def sent(call: Call, name: str) -> Image:
    """The picture of an id.

    Raises:
        NotThere: it is not kept any more.
    """
    picture = call.session.sent.get((call.opened.number, name))
    if picture is None:
        raise NotThere("this picture was sent in another session, or too many after it: drop it here again")
    return picture


def probes_of(call: Call, name: str) -> Probes:
    """The vector of a picture that was sent.

    Raises:
        NotThere: it is not kept any more.
        Pending: it is being computed.
    """
    picture = sent(call, name)

    def run(progress: Progress) -> Probes:
        small = picture.copy()
        small.thumbnail((_SIDE, _SIDE))
        return probe_images(FoundationProxy(call, progress), [small], "an image")

    digest = call.opened.index.recipe.foundation.digest
    return call.session.jobs.get(("probe image", call.opened.number, digest, name), _job(call), run, wait=0.15)


def _job(call: Call) -> Job:
    return Job(call.opened.number, "tower", "loading the foundation model")


def _similarities(opened: Opened, probes: Probes) -> Answer:
    aligned = alignments(opened.index, probes, row_lengths=opened.lengths)
    arrays = {"similarity": aligned.similarity[:, 0], "alignment": aligned.alignment[:, 0]}
    told = {
        "baseline": float(baseline(opened.index, probes)[0]),
        "aligned": float(aligned_baseline(opened.index, probes)[0]),
        "by": "examples",
    }
    if opened.responses is not None:
        found = effects(opened.responses, probes)
        arrays["effect"] = found.effect[:, 0]
        told |= {"by": "encoding", "error": float(found.error[0]), "chance": float(found.chance[0])}
    return as_arrays(arrays, **told, probe=probes.names[0], remark=remark(probes.unknown))
