"""Rows of results: they print as a table, show themselves in a notebook with pictures, and become data frames."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from io import StringIO
from math import isfinite
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final, overload

import numpy as np

from semlens.errors import missing_extra
from semlens.index import ConceptIndex
from semlens.types import MISSING, Component

if TYPE_CHECKING:
    import pandas
    import polars

T = TypeVar("T")

MAX_ROWS_SHOWN = 20
"""Rows that are printed; the others are counted."""

Pictures = Callable[[T], Sequence[bytes]]
"""The WebP files that stand for a row."""


@final
class Rows(Sequence[T], Generic[T]):
    """Results of one kind, a frozen dataclass each, in their order."""

    def __init__(
        self,
        rows: Iterable[T],
        title: str = "",
        pictures: Pictures[T] | None = None,
        printed: Sequence[str] = (),
        *,
        remarks: Iterable[str] = (),
    ) -> None:
        self._rows, self.title, self._pictures = tuple(rows), title, pictures
        self.remarks = tuple(filter(None, remarks))  # sentences that a reader of the rows has to know
        self._printed = printed  # the fields that a printed table shows; all if empty

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> "Rows[T]": ...

    def __getitem__(self, place: int | slice) -> "T | Rows[T]":
        if isinstance(place, slice):
            return Rows(self._rows[place], self.title, self._pictures, self._printed, remarks=self.remarks)
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str) and self._rows == tuple(other)

    def __hash__(self) -> int:
        return hash(self._rows)

    def records(self) -> list[dict[str, Any]]:
        """A dictionary per row of what JSON can hold: components as `layer:unit`, None for what is not a number."""
        return [{name: plain(value) for name, value in _items(row)} for row in self._rows]

    def to_pandas(self) -> "pandas.DataFrame":
        """A pandas data frame with a column per field.

        Raises:
            SemlensError: pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise missing_extra("pandas", "notebook") from None
        return pandas.DataFrame(self.records())

    def to_polars(self) -> "polars.DataFrame":
        """The same for Polars."""
        try:
            import polars
        except ModuleNotFoundError:
            raise missing_extra("polars", "notebook") from None
        return polars.DataFrame(self.records(), infer_schema_length=None)

    def __repr__(self) -> str:
        return "\n".join([self.table(), *self.remarks])

    def table(self) -> str:
        """The rows as a printed table, without the remarks."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = Table(title=Text(self.title) if self.title else None, title_justify="left", header_style="bold")
        for name in self._columns():
            shown.add_column(Text(name.replace("_", " ")), overflow="fold")
        for row in self._rows[:MAX_ROWS_SHOWN]:
            shown.add_row(*(Text(cell(getattr(row, name))) for name in self._columns()))
        text = StringIO()
        Console(file=text, force_jupyter=False, width=max(80, get_terminal_size((120, 24)).columns)).print(shown)
        return text.getvalue().rstrip("\n") + (f"\n{self._more()}" if self._more() else "")

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in self._columns())
        lines = []
        for row in self._rows[:MAX_ROWS_SHOWN]:
            cells = "".join(f"<td>{escape(cell(getattr(row, name)))}</td>" for name in self._columns())
            lines.append(f"<tr>{cells}{self._shown(row)}</tr>")
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head += "<th>examples</th>" if self._pictures else ""
        more = f"<p>{escape(self._more())}</p>" if self._more() else ""
        more += "".join(f"<p>{escape(remark)}</p>" for remark in self.remarks)
        return f"<table>{caption}<tr>{head}</tr>{''.join(lines)}</table>{more}"

    def _shown(self, row: T) -> str:
        if self._pictures is None:
            return ""
        return f"<td>{''.join(f'<img src={source!r} height=64>' for source in map(data_url, self._pictures(row)))}</td>"

    def _columns(self) -> list[str]:
        every = [name for name, _ in _items(self._rows[0])] if self._rows else []
        return [name for name in every if not self._printed or name in self._printed]

    def _more(self) -> str:
        rest = len(self._rows) - MAX_ROWS_SHOWN
        return f"and {rest:,} more" if rest > 0 else ("none" if not self._rows else "")


def pictures(index: ConceptIndex, component: Component, count: int = 5) -> list[bytes]:
    """The thumbnails of a component's strongest examples, as WebP files."""
    rows = [row for row in index.rows[index.row(component)].tolist() if row != MISSING]
    return [picture for picture in map(index.thumbnails.get, rows[:count]) if picture]


def data_url(picture: bytes) -> str:
    """A WebP file as the address of itself, for pages that fetch nothing."""
    return f"data:image/webp;base64,{b64encode(picture).decode()}"


def plain(value: Any) -> Any:
    """What JSON can hold: a component as `layer:unit`, a dataclass as a dictionary, None for what is not a number."""
    if isinstance(value, Component):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(inner) for name, inner in _items(value)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def cell(value: Any) -> str:
    """A value as a person reads it: three digits, nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if not isfinite(number):
            return ""
        return f"{number:.2g}" if 0 < abs(number) < 0.001 else f"{number:.3f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(cell, value))
    return str(value)


def _items(row: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(row, field.name)) for field in fields(row)]
