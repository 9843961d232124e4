"""The door, one request at a time, as the server hands them over: bytes that nobody has tidied up."""

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from socket import gethostname

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message, Scope
from starlette.websockets import WebSocketDisconnect

from semlens.app import guard
from semlens.app.guard import CONTENT, HEADERS, Guard, Policy, fresh_token, is_loopback
from semlens.errors import SemlensError

TOKEN = "a-token-of-letters-that-nobody-knows_0123456"
POLICY = Policy(token=TOKEN)
OPEN = Policy()
HOST = ("Host", "127.0.0.1:8765")
COOKIE = ("Cookie", f"semlens-8765={TOKEN}")
BEARER = ("Authorization", f"Bearer {TOKEN}")
OWN_PAGE = ("Sec-Fetch-Site", "same-origin")
PRINTED = "open the address that `semlens serve` printed"

Header = tuple[str, str | bytes]


class Crash(Exception):
    """A fault of the app's own."""


async def _page(request: Request) -> Response:
    return PlainTextResponse("page")


async def _session(request: Request) -> Response:
    return JSONResponse({"method": request.method})


async def _image(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def _crash(request: Request) -> Response:
    raise Crash(TOKEN)


async def _own(request: Request) -> Response:
    own = {
        "X-Frame-Options": "SAMEORIGIN",
        "Content-Security-Policy": "sandbox",
        "Cache-Control": "private, max-age=60",
        "Referrer-Policy": "unsafe-url",
    }
    return PlainTextResponse("own", headers=own)


async def _unchanged(request: Request) -> Response:
    return Response(status_code=304)


APP = Starlette(
    routes=[
        Route("/", _page),
        Route("/app.js", _page),
        Route("/crash", _crash),
        Route("/api/session", _session, methods=["GET", "POST"]),
        Route("/api/0/audit", _image, methods=["POST"]),
        Route("/api/0/image", _image, methods=["POST"]),
        Route("/api/0/table.parquet", _image, methods=["POST"]),
        Route("/api/own", _own),
        Route("/api/unchanged", _unchanged),
    ]
)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.headers if given == name]


def ask(
    *headers: Header,
    policy: Policy = POLICY,
    method: str = "GET",
    path: str = "/api/session",
    query: str = "",
    body: Iterable[bytes] = (b"",),
    app: ASGIApp = APP,
) -> Answered:
    """What the app behind its guard answers to exactly these headers. Only a crash of the app's own is let through."""
    raw = [(name.lower().encode(), text if isinstance(text, bytes) else text.encode()) for name, text in headers]
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http", "headers": raw,
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8765), "state": {},
    }  # fmt: skip
    pieces, sent = list(body), list[Message]()

    async def receive() -> Message:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: Message) -> None:
        sent.append(message)

    with suppress(Crash):
        asyncio.run(Guard(app, policy)(scope, receive, send))
    start, *rest = sent
    given = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
    return Answered(start["status"], given, b"".join(message.get("body", b"") for message in rest))


# Names


GOOD_HOSTS = [
    "127.0.0.1:8765", "127.0.0.1", "localhost:8765", "localhost", "LOCALHOST:8765", "LocalHost", "[::1]:8765", "[::1]",
]  # fmt: skip
BAD_HOSTS = [
    "", " ", "evil.com", "evil.com:8765", "localhost.evil.com", "localhost.evil.com:8765", "127.0.0.1.evil.com",
    "evil-localhost", "127.0.0.2", "127.0.0.2:8765", "0.0.0.0", "0.0.0.0:8765", "127.1", "2130706433", "0x7f000001",
    "0177.0.0.1", "[::]", "[::]:8765", "[::ffff:127.0.0.1]:8765", "[0:0:0:0:0:0:0:1]:8765", "::1", "::1:8765", "[::1",
    "localhost.", "localhost.:8765", "localhost:", "localhost:80", "localhost:8766", "localhost:08765",
    "localhost:8765:8765", "localhost:8765/", "localhost/", "localhost\\", "localhost#", "localhost?x",
    "user@localhost:8765", "localhost@evil.com", "evil.com@localhost:8765", "localhost:8765@evil.com",
    "localhost,evil.com", "localhost evil.com", "localhost\tevil.com", "localhost\x00", "localhost\x00.evil.com",
    "localhost%00", "http://localhost:8765", "//localhost:8765", "*", "null", "ⅼocalhost", "localhost:８７６５",
    "semlens", "a" * 60_000,
]  # fmt: skip


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_names_of_this_machine(host: str) -> None:
    assert ask(("Host", host), COOKIE).status == 200


