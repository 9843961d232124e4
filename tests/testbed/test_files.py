import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.testbed.world.caption import caption
from semlens.testbed.world.concepts import NAMES
from semlens.testbed.world.files import picture_path, write_world
from semlens.testbed.world.population import World
from semlens.testbed.world.scenario import CLEAN, SHORTCUT

SMALL = replace(World.of(CLEAN, 6, seed=2), side=24)


def write(folder: Path, what: World = SMALL, *, masks: bool = False) -> Path:
    return write_world(what, folder, masks=masks, workers=0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small world and its masks; no test changes what lies in it."""
    folder = tmp_path_factory.mktemp("written")
    write(folder, masks=True)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in state(folder).items()}


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """When each file was written, and what is in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_table_says_what_each_picture_shows(tmp_path: Path) -> None:
    table = write(tmp_path / "new" / "world")
    assert table == tmp_path / "new" / "world" / "scenes.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == ("path", "label", "caption", "seed", "side", *NAMES)
    for i, (row, scene) in enumerate(zip(rows, SMALL.scenes, strict=True)):
        assert row["path"] == f"images/{scene.diagnosis}/2-0000{i}.png" == picture_path(scene).as_posix()
        assert (row["label"], row["caption"]) == (scene.diagnosis, caption(scene))
        assert (int(row["seed"]), int(row["side"])) == (2 * 2**32 + i, 24)
        assert [float(row[name]) for name in NAMES] == pytest.approx([scene.levels[name] for name in NAMES], abs=5e-4)


def test_pictures_and_masks_are_those_drawn(written: Path) -> None:
    for i, scene in enumerate(SMALL.scenes):
        drawn = SMALL.picture(i)
        with Image.open(written / picture_path(scene)) as image:
            np.testing.assert_array_equal(np.asarray(image), np.asarray(drawn.image))
        folder = written / "masks" / f"2-0000{i}"
        assert {path.stem for path in folder.iterdir()} == {"lesion", *scene.present}
        for name, mask in drawn.masks.items():
            with Image.open(folder / f"{name}.png") as image:
                np.testing.assert_array_equal(np.asarray(image), mask)


def test_nothing_else_is_left_behind(tmp_path: Path) -> None:
    write(tmp_path)
    assert set(state(tmp_path)) == {"scenes.csv", *(picture_path(scene).as_posix() for scene in SMALL.scenes)}


def test_load_images_reads_the_table(written: Path) -> None:
    images = load_images(write(written))
    assert images.labels == tuple(SMALL.targets)
    assert images.names == tuple(picture_path(scene).as_posix() for scene in SMALL.scenes)
    for i in range(len(SMALL)):
        np.testing.assert_array_equal(np.asarray(images.load(i)), np.asarray(SMALL[i][0]))
    by_folder = load_images(written / "images")
    assert sorted(zip(by_folder.names, by_folder.labels, strict=True)) == sorted(
        (name.removeprefix("images/"), label) for name, label in zip(images.names, images.labels, strict=True)
    )


def test_workers_write_the_same(written: Path, tmp_path: Path) -> None:
    write_world(SMALL, tmp_path, masks=True, workers=2)
    assert content(tmp_path) == content(written)


def test_what_lies_there_is_not_drawn_again(written: Path) -> None:
    before = state(written)
    assert write(written, masks=True) == write(written) == written / "scenes.csv"
    assert state(written) == before


def test_a_lost_picture_is_drawn_again_and_no_other(tmp_path: Path) -> None:
    write(tmp_path, masks=True)
    before = state(tmp_path)
    lost = picture_path(SMALL.scenes[3])
    (tmp_path / lost).unlink()
    write(tmp_path, masks=True)
    after = state(tmp_path)
    assert after.keys() == before.keys()
    assert after[lost.as_posix()][1] == before[lost.as_posix()][1]
    assert {name for name in after if after[name][0] != before[name][0]} == {lost.as_posix()}


def test_masks_can_come_later(written: Path, tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, masks=True)
    assert content(tmp_path) == content(written)


def test_masks_whose_writing_was_cut_short_are_written_whole(written: Path, tmp_path: Path) -> None:
    write(tmp_path)
    begun = tmp_path / "masks" / "2-00003.part"  # what a process leaves that was killed
    begun.mkdir(parents=True)
    (begun / "lesion.png").write_bytes(b"half")
    write(tmp_path, masks=True)
    assert content(tmp_path) == content(written)
    assert not begun.exists()


@pytest.mark.parametrize(
    "other",
    [
        replace(World.of(CLEAN, 6, seed=3), side=24),
        replace(World.of(SHORTCUT, 6, seed=2), side=24),
        replace(World.of(CLEAN, 5, seed=2), side=24),
        SMALL.part([1, 0, 2, 3, 4, 5]),
        replace(SMALL, side=32),
    ],
    ids=["another seed", "another scenario", "fewer", "another order", "larger"],
)
def test_another_world_in_the_folder_is_an_error_and_nothing_is_lost(written: Path, other: World) -> None:
    before = state(written)
    with pytest.raises(SemlensError, match="holds another world: choose another folder, or delete it"):
        write(written, other, masks=True)
    assert state(written) == before


def test_progress_counts_what_was_there_already(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for lost in ((), SMALL.scenes[1:3], ()):
        for scene in lost:
            (tmp_path / picture_path(scene)).unlink()
        write_world(SMALL, tmp_path, workers=0, progress=lambda *step: told.append(step))
    assert told == [("draw", 6, 6), ("draw", 6, 6)]  # the third time there is nothing to do
