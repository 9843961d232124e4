"""Where images come from: a folder, a table, a list, a data set or a frame, as text or as it is."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError, unknown
from semlens.images.columns import named
from semlens.images.datasets import dataset_listing, hugging_face_listing, list_listing, open_hugging_face
from semlens.images.folders import ARCHIVES, SUFFIXES, folder_listing
from semlens.images.labels import label_texts
from semlens.images.listing import Listing
from semlens.images.tables import frame_column, frame_listing, is_table, table_column, table_listing


def listing(source: Any, image_column: str | None, label_column: str | None) -> Listing:
    """The images of any source that `load_images` takes.

    Raises:
        SemlensError: it is none.
    """
    if isinstance(source, str) and source.startswith("hf:"):
        return replace(hugging_face_listing(open_hugging_face(source), image_column, label_column), source=source)
    if isinstance(source, str | os.PathLike):
        return _of_path(Path(source), image_column, label_column)
    if isinstance(source, Mapping):
        raise SemlensError(f"the data set has the splits {', '.join(map(str, source))}: pass one of them")
    if hasattr(source, "iloc") or hasattr(source, "get_column") or hasattr(source, "to_pylist"):
        return frame_listing(source, image_column, label_column)
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise SemlensError(f"a {type(source).__name__} has no items by number: pass a folder, table, list or data set")
    if hasattr(source, "cast_column"):
        return hugging_face_listing(source, image_column, label_column)
    if isinstance(source, list | tuple):
        return list_listing(source, image_column, label_column)
    return dataset_listing(source, image_column, label_column)


def group_texts(source: Any, column: str, count: int) -> tuple[str | None, ...]:
    """What each of the `count` images of a source belongs to, by a column of it; None where the cell is empty.

    Raises:
        SemlensError: the source has no columns, or none of that name.
    """
    if isinstance(source, str) and source.startswith("hf:"):
        source = open_hugging_face(source)
    if isinstance(source, str | os.PathLike):
        texts = table_column(Path(source), column) if is_table(Path(source)) else None
    elif hasattr(source, "column_names") or hasattr(source, "columns"):
        texts = frame_column(source, column)
    elif isinstance(source, list | tuple) and all(isinstance(item, Mapping) for item in source):
        key = named(dict.fromkeys(str(key) for item in source for key in item), column)
        texts = label_texts(item.get(key) for item in source)
    else:
        texts = None
    if texts is None:
        raise SemlensError(f"group_column is {column!r}, but these images come without columns: give a table of them")
    if len(texts) != count:
        raise SemlensError(f"the column {column!r} has {len(texts):,} cells for {count:,} images")
    return texts


def _of_path(path: Path, image_column: str | None, label_column: str | None) -> Listing:
    path = path.expanduser() if str(path).startswith("~") and not path.exists() else path
    if path.is_dir():
        if image_column or label_column:
            raise SemlensError(f"{path} is a folder, which has no columns: leave image_column and label_column out")
        return folder_listing(path)
    if not path.exists():
        raise _no_such_path(path)
    if is_table(path):
        return table_listing(path, image_column, label_column)
    raise SemlensError(f"{path} is neither a folder nor a table: {_instead(path)}")


def _instead(path: Path) -> str:
    """What to do with a file that is no table."""
    name = path.name.lower()
    if name.endswith(ARCHIVES):
        how = f"unzip {path.name} -d FOLDER" if name.endswith(".zip") else f"tar -xf {path.name} -C FOLDER"
        return f"unpack it ({how}) and pass the folder, or hf:FOLDER for archives of Hugging Face's WebDataset form"
    if name.endswith((".xlsx", ".xls", ".ods")):
        return "save the sheet as CSV"
    if name.endswith(SUFFIXES):
        return f"it is one image, pass its folder, {path.parent}"
    return "pass a folder, or a .csv, .tsv, .txt, .json, .jsonl or .parquet file"


def _no_such_path(path: Path) -> SemlensError:
    """An error that names what lies beside the first part of `path` that does not exist."""
    if scheme := re.match(r"(\w+):/", str(path)):
        how = "write its path" if scheme[1] == "file" else "fetch the images and pass their folder, or hf:NAME"
        return SemlensError(f"{path} is an address, not a folder or table: {how}")
    if any(sign in path.name for sign in "*?["):
        return SemlensError(f"{path} is a pattern, which is not expanded: pass the folder, {path.parent}")
    parent = next(parent for parent in path.absolute().parents if parent.is_dir())
    asked = path.absolute().relative_to(parent).parts[0]
    return unknown("folder or table", asked, sorted(os.listdir(parent)), f"Looked in {parent}")
