"""What the documents say is run: every Python block, and every command against the command line's own options."""

import re
import runpy
import shlex
from pathlib import Path

import click
import pytest

import semlens as sl
from semlens.cli import app
from tests.toy import Colours, ColourSpace, colours, random_images, to_tensor

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf8"), re.DOTALL | re.MULTILINE)
    return [text for kind, text in fenced if kind == language]


def commands(path: Path) -> list[list[str]]:
    text = "\n".join(blocks(path, "")).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("semlens ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize(
    ("page", "number"),
    [(p, i) for p in PAGES if p.stem != "index-format" for i in range(len(blocks(p, "python")))],
    ids=lambda value: getattr(value, "stem", value),
)
def test_python_runs(page: Path, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With toy models behind the loaders, for the real ones take minutes or a hub."""
    monkeypatch.chdir(tmp_path)
    images, foundation = random_images(40), ColourSpace()
    index = sl.build(colours(), images, ["act", "fc"], foundation, "resnet50.semlens", k=3, classes=[0, 1], of="all")
    renamed = {"layer3": "act", "layer4": "fc", "conv_head": "act", "classifier": "fc", "block4": "act"}
    code = re.sub("|".join(renamed), lambda found: renamed[found[0]], blocks(page, "python")[number])
    monkeypatch.setattr(sl, "load_model", lambda spec: colours())
    monkeypatch.setattr(sl, "load_images", lambda source: images)
    monkeypatch.setattr(sl, "load_foundation", lambda spec: foundation)
    names = {"net": Colours(), "preprocess": to_tensor, "class_names": ("a", "b", "c", "d"), "foundation": foundation}
    exec(compile(code, str(page), "exec"), names)
    assert isinstance(names.get("index", index), sl.ConceptIndex)


@pytest.mark.parametrize("words", [words for page in PAGES for words in commands(page)], ids=" ".join)
def test_commands_exist_with_their_options(words: list[str]) -> None:
    command = app.get_command(click.Context(app), words[0])
    assert command is not None
    known = {name for option in command.params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_documents_have_something_to_run() -> None:
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 4
    assert sum(len(commands(page)) for page in PAGES) >= 5


def test_the_command_line_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))["reference"]()
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf8") == made, "run: python docs/reference.py"
