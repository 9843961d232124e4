"""`semlens prune`, as a user and a script see it: on a network that learnt shortcuts."""

import json
from pathlib import Path

import pytest

from semlens.correct.seen import see
from semlens.images import load_images
from semlens.model import load_model
from semlens.testbed.world import CLEAN, World, write_world
from semlens.testbed.world.files import TABLE
from tests.cli.test_cli import command, rows

pytestmark = pytest.mark.slow

MODEL = "testbed:shortcut"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reference pictures and others."""
    folder = tmp_path_factory.mktemp("prune")
    write_world(World.of(CLEAN, 12, 31), folder / "references", workers=0)
    write_world(World.of(CLEAN, 32, 32), folder / "test", workers=0)
    return folder


def test_the_pruned_model_tells_what_its_curve_says(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, images = tmp_path / "small", str(place / "test" / TABLE)
    found = rows(capsys, "prune", MODEL, "--references", str(place / "references" / TABLE), "--images", images, "--of",
                 "predicted", "--against", "random", "--share", "0.3", "--figure", str(tmp_path / "curves.svg"), "-o",
                 str(out))  # fmt: skip
    assert [row["order"] for row in found] == ["relevance", "random"]
    assert found[0]["accuracy"][0] == 1
    assert found[0]["area"] > found[1]["area"]
    assert found[1]["gain"] == pytest.approx(found[0]["area"] - found[1]["area"])
    assert json.loads((out / "curves.json").read_text()) == found
    assert "<svg" in (tmp_path / "curves.svg").read_text()
    assert (out / "weights.safetensors").exists()
    assert not (out / "work").exists()
    pictures = load_images(images)
    told = [see(load_model(name), pictures).logits.argmax(axis=1) for name in (MODEL, f"corrected:{out}")]
    assert (told[0] == told[1]).mean() == pytest.approx(found[0]["accuracy"][found[0]["shares"].index(0.3)])


def test_what_is_wrong_is_said_before_the_work(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["prune", MODEL, "--references", str(place / "references" / TABLE), "--images",
             str(place / "test" / TABLE), "-o", str(tmp_path / "out")]  # fmt: skip
    mistakes = (("--against", "relevance", "other orders"), ("--against", "magnitudes", "'magnitudes'"),
                ("--method", "epsilon_pluss", "epsilon_plus"), ("--of", "labels", "label"))  # fmt: skip
    for option, value, said in mistakes:
        assert command(*asked, option, value) == 2
        assert said in capsys.readouterr().err
