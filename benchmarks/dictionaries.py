"""What dictionaries cost and what they find: `python benchmarks/dictionaries.py step|collect|selectivity|faithful`.

`step`: a training step beside the five matrix products of a dense autoencoder, and beside its encoder's alone.
`collect`: pooling 32,768 units beside the forward pass that they are read in.
`selectivity`: on a network of the testbed, how many components respond to concepts that are put into pictures, how many
to one alone, and how well search by encoding finds them: raw ones, latents over sizes of dictionaries, directions.
`faithful`: on testbed:clip, what its similarity to a phrase becomes as components go, by every ranking, to several ends
of the curve.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from _latents import selectivity
from torch import Tensor

import semlens as sl
from semlens.analysis import CURVES, Faithfulness
from semlens.dictionaries.autoencoder import Autoencoder
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.model import Components, Dictionary, Relu, TopK, parse_all, record
from semlens.revisit.rankings import BY, GREEDY
from semlens.testbed.world import CLEAN, World, concept, draw


def seconds(run: Callable[[], object], times: int = 5) -> float:
    """Processor seconds of a run: the median of some, after one to warm up."""
    run()
    return median(once(run) for _ in range(times))


def step() -> None:
    print("| width | units | k | rule | step | five dense products | ratio | the encoder's alone | ratio |")
    for width, units, k in [(96, 1024, 16), (96, 4096, 32), (768, 8192, 32)]:
        x = torch.nn.functional.normalize(torch.randn(1024, width))
        auto = Autoencoder.drawn(units, width, 0, torch.device("cpu"))
        acts, e = torch.randn(1024, units), auto.encoder

        def dense(x: Tensor = x, e: Tensor = e, acts: Tensor = acts) -> None:
            x @ e.T, acts @ e, x @ e.T, acts.T @ x, acts.T @ x

        five, one = seconds(dense), seconds(partial(torch.matmul, x, e.T))
        for whole in (False, True):
            own = seconds(partial(Autoencoder.drawn(units, width, 0, x.device).step, x, k, whole, 1e-4))
            rule = "batchtopk" if whole else "topk"
            print(
                f"| {width} | {units:,} | {k} | {rule} | {own * 1e3:.0f} ms | {five * 1e3:.0f} ms | {own / five:.2f} "
                f"| {one * 1e3:.0f} ms | {own / one:.2f} |"
            )


def pooled(kind: Components, _: object, output: Any) -> object:
    return kind.pool(output, "max")


NETWORKS = {"resnet50": ("layer4", 2048), "vit_base_patch16_224": ("blocks.10", 768)}


def collect(names: list[str]) -> None:
    print("| network | layer | rule | forward | with 32,768 units | ratio |")
    for name in names:
        layer, width = NETWORKS[name]
        net, x = timm.create_model(name, pretrained=False).eval(), torch.randn(4, 3, 224, 224)
        decoder = torch.nn.functional.normalize(torch.randn(32768, width))
        for rule in (Relu(), TopK(32)):
            given = Dictionary(layer, decoder.T, torch.zeros(32768), decoder, torch.zeros(width), rule)
            ((kind, _),) = parse_all(net, [given], x[:1])
            plain, both = [], []
            for _ in range(4):  # in turn, as other processes slow one as much as the other
                with torch.no_grad():
                    plain.append(once(partial(net, x)))
                    with record(net, [kind.site], partial(pooled, kind)):
                        both.append(once(partial(net, x)))
            ratio = median(b / a for a, b in zip(plain[1:], both[1:], strict=True))
            row = f"| {name} | {layer} | {type(rule).__name__} | {median(plain[1:]):.2f} s | {median(both[1:]):.2f} s |"
            print(f"{row} {ratio:.2f} |", flush=True)


def once(run: Callable[[], object]) -> float:
    """Processor seconds of a run."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


SHOWN = ("band-aid", "vignetting", "crusty surface")
"""None of them, nor a dictionary of this seed, was looked at when the cut of the curves was chosen."""
CUTS = (1 / 8, 1 / 4, 1 / 2, 1)
WAYS = (*BY, GREEDY)


def faithful(layers: list[str], count: int, steps: int, seed: int) -> None:
    """Curves of latents and of the layer's own components, over pictures that show one of three concepts, to several
    ends: the area of deletion, less is better, and of insertion, more is; and how far beyond that of patching."""
    model, foundation = sl.load_model("testbed:clip"), load_foundation("testbed:clip")
    photos = load_images([draw(scene).image for scene in World.of(CLEAN, 300, 105 + seed).scenes])
    scenes = World.of(CLEAN, 600, 107 + seed).scenes
    shares = " | ".join(f"{curve} to {cut:g}" for curve in CURVES for cut in CUTS)
    print(f"| layer | components | phrase | by | {shares} |\n|{'---|' * (4 + len(CURVES) * len(CUTS))}")
    for layer in layers:
        parts = sl.learn_dictionary(
            model, photos, layer, n=512, k=8, steps=steps, batch=512, workers=0, seed=seed, progress=lambda *_: None
        )
        given: str | Dictionary
        for name, given in (("512 latents", parts), ("channels", layer)):
            found = []
            for shown in SHOWN:
                pictures = load_images([draw(scene).image for scene in scenes if scene.has(shown)][:count])
                target = sl.similarity(concept(shown).phrases[0], foundation)
                curves = sl.faithful(
                    model, pictures, given, target, by=WAYS, steps=16, upto=1.0, batch_size=32, workers=0,
                    progress=lambda *_: None,
                )  # fmt: skip
                found.append(curves)
                tell(layer, name, shown, curves)
            tell(layer, name, "all", reduce(joined, found))


def tell(layer: str, name: str, shown: str, curves: Faithfulness) -> None:
    rows = {(cut, row.curve, row.by): row for cut in CUTS for row in curves.first(cut).rows}
    for by in curves.methods:
        cells = [rows[cut, curve, by] for curve in CURVES for cut in CUTS]
        said = " | ".join(
            f"{row.area:.3f}"
            if np.isnan(row.beyond)
            else f"{row.beyond:+.3f} [{row.beyond_low:+.3f}, {row.beyond_high:+.3f}]"
            for row in cells
        )
        print(f"| {layer} | {name} | {shown} | {by} | {said} |", flush=True)


def joined(one: Faithfulness, other: Faithfulness) -> Faithfulness:
    """The curves of two sets of images as those of one."""
    deletion, insertion = (np.concatenate([one.of(curve), other.of(curve)], axis=1) for curve in CURVES)
    return replace(one, deletion=deletion, insertion=insertion)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["step", "collect", "selectivity", "faithful"])
    parser.add_argument("--network", default="transformer")
    parser.add_argument("--layer", action="append")
    parser.add_argument("--count", type=int, default=600, help="Pictures.")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0, help="Of pictures and dictionaries.")
    given = parser.parse_args()
    torch.manual_seed(0)
    if given.part == "faithful":
        return faithful(given.layer or ["block3", "block4"], given.count, given.steps, given.seed)
    if given.part == "selectivity":
        return selectivity(given.network, given.layer or ["blocks.2"], given.count, given.steps, given.seed)
    if given.part == "collect":
        return collect([given.network] if given.network in NETWORKS else list(NETWORKS))
    step()


if __name__ == "__main__":
    main()
