"""`semlens concept` and `semlens correct`, as a user and a script see them: on a network that learnt shortcuts."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import semlens as sl
from semlens.app.notes import FILE, digest_of, open_notes
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


@pytest.fixture(scope="module")
def few(place: Path) -> Path:
    """The same with a quarter of the pictures, where what is measured need not be good."""
    write_world(World.of(SHORTCUT, 40, 33), place / "few" / "train", workers=0)
    write_world(World.of(CLEAN, 30, 34), place / "few" / "test", workers=0)
    return place / "few"


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
    """The worst group gains; the folder holds the corrected model."""
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
    assert b"Worst-group accuracy" in (tmp_path / "out" / "certificate.html").read_bytes()
    images = load_images(place / "test" / TABLE)
    logits = see(load_model(f"corrected:{tmp_path / 'out'}"), images).logits
    labels = np.array([{"melanoma": 0, "other": 1}[str(label)] for label in images.labels])
    assert (logits.argmax(axis=1) == labels).mean() == pytest.approx(everything["after"], abs=0.02)
    assert (tmp_path / "out" / "weights.safetensors").exists()  # directions before the mean fold into the last layer


def test_components_and_the_last_layer_alone(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--train", str(few / "train" / TABLE), "--images", str(few / "test" / TABLE), "-o", str(tmp_path / "o")]
    zero = rows(capsys, "correct", MODEL, "--what", "block4:3,block4:5", "--how", "zero", "--no-refit", *data)
    assert {row["measure"] for row in zero} == {"accuracy", "worst-group accuracy"}
    capsys.readouterr()
    head = rows(capsys, "correct", MODEL, "--how", "retrain", *data)
    assert head[0]["before"] == zero[0]["before"]
    assert command("correct", MODEL, *data) == 2
    assert "--how retrain" in capsys.readouterr().err
    assert command("correct", MODEL, "--what", "block4:3", "--how", "projekt", *data) == 2
    assert "project" in capsys.readouterr().err


def test_all_measures_and_what_must_be_said(
    place: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behaviour by a function that makes images, shifts in pairs that `testbed` draws, net relevance, side effects; the
    same seeds give the same certificate."""
    for way in ("with", "without"):
        assert command("testbed", str(tmp_path / way), "--scenario", "clean", "--count", "30", "--seed", "9", "--only",
                       "other", f"--{way}", "ruler") == 0  # fmt: skip
    count = len(load_images(tmp_path / "with" / TABLE))
    assert 5 < count < 25
    (tmp_path / "alone.py").write_text(
        "import semlens as sl\n"
        f"def draw(seed):\n    assert seed == 3\n    return sl.load_images({str(tmp_path / 'with' / TABLE)!r})\n"
    )
    asked = ["correct", MODEL, "--what", str(place / "spec.yaml"), "--train", str(place / "train" / TABLE), "--images",
             str(few / "test" / TABLE), "--layer", "block4", "--foundation", "testbed:clip", "--how", "reactive",
             "--spurious-only", f"file:{tmp_path / 'alone.py'}:draw", "--pair", "ruler",
             str(tmp_path / "with" / TABLE), str(tmp_path / "without" / TABLE), "--seed", "3"]  # fmt: skip
    capsys.readouterr()
    found = rows(capsys, *asked, "-o", str(tmp_path / "out"))
    one = {row["measure"]: row for row in found}
    assert one["shift of the output"]["before"] > 1  # a ruler speaks for melanoma
    assert one["shift of the output"]["n"] == count
    assert abs(one["shift of the output"]["after"]) < 0.3 * one["shift of the output"]["before"]
    assert one["behaviour: AUROC"]["after"] > one["behaviour: AUROC"]["before"]
    assert one["accuracy under planted artefacts"]["after"] > one["accuracy under planted artefacts"]["before"]
    net = {row["group"]: row for row in found if row["measure"] == "net relevance of what was taken out"}
    assert "ruler in block4" in net
    assert command(*asked, "-o", str(tmp_path / "again")) == 0
    shown = capsys.readouterr()
    assert "side effects: " in shown.err
    assert "worst-group accuracy" in shown.out
    assert "corrected:" in shown.err
    assert "net relevance" in shown.out
    pages = [(tmp_path / name / "certificate.html").read_bytes() for name in ("out", "again")]
    assert pages[0] == pages[1]
    assert b"Side effects: of" in pages[0]
    kinds = {row["measure"] for row in found} - {"worst-group accuracy"}
    assert pages[0].count(b"</h2><p>") == len(kinds)  # what each measure says stands beneath its heading


