import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Annotation

from semlens.analysis.atlases import (
    Atlas,
    atlas,
    cluster_labels,
    draw,
    index_names,
    nearest_neighbours,
    principal,
    spherical_clusters,
)
from semlens.analysis.probe import Probes
from semlens.app.jobs import Worker
from semlens.errors import SemlensError
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex, given
from semlens.numerics.vectors import unit
from semlens.views.plot.atlas import atlas_figure, free_place, medoid
from tests.analysis.test_search import random_index
from tests.encoded_audit import encoded_index
from tests.planted import phrases as concept_phrases
from tests.tiny_index import tiny

pytestmark = pytest.mark.slow


def named(index: ConceptIndex, name: str) -> ConceptIndex:
    return replace(index, recipe=replace(index.recipe, model=replace(index.recipe.model, name=name)))


def groups(sizes: list[int], d: int, seed: int, spread: float = 0.1) -> np.ndarray:
    """Unit vectors round as many orthogonal axes as there are sizes."""
    rng = np.random.default_rng(seed)
    centres = np.repeat(np.eye(d)[: len(sizes)], sizes, axis=0)
    return unit(centres + spread * rng.normal(size=centres.shape))


def holding(means: np.ndarray, name: str = "m") -> ConceptIndex:
    """An index with these embeddings; every seventh component is dead, as in `random_index`."""
    index = random_index(len(means), means.shape[1], 0)
    kept = means.copy()
    kept[::7] = 0
    return named(replace(index, means=kept.astype(np.float16)), name)


def phrases(names: list[str], vectors: np.ndarray, of: ConceptIndex) -> Probes:
    return Probes(tuple(names), unit(vectors), np.zeros(vectors.shape, np.float32), of.recipe.foundation)


PLANTED = groups([40, 30, 20], 8, 0)


@pytest.fixture(scope="module")
def drawn() -> Atlas:
    index = holding(PLANTED)
    return atlas(index, vocabulary=phrases(["sky", "grass", "sea"], np.eye(8)[[2, 0, 1]], index), clusters=3)


def test_groups_of_the_space_are_found_named_and_drawn_apart(drawn: Atlas) -> None:
    alive = np.flatnonzero(np.arange(90) % 7)
    truth = np.repeat([0, 1, 2], [40, 30, 20])[alive]
    assert drawn.row.tolist() == alive.tolist()
    assert drawn.cluster.tolist() == truth.tolist()
    assert (drawn.labels, drawn.dead) == (("grass", "sea", "sky"), 13)
    assert drawn.sizes == tuple(np.bincount(truth).tolist())
    places = np.stack([drawn.x, drawn.y], axis=1)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (truth[apart.argmin(axis=1)] == truth).all()


def test_on_the_principal_axes_nothing_but_the_places_differs(drawn: Atlas) -> None:
    index = drawn.indexes[0]
    words = phrases(["sky", "grass", "sea"], np.eye(8)[[2, 0, 1]], index)
    plain = atlas(index, vocabulary=words, clusters=3, drawing="principal")
    np.testing.assert_array_equal(np.stack([plain.x, plain.y], axis=1), principal(unit(index.means[drawn.row])))
    np.testing.assert_array_equal(plain.cluster, drawn.cluster)
    assert plain.labels == drawn.labels
    assert (plain.recipe.drawing, drawn.recipe.drawing) == ("principal", "umap")
    assert replace(plain.recipe, drawing="umap") == drawn.recipe
    with pytest.raises(SemlensError, match="unknown drawing 'tsne'"):
        atlas(index, drawing="tsne")


def test_rows_carry_what_the_arrays_hold(drawn: Atlas) -> None:
    row = drawn.rows[50]
    assert (row.model, row.component) == ("m", drawn.indexes[0].component(int(drawn.row[50])))
    assert (row.x, row.y, row.cluster) == (drawn.x[50], drawn.y[50], drawn.cluster[50])
    assert row.label == drawn.labels[drawn.cluster[50]]
    assert drawn.rows.records()[50]["component"] == str(row.component)
    assert repr(drawn) == "Atlas(m: 77 components, 13 dead; 3 clusters, 3 with a label)"


def test_the_same_seed_draws_the_same_bits_and_another_does_not(drawn: Atlas) -> None:
    index = holding(PLANTED)
    again, other = atlas(index, clusters=3), atlas(index, clusters=3, seed=1)
    assert (again.x.tobytes(), again.y.tobytes()) == (drawn.x.tobytes(), drawn.y.tobytes())
    assert again.labels == ("", "", "")
    assert np.isnan(again.fits).all()
    assert other.x.tobytes() != drawn.x.tobytes()


