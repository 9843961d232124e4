import subprocess
import sys
from io import BytesIO
from itertools import product

import numpy as np
import pytest
from PIL import Image

from semlens.errors import SemlensError
from semlens.views.heatmap import HeatExample, HeatRow, figure, full_colour, heat_sheet, outline, overlay
from semlens.views.heatmap.overlay import NEGATIVE, OUTSIDE, POSITIVE, SATURATION, pixels, whole
from semlens.views.tiles import GAP, SIDE, TEXT

GREY = (100, 100, 100)


def heat(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def drawn(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_positive_is_red_negative_blue_and_nothing_stays() -> None:
    ((red, blue, none),) = drawn(overlay(Image.new("RGB", (3, 1), GREY), heat([1, -1, 0])))
    assert none.tolist() == list(GREY)
    assert red.tolist() == [round(30 + 0.7 * value) for value in POSITIVE]  # worked by hand: 0.3 of grey, 0.7 of red
    assert blue.tolist() == [round(30 + 0.7 * value) for value in NEGATIVE]
    assert red[0] > 100 > red[2]
    assert blue[2] > 100 > blue[0]


def test_more_relevance_is_less_transparent_and_both_signs_as_much() -> None:
    values = np.linspace(0, 1, 11, dtype=np.float32)[None]
    ground = Image.new("RGB", (11, 1), GREY)
    ((*reds,),) = drawn(overlay(ground, values, limit=1.0))
    ((*blues,),) = drawn(overlay(ground, -values, limit=1.0))
    red = [(pixel[0] - 100) / (POSITIVE[0] - 100) for pixel in reds]
    blue = [(pixel[2] - 100) / (NEGATIVE[2] - 100) for pixel in blues]
    assert red == pytest.approx(blue, abs=0.01)
    assert red == pytest.approx(0.7 * values[0] ** 0.8, abs=0.01)
    assert np.diff(red).min() > 0.04


def test_without_relevance_only_colour_is_paled() -> None:
    photo = noise(9, 7)
    pixel = drawn(photo)
    grey = pixel @ [0.299, 0.587, 0.114]
    expected = grey[..., None] + SATURATION * (pixel - grey[..., None])
    found = drawn(overlay(photo, np.zeros((3, 3), dtype=np.float32)))
    assert np.abs(found - expected).max() < 2  # eight bits, rounded twice
    assert np.abs(found @ [0.299, 0.587, 0.114] - grey).max() < 2


def test_the_photograph_shows_through_full_colour() -> None:
    halves = Image.fromarray(np.array([[[0] * 3, [255] * 3]], dtype=np.uint8))
    dark, light = drawn(overlay(halves, np.ones((1, 2), dtype=np.float32)))[0]
    assert (light - dark).min() >= 75


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_what_is_no_number_adds_no_colour(value: float) -> None:
    ground = Image.new("RGB", (2, 2), GREY)
    assert (drawn(overlay(ground, np.full((2, 2), value, dtype=np.float32))) == 100).all()
    mixed = drawn(overlay(ground, heat([value, 5], [-5, value])))
    assert mixed[0, 0].tolist() == mixed[1, 1].tolist() == list(GREY)
    assert mixed[0, 1, 0] > 100 > mixed[1, 0, 0]


def test_the_scale_is_a_high_percentile_of_what_is_not_zero() -> None:
    values = np.arange(1, 101, dtype=np.float32) * np.array([1, -1] * 50, dtype=np.float32)
    assert full_colour([values[None]]) == 99
    assert full_colour([np.concatenate([values, np.zeros(9000, dtype=np.float32)])[None]]) == 99
    assert full_colour([values[None, :50], values[None, 50:]]) == 99
    assert full_colour([np.concatenate([values, np.full(9000, 1e-5, dtype=np.float32)])[None]]) == 99  # rounding
    assert full_colour([-values[None]]) == full_colour([values[None]])
    assert full_colour([heat([3])]) == 3
    assert full_colour([heat([0, np.nan])]) == full_colour([]) == 0


@pytest.mark.parametrize("side", [2, 7, 14, 224])
def test_one_stray_pixel_does_not_pale_the_rest(side: int) -> None:
    values = np.full((side, side), 0.01, dtype=np.float32)
    ground = Image.new("RGB", (side, side), GREY)
    calm = drawn(overlay(ground, values))
    values[0, 0] = -1000
    stray = drawn(overlay(ground, values))
    assert (stray[0, 0] == drawn(overlay(ground, -np.ones((side, side), dtype=np.float32)))[0, 0]).all()
    stray[0, 0] = calm[0, 0]
    assert (stray == calm).all()


def test_a_stray_pixel_does_not_spread_over_its_neighbours() -> None:
    ground = Image.new("RGB", (40, 10), GREY)
    stray, full = (overlay(ground, heat([value, 0, 0, 0]), limit=1.0) for value in (1000, 1))
    assert stray.tobytes() == full.tobytes()
    assert (drawn(full)[:, 15:] == 100).all()
    assert (drawn(full)[:, 14] != 100).any()


def test_the_heat_lies_where_the_model_looked_and_the_rest_is_dark() -> None:
    values = np.zeros((4, 4), dtype=np.float32)
    values[0, 0], values[3, 2] = 1, -1
    found = drawn(overlay(Image.new("RGB", (20, 12), GREY), values, box=(6, 5, 10, 9)))
    assert np.argwhere((found != found[..., :1]).any(2)).tolist() == [[5, 6], [8, 8]]
    assert found[5, 6, 0] > 100
    assert found[8, 8, 2] > 100
    inside = np.zeros((12, 20), dtype=bool)
    inside[5:9, 6:10] = True
    inside[5, 6] = inside[8, 8] = False
    assert (found[inside] == 100).all()
    line = np.zeros((12, 20), dtype=bool)
    line[4:10, 5:11] = True
    line[5:9, 6:10] = False
    assert (found[line] == 255).all()
    line[5:9, 6:10] = True
    assert (found[~line] == round(100 * OUTSIDE)).all()


def test_the_line_around_the_input_is_as_wide_as_a_large_image_needs() -> None:
    found = drawn(overlay(Image.new("RGB", (900, 600), GREY), heat([0]), box=(150, 0, 750, 600)))[300, :, 0]
    assert found[[143, 144, 149, 150, 749, 750, 755, 756]].tolist() == [35, 255, 255, 100, 100, 255, 255, 35]


def test_an_input_padded_beyond_the_image_keeps_its_place() -> None:
    values = np.zeros((8, 8), dtype=np.float32)
    values[4, 3] = 1
    found = drawn(overlay(Image.new("RGB", (8, 4), GREY), values, box=(0, -2, 8, 6)))
    assert np.argwhere((found != 100).any(2)).tolist() == [[2, 3]]


def bilinear(values: np.ndarray, x: float, y: float) -> float:
    """At a point in the map's own pixels, whose centres are at a half; beyond the outermost centre as at it."""
    total = 0.0
    for row, column in product(range(values.shape[0]), range(values.shape[1])):
        inner_x, inner_y = np.clip(x, 0.5, values.shape[1] - 0.5), np.clip(y, 0.5, values.shape[0] - 0.5)
        weight = max(0, 1 - abs(column + 0.5 - inner_x)) * max(0, 1 - abs(row + 0.5 - inner_y))
        total += weight * float(values[row, column])
    return total


@pytest.mark.parametrize("box", [(0, 0, 30, 20), (3, 2, 17, 19), (-9, 4.25, 22.5, 31), (2.5, 2.5, 29, 18)])
def test_the_map_is_stretched_bilinearly_over_its_box(box: tuple[float, float, float, float]) -> None:
    values = np.random.default_rng(1).uniform(-1, 1, (3, 4)).astype(np.float32)
    found = drawn(overlay(Image.new("RGB", (30, 20), GREY), values, box=box, limit=1.0))
    box = whole(box, (30, 20))
    left, top, right, bottom = pixels(box, (30, 20))
    for y, x in product(range(top, bottom), range(left, right)):
        at = (x + 0.5 - box[0]) / (box[2] - box[0]) * 4, (y + 0.5 - box[1]) / (box[3] - box[1]) * 3
        share = bilinear(values, *at)
        colour = np.array(POSITIVE if share > 0 else NEGATIVE)
        assert np.abs(found[y, x] - (100 + 0.7 * abs(share) ** 0.8 * (colour - 100))).max() <= 1.5


def test_the_pixels_of_a_box_are_those_it_touches() -> None:
    assert pixels((2, 3, 5, 7), (10, 10)) == (2, 3, 5, 7)
    assert pixels((1.9, 2.1, 4.9, 5.1), (10, 10)) == (1, 2, 5, 6)
    assert pixels((2 - 1e-9, 3 + 1e-9, 5 + 1e-9, 7 - 1e-9), (10, 10)) == (2, 3, 5, 7)
    assert pixels((-5, -5, 50, 50), (10, 8)) == (0, 0, 10, 8)
    assert pixels((4.6, 9.7, 4.9, 12), (10, 10)) == (4, 9, 5, 10)
    assert whole((-5.5, 3, 50, 7.5), (10, 8)) == (-6, 3, 50, 8)


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (5, 5, 5, 9), (10, 0, 20, 10), (0, -4, 10, 0), (7, 3, 2, 9)])
def test_a_box_beside_the_image_is_an_error(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(SemlensError, match=r"box \(.*\) has no pixel of the image of 10 x 10: give left, top"):
        overlay(noise(10, 10), heat([1]), box=box)
    with pytest.raises(SemlensError, match="of 10 x 10"):  # not of the tile that it is drawn on
        heat_sheet([HeatRow("fc:1", [HeatExample(noise(10, 10), heat([1]), crop=box)])])


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan, np.inf])
def test_a_limit_that_is_no_scale_is_an_error(limit: float) -> None:
    with pytest.raises(SemlensError, match="give a positive number, or None"):
        overlay(noise(2, 2), heat([1]), limit=limit)


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (7, 3), (8, 3000), (900, 700)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1"])
def test_any_size_and_mode_is_drawn_and_left_as_it_was(size: tuple[int, int], mode: str) -> None:
    photo = noise(*size).convert(mode)
    before = photo.tobytes()
    width, height = size
    one = (width - 1, height - 1, width, height)
    for box in (None, one):
        found = overlay(photo, heat([1, 1], [1, 1]), box=box)
        assert (found.mode, found.size) == ("RGB", size)
        assert drawn(found)[-1, -1, 0] >= round(0.7 * POSITIVE[0]) - 1
    framed = outline(photo, one)
    assert framed.getpixel((width - 1, height - 1)) == (
        (0, 0, 0) if min(size) >= 8 else photo.convert("RGB").getpixel((width - 1, height - 1))
    )
    assert photo.tobytes() == before


