"""Whether networks learn by feedback: scikit-learn's digits, against stochastic gradient descent.

    OMP_NUM_THREADS=1 python benchmarks/feedback.py [--seeds 21 22 23 24 25] [--only NAME]

Networks of 64, 128, 128 and 10 units, 20 passes over 1,200 digits in batches of 64, momentum 0.9, one cycle of the
rate, gradients and feedback clipped to a norm of 3; the 597 others are the test. Split, weights and order go by the
seed. Gamma's rate was chosen on seeds 0 to 5, all others on seed 0. "Near 0": the share of weights below a hundredth of
their layer's largest; "can go" that of each layer's smallest weights that can be set to 0 while test accuracy falls by
no more than a point. Steps have no gradient: SGD then trains the last layer alone. The spiking network has leaky
integrate-and-fire units over 8 time steps.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import semlens as sl
from semlens.attribution import EpsilonFeedback, FeedbackRule, GammaFeedback

STEPS = 8
THRESHOLD = 0.2


class Step(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.heaviside(x, x.new_zeros(()))


class Compared(nn.Module):
    """The same step with a gradient of 0 in place of none."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


class Spiking(nn.Module):
    """Leaky integrate-and-fire units: they lose a tenth at each time step, fire at 0.2, and lose that as they do.

    How often a potential holds 0.2 is a floor. Written so, not as a step of the potential less 0.2, the reward of a
    spike is that of its potential, of which what charged it has its part.
    """

    def __init__(self, step: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, 128), nn.Linear(128, 128), nn.Linear(128, 10)])
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        potentials = [torch.zeros(()) for _ in self.layers[:-1]]
        total = torch.zeros(())
        for _ in range(STEPS):
            signal = x
            for place, layer in enumerate(self.layers[:-1]):
                charged = 0.9 * potentials[place] + layer(signal)
                signal = self.step(charged / THRESHOLD)
                potentials[place] = charged - THRESHOLD * signal.detach()
            total = total + self.layers[-1](signal)
        return total / STEPS


class Sign(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sign(x)


class Spike(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.floor(x).clamp(0, 1)


@dataclass(frozen=True)
class Way:
    make: Callable[[], nn.Module]
    rate: float
    rule: str | FeedbackRule | None = None  # None: gradient descent


def dense(step: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), step(), nn.Linear(128, 128), step(), nn.Linear(128, 10))


WAYS = {
    "ReLU, gradient": Way(lambda: dense(nn.ReLU), 0.5),
    "ReLU, epsilon": Way(lambda: dense(nn.ReLU), 2.0, "epsilon"),
    "ReLU, gamma": Way(lambda: dense(nn.ReLU), 2.0, "gamma"),
    "ReLU, gamma 0.1": Way(lambda: dense(nn.ReLU), 2.0, GammaFeedback(0.1)),
    "ReLU, hebbian": Way(lambda: dense(nn.ReLU), 1.0, "hebbian"),
    "step, gradient": Way(lambda: dense(Compared), 0.2),
    "step, epsilon": Way(lambda: dense(Step), 0.5, EpsilonFeedback(0.3)),
    "sign, epsilon": Way(lambda: dense(Sign), 0.5, EpsilonFeedback(0.3)),
    "spiking, gradient": Way(lambda: Spiking(Spike()), 0.2),
    "spiking, epsilon": Way(lambda: Spiking(Spike()), 0.2, "epsilon"),
}


@dataclass(frozen=True)
class Digits:
    x: Tensor
    y: Tensor
    train: Tensor
    test: Tensor

    def accuracy(self, net: nn.Module) -> float:
        with torch.no_grad():
            return float((net(self.x[self.test]).argmax(1) == self.y[self.test]).float().mean())


def digits(seed: int) -> Digits:
    bunch = load_digits()
    order = torch.randperm(len(bunch.data), generator=torch.Generator().manual_seed(seed))
    return Digits(torch.tensor(bunch.data / 16).float(), torch.tensor(bunch.target), order[:1200], order[1200:])


def train(way: Way, data: Digits, seed: int, epochs: int = 20) -> nn.Module:
    torch.manual_seed(seed)
    net = way.make()
    batches = [data.train[torch.randperm(len(data.train))].split(64) for _ in range(epochs)]
    optimiser = torch.optim.SGD(net.parameters(), way.rate, momentum=0.9)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, way.rate, total_steps=sum(map(len, batches)))
    for batch in (batch for several in batches for batch in several):

        def loss(logits: Tensor, right: Tensor = data.y[batch]) -> Tensor:
            return cross_entropy(logits, right)

        optimiser.zero_grad()
        if way.rule is None:
            loss(net(data.x[batch])).backward()
        else:
            sl.feedback(net, data.x[batch], loss, rule=way.rule)
        nn.utils.clip_grad_norm_(net.parameters(), 3.0)
        optimiser.step()
        cycle.step()
    return net


def matrices(net: nn.Module) -> list[Tensor]:
    return [parameter for parameter in net.parameters() if parameter.ndim == 2]


def near_zero(net: nn.Module) -> float:
    """The share of weights below a hundredth of the largest of their layer."""
    small = [weight.detach().abs() < 0.01 * weight.detach().abs().max() for weight in matrices(net)]
    return float(torch.cat([some.flatten() for some in small]).float().mean())


def can_go(net: nn.Module, data: Digits, most: float = 0.01) -> float:
    """The largest share of each layer's smallest weights without which accuracy is no more than `most` lower."""
    whole = data.accuracy(net)
    weights = matrices(net)
    kept = [weight.detach().clone() for weight in weights]
    gone = 0.0
    for share in np.arange(0.05, 1, 0.05):
        with torch.no_grad():
            for weight, before in zip(weights, kept, strict=True):
                weight.copy_(before * (before.abs() > before.abs().flatten().quantile(float(share))))
        if data.accuracy(net) >= whole - most:
            gone = float(share)
    with torch.no_grad():
        for weight, before in zip(weights, kept, strict=True):
            weight.copy_(before)
    return gone


def main(seeds: list[int], only: str | None) -> None:
    for name, way in WAYS.items():
        if only and only not in name:
            continue
        start, accuracies, near, gone = time.process_time(), [], [], []
        for seed in seeds:
            data = digits(seed)
            net = train(way, data, seed)
            accuracies.append(data.accuracy(net))
            near.append(near_zero(net))
            gone.append(can_go(net, data))
        seconds = (time.process_time() - start) / len(seeds)
        print(
            f"{name:18} accuracy {np.mean(accuracies):.3f} ({min(accuracies):.3f} to {max(accuracies):.3f}); "
            f"near 0 {np.mean(near):.2f}; can go {np.mean(gone):.2f} ({min(gone):.2f} to {max(gone):.2f}); "
            f"{seconds:.1f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23, 24, 25])
    parser.add_argument("--only")
    chosen = parser.parse_args()
    main(chosen.seeds, chosen.only)
