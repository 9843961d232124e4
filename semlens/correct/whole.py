"""The whole way: from a spec and labelled images to a correction, and what it did on other images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from semlens.analysis.audit import Spec
from semlens.correct.choose import chosen, part_of
from semlens.correct.correction import Correction
from semlens.correct.head import refitted
from semlens.correct.masks import RELEVANCE, relevance_masks
from semlens.correct.pasting import Masked
from semlens.correct.phrases import image_directions, spurious_of
from semlens.correct.retrain import METHODS, retrain, usual_course
from semlens.correct.seen import outputs_of
from semlens.correct.suppress import What, suppress
from semlens.correct.training import Course
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes, VisionModel, as_model, output_number
from semlens.progress import visible
from semlens.types import FoundationModel, Progress


def corrected(
    model: VisionModel | str,
    what: Spec | What | None,
    train: ImageSet | Any,
    *,
    how: str = "project",
    layer: str = "",
    units: Sequence[int | str] | None = None,
    foundation: FoundationModel | None = None,
    refit: bool = True,
    choose: ImageSet | Any = None,
    marks: Mapping[str, Mapping[str, bool]] | None = None,
    training: Mapping[str, Any] | None = None,
    progress: Progress = visible,
) -> Correction:
    """A correction as it works best where it was measured (docs/correct.md): directions of all concepts of a spec, made
    jointly on images that the shortcut is in; of these the spurious ones taken out; the last layer fitted anew.

    A class of which `train` has no image is never given by a refitted last layer: the recipe names them.

    Args:
        what: a spec; or what `suppress` takes; None refits the last layer alone.
        train: images with labels, best those that the model was trained on; what they show need not be known.
        how: as in `suppress`; or a method of `retrain`, which trains what runs behind the layer instead.
        layer: in which the directions of a spec are; best the last one before the mean and the last layer.
        units: of a dictionary, or of a spec's concepts; all spurious ones if none are given.
        foundation: which knows the spec's phrases.
        refit: whether the last layer is fitted anew on what the changes let through.
        choose: other images with labels, by whose worst group it is chosen how many units are taken out, units that do
            one thing together; all if none are given.
        marks: of these images, as in `measure_correction`.
        training: what else `retrain` takes, where `how` is one of its methods; with masks=RELEVANCE those are made of
            the spec's concepts by relevance that passes their directions in the layer, and all parameters are trained.

    Raises:
        SemlensError: a spec without layer or foundation model, images without labels of two classes, or what `suppress`
            refuses.
    """
    model, images = as_model(model), load_images(train)
    given = dict(training or {})
    if isinstance(what, Spec) and how in METHODS and not how.endswith("clarc"):
        if given.get("masks") == RELEVANCE:
            given["masks"], layer = _masks(model, what, units, images, layer, foundation, progress), ""
        what = None
    if isinstance(what, Spec):
        units = spurious_of(what) if units is None else units
        what = image_directions(model, what, images, layer, foundation, progress)
    if how in METHODS:
        return retrain(model, images, how, what=what, units=units, layer=layer, progress=progress, **given)
    base = Correction(model, Changes())
    if what is not None:
        base = suppress(model, what, how, units=units, images=images, progress=progress)

    def made(changes: Changes) -> Correction:
        part = Correction(model, changes)
        return refitted(part, images, progress) if refit else part

    changes, recipe = base.changes, dict(base.recipe)
    if choose is not None and changes.layers:
        photos = load_images(choose)
        kept = chosen(base, made, photos, marks or {}, progress)
        changes, recipe["suppressed"] = part_of(changes, kept), [base.recipe["suppressed"][n] for n in sorted(kept)]
        recipe |= {"chosen on": photos.source, "chosen on, digest": photos.fingerprint}
    found = made(changes)
    return Correction(model, found.changes, {
        **recipe, "layer": layer, "refit": refit, "foundation": foundation.identity.name if foundation else None,
        "images": images.source, "images_digest": images.fingerprint, **found.recipe,
    })  # fmt: skip


def _masks(
    model: VisionModel, spec: Spec, concepts: Sequence[str | int] | None, images: ImageSet, layer: str,
    foundation: FoundationModel | None, progress: Progress,
) -> Masked:  # fmt: skip
    """Masks of some concepts of a spec, all spurious ones if none are given, by directions made of all of them."""
    directions = image_directions(model, spec, images, layer, foundation, progress)
    names = spurious_of(spec) if concepts is None else [str(one) for one in concepts]
    output = output_number(spec.output, model.class_names, outputs_of(model))
    return relevance_masks(model, images, directions, names, output, progress=progress)


def by_relevance(how: str, course: Course | None, seed: int) -> dict[str, Any]:
    """What `retrain` takes where nothing is known but a spec: masks made by relevance for methods that go by pixels.

    Raises:
        SemlensError: a method that goes by no artefact.
    """
    if how in ("fine-tune", "feedback", "reweight"):
        raise SemlensError(
            f"{how} goes by no concept of a spec: choose rr-clarc, a-clarc, augment, rrr or cdep (--how)"
        )
    given: dict[str, Any] = {"course": replace(course or usual_course(how), seed=seed)}
    return given if how.endswith("clarc") else {**given, "masks": RELEVANCE}
