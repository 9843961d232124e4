from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as T

from semlens.collect import collect
from semlens.crop import ActivationCrop, activation_boxes, measure_geometry, region, square, tight_boxes
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.model import VisionModel
from semlens.offline import preprocess_efficientnet_lite
from tests.toy import Colours, colours, flat_images


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


def test_a_preprocessing_that_cannot_be_followed_is_an_error() -> None:
    with pytest.raises(SemlensError, match="crop='none'"):
        measure_geometry(lambda image: torch.zeros(3, 8, 8), (20, 20))
    shuffle = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    with pytest.raises(SemlensError, match="crop='none'"):
        measure_geometry(lambda image: T.ToTensor()(image.resize((64, 64)))[:, shuffle][:, :, shuffle], (64, 64))


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


def large_tensor(side: int, image: Image.Image) -> torch.Tensor:
    return T.ToTensor()(image.resize((side, side), Image.Resampling.BILINEAR))


def test_activation_boxes_lie_around_the_object_in_the_original() -> None:
    pixels = np.zeros((120, 240, 3), dtype=np.uint8)
    pixels[20:50, 180:220, 0] = 255
    pixels[80:100, 10:30, 1] = 255
    images = load_images([Image.fromarray(pixels), Image.new("RGB", (50, 50))])
    model = VisionModel(Colours().eval(), partial(large_tensor, 60))
    examples = collect(model, images, ["act", "fc"], k=2, pool="max")
    boxes = activation_boxes(model, images, examples, recipe=ActivationCrop(minimum=0.05))
    assert examples.valid[:3].tolist() == [[True, False], [True, False], [False, False]]
    left, top, right, bottom = boxes[0, 0].tolist()
    assert left <= 181
    assert right >= 219
    assert top <= 21
    assert bottom >= 49
    assert (right - left) * (bottom - top) < 4 * 40 * 30
    left, top, right, bottom = boxes[1, 0].tolist()
    assert (left <= 11, top <= 81, right >= 29, bottom >= 99) == (True,) * 4
    assert (boxes[2:] == 0).all()  # blue never fires, and a linear unit has no grid


def test_a_flat_map_is_the_whole_image() -> None:
    images = flat_images([(200, 0, 0), (0, 10, 0)])
    examples = collect(colours(), images, ["act"], k=1)
    assert activation_boxes(colours(), images, examples)[0, 0].tolist() == [0, 0, 8, 8]
