"""The torch function mode of a trace: it sees each function that the model calls, lets the model's own function compute
the result, attaches the backward pass that the composite asks for, and marks what comes out (docs/design.md)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from semlens.attribution.chance import DRAWS, DROPOUTS, refuse_chance
from semlens.attribution.constants import origin_of
from semlens.attribution.exponential import DIVISIONS, pass_on
from semlens.attribution.marks import UNMARKED, Mark, mark_of, put_mark, remark
from semlens.attribution.operations import Call, Setting, carries
from semlens.attribution.table import LOOKS, MOVES, PASSIVE, SHIFTS, VIEWS, known_as, name_of, operate
from semlens.attribution.writing import WrittenTogether, as_any_view, one_by_one, root
from semlens.errors import SemlensError
from semlens.model import tensors_in


class Mode(TorchFunctionMode):
    """Sees every torch function called while it is active."""

    def __init__(self, setting: Setting, where: Callable[[], str]) -> None:
        super().__init__()
        self.setting = setting
        self.where = where  # tells the module that runs now
        self.token = object()  # stands for this trace in marks, which must not refer to the mode
        self._seen = Mark(self.token)  # one for all tensors of which no more is known
        self.blind = ""  # the first layer that ran without gradients
        self._paused = False
        self._apart = False
        self._embedded: list[Tensor] = []

    def mark_input(self, entry: Tensor, shadow: Tensor | None) -> None:
        """Marks what goes into the model: an image with the `shadow` where the relevance of zeros arrives, else token
        numbers."""
        if shadow is None:
            remark(entry, tokens=True)
        else:
            remark(entry, seen_by=self.token, shadow=shadow)

    def watched(self, forward: Callable[[], Any]) -> Any:
        """What a forward pass gives. Where the model writes into one of several views that came together, it runs a
        second time, with views that are made one by one."""
        try:
            out = forward()
        except WrittenTogether:
            self._apart = True
            self.blind = ""
            self._embedded.clear()
            out = forward()
        with self.paused():
            for tensor in tensors_in(out):
                self.check_seen(tensor, "the model's output")
        return out

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
        if self._paused or func in LOOKS:
            return func(*args, **kwargs)
        name, in_place = name_of(func, kwargs)
        if name in DRAWS:
            refuse_chance(name, args, kwargs, self.where)
        if not torch.is_grad_enabled():
            self._look_away(args)
            return func(*args, **kwargs)
        if not args and "input" in kwargs:  # the operations expect it as the first argument
            args, kwargs = (kwargs["input"],), {key: value for key, value in kwargs.items() if key != "input"}
        if name in DROPOUTS:  # which draws nothing
            return args[0]
        return self._seen_call(func, name, in_place, args, kwargs)

    def _seen_call(self, func: Any, name: str, in_place: bool, args: Any, kwargs: Any) -> Any:
        """The result of a call while gradients are on."""
        carrying: list[Tensor] = []
        args = tuple([v if type(v) in _PLAIN else self._checked(v, name, carrying) for v in args])
        if kwargs:
            kwargs = {key: v if type(v) in _PLAIN else self._checked(v, name, carrying) for key, v in kwargs.items()}
        if not carrying:
            out = self._untouched(Call(func, name, args, kwargs, in_place, "", self.setting))
            self._pass_origin((args, kwargs), out)
            return out
        if name == "requires_grad_":
            return func(*args, **kwargs)
        if name == "__get__":  # an attribute: only a view, such as `.T`, can carry relevance
            value = func(*args, **kwargs)
            if not carries(value):
                return self._alias(attribute(func), value)
            name = attribute(func)
        with self.setting.saved.kept():
            return self._operated(Call(func, name, args, kwargs, in_place, self.where(), self.setting), carrying)

    def _look_away(self, args: Any) -> None:
        """Remembers the first layer in which a function takes what carries relevance, and gradients are off."""
        if not self.blind and any(mark_of(t).seen_by is self.token and t.requires_grad for t in tensors_in(args)):
            self.blind = self.where() or "the model itself"

    def _untouched(self, call: Call) -> Any:
        """The result of a call on what carries no relevance, which may overwrite what a backward pass needs."""
        for memory in tensors_in((call.args[:1] if call.in_place else (), call.kwargs.get("out"))):
            self.setting.saved.before_overwriting(memory)
        out = call.func(*call.args, **call.kwargs)
        name = attribute(call.func) if call.name == "__get__" else call.name
        return self._from_tokens(name, call.args, self._alias(name, out))

    def _alias(self, name: str, out: Any) -> Any:
        """The result of a call, remembered where it is the memory of a tensor without its graph."""
        if name in {"data", "detach"} and isinstance(out, Tensor):
            remark(out, alias=True)
        if name in VIEWS:
            for view in tensors_in(out):
                as_any_view(view)
        return out

    def _see(self, tensor: Tensor) -> None:
        """Marks a tensor as made by a function that was seen."""
        mark = mark_of(tensor)
        if mark is UNMARKED:
            put_mark(tensor, self._seen)
        elif mark.seen_by is not self.token:
            put_mark(tensor, Mark(self.token, *mark[1:]))  # `seen_by` is the first

    def _operated(self, call: Call, carrying: list[Tensor]) -> Any:
        """The result of a call, marked. `carrying` are the arguments that carry relevance."""
        if call.name in PASSIVE and not call.in_place:
            return self._alias(call.name, call.value())
        apart = self._apart and call.name in VIEWS
        out = self._alias(call.name, one_by_one(call) if apart else operate(call))
        for tensor in (
            (out,) if type(out) is Tensor and not call.in_place else tensors_in((out, call.args[: call.in_place]))
        ):
            if tensor.requires_grad:
                self._see(tensor)
        if call.in_place or "out" in call.kwargs:
            self._see_memory(call.args[0] if call.in_place else call.kwargs["out"])
        marks = [mark_of(tensor) for tensor in carrying]
        if any(mark is not self._seen for mark in marks):
            if call.name != "batch_norm" and (call.in_place or out is not carrying[0]):  # which counts its use itself
                _count_use(marks)
            _pass_marks_on(call, carrying, marks, out)
        return out

    def _see_memory(self, written: Any) -> None:
        """Marks the memory that was written into: what other views of it show carries relevance too."""
        for tensor in tensors_in(written):
            memory = root(tensor)
            if memory.requires_grad and not mark_of(memory).written:
                self._see(memory)
                remark(memory, written=True)

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
        made = [tensor for tensor in tensors_in(out) if tensor.is_floating_point()]
        origin = origin_of(given, self.setting.names) if made else ()
        for tensor in made if origin else ():
            if id(tensor) not in self.setting.names:
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
        if tensor.requires_grad and mark_of(tensor).seen_by is not self.token and not self._shows_seen(tensor):
            maker = type(tensor.grad_fn).__name__.removesuffix("Backward")
            if maker == "CheckpointFunction":
                raise SemlensError(
                    f"{where} takes the result of a block under torch.utils.checkpoint with use_reentrant=True, inside "
                    "which no function can be seen: switch checkpointing off, or use use_reentrant=False"
                )
            raise SemlensError(
                f"{where} takes a tensor made by {maker!r}, which cannot be seen (an autograd.Function, TorchScript, "
                "compiled code or torch.func), so no rule could be applied to it: use the plain PyTorch form of that "
                "layer"
            )

    def _shows_seen(self, tensor: Tensor) -> bool:
        """Whether a tensor is a view of memory that a function which was seen has written into."""
        mark = mark_of(root(tensor))
        return mark.written and mark.seen_by is self.token

    def _checked(self, value: Any, name: str, carrying: list[Tensor]) -> Any:
        """The arguments with parameters detached; those that carry relevance are added to `carrying`."""
        if isinstance(value, Tensor):
            if not value.requires_grad:
                return value.clone() if value.is_inference() else value  # which no backward pass could need
            if mark_of(value).seen_by is not self.token:
                if value.is_leaf:
                    parameter = value.detach().clone() if value.is_inference() else value.detach()
                    put_mark(parameter, Mark(origin=(id(value),)))
                    return parameter
                self.check_seen(value, f"{name!r} in layer {self.where() or 'the model'!r}")
            carrying.append(value)
            return value
        if type(value) in (tuple, list):
            return type(value)([self._checked(item, name, carrying) for item in value])
        return value


def attribute(getter: Any) -> str:
    """The name of the attribute of a tensor that is read."""
    return getattr(getter.__self__, "__name__", "")


def _pass_marks_on(call: Call, carrying: list[Tensor], marks: list[Mark], out: Any) -> None:
    """What holds for the arguments of a call and still holds for its result."""
    name = known_as(call.name)
    if name in _MOVES_AND_SHIFTS:
        first = marks[:1] if name in DIVISIONS else marks
        if all(mark.gate for mark in first):
            for tensor in tensors_in(out):
                remark(tensor, gate=True)
        if all(mark.divisor for mark in first):
            for tensor in tensors_in(out):
                remark(tensor, divisor=True)
    if any(mark.exponent is not None for mark in marks):
        pass_on(call, carrying, name in MOVES, out)
    if any(mark.shadow is not None for mark in marks):
        _cast_shadow(call, carrying, out)


def _count_use(marks: list[Mark]) -> None:
    """Counts one more use of the affine layers whose outputs bear these marks."""
    for mark in marks:
        if mark.layer is not None:
            mark.layer.uses += 1


def _cast_shadow(call: Call, carrying: list[Tensor], out: Any) -> None:
    """Gives the result of moving, scaling or shifting the input a shadow: a rule for the first layer treats it as the
    input."""
    if call.name in SHIFTS and len(carrying) == 1:
        shadow = mark_of(carrying[0]).shadow
        assert shadow is not None
        remark(out, shadow=shadow.expand_as(out))
    elif call.in_place and call.name in MOVES:
        _shadow_of_memory(call)
    elif call.in_place:
        remark(call.args[0], shadow=None)
    elif call.name in MOVES:
        args, kwargs = _shadows(call.args), _shadows({k: v for k, v in call.kwargs.items() if k != "out"})
        for tensor, shadow in zip(tensors_in(out), tensors_in(call.func(*args, **kwargs)), strict=True):
            remark(tensor, shadow=shadow)


def _shadow_of_memory(call: Call) -> None:
    """Writes into the shadow of a tensor's memory what the call wrote into the memory: a batch put together image by
    image is still the input."""
    first, memory = call.args[0], root(call.args[0])
    shadow = mark_of(memory).shadow
    if shadow is None:
        shadow = torch.empty_strided(memory.shape, memory.stride(), dtype=memory.dtype, device=memory.device).zero_()
    place = (first.shape, first.stride(), first.storage_offset() - memory.storage_offset())
    call.func(shadow.as_strided(*place), *_shadows(call.args[1:]), **_shadows(call.kwargs))
    remark(memory, shadow=shadow)
    if first is not memory:
        remark(first, shadow=shadow.as_strided(*place))


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


_PLAIN = frozenset({int, float, bool, str, type(None)})
"""Types of most arguments that are no tensors and hold none."""
_MOVES_AND_SHIFTS = MOVES | SHIFTS
_MOVES_AND_INTEGERS = MOVES | {"long", "int"}
