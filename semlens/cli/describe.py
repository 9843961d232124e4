"""The commands that describe what an index holds: `score`, `compare`, `atlas`, `graph`, `split`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import (
    NewFile,
    NewFolder,
    Progress,
    app,
    as_json,
    by,
    device,
    image_choices,
    images_of,
    index_folder,
    layer,
    layer_names,
    print_json,
    save,
    save_result,
    say,
    seed,
    show,
    vocabulary,
)
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.analysis import Rows

figure = click.option(
    "--figure", type=NewFile(".png", ".svg", ".pdf"), help="Also draw it into this file (.png, .svg, .pdf)."
)

untrained = click.option(
    "--untrained", type=click.Path(path_type=Path), help="An index of the network untrained, to compare with."
)


@app.command()
@index_folder
@layer
@untrained
@figure
@save
@seed
@as_json
def score(
    index: Path, layer: tuple[str, ...], untrained: Path | None, figure: Path | None, save: bool, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Measure how clear, redundant and polysemantic components are, beside what random examples give."""
    twin = sl.load_index(untrained) if untrained else None
    scores = sl.score(sl.load_index(index), layers=layer, seed=seed, untrained=twin)
    save_result(scores, index, save)
    if as_json:
        print_json(scores.rows.records())
        print_json([{"summary": scores.summary.records()}])
    else:
        print(repr(scores.summary))
    _draw(scores, figure)


@app.command()
@click.argument("indexes", nargs=-1, required=True, type=click.Path(path_type=Path))
@by
@click.option("--layer", multiple=True, help="For each index in turn its layers, by commas; a dot stands for all.")
@click.option("--draws", default=200, show_default=True, help="Random sets that the similarities are held against.")
@untrained
@vocabulary("Also say which labels are gone and which are new")
@figure
@click.option("--manifold", is_flag=True, help="Compare layers, not components: which pieces of images are together.")
@click.option("--images", help="For manifolds: the images; by default those of the first index.")
@click.option("--count", default=100, show_default=True, type=click.IntRange(2), help="For manifolds: images.")
@click.option(
    "--grid", default=4, show_default=True, type=click.IntRange(1), help="For manifolds: pieces along an edge."
)
@click.option("--reduction", default="pca", show_default=True, help="For manifolds: pca or umap, to 50 dimensions.")
@click.option(
    "--least", default=15, show_default=True, type=click.IntRange(3), help="For manifolds: a cluster's pieces."
)
@seed
@device
@as_json
def compare(
    indexes: tuple[Path, ...], by: str, layer: tuple[str, ...], draws: int, untrained: Path | None,
    vocabulary: str | None, figure: Path | None, seed: int, device: str | None, as_json: bool, manifold: bool,
    images: str | None, **pieces: Any,
) -> None:  # fmt: skip
    """Say how much of what each index knows is in the others, which components are shared or unique, and what changed.

    One index given twice with different --layer compares its layers.
    """
    from semlens.analysis import ask_vocabulary

    layers = [() if names.strip() == "." else tuple(layer_names([names])) for names in layer]
    loaded = [sl.load_index(folder) for folder in indexes]
    if manifold:
        return _compare_manifolds(loaded, layers, images, device, as_json, seed=seed, **pieces)
    with Progress() as progress:
        space = loaded[0].recipe.foundation
        words = ask_vocabulary(space, vocabulary, device=device, progress=progress) if vocabulary else None
        twin = sl.load_index(untrained) if untrained else None
        comparison = sl.compare(
            loaded, by=by, draws=draws, seed=seed, layers=layers, untrained=twin, vocabulary=words
        )  # fmt: skip
    tables: list[Rows[Any]] = [comparison.pairs, *([comparison.changes] if words else []), comparison.matches]
    if as_json:
        for rows in tables:
            print_json(rows.records())
    else:
        print("\n\n".join(rows.table() for rows in [*tables[:-1], comparison.matches[:12]]))
    for remark in (remark for rows in tables for remark in rows.remarks):
        say(remark)
    _draw(comparison, figure)


def _compare_manifolds(
    indexes: "list[sl.ConceptIndex]", layers: list[tuple[str, ...]], images: str | None, device: str | None,
    as_json: bool, **pieces: Any,
) -> None:  # fmt: skip
    """Holds layers of the indexes' models against each other."""
    if layers and len(layers) != len(indexes):
        raise SemlensError(f"layers are given for {len(layers)} of {len(indexes)} indexes: a dot stands for all of one")
    models = {index.recipe.model.name: sl.load_model(index.recipe.model.name, device) for index in indexes}
    sides = [
        (models[index.recipe.model.name], layer)
        for index, names in zip(indexes, layers or [()] * len(indexes), strict=True)
        for layer in names or [axis.layer for axis in index.layers]
    ]
    photos = images_of(indexes[0], images)
    with Progress() as progress:
        found = sl.compare_manifolds(list(dict.fromkeys(sides)), photos, progress=progress, **pieces)
    show(found.pairs, as_json)
    show(found.matches, as_json)


