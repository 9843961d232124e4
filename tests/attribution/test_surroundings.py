"""Where attribution is called and how a model is wrapped: it works as ever, or a sentence says what to give instead."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from semlens.attribution.attribute import attribute
from semlens.errors import SemlensError
from semlens.model.layers import list_layers
from semlens.model.vision_model import VisionModel
from tests.attribution.loops import each
from tests.attribution.nets import Chain, model, pixels, to_tensor

METHODS = ("epsilon_plus_flat", "attnlrp_gamma", "epsilon_gamma_box")


def heat(net: VisionModel, x: Tensor, method: str = "epsilon_plus_flat", target: Any = 1) -> Tensor:
    found = attribute(net, x, target, method=method, warn_above=float("inf")).heat
    assert found is not None
    return found


def wrapped(net: nn.Module) -> VisionModel:
    return VisionModel(net, to_tensor, (), "net")


def test_inference_mode_around_the_call_changes_nothing() -> None:
    net, expected = model(Chain(bias=True)), heat(model(Chain(bias=True)), pixels())
    usual = {method: heat(net, pixels(), method) for method in ("epsilon_plus_flat", "gradient")}
    with torch.inference_mode():
        of_inference = pixels()
        made_there = model(Chain(bias=True))
        assert torch.equal(heat(made_there, of_inference), expected)
        with pytest.raises(SemlensError, match=r"the model was made under torch\.inference_mode.*load it outside"):
            heat(made_there, of_inference, "gradient")
        for method in each(("epsilon_plus_flat", "gradient")):
            assert torch.equal(heat(net, of_inference, method), usual[method])
        assert torch.is_inference_mode_enabled()


class Checkpointed(Chain):
    def __init__(self, reentrant: bool) -> None:
        super().__init__(bias=True)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        def block(x: Tensor) -> Tensor:
            return self.relu2(self.two(self.relu(self.norm(self.one(x)))))

        x = checkpoint(block, x, use_reentrant=self.reentrant)
        return self.head(self.flat(self.pool(x)))


def test_a_checkpointed_block_is_seen_or_refused_by_its_name() -> None:
    assert torch.equal(heat(model(Checkpointed(False)), pixels()), heat(model(Chain(bias=True)), pixels()))
    with pytest.raises(SemlensError, match="'pool' takes the result of a block under torch.utils.checkpoint.*=False"):
        heat(model(Checkpointed(True)), pixels())


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    torch.manual_seed(0)
    size: dict[str, Any] = {"img_size": 32, "depth": 2, "embed_dim": 24, "num_heads": 2, "num_classes": 5}
    return timm.create_model("vit_tiny_patch16_224", patch_size=8, **size).eval()


@pytest.fixture
def x() -> Tensor:
    return pixels(2, 32).float()


def test_a_transformer_with_checkpointing_is_as_without(vit: nn.Module, x: Tensor) -> None:
    expected = heat(wrapped(vit), x, "attnlrp")
    vit.set_grad_checkpointing(True)  # type: ignore[operator]
    assert torch.equal(heat(wrapped(vit), x, "attnlrp"), expected)
    vit.set_grad_checkpointing(False)  # type: ignore[operator]


class Mixed(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.net(x)


@pytest.mark.slow
def test_autocast_inside_a_model_and_around_the_call_is_close_to_full_precision(vit: nn.Module, x: Tensor) -> None:
    chain = model(Chain(bias=True)).net.float()
    for net, method in each([*((chain, name) for name in METHODS), (vit, "attnlrp"), (vit, "attnlrp_gamma")]):
        exact = heat(wrapped(net), x, method)
        inside = heat(wrapped(Mixed(net)), x, method)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            around = heat(wrapped(net), x, method)
        assert torch.equal(inside, around)
        assert torch.cosine_similarity(inside.flatten(1), exact.flatten(1)).min() > 0.99


class Blind(Chain):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.one(x)
        return self.head(self.flat(self.pool(self.two(self.norm(x)))))


class Closed(Chain):
    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class Cut(Chain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


def test_a_forward_without_gradients_is_blamed_on_that(x: Tensor) -> None:
    where = "cannot be followed back to the image: layer 'one' runs under torch.no_grad or inference_mode"
    for net in each([model(Blind(bias=True)), model(Closed(bias=True))]):
        with pytest.raises(SemlensError, match=f"the explained output {where}"):
            attribute(net, pixels(), 1)


def test_an_output_without_a_graph_is_one_sentence() -> None:
    net = model(Chain(bias=True))
    for method in each(("epsilon", "gradient")):
        with pytest.raises(SemlensError, match="the explained output does not depend on the image"):
            attribute(model(Cut(bias=True)), pixels(), 1, method=method)
        with pytest.raises(SemlensError, match="the explained output does not depend on the image"):
            attribute(net, pixels(), lambda out: out.detach()[:, 0], method=method)
        with pytest.raises(SemlensError, match="there are no images to explain: the batch is empty"):
            attribute(net, pixels()[:0], 1, method=method)


def test_a_norm_of_the_output_can_be_explained() -> None:
    net = model(Chain())
    found = attribute(net, pixels(), lambda out: out.norm(dim=1), method="epsilon")
    assert found.heat is not None
    torch.testing.assert_close(found.heat.sum((1, 2)), net.net(pixels()).norm(dim=1).detach(), rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_graphs_of_functions_are_seen() -> None:
    plain = model(Chain(bias=True))
    expected = heat(plain, pixels(), "attnlrp_gamma")
    assert torch.equal(heat(wrapped(torch.fx.symbolic_trace(plain.net)), pixels(), "attnlrp_gamma"), expected)
    exported = torch.export.export(plain.net, (pixels(),)).module()
    torch.testing.assert_close(heat(wrapped(exported), pixels(), "attnlrp_gamma"), expected)


@pytest.fixture
def compiler() -> Iterator[Callable[..., Any]]:
    yield lambda thing: torch.compile(thing, backend="eager")
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
def test_what_is_compiled_in_place_runs_as_written_and_a_wrapper_names_the_remedy(compiler: Callable[..., Any]) -> None:
    plain, compiled, inside = (model(Chain(bias=True)) for _ in range(3))
    compiled.net.compile(backend="eager")
    assert torch.equal(heat(compiled, pixels()), heat(plain, pixels()))

    class Half(Chain):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.flat(self.pool(first(self, x))))

    first = compiler(lambda net, x: net.relu2(net.two(net.relu(net.norm(net.one(x))))))
    assert torch.equal(heat(model(Half(bias=True)), pixels()), heat(plain, pixels()))
    remedy = r"wrapped by torch\.compile.*`net\._orig_mod`.*`net\.compile\(\)`"
    with pytest.raises(SemlensError, match=f"the model is {remedy}"):
        heat(wrapped(compiler(plain.net)), pixels())
    inside.net.two = compiler(inside.net.two)
    with pytest.raises(SemlensError, match=f"layer 'two' is {remedy}"):
        heat(inside, pixels())
    rows = list_layers(plain.net, pixels())
    assert list_layers(compiled.net, pixels()) == rows
    seen = ["one", "norm", "relu", "flat", "head"]  # of maps behind "two" nothing tells on which axis components lie
    assert [row.layer for row in list_layers(inside.net, pixels())] == seen
    assert "torch._dynamo" in sys.modules


class Ragged(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.nested.as_nested_tensor(list(x.flatten(2))).to_padded_tensor(0.0).sum(1)


class Mapped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.vmap(lambda image: image.flatten().sin())(x)


def test_what_hides_its_functions_is_refused() -> None:
    with pytest.raises(SemlensError, match="no dense tensor.*let the model work on dense tensors"):
        heat(wrapped(Ragged()), pixels())
    with pytest.raises(SemlensError, match=r"made by 'SinBackward0'.*or torch\.func"):
        heat(wrapped(Mapped()), pixels())