def test_another_process_draws_the_same_bits(drawn: Atlas, tmp_path: Path) -> None:
    """The app's own: compiling UMAP takes ten seconds a process, and so no other test has one that draws."""
    bare = replace(holding(PLANTED), read_unit_names=lambda: (None,) * len(PLANTED), read_additions={})
    bare.save(tmp_path / "index")
    with closing(Worker()) as worker:
        arrays = worker.ask("atlas", indexes=[str(tmp_path / "index")]).arrays
    assert (arrays["x"].tobytes(), arrays["y"].tobytes()) == (drawn.x.tobytes(), drawn.y.tobytes())


def test_several_indexes_share_a_map() -> None:
    a, b = holding(PLANTED, "a"), holding(groups([10, 10, 10], 8, 1), "b")
    found = atlas([a, b], clusters=3, drawing="principal")
    assert found.models == ("a", "b")
    assert np.bincount(found.index_number).tolist() == [77, 25]
    assert found.dead == 18
    first = next(row for row in found.rows if row.model == "b")
    assert (first.component, first.cluster) == (b.component(1), found.cluster[0])  # of the same axis as a's first


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_a_few_components_are_drawn(count: int) -> None:
    means = groups([count], 4, 0, 0.5)
    places = draw(means, 15, 0.1, 0)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    if count < 5:
        np.testing.assert_array_equal(places, principal(means))


def test_components_that_are_all_alike_are_drawn() -> None:
    assert np.isfinite(draw(np.tile(np.eye(4, dtype=np.float32)[:1], (20, 1)), 15, 0.1, 0)).all()
    two = np.repeat(np.eye(4, dtype=np.float32)[:2], 15, axis=0)
    places = draw(np.concatenate([two, -two]), 5, 0.1, 0)  # opposites too
    assert np.isfinite(places).all()


def test_principal_axes_by_hand_and_by_an_outside_oracle() -> None:
    cross = np.array([[2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    np.testing.assert_allclose(principal(cross), cross[:, :2], atol=1e-6)
    assert principal(np.array([[1.0], [3.0]], np.float32)).tolist() == [[-1, 0], [1, 0]]
    from sklearn.decomposition import PCA

    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32) * np.arange(1, 7, dtype=np.float32)
    theirs = PCA(2).fit_transform(x)
    np.testing.assert_allclose(np.abs(principal(x)), np.abs(theirs), atol=1e-3)


@pytest.mark.parametrize("nearest", [2, 7, 30])
def test_neighbours_equal_the_slow_twin(nearest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["semlens.analysis.atlases"], "_BLOCK", 8)
    x = unit(np.random.default_rng(0).normal(size=(30, 5)))
    at, distance = nearest_neighbours(x, nearest)
    for i, vector in enumerate(x.astype(np.float64)):
        far = [(-1.0 if j == i else 1 - float(vector @ other), j) for j, other in enumerate(x.astype(np.float64))]
        assert at[i].tolist() == [j for _, j in sorted(far)[:nearest]]
        np.testing.assert_allclose(distance[i], [max(0, f) for f, _ in sorted(far)[:nearest]], atol=1e-6)


def test_every_component_is_its_own_first_neighbour_even_among_its_like() -> None:
    at, distance = nearest_neighbours(np.tile(np.eye(3, dtype=np.float32)[:1], (6, 1)), 3)
    assert at[:, 0].tolist() == list(range(6))
    np.testing.assert_allclose(distance, 0, atol=1e-6)


def test_clusters_are_numbered_by_size_and_none_is_empty() -> None:
    mixed = groups([5, 20, 10], 8, 2)
    found = spherical_clusters(mixed, 3, seed=1)
    assert found.tolist() == [2] * 5 + [0] * 20 + [1] * 10
    alike = np.repeat(np.eye(4, dtype=np.float32)[:2], [3, 5], axis=0)
    assert spherical_clusters(alike, 4).tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_no_component_is_nearer_to_another_clusters_mean() -> None:
    x = unit(np.random.default_rng(0).normal(size=(300, 6)))
    found = spherical_clusters(x, 7)
    centres = unit(np.stack([x[found == g].mean(axis=0) for g in range(7)]))
    similar = x @ centres.T
    assert (similar.max(axis=1) - similar[np.arange(300), found] < 1e-5).all()
    from sklearn.cluster import KMeans  # on unit vectors nearly the same question

    theirs = KMeans(7, n_init=4, random_state=0).fit_predict(x)
    ours = sum(np.linalg.norm(x[found == g].sum(axis=0)) for g in range(7))
    assert ours >= 0.98 * sum(np.linalg.norm(x[theirs == g].sum(axis=0)) for g in range(7))


def test_how_many_clusters_there_are_by_default() -> None:
    few, more = holding(groups([4], 4, 0, 0.5)), holding(unit(np.random.default_rng(0).normal(size=(84, 8))))
    assert len(atlas(few, drawing="principal").sizes) == 2  # 3 are alive
    assert len(atlas(more, drawing="principal").sizes) == 6  # the root of 72/2


def test_labels_by_hand() -> None:
    """Two groups on the axes x and y. The first fits "both" less than "x"; "x" is taken by the group nearer to it."""
    index = holding(groups([7], 2, 0))
    means, cluster = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32), np.array([0, 0, 1, 1])
    words = phrases(["both", "x", "y"], np.array([[0.6, 0.8], [1, 0], [0, 1.0]]), index)
    labels, fits = cluster_labels(means, cluster, words)
    assert labels == ["x", "y"]
    assert fits == pytest.approx([0.5, 0.5])  # 1 by its group, 1/2 over all


def test_the_better_fitting_cluster_keeps_a_phrase_and_the_other_takes_its_next() -> None:
    index = holding(groups([7], 3, 0))
    means = unit(np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [0, 0, 1]], np.float32))
    cluster = np.array([0, 1, 2, 2])
    words = phrases(["x", "x", "near x"], np.array([[1, 0, 0], [1, 0, 0], [0.7, 0.71, 0]]), index)
    labels, fits = cluster_labels(means, cluster, words)
    assert labels == ["x", "near x", ""]  # and a phrase that is no nearer than to all is none
    assert fits[0] == pytest.approx(1 - (1 + 0.8) / 4, abs=1e-6)
    assert np.isnan(fits[2])


