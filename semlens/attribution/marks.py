"""What a trace remembers between its forward and its backward pass: of tensors (`Mark`), of calls of affine layers
(`LayerCall`), and of values that the model may overwrite (`SavedTensors`).

Life of a mark. `trace` marks the model's input before the forward pass, and every tensor that leaves a function which
its mode has seen. The record is frozen: when more becomes known of a tensor (that it is a gate, which layer it left),
`remark` puts another in its place. Two kinds of reader look at it, both during the forward pass: the mode, which
refuses a tensor that carries relevance but bears no mark of this trace, counts the uses of a layer's output, and passes
on what holds for a tensor that was only moved or scaled (gate, shadow, token numbers); and the operations, which ask
for a tensor's gate, layer and shadow to choose a backward pass. The backward pass reads no marks: all that it needs
stands in the `LayerCall` and in the contexts of the autograd functions. A mark is the attribute `_mark` of its tensor
and is freed with it; marks refer to no trace and no mode, so no reference cycle keeps a graph alive. Parameters are
never marked. docs/design.md has a table of the fields.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

import torch
from torch import Tensor

from semlens.attribution.affine import Affine
from semlens.attribution.conservation import Ledger, per_image
from semlens.attribution.rules import Message, Rule, batched
from semlens.types import Float


class SavedTensor:
    """A value that a backward pass will need. It is copied only if the model is about to overwrite it in place."""

    __slots__ = ("__weakref__", "value")

    def __init__(self, value: Tensor) -> None:
        self.value = value.detach()  # or what a function saves of its own result would keep its graph alive for ever

    def copy(self) -> None:
        """Copies the value, which is about to change."""
        self.value = self.value.clone()


def _value_of(saved: SavedTensor) -> Tensor:
    return saved.value


def _top_hooks() -> Any:
    """What packs saved tensors at the moment; None if nothing does."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    return hooks[0] if hooks else None


_NOTHING = nullcontext()


class SavedTensors:
    """All values saved in one trace, by the address of their memory."""

    def __init__(self) -> None:
        self._by_address: dict[int, list[ReferenceType[SavedTensor]]] = {}
        self._pack = self.save

    def kept(self) -> AbstractContextManager[Any]:
        """While it lasts, what torch's own functions need for their backward passes is saved here too: the model may
        overwrite it, and checkpointed blocks keep it, for they cannot run again under the rules."""
        return (
            _NOTHING if _top_hooks() is self._pack else torch.autograd.graph.saved_tensors_hooks(self._pack, _value_of)
        )

    def save(self, value: Tensor) -> SavedTensor:
        """The value as it is now, whatever the model does to its memory later."""
        saved = SavedTensor(value)
        self._by_address.setdefault(value.untyped_storage().data_ptr(), []).append(ref(saved))
        return saved

    def before_overwriting(self, value: Tensor) -> None:
        """To be called before an operation changes `value` in place."""
        for reference in self._by_address.pop(value.untyped_storage().data_ptr(), ()):
            saved = reference()
            if saved is not None:
                saved.copy()


@dataclass
class LayerCall:
    """One call of an affine layer, from its forward to its backward pass. Mutable: a BatchNorm that follows is folded
    into it while the forward pass goes on.

    Args:
        run: the model's own call, so that its numbers do not change.
        scale, shift: of the BatchNorm that follows, `scale * z + shift`; None without one.
        uses: how many calls took the output.
        explained: whether relevance starts at the output itself, so that a norm behind it has no part in it.
    """

    layer: Affine
    rule: Rule
    name: str
    ledger: Ledger
    run: Callable[[Tensor], Tensor]
    scale: Float[Tensor, "c"] | None = None
    shift: Float[Tensor, "c"] | None = None
    uses: int = 0
    explained: bool = False

    @property
    def folds(self) -> bool:
        """Whether relevance comes through a BatchNorm, which alone takes the layer's output."""
        return self.scale is not None and self.uses == 1 and not self.explained

    @property
    def norm(self) -> tuple[Float[Tensor, "c"], Float[Tensor, "c"]]:
        """Scale and shift of the BatchNorm that follows."""
        assert self.scale is not None
        assert self.shift is not None
        return self.scale, self.shift

    @property
    def effective(self) -> Affine:
        """The layer as its rule sees it: as if its weights held the BatchNorm where it folds one."""
        return self.layer.folded(*self.norm) if self.folds else self.layer

    def message(self, x: Tensor, z: Tensor, g: Tensor) -> Tensor:
        """The message of the layer's rule to its input `x`; for a folded layer, as if its weights held the BatchNorm.

        Args:
            z: the layer's output.
            g: the modified gradient at the layer's output; for a folded layer, at the norm's.
        """
        layer = self.effective
        if layer is not self.layer:
            scale, shift = self.norm
            z = torch.addcmul(layer.along(shift, z), z, layer.along(scale, z))
        message = self.rule(layer, x, z, g)
        if self.ledger.on and not batched(g):
            absorbed = [layer.sums(s) @ bias for bias, s in message.absorbed]
            bias = sum(absorbed[1:], absorbed[0]) if absorbed else None
            self.ledger.book(self.name, bias, self._kept(message, x, z, g, bias))
        return message.down

    def _kept(self, message: Message, x: Tensor, z: Tensor, g: Tensor, bias: Tensor | None) -> Tensor:
        """What the stabiliser keeps: by the rule's formula, or what enters and neither leaves nor stays in the bias."""
        if message.kept:
            return message.kept()
        left = per_image(x, message.down) if self.rule.proportional else message.down.flatten(1).sum(1)
        rest = per_image(z, g) - left
        return rest if bias is None else rest - bias


