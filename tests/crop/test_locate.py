from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torchvision import transforms as T
from torchvision.transforms.functional import gaussian_blur

from semlens.collection.collect import collect
from semlens.crop import (
    ActivationCrop,
    AroundActivations,
    AroundRelevance,
    Crop,
    RelevanceCrop,
    UnplacedWarning,
    around,
    input_boxes,
    locate,
    measure_geometry,
    square,
    tight_boxes,
)
from semlens.crop.around import Maps
from semlens.crop.locate import Find
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model.layers import parse_all
from semlens.model.vision_model import VisionModel
from semlens.types import ConceptExamples
from tests.toy import Colours, colours, flat_images, random_images

RECIPES = ActivationCrop(), RelevanceCrop()
SHARP = RelevanceCrop(blur=0.0, threshold=0.5, minimum=0.0)


def large_tensor(side: int, image: Image.Image) -> torch.Tensor:
    return T.ToTensor()(image.resize((side, side), Image.Resampling.BILINEAR))


def two_objects() -> ImageSet:
    """One image with a red and a green object, one without anything."""
    pixels = np.zeros((120, 240, 3), dtype=np.uint8)
    pixels[20:50, 180:220, 0] = 255
    pixels[80:100, 10:30, 1] = 255
    return load_images([Image.fromarray(pixels), Image.new("RGB", (50, 50))])


def located(
    model: VisionModel, images: ImageSet, examples: ConceptExamples, find: Find, batch_size: int = 32
) -> np.ndarray:
    """The boxes of all examples, zero in slots that hold none."""
    boxes, slots = np.zeros((*examples.ids.shape, 4), dtype=np.int64), np.nonzero(examples.valid)
    boxes[slots] = locate(model, images, examples.ids[slots], slots[0], find, batch_size=batch_size)
    return boxes


def activation_boxes(
    model: VisionModel, images: ImageSet, examples: ConceptExamples, recipe: Crop = RECIPES[0]
) -> np.ndarray:
    first = model.preprocess(images.load(0))[None]
    kinds = [kind for kind, _ in parse_all(model.net, [axis.layer for axis in examples.layers], first)]
    return located(model, images, examples, AroundActivations(model, kinds, examples.layers, recipe))


def relevance_boxes(
    model: VisionModel, images: ImageSet, examples: ConceptExamples, maps: Maps, recipe: Crop = RECIPES[1],
    batch_size: int = 32,
) -> np.ndarray:  # fmt: skip
    return located(model, images, examples, AroundRelevance(maps, recipe), batch_size)


def colour(x: torch.Tensor, rows: np.ndarray, components: np.ndarray) -> torch.Tensor:
    """Heat maps by hand: what of the image has the component's own colour."""
    return x[torch.from_numpy(rows), torch.from_numpy(components)]


def test_activation_boxes_lie_around_the_object_in_the_original() -> None:
    images = two_objects()
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
    assert relevance_boxes(colours(), images, examples, colour)[0, 0].tolist() == [0, 0, 8, 8]


@pytest.mark.parametrize("size", [(240, 120), (120, 300)])
def test_a_relevance_box_holds_the_originals_own_pixels(size: tuple[int, int]) -> None:
    """T13, and the way back through a resize and a centre crop: what is cut has detail that the model never saw."""
    width, height = size
    left, top = width // 2 - 20, height // 2 + 10
    pixels = np.full((height, width, 3), (0, 102, 0), dtype=np.uint8)
    texture = np.random.default_rng(0).integers(150, 256, (24, 24), dtype=np.uint8)
    pixels[top : top + 24, left : left + 24, 0] = texture
    images = load_images([Image.fromarray(pixels), Image.new("RGB", size)])
    model = VisionModel(Colours(), T.Compose([T.Resize(60), T.CenterCrop(50), T.ToTensor()]))
    examples = collect(model, images, ["act"], k=1, pool="max")
    found = relevance_boxes(model, images, examples, colour, recipe=SHARP)[0, 0]
    assert np.abs(found - [left, top, left + 24, top + 24]).max() <= min(size) / 60  # one pixel of the model's input
    cut = np.asarray(images.load(0).crop(tuple(found.tolist())))
    assert np.array_equal(cut, pixels[found[1] : found[3], found[0] : found[2]])
    inside = cut[max(top - found[1], 0) :, max(left - found[0], 0) :, 0]
    assert np.array_equal(inside[2:20, 2:20], texture[max(found[1] - top, 0) :, max(found[0] - left, 0) :][2:20, 2:20])


def test_an_image_that_cannot_be_placed_is_taken_whole_and_named(tmp_path: Path) -> None:
    """The crop of a strip is enlarged from less than a pixel of it, where no ramp can be told from grey."""
    for name, size in (("dot", (1, 1)), ("photo", (60, 40)), ("strip", (900, 1)), ("wide strip", (800, 1))):
        Image.new("RGB", size, (250, 40, 40)).save(tmp_path / f"{name}.png")
    Image.new("RGB", (30, 30)).save(tmp_path / "black.png")
    images = load_images(tmp_path)
    model = VisionModel(Colours(), T.Compose([T.Resize(24), T.CenterCrop(16), T.ToTensor()]))
    examples = collect(model, images, ["act"], k=4, pool="max")

    def maps(x: torch.Tensor, rows: np.ndarray, components: np.ndarray) -> torch.Tensor:
        heat = torch.zeros(16, 16)
        heat[:8, :8] = 1
        return heat.expand(len(rows), -1, -1)

    with pytest.warns(
        UnplacedWarning, match=r"strip\.png and 1 more images cannot be cropped .* \(\d+ x 1: too little"
    ):
        found = relevance_boxes(model, images, examples, maps, recipe=SHARP)
    boxes = {images.names[i]: box for i, box in zip(examples.ids[0], found[0].tolist(), strict=True)}
    assert boxes.pop("photo.png") == pytest.approx([17, 7, 30, 20], abs=1)
    assert boxes == {"dot.png": [0, 0, 1, 1], "strip.png": [0, 0, 900, 1], "wide strip.png": [0, 0, 800, 1]}


