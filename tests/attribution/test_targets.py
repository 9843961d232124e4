"""What is explained when a model returns no row of logits, and what is said when it returns probabilities."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import semlens as sl
from semlens.attribution import ProbabilityWarning, attribute, check, conditional_maps, logits_in
from semlens.attribution.recipes import overlap
from semlens.errors import SemlensError
from tests.attribution.loops import each
from tests.attribution.nets import Chain, model, pixels

BOXES = torch.tensor([[0.0, 0, 4, 4], [1, 1, 5, 5], [4, 4, 8, 8]])


class Returns(nn.Module):
    """A convolution whose map is turned into what a network of another kind returns."""

    def __init__(self, change: Callable[[Tensor], Any], channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1, bias=False)
        self.change = change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.conv(x))


def maps_of(vision: sl.VisionModel, x: Tensor) -> Tensor:
    assert isinstance(vision.net, Returns)
    maps: Tensor = vision.net.conv(x)
    return maps.detach()


def detections(maps: Tensor) -> list[dict[str, Tensor]]:
    """Three boxes an image, each as sure as the map's channel at its corner."""
    return [
        {"boxes": BOXES.to(image), "labels": torch.tensor([1, 2, 1]), "scores": image[:, 0, 0].sigmoid()}
        for image in maps
    ]


