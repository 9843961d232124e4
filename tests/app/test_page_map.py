"""The map in a browser: what is drawn, the camera, hovering, selecting, colours, the keyboard, what is said."""

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from semlens.analysis.scores import score
from semlens.app.request import pack
from tests.app.conftest import LAYERS, known

api = pytest.importorskip("playwright.sync_api")

Open = Callable[..., Any]
ALIVE = sum(LAYERS) - 1  # of each of the two indexes
ROW = LAYERS[0] + 5
ID = "layer1:5"


def see(what: Any) -> Any:
    return api.expect(what)


def still(page: Any) -> Any:
    """The page, once the camera rests: then the address has where it is."""
    see(page.locator(".map-stage")).to_have_attribute("data-still", "")
    return page


def drawn(page: Any) -> Any:
    """The page, once its map is there."""
    see(foot(page)).to_contain_text("in view")
    return still(page)


def foot(page: Any) -> Any:
    return page.locator(".map-foot")


def surface(page: Any) -> Any:
    return page.get_by_role("application", name="Map of components")


def entry(page: Any, name: str) -> Any:
    return page.locator(".map-legend").get_by_role("button", name=re.compile(rf"^{re.escape(name)}\b"))


def has(page: Any, pattern: str) -> None:
    see(page).to_have_url(re.compile(pattern))


def lacks(page: Any, pattern: str) -> None:
    see(page).not_to_have_url(re.compile(pattern))


def view(page: Any) -> list[float]:
    """Centre and zoom as the address has them, once the camera rests."""
    found = re.search(r"[?&]v=([^&]+)", still(page).url)
    return [float(part) for part in found[1].split(",")] if found else [0, 0, 1]


def at(page: Any, across: float, down: float) -> tuple[float, float]:
    """A place on the map, in parts of its width and height, as a place in the window."""
    box = surface(page).bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def drag(page: Any, *places: tuple[float, float], keys: tuple[str, ...] = ()) -> None:
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*at(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, *place), steps=3)
    page.mouse.up()
    for key in keys:
        page.keyboard.up(key)


LEFT = ((0.005, 0.005), (0.5, 0.005), (0.5, 0.995), (0.005, 0.995))
RIGHT = ((0.5, 0.005), (0.995, 0.005), (0.995, 0.995), (0.5, 0.995))


def selected(page: Any) -> int:
    """How many are selected, read off the filters."""
    text = page.get_by_text(re.compile(r"^[\d,]+ selected")).first.inner_text()
    return int(re.sub(r"\D", "", text.split("selected")[0]))


def centred(page: Any) -> Any:
    """The map with component ROW in its middle, nothing pinned."""
    see(page.get_by_role("dialog", name="Pinned component")).to_be_visible()
    has(page, r"[?&]v=")
    page.get_by_role("button", name="Unpin (Esc)").click()
    return page


def redrawn(page: Any, drawing: str = "umap", **places: np.ndarray) -> None:
    """Shows the map of a server that drew it in another way, or with other places."""

    def answer(route: Any) -> None:
        arrays = load(route.fetch().body())
        arrays |= {name: np.where(arrays["cluster"] < 0, arrays[name], of) for name, of in places.items()}
        route.fulfill(body=pack(arrays, {"names": "[]", "drawing": drawing}))

    page.route("**/api/*/atlas", answer)
    page.reload()


def saved(page: Any) -> Image.Image:
    with page.expect_download() as waited:
        page.get_by_role("button", name="Save the map as a picture").click()
    assert waited.value.suggested_filename == "map.png"
    return Image.open(BytesIO(Path(waited.value.path()).read_bytes())).convert("RGB")


def colours(picture: Image.Image) -> int:
    return len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0))


# What is drawn


def test_every_living_component_of_both_indexes_is_a_point(open_page: Open) -> None:
    page = drawn(open_page())
    see(foot(page)).to_contain_text(f"{2 * ALIVE} of {2 * ALIVE} in view (2 without examples)")
    see(page.locator(".map-says")).to_contain_text("Each point is one component. Near means similar")


def test_the_other_index_can_be_taken_away(open_page: Open) -> None:
    page = drawn(open_page())
    entry(page, "other").click()
    has(page, "other=0")
    see(foot(page)).to_contain_text(f"{ALIVE} of {2 * ALIVE} in view")
    entry(page, "other").click()
    lacks(page, "other=0")


def test_the_map_is_saved_as_it_is_seen(open_page: Open) -> None:
    page = drawn(open_page())
    picture = saved(page)
    box = surface(page).bounding_box()
    assert picture.size == (round(box["width"]), round(box["height"]))
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert colours(picture) > 100


