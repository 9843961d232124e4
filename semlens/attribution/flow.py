"""Sending relevance down a trace: from where it starts, through conditions, to components and to the input.

The relevance of a tensor is its value times the modified gradient there, so a start, a mask and a stop are all modified
gradients.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge
from torch.nn import functional

from semlens.attribution.conservation import per_image
from semlens.attribution.taps import Gradients, Tap, by_site, unread
from semlens.attribution.trace import Trace
from semlens.errors import SemlensError
from semlens.model import ROWS, OnAxes, Rows, put_tensor, tensor_in
from semlens.types import Float, Float64, Int64

POSITIONS = ("all", "max")

CHUNK = 16
"""Backward passes that run as one batch."""


@dataclass(frozen=True)
class Front:
    """Where relevance starts or continues: a place `at` of the trace, and the modified gradient `g` there.

    Functions with `many` take a `g` with one axis more in front: backward passes that run as one batch.

    Args:
        value: what times `g` is the relevance that the front sends down.
        rows: where the value holds its images.
    """

    at: Tensor | GradientEdge
    g: Tensor
    value: Tensor
    rows: Rows = ROWS


@dataclass(frozen=True)
class Arrival:
    """The result of one backward pass: relevance of the components of each layer, and of the input.

    Args:
        unread: the part of a layer's |relevance| that passes tokens which are not read, by their name, and error nodes.
    """

    layers: dict[str, Float[Tensor, "..."]]
    source: Float[Tensor, "..."] | None
    unread: dict[str, Float[Tensor, "n"]]


def send(
    fronts: Sequence[Front], to: Sequence[Tensor | GradientEdge], *, many: bool = False, last: bool = False
) -> tuple[Tensor | None, ...]:
    """The modified gradients at the places `to`, summed over the fronts; None for one that no front reaches.

    Args:
        last: whether nothing is sent down this trace any more: what its backward passes need is then freed on the way,
            so that the memory of a large network serves again at once.
    """
    if not to:
        return ()
    starts: list[Any] = [front.at for front in fronts]
    ends: list[Any] = list(to)  # torch's annotation knows tensors and places, but no mixture
    return torch.autograd.grad(
        starts,
        ends,
        [front.g for front in fronts],
        retain_graph=not last,
        allow_unused=True,
        is_grads_batched=many,
    )


def brought(fronts: Sequence[Front], taps: Sequence[Tap], *, many: bool = False) -> list[Gradients]:
    """What the fronts together bring to each tap."""
    return _of_each(taps, send(fronts, [end for tap in taps for end in tap.ends], many=many))


def _of_each(taps: Sequence[Tap], gradients: Sequence[Tensor | None]) -> list[Gradients]:
    rest = iter(gradients)
    return [tuple(next(rest) for _ in tap.ends) for tap in taps]


def reaches(gradients: Gradients) -> bool:
    """Whether anything came to a tap."""
    return any(g is not None for g in gradients)


def arrive(
    trace: Trace, fronts: Sequence[Front], layers: Iterable[str], *, source: bool = True, many: bool = False,
    last: bool = False,
) -> Arrival:  # fmt: skip
    """The relevance of layers and input, summed over the fronts, from one backward pass, the `last` one or not."""
    taps = [trace.taps[layer] for layer in layers]
    places: list[Tensor | GradientEdge] = [end for tap in taps for end in tap.ends]
    ends = [trace.source] + ([] if trace.shadow is None else [trace.shadow]) if source else []
    grads = send(fronts, [*places, *ends], many=many, last=last)
    there = dict(zip(taps, _of_each(taps, grads), strict=True))
    by_layer = {tap.kind.layer: relevance_of(tap, gradients, many=many) for tap, gradients in there.items()}
    at_source = _at_source(trace, grads[len(places) :]) if source else None
    return Arrival(by_layer, at_source, {} if many else unread(there, by_layer))


def _at_source(trace: Trace, grads: Sequence[Tensor | None]) -> Tensor:
    summands = [] if grads[0] is None else [trace.source.detach() * grads[0]]
    summands += [g for g in grads[1:] if g is not None]  # the gradient of the shadow is relevance already
    return sum(summands[1:], summands[0]) if summands else torch.zeros_like(trace.source)


def on_input(relevance: Float[Tensor, "..."], source: Tensor) -> Float[Tensor, "..."]:
    """Relevance of an image's pixels summed over colour, or of tokens summed over their embedding.

    Args:
        source: where it arrived; of several targets at once, relevance has axes more in front.
    """
    return relevance.sum(-3) if source.ndim >= 4 else relevance.sum(-1)


def sides_of(x: Tensor) -> tuple[int, int]:
    """Height and width of a heat map on the model's input; of token numbers a row of one for each."""
    return (x.shape[-2], x.shape[-1]) if x.is_floating_point() else (1, x.shape[1])


