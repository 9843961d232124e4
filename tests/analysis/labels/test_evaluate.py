import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from semlens.analysis.chance import q_values
from semlens.analysis.labels import evaluate
from semlens.analysis.labels.evaluate import (
    Evaluation,
    cosy,
    cosy_retrieved,
    final_layer,
    merge_evaluations,
    retrieve,
    simulation,
)
from semlens.errors import SemlensError
from semlens.numerics.metrics import auroc, bootstrap
from semlens.types import MISSING
from tests.toy import ColourSpace

FM = ColourSpace()
WORDS = ("red", "green", "blue", "red green")
NAN = float("nan")


def values(evaluation: Evaluation, measure: str, labels: str = "found") -> list[float]:
    return [float(value) for value in evaluation.of(measure, labels).values]


def measured(evaluation: Evaluation) -> list[tuple[str, str]]:
    return [(row.measure, row.labels) for row in evaluation.rows]


# Final layer


def of_colours(labels: list[str | None], truth: list[str | None], **more: Any) -> Evaluation:
    return final_layer(labels, truth, vocabulary=WORDS, spaces={"colours": FM.embed_texts}, **more)


def test_accuracy_counts_any_true_name_in_any_case() -> None:
    found = of_colours(
        ["RED", "blue", "red_green", None, "red", ""], ["crimson, Red", "green", "red  green", "blue", None, "red"]
    )
    assert values(found, "accuracy") == pytest.approx([1, 0, 1, NAN, NAN, NAN], nan_ok=True)
    assert values(found, "accuracy", "random") == pytest.approx([1 / 4, 1 / 4, 1 / 4, NAN, NAN, NAN], nan_ok=True)
    assert values(found, "accuracy", "oracle") == pytest.approx([1, 1, 1, NAN, NAN, NAN], nan_ok=True)
    row = found.rows[0]
    assert (row.value, row.n, row.left_out, row.images_from) == (pytest.approx(2 / 3), 3, 3, "")


def test_a_truth_outside_the_vocabulary_cannot_be_said() -> None:
    found = of_colours(["red"], ["crimson"])
    assert [row.value for row in found.rows if row.measure == "accuracy"] == [0, 0, 0]


def test_a_true_name_with_a_comma_may_be_said_whole() -> None:
    found = final_layer(["tabby, tabby cat"], ["tabby, tabby cat"], vocabulary=["tabby, tabby cat", "dog"], spaces={})
    assert [row.value for row in found.rows] == [1, 0.5, 1]


def test_cosine_of_names_by_hand() -> None:
    found = of_colours(["red", "green", "red green", None], ["red", "red", "blue, red", "red"])
    half = 2**-0.5
    assert values(found, "cosine in colours") == pytest.approx([1, 0, half, NAN], nan_ok=True)
    # Of red, green, blue and red green, red is like the first and half like the last; blue or red like one more.
    chance = [(1 + half) / 4, (1 + half) / 4, (2 + half) / 4, NAN]
    assert values(found, "cosine in colours", "random") == pytest.approx(chance, nan_ok=True)
    assert values(found, "cosine in colours", "oracle") == pytest.approx([1, 1, 1, NAN], nan_ok=True)


def test_the_oracle_takes_the_nearest_phrase_where_the_truth_is_none() -> None:
    found = final_layer(["blue"], ["red"], vocabulary=["blue", "red green"], spaces={"colours": FM.embed_texts})
    assert values(found, "cosine in colours", "oracle") == pytest.approx([2**-0.5])


def test_every_text_space_has_its_rows() -> None:
    turned = {"a": FM.embed_texts, "b": lambda texts: FM.embed_texts([*texts])[:, ::-1].copy()}
    found = final_layer(["red", "blue"], ["red", "red"], vocabulary=WORDS, spaces=turned)
    assert [row.measure for row in found.rows][3:] == ["cosine in a"] * 3 + ["cosine in b"] * 3
    assert values(found, "cosine in b") == values(found, "cosine in a") == [1, 0]


def test_top_5_looks_at_five_phrases_and_chance_draws_five() -> None:
    words = [f"w{i}" for i in range(12)]
    ranked = [words[:6], words[1:7], words[6:]]
    found = final_layer(["w0", "w1", "w6"], ["w4", "w6, w11", "w0"], vocabulary=words, spaces={}, ranked=ranked)
    assert values(found, "top-5 accuracy") == [1, 0, 0]
    # Five of twelve drawn without return: a truth with r names is among them unless all come from the other 12 - r.
    chance = [1 - stats.hypergeom.pmf(0, 12, r, 5) for r in (1, 2, 1)]
    assert values(found, "top-5 accuracy", "random") == pytest.approx(chance)