def test_in_the_dark_its_ground_is_dark(open_page: Open) -> None:
    assert saved(drawn(open_page(color_scheme="dark"))).getpixel((2, 2)) == (0x12, 0x16, 0x1C)


def test_without_webgl_a_plain_canvas_shows_the_same(open_page: Open) -> None:
    page = open_page("about")
    page.evaluate(
        """() => {
          const get = HTMLCanvasElement.prototype.getContext;
          HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return kind.startsWith("webgl") ? null : get.call(this, kind, ...more);
          };
        }"""
    )
    page.get_by_role("link", name="Explore").click()
    see(foot(drawn(page))).to_contain_text("drawn without WebGL2")
    assert colours(saved(page)) > 100


def test_without_a_graphics_card_this_is_said(open_page: Open) -> None:
    see(foot(drawn(open_page()))).to_contain_text("drawn without a graphics card")


def test_a_lost_context_comes_back(open_page: Open) -> None:
    page = drawn(open_page("?color=layer"))
    before = colours(saved(page))
    page.evaluate(
        """async () => {
          const canvas = document.querySelector(".map-points");
          const loses = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          const once = (name) => new Promise((done) => canvas.addEventListener(name, done, { once: true }));
          const lost = once("webglcontextlost");
          loses.loseContext();
          await lost;
          const restored = once("webglcontextrestored");
          setTimeout(() => loses.restoreContext());
          await restored;
        }"""
    )
    assert abs(colours(saved(page)) - before) < 0.2 * before


def test_while_it_is_drawn_the_page_says_so_in_the_same_place(open_page: Open) -> None:
    page = drawn(open_page())
    stage = page.locator(".map-stage")
    size = stage.bounding_box()
    job = {"index": 0, "what": "atlas", "step": "drawing the map", "done": 3, "total": 7}
    page.route("**/api/*/atlas", lambda route: route.fulfill(status=202, body=json.dumps(job)))
    page.reload()
    see(stage.get_by_role("progressbar")).to_have_attribute("value", "3")
    see(stage).to_contain_text("drawing the map")
    assert stage.bounding_box() == size
    page.unroute("**/api/*/atlas")
    drawn(page)


def test_no_map_is_explained(open_page: Open) -> None:
    page = open_page()
    body = json.dumps({"error": "Nothing is alive: there is no map."})
    page.route("**/api/*/atlas", lambda route: route.fulfill(status=404, body=body))
    page.reload()
    see(page.locator(".map-stage")).to_contain_text("Nothing is alive: there is no map.")


def test_a_coarse_drawing_says_how_to_get_a_finer_one(open_page: Open) -> None:
    page = drawn(open_page())
    assert page.locator(".map-says code").count() == 0
    redrawn(page, drawing="principal")
    see(page.locator(".map-says code")).to_have_text("pip install 'semlens[umap]'")


# The camera


def test_the_wheel_zooms_about_the_pointer(open_page: Open) -> None:
    page = centred(drawn(open_page(f"?at={ROW}&other=0")))
    page.mouse.move(*at(page, 0.5, 0.5))
    see(page.locator(".map-card")).to_contain_text(ID)
    before = view(page)
    page.mouse.wheel(0, -200)
    has(page, rf"v=(?!{re.escape(','.join(f'{part:g}' for part in before))})")
    assert view(page)[2] == pytest.approx(before[2] * np.exp(200 * 0.0018), rel=0.02)
    assert view(page)[:2] == pytest.approx(before[:2], abs=0.01)


def test_dragging_moves_the_map_with_the_pointer(open_page: Open) -> None:
    page = drawn(open_page())
    drag(page, (0.5, 0.5), (0.4, 0.5))
    x, y, zoom = view(page)
    assert x > 0.05
    assert (abs(y) < 0.02, zoom) == (True, 1)
    page.go_back()
    page.go_forward()
    assert view(page) == [x, y, zoom]


def test_a_double_click_zooms_in(open_page: Open) -> None:
    page = drawn(open_page())
    page.mouse.dblclick(*at(page, 0.5, 0.5))
    assert view(page)[2] == pytest.approx(2.5, rel=0.01)


def test_keys_zoom_move_and_fit(open_page: Open) -> None:
    page = drawn(open_page(reduced_motion="reduce"))
    surface(page).focus()
    page.keyboard.press("+")
    has(page, r"v=0,0,1\.6")
    page.keyboard.press("ArrowRight")
    lacks(page, r"v=0,0,1\.6")
    assert view(page)[0] > 0.02
    page.keyboard.press("0")
    lacks(page, r"[?&]v=")


