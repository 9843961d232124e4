"""The command that takes what a model does not need out of it: `prune`."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import NewFile, NewFolder, Progress, app, as_json, device, say, seed, show
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.correct import Curve, Pruning
    from semlens.images import ImageSet

_DRAWS = 3
"""Random orders, of which one alone may be lucky."""


@app.command()
@click.argument("model")
@click.option("--references", required=True, help="Images that relevance is read from; 10 to 50 suffice.")
@click.option("--images", required=True, help="Other images, on which accuracy is measured.")
@click.option("--share", type=click.FloatRange(0, 1), help="Of all components, to be pruned.  [by --loss]")
@click.option(
    "--loss", type=click.FloatRange(0, 1), default=0.02, show_default=True,
    help="Prune the largest share at which accuracy falls no further.",
)  # fmt: skip
@click.option("--method", default="auto", show_default=True, help="Whose relevance: a composite; or an order.")
@click.option("--tune", "validation", help="Images on which the rules of relevance are chosen before.")
@click.option(
    "--against", default="magnitude,gradient,random", show_default=True,
    help="Orders to compare with: these, integrated_gradients, or composites; 'none' for none.",
)  # fmt: skip
@click.option("--of", default="auto", show_default=True, help="What is right: an image's label, or what is predicted.")
@click.option("--figure", type=NewFile(".png", ".svg", ".pdf"), help="Also draw the curves into this file.")
@click.option("-o", "--out", required=True, type=NewFolder(), help="Folder of the pruned model and its curves.")
@seed
@device
@as_json
def prune(
    model: str, references: str, images: str, share: float | None, loss: float, method: str, validation: str | None,
    against: str, of: str, figure: Path | None, out: Path, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Take the filters, linear units and attention heads out of MODEL that its answers need least, by relevance.

    OUT holds the pruned model (`corrected:OUT`, wherever a model is named), weights.safetensors where all of it folds
    into the model's own weights, and curves.json: accuracy at every share. A command that was stopped goes on from
    where it was.
    """
    from semlens.correct import share_within

    studied, photos, shown = sl.load_model(model, device), sl.load_images(images), sl.load_images(references)
    work = out / "work"
    with Progress() as progress:
        others = {name: _order(name, studied, shown, of, seed, progress) for name in _names(against)}
        rules: Any = method
        if validation is not None:
            tuned = sl.tune_rules(studied, shown, sl.load_images(validation), of=of, checkpoint=work, progress=progress)
            rules = tuned.composite
        orders = {"relevance": sl.prune(studied, shown, method=rules, of=of, progress=progress), **others}
        curves = sl.pruning_curves(orders, photos, of=of, seed=seed, checkpoint=work, progress=progress)
        chosen = share_within(curves[0], loss) if share is None else share
        order = orders["relevance"]
        assert isinstance(order, sl.Pruning)
        folded = order.at(chosen).save(out, photos)
    (out / "curves.json").write_text(json.dumps(curves.records(), indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    if figure:
        sl.curve_figure(curves).savefig(figure, dpi=120)
    show(curves, as_json)
    if not as_json:
        _tell(curves[0], order, chosen, share is None, folded, out)


def _names(against: str) -> list[str]:
    names = [name.strip() for name in against.split(",") if name.strip()]
    if "relevance" in names:
        raise SemlensError("'relevance' is what the others are compared with: give other orders in --against")
    return [] if names == ["none"] else names


def _order(
    name: str, model: "sl.VisionModel", references: "ImageSet", of: str, seed: int, progress: Progress
) -> "Pruning | list[Pruning]":
    if name == "random":
        return [sl.prune(model, method=name, seed=seed + draw) for draw in range(_DRAWS)]
    return sl.prune(model, references, method=name, of=of, progress=progress)


def _tell(curve: "Curve", order: "Pruning", share: float, by_loss: bool, folded: bool, out: Path) -> None:
    if by_loss:
        at = curve.accuracy[curve.shares.index(share)]
        say(f"accuracy {at:.3f} with {share:.0%} pruned, {curve.accuracy[0]:.3f} before; chosen on these very images")
    say(f"{int(order.gone(share).sum()):,} of {len(order.scores):,} components pruned; corrected:{out} is the model")
    if not folded:
        say("not all of it folds into the model's own weights: loading applies it")
