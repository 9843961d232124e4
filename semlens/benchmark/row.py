"""A line of the truth benchmark: a figure, its uncertainty, and the figures of chance and of the best answer."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

from semlens.numerics import Estimate


@dataclass(frozen=True)
class Row:
    """One figure about one model."""

    model: str
    part: str  # of the benchmark: "search", "relevance", ...
    what: str  # "ruler", "mean of 14 concepts"
    measure: str  # "average precision, relevance crops"
    estimate: Estimate
    chance: float  # what a random answer reaches; NaN where there is none
    oracle: float  # what the best possible answer reaches on the same material

    def cells(self) -> tuple[str, ...]:
        """As a person reads it."""
        interval = f"{self.estimate.low:.2f} to {self.estimate.high:.2f}"
        return (
            self.model,
            self.part,
            self.what,
            self.measure,
            _two_digits(self.estimate.value),
            interval,
            _two_digits(self.chance),
            _two_digits(self.oracle),
            str(self.estimate.n),
        )

    def json(self) -> dict[str, Any]:
        """As a script reads it: figures that do not exist are null."""
        names = {"model": self.model, "part": self.part, "what": self.what, "measure": self.measure}
        figures = {**asdict(self.estimate), "chance": self.chance, "oracle": self.oracle}
        return names | {key: None if isnan(value) else value for key, value in figures.items()}


HEADER = ("model", "part", "what", "measure", "value", "95 % interval", "chance", "oracle", "n")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table of Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _two_digits(value: float) -> str:
    return "" if isnan(value) else f"{value:.2f}"
