"""The body of the page: where the relevance goes, the quadrant chart, the components worth a look, the concepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semlens.analysis import layer_numbers
from semlens.analysis.audit import QUADRANTS, Audit, AuditRow, ConceptMass, Mass
from semlens.types import Component
from semlens.views.report.cards import card, described
from semlens.views.report.charts import bars, effect, interval, key, legend, stacked
from semlens.views.report.crops import Crops, choose
from semlens.views.report.scatter import scatter
from semlens.views.report.text import NAMES, Html, between, count, el, join, line, named, percent, quoted

DRIVERS = 12
"""Concepts whose effects on the output are shown."""

CARDS = 10
"""Components of a kind that have a card."""

PICTURED = 60
"""Components whose crops the page holds."""

SEEN = 0.0005
"""A component with less relevance has no card: the page would show 0.0 %."""


@dataclass(frozen=True, eq=False)
class View:
    """An audit, and what the page takes from it."""

    audit: Audit

    @cached_property
    def offenders(self) -> Sequence[AuditRow]:
        """The most relevant components that should not speak for the output."""
        return self._foremost(self.audit.offenders)

    @cached_property
    def right(self) -> Sequence[AuditRow]:
        """The most relevant components that fit valid concepts only."""
        return self._foremost([row for row in self.audit.rows if row.quadrant == "valid"])

    @cached_property
    def unknown(self) -> Sequence[AuditRow]:
        """The most relevant components that fit nothing and have no label."""
        return self._foremost([row for row in self.audit.rows if row.quadrant == "neither" and not row.label])

    @cached_property
    def crops(self) -> Crops:
        """The crops of all that have a card, and then of the most relevant."""
        carded = [row.component for row in (*self.offenders, *self.right, *self.unknown)]
        most = [row.component for row in self.audit.rows[:PICTURED]]
        return choose(self.audit.index, list(dict.fromkeys([*carded, *most]))[:PICTURED])

    @cached_property
    def pictured(self) -> dict[Component, int]:
        """The number under which the script finds a component's crops."""
        return {component: number for number, component in enumerate(self.crops.rows)}

    @property
    def layers(self) -> list[str]:
        """The layers audited."""
        return [figures.layer for figures in self.audit.figures]

    def _foremost(self, rows: Sequence[AuditRow]) -> Sequence[AuditRow]:
        return [row for row in rows[:CARDS] if row.relevance >= SEEN]

    def needed(self, row: AuditRow) -> tuple[float, float]:
        """The alignments that a component has to exceed to fit valid and spurious concepts."""
        member = np.searchsorted(self.audit.fit.members, self.audit.index.row(row.component))
        valid, spurious = self.audit.fit.critical[member].tolist()
        return valid, spurious

    def threshold(self, layer: str) -> tuple[float, float]:
        """The same for a layer: the median over its components with the most examples."""
        index, members = self.audit.index, self.audit.fit.members
        names = [axis.layer for axis in index.layers]
        in_layer = layer_numbers(index)[members] == names.index(layer)
        examples = index.valid[members].sum(axis=1)
        complete = in_layer & (examples == examples[in_layer].max())
        valid, spurious = np.median(self.audit.fit.critical[complete], axis=0).tolist()
        return valid, spurious