def test_two_fingers_pinch(open_page: Open) -> None:
    page = drawn(open_page())
    surface(page).evaluate(
        """(canvas) => {
          const box = canvas.getBoundingClientRect();
          const send = (kind, pointerId, x) => canvas.dispatchEvent(new PointerEvent(kind, { pointerId, button: 0,
            bubbles: true, pointerType: "touch", clientX: box.left + x, clientY: box.top + box.height / 2 }));
          const middle = box.width / 2;
          send("pointerdown", 11, middle - 40); send("pointerdown", 12, middle + 40);
          send("pointermove", 11, middle - 80); send("pointermove", 12, middle + 80);
          send("pointerup", 11, middle - 80); send("pointerup", 12, middle + 80);
        }"""
    )
    has(page, r"[?&]v=")
    assert view(page)[2] == pytest.approx(2, rel=0.01)


def test_the_view_of_the_address_is_shown(open_page: Open) -> None:
    page = drawn(open_page("?v=3,3,60"))
    see(foot(page)).to_contain_text(f"of {2 * ALIVE} in view")
    assert int(foot(page).inner_text().split("·")[1].split()[0]) < 10


def test_where_nothing_is_there_is_a_way_back(open_page: Open) -> None:
    page = drawn(open_page("?v=1,1,900&other=0"))
    page.locator(".map-empty").get_by_role("button", name="Show all").click()
    see(foot(page)).to_contain_text(f"{ALIVE} of")


def test_fits_what_is_kept(open_page: Open) -> None:
    page = open_page("?cluster=0")
    places = np.linspace(-1, 1, sum(LAYERS), dtype=np.float32)  # on a diagonal, of which cluster 0 has one half
    redrawn(page, x=places, y=places, cluster=(places > 0).astype(np.int64))
    drawn(page).get_by_role("button", name="Fit the selected and filtered").click()
    low, high = places[places <= 0][[0, -1]]
    assert view(page) == pytest.approx([(low + high) / 2, (low + high) / 2, 2 / (high - low)], abs=0.005)


# Hovering and pinning


def test_hovering_shows_crop_label_and_id(open_page: Open) -> None:
    page = centred(drawn(open_page(f"?at={ROW}&other=0")))
    lacks(page, "at=")
    page.mouse.move(*at(page, 0.5, 0.5))
    card = page.locator(".map-card")
    see(card).to_contain_text(ID)
    see(card.locator("img")).to_have_js_property("complete", True)
    assert card.locator("img").evaluate("(image) => image.naturalWidth") > 0
    see(page.locator(".map-ring")).to_have_count(1)
    page.mouse.move(*at(page, 0.5, -0.1))
    see(card).to_have_count(0)


def test_a_click_pins_and_escape_unpins(open_page: Open) -> None:
    page = centred(drawn(open_page(f"?at={ROW}&other=0")))
    page.mouse.click(*at(page, 0.5, 0.5))
    card = page.get_by_role("dialog", name="Pinned component")
    see(card.get_by_role("link", name="Open component")).to_have_attribute("href", re.compile(r"#/m/planted/layer1/5"))
    page.mouse.move(*at(page, 0.1, 0.1))
    see(card).to_contain_text(ID)
    page.keyboard.press("Escape")
    see(card).to_have_count(0)


def test_its_cluster_is_selected(open_page: Open) -> None:
    page = drawn(open_page(f"?at={ROW}&other=0"))
    page.get_by_role("dialog").get_by_role("button", name="Select its cluster").click()
    has(page, r"cluster=\d+")


def test_what_is_pointed_at_elsewhere_has_a_ring(open_page: Open) -> None:
    page = drawn(open_page())
    page.locator(".results .card").first.hover()
    see(page.locator(".map-ring")).to_be_visible()


# Selecting


def test_shift_and_drag_is_a_lasso(open_page: Open) -> None:
    page = drawn(open_page())
    drag(page, (0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995), keys=("Shift",))
    has(page, "sel=")
    assert selected(page) == ALIVE


def test_selections_are_joined_and_taken_away(open_page: Open) -> None:
    page = drawn(open_page())
    drag(page, *LEFT, keys=("Shift",))
    has(page, "sel=")
    left, before = selected(page), page.url
    assert 0 < left < ALIVE
    drag(page, *RIGHT, keys=("Shift", "Control"))
    see(page).not_to_have_url(before)
    assert selected(page) == ALIVE
    both = page.url
    drag(page, *LEFT, keys=("Alt",))
    see(page).not_to_have_url(both)
    assert selected(page) == ALIVE - left


