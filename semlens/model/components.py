"""What counts as one component of a layer: kinds that read activations out of a layer's output and write them back.

The law of every kind: `write(x, read(x)) == x`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from einops import rearrange, repeat
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model.hooks import Site
from semlens.shapes import Bool, Float, Int32, Int64

POOLS = ("max", "mean")
_ROW = 4096  # floats: rows that long a product reads twice as fast as rows of 32


@runtime_checkable
class Components(Protocol):
    """A component kind on one layer: a getter and a setter on what passes at `site`."""

    @property
    def layer(self) -> str:
        """The layer as the user writes it: `path`, `path#call`, either with `@kind`."""
        ...

    @property
    def kind(self) -> str:
        """The kind as the user writes it behind '@'."""
        ...

    @property
    def site(self) -> Site:
        """Where in the model the tensor passes."""
        ...

    @property
    def rows(self) -> "Rows":
        """Where the tensor holds its images."""
        ...

    @property
    def beside(self) -> Sequence["Components"]:
        """Kinds that read what this one leaves out of the same tensor: its other tokens."""
        ...

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        """Activations of every component at every position, in the layer's own precision."""
        ...

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        """The layer's output with its components set to `acts`; everything that `read` leaves out is kept."""
        ...

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        """The values laid where the components lie in the layer's tensor: what multiplies a part of it, if every
        component is to be multiplied by its value. Zero where no component lies."""
        ...

    def pool(self, output: Any, how: str) -> "Pooled":
        """`read` reduced over positions by "max" or "mean"."""
        ...

    def grid(self, output: Any) -> tuple[int, int] | None:
        """Height and width of the positions where they lie on one, else None."""
        ...

    def unit_name(self, unit: int, components: int) -> str | None:
        """A name for a unit that says more than its number, or None."""
        ...


def site_of(layer: str) -> Site:
    """Where `path`, `path#call` or either with `@kind` takes its tensor."""
    return Site.parse(layer.partition("@")[0])


def tensor_in(output: Any) -> Tensor:
    """The tensor a layer's output carries: itself, the first of a tuple or list, `last_hidden_state` or the first of a
    dict.

    Raises SemlensError if there is none.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict) and output:  # transformers' ModelOutput is a dict too
        return tensor_in(output.get("last_hidden_state", next(iter(output.values()))))
    if isinstance(output, tuple | list) and output:
        return tensor_in(output[0])
    raise SemlensError(f"the layer's output is a {type(output).__name__}, which holds no tensor; choose another layer")


def put_tensor(output: Any, tensor: Tensor) -> Any:
    """A copy of `output` in which the tensor that `tensor_in` finds is replaced."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, dict):
        key = "last_hidden_state" if "last_hidden_state" in output else next(iter(output))
        entries = {**output, key: put_tensor(output[key], tensor)}
        return type(output)(**entries) if type(output) is not dict else entries
    first, *rest = output
    items = [put_tensor(first, tensor), *rest]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


@dataclass(frozen=True)
class Pooled:
    """Activations of one batch with the positions taken together, in float32; for "max", where the maximum lies (the
    first)."""

    activations: Float[Tensor, "n c"]
    positions: Int32[Tensor, "n c"] | None


def pool_rows(x: Float[Tensor, "n p c"], how: str) -> Pooled:
    """`x` reduced over its middle axis. Fast in either memory layout, where torch's own `mean` and `max` are not."""
    return Pooled(_mean(x), None) if how == "mean" else _max(x)


