"""A picture that is in no index, as the model of one sees it: what it predicts, which components fire and which of them
moved the prediction, where they look, and what is predicted without them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL.Image import Image

from semlens.attribution import attribute, component_maps, rules_for
from semlens.collection import pooling
from semlens.crop import geometries
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.model import Change, VisionModel, check_dictionaries, logits_of, parse_all, still, units_set
from semlens.revisit.example_heatmaps import input_box
from semlens.types import Component, Float, Float32
from semlens.views.heatmap import HeatExample

Setting = Literal["off", "strongest"]
"""What becomes of components: activation 0 everywhere, or moved so that it is, pooled, what the strongest example's is.
"""


@dataclass(frozen=True, eq=False)
class OwnPicture:
    """What a model makes of one picture. Axis `c`: the components of the index, in its rows."""

    names: tuple[str, ...]  # of the outputs
    logits: Float32[np.ndarray, "y"]
    output: int  # the one that is explained
    activations: Float32[np.ndarray, "c"]  # pooled as the index pools
    relevance: Float32[np.ndarray, "c"]  # for that output, as a part of all magnitudes in its layer, in [-1, 1]
    warnings: tuple[str, ...]  # what the attribution warned of


def own_picture(index: ConceptIndex, model: VisionModel, picture: Image, output: int | None = None) -> OwnPicture:
    """What the model predicts for a picture, how strongly every component of the index fires on it, and how much each
    moved an output.

    Args:
        output: the output that is explained, by number; None for the highest.

    Raises:
        SemlensError: another model than the index was made from, one that returns no row of logits, or no such output.
    """
    x = _input(index, model, picture)
    layers = [axis.layer for axis in index.layers]
    kinds = [kind for kind, _ in parse_all(model.net, layers, x)]
    with torch.no_grad(), still(model.net), pooling(model, kinds, index.recipe.pool) as pooled:
        logits = _logits(model, x)
        activations = pooled(1).activations[0].float().cpu().numpy()
    output = int(logits.argmax()) if output is None else output
    if not 0 <= output < len(logits):
        raise SemlensError(f"the model has no output {output}: it has {len(logits)}, counted from 0")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        relevance = attribute(model, x, output, layers=layers, heat=False).layers
    shares = [_shares(relevance[layer][0].sum(1)) for layer in layers]
    texts = tuple(dict.fromkeys(str(one.message) for one in said))
    return OwnPicture(_names(index, model, len(logits)), logits, output, activations, np.concatenate(shares), texts)


def logits_without(
    index: ConceptIndex, model: VisionModel, picture: Image, rows: Sequence[int], setting: Setting = "off"
) -> Float32[np.ndarray, "y"]:
    """The logits of a picture with some components of the index set to another activation.

    Raises:
        SemlensError: as `own_picture`; or a row that the index does not have.
    """
    x = _input(index, model, picture)
    units: dict[str, list[int]] = {}
    for row in sorted(set(rows)):
        component = index.component(row)
        units.setdefault(component.layer, []).append(component.unit)
    changes = [_change(index, layer, own, setting) for layer, own in units.items()]
    with torch.no_grad(), still(model.net), units_set(model.net, changes, x):
        return _logits(model, x)


def own_heat(index: ConceptIndex, model: VisionModel, picture: Image, row: int | None, output: int) -> HeatExample:
    """Where in a picture a component's activation comes from, at its strongest position; of no component, what moved an
    output.

    Raises:
        SemlensError: as `own_picture`; or a model without rules for such maps.
    """
    x = _input(index, model, picture)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `own_picture` has told them
        if row is None:
            heat = attribute(model, x, output).heat
            assert heat is not None
        else:
            component: Component = index.component(row)
            kinds = [kind for kind, _ in parse_all(model.net, [component.layer], x)]
            pairs = {component.layer: (torch.tensor([0]), torch.tensor([component.unit]))}
            rules = rules_for("auto", model, "heat maps of components")
            heat = component_maps(model, x, kinds, pairs, rules=rules)[component.layer]
    place = input_box(geometries(model.preprocess), picture.size)
    return HeatExample(picture, heat[0].float().cpu().numpy(), box=place, title="")


def _input(index: ConceptIndex, model: VisionModel, picture: Image) -> Float[torch.Tensor, "1 ..."]:
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    return model.preprocess(picture)[None].to(model.device, model.dtype)


def _logits(model: VisionModel, x: Float[torch.Tensor, "1 ..."]) -> Float32[np.ndarray, "y"]:
    logits = logits_of(model.net(x), 1)
    if logits is None:
        raise SemlensError("the model returns no row of logits per image: a classifier's picture can be explained here")
    return logits[0].float().cpu().numpy()


def _names(index: ConceptIndex, model: VisionModel, count: int) -> tuple[str, ...]:
    """What the outputs are called: by the model, by the index, or their numbers."""
    encoded = index.encodings.outputs if index.encodings is not None else ()
    for names in (model.class_names, encoded):
        if len(names) == count:
            return tuple(names)
    return tuple(map(str, range(count)))


def _shares(relevance: Float[torch.Tensor, "c"]) -> Float32[np.ndarray, "c"]:
    """Relevance as parts of all magnitudes of its layer; zero where nothing has any."""
    values = relevance.double().cpu().numpy()
    total = np.abs(values).sum()
    return (values / total if total > 0 else np.zeros_like(values)).astype(np.float32)


def _change(index: ConceptIndex, layer: str, units: Sequence[int], setting: Setting) -> Change:
    if setting == "off":
        return Change(layer, tuple(units), torch.zeros(len(units)))
    start = index.layer_slice(layer).start
    strongest = index.activations[[start + unit for unit in units]].max(axis=1, initial=-np.inf)
    known = np.where(np.isfinite(strongest), strongest, 0).astype(np.float32)
    return Change(layer, tuple(units), torch.from_numpy(known), "mean" if index.recipe.pool == "mean" else "max")
