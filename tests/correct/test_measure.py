"""Measures of a correction, held against counts by hand."""

import re

import numpy as np
import pytest

from semlens.analysis.results import Rows
from semlens.correct.effects import effects
from semlens.correct.measure import Measured, Outcome, accuracies, behaviour, groups_of, shift, worst_group
from semlens.errors import SemlensError
from semlens.views.report import certificate


def logits(right: list[int], labels: np.ndarray) -> np.ndarray:
    """Of two classes, the right one ahead where it says 1."""
    own = np.where(np.array(right) == 1, labels, 1 - labels)
    return np.eye(2, dtype=np.float32)[own]


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
RULER = np.array([1, 1, 0, 0, 1, 0, 0, 0], bool)


def test_accuracy_of_every_group_and_of_the_worst() -> None:
    found = Outcome(np.arange(8), logits([1, 0, 0, 0, 1, 1, 1, 1], LABELS), logits([1, 1, 1, 0, 0, 1, 1, 1], LABELS))
    groups = groups_of(LABELS, {"ruler": RULER}, ("bad", "good"))
    assert list(groups) == ["bad, with ruler", "bad, without ruler", "good, with ruler", "good, without ruler"]
    rows = {(row.measure, row.group): (row.before, row.after, row.n) for row in accuracies(found, LABELS, groups)}
    assert rows["accuracy", "all"] == (5 / 8, 6 / 8, 8)
    assert rows["accuracy", "bad, with ruler"] == (0.5, 1.0, 2)
    assert rows["accuracy", "bad, without ruler"] == (0.0, 0.5, 2)
    assert rows["worst-group accuracy", "good, with ruler (before: bad, without ruler)"] == (0.0, 0.0, 1)
    assert worst_group(found.after, LABELS, groups) == 0.0
    with pytest.raises(SemlensError, match="label"):
        accuracies(found, np.full(8, -1), {})


def test_an_output_is_less_the_other_of_two() -> None:
    two, three = np.array([[3.0, 1.0]], np.float32), np.array([[3.0, 1.0, 9.0]], np.float32)
    assert Outcome(np.arange(1), two, two).of(1)[0].tolist() == [-2.0]
    assert Outcome(np.arange(1), three, three).of(1)[0].tolist() == [1.0]


def test_behaviour_and_shift_are_seen_to_change() -> None:
    rng = np.random.default_rng(0)

    def outputs(before: float, after: float) -> Outcome:
        """60 images whose only logit has these means."""
        pair = (rng.normal(mean, 1, (60, 1)).astype(np.float32) for mean in (before, after))
        return Outcome(np.arange(60), *pair)

    row = behaviour(outputs(0, 4), outputs(0, 0), 0)
    assert row.before == pytest.approx(0.5, abs=0.12)
    assert row.after > 0.97
    assert 0.3 < row.change_low < row.after - row.before < row.change_high
    moved = shift("ruler", outputs(5, 1), outputs(0, 1), 0)
    assert moved.before == pytest.approx(5, abs=0.6)
    assert moved.low < 0 < moved.high
    assert moved.change_high < -4


def test_effects_are_joint_and_say_what_moved() -> None:
    """The output follows two of three concepts, the first of which goes along with the third."""
    rng = np.random.default_rng(1)
    embeddings = rng.normal(size=(400, 3))
    embeddings[:, 2] += embeddings[:, 0]
    before = embeddings @ [1.0, 2.0, 0.0] + 0.1 * rng.normal(size=400)
    after = embeddings @ [1.0, 0.0, 0.0] + 0.1 * rng.normal(size=400)
    three = [np.stack([one, 0 * one, 0 * one], axis=1).astype(np.float32) for one in (before, after)]
    rows = effects(Outcome(np.arange(400), *three), embeddings, np.eye(3), ["a", "b", "c"], 0, draws=100)
    change = {row.group: (row.change_low, row.change_high) for row in rows}
    assert change["a"][0] < 0 < change["a"][1]
    assert change["b"][1] < -0.5
    assert rows[1].before > 0.6
    assert abs(rows[1].after) < 0.1


def test_a_certificate_escapes_what_others_chose() -> None:
    found = Outcome(np.arange(8), logits([1] * 8, LABELS), logits([1] * 8, LABELS))
    rows = accuracies(found, LABELS, groups_of(LABELS, {"<script>": RULER}, ("bad", "good")))
    page = certificate(Rows(rows, "x"), {"seed": 0, "what": ["<b>", "c"]}, "<i>")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "&lt;i&gt;" in page
    assert "Worst-group accuracy 1.000 before, 1.000 after" in page
    drawn = len(rows) + 2  # accuracy of all and of the worst group at a glance too
    assert page.count('<circle class="after"') == page.count('<circle class="before"') == drawn
    assert page.count('cx="172.0"') == 2 * drawn  # all are right, at the right end of the scale
    assert page == certificate(Rows(rows, "x"), {"seed": 0, "what": ["<b>", "c"]}, "<i>")


def test_a_certificate_says_at_a_glance_what_became_better_and_its_remarks_whole() -> None:
    rows = [
        Measured("accuracy", "all", 0.76, 0.91, 0.9, 0.93, 0.1, 0.2, 300),
        Measured("accuracy", "bad, with ruler", 0.9, 0.8, 0.7, 0.9, -0.2, -0.01, 30),
        Measured("behaviour: AUROC", "class against spurious features only", 0.9, 0.8, 0.7, 0.85, -0.2, -0.05, 90),
        Measured("shift of the output", "ruler", -3.5, 0.9, 0.5, 1.3, 4.0, 5.0, 24),
        Measured("effect on the output", "ruler", 0.2, 0.3, 0.1, 0.4, -0.1, 0.2, 200),
    ]
    remark = "more is to be said of it " * 20
    page = certificate(Rows(rows, "x", remarks=[remark]), {"seed": 0}, "x")
    glance = page[page.index("At a glance") : page.index("</table>")]
    assert re.findall("better|worse|no change shown", glance) == ["better", "worse", "better", "no change shown"]
    assert "with ruler" not in glance
    assert "To be taken out: <bdi>ruler</bdi>." in page
    assert remark.strip() in page
    assert page.count('class="n shown"') == 4  # whose change leaves out 0
