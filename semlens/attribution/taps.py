"""What is read of a layer in a traced forward pass: its values, and the places of the graph where its relevance passes.

The model goes on with the very tensor that its layer returned, and a tap remembers where in the graph that tensor was
made, so a layer that is read changes nothing. Only a view gives way to a copy, with the same values and the same mark:
writing into a view moves its place in the graph.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from semlens.attribution.conservation import per_image
from semlens.attribution.marks import LayerCall, SavedTensor, SavedTensors, mark_of, put_mark
from semlens.errors import SemlensError
from semlens.model import Components, Latents, OnAxes, Site, edit, put_tensor, tensor_in, vectors_of
from semlens.types import ERROR, Float

Gradients = tuple[Tensor | None, ...]
"""What a backward pass brings to each of a tap's `ends`; None where it brings nothing."""

WARN_ABOVE = 0.5
"""Share of a layer's relevance that may pass tokens which are not read before a warning names them."""
_ALL = 0.9995


@dataclass(frozen=True, eq=False)
class Tap:
    """What one layer returned in a traced forward pass, and where its relevance passes.

    Args:
        output: in the structure that the layer returned; its tensor stands in `saved`.
        node: the place of the layer's tensor in the graph.
        shadow: where relevance of the input's zeros passes, for a layer that only moves or scales the input.
        call: the affine layer whose output it is.
        alive: keeps the graph below the node.
    """

    kind: Components
    saved: SavedTensor
    output: Any
    node: GradientEdge
    shadow: GradientEdge | None
    call: LayerCall | None
    alive: object

    @property
    def value(self) -> Tensor:
        """The layer's tensor, without a graph."""
        return self.saved.value

    @property
    def laid(self) -> Any:
        """What the layer returned, without a graph."""
        return put_tensor(self.output, self.value)

    @property
    def acts(self) -> Float[Tensor, "n c p"]:
        """Activations of the layer's components, without a graph."""
        return self.kind.read(self.laid)

    @property
    def ends(self) -> tuple[GradientEdge, ...]:
        """The places where relevance of the layer passes."""
        return (self.node,) if self.shadow is None else (self.node, self.shadow)

    def parts(self, gradients: Gradients) -> tuple[Tensor | None, Tensor | None]:
        """The modified gradient at the layer's tensor, and relevance that has none: that of the input's zeros, and that
        of the shift of a BatchNorm that is folded into the layer.

        With the norm a folded layer is one layer, whose relevance is that of the norm's output, and `node` has the
        modified gradient there.
        """
        g, direct = gradients[0], gradients[1] if len(gradients) > 1 else None
        if g is None or self.call is None or not self.call.folds:
            return g, direct
        scale, shift = (self.call.layer.along(values, self.value) for values in self.call.norm)
        return g * scale, g * shift if direct is None else direct + g * shift

    def at_node(self, g: Tensor) -> Tensor:
        """The modified gradient at `node` for one at the layer's tensor; 0 where the norm takes nothing of it."""
        if self.call is None or not self.call.folds:
            return g
        scale = self.call.layer.along(self.call.norm[0], self.value)
        return torch.where(scale == 0, 0, g / scale)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """What times the gradient at each of the ends is relevance: the layer's tensor, that of a BatchNorm that is
        folded into it, and 1 where relevance itself passes."""
        value = self.value
        if self.call is not None and self.call.folds:
            scale, shift = (self.call.layer.along(values, value) for values in self.call.norm)
            value = value * scale + shift
        return (value, torch.ones_like(value))[: len(self.ends)]

    def elements(self, gradients: Gradients) -> Tensor:
        """The relevance of every element of the layer's tensor."""
        amounts = [weight * g for weight, g in zip(self.weights, gradients, strict=True) if g is not None]
        return sum(amounts[1:], amounts[0]) if amounts else torch.zeros_like(self.value)


class Stop(BaseException):
    """Ends a forward pass when the last layer that is wanted has run. No error that the model may catch."""


@contextmanager
def tapping(
    net: nn.Module,
    kinds: Sequence[Components],
    taps: dict[str, Tap],
    *,
    saved: SavedTensors | None,
    paused: Callable[[], AbstractContextManager[None]],
    stop: bool,
) -> Iterator[None]:
    """Inside the `with`, forward passes of `net` fill `taps`, by layer, in the order in which the layers run.

    Args:
        saved: what copies values that the model is about to overwrite; None copies each at once.
        paused: a context in which functions run unseen.
        stop: whether to raise `Stop` at the last of the layers.
    """

    def see(some: Sequence[Components], output: Any) -> Any:
        with paused():
            value = tensor_in(output)
            first = _tap(some[0], output, saved)
            taps.update((kind.layer, replace(first, kind=kind)) for kind in some)
            if stop and len(taps) == len(kinds):
                raise Stop
            if not value._is_view():
                return output
            copy = value.clone()
            put_mark(copy, mark_of(value))
            return put_tensor(output, copy)

    with ExitStack() as stack:
        for some in by_site(kinds):
            stack.enter_context(edit(net, some[0].site, partial(see, some)))
        yield


