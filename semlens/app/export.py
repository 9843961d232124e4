"""A copy of the page as a folder of files, for papers and reviews: everything that can be known without being asked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import Spec, audit
from semlens.app.answer import Answer, as_json, pack
from semlens.app.asked import Asked, Request
from semlens.app.component import describe
from semlens.app.guard import CONTENT
from semlens.app.judged import spec_tree, told
from semlens.app.pictures import framed, heats
from semlens.app.routes import answer
from semlens.app.server import page_folder
from semlens.app.session import Opened, Session
from semlens.app.stored import labels_if_any, tower_of
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

    Raises SemlensError for a folder that holds anything but such a copy, or an audit that cannot be made.
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
    if session.comparable:
        yield "compare", _settled(session, "compare", progress).body
    for opened in session.opened:
        yield from _columns(session, opened, progress)
        yield f"{opened.number}/audits", json.dumps(_audits(session, opened, specs)).encode()
        yield from _components(session, opened, progress)
        yield from _crops(opened)
        yield from _examples(session, opened, progress)


def _columns(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    number, relevance = opened.number, opened.index.relevance
    for name in ("base", "labels", "scores", "atlas"):
        found = _settled(session, f"{number}/{name}", progress)
        if found.status == 200:
            yield f"{number}/{name}", found.body
    for of, images in zip(relevance.classes, relevance.counts.tolist(), strict=True) if relevance else ():
        if images:
            yield f"{number}/relevance/{of}", _settled(session, f"{number}/relevance/{of}", progress).body
            query = {"class": str(of), "edges": "1"}
            found = _settled(session, f"{number}/graph", progress, query)
            if found.status == 200:
                yield f"{number}/graph/{of}", found.body


def _audits(session: Session, opened: Opened, specs: Sequence[Spec]) -> list[dict[str, Any]]:
    found = []
    for spec in specs:
        probes = probe_spec(tower_of(session, opened), spec)
        made = audit(opened.index, spec, probes, labels=labels_if_any(session, opened))
        found.append({"name": spec.title or made.output, "spec": spec_tree(spec), "audit": told(made, opened)})
    return found


def _components(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    count = len(opened.index.rows)
    asked = Asked(session, Request("GET", ""), {"i": str(opened.number)})
    for start in range(0, count, PER_FILE):
        rows = range(start, min(start + PER_FILE, count))
        yield f"{opened.number}/components/{start // PER_FILE}", as_json([describe(asked, row) for row in rows]).body
        progress("writing components", rows.stop, count)


def _crops(opened: Opened) -> Iterator[tuple[str, bytes]]:
    thumbnails = opened.index.thumbnails
    for start in range(0, len(thumbnails), PER_FILE):
        some = [thumbnails.get(crop) for crop in range(start, min(start + PER_FILE, len(thumbnails)))]
        yield f"{opened.number}/crops/{start // PER_FILE}", pack(joined(some), {})


def _examples(session: Session, opened: Opened, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Whole images and heat maps, where the session has them."""
    index = opened.index
    alive = np.flatnonzero(~index.dead).tolist() if opened.images is not None else []
    for done, row in enumerate(alive, 1):
        slots = np.flatnonzero(index.rows[row] != MISSING).tolist()
        frames = [framed(opened, int(index.ids[row, slot]), int(index.rows[row, slot])) for slot in slots]
        yield f"{opened.number}/frames/{row}", pack(joined(frames), {})
        if opened.model is not None:
            _settled(session, f"{opened.number}/heat/{row}", progress)
            asked = Asked(session, Request("GET", ""), {"i": str(opened.number), "row": str(row)})
            yield f"{opened.number}/heats/{row}", pack(heats(asked), {})
            yield f"{opened.number}/heat/{row}", as_json({"slots": slots}).body
        progress("writing whole images", done, len(alive))


def _settled(session: Session, path: str, progress: Progress, query: Mapping[str, str] | None = None) -> Answer:
    """An answer, waited for. Raises SemlensError if it cannot be given; that there is nothing is an answer."""
    while (found := answer(session, Request("GET", path, query or {}))).status == 202:
        job = json.loads(found.body)
        progress(job["step"], job["done"], job["total"])
        sleep(_WAIT)
    if found.status == 400:
        raise SemlensError(json.loads(found.body)["error"])
    return found


def _write(path: Path, body: bytes) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as fault:
        raise SemlensError(f"cannot write {path}: {fault.strerror}") from fault
    return len(body)


def _check(folder: Path) -> None:
    """Raises SemlensError unless the folder is free, or holds a copy that this one replaces."""
    page = folder / "index.html"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (page.is_file() and MARK in page.read_text("utf-8", "replace")):
        raise SemlensError(f"{folder} holds something else: name a new folder for the site")