def means(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


def best(maps: Tensor) -> Tensor:
    return maps[:, :, 0, 0].sigmoid().amax(1)


OTHERS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a map": (lambda maps: maps, r"a tensor of shape \(2, 3, 8, 8\), .* mask_logit\(class\) .* map_mean\(\)"),
    "a segmentation": (lambda maps: {"out": maps, "aux": maps}, r"'out' \(2, 3, 8, 8\), 'aux' .* mask_logit\(class\)"),
    "detections": (detections, r"a list of 2, first a dict of 'boxes' \(3, 4\), .* box_score\(\), a component"),
    "features": (lambda maps: [maps, maps], r"a list of 2, first a tensor .* a component \('layer:unit'\)"),
    "tokens": (lambda maps: {"last_hidden_state": maps.flatten(2)}, r"'last_hidden_state' \(2, 3, 64\)"),
    "two heads": (lambda maps: {"age": means(maps), "sex": means(maps)}, r"'age' \(2, 3\), 'sex' \(2, 3\)"),
    "rows of no image": (lambda maps: means(maps).repeat(2, 1), r"a tensor of shape \(4, 3\)"),
    "one number": (lambda maps: maps.mean(), r"a tensor of shape \(\)"),
    "numbers of classes": (lambda maps: means(maps).argmax(1), r"a tensor of shape \(2,\)"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_row_of_logits_is_refused_with_the_options(kind: str) -> None:
    change, said = OTHERS[kind]
    with pytest.raises(SemlensError, match=said):
        attribute(model(Returns(change)), pixels(2))
    (result,) = check(model(Returns(change)), pixels(2))
    assert (result.verdict, result.fault is not None and "give as target" in result.fault) == ("fault", True)


@pytest.mark.parametrize(
    "change",
    [
        means,
        lambda maps: {"hidden": maps, "logits": means(maps)},
        lambda maps: (means(maps), maps),
        lambda m: [*means(m)],
    ],
)
def test_logits_are_found_where_the_conventions_put_them(change: Callable[[Tensor], Any]) -> None:
    maps = pixels(2)
    if isinstance(change(maps), list):
        with pytest.raises(SemlensError, match="a list of 2"):
            logits_in(change(maps), 2)
    else:
        assert torch.equal(logits_in(change(maps), 2), means(maps))
    assert torch.equal(logits_in(means(maps)[:, 0], 2), means(maps)[:, :1])


def test_the_score_of_the_best_box_is_explained() -> None:
    vision, x = model(Returns(detections)), pixels(2)
    plain = model(Returns(best))
    found, expected = (
        attribute(vision, x, sl.box_score(), method="epsilon"),
        attribute(plain, x, best_of, method="epsilon"),
    )
    assert found.heat is not None
    assert torch.equal(found.value, best(maps_of(vision, x)))
    torch.testing.assert_close(found.heat, expected.heat)
    assert found.heat.abs().sum() > 0
    scores = maps_of(vision, x)[:, :, 0, 0].sigmoid()
    assert torch.equal(attribute(vision, x, sl.box_score(2), method="epsilon").value, scores[:, 1])
    far = attribute(vision, x, sl.box_score(box=(4, 4, 7, 8)), method="epsilon")
    assert torch.equal(far.value, scores[:, 2])
    assert torch.equal(attribute(vision, x, sl.box_score(1), method="epsilon").value, scores[:, [0, 2]].amax(1))
    for target in each([sl.box_score(5), sl.box_score(2, box=(4, 4, 8, 8))]):
        with pytest.raises(SemlensError, match="no box"):
            attribute(vision, x, target, method="epsilon")
    with pytest.raises(SemlensError, match=r"shape \(2, 3\), not a list of boxes"):
        attribute(model(Returns(means)), x, sl.box_score())


def best_of(output: Any) -> Tensor:
    """The plain network returns it already."""
    assert isinstance(output, Tensor)
    return output


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(BOXES, (0, 0, 4, 4)).tolist() == pytest.approx([1, 9 / 23, 0])


@pytest.mark.parametrize("how", ["a tensor", "torchvision", "transformers"])
def test_the_logit_of_a_mask_is_summed_where_it_wins(how: str) -> None:
    returned: dict[str, Callable[[Tensor], Any]] = {
        "a tensor": lambda maps: maps,
        "torchvision": lambda maps: {"out": maps, "aux": -maps},
        "transformers": lambda maps: {"loss": maps.mean(), "logits": maps},
    }
    vision, x = model(Returns(returned[how])), pixels(2)
    maps = maps_of(vision, x)
    won = maps[:, 1] == maps.amax(1)
    found = attribute(vision, x, sl.mask_logit(1), method="epsilon")
    torch.testing.assert_close(found.value, (maps[:, 1] * won).sum((1, 2)))
    assert found.heat is not None
    torch.testing.assert_close(found.heat.sum((1, 2)), found.value, rtol=1e-4, atol=1e-4)  # no bias: all of it arrives
    with pytest.raises(SemlensError, match="segments 3 classes"):
        attribute(vision, x, sl.mask_logit(3))


def test_a_mask_of_one_class_is_where_its_logit_is_positive_and_must_not_be_empty() -> None:
    vision, x = model(Returns(lambda maps: maps, channels=1)), pixels(2)
    maps = maps_of(vision, x)[:, 0]
    assert torch.equal(attribute(vision, x, sl.mask_logit(0)).value, maps.clamp(min=0).sum((1, 2)))
    with pytest.raises(SemlensError, match="no pixel of image 0 is predicted as class 0"):
        attribute(model(Returns(lambda maps: -maps.abs(), channels=1)), x, sl.mask_logit(0))


def test_the_mean_of_a_map_is_explained_whole_or_in_a_box() -> None:
    x = pixels(2)
    depth = model(Returns(lambda maps: {"predicted_depth": maps[:, 0]}))
    maps = maps_of(depth, x)
    torch.testing.assert_close(attribute(depth, x, sl.map_mean()).value, maps[:, 0].mean((1, 2)))
    part = attribute(model(Returns(lambda maps: maps)), x, sl.map_mean(2, box=(1, 2, 4, 8)), method="epsilon")
    torch.testing.assert_close(part.value, maps[:, 2, 2:8, 1:4].mean((1, 2)))
    assert part.heat is not None
    assert not part.heat[:, :, 6:].any()  # beyond what the box sees
    for target, said in each([(sl.map_mean(1), "1 channels"), (sl.map_mean(box=(3, 3, 3, 9)), "holds no pixel")]):
        with pytest.raises(SemlensError, match=said):
            attribute(depth, x, target)


def test_a_function_that_gives_no_number_per_image_is_refused() -> None:
    for function in each((lambda output: output, lambda output: output.sum(), lambda output: {"a": output[:, 0]})):
        with pytest.raises(SemlensError, match=r"not a number per image \(there are 2\)"):
            attribute(model(Chain()), pixels(2), function)


def test_a_function_that_fails_is_named_with_what_it_was_given() -> None:
    for function, said in each(
        [
            (lambda output: torch.stack([output[0, 0], output[1, 1]]), r"shape \(1, 4\), with IndexError \(index 1 is"),
            (lambda output: output["age"], r"shape \(\d, 4\), with IndexError"),
            (lambda output: 1 / 0, r"with ZeroDivisionError \(division by zero\): it must give a number per image"),
        ]
    ):
        (found,) = check(model(Chain()), pixels(2), ["epsilon"], target=function)
        assert re.search(said, str(found.fault))
        with pytest.raises(SemlensError, match="the target function fails on the model's output"):
            attribute(model(Chain()), pixels(1), function)
        with pytest.raises(SemlensError, match="the target function fails on the model's output"):
            list(conditional_maps(model(Chain()), pixels(1), function, "one", units=[0]))


def test_a_function_may_write_into_what_came_together() -> None:
    def written(output: Tensor) -> Tensor:
        first, *_ = output.unbind(1)
        first.mul_(2)
        return first

    got, plain = (attribute(model(Chain()), pixels(2), target) for target in (written, lambda output: output[:, 0] * 2))
    assert got.heat is not None
    assert plain.heat is not None
    torch.testing.assert_close(got.heat, plain.heat)


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid(), nn.LogSoftmax(1)])
@pytest.mark.filterwarnings("ignore::semlens.attribution.conservation.ConservationWarning")
def test_a_probability_is_said_to_be_one(last: nn.Module) -> None:
    vision = model(nn.Sequential(Chain(), last))
    with pytest.warns(ProbabilityWarning, match="explain the logit"):
        attribute(vision, pixels(2), 1)
    (result,) = check(vision, pixels(2))
    assert (result.verdict, "explain the logit" in result.doubts[0]) == ("doubt", True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ProbabilityWarning)
        attribute(model(Chain()), pixels(2), 1)
        attribute(vision, pixels(2), lambda output: output[:, 1])  # who writes a function knows what it takes


