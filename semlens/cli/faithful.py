"""The commands about relevance of components: `faithful`, is it true; `unexpected`, is it wanted; `strategies`, which
ways it takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.checks import read_target
from semlens.cli.common import (
    NewFile,
    Progress,
    app,
    as_json,
    by,
    device,
    image_choices,
    images_of,
    index_folder,
    layer,
    print_json,
    say,
    seed,
    show,
)

if TYPE_CHECKING:
    from semlens.analysis import Placed, Rows, Strategies


@app.command()
@click.argument("model")
@click.argument("images")
@click.option("--layer", help="Whose components go: as `layers` lists them, or LAYER@dictionary:FILE.")
@click.option("--pixels", is_flag=True, help="Pixels go in place of components (MoRF; back from the end, LeRF).")
@click.option(
    "--target",
    help="What is explained: an output by name or number (by default each image's highest), similarity:TEXT, and what "
    "else `attribute` takes.",
)
@click.option("--foundation", help="Which embeds the TEXT; by default the model itself, if it is a tower of one.")
@click.option(
    "--by",
    multiple=True,
    help="How components are ranked, several times; the first is held against the others: gradient (attribution "
    "patching), integrated_gradients, logit_lens, activation_logit_lens, energy, random, ablation (each alone: the "
    "oracle), greedy_gradient (patching again as components go), or rules as for `attribute --method`. The first seven "
    "if none is given.",
)
@click.option("--baseline", help="Other images, one for each: components are set to what they are there, not to zero.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(1), help="Images looked at.")
@click.option("--steps", default=20, show_default=True, type=click.IntRange(2), help="Parts of a curve.")
@click.option("--upto", type=float, help="Share at which a curve ends: 0.25 of the components, or all pixels.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(1), help="Images at a time.")
@click.option("--plot", type=NewFile(".png", ".svg", ".pdf"), help="Also draw the curves into this file.")
@image_choices
@seed
@device
@as_json
def faithful(
    model: str, images: str, layer: str | None, pixels: bool, target: str | None, foundation: str | None,
    by: tuple[str, ...], baseline: str | None, upto: float | None, plot: Path | None, device: str | None, as_json: bool,
    choices: dict[str, Any], **options: Any,
) -> None:  # fmt: skip
    """Say whether relevance of a layer's components, or of --pixels, is faithful: what MODEL gives on IMAGES as they
    are taken away, the most relevant first, and as they are put back where all are gone.

    With --json a row per curve with its area, then one per point of a curve.
    """
    from semlens.revisit import BY, PIXELS, UPTO

    if (layer is None) != pixels or (pixels and baseline):
        raise sl.SemlensError("give the --layer whose components go or, without --baseline, --pixels")
    studied = sl.load_model(model, device)
    shown, what = sl.load_images(images, **choices), read_target(target, studied, foundation)
    with Progress() as progress:
        if layer is None:
            found = sl.faithful_pixels(
                studied, shown, what, by=by or PIXELS, upto=1.0 if upto is None else upto, progress=progress, **options
            )
        else:
            others = sl.load_images(baseline, **choices) if baseline else None
            found = sl.faithful(
                studied, shown, layer, what, by=by or BY, baseline=others, upto=UPTO if upto is None else upto,
                progress=progress, **options,
            )  # fmt: skip
    show(found.rows, as_json)
    if as_json:
        print_json(found.points.records())
    if plot:
        sl.plot(found).savefig(plot, dpi=120)
        say(f"drawn: {plot}")


@app.command()
@index_folder
@click.option("--expected", required=True, help="All that may matter: a file with a phrase per line, or `wordnet`.")
@click.option("--output", help="The output whose relevance in the index counts, by name or number.")
@click.option("--target", help="In its place anything that `attribute` explains: similarity:TEXT.")
@click.option("--foundation", help="Which embeds the TEXT; by default the model itself, if it is a tower of one.")
@click.option("--model", help="For a target: the studied model; by default the index's.")
@click.option("--images", help="For a target: on which relevance is averaged; by default the index's.")
@click.option("--method", default="gradient", show_default=True, help="For a target: as for `attribute`.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(1), help="For a target: images looked at.")
@click.option("--least", default=0.01, show_default=True, help="Part of its layer from which a component counts.")
@layer
@by
@seed
@image_choices
@device
@as_json
def unexpected(
    index: Path, expected: str, output: str | None, target: str | None, foundation: str | None, model: str | None,
    images: str | None, method: str, count: int, least: float, layer: tuple[str, ...], by: str, seed: int,
    device: str | None, as_json: bool, choices: dict[str, Any],
) -> None:  # fmt: skip
    """List the components that are relevant and unlike all that was expected, the most relevant first."""
    from semlens.analysis import ask_vocabulary

    loaded, relevance = sl.load_index(index), None
    if target is not None:
        studied = sl.load_model(model or loaded.recipe.model.name, device)
        with Progress() as progress:
            relevance = sl.mean_relevance(
                loaded, studied, images_of(loaded, images, **choices), read_target(target, studied, foundation),
                method=method, count=count, seed=seed, progress=progress,
            )  # fmt: skip
    words = ask_vocabulary(loaded.recipe.foundation, expected, device=device)
    chosen = int(output) if output and output.isdecimal() else output
    found = sl.unexpected(loaded, words, chosen, relevance=relevance, layers=layer, least=least, by=by, seed=seed)
    show(found, as_json)


@app.command()
@index_folder
@click.option("--class", "output", required=True, help="The class, by name or number.")
@click.option("--layer", default="", help="Of the index; by default its last hidden one.")
@click.option("--most", default=8, show_default=True, type=click.IntRange(1), help="Prototypes, at most.")
@click.option("--axes", default=8, show_default=True, type=click.IntRange(1), help="Principal axes, at most.")
@click.option("--diagonal", is_flag=True, help="Variances of each component alone, in place of principal axes.")
@click.option("--alpha", default=0.05, show_default=True, help="Images of the class called unusual by mistake.")
@click.option("--count", default=20, show_default=True, type=click.IntRange(0), help="Images listed; 0 for all.")
@click.option("--assign", help="Other images to hold against the prototypes: a folder, a table, or hf:NAME.")
@click.option("--model", help="For these: the studied model, if it is not where the index says.")
@click.option("--sheet", type=NewFile(".png", ".jpg"), help="Also draw the prototypes into this file.")
@click.option("--images", help="For the sheet: the index's images, if they are not where it says.")
@image_choices
@seed
@device
@as_json
def strategies(
    index: Path, output: str, count: int, assign: str | None, model: str | None, sheet: Path | None,
    images: str | None, choices: dict[str, Any], device: str | None, as_json: bool, **options: Any,
) -> None:  # fmt: skip
    """Find the different ways in which the model comes to a class, and the images that fit none of them.

    Shows a row per prototype, then the most unusual images, of which some may carry a wrong label; or with --assign a
    row per other image.
    """
    loaded = sl.load_index(index)
    found = sl.strategies(loaded, output, **options)
    if assign:
        show(_assigned(found, assign, model, device, choices), as_json)
    else:
        placed = found.images
        show(found.prototypes, as_json)
        show(placed[:count] if count else placed, as_json)
    if sheet:
        sl.strategy_sheet(found, images_of(loaded, images, **choices).load).save(sheet)
        say(f"drawn: {sheet}")


def _assigned(
    found: "Strategies", source: str, model: str | None, device: str | None, choices: dict[str, Any]
) -> "Rows[Placed]":
    """Other images beside the prototypes of a class."""
    index, kept = found.index, found.kept
    studied = sl.load_model(model or index.recipe.model.name, device)
    photos = sl.load_images(source, **choices)
    layers = [axis.layer for axis in index.layers]
    with Progress() as progress:
        relevance = sl.relevance(
            studied, photos, layers, [found.number], of="all", method=kept.method, k=1, vectors=len(photos),
            progress=progress,
        )  # fmt: skip
    return found.assign(relevance, photos.names)
