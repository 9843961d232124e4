"""What collecting, embedding and searching cost, as Markdown tables.

    python benchmarks/collect.py [--official PYTHON] [--images N] [--only NAME ...] [--quick] [--out FILE]

`PYTHON` is the interpreter of an environment with `semanticlens` 0.2.1, torchvision and timm, of the same versions as
here; without it, what compares with that package is left out. Ratios are medians of pairs measured in turn.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read at numpy's import; its idle threads would spin on our clocks

import _index
import _inside
import _runs
import torch
from _models import MODELS, write_photos
from _report import Table, report


def benchmarks(setting: _runs.Setting, quick: bool) -> dict[str, Callable[[], Iterator[Table]]]:
    """Everything that can be measured, by name; each gives its tables one by one."""
    photos, work = setting.photos, setting.work
    return {
        "hooks": lambda: _inside.hooks(setting.images, setting.models),
        "bare": lambda: _runs.against_bare(setting),
        "official": lambda: _runs.against_official(setting),
        "exact": lambda: _runs.exactness(setting),
        "memory": lambda: _runs.memory(setting),
        "topk": lambda: _inside.topk(64 if quick else 1),
        "embed": lambda: _index.embedding(photos, setting.images),
        "search": lambda: _index.search(work, 50_000 if quick else 1_000_000, 3 if quick else 20),
        "cold": lambda: _index.cold_start(photos, work),
    }


def machine(setting: _runs.Setting) -> str:
    """One line on what it ran on."""
    chip = torch.backends.cpu.get_cpu_capability()
    size = f"{setting.threads} thread(s), {setting.images} images, {setting.repeats} repeats"
    return f"torch {torch.__version__}, {chip}, {size}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--official", metavar="PYTHON")
    parser.add_argument("--images", type=int)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="hooks bare official exact memory topk embed search cold"
    )
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="sizes that show whether it runs, and nothing else")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    _index.set_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        setting = _runs.Setting(
            photos,
            Path(folder),
            options.images or (64 if options.quick else 256),
            options.repeats or (1 if options.quick else 3),
            options.threads,
            options.official,
            tuple(options.models),
        )
        known = benchmarks(setting, options.quick)
        wrong = set(options.only or ()) - known.keys()
        if wrong:
            parser.error(f"unknown: {', '.join(sorted(wrong))}; known: {', '.join(known)}")
        write_photos(photos, setting.images)
        report(machine(setting), [known[name] for name in options.only or known], options.out)


if __name__ == "__main__":
    main()