def test_a_frame_is_white_in_black_and_around_the_box() -> None:
    photo = Image.new("RGB", (40, 30), GREY)
    found = drawn(outline(photo, (10, 8, 20, 16)))[..., 0]
    assert found[12, 5:14].tolist() == [100] * 3 + [0, 255] + [100] * 4
    assert (found[8:16, 10:20] == 100).all()
    assert (found == 255).sum() == 2 * (12 + 8)
    assert (found == 0).sum() == 2 * (14 + 10)


def test_a_frame_at_the_images_end_lies_inside() -> None:
    found = drawn(outline(Image.new("RGB", (40, 30), GREY), (0, 0, 40, 30)))[..., 0]
    assert found[15, :3].tolist() == [0, 255, 100]
    assert found[15, -3:].tolist() == [100, 255, 0]
    assert (found == 100).sum() == 36 * 26
    assert drawn(outline(Image.new("RGB", (800, 30), GREY), (0, 0, 800, 30)))[15, :7, 0].tolist() == [0] * 3 + [
        255
    ] * 3 + [100]


def linear(colour: tuple[int, ...]) -> np.ndarray:
    share = np.array(colour) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ light.clip(0, 1)
    f = np.cbrt(xyz / np.array([0.9505, 1, 1.089]))  # all values here are above the linear part
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    "seen",
    [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ],
    ids=["no red cones", "no green cones", "no blue cones"],
)
def test_the_pair_is_told_apart_by_colour_blind_eyes(seen: list[list[float]]) -> None:
    """Machado et al. 2009, severity 1. A difference of 2 is just noticed; ColorBrewer's RdBu ends are over 50 apart."""
    apart = lab(np.array(seen) @ linear(POSITIVE)) - lab(np.array(seen) @ linear(NEGATIVE))
    assert np.linalg.norm(apart) > 50


