"""The records that one step passes to the next, and array types for annotations. numpy only: no model, no torch.

The array types are jaxtyping's, checked while tests run and free in use. To import jaxtyping takes as long as numpy, a
third of a search: its names stand for anything, except to type checkers and in the tests, which have loaded it before.
So does Pillow's `Image`.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from semlens.errors import SemlensError

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float16 as Float16
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int32 as Int32
    from jaxtyping import Int64 as Int64
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
    from PIL.Image import Image as Image
else:

    class Bool:
        """An array of any shape: `Bool[np.ndarray, "c k"]` is Any."""

        def __class_getitem__(cls, _: Any) -> Any:
            return Any

    Float = Float16 = Float32 = Float64 = Int32 = Int64 = Shaped = UInt8 = Bool
    Image = Any

MISSING = np.int32(np.iinfo(np.int32).max)
"""Fills a slot that holds nothing. No array is this long, so using it as an index fails instead of naming an image."""

SHARE_UNIT = 2**32
"""Shares of relevance are summed as integers, in units of 1/SHARE_UNIT, so that sums merge exactly, in any order."""

ERROR = "@error"
"""Behind the name of a layer with a dictionary: what the dictionary does not explain of the layer's vectors."""

TOP_COMPONENTS = 20
"""On an image, a component counts as used if it is among this many most relevant of its layer."""

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Told the name of a step, how much of it is done, and how much there is."""


def silent(step: str, done: int, total: int) -> None:
    """The Progress that shows nothing."""


def several(names: str | Iterable[T]) -> tuple[str | T, ...]:
    """Names as a tuple; one text is one name, not its letters."""
    return (names,) if isinstance(names, str) else tuple(names)


def class_text(name: Any) -> str:
    """A class's name as text: of several, as torchvision's ImageNet has them, all with commas between."""
    if isinstance(name, list | tuple):
        return ", ".join(str(part).strip() for part in name)
    return (name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)).strip()


@dataclass(frozen=True, order=True)
class Component:
    """One component of a model, written `layer:unit`."""

    layer: str
    unit: int

    def __str__(self) -> str:
        return f"{self.layer}:{self.unit}"

    @classmethod
    def parse(cls, text: str) -> "Component":
        """The component that `layer:unit` names.

        Raises:
            SemlensError: `text` is not of that form.
        """
        layer, colon, unit = text.rpartition(":")
        if not (layer and colon and unit.isdecimal()):
            raise SemlensError(f"{text!r} is not a component: write layer:unit, for example layer4:17")
        return cls(layer, int(unit))


@dataclass(frozen=True)
class LayerAxis:
    """A layer's place on the one component axis: rows `start` to `stop`, unit 0 first."""

    layer: str
    kind: str
    start: int
    stop: int

    @property
    def components(self) -> int:
        """How many components the layer has."""
        return self.stop - self.start


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be read: it keeps its id, is skipped everywhere and is reported."""

    id: int
    reason: str


@dataclass(frozen=True)
class Origin:
    """What examples were collected from; only examples of one origin merge."""

    model: str
    model_fingerprint: str
    preprocess: str
    images: str
    images_fingerprint: str
    count: int  # images in the whole set, not only in this shard
    precision: str  # of the forward pass


@dataclass(frozen=True)
class EncodingTask:
    """Over which images encodings are collected, in whose space."""

    foundation: str  # digest of the foundation model
    images: int | None  # at most this many, drawn at random; None for all
    kept: int  # of which at most this many are kept
    seed: int


@dataclass(frozen=True, eq=False)
class EncodingSums:
    """Whole numbers from which encodings are made, of embeddings e and activations a summed over some images.

    e counts in 2^-14; a in 2^-17 of 2^exponent, and its squared positive part in 2^-17 of 4^exponent, each row by its
    own exponent. Axis `a`: components, then outputs, then roots of the probabilities that these outputs make, if some
    layer is the outputs; `t`: raw, squared; `e`: images kept.
    """

    task: EncodingTask
    outputs: tuple[str, ...]
    answers: tuple[int, ...]  # first and last but one row of the layer that is the model's output; none if none is
    count: int  # images summed
    exponents: Int32[np.ndarray, "a"]
    embedding: Int64[np.ndarray, "d"]  # sum of e
    products: Int64[np.ndarray, "d d"]  # of e with e
    activation: Int64[np.ndarray, "t a"]  # sum of a
    squares: Int64[np.ndarray, "t a l"]  # of a times a: what counts in 2^25, and the rest
    cross: Int64[np.ndarray, "t a d"]  # of a times e
    odd: Int64[np.ndarray, "t a"]  # images on which a was not finite or above 2^25
    ids: Int32[np.ndarray, "e"]  # ascending
    embeddings: Float16[np.ndarray, "e d"]
    activations: Float32[np.ndarray, "e a"]  # as they came


@dataclass(frozen=True, repr=False)
class ConceptExamples:
    """The k images that excite each component most, over the images in `seen`. Made by `collect`, joined by `merge`.

    Rows are components, all layers on one axis. Slots run from the strongest image down, ties from the lower image id
    up; a slot that no image fills has id and position MISSING and activation -inf.
    """

    origin: Origin
    layers: tuple[LayerAxis, ...]
    unit_names: tuple[str | None, ...]  # what the model or the kind calls each component, if anything
    pool: str  # "max" or "mean" over a component's positions
    ids: Int32[np.ndarray, "c k"]
    activations: Float32[np.ndarray, "c k"]
    positions: Int32[np.ndarray, "c k"]  # where in the flattened grid the maximum lies; MISSING for pool "mean"
    lowest: Float32[np.ndarray, "c"]  # least activation over all images; +inf before the first
    fired: Int64[np.ndarray, "c"]  # images with activation > 0
    nan: Int64[np.ndarray, "c"]  # images whose activation was not a number
    histogram: Int32[np.ndarray, "c 129"]  # images whose activation lies in each of the bins of `histogram`
    seen: tuple[tuple[int, int], ...]  # image ids that were looked at, as sorted ranges [start, stop)
    unreadable: tuple[Unreadable, ...]  # among those, the ones that could not be read
    pictures: Int64[np.ndarray, "p"]  # digests of what the images show, ascending; of very many the least
    shown: Int32[np.ndarray, "p 3"]  # of each, how many images show it, and the first and last of these
    encoding: EncodingSums | None = None  # collected in the same pass, if asked for

    def __repr__(self) -> str:
        components = f"{len(self.ids):,} components in {len(self.layers)} layers, {self.dead:,} dead"
        return f"ConceptExamples({self.origin.model}: {components}; {self.images:,} images, k={self.ids.shape[1]})"

    @property
    def alive(self) -> Bool[np.ndarray, "c"]:
        """Components that tell images apart: their highest activation is above their lowest."""
        return self.activations[:, 0] > self.lowest

    @property
    def valid(self) -> Bool[np.ndarray, "c k"]:
        """Slots that hold a concept example.

        Not one: an empty slot, a slot of a component that is not alive, and, where a component is never negative (it
        was rectified), an image on which it is zero, since there it did not fire.
        """
        rectified = (self.lowest >= 0)[:, None]
        return (self.ids != MISSING) & self.alive[:, None] & (~rectified | (self.activations > 0))

    @property
    def dead(self) -> int:
        """How many components have no concept example at all."""
        return int((~self.valid.any(axis=1)).sum())

    @property
    def recipe(self) -> tuple[Origin, tuple[LayerAxis, ...], int, str, EncodingTask | None]:
        """Everything that determines the examples of given images: origin, layers, k, pooling, and what is encoded."""
        return self.origin, self.layers, self.ids.shape[1], self.pool, self.encoding.task if self.encoding else None

    @property
    def images(self) -> int:
        """How many images were looked at, the unreadable ones not counted."""
        return sum(stop - start for start, stop in self.seen) - len(self.unreadable)


@dataclass(frozen=True, eq=False)
class VectorRows:
    """Shares of every component on some images of each class: a row per class and image, ascending.

    Of the images that count for a class, those are kept that come first in one random order of all images.
    """

    most: int  # images of a class
    ids: Int32[np.ndarray, "v"]
    columns: Int32[np.ndarray, "v"]  # the class, by its place in `classes`
    predicted: Int32[np.ndarray, "v"]  # the output with the highest logit on that image
    vectors: Float16[np.ndarray, "v c"]  # shares for the class, in [-1, 1]


@dataclass(frozen=True, repr=False)
class Relevance:
    """What every component contributes to some outputs of the model, over the images in `seen`; joined by
    `merge_relevance`.

    A share is a component's relevance on an image by the sum of |relevance| over its layer's components: signed, in
    [-1, 1], and 0 on an image where the layer has none.
    """

    origin: Origin
    layers: tuple[LayerAxis, ...]
    method: str  # "epsilon_plus_flat", "attnlrp", "gradient", ...
    parameters: dict[str, str | int | float | bool]  # of the method, where they can be chosen
    of: str  # the images that count for a class: "label" or "predicted", those of that class; "all", every image
    classes: tuple[int, ...]  # outputs of the model
    class_names: tuple[str, ...]  # empty for a class without a name
    positive: Int64[np.ndarray, "c y"]  # sum of the positive shares over a class's images, in 1/SHARE_UNIT
    negative: Int64[np.ndarray, "c y"]  # the same of the negative ones, without their sign
    top: Int64[np.ndarray, "c y"]  # images of a class where the component is among the TOP_COMPONENTS of its layer
    counts: Int64[np.ndarray, "y"]  # images that counted for each class
    beside: tuple[
        str, ...
    ]  # tokens of these layers that are not read, by the layer that would read them: "blocks.5@cls"; error nodes
    passing: Int64[np.ndarray, "t y"]  # sum of the parts of a tensor's |relevance| that pass them, in 1/SHARE_UNIT
    ids: Int32[np.ndarray, "c k"]  # where the component is most relevant to the image's own class, strongest first
    shares: Float32[np.ndarray, "c k"]  # its share there, above 0; -inf, with id MISSING, where no image was left
    seen: tuple[tuple[int, int], ...]  # image ids that were looked at, as sorted ranges [start, stop)
    unreadable: tuple[Unreadable, ...]  # among those, the ones that could not be read
    vectors: VectorRows | None = None  # of single images, if asked for

    def __post_init__(self) -> None:
        c, y = self.layers[-1].stop if self.layers else 0, len(self.classes)
        sums = {self.positive.shape, self.negative.shape, self.top.shape} == {(c, y)}
        slots = self.ids.shape == self.shares.shape and len(self.ids) == c
        by_class = self.counts.shape == (y,) and self.passing.shape == (len(self.beside), y)
        by_image = self.vectors is None or (
            self.vectors.vectors.shape == (len(self.vectors.ids), c)
            and self.vectors.ids.shape == self.vectors.columns.shape == self.vectors.predicted.shape
            and bool((self.vectors.columns < y).all())
        )
        if not (sums and slots and by_class and by_image and len(self.class_names) == y):
            raise ValueError("the arrays of the relevance do not fit its layers and classes")

    def __repr__(self) -> str:
        named = zip(self.class_names, self.classes, self.counts.tolist(), strict=True)
        counted = [f"{name or number} ({count})" for name, number, count in named]
        more = f" and {len(counted) - 5} more" if len(counted) > 5 else ""
        return f"Relevance({self.method}, images by {self.of}: {', '.join(counted[:5])}{more})"

    @property
    def mean_positive(self) -> Float32[np.ndarray, "c y"]:
        """Mean positive share over a class's images, in [0, 1]; NaN where it had none."""
        return self._per_image(self.positive) / np.float32(SHARE_UNIT)

    @property
    def mean_negative(self) -> Float32[np.ndarray, "c y"]:
        """Mean negative share over a class's images, without its sign: in [0, 1]; NaN where it had none."""
        return self._per_image(self.negative) / np.float32(SHARE_UNIT)

    @property
    def mean(self) -> Float32[np.ndarray, "c y"]:
        """Mean share over a class's images, in [-1, 1]; NaN where it had none."""
        return self.mean_positive - self.mean_negative

    @property
    def frequency(self) -> Float32[np.ndarray, "c y"]:
        """Share of a class's images on which the component is among the TOP_COMPONENTS, in [0, 1]; NaN without any."""
        return self._per_image(self.top)

    @property
    def unread(self) -> dict[str, Float32[np.ndarray, "y"]]:
        """The part of a layer's |relevance| that passes tokens which are not read, in [0, 1], mean over each class's
        images (NaN where it had none), by the layer that would read them."""
        return dict(zip(self.beside, self._per_image(self.passing) / np.float32(SHARE_UNIT), strict=True))

    @property
    def recipe(self) -> tuple[object, ...]:
        """Everything that determines the relevance on given images: origin, layers, method, classes, k, and of how many
        images a class the vectors are kept."""
        how = self.method, self.parameters, self.of, self.ids.shape[1], self.vectors.most if self.vectors else 0
        return self.origin, self.layers, how, self.classes, self.class_names, self.beside

    def _per_image(self, sums: Int64[np.ndarray, "c y"]) -> Float32[np.ndarray, "c y"]:
        return (sums / np.where(self.counts > 0, self.counts, np.nan)).astype(np.float32)


