import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import transforms as T
from torchvision.transforms.functional import gaussian_blur

from semlens.crop import (
    ActivationCrop,
    RelevanceCrop,
    blur,
    input_boxes,
    measure_geometry,
    region,
    square,
    tight_boxes,
)
from semlens.errors import SemlensError
from semlens.model.offline import preprocess_efficientnet_lite


def pipeline(*steps: object) -> T.Compose:
    return T.Compose([*steps, T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (64, 64), (1000, 750), (3000, 2000), (257, 1023)])
def test_geometry_of_resize_and_centre_crop(size: tuple[int, int]) -> None:
    found = measure_geometry(pipeline(T.Resize(256), T.CenterCrop(224)), size)
    scale = min(size) / 256
    for axis in (0, 1):
        resized = int(256 * size[axis] / min(size))
        start = round((resized - 224) / 2)
        assert found.scale[axis] == pytest.approx(size[axis] / resized, rel=5e-3)
        assert found.offset[axis] == pytest.approx(start * size[axis] / resized, abs=max(1.0, 1.5 * scale))
    assert found.side == (224, 224)


def test_geometry_of_a_squash_of_a_shipped_preprocessing_and_of_a_frame() -> None:
    squash = measure_geometry(pipeline(T.Resize((96, 64))), (640, 480))
    assert squash.scale == pytest.approx((10, 5), rel=2e-3)
    assert squash.side == (64, 96)
    lite = measure_geometry(preprocess_efficientnet_lite(0), (512, 256))
    assert lite.scale == pytest.approx((1, 1), rel=2e-3)
    assert lite.offset == pytest.approx((144, 16), abs=0.5)
    framed = measure_geometry(pipeline(T.Resize((40, 40)), T.Pad(12, fill=114)), (80, 80))
    assert framed.scale == pytest.approx((2, 2), rel=0.02)
    assert framed.offset == pytest.approx((-24, -24), abs=1)


def test_boxes_map_back_to_original_pixels() -> None:
    where = measure_geometry(pipeline(T.Resize((100, 100))), (400, 200))
    boxes = where.to_original(np.array([[10.0, 10, 20, 20], [0, 0, 100, 100], [99.9, 99.9, 100, 100]]), (400, 200))
    assert boxes[1].tolist() == [0, 0, 400, 200]
    assert np.abs(boxes[0] - [40, 20, 80, 40]).max() <= 1
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_the_box_ends_are_inclusive() -> None:
    """T12a: the last row and column were dropped."""
    mask = torch.zeros(2, 9, 9, dtype=torch.bool)
    mask[0, 3:6, 2:8] = True
    assert tight_boxes(mask).tolist() == [[2, 3, 8, 6], [0, 0, 0, 0]]


@settings(deadline=None)
@given(data=st.data(), width=st.integers(4, 60), height=st.integers(4, 60), minimum=st.integers(1, 20))
def test_squares_are_square_inside_and_cover_the_box(
    data: st.DataObject, width: int, height: int, minimum: int
) -> None:
    """T12b: near the right and lower edge the crop was clipped and not square."""
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    ((a, b, c, d),) = square(np.array([[left, top, right, bottom]]), (width, height), minimum)
    assert 0 <= a < c <= width
    assert 0 <= b < d <= height
    assert a <= left
    assert c >= min(right, width)
    assert b <= top
    assert d >= min(bottom, height)
    wanted = max(right - left, bottom - top, minimum)
    assert (c - a, d - b) == (min(wanted, width), min(wanted, height))


def test_a_single_pixel_becomes_the_smallest_crop_and_nothing_stays_nothing() -> None:
    """T12c: both became the whole image."""
    assert square(np.array([[5, 5, 6, 6], [0, 0, 0, 0]]), (100, 100), 11).tolist() == [[0, 0, 11, 11], [0, 0, 0, 0]]


