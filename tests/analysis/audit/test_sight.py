"""Verdicts that know when they cannot tell: what is not seen, not known, in doubt or not explained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semlens.analysis.audit.asked import Shown, read_marks
from semlens.analysis.audit.audit import audit
from semlens.analysis.audit.findings import Audit
from semlens.analysis.audit.grammar import parse_requirement
from semlens.analysis.audit.requirements import LayerFigures, Sight, judge
from semlens.analysis.audit.spec import Spec, check_spec
from semlens.errors import SemlensError
from tests.encoded_audit import asked, encoded_index, presence
from tests.planted import phrases

VALID, SPURIOUS = [0, 1, 2], [5, 6]
ABOUT: list[dict[int, float]] = [{0: 1}, {1: 1}, {2: 1}, {0: 1, 1: 1}, {2: 1, 1: 1}, {}]
SHARES = [0.3, 0.2, 0.2, 0.1, 0.1, 0.1]
MET = "relevance_mass(spurious) <= 0.35"


def spec_of(**change: Any) -> Spec:
    named = {"valid": [f"concept {c}" for c in VALID], "spurious": [f"concept {c}" for c in SPURIOUS]}
    return check_spec({"output": "ox", "requirements": [MET], **named, **change})


def run(probes: Any, *, index: Any = None, by: str = "encoding", **change: Any) -> Audit:
    return audit(index or encoded_index(ABOUT, SHARES), spec_of(**change), probes, by=by, draws=1000)


def only(found: Audit) -> tuple[str, bool, str]:
    verdict = found.verdicts[0]
    return verdict.verdict, verdict.sure, verdict.reason


def test_met_is_sure_only_where_marked_images_prove_that_it_is_seen() -> None:
    shown = presence()
    assert only(run(asked(VALID + SPURIOUS, marks=shown))) == ("met", True, "")
    assert only(run(asked(VALID + SPURIOUS)))[:2] == ("met", False)
    assert only(run(phrases(VALID + SPURIOUS)))[:2] == ("met", False)


@pytest.mark.parametrize("by", ["encoding", "examples"])
@pytest.mark.parametrize("marked", [True, False])
def test_what_the_foundation_model_does_not_see_cannot_be_told(marked: bool, by: str) -> None:
    """The images' embeddings say nothing of concept 6: its similarity to them is noise, and so is every figure."""
    shown = presence()
    index = encoded_index(ABOUT, SHARES, seen=[c for c in range(12) if c != 6])
    probes = asked(VALID + SPURIOUS, marks=shown if marked else None)
    if not marked:  # noise of the embeddings is the same in all directions, that of the unrelated phrases too
        assert probes.unrelated is not None
        probes = replace(probes, unrelated=replace(probes.unrelated, vectors=-probes.unrelated.vectors))
    found = run(probes, index=index, by=by)
    kind, sure, reason = only(found)
    assert (kind, sure, found.passed, found.failed) == ("cannot tell", False, False, False)
    assert "'concept 6'" in reason
    assert ("the foundation model does not see it" if marked else "the foundation model may not see it") in reason
    seen = {one.concept: one.seen for one in found.visibility}
    assert seen["concept 6"] == "no"
    assert seen["concept 5"] == ("yes" if marked else "maybe")


def test_a_requirement_that_fails_fails_whatever_is_not_seen() -> None:
    index = encoded_index([{5: 1}, *ABOUT[1:]], SHARES, seen=[c for c in range(12) if c != 6])
    assert only(run(asked(VALID + SPURIOUS, marks=presence()), index=index))[:2] == ("not met", False)


def test_words_that_are_not_known_cannot_be_told() -> None:
    kind, sure, reason = only(run(asked(VALID + SPURIOUS, unknown=(("concept 5", "concept"),), marks=presence())))
    assert (kind, sure) == ("cannot tell", False)
    assert reason == "'concept 5': the foundation model does not know the word 'concept'"
    assert only(run(asked(VALID + SPURIOUS, unknown=(("concept 1", "concept"),), marks=presence())))[0] == "met"


