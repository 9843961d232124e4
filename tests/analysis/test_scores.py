from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from semlens.analysis.chance import random_components
from semlens.analysis.results import pictures
from semlens.analysis.scores import MEASURES, Scores, clarity, polysemanticity, redundancy, score
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex
from semlens.index.records import Thumbnails
from semlens.numerics.vectors import mean_rows, unit
from semlens.types import MISSING, Component, axis_of
from semlens.views.plot.score import score_figure
from tests.responding import responding
from tests.tiny_index import tiny


def index_of(vectors: np.ndarray, rows: Any, layers: list[tuple[str, int]]) -> ConceptIndex:
    """An index with these crops and concept examples; a crop's thumbnail is its number."""
    u, d = vectors.shape
    rows = np.asarray(rows, np.int32)
    c, k = rows.shape
    crops, base = vectors.astype(np.float16), tiny()
    return replace(
        base,
        recipe=replace(base.recipe, k=k, foundation=replace(base.recipe.foundation, dimension=d)),
        layers=axis_of([(layer, "channels", components) for layer, components in layers]),
        ids=rows,
        positions=rows,
        activations=np.where(rows == MISSING, -np.inf, 1).astype(np.float32),
        rows=rows,
        fired=np.ones(c, np.int64),
        nan=np.zeros(c, np.int64),
        lowest=np.zeros(c, np.float32),
        means=mean_rows(crops, rows),
        random=np.zeros((0, d), np.float16),
        vectors=crops,
        sources=np.zeros(u, np.int32),
        boxes=np.tile(np.array([[0, 0, 8, 8]], np.int32), (u, 1)),
        read_thumbnails=lambda: Thumbnails.pack([b"" if i == 1 else str(i).encode() for i in range(u)]),
    )


def world(seed: int = 0, k: int = 8, d: int = 32) -> ConceptIndex:
    """20 concepts of 20 crops. Layer a: 30 components of one concept each, of which one is dead, one has 3 examples and
    one has 1. Layer b: 20 components of two concepts. Layer c: one of any crops."""
    rng = np.random.default_rng(seed)
    concepts = rng.normal(size=(20, d)) + 0.5 * rng.normal(size=d)
    vectors = unit(np.repeat(concepts, 20, axis=0) + 0.5 * rng.normal(size=(400, d)))
    crops = np.arange(400).reshape(20, 20)
    a = [rng.choice(crops[i % 20], k, replace=False) for i in range(30)]
    b = [rng.choice(crops[rng.choice(20, 2, replace=False)].ravel(), k, replace=False) for _ in range(20)]
    rows = np.concatenate([a, b, [rng.choice(400, k, replace=False)]]).astype(np.int32)
    rows[3], rows[5, 3:], rows[6, 1:] = MISSING, MISSING, MISSING
    return index_of(vectors, rows, [("a", 30), ("b", 20), ("c", 1)])


WORLD = world()


@cache
def scored() -> Scores:
    return score(WORLD, draws=200)


def examples_of(index: ConceptIndex, row: int) -> np.ndarray:
    return unit(index.vectors[[crop for crop in index.rows[row] if crop != MISSING]]).astype(np.float64)


def slow_clarity(vectors: np.ndarray) -> float:
    cosines = [x @ y for i, x in enumerate(vectors) for j, y in enumerate(vectors) if i != j]
    return sum(cosines) / len(cosines) if cosines else np.nan


E1, E2 = [1.0, 0.0], [0.0, 1.0]


@pytest.mark.parametrize(
    ("pair", "c", "p"), [((E1, E2), 0, 1), ((E1, [-1.0, 0.0]), -1, 2), ((E1, E1), 1, 0), ((E1, [0.6, 0.8]), 0.6, 0.4)]
)
def test_two_examples_worked_by_hand(pair: Any, c: float, p: float) -> None:
    vectors, valid = np.array([pair], np.float32), np.ones((1, 2), bool)
    assert clarity(vectors, valid)[0] == pytest.approx(c, abs=1e-6)
    assert polysemanticity(vectors, valid)[0] == pytest.approx(p, abs=1e-6)


