"""Masks of artefacts made by relevance, in the images' own pixels: what `localise` finds, as training takes it."""

from collections.abc import Sequence

import numpy as np

from semlens.correct.localise import localised, most_of
from semlens.correct.pasting import Masked
from semlens.correct.suppress import split
from semlens.crop import Geometry, geometries
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import Dictionary, VisionModel
from semlens.types import Bool, Progress, silent

RELEVANCE = "relevance"
"""In place of masks, where these are to be made by it."""

AT_ONCE = 32


def relevance_masks(
    model: VisionModel, images: ImageSet, directions: Dictionary, concepts: Sequence[str], output: int, *,
    progress: Progress = silent,
) -> Masked:  # fmt: skip
    """By concept, for each image that shows it, its pixels: those that the relevance for an output passes on its way
    through the concept's direction (`localise`).

    An image shows a concept if more is read of its direction than the split of all images in two groups.

    Source: Pahde et al. 2023 (arXiv 2303.12641), Reveal to Revise.

    Raises:
        SemlensError: no such direction, no pixels that stand out, a function that no rule of relevance covers, or a
            preprocessing whose pictures cannot be found again in the images.
    """
    place, found = geometries(model.preprocess), {}
    for concept in concepts:
        ids, read = most_of(model, images, directions, concept, progress)
        shows = ids[read > split(read)]
        sign, own = 0.0, {}
        for start in range(0, len(shows), AT_ONCE):
            part = localised(model, images, directions, concept, output, shows[start : start + AT_ONCE], sign)
            sign = part.sign  # that of the images that show most of it
            for id, mask in zip(part.ids.tolist(), part.masks, strict=True):
                size = images.load(id).size
                own[id] = in_image(mask, place(size), size)
            progress("masks", min(start + AT_ONCE, len(shows)), len(shows))
        found[concept] = {id: mask for id, mask in sorted(own.items()) if mask.any()}
        if not found[concept]:
            raise SemlensError(
                f"no pixels of {concept!r} stand out in any image: leave it out, or choose rr-clarc, which goes by its "
                "direction"
            )
    return found


def in_image(mask: Bool[np.ndarray, "h w"], geometry: Geometry, size: tuple[int, int]) -> Bool[np.ndarray, "h2 w2"]:
    """A mask on the model's input in the pixels of the image that it was made from; what the model does not see of that
    is not masked."""
    at, there = [], []
    for axis, length in enumerate(size):
        place = np.floor((np.arange(length) + 0.5 - geometry.offset[axis]) / geometry.scale[axis]).astype(int)
        there.append((place >= 0) & (place < geometry.side[axis]))
        at.append(place.clip(0, geometry.side[axis] - 1))
    return np.asarray(mask[np.ix_(at[1], at[0])] & np.logical_and.outer(there[1], there[0]))
