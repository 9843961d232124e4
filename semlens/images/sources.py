"""Where images come from: which ones a folder, table, list or data set has, and how to get at each undecoded."""

import csv
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from PIL import Image

from semlens.errors import SemlensError, missing_extra, unknown
from semlens.images.decode import Raw

JPEG, NETPBM = (".jpg", ".jpeg", ".jpe", ".jfif"), (".ppm", ".pgm", ".pbm", ".pnm")
SUFFIXES = (*JPEG, ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", *NETPBM)
IMAGE_COLUMNS = ("path", "file", "image", "filename", "file_name", "img")
LABEL_COLUMNS = ("label", "class", "category")


@dataclass(frozen=True)
class Listing:
    """The images of a source by id. `read` is picklable, for worker processes."""

    source: str
    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    read: Callable[[int], Raw]


@dataclass(frozen=True)
class Files:
    """Reads the path of a file; of several folders the first that has it."""

    folders: tuple[str, ...]
    names: tuple[str, ...]

    def __call__(self, id: int) -> str:  # noqa: D102  the class says it
        paths = [os.path.join(folder, self.names[id]) for folder in self.folders]
        return next((path for path in paths[:-1] if os.path.exists(path)), paths[-1])


@dataclass(frozen=True)
class Items:
    """Reads the image out of an item of a data set.

    Raises:
        SemlensError: it is no raw image.
    """

    dataset: Any
    column: str | None

    def __call__(self, id: int) -> Raw:  # noqa: D102  the class says it
        image = self.dataset[id]
        if isinstance(image, Mapping):
            image = image[_image_column(image, self.column)]
        elif isinstance(image, tuple | list):
            image = image[0]
        if image is None:
            raise ValueError("the data set has no image here")
        if isinstance(image, Mapping):  # Hugging Face's form of an image that it does not decode
            return image["bytes"] or str(image["path"])
        if isinstance(image, Image.Image):
            return image
        raise SemlensError(f"item {id} is a {type(image).__name__}, no image: pass the raw images, without transform")


def listing(source: Any, image_column: str | None, label_column: str | None) -> Listing:
    """The images of any source that `load_images` takes."""
    if isinstance(source, str) and source.startswith("hf:"):
        return replace(_hugging_face(_open(source), image_column, label_column), source=source)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _folder(path) if path.is_dir() else _table(path, image_column, label_column)
    if isinstance(source, Mapping):
        raise SemlensError(f"the data set has the splits {', '.join(source)}: pass one of them")
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise SemlensError(f"a {type(source).__name__} has no items by number: pass a folder, table, list or data set")
    if hasattr(source, "cast_column"):
        return _hugging_face(source, image_column, label_column)
    return _dataset(source, image_column)


# --- folders and tables ----------------------------------------------------------------------------------------------


def _folder(root: Path) -> Listing:
    names: list[str] = []
    seen: set[str] = set()
    for folder, below, files in os.walk(root, onerror=_cannot_list, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link led back here
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        place = Path(folder).relative_to(root)
        names += [(place / file).as_posix() for file in files if file.lower().endswith(SUFFIXES) and file[0] != "."]
    names.sort()
    if odd := next((name for name in names if name.encode(errors="ignore").decode() != name), None):
        raise SemlensError(f"the file name {odd!a} is not UTF-8: rename it")  # no table could hold it
    labels = tuple(name.partition("/")[0] if "/" in name else None for name in names)
    return Listing(str(root), tuple(names), labels, Files((str(root),), tuple(names)))


def _cannot_list(error: OSError) -> None:
    raise SemlensError(f"cannot list the folder {error.filename}: {error.strerror}") from error


def _table(path: Path, image_column: str | None, label_column: str | None) -> Listing:
    rows_of = {".csv": _csv_rows, ".parquet": _parquet_rows}.get(path.suffix.lower())
    if not path.exists():
        raise _no_such_path(path)
    if rows_of is None:
        raise SemlensError(f"{path} is neither a folder nor a table: pass a folder, a .csv or a .parquet file")
    try:
        rows = rows_of(path, image_column, label_column)
    except (OSError, UnicodeError, csv.Error) as error:
        raise _broken(path, error) from error
    names = tuple(str(name or "") for name, _ in rows)
    files = Files((str(path.parent), str(path.parent / "images")), names)
    if names and not any(os.path.isfile(files(id)) for id in range(len(names))):
        raise SemlensError(f"none of the {len(names)} files in {path} exists: looked in {path.parent} and its images/")
    return Listing(str(path), names, tuple(_label(label, None) for _, label in rows), files)


def _csv_rows(path: Path, image_column: str | None, label_column: str | None) -> list[tuple[Any, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or ()
        image, label = _image_column(columns, image_column), _column(columns, label_column, LABEL_COLUMNS)
        return [(row[image], row[label] if label else None) for row in rows]


def _parquet_rows(path: Path, image_column: str | None, label_column: str | None) -> list[tuple[Any, Any]]:
    try:
        import pyarrow as pa  # a fifth of a second that only such a table costs
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise missing_extra("pyarrow", "parquet") from None
    try:
        with pq.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            image, label = _image_column(columns, image_column), _column(columns, label_column, LABEL_COLUMNS)
            table = file.read([image, label] if label else [image])
    except pa.ArrowException as error:
        raise _broken(path, error) from error
    labels = table[label].to_pylist() if label else [None] * len(table)
    return list(zip(table[image].to_pylist(), labels, strict=True))


def _broken(path: Path, error: Exception) -> SemlensError:
    return SemlensError(f"cannot read the table {path}: {error}")


def _no_such_path(path: Path) -> SemlensError:
    """An error that names what lies beside the first part of `path` that does not exist."""
    parent = next(parent for parent in path.absolute().parents if parent.is_dir())
    asked = path.absolute().relative_to(parent).parts[0]
    return unknown("folder or table", asked, sorted(os.listdir(parent)), f"Looked in {parent}")


def _image_column(columns: Iterable[str], asked: str | None) -> str:
    column = _column(columns, asked, IMAGE_COLUMNS)
    if column is None:
        raise unknown("column", "image", columns, "Say which one has the images: image_column")
    return column


def _column(columns: Iterable[str], asked: str | None, usual: Iterable[str]) -> str | None:
    """The column that was asked for, else the first of the usual ones that there is, in any case."""
    by_name = {column.lower(): column for column in columns}
    if asked is not None and asked not in by_name.values():
        raise unknown("column", asked, by_name.values())
    return asked or next((by_name[name] for name in usual if name in by_name), None)


# --- lists and data sets ---------------------------------------------------------------------------------------------


def _dataset(dataset: Any, image_column: str | None) -> Listing:
    for image in dataset if isinstance(dataset, list | tuple) else ():
        if isinstance(image, Image.Image):
            with suppress(Exception):  # a broken one is reported when its turn comes
                image.load()  # now, since worker processes would move the position in its open file under each other
    return Listing(_kind(dataset), _numbered(dataset), tuple(_targets(dataset)), Items(dataset, image_column))


def _hugging_face(dataset: Any, image_column: str | None, label_column: str | None) -> Listing:
    plain = dataset.with_format(None)  # raw images, whatever it was set to yield
    image = _image_column(plain.column_names, image_column)
    label = _column(plain.column_names, label_column, LABEL_COLUMNS)
    classes = getattr(plain.features[label], "names", None) if label else None
    labels = tuple(_label(value, classes) for value in (plain[label] if label else repeat(None, len(plain))))
    if hasattr(plain.features[image], "decode"):  # we decode: it would have neither pixel limit nor list of formats
        plain = plain.cast_column(image, replace(plain.features[image], decode=False))
    return Listing(_kind(dataset), _numbered(dataset), labels, Items(plain.select_columns([image]), image))


def _open(spec: str) -> Any:
    """The Hugging Face data set that `hf:PATH[:split]` names, where split may be a slice: `train[:100]`."""
    try:
        import datasets  # here, for it brings pandas and takes a second
    except ImportError as error:
        raise missing_extra("datasets", "datasets") from error
    parts = re.fullmatch(r"hf:(.+?)(?::(\w[\w.]*(?:\[.*\])?))?", spec)
    if parts is None:
        raise SemlensError(f"{spec!r} names no data set: write hf:PATH or hf:PATH:SPLIT")
    path, split = parts.groups()
    saved = Path(path, "state.json").is_file() or Path(path, "dataset_dict.json").is_file()
    try:
        data = datasets.load_from_disk(path) if saved else datasets.load_dataset(path, split=split)
    except Exception as error:  # no network, no such name, no such split: a dozen kinds from four packages
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise SemlensError(f"cannot load {spec}: {line}") from error
    return _split(data, split, path) if saved or isinstance(data, Mapping) else data


def _split(data: Any, split: str | None, path: str) -> Any:
    splits = data if isinstance(data, Mapping) else {str(data.split): data}
    if split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split not in splits:
        raise unknown("split", split or "", splits, f"Write hf:{path}:SPLIT")
    return splits[split]


def _targets(dataset: Any) -> Iterable[str | None]:
    """The labels that a data set keeps apart, as torchvision's do; any others would cost decoding every image."""
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):  # torch.utils.data.Subset
        labels = list(_targets(dataset.dataset))
        return [labels[id] for id in dataset.indices]
    targets = getattr(dataset, "targets", getattr(dataset, "labels", None))
    if targets is None or len(targets) != len(dataset):
        return repeat(None, len(dataset))
    targets = targets.tolist() if hasattr(targets, "tolist") else targets
    return [_label(target, getattr(dataset, "classes", None)) for target in targets]


def _label(value: Any, classes: Sequence[str] | None) -> str | None:
    if isinstance(value, int) and classes is not None:
        return classes[value] if 0 <= value < len(classes) else None  # -1 often stands for no label
    return str(value) if isinstance(value, int | str) and value != "" else None


def _numbered(dataset: Any) -> tuple[str, ...]:
    return tuple(f"image {id}" for id in range(len(dataset)))


def _kind(dataset: Any) -> str:
    return f"{type(dataset).__name__} of {len(dataset)} images"
