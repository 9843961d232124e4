"""The truth about the rows that `layers` lists: what plain hooks see of each image alone, without semlens.model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semlens.model.layers import LayerRow
from semlens.types import ConceptExamples

PROJECTIONS = ("proj", "out_proj", "o_proj", "c_proj", "output.dense")
NEAR = 2e-3  # of the greatest activation of a row: what orders of summation may differ by
MOST_SPECIAL = 8


@dataclass(frozen=True)
class Call:
    """What one call gave for one image: its shape, which axis holds the images, how many components its module has by
    its own account, and on which axis they lie (None: either the second or the last)."""

    shape: tuple[int, ...]
    images: int
    width: int | None
    axis: int | None


def first_tensor(output: Any) -> Tensor | None:
    """The tensor that an output carries, if there is one."""
    while not isinstance(output, Tensor):
        if isinstance(output, dict) and output:
            output = output.get("last_hidden_state", next(iter(output.values())))
        elif isinstance(output, tuple | list) and output:
            output = output[0]
        else:
            return None
    return output.detach() if output.is_floating_point() and output.ndim > 1 else None


def own_width(module: nn.Module, shape: Sequence[int]) -> tuple[int, int | None] | None:
    """How many components a module makes by its own account, and on which axis of its output (None where two are as
    long); None for any other."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return module.out_channels, len(shape) - len(module.kernel_size) - 1
    if isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm):
        return int(getattr(module, "num_features", 0) or getattr(module, "num_channels", 0)), 1
    if isinstance(module, nn.Linear | nn.Embedding):
        return (module.out_features if isinstance(module, nn.Linear) else module.embedding_dim), len(shape) - 1
    weight = getattr(module, "weight", None)
    if "norm" not in type(module).__name__.lower() or not isinstance(weight, Tensor) or weight.ndim != 1:
        return None
    fit = [axis for axis in (1, len(shape) - 1) if shape[axis] == len(weight)]
    two_dimensional = [1] if "2d" in type(module).__name__.lower() else []
    return len(weight), (fit[0] if len(set(fit)) == 1 else next(iter(two_dimensional), None))


def call_by_call(net: nn.Module, x: Tensor, see: Callable[[str, Tensor], None]) -> None:
    """One forward pass: `see("path#call", tensor)` for what every call gives, before anything can overwrite it."""
    calls: Counter[str] = Counter()

    def hook(path: str, output: Any) -> None:
        tensor = first_tensor(output)
        name = f"{path}#{calls[path]}"
        calls[path] += 1
        if tensor is not None:
            see(name, tensor)

    plain = ((path, module) for path, module in net.named_modules() if not isinstance(module, torch.jit.ScriptModule))
    handles = [
        module.register_forward_hook(lambda _m, _a, output, path=path: hook(path, output)) for path, module in plain
    ]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()