@pytest.mark.parametrize("host", BAD_HOSTS)
@pytest.mark.parametrize("policy", [POLICY, OPEN], ids=["token", "no token"])
def test_other_names_are_refused(host: str, policy: Policy) -> None:
    answer = ask(("Host", host), COOKIE, OWN_PAGE, policy=policy)
    assert (answer.status, answer.body) == (400, _sentence(f"This server does not go by that name: {PRINTED}."))


@pytest.mark.parametrize("hosts", [(), (HOST, HOST), (HOST, ("Host", "evil.com")), (("Host", "evil.com"), HOST)])
def test_one_host_is_needed(hosts: tuple[Header, ...]) -> None:
    assert ask(*hosts, COOKIE, ("X-Forwarded-Host", "localhost:8765")).status == 400


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        ("gpu-01.lab", "gpu-01.lab:8765", 200),
        ("gpu-01.lab", "GPU-01.LAB", 200),
        ("gpu-01.lab", "gpu-01.lab.evil.com", 400),
        ("gpu-01.lab", "lab", 400),
        ("10.0.0.5", "10.0.0.5:8765", 200),
        ("10.0.0.5", "10.0.0.6:8765", 400),
        ("2001:DB8::5", "[2001:db8::5]:8765", 200),
        ("0.0.0.0", "0.0.0.0:8765", 400),
        ("0.0.0.0", f"{gethostname()}:8765", 200),
        ("::", f"{gethostname()}:8765", 200),
        ("::", "[::]:8765", 400),
        ("10.0.0.5", "localhost:8765", 200),
    ],
)
def test_the_name_given_by_host_counts_too(bound: str, host: str, status: int) -> None:
    assert ask(("Host", host), COOKIE, policy=replace(POLICY, host=bound)).status == status


@pytest.mark.parametrize("path", ["http://127.0.0.1:8765/", "http://evil.com/api/session", "evil.com:443", "*", ""])
def test_the_server_is_no_proxy(path: str) -> None:
    assert ask(HOST, COOKIE, path=path).status == 400


def test_a_websocket_is_hung_up() -> None:
    with pytest.raises(WebSocketDisconnect) as hung_up, client(OPEN).websocket_connect("/api/session"):
        pass
    assert hung_up.value.code == 1008


# Senders


def post(*headers: Header, policy: Policy = POLICY) -> int:
    return ask(HOST, *headers, policy=policy, method="POST").status


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_page_itself_may_change_things(site: str) -> None:
    assert post(COOKIE, ("Sec-Fetch-Site", site)) == 200


FOREIGN = ["cross-site", "same-site", "", "Same-Origin", "same-origin,none", "same-origin ", "evil", "ſame-origin"]


