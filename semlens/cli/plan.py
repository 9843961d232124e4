"""The command that says what a build will cost: `plan`."""

from dataclasses import asdict
from typing import Any

import semlens as sl
from semlens.cli.common import IMAGE_CHOICES, Progress, app, either, layer_names, print_json, table
from semlens.cli.make import build, classes_of

PROCESSES = (1, 2, 4, 8, 16, 64, 256)
_ONLY_OF_BUILDS = ("out", "executor", "shard", "resume", "replace")


@app.command(params=[option for option in build.params if option.name not in _ONLY_OF_BUILDS])
def plan(
    model: str, untrained: bool, images: str | None, texts: str | None, group_column: str | None,
    layer: tuple[str, ...], foundation: str, classes: tuple[str, ...], device: str | None, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Say what `build` with the same options will cost: steps, time for one process and for many, bytes.

    A few batches of the images are tried, on this machine as it is now.
    """
    choices = {name: value for name in IMAGE_CHOICES if (value := options.pop(name)) is not None}
    studied = sl.load_model(model, device)
    with Progress() as progress:
        planned = sl.plan(
            sl.untrained(studied) if untrained else studied,
            either(images, texts, group_column=group_column, **choices), layer_names(layer),
            sl.load_foundation(foundation, device), classes=classes_of(classes, studied.class_names),
            progress=progress, **options,
        )  # fmt: skip
    if as_json:
        seconds = {str(number): planned.seconds(number) for number in PROCESSES}
        return print_json([asdict(planned) | {"seconds": seconds}])
    table(
        ("step", "at most", "each", "in all"),
        [
            (stage.step, f"{stage.count:,} {stage.what}", f"{1000 * stage.each:,.1f} ms", clock(stage.seconds))
            for stage in planned.stages
        ],
        f"{planned.components:,} components. The index takes up to {size(planned.index_bytes)}; each process keeps "
        f"{size(planned.state_bytes)} while images pass, beside both models.",
    )
    shown = [(f"{number:,}", clock(planned.seconds(number))) for number in PROCESSES]
    table(("processes", "time"), shown, "Each with what this one had: cores that they share are not counted twice.")


def clock(seconds: float) -> str:
    """A length of time in the units that a person would use."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.1f} s"


def size(number: int) -> str:
    """A number of bytes in the unit that a person would use."""
    for unit, length in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if number >= length:
            return f"{number / length:,.1f} {unit}"
    return f"{number / 1000:,.0f} kB"
