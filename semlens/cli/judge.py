"""The commands that judge what an index holds: `label`, `audit` and `drivers`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import (
    CANNOT_TELL,
    NewFile,
    Progress,
    app,
    as_json,
    by,
    device,
    images_of,
    index_folder,
    layer,
    print_json,
    save,
    save_result,
    say,
    seed,
    show,
    template,
    vocabulary,
)

if TYPE_CHECKING:
    from semlens.analysis import Rows
    from semlens.analysis.audit import Audit, Change
    from semlens.revisit import Verified


@app.command()
@index_folder
@vocabulary("What labels are chosen from", required=True)
@click.option("--fdr", default=0.05, show_default=True, help="Labels given, at most, that chance would have given too.")
@by
@click.option(
    "--method", default="standardised", show_default=True, help="By examples; or prompt, centred, soft-wpmi, csp."
)
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
    index: Path, vocabulary: str, fdr: float, by: str, method: str, layer: tuple[str, ...], template: tuple[str, ...],
    seed: int, sheet: Path | None, save: bool, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Name what each component is about, or nothing where chance fits as well."""
    from semlens.analysis import labels_by

    loaded = sl.load_index(index)
    with Progress() as progress:
        labels = labels_by(
            loaded, vocabulary, template, device, progress, fdr=fdr, by=by, method=method, layers=layer, seed=seed
        )
    save_result(labels, index, save)
    if sheet:
        sl.label_sheet(labels).save(sheet)
    show(labels.rows, as_json)
    if sheet and not as_json:
        say(f"drawn: {sheet}")


@app.command()
@index_folder
@click.argument("spec")
@click.option("--html", type=NewFile(), help="Also write a report that one file holds.")
@click.option("--baseline", type=click.Path(path_type=Path), help="An index to say what changed since.")
@vocabulary("Also label the components from this")
@click.option("--output", help="Audit this class in place of the spec's.")
@click.option("--verify", is_flag=True, help="Also silence what fits spurious concepts, and see what the output loses.")
@click.option("--model", help="The model of the index, to verify.")
@click.option("--images", help="The images of the index, to verify.")
@by
@seed
@device
@as_json
def audit(
    index: Path, spec: str, html: Path | None, baseline: Path | None, vocabulary: str | None, output: str | None,
    verify: bool, model: str | None, images: str | None, by: str, seed: int, device: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Hold a model's components against what may speak for a class and what must not; exit 1 if a requirement fails, 3
    if none fails and one cannot be told.

    SPEC is a YAML file (docs/audit.md; `semlens schema` prints its JSON schema) or one that comes with semlens:
    melanoma, ox.
    """
    from semlens.analysis import ask_spec, labels_by

    if verify and not (model and images):
        raise sl.SemlensError("to verify an audit takes the model and its images: give --model and --images")
    rules = sl.load_spec(spec)
    rules = replace(rules, output=output) if output else rules
    indexes = [sl.load_index(index)]
    if baseline:
        with _of_baseline(baseline):
            indexes.append(sl.load_index(baseline))
    audits = []
    with Progress() as progress:
        for number, loaded in enumerate(indexes):
            with _of_baseline(baseline if number else None):
                probes = ask_spec(loaded.recipe.foundation, rules, Path(spec).parent, device, loaded)
                labels = (
                    labels_by(loaded, vocabulary, device=device, progress=progress, seed=seed) if vocabulary else None
                )
                audits.append(sl.audit(loaded, rules, probes, by=by, labels=labels, seed=seed))
    now, before = audits[0], audits[1] if baseline else None
    verified = _verified(now, str(model), str(images), device) if verify else None
    if html:
        html.write_text(sl.report(now, before=before), encoding="utf-8")
    changes = sl.changes(now, before) if before else None
    if as_json:
        _print_audit(now, changes, verified)
    else:
        _show_audit(now, changes)
        if verified is not None:
            print(f"{verified!r}\n")
        if html:
            say(f"report: {html}")
    return 0 if now.passed else 1 if now.failed else CANNOT_TELL


@contextmanager
def _of_baseline(folder: Path | None) -> Iterator[None]:
    """Says of a mistake that arises with the baseline that it is the baseline's."""
    try:
        yield
    except sl.SemlensError as fault:
        raise (sl.SemlensError(f"the baseline {folder}: {fault}") if folder else fault) from fault


def _verified(audit: "Audit", model: str, images: str, device: str | None) -> "Rows[Verified] | None":
    """What the output loses without the components that fit spurious concepts; None where there is none."""
    if not any(mass.components for mass in audit.concepts if mass.side == "spurious"):
        say("no component fits a spurious concept: there is nothing to verify")
        return None
    with Progress() as progress:
        return sl.verify_audit(
            audit, sl.load_model(model, device=device), images_of(audit.index, images), progress=progress
        )


def _print_audit(audit: "Audit", changes: "Rows[Change] | None", verified: "Rows[Verified] | None") -> None:
    """The components, and at last a summary, as JSON."""
    print_json(audit.rows.records())
    summary = {
        "output": audit.output,
        "verdict": audit.verdict,
        "passed": audit.passed,
        "by": audit.by,
        "images": audit.images,
        "doubts": list(audit.doubts),
    }
    tables: dict[str, Rows[Any]] = {
        "requirements": audit.verdicts,
        "drivers": audit.drivers,
        "masses": audit.masses,
        "concepts": audit.concepts,
        "visibility": audit.visibility,
    }
    tables |= {"changes": changes} if changes else {}
    tables |= {"verified": verified} if verified is not None else {}
    print_json([{"summary": summary | {name: rows.records() for name, rows in tables.items()}}])


def _show_audit(audit: "Audit", changes: "Rows[Change] | None") -> None:
    """The tables of an audit and what it comes to, for a person."""
    tables: list[Rows[Any]] = [audit.drivers[:10]] if audit.drivers else []
    tables += [audit.concepts[:10], audit.offenders[:10], audit.masses, *([changes] if changes else []), audit.verdicts]
    for table in tables:
        print(f"{table!r}\n")
    for doubt in audit.doubts:
        say(f"careful: {doubt}")
    for verdict in audit.verdicts:
        if verdict.reason:
            say(f"{verdict.verdict}{'' if verdict.verdict == 'cannot tell' else ', not sure'}: {verdict.reason}")
    say(f"{audit.verdict}: relevance for {audit.output!r} over {audit.images:,} images, by {audit.by}")


@app.command()
@index_folder
@click.option("--class", "of", help="An output by name or number; all if none is given.")
@vocabulary("What may drive an output", required=True)
@template
@seed
@device
@as_json
def drivers(
    index: Path, of: str | None, vocabulary: str, template: tuple[str, ...], seed: int, device: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """What drives an output of the model, phrase by phrase, all others equal: by its own encoding, before any
    component."""
    from semlens.analysis import ask_vocabulary

    loaded = sl.load_index(index)
    with Progress() as progress:
        words = ask_vocabulary(loaded.recipe.foundation, vocabulary, template, device, progress)
        rows = sl.drivers(loaded, words, of, seed=seed)
    show(rows, as_json)


@app.command()
def schema() -> None:
    """Print the JSON schema of audit specs, for editors and checks."""
    from semlens.analysis.audit import json_schema

    print(json.dumps(json_schema(), indent=1))