@pytest.mark.parametrize("site", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("policy", [POLICY, OPEN], ids=["token", "no token"])
def test_what_another_page_sends_is_refused(site: str, method: str, policy: Policy) -> None:
    own = ("Origin", "http://127.0.0.1:8765")  # a browser's word on the site stands above it
    answer = ask(HOST, COOKIE, BEARER, own, ("Sec-Fetch-Site", site), method=method, policy=policy)
    assert answer.status == 403


@pytest.mark.parametrize("sites", [("same-origin", "cross-site"), ("cross-site", "none"), ("none", "none")])
def test_one_word_on_the_site_is_enough(sites: tuple[str, str]) -> None:
    assert post(COOKIE, *(("Sec-Fetch-Site", site) for site in sites)) == 403


ORIGINS = {
    "http://127.0.0.1:8765": 200,
    "http://localhost:8765": 403,  # ours by another name, or another user's, who listens on ::1
    "http://[::1]:8765": 403,
    "https://127.0.0.1:8765": 403,
    "http://127.0.0.1": 403,
    "http://127.0.0.1:8766": 403,
    "http://127.0.0.1:8765/": 403,
    "http://127.0.0.1:8765.evil.com": 403,
    "http://127.0.0.1:8765@evil.com": 403,
    "http://evil.com": 403,
    "null": 403,
    "": 403,
    "127.0.0.1:8765": 403,
    "file://": 403,
}


@pytest.mark.parametrize(("origin", "status"), ORIGINS.items())
@pytest.mark.parametrize("host", ["127.0.0.1:8765", "127.0.0.1"])
def test_the_origin_decides_where_the_site_is_unknown(origin: str, status: int, host: str) -> None:
    assert ask(("Host", host), COOKIE, ("Origin", origin), method="POST").status == status


def test_two_origins_are_none() -> None:
    assert post(COOKIE, ("Origin", "http://127.0.0.1:8765"), ("Origin", "http://127.0.0.1:8765")) == 403


def test_reading_with_a_foreign_origin_is_refused() -> None:
    assert ask(HOST, COOKIE, ("Origin", "http://evil.com")).status == 403


def test_port_80_stands_in_no_origin() -> None:
    policy = Policy(port=80)
    page = ("Origin", "http://localhost")
    assert ask(("Host", "localhost"), page, policy=policy, method="POST").status == 200
    assert ask(("Host", "localhost"), page, policy=OPEN, method="POST").status == 403


SCRIPTS: list[tuple[tuple[Header, ...], int, int]] = [  # headers, status with a token, and without
    ((BEARER,), 200, 200),
    ((BEARER, COOKIE), 403, 403),
    ((COOKIE,), 403, 403),
    ((), 403, 403),
    ((("Authorization", "Bearer wrong"),), 401, 200),
    ((("Authorization", f"Basic {TOKEN}"),), 403, 403),
    ((BEARER, ("Cookie", "other=1")), 403, 403),
]


@pytest.mark.parametrize(("headers", "with_token", "without"), SCRIPTS)
def test_a_script_needs_the_token_in_a_header(headers: tuple[Header, ...], with_token: int, without: int) -> None:
    assert post(*headers) == with_token
    assert post(*headers, policy=OPEN) == without


NAVIGATE, DOCUMENT = ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")
ELSEWHERE = ("Sec-Fetch-Site", "cross-site")


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ((NAVIGATE, DOCUMENT), "/", 200),
        ((NAVIGATE, DOCUMENT), "/api/session", 403),
        ((NAVIGATE, ("Sec-Fetch-Dest", "iframe")), "/", 403),
        ((NAVIGATE, ("Sec-Fetch-Dest", "embed")), "/", 403),
        ((("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "script")), "/app.js", 403),
        ((("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")), "/", 403),
        ((("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")), "/", 403),
        ((NAVIGATE,), "/", 403),
        ((), "/", 403),
    ],
)
def test_a_link_may_open_the_page_and_nothing_may_embed_it(headers: tuple[Header, ...], path: str, status: int) -> None:
    assert ask(HOST, ELSEWHERE, *headers, path=path, policy=OPEN).status == status


def test_a_link_cannot_send_anything() -> None:
    assert ask(HOST, ELSEWHERE, NAVIGATE, DOCUMENT, path="/", policy=OPEN, method="POST").status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "", "GÉT", "*"])
def test_methods_that_the_server_does_not_know(method: str) -> None:
    answer = ask(HOST, COOKIE, OWN_PAGE, method=method)
    assert (answer.status, answer.all("allow")) == (405, ["GET, HEAD, POST"])
    assert not [name for name, _ in answer.headers if name.startswith("access-control")]


# The token


def test_the_first_visit_hands_out_the_cookie() -> None:
    answer = ask(HOST, ("Sec-Fetch-Site", "none"), path="/", query=f"token={TOKEN}")
    assert (answer.status, answer.all("location"), answer.all("cache-control")) == (303, ["/"], ["no-store"])
    name, *parts = answer.all("set-cookie")[0].split("; ")
    assert name == f"semlens-8765={TOKEN}"
    assert sorted(parts) == ["HttpOnly", "Path=/", "SameSite=strict"]
    assert TOKEN.encode() not in answer.body


def test_a_visit_that_another_page_began_goes_on_from_a_page_of_ours() -> None:
    answer = ask(HOST, ELSEWHERE, NAVIGATE, DOCUMENT, path="/", query=f"token={TOKEN}")
    assert (answer.status, answer.all("refresh"), answer.all("location")) == (200, ["0;url=/"], [])
    assert answer.all("set-cookie")[0].startswith(f"semlens-8765={TOKEN}; ")
    assert TOKEN.encode() not in answer.body


def client(policy: Policy) -> TestClient:
    return TestClient(Guard(APP, policy), base_url="http://127.0.0.1:8765")


