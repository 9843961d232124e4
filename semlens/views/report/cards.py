"""What the page says of one component: in the lines of a dot, and on a card with its crops."""

from collections.abc import Sequence
from math import isfinite

from semlens.analysis.audit import AuditRow
from semlens.views.report.charts import bars, key
from semlens.views.report.crops import Crops
from semlens.views.report.text import NAMES, Html, chance, deviations, el, join, line, named, percent

_LETTERS = 60  # of a name among others


def described(row: AuditRow) -> str:
    """A component in lines of plain text."""
    called = [str(row.component), *(line(text, _LETTERS) for text in (row.name, row.label) if text)]
    lines = [
        " · ".join(called),
        f"fits {NAMES[row.quadrant]}",
        f"spurious: {_side(row.spurious_concept, row.spurious, row.spurious_p)}",
        f"valid: {_side(row.valid_concept, row.valid, row.valid_p)}",
        f"relevance: {percent(row.relevance)} for, {percent(row.against)} against",
    ]
    if row.affected:
        lines.append("also speaks for: " + ", ".join(line(name, _LETTERS) for name in row.affected))
    return "\n".join(lines)


def card(row: AuditRow, crops: Crops, top: float, needed: tuple[float, float]) -> Html:
    """A component with its crops and all that is known of it.

    Args:
        top: relevance that fills a bar.
        needed: the alignments that it has to exceed to fit valid and spurious concepts.
    """
    called = named(row.label) if row.label else el("span", "no label", class_="none")
    name = join(" · the model calls it ", named(row.name)) if row.name else None
    sides = [
        ("Spurious", _fact(row.spurious_concept, row.spurious, row.spurious_p, needed[1])),
        ("Valid", _fact(row.valid_concept, row.valid, row.valid_p, needed[0])),
    ]
    facts = [
        *(reversed(sides) if row.quadrant == "valid" else sides),
        (
            "Relevance",
            join(
                f"{percent(row.relevance)} for, {percent(row.against)} against",
                bars(row.relevance, row.against, top, row.quadrant),
            ),
        ),
        ("Also for", join(*_listed(row.affected)) if row.affected else "no other output"),
    ]
    return el(
        "article",
        el("h3", key(row.quadrant), " ", called, " ", el("code", row.component, class_="id")),
        el("p", f"fits {NAMES[row.quadrant]}", name, class_="sub"),
        crops.shown(row.component) or el("p", "no crops stored", class_="none"),
        el("dl", join(*(join(el("dt", term), el("dd", text)) for term, text in facts))),
        class_=f"card {row.quadrant}",
    )


def _side(concept: str, alignment: float, p: float) -> str:
    return f"{line(concept, _LETTERS)}, {deviations(alignment)} ({chance(p)})"


def _fact(concept: str, alignment: float, p: float, needed: float) -> Html:
    fits = alignment > needed
    return join(
        el("strong", named(concept)) if fits else join("nearest: ", named(concept)),
        f", {deviations(alignment)} ({_threshold(needed)}), {chance(p)}",
    )


def _threshold(needed: float) -> str:
    return f"needs {deviations(needed)}" if isfinite(needed) else "no alignment is enough: too few random components"


def _listed(names: Sequence[str]) -> list[Html]:
    return [join(", " if at else "", named(name, _LETTERS)) for at, name in enumerate(names)]
