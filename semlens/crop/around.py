"""From a batch of images to boxes on the model's input: around where components are active, or what made them so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution import Composite, component_maps, sides_of
from semlens.crop.boxes import Crop, input_boxes
from semlens.errors import SemlensError
from semlens.model import Components, Site, VisionModel, record
from semlens.types import Float, Int64, LayerAxis, Shaped

Maps = Callable[[Shaped[Tensor, "n ..."], Int64[np.ndarray, "m"], Int64[np.ndarray, "m"]], Float[Tensor, "m h w"]]
"""Given preprocessed images and m pairs, as rows of those images and as rows of the component axis: for each pair the
component's heat map on the input, summed over colour."""

_PAIRS = 256  # maps that are held at once: 50 MB at 224 x 224


@dataclass(frozen=True)
class AroundActivations:
    """A box in the model's input for each pair of an image and a component; all zero where the component has no grid or
    is nowhere positive."""

    model: VisionModel
    kinds: Sequence[Components]
    axes: Sequence[LayerAxis]
    recipe: Crop

    def __call__(
        self, x: Shaped[Tensor, "n ..."], rows: Int64[np.ndarray, "m"], components: Int64[np.ndarray, "m"]
    ) -> Int64[np.ndarray, "m 4"]:
        """The box of each pair."""
        boxes = np.zeros((len(rows), 4), dtype=np.int64)
        layers: dict[Site, list[tuple[Components, LayerAxis]]] = {}
        for kind, axis in zip(self.kinds, self.axes, strict=True):
            layers.setdefault(kind.site, []).append((kind, axis))

        def keep(site: Site, output: Any) -> None:
            for kind, axis in layers[site]:
                grid, pairs = kind.grid(output), _of_layer(components, axis)
                if grid is None or not len(pairs):
                    continue
                for some in _stretches(pairs):
                    units = torch.from_numpy(components[some] - axis.start)
                    maps = kind.at(output, torch.from_numpy(rows[some]), units).float().cpu().unflatten(1, grid)
                    maps = _laid_on_input(maps, x)
                    # To be active is to be positive, whatever a recipe makes of negative relevance.
                    boxes[some] = input_boxes(maps.clamp(min=0), self.recipe)

        with torch.no_grad(), record(self.model.net, list(layers), keep):
            self.model.net(x)
        return boxes


@dataclass(frozen=True)
class AroundRelevance:
    """A box in the model's input for each pair of an image and a component; all zero where its heat map has nothing."""

    maps: Maps
    recipe: Crop

    def __call__(
        self, x: Shaped[Tensor, "n ..."], rows: Int64[np.ndarray, "m"], components: Int64[np.ndarray, "m"]
    ) -> Int64[np.ndarray, "m 4"]:
        """The box of each pair."""
        boxes = np.zeros((len(rows), 4), dtype=np.int64)
        by_image = np.argsort(rows, kind="stable")  # pairs of one image beside each other share its forward pass
        for some in _stretches(by_image):
            shown, row = np.unique(rows[some], return_inverse=True)
            heat = self.maps(x[torch.from_numpy(shown)], row, components[some])
            if heat.shape != (len(some), *sides_of(x)):
                raise SemlensError(
                    f"heat maps of shape {tuple(heat.shape)} for {len(some)} pairs on an input of "
                    f"{sides_of(x)}; give one for each pair, as large as the input and summed over colour"
                )
            boxes[some] = input_boxes(heat.detach(), self.recipe)
        return boxes


@dataclass(frozen=True)
class RelevanceMaps:
    """`Maps` of relevance: what in an image made a component active, by the rules of a composite."""

    model: VisionModel
    kinds: Sequence[Components]
    axes: Sequence[LayerAxis]
    rules: Composite

    def __call__(
        self, x: Shaped[Tensor, "n ..."], rows: Int64[np.ndarray, "m"], components: Int64[np.ndarray, "m"]
    ) -> Float[Tensor, "m h w"]:
        """The heat map of each pair."""
        dtype = x.dtype if x.is_floating_point() else self.model.dtype
        maps = torch.zeros(len(rows), *sides_of(x), device=x.device, dtype=dtype)
        members = {axis.layer: _of_layer(components, axis) for axis in self.axes}
        pairs = {
            axis.layer: (
                torch.from_numpy(rows[members[axis.layer]]),
                torch.from_numpy(components[members[axis.layer]] - axis.start),
            )
            for axis in self.axes
            if len(members[axis.layer])
        }
        for layer, heat in component_maps(self.model, x, self.kinds, pairs, rules=self.rules).items():
            maps[torch.from_numpy(members[layer])] = heat
        return maps


def _laid_on_input(maps: Float[Tensor, "m h w"], x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "m _ _"]:
    """Maps of a grid, up-sampled to an image; of tokens they have a place for each but the marks before the first."""
    if x.is_floating_point():
        return functional.interpolate(maps[:, None], size=x.shape[2:], mode="bilinear")[:, 0]
    return functional.pad(maps, (x.shape[1] - maps.shape[2], 0))


def _of_layer(components: Int64[np.ndarray, "m"], axis: LayerAxis) -> Int64[np.ndarray, "_"]:
    """Which of the pairs have a component of the layer."""
    return np.flatnonzero((components >= axis.start) & (components < axis.stop))


def _stretches(pairs: Int64[np.ndarray, "m"]) -> list[Int64[np.ndarray, "_"]]:
    """The pairs, a few at a time."""
    return [pairs[start : start + _PAIRS] for start in range(0, len(pairs), _PAIRS)]
