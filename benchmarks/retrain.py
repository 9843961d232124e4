"""Training a network on so that it forgets its shortcuts, on the testbed: `python benchmarks/retrain.py --keep FOLDER`.

For each network that learnt a shortcut and each seed, every method of `retrain` learns from 800 pictures of the
network's own world and is measured on 800 others on which artefacts say nothing: accuracy, accuracy of the worst group
(diagnosis x planted artefact), its share of the gap to a twin that never saw the shortcut, how far a planted artefact
still moves the logits in exact pairs, and processor seconds. What a method is told differs: phrases for the ClArC
methods, the artefacts' pixels for RRR, CDEP and pasting, or masks that relevance makes of phrases, marks of every
picture for reweighting, other versions of the pictures for augmentation. Rates and weights were chosen on seed 30
(`--development`), which no figure is of. FOLDER holds pictures and rows that are done, so that a killed study goes on.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from correct import NETWORKS, directions
from PIL import Image

from semlens.correct import Correction, Course, relevance_masks, retrain, worst_group
from semlens.correct.measure import groups_of
from semlens.correct.pasting import Masked
from semlens.correct.seen import see
from semlens.images import ImageSet, load_images
from semlens.model import Changes, Dictionary, VisionModel, load_model
from semlens.numerics.metrics import rate
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, World, in_parts, scenario
from semlens.types import silent

DEVELOPMENT, FIRST = 30, 31
COUNT, PAIRS, VERSIONS = 800, 64, 2
LOCAL = ("ruler", "band-aid", "purple ink")
"""Artefacts that lie somewhere; reddened skin is everywhere, and has no pixels of its own."""

METHODS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "exact counterfactuals": ("augment", 1, {"rate": 1e-3, "epochs": 10, "weight": 0.0}),
    "exact counterfactuals, logits paired": ("augment", 1, {"rate": 1e-3, "weight": 1.0}),
    "RR-ClArC": ("rr-clarc", 0, {"rate": 1e-2, "weight": 3.0}),
    "A-ClArC": ("a-clarc", 1, {"rate": 1e-3}),
    "artefacts pasted by their pixels": ("augment", 1, {"rate": 1e-3, "weight": 0.0}),
    "artefacts pasted by their pixels, logits paired": ("augment", 1, {"rate": 1e-3, "weight": 1.0}),
    "true groups alike": ("reweight", 1, {"rate": 1e-3}),
    "fine-tuned": ("fine-tune", 1, {"rate": 1e-3}),
    "CDEP": ("cdep", 1, {"rate": 1e-3, "weight": 1.0, "epochs": 3}),
    "RRR": ("rrr", 1, {"rate": 1e-3, "weight": 100.0, "epochs": 3}),
    "pasted by masks of relevance, logits paired": ("augment", 1, {"rate": 1e-3, "weight": 1.0}),
    "CDEP, masks of relevance": ("cdep", 1, {"rate": 1e-3, "weight": 1.0, "epochs": 3}),
    "RRR, masks of relevance": ("rrr", 1, {"rate": 1e-3, "weight": 100.0, "epochs": 3}),
}
"""By name: the method, how many layers before the last map it trains behind, and its course."""

BEFORE = {"shortcut": ("block4", "block3", "block2"), "residual": ("stage4", "stage3", "stage2")}


@dataclass(frozen=True, eq=False)
class Study:
    """A network, its pictures of a seed, and where both are kept."""

    name: str
    seed: int
    folder: Path

    @property
    def planted(self) -> tuple[str, ...]:
        return CLASSIFIERS[self.name].planted

    @cached_property
    def world(self) -> World:
        return World.of(scenario(CLASSIFIERS[self.name].population), COUNT, self.seed)

    @cached_property
    def test(self) -> World:
        return World.of(CLEAN, COUNT, self.seed + 100)

    def versions(self) -> list[World]:
        """The same pictures with each planted artefact put in or taken out by chance."""
        found = []
        for turn in range(VERSIONS):
            rng = np.random.default_rng([self.seed, turn])
            scenes = []
            for scene in self.world.scenes:
                for name in self.planted:
                    scene = scene.flipped(name) if rng.random() < 0.5 else scene
                scenes.append(scene)
            found.append(World(self.world.name, tuple(scenes)))
        return found

    def pictures(self, key: str, world: World) -> ImageSet:
        """Pictures of a world, drawn once."""
        return _set(self.kept(key, world)["pixels"], world)

    def kept(self, key: str, world: World) -> dict[str, np.ndarray]:
        """Pixels, and masks of what lies somewhere, drawn once."""
        file = self.folder / f"{key}-{self.seed}.npz"
        if not file.exists():
            parts = list(in_parts(world, partial(_drawn, [name for name in self.planted if name in LOCAL]), workers=0))
            whole: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            np.savez(file, **whole)
        with np.load(file) as read:
            return dict(read)

    def pairs(self) -> list[tuple[ImageSet, ImageSet]]:
        """Pictures without and with each planted artefact."""
        worlds = World.of(CLEAN, PAIRS, 231)
        found = []
        for name in self.planted:
            sides = [World("", tuple(scene.with_level(name, level) for scene in worlds.scenes)) for level in (0.0, 1.0)]
            found.append(tuple(_set(_pair(self.folder, name, n, side), side) for n, side in enumerate(sides)))
        return found  # type: ignore[return-value]


def _pair(folder: Path, name: str, side: int, world: World) -> np.ndarray:
    file = folder / f"pair-{name}-{side}.npy"
    if not file.exists():
        np.save(file, _drawn([], world)["pixels"])
    return np.asarray(np.load(file))


def _drawn(masked: list[str], world: World) -> dict[str, np.ndarray]:
    pictures = [world.picture(i) for i in range(len(world))]
    found = {"pixels": np.stack([np.asarray(one.image) for one in pictures])}
    for name in masked:
        found[name] = np.stack([np.packbits(one.masks.get(name, np.zeros((128, 128), bool))) for one in pictures])
    return found


def _set(pixels: np.ndarray, world: World) -> ImageSet:
    return load_images([(Image.fromarray(one), target) for one, target in zip(pixels, world.targets, strict=True)])


def corrections(study: Study, model: VisionModel, only: list[str]) -> Any:
    """Every method's name and what makes its correction."""
    key = f"{study.name}-train"
    train, kept = study.pictures(key, study.world), study.kept(key, study.world)
    marks = {name: {f"image {i}": scene.has(name) for i, scene in enumerate(study.world.scenes)}
             for name in study.planted}  # fmt: skip
    masks = {name: {i: np.unpackbits(row).reshape(128, 128).astype(bool) for i, row in enumerate(kept[name])
                    if row.any()} for name in study.planted if name in kept}  # fmt: skip
    made: dict[str, Dictionary] = {}
    unmarked: Masked = {}
    for way in only or METHODS:
        how, back, course = METHODS[way]
        layer = BEFORE[study.name][back]
        given: dict[str, Any] = {"layer": layer, "course": Course(**{"epochs": 5, "seed": study.seed, **course})}
        if how.endswith("clarc"):
            made[layer] = made.get(layer) or directions(model, train, layer, True)
            given |= {"layer": "", "what": made[layer], "units": study.planted}
        if "of relevance" in way:
            unmarked = unmarked or by_relevance(study, model, train)
            given["masks"] = unmarked
        elif "pixels" in way or how in ("rrr", "cdep"):
            given["masks"] = masks
        elif how == "reweight":
            given["marks"] = marks
        elif how == "augment":
            worlds = study.versions()
            given["versions"] = [study.pictures(f"{study.name}-version{n}", one) for n, one in enumerate(worlds)]
        yield way, partial(retrain, model, train, how, progress=silent, **given)


