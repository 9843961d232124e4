"""Sending relevance down a trace: from where it starts, through conditions, to components and to the input.

Everywhere relevance is a tensor's value times the modified gradient there, so a start, a mask and a stop are all made
of gradients.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution.trace import Tap, Trace
from semlens.errors import SemlensError
from semlens.model import put_tensor, tensor_in
from semlens.shapes import Float, Int64

POSITIONS = ("all", "max")


@dataclass(frozen=True)
class Front:
    """Where relevance starts or goes on: a tensor of the trace, and the modified gradient there. With `many`, the
    gradient's first axis counts passes that run at once."""

    at: Tensor
    g: Tensor


@dataclass(frozen=True)
class Arrival:
    """What one backward pass brought: relevance of the components of each layer, and at the input."""

    layers: dict[str, Float[Tensor, "..."]]
    source: Float[Tensor, "..."] | None


def send(fronts: Sequence[Front], to: Sequence[Tensor], *, many: bool = False) -> list[Tensor | None]:
    """The modified gradients that the fronts together bring to the tensors `to`; None where none arrives."""
    if not to:
        return []
    return list(
        torch.autograd.grad(
            [front.at for front in fronts],
            list(to),
            [front.g for front in fronts],
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=many,
        )
    )


def arrive(
    trace: Trace, fronts: Sequence[Front], layers: Iterable[str], *, source: bool = True, many: bool = False
) -> Arrival:
    """The relevance that the fronts bring to layers and input, in one backward pass."""
    taps = [trace.taps[layer] for layer in layers]
    ends = [trace.source] + ([] if trace.shadow is None else [trace.shadow]) if source else []
    grads = send(fronts, [*(tap.value for tap in taps), *ends], many=many)
    found = {
        tap.kind.layer: relevance_of(tap, g if g is not None else torch.zeros_like(tap.value), many=many)
        for tap, g in zip(taps, grads, strict=False)
    }
    return Arrival(found, _at_source(trace, grads[len(taps) :]) if source else None)


def _at_source(trace: Trace, grads: Sequence[Tensor | None]) -> Tensor:
    parts = [] if grads[0] is None else [trace.source.detach() * grads[0]]
    parts += [g for g in grads[1:] if g is not None]  # what came through the shadow is relevance already
    return sum(parts[1:], parts[0]) if parts else torch.zeros_like(trace.source)


def relevance_of(
    tap: Tap, g: Float[Tensor, "..."], *, baseline: Float[Tensor, "n c p"] | None = None, many: bool = False
) -> Float[Tensor, "..."]:
    """Relevance "n c p" of the components of a layer (with `many` one axis more in front).

    The activations of a component, or their difference to the baseline's, times the gradient that reaches them where
    the kind writes them back.
    """
    output = put_tensor(tap.output, tap.value.detach())
    with torch.enable_grad():
        acts = tap.kind.read(output).detach().requires_grad_()
        written = tensor_in(tap.kind.write(output, acts))
        (at_acts,) = torch.autograd.grad(written, acts, g, is_grads_batched=many)
    return (acts.detach() if baseline is None else acts.detach() - baseline) * at_acts


