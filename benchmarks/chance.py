"""What chance is worth in labels by encoding: `python benchmarks/chance.py [--seed 100] [--only p rate cost]`.

- p: p-values of components that have nothing to do with any image, by the shape of their activations, held against the
  uniform distribution: Kolmogorov and Smirnov's distance and its p-value, and how many lie below 0.05 and 0.01.
- rate: false discoveries at 0.05 where the components that respond are few (4 of 2,048), and where those that do not
  go together (five hidden causes of all activations): what part of the labels is false, and what part of the
  components that respond has a label.
- cost: CPU seconds for 10,000 phrases and 2,048 components over 2,000 images, 512 dimensions.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import process_time

import numpy as np

from semlens.analysis.labels import label
from semlens.analysis.labels.encoded import rank
from semlens.analysis.probe import Probes
from semlens.analysis.responses import responses
from semlens.index import ConceptIndex, Encodings, given
from semlens.numerics import unit
from semlens.numerics.encoding import Metric
from semlens.numerics.permutation import highest_p, permutations, standard
from semlens.types import FoundationId
from tests.encoded import encoded
from tests.planted import CONCEPTS, DIMENSION, SPACE, directions, planted

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

SHAPES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "ReLU": lambda rng, shape: np.maximum(rng.standard_normal(shape) - 1, 0),
    "log-normal": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "negative log-normal": lambda rng, shape: -np.exp(rng.standard_normal(shape)),
    "on 5 % of images": lambda rng, shape: (rng.random(shape) < 0.05) * rng.exponential(1, shape),
    "on 1 % of images": lambda rng, shape: (rng.random(shape) < 0.01) * rng.exponential(1, shape),
    "Student's t, 3": lambda rng, shape: rng.standard_t(3, shape),
}
COMPONENTS, SETS, PHRASES, D = 100, 12, 64, 24


def uniform(seed: int) -> None:
    print("| activations | images | distance | p of it | below 0.05 | below 0.01 |\n|---|---|---|---|---|---|")
    for images in (300, 2000):
        found: dict[str, list[np.ndarray]] = {name: [] for name in SHAPES}
        for number in range(SETS):
            rng = np.random.default_rng([seed, images, number])
            e = unit(_heavy(rng, images)).astype(np.float32)
            y = standard(np.concatenate([shape(rng, (COMPONENTS, images)) for shape in SHAPES.values()]))
            away = e.astype(np.float64) - e.mean(axis=0)
            metric = Metric(away.T @ away / images, images)
            phrases = e[rng.integers(0, images, PHRASES)] + 0.1 * rng.standard_normal((PHRASES, D)).astype(np.float32)
            highest = metric.z((y @ away / images).astype(np.float32), phrases).max(axis=1)
            permuted = permutations(metric, e, np.arange(images, dtype=np.int32), phrases, seed=number)
            for name, p in zip(SHAPES, np.split(highest_p(highest, permuted, y), len(SHAPES)), strict=True):
                found[name].append(p)
        for name, some in found.items():
            p = np.sort(np.concatenate(some))
            distance = np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max()
            cells = f"{distance:.3f} | {_kolmogorov(distance, len(p)):.2f}"
            print(f"| {name} | {images} | {cells} | {(p <= 0.05).mean():.3f} | {(p <= 0.01).mean():.4f} |")


def _heavy(rng: np.random.Generator, images: int) -> np.ndarray:
    """Embeddings with heavy tails and a few strong directions, as those of photographs have."""
    return rng.exponential(1, (images, 6)) ** 1.5 @ rng.standard_normal((6, D)) + rng.standard_t(3, (images, D)) / 2 + 2


def _kolmogorov(distance: float, count: int) -> float:
    """The chance of so large a distance. Source: Kolmogorov 1933, the limit with Stephens' correction of 1970."""
    reach = distance * (np.sqrt(count) + 0.12 + 0.11 / np.sqrt(count))
    terms = np.arange(1, 101)
    return float(np.clip(2 * np.sum((-1.0) ** (terms - 1) * np.exp(-2 * terms**2 * reach**2)), 0, 1))


