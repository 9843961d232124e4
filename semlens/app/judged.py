"""Audits: a spec that the reader writes, held against the index; its report; specs that are kept or read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import yaml

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import Audit, Spec, check_spec, entries, load_spec, read_spec, shipped
from semlens.analysis.audit import audit as judge
from semlens.analysis.outputs import relevance_of
from semlens.analysis.results import plain
from semlens.app.answer import Answer, Job, NotThere, as_json
from semlens.app.asked import Asked
from semlens.app.notes import Notes
from semlens.app.session import Opened, Session
from semlens.app.stored import labels_if_any, tower_of
from semlens.errors import SemlensError
from semlens.types import Progress
from semlens.views.report import report as page


def audit(asked: Asked) -> Answer:
    """The audit of the index by the spec in the body."""
    found = _audited(asked.session, asked.opened, asked.value("spec", dict))
    return as_json(told(found, asked.opened))


def report(asked: Asked) -> Answer:
    """The same as one HTML page, to be saved."""
    found = _audited(asked.session, asked.opened, asked.value("spec", dict), wait=60.0)
    return Answer(200, "text/html; charset=utf-8", page(found).encode(), name="audit.html")


def specs(asked: Asked) -> Answer:
    """The specs that a reader can start from."""
    notes = asked.opened.notes
    kept = notes.specs() if notes else {}
    return as_json(
        {
            "shipped": [{"name": name, "spec": spec_tree(load_spec(name))} for name in shipped()],
            "saved": [{"name": name, "spec": spec} for name, spec in kept.items()],
        }
    )


def keep_spec(asked: Asked) -> Answer:
    """Keeps a spec under a name; null forgets it."""
    name, spec = asked.value("name", str), None
    if asked.tree().get("spec") is not None:
        spec = spec_tree(check_spec(asked.value("spec", dict)))
    notes_of(asked).keep_spec(name, spec)
    return specs(asked)


def read(asked: Asked) -> Answer:
    """The spec that a YAML file holds."""
    try:
        text = asked.request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise SemlensError("the file is not text in UTF-8") from None
    return as_json({"spec": spec_tree(read_spec(text, "the file"))})


def write(asked: Asked) -> Answer:
    """A spec as a YAML file, with the verdicts of an audit as remarks."""
    spec = check_spec(asked.value("spec", dict))
    verdicts = asked.tree().get("verdicts") or []
    if not isinstance(verdicts, list):
        raise SemlensError("verdicts is no list of lines")
    remarks = "".join(f"# {' '.join(str(line).split())[:400]}\n" for line in verdicts)
    text = yaml.safe_dump(spec_tree(spec), sort_keys=False, allow_unicode=True)
    return Answer(200, "application/yaml", (remarks + text).encode(), name="audit.yaml")


def audits(asked: Asked) -> Answer:
    """Audits that were made beforehand: of a folder of files, where nothing new can be asked."""
    assert asked.opened
    return as_json([])


def told(found: Audit, opened: Opened) -> dict[str, Any]:
    """An audit as the page shows it."""
    rows = found.rows
    critical = dict(zip(found.fit.members.tolist(), found.fit.critical.tolist(), strict=True))
    records = []
    for row in rows:
        number = opened.index.row(row.component)
        valid, spurious = critical[number]
        record = {name: plain(value) for name, value in vars(row).items()}
        records.append(record | {"row": number, "valid_critical": valid, "spurious_critical": spurious})
    return {
        "output": found.output,
        "passed": found.passed,
        "images": found.images,
        "doubts": found.doubts,
        "layers": [figures.layer for figures in found.figures],
        "critical": _critical(found),
        "rows": records,
        "masses": found.masses.records(),
        "verdicts": found.verdicts.records(),
        "concepts": found.concepts.records(),
    }


def spec_tree(spec: Spec) -> dict[str, Any]:
    """A spec as plain data, without what is as it is by default."""
    plain_spec = {name: _concepts(value) for name, value in vars(spec).items()}
    return {name: value for name, value in plain_spec.items() if value != _concepts(getattr(Spec, name, None))}


def notes_of(asked: Asked) -> Notes:
    """The notes of an index. Raises NotThere where nothing can be noted."""
    if asked.opened.notes is None:
        raise NotThere("nothing can be noted here")
    return asked.opened.notes


def _audited(session: Session, opened: Opened, tree: Mapping[str, Any], wait: float = 0.3) -> Audit:
    spec = check_spec(dict(tree))
    relevance_of(opened.index)
    if any(entry.images for entry in entries(spec)):
        # A file name in a spec would let whoever wrote it look at files of this machine.
        raise SemlensError("concepts given by images are for the command line: `semlens audit INDEX SPEC.yaml`")

    def run(progress: Progress) -> Audit:
        probes = probe_spec(tower_of(session, opened, progress), spec)
        progress("auditing", 0, 0)
        return judge(opened.index, spec, probes, labels=labels_if_any(session, opened))

    key = ("audit", opened.number, json.dumps(spec_tree(spec), sort_keys=True))
    return session.jobs.get(key, Job(opened.number, "audit", "auditing"), run, wait)


def _critical(found: Audit) -> list[dict[str, Any]]:
    """What a component with all its examples has to exceed, layer by layer; its threshold is the lowest."""
    index, layers = found.index, []
    for figures in found.figures:
        part = index.layer_slice(figures.layer)
        of = (found.fit.members >= part.start) & (found.fit.members < part.stop)
        least = found.fit.critical[of].min(axis=0) if of.any() else np.full(2, np.nan)
        layers.append({"layer": figures.layer, "valid": float(least[0]), "spurious": float(least[1])})
    return layers


def _concepts(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_concepts(one) for one in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: list(of) if isinstance(of, tuple) else of for name, of in asdict(value).items() if of}
    return value
