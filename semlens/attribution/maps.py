"""Heat maps of many components that share one forward pass and run as batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.composite import Composite, rules_for
from semlens.attribution.flow import (
    CHUNK,
    Front,
    arrive,
    check_units,
    from_components,
    on_input,
    reach,
    restrict_each,
    sides_of,
)
from semlens.attribution.targets import Activation, starting, target_of, then_of
from semlens.attribution.trace import Trace, trace
from semlens.model import Components, Layer, VisionModel, one_of_each, parse_all
from semlens.types import Float, Int64, Shaped

AHEAD = 4
"""Chunks that share a forward pass."""


def conditional_maps(
    model: VisionModel,
    x: Tensor,
    target: Any,
    layer: Layer,
    units: Sequence[int],
    *,
    method: str | Composite = "auto",
    start: str = "value",
    chunk: int = CHUNK,
) -> Iterator[Float[Tensor, "m n h w"]]:
    """Heat maps of the relevance for a target that passes each unit of a layer, `chunk` units at a time.

    One forward pass serves a few chunks, whose maps are made ahead: who stops half way leaves nothing behind. The maps
    of all units of a layer add up to the map of the whole layer.

    Source: Achtibat et al. 2023 (CRP).

    Args:
        target, method, start: as in `attribute`.

    Raises:
        SemlensError: a target, layer, unit or method that does not exist; a function that no rule covers.
    """
    goal, rules = target_of(target), rules_for(method, model, "conditional maps", x)
    needed = one_of_each([layer, *([goal.component.layer] if isinstance(goal, Activation) else [])])
    (_, count), *_ = parsed = parse_all(model.net, needed, x[:1])
    kinds = [kind for kind, _ in parsed]
    check_units(kinds[0].layer, units, count)

    def maps_of(some: Sequence[int]) -> list[Float[Tensor, "m n h w"]]:
        with trace(model.net, x, rules, kinds, then=then_of(goal)) as run:
            front, _ = starting(run, goal, model, start)
            tap = run.taps[kinds[0].layer]
            brought = reach([front], tap)
            parts = (some[first : first + chunk] for first in range(0, len(some), chunk))
            return [_maps(run, restrict_each(tap, brought, part)) for part in parts]

    for first in range(0, len(units), AHEAD * chunk):  # between two maps the model is as it was, and no graph is kept
        yield from maps_of(units[first : first + AHEAD * chunk])


def component_maps(
    model: VisionModel,
    x: Shaped[Tensor, "n ..."],
    kinds: Sequence[Components],
    pairs: Mapping[str, tuple[Int64[Tensor, "m"], Int64[Tensor, "m"]]],
    *,
    rules: Composite,
    position: str = "max",
    chunk: int = CHUNK,
) -> dict[str, Float[Tensor, "m h w"]]:
    """For each layer, heat maps of what made its components fire, one for each pair of an image and a unit.

    Each image runs once, its components as one batch; the forward pass stops at the last layer.

    Args:
        pairs: by layer, images as rows of `x`, and units.
        position: where in the component relevance starts: the "max" of its positions, or "all" of them.
    """
    dtype = x.dtype if x.is_floating_point() else model.dtype
    maps = {
        layer: torch.zeros(len(rows), *sides_of(x), device=x.device, dtype=dtype) for layer, (rows, _) in pairs.items()
    }
    for row in range(len(x)):
        pairs_of_image = {layer: (rows == row).nonzero()[:, 0] for layer, (rows, _) in pairs.items()}
        needed = [kind for kind in kinds if len(pairs_of_image.get(kind.layer, ()))]
        if not needed:
            continue
        with trace(model.net, x[row : row + 1], rules, needed, stop=True) as run:
            for kind in needed:
                tap = run.taps[kind.layer]
                run.explain(tap)
                for numbers in pairs_of_image[kind.layer].split(chunk):
                    units = pairs[kind.layer][1][numbers]
                    starts = [from_components(tap, unit[None], position) for unit in units]
                    together = replace(starts[0], g=torch.stack([one.g for one in starts]))
                    maps[kind.layer][numbers] = _maps(run, [together])[:, 0]
    return maps


def _maps(run: Trace, fronts: Sequence[Front]) -> Float[Tensor, "m n h w"]:
    arrival = arrive(run, fronts, (), many=True)
    assert arrival.source is not None
    found = on_input(arrival.source, run.source).detach()
    return found if found.ndim == 4 else found[:, :, None]  # a map of tokens has one row
