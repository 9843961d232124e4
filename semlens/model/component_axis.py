"""On which axis a tensor's components lie: the module that made it says so; what has no width of its own inherits."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn

from semlens.model.dry_run import Graph, Passage
from semlens.model.hooks import Site

_SOURCES = 4  # typed calls tried as the source of a tensor, the latest first
_UNITS = 8  # components tried, since one may be zero everywhere


@dataclass(frozen=True)
class Width:
    """How many components a module makes (or takes) and the axis they usually lie on; `sure` where they always do."""

    components: int
    axis: int
    sure: bool


def made_by(module: nn.Module) -> Width | None:
    """What the module itself says of its output. None for containers and whatever changes nothing but values."""
    if (channels := getattr(module, "out_channels", None)) is not None and _leaf(module, nn.modules.conv._ConvNd):
        return Width(channels, _channel_axis(module), True)
    if (features := getattr(module, "out_features", None)) is not None and _leaf(module, nn.Linear):
        return Width(features, -1, True)
    if (size := getattr(module, "embedding_dim", None)) is not None and _leaf(module, nn.Embedding):
        return Width(size, -1, True)
    if isinstance(module, nn.MultiheadAttention):
        return Width(module.embed_dim, -1, True)
    if isinstance(module, nn.RNNBase):
        return Width((module.proj_size or module.hidden_size) * (1 + module.bidirectional), -1, True)
    return _norm(module)


def taken_by(module: nn.Module) -> Width | None:
    """What the module itself says of its input."""
    if (channels := getattr(module, "in_channels", None)) is not None and _leaf(module, nn.modules.conv._ConvNd):
        return Width(channels, _channel_axis(module), True)
    if (features := getattr(module, "in_features", None)) is not None and _leaf(module, nn.Linear):
        return Width(features, -1, True)
    return _norm(module)


def _channel_axis(module: nn.Module) -> int:
    kernel = getattr(module, "kernel_size", None)
    return -1 - (len(kernel) if isinstance(kernel, tuple | list) else 2)


def _norm(module: nn.Module) -> Width | None:
    for name, kind in (("num_features", nn.modules.batchnorm._NormBase), ("num_channels", nn.GroupNorm)):
        if isinstance(getattr(module, name, None), int) and _leaf(module, kind):
            return Width(getattr(module, name), 1, isinstance(module, kind))
    shape = getattr(module, "normalized_shape", None)
    if shape is not None and len(shape) == 1:
        return Width(shape[0], -1, type(module) in (nn.LayerNorm, nn.RMSNorm))
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    wide = {len(tensor) for name, tensor in own if name in ("weight", "bias") and tensor.ndim == 1 and len(tensor) > 1}
    return Width(wide.pop(), -1, False) if len(wide) == 1 and _leaf(module) else None


def _leaf(module: nn.Module, *kinds: type) -> bool:
    return isinstance(module, kinds) or not any(True for _ in module.children())


@dataclass
class ComponentAxes:
    """The axis of the components of each passage. Mutable: passages are gone through in the order in which they passed.

    Args:
        graph: of the same image.
        images: the axis that holds the images, by site; what has none is left out.
    """

    graph: Graph
    passed: Sequence[Passage]
    images: Mapping[Site, int]
    axes: dict[Site, int] = field(default_factory=dict)
    typed: list[Passage] = field(default_factory=list)
    _in_memory: dict[int, list[Passage]] = field(default_factory=lambda: defaultdict(list))

    def find(self) -> dict[Site, int]:
        """All that can be decided."""
        for passage in self._open():
            axis = self._by_width(passage)
            if axis is not None and passage.site.side == "output":
                self._note(passage, axis)
                continue
            linked = self._linked(passage)
            if linked is None and axis is not None:
                self._hand_back(passage, axis)
                linked = axis
            self._set(passage, self._inherited(passage) if linked is None else linked)
        for passage in self._open():
            self._set(passage, self._by_positions(passage))
        return self.axes

    def _open(self) -> Iterator[Passage]:
        return (one for one in self.passed if one.site in self.images and one.site not in self.axes)

    def _free(self, passage: Passage) -> list[int]:
        return [axis for axis in range(len(passage.shape)) if axis != self.images[passage.site]]

    def _set(self, passage: Passage, axis: int | None) -> None:
        if axis is not None:
            self.axes[passage.site] = axis
            self._in_memory[passage.storage.cdata].append(passage)

    def _note(self, passage: Passage, axis: int) -> None:
        """A module that has a width made it: what follows with its shape, or on its positions, is laid like it."""
        self._set(passage, axis)
        self.typed.append(passage)

    def _by_width(self, passage: Passage) -> int | None:
        output = passage.site.side == "output"
        width, free = (made_by if output else taken_by)(passage.module), self._free(passage)
        if width is None or len(free) == 1:
            return free[0] if width and free else None
        fit = [axis for axis in free if passage.shape[axis] == width.components]
        usual = width.axis % len(passage.shape) if width.axis < len(passage.shape) else -1
        if width.sure and usual in fit:
            return usual
        if len(fit) < 2 or not output:
            return fit[0] if len(fit) == 1 else None
        taken = Site(passage.site.path, passage.site.call, "input")
        before = self.axes.get(taken)  # a norm leaves its input as it lies
        return before if before in fit else usual if usual in fit else None

    def _linked(self, passage: Passage) -> int | None:
        """The axis of an earlier tensor in the same memory. One that it was turned to is held against the latest typed
        tensor of this shape: tokens that were mixed by a linear layer over them lie where tokens lay before."""
        for earlier in reversed(self._in_memory[passage.storage.cdata]):
            axis = self.axes[earlier.site]
            if passage.same(earlier):
                return axis if axis != self.images[passage.site] else None
            step, length = earlier.strides[axis], earlier.shape[axis]
            lies = [a for a in self._free(passage) if (passage.strides[a], passage.shape[a]) == (step, length)]
            if length > 1 and len(lies) == 1:
                like = self._like(passage)
                turned = like is not None and lies[0] != axis and passage.shape[like] != length
                return like if turned else lies[0]
        return None

    def _like(self, passage: Passage) -> int | None:
        """The axis of the latest typed tensor of this shape."""
        like = next((one for one in reversed(self.typed) if one.shape == passage.shape), None)
        axis = None if like is None else self.axes[like.site]
        return None if axis == self.images[passage.site] else axis

    def _hand_back(self, passage: Passage, axis: int) -> None:
        """A module that has a width takes it: whatever returned it is laid like that."""
        for earlier in self.passed:
            if earlier is passage:
                return
            if earlier.same(passage) and earlier.site in self.images and earlier.site not in self.axes:
                self._set(earlier, axis)

    def _inherited(self, passage: Passage) -> int | None:
        """The only axis that there is, that of what a module without weights takes, or of the latest typed tensor of
        this shape."""
        module, site, free = passage.module, passage.site, self._free(passage)
        if len(free) == 1:
            return free[0]
        if site.side == "output" and not any(True for _ in module.parameters()):
            axis = self._through(passage)
            if axis is not None:
                return axis
        like = self._like(passage)
        return None if like is None else self._checked(passage, like)

    def _through(self, passage: Passage) -> int | None:
        site = Site(passage.site.path, passage.site.call, "input")
        axis, taken = self.axes.get(site), next((one for one in reversed(self.passed) if one.site == site), None)
        if axis is None or taken is None or len(taken.shape) != len(passage.shape):
            return None
        if axis == self.images[passage.site] or taken.shape[axis] != passage.shape[axis]:
            return None
        plain = type(passage.module).__module__.startswith("torch.nn.")
        return axis if plain else self._checked(passage, axis)

    def _by_positions(self, passage: Passage) -> int | None:
        """The only axis without which the positions are those of the typed tensor before."""
        before = self._before(passage)
        if not before:
            return None
        places = [
            n
            for a, n in enumerate(before[0].shape)
            if a not in (self.images[before[0].site], self.axes[before[0].site])
        ]
        likely = (places, [torch.Size(places).numel()])
        free = self._free(passage)
        fit = [a for a in free if [passage.shape[b] for b in free if b != a] in likely]
        return self._checked(passage, fit[0]) if len(fit) == 1 else None

    def _before(self, passage: Passage) -> list[Passage]:
        """The typed tensors that passed before, the latest first."""
        return [one for one in reversed(self.typed) if self._number[one.site] < self._number[passage.site]]

    @cached_property
    def _number(self) -> dict[Site, int]:
        return {one.site: number for number, one in enumerate(self.passed)}

    def _checked(self, passage: Passage, axis: int) -> int | None:
        """`axis`, or where another is as long, the one that the gradient of a typed tensor confirms."""
        as_long = [a for a in self._free(passage) if passage.shape[a] == passage.shape[axis]]
        return axis if len(as_long) == 1 or passage.shape[axis] == 1 else self._measured(passage, as_long)

    def _measured(self, passage: Passage, candidates: Sequence[int]) -> int | None:
        """The axis along which one index depends on one component of the latest typed tensor that leads here."""
        for source in self._before(passage)[:_SOURCES]:
            fit = [axis for axis in candidates if self._follows(source, passage.site, axis)]
            if fit:
                return fit[0] if len(fit) == 1 else None
        return None

    def _follows(self, source: Passage, target: Site, axis: int) -> bool:
        """Whether index i of the target depends on component i of the source, and on no other."""
        along = self.axes[source.site]
        start, end = self.graph.tensors.get(source.site), self.graph.tensors.get(target)
        if start is None or end is None or end.shape[axis] != start.shape[along]:
            return False
        for unit in range(min(_UNITS, end.shape[axis])):
            gradient = self.graph.gradient(target, axis, unit, source.site)
            if gradient is None:
                return False
            hit = gradient.abs().movedim(along, 0).flatten(1).amax(1) > 0
            if hit.any():
                return bool(hit.sum() == 1 and hit[unit])
        return False
