"""Where relevance lies, against masks of what should be looked at: CLEVR-XAI's accuracies, from a folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL.Image import fromarray
from torch import Tensor

from semlens.analysis import Rows
from semlens.attribution import attribute
from semlens.collection import Feed
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_image
from semlens.model import VisionModel
from semlens.numerics import bootstrap, mass_accuracy, pointing, rank_accuracy
from semlens.progress import visible
from semlens.types import Bool, Float, Float64, Progress

MEASURES = {"mass": mass_accuracy, "rank": rank_accuracy, "pointing": pointing}
METHODS = ("auto", "gradient", "integrated_gradients")


@dataclass(frozen=True)
class MaskRow:
    """A measure in [0, 1], averaged over images, with its 95 % bootstrap confidence interval over them."""

    method: str
    measure: str
    value: float
    low: float
    high: float
    n: int  # images whose masks have a pixel on the model's input
    chance: float  # of a map that is flat: the masks' mean share of the input


def evaluate_masks(
    model: VisionModel,
    images: ImageSet,
    folder: str | Path,
    *,
    target: Any = None,
    methods: Sequence[str] = METHODS,
    concepts: Sequence[str] = (),
    count: int = 500,
    batch_size: int = 16,
    seed: int = 0,
    progress: Progress = visible,
) -> Rows[MaskRow]:
    """How much of the relevance of pixels lies inside the images' masks, by several methods of attribution.

    mass: the share of the positive relevance inside. rank: of as many highest pixels as the mask has, the share inside.
    pointing: whether the highest pixel is inside. All on the model's input, where a mask goes through the preprocessing
    as a picture in black and white.

    Args:
        folder: masks as NAME.png, NAME.npy or NAME/CONCEPT.png, where NAME is the image's file name without its ending:
            what is white, or above 0 in an array, belongs to it. An image without one is left out.
        target: as for `attribute`: what is explained; each image's highest output if None.
        concepts: of NAME/CONCEPT.png only these; all of an image together if none is named.
        count: images looked at, at most, drawn at random.

    Source: Arras et al. 2022 (CLEVR-XAI); Zhang et al. 2016 (pointing game). Equal to Quantus' RelevanceMassAccuracy,
    RelevanceRankAccuracy and PointingGame of a map without negative relevance and without ties.

    Raises:
        SemlensError: no image has a mask, a mask of another size than its image, or what `attribute` refuses.
    """
    masks = _Masks(Path(folder), tuple(concepts))
    known = [id for id, name in enumerate(images.names) if masks.of(name)]
    if not known:
        raise SemlensError(f"{folder} has no mask of an image: put them at NAME.png, NAME.npy or NAME/CONCEPT.png")
    drawn = sorted(np.random.default_rng(seed).permutation(known)[:count].tolist())
    found = np.concatenate(list(_measured(model, images, masks, drawn, target, methods, batch_size, progress)), axis=1)
    rows = []
    for m, method in enumerate(methods):
        for place, measure in enumerate(MEASURES):
            mean = bootstrap(found[m, :, place], seed=seed)
            chance = float(np.nanmean(found[m, :, -1]))
            rows.append(MaskRow(method, measure, mean.value, mean.low, mean.high, mean.n, chance))
    return Rows(rows, "relevance inside the masks")


def _measured(
    model: VisionModel, images: ImageSet, masks: "_Masks", ids: Sequence[int], target: Any, methods: Sequence[str],
    batch_size: int, progress: Progress,
) -> Iterator[Float64[np.ndarray, "m n k"]]:  # fmt: skip
    """The measures of each batch by each method, and the masks' share."""
    feed = Feed(model, images, batch_size)
    for x, here in feed.readable(ids, "masks", progress):
        x = x[: len(here)]
        own = [on_input(model, masks.read(images.names[id], images.load(id).size)) for id in here]
        yield np.array([_of_batch(model, x, target, method, own) for method in methods])


def _of_batch(
    model: VisionModel, x: Float[Tensor, "n ..."], target: Any, method: str, masks: Sequence[Bool[np.ndarray, "h w"]]
) -> list[list[float]]:
    heat = attribute(model, x, target, method=method).heat
    if heat is None or heat.ndim != 3:
        raise SemlensError("masks are for models that take images in two dimensions")
    maps = heat.detach().float().cpu().numpy()
    return [
        [*(measure(own, mask) for measure in MEASURES.values()), float(mask.mean()) if mask.any() else np.nan]
        for own, mask in zip(maps, masks, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Masks:
    """The masks in a folder."""

    folder: Path
    concepts: tuple[str, ...]

    def of(self, name: str) -> list[Path]:
        """The files of an image's masks."""
        place = self.folder / PurePosixPath(name.replace("\\", "/")).stem
        single = [Path(f"{place}{ending}") for ending in (".png", ".npy")]
        several = sorted(place.glob("*.png")) if place.is_dir() else []
        wanted = [file for file in several if not self.concepts or file.stem in self.concepts]
        return wanted if several or self.concepts else [file for file in single if file.is_file()]

    def read(self, name: str, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
        """The pixels that any mask of an image shows.

        Raises:
            SemlensError: a mask has another size than its image, or is no plane of numbers.
        """
        joined = np.zeros(size[::-1], bool)
        for file in self.of(name):
            mask = _of_array(file) if file.suffix == ".npy" else np.asarray(load_image(str(file)).convert("L")) > 127
            if mask.shape != joined.shape:
                raise SemlensError(f"{file} is {mask.shape[::-1]} wide and high, its image {size}: make it so")
            joined |= mask
        return joined


def _of_array(file: Path) -> Bool[np.ndarray, "h w"]:
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as fault:
        raise SemlensError(f"{file} is no array that can be read without pickle: save it by np.save") from fault
    values = values.squeeze()
    if values.ndim != 2 or not (values.dtype == bool or np.issubdtype(values.dtype, np.number)):
        raise SemlensError(f"{file} holds no plane of numbers: a mask has rows and columns")
    return np.asarray(values > 0)


def on_input(model: VisionModel, mask: Bool[np.ndarray, "_ _"]) -> Bool[np.ndarray, "h w"]:
    """The pixels of the model's input that are more than half inside a mask of the image.

    Raises:
        SemlensError: the preprocessing makes the same of black and white.
    """
    pictures = [fromarray(pixels.astype(np.uint8) * 255) for pixels in (mask & False, mask | True, mask)]
    black, white, own = (model.preprocess(picture.convert("RGB")).float() for picture in pictures)
    span = (white - black).abs().sum(0)
    if not (span > 0).any():
        raise SemlensError("the model's preprocessing makes the same of black and white, so a mask cannot be laid")
    return np.asarray(((own - black).abs().sum(0) > span / 2).cpu().numpy())
