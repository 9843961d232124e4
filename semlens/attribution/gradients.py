"""The plain gradient: times activation, and integrated along a way. What they explain needs no rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.conservation import Conservation
from semlens.attribution.flow import relevance_of, send
from semlens.attribution.targets import Activation, starting, then_of
from semlens.attribution.trace import Trace, trace
from semlens.errors import SemlensError
from semlens.model import Components, VisionModel, edit, record, still
from semlens.shapes import Float

STEPS = 16


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


def on_input(relevance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Relevance of an image's pixels summed over colour, or of tokens summed over their embedding."""
    return relevance.sum(-3) if relevance.ndim >= 4 else relevance.sum(-1)


def gradient(
    model: VisionModel, x: Tensor, goal: Any, kinds: Sequence[Components], layers: list[str], heat: bool, start: str,
    baseline: Tensor | None, steps: int,
) -> Attribution:  # fmt: skip
    """Activation, or its difference to the baseline's, times gradient: what removing it would change, to first
    order."""
    before = {} if baseline is None else _activations(model, baseline, kinds)
    with trace(model.net, x, None, kinds, then=then_of(goal)) as run:
        front, value = starting(run, goal, model, start)
        found = {}
        tensors = [run.taps[layer].value for layer in layers] + [run.source]
        grads = send([front], tensors)
        for layer, g in zip(layers, grads, strict=False):
            tap = run.taps[layer]
            g = torch.zeros_like(tap.value) if g is None else g
            found[layer] = relevance_of(tap, g, baseline=before.get(layer))
        delta = run.source.detach() if baseline is None else run.source.detach() - baseline
        pixels = grads[-1] * delta if grads[-1] is not None else torch.zeros_like(delta)
    return Attribution(value, on_input(pixels) if heat else None, found, None)


def _activations(model: VisionModel, x: Tensor, kinds: Sequence[Components]) -> dict[str, Float[Tensor, "n c p"]]:
    def keep(kind: Any, output: Any) -> Tensor:
        return by_site[kind].read(output)

    by_site = {kind.site: kind for kind in kinds}
    with torch.no_grad(), record(model.net, list(by_site), keep) as seen:
        model.net(x)
        return {kind.layer: seen[kind.site] for kind in kinds}


def integrated_gradients(
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
    with torch.no_grad(), trace(model.net, x, None, then=then_of(goal)) as run:
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
                run = Trace(at, None, output=then_of(goal)(model.net(at * 1)))
            else:
                with edit(model.net, kind.site, write):
                    run = Trace(at, None, output=then_of(goal)(model.net(x)))
            front, _ = starting(run, goal, model, start)
            (g,) = torch.autograd.grad(front.at, at, front.g)
        total += g
    return total / steps * (end - origin)
