"""What a correction does to concepts that it was to leave alone, on the testbed: `python benchmarks/side_effects.py`.

For each seed directions are made from pictures of the network's own world, and every concept that was not to be touched
is asked for: did its effect on the output move by more than its interval?

    all images      regressed on all pictures, artefacts among them
    free of them    regressed on pictures that show nothing of what was taken out, by true marks; as a certificate does
    by phrases      the same, by a split of what the phrases of what was taken out find
    in pairs        exactly: pictures and the same with the concept put in or taken out

The last row is no correction: the same pictures drawn anew without the planted artefacts, by the network as it is. What
moves there is no side effect of anything, but what the artefacts' own effect leaves on concepts that go along with it.
"""

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
from correct import NETWORKS, Pairs, Pictures, directions

from semlens.correct import Correction, suppress
from semlens.correct.concepts import phrase_direction
from semlens.correct.effects import effects, free_of
from semlens.correct.head import fit_head
from semlens.correct.measure import Outcome
from semlens.correct.seen import embed_images, head_path, see
from semlens.foundation import load_foundation
from semlens.model import Changes, load_model
from semlens.numerics.metrics import bootstrap
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CLEAN, CONCEPTS, World, scenario


def main() -> None:
    """Prints, for each network, seed and way, how many of the concepts that were to be left alone moved, and which."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", default=["shortcut"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=71, help="seed")
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--pairs", type=int, default=64)
    options = parser.parse_args()
    for name in options.network:
        total: dict[str, list[int]] = {}
        pairs = Pairs.of(World.of(CLEAN, options.pairs, 231))
        for seed in range(options.first, options.first + options.seeds):
            for way, where, names, asked in of_seed(name, pairs, options.count, seed):
                counts = total.setdefault(f"{way}, {where}", [0, 0])
                counts[0], counts[1] = counts[0] + len(names), counts[1] + asked
                print(f"{name} {seed}: {way}, {where}: {len(names)} of {asked}: {', '.join(names)}", flush=True)
        for key, (some, asked) in total.items():
            print(f"{name}, all seeds: {key}: {some} of {asked} moved")


def of_seed(name: str, pairs: Pairs, count: int, seed: int) -> Iterator[tuple[str, str, list[str], int]]:
    """For each way and each kind of images, which concepts moved, and of how many."""
    layer, planted = NETWORKS[name][0], CLASSIFIERS[name].planted
    model, own = load_model(f"testbed:{name}"), scenario(CLASSIFIERS[name].population)
    train, test = (Pictures.of(World.of(*how)) for how in ((own, count, seed), (CLEAN, count, seed + 100)))
    joint = directions(model, train.images, layer, True, None)
    space = load_foundation("testbed:clip")
    embeddings = embed_images(space, test.images, range(count))
    vectors = np.stack([phrase_direction(space, one.phrases) for one in CONCEPTS])
    before = see(model, test.images).logits
    reactive = suppress(model, joint, "reactive", units=planted, images=train.images)
    head = head_path(model, model.example_input())
    with reactive as changed:
        seen = see(changed, train.images, head=head)
    ways = {
        "nothing": Correction(model, Changes()), "taken out": suppress(model, joint, units=planted),
        "reactive": reactive, "reactive, refitted": reactive.with_head(fit_head(head, seen, train.labels)),
    }  # fmt: skip
    pairs_before = pairs.each(ways.pop("nothing"))
    for way, correction in ways.items():
        with correction as corrected:
            found = Outcome(np.arange(count), before, see(corrected, test.images).logits)
        for where, names in moved(found, embeddings, vectors, test.marks(planted)).items():
            yield way, where, names, len(CONCEPTS) - len(planted)
        yield (
            way,
            "in exact pairs",
            moved_in_pairs(pairs_before, pairs.each(correction), planted),
            len(CONCEPTS) - len(planted),
        )
    without = tuple(scene.with_levels(dict.fromkeys(planted, 0.0)) for scene in test.world.scenes)
    anew = Outcome(np.arange(count), before, see(model, Pictures.of(World("without", without)).images).logits)
    for where, names in moved(anew, embeddings, vectors, test.marks(planted)).items():
        yield "pictures without them", where, names, len(CONCEPTS) - len(planted)


def moved(
    found: Outcome, embeddings: np.ndarray, vectors: np.ndarray, shown: dict[str, np.ndarray]
) -> dict[str, list[str]]:
    """The concepts that were to be left alone and moved, on each kind of images."""
    names, similarity = [one.name for one in CONCEPTS], embeddings @ vectors.T
    every = np.ones(len(embeddings), bool)
    parts = {"all images": every, "images free of it": free_of(list(shown), names, similarity, shown),
             "free of it by phrases": free_of(list(shown), names, similarity, {})}  # fmt: skip
    return {
        where: [row.group for row in effects(found.part(part), embeddings[part], vectors, names, 0)
                if row.moved and row.group not in shown]
        for where, part in parts.items()
    }  # fmt: skip


def moved_in_pairs(before: np.ndarray, after: np.ndarray, planted: Sequence[str]) -> list[str]:
    """The concepts whose mean shift of the output over exact pairs moved by more than its interval."""
    names = []
    for one, old, new in zip(CONCEPTS, before, after, strict=True):
        now = bootstrap(new)
        if one.name not in planted and not now.low <= old.mean() <= now.high:
            names.append(one.name)
    return names


if __name__ == "__main__":
    main()
