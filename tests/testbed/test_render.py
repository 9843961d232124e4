from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from semlens.testbed.world import artefacts, lesion
from semlens.testbed.world.concepts import ARTEFACTS, BY_NAME, COLORS, NAMES
from semlens.testbed.world.render import DRAWINGS, VISIBLE, Picture, draw
from semlens.testbed.world.scenario import CLEAN
from semlens.testbed.world.scene import Scene

SHAPES = ("asymmetry", "ragged border", "large lesion")  # all else is drawn somewhere
SEEDS = (2, 5, 11)
SIDE = 64


def scene(*present: str, seed: int = 3) -> Scene:
    return Scene(seed, {name: float(name in present) for name in NAMES})


@lru_cache(maxsize=64)
def _drawn(seed: int, levels: tuple[float, ...], side: int) -> Picture:
    return draw(Scene(seed, dict(zip(NAMES, levels, strict=True))), side)


def drawn(one: Scene, side: int = SIDE) -> Picture:
    return _drawn(one.seed, tuple(one.levels.values()), side)


def pixels(picture: Picture) -> np.ndarray:
    return np.asarray(picture.image).astype(int)


def change(one: Scene, other: Scene) -> np.ndarray:
    """By how much each pixel of one picture differs from the other's, in the channel where it differs most."""
    return np.abs(pixels(drawn(one)) - pixels(drawn(other))).max(-1)


def near(mask: np.ndarray, reach: int) -> np.ndarray:
    return ndimage.binary_dilation(mask, np.ones((3, 3)), reach)


def under_the_plaster(one: Scene) -> np.ndarray:
    """Pixels of which a plaster that lies on this scene leaves nothing to see."""
    coats = artefacts.band_aid(lesion.place(one, SIDE), one.levels["band-aid"], one.random("band-aid"))
    return coats[-1].alpha > 0.95


def test_all_but_the_shapes_has_a_drawing() -> None:
    assert {*DRAWINGS, *SHAPES} == set(NAMES)
    assert not set(DRAWINGS) & set(SHAPES)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_concept_changes_its_mask_and_nothing_else(name: str) -> None:
    for start in (*(CLEAN.scene(seed) for seed in SEEDS), scene()):
        there, gone = start.with_level(name, 1.0), start.with_level(name, 0.0)
        changed, mask = change(there, gone), drawn(there).masks[name]
        if name == "band-aid" or start.levels == scene().levels:
            assert mask.sum() > 20
        assert (changed[mask] >= 4).mean() > 0.85
        assert changed[~mask].max() <= 255 * VISIBLE + 1  # soft edges, and what shines through
        assert changed[near(mask, 2)].sum() > 0.75 * changed.sum()
        assert changed[~near(mask, 2)].mean() < changed[mask].mean() / 4


@pytest.mark.parametrize(
    "name", ["hairs", "ruler", "band-aid", "gel bubbles", "purple ink", "streaks", "crusty surface"]
)
def test_beyond_its_edges_no_pixel_changes(name: str) -> None:
    for seed in SEEDS:
        changed, mask = change(scene(name, seed=seed), scene(seed=seed)), drawn(scene(name, seed=seed)).masks[name]
        assert changed[~near(mask, 5)].max() == 0
        assert np.median(changed[mask]) > 15


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ARTEFACTS and name not in SHAPES])
def test_what_is_part_of_the_lesion_lies_on_the_lesion(name: str) -> None:
    for seed in SEEDS:
        masks = drawn(scene(name, seed=seed)).masks
        reach = 7 if name == "streaks" else 1  # they run across the edge
        assert masks[name].sum() > 20
        assert not (masks[name] & ~near(masks["lesion"], reach)).any()
        assert (masks[name] & masks["lesion"]).sum() > 0.4 * masks[name].sum()


@pytest.mark.parametrize("name", ["black", "hairs", "band-aid", "red skin"])
def test_a_counterfactual_leaves_what_lies_above_and_only_covers_what_lies_below(name: str) -> None:
    order = list(DRAWINGS)
    for seed in SEEDS:
        start = CLEAN.scene(seed)
        there, gone = drawn(start.with_level(name, 1.0)).masks, drawn(start.with_level(name, 0.0)).masks
        assert set(there) == {*gone, name}
        for other in set(gone) & set(DRAWINGS):
            if order.index(other) > order.index(name):
                np.testing.assert_array_equal(there[other], gone[other])
            else:
                assert not (there[other] & ~gone[other]).any()
                np.testing.assert_array_equal(there[other] & ~near(there[name], 3), gone[other] & ~near(there[name], 3))


def test_masks_are_of_what_is_present_and_of_the_lesion() -> None:
    for seed in SEEDS:
        start = CLEAN.scene(seed)
        masks = drawn(start).masks
        assert tuple(masks) == ("lesion", *start.present)
        assert all(mask.shape == (SIDE, SIDE) and mask.dtype == bool for mask in masks.values())
    assert tuple(drawn(scene().with_level("hairs", 0.49)).masks) == ("lesion",)


def test_a_lesion_is_not_hidden_by_its_own_colours_but_by_artefacts() -> None:
    bare, coloured = drawn(scene()).masks["lesion"], drawn(scene(*COLORS, "streaks", "crusty surface")).masks["lesion"]
    np.testing.assert_array_equal(bare, coloured)
    hairy = drawn(scene("hairs")).masks
    assert 0.02 < (bare & ~hairy["lesion"]).sum() / bare.sum() < 0.6
    assert not (bare & ~hairy["lesion"] & ~hairy["hairs"]).any()


