"""A part of a build: the examples of some of the images, and their relevance, in files that merge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semlens.attribution import Composite, relevance
from semlens.collection import collect
from semlens.errors import SemlensError, right_keywords
from semlens.foundation import load_foundation
from semlens.model import Layer, VisionModel, as_model
from semlens.pipeline.encode import ENCODED, drawn_whole, images_asked, to_encode
from semlens.pipeline.partial import claimed
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, FoundationModel, Progress


@right_keywords(top="k", topk="k", n="k", layer="layers", class_images="of", pooling="pool")
def build_shard(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layers: Layer | Sequence[Layer],
    out: str | Path,
    shard: tuple[int, int] | range,
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
    """The file that holds the examples of the i-th of n parts of the images, or of a range of ids; with `classes`,
    their relevance lies beside it. With a foundation model, sums for encodings are in it too, and the embeddings of its
    images beside it.

    Shards run anywhere, in any order; once their files lie together in `OUT.partial`, `build` with `resume` merges them
    and goes on. A shard that was killed resumes.
    """
    model, images = hashed_once(as_model(model)), open_set(images)
    foundation = load_foundation(foundation) if isinstance(foundation, str) else foundation
    how: dict[str, Any] = {"k": k, "batch_size": batch_size, "workers": workers, "progress": progress}
    with claimed(out, resume=True, part=shard_name(shard)) as partial:
        file = collect_shard(
            model, images, layers, partial, shard, pool=pool, precision=precision, foundation=foundation,
            encode=encode, **how,
        )  # fmt: skip
        if classes:
            whose: dict[str, Any] = {"of": of, "method": method, "vectors": vectors}
            relevance_shard(model, images, layers, partial, shard, classes=classes, **whose, **how)
        return file


def shard_name(shard: tuple[int, int] | range) -> str:
    """What files of a part of the images are called."""
    if isinstance(shard, range):
        return f"shard-{shard.start:09d}-{shard.stop:09d}"
    return f"shard-{shard[0]:05d}-of-{shard[1]:05d}"


def collect_shard(
    model: VisionModel, images: ExampleSet, layers: Layer | Sequence[Layer], partial: Path,
    shard: tuple[int, int] | range, *, foundation: FoundationModel | None, encode: int | str, workers: int | None,
    progress: Progress, **how: Any,
) -> Path:  # fmt: skip
    """The file in the folder `partial` that holds the examples of a part of the images; `how` is as for `collect`.

    Raises:
        SemlensError: as `collect`; or encodings are asked for without a foundation model.
    """
    asked = images_asked(encode)
    if foundation is None and asked != 0:
        raise SemlensError("a shard with encodings needs the foundation model: give it, or encode none (--encode none)")
    file = partial / f"{shard_name(shard)}.safetensors"
    whole = drawn_whole(foundation, images, asked, shard, file, workers, progress) if foundation else None
    collect(
        model, images, layers, workers=workers, shard=shard, checkpoint=file, resume=True,
        encode=to_encode(whole, asked), progress=progress, **how,
    )  # fmt: skip
    return file


def relevance_shard(
    model: VisionModel, images: ExampleSet, layers: Layer | Sequence[Layer], partial: Path,
    shard: tuple[int, int] | range, **how: Any,
) -> Path:  # fmt: skip
    """The same with the relevance of a part; `how` is as for `relevance`."""
    file = partial / f"relevance-{shard_name(shard)}.safetensors"
    relevance(model, images, layers, shard=shard, checkpoint=file, resume=True, **how)
    return file


@dataclass(frozen=True, eq=False)
class _Unchanging(VisionModel):
    """A model of which nothing changes while it lives, so that its weights are hashed once."""

    digest: str = ""

    def fingerprint(self) -> str:
        return self.digest


def hashed_once(model: VisionModel) -> VisionModel:
    """The model, whose weights are not hashed again."""
    return _Unchanging(model.net, model.preprocess, model.class_names, model.name, model.fingerprint())
