"""One call for every method: how much each pixel and each component moved an output, signed."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from semlens.attribution.composite import COMPOSITES, Composite, default_composite
from semlens.attribution.conservation import WARN_ABOVE, warn
from semlens.attribution.flow import Conditions, arrive, through
from semlens.attribution.gradients import STEPS, Attribution, gradient, integrated_gradients, on_input
from semlens.attribution.targets import Activation, starting, target_of, then_of
from semlens.attribution.trace import trace
from semlens.errors import SemlensError, unknown
from semlens.model import Components, VisionModel, parse_all
from semlens.types import Component

GRADIENTS = ("gradient", "integrated_gradients")
METHODS = (*COMPOSITES, *GRADIENTS)


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
    goal = target_of(target)
    wanted = _by_layer(_component(one) for one in conditions)
    needed = list(dict.fromkeys([*layers, *wanted, *([goal.component.layer] if isinstance(goal, Activation) else [])]))
    kinds = [kind for kind, _ in parse_all(model.net, needed, x[:1])] if needed else []
    chosen = choose(method, model)
    if isinstance(chosen, Composite):
        return _lrp(model, x, goal, chosen, kinds, list(layers), Conditions(wanted), heat, start, warn_above)
    if wanted:
        raise SemlensError(f"conditions need relevance, and method {chosen!r} has none: choose a composite")
    run = gradient if chosen == "gradient" else integrated_gradients
    return run(model, x, goal, kinds, list(layers), heat, start, baseline, steps)


def choose(method: str | Composite, model: VisionModel) -> Composite | str:
    """The composite that a method's name stands for, or the name of a gradient method."""
    if isinstance(method, Composite):
        return method
    if method == "auto":
        return default_composite(model.net)
    if method not in METHODS:
        raise unknown("method", method, (*METHODS, "auto"))
    return method if method in GRADIENTS else COMPOSITES[method]


def rules_for(method: str | Composite, model: VisionModel, what: str) -> Composite:
    """The composite that a method's name stands for. Raises SemlensError if it is a plain gradient, which `what` cannot
    use."""
    chosen = choose(method, model)
    if not isinstance(chosen, Composite):
        raise SemlensError(
            f"{what} need relevance, and method {chosen!r} has none, since it conserves nothing: choose a composite"
        )
    return chosen


def _lrp(
    model: VisionModel, x: Tensor, goal: Any, rules: Composite, kinds: Sequence[Components], layers: list[str],
    conditions: Conditions, heat: bool, start: str, warn_above: float,
) -> Attribution:  # fmt: skip
    with trace(model.net, x, rules, kinds, then=then_of(goal)) as run:
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


def _component(given: str | Component) -> Component:
    return given if isinstance(given, Component) else Component.parse(given)


def _by_layer(components: Iterable[Component]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for component in components:
        found[component.layer] = (*found.get(component.layer, ()), component.unit)
    return found