def test_chance_of_names_is_what_seeded_draws_come_to() -> None:
    truth: list[str | None] = ["red", "green", "blue, green", "red green"]
    rng = np.random.default_rng(0)
    drawn = of_colours([WORDS[i] for i in rng.integers(4, size=4000)], truth * 1000)
    for measure in ("accuracy", "cosine in colours"):
        mean = np.reshape(values(drawn, measure), (1000, 4)).mean(axis=0)
        assert values(of_colours(["red"] * 4, truth), measure, "random") == pytest.approx(list(mean), abs=0.05)


def test_phrases_and_components_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = everything()
    monkeypatch.setattr(evaluate, "_PHRASES", 2)
    monkeypatch.setattr(evaluate, "_COMPONENTS", 3)
    assert [len(one.scores) for one in whole] == [6, 10, 6]
    for one, other in zip(whole, everything(), strict=True):
        assert measured(one) == measured(other)
        for a, b in zip(one.scores, other.scores, strict=True):
            np.testing.assert_allclose(a.values, b.values, rtol=0, atol=1e-6)


def test_what_final_layer_cannot_do() -> None:
    with pytest.raises(SemlensError, match="a label and a true name for each"):
        of_colours(["red"], ["red", "green"])
    with pytest.raises(SemlensError, match="a label and a true name for each"):
        of_colours(["red"], ["red"], ranked=[["red"], ["red"]])
    with pytest.raises(SemlensError, match="vocabulary"):
        final_layer(["red"], ["red"], vocabulary=[], spaces={})
    with pytest.raises(SemlensError, match="the model itself names"):
        of_colours(["red", None], [None, "red"])


# CoSy


