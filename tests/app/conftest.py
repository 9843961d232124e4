"""A server over a small planted index, and a browser to look at it with: what the tests of the app share."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageDraw

from semlens.analysis.ask import ask
from semlens.analysis.atlas import atlas
from semlens.analysis.keep import keep
from semlens.analysis.labels.label import label
from semlens.analysis.probe import cached
from semlens.analysis.score import score
from semlens.app.guard import Policy
from semlens.app.server import create_app
from semlens.app.session import Session, open_session
from semlens.index.index import ConceptIndex, load_index
from semlens.index.records import Thumbnails
from tests.planted import CONCEPTS, SPACE, phrases, planted, with_relevance

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
    """A copy of it that a test may change."""
    return Path(shutil.copytree(stored, tmp_path / "planted"))


@pytest.fixture
def session(folder: Path, stored: Path) -> Iterator[Session]:
    """A session over it, not served."""
    opened = open_session([folder], vocabulary=str(stored.parent / "words.txt"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def running(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over two indexes, planted alike with other components."""
    other = tmp_path_factory.mktemp("app") / "other"
    known(seed=2).save(other)
    session = open_session([stored, other], vocabulary=str(stored.parent / "words.txt"))
    with served(session) as found:
        yield found


@pytest.fixture(scope="module")  # while it is open no other event loop runs in its thread, as other tests need one
def browser() -> Iterator["object"]:
    """Debian's Chromium, without a window. Skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium")
    flags = (
        "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
        "--disable-sync --disable-quic --enable-unsafe-swiftshader"
    )
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=flags.split())
        yield found
        found.close()


@pytest.fixture
def open_page(browser: object, running: Served) -> Iterator[Callable[..., object]]:
    """Opens a view of the page, `open_page("audit")`. The test fails if anything was asked of another place, or if the
    page's policy or a script had a fault."""
    contexts, faults = [], []

    def opened(path: str = "", **options: object) -> object:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)  # type: ignore[attr-defined]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.on("request", lambda asked: _check_inside(asked.url, running.address, faults))
        page.goto(f"{running.address}#/{path}")
        page.locator("main").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    for one in running.session.opened:
        while one.notes is not None and one.notes.last() is not None:
            one.notes.undo()
    assert not faults


def _check_inside(url: str, address: str, faults: list[str]) -> None:
    if not url.startswith((address, "data:", "blob:")):
        faults.append(f"asked {url}")
