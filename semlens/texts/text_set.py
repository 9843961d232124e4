"""TextSet, which has every sentence under its id, and `load_texts`, which makes it of files, tables and lists."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final
from urllib.parse import parse_qsl, urlencode

import numpy as np
from PIL.Image import Image

from semlens.errors import SemlensError, unknown
from semlens.texts.passages import passages_of
from semlens.texts.sentences import sentences, windows
from semlens.texts.text import Text, picture
from semlens.types import TEXTS, Float32, FoundationModel

SPLITS = ("sentences", "lines", "whole")
LONGEST = 48
CHOICES = ("text_column", "label_column", "group_column", "split", "longest")
_NAMED = 60  # letters of a text in its name


@final
@dataclass(frozen=True)
class TextSet:
    """Texts by id, from 0 up. `load_texts` makes one."""

    source: str
    texts: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)  # where it stands, and how it begins
    labels: tuple[str | None, ...] = field(repr=False)
    fingerprint: str  # of all texts with their names and labels
    notes: tuple[str, ...] = ()
    groups: tuple[str | None, ...] = field(default=(), repr=False)
    group_column: str = ""

    def __len__(self) -> int:
        return len(self.texts)

    def load(self, id: int) -> Text:
        """The text."""
        if not 0 <= id < len(self):
            raise SemlensError(f"there is no text {id}: ids run from 0 to {len(self) - 1}")
        return Text(self.texts[id])

    def size(self, item: Text) -> tuple[int, int]:
        """How many letters it has, for both ends of a box: marked is all of it, which is no mark."""
        return len(item.text), len(item.text)

    def crop(self, item: Text, box: tuple[int, int, int, int]) -> Text:
        """The window from left to right, with what lies from top to bottom marked in it."""
        return item.window(box)

    def show(self, item: Text) -> Image:
        """A picture of it, what is marked on a coloured ground."""
        return picture(item)

    def embed(self, foundation: FoundationModel, items: Sequence[Text]) -> Float32[np.ndarray, "n d"]:
        """One vector per text."""
        return foundation.embed_texts([item.text for item in items])

    def odd(self, item: Text) -> str:
        """Nothing: what no model reads has no place in a set."""
        return ""


def load_texts(
    source: Any,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    split: str | None = None,
    longest: int | None = None,
) -> TextSet:
    """All texts of a source, cut into sentences, in an order that is the same on every machine.

    Args:
        source: a folder, of which all .txt files are read, sorted by path, the first sub-folders being the labels; a
            .txt file; a table, as CSV, JSON, JSON lines or Parquet; a data frame, or a data set of Hugging Face; a list
            of texts, of pairs with a label, or of dicts. A path may end in what is to be chosen, "t.csv?split=whole".
        text_column: the column of a table that has the texts, unless its name is a usual one or it is the only one.
        label_column, group_column: as in `load_images`.
        split: what is one item: "sentences" (the default), "lines", or the "whole" text.
        longest: words of an item; one that has more becomes several. 48 if not given.

    Raises:
        SemlensError: there is no text in it, or it cannot be read.
    """
    if isinstance(source, TextSet):
        return source
    given = {"text_column": text_column, "label_column": label_column, "group_column": group_column, "split": split,
             "longest": longest}  # fmt: skip
    source, chosen = _chosen(source, {name: value for name, value in given.items() if value is not None})
    how, most = _split_of(chosen.get("split", SPLITS[0])), _longest_of(chosen.get("longest", LONGEST))
    passages, told = passages_of(source, chosen)
    items = [(passage, number, part) for passage in passages for number, part in _parts(passage.text, how, most)]
    where = str(source) if isinstance(source, str | os.PathLike) else f"{type(source).__name__} of {len(source)} texts"
    if not items:
        raise SemlensError(f"no texts in {where}: nothing in it has a letter")
    cut = sum(number > 0 for _, number, _ in items)
    notes = [f"{cut:,} texts of more than {most} words go on as another text (longest)"] * bool(cut)
    names = tuple(_name(passage.place, part) for passage, _, part in items)
    labels = tuple(passage.label for passage, _, _ in items)
    texts = tuple(part for _, _, part in items)
    grouped = bool(chosen.get("group_column"))
    return TextSet(
        source=TEXTS + where + (f"?{urlencode(chosen)}" if chosen else ""),
        texts=texts,
        names=names,
        labels=labels,
        fingerprint=hashlib.sha256(json.dumps([texts, names, labels]).encode()).hexdigest(),
        notes=(*told, *notes),
        groups=tuple(passage.group for passage, _, _ in items) if grouped else (),
        group_column=str(chosen.get("group_column", "")),
    )


def _chosen(source: Any, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The source by itself, and what is chosen with it; what is given besides comes before what its text says."""
    if isinstance(source, str):
        source = source.removeprefix(TEXTS)
    if not isinstance(source, str) or "?" not in source or os.path.exists(source):
        return source, dict(given)
    path, _, query = source.rpartition("?")
    said = dict(parse_qsl(query))
    if wrong := next((name for name in said if name not in CHOICES), None):
        raise unknown("choice", wrong, CHOICES, f"Write it after {path}? as NAME=VALUE")
    return path, {name: given.get(name, said.get(name)) for name in CHOICES if name in said or name in given}


def _split_of(split: str) -> str:
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return split


def _longest_of(longest: int | str) -> int:
    number = int(longest) if str(longest).isdecimal() else 0
    if not number:
        raise SemlensError(f"longest is {longest!r}: give how many words a text may have")
    return number


def _parts(text: str, split: str, longest: int) -> Iterator[tuple[int, str]]:
    """The items of a text, each with its number among the windows that it was cut into."""
    pieces = {"sentences": [text], "lines": text.splitlines(), "whole": [" ".join(text.split())]}[split]
    for piece in pieces:
        whole = sentences(piece) if split == "sentences" else (" ".join(sentences(piece)),)
        for sentence in filter(None, whole):
            yield from enumerate(windows(sentence, longest))


def _name(place: str, text: str) -> str:
    """Where a text stands and how it begins."""
    return f"{place} {text if len(text) <= _NAMED else text[: _NAMED - 1] + '…'}"