def examples() -> list[HeatExample]:
    strong = HeatExample(noise(60, 40), heat([1, 0], [0, -1]), crop=(30, 10, 50, 30), title="first 0.4")
    weak = HeatExample(noise(40, 80, 1), heat([0.25, 0], [0, -0.25]), box=(0, 20, 40, 60), title="second 0.1")
    return [strong, weak]


@pytest.mark.slow
def test_a_figure_has_crops_above_overlays_below_and_one_scale() -> None:
    page = figure(examples(), name="layer4:17", unit="share")
    first, second, below, _, bar = page.axes
    assert (first.get_title(), second.get_title(), page.get_suptitle()) == ("first 0.4", "second 0.1", "layer4:17")
    assert bar.get_ylabel() == "share"
    assert bar.get_ylim() == (-1, 1)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["−1", "0", "1"]
    crop = np.asarray(first.images[0].get_array())
    assert np.abs(crop - drawn(noise(60, 40).crop((30, 10, 50, 30)).resize((320, 320)))).max() == 0
    shown = np.asarray(below.images[0].get_array()).astype(int)
    assert shown.shape == (320, 320, 3)
    assert (shown[:50] == 255).all()  # white above a wide photograph
    upper, lower = shown[70:90, 5:60].mean((0, 1)), shown[230:250, 260:315].mean((0, 1))
    assert upper[0] > upper[2] + 100
    assert lower[2] > lower[0] + 100
    assert [label.get_text() for label in figure(examples(), limit=0.02).axes[-1].get_yticklabels()] == [
        "−0.02",
        "0",
        "0.02",
    ]


