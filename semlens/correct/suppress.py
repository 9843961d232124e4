"""What should not be there, taken out of a layer: components, directions, or what an audit found."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from semlens.analysis.audit import Audit
from semlens.collection import Feed
from semlens.correct.correction import Correction
from semlens.correct.phrases import spec_directions
from semlens.correct.seen import BATCH
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet, load_images
from semlens.model import (
    Change,
    Changes,
    Components,
    Condition,
    Dictionary,
    Latents,
    Layer,
    Linear,
    Pool,
    VisionModel,
    as_model,
    layer_text,
    parse_all,
    record,
    vectors_of,
)
from semlens.types import Component, Float, Float64, Progress, silent

WAYS = ("zero", "mean", "project", "reactive")
"""Every position set to zero, or to the mean over images; all positions moved alike until the pooled activation is that
of clean images; the same only where it is above what clean images have."""

CLEAN = 0.95
"""Of clean images this part stays as it is where a correction is reactive."""

What = Audit | Dictionary | Component | str | Sequence[Component | str]


def suppress(
    model: VisionModel | str,
    what: What,
    how: str = "project",
    *,
    units: Sequence[int | str] | None = None,
    images: ImageSet | Any = None,
    clean: Sequence[int] | None = None,
    pool: Pool = "mean",
    progress: Progress = silent,
) -> Correction:
    """The correction that takes something out of a layer.

    Args:
        what: components ("layer4:17"); a dictionary on a layer, of directions or latents; or an audit, of which the
            spurious concepts are taken out of its last layer, as joint directions from its index's encodings.
        how: one of WAYS.
        units: of the dictionary, by name or number; all if none are given.
        images: over which means are taken, and below which activations of clean images lie. Without any, directions are
            brought to 0, which is the mean image.
        clean: the ids of those that show nothing of what is taken out; all if none are given, and a reactive correction
            then splits each unit's activations in two.
        pool: how positions become one for "project" and "reactive"; the model's own way behind the layer.

    Raises:
        SemlensError: an unknown way, unit or component, or no images where they are needed.
    """
    if how not in WAYS:
        raise unknown("way", how, WAYS)
    model = as_model(model)
    wanted = [_chosen(layer, chosen) for layer, chosen in _layers(what, units)]
    photos = None if images is None else load_images(images)
    read = _Reader(model, photos, None if clean is None else list(clean), pool, progress)
    changes = tuple(_change(read, layer, at, how) for layer, at in wanted)
    names = [f"{layer_text(layer)}:{unit}" for layer, at in wanted for unit in _names(layer, at)]
    return Correction(model, Changes(changes), {"how": how, "pool": pool, "suppressed": names})


def _names(layer: Layer, at: Sequence[int]) -> list[str]:
    named = isinstance(layer, Dictionary) and len(layer.names) > 0
    return [layer.names[unit] if named and isinstance(layer, Dictionary) else str(unit) for unit in at]


def _layers(what: What, units: Sequence[int | str] | None) -> list[tuple[Layer, Sequence[int | str] | None]]:
    """Each layer with the units that are meant, None for all."""
    if isinstance(what, Audit):
        layer = what.index.layers[int(what.fit.layer.max())].layer
        spurious = [name for side, name in what.asked if side == "spurious"]
        return [(spec_directions(what, layer), spurious if units is None else units)]
    if isinstance(what, Dictionary):
        return [(what, units)]
    given = [what] if isinstance(what, str | Component) else list(what)
    by_layer: dict[str, list[int | str]] = {}
    for one in given:
        component = Component.parse(one) if isinstance(one, str) else one
        by_layer.setdefault(component.layer, []).append(component.unit)
    if not by_layer:
        raise SemlensError("nothing to suppress: name components, or give a dictionary or an audit")
    return list(by_layer.items())


def _chosen(layer: Layer, units: Sequence[int | str] | None) -> tuple[Layer, tuple[int, ...]]:
    """The layer and its units by number, each once."""
    if not isinstance(layer, Dictionary):
        return layer, tuple(dict.fromkeys(int(unit) for unit in units or ()))
    if units is None:
        return layer, tuple(range(layer.units))
    found = []
    for unit in units:
        if isinstance(unit, str) and unit not in layer.names and not unit.isdecimal():
            raise unknown("direction", unit, layer.names)
        found.append(layer.names.index(unit) if unit in layer.names else int(unit))
    return layer, tuple(dict.fromkeys(found))


def activations(
    correction: Correction, images: ImageSet, *, pool: Pool = "mean", progress: Progress = silent
) -> Float64[np.ndarray, "n u"]:
    """Pooled activations of all units that a correction sets, on some images, without it."""
    read = _Reader(correction.model, images, None, pool, progress)
    layers = correction.changes.layers
    return np.concatenate([read.read(read.bound(one.layer)[0], one.units) for one in layers], axis=1)


class _Reader:
    """What units read on some images, all layers one after the other."""

    def __init__(
        self, model: VisionModel, images: ImageSet | None, clean: list[int] | None, pool: Pool, progress: Progress
    ) -> None:
        self.model, self.images, self.clean, self.pool, self.progress = model, images, clean, pool, progress

    def bound(self, layer: Layer) -> tuple[Components, int]:
        """The layer bound to the model, and how many components it has."""
        ((kind, components),) = parse_all(self.model.net, [layer], self.model.example_input())
        return kind, components

    def read(
        self, kind: Components, at: Sequence[int], filters: "tuple[torch.Tensor, torch.Tensor] | None" = None
    ) -> Float64[np.ndarray, "n u"]:
        """Pooled activations of some units on the clean images, or what filters give on the mean vectors.

        Raises:
            SemlensError: there are no images.
        """
        if self.images is None:
            raise SemlensError("means are taken over images: give some (images=), best those the model was trained on")
        rows: list[torch.Tensor] = []
        ids = range(len(self.images)) if self.clean is None else self.clean
        with torch.no_grad(), record(self.model.net, [kind.site]) as seen:
            for x, here in Feed(self.model, self.images, BATCH).readable(ids, "means", self.progress):
                self.model.net(x)
                output = seen[kind.site]
                if filters:
                    own = vectors_of(kind).vectors(output).float().mean(1).cpu() @ filters[0] + filters[1]
                else:
                    own = self._pooled(kind, output)[:, list(at)].cpu()
                rows.append(own[: len(here)].double())
        return torch.cat(rows).numpy()

    def _pooled(self, kind: Components, output: Any) -> Float[torch.Tensor, "n c"]:
        if self.pool == "max" and _linear(kind):
            assert isinstance(kind, Latents)
            return kind.weights.products(vectors_of(kind).vectors(output).amax(1)).float()
        return kind.pool(output, self.pool or "mean").activations


def _linear(kind: Components) -> bool:
    return isinstance(kind, Latents) and isinstance(kind.dictionary.sparsity, Linear)


def filters_of(
    kind: Components, components: int, at: Sequence[int]
) -> tuple[Float[torch.Tensor, "d u"], Float[torch.Tensor, "u"]]:
    """The linear filters by which units read the layer's mean vectors; of latents, before they are made sparse.

    Raises:
        SemlensError: the units are no directions of the layer's vectors.
    """
    if isinstance(kind, Latents):
        one = kind.dictionary
        weights = one.encoder[:, list(at)].float().cpu()
        return weights, one.bias[list(at)].float().cpu() - one.centre.float().cpu() @ weights
    axes = torch.eye(components)
    if kind.kind in ("tokens", "cls", "registers"):
        axes = torch.cat([torch.eye(components // 2), -torch.eye(components // 2)], dim=1)
    elif not kind.kind.startswith("channels"):
        raise SemlensError(f"units of {kind.layer!r} are no directions, which a reactive correction needs")
    return axes[:, list(at)], torch.zeros(len(at))


def _change(read: _Reader, layer: Layer, at: tuple[int, ...], how: str) -> Change:
    """The change of one layer."""
    pool: Pool = read.pool if how in ("project", "reactive") else ""
    if how == "zero":
        return Change(layer, at, torch.zeros(len(at)), pool)
    kind, components = read.bound(layer)
    if read.images is None and _linear(kind) and how != "reactive":
        return Change(layer, at, torch.zeros(len(at)), pool)
    pooled = read.read(kind, at)
    if how != "reactive":
        return Change(layer, at, torch.from_numpy(pooled.mean(axis=0)).float(), pool)
    weights, intercept = filters_of(kind, components, at)
    scores = read.read(kind, at, (weights, intercept))
    if read.clean is not None:
        highest, targets = np.quantile(scores, CLEAN, axis=0), pooled.mean(axis=0)
    else:  # below the split an image counts as clean of what the unit reads
        highest = np.array([split(score) for score in scores.T])
        below = scores <= highest
        targets = (pooled * below).sum(axis=0) / below.sum(axis=0).clip(min=1)
    condition = Condition(weights, intercept - torch.from_numpy(highest).float())
    return Change(layer, at, torch.from_numpy(targets).float(), pool, condition)


def split(values: Float64[np.ndarray, "n"]) -> float:
    """The threshold that splits values into the two groups with the least sum of squares.

    Source: Otsu 1979.
    """
    ordered = np.sort(values)
    n = len(ordered)
    if n < 2:
        return float(ordered.max(initial=0.0))
    below = np.arange(1, n)
    left = np.cumsum(ordered)[:-1]
    between = (left / below - (ordered.sum() - left) / (n - below)) ** 2 * below * (n - below)
    place = int(between.argmax())
    return float((ordered[place] + ordered[place + 1]) / 2)
