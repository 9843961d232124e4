"""Relevance at the input of a net, and the accounts of one backward pass, straight from a trace."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from semlens.attribution.composite import Composite
from semlens.attribution.rules import Epsilon, Rule
from semlens.attribution.trace import Trace, trace
from semlens.model.components import Components


def single(rule: Rule) -> Composite:
    """One rule for every layer."""
    return Composite("single", convolution=rule, linear=rule)


ZERO = single(Epsilon(0.0))


@dataclass(frozen=True)
class Accounts:
    """Relevance per image: what entered at the output, and where it went."""

    entered: Tensor
    arrived: Tensor
    bias: Tensor
    stabiliser: Tensor


def arrived(t: Trace, explained: Tensor) -> Tensor:
    """Relevance of the input for a number that a trace has computed."""
    ends = [t.source] if t.shadow is None else [t.source, t.shadow]
    g, *direct = torch.autograd.grad(explained, ends, allow_unused=True, materialize_grads=True)
    return t.source.detach() * g + sum(direct)


def heat(net: nn.Module, x: Tensor, composite: Composite | None, *kinds: Components, unit: int = 1) -> Tensor:
    """Relevance of the input for one unit of the output."""
    with trace(net, x, composite, kinds) as t:
        return arrived(t, t.output[:, unit].sum())


def accounts(net: nn.Module, x: Tensor, composite: Composite, *kinds: Components, unit: int = 1) -> Accounts:
    """What entered with one unit of the output, and where it went, each "n"."""
    with trace(net, x, composite, kinds) as t:
        t.ledger.on = True
        found = arrived(t, t.output[:, unit].sum()).flatten(1).sum(1)
        absorbed = t.ledger.accounts(found)
        return Accounts(t.output[:, unit].detach(), found, absorbed.bias.sum(0), absorbed.stabiliser.sum(0))
