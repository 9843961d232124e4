"""The whole way: from a spec and labelled images to a correction, and what it did on other images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from semlens.analysis.audit import Spec, entries
from semlens.correct.choose import choose_units, part_of, redundant
from semlens.correct.concepts import learn_concepts
from semlens.correct.correction import Correction
from semlens.correct.head import closed, features_of, fit_head, labels_by_name, marked
from semlens.correct.measure import groups_of, worst_group
from semlens.correct.phrases import phrases_of
from semlens.correct.seen import head_path, see
from semlens.correct.suppress import What, activations, suppress
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes, Dictionary, VisionModel, as_model
from semlens.progress import visible
from semlens.types import FoundationModel, Progress

NEVER = "classes never given"
"""In a recipe: the classes of which no image was there when the last layer was fitted."""


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
    progress: Progress = visible,
) -> Correction:
    """A correction as it works best where it was measured (docs/correct.md): directions of all concepts of a spec, made
    jointly on images that the shortcut is in; of these the spurious ones taken out; the last layer fitted anew.

    A class of which `train` has no image is never given by a refitted last layer: the recipe names them.

    Args:
        what: a spec; or what `suppress` takes; None refits the last layer alone.
        train: images with labels, best those that the model was trained on; what they show need not be known.
        how: as in `suppress`.
        layer: in which the directions of a spec are; best the last one before the mean and the last layer.
        units: of a dictionary, or of a spec's concepts; all spurious ones if none are given.
        foundation: which knows the spec's phrases.
        refit: whether the last layer is fitted anew on what the changes let through.
        choose: other images with labels, by whose worst group it is chosen how many units are taken out, units that do
            one thing together; all if none are given.
        marks: of these images, as in `measure_correction`.

    Raises:
        SemlensError: a spec without layer or foundation model, images without labels of two classes, or what `suppress`
            refuses.
    """
    model, images = as_model(model), load_images(train)
    if isinstance(what, Spec):
        units = _spurious(what) if units is None else units
        what = _of_spec(model, what, images, layer, foundation, progress)
    base = Correction(model, Changes())
    if what is not None:
        base = suppress(model, what, how, units=units, images=images, progress=progress)

    def made(changes: Changes) -> Correction:
        part = Correction(model, changes)
        return _refitted(part, images, progress) if refit else part

    changes, recipe = base.changes, dict(base.recipe)
    if choose is not None and changes.layers:
        photos = load_images(choose)
        kept = _chosen(base, made, photos, marks or {}, progress)
        changes, recipe["suppressed"] = part_of(changes, kept), [base.recipe["suppressed"][n] for n in sorted(kept)]
        recipe |= {"chosen on": photos.source, "chosen on, digest": photos.fingerprint}
    found = made(changes)
    return Correction(model, found.changes, {
        **recipe, "layer": layer, "refit": refit, "foundation": foundation.identity.name if foundation else None,
        "images": images.source, "images_digest": images.fingerprint, **found.recipe,
    })  # fmt: skip


def _refitted(correction: Correction, images: ImageSet, progress: Progress) -> Correction:
    """The correction with the last layer fitted on what it lets through; its recipe has the classes without images."""
    model = correction.model
    path = head_path(model, model.example_input())
    with correction as changed:
        seen = see(changed, images, head=path, progress=progress)
    outputs = seen.logits.shape[1]
    labels = labels_by_name(images, model, seen.ids, outputs)
    known = labels >= 0
    head, without = fit_head(path, features_of(seen, known), labels[known]), closed(labels[known], outputs)
    never = [model.class_names[n] if n < len(model.class_names) else str(n) for n in without]
    return Correction(model, Changes(correction.changes.layers, head), {NEVER: never} if never else {})


def _chosen(
    base: Correction, made: Callable[[Changes], Correction], images: ImageSet,
    marks: Mapping[str, Mapping[str, bool]], progress: Progress,
) -> tuple[int, ...]:  # fmt: skip
    """Which of the units that a correction sets are to be set, by the worst group of some images."""
    model = base.model

    def score(now: VisionModel) -> float:
        seen = see(now, images)
        labels = labels_by_name(images, model, seen.ids, seen.logits.shape[1])
        shown = {name: marked(images, seen.ids, one) for name, one in marks.items()}
        return worst_group(seen.logits, labels, groups_of(labels, shown, model.class_names))

    groups = redundant(activations(base, images, progress=progress))
    return choose_units(lambda keep: made(part_of(base.changes, keep)), groups, score)


def _spurious(spec: Spec) -> list[str]:
    return list(dict.fromkeys(entry.concept for entry in entries(spec) if entry.side == "spurious"))


def _of_spec(
    model: VisionModel, spec: Spec, images: ImageSet, layer: str, foundation: FoundationModel | None, progress: Progress
) -> Dictionary:
    if not layer or foundation is None:
        raise SemlensError("a spec's concepts become directions of a layer: give the layer (--layer) and --foundation")
    how: dict[str, Any] = {"positive": phrases_of(spec), "foundation": foundation, "progress": progress}
    return learn_concepts(model, images, layer, **how).dictionary