def test_names_are_the_models_own_or_made_different() -> None:
    a, b = tiny(), named(tiny(), "other")
    assert index_names([a, b], [["fc"], ["fc"]]) == ("toy", "other")
    assert index_names([a, a, b], [["fc"], [], []]) == ("toy fc", "toy", "other")
    assert index_names([a, a, named(a, "toy (2)"), a], [[]] * 4) == ("toy", "toy (3)", "toy (2)", "toy (4)")


def test_rows_show_pictures() -> None:
    assert "Zmlyc3Q=" in atlas(tiny())._repr_html_()  # the thumbnail "first"


def test_progress_ends_where_it_said() -> None:
    told: list[tuple[str, int, int]] = []
    atlas(holding(PLANTED), progress=lambda *step: told.append(step))
    last = {step: (done, total) for step, done, total in told}
    assert last == {"grouping components": (4, 4), "finding neighbours": (77, 77), "drawing the map": (1, 1)}


def test_mistakes() -> None:
    index = holding(PLANTED)
    ids: list[dict[str, Any]] = [{"name": "else"}, {"digest": "f" * 64}]
    for wrong_id in ids:
        foundation = replace(index.recipe.foundation, **wrong_id)
        other = named(replace(index, recipe=replace(index.recipe, foundation=foundation)), "n")
        with pytest.raises(SemlensError, match="m and n differ in foundation.*only indexes made with the same"):
            atlas([index, other])
    with pytest.raises(SemlensError, match="the index was made with toy:random, the probes with toy:space"):
        atlas(index, vocabulary=phrases(["x"], np.eye(3)[:1], tiny()))
    for wrong in ({"clusters": 0}, {"neighbours": 1}, {"min_dist": 1.5}):
        with pytest.raises(SemlensError, match="at least 1 cluster and 2 neighbours"):
            atlas(index, **wrong)
    with pytest.raises(SemlensError, match="give an index"):
        atlas([])
    with pytest.raises(SemlensError, match="nothing to draw"):
        atlas(holding(PLANTED[:1]))


def test_without_umap_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(SemlensError, match=r"umap-learn is not installed: pip install 'semlens\[umap\]'"):
        atlas(holding(PLANTED))


def test_medoid_is_the_most_central_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["semlens.views.plot.atlas"], "_BLOCK", 2)
    assert medoid(np.array([[0, 0], [10, 0], [1, 0], [1, 1], [2, 0]], np.float32)).tolist() == [1, 0]


def test_labels_make_way_and_stay_within_the_map() -> None:
    bounds = (0.0, 0.0, 100.0, 100.0)
    assert free_place((50.0, 50.0), (10.0, 5.0), [], bounds) == (0, 0)
    dx, dy = free_place((50.0, 50.0), (10.0, 5.0), [(40.0, 45.0, 60.0, 55.0)], bounds)
    assert abs(dy) >= 10 or abs(dx) >= 20
    dx, _ = free_place((3.0, 50.0), (10.0, 5.0), [], bounds)
    assert dx >= 7
    assert free_place((50.0, 50.0), (60.0, 5.0), [], bounds) == (0, 0)  # there is no such place


