"""Tables of images: CSV and its kin, JSON, Parquet and data frames, with names of files or the pictures inside."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice, repeat
from pathlib import Path, PurePosixPath
from typing import Any

from semlens.errors import SemlensError, unknown
from semlens.images.cells import Cells, is_picture, name_of
from semlens.images.columns import IMAGE_COLUMNS, SAMPLE, Chosen, Table, choose, column_key, is_marked, named, usual
from semlens.images.decode import Raw
from semlens.images.folders import files_below
from semlens.images.labels import label_texts
from semlens.images.listing import Files, Listing
from semlens.images.parquet import ParquetCells, parquet_table
from semlens.images.places import Places, locate
from semlens.images.text_tables import json_table, text_table


def table_listing(path: Path, image_column: str | None, label_column: str | None) -> Listing:
    """The images of a table in a file, by names that start from its folder, or the pictures themselves.

    Raises:
        SemlensError: it cannot be read, has no rows or no images.
    """
    with _read(path):
        table = _table(path)
        chosen = choose(table, image_column, label_column, lambda cell: _leads(cell, path.parent))
        return _listed(table, chosen, path.parent, str(path))


def frame_listing(frame: Any, image_column: str | None, label_column: str | None) -> Listing:
    """The images of a data frame of pandas, Polars or Arrow; paths start from the working directory."""
    table = _frame(frame)
    chosen = choose(table, image_column, label_column, lambda cell: _leads(cell, Path()))
    return _listed(table, chosen, Path(), f"{type(frame).__name__} of {len(frame)} images")


def _frame(frame: Any) -> Table:
    columns = {str(name): name for name in (frame.column_names if hasattr(frame, "column_names") else frame.columns)}

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        if not wanted:
            return repeat((), len(frame))
        return zip(*(_column_of(frame, columns[name]) for name in wanted), strict=True)

    return Table(f"the {type(frame).__name__}", tuple(columns), rows)


def _records(records: Sequence[Mapping[str, Any]]) -> Table:
    columns = tuple(dict.fromkeys(str(key) for record in records for key in record))
    return Table("the list", columns, lambda wanted: (tuple(record.get(c) for c in wanted) for record in records))


def read_cells(source: Any, wanted: Callable[[Sequence[str]], Sequence[str]]) -> list[tuple[Any, ...]]:
    """The cells of some columns, row by row, of a table in a file, a data frame or a list of dicts.

    Args:
        wanted: which of the columns that there are.

    Raises:
        SemlensError: it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        with _read(Path(source)):
            table = _table(Path(source))
            return list(table.rows(wanted(table.columns)))
    table = _records(source) if isinstance(source, list | tuple) else _frame(source)
    return list(table.rows(wanted(table.columns)))


def table_column(path: Path, column: str) -> tuple[str | None, ...]:
    """The cells of a column of a table in a file, as labels are read.

    Raises:
        SemlensError: there is no such column.
    """
    with _read(path):
        table = _table(path)
        return label_texts(cell for (cell,) in table.rows([named(table.columns, column)]))


def frame_column(frame: Any, column: str) -> tuple[str | None, ...]:
    """The same of a data frame, or of a data set of Hugging Face."""
    columns = {str(name): name for name in (frame.column_names if hasattr(frame, "column_names") else frame.columns)}
    return label_texts(_column_of(frame, columns[named(columns, column)]))


def records_listing(records: Sequence[Mapping[str, Any]], image: str | None, label: str | None) -> Listing:
    """The images of a list of dicts."""
    table = _records(records)
    chosen = choose(table, image, label, lambda cell: _leads(cell, Path()))
    return _listed(table, chosen, Path(), f"list of {len(records)} images")


def read_column(path: Path, names: Sequence[str], what: str) -> list[str]:
    """The texts in the column of a table that has one of the names, or in its only one.

    Raises:
        SemlensError: it cannot be read, or no column of that name is there.
    """
    with _read(path):
        table = _table(path)
        columns = [column for name in names for column in table.columns if column.lower() == name]
        if not columns and len(table.columns) > 1:
            raise unknown("column", names[0], table.columns, f"Let the column of {what} in {path} be called {names[0]}")
        column = (columns or table.columns)[0]
        cells = [str(cell) for (cell,) in table.rows([column]) if cell is not None]
    return cells if columns else [column, *cells]  # a list without a header begins with a phrase


