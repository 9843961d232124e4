"""Pictures: crops as the index holds them; whole images and heat maps where the user said where those are."""

from io import BytesIO
from typing import Any

from PIL.Image import Image

from semlens.app.jobs import HEAT, Job
from semlens.app.request import AGAIN, ALWAYS, Answer, Call, NotThere, as_json
from semlens.app.session import Opened
from semlens.app.worker import SIDE
from semlens.errors import SemlensError
from semlens.index import Arrays
from semlens.types import MISSING, Progress
from semlens.views.heatmap import outline
from semlens.views.tiles import fit

VERSION_CHARACTERS = 12
"""Characters of an index's digest in the address of a crop."""


def crop(call: Call) -> Answer:
    """A crop's thumbnail."""
    thumbnails, number = call.opened.index.thumbnails, call.number("number")
    return _of_index(call, thumbnails.get(number) if number < len(thumbnails) else b"", f"crop {number}")


def _of_index(call: Call, picture: bytes, what: str) -> Answer:
    """A picture that the index holds.

    Raises:
        NotThere: there is none, or what stands there is no picture.
    """
    if not picture:
        raise NotThere(f"there is no {what}")
    if not (picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"):  # what the index calls one may be anything
        raise NotThere(f"{what} is no WebP file")
    # The next index on this port has other crops of the same numbers: only an address that says of which one holds.
    named = call.request.query.get("v") == call.opened.digest[:VERSION_CHARACTERS]
    return Answer(200, "image/webp", picture, ALWAYS if named else AGAIN)


def kept(call: Call) -> Answer:
    """The thumbnail of a whole image that stands for a level of activation."""
    encodings, number = call.opened.index.encodings, call.number("image")
    picture = encodings.thumbnail(number) if encodings is not None else b""
    return _of_index(call, picture, f"picture of image {number}")


def whole(call: Call) -> Answer:
    """A whole image, small."""
    opened, image = call.opened, call.number("image")
    if image not in range(opened.index.recipe.images.count):
        raise NotThere(f"there is no image {image}")
    return _webp(opened.pictures.get(image) or opened.pictures.put(image, _small(opened, image)))


def frame(call: Call) -> Answer:
    """The whole image of an example, with a frame around what was cut out."""
    opened, slot = call.opened, call.number("slot")
    index, row = opened.index, call.row
    if slot >= index.rows.shape[1] or index.rows[row, slot] == MISSING:
        raise NotThere(f"{index.component(row)} has no example {slot}")
    image, number = int(index.ids[row, slot]), int(index.rows[row, slot])
    key = image, number
    return _webp(opened.pictures.get(key) or opened.pictures.put(key, _framed(opened, image, number)))


def heat(call: Call) -> Answer:
    """Which of a component's examples have a heat map, once they are computed."""
    return as_json({"slots": list(range(len(_heat_maps(call)["offsets"]) - 1))})


def heat_picture(call: Call) -> Answer:
    """An example with relevance over it: what made the component fire."""
    packed, slot = _heat_maps(call), call.number("slot")
    if slot >= len(packed["offsets"]) - 1:
        raise NotThere(f"there is no heat map {slot}")
    start, stop = packed["offsets"][slot : slot + 2].tolist()
    return _webp(packed["data"][start:stop].tobytes())


def removed(call: Call) -> Answer:
    """What every output loses without the component."""
    session, opened, row = call.session, call.opened, call.row
    arguments = {"row": row, **_places(opened)}

    def run(progress: Progress) -> Any:
        return session.model.ask("removed", progress, **arguments).metadata["rows"]

    job = Job(opened.number, "removed", "waiting for its turn")
    rows = session.jobs.get(("removed", opened.number, row), job, run, lane=HEAT)
    names = opened.index.encodings.outputs if opened.index.encodings is not None else ()
    return as_json([one | {"name": names[one["output"]] if names else str(one["output"])} for one in rows])


def _places(opened: Opened) -> dict[str, str]:
    """Where index, model and images are.

    Raises:
        NotThere: the user did not say where model and images are.
    """
    if opened.images is None or opened.model is None:
        raise NotThere("this needs the model and the images: start with --model MODEL --images FOLDER")
    return {"index": str(opened.folder), "model": opened.model, "images": opened.images.source}


def _heat_maps(call: Call) -> Arrays:
    """A component's heat maps, as WebP files end to end.

    Raises:
        NotThere: the user did not say where model and images are.
        Pending: they are being computed.
    """
    session, opened = call.session, call.opened
    if opened.images is None or opened.model is None:
        raise NotThere("heat maps need the model and the images: start with --model MODEL --images FOLDER")
    name = str(opened.index.component(call.row))
    source = opened.images.source
    arguments = {"index": str(opened.folder), "model": opened.model, "images": source, "component": name}

    def run(progress: Progress) -> Arrays:
        return session.model.ask("heat", progress, **arguments).arrays

    return session.jobs.get(
        ("heat", opened.number, name), Job(opened.number, "heat", "waiting for its turn"), run, lane=HEAT
    )


def _webp(picture: bytes) -> Answer:
    return Answer(200, "image/webp", picture)


def _small(opened: Opened, image: int) -> bytes:
    return _encoded(fit(_loaded(opened, image), SIDE))


def _framed(opened: Opened, image: int, crop: int) -> bytes:
    """A whole image with a frame around a crop, as a WebP file."""
    photo = _loaded(opened, image)
    small = fit(photo, SIDE)
    across, down = small.width / photo.width, small.height / photo.height
    left, top, right, bottom = opened.index.boxes[crop].tolist()
    if (left, top, right, bottom) == (0, 0, *photo.size):
        return _encoded(small)
    return _encoded(outline(small, (left * across, top * down, right * across, bottom * down)))


def _loaded(opened: Opened, image: int) -> Image:
    if opened.images is None:
        raise NotThere("whole images are not shown: start with --images FOLDER")
    try:
        return opened.images.load(image)
    except SemlensError as fault:
        raise NotThere(str(fault)) from fault


def _encoded(picture: Image) -> bytes:
    file = BytesIO()
    picture.convert("RGB").save(file, "WEBP", quality=80)
    return file.getvalue()
