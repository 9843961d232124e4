"""The toolboxes themselves, where they are installed: docs/toolboxes.md says how."""

import numpy as np
import pytest
import torch
from torch import nn

from semlens.interop.captum import Attribution
from semlens.interop.quanda import explainer
from semlens.interop.quantus import explain
from semlens.numerics import auroc, mass_accuracy, pointing, rank_accuracy
from semlens.revisit import flipping
from tests.interop.nets import CLASSES, batch, network, studied

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
TARGETS = np.array([0, 3, 1, 2])


def masks() -> np.ndarray:
    found = np.zeros((4, 1, 8, 8), bool)
    for number, mask in enumerate(found):
        mask[0, number : number + 4, 2:5] = True
    return found


def of_quantus(name: str, net: nn.Module, x: np.ndarray, **options: object) -> np.ndarray:
    quantus = pytest.importorskip("quantus")
    metric = getattr(quantus, name)(disable_warnings=True, **options)
    return np.array(
        metric(
            model=net, x_batch=x, y_batch=TARGETS, s_batch=masks(), explain_func=explain,
            explain_func_kwargs={"method": "epsilon_plus", "positive": True}, device="cpu",
        ),
        float,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("RelevanceMassAccuracy", mass_accuracy),
        ("RelevanceRankAccuracy", rank_accuracy),
        ("PointingGame", pointing),
        ("AUC", lambda heat, mask: auroc(heat.ravel(), mask.ravel())),
    ],
)
def test_quantus_localisation_is_ours(name: str, own: object) -> None:
    net, x = network(), batch().numpy()
    heats = explain(net, x, TARGETS, method="epsilon_plus", positive=True)[:, 0] if callable(own) else None
    assert heats is not None
    assert callable(own)
    expected = [own(heat, mask[0]) for heat, mask in zip(heats, masks(), strict=True)]
    np.testing.assert_allclose(of_quantus(name, net, x), expected, rtol=1e-6)


def test_quantus_pixel_flipping_is_ours() -> None:
    quantus = pytest.importorskip("quantus")
    net, x = network(1), batch(channels=1)
    metric = quantus.PixelFlipping(features_in_step=8, perturb_baseline=0.0, disable_warnings=True)
    found = metric(
        model=net, x_batch=x.numpy(), y_batch=TARGETS, explain_func=explain, explain_func_kwargs={"method": "epsilon"},
        device="cpu", softmax=False,
    )  # fmt: skip
    heat = torch.from_numpy(explain(net, x, TARGETS, method="epsilon"))[:, 0]
    model = type(studied())(net, studied().preprocess)
    ours = flipping(model, x, heat, TARGETS.tolist(), steps=8)
    np.testing.assert_allclose(np.array(found), ours[:, 1:].numpy(), rtol=1e-5, atol=1e-6)


def test_quantus_randomises_the_network_that_we_explain() -> None:
    quantus = pytest.importorskip("quantus")
    metric = quantus.MPRT(disable_warnings=True, layer_order="bottom_up", similarity_func=quantus.correlation_pearson)
    found = metric(
        model=network(), x_batch=batch().numpy(), y_batch=TARGETS, explain_func=explain,
        explain_func_kwargs={"method": "gradient"}, device="cpu",
    )  # fmt: skip
    last = np.array(list(found.values())[-1] if isinstance(found, dict) else found, float)
    assert np.abs(last).mean() < 0.9  # 1 where the explanation does not see that the network has changed


def test_captum_has_the_same_and_its_noise_tunnel_takes_ours() -> None:
    attr = pytest.importorskip("captum.attr")
    net, x, target = network(), batch(), torch.from_numpy(TARGETS)
    expected = attr.InputXGradient(net).attribute(x.clone().requires_grad_(), target=target)
    torch.testing.assert_close(Attribution(net, "gradient").attribute(x, target=target), expected.detach())
    torch.manual_seed(0)
    smooth = attr.NoiseTunnel(Attribution(net, "epsilon")).attribute(x, nt_samples=4, stdevs=1e-6, target=2)
    torch.testing.assert_close(smooth, Attribution(net, "epsilon").attribute(x, target=2), rtol=1e-3, atol=1e-4)


def test_quanda_detects_the_class_of_training_images_by_ours() -> None:
    metrics = pytest.importorskip("quanda.metrics")
    net, x = network(), batch(12)
    labels = net(x).argmax(1)
    train = torch.utils.data.TensorDataset(x, labels)
    own = explainer()(net, train, layer="2", by="relevance")
    found = own.explain(x + 0.01, labels)
    assert found.argmax(1).tolist() == list(range(12))
    metric = metrics.downstream_eval.ClassDetectionMetric(net, train, s=1)
    metric.update(found, labels)
    assert metric.compute()["score"] == 1.0
    assert CLASSES == 4
