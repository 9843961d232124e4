"""A server over a small planted index, and a browser to look at it with: what the tests of the app share."""

import os
import shutil
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageDraw

from semlens.analysis.ask import ask
from semlens.analysis.atlases import atlas
from semlens.analysis.labels.labelling import label
from semlens.analysis.probe import cached
from semlens.analysis.scores import score
from semlens.analysis.stored import keep
from semlens.app.guard import Policy
from semlens.app.jobs import Job, Reply
from semlens.app.notes import FILE
from semlens.app.server import create_app
from semlens.app.session import Session, open_session
from semlens.index.index import ConceptIndex, load_index
from semlens.index.records import Thumbnails
from tests.planted import CONCEPTS, SPACE, phrases, planted, with_relevance

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ViewportSize

LAYERS = (20, 28, 32)
WORDS = tuple(f"concept {number}" for number in range(CONCEPTS))
"""Texts that the foundation model, which exists only in the tests, has been asked before."""


def known(seed: int = 1, count: int = sum(LAYERS)) -> ConceptIndex:
    """An index of three layers: most components show one concept, some none, the last of the first layer is dead."""
    rng = np.random.default_rng(seed)
    about = [(int(c),) if rng.random() < 0.8 else None for c in rng.integers(CONCEPTS, size=count)]
    index = planted(about, k=8, seed=seed, layers=LAYERS, absent={LAYERS[0] - 1: 8})
    index = replace(index, read_thumbnails=lambda: Thumbnails.pack([picture(crop) for crop in range(600)]))
    return with_relevance(index, rng.dirichlet(np.ones(count), size=2).T.tolist(), ("cat", "dog"))


def picture(number: int) -> bytes:
    """A crop that differs from others."""
    image = Image.new("RGB", (96, 64 if number % 2 else 96), (number % 200 + 40, 120, 255 - number % 250))
    ImageDraw.Draw(image).ellipse((20, 10, 60, 50), (255, number % 255, 90))
    file = BytesIO()
    image.save(file, "WEBP", quality=60)
    return file.getvalue()


@dataclass(frozen=True)
class Served:
    """A server that runs, and what it serves."""

    address: str  # "http://127.0.0.1:PORT/"
    session: Session


@contextmanager
def served(session: Session, token: str | None = None) -> Iterator[Served]:
    """A server over a session, in a thread."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    bound.listen()  # who asks before the server has started waits
    port = bound.getsockname()[1]
    app = create_app(session, Policy("127.0.0.1", port, token))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{port}/", session)
    finally:
        server.should_exit = True
        thread.join(10)
        bound.close()
        session.close()


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Caches and data of the tests' own, in which the texts above are answered."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, str(folder / name))
        vectors = dict(zip(WORDS, phrases().vectors, strict=True))
        vectors[""] = phrases().nulls[0]
        cached(SPACE, lambda asked: np.stack([vectors[text] for text in asked]))([*WORDS, ""])
        yield folder


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, own_folders: Path) -> Path:
    """The planted index on disk, with labels, measures and a map."""
    folder = tmp_path_factory.mktemp("app") / "planted"
    known().save(folder)
    index = load_index(folder)
    words = ask(SPACE, WORDS)
    for found in (label(index, words), score(index), atlas(index, vocabulary=words, drawing="principal")):
        keep(found, folder)
    (folder.parent / "words.txt").write_text("\n".join(WORDS))
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change, without what others noted beside it while they served it."""
    return Path(shutil.copytree(stored, tmp_path / "planted", ignore=shutil.ignore_patterns(f"{FILE}*")))


