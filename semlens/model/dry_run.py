"""What passes through a model on images made for looking: the shape, the memory and the fingerprint of every tensor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

from semlens.errors import SemlensError
from semlens.model.components import tensor_in
from semlens.model.hooks import Site, survey
from semlens.types import Float

AXES: Mapping[int, tuple[int, ...]] = {3: (0, 1, 2)}
"""Along which axes a tensor of so many has a fingerprint by default; any other along its first."""

Choice = Callable[[Site, tuple[int, ...]], tuple[int, ...]]
"""The axes along which what passes at a site with a shape is wanted; none leaves it out."""


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


@dataclass(frozen=True)
class Fingerprint:
    """A tensor's shape, and one number per index of some of its axes: a sum over all other axes, weighted alike for
    every index, so that two indices have one number where they hold the same.

    Args:
        sums: by axis.
        tables: of a tensor of three axes, by axis: the sums over that axis alone, one for each pair of the other two.
    """

    shape: tuple[int, ...]
    sums: Mapping[int, Float[Tensor, "_"]]
    tables: Mapping[int, Float[Tensor, "_ _"]] = field(default_factory=dict)


@dataclass
class Run:
    """One forward pass: every tensor that passed, in the order in which it did; what modules returned instead of one
    that can be read; and the fingerprints that were wanted. Mutable: it is filled while the model runs.

    Args:
        apart: how many tensors had passed before a function took the range of the whole batch, from which on images
            are not apart; None if none did.
    """

    passed: list[Passage]
    without: dict[Site, str]
    prints: dict[Site, Fingerprint]
    apart: int | None = None


@dataclass
class Graph:
    """A forward pass of one image with gradients, run when it is first asked for. Mutable: it keeps the tensors."""

    net: nn.Module
    x: Tensor

    @cached_property
    def tensors(self) -> dict[Site | None, Tensor]:
        """What passed at each site, and under None the pixels."""
        with torch.enable_grad():
            seen: dict[Site | None, Tensor] = {None: self.x.clone().requires_grad_(self.x.is_floating_point())}

            def see(site: Site, _module: nn.Module, value: Any) -> None:
                try:
                    seen[site] = tensor_in(value)
                except SemlensError:
                    return

            survey(self.net, seen[None], see)
        return seen

    def gradient(self, end: Site, axis: int, index: int, start: Site | None) -> Tensor | None:
        """The gradient of a weighted sum over one index of a tensor's axis, at another tensor; None where there is
        none, or it cannot be told (changed in place since)."""
        target, source = self.tensors.get(end), self.tensors.get(start)
        if target is None or source is None or not target.requires_grad or not source.requires_grad:
            return None
        try:
            with torch.enable_grad():
                part = target.select(axis, index)
            weights = torch.arange(part.numel(), device=part.device).to(part.dtype).cos_().add_(2).view(part.shape)
            (found,) = torch.autograd.grad(part, source, weights, retain_graph=True, allow_unused=True)
        except RuntimeError:
            return None
        return found


def by_default(_site: Site, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The usual axes."""
    return AXES.get(len(shape), (0,))


def dry_run(net: nn.Module, x: Tensor, wanted: Choice = by_default) -> Run:
    """What passes when the model runs on `x`."""
    run = Run([], {}, {})
    latest: list[Any] = [None, -1, None]  # what a module takes is often what the one before returned

    def see(site: Site, module: nn.Module, value: Any) -> None:
        tensor = _floating(value)
        if tensor is None:
            if site.side == "output":
                run.without[site] = _instead(value)
            return
        shape, strides = tuple(tensor.shape), tensor.stride()
        storage = StorageWeakRef(tensor.untyped_storage())
        run.passed.append(Passage(site, module, shape, strides, int(tensor.storage_offset()), storage))
        axes = wanted(site, shape)
        if not axes:
            return
        state = tensor_in(value), -1 if tensor.is_inference() else tensor._version, axes
        if latest[0] is not state[0] or latest[1] != state[1:] or state[1] < 0:
            latest[:] = state[0], state[1:], _fingerprint(tensor, axes)
        run.prints[site] = latest[2]

    with _Ranges(run):
        survey(net, x, see)
    return run


class _Ranges(TorchFunctionMode):
    """Notices in a run the first function that quantises by the range of what it is given, images together."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.run.apart is None and (_takes_range(func) or _observes(func, args)):
            self.run.apart = len(self.run.passed)
        return func(*args, **(kwargs or {}))


def _observes(func: Any, args: Any) -> bool:
    """Whether it quantises for training, with an observer that goes on in eval mode."""
    return getattr(func, "__name__", "") == "fused_moving_avg_obs_fake_quant" and len(args) > 1 and bool(args[1])


@lru_cache(maxsize=1024)
def _takes_range(func: Any) -> bool:
    name, home = str(getattr(func, "__name__", func)), str(getattr(func, "__module__", ""))
    quantises = "quantiz" in name or "quantized" in home
    return (quantises and "dynamic" in name) or name in {"quantized_lstm", "quantized_gru"} or "choose_qparams" in name


def _floating(value: Any) -> Tensor | None:
    """The tensor in what passes, where it is dense and its numbers have fractions."""
    try:
        tensor = tensor_in(value)
    except SemlensError:
        return None
    dense = tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_quantized
    return tensor.detach() if dense and tensor.ndim else None


def _instead(value: Any) -> str:
    try:
        tensor = tensor_in(value)
    except SemlensError:
        return f"gives a {type(value).__name__}, which holds no tensor"
    if not tensor.ndim:
        return "gives a single number"
    return f"gives a tensor of {tensor.dtype}, which holds no dense floating-point numbers"


def _fingerprint(tensor: Tensor, axes: tuple[int, ...]) -> Fingerprint:
    shape = tuple(tensor.shape)
    x = tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()
    found = _sums(x, axes)
    if any(bool(sums.isnan().any()) for sums in (*found.sums.values(), *found.tables.values())):
        return _sums(torch.nan_to_num(x, nan=0.0, posinf=1e4, neginf=-1e4), axes)
    return Fingerprint(shape, found.sums, found.tables)


def _sums(x: Tensor, axes: tuple[int, ...]) -> Fingerprint:
    shape = tuple(x.shape)
    if len(shape) != 3 or len(axes) != 3:
        return Fingerprint(shape, {axis: _weighted(_index_by_index(x, axis)).cpu() for axis in axes})
    tables = {1: _weighted(x.transpose(1, 2)).cpu(), 2: _weighted(x).cpu()}
    sums = {0: _weighted(tables[2]), 1: _weighted(tables[2].T), 2: _weighted(tables[1].T)}
    return Fingerprint(shape, sums, tables)


def _index_by_index(x: Tensor, axis: int) -> Float[Tensor, "n m"]:
    return x.movedim(axis, 0).reshape(x.shape[axis], x.numel() // max(x.shape[axis], 1))


def _weighted(x: Float[Tensor, "... m"]) -> Float[Tensor, "..."]:
    """Sums over the last axis, the same weights in every row."""
    return x @ _curve(1 << max(x.shape[-1] - 1, 0).bit_length(), x.dtype, x.device)[: x.shape[-1]]


@lru_cache(maxsize=32)
def _curve(length: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "length"]:
    return torch.arange(length, dtype=torch.float64).mul_(0.7390851).cos_().add_(1.5).to(device, dtype)
