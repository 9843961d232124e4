"""What dictionaries cost and what they find: `python benchmarks/dictionaries.py step|collect|selectivity|faithful`.

`step`: a training step beside the five matrix products of a dense autoencoder, and beside its encoder's alone.
`collect`: pooling 32,768 units beside the forward pass that they are read in.
`selectivity`: on a network of the testbed, how many components respond to concepts that are put into pictures, how many
to one alone, and how well search by encoding finds them; raw features beside latents of two sizes.
`faithful`: on testbed:clip, what its similarity to a phrase becomes as components go, by every ranking.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial, reduce
from statistics import median
from typing import Any

import by_encoding
import numpy as np
import timm
import torch
from torch import Tensor

import semlens as sl
from semlens.analysis import CURVES, Faithfulness, Probes, probe, responses
from semlens.benchmark.truth import effects
from semlens.dictionaries import learned
from semlens.dictionaries.autoencoder import Autoencoder
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.model import Components, Dictionary, Relu, TopK, parse_all, record
from semlens.numerics.metrics import average_precision, chance_precision
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLEAN, NAMES, World, concept, draw, scenario


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
            own = seconds(partial(auto.step, x, k, whole, 1e-4))
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


def selectivity(name: str, layers: list[str], count: int, steps: int) -> None:
    model, foundation = sl.load_model(f"testbed:{name}"), load_foundation("testbed:clip")
    population = scenario(CLASSIFIERS[name].population)
    photos = load_images([draw(scene).image for scene in World.of(population, count, 5).scenes])
    changed = World.of(CLEAN, 64, 3).scenes
    probes = probe(foundation, [concept(each).phrases[0] for each in NAMES])
    print(
        "| layer | components | FVU | dead | CPU s | alive | respond | of these to one | of all to one | AP "
        "by encoding | by chance |"
    )
    for layer in layers:
        for units, k in [(0, 0), (256, 8), (512, 16)]:
            begun, shown, facts = time.process_time(), layer, "| | "
            if units:
                found = learned(
                    model, photos, layer, n=units, k=k, rule="batchtopk", out=None, steps=steps, batch=512, rate=None,
                    buffer=2**28, batch_size=32, workers=0, seed=0, resume=False, progress=lambda *_: None,
                )  # fmt: skip
                shown, made = found.dictionary.text, found.held_out
                facts = f"{made.fvu:.2f} | {made.dead:.0%} | {time.process_time() - begun:.0f}"
            truth = effects(model, changed, [shown])
            index = by_encoding.encoded_index(model, name, (shown,), count, 21)
            assert index.encodings is not None
            alive = np.isfinite(index.encodings.r2[: len(truth.responds)])
            responds = truth.responds & alive[:, None]
            precision = searched(index, probes, responds)
            some, one = responds.any(axis=1).sum(), (responds.sum(axis=1) == 1).sum()
            chance = [chance_precision(len(responds), positives) for positives in responds.sum(axis=0) if positives]
            print(
                f"| {layer} | {f'{units} latents, k={k}' if units else 'features'} | {facts} | {alive.sum()} | "
                f"{some / alive.sum():.2f} | {one / some:.2f} | {one / alive.sum():.2f} | "
                f"{precision:.2f} | {np.mean(chance):.2f} |",
                flush=True,
            )


SHOWN = {"ruler": "a ruler", "hairs": "hairs", "purple ink": "purple ink"}


def faithful(layers: list[str], count: int, steps: int) -> None:
    """Curves of latents and of the layer's own components, over pictures that show one of three concepts."""
    model, foundation = sl.load_model("testbed:clip"), load_foundation("testbed:clip")
    photos = load_images([draw(scene).image for scene in World.of(CLEAN, 300, 5).scenes])
    scenes = World.of(CLEAN, 600, 7).scenes
    print("| layer | components | phrase | curve | by | area | beyond patching |")
    for layer in layers:
        parts = sl.learn_dictionary(
            model, photos, layer, n=512, k=8, steps=steps, batch=512, workers=0, progress=lambda *_: None
        )
        given: str | Dictionary
        for name, given in (("512 latents", parts), ("channels", layer)):
            found = []
            for shown, phrase in SHOWN.items():
                pictures = load_images([draw(scene).image for scene in scenes if scene.has(shown)][:count])
                curves = sl.faithful(
                    model, pictures, given, sl.similarity(phrase, foundation), steps=10, batch_size=32, workers=0,
                    progress=lambda *_: None,
                )  # fmt: skip
                found.append(curves)
                tell(layer, name, phrase, curves)
            whole = reduce(joined, found)
            tell(layer, name, "all", whole)
            sl.plot(whole).savefig(f"faithful-{layer}-{name.replace(' ', '-')}.png", dpi=110)


def tell(layer: str, name: str, phrase: str, curves: Faithfulness) -> None:
    for row in curves.rows:
        beyond = f"{row.beyond:+.3f} [{row.beyond_low:+.3f}, {row.beyond_high:+.3f}]"
        print(f"| {layer} | {name} | {phrase} | {row.curve} | {row.by} | {row.area:.3f} | {beyond} |", flush=True)


def joined(one: Faithfulness, other: Faithfulness) -> Faithfulness:
    """The curves of two sets of images as those of one."""
    deletion, insertion = (np.concatenate([one.of(curve), other.of(curve)], axis=1) for curve in CURVES)
    return replace(one, deletion=deletion, insertion=insertion)


def searched(index: sl.ConceptIndex, probes: Probes, responds: np.ndarray) -> float:
    """Mean average precision over the concepts that some component responds to, each by its phrase alone."""
    of = responses(index)
    z = of.metric.z(of.cross.astype(np.float32), of.directions(probes))
    alive = np.where(index.dead[:, None], -np.inf, z)[: len(responds)]
    return float(np.mean([average_precision(alive[:, q], responds[:, q]) for q in np.flatnonzero(responds.any(0))]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["step", "collect", "selectivity", "faithful"])
    parser.add_argument("--network", default="transformer")
    parser.add_argument("--layer", action="append")
    parser.add_argument("--count", type=int, default=600, help="Pictures.")
    parser.add_argument("--steps", type=int, default=3000)
    given = parser.parse_args()
    torch.manual_seed(0)
    if given.part == "faithful":
        return faithful(given.layer or ["block3", "block4"], given.count, given.steps)
    if given.part == "selectivity":
        return selectivity(given.network, given.layer or ["blocks.1", "blocks.2"], given.count, given.steps)
    if given.part == "collect":
        return collect([given.network] if given.network in NETWORKS else list(NETWORKS))
    step()


if __name__ == "__main__":
    main()
