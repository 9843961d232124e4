"""What a person should know about an index before any question: what is missing in it, what makes it look better."""

from collections import Counter

import numpy as np

from semlens.index.index import ConceptIndex
from semlens.types import MISSING, Int64

FEW = 10
"""A class's relevance over fewer images is uncertain."""


FEW_ENCODED = 200
"""Encodings over fewer images are uncertain."""


class IndexWarning(UserWarning):
    """Something of an index that answers should not be built upon."""


def remarks(index: ConceptIndex) -> tuple[str, ...]:
    """A sentence for everything of the index that is not as it may be thought, none where there is nothing to say."""
    images, components, copies = _of_images(index), _of_components(index), _of_copies(index)
    return (*images, *components, *copies, *_of_classes(index), *encoding_remarks(index))


def _of_images(index: ConceptIndex) -> list[str]:
    told = [f"skipped {name}: {why}" for name, why in zip(index.images.names, index.images.errors, strict=True) if why]
    return told[:10] + ([f"skipped {len(told) - 10} more; the index lists them"] if len(told) > 10 else [])


def _of_components(index: ConceptIndex) -> list[str]:
    told = []
    dead, incomplete = int(index.dead.sum()), int((~index.dead & ~index.valid.all(axis=1)).sum())
    if dead or incomplete:
        told.append(f"{dead:,} components never fire; {incomplete:,} fire on fewer than {index.recipe.k} images")
    if gave_nan := int((index.nan > 0).sum()):
        told.append(f"{gave_nan:,} components gave NaN on some images, which were not ranked")
    return told


def encoding_remarks(index: ConceptIndex) -> list[str]:
    """Which components tell images apart and have no encoding all the same, and where images are few."""
    made = index.encodings
    if made is None:
        return []
    lost = int(((made.deviation[: len(index.rows)] == 0) & ~index.dead).sum())
    told = [f"{lost:,} components have no encoding: not finite or far out of range on some image"] if lost else []
    if lost_outputs := int((made.deviation[len(index.rows) :] == 0).sum()):
        told.append(f"{lost_outputs:,} outputs have no encoding: they never vary, or are not finite on some image")
    if made.images < FEW_ENCODED:
        told.append(f"encodings are over {made.images:,} images only: what they say is uncertain below {FEW_ENCODED}")
    return told


def _of_classes(index: ConceptIndex) -> list[str]:
    relevance = index.relevance
    if relevance is None:
        return []
    few = [(relevance.name(at), int(count)) for at, count in enumerate(relevance.counts) if count < FEW]
    return [f"class {name}: only {count} images counted, so its relevance is uncertain" for name, count in few]


def _of_copies(index: ConceptIndex) -> list[str]:
    """Pictures that several images show: a component whose examples are all one picture looks clear."""
    picture = _pictures(index)
    copies = len(picture) - len(np.unique(picture))
    shown = np.where(index.valid, picture[np.where(index.valid, index.rows, 0)], -1)
    several = index.valid.sum(axis=1) > 1
    alike = np.where(index.valid, shown == shown.max(axis=1, keepdims=True), True).all(axis=1)
    one = int((several & alike).sum())
    if not copies:
        return []
    return [
        f"{copies:,} of the {len(picture):,} pictures among the examples are copies of another; {one:,} components "
        "have one picture as all their examples, which makes them look clear: leave copies out"
    ]


def _pictures(index: ConceptIndex) -> Int64[np.ndarray, "u"]:
    """Which picture each distinct crop shows: crops of several images with equal vectors are looked at more closely, by
    their thumbnails. Two crops of one image that look alike are no copies."""
    image = np.full(len(index.vectors), MISSING, dtype=np.int64)
    image[index.rows[index.valid]] = index.ids[index.valid]
    digests = [hash(row.tobytes()) for row in np.ascontiguousarray(index.vectors)]
    count = Counter(digests)
    first: dict[tuple[int, bytes], int] = {}
    picture = np.arange(len(digests), dtype=np.int64)
    for row, digest in enumerate(digests):
        if count[digest] > 1:
            same = first.setdefault((digest, index.thumbnails.get(row)), row)
            picture[row] = row if image[same] == image[row] else same
    return picture
