from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
from scipy import ndimage

from semlens.testbed.world import artefacts
from semlens.testbed.world.artefacts import PLASTERS, band_aid_color
from semlens.testbed.world.paint import Paint, Place, rgb

Drawing = Callable[[Place, float, np.random.Generator], list[Paint]]

# The least and the most of a picture that each may mark.
AREAS: dict[Drawing, tuple[float, float]] = {
    artefacts.hairs: (0.02, 0.25),
    artefacts.ruler: (0.01, 0.25),
    artefacts.band_aid: (0.08, 0.2),
    artefacts.purple_ink: (0.005, 0.12),
    artefacts.vignetting: (0.08, 0.3),
    artefacts.red_skin: (0.4, 0.95),
    artefacts.gel_bubbles: (0.02, 0.15),
}
EACH = pytest.mark.parametrize("drawing", AREAS, ids=lambda drawing: drawing.__name__)


def place(side: int = 128, radius: float = 0.5, centre: tuple[float, float] = (0.1, -0.05)) -> Place:
    across = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(across, across)
    depth = np.float32(radius) - np.hypot(x - np.float32(centre[0]), y - np.float32(centre[1]))
    return Place(x, y, depth, centre, radius)


HERE = place()


def drawn(drawing: Drawing, seeds: int, where: Place = HERE) -> Iterator[list[Paint]]:
    for seed in range(seeds):
        yield drawing(where, (0.6, 1.0)[seed % 2], np.random.default_rng(seed))


def cover(paints: list[Paint]) -> np.ndarray:
    return 1 - reduce(np.multiply, (1 - paint.alpha for paint in paints))


def over_skin(paints: list[Paint]) -> np.ndarray:
    pixels = np.broadcast_to(rgb("#d9a58c"), (*paints[0].alpha.shape, 3))
    return reduce(lambda below, paint: below + paint.alpha[..., None] * (paint.color - below), paints, pixels)


@EACH
def test_paint_is_a_share_of_a_colour_and_marks_a_sensible_part_of_the_picture(drawing: Drawing) -> None:
    least, most = AREAS[drawing]
    for paints in drawn(drawing, 24):
        for paint in paints:
            assert paint.alpha.dtype == paint.color.dtype == np.float32
            for values in (paint.alpha, paint.color):
                assert values.min() >= 0
                assert values.max() <= 1
        assert least <= (cover(paints) > 0.25).mean() <= most


