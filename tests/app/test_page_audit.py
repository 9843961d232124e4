"""The page's audit: writing a spec, what it finds, thresholds that are moved, judging components, files."""

import base64
import csv
import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from semlens.app.request import Request
from semlens.app.routes import answer
from tests.app.conftest import Served

expect = pytest.importorskip("playwright.sync_api").expect

Open = Callable[..., Any]
SPEC: dict[str, Any] = {
    "title": "Cats",
    "output": "cat",
    "valid": ["concept 0", "concept 1", {"name": "two", "phrases": ["concept 2", "concept 3"]}],
    "spurious": ["concept 4", "concept 5", "concept 6"],
    "requirements": ["relevance_mass(spurious) <= 0.10", "components(both) <= 3"],
    "layers": ["layer1", "layer2"],
}
QUADRANTS = ("valid", "spurious", "both", "neither")


def address(spec: dict[str, Any], more: str = "") -> str:
    """The view with a spec, as a link holds it."""
    text = base64.urlsafe_b64encode(json.dumps(spec).encode()).decode().rstrip("=")
    return f"audit?spec={text}{more}"


def asked(page: Any) -> dict[str, Any]:
    """The spec in the address bar."""
    text = re.search(r"[?&]spec=([\w-]+)", page.url)
    return json.loads(base64.urlsafe_b64decode(text[1] + "==")) if text else {}


def told(running: Served, spec: dict[str, Any]) -> dict[str, Any]:
    """What the server says of a spec."""
    request = Request("POST", "0/audit", {}, json.dumps({"spec": spec}).encode())
    for _ in range(200):
        found = answer(running.session, request)
        if found.status == 200:
            return json.loads(found.body)
        assert found.status == 202, found.body
        time.sleep(0.1)
    raise AssertionError("the audit did not end")


def opened(open_page: Open, spec: dict[str, Any] | None = None, more: str = "") -> Any:
    """The view with a result."""
    page = open_page(address(SPEC if spec is None else spec, more))
    expect(page.locator(".plot > .scatter:not(.regions)")).to_be_visible()
    return page


def share(page: Any, layer: str, quadrant: str) -> str:
    """A quadrant's share of a layer's relevance, as the page says it."""
    block = page.locator(".masses .layer").filter(has=page.locator("h4", has_text=layer))
    text: str = block.locator("tr").nth(QUADRANTS.index(quadrant)).locator("td").nth(1).inner_text()
    return text.replace("\xa0", " ")


def percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def place(page: Any, component: str) -> tuple[float, float]:
    """Where a component's mark lies in the window: pins it through the address, and takes the pin off again."""
    page.locator(".plot").scroll_into_view_if_needed()
    page.evaluate("component => { location.hash += `&pin=${component}` }", component)
    box = page.locator(".ring.pinned").bounding_box()
    page.get_by_role("button", name="Close the preview").click()
    expect(page.locator(".preview")).to_have_count(0)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_new_spec_is_asked_as_soon_as_it_can_be(open_page: Open, running: Served) -> None:
    page = open_page("audit")
    page.get_by_role("button", name="Write a new one").click()
    expect(page.locator(".lacks")).to_contain_text("at least one valid and one spurious concept")
    valid, spurious = page.get_by_label("Add a valid concept"), page.get_by_label("Add a spurious concept")
    valid.fill("concept 0")
    valid.press("Enter")
    expect(page.locator(".lacks")).to_contain_text("at least one spurious concept")
    spurious.fill("concept 4")
    spurious.press("Enter")
    expect(page.locator(".outcome")).to_be_visible()
    found = told(running, {**asked(page)})
    unmet = sum(one["verdict"] == "not met" for one in found["verdicts"])
    assert page.locator(".verdict.unmet").count() == unmet
    assert (asked(page)["valid"], asked(page)["spurious"]) == (["concept 0"], ["concept 4"])


