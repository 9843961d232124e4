"""The lines in which a spec says what is required. page/src/audit/requirement.ts reads the same."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from semlens.errors import SemlensError, unknown

SIDES = ("valid", "spurious")
QUADRANTS = (*SIDES, "both", "neither")
"""Where a component can stand: it fits a valid concept, a spurious one, both or neither."""

ALIASES = {"unexpected": "neither"}
FIGURES = ("relevance_mass", "net_relevance", "drivers", "components")
"""What a line can limit by its name, each followed by quadrants in brackets, or by sides only."""


@dataclass(frozen=True)
class Requirement:
    """What has to hold: a figure of the audit, compared with a limit."""

    text: str
    figure: str  # of FIGURES, or "worst": the most relevant component that is more spurious than valid
    quadrants: tuple[str, ...]
    operator: str
    limit: float

    @property
    def bounded_above(self) -> bool:
        """Whether the figure must not be large."""
        return self.operator in ("<=", "<")


_NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+) ?(%?)"
_BOUND = re.compile(rf"({'|'.join(FIGURES)}) ?\(([\w +]+)\) ?(<=|>=|<|>) ?{_NUMBER}")
_WORST = re.compile(rf"no component with spurious > valid above relevance {_NUMBER}")


def parse_requirement(text: str) -> Requirement:
    """The requirement that a line states.

    Raises:
        SemlensError: a line of no known form, or an unknown quadrant.
    """
    line = " ".join(text.split())
    if worst := _WORST.fullmatch(line):
        return Requirement(line, "worst", (), "<=", _number(worst[1], worst[2]))
    bound = _BOUND.fullmatch(line)
    if bound is None:
        raise SemlensError(
            f"requirement {text!r} is not understood: write relevance_mass(spurious) <= 0.10, "
            "net_relevance(spurious) <= 0.10, drivers(spurious) <= 0.25, components(both) <= 3, or no component with "
            "spurious > valid above relevance 0.02"
        )
    figure, names = bound[1], [ALIASES.get(name.strip(), name.strip()) for name in bound[2].split("+")]
    for name in names:
        if name not in QUADRANTS:
            raise unknown("quadrant", name, (*QUADRANTS, *ALIASES))
        if figure in ("drivers", "net_relevance") and name not in SIDES:
            raise SemlensError(f"requirement {text!r}: {figure} takes valid or spurious, not {name!r}")
    return Requirement(line, figure, tuple(dict.fromkeys(names)), bound[3], _number(bound[4], bound[5]))


def number_of(text: str) -> float | None:
    """A number as a line or a spec has it, with or without a percent sign; None if it is none."""
    found = re.fullmatch(_NUMBER, text)
    return _number(found[1], found[2]) if found else None


def check_requirements(lines: Iterable[str]) -> None:
    """Returns if every line states a requirement that can be met and can fail.

    Raises:
        SemlensError: as `parse_requirement` does; or a limit that nothing or everything meets, as a forgotten percent
            sign makes one.
    """
    for requirement in map(parse_requirement, lines):
        what, limit = f"requirement {requirement.text!r}", requirement.limit
        counted = requirement.figure == "components"
        if counted and not (limit.is_integer() and "%" not in requirement.text):
            raise SemlensError(f"{what}: components are counted, so write a whole number")
        most = float("inf") if counted else 1.0
        least = -float("inf") if requirement.figure == "net_relevance" else 0.0
        if limit > most:
            percent = f": {limit:g}% perhaps" if limit <= 100 and "%" not in requirement.text else ""
            raise SemlensError(f"{what}: relevance is a share, so no limit is above 1, or 100%{percent}")
        if (requirement.operator, limit) in {("<=", most), (">=", least)}:
            raise SemlensError(f"{what} cannot fail: choose another limit, or leave it out")
        if (requirement.operator, limit) in {("<", least), (">", most)}:
            raise SemlensError(f"{what} can never be met: choose another limit")


def _number(text: str, percent: str) -> float:
    return float(text) / (100 if percent else 1)
