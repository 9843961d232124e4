"""What a correction did, on images that served for nothing else: all measures of a certificate."""

from collections.abc import Mapping, Sequence
from typing import Any

from semlens.analysis import Rows
from semlens.analysis.audit import Spec, file_name
from semlens.correct.correction import Correction
from semlens.correct.effects import net_relevance, spec_effects
from semlens.correct.head import labels_by_name, labels_of, marked
from semlens.correct.measure import (
    Measured,
    accuracies,
    behaviour,
    groups_of,
    outcome,
    planted,
    shift,
)
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images, match_labels
from semlens.model import output_number
from semlens.progress import visible
from semlens.types import Component, FoundationModel, Progress

Pairs = Mapping[str, tuple[ImageSet | Any, ImageSet | Any]]
"""By concept, images that show it and the same images without it."""


def measure_correction(
    correction: Correction,
    images: ImageSet | Any,
    *,
    marks: Mapping[str, Mapping[str, bool]] | None = None,
    spec: Spec | None = None,
    output: int | str | None = None,
    foundation: FoundationModel | None = None,
    spurious_only: ImageSet | Any = None,
    pairs: Pairs | None = None,
    relevance: bool = False,
    kept: Sequence[Component] = (),
    seed: int = 0,
    progress: Progress = visible,
) -> Rows[Measured]:
    """What a correction did on images that served for nothing else: accuracy of all, of every group and of the worst
    one; of an output how it tells its class from the spurious features alone, what moves it in pairs of images, how
    much of its relevance passes what was taken out, and the effect of every concept of a spec on it.

    Args:
        marks: by concept which images, by file name, show it: groups are class by concept. Without, groups are classes.
        spec: whose concepts' effects are measured, with a foundation model that knows their phrases.
        output: by name or number; the spec's if none is given.
        spurious_only: images that hold the spurious features only, none of the output's class.
        pairs: matched by file name, or by place where names differ; where the images with the concept have labels, also
            accuracy on them.
        relevance: whether net relevance is measured too, which needs backward passes.
        kept: components that were to be left alone, whose net relevance is measured beside.

    Raises:
        SemlensError: no label names a class of the model, no output where one is needed, or pairs that do not match.
    """
    photos, model = load_images(images), correction.model
    found = outcome(correction, photos, progress=progress)
    outputs = found.before.shape[1]
    labels = labels_by_name(photos, model, found.ids, outputs)
    shown = {name: marked(photos, found.ids, one) for name, one in (marks or {}).items()}
    rows = accuracies(found, labels, groups_of(labels, shown, model.class_names), seed=seed)
    remarks: list[str] = []
    wanted = output if output is not None else spec.output if spec else None
    if wanted is None:
        if spurious_only is not None or pairs or relevance:
            raise SemlensError("say which output spurious images, pairs and relevance are about (output=, --output)")
        return Rows(rows, f"{model.name} before and after")
    number = output_number(wanted, model.class_names, outputs)
    if spurious_only is not None:
        own = found.part(labels == number)
        if not len(own.ids):
            raise SemlensError(f"{photos.source} holds no image of {wanted!r} to hold spurious features against")
        other = outcome(correction, load_images(spurious_only), progress=progress)
        rows.append(behaviour(own, other, number, seed=seed))
    for name, pair in (pairs or {}).items():
        rows += _pair(correction, name, pair, number, seed, progress)
    if relevance:
        ids = found.ids.tolist()
        some, said = _net_relevance(correction, photos, ids, number, kept=kept, seed=seed, progress=progress)
        rows, remarks = rows + some, remarks + said
    if spec is not None and foundation is not None:
        some, said = spec_effects(correction, spec, foundation, photos, found, number, seed, shown)
        rows, remarks = rows + some, remarks + said
    return Rows(rows, f"{model.name} before and after", remarks=remarks)


def _net_relevance(
    correction: Correction, photos: ImageSet, ids: Sequence[int], number: int, **how: Any
) -> tuple[list[Measured], list[str]]:
    """The rows, or none and why there are none."""
    try:
        return net_relevance(correction, photos, ids, number, **how), []
    except SemlensError as fault:
        return [], [f"net relevance is left out: {fault}"]


def _pair(
    correction: Correction, concept: str, pair: tuple[Any, Any], output: int, seed: int, progress: Progress
) -> list[Measured]:
    """The shift of an output by a concept, and accuracy with it."""
    with_it, without = (load_images(one) for one in pair)
    ids = _matched(concept, with_it, without)
    shows = outcome(correction, with_it, [a for a, _ in ids], progress=progress)
    lacks = outcome(correction, without, [b for _, b in ids], progress=progress)
    if len(shows.ids) != len(lacks.ids):
        raise SemlensError(f"pairs for {concept!r}: an image of a pair cannot be read: leave out both")
    rows = [shift(concept, shows, lacks, output, seed=seed)]
    model = correction.model
    labels = labels_of(match_labels(with_it.labels, model.class_names, shows.before.shape[1]).numbers, shows.ids)
    return [*rows, planted(concept, shows, labels, seed=seed)] if (labels >= 0).any() else rows


def _matched(concept: str, with_it: ImageSet, without: ImageSet) -> list[tuple[int, int]]:
    """The ids of each pair, by file name, or by place.

    Raises:
        SemlensError: there are not as many of both, or some names match only.
    """
    here, there = ([file_name(name) for name in one.names] for one in (with_it, without))
    if len(here) != len(there):
        raise SemlensError(f"pairs for {concept!r}: {len(here)} images show it, and {len(there)} do not")
    if set(here) == set(there) and len(set(here)) == len(here):
        place = {name: i for i, name in enumerate(there)}
        return [(i, place[name]) for i, name in enumerate(here)]
    if set(here) & set(there):
        odd = next(name for name in here if here.count(name) > 1 or name not in there)
        raise SemlensError(f"pairs for {concept!r}: {odd} has no partner of its name: name both images of a pair alike")
    return [(i, i) for i in range(len(here))]
