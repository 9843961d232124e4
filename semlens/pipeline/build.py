"""The whole way from a model and images to an index on disk, in steps that a killed run takes up again."""

import dataclasses
import shutil
import warnings
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from semlens.attribution import Composite, check_classes
from semlens.attribution import relevance as relevance_of
from semlens.collection import collect, copies_told, readable_items
from semlens.crop import choose_crop
from semlens.errors import right_keywords
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, IndexWarning, load_index, remarks
from semlens.model import Layer, VisionModel, as_model
from semlens.pipeline.distribute import distribute
from semlens.pipeline.embed import embed
from semlens.pipeline.encode import ENCODED, drawn_whole, images_asked, to_encode
from semlens.pipeline.executors import Executor, executor_named
from semlens.pipeline.partial import claimed, join_relevance, join_shards
from semlens.pipeline.replacing import check_replaced, save_replacing
from semlens.pipeline.shard import hashed_once
from semlens.pipeline.work import DIED, Work
from semlens.progress import visible
from semlens.sets import open_set, without
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
    executor: Executor | str = "local",
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
        executor: who does it: "local", this process; "processes" or "processes:N", several on this machine; "ray" or
            "ray:ADDRESS", a cluster. The bytes are the same.
        replace: whether an index of another model, other images or layers, foundation model or settings may be replaced
            that lies at `out`; what people noted in it is then kept beside it, as annotations of what it was.
        of, method, vectors: whose images count for a class, by which rules, and of how many of them the relevance of
            every component is kept; see `relevance`.

    Raises:
        SemlensError: as `collect`, `relevance`, `embed` and `save` do; or another process is building there.
    """
    model, images = hashed_once(as_model(model)), open_set(images)
    foundation = load_foundation(foundation) if isinstance(foundation, str) else foundation
    choose_crop(crop, model, method)  # what goes wrong up to `_finished` is known before hours of collecting
    if classes:
        check_classes(model, images, layers, classes, of, method, k, vectors)
    check_replaced(out, replace, model, images, layers, foundation.identity.name, k, pool, crop, precision)
    relating = {"classes": classes, "of": of, "method": method, "vectors": vectors} if classes else {}
    collecting = {"pool": pool, "precision": precision}
    work = Work(
        model, images, layers, foundation, Path(out), k, batch_size, encode, collecting, relating, crop, method
    )  # fmt: skip
    if several := executor_named(executor) if isinstance(executor, str) else executor:
        skipped = distribute(several, work, resume=resume, progress=progress)
        work, resume = dataclasses.replace(work, images=without(images, skipped, DIED)), True
    return _finished(work, workers, resume, progress)


def _finished(work: Work, workers: int | None, resume: bool, progress: Progress) -> ConceptIndex:
    """The index of the work, of which what lies in `OUT.partial` is not done again."""
    model, images, foundation, asked = work.model, work.images, work.foundation, images_asked(work.encode)
    how: dict[str, Any] = {"batch_size": work.batch_size, "workers": workers, "progress": progress}
    run = {**how, "k": work.k, "resume": resume}
    with claimed(work.out, resume=resume) as partial:
        for _, tried in islice(readable_items(images), 1):
            images.embed(foundation, [tried])  # what goes wrong in it is known before hours of collecting
        file = join_shards(partial)
        whole = drawn_whole(foundation, images, asked, (0, 1), file, workers, progress)
        over = to_encode(whole, asked)
        examples = collect(model, images, work.layers, checkpoint=file, encode=over, **work.collecting, **run)
        if work.relating:
            file = join_relevance(partial)
            relevance = relevance_of(model, images, work.layers, checkpoint=file, **work.relating, **run)
        made = embed(
            examples, images, foundation, crop=work.crop, model=model, method=work.method, keep=partial, whole=whole,
            **how,
        )  # fmt: skip
        save_replacing(made.with_relevance(relevance) if work.relating else made, work.out)
        shutil.rmtree(partial, ignore_errors=True)
    return _reopened(work.out, copies_told(examples, images.names))


def _reopened(out: str | Path, told: Sequence[str]) -> ConceptIndex:
    """The index that was saved; warns of what its answers should not be built upon, after what the pass told."""
    index = load_index(out)
    for remark in (*told, *remarks(index)):
        warnings.warn(remark, IndexWarning, stacklevel=5)
    return index
