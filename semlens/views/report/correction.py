"""A correction's certificate: what a model did before and after, and how it was changed, as one page."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from semlens.analysis import Rows, cell
from semlens.views.report.text import Html, el, join, named

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .6rem}"
    "th,td{border-bottom:1px solid #8888}tr.worst td{font-weight:600}.told{font-size:1.25rem}"
    "th.n,td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code{word-break:break-all}"
    "td.shown{font-weight:600}.careful{border-left:3px solid #d97706;padding-left:.7rem}"
    "img{max-width:100%}svg{display:block;width:11rem;height:1.1rem}.axis{stroke:#8888}.span{stroke:#2563eb;stroke-width:3;opacity:.5}"
    ".before{fill:none;stroke:currentColor;stroke-width:1.5}.after{fill:#2563eb}"
)
_READ = (
    "Ring: the model as it was. Disc: with its correction, on the same images; the bar through it is its 95 % "
    "interval. Upright line: 0. Change: the interval of after less before; bold where it leaves out 0, so that a "
    "change was shown."
)
_WORST, _ACCURACY, _EFFECT, _PASSES = (
    "worst-group accuracy", "accuracy", "effect on the output", "net relevance of what was taken out"
)  # fmt: skip
_MEANS = MappingProxyType({
    _ACCURACY: "The share of images told right: of all, and of each class with and without each marked concept.",
    "behaviour: AUROC": "The chance that the output is higher for an image of its class than for one that holds the "
    "spurious features alone. 1: it never confuses them; 0.5: it cannot tell them.",
    "shift of the output": "By how much putting the concept into an image moves the output, in logits, all else being "
    "the same. 0: not at all.",
    "accuracy under planted artefacts": "The share told right of images into each of which it was put.",
    "accuracy with the artefact laid in": "The share told right of images into each of which it was laid, cut out of "
    "another.",
    "relevance inside the artefact": "The part of the output's relevance that lies on the artefact's own pixels.",
    _PASSES: "How much of the output's relevance passes what was taken out, speaking for the output (above 0) or "
    "against it. What is kept at the same value in every image may still have some.",
    "net relevance of what was left": "The same of what was to be left alone.",
    _EFFECT: "What the output gains, in its own standard deviations, where an image shows more of a concept that was "
    "to go. 0: it no longer matters.",
    "side effect on the output": "The same of concepts that were to be left alone: best as before.",
})  # fmt: skip
"""What each measure says, and what is good."""

_HIGHER = frozenset({_ACCURACY, _WORST, "behaviour: AUROC", "accuracy under planted artefacts",
                     "accuracy with the artefact laid in"})  # fmt: skip
_NEARER_0 = frozenset({"shift of the output", _EFFECT, "relevance inside the artefact"})
"""Measures of which a correction is to make more, or less of either sign; of others neither is said."""

_WIDE, _EDGE = 180, 8  # of a chart
_WHOLE = 2000  # letters of a remark


def certificate(
    rows: Rows[Any],
    facts: Mapping[str, Any],
    title: str,
    *,
    rounds: Rows[Any] | None = None,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
) -> str:
    """The page, which needs nothing besides itself: what changed in a sentence, a table with a chart for each measure,
    and beneath them all that the correction was made from. The same rows and facts give the same page, byte for byte.

    Args:
        rows: of `measure_correction`.
        facts: by name: texts, numbers, or lists of them.
        rounds: of `revise`, if the correction was made in several.
        pictures: PNG files by caption: where artefacts were found.
    """
    records = rows.records()
    measures = [name for name in dict.fromkeys(record["measure"] for record in records) if name != _WORST]
    main = el(
        "main",
        el("p", "Certificate of a correction"),
        el("h1", named(title)),
        *_taken(records),
        *(el("p", _told(record), class_="told") for record in records if record["measure"] == _WORST),
        *_glance(records),
        *(el("p", text) for text in _side_effects(rows)),
        *(el("p", "Careful: ", named(remark, _WHOLE), class_="careful") for remark in rows.remarks),
        *(_rounds(rounds) if rounds is not None else ()),
        *(part for caption, png in pictures.items() for part in _picture(caption, png)),
        el("p", _READ),
        *(part for name in measures for part in _measure(name, records)),
        el("h2", "How it was made"),
        el("table", *(el("tr", el("th", name), el("td", el("code", _fact(value)))) for name, value in facts.items())),
    )  # fmt: skip
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    top = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", " ".join(title.split())),
        el("style", Html(_STYLE)),
    )
    return f"<!doctype html>\n{el('html', top, el('body', main), lang='en')}\n"


def _taken(records: Sequence[Mapping[str, Any]]) -> list[Html]:
    """What the correction was to take out, in a sentence."""
    for measure in (_EFFECT, _PASSES):
        if names := [record["group"] for record in records if record["measure"] == measure]:
            return [el("p", "To be taken out: ", join(*_listed(names)), ".")]
    return []


def _listed(names: Sequence[str]) -> list[object]:
    return [part for n, name in enumerate(names) for part in ([", "] if n else []) + [named(name)]]


def _glance(records: Sequence[Mapping[str, Any]]) -> list[Html]:
    """A row for each thing that a correction is to change, and whether it did."""
    some = [
        record for record in records
        if record["measure"] in _NEARER_0 | _HIGHER and (record["measure"] != _ACCURACY or record["group"] == "all")
    ]  # fmt: skip
    heads = (el("th", "At a glance"), el("th"), *(el("th", name, class_="n") for name in ("before", "after")), el("th"))
    body = (
        el("tr", el("td", f"{record['measure']}: ", named(record["group"])), el("td", _chart(record, _scale([record]))),
           *(el("td", cell(record[key]), class_="n") for key in ("before", "after")), el("td", _became(record)))
        for record in some
    )  # fmt: skip
    return [el("table", el("thead", el("tr", *heads)), el("tbody", *body))] if some else []


def _became(record: Mapping[str, Any]) -> str:
    """Whether what a correction is to change became better."""
    if not _changed(record):
        return "no change shown"
    before, after = record["before"], record["after"]
    better = after > before if record["measure"] in _HIGHER else abs(after) < abs(before)
    return "better" if better else "worse"


def _changed(record: Mapping[str, Any]) -> bool:
    low, high = record["change_low"], record["change_high"]
    return low is not None and high is not None and not low <= 0 <= high


def _scale(records: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """The ends of the scale that some rows share: 0 and 1 for shares of images told right, else with 0 in it."""
    if any("accuracy" in record["measure"] or "AUROC" in record["measure"] for record in records):
        return 0.0, 1.0
    values = [record[key] for record in records for key in ("before", "after", "low", "high")
              if record[key] is not None]  # fmt: skip
    return min(0.0, *values, 0.0), max(0.0, *values, 1e-9)


def _told(worst: Mapping[str, Any]) -> Html:
    """What became of the worst group, in a sentence."""
    return join(
        f"Worst-group accuracy {cell(worst['before'])} before, {cell(worst['after'])} after "
        f"({cell(worst['low'])} to {cell(worst['high'])}): ", named(worst["group"]), f", {worst['n']} images.",
    )  # fmt: skip


_ROUNDS = (
    ("round", "round"), ("without", "taken out"), ("verdict", "audit"), ("spurious", "spurious share"),
    ("accuracy", "accuracy"), ("worst_group", "worst group"), ("laid_in", "artefact laid in"),
    ("inside", "relevance inside it"), ("next", "found"),
)  # fmt: skip


def _rounds(rounds: Rows[Any]) -> tuple[Html, ...]:
    """The table of rounds: each a model, what was taken out of it last, and what the audit of it found."""
    body = (el("tr", *(el("td", _of_round(record, name)) for name, _ in _ROUNDS)) for record in rounds.records())
    head = el("thead", el("tr", *(el("th", title) for _, title in _ROUNDS)))
    read = (
        "Each row is the model after one artefact more was taken out. Spurious share: of spurious concepts in what "
        "drives the output. Artefact laid in: accuracy with it cut out and laid into every image; relevance inside it: "
        "of its masks; both before any correction, and now."
    )
    return el("h2", "Rounds"), el("p", read), el("table", head, el("tbody", *body))


def _of_round(record: Mapping[str, Any], name: str) -> object:
    value = record[name]
    if name == "spurious":
        return f"{cell(value)} ({_interval(record['low'], record['high'])})"
    if name in ("laid_in", "inside"):
        return "" if value is None else f"{cell(record[f'{name}_before'])}, {cell(value)}"
    return named(value) if isinstance(value, str) else cell(value)


def _picture(caption: str, png: bytes) -> tuple[Html, Html]:
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    return el("p", named(caption)), Html(el("p", Html(f'<img alt="" src="{source}">')))


def _side_effects(rows: Rows[Any]) -> list[str]:
    """How many of what the correction was to leave alone moved by more than its interval, in a sentence."""
    aside = [row for row in rows if row.measure.startswith("side effect")]
    moved = [row.group for row in aside if row.moved]
    if not aside:
        return []
    which = f": {', '.join(moved)}" if moved else ""
    return [
        f"Side effects: of {len(aside)} concepts that were to be left alone, the effect on the output of {len(moved)} "
        f"moved by more than its interval{which}."
    ]


def _measure(name: str, records: Sequence[Mapping[str, Any]]) -> list[Html]:
    """The heading of a measure, what it means, and its table; accuracies with the worst group's beneath the first."""
    accuracy = name == _ACCURACY
    some = [record for record in records if record["measure"] == name or (accuracy and record["measure"] == _WORST)]
    heads = (
        el("th", "images" if accuracy else "concept"), el("th"),
        *(el("th", head, class_="n") for head in ("before", "after", "95 % interval", "change", "n")),
    )  # fmt: skip
    scale = _scale(some)
    table = el("table", el("thead", el("tr", *heads)), el("tbody", *(_row(record, scale) for record in some)))
    meaning = [el("p", _MEANS[name])] if name in _MEANS else []
    return [el("h2", named(name[:1].upper() + name[1:])), *meaning, table]