def test_the_tools_select_rectangles_and_add(open_page: Open) -> None:
    page = drawn(open_page())
    page.get_by_role("button", name="Drag to select a rectangle").click()
    drag(page, (0.005, 0.005), (0.5, 0.995))
    has(page, "sel=")
    left, before = selected(page), page.url
    page.get_by_role("button", name="Add to the selection").click()
    drag(page, (0.5, 0.005), (0.995, 0.995))
    see(page).not_to_have_url(before)
    assert left < selected(page) == ALIVE


def test_what_is_hidden_is_not_selected(open_page: Open) -> None:
    page = drawn(open_page("?color=layer&hide=0"))
    drag(page, (0.005, 0.005), (0.995, 0.005), (0.995, 0.995), (0.005, 0.995), keys=("Shift",))
    has(page, "sel=")
    assert selected(page) == LAYERS[1] + LAYERS[2]


# Colours


def test_the_legend_counts_layers_of_both_indexes(open_page: Open) -> None:
    page = drawn(open_page())
    page.get_by_label("Colour by").select_option("layer")
    has(page, "color=layer")
    for name, size in zip(("layer0", "layer1", "layer2"), (LAYERS[0] - 1, *LAYERS[1:]), strict=True):
        see(entry(page, name).locator(".map-count")).to_have_text(str(2 * size))


def test_entries_hide_and_stand_alone(open_page: Open) -> None:
    page = drawn(open_page("?color=layer"))
    entry(page, "layer1").click()
    has(page, r"hide=1(&|$)")
    see(entry(page, "layer1")).to_have_attribute("aria-pressed", "false")
    see(foot(page)).to_contain_text(f"{2 * (ALIVE - LAYERS[1])} of")
    page.get_by_role("button", name="Show all", exact=True).click()
    entry(page, "layer2").dblclick()
    has(page, "hide=0,1")
    see(foot(page)).to_contain_text(f"{2 * LAYERS[2]} of")


def test_a_measure_has_a_ramp_with_its_range(open_page: Open) -> None:
    page = drawn(open_page("?color=clarity"))
    see(page.locator(".map-ramp")).to_be_visible(timeout=60_000)
    found = np.concatenate([score(known(seed)).clarity for seed in (1, 2)])
    values = np.sort(found[~np.isnan(found)])
    numbers = page.locator(".map-ramp-numbers span")
    low, high = (float(re.sub(r"[^\d.−-]", "", numbers.nth(n).inner_text()).replace("−", "-")) for n in (0, 2))
    assert low == pytest.approx(values[round(0.02 * (len(values) - 1))], abs=0.005)
    assert high == pytest.approx(values[round(0.98 * (len(values) - 1))], abs=0.005)


def test_relevance_is_that_of_the_chosen_class(open_page: Open) -> None:
    page = drawn(open_page("?color=relevance"))
    see(page.get_by_role("img", name="relevance for cat from 0")).to_be_visible()
    page.locator(".map-legend").get_by_label("Class").select_option(label="dog")
    see(page.get_by_role("img", name="relevance for dog from 0")).to_be_visible()


def test_a_search_colours_by_similarity(open_page: Open) -> None:
    page = drawn(open_page("?q=concept+1"))
    see(page.get_by_label("Colour by")).to_have_value("query")
    see(page.locator(".map-ramp")).to_contain_text("95 % of random components stay below")


def test_labels_are_coloured_by_frequency(open_page: Open) -> None:
    page = drawn(open_page("?color=label"))
    see(entry(page, "no label")).to_be_visible(timeout=60_000)
    counts = [int(text) for text in page.locator(".map-entries").first.locator(".map-count").all_inner_texts()]
    assert sum(counts) == 2 * ALIVE
    assert counts[:-1] == sorted(counts[:-1], reverse=True)


# Without a pointer


def test_arrows_with_ctrl_go_from_point_to_point_and_enter_opens(open_page: Open) -> None:
    page = drawn(open_page("?other=0"))
    heard = page.locator(".map-heard")
    surface(page).focus()
    page.keyboard.press("Control+ArrowRight")
    see(heard).to_contain_text(re.compile(r"layer\d:\d+"))
    first = heard.inner_text()
    page.keyboard.press("Control+ArrowRight")
    see(heard).not_to_have_text(first)
    layer, unit = re.findall(r"(layer\d):(\d+)$", heard.inner_text())[0]
    page.keyboard.press("Enter")
    has(page, f"#/m/planted/{layer}/{unit}")


def test_the_table_is_a_link_away(open_page: Open) -> None:
    page = drawn(open_page())
    foot(page).get_by_role("link", name="As a table").click()
    has(page, "#/table")


def test_on_a_phone_nothing_sticks_out(open_page: Open) -> None:
    page = drawn(open_page())
    page.set_viewport_size({"width": 380, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= 380")  # once the page has noticed
    assert surface(page).bounding_box()["width"] > 300
