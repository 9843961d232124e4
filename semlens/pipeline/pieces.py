"""The distinct pieces of images that examples show: which there are, cut out, embedded once each, and kept."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from semlens.collection import fast_cpu, image_batches, shifted
from semlens.errors import SemlensError
from semlens.images.loader import Batch
from semlens.index import Encodings, Thumbnails, cached, digest_of
from semlens.numerics import unit
from semlens.pipeline.whole import WholeImages
from semlens.types import MISSING, Bool, ConceptExamples, ExampleSet, Float16, FoundationModel, Int32, Int64, Progress

_CHUNK = 1024  # pieces whose vectors are kept together when a run may be interrupted


@dataclass(frozen=True)
class Plan:
    """The distinct pieces in order of image id, and which of them each example is."""

    sources: Int32[np.ndarray, "u"]
    boxes: Int32[np.ndarray, "u 4"]  # all zero stands for the whole image
    rows: Int32[np.ndarray, "c k"]

    def part(self, start: int, stop: int) -> "Plan":
        """Some of the pieces; `rows` stays that of all."""
        return replace(self, sources=self.sources[start:stop], boxes=self.boxes[start:stop])


@dataclass(frozen=True)
class Pieces:
    """Pieces of images, embedded."""

    vectors: Float16[np.ndarray, "u d"]  # unit
    boxes: Int32[np.ndarray, "u 4"]  # in the image's own pixels; of a whole image all of it
    thumbnails: tuple[bytes, ...]


def plan_pieces(examples: ConceptExamples, boxes: Int64[np.ndarray, "c k 4"] | None) -> Plan:
    """Each distinct (image, box) of the examples once; `boxes` None stands for whole images.

    Raises:
        SemlensError: there is no example.
    """
    valid: Bool[np.ndarray, "c k"] = examples.valid
    if not valid.any():
        raise _no_example(examples)
    boxes = np.zeros((*valid.shape, 4), dtype=np.int64) if boxes is None else boxes
    shown = np.concatenate([examples.ids[valid][:, None], boxes[valid]], axis=1)
    distinct, piece = np.unique(shown, axis=0, return_inverse=True)
    rows = np.full(valid.shape, MISSING, dtype=np.int32)
    rows[valid] = piece.ravel()
    return Plan(distinct[:, 0].astype(np.int32), distinct[:, 1:].astype(np.int32), rows)


def _no_example(examples: ConceptExamples) -> SemlensError:
    """Why no component has an example."""
    if not examples.images:
        why = examples.unreadable[0].reason if examples.unreadable else "there is none"
        return SemlensError(f"no component has a concept example: no image could be read, the first: {why}")
    alike = bool((examples.activations[:, 0] == examples.lowest).all())
    why = "every component is as active on each of them: are they all one picture?" if alike else "none fires"
    return SemlensError(f"no component has a concept example: {examples.images:,} images were read, and {why}")


def embed_pieces(
    images: ExampleSet, foundation: FoundationModel, plan: Plan, batch_size: int, workers: int | None,
    keep: Path | None, whole: WholeImages | None, progress: Progress,
) -> Pieces:  # fmt: skip
    """All pieces of the plan, a chunk at a time; a chunk that `keep` holds is not computed again.

    Args:
        whole: whole images that have been embedded, which are not embedded again.

    Raises:
        SemlensError: an image that could be read when examples were collected and cannot be now.
    """
    chunks = list(chunks_of_pieces(images, foundation, plan, (0, 1), batch_size, workers, keep, whole, progress))
    return Pieces(
        np.concatenate([chunk.vectors for chunk in chunks]),
        np.concatenate([chunk.boxes for chunk in chunks]),
        tuple(picture for chunk in chunks for picture in chunk.thumbnails),
    )


def chunks_of_pieces(
    images: ExampleSet, foundation: FoundationModel, plan: Plan, part: tuple[int, int], batch_size: int,
    workers: int | None, keep: Path | None, whole: WholeImages | None, progress: Progress,
) -> Iterator[Pieces]:  # fmt: skip
    """The pieces of the plan by chunks; as `embed_pieces`.

    Args:
        part: (i, n) takes each n-th chunk from the i-th on, for the sake of the files in `keep`.
    """
    identity = [asdict(foundation.identity), images.fingerprint, plan.sources.tolist(), plan.boxes.tolist()]
    recipe, total = digest_of(identity), len(plan.sources)
    with fast_cpu():
        for start in range(part[0] * _CHUNK, total, part[1] * _CHUNK):
            file = keep / f"vectors-{start:08d}.safetensors" if keep else None
            some, told = plan.part(start, start + _CHUNK), shifted(progress, start, total)

            def compute(some: Plan = some, told: Progress = told) -> dict[str, np.ndarray]:
                return _packed(_embedded(images, foundation, some, batch_size, workers, whole, told))

            yield _unpacked(cached(file, [recipe, start, _CHUNK], compute))
            progress("embed", start + len(some.sources), total)


def _embedded(
    images: ExampleSet, foundation: FoundationModel, plan: Plan, batch_size: int, workers: int | None,
    whole: WholeImages | None, progress: Progress,
) -> Pieces:  # fmt: skip
    vectors: list[Float16[np.ndarray, "n d"]] = []
    sizes: list[tuple[int, int]] = []
    thumbnails: list[bytes] = []
    for batch in image_batches(
        _Cut(images, plan), range(len(plan.sources)), _Shown(images), "embed", batch_size=batch_size,
        workers=workers,
        readable_when="examples were collected", progress=progress,
    ):  # fmt: skip
        vectors.append(_vectors(images, foundation, batch, plan, whole))
        sizes += [images.size(piece.item) for piece in batch.items]
        thumbnails += [piece.thumbnail for piece in batch.items]
    full = np.array([(0, 0, *size) for size in sizes], dtype=np.int32)
    boxes = np.where(plan.boxes.any(axis=1, keepdims=True), plan.boxes, full)
    return Pieces(np.concatenate(vectors), boxes, tuple(thumbnails))


def _vectors(
    images: ExampleSet, foundation: FoundationModel, batch: Batch, plan: Plan, whole: WholeImages | None
) -> Float16[np.ndarray, "n d"]:
    """Unit vectors of a batch of pieces, those of whole images from where they are known."""
    pieces = list(batch.ids)
    cut = plan.boxes[pieces].any(axis=1)
    known = np.full((len(pieces), foundation.identity.dimension), np.nan, np.float16)
    if whole is not None:
        known[~cut] = whole.vectors(plan.sources[pieces][~cut].tolist())
    new = np.flatnonzero(np.isnan(known).any(axis=1))
    if len(new):
        items = [batch.items[at].item for at in new]
        known[new] = unit(images.embed(foundation, items)).astype(np.float16)
    return known


def shown(encodings: Encodings, images: ExampleSet, workers: int | None, progress: Progress) -> Encodings:
    """The encodings with a small WebP of each image kept that lies at one of the LEVELS of a component.

    Raises:
        SemlensError: an image that could be read when encodings were collected and cannot be now.
    """
    wanted = np.unique(encodings.level_ids())
    pictures: dict[int, bytes] = {}
    for batch in image_batches(
        images, wanted[wanted != MISSING].tolist(), _Shown(images), "thumbnails", batch_size=32, workers=workers,
        readable_when="encodings were collected", progress=progress,
    ):  # fmt: skip
        pictures |= {id: piece.thumbnail for id, piece in zip(batch.ids, batch.items, strict=True)}
    return replace(encodings, thumbnails=Thumbnails.pack([pictures.get(id, b"") for id in encodings.ids.tolist()]))


@dataclass(frozen=True)
class _Cut:
    """The pieces as a set: piece u is its box of its image, or the whole. Pieces of one image follow each other, so the
    last image is kept."""

    images: ExampleSet
    plan: Plan
    last: dict[int, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.images, name)

    def __len__(self) -> int:
        return len(self.plan.sources)

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the images that pieces are of."""
        return tuple(self.images.names[i] for i in self.plan.sources)

    def load(self, u: int) -> Any:
        """The piece."""
        source = int(self.plan.sources[u])
        if source not in self.last:
            self.last.clear()
            self.last[source] = self.images.load(source)
        item = self.last[source]
        left, top, right, bottom = map(int, self.plan.boxes[u])
        return self.images.crop(item, (left, top, right, bottom)) if right else item


@dataclass(frozen=True)
class _Piece:
    """A piece and its picture for display, made in a worker."""

    item: Any
    thumbnail: bytes


@dataclass(frozen=True)
class _Shown:
    """The transform that adds a picture."""

    images: ExampleSet

    def __call__(self, item: Any) -> _Piece:
        file = io.BytesIO()
        self.images.show(item).save(file, "WEBP", quality=75, method=4)
        return _Piece(item, file.getvalue())


def _packed(pieces: Pieces) -> dict[str, np.ndarray]:
    packed = Thumbnails.pack(pieces.thumbnails)
    return {"vectors": pieces.vectors, "boxes": pieces.boxes, "data": packed.data, "offsets": packed.offsets}


def _unpacked(arrays: Mapping[str, np.ndarray]) -> Pieces:
    packed = Thumbnails(arrays["data"], arrays["offsets"])
    return Pieces(arrays["vectors"], arrays["boxes"], tuple(packed.get(i) for i in range(len(packed))))


def random_rows(distinct: int, components: int, k: int, seed: int) -> Int32[np.ndarray, "r k"]:
    """Examples drawn from all distinct pieces alike: components that encode nothing in particular."""
    return np.random.default_rng(seed).integers(0, distinct, (components, k), dtype=np.int32)
