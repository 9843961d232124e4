"""The server: the page and its files, and every address below /api/ answered by `routes`."""

import atexit
import shutil
import socket
import tempfile
import webbrowser
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Incoming
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from semlens.app.guard import Guard, Policy, fresh_token
from semlens.app.request import Answer, Request
from semlens.app.routes import answer
from semlens.app.session import Session
from semlens.errors import SemlensError

PORT = 8765


def create_app(session: Session, policy: Policy) -> ASGIApp:
    """The whole app behind its guard."""

    async def api(incoming: Incoming) -> Response:
        method = "GET" if incoming.method == "HEAD" else incoming.method  # the server leaves the body out
        try:
            body = await incoming.body()
        except ClientDisconnect:  # nobody is there to be answered
            return Response(status_code=400)
        query = dict(incoming.query_params)
        request = Request(method, incoming.path_params["path"], query, body)
        return _response(await run_in_threadpool(answer, session, request))

    page = StaticFiles(directory=str(page_folder()), html=True)
    routes = [Route("/api/{path:path}", api, methods=["GET", "POST"]), Mount("/", page)]
    return Guard(Starlette(routes=routes), policy)


def page_folder() -> Path:
    """Where the built page lies.

    Raises:
        SemlensError: it was never built.
    """
    folder = Path(str(files("semlens.app") / "static"))
    if not (folder / "index.html").is_file():
        raise SemlensError("the page is not built: `make page` builds it, with Node")
    return folder


def serve(
    session: Session, *, host: str, port: int | None, token: bool, browser: bool, say: Callable[[str], None]
) -> None:
    """Serves until it is interrupted. `port` None: the usual one, or any that is free.

    Raises:
        SemlensError: the port is taken, or the host is another than this machine and there is no token.
    """
    bound = _bound(host, port)
    try:
        policy = Policy(host, bound.getsockname()[1], fresh_token() if token else None)
        app = create_app(session, policy)
        say(policy.address)
        if browser:
            _open(policy.address)
        # No access log: its lines would hold the token of the first visit.
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        uvicorn.Server(config).run(sockets=[bound])
    finally:
        bound.close()
        session.close()


def _open(address: str) -> None:
    """Opens the address in a browser, by way of a file that only the user can read: what stands in a command line, the
    token too, every user of the machine can see."""
    page = Path(tempfile.mkdtemp(prefix="semlens-")) / "open.html"
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={address}"><title>semlens</title>')
    atexit.register(shutil.rmtree, page.parent, ignore_errors=True)
    webbrowser.open(page.as_uri())


def _bound(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in [PORT, 0] if port is None else [port]:
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, wanted))
            bound.listen()  # whoever opens the address at once waits, and is not turned away
            return bound
        except (OSError, OverflowError) as fault:
            bound.close()
            why = getattr(fault, "strerror", None) or fault
    raise SemlensError(f"cannot serve on {host}, port {wanted}: {why}; choose another with --port")


def _response(answer: Answer) -> Response:
    headers = {"Cache-Control": answer.cache}
    if answer.name:
        headers["Content-Disposition"] = f'attachment; filename="{answer.name}"'
    if answer.media.startswith("text/html"):
        headers["Content-Security-Policy"] = "sandbox"
    return Response(answer.body, answer.status, headers, answer.media)
