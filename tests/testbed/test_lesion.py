"""Skin, the lesion with its colours and crust, and its structures."""

from collections.abc import Callable
from functools import reduce

import numpy as np
import pytest

from semlens.testbed.world import lesion, structures
from semlens.testbed.world.concepts import NAMES
from semlens.testbed.world.paint import Paint, Place, around
from semlens.testbed.world.scene import Scene
from semlens.testbed.world.skin import skin

Drawing = Callable[[Place, float, np.random.Generator], list[Paint]]

INSIDE: dict[str, tuple[Drawing, float, float]] = {  # with the least and the most of a lesion that each covers
    "light brown": (lesion.light_brown, 0.6, 0.95),
    "dark brown": (lesion.dark_brown, 0.25, 0.6),
    "black": (lesion.black, 0.12, 0.35),
    "red": (lesion.red, 0.18, 0.45),
    "blue-white veil": (lesion.blue_white_veil, 0.17, 0.45),
    "white structures": (lesion.white_structures, 0.12, 0.4),
    "crusty surface": (lesion.crusty_surface, 0.15, 0.6),
    "pigment network": (structures.pigment_network, 0.5, 0.95),
    "dots and globules": (structures.dots_and_globules, 0.05, 0.8),
}
DRAWINGS = {"base": lesion.base, "streaks": structures.streaks} | {name: of[0] for name, of in INSIDE.items()}
SEEDS = range(6)
SIDE = 96


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, 99])


def scene(seed: int = 3, **levels: float) -> Scene:
    given = {name.replace("_", " "): level for name, level in levels.items()}
    return Scene(seed, {name: given.get(name, 0.0) for name in NAMES})


def somewhere(seed: int, side: int = SIDE) -> Place:
    return lesion.place(scene(seed, large_lesion=0.2 * (seed % 6)), side)


def cover(coats: list[Paint]) -> np.ndarray:
    return 1 - reduce(np.multiply, (1 - coat.alpha for coat in coats))


def painted(coats: list[Paint], ground: np.ndarray) -> np.ndarray:
    return reduce(lambda pixels, coat: pixels + coat.alpha[..., None] * (coat.color - pixels), coats, ground)


def grey(side: int = SIDE, shade: float = 0.6) -> np.ndarray:
    return np.full((side, side, 3), shade, np.float32)


def halved(pixels: np.ndarray, times: int) -> np.ndarray:
    side = len(pixels) // times
    return pixels.reshape(side, times, side, times, -1).mean((1, 3))


def outline(place: Place) -> np.ndarray:
    """How far the edge lies from the centre in each of 180 directions."""
    angles = np.linspace(-np.pi, np.pi, 180, endpoint=False)
    x, y = place.centre[0] + 0.25 * np.cos(angles), place.centre[1] + 0.25 * np.sin(angles)
    column, row = (((v + 1) / 2 * place.side).astype(int) for v in (x, y))
    px, py = place.x[row, column] - place.centre[0], place.y[row, column] - place.centre[1]
    return place.depth[row, column] + np.hypot(px, py)


def jagged(place: Place) -> float:
    """How fast the outline goes in and out: its mean second difference, in mean radii."""
    edge = outline(place) / place.radius
    return float(np.abs(edge - (np.roll(edge, 6) + np.roll(edge, -6)) / 2).mean())


def uneven(place: Place) -> float:
    """The part of the lesion and of its image in the mirror that they do not share; least over all mirrors."""
    edge = outline(place)
    parts = []
    for axis in range(180):
        other = np.roll(edge[::-1], axis)
        parts.append(np.mean(np.abs(edge**2 - other**2)) / np.mean(edge**2))
    return float(min(parts))


def test_skin_is_the_colour_of_skin_and_even() -> None:
    tones = []
    for seed in range(20):
        bare = skin(rng(seed), SIDE)
        red, green, blue = bare.mean((0, 1))
        assert bare.min() >= 0
        assert bare.max() <= 1
        assert red > green > blue
        assert 0.65 < red < 0.96
        assert 0.08 < red - green < 0.25  # not as red as reddened skin
        assert 0.005 < bare.std((0, 1)).max() < 0.08
        corners = [bare[:12, :12], bare[:12, -12:], bare[-12:, :12], bare[-12:, -12:]]
        assert min(corner.mean() for corner in corners) > 0.85 * bare.mean()  # no dark corners
        tones.append(bare.mean())
    assert np.ptp(tones) > 0.1


