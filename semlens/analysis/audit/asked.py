"""What an audit asks of the foundation model beside the concepts: what it knows of their words, and images that prove
what it sees."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from semlens.analysis.audit.spec import Concept, Spec
from semlens.analysis.probe import Probes
from semlens.errors import SemlensError
from semlens.shapes import Float32

UNRELATED = (
    "the idea of justice", "next Tuesday", "a rational number", "inflation of prices", "good intentions",
    "the second of three", "an honest answer", "grammar", "parliamentary procedure", "a sense of humour",
    "the square root", "yesterday's news", "an agreement in principle", "patience", "the law of averages",
    "a foreign language", "ambition", "the price of bread", "a polite refusal", "probability",
    "the subjunctive", "trust", "an unwritten rule", "nostalgia", "a change of plan",
    "quarterly results", "a figure of speech", "curiosity", "the benefit of the doubt", "an even chance",
)  # fmt: skip
"""Phrases for nothing that a picture can show: a phrase that is seen varies more over the images than these."""

INVENTED = "qzxvub"
"""A word of no language: what it leaves as it was in place of another, the foundation model does not know."""

_SHOWN, _ABSENT = frozenset(("1", "1.0", "yes", "true", "y", "t")), frozenset(("0", "0.0", "no", "false", "n", "f"))
_NAMES = ("image", "path", "file", "filename", "file_name", "name", "image_id", "isic_id")
"""Columns that may name the images of a table of marks, by choice."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Unit vectors of images that show a concept, and of images that do not."""

    positive: Float32[np.ndarray, "n d"]
    negative: Float32[np.ndarray, "m d"]  # none: the other images of the index stand for them


@dataclass(frozen=True, eq=False, repr=False)
class SpecProbes(Probes):
    """The probes of a spec, one per phrase or images of a concept, and what tells whether they are known and seen."""

    unrelated: Probes | None = None  # of UNRELATED
    unknown: tuple[tuple[str, str], ...] = ()  # phrases with a word that is not known, and the word
    shown: Mapping[str, Shown] = field(default_factory=dict)  # by concept, of the spec's own image files
    marks: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # by concept: which named images show it


def named_concepts(spec: Spec) -> tuple[Concept, ...]:
    """The concepts of a spec as records, those given as a phrase too."""
    return tuple(Concept(one) if isinstance(one, str) else one for one in (*spec.valid, *spec.spurious))


def file_name(path: str) -> str:
    """The last part of a path, with whichever slashes: by it a table of marks and an index mean one image."""
    return path.replace("\\", "/").rpartition("/")[2]


def read_marks(file: Path, spec: Spec) -> dict[str, dict[str, bool]]:
    """Which images show each concept, by a table with a row per image and a column per concept.

    1, yes or true shows it, 0, no or false does not, and an empty cell says nothing; a number above 0 is a degree.

    Raises:
        SemlensError: the table cannot be read, names no images or no concept of the spec, or holds another word.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise SemlensError(f"the marks {file} cannot be read: {fault}") from fault
    columns = tuple(rows[0]) if rows else ()
    image = next((name for name in _NAMES if name in columns), None)
    concepts = [one.name for one in named_concepts(spec) if one.name in columns]
    if image is None or not concepts:
        raise SemlensError(
            f"the marks {file} need a column that names the images ({', '.join(_NAMES[:3])}) and one called as a "
            f"concept of the spec, not only {', '.join(map(str, columns)) or 'nothing'}"
        )
    return {name: _column(file, rows, image, name) for name in concepts}


def _column(file: Path, rows: list[dict[str, str]], image: str, concept: str) -> dict[str, bool]:
    marks = {}
    for row in rows:
        cell, name = (row[concept] or "").strip().lower(), file_name(row[image] or "")
        if cell in _SHOWN or cell in _ABSENT:
            marks[name] = cell in _SHOWN
        elif cell:
            try:
                marks[name] = float(cell) > 0
            except ValueError:
                raise SemlensError(
                    f"the marks {file}: {concept!r}: write 1 or 0, or nothing, not {cell[:20]!r}"
                ) from None
    return marks
