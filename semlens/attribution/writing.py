"""Functions that write into memory that exists: in place, through a view of a tensor, or into `out=`.

Relevance follows the memory: what was written into a view is in its base and in every other view of it. A rule that
needs the old value works on a copy; its result is then written to where the model expects it.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.branches import one_layer
from semlens.attribution.marks import mark_of, remark
from semlens.attribution.operations import GATES, Call, activation, add, by_gradient, carries, centring
from semlens.errors import SemlensError

Handler = Callable[[Call], Any]


def in_place(call: Call, handler: Handler) -> Any:
    """The first argument, into which the result was written.

    Raises:
        SemlensError: it is the memory of a tensor without its graph, in which relevance cannot be followed.
    """
    first = call.args[0]
    prepare(call, first)
    both = carries(first) and carries(call.get("other", 1))
    if handler is by_gradient or (handler is add and both and one_layer(first, call.get("other", 1)) is None):
        if carries(first):
            remark(first, gate=False, divisor=False, exponent=None, mean=None, branch=None)
        return by_gradient(centring(call))
    # most activations need no old value later; a gate may (`functions.Late`)
    out_of_place = call._replace(
        func=_out_of_place(call),
        args=(first if handler is activation and call.name not in GATES else _copy(first), *call.args[1:]),
        kwargs={key: value for key, value in call.kwargs.items() if key != "inplace"},
        in_place=False,
    )
    result = handler(out_of_place)
    first.copy_(result)
    mark = mark_of(result)
    remark(first, gate=mark.gate, divisor=mark.divisor, exponent=mark.exponent, mean=mark.mean, branch=mark.branch)
    return first


def _copy(first: Tensor) -> Tensor:
    copy = first.clone()
    remark(copy, branch=mark_of(first).branch)
    return copy


def _out_of_place(call: Call) -> Handler:
    """A function that returns what `call.func` writes into its first argument."""
    if call.kwargs.get("inplace"):
        return call.func  # returns a new tensor without `inplace`

    def func(x: Any, *args: Any, **kwargs: Any) -> Any:
        return call.func(x.clone(), *args, **kwargs)

    return func


def into(call: Call, handler: Handler) -> Any:
    """`out=`, one tensor or several, into which the result was written; torch refuses it for what has a graph."""
    out = call.kwargs["out"]
    result = handler(call._replace(kwargs={key: value for key, value in call.kwargs.items() if key != "out"}))
    for memory, value in zip(_each(out), _each(result), strict=True):
        prepare(call, memory)
        if memory.shape != value.shape:
            memory.resize_(value.shape)
        memory.copy_(value)
    return out


def _each(value: Any) -> Iterator[Tensor]:
    yield from (value,) if isinstance(value, Tensor) else value


def prepare(call: Call, memory: Tensor) -> None:
    """To be called before the model writes what carries relevance into this memory."""
    if mark_of(root(memory)).alias:
        raise SemlensError(
            f"layer {call.layer!r} writes ({call.name!r}) what depends on the image into `.data` or a detached tensor, "
            "where no relevance can follow it: write into the tensor itself, or into a clone"
        )
    call.setting.saved.before_overwriting(memory)
    if memory._is_view() and torch._C._autograd._get_creation_meta(memory) == _TOGETHER:
        if carries(memory):
            raise WrittenTogether
        torch._C._autograd._set_creation_meta(memory, torch._C._autograd.CreationMeta.DEFAULT)


_TOGETHER = torch._C._autograd.CreationMeta.MULTI_OUTPUT_NODE


class WrittenTogether(BaseException):
    """The model writes into one of several views that one function gave (unbind, chunk), which torch refuses: the
    forward pass has to start again, with views that are made one by one. No error that the model may catch."""


def one_by_one(call: Call) -> Any:
    """The views of a function that gives several, each from a function of its own."""
    x = call.args[0]
    if call.name == "unbind":
        dim = call.get("dim", 1, 0)
        return tuple(x.select(dim, i) for i in range(x.shape[dim]))
    dim = {"vsplit": 0, "hsplit": min(1, x.ndim - 1), "dsplit": 2}.get(call.name)
    dim = call.get("dim", 2, 0) if dim is None else dim
    sizes = [view.shape[dim] for view in call.value()]
    return tuple(x.narrow(dim, start - size, size) for start, size in zip(accumulate(sizes), sizes, strict=True))


def as_any_view(tensor: Tensor) -> None:
    """Lets a view of something without a graph be like any other, though it came together with others: once something
    is written through one of them, their base has the graph of what was written."""
    if tensor._is_view() and not carries(tensor):
        torch._C._autograd._set_creation_meta(tensor, torch._C._autograd.CreationMeta.DEFAULT)


def root(tensor: Tensor) -> Tensor:
    """The tensor whose memory a view shows, itself if it is none."""
    return tensor if tensor._base is None else tensor._base
