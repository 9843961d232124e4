"""The page in a browser: header, search, filters, the start view, a component's page, the about view."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from semlens.analysis.labels.labelling import label
from semlens.analysis.search import search
from tests.app.conftest import LAYERS, WORDS, known
from tests.planted import phrases

api = pytest.importorskip("playwright.sync_api")

Open = Callable[..., Any]
Settle = Callable[[], Any]
COUNT, ALIVE = sum(LAYERS), sum(LAYERS) - 1


def see(what: Any) -> Any:
    """Playwright's expectations, which wait."""
    return api.expect(what)


def box(page: Any) -> Any:
    return page.get_by_role("combobox", name="Search by words or by a picture")


def title(page: Any) -> Any:
    return page.get_by_role("heading", level=1)


def has(page: Any, part: str) -> None:
    """The address holds this."""
    api.expect(page).to_have_url(re.compile(re.escape(part)))


def lacks(page: Any, part: str) -> None:
    api.expect(page).not_to_have_url(re.compile(re.escape(part)))


@cache
def best(word: str) -> str:
    """The component that Python ranks first."""
    return next(str(hit.component) for hit in search(known(), phrases(), top=1) if hit.probe == word)


def labelled(word: str) -> list[str]:
    """The components that have this label."""
    return [component for component, given in labels() if given == word]


@cache
def labels() -> list[tuple[str, str | None]]:
    """Each component and its label."""
    return [(str(row.component), row.label) for row in label(known(), phrases()).rows]


OUTSIDE = """() => [...document.querySelectorAll('.card')].flatMap((card) => {
    const box = card.getBoundingClientRect();
    return [...card.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > box.right + 0.5);
}).map((one) => one.className)"""
"""What reaches beyond its card."""


# Search