def test_a_softmax_is_noticed_by_its_values_where_no_rule_is_at_work() -> None:
    with pytest.warns(ProbabilityWarning):
        attribute(model(nn.Sequential(Chain(), nn.Softmax(1))), pixels(2), 1, method="gradient")


def test_the_similarity_to_a_text_is_explained(clip_folder: Path) -> None:
    """Of an image tower alone: its value is the cosine that the whole model gives."""
    spec = f"open_clip:local-dir:{clip_folder}"
    tower, foundation = sl.load_model(spec), sl.load_foundation(spec, "cpu")
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))
    x = tower.preprocess(photo)[None]
    seen = foundation.embed_images([photo])[0]
    for texts in ("a cat", ["a cat", "a dog on a red car"]):
        told = foundation.embed_texts([texts] if isinstance(texts, str) else texts)
        mean = (told / np.linalg.norm(told, axis=1, keepdims=True)).mean(0)
        expected = seen @ mean / np.linalg.norm(seen) / np.linalg.norm(mean)
        found = attribute(tower, x, sl.similarity(texts, foundation), method="gradient")
        torch.testing.assert_close(found.value, torch.tensor([expected]), rtol=1e-4, atol=1e-6)
    with pytest.raises(SemlensError, match="'a cat' is a text: give the foundation model whose image tower this is"):
        sl.similarity("a cat")
    with pytest.raises(SemlensError, match=r"shape \(1, 12\) and the vector .* has 128 entries: give the foundation"):
        attribute(tower, x, sl.similarity("a ruler", sl.load_foundation("testbed:clip", "cpu")))


def test_the_image_tower_of_the_testbeds_foundation_model_can_be_studied() -> None:
    model, foundation = sl.load_model("testbed:clip"), sl.load_foundation("testbed:clip", "cpu")
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))
    with torch.no_grad():
        np.testing.assert_allclose(
            model.net(model.preprocess(photo)[None]), foundation.embed_images([photo]), rtol=1e-5
        )
