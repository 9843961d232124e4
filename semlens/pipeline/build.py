"""The whole way from a model and images to an index on disk, in steps that a killed run takes up again."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from PIL import Image

from semlens.attribution import Composite, check_classes
from semlens.attribution import relevance as relevance_of
from semlens.collection import (
    collect,
    load_examples,
    load_relevance,
    merge_all,
    merge_relevance,
    save_examples,
    save_relevance,
)
from semlens.crop import choose_crop
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.index import ConceptIndex, IndexWarning, check_target, grave_remarks, load_index
from semlens.model import VisionModel
from semlens.pipeline.embed import embed
from semlens.types import FoundationModel, Progress, silent


def build(
    model: VisionModel,
    images: ImageSet,
    layers: Sequence[str],
    foundation: FoundationModel,
    out: str | Path,
    *,
    k: int = 30,
    pool: str = "mean",
    crop: str = "none",
    classes: Sequence[int | str] = (),
    of: str = "auto",
    method: str | Composite = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    resume: bool = False,
    progress: Progress = silent,
) -> ConceptIndex:
    """The concept index at `out`, saved and loaded again: examples collected, embedded and averaged.

    With `classes`, also how relevant every component is for each of them. Warns (`IndexWarning`) of copies among the
    examples and of classes with few images; `remarks` has all that should be known.

    What is done is kept in `OUT.partial` until the index is whole. With `resume` it is taken up from there, the states
    that `build_shard` left among it; without, it is an error, so that no work is lost.

    Args:
        of, method: whose images count for a class and by which rules; see `relevance`.

    Raises:
        SemlensError: as `collect`, `relevance`, `embed` and `save` do.
    """
    model = _hashed_once(model)
    choose_crop(crop, model, method)  # what goes wrong up to `_join_shards` is known before hours of collecting
    if classes:
        check_classes(model, images, layers, classes, of, method, k)
    check_target(Path(out))
    partial = _free_partial(out, resume)
    foundation.embed_images([Image.new("RGB", (64, 64))])
    checkpoint = _join_shards(partial)
    examples = collect(
        model, images, layers, k=k, pool=pool, batch_size=batch_size, workers=workers, precision=precision,
        checkpoint=checkpoint, resume=resume, progress=progress,
    )  # fmt: skip
    relevance = None
    if classes:
        relevance = relevance_of(
            model, images, layers, classes, of=of, method=method, k=k, batch_size=batch_size, workers=workers,
            checkpoint=_join_relevance(partial), resume=resume, progress=progress,
        )  # fmt: skip
    index = embed(
        examples, images, foundation, crop=crop, model=model, method=method, batch_size=batch_size, workers=workers,
        keep=partial, progress=progress,
    )  # fmt: skip
    (index.with_relevance(relevance) if relevance else index).save(out)
    shutil.rmtree(partial, ignore_errors=True)
    index = load_index(out)
    for told in grave_remarks(index):
        warnings.warn(told, IndexWarning, stacklevel=2)
    return index


def build_shard(
    model: VisionModel,
    images: ImageSet,
    layers: Sequence[str],
    out: str | Path,
    shard: tuple[int, int],
    *,
    k: int = 30,
    pool: str = "mean",
    classes: Sequence[int | str] = (),
    of: str = "auto",
    method: str | Composite = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    precision: str = "float32",
    progress: Progress = silent,
) -> Path:
    """The file that holds the examples of the i-th of n parts of the images; with `classes`, their relevance lies
    beside it.

    Shards run anywhere, in any order; once their files lie together in `OUT.partial`, `build` with `resume` merges them
    and goes on. A shard that was killed resumes.
    """
    model = _hashed_once(model)
    name = f"shard-{shard[0]:05d}-of-{shard[1]:05d}.safetensors"
    checkpoint = partial_folder(out) / name
    collect(
        model, images, layers, k=k, pool=pool, batch_size=batch_size, workers=workers, precision=precision,
        shard=shard, checkpoint=checkpoint, resume=True, progress=progress,
    )  # fmt: skip
    if classes:
        relevance_of(
            model, images, layers, classes, of=of, method=method, k=k, batch_size=batch_size, workers=workers,
            shard=shard, checkpoint=partial_folder(out) / f"relevance-{name}", resume=True, progress=progress,
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


def partial_folder(out: str | Path) -> Path:
    """Where the work for the index `out` lies until it is whole."""
    path = Path(out)
    if not path.name:
        raise SemlensError(f"{str(out)!r} is no place for an index; name a folder")
    return path.with_name(f"{path.name}.partial")


def _free_partial(out: str | Path, resume: bool) -> Path:
    """Where the work will lie.

    Raises:
        SemlensError: unfinished work lies there that is not to be resumed.
    """
    partial = partial_folder(out)
    if partial.exists() and not resume:
        raise SemlensError(f"{partial} holds unfinished work: go on with resume (--resume), or delete it to start anew")
    return partial


def _join_shards(partial: Path) -> Path:
    """The checkpoint to go on from, with the shards that lie beside it merged into it."""
    checkpoint = partial / "examples.safetensors"
    if states := _beside(checkpoint, "shard"):
        save_examples(merge_all(load_examples(path) for path in states), checkpoint)
    return checkpoint


def _join_relevance(partial: Path) -> Path:
    """The same for relevance."""
    checkpoint = partial / "relevance.safetensors"
    if states := _beside(checkpoint, "relevance-shard"):
        save_relevance(reduce(merge_relevance, (load_relevance(path) for path in states)), checkpoint)
    return checkpoint


def _beside(checkpoint: Path, prefix: str) -> list[Path]:
    """The checkpoint, if there is one, and the shards beside it; none if there are no shards."""
    shards = sorted(checkpoint.parent.glob(f"{prefix}-*.safetensors"))
    return [*[checkpoint] * checkpoint.exists(), *shards] if shards else []
