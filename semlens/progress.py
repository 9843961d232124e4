"""Progress where a person looks, in a notebook or at a prompt: a line for each step, which moves in place."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib import import_module
from threading import Lock
from time import monotonic
from typing import Any

EVERY = 0.1
"""Seconds between two pictures of a line."""

Draw = Callable[[str, float], None]
"""Puts a text and the share that is done, 0 to 1, where the line stands."""


def visible(step: str, done: int, total: int) -> None:
    """The Progress of a verb that is given none: a line that moves in place in a notebook or at Python's prompt, and
    nothing in a script, where `progress=` asks for it."""
    with _ONE_AT_A_TIME:
        _LINES.tell(step, done, total)


def watched() -> bool:
    """Whether a person may look at what is drawn: in a notebook, or where standard error is a terminal."""
    return _notebook() is not None or bool(sys.stderr and sys.stderr.isatty())


@dataclass
class _Line:
    """One step's line. Mutable, because it moves."""

    step: str
    draw: Draw
    first: int  # how much was done when it began, by a run before this
    begun: float
    done: int
    total: int
    drawn: float = 0.0

    def follows(self, step: str, done: int, total: int) -> bool:
        """Whether a step that is told of is this one, gone on."""
        return (self.step, self.total) == (step, total) and done >= self.done

    def move(self, done: int) -> None:
        """Draws how far the step is, at times, and once at its end."""
        ended, now = done >= self.total, monotonic()
        again, self.done = done == self.done and self.drawn > 0, done
        if (ended and again) or (not ended and now - self.drawn < EVERY):
            return
        self.drawn = now
        spent, made = now - self.begun, done - self.first
        left = f", {_clock(spent * (self.total - done) / made)} left" if made > 0 and not ended else ""
        text = f"{self.step}: {done:,} of {self.total:,}" + (f", {_clock(spent)}" if ended else left)
        self.draw(text, done / self.total if self.total else 1.0)


class _Lines:
    """The line that moves at the moment, if any does."""

    def __init__(self) -> None:
        self._now: _Line | None = None

    def tell(self, step: str, done: int, total: int) -> None:
        if self._now is None or not self._now.follows(step, done, total):
            draw = _place()
            if draw is None:
                return
            self._now = _Line(step, draw, done, monotonic(), done, total)
        self._now.move(done)


_LINES = _Lines()
_ONE_AT_A_TIME = Lock()


def _place() -> Draw | None:
    """Where a new line is drawn, None where nobody looks."""
    if _notebook() is not None:
        return _Cell()
    prompt = hasattr(sys, "ps1") or _shell() is not None
    return _at_prompt if prompt and sys.stderr and sys.stderr.isatty() else None


def _shell() -> Any:
    """The IPython that runs this, if one does."""
    ipython: Any = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _notebook() -> Any:
    """The IPython of a notebook, which is no terminal's; None elsewhere."""
    shell = _shell()
    terminal: Any = sys.modules.get("IPython.terminal.interactiveshell")
    return None if terminal and isinstance(shell, terminal.TerminalInteractiveShell) else shell


class _Cell:
    """A line below a notebook's cell."""

    def __init__(self) -> None:
        self._handle: Any = None

    def __call__(self, text: str, share: float) -> None:
        bar = f'<progress value="{share:.3f}" max="1"></progress>'
        bundle = {"text/plain": text, "text/html": f"<div>{bar} {escape(text)}</div>"}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def _at_prompt(text: str, share: float) -> None:
    print(f"\r\x1b[2K{text}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
