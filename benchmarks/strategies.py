"""Whether strategies are the ways of a network whose shortcuts are known, and what their outlier scores tell apart.

    OMP_NUM_THREADS=1 python benchmarks/strategies.py [--seed 81] [--pictures 1000] [--stamps FOLDER]

The network `testbed:shortcut` takes band-aids and red skin for signs of the class `other`, rulers for signs of
`melanoma`. For each class and layer: the prototypes, with the part of their images that show each artefact; the purest
one that shows band-aids. Then AUROC, pictures of the testbed that were not looked at before against
* photographs of stamps (out of distribution), each scored under its predicted class,
* melanomas to which a band-aid was added, scored under `melanoma`, against the same without,
by the outlier score of relevance vectors, the same of activations, the highest softmax, and the distance of Mahalanobis
(class means, one covariance shrunk towards its diagonal by a tenth). Then 5 % of the labels are turned round, and
sought among the images that strategies were found from; and how many fresh images of a class are called unusual at 5 %.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import semlens as sl
from semlens.analysis.prototypes import rooted, strategies
from semlens.collection import Feed
from semlens.images import ImageSet
from semlens.model import record
from semlens.numerics import auroc_estimate, choose_mixture
from semlens.testbed.world import CLASSES, SHORTCUT, Scene, World, write_world

LAYERS, ARTEFACTS = ("block3", "block4"), ("band-aid", "ruler", "red skin")
NUMBER = {name: number for number, name in enumerate(CLASSES)}


def vectors(model: sl.VisionModel, images: ImageSet, of: str, classes: Sequence[str] = CLASSES) -> Any:
    """Relevance vectors of all images: ids, columns and predicted classes with them."""
    return sl.relevance(model, images, LAYERS, list(classes), of=of, k=1, vectors=len(images)).vectors


def activations(model: sl.VisionModel, images: ImageSet) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Mean activation of every channel of each layer on every image, and the logits."""
    means: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    logits = []
    for x, ids in Feed(model, images, 32, 0).readable(range(len(images)), "activations"):
        with torch.no_grad(), record(model.net, LAYERS) as seen:
            logits.append(model.net(x)[: len(ids)].numpy())
        for layer in LAYERS:
            means[layer].append(seen[layer].mean((2, 3))[: len(ids)].numpy())
    return {layer: np.concatenate(found).astype(float) for layer, found in means.items()}, np.concatenate(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def mahalanobis(train: np.ndarray, labels: np.ndarray, x: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Distance of each row to the mean of a class, by one covariance within classes."""
    means = np.stack([train[labels == y].mean(0) for y in range(len(CLASSES))])
    away = train - means[labels]
    covariance = away.T @ away / len(train)
    shrunk = 0.9 * covariance + 0.1 * np.diag(np.diagonal(covariance)) + 1e-12 * np.eye(len(covariance))
    return np.einsum("nd,nd->n", (d := x - means[under]) @ np.linalg.inv(shrunk), d)


def mixtures(x: np.ndarray, labels: np.ndarray) -> list[Any]:
    return [choose_mixture(x[labels == y]) for y in range(len(CLASSES))]


def surprise(found: Sequence[Any], x: np.ndarray, under: np.ndarray) -> np.ndarray:
    every = np.stack([-mixture.log_density(x) for mixture in found], axis=1)
    return every[np.arange(len(x)), under]


def told(name: str, odd: np.ndarray, usual: np.ndarray) -> str:
    scores = np.concatenate([odd, usual])
    found = auroc_estimate(scores, np.arange(len(scores)) < len(odd))
    return f"| {name} | {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) |"


def ways(index: sl.ConceptIndex, scenes: Sequence[Scene]) -> None:
    print("| class | layer | prototype | share | " + " | ".join(ARTEFACTS) + " |\n|---|---|---|---|---|---|---|")
    has = np.array([[scene.has(artefact) for artefact in ARTEFACTS] for scene in scenes])
    for output in CLASSES:
        for layer in LAYERS:
            start = time.process_time()
            found = strategies(index, output, layer=layer)
            seconds = time.process_time() - start
            for j, share in enumerate(found.mixture.weights):
                mine = has[found.ids[(found.assigned == j) & found.fitted]].mean(0)
                print(f"| {output} | {layer} | {j + 1} | {share:.2f} | " + " | ".join(f"{m:.2f}" for m in mine) + " |")
            print(f"({seconds:.1f} CPU s)")


class Sample:
    """Some images with all that is scored of them, under the class that each is predicted to be of or a given one."""

    def __init__(self, model: sl.VisionModel, images: ImageSet, under: str = "") -> None:
        self.acts, self.logits = activations(model, images)
        self.under = np.full(len(images), NUMBER[under]) if under else self.logits.argmax(1)
        found = vectors(model, images, "all", [under]) if under else vectors(model, images, "predicted")
        self.shares = np.zeros((len(images), found.vectors.shape[1]))
        self.shares[found.ids] = found.vectors


def compare(index: sl.ConceptIndex, train: Sample, odd: Sample, usual: Sample) -> None:
    print("| score | AUROC (95 %) |\n|---|---|")
    top = [softmax(sample.logits)[np.arange(len(sample.under)), sample.under] for sample in (odd, usual)]
    print(told("highest softmax", -top[0], -top[1]))
    for layer in LAYERS:
        axis = index.layer_slice(layer)
        relevance = mixtures(rooted(train.shares[:, axis]), train.under)
        acts = mixtures(train.acts[layer], train.under)
        pairs = [
            (
                f"relevance vectors, {layer}",
                [surprise(relevance, rooted(s.shares[:, axis]), s.under) for s in (odd, usual)],
            ),
            (f"activations, {layer}", [surprise(acts, s.acts[layer], s.under) for s in (odd, usual)]),
            (
                f"Mahalanobis, {layer}",
                [mahalanobis(train.acts[layer], train.under, s.acts[layer], s.under) for s in (odd, usual)],
            ),
        ]  # fmt: skip
        for name, (of_odd, of_usual) in pairs:
            print(told(name, of_odd, of_usual))


def mislabelled(model: sl.VisionModel, images: ImageSet, index: sl.ConceptIndex, seed: int, folder: Path) -> None:
    """5 % of the labels turned round: whether the list of unusual images begins with them."""
    rng = np.random.default_rng(seed)
    wrong = set(rng.permutation(len(images))[: len(images) // 20].tolist())
    labels = tuple(CLASSES[1 - NUMBER[str(y)]] if i in wrong else y for i, y in enumerate(images.labels))
    turned = replace(images, labels=labels)
    space = sl.load_foundation("testbed:clip")
    made = sl.build(model, turned, LAYERS, space, folder / "turned", k=4, encode="none", classes=CLASSES, vectors=2000)
    for layer in LAYERS:
        rows = [row for output in CLASSES for row in strategies(made, output, layer=layer).images]
        is_wrong = np.array([row.id in wrong for row in rows])
        found = auroc_estimate(np.array([row.unusual for row in rows]), is_wrong)
        listed = [row.id in wrong for row in rows if row.verdict == "mislabelled?"]
        print(
            f"wrong labels, {layer}: AUROC {found.value:.3f} ({found.low:.3f} to {found.high:.3f}) over {len(rows)}; "
            f"listed as mislabelled {len(listed)}, of which wrong {sum(listed)}, of {int(is_wrong.sum())} wrong ones"
        )


def main(seed: int, pictures: int, stamps: str | None, folder: Path) -> None:
    model, space = sl.load_model("testbed:shortcut"), sl.load_foundation("testbed:clip")
    world = World.of(SHORTCUT, pictures, seed)
    images = sl.load_images(write_world(world, folder / "world"))
    index = sl.build(
        model, images, LAYERS, space, folder / "index", k=8, encode="none", classes=CLASSES, vectors=2000
    )  # fmt: skip
    print(f"{pictures} pictures, seed {seed}\n\n## Prototypes\n")
    ways(index, world.scenes)
    train = Sample(model, images)
    fresh = World.of(SHORTCUT, pictures // 2, seed + 1000)
    usual = sl.load_images(write_world(fresh, folder / "fresh"))
    if stamps:
        print("\n## Stamps against fresh pictures\n")
        photos = sl.load_images(stamps)
        compare(index, train, Sample(model, photos), Sample(model, usual))
    without = [scene for scene in fresh.scenes if scene.diagnosis == "melanoma" and not scene.has("band-aid")]
    added = tuple(scene.with_level("band-aid", 1.0) for scene in without)
    sets = [
        sl.load_images(write_world(replace(fresh, scenes=scenes), folder / name))
        for name, scenes in (("added", added), ("without", tuple(without)))
    ]
    print("\n## Melanomas with a band-aid against the same without\n")
    compare(index, train, Sample(model, sets[0], "melanoma"), Sample(model, sets[1], "melanoma"))
    print("\n## Wrong labels\n")
    mislabelled(model, images, index, seed, folder)
    rates(index, model, usual)


def rates(index: sl.ConceptIndex, model: sl.VisionModel, usual: ImageSet) -> None:
    """How many fresh images of each class, rightly predicted, are called unusual at 5 %."""
    print("\n## Fresh images of the class that are called unusual at alpha 0.05\n")
    for output in CLASSES:
        found = sl.relevance(model, usual, LAYERS, [output], of="predicted", k=1, vectors=len(usual))
        for layer in LAYERS:
            rows = strategies(index, output, layer=layer).assign(found)
            right = [row for row in rows if NUMBER[str(usual.labels[row.id])] == NUMBER[output]]
            print(f"{output}, {layer}: {np.mean([row.p_value <= 0.05 for row in right]):.3f} of {len(right)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=81)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--stamps", help="a folder of photographs that the network was not made for")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_here:
        main(chosen.seed, chosen.pictures, chosen.stamps, Path(made_here))
