"""What an audit asks of the foundation model beside the concepts: what it knows of their words, and images that prove
what it sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from semlens.analysis.audit.spec import Concept, Spec
from semlens.analysis.probe import Probes
from semlens.errors import SemlensError
from semlens.types import Float32

UNRELATED = (
    "the idea of justice", "next Tuesday", "a rational number", "inflation of prices", "good intentions",
    "the second of three", "an honest answer", "grammar", "parliamentary procedure", "a sense of humour",
    "the square root", "yesterday's news", "an agreement in principle", "patience", "the law of averages",
    "a foreign language", "ambition", "the price of bread", "a polite refusal", "probability",
    "the subjunctive", "trust", "an unwritten rule", "nostalgia", "a change of plan",
    "quarterly results", "a figure of speech", "curiosity", "the benefit of the doubt", "an even chance",
)  # fmt: skip
"""Phrases for nothing that a picture can show: a phrase that is seen varies more over the images than these."""

_SHOWN, _ABSENT = frozenset(("1", "1.0", "yes", "true", "y", "t")), frozenset(("0", "0.0", "no", "false", "n", "f"))


@dataclass(frozen=True, eq=False)
class Shown:
    """Unit vectors of images that show a concept, and of images that do not."""

    positive: Float32[np.ndarray, "n d"]
    negative: Float32[np.ndarray, "m d"]  # none: the other images of the index stand for them


@dataclass(frozen=True, eq=False, repr=False)
class SpecProbes(Probes):
    """The probes of a spec, one per phrase or images of a concept, and what tells whether they are known and seen."""

    unrelated: Probes | None = None  # of UNRELATED
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
    from semlens.images import read_marks as read  # which brings Pillow, and most specs do without

    try:
        columns = read(file, [one.name for one in named_concepts(spec)])
    except SemlensError as fault:
        raise SemlensError(f"the marks of the spec: {fault}") from fault
    return {
        name: {file_name(image): _shows(file, name, cell) for image, cell in rows if cell is not None}
        for name, rows in columns.items()
    }


def _shows(file: Path, concept: str, cell: str) -> bool:
    word = cell.lower()
    if word in _SHOWN or word in _ABSENT:
        return word in _SHOWN
    try:
        return float(word.replace(",", ".")) > 0
    except ValueError:
        raise SemlensError(f"the marks {file}: {concept!r}: write 1 or 0, or nothing, not {cell[:20]!r}") from None