def read_marks(path: Path, columns: Sequence[str]) -> dict[str, tuple[tuple[str, str | None], ...]]:
    """For each of the columns that a table has, the name of every row's image and the cell, as labels are read.

    Raises:
        SemlensError: it cannot be read, has no column that names images, or none of the columns.
    """
    with _read(path):
        table = _table(path)
        there = {name: found[0] for name in columns if (found := usual(table.columns, [column_key(name)]))}
        image = next((name for name in usual(table.columns, (*IMAGE_COLUMNS, "name")) if name not in there), None)
        if image is None or not there:
            raise SemlensError(
                f"the table {path} needs a column that names the images (image, path or file) and one that is called "
                f"as one of {', '.join(columns)}, not only {', '.join(table.columns)}"
            )
        names = [name_of(cell) for (cell,) in table.rows([image])]
        cells = {name: label_texts(cell for (cell,) in table.rows([column])) for name, column in there.items()}
    return {name: tuple(zip(names, texts, strict=True)) for name, texts in cells.items()}


def is_table(path: Path) -> bool:
    """Whether a file's name is a table's."""
    return path.suffix.lower() in _READERS


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Whatever goes wrong with a file in one sentence."""
    try:
        yield
    except (OSError, UnicodeError, csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise SemlensError(f"cannot read the table {path}: {_why(error)}") from error


def _table(path: Path) -> Table:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SemlensError(f"{path} is no table that can be read: give one of {', '.join(_READERS)}")
    return reader(path)


def _column_of(frame: Any, name: Any) -> list[Any]:
    column = frame[name]
    if getattr(column, "ndim", 1) > 1:
        raise SemlensError(f"the data frame has several columns called {name!r}: rename them")
    read = next(method for method in ("to_pylist", "to_list", "tolist") if hasattr(column, method))
    return list(getattr(column, read)())


def _leads(cell: Any, folder: Path) -> bool:
    if is_picture(cell):
        return True
    name = name_of(cell)
    return bool(name) and locate([name], folder).found == 1 if _may_be_name(name) else False


def _may_be_name(name: str) -> bool:
    return bool(name) and len(name) < 1000 and "\n" not in name


def _listed(table: Table, chosen: Chosen, folder: Path, source: str) -> Listing:
    """The rows as images.

    Raises:
        SemlensError: there are none, or none of the files that they name exists.
    """
    first = [cell for (cell,) in islice(table.rows([chosen.image]), SAMPLE)]
    if not first:
        raise SemlensError(f"{table.name} has no rows: its columns are {', '.join(table.columns)}")
    labels = _labels(table, chosen.label)
    notes, lost = [*table.notes, *chosen.notes], chosen.lost
    if any(map(is_picture, first)):
        names = tuple(f"image {number}" for number in range(len(labels)))
        return Listing(source, names, labels, _pictures(table, chosen.image), tuple(notes), lost)
    names = tuple(name_of(cell) for (cell,) in table.rows([chosen.image]))
    places = locate(names, folder)
    if not places.found:
        raise _none_found(names, table.name, folder)
    notes += _told(places, len(names))
    return Listing(source, names, labels, Files(str(folder), places.paths), tuple(notes), lost)


def _labels(table: Table, column: str | tuple[str, ...] | None) -> tuple[str | None, ...]:
    """The label of every row."""
    if isinstance(column, str):
        return label_texts(value for (value,) in table.rows([column]))
    if column is None:
        return (None,) * sum(1 for _ in table.rows([]))
    rows = table.rows(column)
    return label_texts([name for name, cell in zip(column, row, strict=True) if is_marked(cell)] for row in rows)


def _pictures(table: Table, column: str) -> Callable[[int], Raw]:
    """Reads the pictures inside a table: one at a time from a file, or where they lie in memory."""
    if isinstance(table.file, Path):
        return ParquetCells(str(table.file), column)
    return Cells(tuple(cell for (cell,) in table.rows([column])))


def _none_found(names: Sequence[str], table: str, folder: Path) -> SemlensError:
    name = next((name for name in names if name), "")
    if name.startswith(("http://", "https://", "s3://", "gs://")):
        return SemlensError(f"{table} names addresses of a network, as {name}: download the images and name the files")
    stem = PurePosixPath(name.replace("\\", "/")).stem.casefold()
    other = next((file for file in files_below(folder) if PurePosixPath(file).stem.casefold() == stem), None)
    return SemlensError(
        f"none of the {len(names)} files in {table} exists: looked for {os.path.join(folder, name)}, in images/ there, "
        f"and for a file of that name below {folder or '.'}{f', where {other} is' if other else ''}"
    )


def _told(places: Places, count: int) -> list[str]:
    if not places.guessed:
        return []
    name, path = next(iter(places.guessed.items()))
    return [f"{len(places.guessed):,} of {count:,} names lead to a file otherwise than written: {name} is {path}"]


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not text in UTF-8: save it as such (in Excel: CSV UTF-8)"
    return next(iter(str(error).splitlines()), type(error).__name__)


_READERS = {
    ".csv": text_table, ".tsv": text_table, ".txt": text_table, ".tab": text_table,
    ".json": json_table, ".jsonl": json_table, ".ndjson": json_table, ".parquet": parquet_table,
}  # fmt: skip
