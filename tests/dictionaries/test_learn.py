"""Learning: a planted code is found again, gradients are autograd's, a killed run ends in the same bytes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from semlens.attribution import attribute
from semlens.collection import Feed
from semlens.dictionaries.autoencoder import Autoencoder, Kept, _dense, _largest, _largest_of_all, _sparse
from semlens.dictionaries.learn import Course, _covariance, _Run, _whitening, learn_dictionary
from semlens.dictionaries.measure import measured, reconstruction
from semlens.dictionaries.vectors import vectors_at
from semlens.errors import SemlensError
from semlens.model import Dictionary, JumpRelu, TopK, VisionModel, moved, parse_all, record
from tests.toy import random_images, to_tensor


def planted(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Vectors of at most 3 of 64 unit atoms in 32 dimensions and noise, and the atoms."""
    draw = torch.Generator().manual_seed(seed)
    atoms = nn.functional.normalize(torch.randn(64, 32, generator=torch.Generator().manual_seed(99)))
    code = torch.zeros(count, 64)
    which = torch.rand(count, 64, generator=draw).argsort(1)[:, :3]
    code.scatter_(1, which, 0.5 + torch.rand(count, 3, generator=draw))
    return code @ atoms + 0.02 * torch.randn(count, 32, generator=draw) + 0.7, atoms


@pytest.mark.slow
@pytest.mark.parametrize("whole_batch", [False, True])
def test_a_planted_sparse_code_is_found_again(whole_batch: bool) -> None:
    x, atoms = planted(20_000)
    centre = x.mean(0)
    scale = (x - centre).square().sum(1).mean().sqrt()
    auto = Autoencoder.drawn(64, 32, 0, torch.device("cpu"))
    steps, order = 1500, torch.Generator().manual_seed(1)
    for step in range(steps):
        some = x[torch.randint(len(x), (256,), generator=order)]
        rate = 4e-3 * min(1.0, (steps - step) / (0.3 * steps))
        auto.step((some - centre) / scale, 3, whole_batch, rate)
    assert float((auto.decoder @ atoms.T).amax(0).mean()) >= 0.95
    torch.testing.assert_close(auto.decoder.norm(dim=1), torch.ones(64))
    assert float(auto.dead.float().mean()) <= 0.05


def by_autograd(auto: Autoencoder, x: Tensor, target: Tensor, kept: Tensor) -> list[Tensor]:
    parts = [p.clone().requires_grad_() for p in (auto.encoder, auto.bias, auto.decoder)]
    acts = torch.where(kept, x @ parts[0].T + parts[1], 0)
    loss = (acts @ parts[2] - target).square().sum(1).mean()
    return list(torch.autograd.grad(loss, parts))