def test_a_whole_visit() -> None:
    browser = client(POLICY)
    assert browser.get("/").status_code == 401
    page = browser.get("/", params={"token": TOKEN})
    assert (page.text, str(page.url)) == ("page", "http://127.0.0.1:8765/")
    assert browser.get("/api/session").json() == {"method": "GET"}
    assert browser.post("/api/session", headers={"Sec-Fetch-Site": "same-origin"}).json() == {"method": "POST"}


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/", "token=wrong"),
        ("GET", "/", "token="),
        ("GET", "/", TOKEN),
        ("GET", "/", f"Token={TOKEN}"),
        ("GET", "/", f"token={TOKEN}&next=//evil.com"),
        ("GET", "/", f"next=//evil.com&token={TOKEN}"),
        ("GET", "/", f"token={TOKEN[:-1]}"),
        ("GET", "/", f"token={TOKEN}x"),
        ("GET", "/", "token=%ff%00"),
        ("GET", "//evil.com/", f"token={TOKEN}"),
        ("GET", "/\\evil.com", f"token={TOKEN}"),
        ("GET", "/app.js", f"token={TOKEN}"),
        ("GET", "/api/session", f"token={TOKEN}"),
        ("HEAD", "/", f"token={TOKEN}"),
    ],
)
def test_other_visits_need_the_cookie(method: str, path: str, query: str) -> None:
    answer = ask(HOST, method=method, path=path, query=query)
    assert (answer.status, answer.all("set-cookie"), answer.all("location")) == (401, [], [])
    assert answer.all("www-authenticate") == ["Bearer"]


def test_a_post_with_the_token_in_its_address_is_refused() -> None:
    assert ask(HOST, OWN_PAGE, method="POST", path="/", query=f"token={TOKEN}").status == 401


GIVEN: list[tuple[Header, int]] = [
    (COOKIE, 200),
    (("Cookie", f"a=b; semlens-8765={TOKEN}; c=d"), 200),
    (("Cookie", f"semlens-8765=planted; semlens-8765={TOKEN}"), 200),  # another server of this host set one too
    (("Cookie", f"semlens-8765={TOKEN};"), 200),
    (("Cookie", f"semlens-8766={TOKEN}"), 401),
    (("Cookie", f"semlens={TOKEN}"), 401),
    (("Cookie", f"SEMLENS-8765={TOKEN}"), 401),
    (("Cookie", TOKEN), 401),
    (("Cookie", "semlens-8765="), 401),
    (("Cookie", "semlens-8765"), 401),
    (("Cookie", f"semlens-8765={TOKEN}x"), 401),
    (("Cookie", f"semlens-8765={TOKEN.upper()}"), 401),
    (("Cookie", f"semlens-8765={TOKEN}=".encode() + b"\xff"), 401),
    (("Cookie", b"\xff\xfe=\x00; =; ;;"), 401),
    (("Cookie", b"semlens-8765=" + "ÿ".encode() * 9), 401),
    (("Cookie", "=" * 60_000), 401),
    (("Cookie", "semlens-8765=x;" * 4_000), 401),
    (BEARER, 200),
    (("Authorization", f"bearer  {TOKEN}"), 200),
    (("Authorization", f"Bearer {TOKEN} x"), 401),
    (("Authorization", "Bearer"), 401),
    (("Authorization", "Bearer "), 401),
    (("Authorization", TOKEN), 401),
    (("Authorization", f"Basic {TOKEN}"), 401),
    (("Authorization", b"Bearer \xff\xfe"), 401),
    (("X-Token", TOKEN), 401),
]


@pytest.mark.parametrize(("header", "status"), GIVEN)
def test_where_the_token_is_looked_for(header: Header, status: int) -> None:
    assert ask(HOST, header).status == status


@pytest.mark.parametrize(("path", "media"), [("/api/session", "application/json"), ("/", "text/plain; charset=utf-8")])
def test_whoever_lacks_the_token_is_told_what_to_do(path: str, media: str) -> None:
    answer = ask(HOST, path=path)
    said = f"This server wants a token: {PRINTED}."
    assert (answer.status, answer.all("content-type"), answer.all("cache-control")) == (401, [media], ["no-store"])
    assert answer.body == (_sentence(said) if path == "/api/session" else said.encode())


def test_without_a_token_there_is_no_cookie() -> None:
    answer = ask(HOST, path="/", query="token=anything", policy=OPEN)
    assert (answer.status, answer.all("set-cookie")) == (200, [])


def test_tokens_are_long_and_differ() -> None:
    tokens = {fresh_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch("[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_the_token_shows_nowhere_but_in_the_address() -> None:
    assert TOKEN not in repr(POLICY) + repr(Guard(APP, POLICY))
    assert POLICY.address == f"http://127.0.0.1:8765/?token={TOKEN}"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8765/"),
        ("localhost", "http://localhost:8765/"),
        ("::1", "http://[::1]:8765/"),
        ("127.0.0.2", "http://127.0.0.2:8765/"),
    ],
)
def test_the_address_is_one_that_is_answered(host: str, address: str) -> None:
    policy = Policy(host)
    assert policy.address == address
    assert ask(("Host", address.split("/")[2]), policy=policy).status == 200


