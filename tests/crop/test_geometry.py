"""Which preprocessings can be followed back to an image's pixels, and which are refused before a pass begins."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import transforms as T
from torchvision.transforms import functional as F
from torchvision.transforms import v2

from semlens.crop import GeometryError, check_geometry, choose_crop, measure_geometry
from semlens.model import VisionModel
from semlens.pipeline import build
from tests.toy import Colours, ColourSpace, random_images

SIDE = 96
NEAREST = T.InterpolationMode.NEAREST
PERSPECTIVE = [[0, 0], [95, 0], [95, 95], [0, 95]], [[9, 4], [85, 0], [95, 95], [0, 90]]
WAVES = torch.sin(torch.linspace(0, 6, SIDE)).repeat(SIDE, 1)[None, ..., None].repeat(1, 1, 1, 2) * 0.15


def steps(*change: Callable[[Image.Image], Image.Image], at: int | tuple[int, int] = (SIDE, SIDE)) -> T.Compose:
    return T.Compose([T.Resize(at), *change, T.ToTensor(), T.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))])


OWN = np.random.default_rng(0)
REFUSED: dict[str, Callable[[Image.Image], Tensor]] = {
    **{f"turned {angle}": steps(partial(F.rotate, angle=angle)) for angle in (2, 5, 30, 45, 90, 180, 270)},
    "mirrored": steps(F.hflip),
    "upside down": steps(F.vflip),
    "transposed": steps(lambda image: image.transpose(Image.Transpose.TRANSPOSE)),
    "sheared": steps(lambda image: F.affine(image, 0, [0, 0], 1, [8, 0])),
    "perspective": steps(lambda image: F.perspective(image, *PERSPECTIVE)),
    "bent": steps(lambda image: F.elastic_transform(image, WAVES)),
    "rolled": lambda image: steps()(image).roll(30, 2),
    "shuffled": lambda image: steps()(image)[:, :, torch.randperm(SIDE, generator=torch.Generator().manual_seed(0))],
    "blank": lambda image: torch.zeros(3, 8, 8),
    "five crops": lambda image: torch.stack([T.ToTensor()(part) for part in T.FiveCrop(64)(image)]),
    "an array": lambda image: np.asarray(image),  # type: ignore[dict-item, return-value]
}
RANDOM: dict[str, Callable[[Image.Image], Tensor]] = {
    "random crop": T.Compose([T.RandomResizedCrop(SIDE), T.ToTensor()]),
    "random flip": steps(T.RandomHorizontalFlip()),
    "random turn": steps(T.RandomRotation(10)),
    "random perspective": steps(T.RandomPerspective()),
    "random bending": steps(T.ElasticTransform()),
    "random choice": steps(T.TrivialAugmentWide()),
    "erased now and then": T.Compose([steps(), T.RandomErasing(0.2)]),
    "python's random": lambda image: steps()(image).roll(random.randrange(2), 2),
    "numpy's random": lambda image: steps()(image).roll(int(np.random.randint(2)), 2),  # noqa: NPY002
    "a generator of its own": lambda image: steps()(image).roll(int(OWN.integers(9)), 2),
}
FOLLOWED: dict[str, tuple[Callable[[Image.Image], Tensor], tuple[float, float, float, float]]] = {
    "resized": (steps(), (0, 0, 320, 240)),
    "nearest": (T.Compose([T.Resize((SIDE, SIDE), NEAREST), T.ToTensor()]), (0, 0, 320, 240)),
    "centre crop": (steps(T.CenterCrop(SIDE), at=120), (64, 24, 256, 216)),
    "version 2": (v2.Compose([v2.Resize(120), v2.CenterCrop(96), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
                  (64, 24, 256, 216)),
    "grey": (steps(T.Grayscale(3)), (0, 0, 320, 240)),
    "inverted": (steps(F.invert), (0, 0, 320, 240)),
    "blurred": (steps(T.GaussianBlur(5, 1.0)), (0, 0, 320, 240)),
    "colours swapped": (lambda image: steps()(image).flip(0) * 255, (0, 0, 320, 240)),
    "letterbox": (lambda image: T.ToTensor()(ImageOps.pad(image, (SIDE, SIDE), color="grey")), (0, -40, 320, 280)),
    "mirrored border": (steps(T.Pad(10, padding_mode="reflect"), at=(80, 80)), (-40, -30, 360, 270)),
    "repeated border": (steps(T.Pad(10, padding_mode="edge"), at=(80, 80)), (-40, -30, 360, 270)),
    "coin that never falls": (steps(T.RandomHorizontalFlip(0)), (0, 0, 320, 240)),
    "enlarged": (T.Compose([T.CenterCrop(16), T.Resize(SIDE), T.ToTensor()]), (152, 112, 168, 128)),
}  # fmt: skip


def numpys() -> list[int]:
    state: Any = np.random.get_state()  # noqa: NPY002
    numbers: list[int] = state[1].tolist()
    return numbers


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name: str) -> None:
    with pytest.raises(GeometryError, match="turns, mirrors or bends|too little|not one picture"):
        check_geometry(REFUSED[name])


@pytest.mark.parametrize("name", RANDOM)
def test_a_random_preprocessing_is_refused_and_draws_nothing_from_the_user(name: str) -> None:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    states = torch.get_rng_state(), random.getstate(), numpys()
    with pytest.raises(GeometryError, match="random"):
        check_geometry(RANDOM[name])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), numpys()) == states[1:]


@pytest.mark.parametrize("name", FOLLOWED)
def test_resizes_crops_and_borders_are_followed(name: str) -> None:
    preprocess, expected = FOLLOWED[name]
    check_geometry(preprocess)
    found = measure_geometry(preprocess, (320, 240))
    (ax, ay), (bx, by), (width, height) = found.scale, found.offset, found.side
    assert (bx, by, ax * width + bx, ay * height + by) == pytest.approx(expected, abs=2.5)


def sizes() -> Iterator[tuple[int, int]]:
    seeded = np.random.default_rng(0)
    for _ in range(25):
        width, height = np.exp(seeded.uniform(np.log(8), np.log(500), 2)).astype(int).tolist()
        yield width, height


@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 40), (2, 2), *sizes()])
@pytest.mark.parametrize("how", ["bilinear", "nearest"])
def test_images_of_any_size_are_followed(size: tuple[int, int], how: str) -> None:
    found = measure_geometry(T.Compose([T.Resize((SIDE, SIDE), T.InterpolationMode(how)), T.ToTensor()]), size)
    box = np.array([[0.0, 0, SIDE, SIDE], [SIDE / 4, SIDE / 2, SIDE * 3 / 4, SIDE]])
    width, height = size
    expected = np.array([[0, 0, width, height], [width / 4, height / 2, width * 3 / 4, height]])
    assert np.abs(found.to_original(box, size) - expected).max() <= max(1.5, 0.02 * max(size))


def test_crops_are_refused_before_the_images_are_gone_through() -> None:
    model = VisionModel(Colours(), REFUSED["mirrored"])
    with pytest.raises(GeometryError, match="mirrors"):
        choose_crop("activation", model, "auto")
    assert choose_crop("none", model, "auto").kind is None
    with pytest.raises(GeometryError, match="mirrors"):
        build(model, random_images(2), ["no such layer"], ColourSpace(), "nowhere", crop="relevance")
