"""Images of what is in memory or makes them: lists, map-style data sets of torchvision's kind, Hugging Face's."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from semlens.errors import SemlensError, missing_extra, unknown
from semlens.hub import hugging_face, quiet
from semlens.images.cells import Cells, is_picture, name_of, raw_of
from semlens.images.columns import IMAGE_COLUMNS, LABEL_COLUMNS, named, usual
from semlens.images.decode import Raw
from semlens.images.labels import label_texts
from semlens.images.listing import Files, ImagesWarning, Listing
from semlens.images.tables import records_listing
from semlens.progress import visible

MANY_ITEMS = 10_000
"""To read labels that only the items tell is work that is worth a word above so many: each is an image to decode."""

_LOOKED_AT = 32
"""Items, all over a data set, that are asked whether they have labels at all."""


@dataclass(frozen=True)
class Items:
    """Reads the image out of an item of a data set: the item itself, or the one of its parts that is an image.

    Raises:
        SemlensError: it is no raw image.
    """

    dataset: Any
    column: str | None

    def __call__(self, id: int) -> Raw:  # noqa: D102  the class says it
        return raw_of(image_in(self.dataset[id], self.column), id)


def image_in(item: Any, column: str | None) -> Any:
    """The part of an item that is the image."""
    if isinstance(item, Mapping):
        if column is None and (only := [key for key, value in item.items() if is_picture(value)]) and len(only) == 1:
            return item[only[0]]
        return item[_image_key(item, column)]
    if isinstance(item, tuple | list) and item:
        return next((part for part in item if is_picture(part) and not isinstance(part, bytes)), item[0])
    return item


def _image_key(keys: Iterable[str], asked: str | None) -> str:
    if asked is not None:
        return named(keys, asked)
    found = usual(keys, IMAGE_COLUMNS)
    if not found:
        raise unknown("column", "image", keys, "Say which one has the images: image_column (--image-column)")
    return found[0]


# --- lists -----------------------------------------------------------------------------------------------------------


def list_listing(items: Sequence[Any], image_column: str | None, label_column: str | None) -> Listing:
    """A list of images, of paths from the working directory, of pairs with a label, or of dicts."""
    source = f"{type(items).__name__} of {len(items)} images"
    if not items:
        raise SemlensError(f"no images in {source}")
    if all(isinstance(item, Mapping) for item in items):
        return replace(records_listing(items, image_column, label_column), source=source)
    pairs = all(isinstance(item, tuple | list) and len(item) > 1 for item in items)
    images = [image_in(item, image_column) for item in items] if pairs else list(items)
    labels = label_texts(_rest(item, image) for item, image in zip(items, images, strict=True)) if pairs else None
    labels = labels or (None,) * len(items)
    if all(isinstance(image, str | os.PathLike) for image in images):
        names = tuple(map(name_of, images))
        if not any(os.path.isfile(name) for name in names):
            raise SemlensError(
                f"none of the {len(names)} files in the list exists: looked for {Path(names[0]).absolute()}"
            )
        return Listing(source, names, labels, Files("", names))
    for image in images:
        if isinstance(image, Image.Image):
            with suppress(Exception):  # a broken one is reported when its turn comes
                image.load()  # now, since worker processes would move the position in its open file under each other
    return Listing(source, _numbered(items), labels, Cells(tuple(images)))


def _rest(item: Sequence[Any], image: Any) -> Any:
    """What of an item is not the image: the first other part."""
    return next((part for part in item if part is not image), None)


# --- data sets -------------------------------------------------------------------------------------------------------


def dataset_listing(dataset: Any, image_column: str | None, label_column: str | None) -> Listing:
    """A map-style data set; labels are what it keeps apart, as torchvision's do, else what its items say."""
    labels = _labels(dataset, label_column)
    return Listing(_kind(dataset), _numbered(dataset), labels, Items(dataset, image_column))


def _labels(dataset: Any, label_column: str | None) -> tuple[str | None, ...]:
    if isinstance(getattr(dataset, "datasets", None), Sequence):  # torch.utils.data.ConcatDataset
        return tuple(label for part in dataset.datasets for label in _labels(part, label_column))
    kept = _kept_labels(dataset)
    return kept if kept is not None else _labels_of_items(dataset, label_column)


def _kept_labels(dataset: Any) -> tuple[str | None, ...] | None:
    """The labels that a data set keeps apart from its images, None if it has none."""
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):  # torch.utils.data.Subset
        labels = _kept_labels(dataset.dataset)
        return None if labels is None else tuple(labels[int(id)] for id in dataset.indices)
    for name in ("targets", "labels", "_labels", "y", "samples", "imgs", "_samples"):
        values: Any = getattr(dataset, name, None)
        if hasattr(values, "__len__") and not isinstance(values, str | Mapping) and len(values) == len(dataset):
            known = values.tolist() if hasattr(values, "tolist") else list(values)
            if name in ("samples", "imgs", "_samples"):
                known = [value[1] if isinstance(value, tuple | list) and len(value) > 1 else None for value in known]
            return label_texts(known, _class_names(dataset))
    return None


