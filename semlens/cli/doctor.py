"""The command that says whether everything works together: `doctor`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import semlens as sl
from semlens.cli.common import Progress, app, as_json, device, image_choices, print_json, table


@app.command()
@click.argument("model", required=False)
@click.option("--images", help="Images of the kind to be studied; without any the model is tried on noise.")
@click.option("--foundation", help="The foundation model: tried on plain colours, and with images on the texts.")
@click.option("--text", multiple=True, help="What it has to see; several times, or PHRASES.txt with one a line.")
@click.option("--marks", type=click.Path(path_type=Path), help="A table: images, and a column per text, 1 or 0.")
@image_choices
@device
@as_json
@click.pass_context
def doctor(
    context: click.Context, model: str | None, images: str | None, foundation: str | None, text: tuple[str, ...],
    marks: Path | None, device: str | None, as_json: bool, choices: dict[str, Any],
) -> None:  # fmt: skip
    """Say what is installed, whether MODEL can be studied, and whether a foundation model sees texts on images.

    Exits with 1 where something is at fault.
    """
    phrases = [phrase for given in text for phrase in _phrases(given)]
    with Progress() as progress:
        found = sl.doctor(
            sl.load_model(model, device) if model else None,
            sl.load_images(images, **choices) if images else None,
            sl.load_foundation(foundation, device) if foundation else None,
            phrases,
            marks=marks,
            progress=progress,
        )
    if as_json:
        print_json(found.records())
    else:
        table(("part", "what", "verdict", "said"), [(row.part, row.what, row.verdict, row.said) for row in found])
    context.exit(int(any(row.verdict == "fault" for row in found)))


def _phrases(given: str) -> Sequence[str]:
    """A text, or all lines of the file that it names."""
    return sl.load_vocabulary(given) if given.endswith(".txt") and Path(given).is_file() else [given]
