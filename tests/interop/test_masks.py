from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.attribution import attribute
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.interop.masks import evaluate_masks, on_input
from semlens.model import VisionModel
from semlens.numerics import mass_accuracy, pointing, rank_accuracy
from tests.toy import Colours, to_tensor

SIDE = 16


def folder_of(where: Path) -> tuple[Path, Path]:
    """Four images with a red square at a place of its own, and masks of it in every way they can be kept."""
    images, masks = where / "images", where / "masks"
    images.mkdir()
    (masks / "three").mkdir(parents=True)
    for number, name in enumerate(("one", "two", "three", "four")):
        picture = np.full((SIDE, SIDE, 3), 20, np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[4 * number : 4 * number + 4, 4:10] = 255
        picture[mask > 0] = (220, 0, 0)
        Image.fromarray(picture).save(images / f"{name}.png")
        if name == "two":
            np.save(masks / "two.npy", mask / 255)
        elif name == "three":
            Image.fromarray(mask).save(masks / "three" / "square.png")
        elif name == "one":
            Image.fromarray(mask).save(masks / "one.png")
    return images, masks


def model() -> VisionModel:
    return VisionModel(Colours(), to_tensor, ("red", "green", "blue", "not red"), "toy:colours")


def test_the_measures_are_those_of_the_maps_and_of_the_masks_on_the_input(tmp_path: Path) -> None:
    folder, masks = folder_of(tmp_path)
    images = load_images(folder)
    rows = evaluate_masks(model(), images, masks, target="red", methods=("gradient",))
    values: list[list[float]] = []
    for id, name in enumerate(images.names):
        if Path(name).stem == "four":
            continue
        picture = np.array(images.load(id))
        mask = on_input(model(), picture[..., 0] > 100)
        assert mask.sum() == 6  # 4 x 6 pixels of 16 x 16 are 2 x 3 of 8 x 8
        heat = attribute(model(), to_tensor(images.load(id))[None], "red", method="gradient").heat
        assert heat is not None
        values.append([m(heat[0].numpy(), mask) for m in (mass_accuracy, rank_accuracy, pointing)])
    assert [row.measure for row in rows] == ["mass", "rank", "pointing"]
    np.testing.assert_allclose([row.value for row in rows], np.mean(values, axis=0), rtol=1e-6)
    assert [row.n for row in rows] == [3, 3, 3]
    assert rows[1].value == rows[2].value == 1
    assert rows[0].chance == 6 / 64


def test_concepts_choose_among_masks(tmp_path: Path) -> None:
    folder, masks = folder_of(tmp_path)
    rows = evaluate_masks(model(), load_images(folder), masks, methods=("gradient",), concepts=["square"])
    assert rows[0].n == 1
    with pytest.raises(SemlensError, match="has no mask of an image"):
        evaluate_masks(model(), load_images(folder), masks, concepts=["circle"])


def test_a_mask_that_cannot_be_laid_is_named(tmp_path: Path) -> None:
    folder, masks = folder_of(tmp_path)
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(masks / "one.png")
    with pytest.raises(SemlensError, match=r"one\.png is \(3, 3\) wide and high"):
        evaluate_masks(model(), load_images(folder), masks)
    (masks / "one.png").unlink()
    np.save(masks / "one.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(SemlensError, match="without pickle"):
        evaluate_masks(model(), load_images(folder), masks)
