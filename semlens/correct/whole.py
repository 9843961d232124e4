"""The whole way: from a spec and labelled images to a correction, and what it did on other images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from semlens.analysis import Rows
from semlens.analysis.audit import Spec, entries, file_name
from semlens.correct.concepts import embed_images, learn_concepts
from semlens.correct.correction import Correction
from semlens.correct.head import features_of, fit_head, labels_of
from semlens.correct.measure import Measured, accuracies, effects, groups_of, measured, outcome
from semlens.correct.seen import head_path, see
from semlens.correct.suppress import What, suppress
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images, match_labels
from semlens.model import Changes, Dictionary, VisionModel, as_model, output_number
from semlens.numerics import unit
from semlens.progress import visible
from semlens.types import Float32, FoundationModel, Int64, Progress


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
    progress: Progress = visible,
) -> Correction:
    """A correction as it works best where it was measured (docs/correct.md): directions of all concepts of a spec, made
    jointly on images that the shortcut is in; of these the spurious ones taken out; the last layer fitted anew.

    Args:
        what: a spec; or what `suppress` takes; None refits the last layer alone.
        train: images with labels, best those that the model was trained on; what they show need not be known.
        how: as in `suppress`.
        layer: in which the directions of a spec are; best the last one before the mean and the last layer.
        units: of a dictionary.
        foundation: which knows the spec's phrases.
        refit: whether the last layer is fitted anew on what the changes let through.

    Raises:
        SemlensError: a spec without layer or foundation model, images without labels of two classes, or what `suppress`
            refuses.
    """
    model, images = as_model(model), load_images(train)
    if isinstance(what, Spec):
        units, what = _spurious(what), _of_spec(model, what, images, layer, foundation, progress)
    base = Correction(model, Changes())
    if what is not None:
        base = suppress(model, what, how, units=units, images=images, progress=progress)
    recipe = {
        **base.recipe, "layer": layer, "refit": refit, "foundation": foundation.identity.name if foundation else None,
        "images": images.source, "images_digest": images.fingerprint,
    }  # fmt: skip
    correction = Correction(model, base.changes, recipe)
    if not refit:
        return correction
    path = head_path(model, model.example_input())
    with correction as changed:
        seen = see(changed, images, head=path, progress=progress)
    labels = labels_by_name(images, model, seen.ids, seen.logits.shape[1])
    known = labels >= 0
    return correction.with_head(fit_head(path, features_of(seen, known), labels[known]))


def labels_by_name(
    images: ImageSet, model: VisionModel, ids: Int64[np.ndarray, "n"], outputs: int
) -> Int64[np.ndarray, "n"]:
    """The class of each image, -1 where its labels name none or several.

    Raises:
        SemlensError: no label names a class.
    """
    matches = match_labels(images.labels, model.class_names, outputs)
    labels = labels_of(matches.numbers, ids)
    if not (labels >= 0).any():
        raise SemlensError(f"{images.source}: {matches}; the last layer and accuracies need labels that name classes")
    return labels


def phrases_of(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The phrases of each concept of a spec, valid ones first.

    Raises:
        SemlensError: a concept has images only.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries(spec):
        if entry.phrase:
            found[entry.concept] = (*found.get(entry.concept, ()), entry.phrase)
    lacking = [entry.concept for entry in entries(spec) if entry.concept not in found]
    if lacking:
        raise SemlensError(
            f"{lacking[0]!r} has images only: give it a phrase, or learn its direction (`semlens concept`)"
        )
    return found


def _spurious(spec: Spec) -> list[str]:
    return list(dict.fromkeys(entry.concept for entry in entries(spec) if entry.side == "spurious"))


def _of_spec(
    model: VisionModel, spec: Spec, images: ImageSet, layer: str, foundation: FoundationModel | None, progress: Progress
) -> Dictionary:
    if not layer or foundation is None:
        raise SemlensError("a spec's concepts become directions of a layer: give the layer (--layer) and --foundation")
    how: dict[str, Any] = {"positive": phrases_of(spec), "foundation": foundation, "progress": progress}
    return learn_concepts(model, images, layer, **how).dictionary


def measure_correction(
    correction: Correction,
    images: ImageSet | Any,
    *,
    marks: Mapping[str, Mapping[str, bool]] | None = None,
    spec: Spec | None = None,
    foundation: FoundationModel | None = None,
    seed: int = 0,
    progress: Progress = visible,
) -> Rows[Measured]:
    """What a correction did on images that served for nothing else: accuracy of all, of every group and of the worst
    one; with a spec and a foundation model also the effect of each of its concepts on the spec's output.

    Args:
        marks: by concept which images, by file name, show it: groups are class by concept. Without, groups are classes.

    Raises:
        SemlensError: no label names a class of the model.
    """
    photos, model = load_images(images), correction.model
    found = outcome(correction, photos, progress=progress)
    labels = labels_by_name(photos, model, found.ids, found.before.shape[1])
    shown = {name: _marked(photos, found.ids, one) for name, one in (marks or {}).items()}
    rows = accuracies(found, labels, groups_of(labels, shown, model.class_names), seed=seed)
    if spec is not None and foundation is not None:
        phrases = phrases_of(spec)
        directions = np.stack([unit(foundation.embed_texts(list(texts))).mean(axis=0) for texts in phrases.values()])
        embeddings: Float32[np.ndarray, "n d"] = embed_images(foundation, photos, found.ids)
        output = output_number(spec.output, model.class_names, found.before.shape[1])
        rows += effects(found, embeddings, directions, list(phrases), output, seed=seed)
    return measured(rows, model.name)


def _marked(images: ImageSet, ids: Int64[np.ndarray, "n"], marks: Mapping[str, bool]) -> Any:
    """Which images show a concept, by the last part of their names."""
    return np.array([marks.get(file_name(images.names[i]), False) for i in ids.tolist()])
