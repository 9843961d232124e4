"""What the page costs in a browser without a graphics card: first paint, the map's frames, hover, a text query.

    python benchmarks/page.py [--sizes 2000 20000 100000] [--bundle FOLDER] [--out FILE]

A made-up index for each size, served by `semlens serve` in a process of its own and looked at with Debian's Chromium,
WebGL in software (SwiftShader). Only the places on the map are made up instead of drawn by UMAP. Frames: the map is
1000 x 700 pixels and dragged by 3 pixels per frame; a pixel is read back in each, so that no frame counts before it is
drawn; the best of three. Hover: from the pointer's event to the frame in which the card is there, and to the one with
its crop.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from _large import WORDS, drawing, large, own_folders
from _report import Table, report
from playwright.sync_api import Page, Route, sync_playwright

FLAGS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-quic --enable-unsafe-swiftshader"
)
SIZES = (2_000, 20_000, 100_000)
FRAMES = {2_000: 30, 20_000: 15}  # per second, that are promised in software
HOVER = 50  # milliseconds, likewise
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/?\S*")

PAN = """async (seconds) => {
  const canvas = document.querySelector(".map-over"), points = document.querySelector(".map-points");
  const gl = points.getContext("webgl2"), pixel = new Uint8Array(4), box = canvas.getBoundingClientRect();
  const send = (kind, x) => canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 9, button: 0, bubbles: true,
    clientX: box.left + x, clientY: box.top + box.height / 2 }));
  const frame = () => new Promise(requestAnimationFrame);
  const run = async (seconds) => {
    let frames = 0, x = 300, step = 3;
    const start = performance.now();
    while (performance.now() - start < 1000 * seconds) {
      x += step;
      if (x > 600 || x < 300) step = -step;
      send("pointermove", x);
      await frame();
      if (gl) gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
      frames++;
    }
    return frames / ((performance.now() - start) / 1000);
  };
  send("pointerdown", 300);
  await run(0.5);
  const found = await run(seconds);
  send("pointerup", 300);
  return found;
}"""

HOVERS = """async (times) => {
  const canvas = document.querySelector(".map-over"), box = canvas.getBoundingClientRect();
  const frame = () => new Promise(requestAnimationFrame);
  const found = [];
  for (let at = 0; at < 400 && found.length < times; at++) {
    canvas.dispatchEvent(new PointerEvent("pointerleave"));
    while (document.querySelector(".map-card")) await frame();
    await new Promise((done) => setTimeout(done, 30));
    const start = performance.now();
    const across = 0.1 + 0.8 * ((at * 0.618) % 1), down = 0.1 + 0.8 * ((at * 0.382) % 1);
    canvas.dispatchEvent(new PointerEvent("pointermove", { pointerId: 1, bubbles: true,
      clientX: box.left + box.width * across, clientY: box.top + box.height * down }));
    let card = 0, crop = 0;
    while (!crop && performance.now() - start < 1000) {
      await frame();
      const shown = document.querySelector(".map-card"), image = shown && shown.querySelector("img");
      if (shown && !card) card = performance.now() - start;
      if (image && image.complete && image.naturalWidth) crop = performance.now() - start;
      if (!shown && performance.now() - start > 120) break;
    }
    if (crop) found.push([card, crop]);
  }
  return found;
}"""

TIMES = """() => ({
  paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  map: performance.getEntriesByName("map")[0].startTime,
})"""


@contextmanager
def served(folder: Path, components: int) -> Iterator[tuple[str, bytes]]:
    """A server's address, and the map to show instead of UMAP's."""
    index, about = large(components)
    index.save(folder / "index")
    (folder / "words.txt").write_text("\n".join(WORDS))
    options = ["--port", "0", "--no-token", "--no-browser", "--vocabulary", str(folder / "words.txt")]
    with own_folders(folder) as environment:
        process = subprocess.Popen(
            [sys.executable, "-m", "semlens", "serve", str(folder / "index"), *options],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**environment, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            yield _address(process), drawing(about)
        finally:
            process.terminate()
            process.wait(20)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if found := ADDRESS.search(line):
            return found[0].rstrip("/.,") + "/"
    raise RuntimeError("the server did not start: " + "".join(said))


def opened(page: Page, address: str, atlas: bytes, bundle: Path | None) -> None:
    """The start view, with a map of 1000 x 700 pixels, once it is drawn and the labels are there."""
    page.route("**/api/0/atlas", lambda route: route.fulfill(body=atlas, content_type="application/octet-stream"))
    for name in ("app.js", "app.css") if bundle else ():
        page.route(f"**/{name}", partial(_other, bundle))
    page.goto(address)
    page.locator(".map-foot", has_text="in view").wait_for(timeout=180_000)


def _other(bundle: Path | None, route: Route) -> None:
    assert bundle
    route.fulfill(path=bundle / route.request.url.rsplit("/", 1)[1])


def sized(page: Page) -> None:
    """Makes the map 1000 x 700."""
    page.evaluate("""() => {
      const stage = document.querySelector(".map-stage");
      const place = { position: "fixed", left: 0, top: 0, zIndex: 9, flex: "none" };
      Object.assign(stage.style, { ...place, width: "1000px", height: "700px" });
    }""")
    page.wait_for_timeout(1500)


def answer(page: Page) -> list[float]:
    """Milliseconds that the server takes for a text whose vector is kept, as the page asks it."""
    ask = """async (text) => {
        const start = performance.now();
        await (await fetch(`api/0/search?text=${encodeURIComponent(text)}`)).arrayBuffer();
        return performance.now() - start;
    }"""
    return [page.evaluate(ask, word) for word in WORDS[10:20]]


def query(page: Page) -> list[float]:
    """Milliseconds from a typed text to the results, the page's pause of 150 included."""
    found = []
    for word in WORDS[3:8]:
        start = perf_counter()
        page.get_by_role("combobox", name="Search").fill(word)
        page.get_by_role("heading", name=f"Most like “{word}”").wait_for()
        found.append(1000 * (perf_counter() - start))
    return found


