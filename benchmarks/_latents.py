"""How selective components of a layer are by exact pairs: raw ones, latents over sizes of dictionaries, directions."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import by_encoding
import numpy as np
import torch

import semlens as sl
from semlens.analysis import probe, responses
from semlens.benchmark.conditions import Asked
from semlens.benchmark.encoded import selective
from semlens.benchmark.truth import Effects, effects
from semlens.dictionaries import learned
from semlens.images import ImageSet, load_images
from semlens.model import Dictionary, Linear, parse_all, record, vectors_of
from semlens.numerics.metrics import average_precision, chance_precision
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import ARTEFACTS, CLEAN, NAMES, Scene, World, concept, draw, scenario
from semlens.types import Bool, Float64, FoundationModel, LayerAxis

SIZES = ((96, 4, 0.1), (256, 4, 0.1), (256, 8, 0.1), (512, 4, 0.1), (1024, 4, 0.1), (256, 8, None))
"""Units, how many are active, and the ridge of the whitening."""
PAIRS, PICTURES = 128, 600
COLUMNS = (
    "layer", "components", "FVU", "CPU s", "of all that vary: to one concept alone", "respond", "of these to one alone",
    "concepts with a component of their own", "of these artefacts", "AP of search by encoding: of concepts that some "
    "respond to", "by chance", "of concepts that raw ones respond to too", "raw ones there", "of all 20",
    "called an artefact: effect that is its own", "rises when put in",
)  # fmt: skip


@dataclass(frozen=True)
class Set:
    """Some components of a layer, and what it took to make them."""

    layer: str
    name: str
    made: Dictionary | str
    fvu: str = ""
    seconds: str = ""

    @property
    def text(self) -> str:
        return self.made if isinstance(self.made, str) else self.made.text


@dataclass(frozen=True)
class Found:
    """What is known of some components: the truth, and average precision for every concept, NaN where none responds."""

    asked: Asked
    precision: Float64[np.ndarray, "q"]
    chance: float


def selectivity(network: str, layers: list[str], count: int, steps: int, seed: int) -> None:
    """Prints the table."""
    model, foundation = sl.load_model(f"testbed:{network}"), sl.load_foundation("testbed:clip")
    population = scenario(CLASSIFIERS[network].population)
    photos = load_images([draw(scene).image for scene in World.of(population, count, 5 + seed).scenes])
    others = World.of(CLEAN, PAIRS, 4 + seed).scenes
    sets = [one for layer in layers for one in made(model, foundation, photos, others, layer, steps, seed)]
    truth = effects(model, World.of(CLEAN, PAIRS, 3 + seed).scenes, [one.text for one in sets])
    ran = by_encoding.responses_of(model, network, tuple(one.text for one in sets), PICTURES, 21 + seed)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    raw: Found | None = None
    for one, axis in zip(sets, truth.layers, strict=True):
        found = looked_at(Asked(network, ran.of(axis).index(), foundation, _part(truth, axis), ()))
        raw = found if isinstance(one.made, str) or raw is None else raw
        print(f"| {' | '.join([one.layer, one.name, one.fvu, one.seconds, *figures(found, raw)])} |", flush=True)


def made(
    model: sl.VisionModel, foundation: FoundationModel, photos: ImageSet, others: tuple[Scene, ...], layer: str,
    steps: int, seed: int,
) -> Iterator[Set]:  # fmt: skip
    """The sets of a layer."""
    yield Set(layer, "raw", layer)
    for units, k, whiten in SIZES:
        begun = time.process_time()
        found = learned(
            model, photos, layer, n=units, k=k, rule="batchtopk", out=None, steps=steps, batch=512, buffer=2**28,
            batch_size=32, workers=0, seed=seed, resume=False, progress=lambda *_: None, whiten=whiten,
        )  # fmt: skip
        name = f"{units:,} latents, k={k}{'' if whiten else ', not whitened'}"
        seconds = f"{time.process_time() - begun:.0f}"
        yield Set(layer, name, found.dictionary, f"{found.held_out.fvu:.2f}", seconds)
    phrases = {name: concept(name).phrases[0] for name in NAMES}
    given = sl.concept_directions(
        model, photos, layer, positive=phrases, foundation=foundation, progress=lambda *_: None
    )
    yield Set(layer, "directions of 20 phrases", given)
    yield Set(layer, "directions by exact pairs", from_pairs(model, others, layer))


def from_pairs(model: sl.VisionModel, scenes: tuple[Scene, ...], layer: str) -> Dictionary:
    """The best there can be of linear directions: each rises by 1 with its concept, by 0 with all others, and varies
    least beside. Made of other pictures than are measured."""
    ((kind, _),) = parse_all(model.net, [layer], model.example_input())

    def mean(_: object, output: Any) -> torch.Tensor:
        return vectors_of(kind).vectors(output).mean(1)

    def vectors(some: list[Scene]) -> torch.Tensor:
        parts = []
        for start in range(0, len(some), 32):
            x = torch.stack([model.preprocess(draw(scene).image) for scene in some[start : start + 32]])
            with (
                torch.no_grad(),
                record(model.net, [kind.site], lambda _, out: vectors_of(kind).vectors(out).mean(1)) as seen,
            ):
                model.net(x)
                parts.append(seen[kind.site].double())
        return torch.cat(parts)

    base, rises = vectors(list(scenes)), []
    for name in NAMES:
        sign = torch.tensor([-1.0 if scene.has(name) else 1.0 for scene in scenes], dtype=torch.float64)
        rises.append((sign[:, None] * (vectors([scene.flipped(name) for scene in scenes]) - base)).mean(0))
    rise, covariance = torch.stack(rises), torch.cov(base.T)
    width = len(covariance)
    inverse = torch.linalg.inv(covariance + 1e-3 * covariance.trace() / width * torch.eye(width))
    readers = torch.linalg.solve(rise @ inverse @ rise.T + 1e-9 * torch.eye(len(rise)), rise @ inverse)
    return Dictionary(
        layer,
        readers.T.float().contiguous(),
        torch.zeros(len(rise)),
        rise.float(),
        base.mean(0).float(),
        Linear(),
        NAMES,
    )


def _part(truth: Effects, axis: LayerAxis) -> Effects:
    place = slice(axis.start, axis.stop)
    return replace(
        truth, layers=(LayerAxis(axis.layer, axis.kind, 0, axis.components),), activation=truth.activation[place],
        activation_error=truth.activation_error[place],
    )  # fmt: skip


def _alive(index: sl.ConceptIndex) -> Bool[np.ndarray, "c"]:
    """Components that vary over the pictures."""
    assert index.encodings is not None
    return np.asarray(index.encodings.deviation[: index.layers[-1].stop] > 0)


def looked_at(asked: Asked) -> Found:
    """Search by encoding for every concept's first phrase."""
    of, varies = responses(asked.index), _alive(asked.index)
    responds = asked.responds & varies[:, None]
    z = of.metric.z(
        of.cross.astype(np.float32), of.directions(probe(asked.foundation, [concept(n).phrases[0] for n in NAMES]))
    )
    alive = np.where(varies[:, None], z[: len(varies)], -np.inf)
    answered = responds.any(axis=0)
    precision = [average_precision(alive[:, q], responds[:, q]) if answered[q] else np.nan for q in range(len(NAMES))]
    chance = [chance_precision(len(responds), int(responds[:, q].sum())) for q in np.flatnonzero(answered)]
    return Found(asked, np.array(precision), float(np.mean(chance)))


def figures(found: Found, raw: Found) -> list[str]:
    """A row's figures, as the columns name them."""
    varies = _alive(found.asked.index)
    responds = found.asked.responds & varies[:, None]
    alive, some, one = varies.sum(), responds.any(axis=1), responds.sum(axis=1) == 1
    own = responds[one].any(axis=0)
    artefacts = sum(bool(own[NAMES.index(name)]) for name in ARTEFACTS)
    both = np.isfinite(found.precision) & np.isfinite(raw.precision)
    is_own, rises = (figure.estimate.value for figure in selective(found.asked))
    values = [
        one.sum() / alive, some.sum() / alive, one.sum() / max(some.sum(), 1), int(own.sum()), artefacts,
        np.nanmean(found.precision), found.chance, found.precision[both].mean(), raw.precision[both].mean(),
        np.nan_to_num(found.precision).mean(), is_own, rises,
    ]  # fmt: skip
    return [str(value) if isinstance(value, int) else f"{value:.2f}" for value in values]
