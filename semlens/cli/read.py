"""The commands that read an index: `info`, `search`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from semlens.cli.common import (
    NewFile,
    app,
    as_json,
    by,
    device,
    index_folder,
    layer,
    pixel_choices,
    print_json,
    say,
    table,
    template,
)

if TYPE_CHECKING:
    from semlens.analysis import Hit, Rows
    from semlens.index import ConceptIndex


@app.command()
@index_folder
@click.option("--verify", is_flag=True, help="Check every part against its checksum now, not only what is shown.")
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
        row = {"index": str(index), **counts, "layers": layers, "relevance": _relevance_row(loaded)}
        return print_json([row | _added_row(loaded) | {"recipe": asdict(recipe)}])
    images, space = recipe.images, recipe.foundation
    table(
        ("", str(index)),
        [
            ("model", recipe.model.name),
            ("images", f"{images.source} ({images.count:,}, {images.unreadable:,} unreadable)"),
            ("foundation model", f"{space.name} ({space.dimension} dimensions, licence {space.licence})"),
            ("examples", f"{recipe.k} per component, pool {recipe.pool}, crop {recipe.crop.kind}, {recipe.precision}"),
            ("relevance", _relevance(loaded)),
            ("relevance vectors", _vectors(loaded)),
            ("encodings", _encodings(loaded)),
            *_added(loaded),
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


def _relevance_row(index: "ConceptIndex") -> dict[str, Any] | None:
    relevance = index.relevance
    if relevance is None:
        return None
    images = dict(zip((str(number) for number in relevance.classes), relevance.counts.tolist(), strict=True))
    return {
        "method": relevance.method,
        "parameters": relevance.parameters,
        "of": relevance.of,
        "top": relevance.top,
        "images": images,
    }


def _relevance(index: "ConceptIndex") -> str:
    relevance = index.relevance
    if relevance is None:
        return "none; `build --classes` adds it"
    named = [f"{name or number} ({count:,})" for name, number, count in zip(
        relevance.class_names, relevance.classes, relevance.counts, strict=True
    )]  # fmt: skip
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"{relevance.method}, images by {relevance.of}: {', '.join(named[:5])}{more}"


def _added_row(index: "ConceptIndex") -> dict[str, Any]:
    """What was added besides: each with what determined it and what came of it, None where there is none."""
    labels, scores, atlas = index.labels, index.scores, index.atlas
    return {
        "histogram": index.histogram is not None,
        "labels": labels and asdict(labels.recipe) | {"given": labels.given, "double": len(labels.meanings.rows)},
        "scores": scores and asdict(scores.recipe),
        "atlas": atlas and asdict(atlas.recipe) | {"found": list(atlas.labels)},
        "encodings": _encodings_row(index),
        "relevance_vectors": _vectors_row(index),
    }


def _vectors_row(index: "ConceptIndex") -> dict[str, Any] | None:
    made = index.relevance_vectors
    return None if made is None else {"method": made.method, "of": made.of, "most": made.most, "rows": len(made.ids)}


def _vectors(index: "ConceptIndex") -> str:
    made = index.relevance_vectors
    return (
        "none; `build --vectors` keeps them" if made is None else f"{len(made.ids):,}, of up to {made.most:,} a class"
    )


def _encodings_row(index: "ConceptIndex") -> dict[str, Any] | None:
    made = index.encodings
    if made is None:
        return None
    named = asdict(made.recipe) | {"images": made.images, "kept": len(made.ids), "outputs": len(made.outputs)}
    return named | {"groups": len(set(made.groups.tolist())) if made.recipe.groups else None}


def _encodings(index: "ConceptIndex") -> str:
    row = _encodings_row(index)
    if row is None or index.encodings is None:
        return "none; `encode` adds them"
    r2 = index.encodings.r2[np.isfinite(index.encodings.r2)]
    explained = f", R2 {np.median(r2):.2f} at the median" if len(r2) else ""
    together = f" in {row['groups']:,} groups by {index.encodings.recipe.groups}" if row["groups"] is not None else ""
    return f"over {row['images']:,} images, {row['kept']:,} kept{together}, {row['outputs']:,} outputs{explained}"


def _added(index: "ConceptIndex") -> list[tuple[str, str]]:
    labels, scores, atlas = index.labels, index.scores, index.atlas
    told = {"histogram": "of every component" if index.histogram else "none; a new build has it"}
    commands = {"labels": "label", "scores": "score", "atlas": "atlas"}
    told |= {name: f"none; see `{command} --save`" for name, command in commands.items()}
    if labels:
        how = f"{labels.recipe.method}, false-discovery rate {labels.recipe.fdr:g}"
        told["labels"] = f"{labels.given:,} components, by {labels.recipe.vocabulary.phrases:,} phrases; {how}"
    if scores:
        told["scores"] = f"of {len(scores.recipe.layers)} layers, {scores.recipe.draws:,} random components each"
    if atlas:
        named = sum(bool(label) for label in atlas.labels)
        told["atlas"] = (
            f"{len(atlas.labels)} clusters, {named} with a label; drawing {atlas.recipe.drawing}, by {atlas.recipe.by}"
        )
    return list(told.items())


@app.command()
@index_folder
@click.argument("text", nargs=-1)
@click.option("--image", multiple=True, type=click.Path(path_type=Path), help="An image; several make one query.")
@pixel_choices
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Components per query.")
@layer
@template
@click.option("--null", default="cosine", show_default=True, help="How the empty prompt counts: cosine, vector, none.")
@by
@click.option("--against", help="What else may explain components: a file of phrases, `imagenet` or `wordnet`.")
@click.option("--sheet", type=NewFile(".png", ".jpg", ".webp"), help="Also draw the hits with their examples here.")
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
    by: str,
    against: str | None,
    sheet: Path | None,
    device: str | None,
    as_json: bool,
    choices: dict[str, Any],
) -> None:
    """Find the components that encode a text or an image."""
    from semlens.analysis import ask, ask_vocabulary, choices_of
    from semlens.analysis import search as find
    from semlens.index import load_index

    loaded = load_index(index, quick=True)
    choices = choices_of(loaded) | choices if image else {}
    probes = ask(loaded.recipe.foundation, text, image, template, null, device, choices=choices)
    others = ask_vocabulary(loaded.recipe.foundation, against, template, device) if against else None
    hits = find(loaded, probes, top=top, layers=layer, by=by, against=others)
    if sheet:
        from semlens.views.contact_sheet import contact_sheet

        contact_sheet(loaded, hits).save(sheet)
    for remark in hits.remarks:
        say(remark)
    if as_json:
        return print_json(_hit_records(loaded, hits))
    for probe in dict.fromkeys(hit.probe for hit in hits):
        _hit_table(loaded, [hit for hit in hits if hit.probe == probe])
    if sheet:
        say(f"drawn: {sheet}")


def _hit_records(index: "ConceptIndex", hits: "Rows[Hit]") -> Iterator[dict[str, Any]]:
    """The hits' records, with what the model calls the components and the images that are their examples."""
    for hit, record in zip(hits, hits.records(), strict=True):
        row = index.row(hit.component)
        name = {"name": index.unit_names[row]}  # stands after the component
        examples = {"examples": index.example_names(row)}
        yield {key: record.pop(key) for key in ("probe", "component")} | name | record | examples


