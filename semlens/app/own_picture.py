"""The reader's own picture before the studied model: prediction, components, heat maps, and the prediction without some
of them. The picture was sent to `query.keep_image` before, and is named by its id."""

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np

from semlens.app.jobs import ASKED, OWN_HEAT, Job, Lane, Reply
from semlens.app.query import probes_of, sent
from semlens.app.request import Answer, Call, NotThere, as_arrays, as_json
from semlens.types import Progress

MAX_SIMILAR = 12
"""Images of the index that are like a picture, at most."""

MAX_ROWS = 5_000
"""Components that can be switched off at once."""

_NO_MODEL = "what the model makes of a picture needs the model: start with --model MODEL"
_BLOCK = 65_536  # crops compared at a time


def ready(call: Call) -> Answer:
    """Loads the studied model, so that it is there when a picture comes."""
    session, opened = call.session, call.opened
    if opened.model is None or session.frozen:
        raise NotThere(_NO_MODEL)
    places = {"index": str(opened.folder), "model": opened.model}

    def run(progress: Progress) -> Reply:
        return session.own.ask("ready", progress, **places)

    session.jobs.get(("ready", opened.number), Job(opened.number, "own", "loading the model"), run, wait=0.0)
    return as_json({"ready": True})


def prediction(call: Call) -> Answer:
    """What the studied model predicts, how strongly every component fires, and how much it moved the output: of
    `output`, or of the highest one."""
    reply = _asked(call, "own", "looking at the picture", output=call.asked_number("output"))
    return as_arrays(reply.arrays, **reply.metadata)


def without(call: Call) -> Answer:
    """The logits with the components in `rows` set to another activation: `off`, or as on their `strongest` example."""
    rows, setting = call.rows(MAX_ROWS), call.choice("setting", ("off", "strongest"))
    reply = _asked(call, "without", "predicting without them", rows=rows, setting=setting)
    return as_json({"logits": reply.arrays["logits"].tolist()})


def heat(call: Call) -> Answer:
    """Heat over the picture, a WebP file: where the activation of the component in `row` comes from or, without `row`,
    what moved the `output`."""
    row, output = call.asked_number("row"), call.asked_number("output") or 0
    if row is not None and row >= len(call.opened.index.rows):
        raise NotThere(f"there is no component {row}")
    packed = _asked(call, "own_heat", "computing a heat map", OWN_HEAT, row=row, output=output).arrays
    return Answer(200, "image/webp", packed["data"].tobytes())


def similar(call: Call) -> Answer:
    """The crops of the index that are most like the picture, one of an image."""
    index = call.opened.index
    (vector,) = probes_of(call, _name(call)).vectors
    similarity = np.concatenate(
        [index.vectors[at : at + _BLOCK].astype(np.float32) @ vector for at in range(0, len(index.vectors), _BLOCK)]
        or [np.zeros(0, np.float32)]
    )
    shown: dict[int, dict[str, Any]] = {}
    for crop in np.argsort(-similarity, kind="stable").tolist():
        image = int(index.sources[crop])
        if image not in shown:
            names = {"name": index.images.names[image], "label": index.images.labels[image]}
            shown[image] = {"crop": crop, "image": image, "similarity": float(similarity[crop]), **names}
        if len(shown) == MAX_SIMILAR:
            break
    return as_json(list(shown.values()))


def _asked(call: Call, do: str, step: str, lane: Lane = ASKED, **arguments: Any) -> Reply:
    """What the process of the studied model answers about the picture of the address.

    Raises:
        NotThere: the user did not say which model, or the picture is not kept any more.
        Pending: it is being computed.
    """
    session, opened, name = call.session, call.opened, _name(call)
    if opened.model is None:
        raise NotThere(_NO_MODEL)
    picture = sent(call, name)
    places = {"index": str(opened.folder), "model": opened.model}

    def run(progress: Progress) -> Reply:
        file = BytesIO()
        picture.save(file, "PNG", compress_level=1)
        return session.own.ask(do, progress, picture=b64encode(file.getvalue()).decode(), **places, **arguments)

    key = (do, opened.number, name, *(str(value) for value in arguments.values()))
    return session.jobs.get(key, Job(opened.number, "own", step), run, wait=0.15, lane=lane)


def _name(call: Call) -> str:
    return call.request.query.get("image", "")
