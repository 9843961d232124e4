"""The notebook's module in a browser: the same page in a cell, asked by messages, with an address of its own."""

from collections.abc import Callable
from typing import Any

import pytest

expect = pytest.importorskip("playwright.sync_api").expect

CELL = """async () => {
    const heard = [];
    const model = {
        get: () => 600,
        on: (name, callback) => heard.push(callback),
        off: () => undefined,
        send: async ({ id, method, path }, callbacks, buffers) => {
            const headers = { "Content-Type": "application/octet-stream" };
            const answer = await fetch(`./api/${path}`, { method, body: buffers[0], headers });
            const body = new DataView(await answer.arrayBuffer());
            heard.forEach((callback) => callback({ id, status: answer.status }, [body]));
        },
    };
    document.body.replaceChildren();
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = "./widget.css";
    document.head.append(style);
    const cell = document.createElement("div");
    cell.id = "cell";
    document.body.append(cell);
    const { default: widget } = await import("./widget.js");
    window.closeCell = widget.render({ model, el: cell });
}"""


def test_a_cell_shows_the_page_and_keeps_its_links(open_page: Callable[..., Any]) -> None:
    page = open_page("about")
    page.evaluate(CELL)
    cell = page.locator("#cell .semlens")
    expect(cell.get_by_role("heading", name="components").first).to_be_visible()
    assert cell.bounding_box()["height"] == 600
    assert cell.locator("canvas.map-points").bounding_box()["height"] < 600  # and not that of all cards
    crop = cell.locator(".picture img").first
    crop.wait_for()
    assert crop.get_attribute("src").startswith("blob:")
    before = page.url
    cell.get_by_role("link", name="Table").first.click()
    expect(cell.get_by_role("grid")).to_be_visible()
    assert page.url == before


def test_a_cell_searches_and_is_taken_away(open_page: Callable[..., Any]) -> None:
    page = open_page("about")
    page.evaluate(CELL)
    cell = page.locator("#cell .semlens")
    cell.get_by_role("combobox", name="Search").fill("concept 3")
    expect(cell.get_by_role("heading", name="Most like “concept 3”")).to_be_visible()
    page.evaluate("() => window.closeCell()")
    expect(cell.locator("main")).to_have_count(0)
