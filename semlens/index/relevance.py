"""Relevance per component and class as an index keeps it: means in place of sums, and single images' vectors."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.index.files import Arrays, pack_texts
from semlens.index.rules import Kind, PartRules, Parts, Sizes, check_alike, check_inside, texts
from semlens.types import ERROR, MISSING, TOP_COMPONENTS, Float16, Float32, Int32, Int64, LayerAxis, Relevance


@dataclass(frozen=True)
class Unread:
    """Relevance of a layer that none of its components has: what a dictionary does not explain
    ("LAYER@dictionary:FILE@error")."""

    name: str
    shares: tuple[float, ...]  # by class: mean part in [0, 1] of the layer's |relevance|; 0 for one without images


@dataclass(frozen=True)
class RelevanceId:
    """Everything that determines an index's relevance, beside its recipe; the fields are those of `ClassRelevance`."""

    method: str
    parameters: dict[str, str | int | float | bool]
    of: str
    classes: tuple[int, ...]
    top: int
    unread: tuple[Unread, ...] = ()


class _OfClasses:
    """A record with a column for each of some classes of the model."""

    classes: tuple[int, ...]  # outputs of the model
    class_names: tuple[str, ...]  # empty for a class without a name

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


@dataclass(frozen=True, repr=False)
class ClassRelevance(_OfClasses):
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
    unread: tuple[Unread, ...] = ()  # what of a layer's relevance none of its components has

    def __repr__(self) -> str:
        named = map(self.name, range(len(self.classes)))
        counted = ", ".join(f"{name} ({count})" for name, count in zip(named, self.counts, strict=True))
        return f"ClassRelevance({self.method}, images by {self.of}: {counted})"

    def error(self, which: str | int, layer: str) -> float:
        """The mean part, in [0, 1], of the |relevance| for a class at a dictionary's positions that it does not
        explain; 0 for a layer without a dictionary.

        Raises:
            SemlensError: as `column` does.
        """
        column = self.column(which)
        return next((one.shares[column] for one in self.unread if one.name == f"{layer}{ERROR}"), 0.0)

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
        unread=tuple(
            Unread(name, tuple(round(float(share), 6) for share in np.nan_to_num(shares)))
            for name, shares in relevance.unread.items()
            if name.endswith(ERROR)
        ),
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
    _check_distinct(classes)
    if rows["class-names"] != len(classes):
        raise ValueError(f"part 'class-names' has not the {len(classes)} rows that the others ask for")
    _check_unread(recipe)


def _check_unread(recipe: RelevanceId) -> None:
    if len({one.name for one in recipe.unread}) < len(recipe.unread):
        raise ValueError("what is not read of a layer's relevance is named twice")
    for one in recipe.unread:
        if len(one.shares) != len(recipe.classes) or not all(0 <= share <= 1 for share in one.shares):
            raise ValueError(f"{one.name!r:.60} has not a share in 0 to 1 for each of {len(recipe.classes)} classes")


def _check_distinct(classes: tuple[int, ...]) -> None:
    if len(set(classes)) < len(classes) or not all(0 <= number < int(MISSING) for number in classes):
        raise ValueError("the classes are not distinct numbers from 0 up")


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
    check=_check_classes, since_of=lambda recipe: 4 if recipe.unread else 1,
)  # fmt: skip


@dataclass(frozen=True)
class RelevanceVectorsId:
    """Everything that determines an index's relevance vectors, beside its recipe; fields of `RelevanceVectors`."""

    method: str
    parameters: dict[str, str | int | float | bool]
    of: str
    classes: tuple[int, ...]
    most: int


