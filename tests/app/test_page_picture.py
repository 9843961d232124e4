"""The page in a browser: the reader's own picture. What the model would answer is planted in the server's results."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.probe import Probes
from semlens.app.jobs import Job, Reply
from semlens.app.session import Session
from tests.app.conftest import LAYERS, Served, picture
from tests.app.test_page_accessible import RULES, violations

api = pytest.importorskip("playwright.sync_api")
FIRST, COUNT = LAYERS[0] + LAYERS[1], sum(LAYERS)


def plant(session: Session, name: str) -> int:
    """A picture, predicted to be a dog by the first component of the last layer; its label's row."""
    index = session.opened[0].index
    relevance = np.zeros(COUNT, np.float32)
    relevance[FIRST : FIRST + 3] = 0.6, 0.3, -0.1
    arrays: dict[str, np.ndarray] = {
        "logits": np.array([0, 2], np.float32),
        "activations": index.activations[:, 0] / 2,
        "relevance": relevance,
    }
    told = {"names": ["cat", "dog"], "output": 1, "warnings": []}
    turned = Reply({"logits": np.array([2, 0], np.float32)}, {})
    probes = Probes(("an image",), index.means[:1].astype(np.float32), np.zeros((1, index.means.shape[1]), np.float32),
                    index.recipe.foundation)  # fmt: skip
    session.sent.put((0, name), Image.new("RGB", (8, 8)))
    planted: list[tuple[tuple[Any, ...], Any]] = [
        (("own", 0, name, "None"), Reply(arrays, told)),
        (("without", 0, name, str([FIRST]), "off"), turned),
        (("probe image", 0, index.recipe.foundation.digest, name), probes),
    ]
    for key, value in planted:
        session.jobs.get(key, Job(0, "own"), lambda _, value=value: value, wait=60.0)  # type: ignore[misc]
    return FIRST


def test_a_picture_is_told_in_words_and_predicted_without(
    open_page: Callable[..., Any], settle: Callable[[], Any], running: Served, tab: Any
) -> None:
    row = plant(running.session, "0123456789abcdef")
    tab.page.route("**/own/heat.webp**", lambda route: route.fulfill(body=picture(3), content_type="image/webp"))
    tab.page.goto(f"{tab.address}#/picture?image=0123456789abcdef")
    page = tab.page
    api.expect(page.get_by_role("region", name="Prediction")).to_contain_text(re.compile(r"Predicted: dog.*88 %", re.S))
    api.expect(page.locator(".own-words").first).to_contain_text(re.compile("“dog” because of .*60 %", re.S))
    moved = page.get_by_role("region", name="Components that moved it most").get_by_role("listitem")
    api.expect(moved).to_have_count(3)
    api.expect(moved.nth(2)).to_contain_text("against it: 10 % of the layer")
    fire = page.get_by_role("region", name="Components that fire most").get_by_role("listitem")
    api.expect(fire.first).to_contain_text("50 % of its strongest example")
    api.expect(page.get_by_role("region", name="Similar images").get_by_role("listitem")).to_have_count(12)
    page.get_by_role("button", name=f"Without layer2:{row - FIRST}").first.click()
    api.expect(page.get_by_role("region", name="Without")).to_contain_text(
        re.compile("Now “cat”, not “dog”.*−2.00", re.S)
    )
    page.evaluate(RULES.read_text(encoding="utf-8"))
    assert violations(settle()) == []
    page.set_viewport_size({"width": 380, "height": 760})
    settle()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 380