class PlainHooks:
    """A network as plain hooks see it.

    Args:
        images: batches of one, all different, at least two.
        registers: how many of the tokens that come first are registers, behind the class token.
        around: how many tokens come before and behind the patches where they have joined; None where it is to be seen
            from the images: tokens that are the same for all of them, else what the grid of a map leaves over.
    """

    def __init__(
        self, net: nn.Module, images: Sequence[Tensor], registers: int = 0, around: tuple[int, int] | None = None
    ):
        self.net, self.images, self.registers, self.around = net, images, registers, around
        self.calls: dict[str, Call] = {}
        self.special: dict[int, tuple[int, int]] = {}
        self._grids: set[int] = set()
        self._axes: dict[tuple[int, ...], int] = {}
        self._places: set[tuple[int, ...]] = set()
        doubled: dict[str, int] = {}
        alone: dict[str, Tensor] = {}
        call_by_call(net, images[0], alone.__setitem__)
        call_by_call(net, torch.cat([images[0], images[1]]), lambda name, y: self._double(doubled, alone, name, y))
        for name, y in alone.items():
            self.calls[name] = self._call(name, tuple(y.shape), doubled.get(name, 0))
        call_by_call(net, images[1], lambda name, y: self._ends(name, alone.get(name), y))

    def _double(self, doubled: dict[str, int], alone: Mapping[str, Tensor], name: str, pair: Tensor) -> None:
        """The axis that holds the images is the one that is twice as long for two."""
        one = alone[name].shape if name in alone else ()
        grown = [axis for axis, (a, b) in enumerate(zip(one, pair.shape, strict=False)) if b == 2 * a]
        doubled[name] = grown[0] if grown else 0

    def _call(self, name: str, shape: tuple[int, ...], images: int) -> Call:
        width, axis = own_width(self.net.get_submodule(name.partition("#")[0]), shape) or (None, None)
        if axis is not None:  # what follows with this shape, or on these places, has its components on the same axis
            self._axes[shape] = axis
            places = _without(shape, axis)
            self._places |= {places, (prod(places),)}
        elif width is None and len(shape) > 2 and (len(shape) == 3 or shape[1] != shape[-1]):
            fit = [a for a in (1, len(shape) - 1) if _without(shape, a) in self._places]
            axis = self._axes.get(shape, fit[0] if len(fit) == 1 else None)
        if len(shape) == 4 and axis == 1:
            self._grids.add(shape[2] * shape[3])
        return Call(shape, images, width, axis)

    def _ends(self, name: str, one: Tensor | None, other: Tensor) -> None:
        """Special tokens of a sequence, decided where one of its length passes first."""
        if one is None or one.ndim != 3 or one.shape != other.shape:
            return
        place = 1 if self.calls[name].images == 0 else 0
        length = one.shape[place]
        if length in self.special or one.shape[1 - place] != 1 or self.calls[name].axis == 1:
            return
        if self.around is not None:
            self.special[length] = self.around if length - sum(self.around) in self._grids else (0, 0)
            return
        change = (one - other).abs().movedim(place, 0).flatten(1).amax(1)
        if not change.any():
            return
        moves = np.flatnonzero((change > 1e-6 * change.max()).numpy())
        first, last = int(moves[0]), length - 1 - int(moves[-1])
        if len(moves) != length - first - last:
            self.special[length] = 0, 0
        else:
            self.special[length] = (first, last) if first + last else (self._over(length), 0)

    def _over(self, length: int) -> int:
        """What the nearest grid of a map leaves over."""
        over = min((length - grid for grid in self._grids if grid <= length), default=0)
        return over if 0 < over <= MOST_SPECIAL and isqrt(length) ** 2 != length else 0

    def means(self, rows: Sequence[LayerRow]) -> dict[str, list[np.ndarray]]:
        """Mean activations of each row, images x components, by the spec that `collect` takes; once for each axis that
        may be right."""
        at: dict[str, list[LayerRow]] = {}
        for row in rows:
            at.setdefault(_call_name(row), []).append(row)
        means: dict[str, list[list[Tensor]]] = {spec(row): [] for row in rows}

        def see(name: str, y: Tensor) -> None:
            for row in at.get(name, ()):
                if row.kind != "heads":
                    means[spec(row)].append(self._pooled(y, row, self.calls[name]))

        handles = [hook for row in rows if row.kind == "heads" for hook in self._at_heads(row, means[spec(row)])]
        for x in self.images:
            call_by_call(self.net, x, see)
        for handle in handles:
            handle.remove()
        return {
            name: [torch.stack(axis).double().numpy() for axis in zip(*alone, strict=True)]
            for name, alone in means.items()
        }

    def _pooled(self, y: Tensor, row: LayerRow, call: Call) -> list[Tensor]:
        signed = row.kind in ("tokens", "cls", "registers")
        if signed and y.ndim == 3:
            y = self._tokens(y.movedim(call.images, 0), row.kind)
            return [_both_signs(y.flatten(0, -2))]
        axes = (call.axis,) if call.axis is not None else (1, y.ndim - 1)
        return [y.movedim(axis, -1).reshape(-1, y.shape[axis]).float().mean(0) for axis in axes]

    def _tokens(self, y: Tensor, kind: str) -> Tensor:
        first, last = self.special.get(y.shape[1], (0, 0)) if len(y) == 1 else (0, 0)
        if kind == "tokens":
            return y[:, first : y.shape[1] - last]
        if kind == "registers":
            return y[:, first - self.registers : first]
        return y[:, : first - self.registers * (first > self.registers)] if first else y[:, y.shape[1] - last :]

    def _at_heads(self, row: LayerRow, means: list[list[Tensor]]) -> list[Any]:
        """Hooks on the projection of an attention module: the mean length of each head's vectors over the patches."""

        def see(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            y = args[0].detach()
            y = y.movedim(1, 0) if y.ndim == 3 and y.shape[1] == 1 else y
            y = self._tokens(y, "tokens") if y.ndim == 3 else y
            vectors = y.reshape(-1, row.components, y.shape[-1] // row.components)
            means.append([vectors.norm(dim=-1).float().mean(0)])

        module = self.net.get_submodule(row.layer.partition("#")[0])
        return [child.register_forward_pre_hook(see) for name, child in module.named_modules() if name in PROJECTIONS]


def _without(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(length for a, length in enumerate(shape) if a not in (0, axis))


def _both_signs(y: Tensor) -> Tensor:
    return torch.cat([y.clamp(min=0), (-y).clamp(min=0)], 1).float().mean(0)


def _call_name(row: LayerRow) -> str:
    layer = row.layer.partition("@")[0]
    return layer if "#" in layer else f"{layer}#0"


def with_other_tokens(rows: Sequence[LayerRow]) -> list[LayerRow]:
    """The rows, and one for each other kind of token that can be read there."""
    others = [LayerRow(row.layer, kind, row.components) for row in rows for kind in row.also]
    return [*rows, *others]


def spec(row: LayerRow) -> str:
    """What to ask `collect` for."""
    return f"{row.layer}@{row.kind}" if row.kind in ("heads", "cls", "registers") else row.layer


def verdict(row: LayerRow, found: ConceptExamples, seen: PlainHooks, means: Sequence[np.ndarray]) -> str:
    """ "right", or what is wrong with what was collected for one row."""
    axis = next(axis for axis in found.layers if axis.layer == spec(row))
    call = seen.calls.get(_call_name(row))
    wide = call.width if call and row.kind != "heads" else None
    signs = 2 if row.kind in ("tokens", "cls", "registers") else 1
    if wide is not None and row.components != signs * wide:
        return f"{row.components} components where the module is {wide} wide"
    ids, activations = found.ids[axis.start : axis.stop], found.activations[axis.start : axis.stop]
    if any(agrees(ids, activations, truth) for truth in means):
        return "right"
    return f"other activations than a plain hook sees, of {call.shape if call else 'nothing'} for one image"


def agrees(ids: np.ndarray, activations: np.ndarray, truth: np.ndarray) -> bool:
    """Whether collected activations are those of the images they name, the greatest first.

    Args:
        truth: images x components.
    """
    if len(ids) != truth.shape[1]:
        return False
    near, real = NEAR * np.abs(truth).max() + 1e-6, (ids >= 0) & (ids < len(truth))
    named = truth[np.where(real, ids, 0), np.arange(len(ids))[:, None]]
    return bool(
        (np.abs(named - activations)[real] <= near).all() and (np.abs(truth.max(0) - activations[:, 0]) <= near).all()
    )