LOCAL = {
    "127.0.0.1": True, "127.8.9.10": True, "localhost": True, "LOCALHOST": True, "::1": True,
    "0.0.0.0": False, "::": False, "": False, "10.0.0.5": False, "localhost.evil.com": False, "gpu-01": False,
    "2001:db8::1": False, "128.0.0.1": False, "127.1": False,
}  # fmt: skip


@pytest.mark.parametrize(("host", "local"), LOCAL.items())
def test_other_machines_need_a_token(host: str, local: bool) -> None:
    assert is_loopback(host) == local
    assert Policy(host, token=TOKEN).token == TOKEN
    if local:
        assert Policy(host).token is None
    else:
        with pytest.raises(SemlensError, match="lets other machines in, and that needs a token"):
            Policy(host)


@pytest.mark.parametrize("token", ["", "short", "a" * 19, "a" * 43 + ";", "ä" * 43, f"{TOKEN}\n", f"{TOKEN} "])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(SemlensError, match="a token has at least 20 letters") as caught:
        Policy(token=token)
    assert not token.strip() or token not in str(caught.value)


# Bodies


MB = 1_000_000
LIMITS = {"/api/0/audit": 4 * MB, "/api/0/image": 20 * MB, "/api/0/table.parquet": 64 * MB}


@pytest.mark.parametrize(("path", "most"), LIMITS.items())
@pytest.mark.parametrize("announced", [True, False])
def test_the_largest_body(path: str, most: int, announced: bool) -> None:
    def sent(size: int) -> Answered:
        length = [("Content-Length", str(size))] if announced else []
        body = [bytes(most // 4)] * 4 + [bytes(size - most)]
        return ask(HOST, COOKIE, OWN_PAGE, *length, method="POST", path=path, body=body)

    assert sent(most).body == f'{{"bytes":{most}}}'.encode()
    answer = sent(most + 1)
    assert answer.status == 413
    assert f"That is too large: here this server takes {most // MB} MB.".encode() in answer.body


def test_a_body_that_lies_about_its_length() -> None:
    body = [bytes(3 * MB)] * 2
    length = ("Content-Length", "10")
    assert ask(HOST, COOKIE, OWN_PAGE, length, method="POST", path="/api/0/audit", body=body).status == 413


def test_of_a_body_that_is_too_large_no_more_is_read() -> None:
    read: list[int] = []

    async def piece() -> Message:
        read.append(3)
        return {"type": "http.request", "body": b"abc", "more_body": True}

    async def all_of_it() -> None:
        bounded = guard.bounded(piece, 10)
        while True:
            await bounded()

    with pytest.raises(guard.Refused):
        asyncio.run(all_of_it())
    assert sum(read) == 12


LENGTHS: dict[str | bytes, int] = {
    "0": 200, "10": 200, "4000000": 200, "0000000000000010": 200,
    "4000001": 413, "9" * 18: 413, "9" * 19: 413, "9" * 60_000: 413,
    "": 400, "-1": 400, "+1": 400, "1.0": 400, "1e3": 400, "0x10": 400, "1_000": 400, " 1": 400, "1, 1": 400,
    "ten": 400, "١٢": 400, b"\xff": 400, b"1\x00": 400,
}  # fmt: skip


@pytest.mark.parametrize(("length", "status"), LENGTHS.items(), ids=lambda value: repr(value)[:12])
def test_lengths_of_bodies(length: str | bytes, status: int) -> None:
    answer = ask(HOST, COOKIE, OWN_PAGE, ("Content-Length", length), method="POST", body=[b"0123456789"])
    assert answer.status == status


def test_the_largest_of_two_lengths_counts() -> None:
    two = ("Content-Length", "1"), ("Content-Length", str(9 * MB))
    assert ask(HOST, COOKIE, OWN_PAGE, *two, method="POST").status == 413


def test_a_body_that_stops_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PATIENCE", 0.01)

    async def never() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def run() -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"host", b"127.0.0.1:8765"), (b"sec-fetch-site", b"none")]
        scope = {"type": "http", "method": "POST", "path": "/api/0/image", "query_string": b"", "headers": headers}
        await Guard(APP, OPEN)(scope, never, send)
        return sent

    assert asyncio.run(run())[0]["status"] == 408