def _row(record: Mapping[str, Any], scale: tuple[float, float]) -> Html:
    worst = record["measure"] == _WORST
    numbers = (
        cell(record["before"]), cell(record["after"]), _interval(record["low"], record["high"]),
        _interval(record["change_low"], record["change_high"]), cell(record["n"]),
    )  # fmt: skip
    name = join("worst: ", named(record["group"])) if worst else named(record["group"])
    kinds = ("n", "n", "n", "n shown" if _changed(record) else "n", "n")
    cells = (el("td", number, class_=kind) for number, kind in zip(numbers, kinds, strict=True))
    return el("tr", el("td", name), el("td", _chart(record, scale)), *cells, class_="worst" if worst else None)


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{cell(low)} to {cell(high)}"


def _chart(record: Mapping[str, Any], scale: tuple[float, float]) -> Html:
    """Before and after on one scale, with the interval of after."""

    def at(value: float) -> float:
        return round(_EDGE + (_WIDE - 2 * _EDGE) * (value - scale[0]) / (scale[1] - scale[0]), 1)

    drawn = [el("line", class_="axis", x1=at(0.0), x2=at(0.0), y1=1, y2=17)]
    if record["low"] is not None and record["high"] is not None:
        drawn.append(el("line", class_="span", x1=at(record["low"]), x2=at(record["high"]), y1=9, y2=9))
    for key, radius in (("after", 5), ("before", 4)):
        if record[key] is not None:
            drawn.append(el("circle", class_=key, cx=at(record[key]), cy=9, r=radius))
    return el("svg", *drawn, viewBox=f"0 0 {_WIDE} 18", aria_hidden="true")


def _fact(value: Any) -> str:
    many = isinstance(value, Iterable) and not isinstance(value, str)
    return ", ".join(map(str, value)) if many else str(value)