def by_site(kinds: Sequence[Components]) -> list[list[Components]]:
    """The kinds in groups, each read at one place of the model, in the order in which the groups are first met."""
    groups: dict[Site, list[Components]] = {}
    for kind in kinds:
        groups.setdefault(replace(kind.site, call=kind.site.call or 0), []).append(kind)
    return list(groups.values())


def _tap(kind: Components, output: Any, saved: SavedTensors | None) -> Tap:
    value = tensor_in(output)
    if not value.requires_grad:
        why = "does not depend on the image" if torch.is_grad_enabled() else "runs under torch.no_grad() in the model"
        raise SemlensError(f"layer {kind.layer!r} {why}, so it has no relevance: choose another layer")
    mark = mark_of(value)
    return Tap(
        kind,
        SavedTensor(value.detach().clone()) if saved is None else saved.save(value),
        put_tensor(output, value.detach()),
        get_gradient_edge(value),
        None if mark.shadow is None else get_gradient_edge(mark.shadow),
        mark.layer,
        value.view_as(value).grad_fn,
    )


class UnreadTokensWarning(UserWarning):
    """Most of a layer's relevance passes what is not read: tokens such as the class token, or what a dictionary does
    not explain."""


def unread(
    gradients: Mapping[Tap, Gradients], relevance: Mapping[str, Float[Tensor, "n c p"]]
) -> dict[str, Float[Tensor, "n"]]:
    """The part of each tensor's |relevance| that passes tokens which none of the taps reads, in [0, 1] and per image,
    by the name under which they can be read; and of the vectors that a dictionary reads, what passes by its units, by
    the name of the layer and ERROR.

    Args:
        gradients: what came to each tap.
        relevance: of the units, by layer.
    """
    shares = {
        f"{tap.kind.layer}{ERROR}": _by_the_units(tap, g, relevance[tap.kind.layer])
        for tap, g in gradients.items()
        if isinstance(tap.kind, Latents)
    }
    groups: dict[SavedTensor, list[Tap]] = {}
    for tap in gradients:
        groups.setdefault(tap.saved, []).append(tap)
    for taps in groups.values():
        shares |= _of_tensor(taps, gradients[taps[0]])
    return shares


def _by_the_units(tap: Tap, gradients: Gradients, units: Float[Tensor, "n c p"]) -> Float[Tensor, "n"]:
    """The part of the |relevance| of units and error nodes at the positions of a dictionary that the error nodes have:
    what a vector has there, less that of all units and of the constant that the dictionary adds to them."""
    assert isinstance(tap.kind, Latents)
    base, (g, _) = vectors_of(tap.kind), tap.parts(gradients)
    whole = base.vectors(put_tensor(tap.output, tap.elements(gradients))).sum(2)
    if g is not None:
        constant = tap.kind.weights.constant(base.vectors(tap.laid))
        whole = whole - (constant * base.vectors(put_tensor(tap.output, g))).sum(2)
    error = (whole - units.sum(1)).abs().sum(1)
    return error / (error + units.abs().sum((1, 2))).clamp(min=1e-30)


def beside(kinds: Iterable[Components]) -> dict[str, Components]:
    """The tokens that none of the kinds reads, by the name under which they can be read.

    Args:
        kinds: of one tensor.
    """
    kinds = tuple(kinds)
    read = {kind.part for kind in kinds}
    return {other.layer: other for kind in kinds for other in kind.beside if other.part not in read}


def _of_tensor(taps: Sequence[Tap], gradients: Gradients) -> dict[str, Float[Tensor, "n"]]:
    missing = beside(tap.kind for tap in taps)
    if not missing:
        return {}
    first, rows = taps[0], taps[0].kind.rows
    size = rows.gather(first.elements(gradients).abs())
    whole = size.flatten(1).sum(1).clamp(min=1e-30)
    shares = {}
    for name, kind in missing.items():
        assert isinstance(kind, OnAxes)  # tokens
        there = kind.spread(first.laid, torch.ones_like(kind.read(first.laid)))
        shares[name] = per_image(size, rows.gather(there)) / whole
    return shares


def warn_unread(shares: Mapping[str, float], threshold: float = WARN_ABOVE) -> None:
    """Issues an UnreadTokensWarning that names the tokens above the threshold, and one that names dictionaries which
    leave as much unexplained, if there are any."""
    much = sorted(((share, name) for name, share in shares.items() if share > threshold), reverse=True)
    parts = [f"{_share(share)} of layer {name.partition('@')[0]!r} through {name!r}" for share, name in much]
    tokens = [part for part, (_, name) in zip(parts, much, strict=True) if not name.endswith(ERROR)]
    errors = [f"{_share(share)} of {name.removesuffix(ERROR)!r}" for share, name in much if name.endswith(ERROR)]
    said = [f"relevance passes tokens that are not read: {', '.join(tokens)}; name these as layers too to see it"]
    said += [f"relevance passes what dictionaries do not explain: {', '.join(errors)}; the units are the smaller part"]
    for sentence in [one for one, there in zip(said, (tokens, errors), strict=True) if there]:
        warnings.warn(sentence, UnreadTokensWarning, stacklevel=3)


def _share(share: float) -> str:
    return "all" if share > _ALL else f"{share:.0%}"
