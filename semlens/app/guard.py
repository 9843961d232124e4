"""The access guard of the local web app: what a request must show before any route sees it, and what every answer
carries.

It keeps out other pages in the user's browser, by Host, Sec-Fetch-Site and Origin, and other users of the host, by a
token. SECURITY.md has the threat model, and says which test holds what.
"""

import asyncio
import re
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address
from secrets import token_urlsafe
from socket import gethostname
from typing import final

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semlens.errors import SemlensError

API = "/api/"
SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "POST")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

MEGABYTE = 1_000_000
BODY = 4 * MEGABYTE
BODIES = {"image": 20 * MEGABYTE, "table.parquet": 64 * MEGABYTE}
"""The largest body in bytes, and that of a path that ends with one of these."""

PATIENCE = 30.0
"""Seconds that the next piece of a body may keep us waiting."""

CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
# No Cross-Origin-Embedder-Policy: it asks others whether the page may embed what is theirs, and the policy above lets
# it embed nothing of theirs.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""On every answer, in place of its own. Its own content policy stays, beside ours."""

PRINTED = "open the address that `semlens serve` printed"


@dataclass(frozen=True)
class Policy:
    """Where the server is reached, and by whom.

    Raises:
        SemlensError: other machines could reach it without a token, or the token is too short.
    """

    host: str = "127.0.0.1"  # what it binds to
    port: int = 8765  # the one that it has, not the 0 that asks for any
    token: str | None = field(default=None, repr=False)  # None: every user of this machine may ask

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise SemlensError(f"host {self.host!r} lets other machines in, and that needs a token")
        if self.token is not None and not re.fullmatch("[A-Za-z0-9_-]{20,}", self.token):
            raise SemlensError(
                "a token has at least 20 letters, digits, - and _"
            )  # the same in an address and a cookie

    @property
    def cookie(self) -> str:
        """The name of the cookie. It has the port, for all servers of a host share their cookies."""
        return f"semlens-{self.port}"

    @property
    def origins(self) -> dict[bytes, bytes]:
        """The origin of the page, by each Host header that the server goes by."""
        port = f":{self.port}"
        names = {*LOOPBACK, as_browsers_write(self.host)}
        origin = {name: f"http://{name}{'' if self.port == 80 else port}".encode() for name in names}
        return {(name + suffix).encode(): origin[name] for name in names for suffix in ("", port)}

    @property
    def address(self) -> str:
        """What the user opens, with the token: to be printed, not to be logged."""
        query = "" if self.token is None else f"?token={self.token}"
        return f"http://{as_browsers_write(self.host)}:{self.port}/{query}"


def fresh_token() -> str:
    """256 random bits, as 43 ASCII letters, digits, - and _."""
    return token_urlsafe(32)


def is_loopback(host: str) -> bool:
    """Whether this machine alone reaches a server that is bound to `host`."""
    address = _address(host)
    return address.is_loopback if address else host.lower() == "localhost"


def as_browsers_write(host: str) -> str:
    """The host in the server's address: this machine's name where it is bound to all of its addresses."""
    address = _address(host)
    if address is None or address.is_unspecified:
        return (gethostname() if address else host).lower()
    return f"[{address}]" if address.version == 6 else str(address)


@final
class Guard:
    """The app behind its access guard. Nothing stands outside of it: the answer to a crash, too, has its headers.

    The app answers HTTPException, as Starlette does: reading a body that turns out too large raises one.
    """

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, by the guard or by the app; a websocket is hung up."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            answer = answer_of_guard(scope, self.policy) or self.app
            await answer(scope, bounded(receive, limit(scope)), dressed(send, scope))
        else:
            await send({"type": "websocket.close", "code": 1008})


class Refused(HTTPException):
    """A request that is not served: a status, and a sentence that repeats nothing of what was sent."""


def answer_of_guard(scope: Scope, policy: Policy) -> Response | None:
    """What is answered before any route sees the request; None if it may pass."""
    try:
        check_target(scope)
        check_sender(scope, check_host(scope, policy))
        check_length(scope)
        return None if knows_token(scope, policy) else enter(scope, policy)
    except Refused as refused:
        return refusal(scope, refused)


def check_target(scope: Scope) -> None:
    """Checks method and path.

    Raises:
        Refused: a method that the server does not know, or the address of another server.
    """
    if scope["method"] not in METHODS:
        raise Refused(405, f"This server takes {', '.join(METHODS)}.", {"Allow": ", ".join(METHODS)})
    if not scope["path"].startswith("/"):  # http://evil.com/, as one asks a proxy
        raise Refused(400, "This server is no proxy: ask for a path.")


def check_host(scope: Scope, policy: Policy) -> bytes:
    """The origin of the page, by the name that was asked for.

    Raises:
        Refused: a name that is not the server's. That is DNS rebinding: the browser believes itself at evil.com, whose
            name leads to 127.0.0.1 since a minute ago.
    """
    hosts = values(scope, b"host")
    origin = policy.origins.get(hosts[0].lower()) if len(hosts) == 1 else None
    if origin is None:
        raise Refused(400, f"This server does not go by that name: {PRINTED}.")
    return origin


