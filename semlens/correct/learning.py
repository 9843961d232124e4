"""A network that is trained on by feedback in place of its gradient: the logits are its own, what goes down is not."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution import FeedbackRule, feedback, feedback_rule
from semlens.correct.penalties import Batch, Method, Passed
from semlens.errors import SemlensError
from semlens.model import logits_of


def by_feedback(net: nn.Module, rule: str) -> Method:
    """How images pass through a network that learns by feedback; a parameter that gets none stays as it is.

    Args:
        net: a copy of it takes the weights, so that it stays as it is itself.
        rule: as for `feedback`.

    Raises:
        SemlensError: an unknown rule.
    """
    return _ByFeedback(net, feedback_rule(rule))


@dataclass(frozen=True, eq=False)
class _ByFeedback:
    net: nn.Module
    rule: FeedbackRule

    def __call__(self, net: nn.Module, weights: Mapping[str, Tensor], batch: Batch) -> Passed:
        """The logits; the gradient of what is made of them with respect to a weight is minus the weight's feedback."""
        learnt = [name for name, value in weights.items() if value.requires_grad]
        return Passed(_Fed.apply(self, batch.x, tuple(learnt), *(weights[name] for name in learnt)))

    @cached_property
    def copy(self) -> nn.Module:
        """The network by itself."""
        return deepcopy(self.net)


class _Fed(torch.autograd.Function):
    """The network's logits as a function of its weights, with feedback as derivative."""

    @staticmethod
    def forward(ctx: Any, by: _ByFeedback, x: Tensor, names: tuple[str, ...], *values: Tensor) -> Tensor:
        own = dict(by.copy.named_parameters())
        for name, value in zip(names, values, strict=True):
            own[name].copy_(value)
        logits = logits_of(by.copy(x), len(x))
        if logits is None:
            raise SemlensError("the model gives no row of logits per image: only classifiers are trained on")
        ctx.by, ctx.x, ctx.names = by, x, names
        return logits

    @staticmethod
    def backward(ctx: Any, *downs: Tensor) -> Any:
        (down,) = downs
        own = dict(ctx.by.copy.named_parameters())
        for name, value in own.items():
            value.grad = None
            value.requires_grad_(name in ctx.names)
        with torch.enable_grad():
            feedback(ctx.by.copy, ctx.x, lambda logits: (logits * down).sum(), rule=ctx.by.rule)
        return None, None, None, *(own[name].grad for name in ctx.names)
