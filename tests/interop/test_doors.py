import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from semlens.attribution import attribute
from semlens.errors import SemlensError
from semlens.interop.captum import Attribution
from semlens.interop.quanda import explainer, similarity
from semlens.interop.quantus import explain
from tests.interop.nets import batch, network, studied

TARGETS = [0, 3, 1, 2]


def test_to_quantus_goes_the_heat_of_attribute() -> None:
    x, found = batch(), attribute(studied(), batch(), TARGETS, method="epsilon")
    assert found.heat is not None
    heat = explain(network(), x.numpy(), np.array(TARGETS), method="epsilon", device="cpu")
    np.testing.assert_array_equal(heat[:, 0], found.heat.numpy())
    colours = explain(network(), x, TARGETS, method="epsilon", colours=True)
    np.testing.assert_allclose(colours.sum(1), heat[:, 0], atol=1e-5)
    assert np.array_equal(explain(network(), x, TARGETS, method="epsilon", positive=True), heat.clip(0))


def test_as_captum_has_it_gradient_is_input_times_gradient() -> None:
    net, x = network(), batch().requires_grad_()
    (g,) = torch.autograd.grad(net(x)[range(4), TARGETS].sum(), x)
    found = Attribution(net, "gradient").attribute(x.detach(), target=torch.tensor(TARGETS))
    torch.testing.assert_close(found, x.detach() * g)


def test_what_is_missing_is_what_the_output_has_and_relevance_has_not() -> None:
    net, x = network(), batch()
    method = Attribution(net, "epsilon")
    (found,), missing = method.attribute((x,), target=2, return_convergence_delta=True)
    expected = found.flatten(1).sum(1) - net(x).detach()[:, 2]
    torch.testing.assert_close(missing, expected)
    torch.testing.assert_close(method.compute_convergence_delta(found, None, x, target=2), expected)
    start = torch.ones_like(x)
    from_start = found.flatten(1).sum(1) - (net(x) - net(start)).detach()[:, 2]
    torch.testing.assert_close(method.compute_convergence_delta((found,), start, (x,), target=2), from_start)


def test_a_baseline_takes_integrated_gradients_to_the_difference_of_outputs() -> None:
    net, x = network(), batch()
    found, _ = Attribution(net, "integrated_gradients").attribute(
        x, baselines=0.5, target=1, return_convergence_delta=True, steps=128
    )
    lost = (net(x) - net(torch.full_like(x, 0.5))).detach()[:, 1]
    torch.testing.assert_close(found.flatten(1).sum(1), lost, rtol=1e-2, atol=1e-2)


def test_several_inputs_are_refused() -> None:
    with pytest.raises(SemlensError, match="attributions are of one input"):
        Attribution(network()).attribute((batch(), batch()), target=0)


@pytest.mark.parametrize("by", ["relevance", "activation"])
def test_training_images_are_compared_by_the_cosine_of_their_components(by: str) -> None:
    net, train, test = network(), batch(6), batch(6)[2:4] + 0.01
    found = similarity(net, train, test, "2", train_targets=[0] * 6, targets=[0, 0], by=by, batch_size=4)
    vectors = []
    for x in (test, train):
        acts = net.get_submodule("2")(net.get_submodule("1")(net.get_submodule("0")(x))).detach()
        if by == "relevance":
            acts = attribute(studied(), x, 0, layers=["2"]).layers["2"]
        vectors.append(nn.functional.normalize(acts.flatten(2).sum(2), dim=1))
    torch.testing.assert_close(found, vectors[0] @ vectors[1].T)
    assert found.argmax(1).tolist() == [2, 3]


def test_what_few_need_is_loaded_where_it_is_asked_for() -> None:
    """In a process of its own, as others of this one may have asked."""
    heavy = {"sklearn", "umap", "hdbscan", "quantus", "captum", "quanda"}
    code = (
        "import sys, semlens.analysis.manifolds, semlens.analysis.prototypes, semlens.revisit.flipping, "
        "semlens.interop.quantus, semlens.interop.captum, semlens.interop.quanda, semlens.interop.masks, "
        f"semlens.synthesis, semlens.cli, semlens.cli.read; print(sorted({heavy} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_no_toolbox_is_imported_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {"quantus", "captum", "quanda"} & set(sys.modules)
    monkeypatch.setitem(sys.modules, "quanda", None)
    with pytest.raises(SemlensError, match="quanda is not installed"):
        explainer()
