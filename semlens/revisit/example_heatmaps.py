"""Heat maps of concept examples: for a component of an index, what in its examples made it fire."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL.Image import Image

from semlens.attribution import Composite, component_maps, rules_for
from semlens.collection import as_is, image_batches
from semlens.crop import Geometry, GeometryError, geometries
from semlens.images import ImageSet
from semlens.index import ConceptIndex
from semlens.model import VisionModel, check_dictionaries, parse_all
from semlens.types import MISSING, Component, Float32
from semlens.views.heatmap import Box, HeatExample, HeatRow


def portraits(
    index: ConceptIndex,
    model: VisionModel,
    images: ImageSet,
    components: Sequence[str | Component],
    *,
    examples: int = 4,
    method: str | Composite = "auto",
) -> list[HeatRow]:
    """Each component's strongest examples with their heat maps, from where it is most active, and the boxes that were
    cut.

    Raises:
        SemlensError: another model or other images than the index was made from, or an example that can no longer be
            read.
    """
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    index.recipe.images.check(images.fingerprint)
    rules = rules_for(method, model, "heat maps of components")
    parsed = [given if isinstance(given, Component) else Component.parse(given) for given in components]
    geometry = geometries(model.preprocess)
    return [_portrait(index, model, images, component, examples, rules, geometry) for component in parsed]


def _portrait(
    index: ConceptIndex, model: VisionModel, images: ImageSet, component: Component, examples: int, rules: Composite,
    geometry: Callable[[tuple[int, int]], Geometry],
) -> HeatRow:  # fmt: skip
    row = index.row(component)
    slots = [slot for slot in range(index.rows.shape[1]) if index.rows[row, slot] != MISSING][:examples]
    photos = _photos(images, [int(index.ids[row, slot]) for slot in slots])
    heats = _heats(model, photos, component, rules) if photos else []
    shown = []
    for slot, photo, heat in zip(slots, photos, heats, strict=True):
        box = tuple(int(v) for v in index.boxes[index.rows[row, slot]])
        place = input_box(geometry, photo.size)
        title = f"{index.activations[row, slot]:.2f}"
        cut = None if box == (0, 0, *photo.size) else box
        shown.append(HeatExample(photo, heat, box=place, crop=cut, title=title))  # type: ignore[arg-type]
    return HeatRow(str(component), tuple(shown), index.unit_names[row] or "")


def _photos(images: ImageSet, ids: Sequence[int]) -> list[Image]:
    passed = image_batches(
        images, ids, as_is, "heat maps", batch_size=max(1, len(ids)), workers=0, readable_when="the index was made"
    )
    return [photo for batch in passed for photo in batch.items]


def input_box(geometry: Callable[[tuple[int, int]], Geometry], size: tuple[int, int]) -> Box:
    """Where the model's input lies in an image of `size`, which it may reach beyond: left, top, right, bottom; all of
    the image, with a warning, if that cannot be told."""
    try:
        where = geometry(size)
    except GeometryError as fault:
        warnings.warn(f"a heat map is stretched over a whole image of {size[0]} x {size[1]}: {fault}", stacklevel=2)
        return 0, 0, *size
    (ax, ay), (bx, by), (width, height) = where.scale, where.offset, where.side
    return bx, by, ax * width + bx, ay * height + by


def _heats(
    model: VisionModel, photos: Sequence[Image], component: Component, rules: Composite
) -> list[Float32[np.ndarray, "h w"]]:
    x = torch.stack([model.preprocess(photo) for photo in photos]).to(model.device, model.dtype)
    kinds = [kind for kind, _ in parse_all(model.net, [component.layer], x[:1])]
    rows = torch.arange(len(photos))
    pairs = {component.layer: (rows, torch.full_like(rows, component.unit))}
    maps = component_maps(model, x, kinds, pairs, rules=rules)[component.layer]
    return [heat.float().cpu().numpy() for heat in maps]
