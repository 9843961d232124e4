"""The command that explains outputs: `attribute`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.checks import read_target, show_checks
from semlens.cli.common import NewFile, app, as_json, device, pixel_choices, print_json, say, table
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from PIL.Image import Image


@app.command()
@click.argument("model")
@click.argument("image", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--target",
    help="An output by name or number (by default each image's highest), layer:unit, similarity:TEXT, box-score or "
    "box-score:LABEL, mask-logit:CLASS, map-mean, or PATH.py:FUNCTION of the model's output.",
)
@click.option("--foundation", help="Which embeds the TEXT; by default the model itself, if it is a tower of one.")
@click.option("--method", multiple=True, help="Rules by name, or gradient; with --check all that fit are tried.")
@click.option(
    "--out", default="heat.png", show_default=True, type=NewFile(".png", ".jpg", ".webp", ".pdf"), help="The picture."
)
@pixel_choices
@click.option("--check", is_flag=True, help="Try the model instead: does every rule cover it, is relevance conserved?")
@device
@as_json
@click.pass_context
def attribute(
    context: click.Context,
    model: str,
    image: tuple[Path, ...],
    target: str | None,
    foundation: str | None,
    method: tuple[str, ...],
    out: Path,
    check: bool,
    device: str | None,
    as_json: bool,
    choices: dict[str, Any],
) -> None:
    """Draw what in IMAGEs moved an output of MODEL, or check that attribution can be trusted on it.

    MODEL is written as for `layers`.
    """
    from semlens.images import load_image

    loaded = sl.load_model(model, device)
    photos = [load_image(file, **choices) for file in image]
    what = read_target(target, loaded, foundation)
    if check:
        context.exit(show_checks(loaded, photos, what, method, as_json))
    if not image:
        raise SemlensError("give one or more images, or --check")
    if len(method) > 1:
        raise SemlensError("give one --method; several are for --check")
    rows = _draw(loaded, image, photos, what, target, method[0] if method else "auto", out)
    if as_json:
        return print_json(rows)
    shown = [(Path(r["image"]).name, r["target"], f"{r['value']:.3f}", f"{r['arrived'] or 0:.2%}") for r in rows]
    table(("image", "target", "value", "arrived"), shown)
    say(f"drawn: {out}")


def _draw(
    model: "sl.VisionModel",
    files: Sequence[Path],
    photos: "Sequence[Image]",
    what: Any,
    target: str | None,
    method: str,
    out: Path,
) -> list[dict[str, Any]]:
    """Draws all images into one picture; a row per image."""
    import torch

    from semlens.crop import check_geometry, geometries
    from semlens.revisit import input_box
    from semlens.views.heatmap import HeatExample, HeatRow

    check_geometry(model.preprocess)
    geometry = geometries(model.preprocess)
    x = torch.stack([model.preprocess(photo) for photo in photos]).to(model.device, model.dtype)
    attribution = sl.attribute(model, x, what, method=method)
    assert attribution.heat is not None
    heats, values = attribution.heat.float().cpu().numpy(), attribution.value.tolist()
    names = [target] * len(files) if target else _highest(model, x)
    rows, drawn = [], []
    for file, photo, heat, value, name in zip(files, photos, heats, values, names, strict=True):
        box = input_box(geometry, photo.size)
        drawn.append(HeatRow(file.name, (HeatExample(photo, heat, box=box, title=f"{value:.2f}"),), name))
        arrived = float(heat.sum()) / value if value else None
        rows.append({"image": str(file), "target": name, "value": round(value, 4), "arrived": arrived})
    sl.heat_sheet(drawn, examples=1).save(out)
    if attribution.report:
        say(str(attribution.report))
    return rows


def _highest(model: "sl.VisionModel", x: Any) -> list[str]:
    """Each image's highest output, by name where it has one."""
    import torch

    from semlens.attribution import logits_in
    from semlens.model import still

    with torch.no_grad(), still(model.net):
        numbers = logits_in(model.net(x), len(x)).argmax(1).tolist()
    return [model.class_names[n] if n < len(model.class_names) else str(n) for n in numbers]
