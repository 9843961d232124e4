"""One forward pass whose backward pass carries relevance: every function the model calls is seen and given its rule.

The model is not touched. A torch function mode, which holds for this thread and this `with` alone, sees each call
wherever it is written (module, functional, operator), lets the model's own function compute the result, and attaches a
backward pass by the composite. What reaches a function without having been seen is an error.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from semlens.attribution.composite import Composite
from semlens.attribution.conservation import Ledger
from semlens.attribution.functions import Shelf
from semlens.attribution.names import PASSIVE, SHIFTS, name_of, tensors_in
from semlens.attribution.operations import MOVES, Call, Setting, carries, is_gate
from semlens.attribution.table import operate
from semlens.errors import SemlensError
from semlens.model import Components, edit, follow, put_tensor, tensor_in
from semlens.shapes import Float


@dataclass
class Tap:
    """What one layer gave in a traced forward pass, still part of its graph."""

    kind: Components
    value: Tensor  # the layer's tensor: relevance is this times the modified gradient here
    output: Any  # what the layer returned, in its own structure

    @property
    def acts(self) -> Float[Tensor, "n c p"]:
        """Activations of the layer's components, without a graph."""
        return self.kind.read(put_tensor(self.output, self.value.detach()))


@dataclass
class Trace:
    """A forward pass from which relevance can be sent down, as often as wanted while the `with` lasts.

    Args:
        source: the input, or the embeddings it was turned into, where relevance arrives.
        shadow: where the relevance arrives that rules give to inputs of zero; None for plain gradients.
        output: what the model returned; None if it was stopped at the last tap.
        taps: by layer, in the order in which they ran.
    """

    source: Tensor
    shadow: Tensor | None
    ledger: Ledger = field(default_factory=Ledger)
    output: Any = None
    taps: dict[str, Tap] = field(default_factory=dict)


