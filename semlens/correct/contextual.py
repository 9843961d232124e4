"""Contextual decomposition: what a part of the input gives to the outputs, carried beside the forward pass.

Every value x that depends on the input is held as x = part + rest. At the input, `part` has the pixels of a mask and
`rest` all others. Then

    affine  W x + b     part' = W part + b |W part| / (|W part| + |W rest|)      each takes its share of the bias
    f with f(0) = 0     part' = f(part)                                           rest' = f(x) - part'
    maximum over x      part' = part where x is highest

and everything that only moves or sums values does so with its part. What is neither has no rule and is refused.

Source: Murdoch et al. 2018 (arXiv 1801.05453); Singh et al. 2019 (arXiv 1806.05337), for convolutions, ReLU and
pooling; Rieger et al. 2020 (arXiv 1909.13584), which trains on it. But: where both parts are zero, the bias goes to the
rest; a batch norm at rest is affine as any layer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

from semlens.errors import SemlensError
from semlens.types import Float

MARK = "_semlens_part"

AFFINE = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear",
          "batch_norm"}  # fmt: skip
MOVES = {
    "view", "reshape", "flatten", "unflatten", "permute", "transpose", "movedim", "squeeze", "unsqueeze", "expand",
    "contiguous", "clone", "to", "float", "__getitem__", "mean", "sum", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "pad", "cat", "concat", "stack", "chunk", "split",
    "unbind", "dropout", "dropout2d", "neg", "interpolate",
}  # fmt: skip
"""What gives a sum of what it takes, so that the part of the result is the result of the part; dropout is at rest."""
BENDS = {"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "silu", "gelu", "elu", "elu_",
         "hardswish", "tanh", "mish", "clamp_min", "clamp_min_"}  # fmt: skip
SUMS = {"add", "add_", "__iadd__", "__add__", "__radd__", "sub", "sub_", "__isub__", "__sub__", "__rsub__", "rsub"}
SCALES = {"mul", "mul_", "__imul__", "__mul__", "__rmul__", "div", "div_", "__truediv__", "__itruediv__"}
MAXIMA = {"max_pool1d": functional.max_pool1d, "max_pool2d": functional.max_pool2d, "max_pool3d": functional.max_pool3d}
TELLS = {"__get__", "dim", "size", "stride", "numel", "is_floating_point", "_assert", "requires_grad_", "__len__",
         "is_contiguous", "__bool__", "__eq__", "device", "type", "get_device"}  # fmt: skip
"""What only looks at a tensor."""


class Decomposition(TorchFunctionMode):
    """Inside the `with`, what is computed of a tensor that was given to `begin` has a part, too, which `part_of` gives.

    Raises:
        SemlensError: inside the `with`, a function that has no rule.
    """

    def begin(self, x: Float[Tensor, "n ..."], mask: Float[Tensor, "n ..."]) -> Float[Tensor, "n ..."]:
        """The input with the pixels of a mask (1, else 0) as its part."""
        x = x.clone()
        setattr(x, MARK, x * mask)
        return x

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        named = dict(kwargs or {})
        own = [one for one in tree_flatten((list(args), named))[0] if isinstance(one, Tensor) and hasattr(one, MARK)]
        name = getattr(function, "__name__", str(function))
        if not own or name in TELLS:
            return function(*args, **named)
        parts = _parts(name, function, args, named)  # first: some functions write into what they take
        result = function(*args, **named)
        for one, part in zip(tree_flatten(result)[0], tree_flatten(parts)[0], strict=True):
            setattr(one, MARK, part)
        return result


def part_of(x: Tensor) -> Tensor:
    """The part that a tensor has.

    Raises:
        SemlensError: it has none, as it does not hang on the input, or only through what cannot be seen.
    """
    part = getattr(x, MARK, None)
    if part is None:
        raise SemlensError("the model's logits do not hang on its input in a way that can be followed: choose rrr")
    return part


def _parts(name: str, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """The parts of what a function gives."""
    if name in MOVES:
        return function(*_as_parts(list(args)), **_as_parts(dict(named)))
    if name in BENDS:
        named = {key: value for key, value in named.items() if key != "inplace"}
        return function(*_as_parts(list(args)), **named)
    if name in MAXIMA:
        return _at_highest(MAXIMA[name], args, named)
    if name in AFFINE and not (name == "batch_norm" and named.get("training", (*args, *[False] * 6)[5])):
        return _shared(lambda x: function(x, *args[1:], **named), *_split(args[0]))
    if name in SUMS:
        return _summed(name, function, args, named)
    if name in SCALES and not (len(args) > 1 and hasattr(args[1], MARK)):
        return function(*_as_parts(list(args)), **named)
    raise SemlensError(f"contextual decomposition has no rule for {name!r}, which the model uses: choose rrr")


def _as_parts(given: Any) -> Any:
    """Arguments with their parts in place of them, which are fresh, so that they may be written into."""
    return tree_map_only(Tensor, lambda one: getattr(one, MARK).clone() if hasattr(one, MARK) else one, given)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    part = getattr(x, MARK)
    return part, x - part


def _shared(affine: Callable[[Tensor], Tensor], part: Tensor, rest: Tensor) -> Tensor:
    """An affine function's part, with its share of the constant."""
    constant = affine(torch.zeros_like(part[:1]))
    own, other = affine(part) - constant, affine(rest) - constant
    size = own.abs() + other.abs()
    return own + constant * torch.where(size > 0, own.abs() / size.clamp(min=torch.finfo(size.dtype).tiny), 0)


def _summed(name: str, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Tensor:
    """The part of a sum or difference; what has no part itself is a constant, of which each takes its share."""
    both = [one for one in args[:2] if hasattr(one, MARK)]
    if len(both) == 2:
        return function(*_as_parts(list(args)), **named)
    first, (part, rest) = hasattr(args[0], MARK), _split(both[0])

    def with_constant(x: Tensor) -> Tensor:
        pair = (x.clone(), args[1]) if first else (args[0], x)
        return function(*pair, *args[2:], **named)

    return _shared(with_constant, part, rest)


def _at_highest(pool: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any]) -> Tensor:
    """The part that is where the maximum over each window is."""
    keywords = {key: value for key, value in named.items() if key != "return_indices"}
    highest, places = pool(args[0], *args[1:6], **keywords, return_indices=True)
    spatial = highest.ndim - 2
    return getattr(args[0], MARK).flatten(-spatial).gather(-1, places.flatten(-spatial)).view_as(highest)