def _mean(x: Float[Tensor, "n p c"]) -> Float[Tensor, "n c"]:
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.stride(2) != 1 or x.shape[1] <= 256:
        return x.sum(1, dtype=torch.float32) / x.shape[1]
    # With components innermost, a product with ones reads at the speed of memory if its rows are long.
    side = math.gcd(x.shape[1], 2 ** (max(_ROW // x.shape[2], 1).bit_length() - 1))
    sums = x.new_ones(1, x.shape[1] // side) @ x.unflatten(1, (-1, side)).flatten(2)
    return sums.unflatten(2, (side, -1)).sum((1, 2)) / x.shape[1]


def _max(x: Float[Tensor, "n p c"]) -> Pooled:
    # An arg-max over a large tensor costs ten maxima; over maxima of blocks, then within the best, it costs one.
    positions = x.shape[1]
    block = math.isqrt(positions)
    whole = positions - positions % block
    tops = x[:, :whole].unflatten(1, (-1, block)).amax(2)
    if whole < positions:
        tops = torch.cat([tops, x[:, whole:].amax(1, keepdim=True)], dim=1)
    highest = tops.amax(1)
    start = _first(tops == highest[:, None]) * block
    start = start.clamp(max=positions - block)  # a short last block reaches back over its neighbour
    inside = x.gather(1, start[:, None] + torch.arange(block, device=x.device)[:, None])
    return Pooled(highest.float(), (start + _first(inside == highest[:, None])).int())


def _first(hit: Bool[Tensor, "n p c"]) -> Int64[Tensor, "n c"]:
    """Where the first True lies along the middle axis, at its end if there is none (NaN equals nothing)."""
    length = hit.shape[1]
    left = torch.arange(length, 0, -1, dtype=torch.int16 if length < 2**15 else torch.int32, device=hit.device)
    return (length - (hit * left[:, None]).amax(1).long()).clamp(max=length - 1)


@dataclass(frozen=True)
class Rows:
    """Where a tensor holds its images: `axis` counts outer x images x inner. Most often each index of the first axis is
    an image; windows, patches or tokens may be folded in before or behind it."""

    axis: int = 0
    outer: int = 1
    inner: int = 1

    @property
    def unfolded(self) -> bool:
        """Whether each index of the axis is an image."""
        return self.outer * self.inner == 1

    def gather(self, x: Tensor) -> Float[Tensor, "n f ..."]:
        """Images first, then what is folded in, then all other axes in their order."""
        return x.movedim(self.axis, 0).unflatten(0, (self.outer, -1, self.inner)).movedim(1, 0).flatten(1, 2)

    def scatter(self, gathered: Float[Tensor, "n f ..."]) -> Tensor:
        """The tensor that was gathered."""
        apart = gathered.unflatten(1, (self.outer, self.inner)).movedim(0, 1)
        return apart.flatten(0, 2).movedim(0, self.axis)


ROWS = Rows()


@dataclass(frozen=True)
class Channels:
    """Channels of a convolutional map, or units of a linear layer: axis `dim` of the output, all others but the images'
    are positions."""

    layer: str
    dim: int = 1
    rows: Rows = ROWS
    beside = ()

    @property
    def kind(self) -> str:
        return "channels" if self.dim == 1 else f"channels:{self.dim}"

    @property
    def site(self) -> Site:
        return site_of(self.layer)

    def _moved(self, output: Any, to: int) -> Tensor:
        x = tensor_in(output)
        return self.rows.gather(x).movedim(self._place(x), to)

    def _place(self, x: Tensor) -> int:
        """The components' axis when the images are gathered."""
        dim = self.dim % x.ndim
        return dim + 2 - (dim > self.rows.axis)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        return self._moved(output, 1).flatten(2)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        return put_tensor(output, self.spread(output, acts))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        laid = values.reshape(self._moved(output, 1).shape)
        return self.rows.scatter(laid.movedim(1, self._place(tensor_in(output))))

    def pool(self, output: Any, how: str) -> Pooled:
        # Reduced where it lies: `read` may have to copy the map, and that copy costs more than the reduction.
        return pool_rows(self._moved(output, -1).flatten(1, -2), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        x = tensor_in(output)
        sides = [side for d, side in enumerate(x.shape) if d not in (self.rows.axis, self.dim % x.ndim)]
        return (sides[0], sides[1]) if len(sides) == 2 and self.rows.unfolded else None

    def unit_name(self, unit: int, components: int) -> str | None:
        return None


@dataclass(frozen=True)
class Tokens:
    """Features of a transformer, each as a + and a - component: unit `i` is the positive part of feature i, unit
    `features + i` its negative part. Read at the patch tokens, the class token or the register tokens.

    Source: Dreyer et al. 2025, Supp. B.1, where features are sorted from both ends. But: each side is rectified before
    pooling, so that a component which never takes a sign is dead there instead of being described by its weakest
    images.
    """

    layer: str
    tokens: str = "patch"  # "patch", "cls" or "register"
    cls: int = 1  # how many class tokens the sequence starts with
    registers: int = 0  # how many register tokens follow them
    last: int = 0  # how many tokens at the end are no patches: its class tokens, where none are at the start
    rows: Rows = ROWS
    sides: tuple[int, int] | None = None  # of the patches' grid

    @property
    def kind(self) -> str:
        return {"patch": "tokens", "cls": "cls", "register": "registers"}[self.tokens]

    @property
    def site(self) -> Site:
        return site_of(self.layer)

    @property
    def beside(self) -> tuple["Tokens", ...]:
        there = {"patch": True, "cls": bool(self.cls or (self.last and not self.registers)), "register": self.registers}
        others = (replace(self, tokens=tokens) for tokens, some in there.items() if some and tokens != self.tokens)
        path = self.layer.partition("@")[0]
        return tuple(replace(other, layer=f"{path}@{other.kind}") for other in others)

    @property
    def span(self) -> slice:
        """Which tokens of the sequence are read."""
        special = self.cls + self.registers
        at_the_end = not special and self.last
        spans = {
            "patch": slice(special, -self.last or None),
            "cls": slice(-self.last, None) if at_the_end else slice(0, self.cls),
            "register": slice(self.cls, special),
        }
        return spans[self.tokens]

    def _tokens(self, output: Any) -> Float[Tensor, "n p c"]:
        return self.rows.gather(tensor_in(output))[:, :, self.span].flatten(1, 2)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        x = rearrange(self._tokens(output), "n p c -> n c p")
        return torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        positive, negative = acts.chunk(2, dim=1)
        x = self.rows.gather(tensor_in(output)).clone()
        x[:, :, self.span] = rearrange(positive - negative, "n c (f p) -> n f p c", f=x.shape[1])
        return put_tensor(output, self.rows.scatter(x))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        x = self.rows.gather(tensor_in(output))
        positive, negative = rearrange(values, "n (side c) (f p) -> side n f p c", side=2, f=x.shape[1])
        spread = torch.zeros_like(x)
        spread[:, :, self.span] = torch.where(x[:, :, self.span] >= 0, positive, negative)
        return self.rows.scatter(spread)

    def pool(self, output: Any, how: str) -> Pooled:
        x = self._tokens(output)
        if how == "max":
            sides = [pool_rows(x, how), pool_rows(-x, how)]
            positions = [side.positions for side in sides if side.positions is not None]
            highest = torch.cat([side.activations for side in sides], dim=1)
            return Pooled(highest.clamp(min=0), torch.cat(positions, dim=1))
        # A few images at a time on a CPU, so that the rectified copies stay in its cache; it halves the time.
        parts = x.split(4) if x.device.type == "cpu" else (x,)
        means = [torch.cat([_mean(part.clamp(min=0)), _mean((-part).clamp_(min=0))], dim=1) for part in parts]
        return Pooled(torch.cat(means), None)

    def grid(self, output: Any) -> tuple[int, int] | None:
        if self.tokens != "patch" or not self.rows.unfolded:
            return None
        return _grid(self._tokens(output).shape[1], self.sides)

    def unit_name(self, unit: int, components: int) -> str | None:
        features = components // 2
        return f"+{unit}" if unit < features else f"-{unit - features}"


def _grid(positions: int, sides: tuple[int, int] | None) -> tuple[int, int] | None:
    """The grid that was seen, for another size of image a square one; None where none was seen."""
    if sides is None or sides[0] * sides[1] == positions:
        return sides
    side = math.isqrt(positions)
    return (side, side) if side * side == positions else None


@dataclass(frozen=True)
class Heads:
    """Attention heads: the length of each head's output vector at each patch token, read where the heads still lie side
    by side, at the input of the attention's output projection. Writing scales a head's vector.
    """

    layer: str
    projection: str  # path of the output projection
    heads: int
    special: int = 1  # class and register tokens the sequence starts with
    last: int = 0  # tokens at its end that are no patches
    rows: Rows = ROWS
    sides: tuple[int, int] | None = None  # of the positions' grid

    kind = "heads"
    beside = ()

    @property
    def site(self) -> Site:
        return Site.parse(self.projection, side="input")

    def _laid(self, output: Any) -> Float[Tensor, "n f l c"]:
        x = self.rows.gather(tensor_in(output))
        return x.flatten(2, -2) if x.ndim > 3 else x[:, :, None]

    @property
    def _span(self) -> slice:
        return slice(self.special, -self.last or None)

    def _vectors(self, output: Any) -> Float[Tensor, "n h p d"]:
        return rearrange(self._laid(output)[:, :, self._span], "n f p (h d) -> n h (f p) d", h=self.heads)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        return self._vectors(output).norm(dim=-1)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        vectors, now = self._vectors(output), self.read(output)
        # a / a is exactly 1, so an unchanged head comes back bit for bit; a vector of length 0 has nothing to scale.
        scale = torch.where(now > 0, acts / now, torch.ones_like(now))
        return put_tensor(output, self._put(output, self._laid(output).clone(), vectors * scale[..., None]))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        x = self._laid(output)
        vectors = repeat(values, "n h p -> n h p d", d=x.shape[-1] // self.heads)
        return self._put(output, torch.zeros_like(x), vectors)

    def _put(self, output: Any, laid: Float[Tensor, "n f l c"], vectors: Float[Tensor, "n h p d"]) -> Tensor:
        laid[:, :, self._span] = rearrange(vectors, "n h (f p) d -> n f p (h d)", f=laid.shape[1])
        return self.rows.scatter(laid.reshape(self.rows.gather(tensor_in(output)).shape))

    def pool(self, output: Any, how: str) -> Pooled:
        return pool_rows(rearrange(self.read(output), "n c p -> n p c"), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        return _grid(self.read(output).shape[2], self.sides) if self.rows.unfolded else None

    def unit_name(self, unit: int, components: int) -> str | None:
        return f"head {unit}"