def random_world(seed: int = 0, c: int = 7, v: int = 9) -> dict[str, Any]:
    """A pool of 60 and a control of 80 images that no component tells apart, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    pool, control = (np.round(rng.normal(size=(size, c)), 1).astype(np.float32) for size in (60, 80))
    similarity = rng.normal(size=(60, v)).astype(np.float32)
    found = rng.integers(0, v, c)
    return {
        "pool": pool,
        "control": control,
        "retrieved": retrieve(similarity, 6),
        "found": found,
        "similarity": similarity,
    }


def everything() -> tuple[Evaluation, ...]:
    w = random_world()
    highest = w["pool"].max(axis=0)
    retrieved = cosy_retrieved(w["found"], w["retrieved"], w["pool"], w["control"], highest=highest)
    predicted = simulation(w["similarity"][:, w["found"]], w["pool"], vocabulary=w["similarity"])
    return of_colours(["red", "blue", None], ["red", "red, green", "blue"]), retrieved, predicted


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_auc_and_p_equal_scipy_and_sklearn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    concept = np.round(rng.normal(0.4, 1, (20, 15)), decimals)
    control = np.round(rng.normal(0, 1, (110, 15)), decimals)
    found = cosy(concept, control, images_from="generated").of("AUC")
    assert found.p is not None
    truth = np.repeat([True, False], [20, 110])
    for c, (a, b) in enumerate(zip(concept.T, control.T, strict=True)):
        both = np.concatenate([a, b])
        test = stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic")
        assert found.values[c] == pytest.approx(roc_auc_score(truth, both), abs=1e-12)
        assert found.values[c] == pytest.approx(auroc(both, truth), abs=1e-12)
        assert found.p[c] == pytest.approx(test.pvalue, rel=1e-9)


def test_cosy_by_hand() -> None:
    concept = np.array([[1.0, 5.0], [3.0, 5.0]])
    control = np.array([[0.0, 2.0], [1.0, 4.0], [2.0, 6.0], [1.0, 8.0]])
    found = cosy(concept, control, images_from="retrieved", highest=np.array([4.0, 0.0]))
    # 1 lies above 0, level with two ones; 3 above all. 5 lies above 2 and 4, below 6 and 8.
    assert values(found, "AUC") == [(2 + 4) / 8, 0.5]
    assert values(found, "MAD") == pytest.approx([1 / 0.5**0.5, 0])
    assert values(found, "DMA") == pytest.approx([0.5, NAN], nan_ok=True)
    assert [(row.measure, row.n, row.left_out) for row in found.rows] == [
        ("AUC", 2, 0),
        ("MAD", 2, 0),
        ("DMA", 1, 1),
        ("significant", 2, 0),
    ]
    assert {row.images_from for row in found.rows} == {"retrieved"}


def test_a_unit_that_never_fires_ties_with_everything() -> None:
    concept, control = np.zeros((4, 2), np.float32), np.zeros((9, 2), np.float32)
    concept[:, 1] = control[:, 1] = 0.1
    found = cosy(concept, control, images_from="generated", highest=np.zeros(2, np.float32))
    auc = found.of("AUC")
    assert list(auc.values) == [0.5, 0.5]  # a strict comparison would say 0
    assert auc.p is not None
    assert list(auc.p) == [1, 1]
    assert values(found, "MAD") == [0, 0]
    assert np.isnan(values(found, "DMA")).all()
    assert values(found, "significant") == [0, 0]


def test_a_constant_control_that_does_not_average_exactly_gives_no_huge_mad() -> None:
    control = np.full((7, 1), 0.1)
    assert control.std() > 0
    assert values(cosy(np.ones((3, 1)), control, images_from="generated"), "MAD") == [0]


def test_components_without_label_or_with_activations_that_are_not_numbers_are_left_out() -> None:
    rng = np.random.default_rng(1)
    concept, control = rng.normal(size=(5, 4)), rng.normal(size=(30, 4))
    alone = cosy(concept[:, 3:], control[:, 3:], images_from="generated", highest=np.ones(1))
    concept[:, 0], concept[2, 1], control[4, 2] = NAN, np.inf, NAN
    found = cosy(concept, control, images_from="generated", highest=np.ones(4))
    for measure in ("AUC", "MAD", "significant"):
        assert np.isnan(values(found, measure)[:3]).all()
        assert values(found, measure)[3:] == pytest.approx(values(alone, measure))
        row = next(row for row in found.rows if row.measure == measure)
        assert (row.n, row.left_out) == (1, 3)


def test_significant_is_what_benjamini_and_hochberg_leave() -> None:
    rng = np.random.default_rng(1)
    found = cosy(
        rng.normal(size=(15, 20)) + np.linspace(0, 1.2, 20), rng.normal(size=(60, 20)), images_from="generated"
    )
    p = found.of("AUC").p
    assert p is not None
    q = stats.false_discovery_control(p)
    assert ((q > 0.05) & (q < 0.1)).any()
    assert values(found, "significant") == [float(one <= 0.05) for one in q]
    np.testing.assert_allclose(q_values(p), stats.false_discovery_control(p))


def test_rows_are_bootstraps_over_components() -> None:
    rng = np.random.default_rng(3)
    found = cosy(rng.normal(size=(9, 30)), rng.normal(size=(40, 30)), images_from="generated", seed=5)
    auc, row = found.of("AUC"), found.rows[0]
    expected = bootstrap(auc.values, seed=5)
    assert (row.value, row.low, row.high, row.n) == (expected.value, expected.low, expected.high, 30)
    assert row.low < row.value < row.high


def test_retrieve_takes_the_best_and_of_equals_the_first() -> None:
    similarity = np.array([[0.1, 0.5], [0.9, 0.5], [0.1, 0.7], [0.3, 0.5]])
    assert retrieve(similarity, 3).tolist() == [[1, 3, 0], [2, 0, 1]]
    tied = np.round(random_world()["similarity"])  # seven values over sixty images
    assert (retrieve(tied, 30) == np.argsort(-tied, axis=0, kind="stable")[:30].T).all()
    for top in (0, 5):
        with pytest.raises(SemlensError, match="a pool of 4"):
            retrieve(similarity, top)
    with pytest.raises(SemlensError, match="could not be read"):
        retrieve(np.full((3, 1), NAN), 1)


def test_retrieved_equals_cosy_of_every_phrase_by_turns() -> None:
    w = random_world(4)
    highest, measures = w["pool"].max(axis=0), ("AUC", "MAD", "DMA")
    fast = cosy_retrieved(w["found"], w["retrieved"], w["pool"], w["control"], highest=highest)
    every = [
        cosy(w["pool"][images], w["control"], images_from="retrieved", highest=highest) for images in w["retrieved"]
    ]
    for measure in measures:
        table = np.array([values(one, measure) for one in every])  # v c
        np.testing.assert_allclose(values(fast, measure), table[w["found"], np.arange(7)], atol=1e-6)
        np.testing.assert_allclose(values(fast, measure, "random"), table.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(values(fast, measure, "oracle"), table.max(axis=0), atol=1e-6)
    assert measured(fast)[-1] == ("significant", "found")
    assert fast.of("AUC").p is not None


def test_random_labels_score_a_half_and_the_interval_covers_it() -> None:
    w = random_world(5, c=200, v=20)
    found = cosy_retrieved(w["found"], w["retrieved"], w["pool"], w["control"])
    rows = {row.labels: row for row in found.rows if row.measure == "AUC"}
    for labels in ("found", "random"):  # what was "found" here is drawn too
        assert rows[labels].value == pytest.approx(0.5, abs=0.03)
        assert rows[labels].low < 0.5 < rows[labels].high
    assert rows["oracle"].low > 0.6
    assert found.of("significant").mean.value < 0.02


def test_labels_that_say_what_a_component_does_win() -> None:
    """Component c fires on images of thing c; its label's images are of that thing, but for one component in three."""
    rng = np.random.default_rng(6)
    thing = rng.integers(0, 6, 300)
    acts = np.maximum(3.0 * (thing[:, None] == np.arange(6)) + rng.normal(size=(300, 6)), 0)
    similarity = (thing[:, None] == np.arange(6)) + 0.1 * rng.normal(size=(300, 6))
    pool, control = slice(0, 150), slice(150, 300)
    found = np.array([0, 1, 2, 3, 5, 4])
    fast = cosy_retrieved(found, retrieve(similarity[pool], 10), acts[pool], acts[control], highest=acts.max(axis=0))
    auc = np.array(values(fast, "AUC"))
    # A sixth of the control shows the thing as well and ties on average: 1 - 1/12 is the most there is.
    assert auc[:4].min() > 0.8 > 0.6 > auc[4:].max()
    assert values(fast, "AUC", "oracle")[4] > 0.8
    assert values(fast, "significant") == [1, 1, 1, 1, 0, 0]


