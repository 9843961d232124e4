"""What `semlens correct` is told of training, for those of its ways that train the model on."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.analysis.audit import Spec
    from semlens.images import ImageSet

_OPTIONS = (
    click.option("--epochs", type=click.IntRange(1), help="How often training goes over the images.  [10]"),
    click.option("--rate", type=float, help="Of its steps at the start.  [0.001]"),
    click.option("--weight", type=float, help="Of the method's term: rr-clarc, rrr, cdep, augment.  [1; of rrr 100]"),
    click.option("--batch", type=click.IntRange(1), help="Images of a step.  [32]"),
    click.option("--patience", type=click.IntRange(1), help="Epochs without a better score that end it.  [4]"),
    click.option("--by", help="What makes weights the best on images held out: loss, or worst group.  [loss]"),
    click.option("--masks", type=click.Path(exists=True, file_okay=False, path_type=Path),
                 help="Folder with IMAGE/CONCEPT.png of the training images: rrr, cdep, augment."),
    click.option("--version", "versions", multiple=True,
                 help="The training images otherwise, several times for several: augment."),
    click.option("--train-marks", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="Table of which training images show which spurious concept: reweight, --by."),
    click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped."),
)  # fmt: skip


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of training; the command gets those that are given together, as `training`."""

    @wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        names = ("epochs", "rate", "weight", "batch", "patience", "by", "masks", "versions", "train_marks", "resume")
        told = {name: given.pop(name) for name in names}
        given["training"] = {name: value for name, value in told.items() if value not in (None, (), False)}
        return command(*args, **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def training_of(
    training: dict[str, Any], how: str, spec: "Spec | None", images: "ImageSet", seed: int, out: Path
) -> dict[str, Any]:
    """What `retrain` takes, of what the command line was given.

    Raises:
        SemlensError: a way that does not train, or a table of marks without a spec that names concepts.
    """
    from semlens.correct import METHODS, load_masks, usual_course

    if how not in METHODS:
        if training:
            option = {"versions": "version"}.get(first := next(iter(training)), first.replace("_", "-"))
            raise SemlensError(f"--{option} is for ways that train ({', '.join(METHODS)}); --how {how} does not")
        return {}
    numbers = {field.name: training[field.name] for field in fields(sl.Course) if field.name in training}
    spurious = [one if isinstance(one, str) else one.name for one in spec.spurious] if spec else []
    masks = load_masks(training["masks"], images, tuple(spurious)) if "masks" in training else None
    versions = [sl.load_images(one) for one in training.get("versions", ())]
    return {"course": replace(usual_course(how), **numbers, seed=seed), "masks": masks, "versions": versions,
            "marks": _marks(training, spec, spurious), "resume": training.get("resume", False), "out": out}  # fmt: skip


def _marks(training: dict[str, Any], spec: "Spec | None", spurious: list[str]) -> dict[str, dict[str, bool]] | None:
    from semlens.analysis.audit import read_marks

    if "train_marks" not in training:
        return None
    if spec is None:
        raise SemlensError("--train-marks goes with a spec, whose spurious concepts its columns are called by: --what")
    return {name: marks for name, marks in read_marks(training["train_marks"], spec).items() if name in spurious}