@pytest.mark.parametrize("by", ["encoding", "examples"])
def test_what_is_known_of_a_side_decides_where_it_is_most_of_it_and_no_more_is_sure(by: str) -> None:
    """Concepts 6 and 7 are on nothing, so that the spec is met; of three one is unknown, of two one."""
    for spurious, verdict in (([6, 7, 8], "met"), ([6, 7], "cannot tell")):
        named = [f"concept {c}" for c in spurious]
        probes = asked(VALID + spurious, unknown=((named[-1], "concept"),), marks=presence())
        kind, sure, reason = only(run(probes, by=by, spurious=named, requirements=["relevance_mass(spurious) <= 0.9"]))
        assert (kind, sure) == (verdict, False)
        assert reason == f"{named[-1]!r}: the foundation model does not know the word 'concept'"


@pytest.mark.parametrize("by", ["encoding", "examples"])
def test_a_side_of_which_nothing_is_known_cannot_be_told(by: str) -> None:
    unknown = tuple((f"concept {c}", "concept") for c in SPURIOUS)
    found = run(asked(VALID + SPURIOUS, unknown=unknown, marks=presence()), by=by)
    assert only(found)[:2] == ("cannot tell", False)
    assert [row.quadrant for row in found.rows if row.quadrant in ("spurious", "both")] == []


@pytest.mark.parametrize("by", ["encoding", "examples"])
def test_an_unknown_phrase_is_credited_with_nothing(by: str) -> None:
    """Without its word, concept 5 would be what two components respond to, and what drives the output."""
    index = encoded_index([*ABOUT, {5: 1}, {5: 1}], [*SHARES, 0.3, 0.3], logits=[{5: 1, 0: 0.5}, {1: 1}])
    for unknown, flagged in (((), 2), ((("concept 5", "concept"),), 0)):
        found = run(asked(VALID + SPURIOUS, unknown=unknown), index=index, by=by)
        mass = {one.concept: one for one in found.concepts}["concept 5"]
        assert mass.components == flagged
        assert (mass.relevance > 0.3) == bool(flagged)
        (driver,) = [one for one in found.drivers if one.phrase == "concept 5"]
        assert (abs(driver.effect) > 0.3) == bool(flagged)


@pytest.mark.parametrize("by", ["encoding", "examples"])
def test_a_pair_that_is_not_told_apart_does_not_decide(by: str) -> None:
    """Concept 6 has the vector of concept 0, which is valid and carries most of the relevance."""
    probes = asked(VALID + SPURIOUS)
    vectors = probes.vectors.copy()
    vectors[4] = vectors[0]
    kind, sure, reason = only(run(replace(probes, vectors=vectors), by=by))
    assert (kind, sure) == ("cannot tell", False)
    assert reason.startswith("'concept 0' (valid) and 'concept 6' (spurious): the foundation model hardly tells")
    vectors = probes.vectors.copy()
    vectors[4] = vectors[2]
    loose = run(replace(probes, vectors=vectors), by=by, requirements=["relevance_mass(spurious) <= 0.95"])
    assert only(loose)[0] == "met"


def test_most_relevance_unexplained_cannot_be_told() -> None:
    index = encoded_index([{9: 1}, {9: 1}, {0: 1}], [0.4, 0.2, 0.3])
    kind, _, reason = only(run(asked(VALID + SPURIOUS, marks=presence()), index=index))
    assert kind == "cannot tell"
    assert reason == "67 % of the relevance in layer0 goes through components that fit no concept of the spec"
    own = run(asked(VALID + SPURIOUS), index=index, requirements=["relevance_mass(unexpected) <= 0.3"])
    assert only(own)[0] == "not met"


def test_too_few_images_cannot_be_told() -> None:
    index = encoded_index(ABOUT, SHARES)
    relevance = index.relevance
    assert relevance is not None
    few = replace(relevance, counts=np.array([5]))
    poor = replace(index, read_additions={**index.read_additions, type(relevance): lambda: few})
    kind, sure, reason = only(run(asked(VALID + SPURIOUS, marks=presence()), index=poor))
    assert (kind, sure, reason) == ("cannot tell", False, "relevance is a mean over 5 images: 10 are needed")


