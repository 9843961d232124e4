import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as T

from semlens.collection.collect import collect
from semlens.crop import CROPS, NoRelevanceWarning, choose_crop, example_boxes
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.index.index import load_index
from semlens.model.vision_model import VisionModel
from semlens.pipeline import build, build_shard
from semlens.pipeline.embed import embed
from semlens.pipeline.partial import partial_folder
from semlens.revisit.example_heatmaps import portraits
from tests.toy import Colours, ColourSpace, colours, random_images


def sized(side: int, image: Image.Image) -> torch.Tensor:
    return T.ToTensor()(image.resize((side, side), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def scene() -> tuple[VisionModel, ImageSet]:
    """A red square at the right and a green one at the lower left of a wide image, and a blue image."""
    pixels = np.zeros((120, 240, 3), dtype=np.uint8)
    pixels[20:50, 180:220, 0] = 255
    pixels[80:100, 10:30, 1] = 255
    images = load_images([Image.fromarray(pixels), Image.new("RGB", (50, 50), (0, 0, 255))])
    return VisionModel(Colours().eval(), partial(sized, 60), ("red", "green", "blue", "not red")), images


@pytest.mark.filterwarnings("ignore::semlens.crop.NoRelevanceWarning")
@pytest.mark.parametrize("crop", ["relevance", "relevance-paper"])
def test_relevance_boxes_lie_around_what_excites_a_component(scene: tuple[VisionModel, ImageSet], crop: str) -> None:
    model, images = scene
    examples = collect(model, images, ["act", "fc"], k=1, pool="max")
    boxes = example_boxes(choose_crop(crop, model, "auto"), model, images, examples)
    assert boxes is not None
    for row, (left, top, right, bottom) in ((0, (180, 20, 220, 50)), (1, (10, 80, 30, 100))):
        a, b, c, d = boxes[row, 0]  # around one of the pixels where it is most active, since it sees one pixel
        assert left < (a + c) / 2 < right
        assert top < (b + d) / 2 < bottom
    a, b, c, d = boxes[3, 0]  # the output "red" sees the whole square
    assert (a <= 182, b <= 22, c >= 218, d >= 48) == (True,) * 4
    assert (c - a) * (d - b) < 0.6 * 240 * 120


@pytest.mark.filterwarnings("ignore::semlens.crop.NoRelevanceWarning")
def test_boxes_that_another_run_left_are_not_taken(scene: tuple[VisionModel, ImageSet], tmp_path: Path) -> None:
    model, images = scene
    examples = collect(model, images, ["act", "fc"], k=2, pool="max")
    told: list[tuple[str, int, int]] = []

    def boxes(crop: str, keep: Path | None) -> list[list[list[int]]]:
        told.clear()
        chosen = choose_crop(crop, model, "auto")
        found = example_boxes(chosen, model, images, examples, keep=keep, progress=lambda *step: told.append(step))
        assert found is not None
        return found.tolist()

    fresh = {crop: boxes(crop, None) for crop in ("relevance", "activation")}
    assert fresh["relevance"] != fresh["activation"]
    for crop in ("relevance", "activation", "relevance"):
        assert boxes(crop, tmp_path) == fresh[crop]
        assert told == [("locate", 2, 2)] * 2  # computed
        assert boxes(crop, tmp_path) == fresh[crop]
        assert told == [("locate", 2, 2)]  # found
    assert [path.name for path in tmp_path.iterdir()] == ["boxes-00000000.safetensors"]


def test_a_unit_whose_evidence_is_negative_has_no_box_and_says_so(scene: tuple[VisionModel, ImageSet]) -> None:
    """The unit "not red" fires least negatively on the image without red, where nothing speaks for it."""
    model, images = scene
    examples = collect(model, images, ["fc"], k=1)
    assert examples.valid[3, 0]
    with pytest.warns(NoRelevanceWarning, match=r"1 of 4 examples have no relevance"):
        boxes = example_boxes(choose_crop("relevance", model, "auto"), model, images, examples)
    assert boxes is not None
    assert boxes[3, 0].tolist() == [0, 0, 0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoRelevanceWarning)
        index = embed(examples, images, ColourSpace(), crop="relevance", model=model)
    assert index.boxes[index.rows[3, 0]].tolist() == [0, 0, 50, 50]  # embedded whole


def test_the_crop_is_cut_out_of_the_original_without_a_change_of_contrast(scene: tuple[VisionModel, ImageSet]) -> None:
    """T13: a grey from 102 to 115 became 0 to 255."""
    model, images = scene
    examples = collect(model, images, ["act"], k=1, pool="max")
    index = embed(examples, images, ColourSpace(), crop="relevance", model=model)
    left, top, right, bottom = index.boxes[index.rows[0, 0]]
    mean = np.asarray(images.load(0))[top:bottom, left:right].mean((0, 1))
    np.testing.assert_allclose(index.vectors[index.rows[0, 0]], mean / np.linalg.norm(mean), atol=2e-3)
    assert index.recipe.crop.kind == "relevance"
    assert index.recipe.crop.parameters["method"] == "epsilon_plus_flat"
    assert index.recipe.crop.parameters["threshold"] == 0.01


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::semlens.crop.NoRelevanceWarning", "ignore::semlens.index.IndexWarning")
def test_a_build_with_relevance_can_be_killed_anywhere_and_resumed(tmp_path: Path) -> None:
    images = replace(random_images(20), labels=tuple(("red", "green")[i % 2] for i in range(20)))
    how = {"k": 3, "crop": "relevance", "classes": ["red", "green"]}

    def run(out: Path, **more: object) -> object:
        return build(colours(), images, ["act", "fc"], ColourSpace(), out, **{**how, **more})  # type: ignore[arg-type]

    whole = run(tmp_path / "whole")
    for stop in ("relevance", "locate", "embed"):

        def kill(step: str, done: int, total: int, stop: str = stop) -> None:
            if step == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / stop, progress=kill)
        run(tmp_path / stop, resume=True)
        for name in ("means", "boxes", "rows"):
            np.testing.assert_array_equal(getattr(load_index(tmp_path / stop), name), getattr(whole, name))
        files = [sorted(p.name for p in (tmp_path / f).iterdir()) for f in (stop, "whole")]
        assert files[0] == files[1]  # names are digests: the same bytes
    found = load_index(tmp_path / "whole").relevance
    assert found is not None
    assert found.counts.tolist() == [10, 10]
    np.testing.assert_allclose(found.of_class("red")[:3], [1, 0, 0], atol=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::semlens.crop.NoRelevanceWarning")
def test_shards_bring_their_relevance(tmp_path: Path) -> None:
    images = replace(random_images(20), labels=tuple(("red", "green")[i % 2] for i in range(20)))
    whole = build(colours(), images, ["act"], ColourSpace(), tmp_path / "one", k=3, classes=["red"])
    for i in range(3):
        build_shard(
            colours(), images, ["act"], tmp_path / "two", (i, 3), k=3, classes=["red"], foundation=ColourSpace()
        )
    steps: list[str] = []
    build(
        colours(), images, ["act"], ColourSpace(), tmp_path / "two", k=3, classes=["red"], resume=True,
        progress=lambda step, done, _: steps.append(step) if done else None,
    )  # fmt: skip
    assert not partial_folder(tmp_path / "two").exists()
    joined = load_index(tmp_path / "two").relevance
    assert joined is not None
    assert whole.relevance is not None
    np.testing.assert_array_equal(joined.positive, whole.relevance.positive)
    np.testing.assert_array_equal(joined.counts, [10])


def test_mistakes_are_known_before_the_work(tmp_path: Path) -> None:
    images = random_images(4)
    for how, said in (
        ({"crop": "relevanc"}, "nearest: relevance"),
        ({"classes": ["rde"]}, "red"),
        ({"crop": "relevance", "method": "gradient"}, "choose a composite"),
        ({"classes": ["red"], "of": "labels"}, "label"),
    ):
        with pytest.raises(SemlensError, match=said):
            build(colours(), images, ["act"], ColourSpace(), tmp_path / "x", k=2, **how)
        assert not partial_folder(tmp_path / "x").exists()
    assert set(CROPS) == {"none", "activation", "relevance", "relevance-paper", "tokens-paper"}


@pytest.mark.slow
def test_portraits_show_examples_with_their_heat(tmp_path: Path, scene: tuple[VisionModel, ImageSet]) -> None:
    model, images = scene
    index = build(model, images, ["act"], ColourSpace(), tmp_path / "i", k=1, pool="max", crop="relevance")
    (row,) = portraits(index, model, images, ["act:0"])
    (example,) = row.examples
    assert example.image.size == (240, 120)
    assert np.unravel_index(example.heat.argmax(), example.heat.shape)[1] >= 44  # of 60: at the right
    assert example.box == pytest.approx((0, 0, 240, 120), abs=1)
    assert example.crop is not None
    with pytest.raises(SemlensError, match="not the images"):
        portraits(index, model, random_images(3), ["act:0"])
    with pytest.raises(SemlensError, match="not the model"):
        portraits(index, colours(), images, ["act:0"])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::semlens.crop.NoRelevanceWarning")
@pytest.mark.parametrize(("crop", "method"), [("relevance", "auto"), ("relevance", "cp_lrp"), ("tokens-paper", "auto")])
def test_a_transformer_is_cropped_by_attnlrp_or_by_its_tokens(crop: str, method: str) -> None:
    import timm

    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", img_size=64, depth=2, embed_dim=24, num_classes=3).eval()
    model, images = VisionModel(net, partial(sized, 64)), random_images(6, side=40)
    examples = collect(model, images, ["blocks.0", "blocks.1.attn@heads", "head"], k=2)
    boxes = example_boxes(choose_crop(crop, model, method), model, images, examples)
    assert boxes is not None
    found = boxes[examples.valid]
    here = found.any(axis=1)
    assert here[: 2 * 48].mean() > 0.9  # features at the patch tokens
    left, top, right, bottom = found[here].T
    assert (left >= 0).all()
    assert (right <= 40).all()
    assert (np.abs((right - left) - (bottom - top)) <= 1).all()  # squares on a square image, to rounding
    heads = boxes[48:51][examples.valid[48:51]]
    assert heads.any(axis=1).all()
