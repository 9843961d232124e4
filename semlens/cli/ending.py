"""How a command ends: its exit code, and one sentence on standard error where it did not do what was asked.

| code | means |
|---|---|
| 0 | done |
| 1 | a requirement is not met |
| 2 | a mistake of the user's, or the machine refuses (a full disk, no permission, no memory) |
| 3 | it cannot be told: no requirement failed, and at least one cannot be decided |
| 70 | a fault of semlens |
| 130 | interrupted |
| 141 | whoever read standard output closed it |
"""

import errno
import io
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from semlens.errors import SemlensError, missing_extra

MISTAKE, CANNOT_TELL, OURS, INTERRUPTED, CLOSED = 2, 3, 70, 130, 141
EXTRA_OF = MappingProxyType(
    {
        **dict.fromkeys(("torch", "torchvision", "timm", "einops"), "torch"),
        **dict.fromkeys(("starlette", "uvicorn", "anyio"), "app"),
    }
)
"""Packages that only an extra brings, with its name."""

MACHINE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG,
        errno.EMFILE, errno.ENFILE, errno.ENOTDIR,
    }
)  # fmt: skip
"""What the system refuses for reasons that lie outside of any program."""

DEBUG = "SEMLENS_DEBUG"


class Commands(click.Group):
    """The commands, whose every end is one of the table above: click would make some of them 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that was asked for, and leaves with its exit code."""
        ctx.exit(ending(lambda: super(Commands, self).invoke(ctx)))


def ending(run: Callable[[], Any]) -> int:
    """The exit code of what `run` does or gives, once whatever went wrong is said."""
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk or a closed pipe may show itself only here
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:  # a library's, or completion's, which says 1 only for a shell that it does not know
        return end.code if isinstance(end.code, int) and end.code != 1 else MISTAKE if end.code else 0
    except BaseException as fault:  # the one place where nothing may pass: Python's own end would be 1
        return _told(fault)


def _told(fault: BaseException) -> int:
    if os.environ.get(DEBUG):
        _print(traceback.format_exc())
    if isinstance(fault, BrokenPipeError):
        _discard()
        return CLOSED
    if isinstance(fault, OSError) and _unwritten():
        _print(f"semlens: standard output cannot be written: {fault.strerror or fault}")
        return MISTAKE
    code, sentence = _judged(fault)
    _print(f"semlens: {sentence}")
    return code


def _judged(fault: BaseException) -> tuple[int, str]:
    """The exit code of a fault and what is said of it."""
    if isinstance(fault, SemlensError):
        return MISTAKE, str(fault)
    if isinstance(fault, KeyboardInterrupt | click.Abort):
        return INTERRUPTED, "; ".join(["interrupted", *getattr(fault, "__notes__", [])])
    if isinstance(fault, ModuleNotFoundError) and (package := (fault.name or "").partition(".")[0]) in EXTRA_OF:
        return MISTAKE, str(missing_extra(package, EXTRA_OF[package]))
    if isinstance(fault, OSError) and fault.errno in MACHINE:
        where = f"{os.fsdecode(fault.filename)}: " if isinstance(fault.filename, str | bytes) else ""
        return MISTAKE, f"{where}{fault.strerror}"
    if (
        isinstance(fault, MemoryError) or type(fault).__name__ == "OutOfMemoryError"
    ):  # torch's, which is not imported here
        return MISTAKE, "not enough memory: a smaller --batch-size or fewer layers at once need less"
    if theirs := _users_code(fault):
        return MISTAKE, f"{theirs.filename}:{theirs.lineno}: {_in_words(fault)} ({DEBUG}=1 shows more)"
    return OURS, f"{_our_fault(fault)}; please report it with the command, and what {DEBUG}=1 before it prints"


def _users_code(fault: BaseException) -> traceback.FrameSummary | None:
    """Where the user's own code was at work, as a model file's, if it was: neither ours nor an installed library's."""
    libraries = {Path(__file__).parents[1], *map(Path, sysconfig.get_paths().values())}
    frames = reversed(traceback.extract_tb(fault.__traceback__))
    for frame in frames:
        file = Path(frame.filename)
        if file.is_file() and not any(file.is_relative_to(library) for library in libraries):
            return frame
    return None


def _our_fault(fault: BaseException) -> str:
    """A fault of ours in one line: what, and where in the package it arose."""
    frames = traceback.extract_tb(fault.__traceback__)
    package = Path(__file__).parents[1]
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(package)] or frames
    where = f" ({Path(ours[-1].filename).name}:{ours[-1].lineno})" if ours else ""
    return f"a fault of semlens, not of yours: {_in_words(fault)}{where}"


def _in_words(fault: BaseException) -> str:
    said = " ".join(str(fault).split())[:200]
    return f"{type(fault).__name__}: {said}" if said else type(fault).__name__


def _unwritten() -> bool:
    """Whether it is standard output that cannot be written; from then on it is not."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _discard()
        return True
    return False


def _discard() -> None:
    """Sends what is left of standard output nowhere: Python writes it out once more at its end, which would be 120."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def _print(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody listens
        return


def speak_any_encoding(*streams: object) -> None:
    """Lets streams write any text: what their encoding lacks is drawn in ASCII, or written as an escape."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="semlens")


PLAIN = MappingProxyType(
    {
        **dict.fromkeys("\u2500\u2501\u2550\u2574\u2576\u257c\u257e", "-"),
        **dict.fromkeys("\u2502\u2503\u2551", "|"),
        **dict.fromkeys(map(chr, range(0x250C, 0x2550)), "+"),
        **dict.fromkeys(map(chr, range(0x2552, 0x2574)), "+"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u2018\u2019", "'"),
        **dict.fromkeys("\u201c\u201d", '"'),
        "\u2026": "...", "\u2264": "<=", "\u2265": ">=", "\u00d7": "x", "\u00b7": ".", "\u2192": "->", "\u00a0": " ",
    }
)  # fmt: skip
"""Drawn in ASCII: lines and corners of tables, dashes, quotation marks and signs."""


def plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks, and where to go on: nothing is lost, all else is escaped."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    drawn = "".join(PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking)
    return drawn, error.end
