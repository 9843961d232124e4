"""Heat maps of many components that share one forward pass and run as batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.attribute import rules_for
from semlens.attribution.composite import Composite
from semlens.attribution.flow import Front, arrive, check_units, from_components, reach, restrict_each
from semlens.attribution.gradients import on_input
from semlens.attribution.targets import starting, target_of, then_of
from semlens.attribution.trace import Trace, trace
from semlens.model import Components, VisionModel, parse_all
from semlens.shapes import Float, Int64

CHUNK = 16  # conditional maps that run as one backward pass


def conditional_maps(
    model: VisionModel,
    x: Tensor,
    target: Any,
    layer: str,
    units: Sequence[int],
    *,
    method: str | Composite = "auto",
    start: str = "value",
    chunk: int = CHUNK,
) -> Iterator[Float[Tensor, "m n h w"]]:
    """Heat maps of the relevance that passes each unit of a layer, `chunk` units at a time.

    One forward pass serves all of them. The maps of all units of a layer add up to the map of the whole layer.
    """
    goal, rules = target_of(target), rules_for(method, model, "conditional maps")
    ((kind, count),) = parse_all(model.net, [layer], x[:1])
    check_units(layer, units, count)
    with trace(model.net, x, rules, [kind], then=then_of(goal)) as run:
        front, _ = starting(run, goal, model, start)
        tap = run.taps[layer]
        g = reach(front, tap)
        for first in range(0, len(units), chunk):
            yield _maps(run, restrict_each(tap, g, units[first : first + chunk]))


def component_maps(
    model: VisionModel,
    x: Float[Tensor, "n ..."],
    kinds: Sequence[Components],
    pairs: Mapping[str, tuple[Int64[Tensor, "m"], Int64[Tensor, "m"]]],
    *,
    rules: Composite,
    position: str = "max",
    chunk: int = CHUNK,
) -> dict[str, Float[Tensor, "m h w"]]:
    """For each layer, heat maps of what made its components fire: pairs of an image's row in `x` and a unit.

    Relevance starts at the component itself, at the "max" of its positions or at "all" of them. The forward pass stops
    at the last layer; each image runs once, its components as one batch.
    """
    found = {layer: x.new_zeros(len(rows), *x.shape[-2:]) for layer, (rows, _) in pairs.items()}
    for row in range(len(x)):
        mine = {layer: (rows == row).nonzero()[:, 0] for layer, (rows, _) in pairs.items()}
        needed = [kind for kind in kinds if len(mine.get(kind.layer, ()))]
        if not needed:
            continue
        with trace(model.net, x[row : row + 1], rules, needed, stop=True) as run:
            for kind in needed:
                tap, slots = run.taps[kind.layer], mine[kind.layer]
                for some in slots.split(chunk):
                    units = pairs[kind.layer][1][some]
                    starts = [from_components(tap, unit[None], position).g for unit in units]
                    found[kind.layer][some] = _maps(run, Front(tap.value, torch.stack(starts)))[:, 0]
    return found


def _maps(run: Trace, front: Front) -> Float[Tensor, "m n h w"]:
    arrival = arrive(run, [front], (), many=True)
    assert arrival.source is not None
    return on_input(arrival.source).detach()
