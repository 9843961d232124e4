"""Search and labels by encoding, held against interventions: `python benchmarks/by_encoding.py [--seed 21] [NAME ...]`.

For each network of the testbed 600 pictures of its own world are encoded, and every concept is put into 64 others.
Prints mean average precision of search (lone, jointly), which part is labelled, is right among components that respond,
and names something without any effect, and the same of second labels.
"""

import argparse
from dataclasses import replace
from functools import partial

import numpy as np

from semlens.analysis.labels import label
from semlens.analysis.probe import Probes, probe
from semlens.analysis.search import search
from semlens.benchmark.prepare import LAYERS
from semlens.benchmark.truth import Effects, _run, effects
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, Encodings, given
from semlens.model import VisionModel, load_model, parse_all
from semlens.numerics import unit
from semlens.numerics.metrics import average_precision
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLEAN, CONCEPTS, World, draw, scenario
from semlens.types import FoundationModel
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
    return index._with(Encodings, partial(given, encodings))


def searched(index: ConceptIndex, probes: Probes, responds: np.ndarray, jointly: bool) -> float:
    """Mean average precision over the concepts that some component responds to."""
    scores = np.full(responds.shape, -np.inf)
    asked = [probes] if jointly else list(probes)
    for hit in (hit for one in asked for hit in search(index, one, top=len(responds))):
        place = index.row(hit.component), probes.names.index(hit.probe)
        scores[place] = hit.joint if jointly else hit.z
    answered = np.flatnonzero(responds.any(axis=0))
    return float(np.mean([average_precision(scores[:, q], responds[:, q]) for q in answered]))


def labelled(index: ConceptIndex, foundation: FoundationModel, truth: Effects) -> list[float]:
    """Which part has a label; is right, of those that respond; names what has no effect; has a second label, and what
    part of these names what has no effect."""
    words = [(q, sign, text) for q, one in enumerate(CONCEPTS) for sign, some in ((1, one.phrases), (-1, one.absent))
             for text in some]  # fmt: skip
    concept, sign = np.array([word[0] for word in words]), np.array([word[1] for word in words])
    found = label(index, probe(foundation, [word[2] for word in words]))
    rows = np.flatnonzero(found.accepted)
    best = found.ranked[rows, 0]
    responds: np.ndarray = np.asarray(truth.responds.any(axis=1))
    right: np.ndarray = np.asarray(truth.responds[rows, concept[best]] & (sign[best] > 0))
    nothing: np.ndarray = np.asarray(sign * truth.activation[:, concept] <= 2 * truth.activation_error[:, concept])
    second = {row: found.vocabulary.index(pair[1].label) for row, pair in found.meanings.items()}
    without = [nothing[row, word] for row, word in second.items()]
    share = right[responds[rows]].sum() / responds.sum()
    return [found.accepted.mean(), share, nothing[rows, best].mean(), len(second) / len(rows), float(np.mean(without))]


def main() -> None:
    """Prints a row per network, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="*", default=list(CLASSIFIERS))
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    print(
        "network, search lone, jointly, labelled, right of those that respond, without effect, second, without effect"
    )
    foundation, table = load_foundation(FOUNDATION), []
    for name in options.network:
        model, layers = load_model(f"testbed:{name}"), LAYERS[CLASSIFIERS[name].build]
        index = encoded_index(model, name, layers, options.count, options.seed)
        truth = effects(model, World.of(CLEAN, 64, options.seed + 1).scenes, layers)
        concepts = probe(foundation, [one.phrases[0] for one in CONCEPTS])
        figures = [searched(index, concepts, truth.responds, jointly) for jointly in (False, True)]
        table.append(figures + labelled(index, foundation, truth))
        print(name, *(f"{figure:.3f}" for figure in table[-1]))
    print("mean", *(f"{figure:.3f}" for figure in np.mean(table, axis=0)))


if __name__ == "__main__":
    main()