def restrict(tap: Tap, g: Float[Tensor, "..."], keep: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The modified gradient with the relevance of every component multiplied by `keep` "n c" or "n c p"."""
    output = put_tensor(tap.output, tap.value.detach())
    shape = tap.kind.read(output).shape
    wide = keep.to(g.dtype)
    wide = wide[..., None] if keep.ndim < 3 else wide
    return g * tap.kind.spread(output, wide.expand(shape))


def restrict_each(tap: Tap, g: Float[Tensor, "..."], units: Sequence[int]) -> Front:
    """A front below the layer for each of the units alone, as many passes that run at once."""
    keep = functional.one_hot(torch.tensor(units, device=g.device), tap.acts.shape[1]).to(g.dtype)
    images = len(tap.acts)
    return Front(tap.value, torch.stack([restrict(tap, g, one.expand(images, -1)) for one in keep]))


def reach(front: Front, tap: Tap) -> Float[Tensor, "..."]:
    """The modified gradient that a front brings to a layer. Raises SemlensError if it brings none."""
    (g,) = send([front], [tap.value])
    if g is None:
        raise SemlensError(f"no relevance reaches layer {tap.kind.layer!r}: the target does not depend on it")
    return g


def check_units(layer: str, units: Iterable[int], count: int) -> None:
    """Raises SemlensError for a unit that the layer does not have."""
    for unit in units:
        if not 0 <= unit < count:
            raise SemlensError(f"unknown component '{layer}:{unit}': it has units 0 to {count - 1}")


def mask(tap: Tap, units: Iterable[int]) -> Float[Tensor, "n c"]:
    """1 for the units that a condition names, 0 for all others. Raises SemlensError for one that does not exist."""
    acts = tap.acts
    keep = acts.new_zeros(acts.shape[:2])
    units = list(units)
    check_units(tap.kind.layer, units, keep.shape[1])
    keep[:, units] = 1
    return keep


def from_components(tap: Tap, units: Int64[Tensor, "n"], position: str | Int64[Tensor, "n"] = "all") -> Front:
    """Relevance that starts at one component per image, with its activation as its value.

    Args:
        position: "all" its positions, "max" only the one where it is most active (the first), or a number per image.
    """
    output = put_tensor(tap.output, tap.value.detach())
    if isinstance(position, str) and position not in POSITIONS:
        raise SemlensError(f"position {position!r}: write 'all', 'max' or give the positions' numbers")
    with torch.enable_grad():
        value = tensor_in(output).requires_grad_()
        mine = tap.kind.read(put_tensor(tap.output, value))[torch.arange(len(units)), units]  # "n p"
        if not isinstance(position, str):
            mine = mine.gather(1, position[:, None].to(mine.device))
        elif position == "max":
            mine = mine.gather(1, mine.detach().argmax(1, keepdim=True))
        (g,) = torch.autograd.grad(mine.sum(), value)
    return Front(tap.value, g)


@dataclass(frozen=True)
class Conditions:
    """Which components relevance may pass, by layer; in layers that are not named it may pass all."""

    units: Mapping[str, tuple[int, ...]]


def through(
    trace: Trace, start: Front, conditions: Conditions, layers: Sequence[str]
) -> tuple[list[Front], dict[str, Float[Tensor, "n c p"]]]:
    """The fronts below all conditions, and the relevance of `layers` met on the way.

    Conditioned layers are passed from the top down; below one, only what went through it goes on, so a branch that runs
    beside it is not counted. Layers that lie beside each other each start anew, and their shares add up. A conditioned
    layer's relevance is the one before its mask.
    """
    order = [layer for layer in reversed(trace.taps) if layer in conditions.units]
    fronts = [start]
    met: dict[str, Float[Tensor, "n c p"]] = {}
    rest = [layer for layer in reversed(trace.taps) if layer in layers]
    for layer in order:
        tap = trace.taps[layer]
        above = [one for one in rest if _before(trace, layer, one)]
        if above:
            met |= arrive(trace, fronts, above, source=False).layers
            rest = [one for one in rest if one not in above]
        fronts, g = _cross(fronts, start, tap)
        if layer in rest:
            met[layer] = relevance_of(tap, g)
            rest.remove(layer)
        fronts.append(Front(tap.value, restrict(tap, g, mask(tap, conditions.units[layer]))))
    return fronts, met


def _before(trace: Trace, layer: str, other: str) -> bool:
    """Whether `layer` ran before `other`."""
    names = list(trace.taps)
    return names.index(layer) < names.index(other)


def _cross(fronts: Sequence[Front], start: Front, tap: Tap) -> tuple[list[Front], Tensor]:
    """The fronts that do not reach a layer, and the modified gradient that the others bring to it."""
    arrived = [(front, send([front], [tap.value])[0]) for front in fronts]
    passed = [g for _, g in arrived if g is not None]
    if passed:
        return [front for front, g in arrived if g is None], sum(passed[1:], passed[0])
    return list(fronts), reach(start, tap)  # it lies beside the conditions above it
