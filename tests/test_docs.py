"""What the documents say is run: every Python block, the values they print, and every command against its options."""

import re
import runpy
import shlex
import shutil
from functools import partial
from pathlib import Path

import click
import pytest
import torch

import semlens as sl
from semlens.cli import app
from tests.toy import Colours, ColourSpace, colours, random_images, to_tensor

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def toy_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "index"
    sl.build(
        colours(), random_images(40), ["act", "fc"], ColourSpace(), folder, k=3, classes=[0, 1], of="all", vectors=40
    )
    return folder


def blocks(path: Path, language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(encoding="utf8"), re.DOTALL | re.MULTILINE)
    return [text for kind, text in fenced if kind == language]


def commands(path: Path) -> list[list[str]]:
    text = "\n".join(blocks(path, "")).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("semlens ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "number"),
    [(p, i) for p in PAGES if p.stem != "index-format" for i in range(len(blocks(p, "python")))],
    ids=lambda value: getattr(value, "stem", value),
)
def test_python_runs(
    page: Path,
    number: int,
    toy_index: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With toy models behind the loaders, for the real ones take minutes or a hub, and maps on two axes, for UMAP takes
    ten seconds to compile (tests/analysis/test_atlases.py draws by it).

    What a comment behind a print says is what is printed: all of it after `->`, else every number with a point in it.
    """
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)  # for networks that a page makes
    images, foundation = random_images(40), ColourSpace()
    index = sl.load_index(shutil.copytree(toy_index, "resnet50.semlens"))
    renamed = {"layer3": "act", "layer4": "fc", "conv_head": "act", "classifier": "fc", "block4": "act"}
    code = re.sub("|".join(renamed), lambda found: renamed[found[0]], blocks(page, "python")[number])
    monkeypatch.setattr(sl, "load_images", lambda source: images)
    if 'load_model("testbed:clip")' not in code and "offline:minilm" not in code:  # small, and made for each other
        monkeypatch.setattr(sl, "load_model", lambda spec: colours())
        monkeypatch.setattr(sl, "load_foundation", lambda spec: foundation)
    monkeypatch.setattr(sl, "atlas", partial(sl.atlas, drawing="principal"))
    names = {"net": Colours(), "preprocess": to_tensor, "class_names": ("a", "b", "c", "d"), "foundation": foundation}
    exec(compile(code, str(page), "exec"), names)
    assert isinstance(names.get("index", index), sl.ConceptIndex)
    printed = capsys.readouterr().out
    assert bool(printed) == ("print(" in code)
    shown = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)
    values = [float(figure) for figure in re.findall(r"-?\d+\.\d+", printed)]
    for comment in shown:
        if comment.startswith("-> "):  # the whole line
            assert comment.removeprefix("-> ") in printed.splitlines()
        else:
            for figure in re.findall(r"-?\d+\.\d+", comment):
                assert any(round(value, len(figure.partition(".")[2])) == float(figure) for value in values), comment


@pytest.mark.parametrize("words", [words for page in PAGES for words in commands(page)], ids=" ".join)
def test_commands_exist_with_their_options(words: list[str]) -> None:
    command = app.get_command(click.Context(app), words[0])
    assert command is not None
    command = getattr(command, "commands", {}).get("".join(words[1:2]), command)  # of a group
    known = {name for option in command.params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_documents_have_something_to_run() -> None:
    assert sum(len(blocks(page, "python")) for page in PAGES) >= 4
    assert sum(len(commands(page)) for page in PAGES) >= 5


@pytest.mark.slow
@pytest.mark.parametrize(("page", "make"), [("cli.md", "command_line"), ("api.md", "python_api")])
def test_the_references_are_up_to_date(page: str, make: str) -> None:
    made = runpy.run_path(str(ROOT / "docs" / "reference.py"))[make]()
    assert (ROOT / "docs" / page).read_text(encoding="utf8") == made, "run: make docs"


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf8")
    assert sorted(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == sorted(sl.__all__)


@pytest.mark.parametrize("page", [ROOT / "docs" / "glossary.md", ROOT / "docs" / "design.md", ROOT / "CONTRIBUTING.md"])
def test_the_files_that_pages_name_exist(page: Path) -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)+)/?`", page.read_text(encoding="utf8")))
    places = (ROOT / "semlens", ROOT, ROOT / "page" / "src")
    assert named
    assert not [name for name in named if not any(list(place.glob(f"{name}*")) for place in places)]
