"""Ray: a cluster by its address, or one of this machine's cores. It shares no folder with whoever asks."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import cloudpickle
import torch

from semlens.errors import SemlensError, missing_extra
from semlens.pipeline.executors.executor import Died, Outcome, packed
from semlens.pipeline.partial import LOCK, partial_folder
from semlens.pipeline.work import Part, Work

Files = dict[str, bytes]


class Ray:
    """Tasks of a Ray cluster; without an address, of one on this machine that ends with the build.

    A part is sent with the files that it reads and gives those that it made, so that no disk need be shared; what the
    model, images and foundation model themselves read has to be where they say on every node.

    Args:
        address: as `ray.init` takes it, or `auto`.
        cpus: of each part, which runs with so many threads.
    """

    def __init__(self, address: str = "", cpus: int = 1) -> None:
        try:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            import ray
        except ImportError:
            raise missing_extra("ray", "ray") from None
        self._ray = ray
        self._address = address
        self._own = not ray.is_initialized()
        self._needs: dict[str, float] = {"CPU": float(cpus)}
        self._folder = Path()
        self._work: Any = None
        self._inputs: Any = None
        self._busy: dict[Any, Part] = {}
        self.slots = 0

    def open(self, work: Work) -> None:
        ray = self._ray
        if self._own:
            try:
                here: dict[str, Any] = {"address": self._address} if self._address else {"include_dashboard": False}
                ray.init(log_to_driver=False, configure_logging=False, **here)
            except Exception as fault:  # whatever a cluster that is not there makes of it
                raise SemlensError(f"Ray cannot be reached at {self._address or 'this machine'}: {fault}") from fault
        if work.model.device.type == "cuda":
            self._needs["GPU"] = 1
        there = ray.cluster_resources()
        self.slots = min(int(there.get(name, 0) // count) for name, count in self._needs.items())
        if not self.slots:
            raise SemlensError(
                f"the Ray cluster has {_told(there, self._needs)}, and a part needs {_told(self._needs, self._needs)}: "
                "nothing would ever begin; add a node, or put the model on another device"
            )
        self._folder = partial_folder(work.out)
        self._work = ray.put(packed(work))
        self._task = ray.remote(num_cpus=self._needs["CPU"], num_gpus=self._needs.get("GPU", 0), max_retries=0)(_done)

    def begin(self, inputs: Sequence[Path]) -> None:
        self._inputs = self._ray.put({path.name: path.read_bytes() for path in inputs})

    def submit(self, part: Part) -> None:
        self._busy[self._task.remote(self._work, int(self._needs["CPU"]), part, self._inputs)] = part

    def finished(self, seconds: float) -> Sequence[Outcome]:
        done, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=seconds)
        return [self._outcome(reference) for reference in done]

    def _outcome(self, reference: Any) -> Outcome:
        part = self._busy.pop(reference)
        try:
            warned, files = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as fault:
            return Outcome(part, fault=fault.cause if isinstance(fault.cause, Exception) else fault)
        except self._ray.exceptions.RayError:
            return Outcome(part, fault=Died())
        for name, content in files.items():
            temporary = self._folder / f"{name}.{os.getpid()}"
            temporary.write_bytes(content)
            temporary.replace(self._folder / name)
        return Outcome(part, tuple(warned))

    def missing(self) -> str:
        free = self._ray.available_resources()
        return (
            f"Ray has {_told(free, self._needs)} free of {_told(self._ray.cluster_resources(), self._needs)}, and a "
            f"part needs {_told(self._needs, self._needs)}"
        )

    def close(self) -> None:
        for reference in self._busy:
            self._ray.cancel(reference, force=True)
        self._busy.clear()
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()


def _told(resources: Mapping[str, float], names: Mapping[str, float]) -> str:
    return " and ".join(f"{resources.get(name, 0):g} {name}" for name in names)


def _done(sent: bytes, threads: int, part: Part, inputs: Files) -> tuple[list[tuple[type[Warning], str]], Files]:
    """What was warned of, and the files made, in a folder of this process's own."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as scratch:
        here = replace(_opened(sent), out=Path(scratch, "index"))
        folder = partial_folder(here.out)
        folder.mkdir()
        for name, content in inputs.items():
            (folder / name).write_bytes(content)
        warned = here.do(part)
        made = [path for path in folder.glob("*") if path.name not in inputs and not path.name.endswith(LOCK)]
        return warned, {path.name: path.read_bytes() for path in made}


@cache
def _opened(sent: bytes) -> Work:
    """The work, opened once in each process."""
    return cast(Work, cloudpickle.loads(sent))
