"""Hubs: one that answers, made here; one that does not; and none at all."""

import json
import socket
import time
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from huggingface_hub import constants

from semlens import hub
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.hub import FetchWarning, can_fetch, hub_folder, hugging_face, quiet, reachable
from semlens.images import load_images
from semlens.model.loading import load_model

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """What of the Hugging Face hub a download asks, for one repository `org/name`."""

    files: ClassVar = {"model.safetensors": b"w" * 3_000_000, "config.json": b"{}", "other.bin": b"o" * 9_000_000}

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        if "/tree/" in self.path:
            tree = [{"type": "file", "path": key, "size": len(data), "oid": key} for key, data in self.files.items()]
            content = json.dumps(tree).encode()
        elif self.path.startswith("/api/models/org/name"):
            listed = [{"rfilename": key, "size": len(data)} for key, data in self.files.items()]
            content = json.dumps({"id": "org/name", "sha": COMMIT, "siblings": listed}).encode()
        elif self.path == "/" or name in self.files:
            content = self.files.get(name, b"welcome")
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for key, value in {"X-Repo-Commit": COMMIT, "ETag": f'"{name}"', "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield url
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    """A proxy that takes every connection and never answers, as an unroutable network seems from here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        monkeypatch.setattr(hub, "WAIT", 0.5)
        yield server


def test_what_is_fetched_is_told_first_with_its_size_and_only_once(address: str, tmp_path: Path) -> None:
    with pytest.warns(FetchWarning, match=rf"fetching org/name, 3 MB in 2 files, to {tmp_path / 'cache'}"):
        folder = hub_folder("org/name", ("model*.safetensors", "config.json"), "its folder")
    assert (folder / "model.safetensors").read_bytes() == Hub.files["model.safetensors"]
    assert not (folder / "other.bin").exists()
    with warnings.catch_warnings(action="error"):
        assert hub_folder("org/name", ("model*.safetensors", "config.json"), "its folder") == folder
    constants.ENDPOINT = "http://127.0.0.1:9"  # nobody is there, and the cache has it all (the fixture restores it)
    assert hub_folder("org/name", ("model*.safetensors", "config.json"), "its folder") == folder


def test_a_file_at_an_address_is_told_or_out_of_reach(address: str, tmp_path: Path) -> None:
    with pytest.warns(FetchWarning, match="model.safetensors, 3 MB in one file"):
        assert can_fetch(f"{address}/x/model.safetensors", tmp_path / "w.pth")
    (tmp_path / "w.pth").touch()
    assert can_fetch("http://127.0.0.1:9/w.pth", tmp_path / "w.pth")
    assert reachable(address)
    assert reachable(f"{address}/nothing/there")  # it answers
    assert not reachable("http://127.0.0.1:9")
    assert not reachable("no address")


@pytest.mark.parametrize("spec", ["timm:resnet18", "torchvision:resnet18", "hf:org/name", "timm:hf-hub:org/name"])
def test_without_an_answer_a_model_is_one_sentence_soon(spec: str, silent: socket.socket) -> None:
    import timm  # noqa: F401  what is measured is the wait, not what libraries take to load
    import transformers  # noqa: F401

    start = time.monotonic()
    with pytest.raises(SemlensError, match=r"cannot be loaded: .*(does not answer|cannot be reached).*local weights"):
        load_model(spec)
    assert time.monotonic() - start < 10
    assert constants.HF_HUB_OFFLINE is False  # as it was


def test_without_an_answer_a_foundation_model_or_a_data_set_is_one_sentence_soon(silent: socket.socket) -> None:
    start = time.monotonic()
    with pytest.raises(SemlensError, match="is not in the hub's cache and could not be fetched"):
        hub_folder("org/name", ("*.json",), "its folder")
    with pytest.raises(SemlensError, match="cannot load hf:org/name: .*does not answer"):
        load_images("hf:org/name")
    assert time.monotonic() - start < 10


def test_a_silent_server_is_waited_for_once_whoever_asks(silent: socket.socket) -> None:
    for _ in range(2):
        with pytest.raises(SemlensError, match="is not in the hub's cache and could not be fetched"):
            load_foundation("transformers:org/name")
        with pytest.raises(SemlensError, match="timm:resnet18 cannot be loaded: .*does not answer"):
            load_model("timm:resnet18")
    silent.setblocking(False)
    silent.accept()[0].close()
    with pytest.raises(BlockingIOError):  # nobody has knocked a second time
        silent.accept()


def test_another_server_has_half_the_time_once_one_was_silent(silent: socket.socket) -> None:
    start = time.monotonic()
    assert not reachable("https://one.invalid")
    first = time.monotonic() - start
    assert not reachable("https://two.invalid/weights.pth")
    assert time.monotonic() - start - first < first
    assert first < 2 * (hub.WAIT + 1)


def test_an_answer_holds_for_a_while_only(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reachable(address)
    monkeypatch.setattr(Hub, "do_HEAD", lambda handler: handler.connection.close())
    assert reachable(address)
    monkeypatch.setattr(hub, "VALID", 0.0)
    assert not reachable(address)


def test_where_the_user_is_offline_on_purpose_that_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE is set"), hugging_face("org/name"):
        raise KeyError("whatever a library makes of it")


def test_bars_of_transformers_are_off_for_as_long_as_we_load() -> None:
    from transformers.utils import logging

    assert logging.is_progress_bar_enabled()
    with quiet():
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled()
