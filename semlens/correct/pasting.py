"""Artefacts by their pixels: masks from files, as the network takes them, and pasted into other images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL.Image import Image, Resampling, fromarray

from semlens.correct.penalties import Masks
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_image
from semlens.model import VisionModel
from semlens.types import Bool, Int64

Masked = Mapping[str, Mapping[int, Bool[np.ndarray, "h w"]]]
"""By concept and image, the pixels of the image that show it."""


def load_masks(folder: str | Path, images: ImageSet, concepts: tuple[str, ...] = ()) -> Masked:
    """The masks that lie in a folder as NAME/CONCEPT.png, NAME being an image's file name without its ending: white is
    what shows the concept, and where no file is, nothing does.

    Args:
        concepts: those that are read; all if none is named.

    Raises:
        SemlensError: no image of the set has a mask there, or a mask has another size than its image.
    """
    found: dict[str, dict[int, Bool[np.ndarray, "h w"]]] = {}
    for id, name in enumerate(images.names):
        place = Path(folder) / PurePosixPath(name.replace("\\", "/")).stem
        for file in sorted(place.glob("*.png")) if place.is_dir() else []:
            if not concepts or file.stem in concepts:
                mask = np.asarray(load_image(str(file)).convert("L")) > 127
                size = images.load(id).size
                if mask.shape[::-1] != size:
                    wide, high = mask.shape[::-1]
                    raise SemlensError(
                        f"{file} has {wide} x {high} pixels, its image {size[0]} x {size[1]}: make it so"
                    )
                if mask.any():
                    found.setdefault(file.stem, {})[id] = mask
    if not found:
        wanted = f" of {', '.join(concepts)}" if concepts else ""
        raise SemlensError(f"{folder} has no masks{wanted}: put them at {Path(folder) / 'IMAGE NAME' / 'CONCEPT.png'}")
    return dict(sorted(found.items()))


def digest_of(masks: Masked) -> str:
    """sha256 over all masks."""
    digest = sha256()
    for name, own in masks.items():
        for id, mask in sorted(own.items()):
            digest.update(f"{name} {id} {mask.shape}\n".encode() + np.packbits(mask).tobytes())
    return digest.hexdigest()


def as_taken(model: VisionModel, masks: Masked) -> Masks:
    """For each image the pixels that show any of the concepts, as the model's preprocessing lays them: a mask goes
    through it as a picture in black and white.

    Raises:
        SemlensError: the preprocessing gives black for white.
    """
    joined: dict[int, Bool[np.ndarray, "h w"]] = {}
    for own in masks.values():
        for id, mask in own.items():
            joined[id] = joined[id] | mask if id in joined else mask
    return {id: _taken(model, mask) for id, mask in joined.items()}


def _taken(model: VisionModel, mask: Bool[np.ndarray, "h w"]) -> torch.Tensor:
    black, white, own = (
        model.preprocess(_grey(pixels).convert("RGB")).float() for pixels in (mask & False, mask | True, mask)
    )
    span = (white - black).abs().sum(0, keepdim=True)
    if not (span > 0).any():
        raise SemlensError("the model's preprocessing makes the same of black and white, so a mask cannot be laid")
    return ((own - black).abs().sum(0, keepdim=True) > span / 2).float()


def _grey(mask: Bool[np.ndarray, "h w"]) -> Image:
    return fromarray(mask.astype(np.uint8) * 255)


def pasted(images: ImageSet, masks: Masked, labels: Int64[np.ndarray, "n"], seed: int) -> ImageSet:
    """The images with artefacts cut out of others, each at its place, so that every class shows an artefact as often as
    the class that shows it most: what it gives away is then little, and nothing is taken from any image.

    Args:
        labels: the class of each image, -1 where it is not known; such images stay as they are.
    """
    plan: dict[int, list[tuple[int, str]]] = {}
    rng = np.random.default_rng(seed)
    for name, own in masks.items():
        shown = np.isin(np.arange(len(labels)), list(own))
        rates = {label: shown[labels == label].mean() for label in sorted(set(labels[labels >= 0].tolist()))}
        most = max(rates.values(), default=0.0)
        for id in np.flatnonzero(~shown & (labels >= 0)).tolist():
            rate = rates[int(labels[id])]
            if rng.random() < (most - rate) / (1 - rate):
                plan.setdefault(id, []).append((int(rng.choice(sorted(own))), name))
    mark = sha256(f"{images.fingerprint} {digest_of(masks)} {seed}".encode()).hexdigest()
    return replace(
        images, source=f"{images.source}, pasted {seed}", fingerprint=mark, read=_Pasted(images, masks, plan)
    )


@dataclass(frozen=True, eq=False)
class _Pasted:
    """Reads an image, with what is to be pasted into it."""

    images: ImageSet
    masks: Masked
    plan: Mapping[int, list[tuple[int, str]]]

    def __call__(self, id: int) -> Image:
        image = self.images.load(id)
        for donor, name in self.plan.get(id, []):
            mask, cut = _grey(self.masks[name][donor]), self.images.load(donor)
            size = image.size
            image.paste(cut.resize(size, Resampling.BILINEAR), mask=mask.resize(size, Resampling.NEAREST))
        return image


@dataclass(frozen=True, eq=False)
class _OneAfterAnother:
    """Reads an image of several sets of the same length, the second behind the first."""

    parts: tuple[Callable[[int], Image], ...]
    count: int

    def __call__(self, id: int) -> Image:
        return self.parts[id // self.count](id % self.count)


def one_after_another(images: ImageSet, versions: tuple[ImageSet, ...]) -> ImageSet:
    """The images, and behind them each of their versions.

    Raises:
        SemlensError: a version has another number of images.
    """
    for other in versions:
        if len(other) != len(images):
            raise SemlensError(
                f"{other.source} has {len(other):,} images: a version has one for each of {len(images):,}"
            )
    sets = (images, *versions)
    return replace(
        images, names=tuple(name for one in sets for name in one.names), labels=images.labels * len(sets),
        read=_OneAfterAnother(tuple(one.load for one in sets), len(images)), groups=(),
        fingerprint=sha256(" ".join(one.fingerprint for one in sets).encode()).hexdigest(),
    )  # fmt: skip
