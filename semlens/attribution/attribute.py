"""One verb for every method: how much each pixel and each component moved an output, signed."""

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor

from semlens.attribution.composite import Composite, choose, rules_for
from semlens.attribution.conservation import WARN_ABOVE, warn
from semlens.attribution.flow import Conditions, arrive, entering, on_input, through
from semlens.attribution.gradients import STEPS, Attribution, gradient, integrated_gradients
from semlens.attribution.taps import warn_unread
from semlens.attribution.targets import Activation, Target, starting, target_of, then_of
from semlens.attribution.trace import trace
from semlens.model import Components, Layer, VisionModel, as_layers, layer_text, one_of_each, parse_all
from semlens.types import ERROR, Component


def attribute(
    model: VisionModel,
    x: Tensor,
    target: Any = None,
    *,
    method: str | Composite = "auto",
    layers: Layer | Sequence[Layer] = (),
    conditions: Iterable[str | Component] = (),
    heat: bool = True,
    start: str = "value",
    baseline: Tensor | None = None,
    steps: int = STEPS,
    warn_above: float = WARN_ABOVE,
) -> Attribution:
    """Relevance of the input's pixels and of components, in the unit of the target, from one backward pass.

    Args:
        x: preprocessed images, or token numbers.
        target: an output's number or class name, for all images or one each; None for each image's highest; a component
            ("layer:unit", Component, or Activation with a position); a function of the model's output that gives a
            number per image, such as `similarity(text, foundation)`.
        method: a composite of LRP rules, by name or of your own, "gradient" (times activation),
            "integrated_gradients"; "auto" for the default composite of this kind of network.
        layers: whose components' relevance is wanted.
        conditions: components ("layer:unit") that relevance has to pass, in any number of layers (CRP).
        heat: whether relevance of the pixels is wanted.
        start: how much relevance enters: the "value" of the target, or "one".
        baseline: for the two gradient methods, images to compare with, one for all or one each; zero activation if
            None.
        steps: for integrated gradients, the number of points between baseline and image.
        warn_above: share of the relevance that a layer may absorb before a ConservationWarning names it.

    Source: Achtibat et al. 2023 (CRP); Syed et al. 2023 and Nanda 2023 (attribution patching); Sundararajan et al.
    2017 and Dhamdhere et al. 2019 (integrated gradients, of inputs and of hidden units).

    Raises:
        SemlensError: a target, layer, component or method that does not exist; a function that no rule covers.
    """
    goal = target_of(target)
    units = _by_layer(conditions)
    explained = [goal.component.layer] if isinstance(goal, Activation) else []
    asked = [layer_text(layer) for layer in as_layers(layers)]
    needed = one_of_each([*as_layers(layers), *units, *explained])
    kinds = [kind for kind, _ in parse_all(model.net, needed, x[:1])] if needed else []
    chosen = rules_for(method, model, "conditions", x) if units else choose(method, model, x)
    if isinstance(chosen, Composite):
        found = _lrp(model, x, goal, chosen, kinds, asked, Conditions(units), heat, start, warn_above)
    else:
        run = gradient if chosen == "gradient" else integrated_gradients
        found = run(model, x, goal, kinds, asked, heat, start, baseline, steps)
    tokens = {name: shares for name, shares in found.unread.items() if not name.endswith(ERROR)}
    warn_unread({name: float(shares.mean()) for name, shares in tokens.items()})
    return found


def _lrp(
    model: VisionModel, x: Tensor, goal: Target, rules: Composite, kinds: Sequence[Components], layers: list[str],
    conditions: Conditions, heat: bool, start: str, warn_above: float,
) -> Attribution:  # fmt: skip
    with trace(model.net, x, rules, kinds, then=then_of(goal)) as run:
        front, value = starting(run, goal, model, start)
        fronts, on_the_way = through(run, front, conditions, layers)
        run.ledger.on = True
        arrival = arrive(run, fronts, [layer for layer in layers if layer not in on_the_way], last=True)
        assert arrival.source is not None
        report = run.ledger.close(entering(fronts), [arrival.source.flatten(1).sum(1)])
        warn(report, warn_above)
    relevance = {**on_the_way, **arrival.layers}
    by_layer = {layer: relevance[layer] for layer in layers}
    whole = arrival.source if heat else None
    return Attribution(
        value, on_input(arrival.source, run.source) if heat else None, by_layer, report, arrival.unread, whole
    )


def _by_layer(conditions: Iterable[str | Component]) -> dict[str, tuple[int, ...]]:
    units: dict[str, tuple[int, ...]] = {}
    for condition in conditions:
        component = condition if isinstance(condition, Component) else Component.parse(condition)
        units[component.layer] = (*units.get(component.layer, ()), component.unit)
    return units
