"""One call for every method: how much each pixel and each component moved an output, signed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.composite import COMPOSITES, Composite, composite, default_composite
from semlens.attribution.conservation import WARN_ABOVE, Conservation, warn
from semlens.attribution.flow import Arrival, Conditions, Front, arrive, from_components, restrict, send, through
from semlens.attribution.targets import Activation, Scalar, starting, target_of
from semlens.attribution.trace import Trace, trace
from semlens.components import Components, put_tensor, tensor_in
from semlens.errors import SemlensError, unknown
from semlens.hooks import edit, record, still
from semlens.layers import parse_all
from semlens.model import VisionModel
from semlens.shapes import Float, Int64
from semlens.types import Component

GRADIENTS = ("gradient", "integrated_gradients")
METHODS = (*COMPOSITES, *GRADIENTS)
STEPS = 16
CHUNK = 16  # conditional maps that run as one backward pass


@dataclass(frozen=True)
class Attribution:
    """What moved the explained value of each image, and by how much.

    Args:
        value: what was explained, the relevance that entered.
        heat: relevance of each pixel on the model's input, summed over colour; of each token for a model that reads
            tokens.
        layers: relevance of every component at every position, by layer as asked.
        report: where relevance went that did not arrive; None for plain gradients, which conserve nothing.
    """

    value: Float[Tensor, "n"]
    heat: Float[Tensor, "n ..."] | None
    layers: Mapping[str, Float[Tensor, "n c p"]]
    report: Conservation | None


def attribute(
    model: VisionModel,
    x: Tensor,
    target: Any = None,
    *,
    method: str | Composite = "auto",
    layers: Sequence[str] = (),
    conditions: Iterable[str | Component] = (),
    heat: bool = True,
    start: str = "value",
    baseline: Tensor | None = None,
    steps: int = STEPS,
    warn_above: float = WARN_ABOVE,
) -> Attribution:
    """Relevance in the unit of the target: of the input's pixels and of components, from one backward pass.

    Args:
        x: preprocessed images, or token numbers.
        target: an output's number or class name, for all images or one each; None for each image's highest; a component
            ("layer:unit", Component, or Activation with a position); a function of the model's output that gives a
            number per image, such as `similarity(vector)`.
        method: a composite of LRP rules by name or made by hand, "gradient" (times activation), "integrated_gradients";
            "auto" takes the default composite for the kind of network.
        conditions: components ("layer:unit") that relevance has to pass, in any number of layers (CRP).
        start: how much relevance enters, "value" of the target or "one".
        baseline: for the two gradient methods, images to compare with, one for all or one each; zero activation if
            none.
        warn_above: share of the relevance that a layer may absorb before a ConservationWarning names it.

    Source: Achtibat et al. 2023 (CRP); Syed et al. 2023 and Nanda 2023 (attribution patching); Sundararajan et al.
    2017 and Dhamdhere et al. 2019 (integrated gradients, of inputs and of hidden units).

    Raises:
        SemlensError: a target, layer or component that the model does not have; a function that no rule covers.
    """
    goal = target_of(_component_or(target))
    wanted = _by_layer(_component(one) for one in conditions)
    needed = list(dict.fromkeys([*layers, *wanted, *([goal.component.layer] if isinstance(goal, Activation) else [])]))
    kinds = [kind for kind, _ in parse_all(model.net, needed, x[:1])] if needed else []
    chosen = choose(method, model)
    if isinstance(chosen, Composite):
        return _lrp(model, x, goal, chosen, kinds, list(layers), Conditions(wanted), heat, start, warn_above)
    if wanted:
        raise SemlensError(f"conditions need relevance, and method {chosen!r} has none: choose a composite")
    run = _gradient if chosen == "gradient" else _integrated
    return run(model, x, goal, kinds, list(layers), heat, start, baseline, steps)


def choose(method: str | Composite, model: VisionModel) -> Composite | str:
    """The composite that a method's name stands for, or the name of a gradient method."""
    if isinstance(method, Composite):
        return method
    if method == "auto":
        return default_composite(model.net)
    if method not in METHODS:
        raise unknown("method", method, (*METHODS, "auto"))
    return method if method in GRADIENTS else composite(method)


