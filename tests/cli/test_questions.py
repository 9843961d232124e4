"""The commands that ask an index questions, as a user and as a script sees them: on a small real index."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from html import escape
from inspect import signature
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import networkx
import numpy as np
import pytest
import yaml
from PIL import Image

from semlens.analysis.ask import ask_spec, ask_vocabulary, labels_by, load
from semlens.analysis.atlases import atlas
from semlens.analysis.audit import Audit, audit, changes
from semlens.analysis.audit.spec import load_spec, shipped
from semlens.analysis.comparisons import compare
from semlens.analysis.graphs.relevance_graph import graph
from semlens.analysis.labels import over_all_images
from semlens.analysis.labels.labelling import label
from semlens.analysis.prototypes import strategies
from semlens.analysis.scores import score
from semlens.analysis.stored import stored_atlas, stored_labels, stored_scores
from semlens.cli import app
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.index.index import ConceptIndex, load_index
from semlens.model.loading import load_model
from semlens.pipeline.build import build
from semlens.revisit.evaluate_images import evaluate_held_out
from semlens.revisit.graph_edges import flows
from semlens.testbed import CONCEPTS, SHORTCUT, World, write_world
from semlens.testbed.world.files import TABLE
from tests.cli.test_cli import command
from tests.tiny_index import GOLDEN

pytestmark = pytest.mark.slow

WORDS = (*(concept.phrases[0] for concept in CONCEPTS), "melanoma", "other")
EASY = """
output: melanoma
title: Anything goes
valid: [ragged border, blue-white veil]
spurious: [ruler, band-aid]
requirements:
  - relevance_mass(valid + spurious + both + neither) >= 0.99
  - components(unexpected) >= 1
"""
IMPOSSIBLE = EASY + "  - components(valid) > 1000\n"


@dataclass(frozen=True)
class Place:
    """A folder with an index of block3, block4 and the outputs, the pictures it is of, others, and a vocabulary."""

    folder: Path

    @property
    def index(self) -> str:
        return str(self.folder / "index")

    @property
    def nameless(self) -> str:
        """The same index without names of its outputs."""
        return str(self.folder / "nameless")

    @property
    def pictures(self) -> str:
        return str(self.folder / "world" / TABLE)

    @property
    def others(self) -> str:
        return str(self.folder / "other" / TABLE)

    @property
    def words(self) -> str:
        return str(self.folder / "words.txt")

    def loaded(self) -> ConceptIndex:
        return load_index(self.index)

    def spec(self, text: str, name: str = "spec.yaml") -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return str(self.folder / name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    at = Place(tmp_path_factory.mktemp("questions"))
    write_world(World.of(SHORTCUT, 60, 5), at.folder / "world", workers=0)
    write_world(World.of(SHORTCUT, 44, 6), at.folder / "other", workers=0)
    (at.folder / "words.txt").write_text("\n".join(WORDS), encoding="utf-8")
    made = build(
        load_model("testbed:shortcut"), load_images(at.pictures), ["block3", "block4", "head"],
        load_foundation("testbed:clip"), at.index, k=5, crop="none", classes=("melanoma", "other"),
        vectors=50, workers=0,
    )  # fmt: skip
    replace(made, read_unit_names=lambda: (None,) * len(made.means)).save(at.nameless)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(at.folder / "cache"))
        yield at


def lines(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """The JSON objects that a command prints, a line each; nothing else may be there, and no NaN."""
    capsys.readouterr()
    assert command(*arguments, "--json") == code
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    return [json.loads(line, parse_constant=pytest.fail) for line in told.out.splitlines()]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """What a command writes to standard output and to standard error."""
    capsys.readouterr()
    assert command(*arguments) == code
    told = capsys.readouterr()
    return told.out, told.err


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Rows as they are after JSON."""
    assert found == json.loads(json.dumps(expected))
    assert found


# --- label -----------------------------------------------------------------------------------------------------------


