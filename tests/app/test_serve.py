"""`semlens serve` and `semlens export` as a user runs them."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address that the command prints."""
    command = [sys.executable, "-m", "semlens", "serve", "--no-browser", "--port", "0", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.split()[1]
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert "Traceback" not in said


def get(address: str, **headers: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as found:
            return found.status, found.read()
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, fault.read()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "semlens", *arguments], capture_output=True, text=True, check=False)


def test_it_prints_an_address_with_a_token_that_opens_it(folder: Path) -> None:
    with serving(str(folder)) as address:
        root, _, token = address.partition("?token=")
        assert get(f"{root}api/session")[0] == 401
        status, body = get(f"{root}api/session", Authorization=f"Bearer {token}")
        assert (status, json.loads(body)["indexes"][0]["name"]) == (200, "planted")
        assert get(root, Authorization=f"Bearer {token}")[1].startswith(b"<!doctype html>")


def test_without_a_token_every_user_of_this_machine_is_let_in(folder: Path) -> None:
    with serving(str(folder), "--no-token") as address:
        assert get(f"{address}api/session")[0] == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0", "--no-token"], "lets other machines in, and that needs a token"),
        (["--images", "/"], "does not hold the images"),
        (["--port", "99999"], "99999 is not in the range"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(folder: Path, arguments: list[str], said: str) -> None:
    if "--images" in arguments:
        (folder.parent / "photos").mkdir()
        from PIL import Image

        Image.new("RGB", (8, 8)).save(folder.parent / "photos" / "a.png")
        arguments = ["--images", str(folder.parent / "photos")]
    found = run("serve", "--no-browser", str(folder), *arguments)
    assert found.returncode == 2
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_notes_of_someone_else_are_refused(folder: Path) -> None:
    (folder / "annotations.sqlite").write_bytes(b"no database at all" * 100)
    found = run("serve", "--no-browser", str(folder))
    assert (found.returncode, found.stdout) == (2, "")
    assert "holds no notes of semlens" in found.stderr


def test_an_export_says_what_it_wrote(folder: Path, tmp_path: Path) -> None:
    found = run("export", str(folder), "--site", str(tmp_path / "site"), "--json")
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["site"] == str(tmp_path / "site")
    assert said["files"] == sum(1 for file in (tmp_path / "site").rglob("*") if file.is_file())
