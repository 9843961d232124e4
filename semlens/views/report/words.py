"""The figures of an audit in words and numbers that a person reads."""

from math import isfinite
from types import MappingProxyType

from semlens.analysis.audit import Mass, Requirement, Verdict
from semlens.views.report.html import Html, el
from semlens.views.tiles import short

NAMES = MappingProxyType(
    {"valid": "valid only", "spurious": "spurious only", "both": "both valid and spurious", "neither": "neither"}
)
"""What the page calls the quadrants."""

SHORT = MappingProxyType({**NAMES, "both": "both"})
"""The same where there is little room."""

_FIT = MappingProxyType(
    {
        "valid": "valid concepts only",
        "spurious": "spurious concepts only",
        "both": "both valid and spurious concepts",
        "neither": "no concept of the spec",
    }
)
_BOUNDS = MappingProxyType({"<=": "At most", "<": "Less than", ">=": "At least", ">": "More than"})

LETTERS = 120
"""Letters of a name that are shown; the spec is shown whole."""


def named(text: object, limit: int = LETTERS) -> Html:
    """A text that others chose, apart from its surroundings so that it cannot change their direction."""
    return el("bdi", line(str(text), limit))


def line(text: str, limit: int = LETTERS) -> str:
    """A text that others chose, on one line and not too long."""
    return short(" ".join(text.split()), limit)


def quoted(text: str) -> str:
    """The same in quotation marks, for a sentence."""
    return f"“{line(text)}”"


def percent(share: float, digits: int = 1) -> str:
    """A share as per cent; "not known" if it is not a number."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%" if isfinite(share) else "not known"


def between(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares as per cent."""
    return f"{100 * low:.{digits}f} to {percent(high, digits)}" if isfinite(low + high) else "not known"


def points(change: float) -> str:
    """A difference of two shares in percentage points, with its sign."""
    return f"{100 * change:+.1f}".replace("-", "\N{MINUS SIGN}") if isfinite(change) else "not known"


def deviations(alignment: float) -> str:
    """An alignment: standard deviations of random components."""
    if not isfinite(alignment):
        return "none"
    return f"{alignment:.1f}".replace("-0.0", "0.0").replace("-", "\N{MINUS SIGN}")


def chance(p: float) -> str:
    """A p-value."""
    return f"p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{p:.2g}"


def count(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def is_share(requirement: Requirement) -> bool:
    """Whether the requirement limits a share of relevance, not a number of components."""
    return requirement.figure != "components"


def limit(requirement: Requirement) -> str:
    """The limit of a requirement, as it was written."""
    return f"{100 * requirement.limit:g}\N{NO-BREAK SPACE}%" if is_share(requirement) else f"{requirement.limit:g}"


def requirement(wanted: Requirement, output: str) -> str:
    """What a requirement asks for, as a sentence without its full stop."""
    if wanted.figure == "worst":
        return (
            "No component that fits a spurious concept better than any valid one has more than "
            f"{limit(wanted)} of what speaks for it in its layer"
        )
    sides = " or ".join(_FIT[name] for name in wanted.quadrants)
    bound = f"{_BOUNDS[wanted.operator]} {limit(wanted)}"
    if wanted.figure == "components":
        return f"{bound} components fit {sides}"
    return f"{bound} of what speaks for {quoted(output)} goes through components that fit {sides}"


def figure(verdict: Verdict, wanted: Requirement) -> str:
    """A verdict's value, with as many digits as tell it from the limit."""
    if not is_share(wanted):
        return number(verdict.value)
    for digits in (1, 2, 3):
        if percent(verdict.value, digits) != percent(wanted.limit, digits):
            return percent(verdict.value, digits)
    return percent(verdict.value)


def spread(verdict: Verdict, wanted: Requirement) -> str:
    """A verdict's interval."""
    if is_share(wanted):
        return between(verdict.low, verdict.high)
    return f"{number(verdict.low)} to {number(verdict.high)}"


def number(value: float) -> str:
    """A count, or the middle of two; "not known" if it is not a number."""
    return f"{value:,.1f}".removesuffix(".0") if isfinite(value) else "not known"


def mass(share: Mass) -> str:
    """A quadrant's share with its interval."""
    return f"{percent(share.relevance)} ({between(share.low, share.high)})"
