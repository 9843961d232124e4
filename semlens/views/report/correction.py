"""A correction's certificate: what a model did before and after, and how it was changed, as one page."""

from collections.abc import Iterable, Mapping
from typing import Any

from semlens.analysis.results import Rows, cell
from semlens.views.report.text import Html, el, named

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem}"
    "th,td{border-bottom:1px solid #8888}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}code{word-break:break-all}"
)
_READ = (
    "before, after: the model without and with its correction, on the same images. low, high: the 95 % interval of "
    "after. change low, change high: that of what changed; where it holds 0, no change was shown."
)


def certificate(rows: Rows[Any], facts: Mapping[str, Any], title: str) -> str:
    """The page, which needs nothing besides itself: a row per measure, and beneath them all that the correction was
    made from. The same rows and facts give the same page, byte for byte.

    Args:
        facts: by name: texts, numbers, or lists of them.
    """
    records = rows.records()
    columns = list(records[0]) if records else []
    head = el("tr", *(el("th", name.replace("_", " ")) for name in columns))
    body = (el("tr", *(_cell(record[name]) for name in columns)) for record in records)
    main = el(
        "main",
        el("p", "Certificate of a correction"),
        el("h1", named(title)),
        el("p", _READ),
        el("table", el("thead", head), el("tbody", *body)),
        el("h2", "How it was made"),
        el("table", *(el("tr", el("th", name), el("td", el("code", _fact(value)))) for name, value in facts.items())),
    )  # fmt: skip
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    top = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", " ".join(title.split())),
        el("style", Html(_STYLE)),
    )
    return f"<!doctype html>\n{el('html', top, el('body', main), lang='en')}\n"


def _cell(value: Any) -> Html:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return el("td", named(cell(value)))
    return el("td", cell(value), class_="n")


def _fact(value: Any) -> str:
    many = isinstance(value, Iterable) and not isinstance(value, str)
    return ", ".join(map(str, value)) if many else str(value)
