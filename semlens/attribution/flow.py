"""Sending relevance down a trace: from where it starts, through conditions, to components and to the input.

The relevance of a tensor is its value times the modified gradient there, so a start, a mask and a stop are all modified
gradients.
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
    """Where relevance starts or continues: a tensor `at` of the trace, and the modified gradient `g` there.

    Functions with `many` take a `g` with one axis more in front: backward passes that run as one batch.
    """

    at: Tensor
    g: Tensor


@dataclass(frozen=True)
class Arrival:
    """The result of one backward pass: relevance of the components of each layer, and of the input."""

    layers: dict[str, Float[Tensor, "..."]]
    source: Float[Tensor, "..."] | None


def send(fronts: Sequence[Front], to: Sequence[Tensor], *, many: bool = False) -> list[Tensor | None]:
    """The modified gradients at the tensors `to`, summed over the fronts; None for a tensor that no front reaches."""
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
    """The relevance of layers and input, summed over the fronts, from one backward pass."""
    taps = [trace.taps[layer] for layer in layers]
    ends = [trace.source] + ([] if trace.shadow is None else [trace.shadow]) if source else []
    grads = send(fronts, [*(tap.value for tap in taps), *ends], many=many)
    by_layer = {
        tap.kind.layer: relevance_of(tap, g if g is not None else torch.zeros_like(tap.value), many=many)
        for tap, g in zip(taps, grads, strict=False)
    }
    return Arrival(by_layer, _at_source(trace, grads[len(taps) :]) if source else None)


def _at_source(trace: Trace, grads: Sequence[Tensor | None]) -> Tensor:
    summands = [] if grads[0] is None else [trace.source.detach() * grads[0]]
    summands += [g for g in grads[1:] if g is not None]  # the gradient of the shadow is relevance already
    return sum(summands[1:], summands[0]) if summands else torch.zeros_like(trace.source)


def on_input(relevance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Relevance of an image's pixels summed over colour, or of tokens summed over their embedding."""
    return relevance.sum(-3) if relevance.ndim >= 4 else relevance.sum(-1)


def entering(fronts: Sequence[Front]) -> Float[Tensor, "n"]:
    """The relevance of each image that the fronts together send down."""
    amounts = [front.at.detach() * front.g for front in fronts]
    per_image = [amount.flatten(1).sum(1) if amount.ndim > 1 else amount for amount in amounts]
    return sum(per_image[1:], per_image[0])


def relevance_of(
    tap: Tap, g: Float[Tensor, "..."], *, baseline: Float[Tensor, "n c p"] | None = None, many: bool = False
) -> Float[Tensor, "..."]:
    """Relevance "n c p" of the components of a layer; with `many`, one axis more in front.

    It is the activations of the components, or their difference from the baseline's, times the gradient of what the
    kind writes back by these activations.
    """
    output = put_tensor(tap.output, tap.value.detach())
    with torch.enable_grad():
        acts = tap.kind.read(output).detach().requires_grad_()
        written = tensor_in(tap.kind.write(output, acts))
        (g_acts,) = torch.autograd.grad(written, acts, g, is_grads_batched=many)
    return (acts.detach() if baseline is None else acts.detach() - baseline) * g_acts


