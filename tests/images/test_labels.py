"""Labels against class names: each way to name a class, and what names none or two."""

from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision.models import ResNet18_Weights

from semlens.images import ImagesWarning, load_images, match_labels
from semlens.images.labels import ANY_CASE, BY_NUMBER, BY_WORDNET, ONE_OF_NAMES
from semlens.wordnet import imagenet_synsets

NAMES = ("tench, Tinca tinca", "great white_shark", "crane", "crane", "7")


@pytest.mark.parametrize(
    ("label", "numbers", "how"),
    [
        ("tench, Tinca tinca", (0,), ()),
        (" Tench, tinca  Tinca", (0,), (ANY_CASE,)),
        ("tinca tinca", (0,), (ONE_OF_NAMES,)),
        ("Great-White Shark", (1,), (ANY_CASE,)),
        ("crane", (), ()),
        ("2", (2,), (BY_NUMBER,)),
        ("7", (4,), ()),
        ("5", (), ()),
        ("-1", (), ()),
        ("tench|great white_shark", (0, 1), (ONE_OF_NAMES,)),
        ("3; 1", (3, 1), (BY_NUMBER,)),
        ("unicorn", (), ()),
    ],
)
def test_a_label_names_a_class(label: str, numbers: tuple[int, ...], how: tuple[str, ...]) -> None:
    matches = match_labels([label, None], NAMES)
    assert matches.numbers == (numbers, ())
    assert (matches.labelled, matches.matched, matches.how) == (1, bool(numbers), how)
    assert matches.unknown == (() if numbers else (label,))


def test_a_number_needs_an_output_not_a_name() -> None:
    assert match_labels(["3", "10"], (), 10).numbers == ((3,), ())
    assert str(match_labels(["Cat", "cow", None], ("cat",))) == (
        "2 of 3 images carry a label, 1 name a class (names compared without letter case, spaces and underscores); no "
        "class is called 'cow'"
    )


class Shown(Dataset[Any]):
    """A data set of grey pictures, whose items are made by a function of the number."""

    def __init__(self, count: int, item: Any, **kept: Any) -> None:
        self.count, self.item = count, item
        vars(self).update(kept)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Any:
        if number >= self.count:
            raise IndexError(number)
        return self.item(number)


def grey(number: int) -> Image.Image:
    return Image.new("L", (4, 4), number)


def test_folders_of_imagenet_name_its_classes_by_wordnets_numbers() -> None:
    synsets, names = imagenet_synsets(), ResNet18_Weights.DEFAULT.meta["categories"]
    matches = match_labels([*synsets, "n00004475"], names)  # torchvision calls two classes otherwise: at their places
    assert matches.numbers == (*((number,) for number in range(1000)), ())
    assert matches.how == (BY_WORDNET,)
    assert matches.unknown == ("n00004475",)
    few = match_labels(["n02979186", "n03394916", "n01440764"], ["French horn", "cassette player", "fish"])
    assert few.numbers == ((1,), (0,), ())
    assert match_labels(["n01440764"], [f"class {number}" for number in range(1000)]).numbers == ((),)
    assert match_labels(["n01440764"], ["n01440764"]).how == ()


IMAGENET = [("tench", "Tinca tinca"), ("goldfish",)]


@pytest.mark.parametrize(
    ("dataset", "labels"),
    [
        (Shown(2, grey, targets=[1, 0], classes=IMAGENET), ("goldfish", "tench, Tinca tinca")),
        (Shown(2, grey, targets=torch.tensor([1, -1]), classes=["cat", "dog"]), ("dog", None)),
        (Shown(2, grey, _labels=[0, 1], class_to_idx={"cat": 0, "dog": 1}), ("cat", "dog")),
        (Shown(2, grey, _samples=[("a", 1), ("b", 0)], classes=["cat", "dog"]), ("dog", "cat")),
        (Shown(2, lambda n: (grey(n), n), classes=["cat", "dog"]), ("cat", "dog")),
        (Shown(2, lambda n: ("cat", grey(n))), ("cat", "cat")),
        (Shown(2, lambda n: (grey(n), torch.tensor(n))), ("0", "1")),
        (Shown(2, lambda n: {"pixel": grey(n), "fine_label": n}), ("0", "1")),
        (Shown(3, lambda n: (grey(n), [0, n % 2, 1]), classes=["a", "b", "c"]), ("c", "b|c", "c")),
        (Shown(2, grey), (None, None)),
    ],
)
def test_labels_of_data_sets(dataset: Dataset[Any], labels: tuple[str | None, ...]) -> None:
    images = load_images(dataset)
    assert images.labels == labels
    assert [images.load(id).getpixel((0, 0)) for id in range(2)] == [(0, 0, 0), (1, 1, 1)]
    assert load_images(Subset(dataset, [1, 0])).labels == (labels[1], labels[0])
    assert load_images(ConcatDataset([dataset, Shown(1, grey)])).labels == (*labels, None)


def test_labels_of_many_items_are_read_and_what_that_costs_is_said() -> None:
    with pytest.warns(ImagesWarning, match=r"reading the labels of Shown of 10001 images one by one.*a list `targets`"):
        labels = load_images(Shown(10_001, lambda n: (grey(n % 256), n))).labels
    assert labels == tuple(map(str, range(10_001)))


def test_a_first_item_without_label_or_that_cannot_be_had_loses_no_label_of_others() -> None:
    def item(number: int) -> tuple[Image.Image, str | None]:
        if number == 1:
            raise OSError("a broken file")
        return grey(number), None if number == 0 else f"kind {number}"

    assert load_images(Shown(4, item)).labels == (None, None, "kind 2", "kind 3")
