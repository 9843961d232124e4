"""Elements of a page as text. Whatever is not made here is escaped, so a label or a file name stays text."""

import re
from html import escape
from typing import final

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
