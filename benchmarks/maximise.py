"""Whether pictures made by activation maximisation mean what the components' examples mean.

    OMP_NUM_THREADS=1 python benchmarks/maximise.py [--components 24] [--stamps FOLDER]

Every picture is searched for among the components of its own layer: the share whose own component is among the first
ten, and the median place; beside it the same for the component's strongest example alone (an image that is in the
index), and what chance gives. The activation is compared with that of the strongest example.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import semlens as sl
from semlens.images import load_images
from semlens.synthesis import Maximised, own_ranks
from semlens.testbed.world import SHORTCUT, World, write_world
from semlens.types import MISSING

IMAGES = 400


def main(model: str, layers: Sequence[str], images: object, foundation: str, components: int, folder: Path) -> None:
    studied, photos, space = sl.load_model(model), load_images(images), sl.load_foundation(foundation)
    index = sl.build(studied, photos, layers, space, folder / model.replace(":", "-"), k=20, encode="all")
    for layer in layers:
        rows = index.layer_slice(layer)
        alive = [row - rows.start for row in range(rows.start, rows.stop) if not index.dead[row]]
        units = np.random.default_rng(0).permutation(alive)[:components].tolist()
        start = time.process_time()
        made = sl.maximise(studied, [f"{layer}:{unit}" for unit in units], seed=1)
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=24)
    parser.add_argument("--stamps", help="a folder of photographs for EfficientNet-Lite0")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as made_here:
        here = Path(made_here)
        if chosen.stamps:
            wanted = ("offline:efficientnet-lite0", ["blocks.4", "bn2"], chosen.stamps, "offline:conse")
            main(*wanted, chosen.components, here)
        else:
            world = write_world(World.of(SHORTCUT, IMAGES, 61), here / "world")
            for network, layers in (("shortcut", ["block3", "block4"]), ("residual", ["stage3", "stage4"])):
                main(f"testbed:{network}", layers, world, "testbed:clip", chosen.components, here)
