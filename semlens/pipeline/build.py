"""The whole way from a model and images to an index on disk, in steps that a killed run takes up again."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from semlens.attribution import Composite, check_classes
from semlens.attribution import relevance as relevance_of
from semlens.collection import collect, copies_told, readable_items
from semlens.crop import choose_crop
from semlens.errors import SemlensError, right_keywords
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, IndexWarning, load_index, remarks
from semlens.model import Layer, VisionModel, as_model
from semlens.pipeline.embed import embed
from semlens.pipeline.encode import ENCODED, drawn_whole, images_asked, to_encode
from semlens.pipeline.partial import claimed, join_relevance, join_shards
from semlens.pipeline.replacing import check_replaced, save_replacing
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, FoundationModel, Progress


@right_keywords(top="k", topk="k", n="k", layer="layers", class_images="of", pooling="pool")
def build(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    foundation: FoundationModel | str,
    out: str | Path,
    *,
    k: int = 30,
    pool: str = "mean",
    crop: str = "none",
    classes: Sequence[int | str] = (),
    of: str = "auto",
    method: str | Composite = "auto",
    vectors: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    encode: int | str = ENCODED,
    resume: bool = False,
    replace: bool = False,
    progress: Progress = visible,
) -> ConceptIndex:
    """The concept index at `out`, saved and loaded again: examples collected, embedded and averaged.

    With `classes`, also how relevant every component is for each of them. Warns (`IndexWarning`) of all that should be
    known before a question: copies among the images, and what `remarks` has, as images left out, components that never
    fire and small classes.

    What is done is kept in `OUT.partial` until the index is whole. With `resume` it is taken up from there, the states
    that `build_shard` left among it; without, it is an error, so that no work is lost.

    Args:
        model, images, foundation: as they are, or by name as `load_model`, `open_set` and `load_foundation` take it.
        encode: over how many images, drawn at random, encodings are collected, each embedded as a whole: a number,
            "all" or "none". Images of one group (`load_images`, group_column) stay together where they are permuted.
        replace: whether an index of another model, other images or layers, foundation model or settings may be replaced
            that lies at `out`; what people noted in it is then kept beside it, as annotations of what it was.
        of, method, vectors: whose images count for a class, by which rules, and of how many of them the relevance of
            every component is kept; see `relevance`.

    Raises:
        SemlensError: as `collect`, `relevance`, `embed` and `save` do; or another process is building there.
    """
    model, images = _hashed_once(as_model(model)), open_set(images)
    foundation = load_foundation(foundation) if isinstance(foundation, str) else foundation
    asked = images_asked(encode)
    choose_crop(crop, model, method)  # what goes wrong up to `_join_shards` is known before hours of collecting
    if classes:
        check_classes(model, images, layers, classes, of, method, k, vectors)
    check_replaced(out, replace, model, images, layers, foundation.identity.name, k, pool, crop, precision)
    how: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "progress": progress}
    run, whose = {**how, "k": k, "resume": resume}, dict[str, Any](of=of, method=method, vectors=vectors)
    with claimed(out, resume=resume) as work:
        for _, tried in islice(readable_items(images), 1):
            images.embed(foundation, [tried])  # what goes wrong in it is known before hours of collecting
        file = join_shards(work)
        whole = drawn_whole(foundation, images, asked, (0, 1), file, workers, progress)
        over = to_encode(whole, asked)
        examples = collect(model, images, layers, pool=pool, precision=precision, checkpoint=file, encode=over, **run)
        if classes:
            file = join_relevance(work)
            relevance = relevance_of(model, images, layers, classes, checkpoint=file, **whose, **run)
        made = embed(examples, images, foundation, crop=crop, model=model, method=method, keep=work, whole=whole, **how)
        save_replacing(made.with_relevance(relevance) if classes else made, out)
        shutil.rmtree(work, ignore_errors=True)
    return _reopened(out, copies_told(examples, images.names))


def _reopened(out: str | Path, told: Sequence[str]) -> ConceptIndex:
    """The index that was saved; warns of what its answers should not be built upon, after what the pass told."""
    index = load_index(out)
    for remark in (*told, *remarks(index)):
        warnings.warn(remark, IndexWarning, stacklevel=4)
    return index


@right_keywords(top="k", topk="k", n="k", layer="layers", class_images="of", pooling="pool")
def build_shard(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    out: str | Path,
    shard: tuple[int, int],
    *,
    k: int = 30,
    pool: str = "mean",
    classes: Sequence[int | str] = (),
    of: str = "auto",
    method: str | Composite = "auto",
    vectors: int = 0,
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    foundation: FoundationModel | str | None = None,
    encode: int | str = ENCODED,
    progress: Progress = visible,
) -> Path:
    """The file that holds the examples of the i-th of n parts of the images; with `classes`, their relevance lies
    beside it. With a foundation model, sums for encodings are in it too, and the embeddings of its images beside it.

    Shards run anywhere, in any order; once their files lie together in `OUT.partial`, `build` with `resume` merges them
    and goes on. A shard that was killed resumes.
    """
    model, images, asked = _hashed_once(as_model(model)), open_set(images), images_asked(encode)
    space = load_foundation(foundation) if isinstance(foundation, str) else foundation
    if space is None and asked != 0:
        raise SemlensError("a shard with encodings needs the foundation model: give it, or encode none (--encode none)")
    name = f"shard-{shard[0]:05d}-of-{shard[1]:05d}"
    with claimed(out, resume=True, part=name) as partial:
        checkpoint = partial / f"{name}.safetensors"
        whole = drawn_whole(space, images, asked, shard, checkpoint, workers, progress) if space else None
        collect(
            model, images, layers, k=k, pool=pool, batch_size=batch_size, workers=workers, precision=precision,
            shard=shard, checkpoint=checkpoint, resume=True, encode=to_encode(whole, asked), progress=progress,
        )  # fmt: skip
        if classes:
            relevance_of(
                model, images, layers, classes, of=of, method=method, vectors=vectors, k=k, batch_size=batch_size,
                workers=workers, shard=shard, checkpoint=partial / f"relevance-{name}.safetensors", resume=True,
                progress=progress,
            )  # fmt: skip
        return checkpoint


@dataclass(frozen=True, eq=False)
class _Unchanging(VisionModel):
    """A model of which nothing changes while it lives, so that its weights are hashed once."""

    digest: str = ""

    def fingerprint(self) -> str:
        return self.digest


def _hashed_once(model: VisionModel) -> VisionModel:
    return _Unchanging(model.net, model.preprocess, model.class_names, model.name, model.fingerprint())