@dataclass(frozen=True, eq=False, repr=False)
class RelevanceVectors(_OfClasses):
    """What every component of an index contributes to a class on up to `most` of its images: a row per class and image.

    The images are the first of the class in one random order of all.
    """

    method: str  # "epsilon_plus_flat", "attnlrp", "gradient", ...
    parameters: dict[str, str | int | float | bool]  # of the method, where they can be chosen
    of: str  # the images that count for a class: "label" or "predicted", those of that class; "all", every image
    classes: tuple[int, ...]  # outputs of the model
    most: int  # images of a class
    class_names: tuple[str, ...]  # empty for a class without a name
    ids: Int32[np.ndarray, "v"]  # of the image; rows ascend by class, then by image
    columns: Int32[np.ndarray, "v"]  # the class, by its place in `classes`
    predicted: Int32[np.ndarray, "v"]  # the output with the highest logit on that image
    vectors: Float16[np.ndarray, "v c"]  # the components' shares of their layer's relevance, signed, in [-1, 1]

    def __repr__(self) -> str:
        return f"RelevanceVectors({self.method}, {len(self.ids):,} of images by {self.of}, {len(self.classes)} classes)"

    def rows(self, column: int) -> slice:
        """The rows of the class in a column."""
        return slice(*np.searchsorted(self.columns, [column, column + 1]).tolist())


def relevance_vectors(relevance: Relevance) -> RelevanceVectors | None:
    """The vectors of single images in what a pass found, as an index keeps them; None where none were asked for."""
    rows = relevance.vectors
    if rows is None:
        return None
    how = {name: getattr(relevance, name) for name in ("method", "parameters", "of", "classes", "class_names")}
    return RelevanceVectors(**how, **vars(rows))


def _check_vectors(arrays: Arrays, sizes: Sizes) -> None:
    ids, columns = arrays["ids"], arrays["columns"]
    check_inside("ids", ids, sizes["i"])
    check_inside("columns", columns, sizes["f"])
    check_inside("predicted", arrays["predicted"], int(MISSING))
    place = columns.astype(np.int64) * (sizes["i"] + 1) + ids
    if (place[1:] <= place[:-1]).any():
        raise ValueError("the rows do not ascend by class and image")
    vectors = arrays["vectors"]
    if not (vectors.min(initial=0) >= -1 and vectors.max(initial=0) <= 1):  # which NaN is not
        raise ValueError("vectors holds a value outside of -1 to 1")


def _check_vectors_recipe(recipe: RelevanceVectorsId, layers: tuple[LayerAxis, ...], rows: Mapping[str, int]) -> None:
    """Raises ValueError unless the classes are distinct outputs with a name each, of which no more than `most` images
    can be there."""
    classes = recipe.classes
    _check_distinct(classes)
    if rows["vector-classes"] != len(classes):
        raise ValueError(f"part 'vector-classes' has not the {len(classes)} rows that the others ask for")
    if recipe.most < 1 or rows["relevance-vectors"] > recipe.most * len(classes):
        raise ValueError(f"there are {rows['relevance-vectors']} relevance vectors, more than {recipe.most} a class")


_VECTOR_PARTS = {
    "relevance-vectors": PartRules(
        "v",
        {"ids": "int32 v", "columns": "int32 v", "predicted": "int32 v", "vectors": "float16 v c"},
        _check_vectors,
    ),
    "vector-classes": texts("f"),
}


def _write_vectors(made: RelevanceVectors) -> dict[str, Arrays]:
    return {
        "relevance-vectors": _VECTOR_PARTS["relevance-vectors"].pick(made),
        "vector-classes": pack_texts(made.class_names),
    }


def _read_vectors(recipe: RelevanceVectorsId, parts: Parts) -> RelevanceVectors:
    named: dict[str, Any] = vars(recipe) | parts.arrays("relevance-vectors")
    return RelevanceVectors(**named, class_names=parts.texts("vector-classes"))


def _recipe_of_vectors(made: RelevanceVectors) -> RelevanceVectorsId:
    return RelevanceVectorsId(**{field.name: getattr(made, field.name) for field in fields(RelevanceVectorsId)})


RELEVANCE_VECTORS = Kind(
    "relevance_vectors", RelevanceVectors, _VECTOR_PARTS, _write_vectors, _read_vectors, since=4,
    recipe=RelevanceVectorsId, recipe_of=_recipe_of_vectors, check=_check_vectors_recipe,
)  # fmt: skip
