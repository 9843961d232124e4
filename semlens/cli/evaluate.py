"""The command that says whether answers are right: `evaluate`, of labels and of where relevance lies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import (
    Progress,
    app,
    as_json,
    by,
    device,
    image_choices,
    images_of,
    index_folder,
    seed,
    show,
    vocabulary,
)
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.analysis import Evaluation, Labels, Probes, Rows
    from semlens.images import ImageSet
    from semlens.interop.masks import MaskRow
    from semlens.types import FoundationId, FoundationModel


@app.command()
@index_folder
@vocabulary("What the labels are chosen from")
@by
@click.option("--images", help="Images to hold the labels against: other ones, or the index's, without its examples.")
@click.option("--masks", help="In place of labels: how much relevance lies inside the images' masks of this folder.")
@click.option("--concept", multiple=True, help="Of the masks at NAME/CONCEPT.png these alone.")
@click.option("--target", help="Whose relevance: an output by name or number; by default each image's highest.")
@click.option("--attribution", multiple=True, help="By which methods, several times; see `attribute --method`.")
@image_choices
@click.option("--generated", help="Images made for the labels, in folders named by them; in place of retrieved ones.")
@click.option("--simulator", help="A foundation model that did not choose the labels: it says how well they predict.")
@click.option("--model", help="The studied model, if it is not where the index says.")
@click.option("--count", type=click.IntRange(1), help="Images looked at, at most: 2000, or 200 for masks.")
@click.option("--fdr", default=0.05, show_default=True, help="Of the labels.")
@click.option("--method", default="standardised", show_default=True, help="Of the labels; see `label`.")
@seed
@device
@as_json
def evaluate(
    index: Path, vocabulary: str | None, by: str, images: str | None, choices: dict[str, Any], generated: str | None,
    simulator: str | None, model: str | None, count: int | None, fdr: float, method: str, seed: int, device: str | None,
    as_json: bool, masks: str | None, concept: tuple[str, ...], target: str | None, attribution: tuple[str, ...],
) -> None:  # fmt: skip
    """Measure how faithful labels are: to true names, over all images, to held-out images, and as predictions; or,
    with --masks, where relevance lies."""
    from semlens.analysis import ask_vocabulary, load, merge_evaluations
    from semlens.images import ImageSet

    loaded = sl.load_index(index)
    if masks:
        studied = sl.load_model(model or loaded.recipe.model.name, device)
        shown = images_of(loaded, images, **choices)
        if not isinstance(shown, ImageSet):
            raise SemlensError("masks lie on images, and these are texts")
        return show(_inside(studied, shown, masks, concept, target, attribution, count or 200, seed), as_json)
    if vocabulary is None:
        raise SemlensError("give the --vocabulary that the labels are chosen from, or --masks of the images")
    chooser, others = loaded.recipe.foundation, images_of(loaded, images, **choices) if images else None
    if not (any(loaded.unit_names) or others or loaded.encodings):
        raise SemlensError("no layer of the index has names of its own: give --images to hold the labels against")
    with Progress() as progress:
        judge = _simulator(simulator, chooser, device) if simulator else None
        words = ask_vocabulary(chooser, vocabulary, device=device, progress=progress)
        labels = sl.label(loaded, words, by=by, fdr=fdr, method=method, seed=seed, split=False, progress=progress)
        found = _of_index(labels, words, judge, others is not None, seed)
        if others is not None:
            from semlens.revisit import evaluate_held_out

            found.append(evaluate_held_out(
                labels, words, sl.load_model(model or loaded.recipe.model.name, device), others, load(chooser, device),
                simulator=judge, generated=sl.load_images(generated) if generated else None, count=count or 2000,
                seed=seed, progress=progress,
            ))  # fmt: skip
    show(merge_evaluations(found).rows, as_json)


def _of_index(
    labels: "Labels", words: "Probes", judge: "FoundationModel | None", images: bool, seed: int
) -> "list[Evaluation]":
    """What the index alone says of its labels."""
    from semlens.analysis import over_all_images

    index = labels.index
    found = [over_all_images(labels, words, seed=seed)] if index.encodings else []
    named = any(name and labels.of(row) for row, name in enumerate(index.unit_names))
    if named or not (images or index.encodings):  # without either, it says that no label has a true name
        found.append(_final_layer(labels, judge, seed))
    return found


def _inside(
    studied: "sl.VisionModel", images: "ImageSet", masks: str, concepts: tuple[str, ...], target: str | None,
    methods: tuple[str, ...], count: int, seed: int,
) -> "Rows[MaskRow]":  # fmt: skip
    """How much relevance lies inside the masks of a folder."""
    from semlens.cli.checks import read_target
    from semlens.interop.masks import METHODS, evaluate_masks

    what = read_target(target, studied)
    with Progress() as progress:
        return evaluate_masks(
            studied, images, masks, target=what, methods=methods or METHODS, concepts=concepts, count=count, seed=seed,
            progress=progress,
        )  # fmt: skip


def _simulator(name: str, chooser: "FoundationId", device: str | None) -> "FoundationModel":
    """The foundation model that says how well labels predict.

    Raises:
        SemlensError: it is the one that chose them.
    """
    from semlens.revisit import check_simulator

    simulator = sl.load_foundation(name, device)
    check_simulator(simulator, chooser)
    return simulator


def _final_layer(labels: "Labels", judge: "FoundationModel | None", seed: int) -> "Evaluation":
    """The labels of named outputs held against these names, and near them in the judge's text space."""
    index, words = labels.index, labels.vocabulary
    given = [labels.of(row) for row in range(len(index.means))]
    best = [[words[number] for number in row if number < len(words)] for row in labels.ranked.tolist()]
    spaces = {judge.identity.name: judge.embed_texts} if judge else {}
    return sl.final_layer(given, index.unit_names, vocabulary=words, spaces=spaces, ranked=best, seed=seed)