def test_skin_is_the_same_at_every_side_and_another_by_another_chance() -> None:
    small, large = skin(rng(1), 64), skin(rng(1), 256)
    np.testing.assert_array_equal(small, skin(rng(1), 64))
    assert np.abs(halved(large, 4) - small).mean() < 0.01
    assert np.abs(skin(rng(2), 64) - small).mean() > 0.02


def test_a_lesion_is_as_large_as_its_level() -> None:
    for seed in SEEDS:
        radii = [lesion.place(scene(seed, large_lesion=level), SIDE).radius for level in (0, 0.2, 0.6, 1)]
        assert radii == pytest.approx([0.30, 0.364, 0.492, 0.62], rel=0.041)
        assert radii[1] < 0.4 < 0.46 < radii[2]  # the small and the large do not meet
        place = lesion.place(scene(seed, large_lesion=0.6), SIDE)
        area = (place.depth > 0).mean() * 4
        assert np.sqrt(area / np.pi) == pytest.approx(place.radius, rel=0.03)


def test_depth_is_the_distance_to_the_edge_along_the_radius() -> None:
    place = lesion.place(scene(1, asymmetry=1.0), 128)
    dx, dy = place.x - place.centre[0], place.y - place.centre[1]
    down, right = np.gradient(place.depth, 2 / 128)
    far = np.hypot(dx, dy)
    np.testing.assert_allclose(((right * dx + down * dy) / far)[far > 0.2], -1, atol=0.05)  # per step outwards
    row, column = (int((v + 1) * 64) for v in place.centre[::-1])
    assert place.depth[row, column] > 0.1


def test_shapes_change_nothing_but_the_shape() -> None:
    for seed in SEEDS:
        plain = lesion.place(scene(seed, large_lesion=0.8), SIDE)
        for shape in ("asymmetry", "ragged_border"):
            other = lesion.place(scene(seed, large_lesion=0.8, **{shape: 1.0}), SIDE)
            assert (other.centre, other.radius) == (plain.centre, plain.radius)
            assert (other.depth > 0).sum() == pytest.approx((plain.depth > 0).sum(), rel=0.06)
            assert np.abs(other.depth - plain.depth).max() > 0.08


def test_asymmetry_makes_lopsided_and_ragged_makes_jagged() -> None:
    for seed in SEEDS:
        plain, lopsided, ragged = (
            lesion.place(scene(seed, large_lesion=0.8, **level), 128)
            for level in ({}, {"asymmetry": 1.0}, {"ragged_border": 1.0})
        )
        assert uneven(plain) < 0.03
        assert uneven(lopsided) > 0.12
        assert jagged(plain) < 0.015
        assert jagged(lopsided) < 0.03
        assert jagged(ragged) > 0.06


def test_a_trace_is_less_than_a_presence() -> None:
    for seed in SEEDS:
        trace, present = (lesion.place(scene(seed, large_lesion=0.5, asymmetry=v), SIDE) for v in (0.2, 0.6))
        assert uneven(trace) < 0.6 * uneven(present)
        trace, present = (lesion.place(scene(seed, large_lesion=0.5, ragged_border=v), SIDE) for v in (0.2, 0.6))
        assert jagged(trace) < 0.5 * jagged(present)


def test_lesions_lie_in_the_picture_here_and_there() -> None:
    centres = [lesion.place(scene(seed, large_lesion=1.0), 32).centre for seed in range(30)]
    assert np.abs(centres).max() <= 0.1
    assert np.ptp(centres, axis=0).min() > 0.12