def measured(browser: Any, address: str, atlas: bytes, bundle: Path | None) -> tuple[str, ...]:
    """One row: first paint, first map, frames, hover, query."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    opened(page, address, atlas, bundle)
    times = page.evaluate(TIMES)
    labels = page.request.get(f"{address}api/0/labels")
    while labels.status == 202:
        page.wait_for_timeout(500)
        labels = page.request.get(f"{address}api/0/labels")
    page.reload()
    page.locator(".map-foot", has_text="in view").wait_for(timeout=180_000)
    warm = page.evaluate(TIMES)
    answered, asked = answer(page), query(page)
    page.get_by_role("combobox", name="Search").fill("")
    sized(page)
    frames = max(page.evaluate(PAN, 2) for _ in range(3))  # what else runs on the machine only takes away
    page.keyboard.press("Escape")
    cards = page.evaluate(HOVERS, 25)
    page.context.close()
    card, crop = (sorted(times) for times in zip(*cards, strict=True))
    return (
        f"{times['paint']:.0f} / {warm['paint']:.0f}",
        f"{times['map']:.0f} / {warm['map']:.0f}",
        f"{frames:.1f}",
        f"{median(card):.0f} / {card[-2]:.0f}",
        f"{median(crop):.0f} / {crop[-2]:.0f}",
        f"{median(answered):.0f} / {median(asked):.0f}",
    )


def benchmark(sizes: tuple[int, ...], bundle: Path | None) -> Iterator[Table]:
    table = Table(
        "The page, WebGL in software, map of 1000 x 700 pixels",
        "components | first paint, ms, first / again | first map, ms, first / again | frames per second, dragged | "
        "hover to card, ms, median / second worst of 25 | hover to crop | "
        "text query, ms: answer / results shown | targets",
    )
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS.split())
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder, served(Path(folder), size) as (address, atlas):
                row = measured(browser, address, atlas, bundle)
            promised = f"{FRAMES[size]} fps, {HOVER} ms" if size in FRAMES else "-"
            table.row(f"{size:,}", *row, promised)
        browser.close()
    yield table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--bundle", type=Path, help="another build of the page, in place of the one that is shipped")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    works: list[Callable[[], Iterator[Table]]] = [lambda: benchmark(tuple(given.sizes), given.bundle)]
    report("# The page", works, given.out)


if __name__ == "__main__":
    main()