def test_tags_of_the_page_are_taken_out(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--train", str(few / "train" / TABLE), "--images", str(few / "test" / TABLE), "--output", "melanoma",
            "-o", str(tmp_path / "o"), "--how", "zero"]  # fmt: skip
    index = sl.build(MODEL, str(few / "train" / TABLE), "block4", "testbed:clip", tmp_path / "index", k=2, encode=0)
    assert command("correct", MODEL, "--what", f"tags:{tmp_path / 'index'}", *data) == 2
    assert "no component" in capsys.readouterr().err
    assert not (tmp_path / "index" / FILE).exists()
    with closing(open_notes(tmp_path / "index", digest_of(tmp_path / "index"))) as notes:
        notes.change("block4", 7, "tag", "valid")
        assert command("correct", MODEL, "--what", f"tags:{tmp_path / 'index'}", *data) == 2
        assert "tagged spurious" in capsys.readouterr().err
        for unit, tag in ((3, "spurious"), (5, "spurious"), (9, "unsure")):
            notes.change("block4", unit, "tag", tag)
    found = rows(capsys, "correct", MODEL, "--what", f"tags:{tmp_path / 'index'}", *data)
    net = {row["group"]: row["measure"] for row in found if "relevance" in row["measure"]}
    assert net == {"block4:3": "net relevance of what was taken out", "block4:5": "net relevance of what was taken out",
                   "block4:7": "net relevance of what was left"}  # fmt: skip
    assert index.layers[0].layer == "block4"
    assert "tagged valid" in (tmp_path / "o" / "certificate.html").read_text()


