"""Labels as text: what a value of a table or data set is called, and which class of a model a label names.

An image may have several labels; they are one text with `|` between them, "cat|dog".
"""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unicodedata import normalize

from semlens.errors import SemlensError
from semlens.types import class_text
from semlens.wordnet import imagenet_synsets, synset_names

SEVERAL = "|"
"""What stands between the labels of one image."""

Classes = Sequence[Any] | Mapping[Any, Any] | None
"""What the classes of a data set are called, by their number, if it says so."""


class LabelWarning(UserWarning):
    """Labels that are left out, or that say something else than may be thought."""


def label_texts(values: Iterable[Any], classes: Classes = None) -> tuple[str | None, ...]:
    """Each value as a label, None for one that says nothing: empty, not a number, or -1 where classes have names.

    Integers, also as floats, decimals, numpy's or tensors, are the class of that number, or its digits where classes
    have no name. Several values are several labels; where all are lists of 0 and 1 of one length, a 1 stands for the
    class of its place.
    """
    known = [_plain(value) for value in values]
    if _are_floats(known):
        known = [value if value is None else _whole(float(value)) for value in known]
    lists = [value for value in known if isinstance(value, list)]
    places = len(lists) > 0 and _are_places(lists)
    if places:
        known = [[n for n, one in enumerate(value) if one] if isinstance(value, list) else value for value in known]
    return tuple(_text(value, classes) for value in known)


def same_name(name: str) -> str:
    """What two names share that differ only in letter case, in space around and between words, `_` and `-`, or in how
    an accent is written."""
    return " ".join(re.sub(r"[_\-\s]+", " ", normalize("NFC", name)).casefold().split())


@dataclass(frozen=True)
class Matches:
    """Which classes of a model the labels of images name."""

    numbers: tuple[tuple[int, ...], ...]  # by image, of the classes that its labels name
    labelled: int  # images that carry a label
    how: tuple[str, ...]  # in which ways labels were taken for names, other than letter by letter
    unknown: tuple[str, ...]  # labels that name no class, the most frequent first

    @property
    def matched(self) -> int:
        """How many images have a label that names a class."""
        return sum(bool(numbers) for numbers in self.numbers)

    def __str__(self) -> str:
        how = f" ({'; '.join(self.how)})" if self.how else ""
        others = f"; no class is called {', '.join(map(repr, self.unknown[:3]))}" if self.unknown else ""
        counts = f"{self.labelled:,} of {len(self.numbers):,} images carry a label, {self.matched:,} name a class"
        return f"{counts}{how}{others}"


def match_labels(labels: Sequence[str | None], names: Sequence[str], outputs: int | None = None) -> Matches:
    """Which classes the labels name: by name, else by one that differs in case and space only, else by number.

    Args:
        names: of the classes.
        outputs: how many classes there are, if more than `names`.
    """
    book = _Book.of(names, len(names) if outputs is None else outputs)
    found = {label: book.look_up(label) for label in set(labels) if label is not None}
    used = {way for _, ways in found.values() for way in ways}
    lost = Counter(label for label in labels if label is not None and not found[label][0])
    return Matches(
        numbers=tuple(() if label is None else found[label][0] for label in labels),
        labelled=sum(label is not None for label in labels),
        how=tuple(way for way in WAYS if way in used),
        unknown=tuple(label for label, _ in lost.most_common()),
    )


ANY_CASE = "names compared without letter case, spaces and underscores"
ONE_OF_NAMES = "by one of a class's several names"
BY_NUMBER = "by the class's number"
BY_WORDNET = "by WordNet's numbers, which ImageNet's folders are called by"
WAYS = (ANY_CASE, ONE_OF_NAMES, BY_NUMBER, BY_WORDNET)