class Part(NamedTuple):
    """The output of an affine layer, or of the BatchNorm that is folded into it."""

    call: LayerCall
    folded: bool = False


class Branch(NamedTuple):
    """Where a tensor is the sum of affine layers of one other tensor.

    Args:
        given: that tensor.
        version: torch's count of what was written into it when the first layer took it.
        skips: how often the tensor itself is a summand.
    """

    given: Tensor
    version: int
    parts: tuple[Part, ...]
    skips: int = 0

    def plus(self, other: "Branch") -> "Branch":
        """The sum of both."""
        return Branch(self.given, self.version, self.parts + other.parts, self.skips + other.skips)


@dataclass
class Exponential:
    """One call of exp, from its forward to its backward pass. Mutable: that it is divided by its sum, which makes it a
    softmax, is known only later.

    Args:
        source: what it was given.
        normalised: whether its result was divided by its sum.
    """

    source: Tensor
    normalised: bool = False


OF_EXP = ("exp", "sum")
"""Forms of tensors that hold results of exp alone."""


@dataclass(frozen=True, slots=True)
class Exponent:
    """What a tensor has to do with a call of exp.

    Args:
        form: "exp" for its result, element by element, "sum" where it was moved or summed, "weighted" for its product
            with something else, "log" for the logarithm of a sum, "log probability" for something less such a
            logarithm.
        share: the share of the relevance that this factor of a product gets.
    """

    call: Exponential
    form: str = "exp"
    share: float = 1.0


class Mark(NamedTuple):
    """What a trace knows of one tensor. A named tuple, for every call makes some, and a frozen dataclass costs five
    times as much to make.

    Args:
        seen_by: stands for the trace that saw the function which made the tensor; None if none did.
        gate: whether the tensor is the result of a function that opens and closes, such as a sigmoid.
        layer: the call of the affine layer whose output the tensor is; None for any other tensor.
        shadow: for the model's input, and what only moves or normalises it: where the relevance arrives that rules give
            to inputs of zero, of the tensor's shape; None for any other tensor.
        tokens: whether the tensor is the input of a model that reads token numbers.
        origin: for a constant, the identities of the parameters and buffers that it was made from.
        divisor: whether the tensor is one over something, or a norm or deviation, which only normalises what it meets.
        exponent: what the tensor has to do with a call of exp; None if nothing.
        written: whether something was written into the tensor's memory, so that views of it may carry relevance too.
        branch: of which other tensor's affine layers the tensor is the output or a sum; None for any other tensor.
        mean: for a mean whose relevance goes to values of its own sign, the same mean with its own gradient.
        alias: whether the tensor is the memory of another one without its graph (`.data`, `.detach()`).
    """

    seen_by: object | None = None
    gate: bool = False
    layer: LayerCall | None = None
    shadow: Tensor | None = None
    tokens: bool = False
    origin: tuple[int, ...] = ()
    divisor: bool = False
    exponent: Exponent | None = None
    written: bool = False
    branch: Branch | None = None
    mean: Tensor | None = None
    alias: bool = False

    @property
    def weighs(self) -> bool:
        """Whether the tensor weighs what it is multiplied by: a gate, or attention weights not yet normalised."""
        return self.gate or (self.exponent is not None and self.exponent.form in OF_EXP)


UNMARKED = Mark()
"""The mark of a tensor of which nothing is known."""


def mark_of(value: Any) -> Mark:
    """The mark of a tensor; `UNMARKED` for a tensor that has none and for any other value."""
    mark: Mark = getattr(value, "_mark", UNMARKED)
    return mark


def put_mark(tensor: Tensor, mark: Mark) -> None:
    """Gives the tensor this mark in place of its own."""
    tensor._mark = mark  # type: ignore[attr-defined]


def remark(tensor: Tensor, **known: Any) -> None:
    """Gives the tensor a mark that also holds what is `known` now, by the names of `Mark`'s fields."""
    mark = mark_of(tensor)
    put_mark(tensor, Mark(**known) if mark is UNMARKED else mark._replace(**known))
