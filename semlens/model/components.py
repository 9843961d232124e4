"""What counts as one component of a layer: kinds that read activations out of a layer's output and write them back.

The law of every kind: `write(x, read(x)) == x`.
"""

import math
from dataclasses import dataclass
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
class Channels:
    """Channels of a convolutional map, or units of a linear layer: axis `dim` of the output, all others are
    positions."""

    layer: str
    dim: int = 1

    @property
    def kind(self) -> str:
        return "channels" if self.dim == 1 else f"channels:{self.dim}"

    @property
    def site(self) -> Site:
        return site_of(self.layer)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        x = tensor_in(output).movedim(self.dim, 1)
        return x.flatten(2) if x.ndim > 2 else x[:, :, None]

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        moved = tensor_in(output).movedim(self.dim, 1)
        return put_tensor(output, acts.reshape(moved.shape).movedim(1, self.dim))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        moved = tensor_in(output).movedim(self.dim, 1)
        return values.reshape(moved.shape).movedim(1, self.dim)

    def pool(self, output: Any, how: str) -> Pooled:
        # Reduced where it lies: `read` may have to copy the map, and that copy costs more than the reduction.
        x = tensor_in(output).movedim(self.dim, -1)
        return pool_rows(x.flatten(1, -2) if x.ndim > 2 else x[:, None], how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        x = tensor_in(output)
        sides = [side for d, side in enumerate(x.shape) if d not in (0, self.dim % x.ndim)]
        return (sides[0], sides[1]) if len(sides) == 2 else None

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

    @property
    def kind(self) -> str:
        return {"patch": "tokens", "cls": "cls", "register": "registers"}[self.tokens]

    @property
    def site(self) -> Site:
        return site_of(self.layer)

    @property
    def span(self) -> slice:
        """Which tokens of the sequence are read."""
        special = self.cls + self.registers
        spans = {"patch": slice(special, None), "cls": slice(0, self.cls), "register": slice(self.cls, special)}
        return spans[self.tokens]

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        x = rearrange(tensor_in(output)[:, self.span], "n p c -> n c p")
        return torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        positive, negative = acts.chunk(2, dim=1)
        x = tensor_in(output).clone()
        x[:, self.span] = rearrange(positive - negative, "n c p -> n p c")
        return put_tensor(output, x)

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        x = tensor_in(output)
        positive, negative = rearrange(values, "n (side c) p -> side n p c", side=2)
        spread = torch.zeros_like(x)
        spread[:, self.span] = torch.where(x[:, self.span] >= 0, positive, negative)
        return spread

    def pool(self, output: Any, how: str) -> Pooled:
        x = tensor_in(output)[:, self.span]
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
        positions = tensor_in(output)[:, self.span].shape[1]
        side = round(positions**0.5)
        return (side, side) if self.tokens == "patch" and side * side == positions else None

    def unit_name(self, unit: int, components: int) -> str | None:
        features = components // 2
        return f"+{unit}" if unit < features else f"-{unit - features}"


@dataclass(frozen=True)
class Heads:
    """Attention heads: the length of each head's output vector at each patch token, read where the heads still lie side
    by side, at the input of the attention's output projection. Writing scales a head's vector.
    """

    layer: str
    projection: str  # path of the output projection
    heads: int
    special: int = 1  # class and register tokens the sequence starts with

    kind = "heads"

    @property
    def site(self) -> Site:
        return Site.parse(self.projection, side="input")

    def _vectors(self, output: Any) -> Float[Tensor, "n h p d"]:
        return rearrange(tensor_in(output)[:, self.special :], "n p (h d) -> n h p d", h=self.heads)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        return self._vectors(output).norm(dim=-1)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        vectors, now = self._vectors(output), self.read(output)
        # a / a is exactly 1, so an unchanged head comes back bit for bit; a vector of length 0 has nothing to scale.
        scale = torch.where(now > 0, acts / now, torch.ones_like(now))
        x = tensor_in(output).clone()
        x[:, self.special :] = rearrange(vectors * scale[..., None], "n h p d -> n p (h d)")
        return put_tensor(output, x)

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        x = tensor_in(output)
        spread = torch.zeros_like(x)
        spread[:, self.special :] = repeat(values, "n h p -> n p (h d)", d=x.shape[-1] // self.heads)
        return spread

    def pool(self, output: Any, how: str) -> Pooled:
        return pool_rows(rearrange(self.read(output), "n c p -> n p c"), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        return Tokens(self.layer, cls=self.special).grid(output)

    def unit_name(self, unit: int, components: int) -> str | None:
        return f"head {unit}"
