"""Relevance, conditions, edges and maps of a dictionary's units: the pull-back against its formula and masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from semlens.attribution.attribute import attribute
from semlens.attribution.edges import edges
from semlens.attribution.flow import pulling_back, reach, relevance_of, restrict, restrict_each
from semlens.attribution.maps import conditional_maps
from semlens.attribution.taps import warn_unread
from semlens.attribution.targets import Logit, starting
from semlens.attribution.trace import Trace, trace
from semlens.model import Dictionary, Linear, Relu, TopK, VisionModel, parse_all
from semlens.types import Component
from tests.attribution.nets import Chain, model
from tests.toy import random_images, to_tensor

UNITS = 40
X = torch.rand(2, 3, 10, 10, generator=torch.Generator().manual_seed(0)).double()


def made(layer: str, width: int, rule: Relu | TopK | Linear, seed: int = 0) -> Dictionary:
    draw = torch.Generator().manual_seed(seed)
    return Dictionary(
        layer, torch.randn(width, UNITS, generator=draw) / width**0.5, torch.randn(UNITS, generator=draw) / 10,
        functional.normalize(torch.randn(UNITS, width, generator=draw)), torch.randn(width, generator=draw) / 5, rule,
    )  # fmt: skip


def eye(layer: str, width: int) -> Dictionary:
    return Dictionary(layer, torch.eye(width), torch.zeros(width), torch.eye(width), torch.zeros(width), Linear())


@pytest.fixture(params=[False, True], ids=["plain", "folded norms"])
def net(request: pytest.FixtureRequest) -> VisionModel:
    return replace(model(Chain(bias=request.param)), preprocess=to_tensor, class_names=("a", "b", "c", "d"))


def relevance_in(run: Trace, studied: VisionModel, layer: str) -> tuple[float, torch.Tensor]:
    """The whole relevance of a layer's tensor, and of the units."""
    front, _ = starting(run, Logit(1), studied, "value")
    tap = run.taps[layer]
    gradients = reach([front], tap)
    return float(tap.elements(gradients).sum()), relevance_of(tap, gradients)


@pytest.mark.parametrize("rule", [Relu(), TopK(4), Linear()], ids=str)
@pytest.mark.parametrize("layer", ["relu", "relu2"])
def test_units_and_what_they_do_not_explain_carry_the_relevance_of_the_layer(
    net: VisionModel, layer: str, rule: Relu | TopK | Linear
) -> None:
    given = made(layer, 6 if layer == "relu" else 5, rule)
    kinds = [kind for kind, _ in parse_all(net.net, [given], X[:1])]
    with trace(net.net, X, None, kinds) as run:
        front, _ = starting(run, Logit(1), net, "value")
        tap = run.taps[given.text]
        (g,) = reach([front], tap)
        assert g is not None
        relevance = relevance_of(tap, (g,))
        x, a = tap.value.flatten(2), tap.acts
        error = x - torch.einsum("ncp,cd->ndp", a, given.decoder.double())
        whole = float((error * g.flatten(2)).sum() + relevance.sum())
        assert whole == pytest.approx(float((tap.value * g).sum()), rel=1e-9)
        expected = a * torch.einsum("ndp,cd->ncp", g.flatten(2), given.decoder.double())
        torch.testing.assert_close(relevance, expected)
        beyond = error - given.centre.double()[:, None]  # the centre is no error
        by_the_units = (beyond * g.flatten(2)).sum(1).abs().sum(1)
        share = by_the_units / (by_the_units + relevance.abs().sum((1, 2)))
    for baseline in (None, X.flip(0)):
        found = attribute(net, X, 1, layers=[given, layer], method="gradient", baseline=baseline)
        assert list(found.unread) == [f"{given.text}@error"]
        torch.testing.assert_close(found.unread[f"{given.text}@error"], share)


@pytest.mark.parametrize("rule", [Relu(), TopK(4), Linear()], ids=str)
def test_conditional_relevances_and_the_encoders_bias_are_the_units_relevance(
    net: VisionModel, rule: Relu | TopK | Linear
) -> None:
    given = made("relu2", 5, rule)
    kinds = [kind for kind, _ in parse_all(net.net, [given], X[:1])]
    with trace(net.net, X, None, kinds) as run:
        front, _ = starting(run, Logit(1), net, "value")
        tap = run.taps[given.text]
        gradients = reach([front], tap)
        relevance = relevance_of(tap, gradients)
        (each,) = restrict_each(tap, gradients, range(UNITS))
        assert each.g.shape == (UNITS, *tap.value.shape)
        by_unit = (each.g * tap.value).sum((1, 2, 3, 4))
        offset = given.bias.double() - given.centre.double() @ given.encoder.double()
        active = (tap.acts != 0).double()
        by_bias = (relevance / tap.acts.where(tap.acts != 0, 1) * active).sum((0, 2)) * offset
        torch.testing.assert_close(by_unit + by_bias, relevance.sum((0, 2)))
        (whole,) = restrict(tap, gradients, torch.ones(2, UNITS).double())
        torch.testing.assert_close(whole.g, each.g.sum(0))