class _Enough(Exception):
    """Ends a forward pass when everything wanted has run."""


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
        stop: ends the forward pass at the last of them.
        then: a function of the model's output that is traced as part of the model, such as a similarity.

    Raises:
        SemlensError: a function that no rule covers, a layer that does not run.
    """
    ledger = Ledger(images=len(x))
    mode = _Mode(Setting(composite, ledger, Shelf())) if composite else None
    if mode:
        _refuse_scripts(net)
    with ExitStack() as stack:
        stack.enter_context(torch.enable_grad())
        running = stack.enter_context(follow(net))
        source, shadow, entry = _roots(x, mode)
        found = Trace(source, shadow, ledger=ledger)
        for kind in kinds:
            stack.enter_context(edit(net, kind.site, _tapping(found, kind, mode, len(kinds) if stop else 0)))
        if mode:
            mode.running = running
        with mode or nullcontext():
            try:
                found.output = then(net(entry))
            except _Enough:
                found.output = None
        if mode and not x.is_floating_point():
            found.source = mode.embedded()
        _seen_to_the_end(mode, found.output)
        yield found


def _roots(x: Tensor, mode: "_Mode | None") -> tuple[Tensor, Tensor | None, Tensor]:
    """Where relevance arrives, where it arrives for inputs of zero, and what goes into the model."""
    if not x.is_floating_point():
        entry = x.clone()  # token numbers: relevance arrives at their embeddings
        entry._numbers = True  # type: ignore[attr-defined]
        return x, None, entry
    source = x.detach().clone().requires_grad_()
    entry = source.clone()  # a model may overwrite its input
    if mode is None:
        return source, None, entry
    shadow = torch.zeros_like(source).requires_grad_()
    mode.mark(entry)
    entry._shadow = shadow  # type: ignore[attr-defined]
    return source, shadow, entry


def _tapping(found: Trace, kind: Components, mode: "_Mode | None", wanted: int) -> Callable[[Any], Any]:
    """What a layer's output is replaced by: itself, as a node of its own whose relevance can be read and started from.

    A copy goes on, since what follows may overwrite it (an in-place ReLU, a residual sum).
    """

    def change(output: Any) -> Any:
        with mode.paused() if mode else nullcontext():
            value = tensor_in(output)
            if not value.requires_grad:
                raise SemlensError(f"layer {kind.layer!r} does not depend on the image, so it has no relevance")
            own = value.view_as(value) if kind.layer in found.taps else value
            found.taps[kind.layer] = Tap(kind, own, output)
            if len(found.taps) == wanted:
                raise _Enough
            after = own.clone()
            if mode:
                mode.mark(after)
                after._gate = is_gate(value)  # type: ignore[attr-defined]
                cell = getattr(value, "_cell", None)
                if cell is not None and cell.uses == 0:
                    cell.tapped, after._cell = True, cell  # type: ignore[attr-defined]
            return put_tensor(output, after)

    return change


def _refuse_scripts(net: nn.Module) -> None:
    for path, module in net.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            where = f"layer {path!r}" if path else "the model"
            raise SemlensError(
                f"{where} is TorchScript, inside which no function can be seen, so no rule could be applied to it: use "
                "its plain PyTorch form"
            )


def _seen_to_the_end(mode: "_Mode | None", output: Any) -> None:
    if mode and output is not None:
        for tensor in tensors_in(output):
            mode.check(tensor, "the model's output")


class _Mode(TorchFunctionMode):
    """Sees every torch function called while it is on."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting
        self.running: list[str] = []
        self._token = object()
        self._off = False
        self._embedded: list[Tensor] = []

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While it lasts functions are what they always are."""
        self._off, before = True, self._off
        try:
            yield
        finally:
            self._off = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._off or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        name, in_place = name_of(func, kwargs)
        if not args and "input" in kwargs:  # rules look for it in the first place
            args, kwargs = (kwargs["input"],), {key: value for key, value in kwargs.items() if key != "input"}
        carrying: list[Tensor] = []
        args = self._cleaned(args, name, carrying)
        kwargs = {key: self._cleaned(value, name, carrying) for key, value in kwargs.items()}
        if not carrying:
            return self._root(name, args, func(*args, **kwargs))
        if name == "requires_grad_" or (name == "__get__" and not carries(out := func(*args, **kwargs))):
            return func(*args, **kwargs) if name == "requires_grad_" else out
        if name == "__get__":
            name = func.__self__.__name__
        call = Call(func, name, args, kwargs, in_place, self.running[-1] if self.running else "", self.setting)
        return self._finished(call, carrying)

    def _finished(self, call: Call, carrying: list[Tensor]) -> Any:
        known = call.name in PASSIVE
        out = call.func(*call.args, **call.kwargs) if known else operate(call)
        for tensor in tensors_in((out, call.args[0]) if call.in_place else out):
            if tensor.requires_grad:
                self.mark(tensor)
        for tensor in carrying:
            cell = getattr(tensor, "_cell", None)
            if cell is not None and not known and call.name != "batch_norm":
                cell.uses += 1
        if call.name in MOVES | SHIFTS and all(is_gate(t) for t in carrying):
            for tensor in tensors_in(out):
                tensor._gate = True  # type: ignore[attr-defined]
        self._cast_shadow(call, carrying, out)
        return out

    def _cast_shadow(self, call: Call, carrying: list[Tensor], out: Any) -> None:
        """What only moves or normalises the input is still the input to a rule for the first layer."""
        if not any(hasattr(tensor, "_shadow") for tensor in carrying):
            return
        shifts = call.name in SHIFTS and len(carrying) == 1
        if call.in_place and not shifts and hasattr(call.args[0], "_shadow"):
            del call.args[0]._shadow
        if shifts:
            out._shadow = carrying[0]._shadow.expand_as(out)  # type: ignore[attr-defined]
        elif call.name in MOVES and not call.in_place:
            args, kwargs = _shadows(call.args), _shadows(call.kwargs)
            for tensor, shadow in zip(tensors_in(out), tensors_in(call.func(*args, **kwargs)), strict=True):
                tensor._shadow = shadow  # type: ignore[attr-defined]

    def _root(self, name: str, args: Any, out: Any) -> Any:
        """Embeddings of a model that reads numbers are where its relevance arrives."""
        if not any(getattr(tensor, "_numbers", False) for tensor in tensors_in(args)):
            return out
        if name == "embedding":
            out = out.detach().requires_grad_()
            self._embedded.append(out)
            after = out.clone()
            self.mark(after)
            return after
        for tensor in tensors_in(out) if name in MOVES | {"long", "int"} else ():
            tensor._numbers = True  # type: ignore[attr-defined]
        return out

    def embedded(self) -> Tensor:
        """The embeddings that the input was turned into. Raises SemlensError if there were none or several."""
        if len(self._embedded) != 1:
            raise SemlensError(f"the model embeds its input {len(self._embedded)} times; it must be once")
        return self._embedded[0]

    def mark(self, tensor: Tensor) -> None:
        """Notes that the tensor came out of a function that was seen."""
        tensor._seen_by = self._token  # type: ignore[attr-defined]

    def check(self, tensor: Tensor, where: str) -> None:
        """Raises SemlensError if the tensor carries relevance by a way that was not seen."""
        if tensor.requires_grad and getattr(tensor, "_seen_by", None) is not self._token:
            maker = type(tensor.grad_fn).__name__.removesuffix("Backward")
            raise SemlensError(
                f"{where} takes a tensor made by {maker!r}, which cannot be seen (an autograd.Function, TorchScript or "
                "compiled code), so no rule could be applied to it: use the plain PyTorch form of that layer"
            )

    def _cleaned(self, value: Any, name: str, carrying: list[Tensor]) -> Any:
        """The arguments with parameters detached; those that carry relevance are added to `carrying`."""
        if isinstance(value, Tensor):
            if not value.requires_grad:
                return value
            if value.is_leaf and getattr(value, "_seen_by", None) is not self._token:
                return value.detach()  # a parameter
            self.check(value, f"{name!r} in layer {self.running[-1] if self.running else 'the model'!r}")
            carrying.append(value)
            return value
        if type(value) in (tuple, list):
            return type(value)(self._cleaned(item, name, carrying) for item in value)
        return value


def _shadows(value: Any) -> Any:
    if isinstance(value, Tensor):
        if hasattr(value, "_shadow"):
            return value._shadow
        return torch.zeros_like(value) if value.requires_grad else value
    if type(value) in (tuple, list):
        return type(value)(_shadows(item) for item in value)
    return {key: _shadows(item) for key, item in value.items()} if isinstance(value, dict) else value
