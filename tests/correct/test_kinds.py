"""Corrections of transformers, heads and latents, and relevance through a corrected model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from semlens.attribution import Composite, Epsilon, attribute
from semlens.correct.concepts import concept_directions
from semlens.correct.correction import Correction, load_correction
from semlens.correct.effects import PASSES, PASSES_ASIDE, net_relevance
from semlens.correct.seen import head_path, see
from semlens.correct.suppress import suppress
from semlens.images import ImageSet
from semlens.model import Changes, Dictionary, Linear, Relu, TopK, VisionModel, parse_all, record
from semlens.types import Component, silent
from tests.toy import colours, flat_images, random_images, to_tensor

PLAIN = Composite("plain", convolution=Epsilon(0.0), linear=Epsilon(0.0))


@pytest.fixture(scope="module")
def vit() -> VisionModel:
    torch.manual_seed(0)
    net = timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=24, num_heads=3, num_classes=5)

    def preprocess(image: object) -> Tensor:
        return nn.functional.interpolate(to_tensor(image)[None], 32)[0]  # type: ignore[arg-type]

    return VisionModel(net.eval(), preprocess, tuple("abcde"), "tiny vit")


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return random_images(24)


def inside(correction: Correction, x: Tensor, layer: str) -> Tensor:
    """What is read of a layer under a correction."""
    with correction as model:
        ((kind, _),) = parse_all(model.net, [layer], x[:1])
        with torch.no_grad(), record(model.net, [kind.site]) as seen:
            model.net(x)
            return kind.read(seen[kind.site]).clone()


@pytest.mark.parametrize("layer", ["blocks.0", "blocks.0@cls", "blocks.0.attn@heads"])
def test_units_of_every_kind_are_set_and_the_others_stay(vit: VisionModel, images: ImageSet, layer: str) -> None:
    x = torch.stack([vit.preprocess(images.load(i)) for i in range(4)])
    nothing = Correction(vit, Changes())
    before = inside(nothing, x, layer)
    correction = suppress(vit, [f"{layer}:1", f"{layer}:2"], "zero")
    after = inside(correction, x, layer)
    assert before[:, 1:3].abs().max() > 1e-3
    assert after[:, 1:3].abs().max() == 0
    rest = [n for n in range(before.shape[1]) if n not in (1, 2)]
    torch.testing.assert_close(after[:, rest], before[:, rest], rtol=1e-5, atol=1e-6)


def test_directions_of_tokens_are_projected_to_the_mean_image(
    vit: VisionModel, images: ImageSet, tmp_path: Path
) -> None:
    """Of all tokens the mean is changed, of each image to what is read of the mean image; a folder holds it."""
    one = concept_directions(vit, images, "blocks.1", positive={"first": list(range(8))}, progress=silent)
    seen = see(vit, images, layer="blocks.1", head=head_path(vit, vit.example_input()))
    correction = suppress(vit, one)
    with correction as model:
        corrected = see(model, images, layer="blocks.1")
    reader = one.encoder[:, 0].numpy()
    read = (corrected.vectors - seen.vectors.mean(axis=0)) @ reader
    np.testing.assert_allclose(read, 0, atol=1e-4)
    direction = one.decoder[0].numpy() / np.linalg.norm(one.decoder[0].numpy())
    moved = corrected.vectors - seen.vectors
    np.testing.assert_allclose(moved - np.outer(moved @ direction, direction), 0, atol=1e-4)
    assert np.abs(moved @ direction).max() > 1e-3
    assert correction.save(tmp_path / "c", images) is False
    with load_correction(tmp_path / "c", vit) as model:
        np.testing.assert_allclose(see(model, images).logits, corrected.logits, atol=1e-6)


@pytest.mark.parametrize("rule", [Relu(), TopK(4)], ids=str)
def test_latents_of_a_sparse_autoencoder_are_silenced_and_the_error_node_stays(
    vit: VisionModel, images: ImageSet, rule: Relu | TopK
) -> None:
    draw = torch.Generator().manual_seed(0)
    decoder = nn.functional.normalize(torch.randn(40, 24, generator=draw))
    sae = Dictionary(
        "blocks.1", torch.randn(24, 40, generator=draw) / 5, torch.zeros(40), decoder, torch.zeros(24), rule
    )
    before = see(vit, images, layer="blocks.1").vectors
    ((kind, _),) = parse_all(vit.net, [sae], vit.example_input())
    x = torch.stack([vit.preprocess(images.load(i)) for i in range(len(images))])
    with torch.no_grad(), record(vit.net, [kind.site]) as passed:
        vit.net(x)
        acts = kind.read(passed[kind.site]).mean(2)
    busiest = int(acts.mean(0).argmax())
    with suppress(vit, sae, "zero", units=[busiest]) as model:
        after = see(model, images, layer="blocks.1").vectors
    expected = -acts[:, busiest, None] * decoder[busiest]
    assert expected.abs().max() > 1e-3
    np.testing.assert_allclose(after - before, expected.numpy(), atol=1e-5)


def test_relevance_of_a_corrected_network_is_that_of_what_it_computes() -> None:
    """A channel set to zero takes no relevance; what the others have is conserved, and all is as before afterwards."""
    model, images = colours(), flat_images([(200, 100, 50), (10, 250, 90)])
    x = torch.stack([model.preprocess(images.load(i)) for i in range(2)])
    how: Any = {"method": PLAIN, "layers": ["act"]}
    before = attribute(model, x, 3, **how)
    with suppress(model, "act:0", "zero") as corrected:
        after = attribute(corrected, x, 3, **how)
        other = attribute(corrected, x, 1, **how)
    assert before.layers["act"][:, 0].sum() < -0.5
    assert after.layers["act"].abs().max() == 0
    assert other.heat is not None
    assert before.heat is not None
    torch.testing.assert_close(other.heat.sum((1, 2)), other.value)
    torch.testing.assert_close(other.layers["act"][:, 1].sum(1), other.value)
    assert torch.equal(attribute(model, x, 3, **how).layers["act"], before.layers["act"])


def test_relevance_passes_a_direction_that_is_projected_no_more(images: ImageSet) -> None:
    """A linear network: the relevance of a direction is what is read of it times the weight along it."""
    model = colours()
    eye = Dictionary("act", torch.eye(3), torch.zeros(3), torch.eye(3), torch.zeros(3), Linear(), ("r", "g", "b"))
    correction = suppress(model, eye, units=["r"], images=images)
    ids = list(range(len(images)))
    rows = {(row.measure, row.group): row for row in net_relevance(correction, images, ids, 3)}
    red, green = rows[PASSES, "r in act"], rows[PASSES_ASIDE, "g in act"]
    assert red.before == pytest.approx(-1)  # the only thing that "not red" is made of
    assert red.n == len(images)
    assert green.before == green.after == 0
    kept = net_relevance(suppress(model, "act:0", "zero"), images, ids, 3, kept=[Component("act", 1)])
    assert [(row.measure, row.group, row.after) for row in kept] == [
        (PASSES, "act:0", 0.0), (PASSES_ASIDE, "act:1", 0.0)
    ]  # fmt: skip
