"""Progress that nobody asked for: what a notebook, a prompt, a script and a log file see of it."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from semlens import progress
from semlens.hub import quiet
from semlens.progress import visible, watched

STEPS = "from semlens.progress import visible\nfor done in range(4): visible('collect', done, 3)\n\n"


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """IPython as a notebook has it, without a terminal; what it displays."""
    monkeypatch.setattr(progress, "EVERY", 0.0)
    shell = InteractiveShell.instance()
    shell.display_pub = CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    InteractiveShell.clear_instance()


def test_a_notebook_has_a_line_a_step_which_moves_in_place(notebook: list[dict[str, Any]]) -> None:
    for done in (0, 40, 80):
        visible("collect <b>", done, 80)
    visible("collect <b>", 80, 80)  # told once more: nothing new
    visible("embed", 5, 10)
    texts = [output["data"]["text/plain"] for output in notebook]
    assert [re.sub(r"\d+:\d\d", "T", text) for text in texts] == [
        "collect <b>: 0 of 80", "collect <b>: 40 of 80, T left", "collect <b>: 80 of 80, T", "embed: 5 of 10",
    ]  # fmt: skip
    assert [output["update"] for output in notebook] == [False, True, True, False]
    names = [output["transient"]["display_id"] for output in notebook]
    assert names[0] == names[1] == names[2] != names[3]
    assert 'value="0.500"' in notebook[1]["data"]["text/html"]
    assert "collect &lt;b&gt;" in notebook[0]["data"]["text/html"]
    assert watched()


def test_a_step_that_begins_again_has_a_line_of_its_own(notebook: list[dict[str, Any]]) -> None:
    for done in (10, 20, 10, 20):
        visible("embed", done, 20)
    assert [output["update"] for output in notebook] == [False, True, False, True]


def test_a_verb_shows_itself_in_a_notebook_and_what_is_asked_for_instead(notebook: list[dict[str, Any]]) -> None:
    from semlens.collection import collect
    from tests.toy import colours, flat_images  # here, for it brings torch

    images = flat_images([(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    told: list[tuple[str, int, int]] = []
    collect(colours(), images, ["act"], k=2, progress=lambda *step: told.append(step))
    assert not notebook
    assert told[-1] == ("collect", 3, 3)
    collect(colours(), images, ["act"], k=2)
    assert notebook[-1]["data"]["text/plain"].startswith("collect: 3 of 3")


def test_a_prompt_has_a_line_and_a_script_in_the_same_terminal_has_none() -> None:
    assert b"collect: 3 of 3" in _in_terminal("-q", "-i", typed=STEPS)
    assert _in_terminal("-c", STEPS) == b""


def test_nobody_looks_here() -> None:
    assert not watched()
    visible("collect", 1, 2)


def test_bars_of_what_is_fetched_are_off_where_nobody_looks_and_as_they_were_afterwards() -> None:
    import datasets
    import huggingface_hub

    for library in (datasets.utils, huggingface_hub.utils):
        assert not library.are_progress_bars_disabled()
    with quiet():
        for library in (datasets.utils, huggingface_hub.utils):
            assert library.are_progress_bars_disabled()
    for library in (datasets.utils, huggingface_hub.utils):
        assert not library.are_progress_bars_disabled()


def test_bars_of_what_is_fetched_stay_in_a_notebook(notebook: list[dict[str, Any]]) -> None:
    import huggingface_hub

    with quiet():
        assert not huggingface_hub.utils.are_progress_bars_disabled()


def _in_terminal(*how: str, typed: str = "") -> bytes:
    """What Python writes to standard error where that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, *how], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=theirs
    ) as process:
        process.communicate(typed.encode(), timeout=60)
    os.close(theirs)
    written = b""
    while True:
        try:
            written += os.read(ours, 4096)
        except OSError:  # all is read
            os.close(ours)
            return written
