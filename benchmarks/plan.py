"""What `plan` says of a build, and what then happens: `python benchmarks/plan.py [--images N ...] [--out FILE]`.

`testbed:shortcut`, all four blocks, crops by activation and relevance for a class, on pictures of the testbed. Seconds
by step of one process; counts of examples and pieces in a plan are the most that there can be. Bytes of the index last.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from _report import Table, report

import semlens as sl
from semlens.testbed.world import World, scenario, write_world

LAYERS = ["block1", "block2", "block3", "block4"]
HOW: dict[str, Any] = {
    "k": 10, "crop": "activation", "classes": [0], "of": "all", "encode": 500, "workers": 0, "batch_size": 16,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[200, 400, 800])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    report("One process", [lambda: tables(options.images)], options.out)


def tables(counts: Sequence[int]) -> Iterator[Table]:
    model, foundation = sl.load_model("testbed:shortcut"), sl.load_foundation("testbed:clip")
    for count in counts:
        with tempfile.TemporaryDirectory() as drawn:
            table = write_world(World.of(scenario("shortcut"), count, 7), Path(drawn))
            yield of_images(model, foundation, sl.load_images(str(table)))


def of_images(model: Any, foundation: Any, images: Any) -> Table:
    table = Table(f"{len(images)} images", "step | planned, s | happened, s | planned over happened")
    planned = sl.plan(model, images, LAYERS, foundation, progress=lambda *_: None, **HOW)
    happened, size = built(model, images, foundation)
    for stage in planned.stages:
        row(table, stage.step, stage.seconds, happened[stage.step])
    row(table, "all", planned.seconds(), sum(happened.values()))
    table.row("bytes", f"{planned.index_bytes:,}", f"{size:,}", f"{planned.index_bytes / size:.2f}")
    return table


def row(table: Table, step: str, planned: float, happened: float) -> None:
    table.row(step, f"{planned:.1f}", f"{happened:.1f}", f"{planned / happened:.2f}")


def built(model: Any, images: Any, foundation: Any) -> tuple[dict[str, float], int]:
    """Seconds by step, that before the first of it included, and bytes of the index."""
    seconds: dict[str, float] = {}
    last = [perf_counter()]

    def note(step: str, done: int, total: int) -> None:
        now = perf_counter()
        seconds[step] = seconds.get(step, 0.0) + now - last[0]
        last[0] = now

    with tempfile.TemporaryDirectory() as scratch:
        sl.build(model, images, LAYERS, foundation, Path(scratch, "index"), progress=note, **HOW)
        size = sum(path.stat().st_size for path in Path(scratch, "index").iterdir())
    return seconds, size


if __name__ == "__main__":
    main()
