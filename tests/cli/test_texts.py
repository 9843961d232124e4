"""The commands on a model that reads texts: the same ones, with the same answers, and `--texts` for `--images`."""

import csv
import itertools
from pathlib import Path
from typing import Any

import pytest

import semlens as sl
from tests.cli.test_cli import command, rows
from tests.tiny_texts import bert, tokenizer

LAYER = "model.bert.encoder.layer.0"
pytestmark = pytest.mark.filterwarnings("ignore")


def save(net: Any, folder: Path) -> Path:
    net.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier, a sentence encoder, and a table of 60 labelled sentences."""
    root = tmp_path_factory.mktemp("texts")
    save(bert(3), root / "classifier")
    save(bert(), root / "encoder")
    parts = (("the", "a"), ("old", "young", "red"), ("dog", "cat", "bird", "tree", "sea"), ("sleeps .", "barks ."))
    with (root / "t.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["sentence", "label"])
        table.writerows((" ".join(words), f"LABEL_{n % 3}") for n, words in enumerate(itertools.product(*parts)))
    return root


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    done = command(
        "build", "--model", f"hf:{folder / 'classifier'}?tokens=12", "--texts", str(folder / "t.csv"), "--layer", LAYER,
        "--foundation", f"transformers:{folder / 'encoder'}", "--out", str(folder / "I"), "--k", "4", "--pool", "max",
        "--crop", "activation", "--classes", "0,1,2", "--vectors", "10",
    )  # fmt: skip
    assert done == 0
    return folder / "I"


def test_build_reads_texts(built: Path, folder: Path) -> None:
    index = sl.load_index(built)
    assert index.recipe.images.source == f"texts:{folder / 't.csv'}"
    assert index.recipe.crop.kind == "activation"
    assert index.relevance is not None
    assert index.relevance.counts.tolist() == [20, 20, 20]
    assert index.encodings is not None
    assert index.encodings.images == 60


def test_an_index_of_texts_is_asked_as_any_other(
    built: Path, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    hits = rows(capsys, "search", str(built), "the dog barks .", "--sheet", str(tmp_path / "s.png"))
    assert hits[0]["probe"] == "the dog barks ."
    assert (tmp_path / "s.png").stat().st_size > 1000
    (tmp_path / "v.txt").write_text("dog\ncat\nbird\ntree\nsea\n")
    labels = rows(capsys, "label", str(built), "--vocabulary", str(tmp_path / "v.txt"))
    assert {row["component"] for row in labels} <= {f"{LAYER}:{unit}" for unit in range(32)}
    assert len(labels) > 20
    driven = rows(capsys, "drivers", str(built), "--class", "LABEL_0", "--vocabulary", str(tmp_path / "v.txt"))
    assert {row["phrase"] for row in driven} <= {"dog", "cat", "bird", "tree", "sea"}
    again = ("--model", f"hf:{folder / 'classifier'}?tokens=12", "--texts", str(folder / "t.csv"))
    assert rows(capsys, "encode", str(built), *again, "--encode", "40")[0]["encoded"] == 40


def test_an_audit_of_texts(built: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("output: LABEL_0\nvalid: [dog, cat]\nspurious: [sea]\n")
    assert command("audit", str(built), str(tmp_path / "spec.yaml"), "--html", str(tmp_path / "r.html")) in (0, 1, 3)
    page = (tmp_path / "r.html").read_text(encoding="utf8")
    assert "crop of t.csv " in page
    assert "data:image/webp" in page


def test_either_images_or_texts_are_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("build", "--model", "x:y", "--layer", "a", "--foundation", "offline:minilm", "--out", str(folder / "J"))
    assert command(*given) == 2
    assert "--images FOLDER or --texts FILE" in capsys.readouterr().err
    assert command(*given, "--texts", "t", "--images", "i") == 2