def test_chance_around_the_lesion_moves_and_grows_with_it() -> None:
    steps = np.linspace(-0.8, 0.8, 9)  # in radii of the lesion

    def at_steps(centre: tuple[float, float], radius: float) -> np.ndarray:
        place = somewhere(0, 256)
        field = around(rng(), 3, Place(place.x, place.y, place.depth, centre, radius))
        column, row = (np.round((middle + radius * steps + 1) * 128 - 0.5).astype(int) for middle in centre)
        return field[row[:, None], column]

    plain = at_steps((0.0, 0.0), 0.4)
    for centre, radius in (((0.2, -0.1), 0.4), ((0.1, 0.2), 0.6), ((-0.1, 0.1), 0.3)):
        np.testing.assert_allclose(at_steps(centre, radius), plain, atol=0.15)
    assert plain.std() > 0.5


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_paint_and_depends_on_its_chance_alone(name: str) -> None:
    for seed in SEEDS:
        place = somewhere(seed)
        coats, again, other = (DRAWINGS[name](place, 0.8, rng(s)) for s in (seed, seed, seed + 50))
        for coat, same in zip(coats, again, strict=True):
            assert coat.alpha.dtype == np.float32
            assert coat.alpha.min() >= 0
            assert coat.alpha.max() <= 1
            assert coat.color.min() >= 0
            assert coat.color.max() <= 1
            np.testing.assert_array_equal(coat.alpha, same.alpha)
            np.testing.assert_array_equal(coat.color, same.color)
        assert np.abs(cover(coats) - cover(other)).max() > 0.1


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_the_same_at_every_side(name: str) -> None:
    for seed in SEEDS:
        small, large = somewhere(seed, 64), somewhere(seed, 256)
        one = painted(DRAWINGS[name](small, 1.0, rng(seed)), grey(64))
        other = halved(painted(DRAWINGS[name](large, 1.0, rng(seed)), grey(256)), 4)
        other_chance = painted(DRAWINGS[name](small, 1.0, rng(seed + 50)), grey(64))
        inside = small.depth > -0.2
        apart = 0.7 if name == "base" else 0.45  # the body is alike by any chance
        assert np.abs(one - other)[inside].mean() < apart * np.abs(one - other_chance)[inside].mean()


@pytest.mark.parametrize("name", INSIDE)
@pytest.mark.parametrize("level", [0.6, 1.0])
def test_what_a_lesion_has_in_it_covers_its_part_and_nothing_outside(name: str, level: float) -> None:
    drawing, least, most = INSIDE[name]
    for seed in SEEDS:
        place = somewhere(seed)
        covered = cover(drawing(place, level, rng(seed))) > 0.25
        assert least < (covered & (place.depth > 0)).sum() / (place.depth > 0).sum() < most
        assert not (covered & (place.depth < -0.03)).any()


def test_the_body_fills_the_lesion_and_is_darker_than_skin() -> None:
    for seed in range(12):
        place, bare = somewhere(seed % 6), skin(rng(seed), SIDE)
        pixels = painted(lesion.base(place, 1.0, rng(seed)), bare)
        inside, outside = place.depth > 0.04, place.depth < -0.04
        assert pixels[inside].mean() < bare[inside].mean() - 0.08
        np.testing.assert_array_equal(pixels[outside], bare[outside])


@pytest.mark.parametrize(
    ("name", "low", "high"),  # the colour where it covers most, RGB
    [
        ("light brown", (0.5, 0.3, 0.1), (0.75, 0.55, 0.4)),
        ("dark brown", (0.2, 0.1, 0.02), (0.5, 0.35, 0.25)),
        ("black", (0, 0, 0), (0.2, 0.18, 0.18)),
        ("red", (0.65, 0.2, 0.2), (1, 0.5, 0.5)),
        ("blue-white veil", (0.3, 0.4, 0.55), (0.75, 0.8, 0.9)),
        ("white structures", (0.75, 0.75, 0.7), (1, 1, 0.95)),
        ("crusty surface", (0.65, 0.5, 0.25), (0.95, 0.85, 0.7)),
    ],
)
def test_colours_are_what_their_names_say(
    name: str, low: tuple[float, float, float], high: tuple[float, float, float]
) -> None:
    for seed in SEEDS:
        coats = DRAWINGS[name](somewhere(seed), 1.0, rng(seed))
        shown = cover(coats)
        color = painted(coats, grey())[shown > 0.95 * shown.max()].mean(0)
        assert (color > low).all()
        assert (color < high).all()


@pytest.mark.parametrize("name", ["pigment network", "dots and globules"])
@pytest.mark.parametrize("ground", [0.07, 0.3, 0.6])
def test_structures_show_on_black_and_on_pale(name: str, ground: float) -> None:
    for seed in SEEDS:
        place = somewhere(seed)
        pixels = painted(DRAWINGS[name](place, 0.6, rng(seed)), grey(shade=ground))
        assert pixels[place.depth > 0.04].mean(-1).std() > 0.04


def test_streaks_run_across_the_edge() -> None:
    for seed in SEEDS:
        place = somewhere(seed)
        alpha = cover(structures.streaks(place, 0.6, rng(seed)))
        on_edge, inside = alpha[np.abs(place.depth) < 0.02], alpha[place.depth > 0.2]
        assert 0.15 < on_edge.mean() < 0.75  # apart, along a good part of it
        assert alpha[(place.depth < -0.03) & (place.depth > -0.1)].mean() > 0.05
        assert alpha[place.depth < -0.25].max(initial=0) == 0
        assert inside.max(initial=0) == 0