def test_colours_hide_the_colours_below() -> None:
    lower, both = drawn(scene("dark brown")).masks["dark brown"], drawn(scene("dark brown", "black", "red")).masks
    assert not (both["dark brown"] & ~lower).any()
    assert both["dark brown"].sum() < lower.sum()
    assert (lower & ~both["dark brown"] & ~both["black"] & ~both["red"]).sum() < 0.02 * lower.sum()


def test_the_masks_of_the_shapes() -> None:
    for seed in SEEDS:
        masks = drawn(scene(*SHAPES, seed=seed)).masks
        np.testing.assert_array_equal(masks["asymmetry"], masks["lesion"])
        np.testing.assert_array_equal(masks["large lesion"], masks["lesion"])
        inside = ndimage.distance_transform_edt(masks["lesion"])
        outside = ndimage.distance_transform_edt(~masks["lesion"])
        assert np.maximum(inside, outside)[masks["ragged border"]].max() <= 0.1 * SIDE / 2 + 1
        assert masks["ragged border"][(inside == 1) | (outside == 1)].mean() > 0.95


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_changes_the_lesion_and_leaves_the_skin(name: str) -> None:
    for seed in SEEDS:
        there, gone = scene(name, "hairs", "ruler", seed=seed), scene("hairs", "ruler", seed=seed)
        one, other = (drawn(one.flipped("hairs").flipped("ruler")).masks["lesion"] for one in (there, gone))
        changed = change(there, gone)
        assert changed[~near(one | other, 3)].max() == 0
        assert (one != other).sum() > 0.04 * other.sum()
        assert (changed[(one != other) & ~near(drawn(there).masks["hairs"], 1)] > 8).mean() > 0.6


def test_a_large_lesion_is_much_larger_and_no_other_shape_changes_its_size() -> None:
    for seed in SEEDS:
        small, large, lopsided, ragged = (
            drawn(scene(*names, seed=seed)).masks["lesion"].sum()
            for names in ((), ("large lesion",), ("asymmetry",), ("ragged border",))
        )
        assert 3.5 < large / small < 5  # (0.62 / 0.30)² is 4.3
        assert lopsided / small == pytest.approx(1, abs=0.1)
        assert ragged / small == pytest.approx(1, abs=0.1)


def test_what_a_plaster_covers_does_not_show() -> None:
    for seed in SEEDS:
        start = scene(*NAMES, seed=seed)
        covered, masks = under_the_plaster(start), drawn(start).masks
        assert covered.mean() > 0.05
        for name in {*masks} - {"band-aid", "vignetting"}:
            assert not (masks[name] & covered).any()
        bare = drawn(start.flipped("band-aid")).masks
        assert sum((bare[name] & covered).any() for name in bare) >= 3


def test_the_plaster_lies_over_all_but_the_dark_corners() -> None:
    for seed in SEEDS:
        start = scene("band-aid", "vignetting", seed=seed)
        full = scene(*(set(NAMES) - {"large lesion"}), seed=seed)
        covered = under_the_plaster(start) & (drawn(start).masks["band-aid"])
        assert change(start, full)[covered].max() <= 255 * 0.05 + 1
        masks = drawn(full).masks
        np.testing.assert_array_equal(masks["vignetting"], drawn(scene("vignetting", seed=seed)).masks["vignetting"])
        np.testing.assert_array_equal(masks["band-aid"], drawn(start).masks["band-aid"])


def test_the_same_scene_is_the_same_picture_and_another_seed_another() -> None:
    start = CLEAN.scene(4)
    one, again, other = draw(start, SIDE), draw(start, SIDE), draw(CLEAN.scene(5), SIDE)
    np.testing.assert_array_equal(pixels(one), pixels(again))
    for name, mask in one.masks.items():
        np.testing.assert_array_equal(mask, again.masks[name])
    assert np.abs(pixels(one) - pixels(other)).mean() > 10


def test_the_diagnosis_itself_is_not_drawn() -> None:
    start = CLEAN.scene(4)
    told = Scene(start.seed, start.levels, not start.contradicts)
    np.testing.assert_array_equal(pixels(draw(start, SIDE)), pixels(draw(told, SIDE)))


def test_a_larger_picture_shows_the_same_scene() -> None:
    scenes = [CLEAN.scene(seed) for seed in SEEDS] + [scene(*NAMES)]
    small = [pixels(drawn(one)) for one in scenes]
    for n, one in enumerate(scenes):
        large = draw(one, 2 * SIDE)
        halved = pixels(large).reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
        assert np.abs(halved - small[n]).mean() < 0.2 * np.abs(halved - small[n - 1]).mean()
        for name, mask in large.masks.items():
            part = mask.reshape(SIDE, 2, SIDE, 2).mean((1, 3))
            assert np.abs(part - drawn(one).masks[name]).mean() < 0.06  # hairs are thinner than a pixel


def test_a_picture_is_128_pixels_square_unless_asked() -> None:
    picture = draw(scene("ruler"))
    assert (picture.image.size, picture.image.mode, picture.masks["ruler"].shape) == ((128, 128), "RGB", (128, 128))


def test_levels_between_are_between() -> None:
    for name in ("large lesion", "hairs", "ruler", "gel bubbles", "dots and globules"):
        areas = []
        for level in (0.5, 0.75, 1.0):
            masks = drawn(scene(name).with_level(name, level)).masks
            areas.append(masks[name].sum())
        assert areas == sorted(areas), BY_NAME[name]
        assert areas[-1] > 1.1 * areas[0]