def rates(seed: int) -> None:
    print("\n| responding | of | others | repeats | labels | false | found |\n|---|---|---|---|---|---|---|")
    for true, count, causes, repeats in ((40, 200, 0, 40), (40, 200, 5, 40), (4, 2048, 0, 10), (4, 2048, 5, 10)):
        given_out, false, right = 0, [], []
        for repeat in range(repeats):
            found = label(*_world(true, count, causes, [seed, count, causes, repeat]), split=False, seed=repeat)
            given_out += int(found.accepted.sum())
            false.append(found.accepted[true:].sum() / max(int(found.accepted.sum()), 1))
            right.append(found.accepted[:true].mean())
        others = f"go together ({causes} causes)" if causes else "by themselves"
        error = np.std(false) / np.sqrt(repeats)
        told = f"{given_out} | {np.mean(false):.3f} +- {error:.3f} | {np.mean(right):.2f}"
        print(f"| {true} | {count} | {others} | {repeats} | {told} |")


def _world(true: int, count: int, causes: int, seed: list[int], images: int = 600) -> tuple[ConceptIndex, Probes]:
    """Components of which the first respond to concepts, weakly; the others to hidden causes that no image shows."""
    rng, base = np.random.default_rng(seed), directions()
    shown = rng.random((images, CONCEPTS)) < 0.25
    e = unit(shown @ base[:-1] + 1.5 * base[-1] + 0.3 * rng.normal(size=(images, DIMENSION)) / np.sqrt(DIMENSION))
    y = rng.exponential(0.5, (images, count))
    if causes:
        y += np.maximum(rng.normal(size=(images, causes)) @ rng.normal(size=(causes, count)), 0)
    y[:, :true] += shown[:, rng.integers(CONCEPTS, size=true)] * rng.uniform(0.2, 1, true)
    words = unit(base[:CONCEPTS] + 0.2 * base[-1])
    index = planted([None] * count, crops=images)
    index = index._with(Encodings, partial(given, encoded(e, y)))
    return index, Probes(tuple(f"concept {c}" for c in range(CONCEPTS)), words, np.zeros_like(words), SPACE)


def cost(seed: int, components: int = 2048, phrases: int = 10_000, d: int = 512, images: int = 2000) -> None:
    rng = np.random.default_rng(seed)
    scale, axis = 1 / np.sqrt(1 + np.arange(d)), np.eye(d)[0]
    e = unit(rng.normal(size=(images, d)) * scale + 1.5 * axis)
    drive = e @ (rng.normal(size=(d, components)) / np.maximum(scale, 0.05)[:, None])
    y = drive / drive.std(axis=0) * rng.uniform(0, 1, components) + rng.normal(size=(images, components))
    third = np.arange(components) % 3 > 0
    y[:, third] = np.maximum(y - rng.uniform(-1, 2, components), 0)[:, third]
    words = unit(rng.normal(size=(phrases, d)) * scale + 2.5 * axis).astype(np.float32)
    space = FoundationId("toy", "f" * 64, d, "CC0-1.0")
    index = planted([None] * components, crops=images)
    means, none = np.zeros((components, d), np.float16), np.zeros((0, d), np.float16)
    index = replace(index, recipe=replace(index.recipe, foundation=space), means=means, random=none)
    index = index._with(Encodings, partial(given, encoded(e, y)))
    probes = Probes(tuple(map(str, range(phrases))), words, np.zeros_like(words), space)
    taken = []
    for _ in range(3):
        start = process_time()
        rank(responses(index), probes, [0], fdr=0.05, draws=1000, seed=0)
        taken.append(process_time() - start)
    print(f"\n{components:,} components, {phrases:,} phrases, {images:,} images: {min(taken):.1f} CPU seconds")


PARTS = {"p": uniform, "rate": rates, "cost": cost}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    for part in options.only:
        PARTS[part](options.seed)


if __name__ == "__main__":
    main()
