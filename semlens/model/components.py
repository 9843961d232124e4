"""What counts as one component of a layer: what a kind reads out of a layer's output and writes back.

The law of every kind: `write(x, read(x)) == x`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model.hooks import Site
from semlens.types import Bool, Float, Int32, Int64

POOLS = ("max", "mean")
UNEVEN = (
    "how many there are depends on what the images show, as where experts take some tokens each, so they cannot be "
    "told apart by image: choose another layer"
)
"""Why a layer whose rows do not follow the images cannot be read."""
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

    @property
    def part(self) -> str:
        """Which tokens of a sequence it reads, "patch", "cls" or "register"; empty where it tells none apart."""
        ...

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        """Activations of every component at every position, in the layer's own precision."""
        ...

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        """The layer's output with its components set to `acts`; everything that `read` leaves out is kept."""
        ...

    def at(self, output: Any, rows: Int64[Tensor, "m"], units: Int64[Tensor, "m"]) -> Float[Tensor, "m p"]:
        """Activations of some pairs of an image and a unit at every position."""
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


@runtime_checkable
class OnAxes(Protocol):
    """A kind whose components lie on axes of the layer's tensor, so that each element belongs to one of them."""

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        """The values laid where the components lie in the layer's tensor: what multiplies a part of it, if every
        component is to be multiplied by its value. Zero where no component lies."""
        ...


@runtime_checkable
class Vectors(Protocol):
    """A kind that a dictionary may decompose: a vector at every position."""

    def vectors(self, output: Any) -> Float[Tensor, "n p d"]:
        """The vector at every position, with its signs."""
        ...

    def put(self, output: Any, vectors: Float[Tensor, "n p d"]) -> Any:
        """The layer's output with these vectors; everything that `vectors` leaves out is kept."""
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


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)


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
    return Pooled(mean_rows(x), None) if how == "mean" else _max(x)


def mean_rows(x: Float[Tensor, "n p c"]) -> Float[Tensor, "n c"]:
    """The mean over the middle axis in float32."""
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
        """Images first, then what is folded in, then all other axes in their order.

        Raises:
            SemlensError: the axis is no multiple of what one image has.
        """
        if x.shape[self.axis] % (self.outer * self.inner):
            raise SemlensError(
                f"a layer gives {x.shape[self.axis]} rows, where one image gave {self.outer * self.inner} when it was "
                f"looked at; {UNEVEN}"
            )
        return x.movedim(self.axis, 0).unflatten(0, (self.outer, -1, self.inner)).movedim(1, 0).flatten(1, 2)

    def scatter(self, gathered: Float[Tensor, "n f ..."]) -> Tensor:
        """The tensor that was gathered."""
        apart = gathered.unflatten(1, (self.outer, self.inner)).movedim(0, 1)
        return apart.flatten(0, 2).movedim(0, self.axis)


ROWS = Rows()


def check_images(layer: str, found: int, images: int) -> None:
    """Returns if a layer gave what belongs to each image of a batch.

    Args:
        found: of how many images.

    Raises:
        SemlensError: of more or fewer.
    """
    if found != images:
        raise SemlensError(f"layer {layer!r} gives the rows of {found} images for {images}; {UNEVEN}")
