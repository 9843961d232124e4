"""A copy of the page as a folder of files, for papers and reviews: everything that can be known without being asked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import numpy as np

from semlens.analysis.audit import Spec
from semlens.app.audits import exported
from semlens.app.guard import CONTENT
from semlens.app.request import Answer, Call, Request, pack
from semlens.app.routes import answer
from semlens.app.server import page_folder
from semlens.app.session import Opened, Session
from semlens.errors import SemlensError
from semlens.index import pack as joined
from semlens.types import MISSING, Progress, silent

PER_FILE = 64
"""Components, or crops, in one file: the same number stands in the page's files.ts."""

MARK = '<meta name="semlens-site" content="files" />'
_WAIT = 0.2  # seconds until something that is being computed is asked for again


@dataclass(frozen=True)
class Site:
    """What was written."""

    folder: Path
    files: int
    bytes: int


def export(session: Session, folder: Path, specs: Sequence[Spec] = (), *, progress: Progress = silent) -> Site:
    """Writes the page and its answers to `folder`, to be looked at by any web server.

    Args:
        session: a frozen one.
        specs: audits that the copy shows; it cannot make others.

    Raises:
        SemlensError: the folder holds anything but such a copy, or an audit cannot be made.
    """
    _check(folder)
    written = [_write(folder / name, body) for name, body in _page()]
    for name, body in _answers(session, specs, progress):
        written.append(_write(folder / "data" / name, body))
    return Site(folder, len(written), sum(written))


def _page() -> Iterator[tuple[str, bytes]]:
    """The page's own files. No headers come with a file, so its policy stands in it."""
    policy = CONTENT.replace("frame-ancestors 'none'; ", "")  # which only a header can say
    mark = f'{MARK}\n    <meta http-equiv="Content-Security-Policy" content="{policy}" />'
    for file in sorted(page_folder().iterdir()):
        if file.name == "index.html":
            yield file.name, file.read_text("utf-8").replace("<title>", f"{mark}\n    <title>", 1).encode()
        elif file.is_file() and not file.name.startswith("widget"):
            yield file.name, file.read_bytes()


def _answers(session: Session, specs: Sequence[Spec], progress: Progress) -> Iterator[tuple[str, bytes]]:
    yield "session", _settled(session, "session", progress).body
    if session.comparable or (len(session.opened) == 1 and len(session.opened[0].index.layers) > 1):
        yield "compare", _settled(session, "compare", progress).body
    for opened in session.opened:
        yield from _columns(session, opened, progress)
        audits = exported(Call(session, Request("GET", ""), {"i": str(opened.number)}), specs)
        yield f"{opened.number}/audits", audits.body
        yield from _components(session, opened, progress)
        yield from _crops(opened)
        yield from _kept(opened)
        yield from _examples(session, opened, progress)


def _columns(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    number, relevance = opened.number, opened.index.relevance
    for name in ("base", "labels", "scores", "atlas"):
        column = _settled(session, f"{number}/{name}", progress)
        if column.status == 200:
            yield f"{number}/{name}", column.body
    for target, images in zip(relevance.classes, relevance.counts.tolist(), strict=True) if relevance else ():
        if images:
            yield f"{number}/relevance/{target}", _body(session, f"{number}/relevance/{target}", progress)
            query = {"class": str(target), "edges": "1"}
            graph = _settled(session, f"{number}/graph", progress, query)
            if graph.status == 200:
                yield f"{number}/graph/{target}", graph.body


def _components(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    number, count = opened.number, len(opened.index.rows)
    for start in range(0, count, PER_FILE):
        rows = range(start, min(start + PER_FILE, count))
        records = [_body(session, f"{number}/component/{row}", progress) for row in rows]
        yield f"{number}/components/{start // PER_FILE}", b"[" + b", ".join(records) + b"]"
        progress("writing components", rows.stop, count)


def _crops(opened: Opened) -> Iterator[tuple[str, bytes]]:
    thumbnails = opened.index.thumbnails
    for start in range(0, len(thumbnails), PER_FILE):
        crops = [thumbnails.get(crop) for crop in range(start, min(start + PER_FILE, len(thumbnails)))]
        yield f"{opened.number}/crops/{start // PER_FILE}", pack(joined(crops), {})


def _kept(opened: Opened) -> Iterator[tuple[str, bytes]]:
    """The pictures of levels of activation, an image's under its number."""
    encodings = opened.index.encodings
    if encodings is None:
        return
    shown = set(np.unique(encodings.level_ids(np.flatnonzero(~opened.index.dead).tolist())).tolist()) - {int(MISSING)}
    for part in sorted({image // PER_FILE for image in shown}):
        numbers = range(part * PER_FILE, (part + 1) * PER_FILE)
        pictures = [encodings.thumbnail(image) if image in shown else b"" for image in numbers]
        yield f"{opened.number}/kept/{part}", pack(joined(pictures), {})


def _examples(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Whole images and heat maps, where the session has them."""
    index, number = opened.index, opened.number
    alive = np.flatnonzero(~index.dead).tolist() if opened.images is not None else []
    for done, row in enumerate(alive, 1):
        slots = np.flatnonzero(index.rows[row] != MISSING).tolist()
        frames = [_body(session, f"{number}/frame/{row}/{slot}.webp", progress) for slot in slots]
        yield f"{number}/frames/{row}", pack(joined(frames), {})
        if opened.model is not None:
            heat = _body(session, f"{number}/heat/{row}", progress)
            maps = [_body(session, f"{number}/heat/{row}/{slot}.webp", progress) for slot in json.loads(heat)["slots"]]
            yield f"{number}/heats/{row}", pack(joined(maps), {})
            yield f"{number}/heat/{row}", heat
        progress("writing whole images", done, len(alive))


def _settled(session: Session, path: str, progress: Progress, query: Mapping[str, str] | None = None) -> Answer:
    """An answer, waited for; that there is nothing is an answer.

    Raises:
        SemlensError: it cannot be given.
    """
    while (reply := answer(session, Request("GET", path, query or {}))).status == 202:
        job = json.loads(reply.body)
        progress(job["step"], job["done"], job["total"])
        sleep(_WAIT)
    if reply.status == 400:
        raise SemlensError(json.loads(reply.body)["error"])
    return reply


def _body(session: Session, path: str, progress: Progress) -> bytes:
    """The body of an answer that the copy cannot do without.

    Raises:
        SemlensError: it cannot be given, or there is nothing.
    """
    reply = _settled(session, path, progress)
    if reply.status != 200:
        raise SemlensError(json.loads(reply.body)["error"])
    return reply.body


def _write(path: Path, body: bytes) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as fault:
        raise SemlensError(f"cannot write {path}: {fault.strerror}") from fault
    return len(body)


def _check(folder: Path) -> None:
    """Sees that the folder is free, or holds a copy that this one replaces.

    Raises:
        SemlensError: it holds something else.
    """
    page = folder / "index.html"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (page.is_file() and MARK in page.read_text("utf-8", "replace")):
        raise SemlensError(f"{folder} holds something else: name a new folder for the site")
