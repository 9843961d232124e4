"""Where texts come from: a folder, a file, a table or a list."""

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError, unknown
from semlens.images import LABEL_COLUMNS, ImagesWarning, is_table, label_texts, named, read_cells, usual

TEXT_COLUMNS = ("text", "sentence", "content", "body", "review", "comment", "document", "caption", "passage", "prompt")
"""What the column of texts is usually called; the first that fits."""


@dataclass(frozen=True)
class Passage:
    """A text as it stands in its source."""

    place: str
    text: str
    label: str | None = None
    group: str | None = None


def passages_of(source: Any, chosen: Mapping[str, Any]) -> tuple[list[Passage], list[str]]:
    """The texts of any source, and what was assumed.

    Raises:
        SemlensError: it is none.
    """
    if isinstance(source, str | os.PathLike):
        return _of_path(Path(source).expanduser(), chosen)
    if not hasattr(source, "__len__") or isinstance(source, Mapping | bytes):
        raise SemlensError(f"a {type(source).__name__} is no set of texts: give a folder, a table or a list")
    if not len(source):
        raise SemlensError("no texts in an empty list")
    if isinstance(source, list | tuple) and not all(isinstance(item, Mapping) for item in source):
        return _of_list(source), []
    return _of_table(source, "row", chosen)


def _of_path(path: Path, chosen: Mapping[str, Any]) -> tuple[list[Passage], list[str]]:
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise SemlensError(f"there is no {path}: give a folder, a .txt file or a table of texts")
    if path.suffix.lower() == ".txt":
        return [Passage(f"{path.name}:", _read(path))], []
    if not is_table(path):
        raise SemlensError(f"{path} is no text: give a folder of .txt files, a .txt, .csv, .json, .jsonl or .parquet")
    return _of_table(path, path.name, chosen)


def _of_folder(folder: Path) -> tuple[list[Passage], list[str]]:
    """The .txt files below a folder; one that cannot be read is left out, and warned of."""
    files = sorted(
        path for path in folder.rglob("*.txt") if not any(part.startswith(".") for part in _below(path, folder))
    )
    if not files:
        raise SemlensError(f"no texts in {folder}: no file below it is called .txt")
    passages, lost = [], []
    for path in files:
        parts = _below(path, folder)
        try:
            passages.append(Passage(f"{'/'.join(parts)}:", _read(path), parts[0] if len(parts) > 1 else None))
        except SemlensError as error:
            lost.append(str(error))
    if lost:
        warnings.warn(
            f"{folder}: {len(lost)} of {len(files)} files are left out, first: {lost[0]}", ImagesWarning, stacklevel=4
        )
    return passages, []


def _below(path: Path, folder: Path) -> tuple[str, ...]:
    return path.relative_to(folder).parts


def _read(path: Path) -> str:
    """What a file says.

    Raises:
        SemlensError: it is no text, or in no encoding that it says itself.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = "it is not text in UTF-8: save it as such" if isinstance(error, UnicodeError) else str(error)
        raise SemlensError(f"cannot read {path}: {why}") from error
    if "\0" in text:
        raise SemlensError(f"cannot read {path}: it holds bytes of zero, which no text does")
    return text


def _of_list(items: Sequence[Any]) -> list[Passage]:
    """A list of texts, or of pairs with a label."""
    pairs = [item if isinstance(item, tuple | list) and len(item) == 2 else (item, None) for item in items]
    wrong = next((at for at, (text, _) in enumerate(pairs) if not isinstance(text, str)), None)
    if wrong is not None:
        raise SemlensError(
            f"item {wrong} of the list is a {type(pairs[wrong][0]).__name__}: give texts, or (text, label)"
        )
    labels = label_texts(label for _, label in pairs)
    return [Passage(f"{at}:", text, label) for at, ((text, _), label) in enumerate(zip(pairs, labels, strict=True))]


def _of_table(source: Any, name: str, chosen: Mapping[str, Any]) -> tuple[list[Passage], list[str]]:
    """The rows of a table."""
    taken: list[str] = []

    def wanted(columns: Sequence[str]) -> list[str]:
        taken[:] = [_text_column(columns, chosen.get("text_column")), "", ""]
        taken[1] = (
            named(columns, label) if (label := chosen.get("label_column")) else _first(usual(columns, LABEL_COLUMNS))
        )
        taken[2] = named(columns, group) if (group := chosen.get("group_column")) else ""
        return [column for column in taken if column]

    rows = [list(row) for row in read_cells(source, wanted)]
    full = [[row.pop(0) if column else None for column in taken] for row in rows]
    labels, groups = (label_texts(row[at] for row in full) for at in (1, 2))
    wrong = next((at for at, (text, *_) in enumerate(full) if not isinstance(text, str) and text is not None), None)
    if wrong is not None:
        raise SemlensError(
            f"row {wrong + 1} of {name} has a {type(full[wrong][0]).__name__} in the column {taken[0]!r}, not a text: "
            "say which column has the texts, text_column (--text-column)"
        )
    told = [f"labels are from the column {taken[1]!r}"] if taken[1] and not chosen.get("label_column") else []
    passages = [
        Passage(f"{name} {at + 1}:", text or "", label, group)
        for at, ((text, *_), label, group) in enumerate(zip(full, labels, groups, strict=True))
    ]
    return passages, told


def _text_column(columns: Sequence[str], asked: str | None) -> str:
    if asked:
        return named(columns, asked)
    known = usual(columns, TEXT_COLUMNS) or (list(columns) if len(columns) == 1 else [])
    if not known:
        raise unknown("column", "text", columns, "Say which one has the texts: text_column (--text-column)")
    return known[0]


def _first(names: Iterable[str]) -> str:
    return next(iter(names), "")