def test_a_component_without_relevance_says_so() -> None:
    """T12c."""
    images = random_images(6)
    examples = collect(colours(), images, ["act"], k=4)

    def only_red(x: torch.Tensor, rows: np.ndarray, components: np.ndarray) -> torch.Tensor:
        heat = colour(x, rows, components)
        heat[components == 1] = 0
        heat[components == 2] *= -1
        return heat

    found = relevance_boxes(colours(), images, examples, only_red)
    assert examples.valid.all()
    assert (found[1:] == 0).all()
    assert (found[0, :, 2:] > found[0, :, :2]).all()
    absolute = relevance_boxes(colours(), images, examples, only_red, recipe=RelevanceCrop.paper())
    assert absolute.any(axis=2).tolist() == [[True] * 4, [False] * 4, [True] * 4]


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "pairs"), [(32, 256), (32, 5), (3, 256), (1, 1), (4, 2)])
def test_every_pair_gets_its_own_map_however_they_are_batched(
    batch_size: int, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(around, "_PAIRS", pairs)
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 256, (12, 12, 3), dtype=np.uint8) for _ in range(7)]
    images = load_images([Image.fromarray(p).resize((40 + 9 * i, 60), 0) for i, p in enumerate(pictures)])
    model = VisionModel(Colours(), partial(large_tensor, 24))
    examples = collect(model, images, ["act", "conv"], k=5, pool="max")
    asked: list[int] = []

    def maps(x: torch.Tensor, rows: np.ndarray, components: np.ndarray) -> torch.Tensor:
        asked.append(len(rows))
        return colour(x, rows, components % 3) ** 40

    recipe = RelevanceCrop(threshold=0.5, minimum=0.1)
    found = relevance_boxes(model, images, examples, maps, recipe=recipe, batch_size=batch_size)
    assert sum(asked) == examples.valid.sum() == 30
    assert max(asked) <= pairs
    for (c, slot), i in np.ndenumerate(examples.ids):
        image = images.load(int(i))
        on_input = input_boxes(model.preprocess(image)[c % 3][None] ** 40, recipe)
        expected = measure_geometry(model.preprocess, image.size).to_original(on_input.astype(float), image.size)
        assert found[c, slot].tolist() == expected[0].tolist()
    assert len(np.unique(found.reshape(-1, 4), axis=0)) > 10


def test_a_map_of_another_shape_is_an_error() -> None:
    images = random_images(3)
    examples = collect(colours(), images, ["act"], k=2)
    with pytest.raises(SemlensError, match=r"heat maps of shape \(6, 3, 8, 8\) for 6 pairs .* summed over colour"):
        relevance_boxes(colours(), images, examples, lambda x, rows, components: x[torch.from_numpy(rows)])


def test_an_image_that_is_gone_is_named_before_it_is_missed(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (8, 8), (50 * i + 50, 0, 0)).save(tmp_path / f"{i}.png")
    images = load_images(tmp_path)
    examples = collect(colours(), images, ["act"], k=2)
    (tmp_path / "2.png").unlink()
    with pytest.raises(SemlensError, match=r"2\.png could be read when"):
        relevance_boxes(colours(), images, examples, colour)


class RedOrGreen(nn.Module):
    """A transformer's tokens: one feature, how much more red than green a patch is, behind a class token that is
    huge."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.full((1, 1, 1), 99.0))
        self.norm = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = functional.avg_pool2d(x[:, :1] - x[:, 1:2], 4).flatten(2).mT
        return self.norm(torch.cat([self.cls_token.expand(len(x), 1, 1), patches], dim=1))[:, 1:].mean((1, 2))


def test_up_sampled_tokens_are_cropped_as_the_paper_does_for_transformers() -> None:
    images = two_objects()
    model = VisionModel(RedOrGreen(), partial(large_tensor, 56))
    examples = collect(model, images, ["norm"], k=1, pool="max")
    paper = RelevanceCrop.paper()
    boxes = activation_boxes(model, images, examples, recipe=paper)
    image = images.load(0)
    x = model.preprocess(image)
    feature = functional.avg_pool2d(x[:1] - x[1:2], 4)
    for c, sign in enumerate((1, -1)):
        heat = functional.interpolate((sign * feature).relu()[None], size=(56, 56), mode="bilinear")[0]
        heat = gaussian_blur(heat, [13, 13]).abs()
        on_input = square(tight_boxes(heat / heat.max() > 0.01), (56, 56))
        expected = measure_geometry(model.preprocess, image.size).to_original(on_input.astype(float), image.size)
        assert boxes[c, 0].tolist() == expected[0].tolist()
    red, green = boxes[:, 0].tolist()
    assert (red[0] > 120, red[3] < 90, green[2] < 120, green[1] > 30) == (True,) * 4
    tight = activation_boxes(model, images, examples, recipe=ActivationCrop(minimum=0.05))
    assert ((tight[:, 0, 2:] - tight[:, 0, :2]) < (boxes[:, 0, 2:] - boxes[:, 0, :2])).all()