def test_four_examples_worked_by_hand() -> None:
    """x x y y: 2 of 6 pairs are alike. x x x y: 3 of 6. Both fall in two clusters at right angles."""
    vectors, valid = np.array([[E1, E1, E2, E2], [E1, E1, E1, E2]], np.float32), np.ones((2, 4), bool)
    np.testing.assert_allclose(clarity(vectors, valid), [1 / 3, 1 / 2], atol=1e-6)
    np.testing.assert_allclose(polysemanticity(vectors, valid), [1, 1], atol=1e-6)
    masked = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], bool)
    np.testing.assert_allclose(clarity(vectors, masked), [1, 0], atol=1e-6)


def test_redundancy_worked_by_hand() -> None:
    means = np.array([[2, 0], [0, 1], [0.6, 0.8]], np.float32)
    np.testing.assert_allclose(redundancy(means), [0.6, 0.8, 0.8], atol=1e-6)
    np.testing.assert_allclose(redundancy(means[[0, 0]]), [1, 1], atol=1e-6)
    assert np.isnan(redundancy(means[:1])).all()
    assert redundancy(means[:0]).size == 0


def test_redundancy_in_blocks_equals_its_slow_twin() -> None:
    means = np.random.default_rng(0).normal(size=(2500, 6)).astype(np.float32)
    cosines = unit(means).astype(np.float64) @ unit(means).astype(np.float64).T
    np.fill_diagonal(cosines, -2)
    np.testing.assert_allclose(redundancy(means), cosines.max(axis=1), atol=1e-5)


def test_clarity_equals_its_slow_twin_and_is_not_defined_below_two() -> None:
    for row in range(51):
        examples = examples_of(WORLD, row)
        if len(examples) < 2:
            assert np.isnan([scored().clarity[row], scored().polysemanticity[row], scored().clarity_p[row]]).all()
        else:
            assert scored().clarity[row] == pytest.approx(slow_clarity(examples), abs=1e-5)
    assert np.flatnonzero(np.isnan(scored().clarity)).tolist() == [3, 6]


def test_redundancy_looks_within_the_layer_at_what_is_alive() -> None:
    means = unit(WORLD.means).astype(np.float64)
    for start, stop in ((0, 30), (30, 50)):
        for row in range(start, stop):
            others = [float(means[row] @ means[at]) for at in range(start, stop) if at not in (row, 3)]
            assert scored().redundancy[row] == pytest.approx(np.nan if row == 3 else max(others), abs=1e-5, nan_ok=True)
    assert np.isnan(scored().redundancy[50])  # alone in its layer


def test_polysemanticity_equals_scikit_learn_where_clusters_are_clear() -> None:
    from sklearn.cluster import KMeans

    for row in range(30, 50):
        examples = examples_of(WORLD, row)
        x, y = KMeans(n_clusters=2, n_init=10, random_state=0).fit(examples).cluster_centers_
        expected = 1 - x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert scored().polysemanticity[row] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_mixtures_lose_clarity_and_two_concepts_are_the_most_polysemantic(seed: int) -> None:
    """E4: components of s distinct concepts, s from 1 to 5."""
    rng = np.random.default_rng(seed)
    clear, poly = [], []
    offset = 0.5 * rng.normal(size=128)
    for s in range(1, 6):
        concepts = unit(rng.normal(size=(100, s, 128)) + offset)
        examples = concepts[:, np.arange(30) % s] + 0.03 * rng.normal(size=(100, 30, 128))
        vectors, valid = unit(examples), np.ones((100, 30), bool)
        clear.append(clarity(vectors, valid).mean())
        poly.append(polysemanticity(vectors, valid).mean())
    assert max(np.diff(clear)) < -0.02
    assert poly[1] > poly[2] + 0.005  # hardly: the measure tells one concept from several, not how many
    assert poly[1:] == sorted(poly[1:], reverse=True)
    assert poly[4] > poly[0] + 0.5