@app.command()
@click.argument("indexes", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--clusters", type=int, help="How many; by default it grows with the number of components.")
@vocabulary("Phrases for the clusters")
@click.option("--drawing", default="umap", show_default=True, help="Or principal: on two axes, without the extra.")
@click.option(
    "--by", default="examples", show_default=True, help="What near means: examples, encoding; auto is encoding if any."
)
@figure
@save
@seed
@device
@as_json
def atlas(
    indexes: tuple[Path, ...], clusters: int | None, vocabulary: str | None, drawing: str, by: str,
    figure: Path | None, save: bool, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Draw all components of one or several indexes on a map, with clusters and what they are about."""
    from semlens.analysis import ask_vocabulary

    if save and len(indexes) > 1:
        raise SemlensError("an atlas of several indexes cannot be kept in one of them: give --save with one index")
    loaded = [sl.load_index(folder) for folder in indexes]
    with Progress() as progress:
        space = loaded[0].recipe.foundation
        words = ask_vocabulary(space, vocabulary, device=device, progress=progress) if vocabulary else None
        result = sl.atlas(
            loaded, by=by, vocabulary=words, clusters=clusters, drawing=drawing, seed=seed, progress=progress
        )  # fmt: skip
    save_result(result, indexes[0], save)
    show(result.rows, as_json)
    _draw(result, figure)


@app.command()
@index_folder
@click.option("--class", "output", required=True, help="The output, by name or number.")
@vocabulary("Phrases to group components by")
@by
@click.option("--layer", multiple=True, help="Layers of the graph; the hidden ones if none is given.")
@click.option("--edges/--no-edges", default=True, help="Edges ask for the model and images, see --model, --images.")
@click.option("--model", help="The studied model, if it is not where the index says.")
@click.option("--images", help="The images, if they are not where the index says.")
@image_choices
@click.option(
    "--count",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Images of the class that edges average, at most.",
)
@click.option("--svg", type=NewFile(".svg"), help="Also draw the graph into this file.")
@seed
@device
@as_json
def graph(
    index: Path, output: str, vocabulary: str | None, by: str, layer: tuple[str, ...], edges: bool, model: str | None,
    images: str | None, choices: dict[str, Any], count: int, svg: Path | None, seed: int, device: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Show through which concepts, layer by layer, a class comes about, and what passes between them."""
    from semlens.analysis import labels_by

    loaded = sl.load_index(index)
    with Progress() as progress:
        labels = (
            labels_by(loaded, vocabulary, device=device, progress=progress, by=by, seed=seed) if vocabulary else None
        )
        weights = []
        if edges:
            from semlens.revisit import flows

            studied = sl.load_model(model or loaded.recipe.model.name, device)
            photos = images_of(loaded, images, **choices)
            weights += flows(
                loaded, output, studied, photos, labels=labels, layers=layer, count=count, progress=progress
            )
        result = sl.graph(loaded, output, labels=labels, edges=weights, layers=layer)
    if labels and labels.remark:
        say(labels.remark)
    if svg:
        svg.write_text(sl.graph_svg(result, loaded), encoding="utf-8")
    if as_json:
        return print_json([result.node_link()])
    print(repr(result))
    if svg:
        say(f"drawn: {svg}")


@app.command()
@index_folder
@click.option("--layer", required=True, help="The layer whose components are looked at.")
@click.option("--below", help="The layer from which it flows; by default the one before it in the index.")
@click.option("--model", help="The studied model, if it is not where the index says.")
@click.option("--images", help="The images, if they are not where the index says.")
@image_choices
@click.option("--method", default="auto", show_default=True, help="Of attribution; see `attribute`. Or gradient.")
@click.option("--alpha", default=0.05, show_default=True, help="Pure components, at most, that are split by mistake.")
@click.option("--out", type=NewFolder(), help="Also write an index of the halves here, to search, label and score.")
@seed
@device
@as_json
def split(
    index: Path, layer: str, below: str | None, model: str | None, images: str | None, choices: dict[str, Any],
    method: str, alpha: float, out: Path | None, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Find components that are two by what flows into them (PURE), and make two of each."""
    loaded = sl.load_index(index)
    studied = sl.load_model(model or loaded.recipe.model.name, device)
    photos = images_of(loaded, images, **choices)
    with Progress() as progress:
        found = sl.split(
            loaded, studied, photos, layer.strip(), below=below, method=method, alpha=alpha, seed=seed,
            progress=progress,
        )  # fmt: skip
    if out:
        found.units().save(out)
    show(found.rows, as_json)
    if out:
        say(f"index of the halves: {out}")


def _draw(result: object, figure: Path | None) -> None:
    if figure:
        sl.plot(result).savefig(figure, dpi=120)
        say(f"drawn: {figure}")
