"""Which part of the original image matters to a component: from a map on the model's input to a box in the image's own
pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from semlens.collect import first_input
from semlens.components import Components
from semlens.errors import SemlensError
from semlens.hooks import Site, record
from semlens.images import ImageSet, batches, default_workers
from semlens.layers import parse_all
from semlens.model import Preprocess, VisionModel
from semlens.shapes import Bool, Float, Float64, Int64, UInt8
from semlens.types import ConceptExamples, LayerAxis, Progress, silent


@dataclass(frozen=True)
class ActivationCrop:
    """How a crop is cut from an activation map.

    Args:
        threshold: the region is where the map is above this share of its maximum, connected to the maximum.
        minimum: least side of the box as a share of the input's side; 0.21 is what the blurred relevance crops of the
            paper's code come down to (47 of 224 pixels).
    """

    threshold: float = 0.5
    minimum: float = 0.21


@dataclass(frozen=True)
class Geometry:
    """Where the model's input lies in the original image: `original = scale * input + offset` in pixels, per axis (x,
    y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]
    side: tuple[int, int]  # width and height of the input

    def to_original(self, boxes: Float[np.ndarray, "m 4"], size: tuple[int, int]) -> Int64[np.ndarray, "m 4"]:
        """Boxes (left, top, right, bottom; right and bottom exclusive) in whole pixels of an image of `size`, never
        empty."""
        scale, offset, limit = (np.tile(np.asarray(v, dtype=np.float64), 2) for v in (self.scale, self.offset, size))
        exact = boxes * scale + offset
        low = np.clip(np.floor(exact[:, :2] + 1e-3), 0, limit[:2] - 1)  # a thousandth of a pixel is measuring error
        high = np.clip(np.ceil(exact[:, 2:] - 1e-3), low + 1, limit[2:])
        return np.concatenate([low, high], axis=1).astype(np.int64)


def measure_geometry(preprocess: Preprocess, size: tuple[int, int]) -> Geometry:
    """Where `preprocess` takes the model's input from in an image of `size` (width, height).

    Measured, not read off a configuration, so it holds for any function that resizes, crops and normalises: ramps in x
    and y go in, and a straight line is fitted to what comes out, between what black and white become.

    Raises SemlensError for a preprocessing that is not of that sort.
    """
    black, white = (preprocess(Image.new("RGB", size, value)).double() for value in ("black", "white"))
    lines = []
    for axis, length in enumerate(size):
        values = _ramp(length, size[1 - axis])
        image = Image.fromarray(values if axis == 0 else values.T)
        out = ((preprocess(image.convert("RGB")).double() - black) / (white - black)).nanmean(
            0
        )  # NaN where no image shows
        lines.append(_line((out if axis == 0 else out.T).nanmean(0).numpy() * length, length))
    (ax, bx), (ay, by) = lines
    return Geometry((ax, ay), (bx, by), (black.shape[2], black.shape[1]))


def _ramp(length: int, across: int) -> UInt8[np.ndarray, "{across} {length}"]:
    """Grey rising along a row; what eight bits cut off is spread over the rows, so that their mean has it again."""
    exact = 255 * (np.arange(length) + 0.5) / length
    rounding = np.arange(across) * 0.6180339887 % 1  # evenly spread over any number of rows
    return np.floor(exact + rounding[:, None]).astype(np.uint8)


def _line(origin: Float64[np.ndarray, "p"], length: int) -> tuple[float, float]:
    """Slope and offset of where each input pixel's centre came from; borders that show no image are left out."""
    at = np.arange(len(origin)) + 0.5
    step = np.abs(np.gradient(origin))
    moving = step[step > 1e-6]
    inside = step > 0.25 * np.median(moving) if len(moving) else np.zeros(len(origin), dtype=bool)
    if inside.sum() < 2:
        raise SemlensError("the model's preprocessing cannot be followed back to the image's pixels; use crop='none'")
    scale, offset = np.polyfit(at[inside], origin[inside], 1)
    error = np.abs(scale * at[inside] + offset - origin[inside])
    if np.median(error) > max(1.0, 0.02 * length):
        raise SemlensError(
            "the model's preprocessing is not a resize and crop, so boxes cannot be mapped back; use crop='none'"
        )
    return float(scale), float(offset)


def region(maps: Float[Tensor, "m h w"], threshold: float) -> Bool[Tensor, "m h w"]:
    """Where each map is above `threshold` times its maximum and connected to that maximum; nowhere if no value is
    positive."""
    flat = maps.flatten(1)
    peak = flat.amax(1)[:, None, None]
    mask = (maps >= threshold * peak) & (maps > 0)
    grown = functional.one_hot(flat.argmax(1), flat.shape[1]).view_as(maps).bool() & mask
    while True:
        wider = (functional.max_pool2d(grown[:, None].float(), 3, stride=1, padding=1)[:, 0] > 0) & mask
        if torch.equal(wider, grown):
            return grown
        grown = wider


