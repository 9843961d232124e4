"""The whole server, on a socket, against those whom SECURITY.md names: other pages, other users, a hostile index."""

import json
import logging
import os
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from semlens.analysis.audit.spec import _Loader, read_spec
from semlens.app import server
from semlens.app.guard import CONTENT, Policy, fresh_token
from semlens.app.notes import _SCHEMA, FILE
from semlens.app.request import Request
from semlens.app.routes import _ROUTES, answer
from semlens.app.session import Session, open_session
from semlens.errors import SemlensError
from semlens.index.index import load_index
from semlens.index.records import ImageTable, Thumbnails
from semlens.index.relevance import ClassRelevance
from semlens.types import LayerAxis
from tests.app.conftest import LAYERS, WORDS, Served, known, picture, served
from tests.app.test_guard import EXPECTED, Answered
from tests.app.test_upload import PIXELS_TO_COME, png
from tests.tiny_index import forge

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`${1}"
OWN = ("Sec-Fetch-Site: same-origin",)
SPEC = {"output": 0, "valid": ["concept 0"], "spurious": [SCRIPT]}
NUMBERS = {"i": "0", "row": "3", "number": "0", "image": "0", "slot": "0"}
QUERY = {"{i}/search": "?text=concept+1", "{i}/graph": "?class=0", "compare": "?a=layer0&b=layer1"}

Call = Callable[..., Answered]


def hostile(folder: Path) -> None:
    """An index in which every text that its author chooses is a script, and a crop that is a page."""
    index = known()
    count = index.recipe.images.count
    table = ImageTable((SCRIPT, *(f"{n}{SCRIPT}" for n in range(1, count))), (SCRIPT,) * count, (None,) * count)
    crops = [b"<!doctype html>" + SCRIPT.encode(), *(picture(number) for number in range(1, 600))]
    first, *others = index.layers
    relevance = index.relevance
    assert isinstance(relevance, ClassRelevance)
    index = replace(
        index,
        layers=(LayerAxis(SCRIPT, first.kind, first.start, first.stop), *others),
        recipe=replace(
            index.recipe,
            model=replace(index.recipe.model, name=SCRIPT),
            images=replace(index.recipe.images, source=SCRIPT),
        ),
        read_images=lambda: table,
        read_unit_names=lambda: tuple(SCRIPT if row % 2 else None for row in range(sum(LAYERS))),
        read_thumbnails=lambda: Thumbnails.pack(crops),
        read_additions={ClassRelevance: lambda: replace(relevance, class_names=(SCRIPT, "dog"))},
    )
    index.save(folder)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, own_folders: Path) -> Iterator[Served]:
    """A server over the hostile index, without a token: what is asserted here holds behind the door."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile(folder / "index")
    (folder / "words.txt").write_text("\n".join(WORDS))
    with served(open_session([folder / "index"], vocabulary=str(folder / "words.txt"))) as found:
        yield found


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    """An index without notes, which a test may spoil."""
    return Path(shutil.copytree(stored, tmp_path / "planted", ignore=shutil.ignore_patterns(f"{FILE}*")))


@pytest.fixture
def call(target: Served) -> Call:
    """Sends a request to it as its own page would, and returns the answer."""
    return caller(target)


def caller(target: Served) -> Call:
    host = target.address.split("/")[2]

    def sent(method: str, path: str | bytes, body: bytes = b"", headers: tuple[str, ...] = OWN) -> Answered:
        return answered(host, method, path, f"Host: {host}", f"Content-Length: {len(body)}", *headers, body=body)

    return sent


def answered(host: str, method: str, path: str | bytes, *headers: str, body: bytes = b"") -> Answered:
    """What comes back for exactly this."""
    path = path if isinstance(path, bytes) else path.encode()
    head = b" ".join([method.encode(), path, b"HTTP/1.1\r\n"]) + "\r\n".join([*headers, "", ""]).encode()
    with connected(host) as line:
        line.sendall(head + body)
        return received(line)


def connected(host: str) -> socket.socket:
    """A line to a server that may not listen yet."""
    name, port = host.split(":")
    for _ in range(200):
        try:
            return socket.create_connection((name, int(port)), timeout=60)
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("the server does not start")


def received(line: socket.socket) -> Answered:
    """One answer. The line is not closed for it: a browser's would not be."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65536)
        assert piece, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    length = int(dict(headers).get("content-length", "0"))
    while len(body) < length:
        body += line.recv(65536)
    return Answered(int(first.split()[1]), headers, body)


def settled(call: Call, method: str, path: str, body: bytes = b"") -> Answered:
    """The answer, once it is computed."""
    for _ in range(600):
        found = call(method, path, body)
        if found.status != 202:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} is still being computed")


def sentence(answer: Answered) -> str:
    """What is wrong, in one line that shows neither a traceback nor a file of ours."""
    said = json.loads(answer.body)["error"]
    assert isinstance(said, str)
    assert 5 < len(said) < 500
    assert not re.search(r"\n|Traceback|File \"|\.py\b|0x[0-9a-f]{6}", said)
    return said


def check_headers(answer: Answered) -> None:
    sandboxed = answer.all("content-type")[:1] == ["text/html; charset=utf-8"] and answer.all("content-disposition")
    policies = ["sandbox", CONTENT] if sandboxed else [CONTENT]
    expected = {name: [value] for name, value in EXPECTED.items()} | {"content-security-policy": policies}
    assert {name: answer.all(name) for name in EXPECTED} == expected
    assert len(answer.all("cache-control")) == 1
    assert not [name for name, _ in answer.headers if name.startswith("access-control") or name == "set-cookie"]


# Every address


MEDIA = ("application/json", "application/octet-stream", "image/webp", "text/html; charset=utf-8", "application/yaml",
         "application/vnd.apache.parquet")  # fmt: skip
BODIES = {
    "spec/read": json.dumps(SPEC).encode(),
    "spec/write": json.dumps({"spec": SPEC, "verdicts": [SCRIPT]}).encode(),
    "{i}/audit": json.dumps({"spec": SPEC}).encode(),
    "{i}/report": json.dumps({"spec": SPEC}).encode(),
    "{i}/specs": json.dumps({"spec": SPEC, "name": SCRIPT}).encode(),
    "{i}/annotations": json.dumps({"row": 3, "note": SCRIPT}).encode(),
    "{i}/annotations/undo": b"{}",
    "{i}/table.parquet": json.dumps({"name": SCRIPT, "columns": {SCRIPT: [SCRIPT]}}).encode(),
    "{i}/image": b"no image",
}
ADDRESSES = [(method, pattern) for method, pattern, _ in _ROUTES]


@pytest.mark.parametrize(("method", "pattern"), ADDRESSES)
def test_every_address_answers_with_the_headers(call: Call, method: str, pattern: str) -> None:
    address = f"/api/{pattern.format(**NUMBERS)}{QUERY.get(pattern, '')}"
    answer = call(method, address, BODIES.get(pattern, b""))
    check_headers(answer)
    assert answer.status in (200, 202, 400, 404)
    (media,) = answer.all("content-type")
    assert media in MEDIA
    if media.startswith(("text", "application/yaml")):  # a browser never shows these, it saves them
        assert answer.all("content-disposition")[0].startswith("attachment; ")


@pytest.mark.parametrize("file", sorted(os.listdir(server.page_folder())))
def test_every_file_of_the_page_has_the_headers(call: Call, file: str) -> None:
    answer = call("GET", f"/{file}")
    check_headers(answer)
    assert (answer.status, answer.all("cache-control")) == (200, ["no-cache"])
    (media,) = answer.all("content-type")
    scripts = ("text/javascript", "application/javascript")
    wanted = {".html": ("text/html",), ".js": scripts, ".css": ("text/css",), ".svg": ("image/svg+xml",)}
    assert media.startswith(wanted.get(Path(file).suffix, ("",)))
    etag = answer.all("etag")[0]
    again = call("GET", f"/{file}", headers=(*OWN, f"If-None-Match: {etag}"))
    check_headers(again)
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "address", ["/nothing", "/api", "/api/", "/api/nothing", "/docs", "/openapi.json", "/.git/config"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_where_nothing_is_the_headers_are(call: Call, address: str, method: str) -> None:
    answer = call(method, address)
    check_headers(answer)
    assert answer.status in (404, 405)


# Other pages


@pytest.mark.parametrize(("method", "pattern"), ADDRESSES)
def test_every_address_is_closed_to_other_pages(target: Served, method: str, pattern: str) -> None:
    host, body = target.address.split("/")[2], BODIES.get(pattern, b"")
    port = host.split(":")[1]

    def status(*headers: str) -> int:
        length = f"Content-Length: {len(body)}"
        return answered(host, method, f"/api/{pattern.format(**NUMBERS)}", length, *headers, body=body).status

    own = f"Host: {host}"
    assert status(own, "Sec-Fetch-Site: cross-site") == 403
    assert status(own, "Sec-Fetch-Site: same-site") == 403
    assert status(own, "Origin: http://evil.com") == 403
    assert status(own, "Origin: null") == 403
    assert status(f"Host: evil.com:{port}", "Sec-Fetch-Site: same-origin") == 400
    assert status(f"Host: localhost.evil.com:{port}", f"Origin: http://localhost.evil.com:{port}") == 400
    if method == "POST":
        assert status(own) == 403


@pytest.mark.parametrize("hosts", [(), ("Host: localhost", "Host: evil.com")])
def test_a_request_without_one_host_is_refused(target: Served, hosts: tuple[str, ...]) -> None:
    with connected(target.address.split("/")[2]) as line:
        line.sendall("\r\n".join(["GET / HTTP/1.1", *hosts, "", ""]).encode())
        assert line.recv(100).startswith(b"HTTP/1.1 400")


def test_a_header_without_end_is_not_read_to_its_end(target: Served) -> None:
    with connected(target.address.split("/")[2]) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000)
        assert line.recv(100).startswith(b"HTTP/1.1 400")


# Other users: the command itself


def test_the_token_is_asked_for_and_never_logged(folder: Path, tmp_path: Path) -> None:
    """The command as a user starts it."""
    command = [sys.executable, "-m", "semlens", "serve", str(folder), "--port", "0", "--no-browser"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        printed = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=([A-Za-z0-9_-]{43})\s", printed)
        assert found, printed
        host, token = f"127.0.0.1:{found[1]}", found[2]

        def get(path: str, *headers: str) -> Answered:
            return answered(host, "GET", path, f"Host: {host}", *headers)

        assert get("/").status == get("/api/session").status == get("/app.js").status == get("/?token=x").status == 401
        visit = get(f"/?token={token}")
        assert (visit.status, visit.all("location")) == (303, ["/"])
        cookie = visit.all("set-cookie")[0].split(";")[0]
        page = get("/", f"Cookie: {cookie}")
        assert (page.status, page.all("server")) == (200, [])
        assert get("/api/session", f"Cookie: {cookie}").status == 200
        assert get("/api/session", f"Authorization: Bearer {token}").status == 200
        assert get(f"/api/session?token={token}").status == 401
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[0]
    assert token not in rest + (tmp_path / "log").read_text()


def test_a_link_of_another_site_opens_the_page(session: Session, browser: Any) -> None:
    """A terminal that is a web page itself: with a mere redirect the browser would keep the strict cookie back."""
    token = fresh_token()
    with served(session, token) as found:
        page = browser.new_page()
        page.goto("data:text/html,<a id=go>go</a>")
        page.evaluate("address => { document.getElementById('go').href = address }", f"{found.address}?token={token}")
        page.click("#go")
        page.get_by_role("main").wait_for(timeout=30_000)
        cookie = next(one for one in page.context.cookies() if one["value"] == token)
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
        assert page.url.split("#")[0] == found.address
        assert token not in page.evaluate("document.cookie + location.href + document.referrer")
        page.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "gpu-01", ""])
def test_other_machines_need_the_token(host: str) -> None:
    with pytest.raises(SemlensError, match="needs a token"):
        Policy(host, 8765, None)


# Files


SECRET = "the secret of another folder"
TRAVERSALS = [
    b"/../secret.txt", b"/../../secret.txt", b"/%2e%2e/secret.txt", b"/%2E%2E%2Fsecret.txt", b"/..%2fsecret.txt",
    b"/..%2Fsecret.txt", b"/%2e%2e%2fsecret.txt", b"/..\\secret.txt", b"/..%5csecret.txt", b"/%252e%252e/secret.txt",
    b"/..%c0%afsecret.txt", b"/%c0%ae%c0%ae/secret.txt", b"/....//secret.txt", b"/./../secret.txt", b"/;/../secret.txt",
    b"//secret.txt", b"/%00/../secret.txt", b"/..%00/secret.txt", b"/%00", b"/index.html%00.js", b"/\xff", b"/%ff",
    b"/sub/../../secret.txt", b"/sub/%2e%2e/%2e%2e/secret.txt", b"/..", b"/../", b"/%2e%2e", b"/...",
    b"/link.txt", b"/links/secret.txt", b"/ABSOLUTE", b"//ABSOLUTE", b"/%2fABSOLUTE", b"/file:ABSOLUTE",
    b"/C:/Windows/win.ini", b"/C%3a%5cWindows%5cwin.ini", b"/\\\\host\\share", b"/" + b"a" * 30_000,
    b"/" + b"../" * 9_000,
    b"/api/../secret.txt", b"/api/%2e%2e/secret.txt", b"/api/0/crop/../../../../secret.txt",
    b"/api/0/crop/..%2f..%2fsecret.txt.webp", b"/api/0/crop/%00.webp", b"/api/0/whole/..%2f..%2fsecret.txt.webp",
    b"/api/0/../../secret.txt", b"/api//etc/passwd", b"/api/0/crop/ABSOLUTE", b"/api/0/crop/ABSOLUTE.webp",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS, ids=lambda path: repr(path[:40]))
def test_no_path_leads_out_of_the_page(path: bytes, outside: Served) -> None:
    absolute = str(outside.session.opened[0].folder.parent / "secret.txt").encode()
    answer = caller(outside)("GET", path.replace(b"/ABSOLUTE", absolute).replace(b"ABSOLUTE", absolute))
    assert SECRET.encode() not in answer.body
    assert answer.status in (400, 404)


def test_the_page_beside_which_the_secret_lies_is_served(outside: Served) -> None:
    call = caller(outside)
    assert (call("GET", "/").body, call("GET", "/sub/page.js").body) == (b"page", b"more")


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory, stored: Path) -> Iterator[Served]:
    """A server whose page lies beside a secret and an index, with links to the secret."""
    here = tmp_path_factory.mktemp("outside")
    page = here / "page"
    (page / "sub").mkdir(parents=True)
    (page / "index.html").write_text("page")
    (page / "sub/page.js").write_text("more")
    (here / "secret.txt").write_text(SECRET)
    (page / "link.txt").symlink_to(here / "secret.txt")
    (page / "links").symlink_to(here)
    shutil.copytree(stored, here / "index", ignore=shutil.ignore_patterns(f"{FILE}*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "page_folder", lambda: page)
        with served(open_session([here / "index"])) as found:
            yield found


# A hostile index


def test_its_texts_arrive_as_texts(call: Call) -> None:
    """As JSON or as metadata of arrays: to be shown as text by the page, and never by the browser as a page."""
    session = json.loads(call("GET", "/api/session").body)["indexes"][0]
    assert (session["model"], session["images"]["source"], session["layers"][0]["layer"]) == (SCRIPT, SCRIPT, SCRIPT)
    assert session["classes"][0]["name"] == SCRIPT
    found = json.loads(call("GET", "/api/0/component/3").body)
    assert (found["component"], found["name"]) == (f"{SCRIPT}:3", SCRIPT)
    assert {one["class"] for one in found["relevance"]} == {SCRIPT, "dog"}
    assert found["examples"][0]["label"] == SCRIPT
    assert found["examples"][0]["name"].endswith(SCRIPT)


@pytest.mark.parametrize("view", ["", "table", "graph?class=0", "about", f"m/index/{quote(SCRIPT, safe='')}/3"])
def test_its_texts_are_shown_as_texts(target: Served, browser: Any, view: str) -> None:
    """In a browser: nothing pops up, nothing is built of them, and the content policy has nothing to forbid."""
    page = browser.new_page()
    faults: list[str] = []

    def popped_up(dialog: Any) -> None:
        faults.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", popped_up)
    page.on("console", lambda line: faults.extend([line.text] if "Content Security Policy" in line.text else []))
    page.goto(f"{target.address}#/{view}")
    page.get_by_text("<script>alert(1)", exact=False).first.wait_for(state="attached", timeout=30_000)
    page.wait_for_timeout(300)
    built = page.locator("img[src=x], [onerror], script:not([src])").count()
    page.close()
    assert (built, faults) == (0, [])


def test_its_crop_that_is_a_page_is_not_served(call: Call) -> None:
    answer = call("GET", "/api/0/crop/0.webp")
    assert (answer.status, sentence(answer)) == (404, "crop 0 is no WebP file")
    assert call("GET", "/api/0/crop/1.webp").all("content-type") == ["image/webp"]


def test_pictures_are_not_kept_for_another_index(call: Call) -> None:
    """The next index on this port has other pictures under the same addresses, perhaps of other patients."""
    assert "immutable" not in call("GET", "/api/0/crop/1.webp").all("cache-control")[0]


def test_its_texts_are_no_part_of_a_report(call: Call) -> None:
    """The one HTML that the server writes: every text in it is escaped, and a browser saves it."""
    spec = {**SPEC, "title": SCRIPT, "notes": SCRIPT, "valid": ["concept 0"], "spurious": ["concept 1"]}
    answer = settled(call, "POST", "/api/0/report", json.dumps({"spec": spec}).encode())
    assert answer.status == 200, answer.body
    assert answer.all("content-type") == ["text/html; charset=utf-8"]
    assert answer.all("content-disposition") == ['attachment; filename="audit.html"']
    assert answer.all("content-security-policy")[0] == "sandbox"
    page = answer.body.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_a_name_of_a_file_is_letters_and_digits(call: Call) -> None:
    body = {"name": 'x"\r\nSet-Cookie: a=b; ../../../etc/passwd', "columns": {"a": [1]}}
    answer = call("POST", "/api/0/table.parquet", json.dumps(body).encode())
    assert (answer.status, answer.all("set-cookie")) == (200, [])
    assert answer.all("content-disposition") == ['attachment; filename="x-Set-Cookie-a-b-etc-passwd.parquet"']


def manifest_with(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    return lambda folder: forge(folder, change)


def _file(name: str) -> Callable[[Path], None]:
    return manifest_with(lambda manifest: manifest["parts"]["vectors"].update(file=name))


def _instead_of_the_manifest(text: str) -> Callable[[Path], None]:
    return lambda folder: void((folder / "manifest.json").write_text(text))


def void(_: object) -> None:
    """Forgets a value."""


HOSTILE_FOLDERS = {
    "a part of another folder": _file("../../etc/passwd"),
    "a part by its whole path": _file("/etc/passwd"),
    "a part by a URL": _file("http://evil.com/vectors.safetensors"),
    "a part with a zero": _file("vectors\0.safetensors"),
    "a part that is the manifest": _file("manifest.json"),
    "a huge k": manifest_with(lambda manifest: manifest["recipe"].update(k=10**12)),
    "no JSON": _instead_of_the_manifest("{" * 100_000),
    "nothing": _instead_of_the_manifest(""),
    "another JSON": _instead_of_the_manifest("[1]"),
}


@pytest.mark.parametrize("spoil", HOSTILE_FOLDERS.values(), ids=HOSTILE_FOLDERS)
def test_a_hostile_folder_is_refused_before_anything_is_served(folder: Path, spoil: Callable[[Path], None]) -> None:
    spoil(folder)
    with pytest.raises(SemlensError) as refused:
        open_session([folder])
    assert "\n" not in str(refused.value)
    assert "root:" not in str(refused.value)


# Its annotations


TABLES = tuple(_SCHEMA.values())
RUNS = "AFTER INSERT ON changes BEGIN UPDATE changes SET value = 'theirs'; END"
HOSTILE_NOTES = {
    "a view": [TABLES[1], "CREATE VIEW changes AS SELECT 1 AS id"],
    "a trigger": [*TABLES, f"CREATE TRIGGER t {RUNS}"],
    "a trigger named like a table of SQLite's": [*TABLES, f"CREATE TRIGGER sqliteX {RUNS}"],
    "a trigger named as a table": [
        TABLES[1], "CREATE TRIGGER changes AFTER INSERT ON specs BEGIN DELETE FROM specs; END", TABLES[0],
    ],
    "another table": [*TABLES, "CREATE TABLE more (x)"],
    "other columns": [TABLES[1], "CREATE TABLE changes (id, at, layer, unit, kind, value)"],
    "a computed column": [
        TABLES[1],
        "CREATE TABLE changes (id INTEGER PRIMARY KEY, at TEXT, layer TEXT, unit INTEGER, kind TEXT, "
        "value TEXT GENERATED ALWAYS AS (upper(kind)))",
    ],
    "one table": [TABLES[0]],
}  # fmt: skip


def notes_of(folder: Path, statements: list[str]) -> None:
    base = sqlite3.connect(folder / FILE)
    for statement in statements:
        base.execute(statement)
    base.commit()
    base.close()


def opened_or_refused(folder: Path) -> Session | None:
    try:
        return open_session([folder])
    except SemlensError as refused:
        print(refused)
        return None


def refused_notes(folder: Path) -> str:
    with pytest.raises(SemlensError) as refused:
        open_session([folder])
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("statements", HOSTILE_NOTES.values(), ids=HOSTILE_NOTES)
def test_notes_that_would_run_something_are_refused(folder: Path, statements: list[str]) -> None:
    notes_of(folder, statements)
    assert refused_notes(folder).endswith("move it away")


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to look like one" * 40, b"SQLite format 3\0" + bytes(4080)]
)
def test_notes_that_are_no_database_are_refused(folder: Path, content: bytes) -> None:
    (folder / FILE).write_bytes(content)
    assert refused_notes(folder).endswith("move it away")


def test_damaged_notes_are_refused(folder: Path) -> None:
    notes_of(
        folder,
        [*TABLES, *(f"INSERT INTO changes VALUES ({n}, '', 'l', 0, 'note', '{'x' * 500}')" for n in range(1, 60))],
    )
    data = bytearray((folder / FILE).read_bytes())
    data[4096 * 2 : 4096 * 4] = b"\xff" * 4096 * 2
    (folder / FILE).write_bytes(bytes(data))
    assert refused_notes(folder).endswith("move it away")


def test_notes_that_are_a_link_are_refused(folder: Path, tmp_path: Path) -> None:
    notes_of(tmp_path, list(TABLES))
    before = (tmp_path / FILE).read_bytes()
    (folder / FILE).symlink_to(tmp_path / FILE)
    assert refused_notes(folder).endswith("move it away")
    assert (tmp_path / FILE).read_bytes() == before


def test_notes_that_are_a_folder_are_refused(folder: Path) -> None:
    (folder / FILE).mkdir()
    assert refused_notes(folder).endswith("move it away")


JOURNAL = bytes.fromhex("d9d505f920a163d7")


def test_a_journal_beside_the_notes_deletes_no_file(folder: Path, tmp_path: Path) -> None:
    """SQLite rolls a journal back that it finds beside a file, and then deletes the "super-journal" it names: any."""
    notes_of(folder, [*TABLES, "INSERT INTO changes VALUES (1, '', 'layer0', 0, 'note', 'a')"])
    victim = tmp_path / "victim.txt"
    victim.write_text("precious\n")
    data, name = (folder / FILE).read_bytes(), str(victim).encode()
    page = int.from_bytes(data[16:18], "big")
    header = JOURNAL + struct.pack(">5I", 0, 7, len(data) // page, 512, page)
    record = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">2I", len(name), sum(name)) + JOURNAL
    (folder / f"{FILE}-journal").write_bytes(header.ljust(512, b"\0") + record)
    if session := opened_or_refused(folder):
        session.close()
    assert victim.read_text() == "precious\n"


@pytest.mark.parametrize("beside", ["-journal", "-wal", "-shm"])
def test_a_link_beside_the_notes_writes_no_file(folder: Path, tmp_path: Path, beside: str) -> None:
    notes_of(folder, list(TABLES))
    if beside != "-journal":
        notes_of(folder, ["PRAGMA journal_mode = wal"])
    there, new = tmp_path / "there.txt", tmp_path / "new.txt"
    there.write_bytes(b"\0precious" * 5000)
    for link in (there, new):
        (folder / f"{FILE}{beside}").unlink(missing_ok=True)
        (folder / f"{FILE}{beside}").symlink_to(link)
        if session := opened_or_refused(folder):
            with suppress(SemlensError):
                session.opened[0].notes.change("layer0", 0, "note", "x")
            session.close()
    assert there.read_bytes() == b"\0precious" * 5000
    assert not new.exists()


ROWS = {
    "a layer of bytes": "INSERT INTO changes VALUES (1, '', x'ff', 0, 'note', 'a')",
    "a text of bytes": "INSERT INTO changes VALUES (1, '', 'layer0', 0, 'note', x'ff')",
    "a unit that is a word": "INSERT INTO changes VALUES (1, '', 'layer0', 'abc', 'note', 'a')",
    "a unit that is none": "INSERT INTO changes VALUES (1, '', 'layer0', NULL, 'note', 'a')",
    "a kind that is none": "INSERT INTO changes VALUES (1, '', 'layer0', 0, NULL, 'a')",
    "a value that is none": "INSERT INTO changes VALUES (1, '', 'layer0', 0, 'note', NULL)",
    "a unit that is not there": "INSERT INTO changes VALUES (1, '', 'layer0', 999999999, 'note', 'a')",
    "a unit below zero": "INSERT INTO changes VALUES (1, '', 'layer0', -1, 'note', 'a')",
    "a huge unit": "INSERT INTO changes VALUES (1, '', 'layer0', 9223372036854775807, 'note', 'a')",
    "a text that is no UTF-8": "INSERT INTO changes VALUES (1, '', 'layer0', 0, 'note', CAST(x'fffe' AS TEXT))",
    "a tag that is none of ours": "INSERT INTO changes VALUES (1, '', 'layer0', 0, 'tag', '<script>')",
    "a spec that is no JSON": "INSERT INTO specs VALUES ('a', '{')",
    "a spec of bytes": "INSERT INTO specs VALUES ('a', x'ff')",
    "a spec that is none": "INSERT INTO specs VALUES ('a', NULL)",
    "a name of bytes": "INSERT INTO specs VALUES (x'ff', '{}')",
    "a deep spec": f"INSERT INTO specs VALUES ('a', '{'[' * 100_000}')",
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_rows_that_nobody_wrote_are_no_fault(folder: Path, row: str) -> None:
    """Refused with a sentence or passed over, when the index is opened or when it is asked."""
    loose = [table.replace(" STRICT", "").replace(" NOT NULL", "") for table in TABLES]
    strict = [f"UPDATE sqlite_master SET sql = '{sql}' WHERE name = '{name}'" for name, sql in _SCHEMA.items()]
    notes_of(folder, [*loose, row, "PRAGMA writable_schema = on", *strict])  # whoever writes a file keeps to no schema
    session = opened_or_refused(folder)
    if session is None:
        return
    for path in ("0/annotations", "0/specs"):
        found = answer(session, Request("GET", path))
        assert found.status in (200, 400)
        assert isinstance(json.loads(found.body), dict)
    session.close()


# Hostile requests


WRONG_NUMBERS = [
    "-1", "-0", "+0", "999999999", "9999999999", "9" * 400, "1.0", "1e3", "0x1", "1_0", "%D9%A3", "%C2%B2", "%EF%BC%91",
    "%20", "%00", "0%00", "NaN", "null", "None", "..", "'", "%3Cscript%3E", "%F0%9F%98%80", "[0]", "{}", "*",
]  # fmt: skip
NO_INDEX = ("{i}/table.parquet",)  # its answer does not depend on the index
PLACES = [(m, p, part) for m, p in ADDRESSES if p not in NO_INDEX for part in re.findall(r"\{(\w+)\}", p)]


@pytest.mark.parametrize(("method", "pattern", "part"), PLACES)
def test_numbers_that_are_none(call: Call, method: str, pattern: str, part: str) -> None:
    for wrong in WRONG_NUMBERS:
        address = f"/api/{pattern.format(**NUMBERS | {part: wrong})}{QUERY.get(pattern, '')}"
        answer = call(method, address, BODIES.get(pattern, b""))
        assert answer.status in (400, 404), address
        sentence(answer)


QUERIES = [
    "0/search", "0/search?text=", "0/search?text=%20", f"0/search?text={'a' * 1001}", "0/search?image=",
    "0/search?image=../x", "0/search?image=%00", "0/search?image=0123456789abcdef&text=a", "0/graph",
    "0/graph?class=", "0/graph?class=-1",
    "0/graph?class=%C2%B2", "0/graph?class=1e3", "0/graph?class=99999999999999999999", "0/graph?class=7",
    "0/graph?class=0&layers=nothing", "0/graph?class=0&layers=layer1%00", "compare?a=layer1&b=layer1",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_questions_that_are_none(call: Call, query: str) -> None:
    answer = settled(call, "GET", f"/api/{query}")
    assert answer.status in (400, 404)
    sentence(answer)


POSTS = [(pattern.format(**NUMBERS)) for method, pattern in ADDRESSES if method == "POST" and "undo" not in pattern]
RAW = {
    "nothing": b"", "null": b"null", "a list": b"[]", "a number": b"1", "half": b"{", "two": b"{}{}",
    "no text": b"\xff\xfe", "zero": b"\0", "NaN": b"NaN", "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "many digits": b'{"row":' + b"9" * 5000 + b"}", "UTF-16": "{}".encode("utf-16"),
    "half a letter": b'{"row":"\xed\xa0\x80"}',
}  # fmt: skip


@pytest.mark.parametrize("body", RAW.values(), ids=RAW)
@pytest.mark.parametrize("path", POSTS)
def test_bodies_that_are_no_objects(call: Call, path: str, body: bytes) -> None:
    answer = call("POST", f"/api/{path}", body)
    assert answer.status == 400, answer.body
    sentence(answer)


HALF = "\ud800"  # half of a letter beyond the first 65,536: JSON can hold it, UTF-8 cannot
VALUES: list[Any] = [
    None, True, -1, 10**9, 10**30, 1.5, "", "x", HALF, [], [1, "a"], [[1], [2, 3]], {}, {"a": {}}, [{}], [None],
    [10**30],
]  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "0/annotations": {"row": 3, "note": "a"},
    "0/specs": {"name": "a", "spec": SPEC},
    "0/audit": {"spec": SPEC},
    "0/report": {"spec": SPEC},
    "spec/write": {"spec": SPEC, "verdicts": []},
    "0/table.parquet": {"name": "a", "columns": {"a": [1]}},
}


@pytest.mark.parametrize(("path", "key"), [(path, key) for path, body in GOOD.items() for key in body])
def test_values_of_another_kind(call: Call, path: str, key: str) -> None:
    for value in VALUES:
        answer = call("POST", f"/api/{path}", json.dumps(GOOD[path] | {key: value}).encode())
        assert answer.status in (200, 202, 400, 404), (value, answer.body)
        if answer.status >= 400:
            sentence(answer)


@pytest.mark.parametrize(
    "key", ["output", "valid", "spurious", "requirements", "title", "notes", "layers", "templates", "fdr"]
)
def test_specs_of_another_kind(call: Call, key: str) -> None:
    for value in VALUES:
        answer = call("POST", "/api/spec/write", json.dumps({"spec": SPEC | {key: value}}).encode())
        assert answer.status in (200, 400), (value, answer.body)
        if answer.status == 400:
            sentence(answer)


@pytest.mark.parametrize("column", VALUES, ids=lambda value: repr(value)[:20])
def test_columns_of_another_kind(call: Call, column: Any) -> None:
    for columns in ({"a": column}, {"a": [column]}, {"a": [1], "b": column}, {HALF: [1]}):
        answer = call("POST", "/api/0/table.parquet", json.dumps({"name": "n", "columns": columns}).encode())
        assert answer.status in (200, 400), (columns, answer.body)
        if answer.status == 400:
            sentence(answer)


YAML = {
    "no date": "output: 2001-99-99", "no time": "output: 2001-01-01T99:99:99Z", "no number": "output: !!int x",
    "no float": "output: !!float x", "no truth": "output: !!bool x", "no digits": "output: 0x_",
    "a key of many": "? [a]\n: b",
    "code": "!!python/object/apply:os.system ['touch /tmp/semlens-was-here']", "itself": "output: &a [*a]",
    "a name twice": "output: 1\noutput: 2", "two texts": "output: 1\n---\noutput: 2", "deep": "[" * 50_000,
}  # fmt: skip


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml_that_is_no_spec(call: Call, text: str) -> None:
    answer = call("POST", "/api/spec/read", text.encode())
    assert answer.status == 400
    sentence(answer)


def calls_to_refuse(text: str) -> int:
    """How many functions are called until a spec is refused: how much work it is, on whatever machine."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with pytest.raises(SemlensError) as refused:
            read_spec(text)
    finally:
        sys.setprofile(before)
    assert len(str(refused.value)) < 500
    return calls


class Key(str):
    """A key that counts how often it is compared, which no call tells of."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Key.compared += 1
        return str.__eq__(self, other)


class CountingLoader(_Loader):
    """The loader of specs, with such keys."""


CountingLoader.add_constructor("tag:yaml.org,2002:str", lambda loader, node: Key(node.value))


def test_a_bomb_of_yaml() -> None:
    """Names that stand for nine of the one before: nobody may write the 9 ** 8 words out."""
    steps = [f"  - &s{n + 1} [{', '.join([f'*s{n}'] * 9)}]" for n in range(7)]
    lines = ["valid:", "  - &s0 [x, x, x, x, x, x, x, x, x]", *steps, "output: *s7", "spurious: [a]"]
    assert calls_to_refuse("\n".join(lines)) < 1_000_000


def test_many_keys_of_yaml() -> None:
    """What takes a second for 10,000 keys may not take a day for the million that fit into a body."""
    one, four = ("".join(f"a{n}: 1\n" for n in range(count)) for count in (250, 1_000))
    assert calls_to_refuse(four) < 5 * calls_to_refuse(one)
    assert len(yaml.load(four, CountingLoader)) == 1_000
    assert Key.compared < 1_000


def test_a_spec_cannot_make_the_server_read_files(call: Call) -> None:
    spec = {**SPEC, "valid": [{"name": "x", "images": ["../../etc/passwd", "/etc/passwd"]}]}
    answer = call("POST", "/api/0/audit", json.dumps({"spec": spec}).encode())
    assert (answer.status, "command line" in sentence(answer)) == (400, True)


# Uploads


IMAGES = {
    "no image": (b"GIF89a" + bytes(99), 400),
    "a bomb": (png(50_000, 50_000, PIXELS_TO_COME), 400),
    "a larger bomb": (png(2**31 - 1, 2**31 - 1, PIXELS_TO_COME), 400),
    "a page": (SCRIPT.encode(), 400),
    "nothing": (b"", 400),
    "too large": (bytes(20_000_001), 413),
}


@pytest.mark.parametrize(("data", "status"), IMAGES.values(), ids=IMAGES)
def test_uploads(call: Call, data: bytes, status: int) -> None:
    answer = call("POST", "/api/0/image", data)
    assert answer.status == status
    assert len(sentence(answer)) > 5
    check_headers(answer)


@pytest.mark.parametrize("path", ["0/annotations", "0/audit", "spec/read", "0/specs", "session", "nothing"])
def test_bodies_that_are_too_large(call: Call, path: str) -> None:
    answer = call("POST", f"/api/{path}", bytes(4_000_001))
    assert (answer.status, sentence(answer)) == (413, "That is too large: here this server takes 4 MB.")


def test_a_body_that_never_ends(target: Served) -> None:
    """In pieces, without a word on its length."""
    host = target.address.split("/")[2]
    lines = ["POST /api/0/audit HTTP/1.1", f"Host: {host}", *OWN, "Transfer-Encoding: chunked", "", ""]
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    with connected(host) as line:
        line.sendall("\r\n".join(lines).encode())
        for _ in range(70):
            line.sendall(piece)
        assert received(line).status == 413


class Kept(logging.Handler):
    """Log records, kept."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_who_hangs_up_in_the_middle_leaves_no_traceback(target: Served) -> None:
    host, log, kept = target.address.split("/")[2], logging.getLogger("uvicorn.error"), Kept()
    lines = ["POST /api/0/annotations HTTP/1.1", f"Host: {host}", *OWN, "Content-Length: 1000", "", "half"]
    log.addHandler(kept)
    try:
        with connected(host) as line:
            line.sendall("\r\n".join(lines).encode())
            time.sleep(0.1)
        time.sleep(0.2)
        assert caller(target)("GET", "/api/session").status == 200
    finally:
        log.removeHandler(kept)
    assert not [record for record in kept.records if record.exc_info]


def test_every_promise_names_a_test() -> None:
    """SECURITY.md cannot name one that is gone."""
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`(test_\w+)`", (root / "SECURITY.md").read_text("utf-8")))
    written = "\n".join(path.read_text("utf-8") for path in (root / "tests").rglob("test_*.py"))
    assert named - set(re.findall(r"^def (test_\w+)", written, re.MULTILINE)) == set()
    assert len(named) > 30


def test_the_index_is_as_it_was(target: Served) -> None:
    """Nothing in this file has changed a byte of it: the last test, which reads all of it anew."""
    folder = target.session.opened[0].folder
    assert load_index(folder, verify=True).recipe.model.name == SCRIPT
