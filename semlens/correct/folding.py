"""Changes brought into a network's own weights, where that is the same for every image: tried, and held against it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from semlens.collection import Feed
from semlens.correct.seen import head_path
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import (
    Change,
    Changes,
    Channels,
    Components,
    Head,
    Heads,
    Latents,
    Linear,
    VisionModel,
    changed,
    logits_of,
    parse_all,
    still,
)
from semlens.types import Float, Shaped

CLOSE = 1e-4
"""Logits that differ by this part of the largest are the same up to rounding."""

State = dict[str, Tensor]


def folded(model: VisionModel, changes: Changes, images: ImageSet | None, count: int) -> Mapping[str, Tensor] | None:
    """A state dict of the network that has all changes in it; None where there is none, or none was found.

    Args:
        images: on at most `count` of which both must give the same logits, beside noise.
    """
    x = model.example_input()
    state: State = {name: value.detach().clone() for name, value in model.net.state_dict().items()}
    kinds = (
        [kind for kind, _ in parse_all(model.net, [change.layer for change in changes.layers], x)]
        if changes.layers
        else []
    )
    state |= {name: value.to(state[name]) for name, value in changes.weights.items()}
    if changes.head is not None:
        state |= _named(changes.head, state)
    for change, kind in reversed(list(zip(changes.layers, kinds, strict=True))):  # what comes last meets the head first
        if not (_into_producer(model.net, state, change, kind) or _into_head(model, state, change, kind, x)):
            return None
    return state if _same(model, changes, state, x, images, count) else None


def _named(head: Head, state: State) -> State:
    return {name: value.to(state[name]) for name, value in
            ((f"{head.path}.weight", head.weight), (f"{head.path}.bias", head.bias)) if name in state}  # fmt: skip


def _into_producer(net: nn.Module, state: State, change: Change, kind: Components) -> bool:
    """Sets a channel by its filter and bias, and by the shift of a norm behind them, so that what comes out is the
    target; a head at zero by what projects it out."""
    if change.pool or change.condition is not None:
        return False
    if isinstance(kind, Heads):
        return _without_heads(net, state, change, kind)
    if not isinstance(kind, Channels):
        return False
    inside = [
        (path, module)
        for path, module in net.get_submodule(kind.site.path).named_modules()
        if list(module.parameters(False))
    ]
    path, module = inside[-1] if inside else ("", None)
    width = getattr(module, "weight", torch.empty(0)).shape[:1]
    name = ".".join(part for part in (kind.site.path, path) if part)
    if not isinstance(module, _PRODUCERS) or max(change.units) >= (width[0] if width else 0):
        return False
    if f"{name}.bias" not in state and change.targets.any():
        return False
    at = list(change.units)
    state[f"{name}.weight"][at] = 0
    if f"{name}.bias" in state:
        state[f"{name}.bias"][at] = change.targets.to(state[f"{name}.bias"])
    return True


def _without_heads(net: nn.Module, state: State, change: Change, kind: Heads) -> bool:
    """Takes heads out of the weights that project them, where they are zero at every token."""
    name = f"{kind.site.path}.weight"
    if not kind.every or change.targets.any() or not isinstance(net.get_submodule(kind.site.path), nn.Linear):
        return False
    by_head = state[name].unflatten(1, (kind.heads, -1))  # a view
    by_head[:, list(change.units)] = 0
    return True


_PRODUCERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def _into_head(model: VisionModel, state: State, change: Change, kind: Components, x: Shaped[Tensor, "n ..."]) -> bool:
    """Takes the change into the last layer, as if it took the mean over positions of the vectors that are changed."""
    try:
        path = head_path(model, x)
    except SemlensError:
        return False
    weight = state[f"{path}.weight"]
    affine = _affine(change, kind, weight.shape[1])
    if affine is None or f"{path}.bias" not in state:
        return False
    matrix, shift = affine
    wide = weight.double().cpu()
    state[f"{path}.bias"] = state[f"{path}.bias"] + (wide @ shift).to(weight)
    state[f"{path}.weight"] = (wide @ matrix).to(weight)
    return True


def _affine(change: Change, kind: Components, width: int) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d"]] | None:
    """What a change makes of mean vectors, x -> matrix @ x + shift; None where it is no such function."""
    if change.condition is not None or change.pool == "max":
        return None
    at, targets = list(change.units), change.targets.double().cpu()
    matrix, shift = torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    if isinstance(kind, Latents):
        one = kind.dictionary
        if not isinstance(one.sparsity, Linear) or one.standardised or one.width != width:
            return None
        encoder, decoder = one.encoder.double().cpu()[:, at], one.decoder.double().cpu()[at]
        constant = one.bias.double().cpu()[at] - one.centre.double().cpu() @ encoder
        return matrix - decoder.T @ encoder.T, (targets - constant) @ decoder
    if not kind.kind.startswith("channels") or max(at) >= width:
        return None
    matrix[at, at], shift[at] = 0, targets
    return matrix, shift


def _same(model: VisionModel, changes: Changes, state: State, x: Tensor, images: ImageSet | None, count: int) -> bool:
    """Whether the state dict gives what the changed network gives, on noise and on images."""
    noise = torch.randn(8, *x.shape[1:], generator=torch.Generator().manual_seed(0)).to(x)
    batches = [x, noise]
    if images is not None:
        batches += [batch for batch, _ in Feed(model, images, 16).readable(range(min(count, len(images))), "fold")]
    with torch.no_grad(), still(model.net):
        for batch in batches:
            new = logits_of(functional_call(model.net, state, (batch,)), len(batch))
            with changed(model.net, changes, x):
                old = logits_of(model.net(batch), len(batch))
            if new is None or old is None or (new - old).abs().max() > CLOSE * old.abs().max().clamp(min=1):
                return False
    return True