def by_relevance(study: Study, model: VisionModel, train: ImageSet) -> Masked:
    """Masks of every planted artefact that nobody drew, of its phrases alone; for the first diagnosis."""
    joint = directions(model, train, BEFORE[study.name][0], True, None)
    return relevance_masks(model, train, joint, study.planted, 0)


def measured(study: Study, correction: Correction) -> dict[str, Any]:
    """What becomes of the pictures, and what the planted artefacts do."""
    test = study.pictures("test", study.test)
    with correction as model:
        logits = see(model, test).logits
        moved = [see(model, one).logits for pair in study.pairs() for one in pair]
    shifts = [b - a for a, b in zip(moved[::2], moved[1::2], strict=True)]
    return {"predicted": logits.argmax(axis=1).tolist(),
            "shift": float(np.mean([abs((one[:, 0] - one[:, 1]).mean()) for one in shifts]))}  # fmt: skip


def rows_of(study: Study, only: list[str]) -> None:
    """Makes the rows of a network and a seed that are not made yet."""
    model, twin = (load_model(f"testbed:{name}") for name in (study.name, NETWORKS[study.name][1]))
    model.net.to(memory_format=torch.channels_last)
    for way, one in (("as it is", model), ("clean twin", twin)):
        _row(study, way, partial(Correction, one, Changes()))
    for way, make in corrections(study, model, only):
        _row(study, way, make)