@dataclass(frozen=True)
class Edges:
    """From components of one layer down to those of another, for one output of the model.

    All values are mean shares over the images: signed, by the upper layer's sum of |relevance| on each image. If
    everything that reaches the upper layer passes the lower one, the edges below a component add up to its own share,
    less what biases between the layers absorb.
    """

    upper: str
    lower: str
    target: int
    units: tuple[int, ...]  # of the upper layer
    nodes: Float32[np.ndarray, "a"]  # share of each of them
    weights: Float32[np.ndarray, "a c"]  # share that reaches each component of the lower layer through each of them
    images: int


@dataclass(frozen=True)
class FoundationId:
    """Which foundation model made a vector. Vectors compare only where all of `name` and `digest` agree."""

    name: str  # the spec that loads it, "open_clip:ViT-B-32/laion2b_s34b_b79k"
    digest: str  # over its weights
    dimension: int
    licence: str  # of its weights; "unknown" where the source does not say


@runtime_checkable
class FoundationModel(Protocol):
    """A joint space of images and texts. The vectors need not be unit; `space` sees to that."""

    @property
    def identity(self) -> FoundationId:
        """What the index remembers it by."""
        ...

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text.

        Raises:
            SemlensError: a model that has no text tower.
        """
        ...


TEXTS = "texts:"
"""What stands before the source of a set of texts, where it might be one of images."""


@runtime_checkable
class ExampleSet(Protocol):
    """What examples are taken from, by id from 0 up: images, texts. All that is asked of a kind of data is asked here.

    An item is what `load` gives. A part of one is a box of four whole numbers, not empty, which the kind of data reads
    as it likes: an image left, top, right and bottom; a text where a window starts, where what is marked in it starts,
    and where both end.
    """

    @property
    def source(self) -> str:
        """What the user gave, as text from which `sets.open_set` makes it again."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What a person finds each item by."""
        ...

    @property
    def labels(self) -> tuple[str | None, ...]:
        """What each shows, if that is known; several with | between."""
        ...

    @property
    def fingerprint(self) -> str:
        """The same for the same items, and for no others."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed of the source, a sentence each."""
        ...

    @property
    def groups(self) -> tuple[str | None, ...]:
        """Which items belong together, if that was asked."""
        ...

    @property
    def group_column(self) -> str:
        """The column that says so."""
        ...

    def __len__(self) -> int: ...

    def load(self, id: int) -> Any:
        """The item, as a model's preprocessing takes it. Raises UnreadableItem if it cannot be had."""
        ...

    def size(self, item: Any) -> tuple[int, int]:
        """Right and bottom of the box that is all of an item."""
        ...

    def crop(self, item: Any, box: tuple[int, int, int, int]) -> Any:
        """A part of an item, itself an item."""
        ...

    def show(self, item: Any) -> Image:
        """A small picture of it, for a person."""
        ...

    def embed(self, foundation: FoundationModel, items: Sequence[Any]) -> Float32[np.ndarray, "n d"]:
        """Where each lies in the space of a foundation model."""
        ...

    def odd(self, item: Any) -> str:
        """What keeps an item from being like the others, in words, so that a preprocessing may fail on it; else
        nothing."""
        ...


def axis_of(layers: Iterable[tuple[str, str, int]]) -> tuple[LayerAxis, ...]:
    """Layers (name, kind, components) laid end to end on one component axis."""
    placed: list[LayerAxis] = []
    for layer, kind, components in layers:
        start = placed[-1].stop if placed else 0
        placed.append(LayerAxis(layer, kind, start, start + components))
    return tuple(placed)