def restrict(tap: Tap, g: Float[Tensor, "..."], keep: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The modified gradient with the relevance of every component multiplied by `keep` "n c" or "n c p"."""
    output = put_tensor(tap.output, tap.value.detach())
    shape = tap.kind.read(output).shape
    factors = keep.to(g.dtype)
    factors = factors[..., None] if keep.ndim < 3 else factors
    return g * tap.kind.spread(output, factors.expand(shape))


def restrict_each(tap: Tap, g: Float[Tensor, "..."], units: Sequence[int]) -> Front:
    """A front below the layer that passes each of the units alone, as backward passes that run as one batch."""
    keep = functional.one_hot(torch.tensor(units, device=g.device), tap.acts.shape[1]).to(g.dtype)
    images = len(tap.acts)
    return Front(tap.value, torch.stack([restrict(tap, g, row.expand(images, -1)) for row in keep]))


def reach(front: Front, tap: Tap) -> Float[Tensor, "..."]:
    """The modified gradient that a front brings to a layer.

    Raises:
        SemlensError: the front does not depend on the layer.
    """
    (g,) = send([front], [tap.value])
    if g is None:
        raise SemlensError(f"no relevance reaches layer {tap.kind.layer!r}: the target does not depend on it")
    return g


def check_units(layer: str, units: Iterable[int], count: int) -> None:
    """Checks that a layer of `count` units has these.

    Raises:
        SemlensError: it does not.
    """
    for unit in units:
        if not 0 <= unit < count:
            raise SemlensError(f"unknown component '{layer}:{unit}': it has units 0 to {count - 1}")


def mask(tap: Tap, units: Iterable[int]) -> Float[Tensor, "n c"]:
    """1 for the units that a condition names, 0 for all others.

    Raises:
        SemlensError: a unit that the layer does not have.
    """
    acts = tap.acts
    keep = acts.new_zeros(acts.shape[:2])
    units = list(units)
    check_units(tap.kind.layer, units, keep.shape[1])
    keep[:, units] = 1
    return keep


def from_components(tap: Tap, units: Int64[Tensor, "n"], position: str | Int64[Tensor, "n"] = "all") -> Front:
    """Relevance that starts at one component per image, with its activation as its value.

    Args:
        position: "all" of its positions, "max" for the first where it is most active, or a position's number per image.

    Raises:
        SemlensError: another word for a position.
    """
    output = put_tensor(tap.output, tap.value.detach())
    if isinstance(position, str) and position not in POSITIONS:
        raise SemlensError(f"position {position!r}: write 'all', 'max' or give the positions' numbers")
    with torch.enable_grad():
        value = tensor_in(output).requires_grad_()
        acts = tap.kind.read(put_tensor(tap.output, value))[torch.arange(len(units)), units]  # "n p"
        if not isinstance(position, str):
            acts = acts.gather(1, position[:, None].to(acts.device))
        elif position == "max":
            acts = acts.gather(1, acts.detach().argmax(1, keepdim=True))
        (g,) = torch.autograd.grad(acts.sum(), value)
    return Front(tap.value, g)


@dataclass(frozen=True)
class Conditions:
    """The units that relevance may pass, by layer; in layers that are not named it may pass all."""

    units: Mapping[str, tuple[int, ...]]


def through(
    trace: Trace, start: Front, conditions: Conditions, layers: Sequence[str]
) -> tuple[list[Front], dict[str, Float[Tensor, "n c p"]]]:
    """The fronts below all conditions, and the relevance of those of `layers` that lie above the lowest condition.

    Conditioned layers are passed from the output down. Below one, only the relevance that passed it continues, so a
    branch beside it is not counted. Conditioned layers beside each other each start from `start`, and their shares add
    up. The relevance of a conditioned layer itself is the one before its mask.
    """
    downward = list(reversed(trace.taps))
    fronts = [start]
    relevance: dict[str, Float[Tensor, "n c p"]] = {}
    rest = [layer for layer in downward if layer in layers]
    for conditioned in (layer for layer in downward if layer in conditions.units):
        tap = trace.taps[conditioned]
        above = [layer for layer in rest if downward.index(layer) < downward.index(conditioned)]
        if above:
            relevance |= arrive(trace, fronts, above, source=False).layers
            rest = [layer for layer in rest if layer not in above]
        fronts, g = _cross(fronts, start, tap)
        if conditioned in rest:
            relevance[conditioned] = relevance_of(tap, g)
            rest.remove(conditioned)
        fronts.append(Front(tap.value, restrict(tap, g, mask(tap, conditions.units[conditioned]))))
    return fronts, relevance


def _cross(fronts: Sequence[Front], start: Front, tap: Tap) -> tuple[list[Front], Tensor]:
    """The fronts that do not reach a layer, and the modified gradient that the others bring to it."""
    gradients = [(front, send([front], [tap.value])[0]) for front in fronts]
    reaching = [g for _, g in gradients if g is not None]
    if reaching:
        return [front for front, g in gradients if g is None], sum(reaching[1:], reaching[0])
    return list(fronts), reach(start, tap)  # the layer lies beside the conditions above it
