"""One forward pass whose backward pass carries relevance: every function that the model calls is seen and given a rule.

The model is not changed. A torch function mode, active in this thread and this `with` alone, sees each call however it
is written (module, functional, operator), lets the model's own function compute the result, and attaches the backward
pass that the composite asks for. A tensor that carries relevance but comes from a function that was not seen is an
error. What the mode knows of a tensor is in the tensor's `Mark`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.constants import names_in, origin_of, tensors_in
from semlens.attribution.marks import UNMARKED, Mark, mark_of, put_mark, remark
from semlens.attribution.operations import Call, Setting, carries
from semlens.attribution.table import MOVES, PASSIVE, SHIFTS, name_of, operate
from semlens.attribution.taps import Stop, Tap, tapping
from semlens.errors import SemlensError
from semlens.model import Components, follow


@dataclass
class Trace:
    """A forward pass from which relevance can be sent down, any number of times. The model is left as it was found.

    Args:
        source: where relevance arrives: the input, or the embeddings of token numbers.
        shadow: where the relevance arrives that rules give to inputs of zero; None for plain gradients and for tokens.
        output: what the model returned; None if it was stopped at the last tap.
        taps: by layer, in the order in which the layers ran.
    """

    source: Tensor
    shadow: Tensor | None
    ledger: Ledger = field(default_factory=Ledger)
    output: Any = None
    taps: dict[str, Tap] = field(default_factory=dict)

    def explain(self, tap: Tap) -> None:
        """Says that relevance starts at this layer's own output, and no longer at another's."""
        for call in (other.call for other in self.taps.values() if other.call):
            call.explained = call is tap.call


@contextmanager
def trace(
    net: nn.Module,
    x: Tensor,
    composite: Composite | None,
    kinds: Sequence[Components] = (),
    *,
    stop: bool = False,
    then: Callable[[Any], Any] = lambda output: output,
) -> Iterator[Trace]:
    """A traced forward pass of `net` on `x`.

    Args:
        composite: the rules; None for the plain gradient.
        kinds: components whose activations and relevance are wanted.
        stop: whether to end the forward pass at the last of these layers.
        then: a function of the model's output that is traced as part of the model, such as a similarity.

    Raises:
        SemlensError: a function that no rule covers, a function that cannot be seen, a layer that does not run.
    """
    ledger = Ledger(images=len(x))
    mode = _Mode(Setting(composite, ledger, names_in(net))) if composite else None
    if mode:
        _refuse_scripts(net)
    with torch.enable_grad():
        run, entry = _start(x, ledger, mode)
        saved, paused = (mode.setting.saved, mode.paused) if mode else (None, nullcontext)
        with follow(net) as running, tapping(net, kinds, run.taps, saved=saved, paused=paused, stop=stop):
            if mode:
                mode.running = running
            with mode or nullcontext():
                try:
                    run.output = then(net(entry))
                except Stop:
                    run.output = None
        if mode and not x.is_floating_point():
            run.source = mode.embeddings()
        if mode:
            for tensor in tensors_in(run.output):
                mode.check_seen(tensor, "the model's output")
        yield run


def _start(x: Tensor, ledger: Ledger, mode: "_Mode | None") -> tuple[Trace, Tensor]:
    """The trace before the forward pass, and what goes into the model."""
    if not x.is_floating_point():
        entry = x.clone()  # token numbers: relevance arrives at their embeddings
        remark(entry, tokens=True)
        return Trace(x, None, ledger), entry
    source = x.detach().clone().requires_grad_()
    entry = source.clone()  # a model may overwrite its input
    if mode is None:
        return Trace(source, None, ledger), entry
    shadow = torch.zeros_like(source).requires_grad_()
    remark(entry, seen_by=mode.token, shadow=shadow)
    return Trace(source, shadow, ledger), entry


def _refuse_scripts(net: nn.Module) -> None:
    for path, module in net.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"layer {path!r}" if path else "the model"
            raise SemlensError(
                f"{where} is TorchScript, inside which no function can be seen, so no rule could be applied to it: use "
                "its plain PyTorch form"
            )


class _Mode(TorchFunctionMode):
    """Sees every torch function called while it is active."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.running: list[str] = []  # the modules that run now, innermost last
        self.token = object()  # stands for this trace in marks, which must not refer to the mode
        self._seen = Mark(self.token)  # one for all tensors of which no more is known
        self._paused = False
        self._embedded: list[Tensor] = []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While it lasts, functions run as without the mode."""
        self._paused, before = True, self._paused
        try:
            yield
        finally:
            self._paused = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._paused or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        name, in_place = name_of(func, kwargs)
        if not args and "input" in kwargs:  # the operations expect it as the first argument
            args, kwargs = (kwargs["input"],), {key: value for key, value in kwargs.items() if key != "input"}
        carrying: list[Tensor] = []
        args = self._checked(args, name, carrying)
        kwargs = {key: self._checked(value, name, carrying) for key, value in kwargs.items()}
        if not carrying:
            out = self._from_tokens(name, args, func(*args, **kwargs))
            self._pass_origin((args, kwargs), out)
            return out
        if name == "requires_grad_":
            return func(*args, **kwargs)
        if name == "__get__":  # an attribute: only a view, such as `.T`, can carry relevance
            value = func(*args, **kwargs)
            if not carries(value):
                return value
            name = func.__self__.__name__
        return self._operated(Call(func, name, args, kwargs, in_place, self._layer(), self.setting), carrying)

    def _see(self, tensor: Tensor) -> None:
        """Marks a tensor as made by a function that was seen."""
        mark = mark_of(tensor)
        if mark is UNMARKED:
            put_mark(tensor, self._seen)
        elif mark.seen_by is not self.token:
            remark(tensor, seen_by=self.token)

    def _layer(self) -> str:
        return self.running[-1] if self.running else ""

    def _operated(self, call: Call, carrying: list[Tensor]) -> Any:
        """The result of a call, marked. `carrying` are the arguments that carry relevance."""
        passive = call.name in PASSIVE
        out = call.func(*call.args, **call.kwargs) if passive else operate(call)
        for tensor in tensors_in((out, call.args[0]) if call.in_place else out):
            if tensor.requires_grad:
                self._see(tensor)
        if not passive and call.name != "batch_norm":  # which counts its use itself
            _count_use(carrying)
        if call.name in _MOVES_AND_SHIFTS and all(mark_of(tensor).gate for tensor in carrying):
            for tensor in tensors_in(out):
                remark(tensor, gate=True)
        if any(mark_of(tensor).shadow is not None for tensor in carrying):
            _cast_shadow(call, carrying, out)
        return out

    def _from_tokens(self, name: str, args: Any, out: Any) -> Any:
        """The result of a call without arguments that carry relevance: embeddings of the model's token numbers start
        to carry it, and numbers that are only moved or converted remain token numbers."""
        if not any(mark_of(tensor).tokens for tensor in tensors_in(args)):
            return out
        if name == "embedding":
            embeddings = out.detach().requires_grad_()
            self._embedded.append(embeddings)
            copy: Tensor = embeddings.clone()
            self._see(copy)
            return copy
        if name in _MOVES_AND_INTEGERS:
            for tensor in tensors_in(out):
                remark(tensor, tokens=True)
        return out

    def _pass_origin(self, given: Any, out: Any) -> None:
        """Remembers of constants made from the model's parameters which these are."""
        origin = origin_of(given, self.setting.names)
        for tensor in tensors_in(out) if origin else ():
            if tensor.is_floating_point() and id(tensor) not in self.setting.names:
                remark(tensor, origin=origin)

    def embeddings(self) -> Tensor:
        """The embeddings that the input was turned into.

        Raises:
            SemlensError: none, or several.
        """
        if len(self._embedded) != 1:
            raise SemlensError(f"the model embeds its input {len(self._embedded)} times; it must be once")
        return self._embedded[0]

    def check_seen(self, tensor: Tensor, where: str) -> None:
        """Checks that the tensor carries no relevance, or comes from a function that was seen.

        Raises:
            SemlensError: it comes from one that was not.
        """
        if tensor.requires_grad and mark_of(tensor).seen_by is not self.token:
            maker = type(tensor.grad_fn).__name__.removesuffix("Backward")
            raise SemlensError(
                f"{where} takes a tensor made by {maker!r}, which cannot be seen (an autograd.Function, TorchScript or "
                "compiled code), so no rule could be applied to it: use the plain PyTorch form of that layer"
            )

    def _checked(self, value: Any, name: str, carrying: list[Tensor]) -> Any:
        """The arguments with parameters detached; those that carry relevance are added to `carrying`."""
        if isinstance(value, Tensor):
            if not value.requires_grad:
                return value
            if value.is_leaf and mark_of(value).seen_by is not self.token:
                parameter = value.detach()
                put_mark(parameter, Mark(origin=origin_of(value, self.setting.names)))
                return parameter
            self.check_seen(value, f"{name!r} in layer {self._layer() or 'the model'!r}")
            carrying.append(value)
            return value
        if type(value) in (tuple, list):
            return type(value)(self._checked(item, name, carrying) for item in value)
        return value


