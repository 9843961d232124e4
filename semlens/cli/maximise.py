"""The command that makes pictures for components: `maximise`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import semlens as sl
from semlens.cli.common import NewFile, Progress, app, as_json, device, print_json, say, seed, table

if TYPE_CHECKING:
    from PIL.Image import Image

    from semlens.synthesis import Maximised


@app.command()
@click.argument("model")
@click.argument("component", nargs=-1, required=True)
@click.option("--images", default=3, show_default=True, type=click.IntRange(1), help="Pictures for each component.")
@click.option("--steps", default=256, show_default=True, type=click.IntRange(1), help="Of gradient ascent.")
@click.option(
    "--pool", default="mean", show_default=True, type=click.Choice(["mean", "max"]), help="What is maximised of a map."
)
@click.option("--on", help="Images to change, in place of noise; with --index no further than the strongest example.")
@click.option("--index", type=click.Path(path_type=Path), help="Its examples beside, and whether they mean the same.")
@click.option(
    "--out", default="maximised.png", show_default=True, type=NewFile(".png", ".jpg", ".webp"), help="The picture."
)
@seed
@device
@as_json
def maximise(
    model: str, component: tuple[str, ...], images: int, steps: int, pool: str, on: str | None, index: Path | None,
    out: Path, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make pictures that excite each COMPONENT ("layer:unit") of MODEL most (activation maximisation).

    MODEL is written as for `layers`. With --index every picture is searched for among the components of its layer: the
    nearer its own component comes to place 1, the more the picture means what the examples mean. With --on too, all
    pictures of a component are also searched together, less the images that they were.
    """
    from semlens.views.maximised_sheet import MadeRow, maximised_sheet

    loaded = sl.load_index(index) if index else None
    studied = sl.load_model(model, device)
    if loaded:
        loaded.recipe.model.check(studied.fingerprint())
        for each in component:
            loaded.row(sl.Component.parse(each))
    with Progress() as progress:
        made = sl.maximise(
            studied, component, images=images, on=_drawn(on, images, seed), until=_strongest(loaded, component, on),
            steps=steps, pool=pool, seed=seed, progress=progress,
        )  # fmt: skip
    ranks, together = _ranks(loaded, made, images, on is not None, device)
    records = [_record(each, *found) for each, *found in zip(made, ranks, together, strict=True)]
    rows = []
    for start in range(0, len(made), images):
        some = slice(start, start + images)
        placed = [f"found at {', '.join(map(str, ranks[some]))}"] if loaded else []
        placed += [f"together at {together[start]}"] if together[start] else []
        lines = [f"{made[start].before:.3g} -> {max(each.activation for each in made[some]):.3g}", *placed]
        rows.append(MadeRow(made[start].component, lines, [each.picture for each in made[some]]))
    maximised_sheet(rows, loaded).save(out)
    if as_json:
        return print_json(records)
    _show(records, loaded is not None)
    say(f"drawn: {out}")


def _drawn(source: str | None, count: int, seed: int) -> "list[Image]":
    """Images to begin with, as many as there are pictures of a component."""
    if source is None:
        return []
    import numpy as np

    found = sl.load_images(source)
    if len(found) < count:
        raise sl.SemlensError(f"{source} has {len(found):,} images: it takes one for each of {count} pictures")
    return [found.load(id) for id in np.random.default_rng(seed).permutation(len(found))[:count].tolist()]


def _strongest(index: "sl.ConceptIndex | None", components: Sequence[str], on: str | None) -> list[float]:
    """The activation of each component on its strongest example, where pictures are made on images."""
    if index is None or on is None:
        return []
    return [float(index.activations[index.row(sl.Component.parse(each)), 0]) for each in components]


def _ranks(
    index: "sl.ConceptIndex | None", made: "Sequence[Maximised]", images: int, on: bool, device: str | None
) -> tuple[list[int | None], list[int | None]]:
    """The place of each picture's component, alone and with its others; None without an index."""
    from semlens.synthesis import own_rank_together, own_ranks

    if index is None:
        return [None] * len(made), [None] * len(made)
    space = sl.load_foundation(index.recipe.foundation.name, device)
    groups = [made[start : start + images] for start in range(0, len(made), images)]
    together = [own_rank_together(index, space, group) if on else None for group in groups for _ in group]
    return list(own_ranks(index, space, made)), together


def _record(made: "Maximised", rank: int | None, together: int | None) -> dict[str, object]:
    figures = {"before": round(made.before, 4), "activation": round(made.activation, 4), "rank": rank}
    figures |= {"together": together} if together else {}
    return {"component": str(made.component), **figures}


def _show(records: Sequence[dict[str, object]], ranked: bool) -> None:
    """Prints a line per picture."""
    together = "together" in records[0]
    names = ("component", "before", "activation", *(["rank"] if ranked else []), *(["together"] if together else []))
    caption = "rank: the place of the component when its layer is searched for the picture" if ranked else None
    caption = f"{caption}; together: for all, less the images that they were" if together else caption
    table(names, [tuple(str(record[name]) for name in names) for record in records], caption=caption)
