"""How often `split` takes apart what is one and what is two: networks of the testbed, whose units' meanings are known.

    OMP_NUM_THREADS=1 python benchmarks/split.py [--seed 3] [--alpha 0.05] [NETWORK ...]

A unit is pure if by exact counterfactual pairs it responds to one concept. Doubles add up two pure units of different
concepts that seldom fire together, each at its own scale; a layer of both is laid behind the network's last block.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn

import semlens as sl
from semlens.benchmark.truth import effects
from semlens.revisit.split import Splits
from semlens.testbed.world import CLEAN, World, write_world
from semlens.types import Component

LAYERS = {"clean": ("block3", "block4"), "shortcut": ("block3", "block4"), "residual-clean": ("stage3", "stage4")}
IMAGES, SCENES, DOUBLES, K = 400, 48, 40, 30
LEVELS = 0.05, 0.02, 0.01, 0.005


class Added(nn.Module):
    """A network, and units behind one of its layers that add up some of that layer's."""

    def __init__(self, net: nn.Module, layer: str, weights: torch.Tensor) -> None:
        super().__init__()
        self.net, self.layer = net, layer
        self.added = nn.Conv2d(weights.shape[1], len(weights), 1, bias=False)
        self.added.weight.data.copy_(weights[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept: list[torch.Tensor] = []
        hook = self.net.get_submodule(self.layer).register_forward_hook(lambda _, __, out: kept.append(out))
        self.net(x)
        hook.remove()
        return self.added(kept[0]).mean((2, 3))


def main(name: str, seed: int, methods: list[str], alpha: float) -> None:
    below, layer = LAYERS[name]
    model = sl.load_model(f"testbed:{name}")
    truth = effects(model, World.of(CLEAN, SCENES, seed).scenes, [layer])
    pure = np.flatnonzero(truth.responds.sum(axis=1) == 1).tolist()
    concept = truth.responds.argmax(axis=1)
    with tempfile.TemporaryDirectory() as folder:
        images = sl.load_images(write_world(World.of(CLEAN, IMAGES, seed + 1), Path(folder) / "world"))
        acts = _activations(model, images, layer)
        scale = np.sort(acts, axis=0)[-K // 2] + 1e-9
        together = np.corrcoef(acts.T)
        pairs = [(a, b) for a in pure for b in pure if a < b and concept[a] != concept[b]]
        pairs.sort(key=lambda pair: together[pair])
        groups: list[tuple[int, ...]] = [*((a,) for a in pure), *pairs[:DOUBLES]]
        weights = torch.zeros(len(groups), acts.shape[1])
        for row, group in enumerate(groups):
            weights[row, list(group)] = torch.tensor(1 / scale[list(group)], dtype=torch.float32)
        studied = sl.VisionModel(Added(model.net, layer, weights).eval(), model.preprocess, (), f"added:{name}")
        index = sl.build(studied, images, ["added"], "testbed:clip", Path(folder) / "index", k=K, crop="none")
        for method in methods:
            _report(
                name,
                method,
                sl.split(index, studied, images, "added", below=f"net.{below}", method=method, alpha=alpha),
                acts / scale,
                groups,
            )


def _activations(model: sl.VisionModel, images: object, layer: str) -> np.ndarray:
    x = torch.stack([model.preprocess(images.load(i)) for i in range(len(images))])  # type: ignore[attr-defined, arg-type]
    with torch.no_grad(), sl.record(model.net, [layer]) as seen:
        model.net(x)
    return seen[layer].flatten(2).mean(2).numpy()


def _report(name: str, method: str, found: Splits, acts: np.ndarray, groups: list[tuple[int, ...]]) -> None:
    one = np.array([len(group) == 1 for group in groups])
    agree, shown = [], []
    for unit in np.flatnonzero(~one):
        a, b = groups[unit]
        ids = found.index.ids[found.index.row(Component("added", int(unit)))]
        truth = acts[ids, a] > acts[ids, b]
        if 3 <= truth.sum() <= len(truth) - 3:
            shown.append(unit)
            agree.append(adjusted_rand_score(truth, found.second[unit]) if found.split[unit] else 0.0)
    apart = [value for unit, value in zip(shown, agree, strict=True) if found.split[unit]]
    p = found.p_value
    levels = ", ".join(f"{level}: {(p[one] <= level).mean():.2f} {(p[shown] <= level).mean():.2f}" for level in LEVELS)
    print(f"{name}, {method}, pure and doubles split at each alpha: {levels}")
    print(
        f"{name}, {method}: pure split {found.split[one].mean():.2f} of {one.sum()}; doubles split "
        f"{found.split[shown].mean():.2f} of {len(shown)}, adjusted Rand of those split {np.mean(apart):.2f}, "
        f"median {np.median(apart):.2f}; of all {np.mean(agree):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(LAYERS))
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--method", nargs="+", default=["gradient", "auto"])
    arguments = parser.parse_args()
    for network in arguments.networks:
        main(network, arguments.seed, arguments.method, arguments.alpha)
