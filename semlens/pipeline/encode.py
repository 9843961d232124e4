"""Encodings beside the examples of a pass, or for an index that is there: which images, and their embeddings."""

import shutil
from pathlib import Path
from typing import Any

from semlens.collection import KEPT, ToEncode, collect, drawn, load_examples, missing_ranges, part_of
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, load_index
from semlens.model import VisionModel, as_model
from semlens.pipeline.encoding import encodings
from semlens.pipeline.partial import claimed
from semlens.pipeline.pieces import shown
from semlens.pipeline.whole import WholeImages, embed_whole
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import EncodingTask, ExampleSet, FoundationModel, Progress

ENCODED = 5000
"""Images that encodings are over where nothing else is asked: of more, p-values and labels change little."""

SEED = 0
"""Of the draw of the images."""


def images_asked(encode: int | str) -> int | None:
    """How many images are to be encoded: None for all, 0 for none.

    Raises:
        SemlensError: it says neither.
    """
    if encode in ("all", "none"):
        return None if encode == "all" else 0
    if isinstance(encode, int | str) and not isinstance(encode, bool) and str(encode).isdecimal():
        return int(encode)
    raise SemlensError(f"encode is {encode!r}: give a number of images, all or none (--encode)")


def drawn_whole(
    foundation: FoundationModel, images: ExampleSet, asked: int | None, shard: tuple[int, int] | range,
    checkpoint: Path, workers: int | None, progress: Progress,
) -> WholeImages | None:  # fmt: skip
    """The embeddings of the images drawn which a pass still needs that goes on from the checkpoint, and of all that lie
    beside it; None where none is to be encoded."""
    if asked == 0:
        return None
    seen = load_examples(checkpoint).seen if checkpoint.exists() else ()
    order = drawn(len(images), asked, SEED)
    gaps = missing_ranges(seen, *part_of(images, shard))
    return embed_whole(foundation, images, order, gaps, checkpoint.parent, workers, progress)


def to_encode(whole: WholeImages | None, asked: int | None, *, alone: bool = False) -> ToEncode | None:
    """What a pass needs to collect encodings."""
    if whole is None:
        return None
    identity = whole.foundation.identity
    return ToEncode(
        EncodingTask(identity.digest, asked, KEPT, SEED), identity.dimension, whole.order, whole.vectors, alone
    )


def encode(
    index: str | Path,
    model: VisionModel | str,
    images: ExampleSet | Any,
    *,
    foundation: FoundationModel | str | None = None,
    encode: int | str = ENCODED,
    batch_size: int = 32,
    workers: int | None = None,
    resume: bool = False,
    progress: Progress = visible,
) -> ConceptIndex:
    """The index in a folder, with encodings added to it, in place of any before; all else in it stays as it is.

    Args:
        index: the folder.
        model, images: those that the index was made from.
        foundation: the one of the index, if it is loaded already.
        encode, resume: as in `build`.

    Raises:
        SemlensError: another model, other images or another foundation model than the index's.
    """
    model, images, asked, there = as_model(model), open_set(images), images_asked(encode), load_index(index)
    recipe = there.recipe
    recipe.model.check(model.fingerprint())
    recipe.images.check(images.fingerprint)
    foundation = recipe.foundation.name if foundation is None else foundation
    space = load_foundation(foundation) if isinstance(foundation, str) else foundation
    if (space.identity.name, space.identity.digest) != (recipe.foundation.name, recipe.foundation.digest):
        raise SemlensError(f"{space.identity.name} is not the foundation model of the index ({recipe.foundation.name})")
    if asked == 0:
        raise SemlensError("encode is none, so there is nothing to add: give a number of images, or all")
    with claimed(index, resume=resume) as partial:
        checkpoint = partial / "encoding.safetensors"
        whole = drawn_whole(space, images, asked, (0, 1), checkpoint, workers, progress)
        examples = collect(
            model, images, [axis.layer for axis in there.layers], k=1, pool=recipe.pool, precision=recipe.precision,
            batch_size=batch_size, workers=workers, checkpoint=checkpoint, resume=resume,
            encode=to_encode(whole, asked, alone=True), progress=progress,
        )  # fmt: skip
        if examples.encoding is None or examples.layers != there.layers:
            raise SemlensError("the model gives other components than the index has: build the index anew")
        made = shown(
            encodings(examples.encoding, examples.layers, images.groups, images.group_column), images, workers, progress
        )
        there.add(made, index)
        shutil.rmtree(partial, ignore_errors=True)
    return load_index(index)