def _hit_table(index: "ConceptIndex", hits: Sequence["Hit"]) -> None:
    """Prints the hits of one probe, with the names of their first examples."""
    figures: tuple[str, ...] = ("alignment", "similarity")
    if hits[0].by == "encoding":
        figures = ("z", "effect", "r2") if hits[0].joint != hits[0].joint else ("joint", "z", "r2")
    lines = []
    for hit in hits:
        row = index.row(hit.component)
        examples = ", ".join(Path(name).stem for name in index.example_names(row)[:3])
        shown = (f"{getattr(hit, figure):.{1 if figure == 'z' else 3}f}" for figure in figures)
        lines.append((str(hit.component), index.unit_names[row] or "", *shown, examples))
    caption = _by_permuting(hits) if hits[0].by == "encoding" else _by_chance(hits)
    table((hits[0].probe, "name", *figures, "examples"), lines, caption=caption)


def _by_permuting(hits: Sequence["Hit"]) -> str:
    """What the number that hits by encoding are ranked by reaches by chance."""
    ranked = "z" if hits[0].joint != hits[0].joint else "joint"
    above, reached = sum(getattr(hit, ranked) > hit.permuted for hit in hits), hits[0].permuted
    told = f"by encoding, ranked by {ranked}: 95 % of components with permuted activations stay below {reached:.3g}"
    return told if above == len(hits) else f"{told}; {len(hits) - above} of these {len(hits)} do too"


def _by_chance(hits: Sequence["Hit"]) -> str:
    """How the number that hits are ranked by stands to chance."""
    if hits[0].chance != hits[0].chance:  # NaN
        return "what chance reaches is not known: the index has no random components"
    above, reached = sum(hit.alignment > hit.chance for hit in hits), f"{hits[0].chance:.3f}"
    if not above:
        return f"nothing above chance: 95 % of components made of random examples stay below an alignment of {reached}"
    rest = f"; {len(hits) - above} of these {len(hits)} do too" if above < len(hits) else ""
    return f"alignment: 95 % of components made of random examples stay below {reached}{rest}"
