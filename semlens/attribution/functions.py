"""The autograd functions that pass a modified gradient instead of the gradient: relevance is value times modified
gradient.

What needs none of them is exact as autograd has it: the gradient of whatever moves, adds up, averages or picks values
already shares relevance in proportion to the contributions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.autograd import Function

from semlens.attribution.affine import Affine
from semlens.attribution.conservation import Ledger, per_image
from semlens.attribution.rules import Rule, batched, share
from semlens.shapes import Float


class Held:
    """A value that a backward pass will need. It takes no copy unless the model is about to overwrite it in place."""

    def __init__(self, value: Tensor) -> None:
        self.value = value.detach()

    def keep(self) -> None:
        """Copies the value, which is about to change."""
        self.value = self.value.clone()


class Shelf:
    """All values held in one trace, by the memory they lie in."""

    def __init__(self) -> None:
        self._held: dict[int, WeakSet[Held]] = {}

    def hold(self, value: Tensor) -> Held:
        """The value as it is now, whatever the model does to its memory."""
        held = Held(value)
        self._held.setdefault(value.untyped_storage().data_ptr(), WeakSet()).add(held)
        return held

    def before_overwriting(self, value: Tensor) -> None:
        """To be called before an operation changes `value` in place."""
        for held in self._held.pop(value.untyped_storage().data_ptr(), ()):
            held.keep()


@dataclass
class Cell:
    """One call of an affine layer, from its forward to its backward pass. Mutable: a BatchNorm that follows is folded
    into it while the forward pass goes on.
    """

    layer: Affine
    rule: Rule
    name: str
    ledger: Ledger
    run: Callable[[Tensor], Tensor]  # the model's own call, so that its numbers do not change
    z: Held | None = None
    scale: Float[Tensor, "c"] | None = None
    shift: Float[Tensor, "c"] | None = None
    uses: int = 0
    tapped: bool = False  # its relevance is read between layer and BatchNorm

    @property
    def folds(self) -> bool:
        """Whether a BatchNorm, and nothing else, takes what the layer gives."""
        return self.scale is not None and self.uses == 1

    def message(self, x: Tensor, g: Tensor) -> Tensor:
        """What the layer's rule sends to its input; for a folded layer, as if the weights held the BatchNorm."""
        assert self.z is not None
        layer, z = self.layer, self.z.value
        if self.folds:
            assert self.scale is not None
            assert self.shift is not None
            none, one = torch.zeros_like(self.shift), torch.ones_like(self.scale)
            shift = none if self.tapped else self.shift
            if self.tapped:
                scale = layer.along(self.scale, z)
                g = torch.where(scale == 0, 0, g / torch.where(scale == 0, 1, scale))
            layer = layer.folded(self.scale, shift)
            z = torch.batch_norm(z, self.scale, shift, none, one, False, 0.0, 0.0, False)  # scale z + shift at once
        message = self.rule(layer, x, z, g)
        if self.ledger.on and not batched(g):
            down = message.down
            left = per_image(x, down) if self.rule.proportional else down.flatten(1).sum(1)
            kept = [layer.sums(s) @ bias for bias, s in message.kept]
            self.ledger.book(self.name, per_image(z, g), left, torch.stack(kept).sum(0) if kept else None)
        return message.down


class Proportional(Function):
    """An affine layer whose rule gives a modified gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cell: Cell) -> Tensor:
        ctx.save_for_backward(x)
        ctx.cell = cell
        return cell.run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return ctx.cell.message(x, g), None


class Direct(Function):
    """An affine layer whose rule gives relevance itself, also to inputs of zero: it leaves through `shadow`.

    Without a shadow, below other layers, the relevance is divided by the input; what falls on an input of zero is lost.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, shadow: Tensor | None, cell: Cell) -> Tensor:
        ctx.save_for_backward(x)
        ctx.cell, ctx.has_shadow = cell, shadow is not None
        return cell.run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        relevance = ctx.cell.message(x, g)
        if ctx.has_shadow:
            return torch.zeros_like(relevance), relevance, None
        return torch.where(x == 0, 0, relevance / torch.where(x == 0, 1, x)), None, None


class FoldedNorm(Function):
    """A BatchNorm in eval mode behind an affine layer, which takes its scale and shift over."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], cell: Cell, scale: Tensor) -> Tensor:
        ctx.cell, ctx.scale = cell, scale
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        cell = ctx.cell
        if cell.folds and not cell.tapped:
            return g, None, None, None
        down = g * ctx.scale
        if cell.ledger.on and not batched(g) and cell.shift is not None:
            cell.ledger.absorb(f"{cell.name} (norm)", g * cell.layer.along(cell.shift, g))
        return down, None, None, None


class Scaled(Function):
    """A map `run` that multiplies by `factor` and may add `constant`: what the constant gets is absorbed."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], factor: Any, constant: Any, name: str, ledger: Ledger
    ) -> Tensor:
        ctx.factor, ctx.constant, ctx.name, ctx.ledger, ctx.shape = factor, constant, name, ledger, x.shape
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g) and ctx.constant is not None:
            ctx.ledger.absorb(ctx.name, (g * ctx.constant).nan_to_num())
        return (g * ctx.factor).sum_to_size(ctx.shape), None, None, None, None, None


class Activation(Function):
    """An element-wise function f through which relevance passes unchanged: the modified gradient takes f(x) / x.

    Source: Achtibat et al. 2024, Eq. 9.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], shelf: Shelf) -> Tensor:
        out = run(x)
        ctx.x, ctx.out = shelf.hold(x), shelf.hold(out)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return share(g, ctx.out.value, ctx.x.value), None, None


class Centred(Function):
    """A normalisation whose standard deviation counts as a number: it centres, scales, shifts; the shift absorbs.

    Source: Achtibat et al. 2024, Prop. 3.4.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, run: Callable[[Tensor], Tensor], centre: Callable[[Tensor], Tensor],
        factor: Tensor | float, shift: Tensor | None, name: str, ledger: Ledger,
    ) -> Tensor:  # fmt: skip
        ctx.centre, ctx.factor, ctx.shift, ctx.name, ctx.ledger = centre, factor, shift, name, ledger
        return run(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        if ctx.ledger.on and not batched(g) and ctx.shift is not None:
            ctx.ledger.absorb(ctx.name, g * ctx.shift)
        return ctx.centre(g * ctx.factor), None, None, None, None, None, None


class Portion(Function):
    """The identity, through which only `share` of the relevance passes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float | Tensor) -> Tensor:
        ctx.share = share
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.share, None


def portion(x: Tensor, share: float | Tensor) -> Tensor:
    """`x` with its relevance multiplied by `share`; untouched where it carries none."""
    return Portion.apply(x, share) if x.requires_grad else x