def drivers(audit: Audit) -> Html | None:
    """What drives the output by its own encoding, if the index has it: the concepts with the largest effects."""
    rows = audit.drivers[:DRIVERS]
    if not rows:
        return None
    top = max(max(abs(row.low), abs(row.high)) for row in rows) or 1.0
    sides = {name: side for side, name in audit.asked}
    lines = [
        el(
            "tr",
            el("th", key(sides[row.phrase]), " ", named(row.phrase), scope="row"),
            el("td", f"{row.effect:+.2f}".replace("-", "\N{MINUS SIGN}"), class_="n"),
            el("td", f"{row.low:+.2f} to {row.high:+.2f}".replace("-", "\N{MINUS SIGN}"), class_="n"),
            el("td", effect(row.effect, row.low, row.high, top), class_="chart"),
            el("td", "hardly told apart from ", named(", ".join(row.alike)) if row.alike else None, class_="hint")
            if row.alike
            else el("td", ""),
        )
        for row in rows
    ]
    said = (
        f"The output itself ({line(rows[0].output)}) over all images, before any component: what each concept adds, "
        "all others equal, in standard deviations of the output per standard deviation of the images' similarity to "
        "it, with its 95 % interval. To the right: for the output. What is in no image, or in all, cannot show here; "
        "nor can what the spec does not name."
    )
    table = el("table", el("tbody", *lines), class_="masses")
    body = el("div", table, class_="wide", tabindex=0, role="region", aria_label="what drives the output")
    return el("section", el("h2", "What drives the output"), el("p", said), body, id="drivers")


def masses(audit: Audit) -> Html:
    """Every layer's relevance by quadrant, with intervals."""
    layers = []
    for figures in audit.figures:
        of_layer = [mass for mass in audit.masses if mass.layer == figures.layer]
        lines = join(*map(_mass, of_layer))
        head = el("h3", el("code", figures.layer))
        drawn = [mass for mass in of_layer if audit.by == "examples" or mass.quadrant != "neither"]
        layers.append(el("div", head, stacked(drawn), el("table", el("tbody", lines), class_="masses"), class_="layer"))
    output = quoted(audit.output)
    said = f"Of all that speaks for {output} in a layer: how much goes through components that fit which concepts."
    if audit.by == "encoding":
        said += (
            " Every component's relevance is divided between valid and spurious by what it responds to, the squared "
            "effects of the concepts on it, so that these two add up to all. Beside it stands what part lies in "
            "components that surely fit neither, of which the division is a guess."
        )
    return el("section", el("h2", "Where the relevance goes"), el("p", said), *layers, id="relevance")


def _mass(mass: Mass) -> Html:
    said = f"{percent(mass.relevance)}, from {between(mass.low, mass.high)}"
    return el(
        "tr",
        el("th", key(mass.quadrant), " fits ", NAMES[mass.quadrant], scope="row"),
        el("td", count(mass.components, "component"), class_="n"),
        el("td", percent(mass.relevance), class_="n"),
        el("td", between(mass.low, mass.high), class_="n"),
        el("td", interval((mass.relevance, mass.low, mass.high), 1.0, kind=mass.quadrant, words=said), class_="chart"),
    )


def charts(view: View) -> Html:
    """The quadrant chart of every layer."""
    drawn = []
    for layer in view.layers:
        rows = [row for row in view.audit.rows if row.component.layer == layer]
        needed = view.threshold(layer)
        title = f"Quadrant chart of {layer}: {count(len(rows), 'component')}"
        chart = scatter(rows, needed, described, lambda row: view.pictured.get(row.component), title)
        most = percent(max((row.relevance for row in rows), default=0.0))
        note = f"{layer}, {count(len(rows), 'component')}; the largest mark is {most} of what speaks for the output."
        if np.isinf(needed).any():
            note += " A threshold at the edge of the chart: no alignment would exceed chance surely enough."
        drawn.append(
            el(
                "figure",
                el("div", chart, class_="wide", tabindex=0, role="region", aria_label=title),
                el("figcaption", note),
            )
        )
    said = (
        "A mark is a component; the larger, the more relevant. Up: it fits something that must not matter. Right: it "
        "fits something that may. The dashed lines are what chance reaches. "
    )
    by_hand = el(
        "span",
        "Point at a mark, or move from mark to mark with the arrow keys, to see its examples.",
        class_="on-screen",
    )
    head = el("h2", "Every component, held against both sides")
    return el("section", head, el("p", said, by_hand), legend(), *drawn, id="chart")