@pytest.fixture
def session(folder: Path, stored: Path) -> Iterator[Session]:
    """A session over it, not served."""
    opened = open_session([folder], vocabulary=str(stored.parent / "words.txt"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def running(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over two indexes, planted alike with other components. What the page's views wait for is computed."""
    other = tmp_path_factory.mktemp("app") / "other"
    known(seed=2).save(other)
    model = ["testbed:shortcut"]  # never loaded: what it would answer is there already
    session = open_session([stored, other], vocabulary=str(stored.parent / "words.txt"), model=model)
    # UMAP takes ten seconds to compile, and no two machines draw alike: the places are those of the principal axes.
    session.jobs.get(("atlas", 0, 1), Job(0, "atlas", "drawing the map"), lambda _: _map(session), wait=60.0)
    for number in (0, 1):
        session.jobs.get(("ready", number), Job(number, "own"), lambda _: Reply({}, {}), wait=60.0)
    with served(session) as server:
        for question in ("0/labels", "0/scores", "0/atlas", "1/labels", "1/scores", "1/atlas"):
            while urllib.request.urlopen(f"{server.address}api/{question}").status == 202:
                time.sleep(0.05)
        yield server


def _map(session: Session) -> Reply:
    """What a worker answers, with other places."""
    drawing = atlas([one.index for one in session.opened], drawing="principal")
    arrays = {"x": drawing.x, "y": drawing.y, "cluster": drawing.cluster}
    arrays |= {"row": drawing.row, "number": drawing.index_number}
    return Reply(arrays, {"names": list(drawing.labels), "drawing": "umap"})


PATIENCE = 60_000
"""Milliseconds until a browser test gives up: on a quiet machine nothing takes more than two seconds."""


@pytest.fixture(scope="module")  # while it is open no other event loop runs in its thread, as other tests need one
def browser() -> Iterator["Browser"]:
    """Debian's Chromium, without a window. Skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium")
    playwright.expect.set_options(timeout=PATIENCE)
    flags = (
        "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
        "--disable-sync --disable-quic --enable-unsafe-swiftshader"
    )
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=flags.split())
        yield chromium
        chromium.close()


class Tab:
    """A tab of the browser, which test after test uses: a new one costs three times what a page in it costs."""

    def __init__(self, browser: "Browser", address: str) -> None:
        self.address, self.nowhere = address, f"{address}icon.svg"
        self.faults: list[str] = []  # what the page asked of another place, or had wrong
        self.pending: set[Any] = set()  # requests on their way
        self.page = browser.new_context(viewport=DESK).new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("console", lambda line: self._read(line.text))
        self.page.on("request", self._sent)
        self.page.on("requestfinished", lambda request: self.pending.discard(request))
        self.page.on("requestfailed", lambda request: self.pending.discard(request))

    def open(
        self,
        path: str = "",
        *,
        permissions: Sequence[str] = (),
        color_scheme: Literal["light", "dark"] = "light",
        reduced_motion: Literal["reduce", "no-preference"] = "no-preference",
    ) -> Any:
        """A view of the page, loaded anew, in a browser that knows nothing of the tests before."""
        if self.page.url != self.nowhere:
            self.leave()
        self.page.context.clear_permissions()
        if permissions:
            self.page.context.grant_permissions(list(permissions))
        self.page.emulate_media(color_scheme=color_scheme, reduced_motion=reduced_motion)
        if self.page.viewport_size != DESK:
            self.page.set_viewport_size(DESK)
        self.page.mouse.move(0, 0)
        self.page.goto(f"{self.address}#/{path}")
        self.page.locator("main").wait_for()
        return self.page

    def leave(self) -> None:
        """Away from the page, to one without scripts at the same place, so that its process is kept."""
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.goto(self.nowhere)
        self.page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        self.pending.clear()

    def settle(self) -> Any:
        """The page, once nothing is on its way any more and what came is drawn."""
        while True:
            self.page.wait_for_function("() => !document.querySelector('.waiting, .dots')")
            self.page.evaluate(FRAMES)
            if not self.pending:
                return self.page

    def close(self) -> None:
        self.page.context.close()

    def _sent(self, request: Any) -> None:
        self.pending.add(request)
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.faults.append(f"asked {request.url}")

    def _read(self, line: str) -> None:
        if "Content Security Policy" in line:
            self.faults.append(line)


DESK: "ViewportSize" = {"width": 1280, "height": 800}
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def tabs(browser: "Browser", running: Served) -> Iterator[list[Tab]]:
    """The module's tab, if there is one yet."""
    opened: list[Tab] = []
    yield opened
    for tab in opened:
        tab.close()


@pytest.fixture
def tab(browser: "Browser", running: Served, tabs: list[Tab], request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab for the views of the page. The test fails if anything was asked of another place, or if the page's policy
    or a script had a fault."""
    if not tabs:
        tabs.append(Tab(browser, running.address))
    (current,) = tabs
    failed = request.session.testsfailed
    yield current
    faults = list(current.faults)
    if faults or request.session.testsfailed > failed:  # perhaps a key is still down
        tabs.remove(current)
        current.close()
    else:
        current.leave()
    for opened in running.session.opened:
        while opened.notes is not None and opened.notes.last() is not None:
            opened.notes.undo()
    assert not faults


@pytest.fixture
def open_page(tab: Tab) -> Callable[..., Any]:
    """Opens a view of the page, `open_page("audit")`, in the tab that the tests share."""
    return tab.open


@pytest.fixture
def settle(tab: Tab) -> Callable[[], Any]:
    """Waits until nothing is on its way to the page any more."""
    return tab.settle