def _lrp(
    model: VisionModel, x: Tensor, goal: Any, rules: Composite, kinds: Sequence[Components], layers: list[str],
    conditions: Conditions, heat: bool, start: str, warn_above: float,
) -> Attribution:  # fmt: skip
    with trace(model.net, x, rules, kinds, then=_then(goal)) as run:
        front, value = starting(run, goal, model, start)
        fronts, met = through(run, front, conditions, layers)
        left = [layer for layer in layers if layer not in met]
        run.ledger.on = True
        arrival = arrive(run, fronts, left)
        entered = sum((f.at.detach() * f.g).flatten(1).sum(1) if f.at.ndim > 1 else f.at.detach() * f.g for f in fronts)
        assert arrival.source is not None
        assert isinstance(entered, Tensor)
        report = run.ledger.close(entered, [arrival.source.flatten(1).sum(1)])
        warn(report, warn_above)
    found = {**met, **arrival.layers}
    return Attribution(
        value, on_input(arrival.source) if heat else None, {layer: found[layer] for layer in layers}, report
    )


def on_input(relevance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Relevance of an image's pixels summed over colour, or of tokens summed over their embedding."""
    return relevance.sum(-3) if relevance.ndim >= 4 else relevance.sum(-1)


def _then(goal: Any) -> Any:
    return goal.function if isinstance(goal, Scalar) else lambda output: output


def _gradient(
    model: VisionModel, x: Tensor, goal: Any, kinds: Sequence[Components], layers: list[str], heat: bool, start: str,
    baseline: Tensor | None, steps: int,
) -> Attribution:  # fmt: skip
    """Activation, or its difference to the baseline's, times gradient: what removing it would change, to first
    order."""
    before = {} if baseline is None else _activations(model, baseline, kinds)
    with trace(model.net, x, None, kinds, then=_then(goal)) as run:
        front, value = starting(run, goal, model, start)
        found = {}
        tensors = [run.taps[layer].value for layer in layers] + [run.source]
        grads = send([front], tensors)
        for layer, g in zip(layers, grads, strict=False):
            found[layer] = _difference(run, layer, g, before.get(layer))
        delta = run.source.detach() if baseline is None else run.source.detach() - baseline
        pixels = grads[-1] * delta if grads[-1] is not None else torch.zeros_like(delta)
    return Attribution(value, on_input(pixels) if heat else None, found, None)


def _difference(run: Trace, layer: str, g: Tensor | None, before: Tensor | None) -> Float[Tensor, "n c p"]:
    tap = run.taps[layer]
    acts = tap.acts
    if g is None:
        return torch.zeros_like(acts)
    output = put_tensor(tap.output, tap.value.detach())
    with torch.enable_grad():
        leaf = acts.clone().requires_grad_()
        (at_acts,) = torch.autograd.grad(tensor_in(tap.kind.write(output, leaf)), leaf, g)
    return (acts if before is None else acts - before) * at_acts


def _activations(model: VisionModel, x: Tensor, kinds: Sequence[Components]) -> dict[str, Float[Tensor, "n c p"]]:
    def keep(kind: Any, output: Any) -> Tensor:
        return by_site[kind].read(output)

    by_site = {kind.site: kind for kind in kinds}
    with torch.no_grad(), record(model.net, list(by_site), keep) as seen:
        model.net(x)
        return {kind.layer: seen[kind.site] for kind in kinds}


def _integrated(
    model: VisionModel, x: Tensor, goal: Any, kinds: Sequence[Components], layers: list[str], heat: bool, start: str,
    baseline: Tensor | None, steps: int,
) -> Attribution:  # fmt: skip
    """The gradient averaged on the straight way from the baseline, times the way: exact in sum as the steps grow.

    Each layer has its own way: its activations move, everything below it stays.
    """
    if isinstance(goal, Activation):
        raise SemlensError("integrated gradients explain outputs, not components: choose an output or a function")
    after = _activations(model, x, kinds) if layers else {}
    before = {} if baseline is None else _activations(model, baseline, kinds)
    with torch.no_grad(), trace(model.net, x, None, then=_then(goal)) as run:
        _, value = starting(run, goal, model, start)
    by_layer = {kind.layer: kind for kind in kinds}
    found = {}
    for layer in layers:
        origin = before.get(layer, torch.zeros_like(after[layer])).expand_as(after[layer])
        found[layer] = _path(model, x, goal, by_layer[layer], origin, after[layer], start, steps)
    origin = torch.zeros_like(x) if baseline is None else baseline.expand_as(x)
    pixels = _path(model, x, goal, None, origin, x, start, steps) if heat else None
    return Attribution(value, None if pixels is None else on_input(pixels), found, None)


def _path(
    model: VisionModel, x: Tensor, goal: Any, kind: Components | None, origin: Tensor, end: Tensor, start: str,
    steps: int,
) -> Tensor:  # fmt: skip
    """The mean gradient at the middles of `steps` pieces of the way from `origin` to `end`, times that way."""
    total = torch.zeros_like(end)
    for step in range(steps):
        at = (origin + (step + 0.5) / steps * (end - origin)).detach().requires_grad_()

        def write(output: Any, at: Tensor = at) -> Any:
            assert kind is not None
            return kind.write(output, at * 1)  # a node of its own: what follows may overwrite it

        with torch.enable_grad(), still(model.net):
            if kind is None:
                run = Trace(at, None, output=_then(goal)(model.net(at * 1)))
            else:
                with edit(model.net, kind.site, write):
                    run = Trace(at, None, output=_then(goal)(model.net(x)))
            front, _ = starting(run, goal, model, start)
            (g,) = torch.autograd.grad(front.at, at, front.g)
        total += g
    return total / steps * (end - origin)


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
    goal, rules = target_of(_component_or(target)), _rules(method, model)
    ((kind, count),) = parse_all(model.net, [layer], x[:1])
    wrong = [unit for unit in units if not 0 <= unit < count]
    if wrong:
        raise SemlensError(f"unknown component '{layer}:{wrong[0]}': it has units 0 to {count - 1}")
    with trace(model.net, x, rules, [kind], then=_then(goal)) as run:
        front, _ = starting(run, goal, model, start)
        tap = run.taps[layer]
        (g,) = send([front], [tap.value])
        if g is None:
            raise SemlensError(f"no relevance reaches layer {layer!r}: the target does not depend on it")
        for first in range(0, len(units), chunk):
            some = torch.tensor(units[first : first + chunk], device=g.device)
            keep = torch.nn.functional.one_hot(some, count).to(g.dtype)
            masked = torch.stack([restrict(tap, g, one.expand(len(g), -1)) for one in keep])
            yield _maps(run, Front(tap.value, masked))


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
    arrival: Arrival = arrive(run, [front], (), many=True)
    assert arrival.source is not None
    return on_input(arrival.source).detach()


def _rules(method: str | Composite, model: VisionModel) -> Composite:
    rules = choose(method, model)
    if not isinstance(rules, Composite):
        raise SemlensError(f"conditional maps need relevance, and method {rules!r} has none: choose a composite")
    return rules


def _component_or(target: Any) -> Any:
    """A component where a text names one; class names hold no colon followed by a number."""
    if isinstance(target, str) and target.rpartition(":")[2].isdecimal() and ":" in target:
        return Component.parse(target)
    return target


def _component(given: str | Component) -> Component:
    return given if isinstance(given, Component) else Component.parse(given)


def _by_layer(components: Iterable[Component]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for component in components:
        found[component.layer] = (*found.get(component.layer, ()), component.unit)
    return found
