"""Curves of what becomes of an output while components are taken away or put back in an order, with areas."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import nan
from typing import Literal

import numpy as np

from semlens.analysis.results import Rows
from semlens.errors import SemlensError
from semlens.numerics import Estimate, bootstrap
from semlens.types import Float64

Curve = Literal["deletion", "insertion"]
CURVES: tuple[Curve, ...] = ("deletion", "insertion")


@dataclass(frozen=True)
class AreaRow:
    """The area under a method's curve, in the output's unit, with its 95 % interval over images like these.

    Of deletion less is better, of insertion more. `beyond` is how much more it is than that of the first method, on the
    same images.
    """

    by: str
    curve: str
    area: float
    low: float
    high: float
    beyond: float
    beyond_low: float
    beyond_high: float
    n: int  # images


@dataclass(frozen=True)
class CurvePoint:
    """The output, as a mean over images with its 95 % interval, once a share of the components is away or back."""

    by: str
    curve: str
    fraction: float  # 0 to 1, of the components that do anything on an image
    score: float
    low: float
    high: float


@dataclass(frozen=True, eq=False, repr=False)
class Faithfulness:
    """What an output becomes while components are deleted, the most relevant first, or inserted into what is left
    without any, for several ways to say what is relevant."""

    layer: str
    methods: tuple[str, ...]
    fractions: Float64[np.ndarray, "f"]
    deletion: Float64[np.ndarray, "m n f"]  # the output of each image
    insertion: Float64[np.ndarray, "m n f"]
    components: float  # that do anything on an image, on average

    @property
    def rows(self) -> Rows[AreaRow]:
        """An area per curve and method."""
        rows = [self._row(curve, m) for curve in CURVES for m in range(len(self.methods))]
        said = (
            f"{self.components:,.1f} components of {self.layer} do anything on an image; the smaller an area of "
            f"deletion and the larger one of insertion, the better; beyond: more than {self.methods[0]} has"
        )
        return Rows(rows, "how faithful relevance is: the output, averaged along each curve", remarks=[said])

    def first(self, share: float) -> "Faithfulness":
        """The same curves up to a share of the components; of no use beyond where they end.

        Raises:
            SemlensError: no two points of the curves lie there.
        """
        kept = self.fractions <= share * (1 + 1e-9)
        if kept.sum() < 2:
            ends = f"{self.fractions[1]:.3g} to {self.fractions[-1]:.3g}"
            raise SemlensError(f"the curves have no part up to {share:g} of the components: choose from {ends}")
        return replace(
            self,
            fractions=self.fractions[kept],
            deletion=self.deletion[..., kept],
            insertion=self.insertion[..., kept],
        )

    @property
    def points(self) -> Rows[CurvePoint]:
        """The curves."""
        return Rows(self._points(), "the output along each curve")

    def area(self, by: str, curve: Curve = "deletion") -> Float64[np.ndarray, "n"]:
        """The area of each image, in the output's unit: the mean of the output along the curve."""
        scores = self.of(curve)[self.methods.index(by)]
        return np.asarray(np.trapezoid(scores, self.fractions / self.fractions[-1], axis=1))

    def of(self, curve: Curve) -> Float64[np.ndarray, "m n f"]:
        """The outputs of a kind of curve."""
        return self.deletion if curve == "deletion" else self.insertion

    def _row(self, curve: Curve, m: int) -> AreaRow:
        own, first = (self.area(by, curve) for by in (self.methods[m], self.methods[0]))
        found = bootstrap(own)
        beyond = bootstrap(own - first) if m else Estimate(nan, nan, nan, found.n)
        return AreaRow(
            self.methods[m], curve, found.value, found.low, found.high, beyond.value, beyond.low, beyond.high, found.n
        )

    def _points(self) -> Iterator[CurvePoint]:
        for curve in CURVES:
            for by, scores in zip(self.methods, self.of(curve), strict=True):
                for fraction, here in zip(self.fractions.tolist(), scores.T, strict=True):
                    found = bootstrap(here)
                    yield CurvePoint(by, curve, fraction, found.value, found.low, found.high)

    def __repr__(self) -> str:
        return repr(self.rows)

    def _repr_html_(self) -> str:
        return self.rows._repr_html_()
