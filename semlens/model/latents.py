"""The units of a dictionary as components of a layer: read out of the vectors at its positions, and written back; and
how a layer with one is named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import torch
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model.components import Components, Pooled, Rows, Vectors, pool_rows, tensor_in
from semlens.model.dictionary import MARK, Dictionary, TopK, Weights, in_memory
from semlens.model.dictionary_file import named_file
from semlens.model.hooks import Site
from semlens.model.words import Words
from semlens.types import Float, Int64, LayerAxis

BLOCK = 2**23
"""Products that are held at once while activations are pooled: 32 MB. For fewer the encoder is read too often."""
_LEAST = 64  # units of a block: fewer make a product slow


@dataclass(frozen=True, eq=False)
class Latents:
    """What a dictionary reads at each position that its base has: the latents of a sparse autoencoder, or directions.

    `write` adds what the change of the activations is worth to the vectors, so that what the dictionary does not
    explain of them (the error node) stays: `write(x, read(x)) == x` to the last bit.

    Source: Marks et al. 2024 (sparse feature circuits), the error node.
    """

    layer: str
    base: Components
    dictionary: Dictionary
    weights: Weights

    @property
    def kind(self) -> str:
        return self.dictionary.kind

    @property
    def site(self) -> Site:
        return self.base.site

    @property
    def rows(self) -> Rows:
        return self.base.rows

    @property
    def beside(self) -> Sequence[Components]:
        return self.base.beside

    @property
    def part(self) -> str:
        return self.base.part

    @property
    def _base(self) -> Vectors:
        assert isinstance(self.base, Vectors)
        return self.base

    @property
    def _words(self) -> Words | None:
        """Of a model that reads texts: which positions are read."""
        return getattr(self.base, "words", None)

    def read(self, output: Any) -> Float[Tensor, "n c p"]:
        acts = self.weights.activations(self._base.vectors(output)).transpose(1, 2)
        return self._words.only(acts) if self._words else acts

    def at(self, output: Any, rows: Int64[Tensor, "m"], units: Int64[Tensor, "m"]) -> Float[Tensor, "m p"]:
        x = self._base.vectors(output)
        pairs = [self._of_unit(x[row], unit) for row, unit in zip(rows.tolist(), units.tolist(), strict=True)]
        acts = torch.stack(pairs) if pairs else x.new_zeros(0, x.shape[1])
        return acts * self._words.there(len(x), x.shape[1])[rows] if self._words else acts

    def _of_unit(self, x: Float[Tensor, "p d"], unit: int) -> Float[Tensor, "p"]:
        product = self.weights.products(x, slice(unit, unit + 1))[:, 0]
        with torch.no_grad():
            blocks = x.detach().split(max(1, BLOCK // self.dictionary.units))
            kept = torch.cat([self.weights.sparsity.keeps(self.weights.products(block))[:, unit] for block in blocks])
        return torch.where(kept, product, 0)

    def write(self, output: Any, acts: Float[Tensor, "n c p"]) -> Any:
        x = self._base.vectors(output)
        difference = acts - self.weights.activations(x).transpose(1, 2)
        difference = self._words.only(difference) if self._words else difference  # what is no word was not read
        change = self.weights.change(x, difference.transpose(1, 2))
        return self._base.put(output, (x + change).to(tensor_in(output).dtype))

    def pool(self, output: Any, how: str) -> Pooled:
        """`read` reduced over positions, a block of it at a time: what is read is never held whole."""
        x = self._base.vectors(output)
        if self._words:
            return self._words.pool(self.read(output), how)
        if isinstance(self.weights.sparsity, TopK):  # which needs all units of a position
            return self._by_positions(x, how)
        units = max(_LEAST, BLOCK // max(1, x.shape[0] * x.shape[1]))
        starts = range(0, self.dictionary.units, units)
        parts = list(starmap(self._of_units, ((x, how, slice(start, start + units)) for start in starts)))
        return _joined(parts, 1)

    def _of_units(self, x: Float[Tensor, "n p d"], how: str, units: slice) -> Pooled:
        """Some units, of all images and positions. A threshold may be applied to a maximum: it keeps the order."""
        products, sparsity = self.weights.products(x, units), self.weights.sparsity.of(units)
        if how == "mean":
            return pool_rows(sparsity.kept(products), how)
        highest = pool_rows(products, how)
        kept = sparsity.kept(highest.activations)
        assert highest.positions is not None
        return Pooled(kept, highest.positions.where(kept != 0, 0))  # where all are zero, the first

    def _by_positions(self, x: Float[Tensor, "n p d"], how: str) -> Pooled:
        per_block = max(1, BLOCK // self.dictionary.units)
        images = max(1, per_block // x.shape[1])
        return _joined([self._of_images(part, how, per_block) for part in x.split(images)], 0)

    def _of_images(self, x: Float[Tensor, "n p d"], how: str, per_block: int) -> Pooled:
        """A few images, or one of which the positions are taken a few at a time."""
        blocks = x.split(per_block, dim=1)
        pooled = [self._of_block(block, how) for block in blocks]
        if len(pooled) == 1:
            return pooled[0]
        activations = torch.stack([part.activations for part in pooled])
        if how == "mean":
            sizes = activations.new_tensor([block.shape[1] / x.shape[1] for block in blocks])
            return Pooled(torch.einsum("bnc,b->nc", activations, sizes), None)
        highest, which = activations.max(0)
        places = [part.positions + start * per_block for start, part in enumerate(pooled) if part.positions is not None]
        return Pooled(highest, torch.stack(places).gather(0, which[None])[0])

    def _of_block(self, x: Float[Tensor, "n p d"], how: str) -> Pooled:
        products, rule = self.weights.products(x), self.weights.sparsity
        few = rule.largest(products) if isinstance(rule, TopK) and how == "max" else None
        return _highest(*few, products.shape[-1]) if few else pool_rows(rule.kept(products), how)

    def grid(self, output: Any) -> tuple[int, int] | None:
        return self.base.grid(output)

    def unit_name(self, unit: int, components: int) -> str | None:
        return self.dictionary.names[unit] if self.dictionary.names else None


def _highest(acts: Float[Tensor, "n p k"], units: Int64[Tensor, "n p k"], components: int) -> Pooled:
    """The maximum over positions of activations of which all others are zero, and where it first is."""
    (n, positions, k), acts, units = acts.shape, acts.flatten(1), units.flatten(1)
    highest = acts.new_zeros(n, components).scatter_reduce(1, units, acts, "amax")
    place = torch.arange(positions, dtype=torch.int32, device=acts.device).repeat_interleave(k).expand(n, -1)
    place = place.where(acts == highest.gather(1, units), positions)
    first = place.new_full((n, components), positions).scatter_reduce(1, units, place, "amin")
    return Pooled(highest.float(), first.where(highest > 0, 0))


def _joined(parts: Sequence[Pooled], axis: int) -> Pooled:
    """Parts of images, or of units, side by side."""
    places = [part.positions for part in parts if part.positions is not None]
    return Pooled(torch.cat([part.activations for part in parts], axis), torch.cat(places, axis) if places else None)


Layer = str | Dictionary | Components
"""A layer as a user may give it: its name, a dictionary on one, or a kind that is bound to a model already."""


def as_layers(layers: Layer | Iterable[Layer]) -> tuple[Layer, ...]:
    """One layer or several as a tuple."""
    return tuple(layers) if isinstance(layers, Iterable) and not isinstance(layers, str) else (layers,)


def layer_text(layer: Layer) -> str:
    """The layer as it is written."""
    return layer if isinstance(layer, str) else layer.text if isinstance(layer, Dictionary) else layer.layer


def one_of_each(layers: Iterable[Layer]) -> list[Layer]:
    """The layers in their order, each once, however often it is named."""
    by_text: dict[str, Layer] = {}
    for layer in layers:
        if not isinstance(layer, str) or layer_text(layer) not in by_text:
            by_text[layer_text(layer)] = layer
    return list(by_text.values())


def dictionaries_of(layers: Iterable[Layer]) -> tuple[str, ...]:
    """The kinds of those layers that are dictionaries, in their order."""
    named = [layer for layer in layers if not isinstance(layer, str) or MARK in layer]
    found = [named_dictionary(layer.partition(MARK)[2]) if isinstance(layer, str) else layer for layer in named]
    return tuple(layer.kind for layer in found if isinstance(layer, Dictionary | Latents))


def check_dictionaries(axes: Iterable[LayerAxis]) -> None:
    """Returns if the dictionaries that some layers name are still those that were used.

    Raises:
        SemlensError: one is another, or is no longer there.
    """
    for axis in axes:
        _, mark, name = axis.layer.partition(MARK)
        if mark and (now := named_dictionary(name).kind) != axis.kind:
            raise SemlensError(f"{axis.layer!r} is not the dictionary that was used then: it is {now}, not {axis.kind}")


def named_dictionary(name: str) -> Dictionary:
    """The dictionary of this process, or in a file, that has this name."""
    return in_memory(name) or named_file(name)


def layer_of(layer: str, dictionary: Dictionary, spec: str) -> str:
    """The layer of a dictionary, with its kind, of which the spec names the path at least.

    Raises:
        SemlensError: they are two.
    """
    own = dictionary.layer
    if own in ("", layer) or (own.partition("@")[0] == layer and "@" not in layer):
        return own or layer
    raise SemlensError(f"{spec!r}: that dictionary is one of layer {own!r}; write {own}{MARK}{dictionary.name}")
