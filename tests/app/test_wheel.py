"""What is built for users holds the page: a wheel serves it, without Node and without the sources beside it."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.app.test_serve import get, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = {"index.html", "app.js", "app.css", "icon.svg", "widget.js", "widget.css", "NOTICES.txt", "seal.json"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_a_wheel_serves_every_file_that_the_page_names(
    built: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(site))
    place = subprocess.check_output([sys.executable, "-c", "import semlens; print(semlens.__file__)"], text=True)
    assert Path(place.strip()).is_relative_to(site)
    with serving(str(folder), "--no-token") as address:
        status, page = get(address)
        assert status == 200
        named = re.findall(r'(?:src|href)="\./([^"]+)"', page.decode())
        assert {"app.js", "app.css"} <= set(named)
        for name in named:
            status, body = get(address + name)
            assert (status, body) == (200, (ROOT / "semlens" / "app" / "static" / name).read_bytes())
    assert {file.name for file in (site / "semlens" / "app" / "static").iterdir()} == PAGE


def test_an_sdist_has_the_page_and_its_sources(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {f"semlens/app/static/{name}" for name in PAGE} <= names
    assert {"page/package-lock.json", "page/src/main.tsx", "page/seal.mjs"} <= names
    assert not any("node_modules" in name for name in names)
