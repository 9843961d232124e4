"""Whole runs, each in a fresh process: against a bare loop, against the published package, and their memory."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _jobs import Job, in_turn, median, ratio
from _models import MODELS, REAL_WEIGHTS
from _report import Table

from semlens.model.offline import weights_file

FASTER = {
    "resnet18 stages": 1.8,
    "resnet50 convolutions": 2.8,
    "efficientnet_lite0 convolutions": 4.6,
    "vit_tiny mlp": 1.5,
}
FASTER_MALLOC = 1.2


@dataclass(frozen=True)
class Setting:
    """What all whole runs of one benchmark share."""

    photos: Path
    work: Path
    images: int
    repeats: int
    threads: int
    official: str | None
    models: tuple[str, ...] = tuple(MODELS)

    def job(self, model: str, kind: str, *, malloc: bool = False, **more: Any) -> Job:
        """A run of `kind`: "bare", "collect" or "official"."""
        weights = str(weights_file(0)) if model == REAL_WEIGHTS else None
        options = {"job": kind, "model": model, "weights": weights, "images": str(self.photos), "count": self.images}
        options |= {"threads": self.threads, "k": 30, "precision": "float32", "out": None}
        official = kind == "official"
        python = self.official if official and self.official else sys.executable
        return Job(python, "_official.py" if official else "_jobs.py", options | more, malloc)


def against_bare(setting: Setting) -> Iterator[Table]:
    """Whole collect over a bare loop on the same batches."""
    table = Table(
        "Collect against a bare forward loop over the same loader",
        "model | components | bare, CPU s | collect, CPU s | CPU | wall",
    )
    for model in setting.models:
        both = in_turn({kind: setting.job(model, kind) for kind in ("bare", "collect")}, setting.repeats)
        bare, ours = both["bare"], both["collect"]
        seconds = [f"{median(costs, 'cpu'):.2f}" for costs in (bare, ours)]
        times = [f"{ratio(ours, bare, of):.2f}x" for of in ("cpu", "wall")]
        table.row(model, f"{ours[0].components:,}", *seconds, *times)
    yield table


def against_official(setting: Setting) -> Iterator[Table]:
    """Whole collect against the published package, by glibc's defaults and with the malloc variables on both sides."""
    if setting.official is None:
        return
    for malloc in (False, True):
        head = "model | published, CPU s | semlens, CPU s | CPU, faster | wall, faster | target"
        table = Table(f"Collect against semanticlens 0.2.1{', MALLOC_ variables set for both' if malloc else ''}", head)
        for model in setting.models:
            jobs = {kind: setting.job(model, kind, malloc=malloc) for kind in ("official", "collect")}
            both = in_turn(jobs, setting.repeats)
            theirs, ours = both["official"], both["collect"]
            target = FASTER_MALLOC if malloc else FASTER[model]
            seconds = [f"{median(costs, 'cpu'):.2f}" for costs in (theirs, ours)]
            times = [f"{ratio(theirs, ours, of):.2f}x" for of in ("cpu", "wall")]
            table.row(model, *seconds, *times, f"{target}x")
        yield table


def exactness(setting: Setting) -> Iterator[Table]:
    """Which share of the concept examples is not among the exact ones."""
    head = "model | published | semlens, float32 | semlens, bfloat16 | bfloat16 is faster"
    table = Table("Share of examples that an exact float32 ranking does not have", head)
    for model in setting.models:
        exact = _exact(_ids(setting, model, "collect", k=setting.images), 30)
        theirs = f"{_wrong(_ids(setting, model, 'official')['ids'], exact):.2%}" if setting.official else "not run"
        half = {p: setting.job(model, "collect", precision=p) for p in ("float32", "bfloat16")}
        costs = in_turn(half, setting.repeats)
        ours = [f"{_wrong(_ids(setting, model, 'collect', precision=p)['ids'], exact):.3%}" for p in half]
        table.row(model, theirs, *ours, f"{ratio(costs['float32'], costs['bfloat16'], 'cpu'):.2f}x")
    yield table


def _ids(setting: Setting, model: str, kind: str, **more: Any) -> dict[str, np.ndarray]:
    out = setting.work / "ids.npz"
    setting.job(model, kind, out=str(out), **more).run()
    with np.load(out) as arrays:
        return dict(arrays)


def _exact(everything: dict[str, np.ndarray], k: int) -> np.ndarray:
    """The k best of complete rankings, found anew: by activation, ties by id, one sort of everything."""
    order = np.lexsort((everything["ids"], -everything["activations"]))[:, :k]
    return np.take_along_axis(everything["ids"], order, axis=1)


def _wrong(ids: np.ndarray, exact: np.ndarray) -> float:
    """Share of the slots whose image is not among the exact ones of its component."""
    return float(1 - (ids[:, :, None] == exact[:, None, :]).any(axis=2).mean())


def memory(setting: Setting) -> Iterator[Table]:
    """Peak memory against images and components."""
    counts = [setting.images // 4, setting.images // 2, setting.images]
    table = Table("Peak memory, MB", " | ".join(["model", "components", "bare", *(f"{n} images" for n in counts)]))
    for model in ("resnet18 stages", "efficientnet_lite0 convolutions"):
        bare = setting.job(model, "bare").run().rss
        runs = [_first(setting, model, n).run() for n in counts]
        table.row(model, f"{runs[0].components:,}", *(f"{rss / 1e6:.0f}" for rss in (bare, *(run.rss for run in runs))))
    yield table


def _first(setting: Setting, model: str, count: int) -> Job:
    """Collect over the first `count` photographs only."""
    folder = setting.work / f"first-{count}"
    folder.mkdir(exist_ok=True)
    for path in sorted(setting.photos.glob("*.jpg"))[:count]:
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    return setting.job(model, "collect", images=str(folder))
