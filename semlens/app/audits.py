"""Audits: a spec that the reader writes, held against the index; its report; specs that are kept or read."""

import json
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from semlens.analysis import probe_spec, relevance_of
from semlens.analysis.audit import Audit, Spec, audit, check_spec, entries, load_spec, read_spec, shipped
from semlens.app.foundation_proxy import FoundationProxy, labels_if_any
from semlens.app.jobs import LONG, Job
from semlens.app.notes import digest_of, open_notes
from semlens.app.request import Answer, Call, as_json
from semlens.errors import SemlensError
from semlens.types import Progress, silent
from semlens.views.report import report as report_page


def run_audit(call: Call) -> Answer:
    """The audit of the index by the spec in the body."""
    result = _requested(call)
    if call.opened.notes is not None:
        with suppress(SemlensError):  # the audit stands, whether or not it can be remembered
            call.opened.notes.keep_audit(spec_tree(result.spec), result.output, result.verdict)
    return as_json(payload(result))


def report(call: Call) -> Answer:
    """The same as one HTML page, to be saved."""
    result = _requested(call, wait=60.0)
    return Answer(200, "text/html; charset=utf-8", report_page(result).encode(), name="audit.html")


def verified(call: Call) -> Answer:
    """The audit by the spec in the body put to the test: what the output loses without the components it flags."""
    spec, opened, session = _spec(call), call.opened, call.session
    if opened.model is None or opened.images is None:
        raise SemlensError("to verify needs the model and the images: start with --model MODEL --images FOLDER")
    places = {"index": str(opened.folder), "model": opened.model, "images": opened.images.source}

    def run(progress: Progress) -> Any:
        return session.model.ask("verify", progress, spec=spec_tree(spec), **places).metadata["rows"]

    job = Job(opened.number, "verify", "waiting for its turn")
    key = ("verify", opened.number, json.dumps(spec_tree(spec), sort_keys=True))
    return as_json(session.jobs.get(key, job, run, lane=LONG))


def specs(call: Call) -> Answer:
    """The specs that a reader can start from."""
    notes = call.opened.notes
    saved = notes.specs() if notes else {}
    last = notes.last_audit() if notes else None
    return as_json(
        {
            "shipped": [{"name": name, "spec": spec_tree(load_spec(name))} for name in shipped()],
            "saved": [{"name": name, "spec": spec} for name, spec in saved.items()],
            "last": last,
        }
    )


def keep_spec(call: Call) -> Answer:
    """Keeps a spec under a name; null forgets it."""
    name, spec = call.value("name", str), None
    if call.tree().get("spec") is not None:
        spec = spec_tree(check_spec(call.value("spec", dict)))
    call.notes.keep_spec(name, spec)
    return specs(call)


def read(call: Call) -> Answer:
    """The spec that a YAML file holds."""
    try:
        text = call.request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise SemlensError("the file is not text in UTF-8") from None
    return as_json({"spec": spec_tree(read_spec(text, "the file"))})


def write(call: Call) -> Answer:
    """A spec as a YAML file, with the verdicts of an audit as comments."""
    spec = check_spec(call.value("spec", dict))
    verdicts = call.tree().get("verdicts") or []
    if not isinstance(verdicts, list):
        raise SemlensError("verdicts is no list of lines")
    comments = "".join(f"# {' '.join(str(line).split())[:400]}\n" for line in verdicts)
    text = yaml.safe_dump(spec_tree(spec), sort_keys=False, allow_unicode=True)
    return Answer(200, "application/yaml", (comments + text).encode(), name="audit.yaml")


def exported(call: Call, specs: Sequence[Spec]) -> Answer:
    """Audits as a folder of files holds them, where no other can be made."""
    records = []
    for spec in specs:
        result = compute(call, spec)
        records.append({"name": spec.title or result.output, "spec": spec_tree(spec), "audit": payload(result)})
    return as_json(records)


def remember(folder: Path, result: Audit) -> None:
    """Keeps an audit's spec and verdict beside an index, for whoever opens the page.

    Raises:
        SemlensError: as `open_notes`.
    """
    with closing(open_notes(folder, digest_of(folder))) as notes:
        tree = spec_tree(result.spec)
        notes.keep_spec(result.spec.title or result.output, tree)
        notes.keep_audit(tree, result.output, result.verdict)


def compute(call: Call, spec: Spec, progress: Progress = silent) -> Audit:
    """The audit of the index by a spec."""
    probes = probe_spec(FoundationProxy(call, progress), spec, index=call.opened.index)
    progress("auditing", 0, 0)
    return audit(call.opened.index, spec, probes, labels=labels_if_any(call))


def payload(result: Audit) -> dict[str, Any]:
    """An audit as the page shows it."""
    critical = dict(zip(result.fit.members.tolist(), result.fit.critical.tolist(), strict=True))
    rows = []
    for row in result.rows:
        number = result.index.row(row.component)
        valid, spurious = critical[number]
        rows.append(vars(row) | {"row": number, "valid_critical": valid, "spurious_critical": spurious})
    return {
        "output": result.output,
        "verdict": result.verdict,
        "passed": result.passed,
        "by": result.by,
        "images": result.images,
        "doubts": result.doubts,
        "layers": [figures.layer for figures in result.figures],
        "critical": _critical(result),
        "rows": rows,
        "masses": result.masses.records(),
        "verdicts": result.verdicts.records(),
        "concepts": result.concepts.records(),
        "drivers": result.drivers.records(),
        "visibility": result.visibility.records(),
    }


def spec_tree(spec: Spec) -> dict[str, Any]:
    """A spec as plain data, without what is as it is by default."""
    tree = {name: _plain(value) for name, value in vars(spec).items()}
    return {name: value for name, value in tree.items() if value != _plain(getattr(Spec, name, None))}


def _requested(call: Call, wait: float = 0.3) -> Audit:
    """The audit by the spec in the body.

    Raises:
        SemlensError: a wrong spec, an index without relevance, or concepts given by images: a file name in a spec would
            let whoever wrote it look at files of this machine.
        Pending: it takes longer than `wait` seconds.
    """
    opened, spec = call.opened, _spec(call)

    def run(progress: Progress) -> Audit:
        return compute(call, spec, progress)

    key = ("audit", opened.number, json.dumps(spec_tree(spec), sort_keys=True))
    return call.session.jobs.get(key, Job(opened.number, "audit", "auditing"), run, wait)


def _spec(call: Call) -> Spec:
    """The spec in the body.

    Raises:
        SemlensError: as `_requested`.
    """
    spec = check_spec(dict(call.value("spec", dict)))
    relevance_of(call.opened.index)
    if any(entry.images for entry in entries(spec)):
        raise SemlensError("concepts given by images are for the command line: `semlens audit INDEX SPEC.yaml`")
    return spec


def _critical(result: Audit) -> list[dict[str, Any]]:
    """What a component with all its examples has to exceed, layer by layer; its threshold is the lowest."""
    fit, layers = result.fit, []
    for figures in result.figures:
        axis = result.index.layer_slice(figures.layer)
        members = (fit.members >= axis.start) & (fit.members < axis.stop)
        lowest = fit.critical[members].min(axis=0) if members.any() else np.full(2, np.nan)
        layers.append({"layer": figures.layer, "valid": float(lowest[0]), "spurious": float(lowest[1])})
    return layers


def _plain(value: Any) -> Any:
    """A value of a spec as lists and dictionaries, without empty fields of its concepts."""
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        fields = asdict(value).items()
        return {name: list(item) if isinstance(item, tuple) else item for name, item in fields if item}
    return value
