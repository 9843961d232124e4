"""Kinds whose components lie on axes of a layer's tensor: channels, a transformer's features, attention heads."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor

from semlens.model.components import ROWS, Pooled, Rows, mean_rows, pool_rows, put_tensor, site_of, tensor_in
from semlens.model.hooks import Site
from semlens.model.words import Words
from semlens.types import Float, Int64


@dataclass(frozen=True)
class Channels:
    """Channels of a convolutional map, or units of a linear layer: axis `dim` of the output, all others but the images'
    are positions."""

    layer: str
    dim: int = 1
    rows: Rows = ROWS
    words: Words | None = None  # of a model that reads texts: which positions are read
    beside = ()
    part = ""

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
        acts = self._moved(output, 1).flatten(2)
        return self.words.only(acts) if self.words else acts

    def at(self, output: Any, rows: Int64[Tensor, "m"], units: Int64[Tensor, "m"]) -> Float[Tensor, "m p"]:
        return self.read(output)[rows, units]

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        if self.words:  # what is no word was not read, and stays
            acts = self.words.where(acts, self._moved(output, 1).flatten(2))
        return put_tensor(output, self.spread(output, acts))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        laid = values.reshape(self._moved(output, 1).shape)
        return self.rows.scatter(laid.movedim(1, self._place(tensor_in(output))))

    def vectors(self, output: Any) -> Float[Tensor, "n p d"]:
        return self._moved(output, -1).flatten(1, -2)

    def put(self, output: Any, vectors: Float[Tensor, "n p d"]) -> Any:
        laid = vectors.reshape(self._moved(output, -1).shape)
        return put_tensor(output, self.rows.scatter(laid.movedim(-1, self._place(tensor_in(output)))))

    def pool(self, output: Any, how: str) -> Pooled:
        # Reduced where it lies: `read` may have to copy the map, and that copy costs more than the reduction.
        return self.words.pool(self.read(output), how) if self.words else pool_rows(self.vectors(output), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        x = tensor_in(output)
        if self.words:
            return (1, self.words.length)
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
    words: Words | None = None  # of a model that reads texts: the patches are its words

    @property
    def part(self) -> str:
        return self.tokens

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

    def vectors(self, output: Any) -> Float[Tensor, "n p d"]:
        return self.rows.gather(tensor_in(output))[:, :, self.span].flatten(1, 2)

    def put(self, output: Any, vectors: Float[Tensor, "n p d"]) -> Any:
        x = self.rows.gather(tensor_in(output)).clone()
        x[:, :, self.span] = vectors.unflatten(1, (x.shape[1], -1))
        return put_tensor(output, self.rows.scatter(x))

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        x = rearrange(self.vectors(output), "n p c -> n c p")
        acts = torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)
        return self._words.only(acts) if self._words else acts

    @property
    def _words(self) -> Words | None:
        return self.words if self.tokens == "patch" else None

    def at(self, output: Any, rows: Int64[Tensor, "m"], units: Int64[Tensor, "m"]) -> Float[Tensor, "m p"]:
        return self.read(output)[rows, units]

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        positive, negative = acts.chunk(2, dim=1)
        signed = positive - negative
        if self._words:  # what is no word was not read, and stays
            signed = self._words.where(signed, rearrange(self.vectors(output), "n p c -> n c p"))
        return self.put(output, rearrange(signed, "n c p -> n p c"))

    def spread(self, output: Any, values: Float[Tensor, "n c p"]) -> Tensor:
        x = self.rows.gather(tensor_in(output))
        positive, negative = rearrange(values, "n (side c) (f p) -> side n f p c", side=2, f=x.shape[1])
        spread = torch.zeros_like(x)
        spread[:, :, self.span] = torch.where(x[:, :, self.span] >= 0, positive, negative)
        return self.rows.scatter(spread)

    def pool(self, output: Any, how: str) -> Pooled:
        if self._words:
            return self._words.pool(self.read(output), how)
        x = self.vectors(output)
        if how == "max":
            sides = [pool_rows(x, how), pool_rows(-x, how)]
            positions = [side.positions for side in sides if side.positions is not None]
            highest = torch.cat([side.activations for side in sides], dim=1)
            return Pooled(highest.clamp(min=0), torch.cat(positions, dim=1))
        # A few images at a time on a CPU, so that the rectified copies stay in its cache; it halves the time.
        parts = x.split(4) if x.device.type == "cpu" else (x,)
        means = [torch.cat([mean_rows(part.clamp(min=0)), mean_rows((-part).clamp_(min=0))], dim=1) for part in parts]
        return Pooled(torch.cat(means), None)

    def grid(self, output: Any) -> tuple[int, int] | None:
        if self.tokens != "patch" or not self.rows.unfolded:
            return None
        if self.words:
            return (1, self.words.length - self.cls)
        return _grid(self.vectors(output).shape[1], self.sides)

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
    """Attention heads: the length of each head's output vector at each patch token, or at every token, read where the
    heads still lie side by side, at the input of the attention's output projection. Writing scales a head's vector.
    """

    layer: str
    projection: str  # path of the output projection
    heads: int
    special: int = 1  # class and register tokens the sequence starts with
    last: int = 0  # tokens at its end that are no patches
    rows: Rows = ROWS
    sides: tuple[int, int] | None = None  # of the positions' grid
    every: bool = False  # whether class and register tokens are read too
    words: Words | None = None  # of a model that reads texts: which positions are read

    beside = ()
    part = ""

    @property
    def kind(self) -> str:
        return "heads:all" if self.every else "heads"

    @property
    def site(self) -> Site:
        return Site.parse(self.projection, side="input")

    def _laid(self, output: Any) -> Float[Tensor, "n f l c"]:
        x = self.rows.gather(tensor_in(output))
        return x.flatten(2, -2) if x.ndim > 3 else x[:, :, None]

    @property
    def _span(self) -> slice:
        return slice(None) if self.every else slice(self.special, -self.last or None)

    def vectors(self, output: Any) -> Float[Tensor, "n p d"]:
        return self._laid(output)[:, :, self._span].flatten(1, 2)

    def put(self, output: Any, vectors: Float[Tensor, "n p d"]) -> Any:
        by_head = rearrange(vectors, "n p (h d) -> n h p d", h=self.heads)
        return put_tensor(output, self._put(output, self._laid(output).clone(), by_head))

    def _vectors(self, output: Any) -> Float[Tensor, "n h p d"]:
        return rearrange(self._laid(output)[:, :, self._span], "n f p (h d) -> n h (f p) d", h=self.heads)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        lengths = self._vectors(output).norm(dim=-1)
        return self.words.only(lengths) if self.words else lengths

    def at(self, output: Any, rows: Int64[Tensor, "m"], units: Int64[Tensor, "m"]) -> Float[Tensor, "m p"]:
        return self.read(output)[rows, units]

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        vectors = self._vectors(output)
        now = vectors.norm(dim=-1)
        acts = self.words.where(acts, now) if self.words else acts  # what is no word was not read, and stays
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
        acts = self.read(output)
        return self.words.pool(acts, how) if self.words else pool_rows(rearrange(acts, "n c p -> n p c"), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        if self.words:
            return (1, self.read(output).shape[2])
        return _grid(self.read(output).shape[2], self.sides) if self.rows.unfolded else None

    def unit_name(self, unit: int, components: int) -> str | None:
        return f"head {unit}"
