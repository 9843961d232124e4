"""Inputs that are no pixels: what a network adds to, or puts beside, what comes from the image, such as position
embeddings and class tokens. Each is known by the name of the parameter or buffer that it was made from.

A bias is one number per channel, or one for all; a constant that differs from place to place is such an input.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution.marks import mark_of
from semlens.model import tensors_in
from semlens.types import Float


def names_of(modules: Iterable[tuple[str, nn.Module]]) -> Mapping[int, str]:
    """The names of a model's parameters and buffers by the identity of the tensor, which lives as long as the model."""
    names: dict[int, str] = {}
    for path, module in modules:
        if not module._buffers and not module._parameters:
            continue
        for name, tensor in (*module._buffers.items(), *module._parameters.items()):
            if tensor is not None:
                names.setdefault(id(tensor), f"{path}.{name}" if path else name)
    return names


def origin_of(value: Any, names: Mapping[int, str]) -> tuple[int, ...]:
    """The parameters and buffers, by identity, that the tensors in `value` are or were made from."""
    origins: list[int] = []
    for tensor in filter(Tensor.is_floating_point, tensors_in(value)):
        origin = mark_of(tensor).origin
        origins += origin or ((id(tensor),) if id(tensor) in names else ())
    return tuple(dict.fromkeys(origins))


def is_input(constant: Any) -> bool:
    """Whether the constant differs from place to place: it has more axes than one channel's."""
    return isinstance(constant, Tensor) and sum(side > 1 for side in constant.shape) > 1


def with_zeros(value: Any, keep: Tensor) -> Any:
    """The arguments of a call with zeros for every floating-point tensor but one."""
    if isinstance(value, Tensor):
        return value if value is keep or not value.is_floating_point() else torch.zeros_like(value)
    if type(value) in (tuple, list):
        return type(value)(with_zeros(item, keep) for item in value)
    return {key: with_zeros(item, keep) for key, item in value.items()} if isinstance(value, dict) else value


def constants_in(value: Any) -> list[Float[Tensor, "..."]]:
    """The floating-point tensors that carry no relevance."""
    return [tensor for tensor in tensors_in(value) if tensor.is_floating_point() and not tensor.requires_grad]