def entering(fronts: Sequence[Front]) -> Float[Tensor, "n"]:
    """The relevance of each image that the fronts together send down."""
    amounts = [per_image(front.rows.gather(front.value), front.rows.gather(front.g)) for front in fronts]
    return sum(amounts[1:], amounts[0])


def scaled(front: Front, factors: Float[Tensor, "n"]) -> Front:
    """The front with each image's relevance multiplied by its factor."""
    g = front.rows.gather(front.g)
    return replace(front, g=front.rows.scatter(g * factors.view(-1, *[1] * (g.ndim - 1))))


def relevance_of(
    tap: Tap, gradients: Gradients, *, baseline: Float[Tensor, "n c p"] | None = None, many: bool = False
) -> Float[Tensor, "..."]:
    """Relevance "n c p" of the components of a layer; with `many`, one axis more in front.

    It is the activations of the components, or their difference from the baseline's, times the gradient of what the
    kind writes back by these activations; and what the layer's tensor has of relevance without such a gradient.
    """
    g, direct = tap.parts(gradients)
    with torch.enable_grad():
        acts = tap.acts.detach().requires_grad_()
        relevance = torch.zeros_like(acts.detach())
        if g is not None:
            (g_acts,) = torch.autograd.grad(tensor_in(tap.kind.write(tap.laid, acts)), acts, g, is_grads_batched=many)
            relevance = (acts.detach() if baseline is None else acts.detach() - baseline) * g_acts
        if direct is not None and isinstance(tap.kind, OnAxes):  # else it stays with what the kind leaves out
            spread = tap.kind.spread(tap.laid, acts)
            (laid,) = torch.autograd.grad(spread, acts, direct, is_grads_batched=many)
            relevance = relevance + laid
    return relevance


def restrict(tap: Tap, gradients: Gradients, keep: Float[Tensor, "..."]) -> list[Front]:
    """Fronts below a layer that pass the relevance of every component multiplied by `keep` "n c" or "n c p"."""
    return restricting(tap, gradients)(keep)


def restricting(tap: Tap, gradients: Gradients) -> Callable[[Float[Tensor, "..."]], list[Front]]:
    """`restrict` of many masks."""
    kind = tap.kind
    if isinstance(kind, OnAxes):
        return lambda keep: _times(tap, gradients, _factors(kind, tap, keep))
    return pulling_back(tap, gradients)


def pulling_back(tap: Tap, gradients: Gradients) -> Callable[[Float[Tensor, "..."]], list[Front]]:
    """`restrict` for kinds of any sort: what a mask leaves of the activations' gradient goes through `read`.

    The modified gradient at the layer's output h is d<read(h), keep * (d write / d acts)' g> / dh. Where components
    lie on axes it is `g` times the mask; where they are products with directions, the directions of those kept.

    Raises:
        SemlensError: relevance of the input's zeros passes the layer, which has no gradient to send through `read`.
    """
    if len(gradients) > 1 and gradients[1] is not None:
        raise SemlensError(
            f"layer {tap.kind.layer!r} only moves the image, and relevance of its zeros has no direction that could be "
            "kept: name a layer above the first one with weights"
        )
    g, _ = tap.parts(gradients)
    if g is None:
        return lambda keep: []
    with torch.enable_grad():
        value = tap.value.detach().requires_grad_()
        acts = tap.kind.read(put_tensor(tap.output, value))
        set_to = acts.detach().requires_grad_()
        (g_acts,) = torch.autograd.grad(tensor_in(tap.kind.write(tap.laid, set_to)), set_to, g)

    def pulled(keep: Float[Tensor, "..."]) -> list[Front]:
        kept = g_acts * (keep[..., None] if keep.ndim < 3 else keep)
        (below,) = torch.autograd.grad(acts, value, kept, retain_graph=True)
        return [Front(tap.node, tap.at_node(below), tap.weights[0], tap.kind.rows)]

    return pulled


def _factors(kind: OnAxes, tap: Tap, keep: Float[Tensor, "..."]) -> Tensor:
    """`keep` laid where the components lie in the layer's tensor."""
    factors = keep[..., None] if keep.ndim < 3 else keep
    return kind.spread(tap.laid, factors.expand(tap.acts.shape))


