"""The top of the page: the outcome in a sentence, the requirements, what to doubt, what changed since a baseline."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from math import isfinite
from types import MappingProxyType

from semlens.analysis.audit import Audit, Change, Mass, Requirement, Spec, Verdict, changes, parse_requirement
from semlens.views.report.charts import interval, key, sign
from semlens.views.report.text import (
    NAMES,
    Html,
    between,
    count,
    el,
    figure,
    is_share,
    join,
    limit,
    mass,
    named,
    number,
    percent,
    points,
    requirement,
    spread,
)

KINDS = MappingProxyType({"passed": "good", "met": "good", "failed": "bad", "not met": "bad", "cannot tell": "untold"})
"""What sign a verdict and an outcome have."""

_LOOKS = MappingProxyType({"good": "met", "bad": "unmet", "untold": "untold"})
_NOTED = 3  # concepts named in the outcome
_LEAST = 0.05  # of relevance, for a concept to be named there


def outcome(audit: Audit) -> Html:
    """The outcome in a sentence or three."""
    kind = KINDS[audit.verdict] if audit.verdicts else "open"
    body = el("p", el("strong", _counted(audit)), " ", _main(audit))
    return el("div", sign(kind) if audit.verdicts else None, body, class_=f"outcome {kind}")


def _counted(audit: Audit) -> str:
    kinds = Counter(verdict.verdict for verdict in audit.verdicts)
    all_of_them, unmet, untold = len(audit.verdicts), kinds["not met"], kinds["cannot tell"]
    unsure = sum(not verdict.sure and verdict.verdict != "cannot tell" for verdict in audit.verdicts)
    if not all_of_them:
        return "The spec states no requirement, so nothing was passed or failed."
    parts = [f"{unmet} of {count(all_of_them, 'requirement')} {'is' if unmet == 1 else 'are'} not met"] if unmet else []
    if untold:
        parts += [
            f"of {untold} it cannot be told"
            if unmet
            else f"Of {untold} of {count(all_of_them, 'requirement')} it cannot be told"
        ]
    said = "; ".join(parts) + "."
    if not parts:
        said = "The one requirement is met." if all_of_them == 1 else f"All {all_of_them} requirements are met."
    if not unsure:
        return said
    doubt = f"{unsure} of these verdicts {'is' if unsure == 1 else 'are'}" if all_of_them > 1 else "This verdict is"
    return f"{said} {doubt} not sure."


def _main(audit: Audit) -> Html:
    """Where most goes wrong: the layer with the largest spurious share, and which concepts that is."""
    worst = max(
        (mass for mass in audit.masses if mass.quadrant == "spurious"), key=lambda mass: (mass.relevance, mass.layer)
    )
    spurious = [mass for mass in audit.concepts if (mass.layer, mass.side) == (worst.layer, "spurious")]
    said = [
        f"{percent(worst.relevance, 0)} ({between(worst.low, worst.high, 0)}) of what speaks for “",
        named(audit.output),
        f"” in {worst.layer} ",
        "is due to spurious concepts, by what its components respond to"
        if audit.by == "encoding"
        else "goes through components that fit only spurious concepts, which must not matter",
    ]
    large = [concept for concept in spurious if concept.relevance >= _LEAST][:_NOTED]
    for rank, concept in enumerate(large):
        said += [
            "; the largest: " if rank == 0 else ", ",
            named(concept.concept),
            f" ({percent(concept.relevance, 0)})",
        ]
    return join(*said, ".")


def doubts(audit: Audit) -> Html | None:
    """What the foundation model cannot tell, if there is something."""
    if not audit.doubts:
        return None
    return el(
        "section",
        el("h2", "Doubts: what the foundation model does not know, see or tell apart"),
        el(
            "p",
            "Figures that rest on these phrases are not reliable. Other phrases, or images that are marked as "
            "showing a concept, may do better.",
        ),
        el("ul", join(*(el("li", named(doubt, 400)) for doubt in audit.doubts))),
        id="doubts",
        class_="doubts",
    )


def verdicts(audit: Audit) -> Html:
    """The requirements, each with its value on a scale that marks the limit."""
    lines = [_verdict(verdict, audit) for verdict in audit.verdicts]
    said = (
        "Upright bar: the value; line through it: its 95 % interval; dashed: the limit; shaded green: what is allowed."
    )
    body = (
        join(el("p", said, class_="hint"), el("ul", join(*lines), class_="verdicts"))
        if lines
        else el("p", "The spec states none.")
    )
    return el("section", el("h2", "Requirements"), body, id="requirements")


def _verdict(verdict: Verdict, audit: Audit) -> Html:
    wanted = parse_requirement(verdict.requirement)
    kind, untold = KINDS[verdict.verdict], verdict.verdict == "cannot tell"
    mark = el("span", sign(kind), el("strong", verdict.verdict.capitalize()), class_="mark")
    sure = "sure" if verdict.sure else named(verdict.reason if untold else f"not sure: {verdict.reason}", 400)
    values = f"{figure(verdict, wanted)} ({spread(verdict, wanted)}), limit {limit(wanted)}"
    lines = join(
        el("p", mark, " ", el("span", sure, class_="sure" if verdict.sure else "sure unsure"), class_="head"),
        el("p", requirement(wanted, audit.output), "."),
        el("p", el("code", named(verdict.requirement, 400)), f" in {verdict.layer}", class_="hint"),
    )
    chart = join(_scale(verdict, wanted), el("p", values, class_="figures"))
    return el("li", el("div", lines), el("div", chart), class_=f"verdict {_LOOKS[kind]}")


def _scale(verdict: Verdict, wanted: Requirement) -> Html:
    """The value and the limit. A share of what speaks for the output is drawn from 0 to all of it."""
    most = max((end for end in (verdict.high, wanted.limit) if end == end), default=1.0)
    top = 1.0 if wanted.figure in ("relevance_mass", "net_relevance", "drivers") else 1.25 * most or 1.0
    allowed = (0.0, wanted.limit) if wanted.operator in ("<=", "<") else (wanted.limit, top)
    said = f"{figure(verdict, wanted)}, from {spread(verdict, wanted)}, on a scale to {top:.3g}; limit {limit(wanted)}"
    kind = _LOOKS[KINDS[verdict.verdict]]
    return interval((verdict.value, verdict.low, verdict.high), top, kind=kind, words=said, allowed=allowed)


def changed(audit: Audit, before: Audit) -> Html:
    """The verdicts and masses of two audits side by side.

    Raises:
        SemlensError: if they share no layer.
    """
    earlier = {verdict.requirement: verdict for verdict in before.verdicts}
    judged = [
        _rejudged(earlier[verdict.requirement], verdict) for verdict in audit.verdicts if verdict.requirement in earlier
    ]
    old, new = ({(mass.layer, mass.quadrant): mass for mass in each.masses} for each in (before, audit))
    masses = [
        _compared(old[change.layer, change.quadrant], new[change.layer, change.quadrant], change)
        for change in changes(audit, before)
    ]
    verdicts = _table(("requirement", "before", "now", "change"), judged)
    return el(
        "section",
        el("h2", "What changed since ", named(before.index.recipe.model.name)),
        el("p", _difference(audit, before)),
        verdicts if judged else el("p", "The two specs share no requirement."),
        _table(("layer", "fits", "before", "now", "change (95 % interval)", ""), masses),
        id="changes",
    )


def _table(names: Sequence[str], rows: list[Html]) -> Html:
    head = el("tr", *(el("th", name, scope="col") for name in names))
    table = el("table", el("thead", head), el("tbody", *rows))
    return el("div", table, class_="wide", tabindex=0, role="region", aria_label=f"changes by {names[0]}")


def _compared(old: Mass, new: Mass, change: Change) -> Html:
    known = isfinite(change.low + change.high)
    sure = ("clear" if change.low > 0 or change.high < 0 else "may be chance") if known else ""
    by = (
        f"{points(change.after - change.before)} ({points(change.low)} to {points(change.high)}) points"
        if known
        else "not known"
    )
    cells = (new.layer, join(key(new.quadrant), " ", NAMES[new.quadrant]), mass(old), mass(new), by, sure)
    return el("tr", *(el("td", cell) for cell in cells))


def _rejudged(old: Verdict, new: Verdict) -> Html:
    wanted = parse_requirement(new.requirement)
    cells = [
        el(
            "td",
            sign(KINDS[verdict.verdict]),
            " ",
            verdict.verdict,
            f": {figure(verdict, wanted)} ({spread(verdict, wanted)}) in {verdict.layer}",
        )
        for verdict in (old, new)
    ]
    by = new.value - old.value
    change = f"{points(by)} points" if is_share(wanted) else ("+" if by > 0 else "") + number(by)
    return el("tr", el("td", named(new.requirement, 400)), *cells, el("td", change))


def _difference(audit: Audit, before: Audit) -> Html:
    """In what the two audits differ besides their results."""
    a, b = before.index.recipe, audit.index.recipe
    differ = [
        name
        for name, same in {
            "the model": a.model == b.model,
            "the images": a.images == b.images,
            "the foundation model": a.foundation == b.foundation,
            "how the index was made": (a.k, a.pool, a.crop, a.seed) == (b.k, b.pool, b.crop, b.seed),
        }.items()
        if not same
    ]
    differ += [
        f"the spec's {field.name}" for field in fields(Spec) if _of(before, field.name) != _of(audit, field.name)
    ]
    said = "The two audits differ in " + ", ".join(differ) + "." if differ else "The two audits have the same inputs."
    others = [name for name in differ if name != "the model"]
    trap = " A change may come from any of these, not only from the model." if others and "the model" in differ else ""
    return join(
        "Before: ", named(a.model.name), f", weights {a.model.fingerprint[:12]}. Now: ", named(b.model.name),
        f", weights {b.model.fingerprint[:12]}. ", said, trap,
    )  # fmt: skip


def _of(audit: Audit, field: str) -> object:
    return getattr(audit.spec, field)