def figures(spurious: float, neither: float) -> LayerFigures:
    mass = np.tile([1 - spurious - neither, spurious, 0, neither], (51, 1))
    return LayerFigures("layer", 10_000, mass, mass[:, :2], np.zeros((51, 4), np.int64), mass[:, 1], 0)


def test_met_is_sure_only_if_what_was_missed_makes_no_difference() -> None:
    sight, line = Sight(proven=True), parse_requirement("relevance_mass(spurious) <= 0.3")
    assert judge(line, [figures(0.1, 0.1)], sight).sure
    verdict = judge(line, [figures(0.1, 0.25)], sight)
    assert (verdict.verdict, verdict.sure) == ("met", False)
    assert verdict.reason == "what fits no concept of the spec could make the difference"
    assert judge(line, [figures(0.4, 0.25)], sight).sure


def test_images_and_labels_mark_too() -> None:
    index, probes = encoded_index(ABOUT, SHARES), asked(VALID + SPURIOUS)
    base = probes.vectors
    one = Shown(np.repeat(base[3:4], 12, axis=0), np.repeat(base[:1], 12, axis=0))
    found = run(replace(probes, shown={"concept 5": one, "concept 6": Shown(base[:1], base[4:5])}), index=index)
    seen = {row.concept: row for row in found.visibility}
    assert (seen["concept 5"].seen, seen["concept 5"].auroc, seen["concept 5"].images) == ("yes", 1, 24)
    assert seen["concept 6"].seen == "no"
    table = index.images
    labels = tuple("a|six" if on else "a" for on in presence()[:, 6])
    labelled = replace(index, read_images=lambda: replace(table, labels=labels))
    spurious = ["concept 5", {"name": "concept 6", "label": "six"}]
    by_label = {row.concept: row.seen for row in run(probes, index=labelled, spurious=spurious).visibility}
    assert by_label["concept 6"] == "yes"


def test_a_table_of_marks(tmp_path: Path) -> None:
    spec, file = spec_of(marks="marks.csv"), tmp_path / "marks.csv"
    file.write_text("path,concept 5,concept 6,other\nimages/a/1.png,1,,3\nb/2.png,0,0.5,3\n3.png,yes,no,3\n")
    assert read_marks(file, spec) == {
        "concept 5": {"1.png": True, "2.png": False, "3.png": True}, "concept 6": {"2.png": True, "3.png": False},
    }  # fmt: skip
    file.write_text("path,concept 5\nb\\2.png,0.5\nb\\3.png,1\n")
    assert read_marks(file, spec) == {"concept 5": {"2.png": True, "3.png": True}}
    excel = tmp_path / "marks.tsv"  # as a table of images is read: any sign between cells, any mark of the encoding
    excel.write_text(
        "File Name ;Concept_5;concept 6\n\u00e4.png;0,5;\nc.png;WAHR;1,0\n".replace("WAHR", "True"), "utf-16"
    )
    assert read_marks(excel, spec) == {"concept 5": {"\u00e4.png": True, "c.png": True}, "concept 6": {"c.png": True}}
    (tmp_path / "marks.jsonl").write_text(
        '{"image": "a.png", "concept 5": NaN}\n{"image": "b.png", "concept 5": false}\n'
    )
    assert read_marks(tmp_path / "marks.jsonl", spec) == {"concept 5": {"b.png": False}}
    file.write_text("path,concept 5\na.png,perhaps\n")
    with pytest.raises(SemlensError, match="'concept 5': write 1 or 0, or nothing, not 'perhaps'"):
        read_marks(file, spec)
    file.write_text("picture2,concept 5\na.png,1\n")
    with pytest.raises(SemlensError, match="needs a column that names the images .*not only picture2, concept 5"):
        read_marks(file, spec)
    with pytest.raises(SemlensError, match=r"cannot read the table .*none\.csv: .*No such file"):
        read_marks(tmp_path / "none.csv", spec)
