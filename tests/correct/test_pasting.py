"""Artefacts by their pixels: read, laid as the network takes them, and pasted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

from semlens.correct.pasting import as_taken, digest_of, load_masks, one_after_another, pasted
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import VisionModel
from tests.toy import SIDE, colours, flat_images


def half(left: bool = True) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, : SIDE // 2] = left
    return mask


def greys(count: int) -> ImageSet:
    """The left of them can be told from all but one in 256 others."""
    return flat_images([(n % 256, n % 256, n % 256) for n in range(count)])


def test_pasting_makes_all_classes_show_an_artefact_as_often() -> None:
    """Three of four of class 0 show it, one of ten of class 1: seven of ten of these get it, cut from an image that
    shows it, and none of class 0."""
    labels = np.repeat([0, 1, -1], [400, 400, 10])
    shown = np.concatenate([np.arange(400) % 4 > 0, np.arange(400) % 10 == 0, np.zeros(10, bool)])
    images = greys(810)
    found = pasted(images, {"ruler": {int(id): half() for id in np.flatnonzero(shown)}}, labels, seed=0)
    got = np.zeros(810, bool)
    for id in range(810):
        before, after = (np.asarray(one.load(id))[..., 0] for one in (images, found))
        assert np.array_equal(after[:, SIDE // 2 :], before[:, SIDE // 2 :])
        got[id] = (after != before).any()
        if got[id]:
            (value,) = set(after[:, : SIDE // 2].ravel().tolist())
            assert value in set((np.flatnonzero(shown) % 256).tolist())
    assert not got[shown].any()
    assert not got[labels != 1].any()
    rate = (got | shown)[labels == 1].mean()
    assert rate == pytest.approx(0.75, abs=0.06)
    again, other = (pasted(images, {"ruler": {1: half(), 2: half()}}, labels, seed) for seed in (0, 1))
    assert again.fingerprint != other.fingerprint != images.fingerprint


def test_an_artefact_is_resized_with_its_image() -> None:
    images = load_images([Image.new("RGB", (8, 8), (200, 0, 0)), Image.new("RGB", (16, 12))])
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    found = np.asarray(pasted(images, {"x": {0: mask}}, np.array([0, 1]), 0).load(1))
    assert found.shape == (12, 16, 3)
    assert (found[:6, :, 0] == 200).all()
    assert not found[6:].any()


def test_a_mask_goes_the_way_of_its_image() -> None:
    """Resized to 8 rows, cropped to the middle, and told from black after the shift of the colours."""
    steps = Compose([Resize(8), CenterCrop(8), ToTensor(), Normalize([0.5] * 3, [0.25] * 3)])
    mask = np.zeros((16, 32), bool)
    mask[:8, 12:] = True
    found = as_taken(VisionModel(colours().net, steps), {"a": {3: mask}, "b": {3: mask & False, 4: mask}})
    expected = torch.zeros(1, 8, 8)
    expected[:, :4, 2:] = 1
    assert found.keys() == {3, 4}
    torch.testing.assert_close(found[3], expected)
    both = as_taken(VisionModel(colours().net, steps), {"a": {3: mask}, "b": {3: ~mask}})
    assert (both[3] == 1).all()
    with pytest.raises(SemlensError, match="black and white"):
        as_taken(VisionModel(colours().net, lambda _: torch.zeros(3, 8, 8)), {"a": {0: mask}})


def test_masks_are_read_by_the_names_of_images(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        Image.new("RGB", (SIDE, SIDE)).save(tmp_path / f"{name}.png")
    images = load_images(tmp_path)
    masks = tmp_path / "masks"
    for name, concept, mask in (("one", "ruler", half()), ("two", "hair", ~half()), ("two", "ruler", half(False))):
        (masks / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(masks / name / f"{concept}.png")
    found = load_masks(masks, images)
    ids = {name: images.names.index(f"{name}.png") for name in ("one", "two")}
    assert {name: list(own) for name, own in found.items()} == {"hair": [ids["two"]], "ruler": [ids["one"]]}
    assert np.array_equal(found["hair"][ids["two"]], ~half())
    assert list(load_masks(masks, images, ("hair",))) == ["hair"]
    assert digest_of(found) != digest_of({"ruler": found["ruler"]})
    with pytest.raises(SemlensError, match="no masks of tattoo"):
        load_masks(masks, images, ("tattoo",))
    (masks / "three").mkdir()
    Image.new("L", (4, 4), 255).save(masks / "three" / "x.png")
    with pytest.raises(SemlensError, match="4 x 4"):
        load_masks(masks, images)


def test_versions_stand_behind_their_images() -> None:
    first, second = greys(3), flat_images([(0, n, 0) for n in (7, 8, 9)])
    both = one_after_another(first, (second,))
    assert [both.load(n).getpixel((0, 0)) for n in range(6)] == [
        *[(n, n, n) for n in range(3)], *[(0, n, 0) for n in (7, 8, 9)]
    ]  # fmt: skip
    with pytest.raises(SemlensError, match="one for each"):
        one_after_another(first, (greys(2),))
