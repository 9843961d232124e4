"""`semlens concept` and `semlens correct`, as a user and a script see them: on a network that learnt shortcuts."""

import json
from pathlib import Path

import numpy as np
import pytest

from semlens.correct.seen import see
from semlens.images import load_images
from semlens.model import load_model
from semlens.testbed.world import CLEAN, CONCEPTS, SHORTCUT, World, write_world
from semlens.testbed.world.files import TABLE
from tests.cli.test_cli import command, rows

pytestmark = pytest.mark.slow

MODEL = "testbed:shortcut"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures of the shortcut's world, others without it, and a spec of all concepts."""
    folder = tmp_path_factory.mktemp("correct")
    write_world(World.of(SHORTCUT, 160, 31), folder / "train", workers=0)
    write_world(World.of(CLEAN, 120, 32), folder / "test", workers=0)
    sides = {"valid": False, "spurious": True}
    concepts = {side: [{"name": one.name, "phrases": [one.phrases[0]]} for one in CONCEPTS if one.artefact is artefact]
                for side, artefact in sides.items()}  # fmt: skip
    spec = {"output": "melanoma", **concepts, "marks": f"test/{TABLE}"}
    (folder / "spec.yaml").write_text(json.dumps(spec))
    return folder


def test_concepts_become_a_dictionary(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "concepts.safetensors"
    told = rows(capsys, "concept", MODEL, str(place / "train" / TABLE), "--layer", "block4", "--positive", "ruler",
                "--positive", "band-aid", "--foundation", "testbed:clip", "-o", str(out))  # fmt: skip
    assert [row["concept"] for row in told] == ["ruler", "band-aid"]
    assert all(0.6 < row["auroc"] <= 1 and row["low"] < row["auroc"] <= row["high"] for row in told)
    assert command("concept", MODEL, str(place / "train" / TABLE), "--layer", "block4", "--positive", "ruler", "-o",
                   str(out)) == 2  # fmt: skip
    assert "foundation" in capsys.readouterr().err
    assert command("concept", MODEL, str(place / "train" / TABLE), "--layer", "block4", "--positive", "x=ids:a", "-o",
                   str(out)) == 2  # fmt: skip
    assert "ids:3,17" in capsys.readouterr().err


def test_a_spec_corrects_a_network(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The worst group gains; the folder holds the corrected model; the same seeds give the same certificate."""
    asked = ["correct", MODEL, "--what", str(place / "spec.yaml"), "--train", str(place / "train" / TABLE), "--images",
             str(place / "test" / TABLE), "--layer", "block4", "--foundation", "testbed:clip"]  # fmt: skip
    found = rows(capsys, *asked, "-o", str(tmp_path / "out"))
    by_measure = {(row["measure"], row["group"]): row for row in found}
    worst = next(row for row in found if row["measure"] == "worst-group accuracy")
    assert worst["after"] > worst["before"] + 0.2
    everything = by_measure["accuracy", "all"]
    assert everything["after"] > everything["before"]
    assert everything["low"] < everything["after"] < everything["high"]
    assert everything["n"] == 120
    artefact = by_measure["effect on the output", "ruler"]
    assert abs(artefact["after"]) < 0.5 * abs(artefact["before"])
    assert command(*asked, "-o", str(tmp_path / "again")) == 0
    shown = capsys.readouterr()
    assert "worst-group accuracy" in shown.out
    assert "corrected:" in shown.err
    pages = [(tmp_path / name / "certificate.html").read_bytes() for name in ("out", "again")]
    assert pages[0] == pages[1]
    assert b"Worst-group accuracy" in pages[0]
    images = load_images(place / "test" / TABLE)
    logits = see(load_model(f"corrected:{tmp_path / 'out'}"), images).logits
    labels = np.array([{"melanoma": 0, "other": 1}[str(label)] for label in images.labels])
    assert (logits.argmax(axis=1) == labels).mean() == pytest.approx(everything["after"], abs=0.02)
    assert (tmp_path / "out" / "weights.safetensors").exists()  # directions before the mean fold into the last layer


def test_components_and_the_last_layer_alone(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--train", str(place / "train" / TABLE), "--images", str(place / "test" / TABLE), "-o", str(tmp_path / "o")]
    zero = rows(capsys, "correct", MODEL, "--what", "block4:3,block4:5", "--how", "zero", "--no-refit", *data)
    assert {row["measure"] for row in zero} == {"accuracy", "worst-group accuracy"}
    head = rows(capsys, "correct", MODEL, "--how", "retrain", *data)
    assert head[0]["before"] == zero[0]["before"]
    assert command("correct", MODEL, *data) == 2
    assert "--how retrain" in capsys.readouterr().err
    assert command("correct", MODEL, "--what", "block4:3", "--how", "projekt", *data) == 2
    assert "project" in capsys.readouterr().err