def test_what_chance_gives_is_what_random_components_give() -> None:
    drawn = random_components(WORLD, layers=["b"], draws=200, seed=0)
    slow = [slow_clarity(unit(WORLD.vectors[rows]).astype(np.float64)) for rows in drawn.rows]
    found = scored().layers[1].clarity
    assert found.baseline == pytest.approx(np.mean(slow), abs=1e-5)
    assert (found.baseline_low, found.baseline_high) == pytest.approx(
        tuple(np.quantile(slow, [0.025, 0.975])), abs=1e-5
    )
    for row in range(30, 50):
        as_clear = sum(value >= scored().clarity[row] - 1e-6 for value in slow)
        p = scored().clarity_p[row]
        assert p == pytest.approx((as_clear + 1) / 201) if as_clear else 1 / 2001 < p <= 1 / 201
        assert scored().excess[row] == pytest.approx(
            (scored().clarity[row] - np.mean(slow)) / (1 - np.mean(slow)), abs=1e-4
        )


def test_redundancy_is_held_against_as_many_random_components() -> None:
    drawn = random_components(WORLD, layers=["b"], draws=200, seed=0)
    means = unit(mean_rows(WORLD.vectors, drawn.rows[:20]))
    cosines = means @ means.T - 2 * np.eye(20)
    assert scored().layers[1].redundancy.baseline == pytest.approx(cosines.max(axis=1).mean(), abs=1e-3)


def test_one_concept_stands_out_and_random_examples_do_not() -> None:
    assert (scored().clarity_p[[0, 1, 2]] < 0.01).all()
    random = random_components(WORLD, layers=["b"], draws=60, seed=9)
    other = index_of(WORLD.vectors.astype(np.float32), random.rows, [("b", len(random.rows))])
    p = score(other, draws=500).clarity_p
    assert 0.35 < p.mean() < 0.65
    assert (p < 0.05).mean() < 0.2


def test_layers_count_what_they_leave_out() -> None:
    a, b, c = scored().layers
    assert (a.layer, a.components, a.dead, a.incomplete) == ("a", 30, 1, 2)
    assert (b.components, b.dead, b.incomplete, c.components) == (20, 0, 0, 1)
    whole = [row for row in range(30) if row not in (3, 5, 6)]
    for measure in MEASURES:
        values, found = getattr(scored(), measure), getattr(a, measure)
        assert found.mean == pytest.approx(values[whole].mean())
        assert found.low < found.mean < found.high
        error = values[whole].std(ddof=1) / 27**0.5  # what the bootstrap should come near to
        assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.25)
    assert c.clarity.mean == pytest.approx(scored().clarity[50])
    assert np.isnan([c.clarity.low, c.clarity.high, c.redundancy.mean, c.redundancy.baseline]).all()


def test_only_the_layers_asked_for() -> None:
    some = score(WORLD, layers=["b"], draws=200)
    assert [found.layer for found in some.layers] == ["b"]
    assert np.isnan(some.clarity[:30]).all()
    for name in (*MEASURES, "clarity_p", "excess"):
        assert np.array_equal(getattr(some, name)[30:50], getattr(scored(), name)[30:50])
    assert some.layers[0] == scored().layers[1]
    assert [row.component for row in some.rows] == [Component("b", unit) for unit in range(20)]


def test_an_index_without_any_crop() -> None:
    found = score(index_of(np.zeros((0, 4)), np.full((2, 3), MISSING), [("a", 2)]), draws=50)
    assert found.layers[0].dead == 2
    assert np.isnan([*found.clarity, *found.clarity_p, *found.excess]).all()


def test_a_layer_without_examples_and_one_without_complete_components() -> None:
    rows = np.array([[MISSING] * 3, [0, 1, MISSING], [2, 3, MISSING]], np.int32)
    dead, short = score(index_of(unit(np.eye(4)), rows, [("dead", 1), ("short", 2)]), draws=50).layers
    assert (dead.dead, dead.incomplete, short.dead, short.incomplete) == (1, 0, 0, 2)
    assert np.isnan([dead.clarity.mean, dead.clarity.baseline, short.clarity.mean]).all()
    assert 0 <= short.clarity.baseline < 1