def test_the_colour_bar_is_white_at_zero_and_painted_as_the_maps_are() -> None:
    colours = figure(examples()).axes[-1].collections[-1].cmap
    assert tuple(round(255 * value) for value in colours(0.5)) == (255, 255, 255, 255)
    for end, value in ((0.0, -1), (1.0, 1)):
        painted = np.asarray(overlay(Image.new("RGB", (1, 1), "white"), heat([value])))[0, 0]
        assert [round(255 * part) for part in colours(end)] == [*painted, 255]


@pytest.mark.slow
def test_a_figure_shows_itself_the_same_each_time_and_leaves_pyplot_alone() -> None:
    picture = figure(examples(), name="fc:3")._repr_png_()  # type: ignore[attr-defined]
    assert picture == figure(examples(), name="fc:3")._repr_png_()  # type: ignore[attr-defined]
    assert len(set(Image.open(BytesIO(picture)).convert("RGB").resize((60, 60)).get_flattened_data())) > 100
    code = (
        "import sys, numpy as np; from PIL import Image; from semlens.views.heatmap import HeatExample, figure\n"
        "assert 'matplotlib' not in sys.modules\n"
        "figure([HeatExample(Image.new('RGB', (9, 9)), np.ones((3, 3), np.float32))])._repr_png_()\n"
        "assert not {'matplotlib.pyplot', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_figure_without_examples_or_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SemlensError, match="no examples of fc:3 to draw"):
        figure([], name="fc:3")
    assert [
        label.get_text() for label in figure([HeatExample(noise(4, 4), heat([np.nan]))]).axes[-1].get_yticklabels()
    ] == ["−1", "0", "1"]
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SemlensError, match=r"matplotlib is not installed: pip install 'semlens\[notebook\]'"):
        figure(examples())


