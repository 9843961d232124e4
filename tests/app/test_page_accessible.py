"""Every view in a browser: what axe finds, that nothing reaches beyond a phone, and what both colour schemes need."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

axe = pytest.importorskip("axe_playwright_python.base")
RULES = Path(axe.__file__).parent / "axe.min.js"
VIEWS = ["", "?q=concept%203", "m/planted/layer1/5", "table", "audit", "graph", "compare", "about"]

Open = Callable[..., Any]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(open_page: Open, view: str, scheme: str) -> None:
    page = open_page(view, color_scheme=scheme)
    page.locator("main h1, main h2").first.wait_for()
    page.evaluate(RULES.read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found["violations"]]
    assert told == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_shows_all_of_the_width(open_page: Open, view: str) -> None:
    page = open_page(view)
    page.set_viewport_size({"width": 380, "height": 760})
    page.locator("main h1, main h2").first.wait_for()
    wide = page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 380
