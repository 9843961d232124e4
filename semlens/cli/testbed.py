"""The commands about the testbed: `demo` tells its story, `testbed` draws its world."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semlens.cli.common import NewFolder, Progress, app, as_json, image_choices, print_json, say, table
from semlens.errors import SemlensError, unknown

if TYPE_CHECKING:
    from semlens.analysis import Hit
    from semlens.analysis.audit import Verdict
    from semlens.cli.demo import Size, Story


@app.command()
@click.option("--out", default="demo-out", show_default=True, type=NewFolder())
@click.option("--images", help="Photographs to search instead: a folder, a table or hf:NAME.")
@image_choices
@click.option("--benchmark", is_flag=True, help="Hold every claim against the truth, for three networks; some minutes.")
@as_json
@click.pass_obj
def demo(
    size: "Size | None", out: Path, images: str | None, benchmark: bool, as_json: bool, choices: dict[str, Any]
) -> None:
    """Tell the whole story on a world with known truth: no downloads, no GPU, under two minutes."""
    out.mkdir(parents=True, exist_ok=True)
    if benchmark:
        return _benchmark(out, as_json)
    if choices and not images:
        raise SemlensError(f"{', '.join(choices)} is of --images: say where those are")
    if images:
        return _photographs(out, images, choices, as_json)
    from semlens.cli.demo import USUAL, run

    with Progress() as progress:
        story = run(out, progress, size or USUAL)
    if as_json:
        return print_json(story.json())
    _tell(story)
    _offer(story)


def _tell(story: "Story") -> None:
    """Prints the story: what was found, what speaks for the class, the audit, what the artefact does, and the same of
    the corrected network."""
    from semlens.cli.demo import ARTEFACT, MODEL, SPOKEN_FOR

    _hits(story.hits)
    table(
        (f"what speaks for {SPOKEN_FOR!r}", "components", "share of relevance", "strongest"),
        [
            (group.label or "(no label)", str(group.components), f"{group.relevance:.1%}", str(group.strongest))
            for group in story.known
        ],
    )
    _verdicts(f"audit of {SPOKEN_FOR!r}", story.verdicts)
    say(
        f"A {ARTEFACT} put on melanomas, nothing else changed, raises the chance of {SPOKEN_FOR!r} from "
        f"{story.before:.0%} to {story.after:.0%} and turns {story.turned:.0%} of them: the network relies on it.\n"
        "Now what the audit found spurious is taken out of the last layer's input, and the last layer fitted anew:"
    )
    _verdicts("audit of the corrected network", story.second)
    healed = story.healed
    say(
        f"The same {ARTEFACT} now takes the chance of {SPOKEN_FOR!r} from {healed.before.mean():.0%} to "
        f"{healed.after.mean():.0%} and turns {healed.turned:.0%}.\n"
        f"index: {story.index}\npicture: {story.picture}\nreports of the audits: {story.report}, "
        f"{story.report.with_name('report-corrected.html')}\n"
        f"the corrected network, wherever a model is named: corrected:{story.corrected}\n"
        f'try: semlens search {story.index} "purple ink" --sheet ink.png\n'
        f"look around: semlens serve {story.index} --images {story.images} --model {MODEL}"
    )


def _verdicts(title: str, verdicts: "Sequence[Verdict]") -> None:
    table(
        (title, "verdict", "value", "95 % interval"),
        [(row.requirement, row.verdict, f"{row.value:.1%}", f"{row.low:.1%} to {row.high:.1%}") for row in verdicts],
    )


def _offer(story: "Story") -> None:
    """Opens the page if a person is there and wants it."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    if click.confirm("Open this index as a page, in a browser?", default=False, err=True):
        from semlens.cli.app import serve
        from semlens.cli.demo import MODEL

        serve.callback(  # type: ignore[misc]
            (story.index,), (str(story.images),), (MODEL,), None, "127.0.0.1", None, token=True, browser=True
        )


def _photographs(out: Path, images: str, choices: dict[str, Any], as_json: bool) -> None:
    from semlens.cli.demo import run_on

    with Progress() as progress:
        picture, hits = run_on(images, choices, out, progress)
    if as_json:
        return print_json(asdict(hit) | {"component": str(hit.component)} for hit in hits)
    _hits(hits)
    say(f"picture: {picture}")


def _hits(hits: Sequence["Hit"]) -> None:
    table(
        ("query", "component", "similarity", "random components reach"),
        [(hit.probe, str(hit.component), f"{hit.similarity:.2f}", f"{hit.baseline:.2f}") for hit in hits],
    )


def _benchmark(out: Path, as_json: bool) -> None:
    from semlens.benchmark import HEADER, benchmark, markdown

    with Progress() as progress:
        rows = benchmark(out / "benchmark", progress=progress)
    (out / "benchmark.md").write_text(markdown(rows), encoding="utf-8")
    (out / "benchmark.jsonl").write_text("".join(f"{json.dumps(row.json())}\n" for row in rows), encoding="utf-8")
    if as_json:
        return print_json(row.json() for row in rows)
    for (model, part), group in groupby(rows, key=lambda row: (row.model, row.part)):
        table((f"{model}: {part}", *HEADER[3:]), [row.cells()[2:] for row in group])
    say(f"written to {out / 'benchmark.md'} and {out / 'benchmark.jsonl'}")


@app.command()
@click.argument("out", type=NewFolder())
@click.option("--scenario", default="shortcut", show_default=True, help="shortcut, or clean: artefacts say nothing.")
@click.option("--count", default=1000, show_default=True, type=click.IntRange(1), help="Pictures.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="0: those the networks learnt from.")
@click.option("--masks", is_flag=True, help="Also the pixels of everything in each picture.")
@click.option("--only", help="Of this diagnosis alone: melanoma or other.")
@click.option("--with", "with_", multiple=True, help="Put this concept into every picture, all else as it is.")
@click.option("--without", multiple=True, help="Take it out of every picture: the exact counterfactual of --with.")
@as_json
def testbed(
    out: Path, scenario: str, count: int, seed: int, masks: bool, only: str | None, with_: tuple[str, ...],
    without: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Draw pictures of skin lesions whose every concept is known, to the folder OUT.

    OUT/scenes.csv has path, label, caption and the level of every concept; `build --images OUT/scenes.csv` reads it.
    """
    from semlens.testbed.world import CLASSES, World, write_world
    from semlens.testbed.world import scenario as named

    if only and only not in CLASSES:
        raise unknown("diagnosis", only, CLASSES)
    world = World.of(named(scenario), count, seed)
    levels = {**dict.fromkeys(with_, 1.0), **dict.fromkeys(without, 0.0)}
    world = replace(world, scenes=tuple(
        scene.with_levels(levels) for scene in world.scenes if scene.diagnosis == (only or scene.diagnosis)
    ))  # fmt: skip
    with Progress() as progress:
        written = write_world(world, out, masks=masks, progress=progress)
    if as_json:
        return print_json([{"table": str(written), "pictures": len(world)}])
    say(f"drew {len(world):,} pictures: {written}")
