"""What `semlens correct` is told of training, for those of its ways that train the model on."""

from collections.abc import Callable, Sequence
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
    click.option("--masks", metavar="FOLDER|relevance",
                 help="Folder with IMAGE/CONCEPT.png of the training images, or 'relevance', which makes them by "
                 "directions in --layer: rrr, cdep, augment."),
    click.option("--version", "versions", multiple=True,
                 help="The training images otherwise, several times for several: augment."),
    click.option("--train-marks", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="Table of which training images show which spurious concept: reweight, --by."),
    click.option("--rule", help="How reward goes down: epsilon, gamma, hebbian, or epsilon:0.3; feedback.  [epsilon]"),
    click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped."),
)  # fmt: skip


_COURSE = 5
"""So many options at the start say how long and how fast; the others go with labels, masks and marks of one's own."""


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of training; the command gets those that are given together, as `training`."""
    return _with(_OPTIONS, command)


def course_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same of how long and how fast alone."""
    return _with(_OPTIONS[:_COURSE], command)


def _with(options: Sequence[Callable[..., Any]], command: Callable[..., Any]) -> Callable[..., Any]:
    names = (
        "epochs", "rate", "weight", "batch", "patience", "by", "masks", "versions", "train_marks", "rule", "resume",
    )  # fmt: skip

    @wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        told = {name: given.pop(name) for name in names[: len(options)]}
        given["training"] = {name: value for name, value in told.items() if value not in (None, (), False)}
        return command(*args, **given)

    for option in reversed(options):
        collected = option(collected)
    return collected


def course_of(training: dict[str, Any], how: str, seed: int) -> "sl.Course | None":
    """How long and how fast a method trains, of what the command line was given; None of a way that does not train.

    Raises:
        SemlensError: options of training for a way that does not.
    """
    from semlens.correct import METHODS, usual_course

    if how in METHODS:
        numbers = {field.name: training[field.name] for field in fields(sl.Course) if field.name in training}
        return replace(usual_course(how), **numbers, seed=seed)
    if training:
        option = {"versions": "version"}.get(first := next(iter(training)), first.replace("_", "-"))
        raise SemlensError(f"--{option} is for ways that train ({', '.join(METHODS)}); --how {how} does not")
    return None


def training_of(
    training: dict[str, Any], how: str, spec: "Spec | None", images: "ImageSet", seed: int, out: Path
) -> dict[str, Any]:
    """What `retrain` takes, of what the command line was given.

    Raises:
        SemlensError: a way that does not train, or a table of marks without a spec that names concepts.
    """
    from semlens.correct import RELEVANCE, load_masks

    course = course_of(training, how, seed)
    if course is None:
        return {}
    spurious = [one if isinstance(one, str) else one.name for one in spec.spurious] if spec else []
    masks: Any = training.get("masks")
    if masks == RELEVANCE and spec is None:
        raise SemlensError("masks by relevance are of a spec's concepts: name the spec (--what)")
    if masks not in (None, RELEVANCE):
        masks = load_masks(masks, images, tuple(spurious))
    versions = [sl.load_images(one) for one in training.get("versions", ())]
    return {"course": course, "masks": masks, "versions": versions, "marks": _marks(training, spec, spurious),
            "rule": training.get("rule"), "resume": training.get("resume", False), "out": out}  # fmt: skip


def _marks(training: dict[str, Any], spec: "Spec | None", spurious: list[str]) -> dict[str, dict[str, bool]] | None:
    from semlens.analysis.audit import read_marks

    if "train_marks" not in training:
        return None
    if spec is None:
        raise SemlensError("--train-marks goes with a spec, whose spurious concepts its columns are called by: --what")
    return {name: marks for name, marks in read_marks(training["train_marks"], spec).items() if name in spurious}