def _row(study: Study, way: str, make: Any) -> None:
    file = _file(study.folder, study.name, study.seed, way)
    if file.exists():
        return
    started = time.process_time()
    correction = make()
    spent = time.process_time() - started
    row = {**measured(study, correction), "seconds": spent, "best": correction.recipe.get("best_epoch", 0)}
    file.write_text(json.dumps(row))
    print(
        study.name,
        study.seed,
        summary(study, [row], [study]),
        way,
        f"{spent:.0f} s",
        f"epoch {row['best']}",
        flush=True,
    )


def summary(study: Study, rows: list[dict[str, Any]], studies: list[Study]) -> str:
    """Accuracy, worst group with its interval, and shift, over the pictures of all seeds."""
    labels, predicted, groups = _joined(rows, studies)
    right = predicted == labels
    worst = min(groups.values(), key=lambda member: right[member].mean())
    found = rate(int(right[worst].sum()), int(worst.sum()))
    return f"{right.mean():.3f}, {found.value:.3f} ({found.low:.2f}-{found.high:.2f}), shift " + (
        f"{np.mean([row['shift'] for row in rows]):.2f}"
    )


def _joined(rows: list[dict[str, Any]], studies: list[Study]) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    labels = np.concatenate([_labels(study) for study in studies])
    each = [_groups(study) for study in studies]
    groups = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
    return labels, np.concatenate([row["predicted"] for row in rows]), groups


def _labels(study: Study) -> np.ndarray:
    return np.array([CLASSES.index(target) for target in study.test.targets])


def _groups(study: Study) -> Mapping[str, np.ndarray]:
    marks = {name: np.array([scene.has(name) for scene in study.test.scenes]) for name in study.planted}
    return groups_of(_labels(study), marks, CLASSES)


def report(name: str, folder: Path, seeds: list[int]) -> None:
    """Prints the table of a network: each way over the seeds that it is made for."""
    print(f"\n{name}: way | accuracy | worst group | of each seed | of the gap | shift | CPU minutes")
    for way in ("as it is", *METHODS, "clean twin"):
        own = [Study(name, seed, folder) for seed in seeds if _file(folder, name, seed, way).exists()]
        if not own:
            continue
        rows, before, twin = (
            [json.loads(_file(folder, name, study.seed, one).read_text()) for study in own]
            for one in (way, "as it is", "clean twin")
        )
        low, high = _worst(before, own), _worst(twin, own)
        each = " ".join(f"{_worst([row], [study]):.2f}" for row, study in zip(rows, own, strict=True))
        minutes = np.mean([row["seconds"] for row in rows]) / 60
        gap = (_worst(rows, own) - low) / (high - low)
        print(f"{way} | {summary(own[0], rows, own)} | {each} | {gap:.2f} | {minutes:.2f}")


def _file(folder: Path, name: str, seed: int, way: str) -> Path:
    return folder / f"{name}-{seed}-{way.replace(' ', '_')}.json"


def _worst(rows: list[dict[str, Any]], studies: list[Study]) -> float:
    labels, predicted, groups = _joined(rows, studies)
    return worst_group(np.eye(2)[predicted], labels, groups)


def main() -> None:
    """Makes the rows, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="*", default=list(NETWORKS))
    parser.add_argument("--keep", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=FIRST, help="seed")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--development", action="store_true")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    seeds = [DEVELOPMENT] if options.development else list(range(options.first, options.first + options.seeds))
    for seed in seeds:
        for name in options.network:
            rows_of(Study(name, seed, options.keep), options.only)
    for name in options.network:
        report(name, options.keep, seeds)


if __name__ == "__main__":
    main()
