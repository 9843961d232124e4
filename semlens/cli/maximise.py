"""The command that makes pictures for components: `maximise`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

import semlens as sl
from semlens.cli.common import NewFile, Progress, app, as_json, device, print_json, say, seed, table

if TYPE_CHECKING:
    from semlens.synthesis import Maximised


@app.command()
@click.argument("model")
@click.argument("component", nargs=-1, required=True)
@click.option("--images", default=3, show_default=True, type=click.IntRange(1), help="Pictures for each component.")
@click.option("--steps", default=256, show_default=True, type=click.IntRange(1), help="Of gradient ascent.")
@click.option(
    "--pool", default="mean", show_default=True, type=click.Choice(["mean", "max"]), help="What is maximised of a map."
)
@click.option("--index", type=click.Path(path_type=Path), help="Its examples beside, and whether they mean the same.")
@click.option(
    "--out", default="maximised.png", show_default=True, type=NewFile(".png", ".jpg", ".webp"), help="The picture."
)
@seed
@device
@as_json
def maximise(
    model: str, component: tuple[str, ...], images: int, steps: int, pool: str, index: Path | None, out: Path,
    seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make pictures that excite each COMPONENT ("layer:unit") of MODEL most (activation maximisation).

    MODEL is written as for `layers`. With --index every picture is searched for among the components of its layer: the
    nearer its own component comes to place 1, the more the picture means what the examples mean.
    """
    from semlens.synthesis import own_ranks
    from semlens.views.maximised_sheet import MadeRow, maximised_sheet

    loaded = sl.load_index(index) if index else None
    studied = sl.load_model(model, device)
    if loaded:
        loaded.recipe.model.check(studied.fingerprint())
        for each in component:
            loaded.row(sl.Component.parse(each))
    with Progress() as progress:
        made = sl.maximise(studied, component, images=images, steps=steps, pool=pool, seed=seed, progress=progress)
    ranks = own_ranks(loaded, sl.load_foundation(loaded.recipe.foundation.name, device), made) if loaded else []
    records = [_record(each, ranks[i] if loaded else None) for i, each in enumerate(made)]
    rows = []
    for start in range(0, len(made), images):
        some = slice(start, start + images)
        placed = [f"found at {', '.join(map(str, ranks[some]))}"] if loaded else []
        lines = [f"{made[start].before:.3g} -> {max(each.activation for each in made[some]):.3g}", *placed]
        rows.append(MadeRow(made[start].component, lines, [each.picture for each in made[some]]))
    maximised_sheet(rows, loaded).save(out)
    if as_json:
        return print_json(records)
    _show(records, loaded is not None)
    say(f"drawn: {out}")


def _record(made: "Maximised", rank: int | None) -> dict[str, object]:
    figures = {"before": round(made.before, 4), "activation": round(made.activation, 4), "rank": rank}
    return {"component": str(made.component), **figures}


def _show(records: Sequence[dict[str, object]], ranked: bool) -> None:
    """Prints a line per picture."""
    names = ("component", "before", "activation", *(["rank"] if ranked else []))
    caption = "rank: the place of the component when its layer is searched for the picture" if ranked else None
    table(names, [tuple(str(record[name]) for name in names) for record in records], caption=caption)
