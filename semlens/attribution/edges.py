"""Edges of a class's attribution graph: how much of the relevance of an upper component came from each lower one."""

from collections.abc import Sequence

import torch
from torch import Tensor

from semlens.attribution.composite import Composite, rules_for
from semlens.attribution.flow import (
    CHUNK,
    Front,
    brought,
    check_units,
    exact_device,
    reach,
    reaches,
    relevance_of,
    restrict_each,
    summed,
)
from semlens.attribution.targets import Logit, logits_in, starting
from semlens.attribution.trace import Trace, trace
from semlens.collection import Feed, tuned_allocator
from semlens.errors import SemlensError
from semlens.model import Layer, VisionModel, output_number, parse_all, still
from semlens.progress import visible
from semlens.types import Edges, ExampleSet, Float, Progress


def edges(
    model: VisionModel,
    images: ExampleSet,
    ids: Sequence[int],
    target: int | str,
    upper: Layer,
    lower: Layer,
    units: Sequence[int],
    *,
    method: str | Composite = "auto",
    batch_size: int = 16,
    chunk: int = CHUNK,
    workers: int | None = None,
    progress: Progress = visible,
) -> Edges:
    """The relevance of every component of `lower` for `target`, conditional on each of some components of `upper`.

    Source: Achtibat et al. 2023 (CRP); Dreyer et al. 2025, Fig. 2c. But: averaged over images instead of drawn for one,
    and with both signs.

    Args:
        ids: the images to average over, as a rule those of the class. Those that cannot be read are left out, which an
            `UnreadableWarning` says.
        units: of the upper layer; each costs a backward pass of the part between the layers, `chunk` of them at once.

    Raises:
        SemlensError: a layer, unit or output that does not exist, or a lower layer that does not feed the upper one.
    """
    feed = Feed(model, images, batch_size, workers)
    rules = rules_for(method, model, "edges", feed.first)
    (_, count), (_, below) = parsed = parse_all(model.net, [upper, lower], feed.first)
    kinds = [kind for kind, _ in parsed]
    above, below_it = (kind.layer for kind in kinds)
    check_units(above, units, count)
    if not len(ids):
        raise SemlensError("there are no images to average over: give the ids of some")
    on = exact_device(model.device)
    weights = torch.zeros(len(units), below, dtype=torch.float64, device=on)
    nodes = torch.zeros(len(units), dtype=torch.float64, device=on)
    with torch.no_grad(), still(model.net):
        number = output_number(target, model.class_names, logits_in(model.net(feed.first), len(feed.first)).shape[1])
    done = 0
    with tuned_allocator():
        for x, some in feed.readable(list(ids), "edges", progress):
            with trace(model.net, x[: len(some)], rules, kinds) as run:
                front, _ = starting(run, Logit(number), model, "value")
                share, flow = _between(run, front, above, below_it, units, chunk)
            nodes += share.sum(0)
            weights += flow
            done += len(some)
    if not done:
        raise SemlensError("none of the images could be read")
    return Edges(
        above, below_it, number, tuple(units), (nodes / done).float().cpu().numpy(),
        (weights / done).float().cpu().numpy(), done,
    )  # fmt: skip


def _between(
    run: Trace, front: Front, upper: str, lower: str, units: Sequence[int], chunk: int
) -> tuple[Float[Tensor, "n a"], Float[Tensor, "a c"]]:
    """Per image the shares of the upper units, and summed over images the shares that pass from them to the lower."""
    above = run.taps[upper]
    gradients = reach([front], above)
    total = summed(relevance_of(above, gradients), 2)  # "n c"
    size = total.abs().sum(1).clamp(min=1e-300)  # "n"
    parts = [
        _lower_shares(run, lower, restrict_each(above, gradients, units[start : start + chunk]), upper, size)
        for start in range(0, len(units), chunk)
    ]
    return total[:, list(units)] / size[:, None], torch.cat(parts)


def _lower_shares(
    run: Trace, lower: str, fronts: Sequence[Front], upper: str, size: Float[Tensor, "n"]
) -> Float[Tensor, "a c"]:
    below = run.taps[lower]
    (down,) = brought(fronts, [below], many=True)
    if not reaches(down):
        raise SemlensError(f"layer {lower!r} does not feed {upper!r}: name the layer nearer to the output first")
    relevance = summed(relevance_of(below, down, many=True), 3)  # "a n c"
    return (relevance / size[None, :, None]).sum(1)
