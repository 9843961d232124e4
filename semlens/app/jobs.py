"""Work that outlasts a request: in a thread while the page asks again, or in a worker process of its own."""

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, TypeVar, final

import numpy as np
from safetensors.numpy import load

from semlens.errors import SemlensError
from semlens.types import Progress, silent

T = TypeVar("T")

MAX_RESULTS = 64
"""Results that are kept; the oldest go first."""


@dataclass(frozen=True)
class Job:
    """Something that is being computed, and how far it is."""

    index: int
    what: str
    step: str = "starting"
    done: int = 0
    total: int = 0


class Pending(Exception):
    """Not there yet: ask again."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.step)
        self.job = job


@final
class Jobs:
    """Running and finished work by its key, each piece done once."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="semlens")
        self._lock = Lock()
        self._futures: dict[tuple[Any, ...], Future[Any]] = {}
        self._states: dict[tuple[Any, ...], Job] = {}

    def get(self, key: tuple[Any, ...], job: Job, run: Callable[[Progress], T], wait: float = 0.05) -> T:
        """What `run` returns, started if it was not yet.

        A fault is raised once, to whoever asks first; the next one to ask starts anew.

        Raises:
            Pending: it takes longer than `wait` seconds.
        """
        with self._lock:
            future = self._futures.get(key)
            if future is None:
                self._forget_old()
                self._states[key] = job
                future = self._futures[key] = self._pool.submit(run, self._progress(key, job))
        wait_for([future], timeout=wait)
        if not future.done():
            raise Pending(self._states.get(key, job))
        try:
            result: T = future.result()
        except Exception:
            with self._lock:
                self._futures.pop(key, None)
            raise
        return result

    def running(self) -> list[Job]:
        """The jobs that are being computed now."""
        with self._lock:
            return [self._states[key] for key, future in self._futures.items() if not future.done()]

    def close(self) -> None:
        """Waits for nothing: what runs is of no use any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _progress(self, key: tuple[Any, ...], job: Job) -> Progress:
        def report(step: str, done: int, total: int) -> None:
            self._states[key] = replace(job, step=step, done=done, total=total)

        return report

    def _forget_old(self) -> None:
        done = [key for key, future in self._futures.items() if future.done()]
        for key in done[: max(0, len(self._futures) - MAX_RESULTS)]:
            self._futures.pop(key), self._states.pop(key, None)


@dataclass(frozen=True, eq=False)
class Reply:
    """What a worker process computed."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


@final
class Worker:
    """The server's side of a worker process: started when it is first asked, and anew if it has ended; one request at
    a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()

    def ask(self, do: str, progress: Progress = silent, **arguments: Any) -> Reply:
        """What the worker's function `do` returns.

        Raises:
            SemlensError: it failed, or its process ended.
        """
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    reply = json.loads(line)
                    if "step" not in reply:
                        return _decoded(reply)
                    progress(reply["step"], reply["done"], reply["total"])
            except OSError:
                pass
            self._end()
            raise SemlensError(f"the process for {do!r} ended, perhaps for lack of memory; the terminal says more")

    def close(self) -> None:
        """Ends the process; whoever waits for it gets the error that it ended."""
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


def _decoded(reply: dict[str, Any]) -> Reply:
    if "error" in reply:
        raise SemlensError(reply["error"])
    return Reply(load(b64decode(reply["arrays"])), reply["metadata"])