def tight_boxes(mask: Bool[Tensor, "m h w"]) -> Int64[np.ndarray, "m 4"]:
    """The smallest box around each mask, right and bottom exclusive; all zero for an empty mask."""
    boxes = np.zeros((len(mask), 4), dtype=np.int64)
    for axis, columns in ((0, mask.any(1)), (1, mask.any(2))):
        found = columns.numpy()
        boxes[:, axis] = found.argmax(1)
        boxes[:, axis + 2] = found.shape[1] - found[:, ::-1].argmax(1)
    boxes[~mask.flatten(1).any(1).numpy()] = 0
    return boxes


def square(boxes: Int64[np.ndarray, "m 4"], side: tuple[int, int], minimum: int = 1) -> Int64[np.ndarray, "m 4"]:
    """Boxes grown to squares of at least `minimum`, then shifted until they fit into an input of `side` (width,
    height).

    Only what is larger than the input is cut. An empty box stays empty.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    width = np.maximum((high - low).max(axis=1, keepdims=True), minimum)
    width = np.minimum(width, np.asarray(side))
    start = (low + high - width) // 2
    start = np.clip(start, 0, np.asarray(side) - width)
    grown = np.concatenate([start, start + width], axis=1)
    return np.where((high > low).all(axis=1, keepdims=True), grown, 0)


def activation_boxes(
    model: VisionModel,
    images: ImageSet,
    examples: ConceptExamples,
    *,
    recipe: ActivationCrop = ActivationCrop(),
    batch_size: int = 32,
    workers: int | None = None,
    progress: Progress = silent,
) -> Int64[np.ndarray, "c k 4"]:
    """For each concept example the box, in pixels of the original image, around where the component is most active.

    One more forward pass over the distinct example images. All zero, which stands for the whole image, where the
    component has no grid, is nowhere positive, or the slot holds no example.
    """
    boxes = np.zeros((*examples.ids.shape, 4), dtype=np.int64)
    needed = np.unique(examples.ids[examples.valid])
    first = first_input(model, images)
    kinds = [kind for kind, _ in parse_all(model.net, [axis.layer for axis in examples.layers], first)]
    workers = default_workers(model.device.type) if workers is None else workers
    loader = batches(images, needed.tolist(), _Sized(model.preprocess), batch_size=batch_size, workers=workers)
    where = lru_cache(maxsize=256)(partial(measure_geometry, model.preprocess))
    done = 0
    for batch in loader:
        ids = np.asarray(batch.ids)
        slots = np.argwhere(examples.valid & np.isin(examples.ids, ids))
        rows = np.searchsorted(ids, examples.ids[tuple(slots.T)])
        x = torch.stack([item.pixels for item in batch.items]).to(model.device, model.dtype)
        found = _input_boxes(model, kinds, examples.layers, x, rows, slots[:, 0], recipe)
        for slot, row, box in zip(slots, rows, found, strict=True):
            if box.any():
                size = batch.items[row].size
                boxes[tuple(slot)] = where(size).to_original(box[None].astype(np.float64), size)[0]
        done += len(batch.ids)
        progress("locate", done, len(needed))
    return boxes


@dataclass(frozen=True)
class _Item:
    """A preprocessed image and the size that the original had."""

    pixels: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class _Sized:
    """A preprocessing that keeps the original's size."""

    preprocess: Preprocess

    def __call__(self, image: Image.Image) -> _Item:
        return _Item(self.preprocess(image), image.size)


def _input_boxes(
    model: VisionModel,
    kinds: Sequence[Components],
    axes: Sequence[LayerAxis],
    x: Float[Tensor, "n ..."],
    rows: Int64[np.ndarray, "m"],
    components: Int64[np.ndarray, "m"],
    recipe: ActivationCrop,
) -> Int64[np.ndarray, "m 4"]:
    """A box in the model's input for each pair of an image (row of `x`) and a component; all zero where there is
    none."""
    boxes = np.zeros((len(rows), 4), dtype=np.int64)
    height, width = x.shape[2:]

    def locate(kind: Components, axis: LayerAxis, output: Any) -> None:
        mine = (components >= axis.start) & (components < axis.stop)
        grid = kind.grid(output)
        if grid is None or not mine.any():
            return
        acts = kind.read(output)[torch.from_numpy(rows[mine]), torch.from_numpy(components[mine] - axis.start)]
        maps = acts.float().cpu().unflatten(1, grid)
        maps = functional.interpolate(maps[:, None], size=(height, width), mode="bilinear")[:, 0]
        tight = tight_boxes(region(maps, recipe.threshold))
        boxes[mine] = square(tight, (width, height), round(recipe.minimum * min(width, height)))

    def keep(site: Site, output: Any) -> None:
        for kind, axis in at[site]:
            locate(kind, axis, output)

    at: dict[Site, list[tuple[Components, LayerAxis]]] = {}
    for kind, axis in zip(kinds, axes, strict=True):
        at.setdefault(kind.site, []).append((kind, axis))
    with torch.no_grad(), record(model.net, list(at), keep):
        model.net(x)
    return boxes