PAIR = 2 * SIDE + 3 * GAP


def test_a_sheet_has_a_row_per_component_and_pairs_in_it() -> None:
    square = HeatExample(noise(SIDE, SIDE), np.eye(SIDE, dtype=np.float32) - 0.5, crop=(20, 20, 60, 60))
    rows = [HeatRow("layer4:17", [square, *examples()], "a face"), HeatRow("fc:3", [square]), HeatRow("fc:4", [])]
    sheet = heat_sheet(rows, examples=2)
    assert sheet.size == (TEXT + 2 * PAIR, 26 + 18 + 4 * GAP + 3 * SIDE)
    edge = slice(1, SIDE - 1)  # the tile's grey edge covers the outermost pixels
    photo = drawn(sheet.crop((TEXT, GAP, TEXT + SIDE, GAP + SIDE)))
    assert (photo[edge, edge] == drawn(outline(square.image, (20, 20, 60, 60)))[edge, edge]).all()
    second = GAP + SIDE + 18 + GAP  # the first row has a caption, since one of its examples has a title
    heated = drawn(sheet.crop((TEXT + SIDE + GAP, second, TEXT + 2 * SIDE + GAP, second + SIDE)))
    assert (heated[edge, edge] == drawn(overlay(square.image, square.heat))[edge, edge]).all()
    empty = drawn(sheet)[second + SIDE + GAP :]
    assert (empty[:SIDE, TEXT:] == 255).all()
    assert (empty[:SIDE, :TEXT] < 128).any()
    assert sheet.tobytes() == heat_sheet(rows, examples=2).tobytes()


def redness(sheet: Image.Image, place: int) -> float:
    left = TEXT + place * PAIR + SIDE + GAP
    pixel = drawn(sheet.crop((left + 1, GAP + 1, left + 6, GAP + 6)))
    return float((pixel[..., 0] - pixel[..., 2]).mean())


def test_a_row_has_one_scale_or_all_the_one_asked_for() -> None:
    ground = Image.new("RGB", (20, 20), GREY)
    row = [HeatExample(ground, np.full((2, 2), value, dtype=np.float32)) for value in (1, 0.5, 0.1)]
    own = heat_sheet([HeatRow("fc:1", row)])
    full = 0.7 * (POSITIVE[0] - POSITIVE[2])
    assert [redness(own, place) / full for place in range(3)] == pytest.approx([1, 0.5**0.8, 0.1**0.8], abs=0.01)
    asked = heat_sheet([HeatRow("fc:1", row)], limit=0.5)
    assert [redness(asked, place) / full for place in range(3)] == pytest.approx([1, 1, 0.2**0.8], abs=0.01)


def test_fine_relevance_is_averaged_before_its_scale_is_set() -> None:
    """Noise of both signs around a small mean would be pale: what sets the scale is what is drawn."""
    fine = np.tile(np.array([[7, -1], [-1, -1]], dtype=np.float32), (SIDE, SIDE))
    rows = [HeatRow("fc:1", [HeatExample(Image.new("RGB", (SIDE, SIDE), GREY), fine)])]
    full = 0.7 * (POSITIVE[0] - POSITIVE[2])
    assert redness(heat_sheet(rows), 0) / full == pytest.approx(1, abs=0.01)
    assert redness(heat_sheet(rows, limit=2.0), 0) / full == pytest.approx(0.5**0.8, abs=0.01)  # the mean is 1


def test_an_empty_sheet_has_its_legend() -> None:
    sheet = heat_sheet([])
    assert sheet.size == (TEXT + PAIR, GAP + 26)
    ramp = drawn(sheet)[GAP + 10, GAP * 2 + 54 : GAP * 2 + 54 + 121]
    assert ramp[60].tolist() == [255, 255, 255]
    assert (ramp[0, 2] > ramp[0, 0], ramp[-1, 0] > ramp[-1, 2]) == (True, True)
