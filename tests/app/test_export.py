"""The page as a folder of files: the same answers, in a browser too."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.numpy import load

from semlens.analysis.audit.spec import check_spec
from semlens.app.export import MARK, PER_FILE, export
from semlens.app.request import Request
from semlens.app.routes import answer
from semlens.app.session import Session, open_session
from semlens.errors import SemlensError
from tests.app.conftest import LAYERS
from tests.app.test_answers import SPEC

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def frozen(stored: Path) -> Iterator[Session]:
    session = open_session([stored], vocabulary=str(stored.parent / "words.txt"), frozen=True)
    yield session
    session.close()


@pytest.fixture(scope="module")
def site(frozen: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "site"
    found = export(frozen, folder, [check_spec(SPEC)])
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert (found.files, found.bytes) == (len(files), sum(file.stat().st_size for file in files))
    return folder


def test_a_copy_can_ask_nothing_new(site: Path) -> None:
    found = json.loads((site / "data" / "session").read_bytes())
    assert found["can"] == {"search": False, "annotate": False, "audit": False, "parquet": False}


def test_the_layers_of_one_index_are_compared_in_it(frozen: Session, site: Path) -> None:
    found = json.loads((site / "data" / "compare").read_bytes())
    assert [side["layers"] for side in found["sides"]] == [["layer0"], ["layer2"]]
    assert found == json.loads(answer(frozen, Request("GET", "compare")).body)


@pytest.mark.parametrize("name", ["base", "labels", "scores", "atlas", "relevance/0", "relevance/1"])
def test_columns_are_what_the_server_answers(frozen: Session, site: Path, name: str) -> None:
    expected = answer(frozen, Request("GET", f"0/{name}"))
    assert (site / "data" / "0" / name).read_bytes() == expected.body


def test_components_and_crops_lie_many_to_a_file(frozen: Session, site: Path) -> None:
    row = PER_FILE + 3
    page = json.loads((site / "data" / "0" / "components" / "1").read_bytes())
    assert page[3] == json.loads(answer(frozen, Request("GET", f"0/component/{row}")).body)
    assert len(page) == sum(LAYERS) - PER_FILE
    packed = load((site / "data" / "0" / "crops" / "2").read_bytes())
    start, stop = packed["offsets"][5:7].tolist()
    assert packed["data"][start:stop].tobytes() == frozen.opened[0].index.thumbnails.get(2 * PER_FILE + 5)


def test_audits_are_made_beforehand(site: Path) -> None:
    (found,) = json.loads((site / "data" / "0" / "audits").read_bytes())
    assert found["spec"] == SPEC
    assert found["audit"]["output"] == "cat"


def test_its_policy_stands_in_the_page(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert MARK in page
    assert "default-src 'none'; script-src 'self'" in page
    assert not list(site.glob("widget*"))


def test_only_a_free_folder_or_an_older_copy_is_written_to(frozen: Session, site: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SemlensError, match="holds something else"):
        export(frozen, tmp_path)
    before = (site / "data" / "0" / "base").read_bytes()
    export(frozen, site, [check_spec(SPEC)])
    assert (site / "data" / "0" / "base").read_bytes() == before


def test_a_browser_shows_the_copy(site: Path, browser: object) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    context = browser.new_context()  # type: ignore[attr-defined]
    try:
        page, faults = context.new_page(), []
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.goto(f"{address}#/m/planted/layer1/5")
        page.get_by_text("layer1:5").first.wait_for()
        crop = page.locator("main .picture img").first
        crop.wait_for()
        assert crop.get_attribute("src").startswith("blob:")
        assert not faults
    finally:
        context.close()
        server.shutdown()
        server.server_close()
