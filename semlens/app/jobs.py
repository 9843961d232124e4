"""Work that outlasts a request: in a thread while the page asks again, or in a worker process of its own."""

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import Condition, Lock, Thread
from time import monotonic
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


@dataclass(frozen=True)
class Lane:
    """Threads for work of one kind, which no work of another kind has to wait for."""

    name: str
    threads: int
    passing: bool = False  # the newest first, and nothing that nobody asks for any more


ASKED = Lane("asked", 4)
"""What a person waits for: searches, audits, their own picture."""

HEAT = Lane("heat", 1, passing=True)
"""What a person looks at in passing: heat maps of one component after another."""

OWN_HEAT = Lane("own-heat", 1, passing=True)
"""Heat maps of the reader's own picture: one at a time, so that what else is asked of it comes in between."""

LONG = Lane("long", 2)
"""What takes long and is done once: labels, measures, the map, what passes between layers."""

PATIENCE = 4.0
"""Seconds after which passing work that nobody asked for again is dropped: the page asks every 0.4 seconds."""


@dataclass(eq=False)
class _Task:
    key: tuple[Any, ...]
    run: Callable[[], Any]
    future: "Future[Any]"
    asked: float  # when it was last asked for


@final
class _Queue:
    """The waiting work of a lane, and its threads, which start with the first of it."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self._waiting = lane, list[_Task]()
        self._there, self._closed, self._threads = Condition(), False, list[Thread]()

    def put(self, task: _Task) -> None:
        with self._there:
            self._waiting.append(task)
            if len(self._threads) < self.lane.threads:
                thread = Thread(target=self._work, name=f"semlens-{self.lane.name}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._there.notify()

    def close(self) -> None:
        with self._there:
            self._closed = True
            for task in self._waiting:
                task.future.cancel()
            self._waiting.clear()
            self._there.notify_all()

    def _work(self) -> None:
        while self._do_next():  # which keeps nothing of the work once it is done
            pass

    def _do_next(self) -> bool:
        """Does the work whose turn it is; False once the lane is closed."""
        with self._there:
            self._there.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return False
            task = self._waiting.pop(-1 if self.lane.passing else 0)
        if self.lane.passing and monotonic() - task.asked > PATIENCE:
            task.future.cancel()
        if task.future.set_running_or_notify_cancel():
            try:
                task.future.set_result(task.run())
            except BaseException as fault:
                task.future.set_exception(fault)
        return True


@final
class Jobs:
    """Running and finished work by its key, each piece done once."""

    def __init__(self) -> None:
        self._queues = {lane: _Queue(lane) for lane in (ASKED, HEAT, OWN_HEAT, LONG)}
        self._lock = Lock()
        self._tasks: dict[tuple[Any, ...], _Task] = {}
        self._states: dict[tuple[Any, ...], Job] = {}

    def get(
        self, key: tuple[Any, ...], job: Job, run: Callable[[Progress], T], wait: float = 0.05, lane: Lane = ASKED
    ) -> T:
        """What `run` returns, started if it was not yet.

        A fault is raised once, to whoever asks first; the next one to ask starts anew.

        Raises:
            Pending: it takes longer than `wait` seconds.
        """
        with self._lock:
            task = self._tasks.get(key)
            if task is None or task.future.cancelled():
                self._forget_old()
                self._states[key] = job
                task = self._tasks[key] = _Task(key, partial(run, self._progress(key, job)), Future(), monotonic())
                self._queues[lane].put(task)
            task.asked = monotonic()
        wait_for([task.future], timeout=wait)
        if not task.future.done() or task.future.cancelled():
            raise Pending(self._states.get(key, job))
        try:
            result: T = task.future.result()
        except Exception:
            with self._lock:
                if self._tasks.get(key) is task:
                    self._tasks.pop(key)
            raise
        return result

    def running(self) -> list[Job]:
        """The jobs that are being computed now, or wait for that."""
        with self._lock:
            return [self._states[key] for key, task in self._tasks.items() if not task.future.done()]

    def close(self) -> None:
        """Waits for nothing: what runs is of no use any more."""
        for queue in self._queues.values():
            queue.close()

    def _progress(self, key: tuple[Any, ...], job: Job) -> Progress:
        def report(step: str, done: int, total: int) -> None:
            self._states[key] = replace(job, step=step, done=done, total=total)

        return report

    def _forget_old(self) -> None:
        done = [key for key, task in self._tasks.items() if task.future.done()]
        for key in done[: max(0, len(self._tasks) - MAX_RESULTS)]:
            self._tasks.pop(key), self._states.pop(key, None)


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
