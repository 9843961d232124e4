"""The command that explains outputs: `attribute`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import NewFile, app, as_json, device, print_json
from semlens.cli.show import say, table
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.attribution import Check, Conservation


@app.command()
@click.argument("model")
@click.argument("image", nargs=-1, type=click.Path(path_type=Path))
@click.option("--target", help="An output by name or number, or layer:unit; by default each image's highest output.")
@click.option("--method", multiple=True, help="Rules by name, or gradient; with --check all that fit are tried.")
@click.option(
    "--out", default="heat.png", show_default=True, type=NewFile(".png", ".jpg", ".webp", ".pdf"), help="The picture."
)
@click.option("--check", is_flag=True, help="Try the model instead: does every rule cover it, is relevance conserved?")
@device
@as_json
@click.pass_context
def attribute(
    context: click.Context,
    model: str,
    image: tuple[Path, ...],
    target: str | None,
    method: tuple[str, ...],
    out: Path,
    check: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Draw what in IMAGEs moved an output of MODEL, or check that attribution can be trusted on it.

    MODEL is written as for `layers`.
    """
    loaded = sl.load_model(model, device)
    if check:
        context.exit(_check(loaded, image, method, as_json))
    if not image:
        raise SemlensError("give one or more images, or --check")
    if len(method) > 1:
        raise SemlensError("give one --method; several are for --check")
    rows = _draw(loaded, image, target, method[0] if method else "auto", out)
    if as_json:
        return print_json(rows)
    shown = [(Path(r["image"]).name, r["target"], f"{r['value']:.3f}", f"{r['arrived'] or 0:.2%}") for r in rows]
    table(("image", "target", "value", "arrived"), shown)
    say(f"drawn: {out}")


def _draw(
    model: "sl.VisionModel", files: Sequence[Path], target: str | None, method: str, out: Path
) -> list[dict[str, Any]]:
    """Draws all images into one picture; a row per image."""
    import torch

    from semlens.crop import check_geometry, geometries
    from semlens.images import load_image
    from semlens.revisit.example_heatmaps import input_box
    from semlens.views.heatmap import HeatExample, HeatRow

    check_geometry(model.preprocess)
    geometry = geometries(model.preprocess)
    photos = [load_image(file) for file in files]
    x = torch.stack([model.preprocess(photo) for photo in photos]).to(model.device, model.dtype)
    attribution = sl.attribute(model, x, target, method=method)
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

    from semlens.model import still, tensor_in

    with torch.no_grad(), still(model.net):
        numbers = tensor_in(model.net(x)).argmax(1).tolist()
    return [model.class_names[n] if n < len(model.class_names) else str(n) for n in numbers]


def _check(model: "sl.VisionModel", files: Sequence[Path], methods: Sequence[str], as_json: bool) -> int:
    """The exit code: 1 if a method that was asked for, or the default one, has a fault."""
    import torch

    from semlens.attribution import COMPOSITES, Composite, choose
    from semlens.images import load_image

    photos = [load_image(file) for file in files] or _noise()
    if not files:
        say("checked on noise; give images for figures that mean your data")
    x = torch.stack([model.preprocess(photo) for photo in photos]).to(model.device, model.dtype)
    default = choose("auto", model)
    assert isinstance(default, Composite)
    needed = list(methods) or [default.name]
    others = [] if methods else [name for name in COMPOSITES if name != default.name]
    results = sl.check(model, x, [*needed, *others])
    if as_json:
        print_json(
            {"model": model.name, **_row(result), "default": result.method == default.name} for result in results
        )
    else:
        _show(results, default.name)
    return int(any(result.fault for result in results[: len(needed)]))


def _show(results: Sequence["Check"], default: str) -> None:
    rows = []
    for result in results:
        row = _row(result)
        name = f"{result.method} *" if result.method == default else result.method
        shares = ["" if row[key] is None else f"{row[key]:.1%}" for key in ("arrived", "bias", "other")]
        size = "" if row["size"] is None else f"{row['size']:.1f}"
        rows.append([name, result.fault or "good", *shares, size, row["layer"] or ""])
    caption = (
        "* the default. arrived, in biases, other (stabilisers, constants, softmax): shares of the relevance that "
        "entered. size: sum of |relevance| by the explained value; far above 1, relevance of both signs cancels. most: "
        "the layer that absorbs most"
    )
    table(("method", "", "arrived", "in biases", "other", "size", "most"), rows, caption)


def _row(result: "Check") -> dict[str, Any]:
    worst = result.report.layers[0] if result.report and result.report.layers else None
    size = result.size if result.size == result.size else None
    shares = _shares(result.report)
    lost = [shares[key] for key in ("stabiliser", "elsewhere")]
    return {
        "method": result.method,
        "fault": result.fault,
        **shares,
        "other": None if None in lost else sum(share for share in lost if share),
        "size": size,
        "layer": f"{worst.layer} ({worst.total:.0%})" if worst and worst.total >= 0.005 else None,
    }


def _shares(report: "Conservation | None") -> dict[str, float | None]:
    """Where relevance went, as shares of what entered."""
    whole = report.entered if report else 0.0
    keys = ("arrived", "bias", "stabiliser", "elsewhere")
    return {key: round(getattr(report, key) / whole, 5) if whole else None for key in keys}


def _noise() -> list[Any]:
    """Four images of smooth noise, the same each time."""
    import numpy as np
    from PIL import Image

    grids = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    return [Image.fromarray(grid).resize((256, 256), Image.Resampling.BICUBIC) for grid in grids]
