"""The commands that judge what an index holds: `label` and `audit`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semlens.cli.common import (
    NewFile,
    app,
    as_json,
    device,
    index_folder,
    kept,
    layer,
    print_json,
    save,
    seed,
    show,
    template,
    vocabulary,
)
from semlens.cli.show import Progress, say

if TYPE_CHECKING:
    from semlens.analysis.results import Rows


@app.command()
@index_folder
@vocabulary("What labels are chosen from", required=True)
@click.option("--fdr", default=0.05, show_default=True, help="Labels given, at most, that chance would have given too.")
@click.option("--method", default="standardised", show_default=True, help="Or prompt, centred, soft-wpmi, csp.")
@layer
@template
@seed
@click.option(
    "--sheet", type=NewFile(".png", ".jpg", ".webp"), help="Also draw the labels with their examples into this file."
)
@save
@device
@as_json
def label(
    index: Path, vocabulary: str, fdr: float, method: str, layer: tuple[str, ...], template: tuple[str, ...], seed: int,
    sheet: Path | None, save: bool, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Name what each component is about, or nothing where chance fits as well."""
    from semlens.analysis.ask import labels_by
    from semlens.index import load_index

    loaded = load_index(index)
    with Progress() as progress:
        found = labels_by(
            loaded, vocabulary, template, device, progress, fdr=fdr, method=method, layers=layer, seed=seed
        )
    kept(found, index, save)
    if sheet:
        from semlens.views.contact_sheet import label_sheet

        label_sheet(found).save(sheet)
    show(found.rows, as_json)
    if sheet and not as_json:
        say(f"drawn: {sheet}")


@app.command()
@index_folder
@click.argument("spec")
@click.option("--html", type=NewFile(), help="Also write a report that one file holds.")
@click.option("--baseline", type=click.Path(path_type=Path), help="An index to say what changed since.")
@vocabulary("Also label the components from this")
@click.option("--output", help="Audit this class in place of the spec's.")
@seed
@device
@as_json
def audit(
    index: Path, spec: str, html: Path | None, baseline: Path | None, vocabulary: str | None, output: str | None,
    seed: int, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Hold a model's components against what may speak for a class and what must not; exit 1 if a requirement fails.

    SPEC is a YAML file (docs/audit.md; `semlens schema` prints its JSON schema) or one that comes with semlens:
    melanoma, ox.
    """
    from dataclasses import replace

    from semlens.analysis.ask import ask_spec, labels_by
    from semlens.analysis.audit import audit as judge
    from semlens.analysis.audit import changes, load_spec
    from semlens.index import load_index

    asked = load_spec(spec)
    asked = replace(asked, output=output) if output else asked
    indexes = [load_index(folder) for folder in (index, baseline) if folder]
    found = []
    with Progress() as progress:
        for loaded in indexes:
            probes = ask_spec(loaded.recipe.foundation, asked, Path(spec).parent, device)
            labels = labels_by(loaded, vocabulary, device=device, progress=progress, seed=seed) if vocabulary else None
            found.append(judge(loaded, asked, probes, labels=labels, seed=seed))
    now, before = found[0], found[1] if baseline else None
    if html:
        from semlens.views.report import report

        html.write_text(report(now, before=before), encoding="utf-8")
    moved = changes(now, before) if before else None
    if as_json:
        print_json(now.rows.records())
        summary = {"output": now.output, "passed": now.passed, "images": now.images, "doubts": list(now.doubts)}
        parts: dict[str, Rows[Any]] = {"requirements": now.verdicts, "masses": now.masses, "concepts": now.concepts}
        parts |= {"changes": moved} if moved else {}
        print_json([{"summary": summary | {name: rows.records() for name, rows in parts.items()}}])
        return 0 if now.passed else 1
    for table in (now.concepts[:10], now.offenders[:10], now.masses, *([moved] if moved else []), now.verdicts):
        print(f"{table!r}\n")
    for doubt in now.doubts:
        say(f"careful: {doubt}")
    say(f"{'passed' if now.passed else 'failed'}: relevance for {now.output!r} over {now.images:,} images")
    if html:
        say(f"report: {html}")
    return 0 if now.passed else 1


@app.command()
def schema() -> None:
    """Print the JSON schema of audit specs, for editors and checks."""
    from semlens.analysis.audit import json_schema

    print(json.dumps(json_schema(), indent=1))
