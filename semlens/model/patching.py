"""Activation patching: what a model makes of one item, with what a layer had in it of another."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model.components import Components
from semlens.model.hooks import edit, record, still
from semlens.model.kinds import Heads
from semlens.model.layers import parse_all
from semlens.model.outputs import logits_of
from semlens.model.vision_model import VisionModel
from semlens.types import Bool, Component, Float, Shaped


@dataclass(frozen=True, eq=False)
class Patched:
    """The outputs of a model on the source, on the target, and on the target with a layer's activations of the
    source."""

    source: Float[Tensor, "y"]
    target: Float[Tensor, "y"]
    patched: Float[Tensor, "y"]
    class_names: tuple[str, ...] = ()

    @property
    def effect(self) -> Float[Tensor, "y"]:
        """How much of the way from target to source each output went, 0 for none and 1 for all; NaN where both are the
        same."""
        return (self.patched - self.target) / (self.source - self.target)

    @property
    def predicted(self) -> str:
        """What the outputs of the patched run say most, by name or number."""
        best = int(self.patched.argmax())
        return self.class_names[best] if self.class_names else str(best)


def patch(
    model: VisionModel,
    source: Any,
    target: Any,
    site: str | Component | Sequence[str | Component],
    *,
    at: int | Iterable[int] | Mapping[int, int] | None = None,
) -> Patched:
    """What the model gives for `target` if a layer has what it had for `source`.

    Source: Vig et al. 2020 (arXiv 2004.12265); Meng et al. 2022 (arXiv 2202.05262), causal tracing.

    Args:
        source, target: items as the model's preprocessing takes them, a text or an image; or such as it gives, "1 ...".
        site: a layer, `layer@kind`, or components of one or several layers (`layer:unit`), which are taken together.
        at: positions as the layer's components have them, of words for instance the number of each word's token from 0
            (`Tokenise.places` finds them); a mapping takes what lies at a key in the source to its value in the target.
            None for all.

    Raises:
        SemlensError: a layer, unit or position that is not there, outputs that are no row of numbers, or all positions
            of two texts of different lengths.
    """
    units = _by_layer(site)
    given, asked = (_input(model, item) for item in (source, target))
    kinds = {layer: kind for layer, (kind, _) in zip(units, parse_all(model.net, list(units), given), strict=True)}
    with torch.no_grad(), still(model.net):
        with record(model.net, [kind.site for kind in kinds.values()], lambda _, output: output) as seen:
            before = _row(model.net(given))
            held = {layer: _held(kind, seen[kind.site]) for layer, kind in kinds.items()}
        alone = _row(model.net(asked))
        with ExitStack() as stack:
            for layer, kind in kinds.items():
                put = _Put(kind, units[layer], *held[layer], None if at is None else _places(at))
                stack.enter_context(edit(model.net, kind.site, put))
            patched = _row(model.net(asked))
    return Patched(before, alone, patched, model.class_names)


@dataclass(frozen=True, eq=False)
class _Put:
    """Sets a layer's activations to those of another item, some units and places of them."""

    kind: Components
    units: tuple[int, ...]  # all if empty
    acts: Float[Tensor, "1 c p e"]
    there: Bool[Tensor, "1 p"] | None  # the words of the other item, if it is a text
    places: Mapping[int, int] | None

    def __call__(self, output: Any) -> Any:
        acts = _read(self.kind, output)
        if acts.shape != self.acts.shape:
            raise SemlensError(f"layer {self.kind.layer!r} gives other positions for the target than for the source")
        units = list(self.units) or list(range(acts.shape[1]))
        if units and max(units) >= acts.shape[1]:
            raise SemlensError(f"layer {self.kind.layer!r} has no unit {max(units)}: it has {acts.shape[1]}, from 0")
        old, new = self._from_to(acts)
        acts[:, torch.tensor(units)[:, None], new] = self.acts[:, torch.tensor(units)[:, None], old].to(acts)
        return _write(self.kind, output, acts)

    def _from_to(self, acts: Float[Tensor, "1 c p e"]) -> tuple[Tensor, Tensor]:
        """The places in the source, and those in the target that they go to.

        Raises:
            SemlensError: one is no word of its text, or all are asked for of texts of different lengths.
        """
        words = _words_of(self.kind, acts)
        if self.places is None:
            if words is not None and self.there is not None and not torch.equal(words, self.there):
                raise SemlensError("source and target have different numbers of tokens: say which places to patch, at=")
            every = torch.arange(acts.shape[2])
            return every, every
        for which, places, there in (("source", self.places, self.there), ("target", self.places.values(), words)):
            for place in places:
                if not 0 <= place < acts.shape[2] or (there is not None and not bool(there[0, place])):
                    raise SemlensError(f"the {which} has nothing at place {place} of layer {self.kind.layer!r}")
        return torch.tensor(list(self.places)), torch.tensor(list(self.places.values()))