def test_slash_focuses_the_search_and_what_is_typed_ranks_components(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("/")
    see(box(page)).to_be_focused()
    page.keyboard.type("concept 1")
    see(title(page)).to_have_text("Most like “concept 1”")
    has(page, "q=concept+1")
    see(page.locator(".cards [data-at='0'] .card-id")).to_contain_text(best("concept 1"))


def test_labels_match_at_once_and_the_arrows_choose_one(open_page: Open) -> None:
    page = open_page()
    see(title(page)).to_contain_text(f"{ALIVE} components, ")
    box(page).fill("concept 1")
    options = page.get_by_role("listbox").get_by_role("option")
    see(options.first).to_contain_text("concept 1")
    page.keyboard.press("ArrowDown")
    see(options.first).to_have_attribute("aria-selected", "true")
    chosen = options.first.locator("bdi").inner_text()
    page.keyboard.press("Enter")
    see(page.get_by_label("Only labels that contain")).to_have_value(chosen)
    among = {name for word in WORDS if chosen in word for name in labelled(word)}
    see(title(page)).to_contain_text(f"{len(among)} of {COUNT}")


def test_a_component_written_out_is_offered_and_opened(open_page: Open) -> None:
    page = open_page()
    box(page).fill("layer1:3")
    see(page.get_by_role("listbox").get_by_role("option").first).to_contain_text("layer1:3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    has(page, "#/m/planted/layer1/3")


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_escape_and_the_cross_clear_the_search(open_page: Open, how: str) -> None:
    page = open_page("?q=concept+2")
    see(title(page)).to_have_text("Most like “concept 2”")
    box(page).focus()
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Clear the search").click()
    see(title(page)).to_contain_text(f"{ALIVE} components, ")
    lacks(page, "q=")


def test_back_leads_to_where_the_reader_was_before_the_search(open_page: Open) -> None:
    page = open_page("about")
    box(page).press_sequentially("concept 3")
    page.keyboard.press("Enter")
    see(title(page)).to_have_text("Most like “concept 3”")
    page.go_back()
    see(title(page)).to_have_text("About planted")


def test_where_nothing_similar_can_be_found_labels_are_searched(open_page: Open) -> None:
    page = open_page("?q=concept")  # no foundation model is there to embed it
    given = sum(len(labelled(word)) for word in WORDS)
    see(title(page)).to_have_text(f"{given} components with “concept” in the label")
    see(page.locator(".results-head")).to_contain_text("Only labels are searched here")


def test_hits_below_the_baseline_are_marked(open_page: Open, settle: Settle) -> None:
    page = open_page("?q=concept+4")
    see(page.locator(".cards [data-at='0'] .similarity")).not_to_contain_text("chance")
    settle()
    shown = [float(text.replace("−", "-")) for text in page.locator(".cards .similarity .value").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)  # by what ranks them
    assert page.evaluate(OUTSIDE) == []
    page.locator(".cards a").first.focus()
    page.keyboard.press("End")
    see(page.locator(f".cards [data-at='{ALIVE - 1}'] .similarity")).to_contain_text("no better than chance")


def test_a_picture_can_be_dropped_anywhere(open_page: Open) -> None:
    page = open_page()
    file = "new File(['x'], 'x.txt', {type: 'text/plain'})"
    drop = page.evaluate_handle(f"() => {{ const held = new DataTransfer(); held.items.add({file}); return held; }}")
    page.dispatch_event("main", "dragover", {"dataTransfer": drop})
    see(page.get_by_text("Drop the picture")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": drop})
    see(page.get_by_text("That is no picture")).to_be_visible()
    see(page.get_by_text("Drop the picture")).to_have_count(0)


# The frame


def test_the_theme_is_chosen_and_kept(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Theme: as the system has it").click()
    page.get_by_role("button", name="Theme: light").click()
    see(page.locator(".semlens")).to_have_attribute("data-theme", "dark")
    see(page.locator(".semlens")).to_have_css("background-color", "rgb(18, 22, 28)")
    page.reload()
    see(page.locator(".semlens")).to_have_attribute("data-theme", "dark")


def test_all_shortcuts_are_listed(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("?")
    guide = page.get_by_role("dialog")
    for key in ["/", "j", "k", "r", "h", "1", "2", "3", "u", "Esc", "?"]:
        see(guide.locator("kbd").get_by_text(key, exact=True).first).to_be_visible()
    page.keyboard.press("Escape")
    see(guide).to_have_count(0)


def test_the_index_is_switched(open_page: Open) -> None:
    page = open_page("?layers=layer1&q=concept+1")
    page.get_by_label("Index", exact=True).select_option("other")
    has(page, "i=1")
    lacks(page, "layers=")  # those are the other index's
    has(page, "q=concept+1")
    page.get_by_role("link", name="About").click()
    see(title(page)).to_have_text("About other")


# Filters


def test_layers_are_filtered(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Layers all").click()
    page.get_by_label("layer1").check()
    has(page, "layers=layer1")
    see(title(page)).to_contain_text(f"{LAYERS[1]} of {COUNT}")
    page.get_by_role("button", name="Show all").click()
    lacks(page, "layers")
    see(title(page)).to_contain_text(f"{ALIVE} components")


def test_show_all_where_nothing_passes(open_page: Open) -> None:
    page = open_page()
    page.get_by_label("Only labels that contain").fill("no such label")
    see(page.get_by_text("No component passes these filters.")).to_be_visible()
    page.locator(".results").get_by_role("button", name="Show all").click()
    see(title(page)).to_contain_text(f"{ALIVE} components")


def test_a_selection_is_a_chip_in_every_view(open_page: Open) -> None:
    page = open_page("?sel=AAAA")  # rows 0, 1, 2
    see(page.locator(".chip")).to_have_text("3 selected")
    see(title(page)).to_contain_text(f"3 of {COUNT}")
    page.get_by_role("button", name="Remove the filter: 3 selected").click()
    see(page.locator(".chip")).to_have_count(0)
    lacks(page, "sel=")


# The start view


def test_cards_exist_only_where_they_are_seen(open_page: Open) -> None:
    page = open_page()
    see(page.locator(".cards [data-at='0']")).to_have_attribute("aria-setsize", str(ALIVE))
    assert page.locator(".cards > li").count() < ALIVE
    see(page.locator(f".cards [data-at='{ALIVE - 1}']")).to_have_count(0)
    page.locator(".results").evaluate("box => { box.scrollTop = box.scrollHeight }")
    see(page.locator(f".cards [data-at='{ALIVE - 1}']")).to_be_visible()


def test_the_keyboard_moves_between_cards_and_opens_one(open_page: Open, settle: Settle) -> None:
    page = open_page()
    settle()  # labels that come make a new list, whose first card is the active one
    page.locator(".cards a").first.focus()
    page.keyboard.press("ArrowRight")
    second = page.locator(".cards [data-at='1'] > a")
    see(second).to_be_focused()
    page.keyboard.press("ArrowLeft")
    see(page.locator(".cards [data-at='0'] > a")).to_be_focused()
    page.keyboard.press("ArrowRight")
    see(second).to_be_focused()
    address = second.get_attribute("href")
    page.keyboard.press("Enter")
    has(page, address)


def test_a_card_under_the_pointer_stands_out(open_page: Open) -> None:
    page = open_page()
    card = page.locator(".cards [data-at='1'] > a")
    card.hover()
    see(card).to_have_class("card pointed")
    page.get_by_role("link", name="semlens").hover()
    see(card).to_have_class("card")


def test_a_card_shows_four_examples_and_above_all_stands_what_this_is(open_page: Open) -> None:
    page = open_page()
    intro = page.get_by_role("region", name="What this is")
    given = sum(label is not None for _, label in labels())
    see(intro).to_contain_text(re.compile(rf"seen through 600 images.*{COUNT} components.*{given} have a label", re.S))
    see(intro.get_by_role("link")).to_have_count(4)
    see(intro.get_by_role("link", name="What drives “cat”?")).to_have_attribute("href", re.compile("#/graph"))
    see(page.locator(".cards [data-at='0'] img")).to_have_count(4)


# A component


def test_a_component_has_its_examples_and_they_can_be_enlarged(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3")
    see(page.locator(".example")).to_have_count(8)
    page.get_by_role("button", name="Enlarge example 1:").click()
    dialog = page.get_by_role("dialog")
    see(dialog).to_contain_text("Example 1 of 8")
    page.keyboard.press("ArrowRight")
    see(dialog).to_contain_text("Example 2 of 8")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    see(dialog).to_contain_text("Example 8 of 8")
    page.keyboard.press("Escape")
    see(dialog).to_have_count(0)
    see(page.get_by_role("button", name="Enlarge example 1:")).to_be_focused()


def test_h_cycles_and_says_what_it_takes_to_see_more(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3")
    see(page.get_by_role("button", name="Crop")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("h")
    see(page.get_by_role("button", name="Whole image")).to_have_attribute("aria-pressed", "true")
    has(page, "show=whole")
    see(page.get_by_text("semlens serve INDEX --images FOLDER --model MODEL")).to_be_visible()
    page.keyboard.press("h")
    see(page.get_by_role("button", name="Heat map")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("h")
    lacks(page, "show=")


def test_the_label_says_what_chance_does(open_page: Open) -> None:
    word = next(word for word in WORDS if labelled(word))
    layer, unit = labelled(word)[0].split(":")
    page = open_page(f"m/planted/{layer}/{unit}")
    see(title(page)).to_have_text(word)
    part = page.get_by_role("region", name="Label", exact=True)
    see(part).to_contain_text(re.compile(r"1 in [\d,]+ random components fits"))
    see(part.locator("tbody tr")).to_have_count(5)  # the label and its runners-up


def test_j_and_k_follow_the_list(open_page: Open) -> None:
    page = open_page("?q=concept+1")
    see(title(page)).to_have_text("Most like “concept 1”")
    addresses = [page.locator(f".cards [data-at='{at}'] > a").get_attribute("href") for at in range(3)]
    page.locator(".cards [data-at='0'] > a").click()
    see(page.get_by_text(f"1 of {ALIVE} of the search")).to_be_visible()
    page.keyboard.press("j")
    has(page, addresses[1])
    see(page.get_by_text(f"2 of {ALIVE} of the search")).to_be_visible()
    page.keyboard.press("j")
    has(page, addresses[2])
    see(page.get_by_text(f"3 of {ALIVE} of the search")).to_be_visible()
    page.keyboard.press("k")
    has(page, addresses[1])


def test_r_leads_to_a_component_that_passes_the_filters(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3?sel=BQ")  # row 5
    see(page.get_by_text("not among the 1 of the list")).to_be_visible()
    page.keyboard.press("r")
    has(page, "#/m/planted/layer0/5?")


def test_keys_tag_and_undo(open_page: Open) -> None:
    page = open_page("m/planted/layer0/4")
    valid, unsure = (page.get_by_role("button", name=re.compile(f"^{name}")) for name in ("valid", "unsure"))
    see(valid).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("1")
    see(valid).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    see(valid).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("3")
    see(unsure).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("0")
    see(unsure).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("u")
    see(unsure).to_have_attribute("aria-pressed", "true")
    see(page.get_by_role("status").get_by_text("Undone")).to_be_visible()
    page.get_by_role("link", name="Explore").click()
    page.get_by_label("Tag", exact=True).select_option("unsure")
    see(title(page)).to_contain_text(f"1 of {COUNT}")


def test_notes_and_labels_are_kept(open_page: Open) -> None:
    page = open_page("m/planted/layer0/6")
    page.get_by_label("Notes").fill("looks like a <b>ruler</b>")
    page.get_by_label("Your own label").focus()
    see(page.get_by_role("status").get_by_text("saved", exact=True)).to_be_visible()
    page.get_by_label("Your own label").fill("my ruler")
    page.get_by_label("Your own label").blur()
    see(title(page)).to_have_text("my ruler")
    page.reload()
    see(title(page)).to_have_text("my ruler")
    see(page.get_by_label("Notes")).to_have_value("looks like a <b>ruler</b>")


def test_classes_lead_to_audit_and_graph(open_page: Open) -> None:
    page = open_page("m/planted/layer2/0")
    part = page.get_by_role("region", name="Relevance for classes")
    see(part.get_by_role("link", name="dog", exact=True)).to_have_attribute("href", "#/audit?class=1")
    see(part.get_by_role("link", name="Graph of cat")).to_have_attribute("href", "#/graph?class=0")


def test_measures_stand_beside_chance(open_page: Open) -> None:
    page = open_page("m/planted/layer2/0")
    part = page.get_by_role("region", name="Measures")
    for measure in ("clarity", "polysemanticity", "redundancy"):
        see(part.get_by_text(measure, exact=True)).to_be_visible()
    see(part.locator("dd").first).to_have_text(re.compile(r"chance.*\(−?\d\.\d\d to \d\.\d\d\)"))


def test_neighbours_and_what_is_like_it_in_the_other_index(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3")
    near = page.get_by_role("region", name="Most similar components")
    see(near.get_by_role("link")).to_have_count(12)
    page.get_by_role("region", name="In the other index, other").get_by_role("link").first.click()
    has(page, "#/m/other/")
    has(page, "i=1")
    see(page.get_by_label("Index", exact=True)).to_have_value("1")


def test_the_link_is_copied_without_the_readers_filters(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3?q=concept+1", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    see(page.get_by_text("Link copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/#/m/planted/layer0/3")


def test_the_map_is_asked_for_the_component(open_page: Open) -> None:
    page = open_page("m/planted/layer1/2")
    see(page.get_by_role("link", name="On the map")).to_have_attribute("href", f"#/?at={LAYERS[0] + 2}")


def test_a_dead_component_says_so(open_page: Open) -> None:
    page = open_page(f"m/planted/layer0/{LAYERS[0] - 1}")
    see(page.get_by_role("heading", name="This component is dead")).to_be_visible()
    see(page.locator(".example")).to_have_count(0)


def test_an_unknown_component_is_no_fault(open_page: Open) -> None:
    page = open_page("m/planted/layer9/3")
    see(title(page)).to_have_text("There is no such component")


# About


def test_about_says_how_the_index_was_made(open_page: Open, running: Any) -> None:
    page = open_page("about")
    see(title(page)).to_have_text("About planted")
    facts = page.get_by_role("region", name="At a glance")
    see(facts).to_contain_text(running.session.opened[0].digest)
    see(facts).to_contain_text("CC0-1.0")
    see(facts).to_contain_text(f"{COUNT} in 3 layers, of which 1 is dead")
    rows = page.get_by_role("region", name="Layers").locator("tbody tr")
    see(rows.first).to_have_text(re.compile(r"layer0\s*channels\s*20\s*1 \(5 %\)"))
    see(page.get_by_role("region", name="What there is besides")).to_contain_text("for 2 classes")
    page.locator("summary").click()
    see(page.get_by_role("region", name="Recipe")).to_contain_text("fingerprint")


# From view to view


def test_a_view_is_entered_at_its_top_and_with_the_focus(open_page: Open) -> None:
    page = open_page("m/planted/layer0/3")
    page.set_viewport_size({"width": 800, "height": 500})
    near = page.get_by_role("region", name="Most similar components").get_by_role("link").last
    near.scroll_into_view_if_needed()
    near.click()
    lacks(page, "layer0/3")
    see(title(page)).to_be_in_viewport()
    see(page.locator("main")).to_be_focused()


def test_the_next_component_is_shown_where_the_last_one_was(open_page: Open, settle: Settle) -> None:
    page = open_page("m/planted/layer0/3")
    page.set_viewport_size({"width": 800, "height": 500})
    see(page.locator(".example").first).to_be_visible()
    see(page.get_by_role("link", name="Previous component")).to_have_attribute("href", re.compile("#/m/"))
    page.keyboard.press("k")
    lacks(page, "layer0/3")
    see(page.locator(".example").first).to_be_visible()
    settle()
    page.get_by_role("region", name="Measures").scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    page.keyboard.press("j")
    has(page, "layer0/3")
    settle()
    assert page.evaluate("scrollY") == before


def test_the_results_are_where_the_reader_left_them(open_page: Open) -> None:
    page = open_page("?q=concept+1")
    see(title(page)).to_have_text("Most like “concept 1”")
    results = page.locator(".results")
    results.evaluate("box => { box.scrollTop = 900 }")
    page.locator(".cards [data-at='8'] > a").click()
    see(page.locator(".example").first).to_be_visible()
    page.go_back()
    see(page.locator(".cards [data-at='8']")).to_be_in_viewport()
    assert results.evaluate("box => box.scrollTop") > 0