def test_how_much_is_taken_out_is_chosen(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--train", str(few / "train" / TABLE), "--images", str(few / "test" / TABLE), "-o", str(tmp_path / "o")]
    chosen = ["--choose", str(few / "train" / TABLE), "--no-refit", "--how", "zero"]
    rows(capsys, "correct", MODEL, "--what", "block4:3,block4:5,block4:9", *chosen, *data)
    taken = sl.load_correction(tmp_path / "o", load_model(MODEL)).recipe
    assert set(taken["suppressed"]) < {"block4:3", "block4:5", "block4:9"}
    assert taken["chosen on"].endswith(TABLE)


def test_training_takes_its_options_and_others_refuse_them(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--train", str(place / "train" / TABLE), "--images", str(place / "test" / TABLE)]
    spec = ["--what", str(place / "spec.yaml")]
    clarc = ["--how", "rr-clarc", "--layer", "block4", "--foundation", "testbed:clip", "--epochs", "2", "--rate",
             "0.01", "--train-marks", str(place / "train" / TABLE)]  # fmt: skip
    found = rows(capsys, "correct", MODEL, *spec, *clarc, *data, "-o", str(tmp_path / "out"))
    worst = next(row for row in found if row["measure"] == "worst-group accuracy")
    assert worst["after"] > worst["before"]
    assert (tmp_path / "out" / "weights.safetensors").exists()
    assert not (tmp_path / "out.partial").exists()
    page = (tmp_path / "out" / "certificate.html").read_text()
    assert "rr-clarc" in page
    images = load_images(place / "test" / TABLE)
    logits = see(load_model(f"corrected:{tmp_path / 'out'}"), images).logits
    labels = np.array([{"melanoma": 0, "other": 1}[str(label)] for label in images.labels])
    everything = next(row for row in found if row["group"] == "all")
    assert (logits.argmax(axis=1) == labels).mean() == pytest.approx(everything["after"], abs=0.01)
    for asked, match in (
        ([*spec, "--how", "project", "--epochs", "3"], "--epochs is for ways that train"),
        ([*spec, "--how", "zero", "--version", "a"], "--version is for"),
        (["--how", "rrr"], "--masks"),
        (["--how", "rrr", "--masks", "relevance"], "name the spec"),
        ([*spec, "--how", "rrr", "--masks", "relevance"], "--layer"),
        (["--how", "reweight", "--train-marks", str(place / "train" / TABLE)], "--what"),
        (["--how", "rr-clarc"], "--what"),
    ):
        assert command("correct", MODEL, *asked, *data, "-o", str(tmp_path / "no")) == 2
        assert match in capsys.readouterr().err


def test_masks_are_made_by_relevance_where_none_are_drawn(
    place: Path, few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["correct", MODEL, "--what", str(place / "spec.yaml"), "--unit", "ruler", "--how", "rrr", "--masks",
             "relevance", "--layer", "block4", "--foundation", "testbed:clip", "--epochs", "1"]  # fmt: skip
    rows(capsys, *asked, "--train", str(few / "train" / TABLE), "--images", str(few / "test" / TABLE), "-o",
         str(tmp_path / "out"))  # fmt: skip
    recipe = sl.load_correction(tmp_path / "out", load_model(MODEL)).recipe
    assert (recipe["method"], recipe["epochs"], len(recipe["masks"])) == ("rrr", 1, 64)


def test_a_network_is_trained_on_by_feedback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, colour in enumerate([(200, 40, 90), (90, 30, 10), (30, 140, 60), (10, 90, 200)] * 5):
        folder = tmp_path / "images" / ("red" if colour[0] > colour[1] else "green")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), colour).save(folder / f"{n}.png")
    images, net = str(tmp_path / "images"), f"file:{Path(__file__).parents[1] / 'toy_model.py'}:build"
    asked = ["correct", net, "--train", images, "--images", images, "--how", "feedback", "--epochs", "1"]
    found = rows(capsys, *asked, "--rule", "gamma:0.1", "--rate", "0.1", "-o", str(tmp_path / "out"))
    assert ("accuracy", "all", 20) in [(row["measure"], row["group"], row["n"]) for row in found]
    model = load_model(net)
    made = sl.load_correction(tmp_path / "out", model)
    assert (made.recipe["method"], made.recipe["rule"]) == ("feedback", "gamma:0.1")
    before, after = model.net.get_parameter("conv.weight"), made.changes.weights["conv.weight"]
    assert ((before == after) == (before == 0)).all()  # what is 0 gets no feedback, all else does
    assert command(*asked, "--rule", "delta", "-o", str(tmp_path / "no")) == 2
    assert "unknown feedback rule 'delta'" in capsys.readouterr().err


def test_revise_prints_its_rounds_and_writes_a_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On images of one colour, of which the output is one; run again it reads what is there, and says the same."""
    rng = np.random.default_rng(0)
    for n, (r, g, b) in enumerate(rng.integers(0, 256, (60, 3)).tolist()):
        folder = tmp_path / "images" / ("red" if r > g else "green")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (r, g, b)).save(folder / f"{n}.png")
    (tmp_path / "spec.yaml").write_text(
        "output: red\nvalid: [red]\nspurious: [blue-white veil]\nrequirements: ['drivers(spurious) <= 0.01']\n"
    )
    images = str(tmp_path / "images")
    asked = ["revise", f"file:{Path(__file__).parents[1] / 'toy_model.py'}:build", str(tmp_path / "spec.yaml"),
             "--train", images, "--images", images, "--foundation", "testbed:clip", "--no-refit", "--rounds", "1",
             "-o", str(tmp_path / "out")]  # fmt: skip
    assert command(*asked) == 2
    assert "--layer" in capsys.readouterr().err
    for how, match in (("reweight", "goes by no concept"), ("project", "--epochs is for ways that train")):
        assert command(*asked, "--layer", "act", "--how", how, "--epochs", "2") == 2
        assert match in capsys.readouterr().err
    found = rows(capsys, *asked, "--layer", "act")
    assert [row["round"] for row in found] == list(range(len(found)))
    assert (found[0]["without"], found[-1]["next"]) == ("", "")
    page = (tmp_path / "out" / "certificate.html").read_bytes()
    assert page.count(b"<h2>Rounds</h2>") == 1
    assert rows(capsys, *asked, "--layer", "act") == found
    assert (tmp_path / "out" / "certificate.html").read_bytes() == page
    assert (tmp_path / "out" / "correction.json").exists()
