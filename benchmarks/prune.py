"""How far networks can be pruned by relevance, beside other orders: `python benchmarks/prune.py [NAME ...]`.

    python benchmarks/prune.py offline:efficientnet_lite0 --images FOLDER/captions.csv --references 16 --test 64
    python benchmarks/prune.py testbed:shortcut testbed:residual testbed:transformer
    PYTHONPATH=FOLDER python benchmarks/prune.py vit --images FOLDER/captions.csv

Without `--images` pictures of the testbed's world are drawn, on which artefacts say nothing. What counts as right is
what the whole network says. References, validation and test images are disjoint, drawn by chance from a fixed seed;
rules are tuned on references and validation images alone. The area is the mean accuracy between no and the last share;
"gain" is by how much that of the first order, relevance, is above each other's, on the same images. `vit` is a
ViT-S/14, for which `real_networks.py` says what to install; the highest feature of its class token is its answer.
"""

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from _report import Table, report
from PIL.Image import Image

import semlens as sl
from semlens.correct import Pruning, prune, pruning_curves, tune_rules
from semlens.testbed.world import CLEAN, World, in_parts

SHARES = {"offline:efficientnet_lite0": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)}
"""Where no order leaves anything beyond."""

USUAL = tuple(step / 10 for step in range(10))


def pictures(count: int) -> list[Image]:
    """Pictures of the world."""
    return [picture for part in in_parts(World.of(CLEAN, count, 51), _drawn) for picture in part]


def _drawn(world: World) -> list[Image]:
    return [world[i][0] for i in range(len(world))]


def parts_of(images: str | None, counts: Sequence[int]) -> list[list[Image]]:
    """Disjoint sets of images, drawn by chance."""
    if images is None:
        every = pictures(sum(counts))
    else:
        found = sl.load_images(images)
        chosen = np.random.default_rng(0).permutation(len(found))[: sum(counts)]
        every = [found.load(int(i)) for i in chosen]
    cuts = np.cumsum([0, *counts])
    return [every[start:stop] for start, stop in pairwise(cuts)]


def load(name: str) -> sl.VisionModel:
    """A model by its name."""
    if name != "vit":
        return sl.load_model(name)
    from real_networks import vit

    return vit()


def network(name: str, options: argparse.Namespace) -> Iterator[Table]:
    """Curves of one network."""
    shares = tuple(options.shares or SHARES.get(name, USUAL))
    model = load(name)
    drawn = parts_of(options.images, (options.references, options.validation, options.test))
    references, test = sl.load_images(drawn[0]), sl.load_images(drawn[2])
    spent, orders = {}, {}
    if options.validation:
        start = time.process_time()
        tuned = tune_rules(model, references, sl.load_images(drawn[1]), shares=shares[:: 2], of="predicted",
                           checkpoint=options.work and options.work / "tune")  # fmt: skip
        spent["relevance, tuned rules"] = time.process_time() - start
        orders["relevance, tuned rules"] = prune(model, references, method=tuned.composite, of="predicted")
        table = Table(f"{name}: rules by group of layers", "group | rule | area on validation images | kept")
        for trial in tuned.trials:
            table.row(trial.group, trial.rule, f"{trial.area:.3f}", "yes" if trial.kept else "")
        yield table
    ways: dict[str, dict[str, Any]] = {
            "relevance": {}, "relevance, not by layer": {"scale": "none"}, "gradient": {"method": "gradient"},
            "gradient, not by layer": {"method": "gradient", "scale": "none"},
            "integrated gradients": {"method": "integrated_gradients"}, "magnitude": {"method": "magnitude"},
            "magnitude, not by layer": {"method": "magnitude", "scale": "none"}}  # fmt: skip
    made: dict[str, Pruning | Sequence[Pruning]] = {}
    for way, how in ways.items():
        if way in options.leave_out:
            continue
        start = time.process_time()
        made[way] = prune(model, references, of="predicted", **how)
        spent[way] = time.process_time() - start
    first = {"relevance": made.pop("relevance")}
    draws = [prune(model, method="random", seed=seed) for seed in range(options.draws)]
    curves = pruning_curves({**first, **orders, **made, "random": draws}, test, shares=shares, of="predicted",
                            checkpoint=options.work)  # fmt: skip
    head = "order | CPU s | area | 95 % | gain of relevance | 95 % | " + " | ".join(
        f"{share:.0%}" for share in shares[1:]
    )
    table = Table(f"{name}: {first['relevance']!r}, {options.references} references, {curves[0].n} test images", head)
    for one in curves:
        gain = ("", "") if one.gain is None else (f"{one.gain:+.3f}", f"{one.gain_low:+.3f} to {one.gain_high:+.3f}")
        cost = f"{spent[one.order]:.0f}" if one.order in spent else ""
        table.row(one.order, cost, f"{one.area:.3f}", f"{one.low:.3f}-{one.high:.3f}", *gain,
                  *(f"{value:.2f}" for value in one.accuracy[1:]))  # fmt: skip
    yield table
    if options.figure:
        sl.curve_figure(curves).savefig(options.figure, dpi=120)


def main() -> None:
    """Prints the tables of each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", default=["testbed:shortcut", "testbed:residual", "testbed:transformer"])
    parser.add_argument("--images")
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--validation", type=int, default=0, help="images to tune rules on; 0 tunes none")
    parser.add_argument("--test", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3, help="random orders")
    parser.add_argument("--shares", type=float, nargs="*", help="at which accuracy is measured; 0 first")
    parser.add_argument("--leave-out", nargs="*", default=[], help="orders, by their names in the table")
    parser.add_argument("--work", type=Path, help="a folder from which a run that was stopped goes on")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    parts = [partial(network, name, options) for name in options.network]
    report("# Pruning by relevance, and by other orders", parts, options.out)


if __name__ == "__main__":
    main()