def test_the_figure_has_a_point_per_component_and_labels_that_do_not_overlap(drawn: Atlas) -> None:
    page = atlas_figure(drawn)
    axes = page.axes[0]
    assert np.allclose(np.sort(np.asarray(axes.collections[0].get_offsets())[:, 0]), np.sort(drawn.x))
    notes = [text for text in axes.texts if isinstance(text, Annotation) and text.get_text() in drawn.labels]
    assert [note.get_text() for note in notes] == ["grass", "sea", "sky"]
    boxes = [note.get_window_extent() for note in notes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    for group, note in enumerate(notes):
        inside = drawn.cluster == group
        assert list(note.xy) == medoid(np.stack([drawn.x, drawn.y], axis=1)[inside]).tolist()


def test_colours_by_layer_and_model_have_a_legend(drawn: Atlas) -> None:
    legend = atlas_figure(drawn, color="layer").axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    dots = atlas_figure(drawn, color="layer").axes[0].collections[0]
    colours, counts = np.unique(np.asarray(dots.get_facecolor())[:, :3].round(4), axis=0, return_counts=True)
    assert sorted(counts.tolist()) == sorted(np.bincount(drawn.row >= 45).tolist())
    assert len(colours) == 2
    legend = atlas_figure(drawn, color="model").axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["m"]
    with pytest.raises(SemlensError, match="unknown color 'layers'; nearest: layer"):
        atlas_figure(drawn, color="layers")


ABOUT: list[dict[int, float]] = [{c: 1.0} for c in (0, 1, 2) for _ in range(4 - c)] + [{0: 1.0}]


def by_encoding(silent: tuple[int, ...] = (9,)) -> ConceptIndex:
    """Components about concepts 0 (four and the last), 1 and 2; the `silent` ones have no encoding."""
    index = encoded_index(ABOUT, [0.1] * len(ABOUT))
    own = index.encodings
    assert own is not None
    deviation, cross = own.deviation.copy(), own.cross.copy()
    deviation[list(silent)], cross[list(silent)] = 0, 0
    return index._with(Encodings, partial(given, replace(own, deviation=deviation, cross=cross)))


def test_by_encoding_those_are_near_that_respond_alike_over_all_images() -> None:
    """Whatever the examples say: these are shuffled, and the same map comes out."""
    index = by_encoding()
    words = concept_phrases([2, 0, 1, 5])
    found = atlas(index, by="encoding", vocabulary=words, clusters=3, drawing="principal")
    assert found.row.tolist() == list(range(9))
    assert found.cluster.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert (found.labels, found.sizes, found.dead) == (("concept 0", "concept 1", "concept 2"), (4, 3, 2), 1)
    own = index.encodings
    assert own is not None
    values, axes = np.linalg.eigh(own.covariance)
    inverse = np.linalg.inv(own.covariance + 0.3 * np.trace(own.covariance) / len(values) * np.eye(len(values)))
    predicted = unit(own.cross[:9] @ inverse @ (axes * np.sqrt(np.maximum(values, 0))) @ axes.T)
    np.testing.assert_allclose(np.stack([found.x, found.y], axis=1), principal(predicted.astype(np.float32)), atol=1e-4)
    other = replace(index, means=index.means[::-1])
    again = atlas(other, by="encoding", vocabulary=words, clusters=3, drawing="principal")
    np.testing.assert_array_equal(again.x, found.x)
    assert again.recipe == found.recipe
    assert (found.recipe.by, atlas(index, drawing="principal").recipe.by) == ("encoding", "examples")
    assert atlas(index, by="auto", drawing="principal").recipe.by == "encoding"


def test_several_indexes_by_encoding_need_encodings_of_the_same_images() -> None:
    one, bare = by_encoding(), holding(PLANTED)
    two = named(by_encoding(()), "n")
    both = atlas([one, two], by="encoding", clusters=3, drawing="principal")
    assert both.cluster.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1, 2, 2, 0]
    with pytest.raises(SemlensError, match="the index holds no encodings"):
        atlas(bare, by="encoding", drawing="principal")
    with pytest.raises(SemlensError, match="unknown way 'examples '; nearest: examples"):
        atlas(one, by="examples ", drawing="principal")
    own = two.encodings
    assert own is not None
    fewer = two._with(Encodings, partial(given, replace(own, images=own.images - 1)))
    with pytest.raises(SemlensError, match=r"toy and n differ in encoded images \(600 and 599\): only encodings over"):
        atlas([one, fewer], by="encoding", drawing="principal")
    assert atlas([one, fewer], by="auto", drawing="principal").recipe.by == "examples"
    with pytest.raises(SemlensError, match="no component has an encoding: there is nothing to draw"):
        atlas(by_encoding(tuple(range(10))), by="encoding", drawing="principal")