def test_unlabelled_components_leave_all_three_rows() -> None:
    w = random_world(7)
    w["found"][2] = MISSING
    fast = cosy_retrieved(w["found"], w["retrieved"], w["pool"], w["control"], highest=w["pool"].max(axis=0))
    assert {(row.n, row.left_out) for row in fast.rows} == {(6, 1)}


def test_what_cosy_cannot_do() -> None:
    with pytest.raises(SemlensError, match="retrieved or generated"):
        cosy(np.ones((2, 1)), np.ones((2, 1)), images_from="drawn")
    with pytest.raises(SemlensError, match="found, random, oracle"):
        cosy(np.ones((2, 1)), np.ones((2, 1)), images_from="generated", labels="mine")
    with pytest.raises(SemlensError, match="give images of the labels"):
        cosy(np.ones((0, 1)), np.ones((2, 1)), images_from="generated")


def test_arrays_that_do_not_fit_are_refused_where_nothing_checks_shapes() -> None:
    code = """
import numpy as np
from semlens.analysis.labels.evaluate import cosy, simulation
one, two = np.ones((3, 1)), np.ones((3, 2))
for ask in (
    lambda: cosy(one, two, images_from="generated"),
    lambda: cosy(two, two, images_from="generated", highest=np.ones(1)),
    lambda: simulation(one, two),
    lambda: simulation(one, one[:1]),
    lambda: simulation(one, one, vocabulary=two[:1]),
):
    try:
        ask()
    except ValueError as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == [
        *["SemlensError give images of the labels and of the control, and for each the same components"] * 2,
        *["SemlensError give every array a row for each image, and the first two a column for each component"] * 3,
    ]


# Simulation


def test_simulation_equals_scipy() -> None:
    rng = np.random.default_rng(8)
    similarity = rng.normal(size=(50, 6)).astype(np.float32)
    acts = (similarity * np.arange(6) + rng.normal(size=(50, 6))).astype(np.float32)
    found = simulation(similarity, acts)
    for c in range(6):
        rectified = np.log1p(np.maximum(acts[:, c], 0))
        plain, log = stats.pearsonr(similarity[:, c], acts[:, c]), stats.pearsonr(similarity[:, c], rectified)
        assert values(found, "correlation")[c] == pytest.approx(plain.statistic, abs=1e-6)
        assert values(found, "correlation of log1p")[c] == pytest.approx(log.statistic, abs=1e-6)
    assert measured(found) == [("correlation", "found"), ("correlation of log1p", "found")]


def test_simulation_by_hand() -> None:
    similarity = np.array([[0.1, 0.3], [0.2, 0.2], [0.3, 0.1]])
    acts = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    assert values(simulation(similarity, acts), "correlation") == pytest.approx([1, -1])


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_simulation_does_not_depend_on_the_size_of_activations(size: float) -> None:
    rng = np.random.default_rng(12)
    similarity, acts = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    plain = values(simulation(similarity, acts), "correlation")
    assert values(simulation(similarity * size, acts * size), "correlation") == pytest.approx(plain, abs=1e-6)


def test_constant_components_are_left_out_and_counted() -> None:
    similarity = np.random.default_rng(9).normal(size=(20, 4))
    acts = similarity.copy()
    acts[:, 0], similarity[:, 1], acts[3, 2] = 0.1, NAN, NAN
    for row in simulation(similarity, acts, vocabulary=similarity[:, :1]).rows:
        assert (row.n, row.left_out) == (1, 3)
    acts[:, 3] -= 100
    found = simulation(similarity, acts)
    assert [row.n for row in found.rows] == [1, 0]  # nothing above 0, nothing to take the logarithm of
    assert np.isnan(found.rows[1].value)


def test_chance_and_ceiling_of_simulation_equal_every_phrase_by_turns() -> None:
    rng = np.random.default_rng(10)
    vocabulary, acts, found = rng.normal(size=(40, 9)), rng.normal(size=(40, 5)), np.array([3, 1, 4, 1, 5])
    vocabulary[:, 7] = 0.2  # a phrase that fits all alike predicts nothing
    fast = simulation(vocabulary[:, found], acts, vocabulary=vocabulary)
    table = np.array(
        [[stats.pearsonr(phrase, a).statistic for a in acts.T] for phrase in np.delete(vocabulary, 7, 1).T]
    )
    np.testing.assert_allclose(values(fast, "correlation", "random"), table.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(values(fast, "correlation", "oracle"), table.max(axis=0), atol=1e-6)
    drawn = rng.integers(0, 8, (4000, 5))
    slow = table[drawn, np.arange(5)].mean(axis=0)
    np.testing.assert_allclose(values(fast, "correlation", "random"), slow, atol=0.02)


# Together


def test_the_oracle_is_never_beaten_by_what_was_found() -> None:
    for evaluation in everything():
        for scores in evaluation.scores:
            if scores.measure not in ("MAD", "DMA"):
                assert np.nanmin(scores.values) >= -1
                assert np.nanmax(scores.values) <= 1
        names = {measure for measure, labels in measured(evaluation) if labels == "oracle"}
        assert len(evaluation.scores) >= 6
        assert names
        for name in names:
            found, best = (np.array(values(evaluation, name, labels)) for labels in ("found", "oracle"))
            assert (best >= found - 1e-6)[~np.isnan(found)].all()


def test_evaluations_of_the_same_components_join() -> None:
    _, retrieved, predicted = everything()
    together = merge_evaluations([retrieved, predicted])
    assert measured(together) == measured(retrieved) + measured(predicted)
    assert together.of("correlation").values is predicted.of("correlation").values
    records = together.rows.records()
    assert records[0]["measure"] == "AUC"
    assert [record["images_from"] for record in records[-2:]] == ["", ""]
    assert "How faithful the labels are" in repr(together)


def test_retrieved_and_generated_never_mix() -> None:
    rng = np.random.default_rng(11)
    concept, control = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))

    def of(source: str, labels: str) -> Evaluation:
        return cosy(concept, control, images_from=source, labels=labels)

    assert len(merge_evaluations([of("generated", "found"), of("generated", "random")]).scores) == 6
    refused: list[tuple[Callable[[], Evaluation], str]] = [
        (lambda: merge_evaluations([of("generated", "found"), of("retrieved", "random")]), "do not compare"),
        (lambda: merge_evaluations([of("generated", "found"), of("generated", "found")]), "repeat a measure"),
        (
            lambda: merge_evaluations([of("generated", "found"), simulation(control[:, :1], concept[:, :1])]),
            "different components",
        ),
    ]
    for act, message in refused:
        with pytest.raises(SemlensError, match=message):
            act()


def test_an_unknown_measure_names_the_nearest() -> None:
    with pytest.raises(SemlensError, match=r"unknown measure 'AUK \(found\)'; nearest: AUC \(found\)"):
        everything()[1].of("AUK")


def test_evaluating_imports_no_torch() -> None:
    heavy = {"torch", "timm", "scipy", "sklearn"}
    code = f"import sys, semlens.analysis.labels.evaluate; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