def _class_names(dataset: Any) -> Any:
    """What the classes of a data set are called, by number, None if it does not say."""
    names = getattr(dataset, "classes", None)
    if names is None and isinstance(getattr(dataset, "class_to_idx", None), Mapping):
        names = {number: name for name, number in dataset.class_to_idx.items()}
    if names is None and hasattr(dataset, "dataset"):  # of which this is a part
        return _class_names(dataset.dataset)
    return names if isinstance(names, Sequence | Mapping) and not isinstance(names, str) else None


def _labels_of_items(dataset: Any, label_column: str | None) -> tuple[str | None, ...]:
    """The labels that the items themselves say, where any of some items says one."""
    count = len(dataset)
    some = dict.fromkeys(turn * count // _LOOKED_AT for turn in range(_LOOKED_AT if count else 0))
    if all(_label_in(_item(dataset, id), label_column) is None for id in some):
        return (None,) * count
    if count > MANY_ITEMS:
        warnings.warn(
            f"reading the labels of {_kind(dataset)} one by one, for which each is decoded: a list `targets` on the "
            "data set, one per item, spares that",
            ImagesWarning,
            stacklevel=2,
        )
    return label_texts(_told_labels(dataset, label_column), _class_names(dataset))


def _told_labels(dataset: Any, label_column: str | None) -> Iterator[Any]:
    """The label of each item; a person who looks sees how far it is."""
    count = len(dataset)
    for id in range(count):
        yield _label_in(_item(dataset, id), label_column)
        visible("read labels", id + 1, count)


def _item(dataset: Any, id: int) -> Any:
    try:
        return dataset[id]
    except SemlensError:
        raise
    except Exception:  # one that cannot be had is reported when its turn comes
        return None


def _label_in(item: Any, label_column: str | None) -> Any:
    """The part of an item that is the label, None if it has none."""
    if isinstance(item, Mapping):
        keys = [named(item, label_column)] if label_column else usual(item, LABEL_COLUMNS)
        return item[keys[0]] if keys else None
    if isinstance(item, tuple | list) and len(item) > 1:
        image = image_in(item, None)
        return next((part for part in item if part is not image), None)
    return None


# --- Hugging Face ----------------------------------------------------------------------------------------------------


def hugging_face_listing(dataset: Any, image_column: str | None, label_column: str | None) -> Listing:
    """A data set of Hugging Face's, without the format that it was set to yield."""
    plain = dataset.with_format(None)
    image = _hf_column(plain, image_column, IMAGE_COLUMNS, "Image") or _image_key(plain.column_names, image_column)
    label = _hf_column(plain, label_column, LABEL_COLUMNS, "ClassLabel")
    labels = label_texts(plain[label], _hf_classes(plain.features[label])) if label else (None,) * len(plain)
    if hasattr(plain.features[image], "decode"):  # we decode: it would have neither pixel limit nor list of formats
        plain = plain.cast_column(image, replace(plain.features[image], decode=False))
    others = [name for name in plain.column_names if name not in (image, label)]
    notes = (f"labels are from the column {label!r}",) if label else (f"no labels; other columns: {', '.join(others)}",)
    read = Items(plain.select_columns([image]), image)
    return Listing(_kind(dataset), _numbered(dataset), labels, read, notes if label or others else ())


def _hf_column(plain: Any, asked: str | None, names: Sequence[str], feature: str) -> str | None:
    """The column that was asked for, else the first with a usual name, else the only one of the feature's kind."""
    if asked is not None:
        return named(plain.column_names, asked)
    if found := usual(plain.column_names, names):
        return found[0]
    typed = [name for name, kind in plain.features.items() if type(kind).__name__ == feature]
    return typed[0] if len(typed) == 1 else None


def _hf_classes(feature: Any) -> Any:
    """What the classes of a column are called, also where it has lists of them."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)


def open_hugging_face(spec: str) -> Any:
    """The Hugging Face data set that `hf:PATH[:split]` names, where split may be a slice: `train[:100]`.

    Raises:
        SemlensError: there is none, or several splits.
    """
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
        with quiet() if Path(path).exists() else hugging_face(path, ("*",), kind="dataset"):
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


def _numbered(dataset: Any) -> tuple[str, ...]:
    return tuple(f"image {id}" for id in range(len(dataset)))


def _kind(dataset: Any) -> str:
    return f"{type(dataset).__name__} of {len(dataset)} images"
