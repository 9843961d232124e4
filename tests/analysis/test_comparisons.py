import sys
from dataclasses import replace
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from semlens.analysis.chance import q_values
from semlens.analysis.comparisons import compare
from semlens.analysis.comparisons.matches import best_matches, rank_weights
from semlens.analysis.comparisons.spaces import sides_of
from semlens.errors import SemlensError
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex
from semlens.index.records import CropId
from semlens.numerics.vectors import mean_rows, unit
from semlens.types import MISSING, Component, axis_of
from semlens.views.plot.compare import compare_figure
from tests.analysis.test_search import toy_index
from tests.encoded_audit import encoded_index
from tests.planted import phrases, planted
from tests.tiny_index import tiny


def named(index: ConceptIndex, name: str) -> ConceptIndex:
    return replace(index, recipe=replace(index.recipe, model=replace(index.recipe.model, name=name)))


def flat(means: np.ndarray, name: str = "m", alive: np.ndarray | None = None) -> ConceptIndex:
    """One layer with these semantic embeddings, each component by one crop of its own."""
    c, d = means.shape
    rows = np.arange(c, dtype=np.int32)[:, None]
    rows[~(np.ones(c, bool) if alive is None else alive)] = MISSING
    index = replace(
        toy_index(),
        recipe=replace(toy_index().recipe, k=1, foundation=replace(toy_index().recipe.foundation, dimension=d)),
        layers=axis_of([("a", "channels", c)]),
        ids=rows,
        positions=rows,
        activations=np.zeros((c, 1), np.float32),
        rows=rows,
        fired=np.zeros(c, np.int64),
        nan=np.zeros(c, np.int64),
        lowest=np.zeros(c, np.float32),
        means=np.where(rows != MISSING, unit(means), 0).astype(np.float16),
        random=unit(means).astype(np.float16),
        vectors=unit(means).astype(np.float16),
        sources=np.zeros(c, np.int32),
        boxes=np.tile(np.array([[0, 0, 8, 8]], np.int32), (c, 1)),
    )
    return named(index, name)


def noise(c: int, d: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(c, d)).astype(np.float32)


