"""What is asked by encoding, held against interventions: `python benchmarks/by_encoding.py [--seed 21] [NAME ...]`.

For each network of the testbed 600 pictures of its own world are encoded, and every concept is put into 64 others.
A row per figure of `semlens.benchmark.encoded`: search, labels, and how an audit tells components that respond to
the planted shortcuts; then how selective components are that are called an artefact. `--harder` asks the same of few
images, unequal classes, patients that are there again, and a foundation model that sees less and less. The seed is that
of the pictures; one that nothing was chosen by confirms.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from semlens.benchmark.encoded import HARDER, Asked, audited, conditions, labelled, searched, selective
from semlens.benchmark.prepare import LAYERS
from semlens.benchmark.truth import _run, effects
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, Encodings, given
from semlens.model import VisionModel, load_model, parse_all
from semlens.numerics import unit
from semlens.pipeline import explained
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLEAN, Scene, World, draw, scenario
from tests.encoded import encoded
from tests.planted import planted

FOUNDATION = "testbed:clip"


def encoded_index(model: VisionModel, name: str, layers: tuple[str, ...], count: int, seed: int) -> ConceptIndex:
    """An index that holds encodings, and stands in for one in all else."""
    foundation = load_foundation(FOUNDATION)
    scenes = World.of(scenario(CLASSIFIERS[name].population), count, seed).scenes
    kinds = parse_all(model.net, layers, model.example_input())
    pooled = _run(model, [kind for kind, _ in kinds], scenes, "mean").pooled
    images = [draw(scene).image for scene in scenes]
    embeddings = unit(np.concatenate([foundation.embed_images(images[i : i + 64]) for i in range(0, count, 64)]))
    sizes = tuple(size for _, size in kinds)
    index = planted([None] * sum(sizes), crops=count, layers=sizes)
    index = replace(
        index,
        recipe=replace(index.recipe, foundation=foundation.identity),
        means=np.zeros((sum(sizes), embeddings.shape[1]), np.float16),
        random=np.zeros((0, embeddings.shape[1]), np.float16),
    )
    encodings = encoded(embeddings, pooled, transforms=("raw",) * len(sizes))
    r2 = explained(encodings.embeddings, pooled.astype(np.float64), encodings.groups)
    return index._with(Encodings, partial(given, replace(encodings, r2=r2.astype(np.float32))))


def main() -> None:
    """Prints a row per figure, with a column per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", default=list(CLASSIFIERS))
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--harder", nargs="*", choices=list(HARDER), default=[])
    options = parser.parse_args()
    foundation, table = load_foundation(FOUNDATION), {}
    for name in options.network:
        model, layers = load_model(f"testbed:{name}"), LAYERS[CLASSIFIERS[name].build]
        index = encoded_index(model, name, layers, options.count, options.seed)
        truth = effects(model, World.of(CLEAN, 64, options.seed + 1).scenes, layers)
        scenes = World.of(scenario(CLASSIFIERS[name].population), options.count, options.seed).scenes
        table[name] = dict(figures(Asked(index, foundation, truth, CLASSIFIERS[name].planted), scenes, options.harder))
        print(f"{name} is done", file=sys.stderr, flush=True)
    print(f"| seed {options.seed} | {' | '.join(table)} |\n|{'---|' * (len(table) + 1)}")
    for what in next(iter(table.values())):
        print(f"| {what} | {' | '.join(f'{column.get(what, np.nan):.3f}' for column in table.values())} |")


def figures(asked: Asked, scenes: Sequence[Scene], harder: Sequence[str]) -> Iterator[tuple[str, float]]:
    """All figures about a network, each in words."""
    for what, one in conditions(asked, scenes, harder):
        for figure in (*searched(one), *labelled(one), *audited(one)):
            yield f"{what}: {figure.measure}", figure.estimate.value
    for figure in selective(asked):
        yield figure.measure, figure.estimate.value


if __name__ == "__main__":
    main()
