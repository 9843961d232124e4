"""Work that outlasts a request: done once, in a thread, while the page asks again and shows how far it is."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar, final

from semlens.app.answer import Job, Pending
from semlens.types import Progress

T = TypeVar("T")

KEPT = 64
"""Results that are kept; the oldest go first."""


@final
class Jobs:
    """Running and finished work by its key."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="semlens")
        self._lock = Lock()
        self._found: dict[tuple[Any, ...], Future[Any]] = {}
        self._told: dict[tuple[Any, ...], Job] = {}

    def get(self, key: tuple[Any, ...], job: Job, run: Callable[[Progress], T], wait: float = 0.05) -> T:
        """What `run` returns, started if it was not yet. Raises Pending if that takes longer than `wait` seconds.

        A fault is raised once, to whoever asks first; the next one to ask starts anew.
        """
        with self._lock:
            future = self._found.get(key)
            if future is None:
                self._forget_old()
                self._told[key] = job
                future = self._found[key] = self._pool.submit(run, self._progress(key, job))
        wait_for([future], timeout=wait)
        if not future.done():
            raise Pending(self._told.get(key, job))
        try:
            found: T = future.result()
        except Exception:
            with self._lock:
                self._found.pop(key, None)
            raise
        return found

    def running(self) -> list[Job]:
        """What is being computed now."""
        with self._lock:
            return [self._told[key] for key, future in self._found.items() if not future.done()]

    def close(self) -> None:
        """Waits for nothing: what runs is of no use any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _progress(self, key: tuple[Any, ...], job: Job) -> Progress:
        def told(step: str, done: int, total: int) -> None:
            self._told[key] = replace(job, step=step, done=done, total=total)

        return told

    def _forget_old(self) -> None:
        done = [key for key, future in self._found.items() if future.done()]
        for key in done[: max(0, len(self._found) - KEPT)]:
            self._found.pop(key), self._told.pop(key, None)
