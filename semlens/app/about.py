"""What is shown, what can be done with it, and what people note about it."""

import re
from dataclasses import asdict
from importlib.util import find_spec
from io import BytesIO
from typing import Any

import numpy as np

from semlens import __version__
from semlens.analysis import gives_outputs
from semlens.app.request import Answer, Call, as_json
from semlens.app.session import Opened
from semlens.errors import SemlensError, missing_extra
from semlens.index import ConceptIndex

NAMED = 3
"""Outputs of the model that the first view names."""


def session(call: Call) -> Answer:
    """The indexes, and what the reader may do."""
    shown = call.session
    can = {
        "search": not shown.frozen,
        "annotate": all(opened.notes is not None for opened in shown.opened),
        "audit": not shown.frozen,
        "parquet": not shown.frozen and find_spec("pyarrow") is not None,
    }
    indexes = [_index(opened, shown.frozen) for opened in shown.opened]
    return as_json({"version": __version__, "indexes": indexes, "can": can, "comparable": shown.comparable})


def annotations(call: Call) -> Answer:
    """What people noted about components."""
    notes, index = call.notes, call.opened.index
    starts = {axis.layer: (axis.start, axis.components) for axis in index.layers}
    rows = [
        {"row": starts[noted.layer][0] + noted.unit, "tag": noted.tag, "note": noted.note, "label": noted.label}
        for noted in notes.all()
        if noted.layer in starts and 0 <= noted.unit < starts[noted.layer][1]
    ]
    return as_json({"where": str(notes.path), "rows": rows, "undo": notes.last()})


def annotate(call: Call) -> Answer:
    """Notes something about a component: a `tag`, a `note` or a `label`."""
    tree, component = call.tree(), call.opened.index.component(call.value("row", int))
    changes = [(kind, tree[kind] or "") for kind in ("tag", "note", "label") if kind in tree]
    if len(changes) != 1 or not isinstance(changes[0][1], str):
        raise SemlensError("give one of tag, note and label, a text")
    call.notes.change(component.layer, component.unit, *changes[0])
    return annotations(call)


def undo(call: Call) -> Answer:
    """Takes the last change of the notes back."""
    call.notes.undo()
    return annotations(call)


def parquet(call: Call) -> Answer:
    """A table of the page's as a Parquet file."""
    if find_spec("pyarrow") is None:
        raise missing_extra("pyarrow", "parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, name = call.value("columns", dict), call.value("name", str)
    file = BytesIO()
    try:
        pq.write_table(pa.table({str(key): pa.array(values) for key, values in columns.items()}), file)
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError) as fault:
        raise SemlensError(f"the table cannot be written: {fault}") from fault
    return Answer(200, "application/vnd.apache.parquet", file.getvalue(), name=f"{file_name(name)}.parquet")


def file_name(text: str) -> str:
    """A text as the name of a file: letters, digits and hyphens."""
    return re.sub(r"[^\w-]+", "-", text, flags=re.ASCII).strip("-")[:60] or "table"


def _explained(index: ConceptIndex) -> float | None:
    """R2 of the component in the middle: of its activation's variance, what the foundation model explains on images
    left out. None without encodings."""
    if index.encodings is None:
        return None
    r2 = index.encodings.r2[: len(index.rows)]
    known = r2[~np.isnan(r2)]
    return float(np.median(known)) if len(known) else None


def _index(opened: Opened, frozen: bool) -> dict[str, Any]:
    index = opened.index
    recipe, relevance = index.recipe, index.relevance
    outputs = [gives_outputs(index, axis) for axis in index.layers]
    layers = [
        {
            "layer": axis.layer,
            "kind": axis.kind,
            "start": axis.start,
            "stop": axis.stop,
            "dead": int(index.dead[axis.start : axis.stop].sum()),
            "outputs": final,
        }
        for axis, final in zip(index.layers, outputs, strict=True)
    ]
    outputs_of = index.encodings.outputs if index.encodings is not None else relevance.class_names if relevance else ()
    classes = zip(relevance.classes, relevance.counts.tolist(), strict=True) if relevance else ()
    return {
        "name": opened.name,
        "model": recipe.model.name,
        "foundation": asdict(recipe.foundation),
        "layers": layers,
        "components": len(index.rows),
        "images": {
            "source": recipe.images.source,
            "count": recipe.images.count,
            "unreadable": recipe.images.unreadable,
        },
        "k": recipe.k,
        "crop": recipe.crop.kind,
        "classes": [
            {"name": relevance.name(column) if relevance else "", "number": number, "images": images}
            for column, (number, images) in enumerate(classes)
        ],
        "relevance": {"method": relevance.method, "of": relevance.of, "top": relevance.top} if relevance else None,
        "whole": opened.images is not None,
        "heat": opened.images is not None and opened.model is not None,
        "outputs": {"count": len(outputs_of), "first": list(outputs_of[:NAMED])},
        "explained": _explained(index),
        "own": opened.model is not None and not frozen,
        "digest": opened.digest,
        "recipe": asdict(recipe),
    }
