"""Relevance per component and class as an index keeps it: means in place of sums."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.index.files import Arrays, pack_texts
from semlens.index.rules import Kind, PartRules, Parts, Sizes, check_alike, check_inside, texts
from semlens.types import MISSING, TOP_COMPONENTS, Float32, Int32, Int64, LayerAxis, Relevance


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

        Raises:
            SemlensError: with the nearest names for an unknown class, and for a name that several classes have.
        """
        by_name = [i for i, name in enumerate(self.class_names) if name == which]
        columns = by_name or [i for i, number in enumerate(self.classes) if str(number) == str(which)]
        if not columns:
            raise unknown("class", str(which), map(self.name, range(len(self.classes))))
        if len(columns) > 1:
            numbers = " or ".join(str(self.classes[i]) for i in columns)
            raise SemlensError(f"{len(columns)} classes are called {which!r}: give the number, {numbers}")
        return columns[0]

    def of_class(self, which: str | int) -> Float32[np.ndarray, "c"]:
        """Each component's mean share for a class, by its name or its number: signed, in [-1, 1].

        Raises:
            SemlensError: as `column` does.
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


def _check_relevance(arrays: Arrays, sizes: Sizes) -> None:
    ids, shares, counts = arrays["ids"], arrays["shares"], arrays["counts"]
    check_alike(arrays, "ids", "shares")
    check_inside("ids", ids, sizes["i"], missing=True)
    if not np.where(ids == MISSING, shares == -np.inf, (shares > 0) & (shares <= 1)).all():
        raise ValueError("shares holds a value outside of 0 to 1, or one where ids names no image")
    if ((counts < 0) | (counts > sizes["i"])).any():
        raise ValueError(f"counts holds a value outside of 0 to {sizes['i']}")
    for name in ("positive", "negative", "frequency"):
        values = arrays[name]
        if not np.where(counts > 0, (values >= 0) & (values <= 1), np.isnan(values)).all():
            raise ValueError(f"{name} holds a value outside of 0 to 1, or one for a class without images")


def _check_classes(recipe: RelevanceId, layers: tuple[LayerAxis, ...], rows: Mapping[str, int]) -> None:
    """Raises ValueError unless the classes can be outputs of a model, each named once, and there is a row for each."""
    classes = recipe.classes
    if len(set(classes)) < len(classes) or not all(0 <= number < int(MISSING) for number in classes):
        raise ValueError("the classes are not distinct numbers from 0 up")
    if rows["class-names"] != len(classes):
        raise ValueError(f"part 'class-names' has not the {len(classes)} rows that the others ask for")


_PARTS = {
    "relevance": PartRules(
        "c",
        {
            "positive": "float32 c y",
            "negative": "float32 c y",
            "frequency": "float32 c y",
            "counts": "int64 y",
            "ids": "int32 c m",
            "shares": "float32 c m",
        },
        _check_relevance,
    ),
    "class-names": texts("y"),
}


def _write(relevance: ClassRelevance) -> dict[str, Arrays]:
    return {"relevance": _PARTS["relevance"].pick(relevance), "class-names": pack_texts(relevance.class_names)}


def _read(recipe: RelevanceId, parts: Parts) -> ClassRelevance:
    named: dict[str, Any] = vars(recipe) | parts.arrays("relevance")
    return ClassRelevance(**named, class_names=parts.texts("class-names"))


def _recipe(relevance: ClassRelevance) -> RelevanceId:
    return RelevanceId(**{field.name: getattr(relevance, field.name) for field in fields(RelevanceId)})


RELEVANCE = Kind(
    "relevance", ClassRelevance, _PARTS, _write, _read, since=1, recipe=RelevanceId, recipe_of=_recipe,
    check=_check_classes,
)  # fmt: skip
