"""Tables that are text: CSV and its kin, JSON and JSON lines."""

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError
from semlens.images.columns import IMAGE_COLUMNS, Table, usual
from semlens.images.folders import NAMED_SO

DELIMITERS = ",;\t"
"""What may stand between the cells of a row: the one that the first line has most of does, else a bar."""


def text_table(path: Path) -> Table:
    """A CSV, whatever stands between its cells, or a list of paths, with or without a header."""
    encoding = _encoding(path)
    head = _head(path, encoding)
    reader = csv.reader([head.line.strip("\r\n")], delimiter=head.delimiter, skipinitialspace=True)
    header = tuple(cell.strip() for cell in next(reader))
    headless = any(_is_file_name(cell, path.parent) for cell in header)
    columns = tuple(f"column {n}" for n in range(1, len(header) + 1)) if headless else header
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise SemlensError(f"{path} has several columns called {twice!r}: rename them")

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        places = [columns.index(name) for name in wanted]
        with path.open(newline="", encoding=encoding) as file:
            reader = csv.reader(islice(file, head.before, None), delimiter=head.delimiter, skipinitialspace=True)
            for number, row in enumerate(filter(None, (_stripped(row) for row in reader))):
                if len(row) > len(columns):
                    raise SemlensError(
                        f"line {head.before + reader.line_num} of {path} has {len(row)} cells, and there are "
                        f"{len(columns)} columns: put quotes around what holds the sign between cells"
                    )
                if number or headless:
                    yield tuple(row[at] if at < len(row) else "" for at in places)

    notes = (f"{path.name} has no header: its first row is an image",) if headless else ()
    return Table(str(path), columns, rows, notes)


@dataclass(frozen=True)
class _Head:
    """The first row of a table, what stands between its cells, and how many lines come before it."""

    line: str
    delimiter: str
    before: int


def _head(path: Path, encoding: str) -> _Head:
    """Where a table begins: after what Excel says of the sign between cells, and after remarks that begin with #.

    Raises:
        SemlensError: the file is empty.
    """
    said = ""
    with path.open(newline="", encoding=encoding) as file:
        lines = [(at, line) for at, line in enumerate(islice(file, _LINES_BEFORE)) if line.strip()]
    while lines and (sign := re.fullmatch(r"sep=(.)", lines[0][1].strip("\r\n"), re.IGNORECASE)):
        said, lines = sign[1], lines[1:]
    while len(lines) > 1 and lines[0][1].startswith("#") and not _is_header([line for _, line in lines]):
        lines = lines[1:]
    if not lines:
        raise SemlensError(f"{path} is empty: a table has a row with the names of its columns")
    before, line = lines[0]
    return _Head(line, said or _delimiter(line), before)


def _is_header(lines: Sequence[str]) -> bool:
    """Whether a line that begins with # names columns all the same: one has a usual name for images, and there are as
    many as the row that follows has cells."""
    sign = _delimiter(lines[1])
    named = usual((cell.strip(' #"\r\n') for cell in lines[0].split(sign)), IMAGE_COLUMNS)
    return bool(named) and lines[0].count(sign) == lines[1].count(sign)


def _stripped(row: list[str]) -> list[str]:
    """The cells without space around them, and without empty ones at the end."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        mark = file.read(2)
    return "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _delimiter(line: str) -> str:
    unquoted = "".join(line.split('"')[::2])
    counts = {sign: unquoted.count(sign) for sign in DELIMITERS}
    best = max(counts, key=lambda sign: counts[sign])
    if counts[best]:
        return best
    first = line.split()[0].lower()
    return "|" if "|" in unquoted else " " if first.endswith(NAMED_SO) and first != line.strip().lower() else ","


_LINES_BEFORE = 100  # within which a table begins


def _is_file_name(cell: str, folder: Path) -> bool:
    return cell.lower().endswith(NAMED_SO) or (bool(cell) and os.path.isfile(os.path.join(folder, cell)))


# --- JSON ------------------------------------------------------------------------------------------------------------


def json_table(path: Path) -> Table:
    """A record a line, a list of records, or a list for each column."""
    with path.open(encoding=_encoding(path)) as file:
        start = list(islice((line.strip() for line in file if line.strip()), 2))
    lines = path.suffix.lower() != ".json" or (bool(start) and _is_object(start[0]) and (
        len(start) > 1 or _is_record(start[0])
    ))  # fmt: skip

    def records() -> Iterator[Mapping[str, Any]]:
        with path.open(encoding=_encoding(path)) as file:
            whole = (json.loads(line) for line in file if line.strip()) if lines else _records(json.load(file), path)
            for number, record in enumerate(whole, start=1):
                if isinstance(record, str):
                    record = {"text": record}
                if not isinstance(record, Mapping):
                    raise SemlensError(f"record {number} of {path} is a {type(record).__name__}, no object with keys")
                yield record

    columns = tuple(dict.fromkeys(str(key) for record in records() for key in record))
    if not columns:
        raise SemlensError(f"{path} has no rows: give an object a line, with the keys path and label")

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        return (tuple(record.get(name) for name in wanted) for record in records())

    return Table(str(path), columns, rows)


def _is_object(line: str) -> bool:
    """Whether a line is a whole object of JSON."""
    try:
        return line.startswith("{") and isinstance(json.loads(line), Mapping)
    except (json.JSONDecodeError, RecursionError):
        return False


def _is_record(line: str) -> bool:
    """Whether an object is a row, not all of them."""
    record = json.loads(line)
    named = usual(record, IMAGE_COLUMNS)
    rows = any(isinstance(value, list) and any(isinstance(row, Mapping) for row in value) for value in record.values())
    return not isinstance(record[named[0]], list) if named else not (rows or all(
        _names_image(key) or isinstance(value, list | dict) for key, value in record.items()
    ))  # fmt: skip


def _records(whole: Any, path: Path) -> Iterable[Any]:
    """The rows of a list, or of an object: with a list for each column, a list of rows under one key, images with their
    label, or labels with their images.

    Raises:
        SemlensError: it is none of these.
    """
    if isinstance(whole, list):
        return whole
    if not isinstance(whole, Mapping) or not whole:
        raise _no_table(path)
    if {"images", "annotations"} <= set(whole):
        raise SemlensError(f"{path} is in COCO's form, which has labels for boxes: give a table with a row per image")
    lists = {key: value for key, value in whole.items() if isinstance(value, list)}
    rows = [value for value in lists.values() if value and all(isinstance(row, Mapping) for row in value)]
    if len(rows) == 1 == len(lists):
        return rows[0]
    if all(map(_names_image, whole)):
        return ({"image": name, "label": label} for name, label in whole.items())
    if len(lists) < len(whole):
        raise _no_table(path)
    return _of_lists(lists, path)


def _of_lists(lists: Mapping[str, list[Any]], path: Path) -> Iterable[Any]:
    """The rows of lists that are columns, or of labels with the names of their images."""
    if not usual(lists, IMAGE_COLUMNS) and all(all(map(_names_image, names)) for names in lists.values()):
        return ({"image": name, "label": label} for label, names in lists.items() for name in names)
    if len({len(cells) for cells in lists.values()}) > 1:
        raise SemlensError(f"{path} has columns of different lengths: give a list of objects, one per image")
    return (dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True))


def _names_image(name: Any) -> bool:
    return isinstance(name, str) and name.strip().lower().endswith(NAMED_SO)


def _no_table(path: Path) -> SemlensError:
    return SemlensError(f"{path} is no table: give a list of objects with the keys path and label")
