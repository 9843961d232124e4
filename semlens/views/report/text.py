"""The report's text: elements that escape whatever was not made here, and the figures of an audit in words."""

import re
from html import escape
from math import isfinite
from types import MappingProxyType
from typing import final

from semlens.analysis.audit import Mass, Requirement, Verdict
from semlens.views.tiles import short

_CLOSED = {"circle", "line", "path", "rect", "use"}  # elements of SVG that hold nothing
_VOID = {"br", "meta"}

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all but the line break
_HALVES = re.compile("[\ud800-\udfff\ufffe\uffff]")  # what no file can hold: names that are not UTF-8 come as these
_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # make text run backwards beyond its own end


@final
class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. Children that are not `Html` are text, and escaped; those that are None are left out.

    Attributes are escaped too; `class_` is class, an underscore becomes a hyphen, and None leaves one out.
    """
    head = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(tidy(str(value)))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _CLOSED:
        return Html(f"<{name}{head}/>")
    if name in _VOID:
        return Html(f"<{name}{head}>")
    return Html(f"<{name}{head}>{join(*children)}</{name}>")


def join(*parts: object) -> Html:
    """Parts one after another, what is not `Html` escaped."""
    return Html(
        "".join(part if isinstance(part, Html) else escape(tidy(str(part))) for part in parts if part is not None)
    )


def tidy(text: str) -> str:
    """The text without what no page may hold (control characters, half ones) or what reorders its surroundings."""
    return _REORDERING.sub("", _HALVES.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub(" ", text)))


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
    named_sides = " or ".join(f"{name} concepts" for name in wanted.quadrants)
    if wanted.figure == "drivers":
        return f"{bound} of all that drives {quoted(output)}, for it or against it, is {named_sides}"
    if wanted.figure == "net_relevance":
        return (
            f"{bound} of what speaks for {quoted(output)} goes through {named_sides}, less what speaks against it, "
            "concept by concept"
        )
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
