"""The parts of the benchmark: by hand where the answer is known, then all together on few pictures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semlens.analysis.audit import load_spec
from semlens.analysis.labels.labelling import Labels
from semlens.benchmark import (
    HEADER,
    PARTS,
    Row,
    Settings,
    Study,
    benchmark,
    conditions,
    heat,
    labels,
    markdown,
    models,
    prepare,
    search,
)
from semlens.benchmark.made import half_random, joined, remade
from semlens.benchmark.verdicts import MASS
from semlens.errors import SemlensError
from semlens.numerics.metrics import Estimate, average_precision, chance_precision
from semlens.testbed.world.concepts import NAMES
from semlens.testbed.world.render import draw
from semlens.types import MISSING
from tests.planted import BY_HAND, planted

SMALL = Settings(
    count=60, k=4, pairs=8, layers=("block2", "block4"), unseen=40, captions=20, removals=4, heat_examples=1,
    methods=("standardised", "soft-wpmi"), doubles=10, draws=1000, draws_if_slow=1000, resamples=40,
    harder=("few",),
)  # fmt: skip


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return prepare("shortcut", tmp_path_factory.mktemp("study"), SMALL)


@pytest.fixture(scope="module")
def table(studied: Study) -> dict[str, list[Row]]:
    """Every row of the benchmark about the small study, by part."""
    return {part: list(rows(studied)) for part, rows in PARTS.items()}


ROW = Row("m", "search", "ruler", "average precision", Estimate(0.5, 0.25, 0.75, 9), 0.125, float("nan"))


def test_a_row_reads_the_same_for_people_and_scripts():
    assert dict(zip(HEADER, ROW.cells(), strict=True)) == {
        "model": "m", "part": "search", "what": "ruler", "measure": "average precision", "value": "0.50",
        "95 % interval": "0.25 to 0.75", "chance": "0.12", "oracle": "", "n": "9",
    }  # fmt: skip
    assert json.loads(json.dumps(ROW.json(), allow_nan=False)) == {
        "model": "m", "part": "search", "what": "ruler", "measure": "average precision", "value": 0.5, "low": 0.25,
        "high": 0.75, "chance": 0.125, "oracle": None, "n": 9,
    }  # fmt: skip
    assert (
        markdown([ROW]).splitlines()[2]
        == "| m | search | ruler | average precision | 0.50 | 0.25 to 0.75 | 0.12 |  | 9 |"
    )


def test_scores_that_know_the_truth_are_perfect_and_their_opposite_is_below_chance(studied):
    truth = studied.responds.astype(np.float32)
    best, worst = (list(search.ranked(studied, scores, "x", truth.astype(float))) for scores in (truth, -truth))
    assert [row.estimate.value for row in best] == [1.0] * len(best)
    assert all(row.estimate.value < row.chance for row in worst)
    assert [row.what for row in best[:-2]] == [NAMES[q] for q in np.flatnonzero(truth.any(axis=0))]
    assert best[-2].what == f"mean of {len(best) - 2} concepts"


def test_chance_and_oracle_stand_beside_each_concept(studied):
    content = search.content(studied, studied.index)
    rows = {row.what: row for row in search.ranked(studied, search.alignment(studied, studied.index), "x", content)}
    for q in np.flatnonzero(studied.responds.any(axis=0)):
        row, truth = rows[NAMES[q]], studied.responds[:, q]
        assert row.chance == chance_precision(len(truth), int(truth.sum()))
        assert row.oracle == average_precision(content[:, q], truth)
        assert row.estimate.low <= row.estimate.value <= row.estimate.high


def test_content_is_the_part_of_the_examples_in_which_a_concept_is_seen(studied):
    row = int(np.flatnonzero(~studied.index.dead)[0])
    shown = [studied.scenes[i] for i in studied.whole.ids[row][studied.whole.valid[row]]]
    whole, crops = (search.content(studied, index) for index in (studied.whole, studied.index))
    assert whole[row] == pytest.approx([np.mean([scene.has(name) for scene in shown]) for name in NAMES])
    index, ruler, seen = studied.index, NAMES.index("ruler"), []
    for slot in np.flatnonzero(index.valid[row]):
        left, top, right, bottom = index.boxes[index.rows[row, slot]]
        mask = draw(studied.scenes[index.ids[row, slot]]).masks.get("ruler", np.zeros((128, 128), bool))
        seen.append(mask[top:bottom, left:right].mean() > 0.03)
    assert crops[row, ruler] == pytest.approx(np.mean(seen))
    assert (crops <= whole + 1e-9).all()
    assert (crops[index.dead] == -1).all()


def test_alignment_is_that_of_search(studied):
    scores = search.alignment(studied, studied.whole)
    assert np.isneginf(scores[studied.whole.dead]).all()
    assert np.isfinite(scores[~studied.whole.dead]).all()
    q = NAMES.index("ruler")
    from semlens.analysis.probe import probe
    from semlens.analysis.search import search as find

    best = find(studied.whole, probe(studied.foundation, ["ruler"]), top=1, by="examples")[0]
    assert studied.whole.row(best.component) == scores[:, q].argmax()
    assert scores[:, q].max() == pytest.approx(best.alignment)


def test_one_example_by_hand():
    heat_map, mask = np.zeros((4, 4), np.float32), np.zeros((4, 4), bool)
    mask[:2, :2] = True
    heat_map[0, 0], heat_map[3, 3] = 3, 1
    value, chance, oracle = heat._example(heat_map, mask, np.array([0, 0, 4, 2]))
    # 3 of 4 lie inside; of the 4 highest pixels 1 certainly and 2 of 14 ties, of which 3 lie inside; the highest does
    assert value == pytest.approx([0.75, (1 + 2 * 3 / 14) / 4, 1, 1, 0.5])
    assert chance == pytest.approx([0.25, 0.25, 0.25, 0.5, 0.25])
    assert oracle.tolist() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("part", PARTS)
def test_all_parts_give_figures_in_range(table, part):
    assert table[part]
    for row in table[part]:
        assert row.part == part
        assert row.estimate.low <= row.estimate.value <= row.estimate.high or np.isnan(row.estimate.value), row
        if part != "model":  # which has logits
            assert -1 <= row.estimate.value <= 1 or np.isnan(row.estimate.value), row


def test_relevance_is_measured_for_every_class_and_layer(table):
    assert {row.what for row in table["relevance"]} == {
        f"{name}, {layer}" for name in ("melanoma", "other") for layer in SMALL.layers
    }


def test_models_are_measured(table):
    rows = {row.what: row for row in table["model"]}
    assert rows["own distribution, shortcut"].estimate.value > rows["shortcut-free"].estimate.value > 0.4
    assert rows["band-aid put in"].estimate.low > 0  # the planted shortcut speaks for "other" ...
    assert rows["ruler put in"].estimate.high < 0  # ... and this one against it


def test_the_foundation_model_is_measured():
    rows = {(row.what, row.measure): row for row in models.foundation_rows(SMALL)}
    assert rows["captions of 20 pictures", "recall at 1"].estimate.value > 3 / 20
    assert rows["band-aid", "zero-shot AUROC"].estimate.value > 0.9


def test_the_benchmark_names_an_unknown_classifier_before_it_begins(tmp_path: Path):
    with pytest.raises(SemlensError, match="unknown classifier of the testbed 'cleen'; nearest: clean"):
        benchmark(tmp_path, classifiers=["clean", "cleen"])
    assert not list(tmp_path.iterdir())


def test_a_component_that_is_dead_in_the_index_cannot_be_found(studied):
    dead = studied.index.dead
    everything = replace(
        studied.truth, activation=np.ones_like(studied.truth.activation), activation_error=0 * studied.truth.activation
    )
    assert (replace(studied, truth=everything).responds.any(axis=1) == ~dead).all()


def test_made_components_have_the_examples_they_should():
    index = planted([(c % 12,) for c in range(24)], layers=(16, 8), absent={3: 2})
    like = np.array([1, 4, 20])
    made = remade(index, index.rows[[2, 2, 21]], like)
    assert [(axis.layer, axis.components) for axis in made.layers] == [("layer0", 2), ("layer1", 1)]
    np.testing.assert_array_equal(made.means, index.means[[2, 2, 21]])
    np.testing.assert_array_equal(made.ids, index.ids[[2, 2, 21]])
    half, random = half_random(index)
    whole = np.flatnonzero(index.valid.all(axis=1))
    assert random.sum() == len(whole) // 2
    np.testing.assert_array_equal(half.rows[~random], index.rows[whole[~random]])
    assert (half.rows[random] != index.rows[whole[random]]).mean() > 0.9
    assert half.relevance is None


def test_doubles_take_turns():
    index = planted([(c % 12,) for c in range(24)], layers=(16, 8))
    about = np.array([c % 12 if c % 5 else -1 for c in range(24)])
    doubles, meant = joined(index, about, pairs=6)
    assert 1 <= len(meant) <= 6
    for row, (first, second) in zip(doubles.rows, meant.tolist(), strict=True):
        assert first != second
        starts = {tuple(index.rows[c, :5]): about[c] for c in range(24)}
        assert starts[tuple(row[::2])] == first
        assert starts[tuple(row[1::2])] == second
    assert len(joined(index, np.full(24, -1), pairs=6)[1]) == 0


def test_labels_are_held_against_their_effects(studied):
    """By hand: two labels, of which one names what the component responds to and one what has no effect on it."""
    words, vocabulary = labels.vocabulary_of(studied.foundation)
    assert words[vocabulary.names.index("ruler")].tolist() == [NAMES.index("ruler"), 1]
    assert words[vocabulary.names.index("symmetric lesion")].tolist() == [NAMES.index("asymmetry"), -1]
    c = len(studied.index.means)
    alive = np.flatnonzero(~studied.index.dead)[:2]
    effect = np.zeros((c, len(NAMES)), np.float32)
    effect[alive, NAMES.index("ruler")] = [2, 0]
    truth = replace(studied.truth, activation=effect, activation_error=np.full_like(effect, 0.1))
    ranked = np.full((c, 1), MISSING, np.int32)
    ranked[alive] = vocabulary.names.index("ruler")
    q = np.ones(c)
    q[alive] = 0.01
    found = Labels(
        studied.index, vocabulary.names, BY_HAND, ranked, np.ones((c, 1), np.float32), q, q,
        np.ones(c, np.float32), {},
    )  # fmt: skip
    rows = {
        row.measure: row for row in labels._against_truth(replace(studied, truth=truth), found, words, "standardised")
    }
    assert rows["components labelled"].estimate.value == 1
    assert rows["labels without effect"].estimate.value == 0.5
    assert rows["labels it responds to"].estimate.value == 0.5
    assert rows["labels of its strongest concept"].estimate.value == 0.5
    assert rows["labels without effect"].oracle == 0.5  # nothing excites the second


def test_flags_are_held_against_what_excites(table):
    rows = {(row.what.split(",")[0], row.measure): row for row in table["audit"]}
    assert rows["band-aid", "AUROC against those it does not excite"].estimate.value > 0.7
    flagged = [row for row in table["audit"] if row.measure == "false flags"]
    assert len(flagged) == 2
    assert all(row.estimate.value < 0.4 for row in flagged)


def test_questions_by_encoding_are_held_against_the_truth(table):
    rows = {(row.what, row.measure): row for row in table["by encoding"]}
    whole, few = "60 images", "20 images per class"
    for what in (whole, few):
        for how in ("a lone phrase", "jointly"):
            row = rows[what, f"search, mean average precision, {how}"]
            assert row.estimate.value > 2 * row.chance
        assert rows[what, "audit: AUROC against all others"].estimate.value > 0.8
        assert rows[what, "audit: flagged, of those that none excites"].estimate.value <= 0.1
        told = [
            rows[what, f"audit: {name}"].estimate for name in ("verdicts that are right", "verdicts that are wrong")
        ]
        assert sum(one.value for one in told) + rows[what, "audit: cannot tell"].estimate.value == pytest.approx(1)
        each = [
            rows[what, f"audit: {one}: right"].estimate.value for one in (*load_spec("melanoma").requirements, MASS)
        ]
        assert np.mean(each) == pytest.approx(told[0].value)
    assert rows[few, "audit: cannot tell"].estimate.value == 1  # 40 images are too few for a verdict
    called = next(row for row in table["by encoding"] if row.measure == "selectivity for it")
    assert np.isnan(called.estimate.value) or called.chance < called.estimate.value <= called.oracle


def test_encodings_of_all_images_that_were_kept_are_those_of_the_pass(studied):
    """And noise only lowers what the embedding explains."""
    own = studied.index.encodings
    assert own is not None
    same = conditions.again(own, np.arange(len(own.ids)))
    np.testing.assert_allclose(same.cross, own.cross, atol=2e-3)
    np.testing.assert_allclose(same.covariance, own.covariance, atol=1e-4)
    np.testing.assert_allclose(same.r2, own.r2, atol=2e-2)
    labels_ = np.arange(len(own.ids)) % 2
    r2 = [np.nanmedian(one.r2) for _, one in conditions.HARDER["blind"](own, labels_)]
    assert np.nanmedian(own.r2) > r2[1] > r2[3]
    patients = dict(conditions.HARDER["repeated"](own, labels_))
    assert [len(np.unique(one.groups)) for one in patients.values()] == [60, 12]
    few = next(conditions.HARDER["unequal"](own, labels_))[1]
    assert np.bincount(labels_[np.searchsorted(own.ids, few.ids)]).tolist() == [30, 1]