def test_the_region_is_what_hangs_together_with_the_maximum() -> None:
    """T12d: a second or a negative blob does not extend it."""
    maps = torch.zeros(3, 6, 6)
    maps[0, 1:3, 1:3], maps[0, 5, 5], maps[0, 1, 1] = 0.8, 0.7, 1.0
    maps[1, 2, 2], maps[1, 0, 5] = 1.0, -9.0
    maps[2] = -1
    found = region(maps, 0.5)
    assert found[0].nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert found[1].nonzero().tolist() == [[2, 2]]
    assert not found[2].any()


SHARP = RelevanceCrop(blur=0.0, minimum=0.0)


def blobs(*where: tuple[int, int, int, int, float], size: tuple[int, int] = (224, 224)) -> torch.Tensor:
    """A heat map of `size` (width, height): zero but for rectangles (left, top, right, bottom, value)."""
    maps = torch.zeros(1, size[1], size[0])
    for left, top, right, bottom, value in where:
        maps[0, top:bottom, left:right] = value
    return maps


def box(maps: torch.Tensor, recipe: RelevanceCrop | ActivationCrop) -> list[int]:
    (found,) = input_boxes(maps, recipe).tolist()
    return found


@pytest.mark.parametrize(("side", "published"), [(1, 48), (8, 49), (16, 53), (32, 69), (64, 99)])
def test_the_papers_crops_of_a_blob(side: int, published: int) -> None:
    """One more than the paper's code gives, which drops the last row and column of the region (T12a)."""
    start = 112 - side // 2
    left, top, right, bottom = box(blobs((start, start, start + side, start + side, 7.0)), RelevanceCrop.paper())
    assert (right - left, bottom - top) == (published + 1, published + 1)
    assert (start - left, start - top) == (right - start - side, bottom - start - side)  # as wide on all sides


@pytest.mark.parametrize(("height", "width", "kernel"), [(224, 224, 51), (20, 33, 5), (33, 20, 39), (4, 4, 1)])
def test_the_blur_is_torchvisions(height: int, width: int, kernel: int) -> None:
    maps = torch.randn(5, height, width, generator=torch.Generator().manual_seed(0))
    found = blur(maps, kernel)
    torch.testing.assert_close(found, gaussian_blur(maps, [kernel, kernel]), rtol=0, atol=2e-6)
    assert torch.equal(blur(maps[3:4], kernel), found[3:4])  # alone as among others


