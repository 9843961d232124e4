"""Pictures: crops as the index holds them; whole images and heat maps where the user said where those are."""

from functools import lru_cache
from io import BytesIO

from PIL.Image import Image

from semlens.app.answer import AGAIN, ALWAYS, Answer, Job, NotThere, as_json
from semlens.app.asked import Asked
from semlens.app.session import Opened
from semlens.app.worker import SIDE
from semlens.errors import SemlensError
from semlens.index import Arrays
from semlens.types import MISSING, Progress
from semlens.views.heatmap import outline
from semlens.views.tiles import fit

VERSION = 12
"""Letters of an index's digest in the address of a crop."""

_PICTURES = 512  # whole ones that are kept, some 20 MB


def crop(asked: Asked) -> Answer:
    """A crop's thumbnail."""
    thumbnails, number = asked.opened.index.thumbnails, asked.number("number")
    picture = thumbnails.get(number) if number < len(thumbnails) else b""
    if not picture:
        raise NotThere(f"there is no crop {number}")
    if not (picture[:4] == b"RIFF" and picture[8:12] == b"WEBP"):  # what the index calls one may be anything
        raise NotThere(f"crop {number} is no WebP file")
    # The next index on this port has other crops of the same numbers: only an address that says of which one holds.
    named = asked.request.query.get("v") == asked.opened.digest[:VERSION]
    return Answer(200, "image/webp", picture, ALWAYS if named else AGAIN)


def whole(asked: Asked) -> Answer:
    """A whole image, small."""
    opened, image = asked.opened, asked.number("image")
    if image not in range(opened.index.recipe.images.count):
        raise NotThere(f"there is no image {image}")
    return _webp(_whole(opened, image))


def frame(asked: Asked) -> Answer:
    """The whole image of an example, with a frame around what was cut out."""
    opened, slot = asked.opened, asked.number("slot")
    index, row = opened.index, asked.row
    if slot >= index.rows.shape[1] or index.rows[row, slot] == MISSING:
        raise NotThere(f"{index.component(row)} has no example {slot}")
    return _webp(framed(opened, int(index.ids[row, slot]), int(index.rows[row, slot])))


def heat(asked: Asked) -> Answer:
    """Which of a component's examples have a heat map, once they are computed."""
    return as_json({"slots": list(range(len(heats(asked)["offsets"]) - 1))})


def heat_picture(asked: Asked) -> Answer:
    """An example with relevance over it: what made the component fire."""
    packed, slot = heats(asked), asked.number("slot")
    if slot >= len(packed["offsets"]) - 1:
        raise NotThere(f"there is no heat map {slot}")
    start, stop = packed["offsets"][slot : slot + 2].tolist()
    return _webp(packed["data"][start:stop].tobytes())


def heats(asked: Asked) -> Arrays:
    """A component's heat maps, as WebP files end to end. Raises Pending while they are computed."""
    session, opened = asked.session, asked.opened
    if opened.images is None or opened.model is None:
        raise NotThere("heat maps need the model and the images: start with --model MODEL --images FOLDER")
    name = str(opened.index.component(asked.row))
    source = opened.images.source
    what = {"index": str(opened.folder), "model": opened.model, "images": source, "component": name}

    def run(progress: Progress) -> Arrays:
        return session.studied.ask("heat", progress, **what).arrays

    return session.jobs.get(("heat", opened.number, name), Job(opened.number, "heat", "computing heat maps"), run)


def _webp(picture: bytes) -> Answer:
    return Answer(200, "image/webp", picture)


@lru_cache(_PICTURES)
def _whole(opened: Opened, image: int) -> bytes:
    return _encoded(fit(_loaded(opened, image), SIDE))


@lru_cache(_PICTURES)
def framed(opened: Opened, image: int, crop: int) -> bytes:
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