def check_sender(scope: Scope, origin: bytes) -> None:
    """Checks that no other page sent the request.

    Source: the rule of Go's net/http (F. Valsorda, Cross-Site Request Forgery, 2025).
    But: reading is refused too, and so is a request to change something that says nothing of where it comes from.

    Raises:
        Refused: another page sent it, and it is no link that opens ours.
    """
    sites, origins = values(scope, b"sec-fetch-site"), values(scope, b"origin")
    if sites:
        own = sites in ([b"same-origin"], [b"none"])
    elif origins:  # over plain HTTP to another machine a browser sends this one alone
        own = origins == [origin]
    else:  # a script; no browser adds an Authorization header of this kind by itself
        own = scope["method"] in SAFE or bool(bearers(scope) and not values(scope, b"cookie"))
    if not own and not opens_page(scope):
        raise Refused(403, f"This server answers its own page alone: {PRINTED}.")


def opens_page(scope: Scope) -> bool:
    """Whether the request is a click on a link, and its answer gets a window of its own."""
    kind = values(scope, b"sec-fetch-mode"), values(scope, b"sec-fetch-dest")
    return scope["method"] == "GET" and kind == ([b"navigate"], [b"document"]) and not scope["path"].startswith(API)


def check_length(scope: Scope) -> None:
    """Checks the announced length of the body.

    Raises:
        Refused: it is larger than it may be, or no number.
    """
    for length in values(scope, b"content-length"):
        if not length.isdigit():
            raise Refused(400, "Content-Length is not a number.")
        if len(length) > 18 or int(length) > limit(scope):  # of thousands of digits Python makes an error
            raise _too_large(limit(scope))


def limit(scope: Scope) -> int:
    """The largest body of a request, in bytes."""
    return BODIES.get(scope["path"].rpartition("/")[2], BODY)


def knows_token(scope: Scope, policy: Policy) -> bool:
    """Whether the request has the token, or needs none."""
    if policy.token is None:
        return True
    token = policy.token.encode()
    return any(compare_digest(given, token) for given in (*cookies(scope, policy.cookie), *bearers(scope)))


def enter(scope: Scope, policy: Policy) -> Response:
    """The first visit, `/?token=...`: hands out the cookie and leads to the address without.

    No browser sends a strict cookie with what another page began, not even after a redirect. Such a visit (a link in a
    terminal that is a web page itself, a file) gets a page of ours, which goes on by itself.

    Raises:
        Refused: the request is no such visit.
    """
    assert policy.token is not None, "whoever needs no token has passed"
    first = (scope["method"], scope["path"]) == ("GET", "/")
    if not (first and compare_digest(scope["query_string"], f"token={policy.token}".encode())):
        raise Refused(401, f"This server wants a token: {PRINTED}.", {"WWW-Authenticate": "Bearer"})
    answer: Response = RedirectResponse("/", 303)
    if b"cross-site" in values(scope, b"sec-fetch-site"):
        answer = HTMLResponse('<!doctype html><title>semlens</title><a href="/">semlens</a>')
        answer.headers["Refresh"] = "0;url=/"
    answer.headers["Cache-Control"] = "no-store"
    answer.set_cookie(policy.cookie, policy.token, httponly=True, samesite="strict")
    return answer


def cookies(scope: Scope, name: str) -> list[bytes]:
    """The values of a cookie: several if another server of this host has set one of that name, too."""
    pairs = [pair.strip().partition(b"=") for header in values(scope, b"cookie") for pair in header.split(b";")]
    return [value for given, _, value in pairs if given == name.encode()]


def bearers(scope: Scope) -> list[bytes]:
    """The tokens of the Authorization header."""
    parts = [header.partition(b" ") for header in values(scope, b"authorization")]
    return [token.strip() for scheme, _, token in parts if scheme.lower() == b"bearer"]


def values(scope: Scope, name: bytes) -> list[bytes]:
    """The values of all headers of a name, which is in lower case."""
    return [value for given, value in scope["headers"] if given.lower() == name]


def refusal(scope: Scope, refused: Refused) -> Response:
    """The sentence of a refusal: as JSON to the page, as text to a person."""
    headers = {"Cache-Control": "no-store", **(refused.headers or {})}
    if scope["path"].startswith(API):
        return JSONResponse({"error": refused.detail}, refused.status_code, headers)
    return PlainTextResponse(refused.detail, refused.status_code, headers)


def bounded(receive: Receive, most: int) -> Receive:
    """`receive`, bounded: it raises Refused if the body has more than `most` bytes or stops coming."""
    total, ended = 0, False

    async def receive_bounded() -> Message:
        nonlocal total, ended
        try:
            async with asyncio.timeout(None if ended else PATIENCE):  # after the body it waits until the user leaves
                message = await receive()
        except TimeoutError:
            raise Refused(408, "The rest of the request did not come.") from None
        total, ended = total + len(message.get("body", b"")), not message.get("more_body", False)
        if total > most:
            raise _too_large(most)
        return message

    return receive_bounded


def dressed(send: Send, scope: Scope) -> Send:
    """`send`, but every answer gets our headers; what the page asks for is stored only where its answer says so."""
    ours = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
    cache = b"no-store" if scope["path"].startswith(API) else b"no-cache"

    async def send_dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in ours]
            if not any(name.lower() == b"cache-control" for name, _ in kept):
                kept.append((b"cache-control", cache))
            # Of several content policies a browser keeps to every one: an answer's own can only tighten ours.
            message["headers"] = [*kept, *ours.items(), (b"content-security-policy", CONTENT.encode())]
        await send(message)

    return send_dressed


def _too_large(most: int) -> Refused:
    return Refused(413, f"That is too large: here this server takes {most // MEGABYTE} MB.")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
