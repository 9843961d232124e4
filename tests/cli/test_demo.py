"""The demo tells its story on few pictures; what it says is what the index and the network say."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import semlens as sl
from semlens.cli import app, demo


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    size = demo.Size(pictures=90, examples=5, changed=8, drawing="principal")
    result = CliRunner().invoke(app, ["demo", "--out", str(out), "--json"], obj=size, catch_exceptions=False)
    assert result.exit_code == 0
    return out, [json.loads(line) for line in result.stdout.splitlines()]


def test_the_hits_are_those_of_a_search(told):
    out, rows = told
    index, foundation = sl.load_index(out / "index"), sl.load_foundation("testbed:clip")
    hits = sl.search(index, sl.probe(foundation, demo.QUERIES), top=3)
    assert [row["component"] for row in rows if "probe" in row] == [str(hit.component) for hit in hits]


def test_what_speaks_for_a_class_is_summed_by_label(told):
    out, rows = told
    index = sl.load_index(out / "index")
    known = [row for row in rows if "label" in row]
    last = index.layers[-1]
    shares = np.maximum(index.relevance.of_class("other")[last.start : last.stop], 0)
    assert sum(row["components"] for row in known) == last.components
    assert sum(row["relevance"] for row in known) == pytest.approx(shares.sum())
    assert [row["relevance"] for row in known] == sorted((row["relevance"] for row in known), reverse=True)
    strongest = [shares[sl.Component.parse(row["strongest"]).unit] for row in known]
    assert max(strongest) == shares.max()
    assert {"red skin", "band-aid"} & {row["label"] for row in known[:3]}  # planted on "other"


def test_the_network_relies_on_the_band_aid(told):
    effect = told[1][-1]
    assert effect["put_in"] == "band-aid"
    assert effect["after"] > effect["before"] + 0.2
    assert 0 <= effect["turned"] <= 1


def test_the_sheet_is_a_picture_with_four_parts(told):
    sheet = Image.open(told[0] / "sheet.png")
    assert sheet.width > 900
    assert sheet.height > 1400
    assert len(sheet.convert("RGB").getcolors(10**7) or []) > 1000


def test_labels_are_those_of_label(told):
    out, rows = told
    index, foundation = sl.load_index(out / "index"), sl.load_foundation("testbed:clip")
    labels = sl.label(index, sl.probe(foundation, [concept.phrases[0] for concept in demo.CONCEPTS]))
    for row in (row for row in rows if "strongest" in row):
        assert (labels.of(index.row(sl.Component.parse(row["strongest"]))) or "") == row["label"]


def test_the_audit_fails_and_its_report_says_so(told):
    out, rows = told
    verdicts = [row for row in rows if "requirement" in row and "model" not in row]
    assert [row["requirement"] for row in verdicts] == list(sl.load_spec("melanoma").requirements)
    spurious = verdicts[0]
    assert not spurious["met"]
    assert spurious["value"] > 0.3
    page = (out / "report.html").read_text()
    assert "are not met" in page
    assert f"{spurious['value']:.0%}".replace("%", "") in page


def test_it_ends_with_the_corrected_network_and_its_audit(told):
    """The artefact does less to it, the audit finds less that is spurious, and a folder holds the network."""
    out, rows = told
    effect, healed = rows[-1], next(row for row in rows if "corrected" in row)
    assert abs(healed["after"] - healed["before"]) < 0.5 * (effect["after"] - effect["before"])
    first, second = (
        {row["requirement"]: row["value"] for row in rows if "requirement" in row and ("model" in row) is late}
        for late in (False, True)
    )
    net = "net_relevance(spurious) <= 0.15"
    assert second[net] < first[net]
    scenes = demo.World.of(demo.SHORTCUT, 90, demo.SEED).scenes
    again = demo.put_in(sl.load_model(f"corrected:{out / 'corrected'}"), scenes, 8)
    assert again.after.mean() == pytest.approx(healed["after"], abs=1e-4)
    assert "What changed" in (out / "report-corrected.html").read_text()


def test_probabilities_sum_to_one(told):
    scenes = demo.World.of(demo.SHORTCUT, 3, 1).scenes
    model = sl.load_model(demo.MODEL)
    both = demo.chance(model, scenes, "other") + demo.chance(model, scenes, "melanoma")
    assert both == pytest.approx(np.ones(3), rel=1e-5)


def test_pictures_are_drawn_from_the_command_line(tmp_path):
    run = CliRunner().invoke
    result = run(app, ["testbed", str(tmp_path / "w"), "--count", "4", "--scenario", "clean", "--masks", "--json"])
    assert json.loads(result.stdout) == {"table": str(tmp_path / "w" / "scenes.csv"), "pictures": 4}
    images = sl.load_images(tmp_path / "w" / "scenes.csv")
    assert len(images) == 4
    assert set(images.labels) <= {"melanoma", "other"}
    wrong = run(app, ["testbed", str(tmp_path / "v"), "--scenario", "dirty"])
    assert wrong.exit_code == 2
    assert "unknown scenario 'dirty'" in wrong.stderr
