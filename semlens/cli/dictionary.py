"""The commands about dictionaries: `dictionary learn`, `info`, `pca`, `tcav`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import semlens as sl
from semlens.cli.checks import read_target
from semlens.cli.common import NewFile, Progress, app, as_json, device, image_choices, print_json, say, seed, show

_FACTS = ("fvu", "dead", "active", "vectors")


@app.group()
def dictionary() -> None:
    """Directions of a layer as components: make them, see what a file holds, ask what an output does with them."""


@dictionary.command()
@click.argument("model")
@click.argument("images")
@click.option("--layer", required=True, help="Whose vectors are explained, as `layers` lists them; LAYER@cls.")
@click.option("-n", "--units", required=True, type=click.IntRange(1), help="How many units.")
@click.option("-k", "--active", required=True, type=click.IntRange(1), help="How many are active at a position.")
@click.option("-o", "--out", required=True, type=NewFile(".safetensors"), help="The dictionary's file.")
@click.option(
    "--rule", default="batchtopk", show_default=True, help="batchtopk: k on average; topk: at every position."
)
@click.option(
    "--whiten", default=0.1, show_default=True, type=click.FloatRange(0),
    help="What is added to the variance along every axis before it is made 1, of their mean; 0: do not whiten.",
)  # fmt: skip
@click.option("--steps", default=5000, show_default=True, type=click.IntRange(1), help="Steps of the optimiser.")
@click.option("--batch", default=1024, show_default=True, type=click.IntRange(1), help="Vectors in a step.")
@click.option(
    "--buffer", default=256, show_default=True, type=click.IntRange(1), help="MB of activations held at once."
)
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images at a time.")
@click.option("--workers", type=click.IntRange(0), help="Processes that decode images.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@image_choices
@seed
@device
@as_json
def learn(
    model: str, images: str, layer: str, units: int, active: int, out: Path, buffer: int, device: str | None,
    as_json: bool, choices: dict[str, Any], whiten: float, **options: Any,
) -> None:  # fmt: skip
    """Learn a dictionary of a layer of MODEL on IMAGES: a sparse autoencoder whose units are components.

    Use it wherever a layer is named: LAYER@dictionary:FILE. One image in twenty is held out to measure it.
    """
    from semlens.dictionaries import learned

    studied, photos = sl.load_model(model, device), sl.load_images(images, **choices)
    with Progress() as progress:
        found = learned(
            studied, photos, layer, n=units, k=active, out=out, buffer=buffer * 2**20, whiten=whiten or None,
            progress=progress, **options,
        )  # fmt: skip
    row = _row(found.dictionary) | {name: getattr(found.held_out, name) for name in _FACTS}
    if as_json:
        return print_json([row])
    say(
        f"{out}: {units:,} units, {row['active']:.1f} active at a position; {row['fvu']:.1%} of the variance is not "
        f"explained and {row['dead']:.1%} of the units are dead on {row['vectors']:,} vectors that were held out"
    )
    say(f"a layer with it is written {found.dictionary.text}")


@dictionary.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--layer", default="", help="The layer that it is of, where the file does not say it.")
@click.option("--model", help="Measure it on this model, with --images.")
@click.option("--images", help="On which it is measured.")
@image_choices
@device
@as_json
def info(
    file: Path, layer: str, model: str | None, images: str | None, device: str | None, as_json: bool,
    choices: dict[str, Any],
) -> None:  # fmt: skip
    """Say what FILE holds; with --model and --images also how much of the layer it leaves unexplained there."""
    found = sl.load_dictionary(file, layer)
    row = _row(found)
    if (model is None) != (images is None):
        raise sl.SemlensError("a dictionary is measured on a model and images: give --model and --images, or neither")
    if model and images:
        with Progress() as progress:
            measured = sl.reconstruction(
                sl.load_model(model, device), sl.load_images(images, **choices), found, progress=progress
            )
        row |= asdict(measured)
    if as_json:
        return print_json([row])
    for name, value in row.items():
        print(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}")


@dictionary.command()
@click.argument("model")
@click.argument("images")
@click.option("--layer", required=True, help="Whose directions, best the last before the mean and the last layer.")
@click.option("--output", required=True, help="Whose class's images count, by name or number.")
@click.option("-n", "--units", default=10, show_default=True, type=click.IntRange(1), help="How many directions.")
@click.option("--count", default=1000, show_default=True, type=click.IntRange(2), help="Images looked at.")
@click.option("-o", "--out", required=True, type=NewFile(".safetensors"), help="The dictionary's file.")
@image_choices
@seed
@device
@as_json
def pca(
    model: str, images: str, layer: str, output: str, units: int, count: int, out: Path, seed: int,
    device: str | None, as_json: bool, choices: dict[str, Any],
) -> None:  # fmt: skip
    """Make the directions of a layer whose part of an output varies most over its class (class-wise neural PCA)."""
    with Progress() as progress:
        found = sl.neural_pca(
            sl.load_model(model, device), sl.load_images(images, **choices), layer, output, n=units, count=count,
            seed=seed, progress=progress,
        )  # fmt: skip
    saved = sl.save_dictionary(found, out)
    if as_json:
        return print_json([_row(saved)])
    say(f"{out}: {saved.units} directions; a layer with it is written {saved.text}")


@dictionary.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("model")
@click.argument("images")
@click.option("--layer", default="", help="The layer that it is of, where the file does not say it.")
@click.option("--target", help="An output by name or number (by default each image's highest), similarity:TEXT.")
@click.option("--foundation", help="Which embeds the TEXT; by default the model itself, if it is a tower of one.")
@click.option("--count", default=200, show_default=True, type=click.IntRange(2), help="Images looked at.")
@click.option("--draws", default=1000, show_default=True, type=click.IntRange(1), help="Random directions.")
@image_choices
@seed
@device
@as_json
def tcav(
    file: Path, model: str, images: str, layer: str, target: str | None, foundation: str | None, count: int,
    draws: int, seed: int, device: str | None, as_json: bool, choices: dict[str, Any],
) -> None:  # fmt: skip
    """Say how an output of MODEL answers to the directions in FILE on IMAGES (TCAV), against random directions."""
    studied = sl.load_model(model, device)
    with Progress() as progress:
        found = sl.tcav(
            studied, sl.load_images(images, **choices), sl.load_dictionary(file, layer),
            read_target(target, studied, foundation), count=count, draws=draws, seed=seed, progress=progress,
        )  # fmt: skip
    show(found, as_json)


def _row(found: "sl.Dictionary") -> dict[str, Any]:
    """What a dictionary's file says."""
    return {
        "file": found.name,
        "layer": found.layer or None,
        "units": found.units,
        "width": found.width,
        "rule": found.sparsity_text,
        "named": len(found.names),
        "fvu": found.fvu,
        "digest": found.digest,
    }
