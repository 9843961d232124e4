"""How commands end: exit codes, any encoding, closed pipes, full disks, Ctrl-C, and faults of our own."""

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import click
import pytest

from semlens.cli import app
from semlens.cli.common import NewFile, NewFolder, as_line, layer_names, table
from semlens.errors import SemlensError
from tests.cli.test_cli import command

TEXT = "gr\u00f6\u00dfer \u2264 30 \u201cox\u201d \u2026 \u732b \U0001f42b \udcff"


@pytest.fixture
def odd() -> Iterator[Callable[[Callable[[], Any]], list[str]]]:
    """A command of the group that does what it is given; its arguments."""

    def make(run: Callable[[], Any]) -> list[str]:
        app.add_command(click.Command("odd", callback=run))
        return ["odd"]

    yield make
    app.commands.pop("odd", None)


def raising(fault: BaseException) -> Callable[[], None]:
    """What raises it in no code of a user's, which code of tests would be."""
    future: Future[None] = Future()
    future.set_exception(fault)
    return future.result


def test_a_fault_in_the_users_own_code_is_said_to_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, said in (
        ("def build():\n    return {}['x']\n", "mine.py:2: KeyError: 'x' (SEMLENS_DEBUG=1 shows more)"),
        ("def build(:\n", "mine.py cannot be run: invalid syntax (mine.py, line 1)"),
        ("import nothing_of_the_kind\n", "mine.py:1: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
        ("raise SystemExit(1)\n", "mine.py ends the program as it is run"),
    ):
        (tmp_path / "mine.py").write_text(text)
        assert command("layers", f"file:{tmp_path / 'mine.py'}:build") == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (SemlensError("give a layer"), 2, "semlens: give a layer\n"),
        (ModuleNotFoundError(name="torch.nn"), 2, "torch is not installed: pip install 'semlens[torch]'"),
        (ModuleNotFoundError("no x", name="x"), 70, "a fault of semlens, not of yours: ModuleNotFoundError: no x"),
        (KeyError("layer"), 70, "a fault of semlens, not of yours: KeyError: 'layer' ("),
        (AssertionError(), 70, "AssertionError ("),
        (RecursionError("deep\n deeper"), 70, "RecursionError: deep deeper ("),
        (
            FileNotFoundError(errno.ENOENT, "No such file"),
            70,
            "please report it with the command, and what SEMLENS_DEBUG=1",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 2, "semlens: /data/x: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), 2, "semlens: /data: Permission denied\n"),
        (MemoryError(), 2, "not enough memory: a smaller --batch-size"),
        (KeyboardInterrupt(), 130, "semlens: interrupted\n"),
        (EOFError("at the end"), 70, "EOFError"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (SystemExit(1), 2, ""),
        (SystemExit(0), 0, ""),
        (click.UsageError("no"), 2, "Error: no"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_nothing_that_goes_wrong_is_a_failed_requirement(
    fault: BaseException, code: int, said: str, odd: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*odd(raising(fault))) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert len(told.splitlines()) <= 1 or isinstance(fault, click.ClickException)


def test_a_traceback_is_shown_where_it_is_asked_for(
    odd: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMLENS_DEBUG", "1")
    assert command(*odd(raising(KeyError("layer")))) == 70
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_verdict_is_the_exit_code(code: int, odd: Any) -> None:
    assert command(*odd(lambda: code)) == code


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "utf-16", "utf-8"])
def test_output_can_be_of_any_encoding(encoding: str, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> None:
        print(TEXT)
        table(("a", TEXT), [("b", "c")])
        print(as_line({"name": TEXT}))

    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, newline=""))
    assert command(*odd(run)) == 0
    lines = written.getvalue().decode(encoding).splitlines()
    plain = {"ascii": 'gr\\xf6\\xdfer <= 30 "ox" ... \\u732b \\U0001f42b \\udcff'}
    plain["cp1252"] = plain["latin-1"] = plain["ascii"].replace("\\xf6\\xdf", "\u00f6\u00df")
    if encoding in plain:
        wanted = plain[encoding]
        assert lines[0] == (wanted.replace('"ox" ...', "\u201cox\u201d \u2026") if encoding == "cp1252" else wanted)
    assert json.loads(lines[-1]) == {"name": TEXT}
    if encoding == "utf-8":
        assert lines[0] == TEXT.replace("\udcff", "\\udcff")


def test_a_full_disk_under_standard_output_is_one_sentence(
    odd: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")
    with Path("/dev/full").open(
        "w"
    ) as full:  # which is closed as Python does at its end: nothing is left to be written
        monkeypatch.setattr(sys, "stdout", full)
        assert command(*odd(lambda: print("x"))) == 2
    assert capsys.readouterr().err == "semlens: standard output cannot be written: No space left on device\n"


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    code = "from semlens.cli import app, main; import click, sys\nfrom semlens.cli.common import table\n"
    code += "def run():\n    for n in range(9999): table(('a', 'b'), [('x' * 50, str(n))])\n    return 1\n"
    code += "app.add_command(click.Command('odd', callback=run)); sys.argv = ['semlens', 'odd']; main()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_what_is_kept_is_said_where_a_build_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import semlens as sl

    def stop(*_: Any, **__: Any) -> None:
        (tmp_path / "I.partial").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(sl, "build", stop)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    from PIL import Image

    Image.new("RGB", (64, 64)).save(pictures / "a.png")
    made = ["--layer", "block4", "--foundation", "testbed:clip", "--out", str(tmp_path / "I")]
    assert command("build", "--model", "testbed:clean", "--images", str(pictures), *made) == 130
    said = capsys.readouterr().err
    assert f"interrupted; the work is kept in {tmp_path / 'I.partial'}, and the same command with --resume" in said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("x.zzz", "let the name end in .png, .svg"),
        ("x", "let the name end in .png, .svg"),
        ("none/x.png", "there is no folder"),
        ("folder", "it is a folder"),
        ("file/x.png", "there is no folder"),
    ],
)
def test_where_no_file_can_be_written_is_said_before_the_work(path: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SemlensError, match=said):
        NewFile(".png", ".svg").convert(str(tmp_path / path), None, None)
    assert NewFile(".png").convert(str(tmp_path / "x.PNG"), None, None) == tmp_path / "x.PNG"


@pytest.mark.parametrize(("path", "said"), [("file", "file is no folder"), ("file/a/b", "file is no folder")])
def test_where_no_folder_can_be_made_is_said_before_the_work(path: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SemlensError, match=said):
        NewFolder().convert(str(tmp_path / path), None, None)
    assert NewFolder().convert(str(tmp_path / "a" / "b"), None, None) == tmp_path / "a" / "b"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_said_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SemlensError, match="permission denied"):
        NewFolder().convert(str(tmp_path / "a"), None, None)
    with pytest.raises(SemlensError, match="permission denied"):
        NewFile(".png").convert(str(tmp_path / "a.png"), None, None)


def test_layers_by_commas_are_stripped() -> None:
    assert layer_names(["a, b", " c ,", "d"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "gpu"], "there is no device 'gpu': write cpu, cuda for a GPU"),
        (["--batch-size", "0"], "Invalid value for '--batch-size': 0 is not in the range x>=1"),
        (["--k", "0"], "Invalid value for '--k'"),
        (["--workers", "-1"], "Invalid value for '--workers'"),
    ],
)
def test_options_that_cannot_be(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ["--layer", "block4", "--foundation", "testbed:clip", "--out", str(tmp_path / "I")]
    assert command("build", "--model", "testbed:clean", "--images", "x", *made, *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
