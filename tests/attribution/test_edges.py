from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semlens.attribution.attribute import attribute
from semlens.attribution.edges import edges
from semlens.collection import UnreadableWarning
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.model.vision_model import VisionModel
from tests.attribution.nets import Chain, Skip, model
from tests.toy import random_images, to_tensor


@pytest.fixture(scope="module")
def net() -> VisionModel:
    return replace(model(Chain()), preprocess=to_tensor, class_names=("a", "b", "c", "d"))


@pytest.mark.slow
def test_edges_are_the_conditional_relevance_averaged_over_images(net: VisionModel) -> None:
    images = random_images(5)
    found = edges(net, images, [0, 2, 4], "b", "relu2", "relu", [4, 1], batch_size=2, chunk=1)
    expected, nodes = np.zeros((2, 6)), np.zeros(2)
    for i in (0, 2, 4):
        x = net.preprocess(images.load(i))[None].double()
        top = attribute(net, x, 1, layers=["relu2"]).layers["relu2"][0].sum(1)
        for a, unit in enumerate((4, 1)):
            below = attribute(net, x, 1, conditions=[f"relu2:{unit}"], layers=["relu"]).layers["relu"][0].sum(1)
            expected[a] += below.numpy() / float(top.abs().sum()) / 3
            nodes[a] += float(top[unit] / top.abs().sum()) / 3
    np.testing.assert_allclose(found.weights, expected, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found.nodes, nodes, rtol=1e-5, atol=1e-8)
    assert (found.target, found.units, found.images, found.upper, found.lower) == (1, (4, 1), 3, "relu2", "relu")


def test_without_biases_the_edges_below_a_component_add_up_to_it(net: VisionModel) -> None:
    found = edges(net, random_images(4), range(4), 2, "relu2", "relu", range(5))
    np.testing.assert_allclose(found.weights.sum(1), found.nodes, rtol=1e-3, atol=1e-6)
    assert (found.weights < 0).any()
    assert (found.weights > 0).any()
    many = edges(net, random_images(4), range(4), 2, "relu2", "relu", range(5), batch_size=1, chunk=2)
    np.testing.assert_allclose(many.weights, found.weights, rtol=1e-5, atol=1e-8)


def test_images_that_cannot_be_read_are_left_out_with_a_warning(net: VisionModel, tmp_path: Path) -> None:
    plain = random_images(5)
    for i in range(5):
        plain.load(i).save(tmp_path / f"{i}.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    images = load_images(tmp_path)
    with pytest.warns(UnreadableWarning, match=r"edges: 1 of 5 images cannot be read and are left out, first 1\.png"):
        found = edges(net, images, range(5), 1, "relu2", "relu", [4], batch_size=2)
    assert found.images == 4
    expected = edges(net, plain, [0, 2, 3, 4], 1, "relu2", "relu", [4])
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-5, atol=1e-8)
    with pytest.warns(UnreadableWarning), pytest.raises(SemlensError, match="none of the images could be read"):
        edges(net, images, [1], 1, "relu2", "relu", [4])


def test_what_cannot_be_an_edge_is_named(net: VisionModel) -> None:
    images = random_images(2)
    with pytest.raises(SemlensError, match="'relu2' does not feed 'relu'"):
        edges(net, images, [0], 0, "relu", "relu2", [0])
    with pytest.raises(SemlensError, match="units 0 to 4"):
        edges(net, images, [0], 0, "relu2", "relu", [5])
    with pytest.raises(SemlensError, match="no images"):
        edges(net, images, [], 0, "relu2", "relu", [0])
    with pytest.raises(SemlensError, match="choose a composite"):
        edges(net, images, [0], 0, "relu2", "relu", [0], method="gradient")
    skip = replace(model(Skip()), preprocess=to_tensor)
    beside = edges(skip, images, [0, 1], 0, "inner", "stem", [0, 1, 2, 3])
    assert torch.isfinite(torch.from_numpy(beside.weights)).all()
