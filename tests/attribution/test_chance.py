"""A model that draws random numbers in eval mode, or reads the statistics of the batch, is refused by every method."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.attribute import attribute
from semlens.errors import SemlensError
from semlens.model.vision_model import VisionModel
from tests.attribution.loops import each
from tests.attribution.nets import to_tensor

METHODS = ("auto", "attnlrp", "gradient", "integrated_gradients")
X = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


class Noisy(nn.Module):
    """A layer whose output a function changes before the head reads it."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.change, self.head = nn.Conv2d(3, 4, 1), change, nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.change(self.conv(x)).flatten(2).mean(2))


def attended(x: Tensor, dropout_p: float) -> Tensor:
    t = x.flatten(2).transpose(1, 2)
    return functional.scaled_dot_product_attention(t, t, t, dropout_p=dropout_p).transpose(1, 2)


def many_heads(x: Tensor, dropout_p: float) -> Tensor:
    t, weight, out = x.flatten(2).permute(2, 0, 1), torch.ones(12, 4), torch.eye(4)
    found, _ = functional.multi_head_attention_forward(
        t, t, t, 4, 2, weight, None, None, None, False, dropout_p, out, None
    )
    return found.permute(1, 2, 0)


def masked(x: Tensor) -> Tensor:
    with torch.no_grad():
        keep = torch.rand(len(x), 1, 1, 1) < 0.5  # stochastic depth that looks at no mode
    return x * keep


RANDOM = {
    "noise": lambda x: x + torch.randn_like(x),
    "mask": masked,
    "in place": lambda x: x * torch.empty(1, 4, 1, 1).bernoulli_(0.5),
    "dropout": lambda x: functional.dropout(x, 0.5),
    "dropout2d": lambda x: functional.dropout2d(x, 0.5, True),
    "attention": lambda x: attended(x, 0.1),
    "gumbel softmax": lambda x: functional.gumbel_softmax(x, dim=1),
    "rrelu": lambda x: functional.rrelu(x, training=True),
    "pooled at random": lambda x: functional.fractional_max_pool2d(x, 2, output_size=2),
    "many heads": lambda x: many_heads(x, 0.1),
    "order": lambda x: x[:, torch.randperm(4)],
}
STEADY = {
    "dropout in eval": lambda x: functional.dropout(x, 0.5, training=False),
    "dropout of nothing": lambda x: functional.dropout(x, 0.0),
    "attention": lambda x: attended(x, 0.0),
    "many heads": lambda x: many_heads(x, 0.0),
    "rrelu in eval": lambda x: functional.rrelu(x),
    "pooled as before": lambda x: functional.fractional_max_pool2d(
        x, 2, output_size=2, _random_samples=torch.full((len(x), 4, 2), 0.5)
    ),
    "a number for training": lambda x: x if torch.rand([]) < 2 else x * 0,
    "own generator": lambda x: x + torch.rand(4, 1, 1, generator=torch.Generator().manual_seed(1)),
}


def explain(change: Callable[[Tensor], Tensor], method: str) -> Tensor:
    found = attribute(VisionModel(Noisy(change).eval(), to_tensor, (), "noisy"), X, 1, method=method, warn_above=1e9)
    assert found.heat is not None
    return found.heat


def test_random_numbers_in_eval_mode_are_refused_where_they_are_drawn() -> None:
    for name, method in each((name, method) for name in RANDOM for method in METHODS):
        with pytest.raises(SemlensError, match=r"^layer 'the model' draws random numbers in eval mode"):
            explain(RANDOM[name], method)


def test_what_draws_nothing_that_matters_runs_and_repeats() -> None:
    for name, method in each((name, method) for name in STEADY for method in METHODS):
        assert torch.equal(explain(STEADY[name], method), explain(STEADY[name], method))


def test_statistics_of_the_batch_are_refused_by_every_method() -> None:
    for training, method in each((training, method) for training in (True, False) for method in METHODS):
        mean = torch.zeros(4) if training else None

        def norm(x: Tensor, training: bool = training, mean: Tensor | None = mean) -> Tensor:
            return functional.batch_norm(x, mean, mean, training=training or mean is None)

        with pytest.raises(SemlensError, match="normalises by the statistics of the batch"):
            explain(norm, method)
