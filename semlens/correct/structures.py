"""What of a network can be pruned: filters of convolutions, units of linear layers, attention heads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model import Site, VisionModel, edit, logits_of, record, refuse_hidden, still, survey, tensor_in
from semlens.types import Shaped

Convolution = nn.modules.conv._ConvNd


@dataclass(frozen=True)
class Structure:
    """The components of one module, each of which can be pruned.

    Args:
        layer: what the module's components are called by.
        path: of the module; of heads, of the attention.
        components: how many there are.
        kind: "filter", "unit" or "head".
        calls: the layers at which their activations pass, one for each time that the module runs.
        norms: layers of the norms behind it, each channel of which is a constant once its filter is gone.
    """

    layer: str
    path: str
    components: int
    kind: str
    calls: tuple[str, ...]
    norms: tuple[str, ...] = ()

    @property
    def sites(self) -> tuple[str, ...]:
        """All layers at which a component is zero if it is pruned."""
        return (*self.calls, *self.norms)


@dataclass(frozen=True, eq=False)
class _Call:
    """One call of a module that has filters or units."""

    site: Site
    module: nn.Module
    output: Tensor


@dataclass(frozen=True, eq=False)
class _Seen:
    """One forward pass.

    Args:
        calls: of modules with filters or units, in their order.
        norms: which norms take a tensor, by its identity; the calls keep it alive.
        runs: how often each module ran.
    """

    calls: list[_Call]
    norms: dict[int, tuple[Site, ...]]
    runs: Counter[str]
    logits: Tensor

    def text(self, site: Site, kind: str) -> str:
        return f"{site.path if self.runs[site.path] < 2 else site}{kind}"


def structures(model: VisionModel, x: Shaped[Tensor, "n ..."]) -> tuple[Structure, ...]:
    """All structures of a network in the order in which they run; without the layer that gives its outputs.

    Linear layers inside an attention whose heads can be read are its heads. A norm counts as behind a layer where it
    takes that layer's very output and has statistics of its own, as BatchNorm has.

    Args:
        x: an image as the model takes it.

    Raises:
        SemlensError: calls of the network cannot be seen, or nothing of it can be pruned.
    """
    refuse_hidden(model.net)
    heads = _heads(model)
    seen = _look(model.net, x)
    of_heads = tuple(f"{one.path}." for one in heads)
    found: dict[str, Structure] = {}
    for call in _inner(model, x, seen):
        path = call.site.path
        if path.startswith(of_heads or ("\n",)):
            continue
        one = _structure(call, seen)
        before = found.get(path)
        found[path] = one if before is None else replace(
            before, calls=before.calls + one.calls, norms=tuple(dict.fromkeys(before.norms + one.norms))
        )  # fmt: skip
    order = {path: place for place, path in enumerate(seen.runs)}  # of their first runs
    every = sorted((*found.values(), *heads), key=lambda one: order[one.path])
    if not every:
        raise SemlensError(f"{model.name} has no filters, linear units or heads before its outputs: nothing to prune")
    return tuple(every)


def _heads(model: VisionModel) -> list[Structure]:
    """The attentions whose heads can be read."""
    found: dict[str, Structure] = {}
    for row in model.layers():
        count = row.components if row.kind == "heads" else row.heads
        if count:
            layer, path = f"{row.layer}@heads:all", row.layer.partition("#")[0]
            one = found.get(path, Structure(f"{path}@heads:all", path, count, "head", ()))
            found[path] = replace(one, calls=(*one.calls, layer))
    return list(found.values())


def _look(net: nn.Module, x: Tensor) -> _Seen:
    """What passes in one forward pass.

    Raises:
        SemlensError: the network gives no row of logits.
    """
    calls: list[_Call] = []
    norms: dict[int, tuple[Site, ...]] = {}
    runs: Counter[str] = Counter()
    given: list[Any] = []

    def see(site: Site, module: nn.Module, value: Any) -> None:
        if site.side == "output":
            runs[site.path] += 1
            given[:] = [value]  # the network's own output comes last
            if isinstance(module, Convolution | nn.Linear) and isinstance(value, Tensor):
                calls.append(_Call(site, module, value))
        elif isinstance(getattr(module, "running_mean", None), Tensor):
            norms[id(value)] = (*norms.get(id(value), ()), site)

    with torch.no_grad(), still(net):
        survey(net, x, see)
    logits = logits_of(given[0], len(x))
    if logits is None or logits.shape[1] < 2:
        raise SemlensError("the model gives no row of logits per image: only classifiers are pruned")
    return _Seen(calls, norms, runs, logits)


def _inner(model: VisionModel, x: Tensor, seen: _Seen) -> list[_Call]:
    """The calls without those at the end that give the outputs: as many units, and no weights behind them."""
    outputs, kept = seen.logits.shape[1], list(seen.calls)
    while kept and _width(kept[-1].module) == outputs and _ends(model.net, x, kept[-1], seen.calls[len(kept) :]):
        kept.pop()
    return kept


def _ends(net: nn.Module, x: Tensor, call: _Call, later: Sequence[_Call]) -> bool:
    """Whether no later call takes what comes of this one: none changes when it does."""

    def raised(output: Any) -> Tensor:
        return tensor_in(output) + 1

    with torch.no_grad(), edit(net, call.site, raised), record(net, [one.site for one in later]) as again:
        net(x)
        return all(torch.equal(tensor_in(again[one.site]), one.output) for one in later)


def _width(module: nn.Module) -> int:
    return int(module.out_channels if isinstance(module, Convolution) else module.out_features)  # type: ignore[arg-type]


def _structure(call: _Call, seen: _Seen) -> Structure:
    conv = isinstance(call.module, Convolution)
    plain = call.output.ndim > 3 if conv else call.output.ndim == 2
    axis = "" if plain else f"@channels{'' if conv else ':-1'}"
    norms = tuple(seen.text(norm, axis) for norm in seen.norms.get(id(call.output), ()))
    path = call.site.path
    return Structure(f"{path}{axis}", path, _width(call.module), "filter" if conv else "unit",
                     (seen.text(call.site, axis),), norms)  # fmt: skip