@dataclass(frozen=True)
class _Book:
    """The classes by what they may be called; a name of two classes stands for neither."""

    exact: dict[str, int]
    alike: dict[str, int]
    parts: dict[str, int]
    names: Sequence[str]
    outputs: int

    @classmethod
    def of(cls, names: Sequence[str], outputs: int) -> "_Book":
        parts = [(same_name(part), n) for n, name in enumerate(names) for part in name.split(",")]
        return cls(
            _unique((name, n) for n, name in enumerate(names)),
            _unique((same_name(name), n) for n, name in enumerate(names)),
            _unique(parts),
            names,
            outputs,
        )

    def look_up(self, label: str) -> tuple[tuple[int, ...], set[str]]:
        """The classes that a label names, and in which WAYS."""
        whole = self._one(label)
        pieces = [whole] if whole else [self._one(piece.strip()) for piece in re.split(r"[|;]", label)]
        named = [piece for piece in pieces if piece]
        return tuple(dict.fromkeys(n for n, _ in named)), {way for _, way in named if way}

    def _one(self, label: str) -> tuple[int, str] | None:
        key = same_name(label)
        for book, text, way in ((self.exact, label, ""), (self.alike, key, ANY_CASE), (self.parts, key, ONE_OF_NAMES)):
            if text in book:
                return book[text], way
        first = same_name(label.partition(",")[0])  # "tench, Tinca tinca" of a class that is called "tench"
        if "," in label and first in self.alike:
            return self.alike[first], ONE_OF_NAMES
        if label.isdecimal() and int(label) < self.outputs:
            return int(label), BY_NUMBER
        if (number := self._of_synset(label)) is not None:
            return number, BY_WORDNET
        return None

    def _of_synset(self, label: str) -> int | None:
        """The class that has one of the names of a noun of WordNet's; among ImageNet's classes the one at its place."""
        if not re.fullmatch(r"n\d{8}", label):
            return None
        if label in self._imagenet:
            return self._imagenet[label]
        keys = [same_name(name) for name in self._nouns.get(label, ())]
        called = {self.parts[key] for key in keys if key in self.parts}
        return called.pop() if len(called) == 1 else None

    @cached_property
    def _nouns(self) -> dict[str, tuple[str, ...]]:
        """The names of WordNet's nouns; none where what the numbers mean is not at hand."""
        try:
            return synset_names()
        except SemlensError:
            return {}

    @cached_property
    def _imagenet(self) -> dict[str, int]:
        """ImageNet's classes, if these are they in their usual order: nearly all are called as the noun in place."""
        nouns = imagenet_synsets() if len(self.names) == 1000 and self._nouns else ()
        fits = [
            {same_name(part) for part in name.split(",")} & {same_name(lemma) for lemma in self._nouns[noun]}
            for name, noun in zip(self.names, nouns, strict=False)
        ]
        return {noun: n for n, noun in enumerate(nouns)} if sum(map(bool, fits)) > 900 else {}


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int | None] = {}
    for text, number in pairs:
        if text:
            found[text] = number if found.get(text, number) == number else None
    return {text: number for text, number in found.items() if number is not None}


# --- one value ------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """None, a bool, an integer, a float, a text that is not empty, a list or a mapping."""
    if hasattr(value, "tolist"):  # numpy's, and tensors
        value = value.tolist()
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return _read_list(value.strip()) or None
    if isinstance(value, bool | int | Mapping):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return list(map(_plain, sorted(value) if isinstance(value, set | frozenset) else value))
    if hasattr(value, "__float__"):  # floats, decimals, fractions
        return None if math.isnan(float(value)) else _whole(float(value))
    return str(value).strip() or None


def _read_list(text: str) -> Any:
    """A list that was written as text, as pandas does into CSV; else the text."""
    if text[:1] == "[" and text[-1:] == "]":
        try:
            return _plain(ast.literal_eval(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return text
    return text


def _whole(value: float) -> int | float:
    return int(value) if math.isfinite(value) and value == int(value) else value


def _are_floats(values: Sequence[Any]) -> bool:
    """Whether all are written like 1.0, as integers are where some are absent; the text of a CSV does not say so."""
    texts = [value for value in values if value is not None]
    return bool(texts) and all(isinstance(text, str) and re.fullmatch(r"-?\d{1,15}\.0+", text) for text in texts)


def _are_places(lists: Sequence[list[Any]]) -> bool:
    """Whether they are rows of 0 and 1 of one length."""
    same = {len(value) for value in lists}
    zeros_and_ones = all(one in (0, 1) and not isinstance(one, str) for value in lists for one in value)
    return len(same) == 1 and min(same) > 1 and zeros_and_ones and (len(lists) > 1 or min(same) > 2)


def _text(value: Any, classes: Classes) -> str | None:
    if isinstance(value, list):
        return SEVERAL.join(text for text in (_text(one, classes) for one in value) if text is not None) or None
    if isinstance(value, int) and not isinstance(value, bool) and classes is not None:
        return _name_of(value, classes)
    if isinstance(value, Mapping):  # a box, a record: what it is called, if it says so
        named = next((value[key] for key in ("label", "name", "category") if value.get(key) is not None), None)
        return _text(_plain(named), classes)
    return None if value is None else str(value)


def _name_of(number: int, classes: Sequence[Any] | Mapping[Any, Any]) -> str | None:
    if isinstance(classes, Mapping):
        name = classes.get(number, classes.get(str(number)))
        return str(number) if name is None else class_text(name)
    if number < 0:
        return None  # -1 often stands for no label
    return class_text(classes[number]) if number < len(classes) else str(number)
