from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution import feedback
from semlens.attribution.affine import linear
from semlens.attribution.feedback_rules import EpsilonFeedback, FeedbackRule, GammaFeedback, HebbianFeedback
from semlens.errors import SemlensError

Array = np.ndarray


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.heaviside(x, x.new_zeros(()))


class Product(nn.Module):
    """A layer whose weight is used transposed, by an operator."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(12, 6))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


def network(bias: bool) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=bias), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=bias),
        nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, bias=bias), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(12, 12, bias=bias), nn.ReLU(), Product(),
    ).double()  # fmt: skip


IMAGES = torch.randn(5, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
CLASSES = torch.tensor([0, 1, 2, 3, 5])


def cross_entropy(logits: Tensor) -> Tensor:
    return functional.cross_entropy(logits, CLASSES, reduction="sum")


def gradients(net: nn.Module, loss: Callable[[Tensor], Tensor] = cross_entropy) -> list[Tensor]:
    return list(torch.autograd.grad(loss(net(IMAGES)), list(net.parameters())))


@pytest.mark.parametrize("bias", [False, True])
def test_of_a_relu_network_feedback_is_the_weight_times_its_gradient(bias: bool) -> None:
    net = network(bias)
    made = feedback(net, IMAGES, cross_entropy)
    assert made.without == ()
    assert torch.equal(made.output, net(IMAGES))
    for parameter, gradient in zip(net.parameters(), gradients(net), strict=True):
        assert parameter.grad is not None
        expected = parameter.abs() * gradient
        assert (parameter.grad - expected).abs().max() < 1e-6 * expected.abs().max()


def test_feedback_is_added_to_what_is_there_and_leaves_what_asks_for_none() -> None:
    net = network(False)
    frozen, first = list(net.parameters())[:2]
    frozen.requires_grad_(False)
    feedback(net, IMAGES, cross_entropy)
    assert first.grad is not None
    once = first.grad.clone()
    feedback(net, IMAGES, cross_entropy)
    torch.testing.assert_close(first.grad, 2 * once)
    assert frozen.grad is None


def test_a_reward_without_a_derivative_is_that_of_the_loss_it_stands_for() -> None:
    net, other = network(False), network(False)
    feedback(net, IMAGES, cross_entropy)

    def reward(logits: Tensor) -> Tensor:
        return logits * (functional.one_hot(CLASSES, 6) - logits.softmax(1))

    feedback(other, IMAGES, reward=reward)
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def slow(weight: Array, bias: Array, x: Array, z: Array, g: Array, gamma: float) -> tuple[Array, Array]:
    """What passes each weight and bias, connection by connection."""
    passed, of_bias = np.zeros_like(weight), np.zeros_like(bias)
    for n in range(len(x)):
        for k in range(len(bias)):
            parts = [*(x[n] * weight[k]), bias[k]]
            raised = [part * (1 + gamma * (part * z[n, k] > 0)) for part in parts]
            shares = np.array(raised) / sum(raised) * z[n, k] * g[n, k]
            passed[k] += shares[:-1]
            of_bias[k] += shares[-1]
    return passed, of_bias


@pytest.mark.parametrize(("rule", "gamma"), [(EpsilonFeedback(), 0.0), (GammaFeedback(0.7), 0.7)])
def test_what_passes_a_weight_is_the_sum_of_what_passes_its_connections(rule: FeedbackRule, gamma: float) -> None:
    torch.manual_seed(3)
    weight, bias, x = torch.randn(4, 6).double(), torch.randn(4).double(), torch.randn(5, 6).double()
    z, g = functional.linear(x, weight, bias), torch.randn(5, 4).double()
    assert (z < 0).any()
    assert (z > 0).any()
    found = rule.passed(linear(weight, bias), x, z, g)
    expected = slow(weight.numpy(), bias.numpy(), x.numpy(), z.numpy(), g.numpy(), gamma)
    assert found.bias is not None
    np.testing.assert_allclose(found.weight, expected[0], rtol=1e-6, atol=1e-6 * np.abs(expected[0]).max())
    np.testing.assert_allclose(found.bias, expected[1], rtol=1e-6, atol=1e-6 * np.abs(expected[1]).max())


@pytest.mark.parametrize("rule", ["epsilon", "gamma"])
def test_all_reward_passes_the_weights_of_every_layer(rule: str) -> None:
    net = network(False)
    made = feedback(net, IMAGES, cross_entropy, rule=rule)
    reward = (made.output * (functional.one_hot(CLASSES, 6) - made.output.softmax(1))).sum()
    for parameter in net.parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(-(parameter.detach().sign() * parameter.grad).sum(), reward, rtol=1e-5, atol=1e-6)


def test_rewarded_a_hebbian_unit_turns_to_the_principal_axis_with_length_one() -> None:
    torch.manual_seed(0)
    x = torch.randn(200, 3).double() @ torch.diag(torch.tensor([2.0, 0.5, 0.3])).double()
    x = x @ torch.linalg.qr(torch.randn(3, 3).double())[0]
    axis = torch.linalg.svd(x)[2][:1]
    weight = axis * torch.tensor([0.6, 1.5, 0.8]).double()  # no sign changes on the way
    for _ in range(1500):
        z = x @ weight.T
        found = HebbianFeedback().passed(linear(weight, None), x, z, 1 / z)  # a reward of 1 for every image
        weight = weight + 0.2 / 200 * weight.sign() * found.weight
    torch.testing.assert_close(weight, axis, rtol=1e-2, atol=1e-2)


def test_without_oja_punishment_is_minus_reward() -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(2, 3), torch.randn(4, 3)
    layer, z, g = linear(weight, None), x @ weight.T, torch.randn(4, 2)
    plain = HebbianFeedback(oja=False)
    torch.testing.assert_close(plain.passed(layer, x, z, g).weight, weight * ((z * z * g).T @ x))
    torch.testing.assert_close(plain.passed(layer, x, z, -g).weight, -plain.passed(layer, x, z, g).weight)


def test_a_network_of_steps_learns_in_every_layer() -> None:
    torch.manual_seed(2)
    x = torch.randn(256, 2)
    right = ((x[:, 0] * x[:, 1]) > 0).long()  # no single line parts them
    net = nn.Sequential(nn.Linear(2, 16), Step(), nn.Linear(16, 16), Step(), nn.Linear(16, 2))
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimiser = torch.optim.Adam(net.parameters(), 0.04)
    for _ in range(60):
        optimiser.zero_grad()
        feedback(net, x, lambda logits: functional.cross_entropy(logits, right), rule=EpsilonFeedback(0.3))
        optimiser.step()
    assert float((net(x).argmax(1) == right).float().mean()) > 0.9
    assert all(not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


def test_norms_see_the_batch_and_keep_their_own_weights() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 6)).double()
    reference = nn.BatchNorm2d(3).double()
    reference(net[0](IMAGES))
    made = feedback(net, IMAGES, cross_entropy)
    assert made.without == ("0.bias", "1.weight", "1.bias")
    torch.testing.assert_close(net[1].running_var, reference.running_var)
    assert net.training
    for parameter, gradient in zip(net.parameters(), gradients(net.eval()), strict=True):
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, parameter.abs() * gradient)


def test_attention_learns_by_weights_that_are_views() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    net = nn.Sequential(nn.Unflatten(1, (3, 4)), layer, nn.Flatten(), nn.Linear(12, 6))
    made = feedback(net, torch.randn(5, 12), cross_entropy)
    assert made.without == ("1.norm1.weight", "1.norm1.bias", "1.norm2.weight", "1.norm2.bias")
    weight = layer.self_attn.in_proj_weight
    assert weight.grad is not None
    assert all(part.abs().sum() > 0 for part in weight.grad.chunk(3))


class Compared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).float()


@pytest.mark.parametrize(
    ("net", "how", "message"),
    [
        (nn.Linear(2, 2), {}, "give the loss or"),
        (nn.Linear(2, 2), {"loss": torch.sum, "reward": torch.ones_like}, "give the loss or"),
        (nn.Linear(2, 2), {"loss": torch.sum, "rule": "delta"}, "unknown feedback rule 'delta'"),
        (nn.Linear(2, 2), {"loss": lambda o: o.detach().sum()}, "depends on the logits"),
        (nn.Linear(2, 2), {"reward": torch.sum}, "of the logits' shape"),
        (nn.Sequential(nn.Linear(2, 2), Compared(), nn.Linear(2, 2)), {"loss": torch.sum}, "torch.heaviside"),
    ],
)
def test_what_cannot_be_fed_back_is_refused(net: nn.Module, how: dict[str, object], message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        feedback(net, torch.ones(1, 2), **how)  # type: ignore[arg-type]
    assert all(parameter.grad is None for parameter in net.parameters())