@pytest.mark.parametrize("method", ["epsilon", "epsilon_plus", "gradient_of"])
@pytest.mark.parametrize("layer", ["one", "relu", "two", "relu2"])
def test_the_identity_is_pulled_back_to_todays_mask(net: VisionModel, layer: str, method: str) -> None:
    width = 6 if layer in ("one", "relu") else 5
    given, rules = eye(layer, width), None
    if method != "gradient_of":
        from semlens.attribution.composite import rules_for

        rules = rules_for(method, net, "conditions", X)
    kinds = [kind for kind, _ in parse_all(net.net, [layer, given], X[:1])]
    with trace(net.net, X, rules, kinds) as run:
        front, _ = starting(run, Logit(1), net, "value")
        plain, bound = run.taps[layer], run.taps[given.text]
        gradients = reach([front], plain)
        keep = torch.zeros(2, width).double()
        keep[:, [1, 3]] = 1
        (expected,) = restrict(plain, gradients, keep)
        (found,) = restrict(bound, gradients, keep)
        assert found.at == expected.at
        torch.testing.assert_close(found.g * found.value, expected.g * expected.value)
        (same,) = pulling_back(plain, gradients)(keep)
        torch.testing.assert_close(same.g, expected.g)


@pytest.mark.parametrize("method", ["auto", "gradient", "integrated_gradients"])
def test_attribute_takes_a_dictionary_as_a_layer_and_its_units_as_conditions_and_targets(
    net: VisionModel, method: str
) -> None:
    given = eye("relu2", 5)
    asked = attribute(net, X, "b", layers=["relu2", given], method=method, warn_above=9.0)
    torch.testing.assert_close(asked.layers[given.text], asked.layers["relu2"])
    if method == "auto":
        plain = attribute(net, X, "b", warn_above=9.0, conditions=["relu2:1", "relu2:4"], layers=["relu"])
        found = attribute(
            net, X, "b", warn_above=9.0, conditions=[f"{given.text}:1", Component(given.text, 4)], layers=["relu"]
        )
        torch.testing.assert_close(found.heat, plain.heat)
        torch.testing.assert_close(found.layers["relu"], plain.layers["relu"])
        top = attribute(net, X, f"{given.text}:3", warn_above=9.0)
        torch.testing.assert_close(top.heat, attribute(net, X, "relu2:3", warn_above=9.0).heat)


def test_most_relevance_that_a_dictionary_leaves_is_said_and_none_where_it_explains_all(net: VisionModel) -> None:
    nothing = Dictionary("relu2", torch.eye(5), torch.full((5,), -1e3), torch.eye(5), torch.zeros(5), Relu())
    found = attribute(net, X, 1, layers=[nothing], warn_above=9.0).unread
    assert found[f"{nothing.text}@error"].tolist() == [1, 1]
    with pytest.warns(UserWarning, match=f"what dictionaries do not explain: all of '{nothing.text}'; the units"):
        warn_unread({name: float(shares.mean()) for name, shares in found.items()})
    whole = eye("relu2", 5)
    none = attribute(net, X, 1, layers=[whole], warn_above=9.0).unread[f"{whole.text}@error"]
    torch.testing.assert_close(none, torch.zeros_like(none), atol=1e-9, rtol=0)


def test_baselines_of_two_kinds_on_one_tensor_are_told_apart(net: VisionModel) -> None:
    given, baseline = made("relu2", 5, Relu()), X.flip(0)
    both = attribute(net, X, 1, layers=["relu2", given], method="gradient", baseline=baseline)
    for layer in ("relu2", given):
        alone = attribute(net, X, 1, layers=[layer], method="gradient", baseline=baseline)
        ((name, relevance),) = alone.layers.items()
        torch.testing.assert_close(both.layers[name], relevance)


def test_maps_and_edges_of_a_dictionary_are_conditional_relevance() -> None:
    net = replace(model(Chain()), preprocess=to_tensor, class_names=("a", "b", "c", "d"))
    given, below = made("relu2", 5, TopK(4)), eye("relu", 6)
    units = [3, 8, 12, 20]
    (maps,) = conditional_maps(net, X, 1, given, units, chunk=4)
    for place, unit in enumerate(units):
        torch.testing.assert_close(maps[place], attribute(net, X, 1, conditions=[f"{given.text}:{unit}"]).heat)
    images = random_images(3)
    found = edges(net, images, range(3), "b", given, below, units, batch_size=2)
    plain = edges(net, images, range(3), "b", given.text, "relu", units, batch_size=2)
    assert (found.upper, found.lower) == (given.text, below.text)
    assert np.abs(found.weights).sum() > 0
    np.testing.assert_allclose(found.weights, plain.weights, rtol=1e-6, atol=1e-12)