def test_a_link_shows_what_the_server_finds(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    found = told(running, SPEC)
    marks = page.locator(".verdict .mark").all_inner_texts()
    assert [text.strip() for text in marks] == ["Met" if one["met"] else "Not met" for one in found["verdicts"]]
    value = found["verdicts"][0]
    figures = page.locator(".verdict .figures").first.inner_text().replace("\xa0", " ")
    assert f"({100 * value['low']:.1f} to {percent(value['high'])}), limit 10 %" in figures
    assert "sure" in page.locator(".verdict .sure").first.inner_text()
    for one in found["masses"]:
        assert share(page, one["layer"], one["quadrant"]) == percent(one["relevance"])


def test_back_takes_the_reader_to_the_choice_of_specs(open_page: Open) -> None:
    page = open_page("audit")
    page.get_by_role("button", name=re.compile("Ox, as in SemanticLens")).click()
    expect(page.get_by_label("Title")).to_have_value("Ox, as in SemanticLens")
    expect(page.locator(".spec select").first).to_contain_text("ox – not in this index")
    page.go_back()
    expect(page.get_by_role("button", name="Write a new one")).to_be_visible()


def test_concepts_are_added_changed_moved_and_taken_away(open_page: Open) -> None:
    page = opened(open_page)
    field = page.get_by_label("Add a valid concept")
    field.fill("seven: concept 7; concept 8")
    field.press("Enter")
    expect(page.locator(".side.valid .idea")).to_have_count(4)
    expect(page.locator(".side.valid .idea").last).to_contain_text("seven 2")
    page.get_by_role("button", name="Move seven to the spurious concepts").click()
    expect(page.locator(".side.spurious .idea").last).to_contain_text("seven")
    page.get_by_role("button", name="Remove concept 4").click()
    field.focus()
    page.keyboard.press("Backspace")  # takes the last one back into the field
    expect(field).to_have_value("two: concept 2; concept 3")
    field.fill("")
    expect(page.locator(".side.valid .idea")).to_have_count(2)
    page.wait_for_url(lambda _: asked(page)["valid"] == ["concept 0", "concept 1"])
    seven = {"name": "seven", "phrases": ["concept 7", "concept 8"]}
    assert asked(page)["spurious"] == ["concept 5", "concept 6", seven]


def test_a_concept_gets_phrases(open_page: Open) -> None:
    page = opened(open_page)
    page.locator(".side.valid .idea .name", has_text="two").click()
    page.get_by_label(re.compile("^Phrases")).fill("concept 2\nconcept 3\nconcept 9")
    page.wait_for_url(lambda _: asked(page)["valid"][2]["phrases"] == ["concept 2", "concept 3", "concept 9"])
    expect(page.locator(".side.valid .idea").last).to_contain_text("two 3")


def test_a_concept_stands_once(open_page: Open) -> None:
    page = opened(open_page)
    field = page.get_by_label("Add a spurious concept")
    field.fill("Concept 0")
    field.press("Enter")
    expect(page.locator(".side.spurious .fault")).to_have_text("“Concept 0” stands there already, as a valid concept.")
    assert field.input_value() == "Concept 0"


def test_a_refused_line_keeps_the_old_result_and_what_was_typed(open_page: Open) -> None:
    page = opened(open_page)
    line = page.get_by_label("Requirement 1", exact=True)
    line.fill("relevance_mass(spurios) <= 0.10")
    expect(page.locator(".requirements .fault")).to_contain_text("spurious")
    expect(page.locator(".found")).to_have_class(re.compile("stale"))
    assert line.input_value() == "relevance_mass(spurios) <= 0.10"
    line.fill("relevance_mass(spurious) <= 90%")
    expect(page.locator(".found")).not_to_have_class(re.compile("stale"))
    expect(page.locator(".verdict .figures").first).to_contain_text("limit 90")


def test_the_builder_writes_a_line(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_text("Add a requirement").click()
    page.get_by_label("What is limited").select_option("number of components")
    page.get_by_label("Bound").select_option("at least")
    page.get_by_label("Limit", exact=True).fill("2")
    page.locator(".builder").get_by_label("valid only").check()
    page.locator(".builder").get_by_role("button", name="Add").click()
    assert page.get_by_label("Requirement 3", exact=True).input_value() == "components(valid + spurious) >= 2"
    expect(page.locator(".verdict")).to_have_count(3)


def test_layers_are_chosen_and_charted_one_by_one(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    expect(page.get_by_role("group", name=re.compile("^Quadrant chart of layer2: 32"))).to_be_visible()
    page.get_by_label("Layer", exact=True).select_option("layer1")
    expect(page.get_by_role("group", name=re.compile("^Quadrant chart of layer1: 28"))).to_be_visible()
    page.get_by_label("layer1", exact=True).uncheck()
    expect(page.locator(".masses .layer")).to_have_count(1)
    assert "al=layer1" in page.url


def test_a_threshold_is_moved_by_keys_and_everything_counts_anew(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    found = told(running, SPEC)
    slider = page.get_by_role("slider", name="Threshold for spurious concepts")
    start = float(slider.get_attribute("aria-valuenow"))
    slider.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("PageDown")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("yours"))
    level = float(slider.get_attribute("aria-valuenow"))
    assert level == pytest.approx(start - 0.9, abs=0.011)
    mine = [row for row in found["rows"] if row["component"].startswith("layer2:")]
    at = [row for row in mine if row["spurious"] > level and row["valid"] <= row["valid_critical"]]
    assert share(page, "layer2", "spurious") == percent(sum(row["relevance"] for row in at))
    both = sum(row["spurious"] > level and row["valid"] > row["valid_critical"] for row in found["rows"])
    expect(page.get_by_role("button", name=re.compile("^Fits both"))).to_have_text(f"Fits both {both}")
    expect(page.locator(".yours-note")).to_contain_text("hold for the thresholds of chance")
    expect(page).to_have_url(re.compile(f"ts={level:g}"))


def test_back_to_chance(open_page: Open, running: Served) -> None:
    page = opened(open_page, more="&tv=1.5&ts=0.5")
    expect(page.get_by_role("slider", name="Threshold for valid concepts")).to_have_attribute("aria-valuenow", "1.5")
    page.get_by_role("button", name="Back to chance").click()
    expect(page.locator(".yours-note")).to_have_count(0)
    for one in told(running, SPEC)["masses"]:
        assert share(page, one["layer"], one["quadrant"]) == percent(one["relevance"])
    page.wait_for_url(lambda url: "tv=" not in url and "ts=" not in url)


def test_a_threshold_is_dragged(open_page: Open) -> None:
    page = opened(open_page)
    slider = page.get_by_role("slider", name="Threshold for valid concepts")
    grip = slider.locator("path")
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    before = float(slider.get_attribute("aria-valuenow"))
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] - 92, box["y"] + 8, steps=4)
    page.mouse.up()
    expect(slider).to_have_attribute("aria-valuetext", re.compile("yours"))
    assert float(slider.get_attribute("aria-valuenow")) < before
    assert page.locator(".chance-line").count() == 1


def test_pointing_shows_and_a_click_pins(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    row = next(row for row in told(running, SPEC)["rows"] if row["component"].startswith("layer2:"))
    x, y = place(page, row["component"])
    page.mouse.move(x, y)
    expect(page.locator(".preview code, .preview strong").filter(has_text=row["component"])).to_be_visible()
    expect(page.locator(".preview .told-of")).to_contain_text(row["spurious_concept"])
    page.mouse.click(x, y)
    expect(page.locator(".preview.pinned")).to_be_visible()
    expect(page).to_have_url(re.compile(f"pin={row['component']}"))


def test_the_marks_are_reached_by_keys(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    rows = [row for row in told(running, SPEC)["rows"] if row["component"].startswith("layer2:")]
    mark = page.get_by_role("button", name=re.compile("^Mark "))
    mark.focus()
    page.keyboard.press("ArrowRight")
    expect(mark).to_have_attribute("aria-label", re.compile(f"^Mark 2 of 32: .*{rows[1]['component']}"))
    page.keyboard.press("Enter")
    expect(page.locator(".preview.pinned")).to_contain_text(rows[1]["component"])
    page.keyboard.press("Escape")
    page.locator("h1").click()
    expect(page.locator(".preview.pinned")).to_have_count(0)


@pytest.mark.parametrize("tool", ["box", "lasso"])
def test_what_is_enclosed_is_selected(open_page: Open, running: Served, tool: str) -> None:
    page = opened(open_page)
    page.get_by_role("button", name=tool, exact=True).click()
    chart = page.locator(".plot > .scatter:not(.regions)")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    left, top, right, bottom = box["x"] + 30, box["y"] + 5, box["x"] + box["width"] - 4, box["y"] + box["height"] - 60
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in [(right, top), (right, bottom)] if tool == "box" else [(right, top), (right, bottom), (left, bottom)]:
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    expect(page.get_by_role("button", name="Clear the selection (32)")).to_be_visible()  # all of the layer
    assert "sel=" in page.url
    mine = [row for row in told(running, SPEC)["rows"] if row["component"].startswith("layer2:")]
    right_ones = sum(row["quadrant"] == "valid" for row in mine)
    page.get_by_role("button", name=re.compile("^What is right")).click()
    expect(page.locator(".findings .tools")).to_contain_text(f"{right_ones} of ")


def test_judging_by_keys(open_page: Open, running: Served) -> None:
    page = opened(open_page, more="&list=neither")
    rows = [row for row in told(running, SPEC)["rows"] if row["quadrant"] == "neither"]
    line = page.locator(".progress [role=status]")
    expect(line).to_contain_text(f"0 of {len(rows)} judged")
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(line).to_contain_text(f"1 of {len(rows)} judged")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".finding").nth(1)).to_be_focused()
    page.keyboard.press("2")
    expect(line).to_contain_text(f"2 of {len(rows)} judged")
    tags = {one.unit: one.tag for one in running.session.opened[0].notes.all()}
    first, second = (int(row["component"].split(":")[1]) for row in rows[:2])
    assert (tags[first], tags[second]) == ("valid", "spurious")
    page.keyboard.press("0")
    expect(line).to_contain_text(f"1 of {len(rows)} judged")
    page.keyboard.press("u")
    expect(line).to_contain_text(f"2 of {len(rows)} judged")
    page.locator(".progress select").select_option("spurious")
    expect(page.locator(".finding")).to_have_count(1)
    expect(page.locator(".finding")).to_contain_text(rows[1]["component"])
    page.locator(".progress select").select_option("not judged yet")
    expect(page.locator(".findings .tools")).to_contain_text(f"{len(rows) - 2} of {len(rows)} components")


def test_a_concept_narrows_the_lists(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    found = told(running, SPEC)
    concept = next(one["concept"] for one in found["concepts"] if one["side"] == "valid" and one["components"])
    page.locator(".concepts tbody").get_by_role("button", name=concept).first.click()
    fits = sum(row["quadrant"] == "valid" and row["valid_concept"] == concept for row in found["rows"])
    whole = sum(row["quadrant"] == "valid" for row in found["rows"])
    expect(page.locator(".by-concept")).to_contain_text(concept)
    expect(page.locator(".findings .tools")).to_contain_text(f"{fits} of {whole} component")
    page.locator(".by-concept").get_by_role("button", name="Show all").click()
    expect(page.locator(".by-concept")).to_have_count(0)


def test_the_lists_hold_what_the_server_says(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    rows = told(running, SPEC)["rows"]
    offend = [row for row in rows if row["quadrant"] in ("spurious", "both") and row["spurious"] > row["valid"]]
    right = [row for row in rows if row["quadrant"] == "valid"]
    expect(page.get_by_role("button", name=re.compile("^What should not"))).to_contain_text(f" {len(offend)}")
    expect(page.locator(".finding").first).to_contain_text(offend[0]["component"])
    page.get_by_role("button", name=re.compile("^What is right")).click()
    expect(page.locator(".finding").first).to_contain_text(right[0]["component"])


def saved(page: Any, name: str) -> tuple[str, bytes]:
    """A file of the menu: its name, and what is in it."""
    if not page.locator(".exports").count():
        page.get_by_role("button", name="Save the result").click()
    with page.expect_download() as found:
        page.locator(".exports button").filter(has=page.locator("strong", has_text=re.compile(f"^{name}$"))).click()
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def test_the_result_is_saved(open_page: Open, running: Served) -> None:
    page = opened(open_page)
    found = told(running, SPEC)
    name, report = saved(page, "Report")
    assert (name, b"<h1><bdi>Cats</bdi></h1>" in report) == ("cats.html", True)
    _, text = saved(page, "Spec")
    assert yaml.safe_load(text) == SPEC
    _, text = saved(page, "Spec with verdicts and tags")
    assert b"relevance_mass(spurious) <= 0.10: " in text.split(b"title", 1)[0]
    _, text = saved(page, "All components, CSV")
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert [row["component"] for row in rows] == [row["component"] for row in found["rows"]]
    assert [row["quadrant"] for row in rows] == [row["quadrant"] for row in found["rows"]]
    _, text = saved(page, "All components, JSON")
    assert json.loads(text)[0]["relevance"] == pytest.approx(found["rows"][0]["relevance"])


def test_the_chart_is_saved_with_its_marks(open_page: Open) -> None:
    page = opened(open_page)
    with page.expect_download() as found:
        page.get_by_role("group", name="Save the chart").get_by_role("button", name="SVG").click()
    text = Path(found.value.path()).read_text()
    assert (found.value.suggested_filename, text.count("<title>")) == ("cat-layer2-quadrants.svg", 32)
    with page.expect_download() as found:
        page.get_by_role("group", name="Save the chart").get_by_role("button", name="PNG").click()
    assert Path(found.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_spec_is_kept_on_the_server(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_label("Name to save the spec under").fill("tame cats")
    page.get_by_role("button", name="Save the spec").click()
    expect(page.locator(".told")).to_have_text("Saved as “tame cats”")
    page.get_by_role("button", name="Other spec").click()
    page.get_by_role("button", name=re.compile("Cats.*saved as tame cats")).click()
    expect(page.get_by_label("Title")).to_have_value("Cats")
    page.get_by_role("button", name="Other spec").click()
    page.get_by_role("button", name="Remove the saved spec tame cats").click()
    expect(page.locator(".choice", has_text="tame cats")).to_have_count(0)


def test_a_yaml_file_is_opened(open_page: Open) -> None:
    page = open_page("audit")
    field = page.get_by_label("Spec as a YAML file")
    field.set_input_files({"name": "bad.yaml", "mimeType": "application/yaml", "buffer": b"output: cat\nvalids: [a]\n"})
    expect(page.locator(".start .fault")).to_contain_text("valids")
    good = yaml.safe_dump(SPEC).encode()
    field.set_input_files({"name": "good.yaml", "mimeType": "application/yaml", "buffer": good})
    expect(page.get_by_label("Title")).to_have_value("Cats")
    assert asked(page) == SPEC


def test_the_spec_is_there_after_a_look_elsewhere(open_page: Open) -> None:
    page = opened(open_page)
    page.get_by_role("link", name="Table").click()
    expect(page).to_have_url(re.compile("#/table"))
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_label("Title")).to_have_value("Cats")
    expect(page.locator(".outcome")).to_be_visible()
    assert asked(page)["valid"] == SPEC["valid"]


def test_names_of_others_stay_text(open_page: Open) -> None:
    page = open_page(address({**SPEC, "title": "<img src=x onerror=alert(1)>"}))
    expect(page.get_by_role("heading", name="<img src=x onerror=alert(1)>")).to_be_visible()


def without(page: Any, change: Callable[[dict[str, Any]], None]) -> None:
    """Shows the audit of a server that says something else of itself."""

    def answer(route: Any) -> None:
        told = route.fetch().json()
        change(told)
        route.fulfill(json=told)

    page.route("**/api/session", answer)
    page.goto(page.url.split("#")[0] + "#/audit")
    page.reload()


def test_an_index_without_relevance_says_what_to_do(open_page: Open) -> None:
    page = open_page("about")
    without(page, lambda told: told["indexes"][0].update(classes=[], relevance=None))
    expect(page.locator(".audit")).to_contain_text("--classes")


def test_audits_made_before_are_shown_where_none_can_be_made(open_page: Open, running: Served) -> None:
    page = open_page("about")
    doubts = ["'concept 0': the foundation model does not tell it from no phrase at all"]
    stored = [{"name": "cats", "spec": SPEC, "audit": {**told(running, SPEC), "doubts": doubts}}]
    page.route("**/api/0/audits", lambda route: route.fulfill(json=stored))
    without(page, lambda told: told["can"].update(audit=False))
    expect(page.get_by_role("heading", name="Cats")).to_be_visible()
    expect(page.locator(".doubts li")).to_have_text(doubts)
    expect(page.get_by_label("Add a valid concept")).to_have_count(0)
    last = told(running, SPEC)["masses"][-1]
    assert share(page, last["layer"], last["quadrant"]) == percent(last["relevance"])


def test_it_fits_a_phone(open_page: Open) -> None:
    page = opened(open_page)
    page.set_viewport_size({"width": 380, "height": 800})
    expect(page.locator(".plot")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 380