@EACH
def test_the_same_chance_draws_the_same_and_another_something_else(drawing: Drawing) -> None:
    one, again, other = (over_skin(drawing(HERE, 1.0, np.random.default_rng(seed))) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.1


@EACH
def test_a_picture_of_another_size_shows_the_same_scene(drawing: Drawing) -> None:
    small = [over_skin(paints) for paints in drawn(drawing, 5, place(64))]
    large = [over_skin(paints).reshape(64, 4, 64, 4, 3).mean((1, 3)) for paints in drawn(drawing, 5, place(256))]
    for n in range(5):
        error, other = (np.abs(large[n] - small[m]).mean() for m in (n, n - 1))
        assert error < 0.4 * other


@EACH
def test_what_is_fainter_still_shows_and_takes_the_same_chance(drawing: Drawing) -> None:
    faint, strong = np.random.default_rng(3), np.random.default_rng(3)
    less, more = cover(drawing(HERE, 0.6, faint)), cover(drawing(HERE, 1.0, strong))
    assert faint.random() == strong.random()
    assert 0.2 * more.sum() < less.sum() < more.sum()


@EACH
def test_only_reddened_skin_follows_the_outline_of_the_lesion(drawing: Drawing) -> None:
    same = [
        np.array_equal(over_skin(one), over_skin(other))
        for one, other in zip(drawn(drawing, 5), drawn(drawing, 5, place(radius=0.3)), strict=True)
    ]
    assert same == [drawing is not artefacts.red_skin] * 5


def test_red_skin_lies_around_the_lesion_and_not_in_it() -> None:
    for paints in drawn(artefacts.red_skin, 10):
        alpha, pixels = cover(paints), over_skin(paints)
        assert alpha[HERE.depth > 0.06].max() == 0
        assert alpha[HERE.depth < -0.1].min() >= 0.1
        assert alpha[HERE.depth < -0.1].mean() > 0.33
        red, green, blue = pixels[HERE.depth < -0.1].mean(0) - rgb("#d9a58c")
        assert green < red - 0.12
        assert blue < red - 0.08


def test_a_plaster_has_the_colour_that_its_first_chance_names() -> None:
    seen = set()
    for seed, paints in enumerate(drawn(artefacts.band_aid, 30)):
        name = band_aid_color(np.random.default_rng(seed))
        mean = over_skin(paints)[paints[1].alpha > 0.9].mean(0)
        assert min(PLASTERS, key=lambda other: np.abs(rgb(PLASTERS[other]) - mean).sum()) == name
        seen.add(name)
    assert seen == {"beige", "blue", "green", "pink", "yellow"}


def test_a_plaster_reaches_in_from_the_edge_in_one_piece_and_spares_the_middle() -> None:
    middle = []
    for paints in drawn(artefacts.band_aid, 40):
        lies = paints[1].alpha > 0.5
        assert ndimage.label(lies)[1] == 1
        assert lies[[0, -1]].any() or lies[:, [0, -1]].any()
        middle.append(lies[64, 64])
    assert np.mean(middle) < 0.05


def test_a_ruler_lies_along_one_of_four_edges_half_of_them_on_white() -> None:
    edges, strips = set(), 0
    for paints in drawn(artefacts.ruler, 30):
        alpha = cover(paints)
        assert alpha[34:94, 34:94].max() == 0
        near = {"top": alpha[:34], "bottom": alpha[94:], "left": alpha[:, :34], "right": alpha[:, 94:]}
        edges.add(max(near, key=lambda edge: near[edge].sum()))
        strips += len(paints) == 2
        assert paints[-1].color.max() < 0.1
        assert len(paints) == 1 or paints[0].color.min() > 0.9
    assert edges == {"top", "bottom", "left", "right"}
    assert 8 <= strips <= 22


def test_the_ticks_of_a_ruler_are_evenly_spaced_and_each_fifth_is_longer() -> None:
    for seed in range(10):
        baseline, *strokes = artefacts._scale(-1.0, 0.75, np.random.default_rng(seed))
        assert baseline[0][0] == -1
        assert baseline[1][0] == 0.75
        ticks = [stroke for stroke in strokes if stroke[0][1] == baseline[0][1]]  # digits do not touch the baseline
        places = np.array([tick[0][0] for tick in ticks])
        assert 0.075 <= places[1] + 1 <= 0.11
        np.testing.assert_allclose(places, np.linspace(-1, places[-1], len(ticks)), atol=1e-9)
        lengths = [round(abs(tick[0][1] - tick[1][1]), 3) for tick in ticks]
        assert lengths == [0.15 if n % 5 == 0 else 0.075 for n in range(len(ticks))]


def test_digits_are_told_apart_by_their_strokes() -> None:
    for digit, width in ((0, 0.06), (1, 0.0), (7, 0.06)):
        x, y = np.array(artefacts._digit(digit, 0.2, 0.5)).T
        assert np.ptp(x) == pytest.approx(width)
        assert np.ptp(y) == pytest.approx(0.11)
    assert len({tuple(artefacts._digit(digit, 0.0, 0.0)) for digit in range(10)}) == 10


def test_ink_is_purple_and_rings_the_lesion() -> None:
    centre = (-0.1, 0.1)
    where = place(centre=centre)
    far = np.hypot(where.x - centre[0], where.y - centre[1])
    for paints in drawn(artefacts.purple_ink, 20, where):
        marked = cover(paints) > 0.25
        assert far[marked].min() > 0.5
        assert far[marked].max() < 1.0
        red, green, blue = over_skin(paints)[cover(paints) > 0.7].mean(0)
        assert blue > red + 0.05
        assert red > green + 0.05


def test_vignetting_darkens_the_corners_only() -> None:
    corners = np.ix_([0, -1], [0, -1])
    for paints in drawn(artefacts.vignetting, 20):
        alpha = cover(paints)
        assert alpha[corners].min() > 0.95
        assert alpha[np.hypot(HERE.x, HERE.y) < 0.7].max() == 0
        assert over_skin(paints)[corners].max() < 0.1


def test_there_are_5_to_25_thin_dark_hairs_of_which_some_cross_the_lesion() -> None:
    for paints in drawn(artefacts.hairs, 20):
        alpha = cover(paints)
        assert over_skin(paints)[alpha > 0.8].mean() < 0.3
        assert ndimage.label(alpha > 0.25, np.ones((3, 3)))[1] <= 25
        assert (alpha > 0.25)[HERE.depth > 0].mean() > 0.02


def test_hairs_taper_to_the_tip() -> None:
    outlines = artefacts._hairs((0.0, 0.0), np.random.default_rng(0))
    widths = np.linalg.norm(outlines - outlines[:, ::-1], axis=-1)[:, :12]
    assert outlines.shape == (25, 24, 2)
    assert (np.diff(widths, axis=1) < 1e-6).all()
    np.testing.assert_allclose(widths[:, -1] / widths[:, 0], 0.3, atol=1e-4)


def test_each_bubble_has_a_dark_rim_around_a_bright_spot() -> None:
    for seed in range(20):
        bright, dark = artefacts.gel_bubbles(HERE, 1.0, np.random.default_rng(seed))
        found, count = ndimage.label(bright.alpha > 0.2)
        assert 4 <= count <= 25  # those that touch count as one, those beyond the edge not at all
        ids = np.arange(1, count + 1)
        rim, spot = ndimage.maximum(dark.alpha, found, ids), ndimage.maximum(bright.alpha, found, ids)
        inner = np.array([not np.isin([0, 127], part).any() for part in boxes(found)])
        assert (rim[inner] > 0.4).all()
        assert (spot[inner] > 0.5).all()


def boxes(found: np.ndarray) -> list[list[int]]:
    return [
        [rows.start, rows.stop - 1, columns.start, columns.stop - 1] for rows, columns in ndimage.find_objects(found)
    ]


def test_a_lesion_elsewhere_takes_the_ring_of_ink_along() -> None:
    one = artefacts.purple_ink(place(centre=(0.0, 0.0)), 1.0, np.random.default_rng(1))
    moved = artefacts.purple_ink(replace(HERE, centre=(0.125, 0.0)), 1.0, np.random.default_rng(1))
    shifted = np.roll(cover(one) > 0.3, 8, axis=1)[:, 8:]
    assert (shifted == (cover(moved) > 0.3)[:, 8:]).mean() > 0.99
