"""Whether pictures made by activation maximisation mean what the components' examples mean.

    OMP_NUM_THREADS=1 python benchmarks/maximise.py [--components 24] [--pictures 6] [--seed 1] [--world 61]
                                                    [--noise] [--stamps FOLDER]

Every picture is searched for among the components of its own layer: the share whose own component is among the first
ten, and the median place; beside it the same for the component's strongest example alone (an image that is in the
index), and what chance gives. The activation is compared with that of the strongest example.

"On images": six pictures a component, each an image of the set, the same six for all components, changed until it
excites the component as much as its strongest example does; each searched alone, and all six together, less the images
that they were. Components, images and noise go by the seed; seeds 1 and 5 of world 61 are those that were tried on.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import semlens as sl
from semlens.images import ImageSet, load_images
from semlens.index import ConceptIndex
from semlens.synthesis import Maximised, own_rank_together, own_ranks
from semlens.testbed.world import SHORTCUT, World, write_world
from semlens.types import MISSING, FoundationModel

IMAGES = 400


def main(
    model: str, layers: Sequence[str], images: object, foundation: str, chosen: argparse.Namespace, folder: Path
) -> None:
    components, seed = chosen.components, chosen.seed
    studied, photos, space = sl.load_model(model), load_images(images), sl.load_foundation(foundation)
    index = sl.build(studied, photos, layers, space, folder / model.replace(":", "-"), k=20, encode="all")
    for layer in layers:
        rows = index.layer_slice(layer)
        alive = [row - rows.start for row in range(rows.start, rows.stop) if not index.dead[row]]
        units = np.random.default_rng(seed - 1).permutation(alive)[:components].tolist()
        on_images(studied, index, photos, layer, units, space, chosen)
        if not chosen.noise:
            continue
        start = time.process_time()
        made = sl.maximise(studied, [f"{layer}:{unit}" for unit in units], seed=seed)
        seconds = (time.process_time() - start) / len(made)
        strongest = [int(index.ids[rows.start + unit][index.rows[rows.start + unit] != MISSING][0]) for unit in units]
        first = [Maximised(m.component, photos.load(i), 0.0, 0.0) for m, i in zip(made, strongest, strict=True)]
        best = [float(index.activations[rows.start + unit][0]) for unit in units]
        ranks, of_first = own_ranks(index, space, made), own_ranks(index, space, first)
        count = rows.stop - rows.start
        top, first_top = np.mean(np.array(ranks) <= 10), np.mean(np.array(of_first) <= 10)
        more = np.median([m.activation / b for m, b in zip(made, best, strict=True)])
        print(
            f"{model} {layer}, {len(made)} of {count:,}: first ten {top:.2f}, median place {np.median(ranks):.0f} "
            f"(strongest example {first_top:.2f}, {np.median(of_first):.0f}; "
            f"chance {min(10 / count, 1):.2f}, {count / 2:.0f}); "
            f"activation {more:.1f} x the strongest example's; {seconds:.1f} CPU s each"
        )


def on_images(
    studied: sl.VisionModel, index: ConceptIndex, photos: ImageSet, layer: str, units: Sequence[int],
    space: FoundationModel, chosen: argparse.Namespace,
) -> None:  # fmt: skip
    first = index.layer_slice(layer).start
    drawn = np.random.default_rng(chosen.seed).permutation(len(photos))[: chosen.pictures].tolist()
    best = [float(index.activations[first + unit][0]) for unit in units]
    start = time.process_time()
    made = sl.maximise(
        studied, [f"{layer}:{unit}" for unit in units], images=chosen.pictures, on=[photos.load(i) for i in drawn],
        until=best, seed=chosen.seed, diversity=0.0,
    )  # fmt: skip
    seconds = (time.process_time() - start) / len(made)
    groups = [made[i : i + chosen.pictures] for i in range(0, len(made), chosen.pictures)]
    alone = np.array(own_ranks(index, space, made))
    together = np.array([own_rank_together(index, space, group) for group in groups])
    before = np.array([rank for group in groups for rank in own_ranks(index, space, unchanged(group))])
    more = np.median([one.activation / b for group, b in zip(groups, best, strict=True) for one in group])
    print(
        f"{index.recipe.model.name} {layer}, {len(groups)} components on {chosen.pictures} images, first ten: alone "
        f"{np.mean(alone <= 10):.2f}, together {np.mean(together <= 10):.2f}, median places {np.median(alone):.0f} and "
        f"{np.median(together):.0f} (the images unchanged {np.mean(before <= 10):.2f}, {np.median(before):.0f}); "
        f"activation {more:.1f} x the strongest example's; {seconds:.1f} CPU s each",
        flush=True,
    )


def unchanged(made: Sequence[Maximised]) -> list[Maximised]:
    return [replace(each, picture=each.start) for each in made if each.start is not None]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=24)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=int, default=61)
    parser.add_argument("--noise", action="store_true", help="also pictures made from noise")
    parser.add_argument("--stamps", help="a folder of photographs for EfficientNet-Lite0")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_here:
        here = Path(made_here)
        if chosen.stamps:
            wanted = ("offline:efficientnet-lite0", ["blocks.4", "bn2"], chosen.stamps, "offline:conse")
            main(*wanted, chosen, here)
        else:
            world = write_world(World.of(SHORTCUT, IMAGES, chosen.world), here / "world")
            for network, layers in (("shortcut", ["block3", "block4"]), ("residual", ["stage3", "stage4"])):
                main(f"testbed:{network}", layers, world, "testbed:clip", chosen, here)
