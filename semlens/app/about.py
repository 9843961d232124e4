"""What is shown, what can be done with it, and what people say of it."""

import re
from dataclasses import asdict
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from semlens import __version__
from semlens.app.answer import Answer, as_json
from semlens.app.asked import Asked
from semlens.app.judged import notes_of
from semlens.app.session import Opened
from semlens.errors import SemlensError, missing_extra


def session(asked: Asked) -> Answer:
    """The indexes, and what the reader may do."""
    found = asked.session
    can = {
        "search": not found.frozen,
        "annotate": all(one.notes is not None for one in found.opened),
        "audit": not found.frozen,
        "parquet": not found.frozen and find_spec("pyarrow") is not None,
    }
    indexes = [_index(one) for one in found.opened]
    return as_json({"version": __version__, "indexes": indexes, "can": can, "comparable": found.comparable})


def annotations(asked: Asked) -> Answer:
    """What people say of components."""
    notes, index = notes_of(asked), asked.opened.index
    starts = {axis.layer: (axis.start, axis.components) for axis in index.layers}
    rows = [
        {"row": starts[one.layer][0] + one.unit, "tag": one.tag, "note": one.note, "label": one.label}
        for one in notes.all()
        if one.layer in starts and 0 <= one.unit < starts[one.layer][1]
    ]
    return as_json({"where": str(notes.path), "rows": rows, "undo": notes.last()})


def annotate(asked: Asked) -> Answer:
    """Says something of a component: a `tag`, a `note` or a `label`."""
    tree, index = asked.tree(), asked.opened.index
    row = asked.value("row", int)
    component = index.component(row)
    said = [(kind, tree[kind] or "") for kind in ("tag", "note", "label") if kind in tree]
    if len(said) != 1 or not isinstance(said[0][1], str):
        raise SemlensError("give one of tag, note and label, a text")
    notes_of(asked).change(component.layer, component.unit, *said[0])
    return annotations(asked)


def undo(asked: Asked) -> Answer:
    """Takes the last thing back that was said."""
    notes_of(asked).undo()
    return annotations(asked)


def parquet(asked: Asked) -> Answer:
    """A table of the page's as a Parquet file."""
    if find_spec("pyarrow") is None:
        raise missing_extra("pyarrow", "parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns, name = asked.value("columns", dict), asked.value("name", str)
    file = BytesIO()
    try:
        pq.write_table(pa.table({str(key): pa.array(values) for key, values in columns.items()}), file)
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError) as fault:
        raise SemlensError(f"the table cannot be written: {fault}") from fault
    return Answer(200, "application/vnd.apache.parquet", file.getvalue(), name=f"{file_name(name)}.parquet")


def file_name(text: str) -> str:
    """A text as the name of a file: letters, digits and hyphens."""
    return re.sub(r"[^\w-]+", "-", text, flags=re.ASCII).strip("-")[:60] or "table"


def _index(opened: Opened) -> dict[str, Any]:
    index = opened.index
    recipe, relevance = index.recipe, index.relevance
    outputs = [all(index.unit_names[axis.start : axis.stop]) for axis in index.layers]
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
            {"name": relevance.name(at) if relevance else "", "number": number, "images": images}
            for at, (number, images) in enumerate(classes)
        ],
        "relevance": {"method": relevance.method, "of": relevance.of, "top": relevance.top} if relevance else None,
        "whole": opened.images is not None,
        "heat": opened.images is not None and opened.model is not None,
        "digest": opened.digest,
        "recipe": asdict(recipe),
    }
