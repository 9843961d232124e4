"""Manifold alignment of layers, in one network and between three trained ones, beside linear measures, as Markdown.

    PYTHONPATH=FOLDER python benchmarks/manifolds.py --images PHOTOS [--count 100] [--reduction umap]

FOLDER and two of the networks are those of real_networks.py, VGG-16's trunk and a ViT-S/14; the third is
EfficientNet-Lite0. For each: how many of its layers are most like the one before or after, by the alignment of their
manifolds, of their concepts, by CKA and by SVCCA. Then for every two networks the most alike two layers.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import combinations

from real_networks import vgg16, vit

import semlens as sl
from semlens.analysis.manifolds import Aligned, Alignment, align

MEASURES = ("alignment", "matched", "cka", "svcca")
LAYERS = {
    "vgg16": ("0.4", "0.9", "0.16", "0.23", "0.30"),  # the pools that end its blocks
    "vit": tuple(f"blocks.{number}@tokens" for number in (1, 3, 5, 7, 9, 11)),
    "efficientnet_lite0": tuple(f"blocks.{number}" for number in range(1, 7)),
}


def pair(found: Alignment, one: str, other: str) -> Aligned:
    return next(row for row in found.pairs if {row.one, row.other} == {one, other})


def beside(found: Alignment, names: Sequence[str], measure: str) -> int:
    """How many layers are most like the one before or after."""
    hits = 0
    for at, name in enumerate(names):
        others = [(float(getattr(pair(found, name, other), measure)), to) for to, other in enumerate(names) if to != at]
        hits += abs(max(others)[1] - at) == 1
    return hits


def main(images: str, count: int, reduction: str, least: int) -> None:
    photos = sl.load_images(images)
    models = {"vgg16": vgg16(), "vit": vit(), "efficientnet_lite0": sl.load_model("offline:efficientnet_lite0")}
    print(f"{count} of {len(photos):,} photographs, 16 pieces each, {reduction}, clusters of {least} or more\n")
    print("| network | layers | clusters | most like a neighbour: manifolds | concepts | CKA | SVCCA |")
    print("|---|---|---|---|---|---|---|")
    manifolds, seconds = {}, {}
    for name, model in models.items():
        start = time.process_time()
        found = sl.compare_manifolds(
            [(model, layer) for layer in LAYERS[name]], photos, count=count, reduction=reduction, least=least
        )  # fmt: skip
        seconds[name], manifolds[name] = time.process_time() - start, found.manifolds
        hits = [f"{beside(found, LAYERS[name], measure)} of {len(LAYERS[name])}" for measure in MEASURES]
        sizes = ", ".join(str(m.memberships.shape[1]) for m in found.manifolds)
        print(f"| {name} | {len(LAYERS[name])} | {sizes} | " + " | ".join(hits) + " |", flush=True)
    print("\n| first network | second | most alike layers | alignment | concepts | CKA | SVCCA | range of alignment |")
    print("|---|---|---|---|---|---|---|---|")
    for one, other in combinations(models, 2):
        rows = [align([a, b]).pairs[0] for a in manifolds[one] for b in manifolds[other]]
        best, worst = max(rows, key=lambda row: row.alignment), min(rows, key=lambda row: row.alignment)
        numbers = " | ".join(f"{getattr(best, measure):.2f}" for measure in MEASURES)
        spread = f"{worst.alignment:.2f} to {best.alignment:.2f}"
        print(f"| {one} | {other} | {best.one} and {best.other} | {numbers} | {spread} |", flush=True)
    print("\nCPU s: " + ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", required=True, help="a folder or a table of photographs")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--reduction", default="pca")
    parser.add_argument("--least", type=int, default=15)
    chosen = parser.parse_args()
    main(chosen.images, chosen.count, chosen.reduction, chosen.least)