def test_an_answer_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the body the server waits for the user to leave, which is no fault of the user's."""
    monkeypatch.setattr(guard, "PATIENCE", 0.01)

    async def receive() -> Message:
        await asyncio.sleep(0.05 * bool(told))
        told.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def twice() -> int:
        bounded = guard.bounded(receive, 10)
        return len([await bounded(), await bounded()])

    told: list[int] = []
    assert asyncio.run(twice()) == 2


# What answers carry


ANSWERS = {
    "a page": ((HOST, COOKIE), "GET", "/", 200),
    "a head": ((HOST, COOKIE), "HEAD", "/", 200),
    "data": ((HOST, COOKIE), "GET", "/api/session", 200),
    "nothing there": ((HOST, COOKIE), "GET", "/nothing", 404),
    "not that way": ((HOST, COOKIE, OWN_PAGE), "POST", "/", 405),
    "unchanged": ((HOST, COOKIE), "GET", "/api/unchanged", 304),
    "a crash": ((HOST, COOKIE), "GET", "/crash", 500),
    "its own headers": ((HOST, COOKIE), "GET", "/api/own", 200),
    "no name": ((), "GET", "/", 400),
    "no token": ((HOST,), "GET", "/", 401),
    "another page": ((HOST, COOKIE, ELSEWHERE), "GET", "/api/session", 403),
    "no such method": ((HOST, COOKIE), "PUT", "/", 405),
    "too large": ((HOST, COOKIE, OWN_PAGE, ("Content-Length", "9999999999")), "POST", "/api/0/image", 413),
}
EXPECTED = {
    "content-security-policy": CONTENT,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(("headers", "method", "path", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_the_headers(headers: tuple[Header, ...], method: str, path: str, status: int) -> None:
    answer = ask(*headers, method=method, path=path)
    assert answer.status == status
    own = ["sandbox"] if path == "/api/own" else []
    assert {name: answer.all(name) for name in EXPECTED} == {
        name: [*(own if name == "content-security-policy" else []), value] for name, value in EXPECTED.items()
    }
    assert {"server", "access-control-allow-origin"}.isdisjoint(name for name, _ in answer.headers)
    assert len(answer.all("cache-control")) == 1
    assert TOKEN.encode() not in answer.body


def test_the_redirect_has_them_too() -> None:
    answer = ask(HOST, path="/", query=f"token={TOKEN}")
    assert {name: answer.all(name) for name in EXPECTED} == {name: [value] for name, value in EXPECTED.items()}


@pytest.mark.parametrize(
    ("path", "cache"), [("/api/session", "no-store"), ("/", "no-cache"), ("/api/own", "private, max-age=60")]
)
def test_what_may_be_stored(path: str, cache: str) -> None:
    assert ask(HOST, COOKIE, path=path).all("cache-control") == [cache]


def test_the_policy_is_the_one_of_the_rules() -> None:
    assert CONTENT.split("; ") == [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
        "connect-src 'self'", "worker-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert not [word for word in ("unsafe", "*", "http:", "https:") if word in CONTENT]
    assert HEADERS["Permissions-Policy"].count("=()") == 5


# Whatever comes


NAMES = ["host", "cookie", "authorization", "origin", "sec-fetch-site", "sec-fetch-mode", "content-length", "x"]
JUNK = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        ["", "=", ";", "Bearer", "none", "same-origin", "null", "[", "127.0.0.1:8765", f"semlens-8765={TOKEN}"]
    ),
)


@given(
    headers=st.lists(st.tuples(st.sampled_from(NAMES), JUNK), max_size=8),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "\x00"]),
    path=st.one_of(
        st.sampled_from(["/", "/api/session", "/api/0/image"]), st.text(st.characters(codec="utf-8"), max_size=20)
    ),
    query=st.text("token=&%/0\xff", max_size=20),
)
@settings(max_examples=150, deadline=None)
def test_no_request_is_a_fault(headers: list[Header], method: str, path: str, query: str) -> None:
    answer = ask(*headers, method=method, path=path, query=query, policy=POLICY)
    assert answer.status in (200, 400, 401, 403, 404, 405, 413)
    assert answer.all("x-content-type-options") == ["nosniff"]


def test_starting_and_stopping_pass_through() -> None:
    with client(OPEN) as browser:
        assert browser.get("/api/session").status_code == 200


def _sentence(said: str) -> bytes:
    return f'{{"error":"{said}"}}'.encode()
