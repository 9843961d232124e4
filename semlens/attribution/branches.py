"""Sums of affine layers that all take the same tensor, such as the branches that RepVGG or MobileOne train side by side
and merge into one convolution: under z+ they share as the one layer that they are.

Each branch on its own would have its output's part of the sum, which is of any sign, and z+ would send that to the
branch's positive contributions alone; where branches cancel, as they do in every block, the sum of |relevance| grows
from block to block. Of one layer, whose connections are those of all its branches, each branch's part is that of its
positive contributions, and nothing cancels.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.autograd import Function

from semlens.attribution.affine import identity
from semlens.attribution.functions import divisor_of, own, without_autocast
from semlens.attribution.marks import Branch, SavedTensor, mark_of
from semlens.attribution.rules import SMALLEST, Rule, has_total, total


def one_layer(a: Any, b: Any) -> tuple[Branch, Branch] | None:
    """What two tensors are, whose sum is one layer: affine layers of one tensor, sums of such, or that tensor itself;
    None for any other two."""
    of_a, of_b = _branch(a, b), _branch(b, a)
    if of_a is None or of_b is None or of_a.given is not of_b.given or a.shape != b.shape:
        return None
    unchanged = of_a.version == of_b.version == of_a.given._version
    rules = {part.call.rule for part in of_a.parts + of_b.parts}
    return (of_a, of_b) if unchanged and len(rules) == 1 and has_total(rules.pop()) else None


def _branch(tensor: Tensor, beside: Tensor) -> Branch | None:
    """What a tensor is; the tensor that is `beside` it in a sum may have been made from it."""
    other = mark_of(beside).branch
    itself = other is not None and other.given is tensor
    return Branch(tensor, other.version, (), skips=1) if itself and other is not None else mark_of(tensor).branch


def _total(branch: Branch, x: Tensor, rule: Rule) -> Tensor | None:
    """What the rule divides by, summed over the layers of a branch; None if one of them has another output now."""
    totals = [total(rule, identity(x), x)] * branch.skips
    for part in branch.parts:
        if part.call.folds != part.folded:
            return None
        layer = part.call.effective
        totals.append(total(rule, layer, x.to(layer.weight.dtype)))
    return sum(totals[1:], totals[0])


class BranchSum(Function):
    """A sum of branches: each gets relevance in proportion to what its layers' rule divides by."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, run: Callable[[], Tensor], branches: tuple[Branch, Branch], x: SavedTensor
    ) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.branches, ctx.x = branches, x
        return own(run(), a, b)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        rule = next(part.call.rule for branch in ctx.branches for part in branch.parts)
        with without_autocast(a):
            of_a, of_b = (_total(branch, ctx.x.value, rule) for branch in ctx.branches)
        if of_a is None or of_b is None:
            return g, g, None, None, None
        whole, relevance = (of_a + of_b).clamp_(min=SMALLEST), g * (a + b)
        to_each = [relevance * (of / whole) / divisor_of(part) for of, part in ((of_a, a), (of_b, b))]
        return to_each[0].to(a.dtype), to_each[1].to(b.dtype), None, None, None
