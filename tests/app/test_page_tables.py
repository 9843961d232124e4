"""The page's table, graph and comparison, and the files saved from them."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from tests.app.conftest import Served

expect = pytest.importorskip("playwright.sync_api").expect

Open = Callable[..., Any]
Settle = Callable[[], Any]
ALIVE = 79  # of the planted index's 80 components, one is dead
SVG = "{http://www.w3.org/2000/svg}"


def saved(page: Any, what: str, kind: str) -> bytes:
    """The file that the button hands out."""
    with page.expect_download() as found:
        page.get_by_role("group", name=f"Save {what}", exact=True).get_by_role("button", name=kind.upper()).click()
    with open(found.value.path(), "rb") as file:
        return file.read()


def column(page: Any, name: str) -> list[str]:
    """What the rows on the screen show in a column, from the top, once its values are there."""
    computed(page)
    expect(page.locator(f".components-grid [role=gridcell].of-{name}").first).to_be_visible()
    return [text.strip() for text in page.locator(f".components-grid [role=gridcell].of-{name}").all_inner_texts()]


def count(page: Any, text: str) -> None:
    """Waits until the line above the list says so many."""
    expect(page.locator(".how-many b")).to_have_text(text)


def computed(page: Any) -> None:
    """Waits until no shown column waits for its values."""
    expect(page.locator(".components-grid [role=gridcell]").first).to_be_visible()
    expect(page.locator(".components-grid .dots")).to_have_count(0)


def heading(page: Any, name: str) -> Any:
    return page.get_by_role("columnheader", name=name, exact=True)


def test_table_shows_every_living_component(open_page: Open) -> None:
    page = open_page("table")
    count(page, f"{ALIVE} components")
    expect(page.get_by_role("grid", name="Components")).to_have_attribute("aria-rowcount", str(ALIVE + 1))


def test_table_draws_only_rows_on_the_screen(open_page: Open, settle: Settle) -> None:
    page = open_page("table")
    count(page, f"{ALIVE} components")
    settle()
    drawn = page.locator(".components-grid .drawn [role=row]")
    expect(drawn.first).to_have_attribute("aria-rowindex", "2")
    assert 5 < drawn.count() < 40
    page.locator(".components-grid").evaluate("grid => grid.scrollTo(0, 1e9)")
    expect(drawn.last).to_have_attribute("aria-rowindex", str(ALIVE + 1))
    settle()
    assert 5 < drawn.count() < 40


def test_click_on_heading_sorts_and_the_url_says_so(open_page: Open) -> None:
    page = open_page("table")
    heading(page, "Clarity").get_by_role("button").click()
    expect(heading(page, "Clarity")).to_have_attribute("aria-sort", "descending")
    assert "sort=-clarity" in page.url
    falling = [float(one) for one in column(page, "clarity") if one]
    assert falling == sorted(falling, reverse=True)
    heading(page, "Clarity").get_by_role("button").press("Enter")
    expect(heading(page, "Clarity")).to_have_attribute("aria-sort", "ascending")
    rising = [float(one) for one in column(page, "clarity") if one]
    assert rising == sorted(rising)
    assert rising[0] < falling[0]


def test_sort_in_the_url_holds(open_page: Open) -> None:
    page = open_page("table?sort=component&cols=component")
    expect(heading(page, "Component")).to_have_attribute("aria-sort", "ascending")
    shown = column(page, "component")
    layer = shown[0].split(":")[0]
    assert shown[:12] == [f"{layer}:{unit}" for unit in range(12)]  # 2 before 10


def test_what_is_no_number_comes_last_both_ways(open_page: Open) -> None:
    for way in ("", "-"):
        page = open_page(f"table?sort={way}stability&cols=component,stability")
        count(page, f"{ALIVE} components")
        computed(page)
        values = [one["stability"] for one in json.loads(saved(page, "the table", "json"))]
        numbers = [one for one in values if one is not None]
        assert numbers == sorted(numbers, reverse=way == "-")
        assert values == numbers + [None] * (len(values) - len(numbers))


def test_columns_are_chosen(open_page: Open) -> None:
    page = open_page("table")
    expect(heading(page, "Layer")).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Layer", exact=True).check()
    expect(heading(page, "Layer")).to_be_visible()
    page.get_by_role("checkbox", name="Clarity", exact=True).uncheck()
    expect(heading(page, "Clarity")).to_have_count(0)
    chosen = page.url.split("cols=")[1].split("&")[0].split(",")
    assert "layer" in chosen
    assert "clarity" not in chosen
    page.get_by_role("button", name="As at first").click()
    expect(heading(page, "Clarity")).to_be_visible()
    assert "cols=" not in page.url


def test_range_filters_and_is_in_the_url(open_page: Open) -> None:
    page = open_page("table")
    computed(page)
    every = json.loads(saved(page, "the table", "json"))
    page.get_by_label("Filter by a column's range").select_option("for")
    page.get_by_label("Relevance for from").fill("0.01")
    inside = sum(one["relevance for cat"] >= 0.01 for one in every)
    assert 1 < inside < ALIVE
    count(page, f"{inside} components")
    assert "where=for:0.01.." in page.url
    page.get_by_role("button", name="Remove the range of Relevance for").click()
    count(page, f"{ALIVE} components")


def test_words_filter_the_table(open_page: Open) -> None:
    page = open_page("table?words=concept")
    expect(page.locator(".how-many b")).to_have_text(re.compile("^[1-9]"))  # none before the labels are there
    labels = [one["label"] for one in json.loads(saved(page, "the table", "json"))]
    assert len(labels) < ALIVE
    assert all("concept" in one for one in labels)


def test_search_brings_a_column_and_the_best_first(open_page: Open) -> None:
    page = open_page("table?q=concept%201")
    expect(heading(page, "Match")).to_be_visible()
    expect(page.locator(".how-many")).to_contain_text("best match first")
    computed(page)
    assert json.loads(saved(page, "the table", "json"))[0]["label"] == "concept 1"


def test_class_picker_changes_relevance(open_page: Open, running: Served) -> None:
    page = open_page("table?sort=component&cols=component,for")
    relevance = running.session.opened[0].index.relevance
    assert relevance is not None
    for name in ("cat", "dog"):
        page.get_by_label("Relevance for").select_option(label=name)
        at = relevance.class_names.index(name)
        wanted = f"{100 * float(relevance.positive[0, at]):.1f} %"
        expect(page.locator(".components-grid [role=gridcell].of-for").first).to_have_text(wanted)


def test_keys_move_and_enter_opens(open_page: Open) -> None:
    page = open_page("table?sort=component&cols=component")
    grid = page.get_by_role("grid", name="Components")
    first = column(page, "component")[0]
    active = page.locator(".components-grid .active")
    grid.focus()
    grid.press("ArrowDown")
    expect(active).to_have_attribute("aria-rowindex", "2")
    grid.press("ArrowDown")
    expect(active).to_have_attribute("aria-rowindex", "3")
    grid.press("End")
    expect(active).to_have_attribute("aria-rowindex", str(ALIVE + 1))
    grid.press("PageUp")
    expect(active).not_to_have_attribute("aria-rowindex", str(ALIVE + 1))
    assert 40 < int(active.get_attribute("aria-rowindex")) < ALIVE
    grid.press("Home")
    expect(active).to_have_attribute("aria-rowindex", "2")
    assert grid.get_attribute("aria-activedescendant") == active.get_attribute("id")
    grid.press("Enter")
    page.wait_for_url("**/#/m/**")
    assert page.url.split("?")[0].endswith("/" + first.replace(":", "/"))


def test_control_a_selects_all_shown(open_page: Open) -> None:
    page = open_page("table?where=for:0.01..")
    computed(page)
    expect(page.locator(".how-many b")).not_to_have_text(f"{ALIVE} components")
    shown = page.locator(".how-many b").inner_text().split()[0]
    page.get_by_role("grid", name="Components").press("Control+a")
    expect(page.locator(".told")).to_contain_text(f"{shown} component")
    assert "sel=" in page.url
    page.goto(page.url.replace("where=for:0.01..", "where="))
    count(page, f"{shown} component{'s' * (shown != '1')}")


def test_shift_click_marks_a_range_to_select(open_page: Open) -> None:
    page = open_page("table?sort=component")
    labels = page.locator(".components-grid [role=gridcell].of-label")
    labels.nth(1).click()
    labels.nth(4).click(modifiers=["Shift"])
    expect(page.locator(".components-grid [aria-selected=true]")).to_have_count(4)
    page.get_by_role("button", name="Select these").click()
    count(page, "4 components")


def test_pointing_at_a_row_lights_it(open_page: Open) -> None:
    page = open_page("table")
    row = page.locator(".components-grid .drawn [role=row]").nth(3)
    row.hover()
    expect(row).to_contain_class("pointed")
    expect(page.locator(".components-grid .pointed")).to_have_count(1)


def test_measures_of_the_layers_have_their_numbers(open_page: Open, running: Served) -> None:
    page = open_page("table")
    table = page.get_by_role("table", name="Means of the measures for each layer")
    layers = [axis.layer for axis in running.session.opened[0].index.layers]
    expect(table.locator("tbody tr")).to_have_count(3 * len(layers))
    expect(page.locator(".measures circle.mean")).to_have_count(3 * len(layers))
    root = ElementTree.fromstring(saved(page, "the chart of measures", "svg"))
    assert {"clarity", "polysemanticity", "redundancy"} <= {(one.text or "").strip() for one in root.iter(f"{SVG}text")}


def test_files_hold_exactly_what_is_shown(open_page: Open) -> None:
    page = open_page("table?sort=-clarity&cols=crop,component,label,clarity&where=clarity:0.1..")
    shown = column(page, "component")
    rows = json.loads(saved(page, "the table", "json"))
    assert [one["component"] for one in rows][: len(shown)] == shown
    assert list(rows[0]) == ["component", "label", "clarity"]
    text = saved(page, "the table", "csv").decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert text.endswith("\r\n")
    assert text.count("\r\n") == len(rows) + 1
    assert [one["component"] for one in read] == [one["component"] for one in rows]
    assert [float(one["clarity"]) for one in read] == [one["clarity"] for one in rows]
    table = pyarrow.parquet.read_table(io.BytesIO(saved(page, "the table", "parquet")))
    assert table.column_names == ["component", "label", "clarity"]
    assert table.to_pylist() == rows


def test_csv_holds_no_formula(open_page: Open) -> None:
    page = open_page("table?cols=component,note&sort=component")
    page.evaluate(
        """async () => fetch("./api/0/annotations", {method: "POST", headers: {"Content-Type": "application/json"},
        body: JSON.stringify({row: 0, note: '=HYPERLINK("x","y")'})})"""
    )
    page.reload()
    count(page, f"{ALIVE} components")
    expect(page.locator(".components-grid")).to_contain_text("HYPERLINK")
    first = next(csv.DictReader(io.StringIO(saved(page, "the table", "csv").decode(), newline="")))
    assert first["note"] == '\'=HYPERLINK("x","y")'


def test_graph_has_the_nodes_of_the_class(open_page: Open) -> None:
    page = open_page("graph?class=0")
    expect(page.get_by_role("button", name="output, cat:")).to_be_visible()
    graph = json.loads(saved(page, "the graph", "json"))
    assert graph["directed"]
    assert graph["graph"]["output"] == "cat"
    assert page.locator(".graph-view .node[role=button]").count() == len(graph["nodes"])
    assert page.locator(".graph-view .drawing > g > .edge").count() == len(graph["links"])
    assert {one["source"] for one in graph["links"]} < {one["id"] for one in graph["nodes"]}
    box = page.get_by_role("button", name="output, cat:").bounding_box()
    frame = page.locator(".graph-view .scroll").bounding_box()
    assert frame["x"] <= box["x"] <= box["x"] + box["width"] <= frame["x"] + frame["width"] + 1  # the output is in view
    assert frame["y"] <= box["y"] <= box["y"] + box["height"] <= frame["y"] + frame["height"] + 1


def test_graph_of_another_class(open_page: Open) -> None:
    page = open_page("graph?class=0")
    page.get_by_role("combobox", name="Class", exact=True).select_option(label="dog")
    expect(page.get_by_role("button", name="output, dog:")).to_be_visible()
    assert "class=1" in page.url


def test_pointing_at_a_node_lights_what_flows(open_page: Open) -> None:
    page = open_page("graph?class=0")
    output = page.get_by_role("button", name="output, cat:")
    output.hover()
    edges = page.locator(".graph-view .drawing > g > .edge")
    expect(page.locator(".graph-view .drawing > g > .edge.near")).to_have_count(edges.count())
    assert page.locator(".graph-view .drawing.lit").count() == 1


def test_chosen_node_shows_its_components_and_selects_them(open_page: Open) -> None:
    page = open_page("graph?class=0")
    node = page.locator(".graph-view .node.concept").first
    node.click()
    expect(node).to_have_attribute("aria-pressed", "true")
    assert "node=" in page.url
    panel = page.get_by_role("complementary", name="The chosen node")
    links = panel.locator(".thumbs a")
    expect(links.first).to_be_visible()
    many = links.count()
    panel.get_by_role("button", name="Select these components").click()
    expect(page.locator(".told")).to_contain_text(f"{many} component")
    expect(page.locator(".graph-view .node.filtered").first).to_be_attached()
    page.get_by_role("link", name="Table").click()
    count(page, f"{many} component{'s' * (many != 1)}")


def test_keys_move_between_nodes(open_page: Open) -> None:
    page = open_page("graph?class=0")
    output = page.get_by_role("button", name="output, cat:")
    output.focus()
    output.press("ArrowLeft")
    focused = page.locator(".graph-view .node:focus")
    expect(focused.locator("title")).not_to_have_text("output, cat:")
    focused.press("Enter")
    expect(page.locator(".graph-view .node:focus")).to_have_attribute("aria-pressed", "true")
    page.locator(".graph-view .node:focus").press("Escape")
    expect(page.locator(".graph-view .node:focus")).to_have_attribute("aria-pressed", "false")


def test_graph_turns(open_page: Open) -> None:
    page = open_page("graph?class=0")
    output, first = page.get_by_role("button", name="output, cat:"), page.locator(".graph-view .node.concept").first
    expect(output).to_be_visible()
    assert output.bounding_box()["x"] > first.bounding_box()["x"]
    page.get_by_role("button", name="Draw from the bottom up").click()
    expect(page.get_by_role("button", name="Draw from left to right")).to_be_visible()
    assert output.bounding_box()["y"] < first.bounding_box()["y"]
    assert "dir=up" in page.url


def test_graph_says_how_to_get_edges_between_layers(open_page: Open) -> None:
    page = open_page("graph?class=0")
    expect(page.get_by_text("start the server with --model MODEL --images FOLDER")).to_be_visible()


def test_graph_as_svg_stands_alone(open_page: Open) -> None:
    page = open_page("graph?class=0")
    expect(page.locator(".graph-view image").first).to_be_attached()
    root = ElementTree.fromstring(saved(page, "the graph", "svg"))
    pictures = list(root.iter(f"{SVG}image"))
    assert pictures
    assert all(one.get("href", "").startswith("data:image/png;base64,") for one in pictures)
    boxes = [one for one in root.iter(f"{SVG}rect") if one.get("stroke") not in (None, "none")]
    assert boxes
    assert all("class" not in one.attrib and "style" not in one.attrib for one in root.iter())
    assert "cat" in "".join(root.itertext())


def test_graph_as_png_is_twice_as_fine(open_page: Open) -> None:
    page = open_page("graph?class=0")
    expect(page.locator(".graph-view image").first).to_be_attached()
    wide = page.locator(".graph-view .drawing").evaluate("svg => svg.viewBox.baseVal.width")
    image = Image.open(io.BytesIO(saved(page, "the graph", "png")))
    assert image.format == "PNG"
    assert image.width == int(np.ceil(2 * wide))
    assert len(image.convert("RGB").getcolors(2**24) or []) > 50  # pictures and letters, not an empty page


def test_two_indexes_are_compared(open_page: Open) -> None:
    page = open_page("compare")
    expect(page.locator(".compare-view .pairs li").first).to_be_visible()
    chart = page.get_by_role("img", name="How much of A is in B")
    expect(chart).to_be_visible()
    told = chart.get_attribute("aria-label")
    assert "How much of B is in A" in told
    assert "random" in told
    rows = json.loads(saved(page, "the pairs", "json"))
    values = [one["similarity"] for one in rows]
    assert values == sorted(values, reverse=True)
    count(page, f"{len(rows)} pairs")
    expect(page.locator(".compare-view .pairs li").first.locator(".half.a img")).to_have_count(3)
    changed = page.get_by_role("region", name="What changed")
    expect(changed.get_by_role("row").nth(1)).to_contain_text(re.compile("concept [0-9]+(gone|new|fewer|more|as many)"))
    assert {one["a"] for one in rows if one["nearest"] != "b"} == {one["a"] for one in rows}  # every one has its best


def test_pairs_are_filtered(open_page: Open) -> None:
    page = open_page("compare")
    page.get_by_role("button", name="Shared").click()
    expect(page.get_by_role("button", name="Shared")).to_have_attribute("aria-pressed", "true")
    shared = json.loads(saved(page, "the pairs", "json"))
    assert shared
    assert all(one["shared"] for one in shared)
    page.get_by_role("button", name="Unique to A").click()
    expect(page.get_by_role("button", name="Unique to A")).to_have_attribute("aria-pressed", "true")
    assert "show=a" in page.url
    unique = json.loads(saved(page, "the pairs", "json"))
    assert len({one["a"] for one in unique}) == len(unique)
    chart = page.get_by_role("img", name="How much of A is in B").get_attribute("aria-label")
    assert f"{len(unique)} unique." in chart.split("How much of B")[0]


def test_pairs_are_turned_around(open_page: Open) -> None:
    page = open_page("compare")
    page.get_by_role("button", name="Most similar first").click()
    expect(page.get_by_role("button", name="Least similar first")).to_be_visible()
    values = [one["similarity"] for one in json.loads(saved(page, "the pairs", "json"))]
    assert values == sorted(values)


def test_pairs_of_a_component_light_together(open_page: Open) -> None:
    page = open_page("compare")
    half = page.locator(".compare-view .half.a").first
    name = half.locator("small").inner_text()
    half.hover()
    expect(half).to_contain_class("pointed")
    for one in page.locator(".compare-view .half.pointed").all():
        assert one.locator("small").inner_text() == name


def test_layers_of_the_sides_are_chosen(open_page: Open, running: Served) -> None:
    page = open_page("compare")
    layer = running.session.opened[1].index.layers[1].layer
    page.get_by_label("Layer of side B").select_option(layer)
    expect(page.locator(".compare-view .half.b small").first).to_contain_text(f"{layer}:")
    assert f"b={layer}" in page.url
    rows = json.loads(saved(page, "the pairs", "json"))
    assert all(one["b"].startswith(f"{layer}:") for one in rows)