def test_label(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    asked = ["label", place.index, "--vocabulary", place.words, "--fdr", "0.9", "--layer", "block4", "--layer", "head"]
    found = lines(capsys, *asked, "--seed", "4", "--template", "a {}")
    labels = labels_by(place.loaded(), place.words, ["a {}"], fdr=0.9, layers=("block4", "head"), seed=4)
    same(found, labels.rows.records())
    assert {"component", "label", "alignment", "p_value"} <= set(found[0])
    assert {row["component"].split(":")[0] for row in found} == {"block4", "head"}
    given = [row["label"] for row in found if row["label"]]
    assert given
    assert set(given) <= set(WORDS)
    told, _ = printed(capsys, *asked)
    assert f"components have a label by {found[0]['by']} (false-discovery rate 0.9)" in told
    assert "and " in told.splitlines()[-1]


def test_what_is_kept_comes_back(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    shutil.copytree(place.index, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    asked = ["label", str(folder), "--vocabulary", place.words, "--fdr", "0.9", "--layer", "block4"]
    found = lines(capsys, *asked, "--save")
    *measured, _ = lines(capsys, "score", str(folder), "--layer", "block3", "--save")
    drawn = lines(capsys, "atlas", str(folder), "--drawing", "principal", "--clusters", "4", "--save")
    index = load_index(folder, verify=True)
    kept, scores, drawing = stored_labels(index), stored_scores(index), stored_atlas(index)
    assert kept
    assert scores
    assert drawing
    same(found, kept.rows.records())
    same(drawn, drawing.rows.records())
    assert [row["clarity"] for row in measured] == pytest.approx([row.clarity for row in scores.rows], rel=1e-6)
    assert {name: (folder / name).read_bytes() for name in before} == before
    (facts,) = lines(capsys, "info", str(folder))
    came = {"given": int(kept.accepted.sum()), "double": len(kept.meanings)}
    assert facts["labels"] == {**json.loads(json.dumps(asdict(kept.recipe))), **came}
    assert facts["scores"] == {"layers": ["block3"], "draws": 1000, "seed": 0}
    assert (facts["atlas"]["drawing"], facts["atlas"]["found"], facts["histogram"]) == ("principal", [""] * 4, True)
    told = " ".join(printed(capsys, "info", str(folder))[0].replace("│", " ").split())  # cells may be wrapped
    assert "false-discovery rate 0.9" in told
    assert "4 clusters, 0 with a label; drawing principal" in told
    assert "`score --save`" in printed(capsys, "info", place.index)[0]


def test_label_by_another_method(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    asked = ["label", place.index, "--vocabulary", place.words, "--layer", "head"]
    by_prompt = lines(capsys, *asked, "--method", "prompt")
    same(by_prompt, labels_by(place.loaded(), place.words, method="prompt", layers=("head",)).rows.records())
    assert [row["p_value"] for row in by_prompt] != [row["p_value"] for row in lines(capsys, *asked)]


def test_label_draws_a_sheet(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    _, told = printed(
        capsys, "label", place.index, "--vocabulary", place.words, "--layer", "block4", "--sheet", str(sheet)
    )
    assert told.endswith(f"drawn: {sheet}\n")
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"
        assert drawn.width > 500
        assert len(set(drawn.convert("RGB").resize((60, 60)).get_flattened_data())) > 50


def test_words_that_the_foundation_model_does_not_know_are_named(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    told = "the foundation model does not know 'glorp' of 'purple glorp': what it does know of a phrase decides"
    for more in ((), ("--json",)):
        assert printed(capsys, "search", place.index, "purple glorp", *more)[1] == f"{told}\n"
    (tmp_path / "words.txt").write_text("ruler\npurple glorp\nred skin\n")
    out, err = printed(capsys, "label", place.index, "--vocabulary", str(tmp_path / "words.txt"), "--layer", "block4")
    assert err.startswith(told)
    assert "glorp': what" not in out
    assert printed(capsys, "search", place.index, "ruler")[1] == ""


# --- score, compare --------------------------------------------------------------------------------------------------


def test_score(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    *found, last = lines(capsys, "score", place.index, "--layer", "block3", "--seed", "2")
    scores = score(place.loaded(), layers=("block3",), seed=2)
    same(found, scores.rows.records())
    assert set(last) == {"summary"}
    same(last["summary"], scores.summary.records())
    assert {"component", "clarity", "polysemanticity", "redundancy"} <= set(found[0])
    assert len(found) == 96
    told, err = printed(
        capsys, "score", place.index, "--layer", "block3", "--layer", "head", "--figure", str(tmp_path / "s.png")
    )
    assert "interpretability of layers" in told
    assert "block3" in told
    assert "block4" not in told
    assert err == f"drawn: {tmp_path / 's.png'}\n"
    with Image.open(tmp_path / "s.png") as drawn:
        assert drawn.width > 300


def test_compare_the_layers_of_one_index(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    asked = ["compare", place.index, place.index, "--layer", "block3", "--layer", "block4,head", "--draws", "20"]
    found = lines(capsys, *asked)
    index = place.loaded()
    expected = compare([index, index], layers=[("block3",), ("block4", "head")], draws=20)
    pairs, matches = found[:2], found[2:]
    one, two = expected.names
    assert [(row["source"], row["target"]) for row in pairs] == [(one, two), (two, one)]
    assert [row["similarity"] for row in pairs] == [row.similarity for row in expected.pairs]
    assert [row["baseline"] for row in pairs] == [row.baseline for row in expected.pairs]
    assert [row["component"] for row in matches] == [str(row.component) for row in expected.matches]
    assert [(row["source"], row["match"], row["p_value"], row["shared"]) for row in matches] == [
        (row.source, str(row.match), row.p_value, row.shared) for row in expected.matches
    ]
    assert len(matches) == 96 + 130
    told, _ = printed(capsys, *asked, "--figure", str(tmp_path / "c.svg"))
    assert "How much of source is in target" in told
    assert "Best matches" in told
    assert ElementTree.parse(tmp_path / "c.svg").getroot().tag.endswith("svg")


def test_compare_an_index_with_itself(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    found = lines(capsys, "compare", place.index, place.index, "--layer", ".", "--layer", ".", "--draws", "5")
    assert [row["similarity"] for row in found[:2]] == [1.0, 1.0]
    assert [row["similarity"] for row in found[2:]] == [1.0] * (2 * 226)


def test_compare_says_what_changed_and_what_an_untrained_network_has(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    asked = ["compare", place.index, place.index, "--layer", "block3", "--layer", "block4", "--draws", "5"]
    more = ["--untrained", place.index, "--vocabulary", place.words]
    index = place.loaded()
    words = ask_vocabulary(index.recipe.foundation, place.words)
    expected = compare(
        [index, index], layers=[("block3",), ("block4",)], draws=5, untrained=index, vocabulary=words
    )  # fmt: skip
    same(
        lines(capsys, *asked, *more),
        [*expected.pairs.records(), *expected.changes.records(), *expected.matches.records()],
    )
    told, _ = printed(capsys, *asked, *more)
    assert "untrained" in told
    assert "What changed, testbed:shortcut block3 to testbed:shortcut block4" in told
    told, _ = printed(capsys, *asked, "--by", "examples")
    assert "by examples" in told


def test_compare_manifolds_of_layers(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    asked = ["compare", place.index, "--manifold", "--layer", "block3,block4", "--grid", "3", "--least", "6"]
    found = lines(capsys, *asked, "--draws", "3")
    assert [(row["one"], row["other"]) for row in found if "rand" in row] == [("block3", "block4")]
    assert {row["match"] for row in found if "match" in row} <= set(range(found[0]["concepts"][1]))
    assert found[0]["chance"] < 1
    _, told = printed(capsys, *asked, "--layer", ".", code=2)
    assert "layers are given for 2 of 1 indexes" in told
    _, told = printed(capsys, "compare", place.index, "--manifold", "--layer", "block3,head", code=2)
    assert "no square grid" in told


# --- graph -----------------------------------------------------------------------------------------------------------


def test_graph_with_edges_of_the_model_and_images_that_the_index_remembers(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    svg = tmp_path / "g.svg"
    asked = ["graph", place.index, "--class", "melanoma", "--count", "2", "--svg", str(svg)]
    (found,) = lines(capsys, *asked)
    index = place.loaded()
    model, images = load_model("testbed:shortcut"), load_images(place.pictures)
    expected = graph(index, "melanoma", edges=flows(index, "melanoma", model, images, count=2))
    same([found], [expected.node_link()])
    assert (found["graph"]["edge_images"], found["graph"]["layers"]) == (2, ["block3", "block4"])
    read = networkx.node_link_graph(found, edges="links")
    assert any(a.startswith("block3") and b.startswith("block4") for a, b in read.edges)
    page = ElementTree.parse(svg).getroot()
    assert page.tag == "{http://www.w3.org/2000/svg}svg"
    assert "melanoma" in "".join(page.itertext())


def test_graph_without_edges(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    asked = ["graph", place.index, "--class", "1", "--no-edges", "--vocabulary", place.words, "--layer", "block4"]
    (found,) = lines(capsys, *asked)
    index = place.loaded()
    same([found], [graph(index, 1, labels=labels_by(index, place.words), layers=("block4",)).node_link()])
    assert found["graph"]["output"] == "other"
    assert found["graph"]["edge_images"] == 0
    told, err = printed(capsys, *asked, "--svg", str(tmp_path / "g.svg"))
    assert "concepts by relevance for 'other', labelled by encoding" in told
    assert found["graph"]["by"] == "encoding"
    assert lines(capsys, *asked, "--by", "examples")[0]["graph"]["by"] == "examples"
    assert err.endswith(f"\ndrawn: {tmp_path / 'g.svg'}\n")
    assert "does not know 'melanoma', 'other'" in err
    assert ElementTree.parse(tmp_path / "g.svg").getroot().tag.endswith("svg")


# --- split -----------------------------------------------------------------------------------------------------------


def test_split_writes_an_index_of_the_halves(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    out = tmp_path / "halves"
    rows = lines(capsys, "split", place.index, "--layer", "block4", "--method", "gradient", "--out", str(out))
    halves = load_index(out, verify=True)
    assert [axis.layer for axis in halves.layers] == ["block4@split"]
    assert len(halves.means) == 128 + sum(row["split"] for row in rows)
    assert "alpha 0.05" in halves.recipe.software["split"]


# --- strategies ------------------------------------------------------------------------------------------------------


def test_strategies(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    asked = ["strategies", place.index, "--class", "other", "--layer", "block4", "--most", "2"]
    found = strategies(place.loaded(), "other", layer="block4", most=2)
    rows = lines(capsys, *asked, "--count", "3", "--sheet", str(tmp_path / "sheet.png"))
    assert rows == json.loads(json.dumps([*found.prototypes.records(), *found.images[:3].records()]))
    assert rows[0]["uses"][0]["component"].startswith("block4:")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000
    told, _ = printed(capsys, *asked)
    assert "how testbed:shortcut comes to 'other', by block4" in told
    others = lines(capsys, *asked, "--assign", place.others)
    assert len(others) == 44
    assert {row["prototype"] for row in others} <= {row["prototype"] for row in rows[:-3]}
    assert [row["id"] for row in others] == list(range(44))
    assert {row["q_value"] for row in others} == {None}
    again = lines(capsys, *asked, "--assign", place.pictures)
    here = {row.id: row for row in found.images}
    assert all(row["prototype"] == here[row["id"]].prototype for row in again if row["id"] in here)
    assert "no relevance vectors" in printed(capsys, "strategies", str(GOLDEN), "--class", "zebra", code=2)[1]


# --- audit -----------------------------------------------------------------------------------------------------------


def audited(place: Place, spec: str, **how: Any) -> Audit:
    index, asked = place.loaded(), load_spec(spec)
    return audit(index, asked, ask_spec(index.recipe.foundation, asked), **how)


def test_audit_is_0_where_every_requirement_is_met(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    spec = place.spec(EASY)
    *found, last = lines(capsys, "audit", place.index, spec)
    expected = audited(place, spec)
    same(found, expected.rows.records())
    assert {"component", "valid", "spurious", "quadrant", "relevance"} <= set(found[0])
    summary = last["summary"]
    assert (summary["output"], summary["passed"], summary["images"]) == ("melanoma", True, 26)
    same(summary["requirements"], expected.verdicts.records())
    same(summary["masses"], expected.masses.records())
    same(summary["concepts"], expected.concepts.records())
    assert summary["doubts"] == list(expected.doubts)
    assert "changes" not in summary
    told, err = printed(capsys, "audit", place.index, spec)
    assert "passed: relevance for 'melanoma' over 26 images" in err
    assert "requirements" in told


def test_audit_is_1_where_one_is_not(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    spec = place.spec(IMPOSSIBLE)
    last = lines(capsys, "audit", place.index, spec, code=1)[-1]["summary"]
    assert last["passed"] is False
    assert [one["met"] for one in last["requirements"]] == [True, True, False]
    _, err = printed(capsys, "audit", place.index, spec, code=1)
    assert "failed: relevance for 'melanoma' over 26 images" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EASY.replace("valid:", "valdi:", 1), "unknown key in SPEC 'valdi'; nearest: valid"),
        (EASY + "requirments: []\n", "unknown key in SPEC 'requirments'; nearest: requirements"),
        (EASY + "  - relevance_mas(spurious) <= 0.1\n", "requirement 'relevance_mas(spurious) <= 0.1' is not under"),
        (EASY + "  - relevance_mass(spurios) <= 0.1\n", "unknown quadrant 'spurios'; nearest: spurious"),
        (EASY.replace("melanoma", "melanom"), "unknown class 'melanom'; nearest: melanoma"),
        (EASY + "layers: [block5]\n", "unknown layer 'block5'; nearest: block4"),
        ("output: [", "is not YAML"),
        ("just words", "holds no spec"),
        (EASY.replace("ruler", "{name: a, images: [absent.png]}"), "absent.png"),
    ],
)
def test_a_broken_spec_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], place: Place, text: str, message: str
) -> None:
    spec = place.spec(text, "broken.yaml")
    out, err = printed(capsys, "audit", place.index, spec, "--json", code=2)
    assert out == ""
    assert err.startswith("semlens: ")
    assert err.count("\n") == 1
    assert message.replace("SPEC", spec) in err


def test_audit_by_shipped_specs(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    expected = audited(place, "melanoma")
    *found, last = lines(capsys, "audit", place.index, "melanoma", code=1 if expected.failed else 3)
    same(found, expected.rows.records())
    assert last["summary"]["verdict"] == expected.verdict in ("failed", "cannot tell")
    assert [row["verdict"] for row in last["summary"]["requirements"]] == [one.verdict for one in expected.verdicts]
    _, err = printed(capsys, "audit", place.index, "ox", code=2)
    assert err.startswith("semlens: unknown class 'ox'; nearest:")
    index, ox = place.loaded(), replace(load_spec("ox"), output="other")
    unknown = audit(
        index, ox, ask_spec(index.recipe.foundation, ox)
    )  # words that the foundation model does not know are not met
    assert not unknown.passed
    found = lines(capsys, "audit", place.index, "ox", "--output", "1", code=1 if unknown.failed else 3)
    assert found[-1]["summary"]["output"] == "other"


def test_audit_of_another_output_with_labels(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    asked = ["audit", place.index, place.spec(EASY), "--output", "other", "--vocabulary", place.words, "--seed", "3"]
    *found, last = lines(capsys, *asked)
    index, spec = place.loaded(), replace(load_spec(place.spec(EASY)), output="other")
    labels = labels_by(index, place.words, seed=3)
    expected = audit(index, spec, ask_spec(index.recipe.foundation, spec), labels=labels, seed=3)
    same(found, expected.rows.records())
    assert (last["summary"]["output"], last["summary"]["images"]) == ("other", 34)


def test_audit_since_a_baseline_and_a_page(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    page, spec = tmp_path / "report.html", place.spec(IMPOSSIBLE + "layers: [block4]\n")
    asked = ["audit", place.index, spec, "--baseline", place.nameless, "--html", str(page)]
    *_, last = lines(capsys, *asked, code=1)
    now = audited(place, spec)
    same(last["summary"]["changes"], changes(now, now).records())
    assert {row["quadrant"] for row in last["summary"]["changes"]} == {"valid", "spurious", "both", "neither"}
    assert all(row["before"] == row["after"] for row in last["summary"]["changes"])
    text = page.read_text(encoding="utf-8")
    assert "1 of 3 requirements is not met." in text
    for verdict in now.verdicts:
        assert escape(verdict.requirement) in text
    page.unlink()
    told, err = printed(capsys, *asked, code=1)
    assert "relevance by quadrant, before and after" in told
    assert f"report: {page}" in err
    assert page.stat().st_size > 10_000


def test_a_script_gets_rows_alone_on_standard_output_and_the_exit_code(place: Place) -> None:
    for text, code in ((EASY, 0), (IMPOSSIBLE, 1), ("output: melanoma", 2)):
        shown = subprocess.run(
            [sys.executable, "-W", "error", "-m", "semlens", "audit", place.index, place.spec(text), "--json"],
            capture_output=True, text=True, env=dict(os.environ),
        )  # fmt: skip
        assert shown.returncode == code, shown.stderr
        found = [json.loads(line, parse_constant=pytest.fail) for line in shown.stdout.splitlines()]
        assert len(found) == (0 if code == 2 else 129)
        assert "Traceback" not in shown.stderr


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    told, err = printed(capsys, "schema")
    assert err == ""
    schema = json.loads(told)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    specs = Path(sys.modules["semlens"].__file__ or "").parent / "analysis/audit/specs"
    assert {"melanoma", "ox"} <= set(shipped())
    for name in shipped():
        check.validate(yaml.safe_load((specs / f"{name}.yaml").read_text("utf-8")))
    check.validate(yaml.safe_load(EASY))
    for wrong in (EASY.replace("valid:", "valdi:", 1), EASY + "fdr: 2\n", EASY.replace("output: melanoma", "")):
        assert not check.is_valid(yaml.safe_load(wrong))


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_by_true_names_and_by_held_out_images(
    capsys: pytest.CaptureFixture[str], place: Place, clip_folder: Path
) -> None:
    simulator = f"open_clip:local-dir:{clip_folder}"
    asked = ["evaluate", place.index, "--vocabulary", place.words, "--fdr", "0.9", "--images", place.others]
    asked += ["--by", "examples"]
    found = lines(capsys, *asked, "--simulator", simulator, "--seed", "1", "--count", "42")
    kinds = {(row["measure"], row["labels"]) for row in found}
    assert {("AUC", of) for of in ("found", "random", "oracle")} <= kinds
    assert {("accuracy", of) for of in ("found", "random", "oracle")} <= kinds
    assert {("correlation", of) for of in ("found", "random", "oracle")} <= kinds
    assert (f"cosine in {simulator}", "found") in kinds
    index = place.loaded()
    clip, tower = load(index.recipe.foundation), load_foundation(simulator)
    words = ask_vocabulary(index.recipe.foundation, place.words)
    labels = label(index, words, by="examples", fdr=0.9, seed=1)
    expected = evaluate_held_out(
        labels, words, load_model("testbed:shortcut"), load_images(place.others), clip, simulator=tower, count=42,
        seed=1,
    )  # fmt: skip
    same([row for row in found if row in expected.rows.records()], expected.rows.records())
    auc = {row["labels"]: row["value"] for row in found if row["measure"] == "AUC"}
    assert auc["random"] < auc["oracle"]
    assert auc["found"] < auc["oracle"]
    told, _ = printed(capsys, *asked)
    assert "How faithful the labels by examples are" in told


def test_evaluate_over_all_images_takes_neither_model_nor_images(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    asked = ["evaluate", place.index, "--vocabulary", place.words, "--by", "examples", "--fdr", "0.9", "--seed", "2"]
    index = place.loaded()
    words = ask_vocabulary(index.recipe.foundation, place.words)
    expected = over_all_images(label(index, words, by="examples", fdr=0.9, seed=2), words, seed=2)
    found = lines(capsys, *asked)
    same(found[:12], expected.rows.records())
    assert [row["measure"] for row in found[:12]] == [
        f"{name} over all images" for name in ("correlation", "AUPRC", "F1", "IoU") for _ in range(3)
    ]
    assert "by examples" in printed(capsys, *asked)[0]


def test_evaluate_holds_relevance_against_masks(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    images = load_images(place.pictures)
    for name in images.names[:3]:
        mask = np.zeros(images.load(0).size[::-1], np.uint8)
        mask[: len(mask) // 2] = 255
        Image.fromarray(mask).save(tmp_path / f"{Path(name).stem}.png")
    asked = ["evaluate", place.index, "--masks", str(tmp_path), "--attribution", "gradient", "--target", "melanoma"]
    found = lines(capsys, *asked)
    assert [(row["measure"], row["n"], row["chance"]) for row in found] == [
        (measure, 3, 0.5) for measure in ("mass", "rank", "pointing")
    ]
    assert all(0 < row["value"] < 1 for row in found[:2])
    assert command("evaluate", place.index) == 2
    assert "give the --vocabulary" in capsys.readouterr().err


def test_evaluate_by_true_names_alone(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    asked = ["evaluate", place.index, "--vocabulary", place.words, "--fdr", "0.9", "--by", "examples"]
    found = lines(capsys, *asked)
    index = place.loaded()
    given = [row for row in labels_by(index, place.words, by="examples", fdr=0.9).rows if row.name and row.label]
    assert given
    (accuracy,) = [row for row in found if (row["measure"], row["labels"]) == ("accuracy", "found")]
    assert accuracy["value"] == np.mean([row.name == row.label for row in given])
    assert (accuracy["n"], accuracy["left_out"]) == (len(given), 226 - len(given))
    (chance,) = [row for row in found if (row["measure"], row["labels"]) == ("accuracy", "random")]
    assert chance["value"] == pytest.approx(1 / len(WORDS))


def test_evaluate_by_images_where_no_output_has_a_label(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    """So it is for an index of hidden layers, and where chance fits every output as well."""
    asked = ["--vocabulary", place.words, "--images", place.others, "--count", "40"]
    nameless = lines(capsys, "evaluate", place.nameless, *asked, "--fdr", "0.9")
    assert {row["measure"] for row in nameless} - {"AUC", "MAD", "DMA", "significant"} == {
        f"{name} over all images" for name in ("correlation", "AUPRC", "F1", "IoU")
    }
    given = int(labels_by(load_index(place.nameless), place.words, fdr=0.9).accepted.sum())
    assert given > 10
    assert [row["n"] for row in nameless if row["measure"] == "AUC"] == [given] * 3
    strict = lines(capsys, "evaluate", place.index, *asked, "--fdr", "0.000001")
    assert [(row["n"], row["value"]) for row in strict if row["measure"] == "AUC"] == [(0, None)] * 3


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("label INDEX --vocabulary absent.txt", "unknown vocabulary 'absent.txt'"),
        ("label INDEX --vocabulary WORDS --layer block9", "unknown layer 'block9'; nearest: block4"),
        ("label INDEX --vocabulary WORDS --fdr 2", "the false-discovery rate is 2.0"),
        ("label INDEX --vocabulary WORDS --method standardized", "unknown method 'standardized'; nearest: standardise"),
        ("label INDEX --vocabulary WORDS --template photo", "no {} to put the text in"),
        ("label INDEX --vocabulary WORDS --sheet nowhere/s.png", "cannot write nowhere/s.png: there is no folder nowh"),
        ("label INDEX --vocabulary WORDS --sheet s.xyz", "cannot write s.xyz: let the name end in .png, .jpg, .webp"),
        ("label /nowhere --vocabulary WORDS", "nowhere"),
        ("label INDEX --vocabulary WORDS --device gpu", "there is no device 'gpu': write cpu, cuda"),
        ("label INDEX --vocabulary WORDS --device cuda:99", "device 'cuda:99' cannot be used here: "),
        ("score INDEX --layer block9", "unknown layer 'block9'"),
        ("score INDEX --figure s.xyz", "cannot write s.xyz: let the name end in .png, .svg, .pdf"),
        ("score INDEX --figure FOLDER", "it is a folder"),
        ("compare INDEX", "give two indexes or more"),
        ("compare INDEX INDEX --layer block3", "layers are given for 1 of 2 indexes"),
        ("compare INDEX INDEX --layer block3 --layer block3,block9", "unknown layer 'block9'"),
        ("compare INDEX INDEX --draws 0", "draws is 0"),
        ("atlas INDEX --clusters 0", "at least 1 cluster"),
        ("atlas INDEX --drawing maps", "unknown drawing 'maps'; nearest: umap"),
        ("atlas INDEX INDEX --save", "an atlas of several indexes cannot be kept"),
        ("graph INDEX --class melanom --no-edges", "unknown class 'melanom'; nearest: melanoma"),
        ("graph INDEX --class 0 --no-edges --svg nowhere/g.svg", "cannot write nowhere/g.svg"),
        ("graph INDEX --class 0 --no-edges --layer block9", "unknown layer 'block9'"),
        ("graph INDEX --class 0 --model testbed:clean", "this is not the model the index was made from"),
        ("graph INDEX --class 0 --images OTHERS", "these are not the images the index was made from"),
        ("graph INDEX --class 0 --images /nowhere", "nowhere"),
        ("audit INDEX absent.yaml", "cannot read the spec absent.yaml"),
        ("audit INDEX SPEC --output zebra", "unknown class 'zebra'; nearest:"),
        ("audit INDEX SPEC --html nowhere/r.html", "cannot write nowhere/r.html"),
        ("audit INDEX SPEC --baseline /nowhere", "nowhere"),
        ("evaluate INDEX --vocabulary WORDS --simulator testbed:clip", "it would agree with itself"),
        ("evaluate NAMELESS --vocabulary WORDS --images OTHERS --simulator testbed:clip", "it would agree with itself"),
        ("evaluate NAMELESS --vocabulary WORDS --images PICTURES", "of the 60 images are no concept examples"),
        ("evaluate NAMELESS --vocabulary WORDS --images OTHERS --count 7", "count is 7"),
        ("evaluate NAMELESS --vocabulary WORDS --images OTHERS --model testbed:clean", "this is not the model"),
        ("evaluate NAMELESS --vocabulary WORDS --images /nowhere", "nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], place: Place, arguments: str, message: str
) -> None:
    names = {
        "INDEX": place.index, "NAMELESS": place.nameless, "WORDS": place.words, "OTHERS": place.others,
        "PICTURES": place.pictures, "SPEC": place.spec(EASY), "FOLDER": str(place.folder),
    }  # fmt: skip
    out, err = printed(capsys, *(names.get(word, word) for word in arguments.split()), code=2)
    assert out == ""
    assert err.startswith("semlens: ")
    assert err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("score INDEX --seed -1", "--seed"),
        ("graph INDEX --class 0 --count 0", "--count"),
        ("label INDEX", "--vocabulary"),
        ("graph INDEX", "--class"),
        ("audit INDEX", "SPEC"),
    ],
)
def test_an_option_that_cannot_be_is_exit_2(
    capsys: pytest.CaptureFixture[str], place: Place, arguments: str, message: str
) -> None:
    out, err = printed(capsys, *arguments.replace("INDEX", place.index).split(), code=2)
    assert out == ""
    assert message in err


def test_an_index_without_relevance_is_refused(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path
) -> None:
    replace(place.loaded(), read_additions={}).save(tmp_path / "plain")
    for arguments in (
        ["audit", str(tmp_path / "plain"), place.spec(EASY)],
        ["graph", str(tmp_path / "plain"), "--class", "0", "--no-edges"],
    ):
        _, err = printed(capsys, *arguments, code=2)
        assert "the index holds no relevance: build it with the classes" in err
        assert "baseline" not in err
    plain = str(tmp_path / "plain")
    _, err = printed(capsys, "audit", str(place.index), place.spec(EASY), "--baseline", plain, code=2)
    assert err.startswith(f"semlens: the baseline {plain}: the index holds no relevance")
    _, err = printed(capsys, "audit", str(place.index), place.spec(EASY), "--baseline", str(tmp_path), code=2)
    assert err.startswith(f"semlens: the baseline {tmp_path}: {tmp_path} is not an index")


def test_the_cache_of_the_user_is_not_touched(
    capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lines(capsys, "label", place.index, "--vocabulary", place.words, "--layer", "head")
    assert [file.name for file in tmp_path.rglob("*.sqlite")] == ["texts.sqlite"]


# --- atlas -----------------------------------------------------------------------------------------------------------


def test_atlas(capsys: pytest.CaptureFixture[str], place: Place, tmp_path: Path) -> None:
    """On two axes: what UMAP draws is the business of tests/analysis/test_atlases.py, and takes 20 s to compile."""
    arguments = ["atlas", place.index, "--clusters", "4", "--vocabulary", place.words, "--seed", "1"]
    arguments += ["--drawing", "principal"]
    rows = lines(capsys, *arguments)
    index = place.loaded()
    words = ask_vocabulary(index.recipe.foundation, place.words)
    same(rows, atlas([index], vocabulary=words, clusters=4, seed=1, drawing="principal").rows.records())
    assert {"component", "x", "y", "cluster"} <= set(rows[0])
    assert {row["cluster"] for row in rows} == {0, 1, 2, 3}
    assert {row["label"] for row in rows} <= {*WORDS, ""}
    told, err = printed(capsys, *arguments, "--figure", str(tmp_path / "a.pdf"))
    assert "Atlas of testbed:shortcut" in told
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert str(tmp_path / "a.pdf") in err


def test_an_atlas_is_drawn_by_umap_unless_said_otherwise() -> None:
    (drawing,) = [option for option in app.commands["atlas"].params if option.name == "drawing"]
    assert drawing.default == "umap" == signature(atlas).parameters["drawing"].default
