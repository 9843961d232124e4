"""The server's side of its worker processes: each is started when it is first asked, and anew if it has ended."""

import json
import subprocess
import sys
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, final

import numpy as np
from safetensors.numpy import load

from semlens.errors import SemlensError
from semlens.types import Progress, silent


@dataclass(frozen=True, eq=False)
class Reply:
    """What a worker found."""

    arrays: dict[str, np.ndarray]
    told: dict[str, Any]


@final
class Worker:
    """One process, one request at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    def ask(self, do: str, progress: Progress = silent, **what: Any) -> Reply:
        """What the worker's function `do` gives for `what`. Raises SemlensError with its sentence if it fails."""
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps({"do": do, **what}) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    reply = json.loads(line)
                    if "step" not in reply:
                        return _found(reply)
                    progress(reply["step"], reply["done"], reply["total"])
            except OSError:
                pass
            self._end()
            raise SemlensError(f"the process for {do!r} ended, perhaps for lack of memory; the terminal says more")

    def close(self) -> None:
        """Ends the process; whoever waits for it is told that it ended."""
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            with suppress(OSError):
                self._process.communicate()  # closes the pipes
            self._process = None

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "semlens.app.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process


def _found(reply: dict[str, Any]) -> Reply:
    if "error" in reply:
        raise SemlensError(reply["error"])
    return Reply(load(b64decode(reply["arrays"])), reply["told"])