def _read(kind: Components, output: Any) -> Float[Tensor, "1 c p e"]:
    """What each component has at each position: a number, of an attention head its vector."""
    if isinstance(kind, Heads):
        return kind.vectors(output).unflatten(-1, (kind.heads, -1)).transpose(1, 2).clone()
    return kind.read(output)[..., None].clone()


def _write(kind: Components, output: Any, acts: Float[Tensor, "1 c p e"]) -> Any:
    if isinstance(kind, Heads):
        return kind.put(output, acts.transpose(1, 2).flatten(2))
    return kind.write(output, acts[..., 0])


def _held(kind: Components, output: Any) -> tuple[Float[Tensor, "1 c p e"], Bool[Tensor, "1 p"] | None]:
    """What a layer had, and where there were words."""
    acts = _read(kind, output)
    return acts, _words_of(kind, acts)


def _words_of(kind: Components, acts: Float[Tensor, "1 c p e"]) -> Bool[Tensor, "1 p"] | None:
    words = getattr(kind, "words", None)
    return words.there(1, acts.shape[2]).clone() if words is not None and kind.part in ("", "patch") else None


def _by_layer(site: str | Component | Sequence[str | Component]) -> dict[str, tuple[int, ...]]:
    """The layers of a site, and the units of each; all of a layer that is named by itself."""
    units: dict[str, tuple[int, ...]] = {}
    for one in [site] if isinstance(site, str | Component) else list(site):
        component = one if isinstance(one, Component) else _component(one)
        layer = str(one) if component is None else component.layer
        more = () if component is None else (component.unit,)
        if layer in units and (not more or not units[layer]):
            raise SemlensError(f"{layer!r} is patched whole and in part: name either")
        units[layer] = (*units.get(layer, ()), *more)
    if not units:
        raise SemlensError("no site is given: name a layer or a component, layer:unit")
    return units


def _component(text: str) -> Component | None:
    """The component that a text names; None if it names a layer, whose kind may have a number too (`@channels:-1`)."""
    layer, colon, unit = text.rpartition(":")
    is_unit = colon and unit.isdecimal() and not layer.endswith("@channels")
    return Component(layer, int(unit)) if is_unit else None


def _places(at: int | Iterable[int] | Mapping[int, int]) -> dict[int, int]:
    if isinstance(at, Mapping):
        return {int(old): int(new) for old, new in at.items()}
    return {int(place): int(place) for place in ([at] if isinstance(at, int) else at)}


def _input(model: VisionModel, item: Any) -> Shaped[Tensor, "1 ..."]:
    return model.given(item if isinstance(item, Tensor) else model.preprocess(item)[None])


def _row(output: Any) -> Float[Tensor, "y"]:
    """The outputs of one item.

    Raises:
        SemlensError: they are no row of numbers.
    """
    row = logits_of(output, 1)
    if row is None:
        raise SemlensError("the model's output is no row of numbers for an item, of which the change could be told")
    return row[0].float().cpu()
