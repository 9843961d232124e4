"""Small charts as SVG. Lengths along a bar are per cent, so that a chart is as wide as its place and its text stays."""

from collections.abc import Sequence
from math import isfinite, pi, sqrt
from types import MappingProxyType

from semlens.analysis.audit import QUADRANTS, Mass
from semlens.views.report.text import NAMES, SHORT, Html, el, join, percent

_ROOM, _PHONE = 0.14, 0.45  # of a bar's length, for a segment to hold its own name, and to do so on a phone


def shape(quadrant: str, x: float, y: float, radius: float, *children: Html, **attributes: object) -> Html:
    """A quadrant's mark, as large as a circle of the radius: no two quadrants have the same outline."""
    radius = round(radius, 1)  # so that the halves of a circle meet
    look = {"class_": f"dot {quadrant}", **attributes}
    if quadrant == "spurious":
        s = radius * sqrt(pi / 2)
        path = f"M{x:.1f} {y - s:.1f}l{s:.1f} {s:.1f}l{-s:.1f} {s:.1f}l{-s:.1f} {-s:.1f}z"
    elif quadrant == "both":
        s = radius * sqrt(pi) / 2
        path = f"M{x - s:.1f} {y - s:.1f}h{2 * s:.1f}v{2 * s:.1f}h{-2 * s:.1f}z"
    else:
        path = f"M{x - radius:.1f} {y:.1f}a{radius:.1f} {radius:.1f} 0 1 0 {2 * radius:.1f} 0" + (
            f"a{radius:.1f} {radius:.1f} 0 1 0 {-2 * radius:.1f} 0z"
        )
    drawn = el("path", d=path, **look)
    return Html(drawn[:-2] + f">{join(*children)}</path>") if children else drawn


def key(quadrant: str) -> Html:
    """A quadrant's mark in a line of text."""
    return el("svg", shape(quadrant, 8.0, 8.0, 5.0), class_="key", viewBox="0 0 16 16", aria_hidden="true")


_SIGNS = MappingProxyType(
    {
        "good": ("M12 1.5a10.5 10.5 0 1 0 .01 0z", "M6.8 12.4l3.6 3.6l7-7.6"),
        "bad": ("M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z", "M8 8l8 8M16 8l-8 8"),
        "untold": ("M12 1l11 11l-11 11l-11-11z", "M9.2 9.3a2.8 2.8 0 1 1 4.2 2.5c-1 .6-1.4 1.1-1.4 2.2M12 17.2v.2"),
    }
)


def sign(kind: str) -> Html:
    """A tick in a circle for "good", a cross in an octagon for "bad", a question mark in a diamond for "untold"."""
    outline, stroke = _SIGNS[kind]
    drawn = join(el("path", class_="plate", d=outline), el("path", class_="stroke", d=stroke))
    return el("svg", drawn, class_=f"sign {kind}", viewBox="0 0 24 24", aria_hidden="true")


def stacked(masses: Sequence[Mass]) -> Html:
    """The relevance of a layer by quadrant as one bar."""
    at, drawn = 0.0, []
    for mass in masses:
        if isfinite(mass.relevance) and mass.relevance > 0:
            drawn.append(
                el("rect", class_=f"fill {mass.quadrant}", x=_place(at), y=0, width=_place(mass.relevance), height=34)
            )
            if mass.relevance >= _ROOM:
                text = f"{SHORT[mass.quadrant]} {percent(mass.relevance, 0)}"
                narrow = "narrow" if mass.relevance < _PHONE else None
                drawn.append(el("text", text, x=_place(at + mass.relevance / 2), y=22, class_=narrow))
            at += mass.relevance
    words = ", ".join(f"{NAMES[mass.quadrant]} {percent(mass.relevance)}" for mass in masses)
    return el("svg", join(*drawn), class_="stacked", role="img", aria_label=words)


def interval(
    values: tuple[float, float, float], top: float, *, kind: str, words: str, allowed: tuple[float, float] | None = None
) -> Html:
    """A value and its interval on a scale from 0 to `top`; `allowed` is the part where a requirement is met.

    Args:
        values: the value and the ends of its interval.
        kind: a quadrant, for the colour.
        words: what the chart says, for those who do not see it.
    """
    drawn = [el("rect", class_="track", x=0, y=5, width="100%", height=14)]
    if allowed is not None:
        low, high = (min(max(end, 0), top) / top for end in allowed)
        drawn.append(el("rect", class_="allowed", x=_place(low), y=5, width=_place(high - low), height=14))
        edge = _place(high if allowed[0] <= 0 else low)
        drawn.append(el("line", class_="limit", x1=edge, x2=edge, y1=0, y2=24))
    if all(map(isfinite, values)):
        at, start, end = (_place(min(max(one, 0), top) / top) for one in values)
        drawn += [
            el("line", class_=f"reach {kind}", x1=start, x2=end, y1=12, y2=12),
            el("line", class_=f"value {kind}", x1=at, x2=at, y1=4, y2=20),
        ]
    return el("svg", join(*drawn), class_="interval", role="img", aria_label=words)


def effect(value: float, low: float, high: float, top: float) -> Html:
    """An effect and its interval on a scale from -top to top, with 0 in the middle."""
    at, start, end, zero = (_place((min(max(one, -top), top) / top + 1) / 2) for one in (value, low, high, 0.0))
    kind = "for" if value > 0 else "against"
    drawn = [
        el("rect", class_="track", x=0, y=5, width="100%", height=14),
        el("line", class_="zero", x1=zero, x2=zero, y1=0, y2=24),
        el("line", class_=f"reach {kind}", x1=start, x2=end, y1=12, y2=12),
        el("line", class_=f"value {kind}", x1=at, x2=at, y1=4, y2=20),
    ]
    return el("svg", *drawn, class_="interval", role="img", aria_label=f"{value:+.2f}, from {low:+.2f} to {high:+.2f}")


def bars(relevance: float, against: float, top: float, kind: str) -> Html:
    """Relevance for and against, as two bars on a scale from 0 to `top`."""
    top = top or 1.0
    lengths = ((kind, relevance / top, 1), ("against", against / top, 10))
    drawn = [
        el("rect", class_=f"fill {look}", x=0, y=y, width=_place(min(length, 1)), height=7)
        for look, length, y in lengths
        if length > 0.002  # less is an edge without a bar
    ]
    return el("svg", *drawn, class_="bars", aria_hidden="true")


def legend() -> Html:
    """What the marks of the quadrants mean."""
    return el("p", join(*(el("span", key(name), f" fits {NAMES[name]}") for name in QUADRANTS)), class_="legend")


def _place(share: float) -> str:
    return f"{100 * share:.2f}%"
