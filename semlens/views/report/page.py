"""The page: sections in their order, and a policy under which a browser fetches nothing and runs nothing but ours."""

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from semlens.analysis.audit import Audit
from semlens.errors import SemlensError
from semlens.views.report.notes import methods, recipe
from semlens.views.report.sections import View, charts, concepts, drivers, masses, offenders, right, unknown
from semlens.views.report.summary import changed, doubts, outcome, verdicts
from semlens.views.report.text import Html, count, el, join, named, quoted


def report(audit: Audit, *, before: Audit | None = None) -> str:
    """An audit as one HTML page that needs nothing besides itself. The same audit gives the same page.

    Args:
        before: an earlier audit of the same output, whose figures are put beside the new ones.

    Raises:
        SemlensError: `before` is an audit of another output, or shares no layer with the audit.
    """
    if before is not None and before.output != audit.output:
        raise SemlensError(
            f"the audits are of different outputs, {before.output!r} before and {audit.output!r} now: "
            f"audit {audit.output!r} in both"
        )
    view = View(audit)
    sections = [
        doubts(audit),
        verdicts(audit),
        drivers(audit),
        changed(audit, before) if before is not None else None,
        masses(audit),
        charts(view),
        offenders(view),
        right(view),
        unknown(view),
        concepts(audit),
        methods(audit),
        recipe(audit),
    ]
    title = audit.spec.title or f"Audit of {quoted(audit.output)}"
    main = el("main", _head(audit, title, compared=before is not None), *sections, _sign())
    return _page(title, main, view)


def _head(audit: Audit, title: str, *, compared: bool) -> Html:
    model, layers = audit.index.recipe.model, ", ".join(figures.layer for figures in audit.figures)
    said = join(
        "Output “", named(audit.output), "” of ", named(model.name),
        f", {count(len(audit.fit.members), 'component')} in {layers}, "
        f"relevance on {count(audit.images, 'image')}, by {audit.by}",
    )  # fmt: skip
    return el(
        "header",
        el("p", "Model audit", class_="kicker"),
        el("h1", el("bdi", title)),
        el("p", said, class_="sub"),
        outcome(audit),
        _contents(audit, compared=compared),
    )


def _sign() -> Html:
    """Where a printed report is dated and signed; not seen on a screen. The page itself has no date, for the same audit
    gives the same bytes."""
    lines = (el("span", f"{what}: ", el("i", "")) for what in ("Date", "Name", "Signature"))
    return el("p", *lines, class_="sign")


def _contents(audit: Audit, *, compared: bool) -> Html:
    places = {
        **({"doubts": "Doubts"} if audit.doubts else {}),
        "requirements": "Requirements",
        **({"drivers": "What drives it"} if audit.drivers else {}),
        **({"changes": "What changed"} if compared else {}),
        "relevance": "Relevance",
        "chart": "Chart",
        "offenders": "What should not matter",
        "right": "What is right",
        "unknown": "What fits neither",
        "concepts": "Concepts",
        "methods": "How to read this",
        "recipe": "How it was made",
    }
    return el("nav", *(el("a", text, href=f"#{id_}") for id_, text in places.items()), aria_label="Sections")


def _page(title: str, main: Html, view: View) -> str:
    script, style = _asset("report.js"), _asset("report.css") + view.crops.css() + "\n"
    crops = {str(at): view.crops.listed(component) for component, at in view.pictured.items()}
    data = json.dumps({"crops": crops}, separators=(",", ":")).replace("<", "\\u003c")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", " ".join(title.split())),
        el("style", Html(style)),
    )
    body = el(
        "body",
        main,
        el("div", id="card", hidden="hidden", role="status"),
        el("script", Html(data), type="application/json", id="data"),
        el("script", Html(script)),
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _asset(name: str) -> str:
    return (files("semlens.views.report") / name).read_text(encoding="utf8")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