def slow_relevance_box(heat: np.ndarray, sign: str, threshold: float, radius: int, minimum: int) -> list[int]:
    """The recipe pixel by pixel."""
    sigma = 0.3 * (radius - 1) + 0.8
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(heat, radius, mode="reflect")
    blurred = np.zeros_like(heat)
    for row, column in np.ndindex(*heat.shape):
        patch = padded[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
        blurred[row, column] = (np.outer(weights, weights) * patch).sum() / weights.sum() ** 2
    signed = np.abs(blurred) if sign == "absolute" else np.maximum(blurred, 0)
    if signed.max() == 0:
        return [0, 0, 0, 0]
    inside = [
        (row, column) for row, column in np.ndindex(*heat.shape) if signed[row, column] / signed.max() > threshold
    ]
    (top, left), (bottom, right) = np.min(inside, axis=0), np.max(inside, axis=0) + 1
    return square(np.array([[left, top, right, bottom]]), heat.shape[::-1], minimum)[0].tolist()


@pytest.mark.parametrize("sign", ["positive", "absolute"])
@pytest.mark.parametrize(("height", "width", "radius"), [(28, 40, 3), (45, 14, 1)])
def test_relevance_boxes_against_the_recipe_pixel_by_pixel(sign: str, height: int, width: int, radius: int) -> None:
    seeded = np.random.default_rng(1)
    heat = seeded.normal(size=(30, height, width)) * (seeded.random((30, height, width)) < 0.004)
    heat[7], heat[8] = 0, -np.abs(heat[8])
    recipe = RelevanceCrop(sign=sign, threshold=0.1, minimum=0.25)
    found = input_boxes(torch.from_numpy(heat), recipe).tolist()
    minimum = round(0.25 * min(height, width))
    assert found == [slow_relevance_box(each, sign, 0.1, radius, minimum) for each in heat]
    assert len(set(map(tuple, found))) > 15


def test_the_ends_of_a_relevance_box_are_inclusive() -> None:
    """T12a."""
    assert box(blobs((2, 3, 8, 9, 1.0)), SHARP) == [2, 3, 8, 9]


def test_a_relevance_box_at_the_edge_is_moved_and_stays_square() -> None:
    """T12b."""
    assert box(blobs((100, 218, 124, 224, 1.0)), SHARP) == [100, 200, 124, 224]
    assert box(blobs((0, 60, 6, 90, 1.0), size=(120, 90)), SHARP) == [0, 60, 30, 90]
    left, top, right, bottom = box(blobs((210, 215, 224, 224, 1.0)), RelevanceCrop.paper())
    assert (right, bottom, right - left) == (224, 224, bottom - top)


def test_one_relevant_pixel_is_the_smallest_crop_and_no_relevance_is_none() -> None:
    """T12c: the first became the whole image but a row, the second the whole image without a word."""
    assert box(blobs((50, 60, 51, 61, 1e-20)), RelevanceCrop(blur=0.0)) == [34, 44, 66, 76]
    nothing = torch.cat([blobs(), blobs((5, 5, 9, 9, -1.0)), blobs((5, 5, 6, 6, 1.0), (80, 80, 81, 81, float("nan")))])
    assert (input_boxes(nothing, RelevanceCrop()) == 0).all()
    assert input_boxes(nothing, RelevanceCrop.paper()).any(axis=1).tolist() == [False, True, False]


def test_negative_relevance_extends_the_box_only_where_it_is_asked_to() -> None:
    """T12d."""
    both = blobs((40, 40, 50, 50, 1.0), (180, 180, 190, 190, -2.0))
    assert box(both, SHARP) == [40, 40, 50, 50]
    assert box(both, RelevanceCrop(blur=0.0, minimum=0.0, sign="absolute")) == [40, 40, 190, 190]
    assert box(both, RelevanceCrop()) == box(both.clamp(min=0), RelevanceCrop())


def test_relevance_cancels_before_its_sign_is_taken() -> None:
    """The blur comes first: a texture of both signs, ten times as strong as the object, is none."""
    texture = (torch.arange(224)[:, None] + torch.arange(224)) % 2 * 2.0 - 1
    thing = blobs((60, 150, 92, 182, 0.1))
    assert box(texture + thing, RelevanceCrop.paper()) == box(thing, RelevanceCrop.paper())
    assert box((texture + thing).abs(), RelevanceCrop.paper()) == [0, 0, 224, 224]


@pytest.mark.parametrize(
    ("size", "kernel"), [((224, 224), 51), ((112, 112), 25), ((336, 400), 77), ((400, 336), 77), ((8, 8), 1)]
)
def test_the_blur_grows_with_the_shorter_side(size: tuple[int, int], kernel: int) -> None:
    width, height = size
    left, top, right, bottom = box(
        blobs((width // 2, height // 2, width // 2 + 1, height // 2 + 1, 1.0), size=size),
        RelevanceCrop(threshold=0.0, minimum=0.0),
    )
    assert (right - left, bottom - top) == (kernel, kernel)  # all that the kernel reaches


def test_a_larger_input_gives_the_same_crop_of_the_image() -> None:
    small = np.array(box(blobs((70, 40, 100, 60, 1.0)), RelevanceCrop()))
    large = np.array(box(blobs((210, 120, 300, 180, 1.0), size=(672, 672)), RelevanceCrop()))
    assert np.abs(large - 3 * small).max() <= 3


def test_several_relevant_places_lie_in_one_box() -> None:
    two = blobs((10, 20, 14, 24, 1.0), (60, 20, 64, 24, 0.5))
    assert box(two, SHARP) == [10, 0, 64, 54]
    assert box(two, ActivationCrop(minimum=0.0)) == [10, 20, 14, 24]


def test_a_recipe_that_cannot_be_is_an_error() -> None:
    with pytest.raises(SemlensError, match="unknown sign 'negative'"):
        RelevanceCrop(sign="negative")
    with pytest.raises(SemlensError, match="threshold one of the maximum"):
        RelevanceCrop(threshold=1.0)
