"""Layer-wise feedback propagation: a network learns by relevance, so that none of its functions needs a derivative.

A reward at the outputs goes down like relevance. The feedback of a weight is the reward that passes it, with the
weight's sign: what makes it larger where that is rewarded, and smaller where it is punished. A weight of 0 stays 0.

Source: Weber et al. 2025 (Efficient and Flexible Neural Network Training through Layer-wise Feedback Propagation).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution.composite import Composite
from semlens.attribution.feedback_rules import FeedbackRule, feedback_rule
from semlens.attribution.flow import Front, send
from semlens.attribution.functions import divisor_of
from semlens.attribution.rules import Message, PerLayer
from semlens.attribution.table import STEPS
from semlens.attribution.targets import logits_in
from semlens.attribution.trace import trace
from semlens.errors import SemlensError


@dataclass(frozen=True, eq=False)
class Feedback:
    """What a pass of feedback leaves.

    Attributes:
        output: the logits "n y", from which the reward was computed, as eval mode gives them.
        without: the names of parameters that ask for gradients and get no feedback: those of norms, tokens and
            embeddings, and what only the weights of a layer are made from. Their `.grad` is as it was.
    """

    output: Tensor
    without: tuple[str, ...]


def feedback(
    net: nn.Module,
    x: Tensor,
    loss: Callable[[Tensor], Tensor] | None = None,
    *,
    reward: Callable[[Tensor], Tensor] | None = None,
    rule: str | FeedbackRule = "epsilon",
    functions: Mapping[str, str] | None = None,
) -> Feedback:
    """Adds to the `.grad` of every weight of a layer minus its feedback, so that any optimiser's step follows it.

    In a ReLU network without biases that is |w| dL/dw under the epsilon rule. In train mode norms see the batch first,
    as in any training; reward then goes down in eval mode.

    Args:
        net: its weights are read; only `.grad` changes.
        x: preprocessed images, or token numbers.
        loss: from the logits to a number L: the reward of an output o is -o dL/do. For the cross-entropy that is
            o (1 - softmax) of the right class and -o softmax of all others.
        reward: in its place, from the logits to a reward for each, of their shape, which needs no derivative. An output
            of 0 cannot get any.
        rule: "epsilon", "gamma", "hebbian", with a number of its own as "epsilon:0.3"; or a FeedbackRule.
        functions: how functions that semlens does not know pass reward, by name, as for a Composite. Steps (heaviside,
            sign, floor, round) pass it unchanged.

    Raises:
        SemlensError: an unknown rule; none or both of loss and reward; a model whose output is no row of logits, or
            does not depend on the image by functions that can be seen; a reward of another shape.
    """
    if (loss is None) == (reward is None):
        raise SemlensError("give the loss or, in its place, the reward: a function of the logits")
    passed = _Passed(feedback_rule(rule), _memory_of(net))
    _see_batch(net, x)
    with trace(net, x, passed.composite(functions or {})) as run:
        output = logits_in(run.output, len(x))
        if not output.requires_grad:
            raise SemlensError(
                "the output does not depend on the image by functions that pass reward: write a step as "
                "torch.heaviside, sign, floor or round, not as a comparison, and take torch.no_grad out of the model"
            )
        logits = output.detach()
        g = _from_loss(logits, loss) if loss else _from_reward(logits, reward)
        send([Front(output, g, logits)], [run.source], last=True)
    return Feedback(logits, passed.give(net))


def _from_loss(logits: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Reward by output: -dL/do."""
    with torch.enable_grad():
        given = logits.clone().requires_grad_()
        value = loss(given)
        if value.numel() != 1 or not value.requires_grad:
            raise SemlensError("the loss is no number that depends on the logits: give one such as cross_entropy")
        (down,) = torch.autograd.grad(value.sum(), given)
    return -down


def _from_reward(logits: Tensor, reward: Any) -> Tensor:
    """Reward by output."""
    given = reward(logits)
    if not isinstance(given, Tensor) or given.shape != logits.shape:
        raise SemlensError(f"the reward is to be a tensor of the logits' shape, {tuple(logits.shape)}")
    return torch.where(logits == 0, 0, given.to(logits) / divisor_of(logits))


def _see_batch(net: nn.Module, x: Tensor) -> None:
    """In train mode, lets norms gather the statistics of a batch."""
    if any(m.training and getattr(m, "running_mean", None) is not None for m in net.modules()):
        with torch.no_grad():
            net(x)


def _memory_of(net: nn.Module) -> frozenset[int]:
    """Where the parameters lie."""
    return frozenset(parameter.untyped_storage().data_ptr() for parameter in net.parameters())


@dataclass(frozen=True, eq=False)
class _Passed:
    """What passes the weights, by the memory that they lie in: layers take views of parameters, too."""

    how: FeedbackRule
    wanted: frozenset[int]
    memory: dict[int, Tensor] = field(default_factory=dict)

    def composite(self, functions: Mapping[str, str]) -> Composite:
        """The rule for every layer; steps pass reward as other activations do."""
        learn = PerLayer(lambda layer: _Learn(self.how, layer.weight, layer.bias, self))
        return Composite(
            "feedback", convolution=learn, linear=learn, functions={**dict.fromkeys(STEPS, "activation"), **functions}
        )

    def add(self, weight: Tensor, passed: Tensor) -> None:
        """Adds what passes a weight at the weight's place."""
        storage = weight.untyped_storage()
        if storage.data_ptr() not in self.wanted:
            return  # made from parameters: a standardised weight, say
        if storage.data_ptr() not in self.memory:
            size = storage.nbytes() // weight.element_size()
            self.memory[storage.data_ptr()] = torch.zeros(size, dtype=weight.dtype, device=weight.device)
        flat = self.memory[storage.data_ptr()]
        flat.as_strided(weight.shape, weight.stride(), weight.storage_offset()).add_(passed)

    def give(self, net: nn.Module) -> tuple[str, ...]:
        """Fills `.grad`; the names of the parameters that get nothing."""
        without = []
        for name, parameter in net.named_parameters():
            flat = self.memory.get(parameter.untyped_storage().data_ptr())
            if flat is None or not parameter.requires_grad:
                without += [name] if parameter.requires_grad else []
                continue
            of = flat.as_strided(parameter.shape, parameter.stride(), parameter.storage_offset())
            down = -(parameter.detach().sign() * of)
            parameter.grad = down if parameter.grad is None else parameter.grad + down
        return tuple(without)


@dataclass(frozen=True, eq=False)
class _Learn:
    """A layer's rule, which keeps what passes the layer's own weights, also where a norm is folded into them."""

    how: FeedbackRule
    weight: Tensor
    bias: Tensor | None
    kept: _Passed
    proportional = True

    def __call__(self, layer: Any, x: Tensor, z: Tensor, g: Tensor) -> Message:
        passed = self.how.passed(layer, x, z, g)
        self.kept.add(self.weight, passed.weight)
        if self.bias is not None and self.bias is layer.bias and passed.bias is not None:  # not where a norm moves it
            self.kept.add(self.bias, passed.bias)
        return self.how.rule(layer, x, z, g)