@pytest.mark.parametrize("way", [_sparse, _dense])
def test_gradients_of_a_step_are_those_of_autograd(way: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semlens.dictionaries.autoencoder._CHUNK", 32 * 7)  # in several chunks
    x, _ = planted(50)
    auto = Autoencoder.drawn(40, 32, 3, torch.device("cpu"))
    products = x @ auto.encoder.T + auto.bias
    kept = TopK(4).keeps(products)
    kept[7] = False  # a vector of which nothing is kept
    g = [torch.zeros_like(part) for part in (auto.encoder, auto.bias, auto.decoder)]
    rows, columns = kept.nonzero(as_tuple=True)
    error = way(auto, x, x.flip(0), Kept(rows, columns, products[kept]), g, 2 / len(x))
    for found, expected in zip(g, by_autograd(auto, x, x.flip(0), kept), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(error, torch.where(kept, products, 0) @ auto.decoder - x.flip(0))


@pytest.mark.parametrize("guess", [0.0, 0.5, 1.5, 9.0])
def test_what_is_kept_is_what_a_sort_of_all_products_keeps(guess: float) -> None:
    products = torch.randn(50, 40, generator=torch.Generator().manual_seed(2))
    products[3] = -products[3].abs()
    least = products.flatten().sort(descending=True).values[50 * 4 - 1]
    for found, expected in (
        (_largest(products, 4), TopK(4).keeps(products)),
        (_largest_of_all(products, 4, guess), products >= least),
        (_largest_of_all(products, 35, guess), products > 0),
    ):
        again = torch.zeros_like(products)
        again[found.rows, found.units] = found.acts
        torch.testing.assert_close(again, torch.where(expected, products, 0))
        assert len(found.rows) == int(expected.sum())


def test_units_that_died_learn_again() -> None:
    x, _ = planted(4000)
    x = (x - x.mean(0)) / (x - x.mean(0)).square().sum(1).mean().sqrt()
    auto = Autoencoder.drawn(64, 32, 0, torch.device("cpu"))
    auto.bias[:20] = -5  # they can never fire
    auto.silent[:20] = 10**9
    before = auto.bias[:20].clone()
    auto.encoder[:20] *= 200  # but look at something
    for some in x.split(500):
        auto.step(some, 3, False, 1e-2)
    assert (auto.silent[:20] < 10**9).any()
    assert not torch.equal(auto.bias[:20], before)


class Embed(nn.Module):
    """Maps, and from them a class token and patches."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 12, 4, stride=4)
        self.head = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def net() -> VisionModel:
    return VisionModel(Embed().eval(), to_tensor, ("a", "b"), "embed")


IMAGES = random_images(60, side=16)
HOW = {"n": 30, "k": 4, "steps": 60, "batch": 64, "buffer": 4 * 12 * 4 * 20, "batch_size": 8, "workers": 0}


@pytest.mark.parametrize("ridge", [0.1, None])
def test_whitened_vectors_vary_alike_and_come_back(ridge: float | None) -> None:
    x = torch.randn(4000, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 3, 1, 0.5, 0.2, 0])
    x = (x @ torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(1)))[0]).double()
    centre = x.mean(0)
    covariance = _covariance(x, centre)
    torch.testing.assert_close(covariance, torch.cov(x.T, correction=0), rtol=1e-4, atol=1e-4)
    into, back = _whitening(covariance, ridge)
    white = (x - centre) @ into
    torch.testing.assert_close(white @ back + centre, x)
    assert float(white.square().sum(1).mean()) == pytest.approx(1, rel=1e-3)
    variances = torch.linalg.eigvalsh(torch.cov(white.T)).flip(0)
    old = torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0)
    expected = old if ridge is None else old / (old + ridge * old.mean())
    torch.testing.assert_close(variances / variances.sum(), expected / expected.sum(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("rule", ["topk", "batchtopk"])
@pytest.mark.parametrize("whiten", [0.1, None])
def test_the_dictionary_does_to_vectors_what_was_learned_of_whitened_ones(
    net: VisionModel, rule: str, whiten: float | None
) -> None:
    kept: list[_Run] = []
    course = Course("", "", "", "conv", 30, 4, rule, 60, 64, 0.01, whiten, 10**6, 8, 0)
    stream = vectors_at(Feed(net, IMAGES, 8, 0), "conv", buffer=10**6, seed=0, progress=lambda *_: None)
    kept.append(_Run.begun(stream, course))
    while kept[0].auto.steps < 60:
        kept[0].next_block(stream, course, lambda *_: None)
    run, found = kept[0], kept[0].dictionary(course)
    x = stream.vectors(stream.blocks(0)[0], 0)
    products = (x - run.centre) @ run.into @ run.auto.encoder.T + run.auto.bias
    acts = TopK(4).kept(products) if rule == "topk" else torch.where(products > run.auto.theta, products, 0)
    assert (acts > 0).any()
    weights = moved(found, torch.device("cpu"), torch.float32)
    own = weights.activations(x)
    assert torch.equal(own > 0, acts > 0)
    torch.testing.assert_close(
        weights.decoded(x, own), acts @ run.auto.decoder @ run.back + run.centre, rtol=1e-4, atol=1e-5
    )
    lengths = found.decoder.norm(dim=1)
    torch.testing.assert_close(lengths.mean(), torch.tensor(1.0))
    if rule == "batchtopk" or whiten is None:
        torch.testing.assert_close(lengths, torch.ones(30))


@pytest.mark.slow
def test_whitening_finds_what_varies_little(net: VisionModel) -> None:
    x, atoms = planted(20_000)
    loud = nn.functional.normalize(torch.randn(3, 32, generator=torch.Generator().manual_seed(5)), dim=1)
    x = x + 20 * torch.randn(len(x), 3, generator=torch.Generator().manual_seed(6)) @ loud
    quiet = torch.eye(32) - torch.linalg.pinv(loud) @ loud
    found = {}
    for ridge in (0.001, None):
        centre = x.mean(0, dtype=torch.float64)
        into, back = (one.float() for one in _whitening(_covariance(x, centre), ridge))
        auto, order = Autoencoder.drawn(64, 32, 0, torch.device("cpu")), torch.Generator().manual_seed(1)
        for step in range(600):
            some = x[torch.randint(len(x), (256,), generator=order)]
            auto.step((some - centre.float()) @ into, 4, True, 4e-3 * min(1.0, (600 - step) / 200))
        ours = nn.functional.normalize(auto.decoder @ back @ quiet, dim=1)
        found[ridge] = float((ours @ nn.functional.normalize(atoms @ quiet, dim=1).T).amax(0).mean())
    assert found[0.001] > found[None] + 0.15


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["topk", "batchtopk"])
def test_a_killed_run_ends_in_the_same_bytes(net: VisionModel, rule: str, tmp_path: Path) -> None:
    whole = learn_dictionary(net, IMAGES, "conv", rule=rule, out=tmp_path / "whole.safetensors", **HOW)  # type: ignore[arg-type]

    def stop(step: str, done: int, total: int) -> None:
        if step.startswith("learn") and done == 25:
            raise KeyboardInterrupt

    out = tmp_path / "killed.safetensors"
    with pytest.raises(KeyboardInterrupt):
        learn_dictionary(net, IMAGES, "conv", rule=rule, out=out, progress=stop, **HOW)  # type: ignore[arg-type]
    assert not out.exists()
    with pytest.raises(SemlensError, match="holds unfinished work"):
        learn_dictionary(net, IMAGES, "conv", rule=rule, out=out, **HOW)  # type: ignore[arg-type]
    with pytest.raises(SemlensError, match="another model, other images or settings"):
        learn_dictionary(net, IMAGES, "conv", rule=rule, out=out, resume=True, seed=1, **HOW)  # type: ignore[arg-type]
    learn_dictionary(net, IMAGES, "conv", rule=rule, out=out, resume=True, **HOW)  # type: ignore[arg-type]
    assert out.read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.safetensors", "whole.safetensors"]
    assert whole.layer == "conv"
    assert (whole.units, whole.width) == (30, 12)
    assert isinstance(whole.sparsity, TopK if rule == "topk" else JumpRelu)
    again = reconstruction(net, IMAGES, whole, workers=0)
    assert whole.fvu is not None
    assert 0 < again.fvu < 0.7
    assert again.vectors == 60 * 4
    assert again.active == pytest.approx(4, abs=2)
    assert reconstruction(net, IMAGES, replace(whole, decoder=whole.decoder.flip(0)), workers=0).fvu > 1


def test_what_is_not_explained_by_hand() -> None:
    eye = Dictionary("a", torch.eye(2), torch.zeros(2), torch.eye(2), torch.zeros(2), TopK(1))
    x = torch.tensor([[3.0, 1.0], [1.0, 2.0], [-1.0, -1.0]])
    found = measured(eye, [x[:2], x[2:]])
    variance = float((x - x.mean(0)).square().sum())
    assert found.fvu == pytest.approx((1 + 1 + 2) / variance)
    assert (found.dead, found.active, found.vectors) == (0, pytest.approx(2 / 3), 3)


def test_blocks_hold_every_image_once_and_no_more_than_the_buffer(net: VisionModel) -> None:
    buffer = 4 * 12 * 4 * 20
    stream = vectors_at(Feed(net, IMAGES, 8, 0), "conv", buffer=buffer, seed=0, progress=lambda *_: None)
    first, second = stream.blocks(0), stream.blocks(1)
    for blocks in (first, second):
        assert sorted(i for block in blocks for i in block) == stream.learned
        assert all(stream.vectors(block, 0).nbytes <= buffer for block in blocks)
    assert first != second
    assert sorted([*stream.learned, *stream.held_out]) == list(range(60))
    assert len(stream.held_out) == 3
    block = first[0]
    x, again = stream.vectors(block, 0), stream.vectors(block, 1)
    assert not torch.equal(x, again)
    np.testing.assert_array_equal(np.sort(x.numpy(), axis=0), np.sort(again.numpy(), axis=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"k": 0}, "choose k between 1 and 30"),
        ({"k": 31}, "choose k between 1 and 30"),
        ({"rule": "l1"}, "unknown rule 'l1'"),
        ({"steps": 0}, "choose both above 0"),
        ({"whiten": 0.0}, "choose a part from 1e-6 up, or none"),
        ({"layer": "nothing"}, "unknown layer 'nothing'"),
    ],
)
def test_mistakes_are_said_before_anything_is_learned(net: VisionModel, change: dict[str, object], said: str) -> None:
    given = {"layer": "conv", **HOW, **change}
    with pytest.raises(SemlensError, match=said):
        learn_dictionary(net, IMAGES, given.pop("layer"), **given)  # type: ignore[arg-type]


def test_a_dictionary_of_a_dictionary_is_refused(net: VisionModel) -> None:
    first = learn_dictionary(net, IMAGES, "conv", **HOW | {"steps": 2})  # type: ignore[arg-type]
    with pytest.raises(SemlensError, match="is a dictionary already"):
        learn_dictionary(net, IMAGES, first, **HOW)  # type: ignore[arg-type]


def test_a_dictionary_of_the_class_token_is_learned_from_it_alone_and_writes_to_it_alone() -> None:
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    vit = VisionTransformer(img_size=8, patch_size=4, embed_dim=8, depth=2, num_heads=2, num_classes=3).eval()
    model, layer = VisionModel(vit, to_tensor, ("a", "b", "c"), "vit"), "blocks.0@cls"
    how = {"n": 12, "k": 3, "steps": 30, "batch": 16, "workers": 0, "progress": lambda *_: None}
    found = learn_dictionary(model, IMAGES, layer, **how)  # type: ignore[arg-type]
    assert (found.layer, found.width) == (layer, 8)
    assert reconstruction(model, IMAGES, found, workers=0).vectors == 60  # one an image
    stream = vectors_at(Feed(model, IMAGES, 8, 0), layer, buffer=10**6, seed=0, progress=lambda *_: None)
    x = torch.stack([to_tensor(IMAGES.load(i)) for i in range(60)])
    with torch.no_grad(), record(vit, ["blocks.0"]) as seen:
        vit(x)
        tokens = seen["blocks.0"].clone()
    torch.testing.assert_close(torch.cat(list(stream.in_order(range(60)))), tokens[:, 0])
    ((kind, units),) = parse_all(vit, [found], x[:1])
    acts = kind.read(tokens)
    assert acts.shape == (60, units, 1)
    assert torch.equal(kind.write(tokens, acts), tokens)
    changed = kind.write(tokens, acts + 1)
    assert torch.equal(changed[:, 1:], tokens[:, 1:])
    torch.testing.assert_close(changed[:, 0] - tokens[:, 0], found.decoder.sum(0).expand(60, -1), rtol=1e-4, atol=1e-5)
    shares = attribute(model, x, "b", layers=[found], method="gradient").unread
    assert list(shares) == [f"{found.text}@error", "blocks.0@tokens"]
