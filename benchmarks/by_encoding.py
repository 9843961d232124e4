"""Search and labels by encoding, held against interventions: `python benchmarks/by_encoding.py [--seed 21] [NAME ...]`.

For each network of the testbed 600 pictures of its own world are encoded, and every concept is put into 64 others.
Prints mean average precision of search (lone, jointly), which part is labelled, is right among components that respond,
and names something without any effect, and the same of second labels; then how an audit tells components that respond
to the planted shortcuts from all others, what it finds and what it flags wrongly.
"""

import argparse
from dataclasses import replace
from functools import partial

import numpy as np

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import check_spec
from semlens.analysis.audit.encoded import concepts_of, fit_encoded
from semlens.analysis.audit.encoded import encoded as of_layers
from semlens.analysis.audit.quadrants import Fit
from semlens.analysis.audit.spec import entries
from semlens.analysis.labels import label
from semlens.analysis.probe import Probes, probe
from semlens.analysis.search import search
from semlens.benchmark.prepare import LAYERS
from semlens.benchmark.truth import Effects, _run, effects
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, Encodings, given
from semlens.model import VisionModel, load_model, parse_all
from semlens.numerics import unit
from semlens.numerics.metrics import auroc, average_precision
from semlens.pipeline.encoding import explained
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, CONCEPTS, NAMES, World, concept, draw, scenario
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
    r2 = explained(encodings.embeddings, pooled.astype(np.float64), encodings.groups)
    encodings = replace(encodings, r2=r2.astype(np.float32))
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


def flagged(index: ConceptIndex, foundation: FoundationModel, truth: Effects, planted: tuple[str, ...]) -> list[float]:
    """Mean AUROC with which fit to a planted shortcut tells components that respond to it from all others; which part
    of those that respond to one is flagged, and of those that do not."""
    areas = []
    for artefact in planted:
        members, fits = _fitted(index, foundation, (artefact,))
        areas.append(auroc(fits.z[:, 1], np.asarray(truth.responds[members, NAMES.index(artefact)])))
    members, fits = _fitted(index, foundation, planted)
    respond = np.asarray(truth.responds[members][:, [NAMES.index(name) for name in planted]].any(axis=1))
    found = fits.fits[:, 1]
    return [float(np.mean(areas)), float(found[respond].mean()), float(found[~respond].mean())]


def _fitted(index: ConceptIndex, foundation: FoundationModel, spurious: tuple[str, ...]) -> tuple[np.ndarray, Fit]:
    """The rows asked, and how they fit the ABCDE rule and some artefacts, in all their phrases."""
    valid = [{"name": one.name, "phrases": one.phrases} for one in CONCEPTS if one.letter]
    wrong = [{"name": name, "phrases": concept(name).phrases} for name in spurious]
    spec = check_spec({"output": CLASSES[0], "valid": valid, "spurious": wrong})
    directions = concepts_of(probe_spec(foundation, spec), entries(spec))
    assert index.encodings is not None
    asked = of_layers(index, index.encodings, directions, [axis.layer for axis in index.layers])
    fits = fit_encoded(index, asked, fdr=spec.fdr, seed=0)
    return fits.members, fits


def main() -> None:
    """Prints a row per network, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="*", default=list(CLASSIFIERS))
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    print(
        "network, search lone, jointly, labelled, right of those that respond, without effect, second, without effect, "
        "audit: AUROC against all others, found of those that respond, flagged of those that do not"
    )
    foundation, table = load_foundation(FOUNDATION), []
    for name in options.network:
        model, layers = load_model(f"testbed:{name}"), LAYERS[CLASSIFIERS[name].build]
        index = encoded_index(model, name, layers, options.count, options.seed)
        truth = effects(model, World.of(CLEAN, 64, options.seed + 1).scenes, layers)
        concepts = probe(foundation, [one.phrases[0] for one in CONCEPTS])
        figures = [searched(index, concepts, truth.responds, jointly) for jointly in (False, True)]
        figures += labelled(index, foundation, truth)
        table.append(figures + flagged(index, foundation, truth, CLASSIFIERS[name].planted))
        print(name, *(f"{figure:.3f}" for figure in table[-1]))
    print("mean", *(f"{figure:.3f}" for figure in np.mean(table, axis=0)))


if __name__ == "__main__":
    main()
