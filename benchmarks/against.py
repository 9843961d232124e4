#!/usr/bin/env python
"""What relevance costs in this checkout over an older one, in turn: CPU time, as a Markdown table.

    git worktree add OLD COMMIT
    python benchmarks/against.py OLD [--models NAME ...] [--repeats N] [--out FILE]

Every turn is a process of its own that loads one of the two, warms up, and takes the least of three times; a ratio is
the median of the pairs, followed by the least and the greatest. Untrained networks, images of 224 pixels: 16 maps of
one image, each of one unit of a layer on the way from an output, and the heat map of four images.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from _report import Table, report
from attribution import times

STUDIED = {
    "resnet18": ("layer3", "epsilon_plus_flat"),
    "mobilenetv3_small_100": ("blocks.3", "epsilon_plus_flat"),
    "vit_tiny_patch16_224": ("blocks.6@channels", "attnlrp"),
    "deit_tiny_patch16_224": ("blocks.9@channels", "attnlrp"),
    "convnext_atto": ("stages.2", "attnlrp"),
}
"""Models of timm, and the layer whose units get maps, under a composite that both checkouts have."""

TURN = """
import sys, time, warnings, timm, torch
from semlens import VisionModel
from semlens.attribution import attribute, conditional_maps
warnings.simplefilter("ignore")
torch.set_num_threads(1)
torch.manual_seed(0)
name, layer, rules = sys.argv[1:]
model = VisionModel(timm.create_model(name, pretrained=False).eval(), lambda image: image)
x = torch.randn(4, 3, 224, 224)
def least(work):
    work()
    spent = []
    for _ in range(3):
        since = time.process_time()
        work()
        spent.append(time.process_time() - since)
    return min(spent)
print(least(lambda: list(conditional_maps(model, x[:1], 3, layer, range(16), method=rules))))
print(least(lambda: attribute(model, x, 3, method=rules)))
"""


def turn(checkout: Path, name: str) -> list[float]:
    """CPU seconds of the maps and of the heat map of one model, by one checkout."""
    command = [sys.executable, "-c", TURN, name, *STUDIED[name]]
    there = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=there, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def against(old: Path, models: Sequence[str], repeats: int) -> Iterator[Table]:
    """The newer over the older."""
    new = Path(__file__).resolve().parents[1]
    table = Table("This checkout over the older one", "model | layer | composite | 16 conditional maps | heat map")
    for name in models:
        pairs = [(turn(old, name), turn(new, name)) for _ in range(repeats)]
        ratios = [times([b[i] for _, b in pairs], [a[i] for a, _ in pairs]) for i in range(2)]
        table.row(name, *STUDIED[name], *ratios)
    yield table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the folder of the older checkout")
    parser.add_argument("--models", nargs="+", choices=STUDIED, default=list(STUDIED))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report("One thread", [partial(against, options.old.resolve(), options.models, options.repeats)], options.out)


if __name__ == "__main__":
    main()
