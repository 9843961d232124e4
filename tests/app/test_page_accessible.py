"""Every view in a browser: what axe finds, that nothing reaches beyond a phone, and what both colour schemes need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

axe = pytest.importorskip("axe_playwright_python.base")
RULES = Path(axe.__file__).parent / "axe.min.js"
VIEWS = ["", "?q=concept%203", "m/planted/layer1/5", "table", "audit", "graph?class=0", "compare", "about"]

Open = Callable[..., Any]


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_a_phone_shows_all_of_the_width(
    open_page: Open, settle: Callable[[], Any], view: str
) -> None:
    page = open_page(view, reduced_motion="reduce")
    page.locator("main h1, main h2").first.wait_for()
    page.evaluate(RULES.read_text(encoding="utf-8"))
    assert violations(settle()) == []
    page.emulate_media(color_scheme="dark")
    assert violations(settle()) == []
    page.set_viewport_size({"width": 380, "height": 760})
    settle()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 380


def violations(page: Any) -> list[tuple[str, list[str]]]:
    """The rules that axe finds broken, each with where."""
    result = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:3]]) for rule in result["violations"]]
