"""A network changed for as long as one wants: components of a layer set to values in every forward pass, the last layer
with other weights, or any of its parameters with other values."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.components import Components, Vectors, put_tensor, tensor_in
from semlens.model.dictionary import Dictionary, Linear
from semlens.model.hooks import edit, module_at
from semlens.model.latents import Latents, Layer, layer_text
from semlens.model.layers import parse_all
from semlens.types import Bool, Float, Shaped

Pool = Literal["", "max", "mean"]
MARK = "_semlens_correction"
"""The buffer by which a changed network has another fingerprint than before."""


@dataclass(frozen=True, eq=False)
class Condition:
    """On which images units are changed: where the filter of the unit gives more than 0.

    x @ weights + intercept, with x the mean of the layer's vectors over positions (see `components.Vectors`).
    """

    weights: Float[Tensor, "d u"]
    intercept: Float[Tensor, "u"]


@dataclass(frozen=True, eq=False)
class Change:
    """Some units of a layer set to values.

    Args:
        layer: the layer with its kind, or a dictionary on it.
        units: which of its components, by number.
        targets: what each is set to.
        pool: "" sets every position; "mean" and "max" move all positions of an image alike, so that what is read of the
            pooled activations is the target. Of directions that is P-ClArC.
        condition: None changes every image.

    Source: Anders et al. 2022 (Information Fusion 77), P-ClArC; Bareeva et al. 2024 (arXiv 2404.09601), its reactive
    form. But: several directions at once, the condition with its intercept.
    """

    layer: Layer
    units: tuple[int, ...]
    targets: Float[Tensor, "u"]
    pool: Pool = ""
    condition: Condition | None = None


@dataclass(frozen=True, eq=False)
class Head:
    """A linear layer with other weights."""

    path: str
    weight: Float[Tensor, "y d"]
    bias: Float[Tensor, "y"]


@dataclass(frozen=True, eq=False)
class Changes:
    """All that is changed in a network: layers in this order, its last layer, and parameters that were trained on."""

    layers: tuple[Change, ...] = ()
    head: Head | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)  # new values of parameters, by name

    def digest(self) -> str:
        """sha256 over everything that they compute with."""
        digest = hashlib.sha256()
        for change in self.layers:
            layer = change.layer.digest if isinstance(change.layer, Dictionary) else layer_text(change.layer)
            digest.update(repr((layer, change.units, change.pool, change.condition is not None)).encode())
            parts = [] if change.condition is None else [change.condition.weights, change.condition.intercept]
            _feed(digest, [change.targets, *parts])
        if self.head is not None:
            digest.update(self.head.path.encode())
            _feed(digest, [self.head.weight, self.head.bias])
        for name in sorted(self.weights):
            digest.update(name.encode())
            _feed(digest, [self.weights[name]])
        return digest.hexdigest()


def _feed(digest: Any, tensors: Sequence[Tensor]) -> None:
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)


@contextmanager
def changed(net: nn.Module, changes: Changes, example: Shaped[Tensor, "n ..."]) -> Iterator[None]:
    """The network with its changes inside the `with`, in eval mode, and as it was after it, to the last bit.

    Args:
        example: an image as the network takes it.

    Raises:
        SemlensError: a layer, unit or parameter that is not there or has another shape, or a network that is changed
            already.
    """
    if MARK in net._buffers:
        raise SemlensError("the model is corrected already: undo that first, or put both into one correction")
    with ExitStack() as stack:
        stack.enter_context(_replaced(_parameters(net, changes.weights)))
        stack.enter_context(units_set(net, changes.layers, example))
        if changes.head is not None:
            stack.enter_context(_with_head(net, changes.head))
        net.register_buffer(MARK, torch.frombuffer(bytearray.fromhex(changes.digest()), dtype=torch.uint8))
        stack.callback(net._buffers.pop, MARK, None)
        yield


@contextmanager
def units_set(net: nn.Module, changes: Sequence[Change], example: Shaped[Tensor, "n ..."]) -> Iterator[None]:
    """The network with units of layers set inside the `with`, corrected already or not: what a question asks of it
    for a moment. Its fingerprint stays.

    Raises:
        SemlensError: a layer or unit that is not there.
    """
    with ExitStack() as stack:
        kinds = parse_all(net, [change.layer for change in changes], example) if changes else []
        for change, (kind, components) in zip(changes, kinds, strict=True):
            stack.enter_context(edit(net, kind.site, Setter.of(change, kind, components, example)))
        yield


def change_for_good(net: nn.Module, changes: Changes, example: Shaped[Tensor, "n ..."]) -> None:
    """Changes a network for as long as it lives.

    Raises:
        SemlensError: as `changed`.
    """
    stack = ExitStack()
    stack.enter_context(changed(net, changes, example))
    _FOR_GOOD[net] = stack


_FOR_GOOD: "WeakKeyDictionary[nn.Module, ExitStack]" = WeakKeyDictionary()


@contextmanager
def _replaced(pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Parameters with other values, each beside its own."""
    before = [own.detach().clone() for own, _ in pairs]
    try:
        with torch.no_grad():
            for own, new in pairs:
                own.copy_(new)
        yield
    finally:
        with torch.no_grad():
            for (own, _), old in zip(pairs, before, strict=True):
                own.copy_(old)


