"""What passes through a model on images made for looking: the shape, the memory and the fingerprint of every tensor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from semlens.errors import SemlensError
from semlens.model.components import tensor_in
from semlens.model.hooks import Site, survey
from semlens.shapes import Float64


@dataclass(frozen=True)
class Passage:
    """A tensor that passes at a site, as it lies in memory; the memory itself may be gone."""

    site: Site
    module: nn.Module
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage: StorageWeakRef

    def shares(self, other: "Passage") -> bool:
        """Whether both lie in the same memory."""
        return bool(self.storage.cdata == other.storage.cdata)

    def same(self, other: "Passage") -> bool:
        """Whether both are the same elements in the same order."""
        return self.shares(other) and (self.shape, self.strides, self.offset) == (
            other.shape,
            other.strides,
            other.offset,
        )


def passages(net: nn.Module, x: Tensor) -> tuple[list[Passage], dict[Site, str]]:
    """Every tensor that passes in one forward pass, in the order in which it does; and what modules return instead of
    one that can be read."""
    seen: list[Passage] = []
    without: dict[Site, str] = {}

    def see(site: Site, module: nn.Module, value: Any) -> None:
        tensor = _floating(value)
        if tensor is not None:
            storage = StorageWeakRef(tensor.untyped_storage())
            shape, strides = tuple(tensor.shape), tensor.stride()
            seen.append(Passage(site, module, shape, strides, int(tensor.storage_offset()), storage))
        elif site.side == "output":
            without[site] = _instead(value)

    survey(net, x, see)
    return seen, without


@dataclass(frozen=True)
class Fingerprint:
    """A tensor's shape, and for some axes one number per index: a sum over all other axes, weighted so that a change of
    any element shows in it."""

    shape: tuple[int, ...]
    sums: Mapping[int, Float64[Tensor, "_"]]


def fingerprints(net: nn.Module, x: Tensor, alone: Mapping[Site, tuple[int, ...]]) -> dict[Site, Fingerprint]:
    """Fingerprints of all that passes where something did for one image alone: along the axes that are longer now, and
    along all axes of a sequence."""
    prints: dict[Site, Fingerprint] = {}
    latest: list[Any] = [None, -1, None]  # what a module takes is often what the one before returned

    def see(site: Site, _module: nn.Module, value: Any) -> None:
        tensor = _floating(value)
        if tensor is None or site not in alone:
            return
        version = -1 if tensor.is_inference() else tensor._version
        if latest[0] is not tensor_in(value) or latest[1] != version or version < 0:
            latest[:] = tensor_in(value), version, _fingerprint(tensor, alone[site])
        prints[site] = latest[2]

    survey(net, x, see)
    return prints


def _floating(value: Any) -> Tensor | None:
    """The tensor in what passes, where it is dense and its numbers have fractions."""
    try:
        tensor = tensor_in(value)
    except SemlensError:
        return None
    dense = tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_quantized
    return tensor.detach() if dense else None


def _instead(value: Any) -> str:
    try:
        tensor = tensor_in(value)
    except SemlensError:
        return f"gives a {type(value).__name__}, which holds no tensor"
    return f"gives a tensor of {tensor.dtype}, which holds no dense floating-point numbers"


def _fingerprint(tensor: Tensor, alone: tuple[int, ...]) -> Fingerprint:
    shape = tuple(tensor.shape)
    if len(shape) != len(alone):
        return Fingerprint(shape, {})
    wide = tensor.cpu() if tensor.device.type == "mps" else tensor
    weighted = torch.nan_to_num(wide.double()) * _weights(shape, wide.device)
    axes = [axis for axis in range(len(shape)) if len(shape) == 3 or shape[axis] != alone[axis]]
    sums = {axis: weighted.movedim(axis, 0).reshape(shape[axis], -1).sum(1).cpu() for axis in axes}
    return Fingerprint(shape, sums)


def _weights(shape: tuple[int, ...], device: torch.device) -> Float64[Tensor, "..."]:
    count = torch.Size(shape).numel()
    return _curve(1 << max(count - 1, 0).bit_length(), device)[:count].view(shape)


@lru_cache(maxsize=8)
def _curve(length: int, device: torch.device) -> Float64[Tensor, "length"]:
    return torch.arange(length, device=device).double().mul_(0.7390851).cos_().add_(1.5)
