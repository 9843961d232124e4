"""How much of an output's relevance passes what was taken out of a layer, and what was not, before and after."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from semlens.attribution import attribute
from semlens.collection import Feed
from semlens.correct.correction import Correction
from semlens.correct.measure import Measured, relevant
from semlens.images import ImageSet
from semlens.model import Change, Dictionary, Layer, VisionModel, layer_text, one_of_each
from semlens.types import Component, Float64, Progress, silent

IMAGES = 128
"""On which relevance is taken, at most: it needs a backward pass of each, before and after."""

NAMED = 64
"""Units of a dictionary of directions, at most, of which those that were left are shown too."""

PASSES, PASSES_ASIDE = "net relevance of what was taken out", "net relevance of what was left"


def net_relevance(
    correction: Correction, images: ImageSet, ids: Sequence[int], output: int, *, kept: Sequence[Component] = (),
    seed: int = 0, progress: Progress = silent,
) -> list[Measured]:  # fmt: skip
    """Net relevance for an output of every unit that a correction sets, signed, as a part of the |relevance| of its
    layer on the image, in [-1, 1]; of named directions also of those that it leaves.

    Args:
        kept: components that were to be left alone.

    Raises:
        SemlensError: a function in the model that no rule of relevance covers.
    """
    wanted = [(change.layer, unit, PASSES) for change in correction.changes.layers for unit in change.units]
    wanted += [(change.layer, unit, PASSES_ASIDE) for change in correction.changes.layers for unit in _left(change)]
    wanted += [(one.layer, one.unit, PASSES_ASIDE) for one in kept]
    layers = one_of_each([layer for layer, *_ in wanted])
    if not layers:
        return []
    some = list(ids)[:IMAGES]
    before = _shares(correction.model, images, some, output, layers, progress)
    with correction as model:
        after = _shares(model, images, some, output, layers, progress)
    rows = []
    for layer, unit, measure in wanted:
        old, new = (found[layer_text(layer)][:, unit] for found in (before, after))
        rows.append(relevant(measure, _name(layer, unit), old, new, seed=seed))
    return rows


def _shares(
    model: VisionModel, images: ImageSet, ids: Sequence[int], output: int, layers: Sequence[Layer], progress: Progress
) -> dict[str, Float64[np.ndarray, "n c"]]:
    found: dict[str, list[Any]] = {layer_text(layer): [] for layer in layers}
    for x, here in Feed(model, images, 16).readable(ids, "relevance", progress):
        told = attribute(model, x, output, layers=layers, heat=False, warn_above=float("inf"))
        for layer, parts in found.items():
            whole = told.layers[layer].double().sum(2)[: len(here)].cpu()
            parts.append(whole / whole.abs().sum(1, keepdim=True).clamp(min=1e-12))
    return {layer: torch.cat(parts).numpy() for layer, parts in found.items()}


def _left(change: Change) -> list[int]:
    layer = change.layer
    if not isinstance(layer, Dictionary) or not layer.names or layer.units > NAMED:
        return []
    return sorted(set(range(layer.units)) - set(change.units))


def _name(layer: Layer, unit: int) -> str:
    if isinstance(layer, Dictionary) and layer.names:
        return f"{layer.names[unit]} in {layer.layer}"
    return f"{layer_text(layer)}:{unit}"