def test_rows_say_it_with_pictures() -> None:
    rows = scored().rows
    assert len(rows) == 51
    assert rows[31].component == Component("b", 1)
    assert (rows[31].clarity, rows[31].p_value) == (scored().clarity[31], scored().clarity_p[31])
    assert rows.records()[3]["clarity"] is None
    crops = [crop for crop in WORLD.rows[0][:5] if crop != 1]
    assert pictures(scored().index, rows[0].component) == [str(crop).encode() for crop in crops]
    assert pictures(scored().index, rows[3].component) == []
    assert len(pictures(scored().index, rows[5].component)) == 3
    assert "<img" in rows[:3]._repr_html_()


def test_the_summary_is_a_row_per_layer_and_measure() -> None:
    summary = scored().summary
    assert [(row.layer, row.measure) for row in summary] == [(a, m) for a in "abc" for m in MEASURES]
    assert summary[4].mean == scored().layers[1].polysemanticity.mean
    assert summary[4].baseline_high == scored().layers[1].polysemanticity.baseline_high
    assert repr(scored()) == repr(summary)


def test_a_seed_gives_the_same_again() -> None:
    again = score(WORLD, draws=200)
    assert again.summary.records() == scored().summary.records()
    assert np.array_equal(again.clarity_p, scored().clarity_p, equal_nan=True)
    other = score(WORLD, draws=200, seed=1)
    assert np.array_equal(other.clarity, scored().clarity, equal_nan=True)
    assert other.layers[1].clarity.baseline != scored().layers[1].clarity.baseline


def test_mistakes() -> None:
    with pytest.raises(SemlensError, match="unknown layer 'aa'"):
        score(WORLD, layers=["aa"])
    with pytest.raises(SemlensError, match="draws is 0"):
        score(WORLD, draws=0)


def test_the_figure_shows_every_component_and_the_baseline() -> None:
    figure = score_figure(scored())
    assert [axes.get_ylabel() for axes in figure.axes] == list(MEASURES)
    for axes, measure in zip(figure.axes, MEASURES, strict=True):
        clouds = [np.asarray(cloud.get_offsets()) for cloud in axes.collections if cloud.get_gid() == "components"]
        shown = np.concatenate(clouds)[:, 1]
        values = getattr(scored(), measure)
        assert sorted(shown) == sorted(values[~np.isnan(values)])
    assert [label.get_text() for label in figure.axes[-1].get_xticklabels()] == ["a", "b", "c"]


def test_a_figure_of_nothing_is_a_mistake() -> None:
    empty: Scores = replace(scored(), layers=())
    with pytest.raises(SemlensError, match="no layer"):
        score_figure(empty)


def test_an_untrained_network_is_a_second_baseline() -> None:
    twin = replace(world(seed=5), layers=WORLD.layers)
    found = score(WORLD, layers=["b", "a"], draws=100, untrained=twin)
    alone = score(twin, layers=["a", "b"], draws=100)
    for row, layer in zip(found.summary, [layer for layer in alone.layers for _ in MEASURES], strict=True):
        assert row.untrained == getattr(layer, row.measure).mean
    assert "untrained" in repr(found)
    assert "untrained" not in repr(score(WORLD, layers=["c"], draws=50))
    with pytest.raises(SemlensError, match="build both in the same way from the same images"):
        score(WORLD, draws=20, untrained=world(k=6))
    with pytest.raises(SemlensError, match="has none of the layers"):
        score(WORLD, layers=["c"], draws=20, untrained=index_of(twin.vectors, twin.rows[:30], [("a", 30)]))


def test_what_the_foundation_model_explains_is_a_measure_where_it_is_known() -> None:
    index = responding([(4,), (5,), None], layers=(2, 1))
    r2 = np.array([0.6, 0.4, np.nan], np.float32)
    assert index.encodings is not None
    encodings = replace(index.encodings, r2=r2)
    found = score(index._with(type(encodings), lambda: encodings), draws=50)
    summary = {(row.layer, row.measure): row.mean for row in found.summary}
    assert summary["layer0", "r2"] == pytest.approx(0.5)
    assert np.isnan(summary["layer1", "r2"])
    assert [row.r2 for row in found.rows][:2] == pytest.approx([0.6, 0.4])
    assert not any(row.measure == "r2" for row in scored().summary)
