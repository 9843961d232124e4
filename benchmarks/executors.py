"""What executors cost and give: a build in this process, in two processes and by Ray, as a Markdown table.

    python benchmarks/executors.py [--images N] [--threads N] [--out FILE]

ResNet-18's last stage without trained weights, `testbed:clip` as foundation model, crops by activation and relevance
for a class: of N photographs, and of 8, a build that is mostly start-up. A column says how much of this process's time
each takes, start-up left out on both sides. The bytes are compared.
"""

import argparse
import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch
from _models import PREPROCESS, studied, write_photos
from _report import Table, report

import semlens as sl
from semlens.types import silent

FEW = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--executors", nargs="+", default=["processes:2", "ray"])
    parser.add_argument("--threads", type=int, default=2, help="of the build in this process")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    report(f"{os.cpu_count()} cores, {options.images} images", [lambda: tables(options)], options.out)


def tables(options: argparse.Namespace) -> Iterator[Table]:
    table = Table(
        "A build by each executor",
        "executor | start-up, s | in all, s | of the local time, start-up left out | same bytes",
    )
    with tempfile.TemporaryDirectory() as scratch:
        few, many = Path(scratch, "few"), Path(scratch, "many")
        for folder, count in ((few, FEW), (many, options.images)):
            folder.mkdir()
            write_photos(folder, count)
        base = seconds(few, "local"), seconds(many, "local")
        local = base[1][0] - base[0][0]
        table.row("local", f"{base[0][0]:.1f}", f"{base[1][0]:.1f}", "1", "")
        for executor in options.executors:
            start, whole = seconds(few, executor), seconds(many, executor)
            same = start[1] == base[0][1] and whole[1] == base[1][1]
            share = (whole[0] - start[0]) / local
            table.row(executor, f"{start[0]:.1f}", f"{whole[0]:.1f}", f"{share:.2f}", "yes" if same else "NO")
    yield table


def seconds(images: Path, executor: str) -> tuple[float, str]:
    """How long a build takes, and a digest of what it made."""
    model = sl.VisionModel(studied("resnet18 stages").net, PREPROCESS, (), "resnet18")
    with tempfile.TemporaryDirectory() as scratch:
        start = perf_counter()
        sl.build(
            model, str(images), "layer4", "testbed:clip", Path(scratch, "index"), k=5, crop="activation", classes=[0],
            of="all", batch_size=8, executor=executor, progress=silent,
        )  # fmt: skip
        files = sorted(Path(scratch, "index").iterdir())
        digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        return perf_counter() - start, digest


if __name__ == "__main__":
    main()
