"""Which column of a table has the images and which the labels: as asked, by a usual name, or the only one that fits."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError, unknown
from semlens.images.folders import NAMED_SO
from semlens.images.labels import label_texts

IMAGE_COLUMNS = (
    "path", "file", "image", "filename", "img", "filepath", "imagepath", "imgpath", "imagefile", "imagefilename",
    "imagefilepath", "imagename", "imgname", "imagefilename", "fname", "relativepath", "imageid", "isicid", "images",
    "photo", "picture", "dicom", "dicomid", "jpg", "png", "imageindex", "id",
)  # fmt: skip
"""What the column of images is usually called, without letter case, spaces and underscores; the first that fits."""

LABEL_COLUMNS = (
    "label", "class", "category", "labels", "classes", "categories", "labelname", "classname", "categoryname",
    "finelabel", "finelabels", "target", "targets", "diagnosis", "dx", "diagnosis1", "findinglabels", "finding",
    "findings", "species", "breed", "classlabel", "imageclass", "groundtruth", "gt", "tags", "tag", "y", "labelid",
    "classid", "categoryid", "labelidx", "classidx", "coarselabel",
)  # fmt: skip
"""The same for labels."""

SAMPLE = 200
"""Rows that are looked at before a column is chosen."""

Cells = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """A table of which the columns are known and the cells are read when they are wanted."""

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Sequence[str]], Iterator[Cells]]  # the cells of some columns, row by row
    notes: tuple[str, ...] = ()
    file: Path | None = None  # where pictures lie that are read one at a time

    def sample(self) -> dict[str, list[Any]]:
        """The first cells of every column."""
        first = list(islice(self.rows(self.columns), SAMPLE))
        return {column: [row[at] for row in first] for at, column in enumerate(self.columns)}


@dataclass(frozen=True)
class Chosen:
    """The columns that were taken."""

    image: str
    label: str | tuple[str, ...] | None  # several where each is a class, with 1 in the rows that are of it
    notes: tuple[str, ...]
    lost: tuple[str, ...]


def choose(table: Table, image: str | None, label: str | None, leads_to_image: Callable[[Any], bool]) -> Chosen:
    """The columns of images and labels.

    Args:
        leads_to_image: whether a cell is an image, or names a file.

    Raises:
        SemlensError: a column that does not exist, or none or several that may have the images.
    """
    if image and label:
        return Chosen(named(table.columns, image), named(table.columns, label), (), ())
    sample = table.sample()
    pictures = named(table.columns, image) if image else _image(table, sample, leads_to_image)
    notes = [] if image or column_key(pictures) in IMAGE_COLUMNS[:4] else [f"images are from the column {pictures!r}"]
    if label:
        return Chosen(pictures, named(table.columns, label), tuple(notes), ())
    others = [column for column in table.columns if column != pictures]
    found, told, lost = _label(others, sample)
    return Chosen(pictures, found, (*notes, *told), lost)


def named(columns: Iterable[str], asked: str) -> str:
    """The column of that name, or the only one that differs from it in letter case, spaces and underscores.

    Raises:
        SemlensError: there is none.
    """
    every = list(columns)
    alike = [column for column in every if column_key(column) == column_key(asked)]
    if asked in every or len(alike) == 1:
        return asked if asked in every else alike[0]
    raise unknown("column", asked, every)


def usual(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """The columns that have one of the names, in the order of the names."""
    keys = {column_key(column): column for column in reversed(list(columns))}
    return [keys[name] for name in names if name in keys]


def _image(table: Table, sample: dict[str, list[Any]], leads_to_image: Callable[[Any], bool]) -> str:
    hint = "Say which one has the images: image_column (--image-column)"
    known = usual(table.columns, IMAGE_COLUMNS)
    for column in known:
        if any(map(leads_to_image, sample[column])):
            return column
    leading = [column for column in table.columns if any(map(leads_to_image, sample[column]))]
    written = [column for column in table.columns if any(map(_is_name, sample[column]))]
    found = leading or ([] if known else written)
    if len(found) > 1:
        raise SemlensError(f"the columns {', '.join(found)} all name images. {hint}")
    if not (found or known):
        raise unknown("column", "image", table.columns, hint)
    return (found or known)[0]


def _is_name(cell: Any) -> bool:
    return isinstance(cell, str | os.PathLike) and str(cell).strip().lower().endswith(NAMED_SO)


def _label(
    columns: Sequence[str], sample: dict[str, list[Any]]
) -> tuple[str | tuple[str, ...] | None, tuple[str, ...], tuple[str, ...]]:
    """The column of labels, what was assumed, and what may be missed."""
    filled = [column for column in columns if any(text is not None for text in label_texts(sample[column]))]
    known = usual(filled, LABEL_COLUMNS)
    if known:
        more = f"; also there: {', '.join(known[1:4])}" if known[1:] else ""
        return known[0], (f"labels are from the column {known[0]!r}{more}",), ()
    marks = [column for column in filled if _are_marks(sample[column])]
    if len(marks) > 1 and _one_each(marks, sample):
        return tuple(marks), (f"labels are the columns {', '.join(marks[:8])}, by the 1 in each row",), ()
    fitting = [column for column in filled if _may_be_labels(sample[column], only=len(columns) == 1)]
    if len(fitting) == 1:
        return fitting[0], (f"labels are from the column {fitting[0]!r}, the only one that may be",), ()
    if fitting:
        few = ", ".join(fitting[:6]) + (f" and {len(fitting) - 6} more" if fitting[6:] else "")
        return None, (), (f"no labels are taken, for several columns may have them ({few}): say which, label_column "
                          "(--label-column)",)  # fmt: skip
    if not filled:
        return None, ("no column has labels",), ()
    others = ", ".join(filled[:6])
    told = f"no labels are taken, for no column looks like it ({others}): say which, label_column (--label-column)"
    return None, (), (told,)


def _may_be_labels(cells: Sequence[Any], only: bool) -> bool:
    """Whether cells look like labels: no fractions, no paths, and some more than once, unless there is no choice."""
    texts = [text for text in label_texts(cells) if text is not None]
    fractions = any(re.fullmatch(r"-?\d*\.\d+(e-?\d+)?", text) for text in texts)
    if not texts or fractions or any(map(_is_name, texts)):
        return False
    numbered = all(text.lstrip("-").isdecimal() for text in texts)  # as rows are
    return len(set(texts)) <= len(texts) / 2 or (only and not numbered)


def _are_marks(cells: Sequence[Any]) -> bool:
    return all(text in ("0", "1", "0.0", "1.0", "True", "False") for text in map(_mark, cells))


def _mark(cell: Any) -> str:
    return str(cell).strip()


def is_marked(cell: Any) -> bool:
    """Whether a cell of 0 and 1 is 1."""
    return _mark(cell) in ("1", "1.0", "True")


def _one_each(columns: Sequence[str], sample: dict[str, list[Any]]) -> bool:
    """Whether in each row one of the columns is 1."""
    return all(sum(map(is_marked, row)) == 1 for row in zip(*(sample[column] for column in columns), strict=True))


def column_key(name: str) -> str:
    """What the names of two columns share that differ only in letter case, spaces and signs."""
    return re.sub(r"[\W_]+", "", name).casefold()
