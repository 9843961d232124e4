"""The commands that make an index: `layers`, `build`."""

from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from semlens.cli.common import app, as_json, device, print_json
from semlens.cli.show import Progress, say, table
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.index import ConceptIndex


@app.command()
@click.argument("model")
@as_json
def layers(model: str, as_json: bool) -> None:
    """List the layers of MODEL that can be analysed.

    MODEL is timm:NAME, torchvision:NAME, hf:REPO, file:PATH.py:FACTORY, offline:efficientnet_lite0 or
    testbed:shortcut.
    """
    from semlens.model import load_model

    rows = load_model(model).layers()
    if as_json:
        return print_json(asdict(row) for row in rows)
    listed = [
        (f"{row.layer}{f'@{kind}' if kind != row.kind else ''}", kind, f"{row.components:,}")
        for row in rows
        for kind in (row.kind, *row.also)
    ]
    table(("layer", "kind", "components"), listed)


@app.command()
@click.option("--model", required=True, help="The studied model, written as for `layers`.")
@click.option("--images", required=True, help="A folder, a CSV or Parquet table, or hf:NAME.")
@click.option("--layer", multiple=True, required=True, help="A layer, as `layers` lists them; several with commas.")
@click.option("--foundation", required=True, help="open_clip:ARCH/TAG, transformers:REPO, offline:conse, testbed:clip.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the index.")
@click.option("--k", default=30, show_default=True, help="Concept examples per component.")
@click.option("--pool", default="mean", show_default=True, help="mean favours what fills the image, max what is small.")
@click.option(
    "--crop",
    default="none",
    show_default=True,
    help="What of an image is embedded: none, all of it; activation or relevance, what excites the component; "
    "relevance-paper, tokens-paper.",
)
@click.option(
    "--classes", multiple=True, help="Also relevance for these outputs, by name or number; several by commas."
)
@click.option("--class-images", "of", default="auto", show_default=True, help="Whose images: label, predicted, all.")
@click.option("--method", default="auto", show_default=True, help="Rules for relevance; see `attribute --check`.")
@click.option("--batch-size", default=32, show_default=True)
@click.option("--workers", type=int, help="Processes that decode images.")
@click.option("--precision", default="float32", show_default=True, help="bfloat16 is faster and changes some examples.")
@click.option("--shard", metavar="I/N", help="Only collect part I of N, from 0; `--resume` joins the parts.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@device
@as_json
def build(
    model: str,
    images: str,
    layer: tuple[str, ...],
    foundation: str,
    out: Path,
    crop: str,
    classes: tuple[str, ...],
    of: str,
    method: str,
    shard: str | None,
    resume: bool,
    device: str | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Turn a model and images into a concept index."""
    from semlens.foundation import load_foundation
    from semlens.images import load_images
    from semlens.model import load_model
    from semlens.pipeline import build as make
    from semlens.pipeline import build_shard

    begun = perf_counter()
    part = _shard(shard) if shard else None
    tower = load_foundation(foundation, device)
    studied, photos = load_model(model, device), load_images(images)
    names = [name for given in layer for name in given.split(",")]
    with Progress() as progress:
        if part:
            path = build_shard(
                studied, photos, names, out, part, classes=_classes(classes, studied.class_names), of=of, method=method,
                progress=progress, **how,
            )  # fmt: skip
            return print_json([{"shard": str(path)}]) if as_json else say(f"wrote {path}")
        index = make(
            studied, photos, names, tower, out, crop=crop, classes=_classes(classes, studied.class_names), of=of,
            method=method, resume=resume, progress=progress, **how,
        )  # fmt: skip
    row = {
        "index": str(out),
        "layers": len(index.layers),
        "components": len(index.means),
        "images": index.recipe.images.count - index.recipe.images.unreadable,
        "seconds": round(perf_counter() - begun, 2),
    }
    if as_json:
        return print_json([row])
    _report(index)
    size = f"{row['components']:,} components of {row['layers']} layers over {row['images']:,} images"
    say(f"{size} in {row['seconds']} s: {out}")


def _classes(given: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """The classes asked for; a name with a comma in it stays one."""
    return [one.strip() for text in given for one in ([text] if text in names else text.split(","))]


def _shard(text: str) -> tuple[int, int]:
    part, slash, of = text.partition("/")
    if not (slash and part.isdecimal() and of.isdecimal()):
        raise SemlensError(f"shard {text!r}: write I/N, for example 17/400; parts count from 0")
    return int(part), int(of)


def _report(index: "ConceptIndex") -> None:
    """Says what a person should know about an index just built."""
    unreadable = [
        (name, reason) for name, reason in zip(index.images.names, index.images.errors, strict=True) if reason
    ]
    for name, reason in unreadable[:10]:
        say(f"skipped {name}: {reason}")
    if len(unreadable) > 10:
        say(f"skipped {len(unreadable) - 10} more; the index lists them")
    dead, incomplete = int(index.dead.sum()), int((~index.dead & ~index.valid.all(axis=1)).sum())
    if dead or incomplete:
        say(f"{dead:,} components never fire; {incomplete:,} fire on fewer than {index.recipe.k} images")
    if (index.nan > 0).any():
        say(f"{int((index.nan > 0).sum()):,} components gave NaN on some images, which were not ranked")
    if index.relevance:
        for name, number, count in zip(
            index.relevance.class_names, index.relevance.classes, index.relevance.counts, strict=True
        ):
            if count < 10:
                say(f"class {name or number}: only {count} images counted, so its relevance is uncertain")
