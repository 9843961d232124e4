"""From concept examples to the concept index: each distinct piece of an image placed once in the semantic space."""

from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import PIL

from semlens.attribution import Composite
from semlens.crop import choose_crop, example_boxes
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails, given
from semlens.model import VisionModel, as_model
from semlens.numerics import Histogram, mean_rows
from semlens.pipeline.encoding import encodings
from semlens.pipeline.pieces import Pieces, Plan, embed_pieces, plan_pieces, random_rows, shown
from semlens.pipeline.whole import WholeImages
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ConceptExamples, ExampleSet, FoundationModel, Progress

RANDOM_COMPONENTS = 1000


def embed(
    examples: ConceptExamples,
    images: ExampleSet | Any,
    foundation: FoundationModel | str,
    *,
    crop: str = "none",
    model: VisionModel | str | None = None,
    method: str | Composite = "auto",
    batch_size: int = 32,
    workers: int | None = None,
    seed: int = 0,
    keep: Path | None = None,
    whole: WholeImages | None = None,
    progress: Progress = visible,
) -> ConceptIndex:
    """The concept index of the examples: every distinct (image, box) embedded once, and each component's mean of them.

    Args:
        crop: what of an image is embedded: "none", all of it; "activation", a square around where the component is most
            active; "relevance", around what made it so (by `method`, see `attribute`). See `crop.CROPS`. For a crop the
            model has to run once more.
        seed: of the random-example components that serve as baseline.
        keep: folder that keeps what is done; a run that finds its own work there goes on from it.
        whole: whole images that have been embedded already.

    Raises:
        SemlensError: an unknown crop, other images than the examples were collected from, or an image that could be
            read then and cannot be now.
    """
    images, model = open_set(images), None if model is None else as_model(model)
    foundation = load_foundation(foundation) if isinstance(foundation, str) else foundation
    if images.fingerprint != examples.origin.images_fingerprint:
        raise SemlensError(
            f"the examples were collected from {examples.origin.images}, which are not these images ({images.source})"
        )
    chosen = choose_crop(crop, model, method)
    boxes = example_boxes(chosen, model, images, examples, workers=workers, keep=keep, progress=progress)
    plan = plan_pieces(examples, boxes)
    pieces = embed_pieces(images, foundation, plan, batch_size, workers, keep, whole, progress)
    index = _index(examples, images, plan, pieces, _recipe(examples, foundation, chosen.id, seed))
    if examples.encoding is None:
        return index
    made = encodings(examples.encoding, examples.layers, images.groups, images.group_column)
    return index.with_addition(shown(made, images, workers, progress))


def _index(examples: ConceptExamples, images: ExampleSet, plan: Plan, pieces: Pieces, recipe: Recipe) -> ConceptIndex:
    """What was collected and what was embedded, as an index."""
    errors = {image.id: image.reason for image in examples.unreadable}
    table = ImageTable(images.names, images.labels, tuple(errors.get(i) for i in range(len(images))))
    baseline = random_rows(len(pieces.vectors), RANDOM_COMPONENTS, examples.ids.shape[1], recipe.seed)
    return ConceptIndex(
        recipe=recipe,
        layers=examples.layers,
        ids=examples.ids,
        positions=examples.positions,
        activations=examples.activations,
        rows=plan.rows,
        fired=examples.fired,
        nan=examples.nan,
        lowest=examples.lowest,
        means=mean_rows(pieces.vectors, plan.rows),
        random=mean_rows(pieces.vectors, baseline),
        vectors=pieces.vectors,
        sources=plan.sources,
        boxes=pieces.boxes,
        read_images=partial(given, table),
        read_unit_names=partial(given, examples.unit_names),
        read_thumbnails=partial(given, Thumbnails.pack(pieces.thumbnails)),
        read_additions={Histogram: partial(Histogram, examples.histogram)},
    )


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
