from dataclasses import replace

import numpy as np
import pytest

from semlens.images import load_images
from semlens.testbed.world.population import World, in_parts
from semlens.testbed.world.render import draw
from semlens.testbed.world.scenario import CLEAN, SHORTCUT


@pytest.fixture(scope="module")
def small() -> World:
    return replace(World.of(SHORTCUT, 7, seed=1), side=24)


def seeds_and_corner(part: World) -> tuple[list[int], list[int]]:
    return [scene.seed for scene in part.scenes], [int(np.asarray(part[i][0])[0, 0, 0]) for i in range(len(part))]


def test_a_world_is_the_scenes_of_its_scenario_by_number() -> None:
    drawn = World.of(CLEAN, 5, seed=3)
    assert len(drawn) == 5
    assert [scene.seed for scene in drawn.scenes] == [3 * 2**32 + i for i in range(5)]
    assert drawn.scenes == tuple(CLEAN.scene(3 * 2**32 + i) for i in range(5))
    assert drawn.side == 128
    assert repr(drawn) == "World(clean, seed 3: 5 pictures)"


def test_a_longer_world_begins_with_the_shorter_and_another_seed_shares_nothing() -> None:
    assert World.of(CLEAN, 6).scenes[:4] == World.of(CLEAN, 4).scenes
    levels = [tuple(scene.levels.values()) for seed in (0, 1) for scene in World.of(CLEAN, 20, seed).scenes]
    assert len(set(levels)) == 40


def test_worlds_of_one_seed_share_the_lesions() -> None:
    pairs = zip(World.of(CLEAN, 30, 5).scenes, World.of(SHORTCUT, 30, 5).scenes, strict=True)
    assert all(one.criteria == other.criteria and one.diagnosis == other.diagnosis for one, other in pairs)


def test_load_images_takes_it_as_it_is(small: World) -> None:
    images = load_images(small)
    assert images.source == "World of 7 images"
    assert images.labels == tuple(scene.diagnosis for scene in small.scenes)
    assert set(images.labels) == {"melanoma", "other"}
    for i, scene in enumerate(small.scenes):
        np.testing.assert_array_equal(np.asarray(images.load(i)), np.asarray(draw(scene, 24).image))


def test_a_world_in_another_order_is_another_set_of_images(small: World) -> None:
    assert load_images(small).fingerprint == load_images(small.part(range(7))).fingerprint
    assert load_images(small).fingerprint != load_images(small.part([1, 0, 2, 3, 4, 5, 6])).fingerprint


def test_items_pictures_and_targets_agree(small: World) -> None:
    for i, target in enumerate(small.targets):
        image, diagnosis = small[i]
        assert diagnosis == target == small.scenes[i].diagnosis
        picture = small.picture(i)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(picture.image))
        assert tuple(picture.masks) == ("lesion", *small.scenes[i].present)
    with pytest.raises(IndexError):
        small[7]


def test_a_part_has_the_pictures_asked_for_in_that_order(small: World) -> None:
    part = small.part([4, 0, 4])
    assert part.scenes == (small.scenes[4], small.scenes[0], small.scenes[4])
    assert (part.name, part.side, len(small.part([]))) == (small.name, 24, 0)
    assert part.targets == [small.targets[4], small.targets[0], small.targets[4]]


def test_parts_come_in_order_whoever_makes_them(small: World) -> None:
    here = list(in_parts(small, seeds_and_corner, size=3, workers=0))
    assert [seeds for seeds, _ in here] == [[scene.seed for scene in small.scenes[i : i + 3]] for i in (0, 3, 6)]
    assert list(in_parts(small, seeds_and_corner, size=3, workers=2)) == here
    ((seeds, corners),) = in_parts(small, seeds_and_corner, workers=0)
    assert seeds == [seed for part, _ in here for seed in part]
    assert corners == [corner for _, part in here for corner in part]


def test_a_world_without_pictures_has_no_parts(small: World) -> None:
    for workers in (0, 2):
        assert list(in_parts(small.part([]), seeds_and_corner, workers=workers)) == []


def test_without_workers_a_part_is_made_when_it_is_asked_for(small: World) -> None:
    made: list[int] = []
    parts = in_parts(small, lambda part: made.append(len(part)), size=3, workers=0)
    assert made == []
    next(parts)
    assert made == [3]


def test_what_goes_wrong_in_a_worker_comes_out(small: World) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_parts(small, fail, size=3))


def fail(part: World) -> float:
    return 1 / 0
