"""Processes of this machine, a pool of one for each, so that it is known which part a process died of."""

import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import cloudpickle
import torch
from loky import ProcessPoolExecutor

from semlens.images.loader import usable_cores
from semlens.pipeline.executors.executor import Died, Outcome, packed
from semlens.pipeline.work import Part, Work

_WORK: list[Work] = []
"""What this process works on, if it is one that takes parts."""


class Processes:
    """So many processes, or as many as there are cores."""

    def __init__(self, count: int | None = None) -> None:
        self.slots = count or usable_cores()
        self._sent = b""
        self._free: list[ProcessPoolExecutor] = []
        self._busy: dict[Future[Any], tuple[Part, ProcessPoolExecutor]] = {}

    def open(self, work: Work) -> None:
        self._sent = packed(work)

    def begin(self, inputs: Sequence[Path]) -> None:
        pass  # the folder is at hand

    def submit(self, part: Part) -> None:
        pool = self._free.pop() if self._free else self._started()
        self._busy[pool.submit(_do, part)] = part, pool

    def _started(self) -> ProcessPoolExecutor:
        threads = max(1, usable_cores() // self.slots)
        return ProcessPoolExecutor(1, timeout=None, initializer=_take, initargs=(self._sent, threads, os.getpid()))

    def finished(self, seconds: float) -> Sequence[Outcome]:
        done, _ = wait(self._busy, seconds, FIRST_COMPLETED)
        return [self._outcome(future) for future in done]

    def _outcome(self, future: "Future[Any]") -> Outcome:
        part, pool = self._busy.pop(future)
        try:
            warned = future.result()
        except BrokenProcessPool:
            pool.shutdown(kill_workers=True)
            return Outcome(part, fault=Died())
        except Exception as fault:
            self._free.append(pool)
            return Outcome(part, fault=fault)
        self._free.append(pool)
        return Outcome(part, tuple(warned))

    def missing(self) -> str:
        return ""

    def close(self) -> None:
        for pool in [*self._free, *(pool for _, pool in self._busy.values())]:
            pool.shutdown(kill_workers=True)
        self._free.clear()
        self._busy.clear()


def _take(sent: bytes, threads: int, parent: int) -> None:
    """Makes a process ready, which ends as soon as whoever started it is gone."""
    Thread(target=_leave_with, args=(parent,), daemon=True).start()
    work = cloudpickle.loads(sent)
    torch.set_num_threads(threads)
    _WORK[:] = [work]


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(1)


def _do(part: Part) -> list[tuple[type[Warning], str]]:
    return _WORK[0].do(part)
