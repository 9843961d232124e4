"""What is asked by encoding, held against interventions: `python benchmarks/by_encoding.py [--seed 21] [NAME ...]`.

For each network of the testbed 600 pictures of its own world are encoded, and every concept is put into 320 others:
64 are too few to tell a component just above the line from one just below, which the last rows show.
A row per figure of `semlens.benchmark.encoded`: search, labels, and how an audit tells components that respond to
the planted shortcuts; then how selective components are that are called an artefact. `--harder` asks the same of few
images, unequal classes, patients that are there again, and a foundation model that sees less and less. `--relevance`
computes relevance too, and holds intervals of masses and verdicts, also of the shipped spec, against the truth. The
seed is that of the pictures; one that nothing was chosen by confirms. The last column is the mean of the first four
networks, its interval by Student's t over networks: what another network of this kind may give, not other pictures.
NAME=FILE takes other weights of that network, as `python -m semlens.benchmark.train NAME --seed 1001 --to FOLDER`
makes them.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.stats
from PIL.Image import Image
from safetensors.torch import load_file

from semlens.attribution import relevance
from semlens.benchmark.conditions import HARDER, Asked, conditions
from semlens.benchmark.encoded import audited, labelled, repeated, searched, selective
from semlens.benchmark.prepare import LAYERS
from semlens.benchmark.truth import Effects, effects, picture, run
from semlens.benchmark.verdicts import decided, massed
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.index import ConceptIndex, Encodings, given
from semlens.model import VisionModel, load_model, parse_all
from semlens.numerics import Estimate, unit
from semlens.pipeline import explained
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, Scene, World, scenario
from semlens.types import Float32, FoundationId, LayerAxis, axis_of, silent
from tests.encoded import encoded
from tests.planted import planted

FOUNDATION = "testbed:clip"
FOUR = 4  # networks that are averaged; the testbed's fifth is a twin
FEW = 64  # pictures by which it is asked how many are enough

_drawn: dict[tuple[object, ...], Image] = {}


def seen(scene: Scene) -> Image:
    """The picture of a scene, drawn once for all networks."""
    key = (scene.seed, *scene.levels.values())
    if key not in _drawn:
        _drawn[key] = picture(scene)
    return _drawn[key]


@dataclass(frozen=True, eq=False)
class Responses:
    """What a model and a foundation model make of some pictures: pooled activations and outputs, and embeddings."""

    axes: tuple[LayerAxis, ...]
    foundation: FoundationId
    embeddings: Float32[np.ndarray, "n d"]
    pooled: Float32[np.ndarray, "n c"]
    outputs: Float32[np.ndarray, "n y"]

    def index(self) -> ConceptIndex:
        """An index that holds encodings, of the outputs too, and stands in for one in all else."""
        sizes = tuple(axis.components for axis in self.axes)
        index = planted([None] * sum(sizes), crops=len(self.embeddings), layers=sizes)
        index = replace(
            index,
            layers=self.axes,
            recipe=replace(index.recipe, foundation=self.foundation),
            means=np.zeros((sum(sizes), self.embeddings.shape[1]), np.float16),
            random=np.zeros((0, self.embeddings.shape[1]), np.float16),
        )
        rows = np.concatenate([self.pooled, self.outputs], axis=1)
        encodings = encoded(self.embeddings, rows, outputs=CLASSES, transforms=("raw",) * (len(sizes) + 1))
        r2 = explained(encodings.embeddings, rows.astype(np.float64), encodings.groups)
        return index._with(Encodings, partial(given, replace(encodings, r2=r2.astype(np.float32))))

    def of(self, axis: LayerAxis) -> "Responses":
        """One layer of it alone."""
        own = LayerAxis(axis.layer, axis.kind, 0, axis.components)
        return replace(self, axes=(own,), pooled=self.pooled[:, axis.start : axis.stop])


def responses_of(model: VisionModel, name: str, layers: tuple[str, ...], count: int, seed: int) -> Responses:
    """A network's own pictures as it and the foundation model see them."""
    foundation = load_foundation(FOUNDATION)
    scenes = World.of(scenario(CLASSIFIERS[name].population), count, seed).scenes
    kinds = parse_all(model.net, layers, model.example_input())
    ran = run(model, [kind for kind, _ in kinds], scenes, "mean", seen)
    images = [seen(scene) for scene in scenes]
    embeddings = unit(np.concatenate([foundation.embed_images(images[i : i + 64]) for i in range(0, count, 64)]))
    axes = axis_of((kind.layer, kind.kind, size) for kind, size in kinds)
    return Responses(axes, foundation.identity, embeddings, ran.pooled, ran.logits)


