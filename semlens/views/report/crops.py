"""The crops that a page shows: each is stored once, as a rule of the style sheet, however many cards it stands in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from semlens.analysis import data_url
from semlens.index import ConceptIndex
from semlens.types import MISSING, Component
from semlens.views.report.text import Html, el
from semlens.views.tiles import short

CROPS = 8
"""Crops per component, at most."""

_FIRST = 4  # crops that every component gets before any gets more

BYTES = 1_100_000
"""Of pictures, at most, as the page holds them."""


@dataclass(frozen=True, eq=False)
class Crops:
    """Which crops stand for which components, the strongest example first."""

    index: ConceptIndex
    rows: dict[Component, tuple[int, ...]]  # of `vectors`

    @cached_property
    def number(self) -> dict[int, int]:
        """What number each crop goes by on the page."""
        rows = sorted({row for rows in self.rows.values() for row in rows})
        return {row: number for number, row in enumerate(rows)}

    def css(self) -> str:
        """The pictures, as rules of a style sheet."""
        thumbnails = self.index.thumbnails
        rules = (f".p{n}{{background-image:url({data_url(thumbnails.get(row))})}}" for row, n in self.number.items())
        return "\n".join(rules)

    def listed(self, component: Component) -> list[int]:
        """The numbers of a component's crops, for the script."""
        return [self.number[row] for row in self.rows.get(component, ())]

    def shown(self, component: Component) -> Html | None:
        """The crops of a component in a row, each with the name of its image; None if none is shown."""
        pictures = [self._crop(row) for row in self.rows.get(component, ())]
        return el("div", *pictures, class_="crops") if pictures else None

    def _crop(self, row: int) -> Html:
        name = self._source(row)
        look = f"crop p{self.number[row]}"
        return el("span", class_=look, role="img", aria_label=f"crop of {name}", title=name)

    def _source(self, row: int) -> str:
        return short(self.index.images.names[self.index.sources[row]][::-1], 80)[::-1]  # its end tells images apart


def choose(index: ConceptIndex, components: Sequence[Component], most: int = BYTES) -> Crops:
    """The crops of components, the foremost first, as long as they take up at most `most` bytes.

    Every component gets a few crops before any gets more.
    """
    examples = {}
    for component in components:
        slots = (row for row in index.rows[index.row(component)].tolist() if row != MISSING)
        examples[component] = [row for row in slots if index.thumbnails.get(row)][:CROPS]
    taken: dict[Component, list[int]] = {component: [] for component in examples}
    stored: set[int] = set()
    left = most
    for slots_of in (slice(_FIRST), slice(_FIRST, CROPS)):
        for component, rows in examples.items():
            for row in rows[slots_of]:
                need = 0 if row in stored else len(data_url(index.thumbnails.get(row)))
                if need <= left:
                    left -= need
                    stored.add(row)
                    taken[component].append(row)
    return Crops(index, {component: tuple(rows) for component, rows in taken.items()})
