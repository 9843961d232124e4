"""Relevance per component and class as an index keeps it: means in place of sums."""

from dataclasses import dataclass

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.shapes import Float32, Int32, Int64
from semlens.types import TOP_COMPONENTS, Relevance


@dataclass(frozen=True)
class RelevanceId:
    """Everything that determines an index's relevance, beside its recipe; the fields are those of `ClassRelevance`."""

    method: str
    parameters: dict[str, str | int | float | bool]
    of: str
    classes: tuple[int, ...]
    top: int


@dataclass(frozen=True, repr=False)
class ClassRelevance:
    """What every component of an index contributes to some outputs of the model.

    A share is a component's relevance on an image by the sum of |relevance| over its layer's components. The means are
    over the images that count for a class, and not a number where there is none.
    """

    method: str  # "epsilon_plus_flat", "attnlrp", "gradient", ...
    parameters: dict[str, str | int | float | bool]  # of the method, where they can be chosen
    of: str  # the images that count for a class: "label" or "predicted", those of that class; "all", every image
    classes: tuple[int, ...]  # outputs of the model
    top: int  # a component is used on an image if it is among this many most relevant of its layer
    class_names: tuple[str, ...]  # empty for a class without a name
    positive: Float32[np.ndarray, "c y"]  # mean positive share, in [0, 1]
    negative: Float32[np.ndarray, "c y"]  # mean negative share without its sign, in [0, 1]
    frequency: Float32[np.ndarray, "c y"]  # the part of the images on which the component is used, in [0, 1]
    counts: Int64[np.ndarray, "y"]  # images that counted for each class
    ids: Int32[np.ndarray, "c k"]  # where the component is most relevant to the image's own class, strongest first
    shares: Float32[np.ndarray, "c k"]  # its share there, above 0; -inf, with id MISSING, where no image was left

    def __repr__(self) -> str:
        named = map(self.name, range(len(self.classes)))
        counted = ", ".join(f"{name} ({count})" for name, count in zip(named, self.counts, strict=True))
        return f"ClassRelevance({self.method}, images by {self.of}: {counted})"

    def name(self, column: int) -> str:
        """What the class in a column is called: its name, or its number if it has none."""
        return self.class_names[column] or str(self.classes[column])

    def column(self, which: str | int) -> int:
        """Where in `classes` a class stands, by its name or its number.

        Raises SemlensError with the nearest names for an unknown class, and for a name that several classes have.
        """
        named = [i for i, name in enumerate(self.class_names) if name == which]
        found = named or [i for i, number in enumerate(self.classes) if str(number) == str(which)]
        if not found:
            raise unknown("class", str(which), map(self.name, range(len(self.classes))))
        if len(found) > 1:
            numbers = " or ".join(str(self.classes[i]) for i in found)
            raise SemlensError(f"{len(found)} classes are called {which!r}: give the number, {numbers}")
        return found[0]

    def of_class(self, which: str | int) -> Float32[np.ndarray, "c"]:
        """Each component's mean share for a class, by its name or its number: signed, in [-1, 1].

        Raises SemlensError as `column` does.
        """
        column = self.column(which)
        return np.asarray(self.positive[:, column] - self.negative[:, column])


def class_relevance(relevance: Relevance) -> ClassRelevance:
    """The relevance as an index keeps it: means in place of sums."""
    return ClassRelevance(
        method=relevance.method,
        parameters=relevance.parameters,
        of=relevance.of,
        classes=relevance.classes,
        top=TOP_COMPONENTS,
        class_names=relevance.class_names,
        positive=relevance.mean_positive,
        negative=relevance.mean_negative,
        frequency=relevance.frequency,
        counts=relevance.counts,
        ids=relevance.ids,
        shares=relevance.shares,
    )
