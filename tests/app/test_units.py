"""The page's own tests of its calculations, where Node and what the page is built with are installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "page"


def test_the_page_counts_as_the_table_of_cases_says() -> None:
    node = shutil.which("node")
    if node is None or not (PAGE / "node_modules" / "vite").is_dir():
        pytest.skip("needs Node and page/node_modules: `npm ci` in page/ installs them")
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap"], cwd=PAGE, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "# fail 0" in done.stdout
    assert "the requirement" in done.stdout
