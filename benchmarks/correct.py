"""From a shortcut to a corrected network, on the testbed: `python benchmarks/correct.py [--seeds 3] [NAME ...]`.

For each network that learnt a shortcut, directions and last layers are made from 800 pictures of its own world (their
diagnoses are known, what else they show is not, but for the baseline that is told), and every way is measured on other
pictures on which artefacts say nothing: accuracy, accuracy of the worst group (diagnosis x planted artefact), its share
of the gap to a network that never saw the shortcut, the mean shift of the logits by a planted artefact in exact pairs,
and how far concepts that are none move them, compared to before.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL.Image import Image

from semlens.analysis import probe_spec
from semlens.analysis.audit import Concept, Spec, audit
from semlens.correct.concepts import learn_concepts
from semlens.correct.correction import Correction
from semlens.correct.head import fit_head
from semlens.correct.localise import localise
from semlens.correct.measure import groups_of, worst_group
from semlens.correct.seen import head_path, see
from semlens.correct.suppress import suppress
from semlens.foundation import load_foundation
from semlens.images import ImageSet, load_images
from semlens.model import Changes, Dictionary, VisionModel, load_model
from semlens.numerics.metrics import rate
from semlens.pipeline import build
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLASSES, CLEAN, CONCEPTS, PLANTED, Scenario, World, in_parts, scenario
from semlens.types import silent

NETWORKS = {"shortcut": ("block4", "clean"), "residual": ("stage4", "residual-clean")}
"""The layer before the mean, and the twin that never saw the shortcut."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a world, drawn once."""

    world: World
    images: ImageSet

    @property
    def seed(self) -> int:
        """Of the world that they are from."""
        return self.world.scenes[0].seed >> 32

    @classmethod
    def of(cls, world: World) -> "Pictures":
        drawn = [picture for part in in_parts(world, _drawn) for picture in part]
        return cls(world, load_images(drawn))

    @property
    def labels(self) -> np.ndarray:
        """Their diagnoses by number."""
        return np.array([CLASSES.index(target) for target in self.world.targets])

    def marks(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Which pictures show what."""
        return {name: np.array([scene.has(name) for scene in self.world.scenes]) for name in names}


def _drawn(world: World) -> list[Image]:
    return [world[i][0] for i in range(len(world))]


def directions(model: VisionModel, images: ImageSet, layer: str, jointly: bool, count: int | None = 1) -> Dictionary:
    """A direction per concept of the world, from its phrases, or the first `count` of them."""
    phrases = {one.name: tuple(one.phrases[:count]) for one in CONCEPTS}
    space = load_foundation("testbed:clip")
    return learn_concepts(
        model, images, layer, positive=phrases, foundation=space, jointly=jointly, progress=silent
    ).dictionary


def ways(name: str, model: VisionModel, train: Pictures, phrases: int | None) -> Iterator[tuple[str, Correction]]:
    """Every way to correct a network."""
    layer, planted = NETWORKS[name][0], CLASSIFIERS[name].planted
    images, diagnosis = train.images, train.labels
    head, nothing = head_path(model, model.example_input()), Correction(model, Changes())

    def refitted(correction: Correction, groups: np.ndarray | None = None) -> Correction:
        with correction as changed:
            seen = see(changed, images, head=head)
        return correction.with_head(fit_head(head, seen, diagnosis, groups=groups))

    yield "as it is", nothing
    alone, joint = (directions(model, images, layer, jointly, phrases) for jointly in (False, True))
    one_by_one, projected = (suppress(model, one, units=planted) for one in (alone, joint))
    yield "one by one", one_by_one
    yield "one by one, last layer refitted", refitted(one_by_one)
    yield "joint", projected
    reactive = suppress(model, joint, "reactive", units=planted, images=images)
    yield "joint, reactive", reactive
    yield "last layer refitted alone", refitted(nothing)
    yield "joint, last layer refitted", refitted(projected)
    yield "joint, reactive, last layer refitted", refitted(reactive)
    yield "last layer refitted, true groups alike", refitted(nothing, groups_by_number(train, planted))
    there = Pictures.of(World.of(Scenario("softer", dict.fromkeys(planted, 0.8)), len(train.images), train.seed + 1000))
    print(
        f"{name}: pictures that speak against each artefact:", against(train, planted), "and", against(there, planted)
    )
    with nothing as same:
        seen = see(same, there.images, head=head)
    last = fit_head(head, seen, there.labels, groups=groups_by_number(there, planted))
    yield "the same with counter-examples", nothing.with_head(last)


def against(pictures: Pictures, planted: Sequence[str]) -> dict[str, int]:
    """How many pictures show an artefact with the diagnosis that it speaks against."""
    shown = pictures.marks(planted)
    return {one: int((shown[one] & (pictures.labels == _rare(one))).sum()) for one in planted}


def _rare(artefact: str) -> int:
    """The diagnosis that an artefact speaks against."""
    melanoma, other = PLANTED[artefact]
    return int(melanoma > other)


def groups_by_number(pictures: Pictures, planted: Sequence[str]) -> np.ndarray:
    """Diagnosis with every planted artefact."""
    shown = pictures.marks(planted)
    return np.asarray(pictures.labels + 2 * sum(2**n * shown[one].astype(int) for n, one in enumerate(planted)))


def masks(name: str, count: int, seed: int) -> None:
    """Prints how the masks of planted artefacts lie on the true pixels of the pictures that show most of each."""
    layer, model = NETWORKS[name][0], load_model(f"testbed:{name}")
    own = Pictures.of(World.of(scenario(CLASSIFIERS[name].population), count, seed))
    joint = directions(model, own.images, layer, jointly=True)
    for artefact in CLASSIFIERS[name].planted:
        found = localise(model, own.images, joint, artefact, 0)
        truth = np.stack([own.world.picture(int(i)).masks[artefact] for i in found.ids])
        hit = (found.masks & truth).sum((1, 2))
        print(f"{name}, {artefact}: of the mask {np.mean(hit / found.masks.sum((1, 2))):.2f} is true, "
              f"of the truth {np.mean(hit / truth.sum((1, 2))):.2f} is in it")  # fmt: skip


def seconds(name: str, count: int, seed: int) -> None:
    """Prints how long it takes to suppress what an audit calls spurious, once there is the audit."""
    layer, model, space = NETWORKS[name][0], load_model(f"testbed:{name}"), load_foundation("testbed:clip")
    own = Pictures.of(World.of(scenario(CLASSIFIERS[name].population), count, seed))
    valid, spurious = (
        [Concept(one.name, list(one.phrases)) for one in CONCEPTS if one.artefact is side] for side in (False, True)
    )
    spec = Spec(CLASSES[0], valid=valid, spurious=spurious)
    with TemporaryDirectory() as folder:
        index = build(model, own.images, layer, space, Path(folder) / "index", classes=[spec.output], progress=silent)
        found = audit(index, spec, probe_spec(space, spec, Path(folder), index))
        wall, work = time.perf_counter(), time.process_time()
        correction = suppress(model, found)
        spent = time.perf_counter() - wall, time.process_time() - work
    taken = len(correction.recipe["suppressed"])
    print(
        f"{name}: {taken} directions suppressed after an audit: {spent[1]:.2f} s of work, {spent[0]:.2f} s on the clock"
    )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures, and the same with each concept put in or taken out."""

    base: Pictures
    others: list[Pictures]

    @classmethod
    def of(cls, world: World) -> "Pairs":
        flipped = [tuple(scene.flipped(one.name) for scene in world.scenes) for one in CONCEPTS]
        return cls(Pictures.of(world), [Pictures.of(World(world.name, scenes)) for scenes in flipped])

    def each(self, correction: Correction) -> np.ndarray:
        """Shift of logit 0 less logit 1 by each concept, in each pair."""
        found = []
        with correction as model:
            base = see(model, self.base.images).logits
            for one, other in zip(CONCEPTS, self.others, strict=True):
                sign = np.where([scene.has(one.name) for scene in self.base.world.scenes], -1, 1)
                change = see(model, other.images).logits - base
                found.append(sign * (change[:, 0] - change[:, 1]))
        return np.stack(found)

    def shifts(self, correction: Correction) -> np.ndarray:
        """The mean shift by each concept."""
        return np.asarray(self.each(correction).mean(axis=1))


def main() -> None:
    """Prints a row per network and way: means over seeds, all pictures of all seeds together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="*", default=list(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--first", type=int, default=31, help="seed")
    parser.add_argument("--phrases", type=int, help="of each concept; all if not given")
    parser.add_argument("--seconds", action="store_true", help="only how long suppression takes after an audit")
    parser.add_argument("--masks", action="store_true", help="only how masks of artefacts lie on the true pixels")
    options = parser.parse_args()
    for name in options.network:
        if options.masks or options.seconds:
            (masks if options.masks else seconds)(name, options.count, options.first)
            continue
        rows: dict[str, list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]] = {}
        moved: dict[str, list[np.ndarray]] = {}
        model, twin = load_model(f"testbed:{name}"), load_model(f"testbed:{NETWORKS[name][1]}")
        pairs = Pairs.of(World.of(CLEAN, options.pairs, 231)) if options.pairs else None
        for seed in range(options.first, options.first + options.seeds):
            own = scenario(CLASSIFIERS[name].population)
            train, test = (
                Pictures.of(World.of(*how)) for how in ((own, options.count, seed), (CLEAN, options.count, seed + 100))
            )
            groups = groups_of(test.labels, test.marks(CLASSIFIERS[name].planted), CLASSES)
            for way, correction in [
                *ways(name, model, train, options.phrases),
                ("clean twin", Correction(twin, Changes())),
            ]:
                with correction as corrected:
                    rows.setdefault(way, []).append((see(corrected, test.images).logits, test.labels, groups))
                if pairs:
                    moved.setdefault(way, []).append(pairs.shifts(correction))
        report(name, rows, moved)


def report(name: str, rows: dict[str, list[Any]], moved: dict[str, list[np.ndarray]]) -> None:
    """Prints the table of a network."""
    print(f"\n{name}: way, accuracy, worst group (95 % interval), of the gap, worst over seeds"
          + (", shift by planted, shift kept of concepts" if moved else ""))  # fmt: skip
    joined = {way: _joined(parts) for way, parts in rows.items()}
    low, high = (worst_group(*joined[way]) for way in ("as it is", "clean twin"))
    planted = [n for n, one in enumerate(CONCEPTS) if one.name in CLASSIFIERS[name].planted]
    valid = [n for n, one in enumerate(CONCEPTS) if not one.artefact]
    for way, (logits, diagnosis, groups) in joined.items():
        right = logits.argmax(axis=1) == diagnosis
        worst = min(groups.values(), key=lambda member: right[member].mean())
        found = rate(int(right[worst].sum()), int(worst.sum()))
        seeds = " ".join(f"{worst_group(*part):.2f}" for part in rows[way])
        line = f"{way}: {right.mean():.3f}, {found.value:.3f} ({found.low:.2f}-{found.high:.2f})"
        line += f", {(found.value - low) / (high - low):.2f}, {seeds}"
        if moved:
            before, now = (np.mean(moved[key], axis=0) for key in ("as it is", way))
            kept = float(before[valid] @ now[valid] / (before[valid] @ before[valid]))
            line += f", {np.abs(now[planted]).mean():.2f}, {kept:.2f}"
        print(line)


def _joined(parts: list[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]]) -> Any:
    logits, diagnosis, groups = zip(*parts, strict=True)
    together = {key: np.concatenate([one[key] for one in groups]) for key in groups[0]}
    return np.concatenate(logits), np.concatenate(diagnosis), together


if __name__ == "__main__":
    main()