def _count_use(carrying: list[Tensor]) -> None:
    """Counts one more use of the affine layers whose outputs these are."""
    for tensor in carrying:
        layer = mark_of(tensor).layer
        if layer is not None:
            layer.uses += 1


def _cast_shadow(call: Call, carrying: list[Tensor], out: Any) -> None:
    """Gives the result of moving, scaling or shifting the input a shadow: a rule for the first layer treats it as the
    input."""
    shifts = call.name in SHIFTS and len(carrying) == 1
    if call.in_place and not shifts:
        remark(call.args[0], shadow=None)
    if shifts:
        shadow = mark_of(carrying[0]).shadow
        assert shadow is not None
        remark(out, shadow=shadow.expand_as(out))
    elif call.name in MOVES and not call.in_place:
        args, kwargs = _shadows(call.args), _shadows(call.kwargs)
        for tensor, shadow in zip(tensors_in(out), tensors_in(call.func(*args, **kwargs)), strict=True):
            remark(tensor, shadow=shadow)


def _shadows(value: Any) -> Any:
    """The arguments with every tensor replaced by its shadow, or by zeros if it carries relevance without one."""
    if isinstance(value, Tensor):
        shadow = mark_of(value).shadow
        if shadow is not None:
            return shadow
        return torch.zeros_like(value) if value.requires_grad else value
    if type(value) in (tuple, list):
        return type(value)(_shadows(item) for item in value)
    return {key: _shadows(item) for key, item in value.items()} if isinstance(value, dict) else value


_MOVES_AND_SHIFTS = MOVES | SHIFTS
_MOVES_AND_INTEGERS = MOVES | {"long", "int"}
