"""A world as a folder of pictures, with a table of what each shows."""

import csv
import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from semlens.errors import SemlensError
from semlens.testbed.world.caption import caption
from semlens.testbed.world.concepts import NAMES
from semlens.testbed.world.population import World, in_parts
from semlens.testbed.world.scene import Scene
from semlens.types import Bool, Progress, silent

TABLE = "scenes.csv"
HEADER = ("path", "label", "caption", "seed", "side", *NAMES)


def write_world(
    world: World, folder: Path, *, masks: bool = False, workers: int = 2, progress: Progress = silent
) -> Path:
    """The table of a world, written to `folder` with its pictures; what lies there already is not drawn again.

    A picture lies at `images/DIAGNOSIS/NUMBER.png`; with `masks`, the pixels that show a concept at
    `masks/NUMBER/CONCEPT.png`. The table's rows hold path, label, caption, seed, pixels along an edge, and the level of
    every concept.

    Raises:
        SemlensError: if another world lies in the folder.
    """
    table, content = folder / TABLE, _table(world)
    if table.exists() and table.read_bytes() != content:
        raise SemlensError(f"{folder} holds another world: choose another folder, or delete it")
    for label in sorted(set(world.targets)):
        (folder / "images" / label).mkdir(parents=True, exist_ok=True)
    if not table.exists():
        table.with_suffix(".part").write_bytes(content)
        table.with_suffix(".part").replace(table)
    missing = world.part([i for i, scene in enumerate(world.scenes) if not _drawn(folder, scene, masks)])
    done = len(world) - len(missing)
    for drawn in in_parts(missing, partial(_write, folder, masks), workers=workers):
        done += drawn
        progress("draw", done, len(world))
    return table


def picture_path(scene: Scene) -> Path:
    """Where a scene's picture lies below the folder of its world."""
    return Path("images", scene.diagnosis, f"{_number(scene)}.png")


def _number(scene: Scene) -> str:
    return f"{scene.seed >> 32}-{scene.seed % 2**32:05d}"


def _table(world: World) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([HEADER, *(_row(scene, world.side) for scene in world.scenes)])
    return file.getvalue().encode()


def _row(scene: Scene, side: int) -> tuple[str, ...]:
    levels = (f"{scene.levels[name]:.3f}" for name in NAMES)
    return picture_path(scene).as_posix(), scene.diagnosis, caption(scene), str(scene.seed), str(side), *levels


def _drawn(folder: Path, scene: Scene, masks: bool) -> bool:
    return (folder / picture_path(scene)).exists() and (not masks or (folder / "masks" / _number(scene)).exists())


def _write(folder: Path, masks: bool, part: World) -> int:
    """How many pictures were written. Each is whole or not there, and so are its masks."""
    for i, scene in enumerate(part.scenes):
        picture = part.picture(i)
        if masks:
            _write_masks(folder / "masks" / _number(scene), picture.masks)
        target = folder / picture_path(scene)
        picture.image.save(target.with_suffix(".part"), "PNG")
        target.with_suffix(".part").replace(target)
    return len(part)


def _write_masks(place: Path, masks: Mapping[str, Bool[np.ndarray, "h w"]]) -> None:
    if place.exists():
        return
    begun = place.with_name(f"{place.name}.part")
    begun.mkdir(parents=True, exist_ok=True)
    for name, mask in masks.items():
        Image.fromarray(mask).save(begun / f"{name}.png")
    begun.replace(place)
