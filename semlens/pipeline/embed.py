"""From concept examples to the concept index: each distinct piece of an image placed once in the semantic space."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import PIL
from PIL.Image import Image, Resampling
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from semlens.attribution import Composite
from semlens.collection import fast_cpu
from semlens.crop import crop_id, example_boxes
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.images.loader import batches, default_workers
from semlens.index import ConceptIndex, CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.model import VisionModel
from semlens.numerics import Histogram, mean_rows, unit
from semlens.shapes import Bool, Float16, Int32, Int64
from semlens.types import MISSING, ConceptExamples, FoundationModel, Progress, silent

RANDOM_COMPONENTS = 1000
THUMBNAIL = 128
_CHUNK = 1024  # crops whose vectors are kept together when a run may be interrupted


def embed(
    examples: ConceptExamples,
    images: ImageSet,
    foundation: FoundationModel,
    *,
    crop: str = "none",
    model: VisionModel | None = None,
    method: str | Composite = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    seed: int = 0,
    keep: Path | None = None,
    progress: Progress = silent,
) -> ConceptIndex:
    """The concept index of the examples: every distinct (image, box) embedded once, and each component's mean of them.

    Args:
        crop: what of an image is embedded: "none", all of it; "activation", a square around where the component is most
            active; "relevance", around what made it so (by `method`, see `attribute`). See `cropping.CROPS`. For a crop
            the model has to run once more.
        seed: of the random-example components that serve as baseline.
        keep: folder that keeps what is done; a run that finds its own work there goes on from it.

    Raises:
        SemlensError: an unknown crop, other images than the examples were collected from, or an image that could be
            read then and cannot be now.
    """
    if images.fingerprint != examples.origin.images_fingerprint:
        raise SemlensError(
            f"the examples were collected from {examples.origin.images}, which are not these images ({images.source})"
        )
    boxes = example_boxes(
        crop, model, images, examples, method=method, workers=workers, keep=keep, progress=progress
    )  # fmt: skip
    plan = _plan(examples, boxes)
    with fast_cpu():
        done = list(_embedded(images, foundation, plan, batch_size, workers, keep, progress))
    vectors = np.concatenate([chunk.vectors for chunk in done])
    errors = {u.id: u.reason for u in examples.unreadable}
    table = ImageTable(images.names, images.labels, tuple(errors.get(i) for i in range(len(images))))
    thumbnails = Thumbnails.pack([picture for chunk in done for picture in chunk.pictures])
    return ConceptIndex(
        recipe=_recipe(examples, foundation, crop_id(crop, model, method), seed),
        layers=examples.layers,
        ids=examples.ids,
        positions=examples.positions,
        activations=examples.activations,
        rows=plan.rows,
        fired=examples.fired,
        nan=examples.nan,
        lowest=examples.lowest,
        means=mean_rows(vectors, plan.rows),
        random=mean_rows(vectors, _random_rows(len(vectors), examples.ids.shape[1], seed)),
        vectors=vectors,
        sources=plan.sources,
        boxes=np.concatenate([chunk.boxes for chunk in done]),
        read_images=lambda: table,
        read_unit_names=lambda: examples.unit_names,
        read_thumbnails=lambda: thumbnails,
        read_additions={Histogram: partial(Histogram, examples.histogram)},
    )


@dataclass(frozen=True)
class _Plan:
    """The distinct crops in order of image id, and which of them each example is."""

    sources: Int32[np.ndarray, "u"]
    boxes: Int32[np.ndarray, "u 4"]  # all zero stands for the whole image
    rows: Int32[np.ndarray, "c k"]


def _plan(examples: ConceptExamples, boxes: Int64[np.ndarray, "c k 4"] | None) -> _Plan:
    valid: Bool[np.ndarray, "c k"] = examples.valid
    if not valid.any():
        raise SemlensError("no component has a concept example: every image was unreadable or excites nothing")
    where = np.zeros((*valid.shape, 4), dtype=np.int64) if boxes is None else boxes
    asked = np.concatenate([examples.ids[valid][:, None], where[valid]], axis=1)
    distinct, of = np.unique(asked, axis=0, return_inverse=True)
    rows = np.full(valid.shape, MISSING, dtype=np.int32)
    rows[valid] = of.ravel()
    return _Plan(distinct[:, 0].astype(np.int32), distinct[:, 1:].astype(np.int32), rows)


@dataclass(frozen=True)
class _Chunk:
    """A stretch of embedded crops."""

    vectors: Float16[np.ndarray, "u d"]
    boxes: Int32[np.ndarray, "u 4"]
    pictures: tuple[bytes, ...]


def _embedded(
    images: ImageSet,
    foundation: FoundationModel,
    plan: _Plan,
    batch_size: int,
    workers: int | None,
    keep: Path | None,
    progress: Progress,
) -> Iterator[_Chunk]:
    """All crops of the plan, chunk by chunk; a chunk that `keep` holds is not computed again."""
    identity = [asdict(foundation.identity), images.fingerprint, plan.sources.tolist(), plan.boxes.tolist()]
    recipe = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    total = len(plan.sources)
    for start in range(0, total, _CHUNK):
        file = keep / f"vectors-{start:08d}.safetensors" if keep else None
        chunk = _load_chunk(file, recipe) if file and file.exists() else None
        if chunk is None:
            part = replace(plan, sources=plan.sources[start : start + _CHUNK], boxes=plan.boxes[start : start + _CHUNK])
            chunk = _embed_chunk(
                images, foundation, part, batch_size, workers, partial(_advance, progress, start, total)
            )
            if file:
                _save_chunk(chunk, file, recipe)
        progress("embed", start + len(chunk.vectors), total)
        yield chunk


def _advance(progress: Progress, start: int, total: int, done: int) -> None:
    progress("embed", start + done, total)


def _embed_chunk(
    images: ImageSet,
    foundation: FoundationModel,
    plan: _Plan,
    batch_size: int,
    workers: int | None,
    progress: Callable[[int], None],
) -> _Chunk:
    cuts = replace(
        images,
        names=tuple(images.names[i] for i in plan.sources),
        labels=(None,) * len(plan.sources),
        read=_Cut(images, plan.sources, plan.boxes),
    )
    workers = default_workers("cpu") if workers is None else workers
    vectors: list[Float16[np.ndarray, "n d"]] = []
    sizes: list[tuple[int, int]] = []
    pictures: list[bytes] = []
    for batch in batches(cuts, range(len(plan.sources)), _Piece.of, batch_size=batch_size, workers=workers):
        if batch.unreadable:
            gone = batch.unreadable[0]
            raise SemlensError(
                f"{cuts.names[gone.id]} could be read when examples were collected, and now not: {gone.reason}"
            )
        vectors.append(unit(foundation.embed_images([piece.image for piece in batch.items])).astype(np.float16))
        sizes += [piece.image.size for piece in batch.items]
        pictures += [piece.thumbnail for piece in batch.items]
        progress(len(sizes))
    whole = np.array([(0, 0, *size) for size in sizes], dtype=np.int32)
    boxes = np.where(plan.boxes.any(axis=1, keepdims=True), plan.boxes, whole)
    return _Chunk(np.concatenate(vectors), boxes, tuple(pictures))


@dataclass(frozen=True)
class _Cut:
    """Reads crop u: its box of its image, or the whole. Crops of one image follow each other, so the last image is
    kept."""

    images: ImageSet
    sources: Int32[np.ndarray, "u"]
    boxes: Int32[np.ndarray, "u 4"]
    last: dict[int, Image] = field(default_factory=dict)

    def __call__(self, u: int) -> Image:
        source = int(self.sources[u])
        if source not in self.last:
            self.last.clear()
            self.last[source] = self.images.load(source)
        image = self.last[source]
        left, top, right, bottom = map(int, self.boxes[u])
        return image.crop((left, top, right, bottom)) if right else image


@dataclass(frozen=True)
class _Piece:
    """A crop and its picture for display, made in a worker."""

    image: Image
    thumbnail: bytes

    @classmethod
    def of(cls, image: Image) -> "_Piece":
        small = image.copy()
        small.thumbnail((THUMBNAIL, THUMBNAIL), Resampling.BICUBIC)
        file = io.BytesIO()
        small.save(file, "WEBP", quality=75, method=4)
        return cls(image, file.getvalue())


def _save_chunk(chunk: _Chunk, file: Path, recipe: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    packed = Thumbnails.pack(chunk.pictures)
    arrays = {"vectors": chunk.vectors, "boxes": chunk.boxes, "data": packed.data, "offsets": packed.offsets}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, file, {"recipe": recipe})


def _load_chunk(file: Path, recipe: str) -> _Chunk | None:
    """A chunk that an interrupted run left, or None if it is another run's or damaged."""
    try:
        with safe_open(file, framework="numpy") as stored:
            if (stored.metadata() or {}).get("recipe") != recipe:
                return None
            packed = Thumbnails(stored.get_tensor("data"), stored.get_tensor("offsets"))
            pictures = tuple(packed.get(i) for i in range(len(packed)))
            return _Chunk(stored.get_tensor("vectors"), stored.get_tensor("boxes"), pictures)
    except (SafetensorError, OSError):
        return None


def _random_rows(distinct: int, k: int, seed: int) -> Int32[np.ndarray, "r k"]:
    """Examples drawn from all distinct crops alike: components that encode nothing in particular."""
    return np.random.default_rng(seed).integers(0, distinct, (RANDOM_COMPONENTS, k), dtype=np.int32)


def _recipe(examples: ConceptExamples, foundation: FoundationModel, crop: CropId, seed: int) -> Recipe:
    origin = examples.origin
    return Recipe(
        model=ModelId(origin.model, origin.model_fingerprint, origin.preprocess),
        images=ImagesId(origin.images, origin.images_fingerprint, origin.count, len(examples.unreadable)),
        k=examples.ids.shape[1],
        pool=examples.pool,
        crop=crop,
        precision=origin.precision,
        foundation=foundation.identity,
        decoder=f"Pillow {PIL.__version__}",
        seed=seed,
        software=_software(),
    )


def _software() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {}
    for package in ("semlens", "torch", "numpy", "pillow", "timm", "torchvision", "open_clip_torch", "transformers"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
