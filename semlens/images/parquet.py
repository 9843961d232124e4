"""Parquet tables: their columns, and the pictures that lie inside one, read one after the other."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError, missing_extra
from semlens.images.cells import raw_of
from semlens.images.columns import Table
from semlens.images.decode import Raw

_AT_ONCE = 16  # rows of pictures in memory


def parquet_table(path: Path) -> Table:
    """The table in a Parquet file.

    Raises:
        SemlensError: it cannot be read.
    """

    def rows(wanted: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        with _opened(path) as file:
            if not wanted:
                yield from repeat((), file.metadata.num_rows)
                return
            for batch in file.iter_batches(_AT_ONCE, columns=list(wanted), use_threads=False):
                yield from zip(*(batch.column(name).to_pylist() for name in wanted), strict=True)

    with _opened(path) as file:
        columns = tuple(file.schema_arrow.names)
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise SemlensError(f"{path} has several columns called {twice!r}: rename them")
    return Table(str(path), columns, rows, file=path)


@dataclass(frozen=True)
class ParquetCells:
    """Reads a picture that lies in a column of a Parquet file. Going forward each is read once."""

    path: str
    column: str

    def __call__(self, id: int) -> Raw:  # noqa: D102  the class says it
        return raw_of(_cursor(self.path, self.column, os.getpid()).cell(id), id)


class _Cursor:
    """A place in a column, which goes forward at no cost. Mutable, because a cursor is."""

    def __init__(self, path: str, column: str) -> None:
        self.path, self.column = path, column
        with _opened(Path(path)) as file:
            groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        self.starts = [0, *accumulate(groups)]
        self.first: int = 0
        self.cells: list[Any] = []
        self.batches = self._from(0)

    def cell(self, id: int) -> Any:
        """The cell of a row."""
        group = bisect_right(self.starts, id) - 1
        if not self.first <= id or self.starts[group] > self.first + len(self.cells):
            self.first, self.cells, self.batches = self.starts[group], [], self._from(group)
        while id >= self.first + len(self.cells):
            self.first += len(self.cells)
            self.cells = next(self.batches)
        return self.cells[id - self.first]

    def _from(self, group: int) -> Iterator[list[Any]]:
        with _opened(Path(self.path)) as file:
            groups = range(group, file.num_row_groups)
            for batch in file.iter_batches(_AT_ONCE, row_groups=list(groups), columns=[self.column], use_threads=False):
                yield batch.column(self.column).to_pylist()


@lru_cache(maxsize=1)
def _cursor(path: str, column: str, process: int) -> _Cursor:
    """The cursor of this process: workers that share an open file would move each other's place in it."""
    return _Cursor(path, column)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import pyarrow  # a fifth of a second that only such a table costs
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise missing_extra("pyarrow", "parquet") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise SemlensError(f"cannot read the table {path}: {line}") from error