def _parameters(net: nn.Module, weights: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Some parameters of a network, each with the values that it is to have."""
    own = dict(net.named_parameters())
    for name, new in weights.items():
        if name not in own or own[name].shape != new.shape:
            shape = f"one of {tuple(own[name].shape)}" if name in own else "none of that name"
            raise SemlensError(f"the correction has a parameter {name!r} of {tuple(new.shape)}; the model has {shape}")
    return [(own[name], new) for name, new in weights.items()]


@contextmanager
def _with_head(net: nn.Module, head: Head) -> Iterator[None]:
    """The network with other weights in its last layer."""
    layer = module_at(net, head.path)
    if not isinstance(layer, nn.Linear) or layer.weight.shape != head.weight.shape:
        shape = tuple(getattr(layer, "weight", torch.empty(0)).shape)
        raise SemlensError(f"{head.path!r} is no linear layer of {tuple(head.weight.shape)}, but one of {shape}")
    bare = layer.bias is None
    if bare:  # one at zero computes the same
        layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)), requires_grad=layer.weight.requires_grad)
    try:
        with _replaced([(layer.weight, head.weight), (layer.bias, head.bias)]):
            yield
    finally:
        if bare:
            layer.register_parameter("bias", None)


@dataclass(frozen=True, eq=False)
class Setter:
    """What a change makes of a layer's output."""

    kind: Components
    pool: Pool
    chosen: Bool[Tensor, "c 1"]
    targets: Float[Tensor, "c 1"]
    units: tuple[int, ...]
    condition: Condition | None

    @classmethod
    def of(cls, change: Change, kind: Components, components: int, example: Tensor) -> "Setter":
        """A change of a layer that is bound to a network.

        Raises:
            SemlensError: the layer has no such unit, or no vectors for a condition.
        """
        odd = [unit for unit in change.units if not 0 <= unit < components]
        if odd:
            raise SemlensError(f"{kind.layer}:{odd[0]} does not exist: the layer has {components} components")
        at = list(change.units)
        chosen, targets = torch.zeros(components, 1, dtype=torch.bool), torch.zeros(components, 1)
        chosen[at], targets[at] = True, change.targets.float()[:, None]
        condition = change.condition
        if condition is not None:
            vectors_of(kind)
            condition = Condition(condition.weights.to(example.device), condition.intercept.to(example.device))
        return cls(kind, change.pool, chosen.to(example.device), targets.to(example.device), change.units, condition)

    def __call__(self, output: Any) -> Any:
        """The output with the units set, where the condition holds; the very output, where it holds nowhere."""
        where = self._where(output)
        if where is not None and not where.any():
            return output
        acts = self.kind.read(output)
        new = self._set(output, acts)
        chosen = self.chosen if where is None else self.chosen & self._laid(where)[..., None]
        changed = self.kind.write(output, torch.where(chosen, new.to(acts.dtype), acts))
        return changed if where is None else self._only(where.any(1), changed, output)

    def _set(self, output: Any, acts: Float[Tensor, "n c p"]) -> Float[Tensor, "n c p"]:
        if not self.pool:
            return self.targets.expand_as(acts)
        if self.pool == "max" and isinstance(self.kind, Latents) and isinstance(self.kind.dictionary.sparsity, Linear):
            highest = vectors_of(self.kind.base).vectors(output).amax(1)
            now = self.kind.weights.products(highest)[..., None]
        else:
            now = acts.mean(2, keepdim=True) if self.pool == "mean" else acts.amax(2, keepdim=True)
        return acts + (self.targets - now)

    def _where(self, output: Any) -> Bool[Tensor, "n u"] | None:
        """On which images each unit is changed; None for all."""
        if self.condition is None:
            return None
        x = vectors_of(self.kind).vectors(output).detach().float().mean(1)
        return x @ self.condition.weights + self.condition.intercept > 0

    def _laid(self, where: Bool[Tensor, "n u"]) -> Bool[Tensor, "n c"]:
        laid = where.new_zeros(len(where), len(self.chosen))
        laid[:, list(self.units)] = where
        return laid

    def _only(self, images: Bool[Tensor, "n"], new: Any, old: Any) -> Any:
        """The new output of some images and the old one, bit for bit, of all others."""
        ours, theirs = (self.kind.rows.gather(tensor_in(x)) for x in (new, old))
        wanted = images.view(-1, *[1] * (ours.ndim - 1))
        return put_tensor(new, self.kind.rows.scatter(torch.where(wanted, ours, theirs)))


def vectors_of(kind: Components) -> Vectors:
    """The kind that has the layer's vectors: itself, or what a dictionary reads them from.

    Raises:
        SemlensError: it has none.
    """
    base = kind.base if isinstance(kind, Latents) else kind
    if not isinstance(base, Vectors):
        raise SemlensError(f"{kind.layer!r} has no vectors that a direction could lie in: name it without a kind")
    return base