def _times(tap: Tap, gradients: Gradients, factors: Tensor) -> list[Front]:
    rows = tap.kind.rows
    passed = [None if g is None else g * factors for g in gradients]
    return [
        Front(end, g, value, rows) for end, g, value in zip(tap.ends, passed, tap.weights, strict=True) if g is not None
    ]


def restrict_each(tap: Tap, gradients: Gradients, units: Sequence[int]) -> list[Front]:
    """Fronts below the layer that pass each of the units alone, as backward passes that run as one batch."""
    keep = functional.one_hot(torch.tensor(units, device=tap.value.device), tap.acts.shape[1]).to(tap.value.dtype)
    images, restricted = len(tap.acts), restricting(tap, gradients)
    apart = [restricted(row.expand(images, -1)) for row in keep]
    return [replace(same[0], g=torch.stack([front.g for front in same])) for same in zip(*apart, strict=True)]


def reach(fronts: Sequence[Front], tap: Tap) -> Gradients:
    """What the fronts bring to a layer.

    Raises:
        SemlensError: they do not depend on the layer.
    """
    (gradients,) = brought(fronts, [tap])
    if not reaches(gradients):
        raise SemlensError(f"no relevance reaches layer {tap.kind.layer!r}: the target does not depend on it")
    return gradients


def summed(relevance: Float[Tensor, "..."], axis: int) -> Float64[Tensor, "..."]:
    """The sum over one axis in float64, on the CPU where the device knows no float64."""
    return relevance.to(exact_device(relevance.device)).sum(axis, dtype=torch.float64)


def exact_device(device: torch.device) -> torch.device:
    """Where sums in float64 can be computed: the device itself, unless it has none."""
    return torch.device("cpu") if device.type == "mps" else device


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
    if isinstance(position, str) and position not in POSITIONS:
        raise SemlensError(f"position {position!r}: write 'all', 'max' or give the positions' numbers")
    with torch.enable_grad():
        value = tap.value.detach().requires_grad_()
        acts = tap.kind.at(put_tensor(tap.output, value), torch.arange(len(units)), units)  # "n p"
        if not isinstance(position, str):
            acts = acts.gather(1, position[:, None].to(acts.device))
        elif position == "max":
            acts = acts.gather(1, acts.detach().argmax(1, keepdim=True))
        (g,) = torch.autograd.grad(acts.sum(), value)
    return Front(tap.node, g, tap.value, tap.kind.rows)


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
    up; so do those of one tensor, such as its patch and its class tokens. The relevance of a conditioned layer itself
    is the one before its mask.
    """
    fronts = [start]
    relevance: dict[str, Float[Tensor, "n c p"]] = {}
    above: list[str] = []
    for group in reversed(by_site([tap.kind for tap in trace.taps.values()])):
        taps = [trace.taps[kind.layer] for kind in group]
        wanted = [tap for tap in taps if tap.kind.layer in layers]
        conditioned = {tap.kind.layer: tap for tap in taps if tap.kind.layer in conditions.units}
        if not conditioned:
            above += [tap.kind.layer for tap in wanted]
            continue
        if above:
            relevance |= arrive(trace, fronts, above, source=False).layers
            above = []
        fronts, gradients = _cross(fronts, start, taps[0])
        relevance |= {tap.kind.layer: relevance_of(tap, gradients) for tap in wanted}
        fronts += _below(
            taps[0], gradients, {tap: mask(tap, conditions.units[name]) for name, tap in conditioned.items()}
        )
    return fronts, relevance


def _below(place: Tap, gradients: Gradients, keep: Mapping[Tap, Float[Tensor, "n c"]]) -> list[Front]:
    """Fronts that pass what the masks of kinds on one tensor keep: of elements once, however many masks keep one."""
    factors = [_factors(tap.kind, tap, some) for tap, some in keep.items() if isinstance(tap.kind, OnAxes)]
    fronts = _times(place, gradients, sum(factors[1:], factors[0]).clamp(max=1)) if factors else []
    others = [tap for tap in keep if not isinstance(tap.kind, OnAxes)]
    return fronts + [front for tap in others for front in restrict(tap, gradients, keep[tap])]


def _cross(fronts: Sequence[Front], start: Front, tap: Tap) -> tuple[list[Front], Gradients]:
    """The fronts that do not reach a layer, and what the others bring to it."""
    found = [(front, reaches(brought([front], [tap])[0])) for front in fronts]
    reaching = [front for front, there in found if there]
    if reaching:
        return [front for front, there in found if not there], reach(reaching, tap)
    return list(fronts), reach([start], tap)  # the layer lies beside the conditions above it
