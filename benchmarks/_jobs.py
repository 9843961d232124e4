"""Jobs that need a process of their own. `run` starts one; as a script, this file is the semlens side of it."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_TOP_PAD_": "268435456"}


@dataclass(frozen=True)
class Cost:
    """What a job took: seconds, and bytes at the peak."""

    cpu: float
    wall: float
    rss: int
    components: int


@dataclass(frozen=True)
class Job:
    """Work for a fresh process: `python` runs `script` with `options`."""

    python: str
    script: str
    options: Mapping[str, Any]
    malloc: bool = False

    def run(self) -> Cost:
        """What it took; ends the benchmark with what the process said if it fails."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        paths = {"PYTHONPATH": str(HERE.parent)} if self.python == sys.executable else {}
        given = clean | paths | (MALLOC if self.malloc else {})
        command = [self.python, str(HERE / self.script), json.dumps(self.options)]
        done = subprocess.run(command, env=given, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{self.script} {dict(self.options)} failed:\n{done.stderr}")
        return Cost(**json.loads(done.stdout.splitlines()[-1]))


def in_turn(jobs: Mapping[str, Job], repeats: int) -> dict[str, list[Cost]]:
    """The costs of each job, A B A B, so that what drifts meets all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            costs[name].append(job.run())
    return costs


def ratio(over: Sequence[Cost], under: Sequence[Cost], of: str) -> float:
    """Median over the pairs of how many times `over` takes what `under` takes."""
    return statistics.median(getattr(a, of) / getattr(b, of) for a, b in zip(over, under, strict=True))


def median(costs: Sequence[Cost], of: str) -> float:
    """Median of one of the fields."""
    return float(statistics.median(getattr(cost, of) for cost in costs))


def measured(work: Callable[[], int]) -> None:
    """Runs `work`, which returns how many components it handled, and prints its Cost as JSON."""
    wall, cpu = time.perf_counter(), time.process_time()
    components = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(json.dumps({"cpu": cpu, "wall": wall, "rss": _peak(), "components": components}))


def _peak() -> int:
    """Bytes of memory at the peak. Linux's own account: `getrusage` would count what the parent held at the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def main() -> None:
    # imported here because the published package's environment, which uses the functions above, has no semlens
    import numpy as np
    import torch
    from _models import PREPROCESS, studied

    import semlens as sl
    from semlens.images.loader import batches

    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    it = studied(options["model"], options["weights"])
    model = sl.VisionModel(it.net, PREPROCESS)
    kind = "@channels" if it.sequence else ""
    images = sl.load_images(options["images"])
    count = min(options["count"], len(images))

    @torch.no_grad()
    def bare() -> int:
        for batch in batches(images, range(count), PREPROCESS, batch_size=32):
            it.net(torch.stack(batch.items))
        return 0

    def collect() -> int:
        examples = sl.collect(
            model,
            images,
            [path + kind for path in it.modules],
            k=min(options["k"], len(images)),
            workers=0,
            precision=options["precision"],
        )
        if options["out"]:
            np.savez(options["out"], ids=examples.ids, activations=examples.activations)
        return len(examples.ids)

    measured(bare if options["job"] == "bare" else collect)


if __name__ == "__main__":
    main()