def with_relevance(index: ConceptIndex, model: VisionModel, pictures: World) -> ConceptIndex:
    """The same index with the relevance of both classes."""
    found = relevance(model, load_images(pictures), [axis.layer for axis in index.layers], CLASSES, progress=silent)
    origin, recipe = found.origin, index.recipe
    own = replace(recipe.model, fingerprint=origin.model_fingerprint, preprocess=origin.preprocess)
    images = replace(recipe.images, fingerprint=origin.images_fingerprint, count=origin.count)
    return replace(index, recipe=replace(recipe, model=own, images=images)).with_relevance(found)


def asked_of(network: str, options: argparse.Namespace) -> tuple[Asked, Effects]:
    """A network's index and the truth about it, also by few pictures; NAME=FILE is the testbed's NAME with other
    weights."""
    name, _, weights = network.partition("=")
    model, layers = load_model(f"testbed:{name}"), LAYERS[CLASSIFIERS[name].build]
    if weights:
        model.net.load_state_dict({key: tensor.float() for key, tensor in load_file(weights).items()}, strict=True)
    index = responses_of(model, name, layers, options.count, options.seed).index()
    pictures = World.of(scenario(CLASSIFIERS[name].population), options.count, options.seed)
    if options.relevance:
        index = with_relevance(index, model, pictures)
    changed = World.of(CLEAN, options.pairs, options.seed + 1).scenes
    truth, few = (effects(model, some, layers, see=seen) for some in (changed, changed[:FEW]))
    return Asked(name, index, load_foundation(FOUNDATION), truth, pictures.scenes), few


def main() -> None:
    """Prints a row per figure, with a column per network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", default=list(CLASSIFIERS))
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--pairs", type=int, default=320, help="pictures that every concept is put into")
    parser.add_argument("--relevance", action="store_true")
    parser.add_argument("--harder", nargs="*", choices=list(HARDER), default=[])
    options = parser.parse_args()
    table = {}
    for network in options.network:
        table[network] = dict(figures(*asked_of(network, options), options.harder))
        for what, estimate in table[network].items():
            print(f"{network}: {what}: {cell(estimate)}", file=sys.stderr, flush=True)
    table[f"mean of {min(FOUR, len(table))}"] = averaged(list(table.values())[:FOUR])
    print(f"| seed {options.seed} | {' | '.join(table)} |\n|{'---|' * (len(table) + 1)}")
    for what in dict.fromkeys(what for column in table.values() for what in column):
        print(f"| {what} | {' | '.join(cell(column.get(what)) for column in table.values())} |")


def averaged(columns: Sequence[dict[str, Estimate]]) -> dict[str, Estimate]:
    """The mean of every figure that all networks have, with its 95 % interval by Student's t over networks."""
    shared = [what for what in columns[0] if all(what in column for column in columns)]
    return {what: _mean([column[what].value for column in columns]) for what in shared}


def _mean(values: Sequence[float]) -> Estimate:
    count, mean = len(values), float(np.mean(values))
    if count < 2:
        return Estimate(mean, np.nan, np.nan, count)
    reach = float(scipy.stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    low, high = mean - reach, mean + reach
    inside = min(values) >= 0 and max(values) <= 1  # shares, of which no mean is below 0 or above 1
    return Estimate(mean, max(low, 0.0) if inside else low, min(high, 1.0) if inside else high, count)


def cell(estimate: Estimate | None) -> str:
    """A figure with its 95 % interval, over components, concepts or verdicts drawn again."""
    if estimate is None:
        return ""
    if np.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.2f}-{estimate.high:.2f})"


def figures(asked: Asked, few: Effects, harder: Sequence[str]) -> Iterator[tuple[str, Estimate]]:
    """All figures about a network, each in words."""
    for what, one in conditions(asked, harder):
        for figure in (*searched(one), *labelled(one), *audited(one), *decided(one)):
            yield f"{what}: {figure.measure}", figure.estimate
    for figure in (*massed(asked), *selective(asked), *repeated(asked, few.responds)):
        yield figure.measure, figure.estimate


if __name__ == "__main__":
    main()
