"""The commands that make an index: `layers`, `build`, `encode`."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import (
    NewFolder,
    Progress,
    app,
    as_json,
    device,
    either,
    image_choices,
    images_of,
    layer_names,
    print_json,
    say,
    table,
    written,
)
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.index import Encodings


@app.command()
@click.argument("model")
@as_json
def layers(model: str, as_json: bool) -> None:
    """List the layers of MODEL that can be analysed.

    MODEL is timm:NAME, torchvision:NAME, hf:REPO, file:PATH.py:FACTORY, offline:efficientnet_lite0, offline:minilm
    or testbed:shortcut.
    """
    listed = []
    for row in sl.load_model(model).layers():
        listed.append((row.layer, row.kind, row.components))
        listed += [(f"{row.layer}@{kind}", kind, row.components) for kind in row.also]
        listed += [(f"{row.layer}@heads", "heads", row.heads)] if row.heads else []
    columns = ("layer", "kind", "components")
    if as_json:
        return print_json(dict(zip(columns, row, strict=True)) for row in listed)
    table(columns, [(layer, kind, f"{components:,}") for layer, kind, components in listed])


_group_column = click.option(
    "--group-column", help="The column that says which images belong together: a patient's, a camera's."
)
_encode = click.option(
    "--encode", default="5000", show_default=True, metavar="N|all|none", help="Images that encodings are over."
)


@app.command()
@click.option("--model", required=True, help="The studied model, written as for `layers`.")
@click.option("--untrained", is_flag=True, help="Take its untrained twin: its weights drawn anew.")
@click.option("--images", help="A folder, a table (CSV, JSON, Parquet), or hf:NAME.")
@click.option("--texts", help="Instead of images: a folder of .txt files, a .txt, or a table; see docs/texts.md.")
@image_choices
@_group_column
@click.option("--layer", multiple=True, required=True, help="A layer, as `layers` lists them; several with commas.")
@click.option(
    "--foundation",
    required=True,
    help="open_clip:ARCH/TAG, transformers:REPO, offline:conse, testbed:clip; for texts offline:minilm.",
)
@click.option("--out", required=True, type=NewFolder(), help="Folder of the index.")
@click.option("--k", default=30, show_default=True, type=click.IntRange(1), help="Concept examples per component.")
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
@click.option(
    "--vectors",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Images of a class whose relevance vectors are kept, for `strategies`.",
)
@_encode
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images at a time.")
@click.option("--workers", type=click.IntRange(0), help="Processes that decode images.")
@click.option("--precision", default="float32", show_default=True, help="bfloat16 is faster and changes some examples.")
@click.option(
    "--executor",
    default="local",
    show_default=True,
    help="Who does it: local, processes, processes:N, ray or ray:ADDRESS. The bytes are the same.",
)
@click.option("--shard", metavar="I/N", help="Only collect part I of N, from 0; `--resume` joins the parts.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@click.option("--replace", is_flag=True, help="Let the index replace another one that lies at OUT.")
@device
@as_json
def build(
    model: str,
    untrained: bool,
    images: str | None,
    texts: str | None,
    group_column: str | None,
    layer: tuple[str, ...],
    foundation: str,
    out: Path,
    crop: str,
    executor: str,
    classes: tuple[str, ...],
    shard: str | None,
    resume: bool,
    replace: bool,
    device: str | None,
    as_json: bool,
    choices: dict[str, Any],
    **options: Any,
) -> None:
    """Turn a model and images, or texts, into a concept index."""
    from semlens.pipeline import build_shard, check_free, label_remarks

    start, _ = perf_counter(), written(images, texts)  # said before models are loaded
    number_of = _shard(shard) if shard else None
    if not number_of:
        check_free(out, resume)  # before models are loaded
    space = sl.load_foundation(foundation, device)
    studied, photos = sl.load_model(model, device), either(images, texts, group_column=group_column, **choices)
    studied = sl.untrained(studied) if untrained else studied
    for note in photos.notes:
        say(note)
    names = layer_names(layer)
    options |= {"classes": classes_of(classes, studied.class_names)}
    with Progress() as progress, _keeping(out):
        if number_of:
            path = build_shard(studied, photos, names, out, number_of, foundation=space, progress=progress, **options)
            return print_json([{"shard": str(path)}]) if as_json else say(f"wrote {path}")
        with _remarks() as told:  # said below, with those on labels
            index = sl.build(
                studied, photos, names, space, out, crop=crop, executor=executor, resume=resume, replace=replace,
                progress=progress, **options,
            )  # fmt: skip
    seconds = perf_counter() - start
    told += label_remarks(photos.labels, studied.class_names, index.relevance, options["of"])
    _show_built(out, index, told, seconds, as_json)


@app.command()
@click.argument("index", type=click.Path(path_type=Path))
@click.option("--model", required=True, help="The model that the index was made from.")
@click.option("--images", help="The images that it was made from.")
@click.option("--texts", help="Or the texts.")
@image_choices
@_group_column
@_encode
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images at a time.")
@click.option("--workers", type=click.IntRange(0), help="Processes that decode images.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@device
@as_json
def encode(
    index: Path,
    model: str,
    images: str | None,
    texts: str | None,
    group_column: str | None,
    device: str | None,
    as_json: bool,
    choices: dict[str, Any],
    **options: Any,
) -> None:
    """Add to INDEX what each component responds to over many images, not only its strongest."""
    from semlens.index import encoding_remarks

    start, source = perf_counter(), written(images, texts)
    there = sl.load_index(index)
    space = sl.load_foundation(there.recipe.foundation.name, device)
    studied, photos = sl.load_model(model, device), images_of(there, source, group_column=group_column, **choices)
    with Progress() as progress, _keeping(index):
        made = sl.encode(index, studied, photos, foundation=space, progress=progress, **options)
    _show_built(index, made, encoding_remarks(made), perf_counter() - start, as_json)


def _show_built(out: Path, index: "sl.ConceptIndex", told: Sequence[str], seconds: float, as_json: bool) -> None:
    """What was made, after all that should be known about it."""
    row = {
        "index": str(out),
        "layers": len(index.layers),
        "components": len(index.means),
        "images": index.recipe.images.count - index.recipe.images.unreadable,
        "encoded": index.encodings.images if index.encodings else 0,
        "groups": groups_of(index.encodings) if index.encodings else None,
        "seconds": round(seconds, 2),
    }
    for remark in told:
        say(remark)
    if as_json:
        return print_json([row | {"remarks": list(told)}])
    size = f"{row['components']:,} components of {row['layers']} layers over {row['images']:,} images{_encoded(index)}"
    say(f"{size} in {row['seconds']} s: {out}")


def _encoded(index: "sl.ConceptIndex") -> str:
    """Over how many images encodings are, and in how many groups those kept are, as the end of a sentence."""
    made = index.encodings
    if made is None:
        return ""
    groups = groups_of(made)
    together = f", those kept in {groups:,} groups by {made.recipe.groups}" if groups is not None else ""
    return f", encoded over {made.images:,}{together}"


def groups_of(encodings: "Encodings") -> int | None:
    """How many groups the images kept are in; None where each stands for itself."""
    return len(set(encodings.groups.tolist())) if encodings.recipe.groups else None


@contextmanager
def _remarks() -> Iterator[list[str]]:
    """Gathers what a build says of its index; other warnings are shown as ever, once each."""
    from semlens.index import IndexWarning

    told: list[str] = []
    shown: set[str] = set()
    show = warnings.showwarning

    def gather(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, IndexWarning):
            told.append(str(message))
        elif str(message) not in shown:
            shown.add(str(message))
            show(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", IndexWarning)
        warnings.showwarning = gather  # which `catch_warnings` puts back
        yield told


@contextmanager
def _keeping(out: Path) -> Iterator[None]:
    """Tells whoever interrupts a build what is kept of it."""
    from semlens.pipeline import partial_folder

    try:
        yield
    except KeyboardInterrupt as stop:
        kept = partial_folder(out)
        if kept.exists():
            stop.add_note(f"the work is kept in {kept}, and the same command with --resume goes on from there")
        raise


def classes_of(texts: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """The classes that `--classes` names; a name with a comma in it stays one."""
    return [name.strip() for text in texts for name in ([text] if text in names else text.split(","))]


def _shard(text: str) -> tuple[int, int]:
    """The number of a shard, from 0, and how many there are.

    Raises:
        SemlensError: the text is no such pair.
    """
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise SemlensError(f"shard {text!r}: write I/N, for example 17/400; parts count from 0")
    return int(number), int(count)
