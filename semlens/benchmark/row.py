"""A line of the truth benchmark: a figure, how sure it is, and between what it stands."""

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
    found: Estimate
    chance: float  # what a random answer reaches; NaN where there is none
    oracle: float  # what the best possible answer reaches on the same material

    def cells(self) -> tuple[str, ...]:
        """As a person reads it."""
        spread = f"{self.found.low:.2f} to {self.found.high:.2f}"
        return (
            self.model,
            self.part,
            self.what,
            self.measure,
            _two(self.found.value),
            spread,
            _two(self.chance),
            _two(self.oracle),
            str(self.found.n),
        )

    def json(self) -> dict[str, Any]:
        """As a script reads it: figures that do not exist are null."""
        found = asdict(self.found)
        named = {"model": self.model, "part": self.part, "what": self.what, "measure": self.measure}
        figures = {**found, "chance": self.chance, "oracle": self.oracle}
        return named | {key: None if isnan(value) else value for key, value in figures.items()}


HEADER = ("model", "part", "what", "measure", "value", "95 % interval", "chance", "oracle", "n")


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table of Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _two(value: float) -> str:
    return "" if isnan(value) else f"{value:.2f}"