def offenders(view: View) -> Html:
    """The components that should not speak for the output."""
    offending, shown = len(view.audit.offenders), len(view.offenders)
    which = f"The {shown} most relevant are shown, with" if shown < offending else "Shown are"
    said = (
        f"{count(offending, 'component')} {'fits' if offending == 1 else 'fit'} a spurious concept, and better "
        f"than any valid one. {which} the crops that excite {'it' if offending == 1 else 'them'} most."
    )
    return _cards(view, "offenders", "What should not matter, and does", said, view.offenders)


def right(view: View) -> Html:
    """The components that fit valid concepts only."""
    return _cards(
        view, "right", "What is right", "The most relevant components that fit valid concepts only.", view.right
    )


def unknown(view: View) -> Html:
    """The components that fit no concept of the spec."""
    neither = [row for row in view.audit.rows if row.quadrant == "neither"]
    labelled = [row for row in neither if row.label]
    said = (
        "These fit no concept of the spec more than chance does, and have no label. They are neither cleared nor "
        "accused: look at the pictures, and if they show something, add it to the spec."
    )
    also = None
    if labelled:
        listed = [
            join("; " if place else "", named(row.label), f" ({row.component}, {percent(row.relevance)})")
            for place, row in enumerate(labelled[:CARDS])
        ]
        lead = f"{len(labelled)} of the {len(neither)} that fit neither do have a label; the most relevant: "
        also = el("p", lead, *listed, ".")
    return _cards(view, "unknown", "What fits neither: to be looked at by hand", said, view.unknown, also)


def _cards(view: View, id_: str, title: str, said: str, rows: Sequence[AuditRow], also: Html | None = None) -> Html:
    top = max((max(row.relevance, row.against) for row in view.audit.rows), default=1.0)
    cards = [card(row, view.crops, top, view.needed(row)) for row in rows]
    body = el("div", join(*cards), class_="cards") if cards else el("p", "None.")
    return el("section", el("h2", title), el("p", said) if cards else None, also, body, id=id_)


def concepts(audit: Audit) -> Html:
    """Every concept of the spec with the relevance of the components that fit it."""
    fitted = [mass for mass in audit.concepts if mass.components]
    top = max((max(mass.relevance, mass.against) for mass in fitted), default=1.0)
    head = (
        *((text, False) for text in ("concept", "side", "layer")),
        *((text, True) for text in ("components", "for", "against")),
        ("", False),
    )
    rows = [_concept(mass, top) for mass in fitted]
    absent = [mass for mass in audit.concepts if not mass.components]
    missing = [
        join("; " if place else "", named(mass.concept), f" ({mass.side}, {mass.layer})")
        for place, mass in enumerate(absent)
    ]
    table = el(
        "table",
        el("thead", el("tr", *(el("th", text, scope="col", class_="n" if number else None) for text, number in head))),
        el("tbody", join(*rows)),
    )
    said = (
        f"For: the part of what speaks for {quoted(audit.output)} in the layer that goes through the components that "
        "fit a concept best of its side. Against: what the same components speak against it, in the same unit. A "
        "component that fits both sides counts on both."
    )
    return el(
        "section",
        el("h2", "Concepts"),
        el("p", said),
        el("div", table, class_="wide", tabindex=0, role="region", aria_label="concepts") if rows else None,
        el("p", "Fitted by no component: ", *missing, ".") if missing else None,
        id="concepts",
    )


def _concept(mass: ConceptMass, top: float) -> Html:
    return el(
        "tr",
        el("th", named(mass.concept), scope="row"),
        el("td", key(mass.side), " ", mass.side),
        el("td", mass.layer),
        el("td", f"{mass.components:,}", class_="n"),
        el("td", percent(mass.relevance), class_="n"),
        el("td", percent(mass.against), class_="n"),
        el("td", bars(mass.relevance, mass.against, top, mass.side), class_="chart"),
    )


assert set(NAMES) == set(QUADRANTS)
