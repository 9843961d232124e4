"""The methods without rules: gradient times activation, and gradients integrated along a path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from semlens.attribution.conservation import Conservation
from semlens.attribution.flow import on_input, relevance_of, send
from semlens.attribution.taps import by_site, unread
from semlens.attribution.targets import Activation, Target, starting, then_of
from semlens.attribution.trace import Trace, trace
from semlens.errors import SemlensError
from semlens.model import Components, Latents, VisionModel, edit, record, still
from semlens.types import Float

STEPS = 16


@dataclass(frozen=True)
class Attribution:
    """How much every pixel and every component moved the explained value of each image.

    Args:
        value: the target's value, and so the relevance that entered; 1 with `start="one"`.
        heat: relevance of each pixel of the model's input, summed over colour; of each token for a model that reads
            tokens; None if it was not wanted.
        layers: relevance of every component at every position, by layer.
        source: the same before the sum over colour (or over the embedding), of the shape of what the model takes.
        report: where the relevance went that did not arrive; None for the gradient methods, which conserve nothing.
        unread: the part of a layer's |relevance| that passes tokens which are not read, in [0, 1] and per image, by the
            name under which they can be read; and what passes by the units of a dictionary, as LAYER@error.
    """

    value: Float[Tensor, "n"]
    heat: Float[Tensor, "n ..."] | None
    layers: Mapping[str, Float[Tensor, "n c p"]]
    report: Conservation | None
    unread: Mapping[str, Float[Tensor, "n"]] = field(default_factory=dict)
    source: Float[Tensor, "n ..."] | None = None


def gradient(
    model: VisionModel, x: Tensor, goal: Target, kinds: Sequence[Components], layers: list[str], heat: bool, start: str,
    baseline: Tensor | None, steps: int,
) -> Attribution:  # fmt: skip
    """Activation, or its difference from the baseline's, times gradient: what removing it would change, to first
    order.

    Source: Syed et al. 2023; Nanda 2023 (attribution patching).
    """
    before = {} if baseline is None else _activations(model, baseline, kinds)
    with trace(model.net, x, None, kinds, then=then_of(goal)) as run:
        front, value = starting(run, goal, model, start)
        taps = [run.taps[layer] for layer in layers]
        grads = send([front], [*(tap.node for tap in taps), run.source])
        came = {tap: (g,) for tap, g in zip(taps, grads, strict=False)}
        relevance = {
            tap.kind.layer: relevance_of(tap, g, baseline=before.get(tap.kind.layer)) for tap, g in came.items()
        }
        latents = [tap for tap in taps if isinstance(tap.kind, Latents)]
        plain = {tap.kind.layer: relevance_of(tap, came[tap]) for tap in latents} if before else relevance
        missing = unread(came, plain)
        delta = run.source.detach() if baseline is None else run.source.detach() - baseline
        pixels = grads[-1] * delta if grads[-1] is not None else torch.zeros_like(delta)
    whole = pixels if heat else None
    return Attribution(value, on_input(pixels, pixels) if heat else None, relevance, None, missing, whole)


def _activations(model: VisionModel, x: Tensor, kinds: Sequence[Components]) -> dict[str, Float[Tensor, "n c p"]]:
    def keep(site: Any, output: Any) -> dict[str, Tensor]:
        return {kind.layer: kind.read(output).clone() for kind in at[site]}  # what follows may overwrite it

    at = {some[0].site: some for some in by_site(kinds)}
    with torch.no_grad(), record(model.net, list(at), keep) as seen:
        model.net(x)
        return {layer: acts for site in at for layer, acts in seen[site].items()}


def integrated_gradients(
    model: VisionModel, x: Tensor, goal: Target, kinds: Sequence[Components], layers: list[str], heat: bool, start: str,
    baseline: Tensor | None, steps: int,
) -> Attribution:  # fmt: skip
    """(x - x') times the mean gradient on the straight path from a baseline x' to x, by the midpoint rule.

    As the steps grow, the sum is the difference of the outputs (completeness). Each layer has a path of its own, along
    which its activations move while everything below it stays.

    Source: Sundararajan et al. 2017, Eq. 1 (inputs); Dhamdhere et al. 2019 (hidden units).

    Raises:
        SemlensError: a component as target.
    """
    if isinstance(goal, Activation):
        raise SemlensError("integrated gradients explain outputs, not components: choose an output or a function")
    after = _activations(model, x, kinds) if layers else {}
    before = {} if baseline is None else _activations(model, baseline, kinds)
    with torch.no_grad(), trace(model.net, x, None, then=then_of(goal)) as run:
        _, value = starting(run, goal, model, start)
    by_layer = {kind.layer: kind for kind in kinds}
    relevance = {}
    for layer in layers:
        origin = before.get(layer, torch.zeros_like(after[layer])).expand_as(after[layer])
        relevance[layer] = _path(model, x, goal, by_layer[layer], origin, after[layer], start, steps)
    origin = torch.zeros_like(x) if baseline is None else baseline.expand_as(x)
    pixels = _path(model, x, goal, None, origin, x, start, steps) if heat else None
    heated = None if pixels is None else on_input(pixels, pixels)
    return Attribution(value, heated, relevance, None, source=pixels)


def _path(
    model: VisionModel, x: Tensor, goal: Target, kind: Components | None, origin: Tensor, end: Tensor, start: str,
    steps: int,
) -> Tensor:  # fmt: skip
    """The mean gradient at the midpoints of `steps` parts of the path from `origin` to `end`, times `end - origin`."""
    total = torch.zeros_like(end)
    for step in range(steps):
        point = (origin + (step + 0.5) / steps * (end - origin)).detach().requires_grad_()

        def write(output: Any, point: Tensor = point) -> Any:
            assert kind is not None
            return kind.write(output, point * 1)  # a copy, since what follows may overwrite it

        with torch.enable_grad(), still(model.net):
            if kind is None:
                run = Trace(point, None, output=then_of(goal)(model.net(point * 1)))
            else:
                with edit(model.net, kind.site, write):
                    run = Trace(point, None, output=then_of(goal)(model.net(x)))
            front, _ = starting(run, goal, model, start)
            (g,) = torch.autograd.grad(front.at, point, front.g)
        total += g
    return total / steps * (end - origin)
