"""Relevance of tokens: AttnLRP on transformers that read texts, against a slow twin written out by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import semlens as sl
from semlens.attribution import attribute
from semlens.model.words import PAD
from tests.tiny_texts import SENTENCES, studied


def kept(x: Tensor, y: Tensor) -> Tensor:
    """`y`, a function of each element of x: its relevance is passed on as it is (the identity rule)."""
    return x * (y / x).detach()


def halved(x: Tensor) -> Tensor:
    """x, of which half the gradient passes: the uniform rule gives each of two factors half."""
    return x / 2 + (x / 2).detach()


def norm(layer: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    """LayerNorm of which the deviation is a constant."""
    centred = x - x.mean(-1, keepdim=True)
    return centred / (x.var(-1, correction=0, keepdim=True) + layer.eps).sqrt().detach() * layer.weight + layer.bias


def attend(layer: Any, x: Tensor) -> Tensor:
    own = layer.attention.self
    q, k, v = (part(x).unflatten(-1, (2, -1)).transpose(0, 1) for part in (own.query, own.key, own.value))
    scores = halved(q) @ halved(k).transpose(1, 2) / math.sqrt(q.shape[-1])
    return (halved(scores.softmax(-1)) @ halved(v)).transpose(0, 1).flatten(1)


def twin(model: sl.VisionModel, ids: Tensor, target: int) -> Tensor:
    """Relevance of every token of one text, without padding, for a logit: embedding times modified gradient.

    Source: Achtibat et al. 2024 (AttnLRP), whose rules are a modified gradient (their Sec. 3 and Appendix).
    """
    net: Any = model.net.model
    embedded = net.bert.embeddings.word_embeddings(ids).detach().requires_grad_()
    beside = (
        net.bert.embeddings.position_embeddings.weight[: len(ids)] + net.bert.embeddings.token_type_embeddings.weight[0]
    )
    x = norm(net.bert.embeddings.LayerNorm, embedded + beside)
    for layer in net.bert.encoder.layer:
        x = norm(layer.attention.output.LayerNorm, layer.attention.output.dense(attend(layer, x)) + x)
        inner = layer.intermediate.dense(x)
        x = norm(layer.output.LayerNorm, layer.output.dense(kept(inner, functional.gelu(inner))) + x)
    first = net.bert.pooler.dense(x[0])
    logit = net.classifier(kept(first, first.tanh()))[target]
    (gradient,) = torch.autograd.grad(logit, embedded)
    return (embedded * gradient).sum(-1).detach()


@pytest.mark.parametrize("target", [0, 2])
def test_relevance_of_tokens_is_that_of_the_slow_twin(target: int) -> None:
    model = sl.VisionModel(studied("classifier").net.double(), studied("classifier").preprocess)
    x = torch.stack([model.preprocess(text) for text in SENTENCES])
    found = attribute(model, x, target, method="attnlrp", warn_above=2.0)
    assert found.heat is not None
    for ids, heat in zip(x, found.heat, strict=True):
        real = ids[ids != PAD]
        assert torch.allclose(heat[: len(real)], twin(model, real, target), rtol=1e-4, atol=1e-7)
        assert not heat[len(real) :].any(), "padding has no relevance"


BLOCKS = {"classifier": "model.bert.encoder.layer.0", "gpt2": "model.transformer.h.1", "llama": "model.model.layers.1"}
unread = pytest.mark.filterwarnings("ignore:relevance passes tokens")


@unread
@pytest.mark.parametrize("name", BLOCKS)
def test_nothing_of_the_relevance_is_lost(name: str) -> None:
    """What arrives at the tokens, at positions and in biases is the value; nothing lies on padding.

    CP-LRP, since the softmax rule of AttnLRP does not conserve by its nature.
    """
    model = studied(name)
    x = torch.stack([model.preprocess(text) for text in SENTENCES])
    found = attribute(model, x, None, layers=[BLOCKS[name]], method="cp_lrp", warn_above=99.0)
    assert found.heat is not None
    assert found.report is not None
    assert abs(found.report.rest) < 1e-3 * found.report.entered
    assert found.report.arrived == pytest.approx(float((found.heat.sum(1) * found.value.sign()).sum()), rel=1e-3)
    assert not found.heat[x == PAD].any()
    by_place = found.layers[BLOCKS[name]].abs().sum(1)
    places = x[:, -by_place.shape[1] :]
    assert not by_place[(places == PAD) | (places == 2) | (places == 3)].any()
    assert by_place.any()


def test_a_component_of_a_decoder_is_explained_by_the_words() -> None:
    model = studied("gpt2")
    text = "the old dog sleeps by the red house"
    x = model.preprocess(text)[None]
    words = len(text.split())
    found = attribute(model, x, "model.transformer.h.0:3", method="attnlrp", warn_above=9.0)
    assert found.heat is not None
    ((kind, _),) = sl.model.parse_all(model.net, ["model.transformer.h.0"], x)
    with torch.no_grad(), sl.record(model.net, [kind.site], lambda _, output: kind.read(output)) as seen:
        model.net(x)
    assert int(found.heat.abs().gt(0).sum()) <= words
    assert float(seen[kind.site][0, 3].sum()) == pytest.approx(float(found.value), rel=1e-4)


@unread
def test_maps_of_components_have_a_place_for_every_token() -> None:
    model = studied("classifier")
    x = torch.stack([model.preprocess(text) for text in SENTENCES[:3]])
    maps = list(sl.conditional_maps(model, x, 1, BLOCKS["classifier"], [0, 5, 17], method="attnlrp"))
    assert [tuple(part.shape) for part in maps] == [(3, 3, 1, 16)]
    one = attribute(model, x, 1, conditions=[f"{BLOCKS['classifier']}:5"], method="attnlrp", warn_above=9.0).heat
    assert one is not None
    assert torch.allclose(maps[0][1, :, 0], one, atol=1e-6)


@unread
def test_relevance_of_classes_over_a_set_of_texts() -> None:
    """Each component's mean share of a class over the texts: the slow twin asks text by text."""
    model = studied("classifier")
    texts = sl.load_texts(list(SENTENCES))
    found = sl.relevance(model, texts, BLOCKS["classifier"], [0, 2], of="all", k=2, batch_size=4, method="attnlrp")
    shares = []
    for text in SENTENCES:
        x = model.preprocess(text)[None]
        r = attribute(model, x, 2, layers=[BLOCKS["classifier"]], method="attnlrp", warn_above=9.0)
        by_unit = r.layers[BLOCKS["classifier"]].sum(2)[0]
        shares.append(by_unit / by_unit.abs().sum())
    assert torch.allclose(torch.from_numpy(found.mean[:, 1]), torch.stack(shares).mean(0), atol=1e-5)
