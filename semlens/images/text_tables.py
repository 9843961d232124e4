"""Tables that are text: CSV and its kin, JSON and JSON lines."""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError
from semlens.images.columns import Table
from semlens.images.folders import SUFFIXES

DELIMITERS = ",;\t"
"""What may stand between the cells of a row: the one that the first line has most of does, else a bar."""


def text_table(path: Path) -> Table:
    """A CSV, whatever stands between its cells, or a list of paths, with or without a header."""
    encoding = _encoding(path)
    with path.open(newline="", encoding=encoding) as file:
        first = next((line for line in file if line.strip()), "")
    if not first:
        raise SemlensError(f"{path} is empty: a table has a row with the names of its columns")
    delimiter = _delimiter(first)
    reader = csv.reader([first.strip("\r\n")], delimiter=delimiter, skipinitialspace=True)
    header = tuple(cell.strip() for cell in next(reader))
    headless = any(_is_file_name(cell, path.parent) for cell in header)
    columns = tuple(f"column {n}" for n in range(1, len(header) + 1)) if headless else header
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise SemlensError(f"{path} has several columns called {twice!r}: rename them")

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        places = [columns.index(name) for name in wanted]
        with path.open(newline="", encoding=encoding) as file:
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
            for number, row in enumerate(filter(None, (_stripped(row) for row in reader))):
                if len(row) > len(columns):
                    raise SemlensError(
                        f"line {reader.line_num} of {path} has {len(row)} cells, and there are {len(columns)} columns: "
                        "put quotes around what holds the sign between cells"
                    )
                if number or headless:
                    yield tuple(row[at] if at < len(row) else "" for at in places)

    notes = (f"{path.name} has no header: its first row is an image",) if headless else ()
    return Table(str(path), columns, rows, notes)


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
    return "|" if "|" in unquoted else " " if first.endswith(SUFFIXES) and first != line.strip().lower() else ","


def _is_file_name(cell: str, folder: Path) -> bool:
    return cell.lower().endswith(SUFFIXES) or (bool(cell) and os.path.isfile(os.path.join(folder, cell)))


# --- JSON ------------------------------------------------------------------------------------------------------------


def json_table(path: Path) -> Table:
    """A record a line, a list of records, or a list for each column."""
    with path.open(encoding=_encoding(path)) as file:
        start = next((line for line in file if line.strip()), "").strip()
    lines = path.suffix.lower() != ".json" or (start.startswith("{") and start.endswith("}") and _is_record(start))

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


def _is_record(line: str) -> bool:
    try:
        return not all(isinstance(value, list | dict) for value in json.loads(line).values())
    except (json.JSONDecodeError, RecursionError):
        return False


def _records(whole: Any, path: Path) -> Iterable[Any]:
    if isinstance(whole, list):
        return whole
    if isinstance(whole, Mapping) and {"images", "annotations"} <= set(whole):
        raise SemlensError(f"{path} is in COCO's form, which has labels for boxes: give a table with a row per image")
    if isinstance(whole, Mapping) and whole and all(isinstance(column, list) for column in whole.values()):
        return (dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True))
    raise SemlensError(f"{path} is no table: give a list of objects with the keys path and label")
