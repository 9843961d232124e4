"""Searching: what every component responds to, or how similar it is to a text or an image."""

import hashlib

from semlens.analysis import Probes, alignments, baseline, choices_of, effects, probe, probe_images, remark
from semlens.app.foundation_proxy import FoundationProxy
from semlens.app.jobs import Job
from semlens.app.request import Answer, Call, NotThere, as_arrays, as_json
from semlens.app.session import Opened
from semlens.app.upload import read_image
from semlens.errors import SemlensError
from semlens.types import Progress

MAX_CHARACTERS = 1000
"""Of a text that is searched for."""

_SIDE = 1024  # pixels of an image that a foundation model can make use of


def search(call: Call) -> Answer:
    """What every component has to do with what is asked: `text`, or `image` by its id."""
    session, opened, query = call.session, call.opened, call.request.query
    if "image" in query:
        return _similarities(opened, _image_probe(call, query["image"]))
    text = query.get("text", "").strip()
    if not 0 < len(text) <= MAX_CHARACTERS:
        raise SemlensError(f"ask for a text of 1 to {MAX_CHARACTERS:,} letters")

    def run(progress: Progress) -> Probes:
        return probe(FoundationProxy(call, progress), [text])

    job = Job(opened.number, "tower", "loading the foundation model")
    digest = opened.index.recipe.foundation.digest
    return _similarities(opened, session.jobs.get(("probe", digest, text), job, run, wait=1.0))


def keep_image(call: Call) -> Answer:
    """An image's vector under an id, for `search`; the image itself is not kept."""
    picture = read_image(call.request.body, choices_of(call.opened.index).get("background", "white"))
    picture.thumbnail((_SIDE, _SIDE))
    name = hashlib.sha256(call.request.body).hexdigest()[:16]
    call.session.image_probes.put(_key(call, name), probe_images(FoundationProxy(call), [picture], "an image"))
    return as_json({"id": name})


def _image_probe(call: Call, name: str) -> Probes:
    probes = call.session.image_probes.get(_key(call, name))
    if probes is None:
        raise NotThere("this image was asked for in another session: drop it here again")
    return probes


def _key(call: Call, name: str) -> str:
    return f"{call.opened.index.recipe.foundation.digest}/{name}"


def _similarities(opened: Opened, probes: Probes) -> Answer:
    aligned = alignments(opened.index, probes, row_lengths=opened.lengths)
    arrays = {"similarity": aligned.similarity[:, 0], "alignment": aligned.alignment[:, 0]}
    told = {"baseline": float(baseline(opened.index, probes)[0]), "by": "examples"}
    if opened.responses is not None:
        found = effects(opened.responses, probes)
        arrays["effect"] = found.effect[:, 0]
        told |= {"by": "encoding", "error": float(found.error[0]), "chance": float(found.chance[0])}
    return as_arrays(arrays, **told, probe=probes.names[0], remark=remark(probes.unknown))
