"""Which images count for which class: by their label, by what the model predicts, or all of them for every class.

A class is a column, its place among those that were asked for; a row of a batch that counts for none has column -1.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from semlens.errors import SemlensError, unknown
from semlens.images import LabelWarning, match_labels
from semlens.model import output_number
from semlens.types import ExampleSet, Float, Int64

OF = ("auto", "label", "predicted", "all")


@dataclass(frozen=True)
class Classes:
    """Outputs of the model, and what they are called."""

    numbers: tuple[int, ...]
    names: tuple[str, ...]  # empty for a class without a name

    @classmethod
    def of(cls, given: Sequence[int | str], class_names: Sequence[str], outputs: int) -> "Classes":
        """The outputs that numbers or class names stand for.

        Raises:
            SemlensError: there is no such output, or it is given twice, or none is.
        """
        numbers = tuple(output_number(name, class_names, outputs) for name in given)
        if len(set(numbers)) < len(numbers) or not numbers:
            raise SemlensError(f"classes {[*given]}: give one or more, each once")
        return cls(numbers, tuple(class_names[n] if n < len(class_names) else "" for n in numbers))


@runtime_checkable
class Membership(Protocol):
    """One way to say which images count for which class."""

    of: ClassVar[str]
    """What it is called."""

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """The images from start to stop that may count for a class."""
        ...

    def own(self, logits: Float[Tensor, "n y"], ids: Sequence[int]) -> Int64[Tensor, "n"]:
        """Each row's own class; rows beyond `ids` only pad the batch."""
        ...

    def passes(self, own: Int64[Tensor, "n"], ids: Sequence[int]) -> list[Int64[Tensor, "n"]]:
        """For which class each row counts, once for each backward pass that this takes; one of them is its own."""
        ...


@dataclass(frozen=True)
class ByLabel:
    """An image counts for the classes that its labels name; of several its own is the one with the highest logit."""

    numbers: tuple[int, ...]
    columns: tuple[tuple[int, ...], ...]  # by image
    of: ClassVar[str] = "label"

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """Those of which a label names a class."""
        return [i for i in range(start, stop) if self.columns[i]]

    def own(self, logits: Float[Tensor, "n y"], ids: Sequence[int]) -> Int64[Tensor, "n"]:
        """The class of the label, or the likeliest of several."""
        rows = [self.columns[i] for i in ids]
        best = [max(row, key=lambda c: float(logits[at, self.numbers[c]]), default=-1) for at, row in enumerate(rows)]
        return _padded(torch.tensor(best, dtype=torch.int64), logits)

    def passes(self, own: Int64[Tensor, "n"], ids: Sequence[int]) -> list[Int64[Tensor, "n"]]:
        """One, each row for its own class; and more where an image of the batch has more labels."""
        rest = [
            [column for column in self.columns[i] if column != mine] for i, mine in zip(ids, own.tolist(), strict=False)
        ]
        turns = [
            torch.tensor([row[turn] if turn < len(row) else -1 for row in rest]) for turn in range(max(map(len, rest)))
        ]
        return [own, *(_padded(turn, own) for turn in turns)]


@dataclass(frozen=True)
class ByPrediction:
    """An image counts for the class whose logit is the highest of all outputs, if it is one of those asked for."""

    numbers: tuple[int, ...]
    of: ClassVar[str] = "predicted"

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """All."""
        return range(start, stop)

    def own(self, logits: Float[Tensor, "n y"], ids: Sequence[int]) -> Int64[Tensor, "n"]:
        """The predicted class."""
        numbers = torch.tensor(self.numbers, device=logits.device)
        predicted = logits[: len(ids)].argmax(1)[:, None] == numbers
        return _padded(torch.where(predicted.any(1), predicted.long().argmax(1), -1), logits)

    def passes(self, own: Int64[Tensor, "n"], ids: Sequence[int]) -> list[Int64[Tensor, "n"]]:
        """One, each row for its own class."""
        return [own]


@dataclass(frozen=True)
class OverAll:
    """Every image counts for every class; its own is the one with the highest logit of those asked for."""

    numbers: tuple[int, ...]
    of: ClassVar[str] = "all"

    def wanted(self, start: int, stop: int) -> Sequence[int]:
        """All."""
        return range(start, stop)

    def own(self, logits: Float[Tensor, "n y"], ids: Sequence[int]) -> Int64[Tensor, "n"]:
        """The class with the highest logit."""
        numbers = torch.tensor(self.numbers, device=logits.device)
        return _padded(logits[: len(ids), numbers].argmax(1), logits)

    def passes(self, own: Int64[Tensor, "n"], ids: Sequence[int]) -> list[Int64[Tensor, "n"]]:
        """One for each class; a row that only pads stays out."""
        return [torch.where(own >= 0, column, -1) for column in range(len(self.numbers))]


def membership(of: str, images: ExampleSet, classes: Classes, names: Sequence[str], outputs: int) -> Membership:
    """The way of that name; "auto" is by label where a label names one of the classes, else by prediction.

    Args:
        names: of all classes of the model; a label names one as `match_labels` says.
        outputs: how many there are.

    Raises:
        SemlensError: "label", where no label names one of the classes.
    """
    matches = match_labels(images.labels, names, outputs)
    column = {number: at for at, number in enumerate(classes.numbers)}
    columns = tuple(tuple(column[n] for n in numbers if n in column) for numbers in matches.numbers)
    if not any(columns) and of in ("auto", "label"):
        if of == "label":
            raise SemlensError(f"no label names one of the classes ({matches}): choose whose images count otherwise")
        if matches.labelled:
            warnings.warn(
                f"no label names one of the classes, so each counts over the images predicted to be of it ({matches})",
                LabelWarning,
                stacklevel=2,
            )
    if of == "auto":
        of = "label" if any(columns) else "predicted"
    if of == "label":
        return ByLabel(classes.numbers, columns)
    return ByPrediction(classes.numbers) if of == "predicted" else OverAll(classes.numbers)


def check_of(of: str) -> None:
    """Returns if there is such a way.

    Raises:
        SemlensError: there is none.
    """
    if of not in OF:
        raise unknown("choice of images", of, OF)


def _padded(own: Int64[Tensor, "n"], logits: Float[Tensor, "m y"]) -> Int64[Tensor, "m"]:
    """The columns of the first rows, and -1 for those that only pad."""
    padded = torch.full((len(logits),), -1, dtype=torch.int64, device=logits.device)
    padded[: len(own)] = own
    return padded
