"""What passes through a model on images made for looking: the shape, the memory and the fingerprint of every tensor."""

from collections.abc import Callable
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


def passages(net: nn.Module, x: Tensor) -> list[Passage]:
    """Every tensor that passes in one forward pass, in the order in which it does."""
    seen: list[Passage] = []

    def see(site: Site, module: nn.Module, value: Any) -> None:
        tensor = _floating(value)
        if tensor is not None:
            storage = StorageWeakRef(tensor.untyped_storage())
            shape, strides = tuple(tensor.shape), tensor.stride()
            seen.append(Passage(site, module, shape, strides, int(tensor.storage_offset()), storage))

    survey(net, x, see)
    return seen


def fingerprints(net: nn.Module, x: Tensor, wanted: Callable[[Site], bool]) -> dict[Site, list[Float64[Tensor, "_"]]]:
    """For each axis of each wanted tensor one number per index: a sum over all other axes, weighted so that a change of
    any element shows in it."""
    sums: dict[Site, list[Float64[Tensor, "_"]]] = {}
    latest: list[Any] = [None, -1, []]  # what a module takes is often what the one before returned

    def see(site: Site, _module: nn.Module, value: Any) -> None:
        tensor = _floating(value)
        if tensor is None or not wanted(site):
            return
        version = -1 if tensor.is_inference() else tensor._version
        if latest[0] is not tensor or latest[1] != version or version < 0:
            latest[:] = tensor, version, _sums(tensor)
        sums[site] = latest[2]

    survey(net, x, see)
    return sums


def _floating(value: Any) -> Tensor | None:
    """The tensor in what passes, where it is dense and its numbers have fractions."""
    try:
        tensor = tensor_in(value)
    except SemlensError:
        return None
    dense = tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_quantized
    return tensor.detach() if dense else None


def _sums(tensor: Tensor) -> list[Float64[Tensor, "_"]]:
    wide = tensor.cpu() if tensor.device.type == "mps" else tensor
    weighted = torch.nan_to_num(wide.double()) * _weights(tuple(wide.shape), wide.device)
    axes = range(weighted.ndim)
    return [weighted.sum([a for a in axes if a != axis]).cpu() if len(axes) > 1 else weighted.cpu() for axis in axes]


@lru_cache(maxsize=4)
def _weights(shape: tuple[int, ...], device: torch.device) -> Float64[Tensor, "..."]:
    count = torch.Size(shape).numel()
    return torch.arange(count, device=device).double().mul_(0.7390851).cos_().add_(1.5).view(shape)
