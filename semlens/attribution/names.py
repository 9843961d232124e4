"""What a function is called, whatever way it is written, and which tensors lie in its arguments."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

_OPERATORS = {"__matmul__": "matmul", "__getitem__": "getitem", "__setitem__": "setitem", "__pow__": "pow"}
SHIFTS = frozenset("add radd sub rsub subtract mul rmul multiply div truediv true_divide divide batch_norm".split())
"""These scale or shift values; by a constant, they only normalise."""

PASSIVE = frozenset(
    "size dim numel stride storage_offset data_ptr is_contiguous element_size ndimension get_device is_floating_point "
    "is_complex __len__ __repr__ __format__ __str__ __hash__ __bool__ __float__ __int__ item tolist numpy detach "
    "argmax argmin eq ne lt le gt ge isnan isinf isfinite all any zeros_like ones_like empty_like full_like "
    "rand_like randn_like new_zeros new_ones new_empty new_full new_tensor detach _assert is_same_size equal allclose "
    "is_nonzero __contains__ __array__ nonzero bincount is_set_to untyped_storage is_inference dequantize".split()
)
"""What these give carries no relevance and is no tensor to explain."""


def name_of(func: Any, kwargs: dict[str, Any]) -> tuple[str, bool]:
    """A function's name without the marks of operators and of working in place, and whether it does."""
    name: str = getattr(func, "__name__", str(func))
    if name in _OPERATORS:
        return _OPERATORS[name], name == "__setitem__"
    if name == "__get__" or name in PASSIVE:
        return name, False
    if name.startswith("__i") and name.endswith("__") and name not in {"__invert__", "__int__"}:
        return name[3:-2], True
    if name.startswith("__") and name.endswith("__"):
        return name[2:-2], False
    if name.endswith("_") and not name.startswith("_"):
        return name[:-1], name != "requires_grad_"
    return name.removeprefix("_"), bool(kwargs.get("inplace"))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a nest of tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
