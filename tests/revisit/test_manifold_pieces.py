"""Pieces of images as layers see them: averaged over a grid, the same for every layer and model."""

import numpy as np
import pytest
import torch

from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model.vision_model import VisionModel
from semlens.progress import visible
from semlens.revisit import compare_manifolds
from semlens.revisit.manifold_pieces import pieces
from tests.toy import random_images, to_tensor


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return random_images(30)


def net(seed: int, side: int = 8) -> VisionModel:
    torch.manual_seed(seed)
    layers = [torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(6, 6, 3, padding=1)]
    head = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return VisionModel(torch.nn.Sequential(*layers, *head).eval(), to_tensor, (), f"net{seed}")


def test_a_piece_is_the_mean_of_its_vectors(images: ImageSet) -> None:
    model = net(0)
    (found,) = pieces(model, ["1"], images, [0, 4, 9], 2, visible)
    for place, image in enumerate((0, 4, 9)):
        first = torch.nn.Sequential(*list(model.net.children())[:2])
        maps = first(model.preprocess(images.load(image))[None])[0].detach().numpy()
        half = maps.shape[1] // 2
        for piece, (top, left) in enumerate(((0, 0), (0, half), (half, 0), (half, half))):
            wanted = maps[:, top : top + half, left : left + half].mean(axis=(1, 2))
            np.testing.assert_allclose(found[4 * place + piece], wanted, atol=1e-5)


def test_layers_of_models_are_held_against_each_other(images: ImageSet) -> None:
    a = net(0)
    found = compare_manifolds([(a, "0"), (a, "1"), (net(1), "0")], images, count=30, grid=2, least=6, draws=3)
    assert [(row.one, row.other) for row in found.pairs] == [
        ("net0 0", "net0 1"), ("net0 0", "net1 0"), ("net0 1", "net1 0")
    ]  # fmt: skip
    assert all(len(m.features) == 120 for m in found.manifolds)
    same = compare_manifolds([(a, "0"), (a, "0")], images, count=30, grid=2, least=6, draws=3).pairs[0]
    assert same.alignment == pytest.approx(1)


def test_a_layer_without_a_grid_is_named(images: ImageSet) -> None:
    with pytest.raises(SemlensError, match="'4' has .* positions, which are no square grid of 2 x 2 or more"):
        pieces(net(0), ["4"], images, [0], 2, visible)
