"""The page in a notebook: requests come as messages, and the answers are the server's."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from semlens.app.request import Request
from semlens.app.routes import answer
from semlens.app.session import Session
from semlens.app.widget import explore
from tests.app.conftest import known

pytest.importorskip("anywidget")


class Heard:
    """Takes what a widget sends, as a notebook would."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.sent: list[tuple[dict[str, Any], Sequence[bytes]]] = []
        widget.send = lambda content, buffers=(): self.sent.append((content, buffers))

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[dict[str, Any], bytes]:
        content = {"id": len(self.sent), "method": method, "path": path}
        self.widget._msg_callbacks(self.widget, content, [body] if body is not None else [])
        reply, buffers = self.sent[-1]
        assert reply["id"] == content["id"]
        return reply, bytes(buffers[0])


def test_it_answers_as_the_server(folder: Path, session: Session) -> None:
    heard = Heard(explore(folder, height=500))
    assert heard.widget.height == 500
    for path in ("0/base", "0/component/25", "0/crop/7.webp"):
        reply, body = heard.ask("GET", path)
        assert reply["status"] == 200
        assert body == answer(session, Request("GET", path)).body
    reply, body = heard.ask("GET", "0/search?text=concept%203")
    assert body == answer(session, Request("GET", "0/search", {"text": "concept 3"})).body


def test_what_is_noted_is_kept_beside_the_index(folder: Path) -> None:
    heard = Heard(explore(folder))
    reply, body = heard.ask("POST", "0/annotations", json.dumps({"row": 3, "tag": "valid"}).encode())
    assert (reply["status"], json.loads(body)["rows"][0]["tag"]) == (200, "valid")
    again = Heard(explore(folder))
    assert json.loads(again.ask("GET", "0/annotations")[1])["rows"][0]["row"] == 3


def test_a_loaded_index_can_be_explored() -> None:
    heard = Heard(explore(known()))
    _, body = heard.ask("GET", "session")
    assert json.loads(body)["indexes"][0]["components"] == 80


def test_what_is_wrong_is_a_sentence_in_the_cell(folder: Path) -> None:
    reply, body = Heard(explore(folder)).ask("GET", "0/component/4000")
    assert reply["status"] == 404
    assert json.loads(body)["error"] == "there is no component 4000: the index has 80"