def whole(means: np.ndarray, vectors: np.ndarray, name: str, k: int = 4) -> ConceptIndex:
    """Two layers whose components have `k` crops each among `vectors`, and these embeddings."""
    index = flat(vectors, name)
    rows = np.random.default_rng(5).integers(0, len(vectors), (len(means), k)).astype(np.int32)
    rows[::3, k - 1] = MISSING
    blank = np.zeros(len(means), np.int64)
    return replace(
        index,
        recipe=replace(index.recipe, k=k),
        layers=axis_of([("a", "channels", len(means) // 2), ("b", "channels", len(means) - len(means) // 2)]),
        ids=rows,
        positions=rows,
        activations=np.zeros(rows.shape, np.float32),
        rows=rows,
        fired=blank,
        nan=blank,
        lowest=blank.astype(np.float32),
        means=unit(means).astype(np.float16),
    )


def slow_best(x: np.ndarray, y: np.ndarray) -> list[tuple[int, float]]:
    found = []
    for m in x.astype(np.float64):
        most, at = -2.0, -1
        for n, other in enumerate(y.astype(np.float64)):
            similar = float(m @ other / (np.linalg.norm(m) * np.linalg.norm(other)))
            if similar > most:
                most, at = similar, n
        found.append((at, most))
    return found


def test_two_by_two_by_hand() -> None:
    m = flat(np.array([[1.0, 0], [0, 1.0]]), "m")
    n = flat(np.array([[1.0, 0], [0.6, 0.8]]), "n")
    found = compare([m, n], draws=10)
    rows = {(row.source, row.target): row for row in found.pairs}
    assert rows["m", "n"].similarity == pytest.approx((1 + 0.8) / 2, abs=1e-3)  # (0, 1) is nearest to (0.6, 0.8)
    assert rows["n", "m"].similarity == pytest.approx((1 + 0.8) / 2, abs=1e-3)
    best = {(row.source, str(row.component)): (str(row.match), row.similarity) for row in found.matches}
    assert best["m", "a:0"] == ("a:0", 1)
    assert best["m", "a:1"] == ("a:1", pytest.approx(0.8, abs=1e-3))
    assert best["n", "a:1"] == ("a:1", pytest.approx(0.8, abs=1e-3))


def test_similarity_is_directed() -> None:
    m, n = flat(np.array([[1.0, 0]]), "m"), flat(np.array([[1.0, 0], [0, 1.0], [0, -1.0]]), "n")
    into, back = compare([m, n], draws=5).pairs
    assert (into.similarity, back.similarity) == (1, pytest.approx(1 / 3, abs=1e-6))
    assert into.corrected == pytest.approx((1 + 0 + 0) / 3, abs=1e-6)  # each of the three alone in turn
    assert back.corrected == back.similarity  # the target is the smallest set already
    assert np.isnan(into.low)  # a single component says nothing about how they vary
    assert back.low < back.similarity < back.high


@pytest.mark.parametrize("seed", range(3))
def test_best_matches_equal_double_loops_and_every_subset(seed: int) -> None:
    x, y = noise(9, 4, seed), noise(7, 4, seed + 10)
    found = best_matches(x, y, 3)
    slow = slow_best(x, y)
    assert found.match.tolist() == [at for at, _ in slow]
    np.testing.assert_allclose(found.similarity, [value for _, value in slow], atol=1e-6)
    subsets = [best_matches(x, y[list(chosen)], 3).similarity for chosen in combinations(range(7), 3)]
    np.testing.assert_allclose(found.corrected, np.mean(subsets, axis=0), atol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = noise(50, 8, 0), noise(31, 8, 1)
    at_once = best_matches(x, y, 11)
    monkeypatch.setattr(sys.modules["semlens.analysis.comparisons.matches"], "_CELLS", 100)
    in_blocks = best_matches(x, y, 11)
    assert at_once.match.tolist() == in_blocks.match.tolist()
    np.testing.assert_allclose(at_once.corrected, in_blocks.corrected, atol=1e-6)


@pytest.mark.parametrize(("n", "size"), [(1, 1), (5, 5), (7, 3), (400, 20)])
def test_rank_weights_count_subsets(n: int, size: int) -> None:
    exact = [comb(n - 1 - rank, size - 1) / comb(n, size) for rank in range(n - size + 1)]
    weights = rank_weights(n, size)
    np.testing.assert_allclose(weights, exact[: len(weights)], atol=1e-14)
    assert sum(exact[len(weights) :]) < 1e-11


def test_ties_go_to_the_lower_row_and_a_vector_is_itself_exactly() -> None:
    x = noise(40, 33, 2)
    assert best_matches(x, np.concatenate([x, x]), 80).match.tolist() == list(range(40))
    assert best_matches(x, np.concatenate([x, x]), 80).similarity.tolist() == [1.0] * 40


def test_an_index_is_wholly_in_itself() -> None:
    index = flat(noise(60, 24, 0))
    found = compare([index, index], draws=20)
    assert found.names == ("m", "m (2)")
    for row in found.pairs:
        assert (row.similarity, row.corrected, row.low, row.high) == (1, 1, 1, 1)
    assert all(row.component == row.match for row in found.matches)


def test_a_bigger_set_finds_more_by_its_size_alone_and_the_correction_takes_it_off() -> None:
    source = flat(noise(80, 12, 0), "source")
    plain, corrected, baseline = [], [], []
    for size in (80, 320, 1280):
        row = compare([source, flat(noise(size, 12, 1), "target")], draws=20).pairs[0]
        plain.append(row.similarity)
        corrected.append(row.corrected)
        baseline.append(row.baseline)
    assert plain[0] + 0.04 < plain[1] < plain[2] - 0.04
    assert max(corrected) - min(corrected) < 0.02
    assert corrected[0] == plain[0]
    np.testing.assert_allclose(plain, baseline, atol=0.05)  # random sets stand for random sets


def test_chance_equals_the_slow_twin() -> None:
    x, vectors = noise(7, 6, 0), noise(40, 6, 1)
    source, target = whole(x, noise(40, 6, 2), "source"), whole(noise(11, 6, 3), vectors, "target")
    found = compare([source, target], draws=30, seed=4).directions[0]
    random = sides_of([source, target], (), "examples")[1].random(30, (4, 0)).reshape(30, 11, 6)
    real = source.means.astype(np.float64)
    best = np.array(
        [[max(float(m @ r) / np.linalg.norm(r) / np.linalg.norm(m) for r in s) for s in random] for m in real]
    )
    np.testing.assert_allclose(found.baseline, best.mean(axis=0), atol=1e-5)
    for i, m in enumerate(best):
        assert found.p_value[i] == (1 + sum(value >= found.similarity[i] for value in m)) / 31
    assert found.q_value.tolist() == q_values(found.p_value).tolist()


def test_random_sets_are_like_the_target_in_layer_and_number_of_examples() -> None:
    """Crops are orthogonal, so a mean tells how often each is in it."""
    target = whole(noise(11, 40, 3), np.eye(40, dtype=np.float32), "target")
    side = sides_of([target, target], [["b"], []], "examples")[0]
    assert side.rows.tolist() == [5, 6, 7, 8, 9, 10]  # of which 6 and 9 have three examples, the others four
    for means in side.random(3, (0, 0)).reshape(3, 6, 40):
        examples = [round(float(mean.sum() / mean[mean > 0].min())) for mean in means]
        assert sorted(examples) == [3, 3, 4, 4, 4, 4]


def test_the_baseline_does_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = whole(noise(7, 6, 0), noise(40, 6, 2), "a"), whole(noise(11, 6, 3), noise(40, 6, 1), "b")
    before = compare([a, b], draws=12).pairs
    monkeypatch.setattr(sys.modules["semlens.analysis.comparisons.matches"], "_CELLS", 200)
    after = compare([a, b], draws=12).pairs
    assert after[0].baseline == pytest.approx(before[0].baseline, abs=1e-6)
    assert compare([b, a], draws=12).pairs[1].baseline == pytest.approx(after[0].baseline, abs=1e-6)


def test_what_was_planted_is_shared_and_the_rest_is_unique() -> None:
    """Half of the source's components stand in the target too, among crops that are all alike but for noise."""
    rng = np.random.default_rng(0)
    own, common = np.eye(48)[:20], np.eye(48)[20:40]
    crops = np.ones((200, 48)) + 0.1 * rng.normal(size=(200, 48))
    a = whole(np.concatenate([own, common]), crops, "a")
    b = whole(common, crops, "b")
    found = compare([a, b], draws=100)
    rows = {row.component: row for row in found.matches if row.source == "a"}
    assert {component for component, row in rows.items() if row.shared} == {Component("b", unit) for unit in range(20)}
    assert {row.p_value for row in rows.values() if row.shared} == {1 / 101}
    assert found.directions[1].shared.all()


def test_random_components_are_seldom_called_shared() -> None:
    vectors = noise(300, 16, 0)
    rng = np.random.default_rng(1)
    means = [mean_rows(vectors.astype(np.float16), rng.integers(0, 300, (60, 4)).astype(np.int32)) for _ in range(2)]
    found = compare([whole(m.astype(np.float32), vectors, n) for m, n in zip(means, "ab", strict=True)], draws=100)
    assert [int(direction.shared.sum()) for direction in found.directions] == [0, 0]
    assert 0.35 < np.mean([direction.p_value.mean() for direction in found.directions]) < 0.65


def test_layers_of_one_index_are_sides_of_their_own() -> None:
    index = whole(noise(10, 6, 0), noise(40, 6, 1), "net")
    found = compare([index, index, index], layers=[["a"], ["b"], []], draws=5)
    assert found.names == ("net a", "net b", "net")
    assert [len(side.rows) for side in found.sides] == [5, 5, 10]
    assert {str(row.component)[0] for row in found.matches if row.source == "net b"} == {"b"}
    assert {str(row.match)[0] for row in found.matches if row.target == "net b"} == {"b"}
    assert [(row.source, row.target) for row in found.pairs] == [
        ("net a", "net b"), ("net a", "net"), ("net b", "net a"), ("net b", "net"), ("net", "net a"), ("net", "net b"),
    ]  # fmt: skip
    within = [row for row in found.pairs if row.target == "net"]
    assert [row.similarity for row in within] == [1, 1]
    assert all(row.corrected < 1 for row in within)


def test_dead_components_take_no_part_and_are_counted() -> None:
    means = noise(6, 5, 0)
    alive = np.array([True, False, True, True, False, True])
    found = compare([flat(means, "m", alive), flat(means, "n")], draws=5)
    assert [side.dead for side in found.sides] == [2, 0]
    assert {row.component.unit for row in found.matches if row.source == "m"} == {0, 2, 3, 5}
    assert {row.match.unit for row in found.matches if row.target == "m"} <= {0, 2, 3, 5}


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    pair = [flat(noise(30, 6, 0), "a"), flat(noise(40, 6, 1), "b")]
    assert compare(pair, draws=10, seed=3).pairs == compare(pair, draws=10, seed=3).pairs
    assert compare(pair, draws=10, seed=3).pairs != compare(pair, draws=10, seed=4).pairs


def test_unlike_recipes_are_refused_with_every_field_and_both_values() -> None:
    mine = tiny()
    images = replace(mine.recipe.images, fingerprint="e" * 64)
    crop = CropId("activation", {"threshold": 0.5, "smooth": True, "least": 32})
    recipe = replace(mine.recipe, k=3, pool="mean", crop=crop, images=images)
    theirs = named(replace(mine, recipe=recipe), "other")
    message = (
        r"toy and other differ in k \(2 and 3\), pool \(max and mean\), images \(bbbbbbbbbbbb… and eeeeeeeeeeee…\), "
        r"crop threshold \(0.25 and 0.5\): build"
    )
    with pytest.raises(SemlensError, match=message):
        compare([mine, theirs])
    foundation = replace(mine.recipe.foundation, name="toy:other", digest="d" * 64)
    spaced = replace(mine, recipe=replace(mine.recipe, foundation=foundation, crop=CropId("none", {})))
    with pytest.raises(SemlensError, match=r"foundation \(toy:space and toy:other\), foundation digest .*crop \(activ"):
        compare([mine, spaced])


def test_another_model_preprocessing_and_precision_are_what_one_compares() -> None:
    mine = tiny()
    model = replace(mine.recipe.model, name="other", fingerprint="f" * 64, preprocess="else")
    theirs = replace(mine, recipe=replace(mine.recipe, model=model, precision="bfloat16"))
    assert [row.similarity for row in compare([mine, theirs], draws=3).pairs] == [1, 1]


def test_mistakes() -> None:
    mine = flat(noise(4, 3, 0))
    with pytest.raises(SemlensError, match="two indexes or more"):
        compare([mine])
    with pytest.raises(SemlensError, match="layers are given for 1 of 2"):
        compare([mine, mine], layers=[["a"]])
    with pytest.raises(SemlensError, match="unknown layer 'aa'.*a"):
        compare([mine, mine], layers=[["aa"], []])
    with pytest.raises(SemlensError, match="draws is 0"):
        compare([mine, mine], draws=0)
    with pytest.raises(SemlensError, match="x has no component with an example"):
        compare([mine, flat(noise(4, 3, 0), "x", np.zeros(4, bool))])


def test_it_prints_and_its_rows_show_pictures() -> None:
    first = tiny()
    found = compare([first, named(first, "other")], draws=3)
    assert "Comparison(toy (2 components, 1 dead), other (2 components, 1 dead); by examples)" in repr(found)
    assert "<td>toy</td><td>other</td><td>1.000</td>" in found._repr_html_()
    assert "Zmlyc3Q=" in found.matches._repr_html_()  # the thumbnail "first"
    assert found.matches.records()[0]["component"] == "layer1:0"


def test_the_figure_says_what_was_found() -> None:
    pair = [flat(noise(30, 6, 0), "small net"), flat(noise(40, 6, 1), "big net")]
    found = compare(pair, draws=10)
    page = compare_figure(found)
    texts = {text.get_text() for axes in page.axes for text in axes.texts}
    for row in found.pairs:
        assert {f"{row.similarity:.2f}", f"like sizes {row.corrected:.2f}"} <= texts
    matrix, *histograms = page.axes
    table = matrix.images[0].get_array()
    assert table is not None
    assert float(table[0, 1]) == pytest.approx(found.pairs[0].similarity)
    assert np.ma.getmaskarray(table)[0, 0] or np.isnan(table[0, 0])
    for axes, direction in zip(histograms, found.directions, strict=True):
        assert f"{direction.shared.sum()} of {len(direction.similarity)} shared" in axes.get_title(loc="left")
        top = max(patch.get_y() + patch.get_height() for bars in axes.containers for patch in bars)
        assert top == np.histogram(direction.similarity, bins=_edges(axes))[0].max()


def _edges(axes: Axes) -> np.ndarray:
    bars = axes.containers[0]
    return np.array([bars[0].get_x(), *(bar.get_x() + bar.get_width() for bar in bars)])


def test_the_excess_over_chance_stands_first_and_many_to_one_is_counted() -> None:
    source = flat(np.repeat(noise(4, 12, 3), 3, axis=0), "source")
    found = compare([source, flat(noise(4, 12, 3), "target")], draws=20)
    pair = found.pairs[0]
    assert pair.excess == pytest.approx((pair.similarity - pair.baseline) / (1 - pair.baseline))
    assert {row.others for row in found.matches if row.source == found.names[0]} == {2}


def responding(about: list[dict[int, float]], name: str = "net") -> ConceptIndex:
    """An index whose components respond to these concepts over all images."""
    return named(encoded_index(about, [1.0] * len(about)), name)


def test_by_encoding_what_two_encodings_predict_correlates() -> None:
    """Held against activations predicted image by image, by ridge regression with numpy's solver."""
    a = responding([{0: 1.0}, {1: 1.0, 2: 0.5}, {3: 1.0}], "a")
    b = responding([{3: 1.0, 0: 0.4}, {1: 1.0}], "b")
    found = compare([a, b], draws=20)
    assert (found.by, found.pairs[0].by, "by encoding" in repr(found)) == ("encoding", "encoding", True)

    def predicted(index: ConceptIndex) -> np.ndarray:
        kept = index.encodings
        assert kept is not None
        e = kept.embeddings.astype(np.float64) - kept.mean
        ridge = 0.3 * np.trace(kept.covariance) / e.shape[1]
        w = np.linalg.solve(kept.covariance + ridge * np.eye(e.shape[1]), kept.cross.T.astype(np.float64))
        return np.asarray(e @ w).T

    table = np.corrcoef(predicted(a), predicted(b))[:3, 3:]
    forth = {row.component: row for row in found.matches if row.source == "a"}
    for number, expected in enumerate(table):
        row = forth[Component("layer0", number)]
        assert row.match.unit == expected.argmax()
        assert row.similarity == pytest.approx(expected.max(), abs=2e-3)


def test_chance_by_encoding_is_the_target_permuted_over_all_images() -> None:
    a, b = responding([{0: 1.0}, {4: 1.0}], "a"), responding([{0: 1.0}, {1: 1.0}, {2: 1.0}], "b")
    found = compare([a, b], draws=60)
    target, source = found.sides[1], found.sides[0]
    random = target.random(40, (5, 0)).reshape(40, 3, -1)
    within, own = (np.einsum("snd,smd->snm", x, x).mean(axis=0)[0, 1] for x in (random, target.vectors[None]))
    assert within == pytest.approx(own, abs=0.1)  # what the target's components have in common with each other stays
    mean = (random @ source.vectors.T).mean()
    assert abs(float(mean)) < 0.05  # with the images they have nothing to do
    shared = {row.component.unit: row for row in found.matches if row.source == "a"}
    assert shared[0].p_value == 1 / 61
    assert shared[1].p_value > 0.05


def test_an_untrained_network_stands_beside_and_its_size_does_not_count() -> None:
    a, b = responding([{0: 1.0}, {1: 1.0}], "a"), responding([{0: 1.0}, {1: 1.0}], "b")
    twin = responding([{0: 1.0}, {5: 1.0}, {6: 1.0}, {7: 1.0}], "twin")
    found = compare([a, b], draws=10, untrained=twin)
    row = found.pairs[0]
    own = {match.component.unit: match.untrained for match in found.matches if match.source == "a"}
    similar = found.sides[0].vectors @ sides_of([twin], [()], "encoding")[0].vectors.T
    pairs = [similar[:, list(pair)].max(axis=1) for pair in combinations(range(4), 2)]  # as many as the target has
    assert [own[0], own[1]] == pytest.approx(np.mean(pairs, axis=0).tolist(), abs=1e-5)
    assert row.untrained is not None
    assert row.untrained == pytest.approx(np.mean(pairs), abs=1e-5)
    assert row.over_untrained == pytest.approx((row.similarity - row.untrained) / (1 - row.untrained))
    assert compare([a, b], draws=10).pairs[0].over_untrained is None


def test_what_changed_is_told_label_by_label() -> None:
    before = responding([{0: 1.0}, {0: 0.9}, {1: 1.0}, {2: 1.0}], "before")
    after = responding([{1: 1.0}, {1: 0.8}, {2: 1.0}, {3: 1.0}], "after")
    twin = responding([{3: 1.0}], "twin")
    found = compare([before, after], draws=5, vocabulary=phrases(), untrained=twin)
    told = {row.label: row for row in found.changes}
    assert (found.changes[0].label, found.changes[0].change) == ("concept 0", "gone")
    assert {label: (row.change, row.before, row.after) for label, row in told.items()} == {
        "concept 0": ("gone", 2, 0), "concept 3": ("new", 0, 1), "concept 1": ("more", 1, 2),
        "concept 2": ("same", 1, 1),
    }  # fmt: skip
    assert [component.unit for component in told["concept 0"].components] == [0, 1]
    assert told["concept 1"].kept == 1
    assert told["concept 0"].reach_before > 10 > 4 > told["concept 0"].reach_after
    assert (told["concept 3"].untrained, told["concept 0"].untrained) == (1, 0)
    with pytest.raises(SemlensError, match="compare with a vocabulary"):
        compare([before, after], draws=5).changes


def test_labels_are_compared_by_examples_too() -> None:
    before, after = planted([(0,), (1,)] * 20), planted([(1,), (1,)] * 20, seed=2)
    found = compare([named(before, "before"), named(after, "after")], draws=5, vocabulary=phrases())
    assert (found.by, found.changes[0].label, found.changes[0].change) == ("examples", "concept 0", "gone")
    assert found.changes[0].before == 20


def test_encodings_of_other_images_are_not_compared() -> None:
    a, b = responding([{0: 1.0}], "a"), responding([{0: 1.0}], "b")
    kept = b.encodings
    assert kept is not None
    other = replace(b, read_additions={Encodings: lambda: replace(kept, recipe=replace(kept.recipe, seed=1))})
    assert compare([a, other], draws=5).by == "examples"
    with pytest.raises(SemlensError, match=r"a and b differ in seed of the draw \(0 and 1\)"):
        compare([a, other], draws=5, by="encoding")
    with pytest.raises(SemlensError, match="the index holds no encodings"):
        compare([a, planted([(0,)])], by="encoding")
    with pytest.raises(SemlensError, match="unknown way 'crops'"):
        compare([a, b], by="crops")


def encoded_as(index: ConceptIndex, **recipe: Any) -> ConceptIndex:
    """The same index, whose encodings say something else of how they were made."""
    kept = index.encodings
    assert kept is not None
    return replace(index, read_additions={Encodings: lambda: replace(kept, recipe=replace(kept.recipe, **recipe))})


def test_encodings_permuted_by_other_groups_are_not_compared() -> None:
    a, b = responding([{0: 1.0}], "a"), encoded_as(responding([{0: 1.0}], "b"), groups="patient")
    with pytest.raises(SemlensError, match=r"a and b differ in group column \(none and patient\)"):
        compare([a, b], draws=5)


@pytest.mark.parametrize("turned", ["mean", "covariance"])
def test_images_that_were_embedded_differently_are_not_compared(turned: str) -> None:
    """Whatever made them so: another decoder, another version, an image that changed."""
    a, b = responding([{0: 1.0}], "a"), responding([{0: 1.0}], "b")
    kept = b.encodings
    assert kept is not None

    def with_noise(size: float) -> ConceptIndex:
        away = size * np.linalg.norm(kept.covariance) * np.eye(len(kept.mean)) / np.sqrt(len(kept.mean))
        moved = away if turned == "covariance" else size * np.sqrt(np.trace(kept.covariance)) * np.eye(len(away))[0]
        other = replace(kept, **{turned: getattr(kept, turned) + moved})
        return replace(b, read_additions={Encodings: lambda: other})

    assert compare([a, with_noise(1e-3)], draws=5).by == "encoding"
    with pytest.raises(SemlensError, match=r"a and b embed the same images differently \(by 2.0%"):
        compare([a, with_noise(0.02)], draws=5)


def test_what_of_activations_is_encoded_is_told_where_it_differs() -> None:
    a, b = responding([{0: 1.0}], "a"), responding([{0: 1.0}], "b")
    assert compare([a, b], draws=5).pairs.remarks == ()
    layer = a.layers[0].layer
    squared = encoded_as(b, transforms=("squared", *(a.encodings.recipe.transforms[1:] if a.encodings else ())))
    (remark,) = compare([a, squared], draws=5).pairs.remarks
    assert f"({layer}: raw in a, squared in b)" in remark
    (remark,) = compare([a, squared], draws=5, by="examples").pairs.remarks
    assert "from the target's own examples, not from all images" in remark
