"""The built page belongs to its sources, and a user needs no Node: a clone, an sdist and a wheel all have it."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE, STATIC = ROOT / "page", ROOT / "semlens" / "app" / "static"
SOURCES = (
    "index.html", "package.json", "package-lock.json", "seal.mjs", "tsconfig.json", "vite.config.ts", "public", "src",
)  # fmt: skip


def below(path: Path) -> list[Path]:
    """Every file below a path, in the order of seal.mjs."""
    if path.is_file():
        return [path]
    return [file for name in sorted(path.iterdir(), key=lambda one: one.name) for file in below(name)]


def digest(files: Iterable[Path], name: Callable[[Path], str]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(f"{name(file)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


@pytest.fixture
def seal() -> dict[str, str]:
    found: dict[str, str] = json.loads((STATIC / "seal.json").read_text())
    return found


def test_the_build_is_of_these_sources(seal: dict[str, str]) -> None:
    files = [file for source in SOURCES for file in below(PAGE / source)]
    found = digest(files, lambda file: file.relative_to(PAGE).as_posix())
    assert found == seal["sources"], "page/ was changed: `make page` builds it anew"


def test_nobody_changed_the_build(seal: dict[str, str]) -> None:
    files = [file for file in below(STATIC) if file.name != "seal.json"]
    found = digest(files, lambda file: file.relative_to(STATIC).as_posix())
    assert found == seal["built"], "semlens/app/static was changed by hand: `make page` builds it"


def test_the_page_names_only_what_is_there() -> None:
    page = (STATIC / "index.html").read_text()
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {name.removeprefix("./") for name in named} == {"icon.svg", "app.js", "app.css"}
    assert all((STATIC / name).is_file() for name in named)


def test_nothing_is_fetched_from_elsewhere() -> None:
    allowed = {"http://www.w3.org"}  # names of SVG and MathML, never fetched
    for file in (STATIC / "app.js", STATIC / "widget.js", STATIC / "app.css", STATIC / "index.html"):
        found = set(re.findall(r"https?://[\w.-]+", file.read_text()))
        assert found <= allowed, file.name


def test_nothing_becomes_markup_or_code() -> None:
    for file in below(PAGE / "src"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.read_text()
        ), file


def test_the_page_is_small() -> None:
    import gzip

    size = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in ("index.html", "app.js", "app.css"))
    assert size < 300_000


def test_what_is_bundled_is_named_with_its_licence() -> None:
    notices = (STATIC / "NOTICES.txt").read_text()
    bundled = json.loads((PAGE / "package.json").read_text())["dependencies"]
    assert all(f"{name} " in notices for name in bundled)
    assert "MIT License" in notices
