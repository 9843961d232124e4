"""What relevance costs, as a multiple of a forward and backward pass of the same model, as Markdown tables.

    python benchmarks/attribution.py [--models NAME ...] [--only NAME ...] [--threads N] [--repeats N] [--out FILE]

CPU time of the process; every repeat runs all ways in turn, and a ratio is the median over the repeats, followed by the
least and the greatest.
"""

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from _models import MODELS, PREPROCESS, studied
from _report import Table, report
from torch import Tensor, nn

import semlens as sl
from semlens.attribution import COMPOSITES, attribute, component_maps, conditional_maps, trace
from semlens.collection import tuned_allocator
from semlens.model import parse_all

NAMES = ("epsilon", "attnlrp", "epsilon_plus_flat", "epsilon_gamma_box", "epsilon_alpha2_beta1_flat")
TARGETS = {"epsilon": "1.5", "attnlrp": "1.5", "epsilon_plus_flat": "3"}
STUDIED = {
    "resnet18 stages": "layer3",
    "efficientnet_lite0 convolutions": "blocks.3",
    "vit_tiny mlp": "blocks.6@channels",
}
"""Models, and the layer whose units get maps."""
BATCH, UNITS, OUTPUT = 8, 16, 3
GRADIENT, TRAINING = "gradient of the input", "gradients of input and weights"

Ways = Mapping[str, Callable[[], object]]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of all threads; other processes do not count."""
    since = time.process_time()
    work()
    return time.process_time() - since


def in_turn(ways: Ways, repeats: int) -> dict[str, list[float]]:
    """The CPU seconds of each way, A B C A B C, after one round that does not count."""
    costs: dict[str, list[float]] = {name: [] for name in ways}
    with tuned_allocator():  # for all of them alike
        for turn in range(repeats + 1):
            for name, work in ways.items():
                spent = seconds(work)
                if turn:
                    costs[name].append(spent)
    return costs


def times(over: Sequence[float], under: Sequence[float], per: int = 1) -> str:
    """How many times `under` one of the `per` parts of `over` takes: median, least and greatest of the pairs."""
    ratios = [a / b / per for a, b in zip(over, under, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def plain(net: nn.Module, x: Tensor, *, weights: bool) -> Callable[[], object]:
    """One forward and backward pass."""
    net = copy.deepcopy(net).requires_grad_(weights)

    def work() -> object:
        source = x.clone().requires_grad_()
        return torch.autograd.grad(net(source)[:, OUTPUT].sum(), [source, *net.parameters()][: None if weights else 1])

    return work


def relevance(net: nn.Module, x: Tensor, name: str, *, ledger: bool) -> Callable[[], object]:
    """One trace, and one backward pass to the input."""

    def work() -> object:
        with trace(net, x, COMPOSITES[name]) as run:
            run.ledger.on = ledger
            inputs = [tensor for tensor in (run.source, run.shadow) if tensor is not None]
            return torch.autograd.grad(run.output[:, OUTPUT].sum(), inputs, allow_unused=True)

    return work


def zennit(net: nn.Module, x: Tensor) -> Callable[[], object]:
    """zennit's EpsilonPlusFlat by its own attributor, its canonizer put on and off."""
    from zennit.attribution import Gradient  # imported here because only this benchmark needs it
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer

    start = torch.zeros(len(x), 1000)
    start[:, OUTPUT] = 1

    def work() -> object:
        with Gradient(model=net, composite=EpsilonPlusFlat(canonizers=[ResNetCanonizer()])) as attributor:
            return attributor(x.clone().requires_grad_(), start)

    return work


def cost(models: Sequence[str], repeats: int) -> Iterator[Table]:
    """Relevance at the input over a plain pass."""
    for model in models:
        head = f"composite | conservation | ms per image | over {GRADIENT} | over {TRAINING} | target"
        table = Table(f"{model.split()[0]}, {BATCH} images", head)
        net, x = studied(model).net, torch.randn(BATCH, 3, 224, 224, generator=torch.Generator().manual_seed(1))
        ways = {GRADIENT: plain(net, x, weights=False), TRAINING: plain(net, x, weights=True)}
        for name in NAMES:
            ways |= {f"{name} | {s}": relevance(net, x, name, ledger=s == "counted") for s in ("off", "counted")}
        if model.startswith("resnet18"):
            ways["zennit 0.5.1 EpsilonPlusFlat | off"] = zennit(net, x)
        costs = in_turn(ways, repeats)
        for way, spent in costs.items():
            name, _, conservation = way.partition(" | ")
            milliseconds = f"{1e3 * statistics.median(spent) / BATCH:.0f}"
            ratios = [times(spent, costs[under]) for under in (GRADIENT, TRAINING)]
            table.row(name, conservation or "-", milliseconds, *ratios, TARGETS.get(name, "-"))
        yield table


def maps(models: Sequence[str], repeats: int) -> Iterator[Table]:
    """Maps of many units of one layer on one image, over a plain pass of that image, per map."""
    head = "model | layer | maps | as one | one by one | one by one / as one"
    table = Table(f"{UNITS} maps of one image, per map over {GRADIENT}", head)
    for model in models:
        layer, net = STUDIED[model], studied(model).net
        x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
        costs = in_turn({GRADIENT: plain(net, x, weights=False), **_mapping(net, x, layer)}, repeats)
        for what in ("conditional", "component"):
            together, alone = costs[f"{what} as one"], costs[f"{what} one by one"]
            ratios = [times(spent, costs[GRADIENT], UNITS) for spent in (together, alone)]
            table.row(model.split()[0], layer, what, *ratios, times(alone, together))
    yield table


def _mapping(net: nn.Module, x: Tensor, layer: str) -> Ways:
    model = sl.VisionModel(net, PREPROCESS)
    kinds = [kind for kind, _ in parse_all(net, [layer], x)]
    units = range(UNITS)
    pairs = {layer: (torch.zeros(UNITS, dtype=torch.long), torch.arange(UNITS))}
    rules = COMPOSITES["attnlrp" if "@" in layer else "epsilon_plus_flat"]

    def one(target: object, conditions: Sequence[str] = ()) -> object:
        return attribute(model, x, target, method=rules, conditions=conditions, warn_above=float("inf"))

    return {
        "conditional as one": lambda: list(conditional_maps(model, x, OUTPUT, layer, units, method=rules)),
        "conditional one by one": lambda: [one(OUTPUT, [f"{layer}:{unit}"]) for unit in units],
        "component as one": lambda: component_maps(model, x, kinds, pairs, rules=rules, position="all"),
        "component one by one": lambda: [one(f"{layer}:{unit}") for unit in units],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(STUDIED), default=list(STUDIED))
    parser.add_argument("--only", nargs="+", choices=["cost", "maps"], default=["cost", "maps"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    assert set(STUDIED) <= set(MODELS)
    torch.set_num_threads(options.threads)
    known = {"cost": cost, "maps": maps}
    head = f"torch {torch.__version__}, {options.threads} thread(s), {options.repeats} repeats"
    report(head, [partial(known[name], options.models, options.repeats) for name in options.only], options.out)


if __name__ == "__main__":
    main()
