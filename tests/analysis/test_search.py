from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from semlens.analysis.probe import Probes, probe, probe_images
from semlens.analysis.results import Rows
from semlens.analysis.search import aligned_baseline, alignments, baseline, search
from semlens.collection.collect import collect
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex
from semlens.numerics.vectors import lengths, unit
from semlens.pipeline.embed import embed
from semlens.types import MISSING, Component, FoundationId, axis_of
from tests.planted import phrases
from tests.responding import images, responding, shown
from tests.toy import ColourSpace, colours, flat_images

FM = ColourSpace()


@cache
def toy_index() -> ConceptIndex:
    images = flat_images(
        [(250, 10, 10), (10, 250, 10), (10, 10, 250), (200, 0, 0), (0, 200, 0), (0, 0, 200), (90, 90, 90)]
    )
    return embed(collect(colours(), images, ["act", "fc"], k=2), images, FM)


def random_index(c: int, d: int, seed: int) -> ConceptIndex:
    """An index of random semantic embeddings; every seventh component is dead."""
    rng = np.random.default_rng(seed)
    means = unit(rng.normal(size=(c, d)))
    rows = np.zeros((c, 2), dtype=np.int32)
    means[::7], rows[::7] = 0, MISSING
    return replace(
        toy_index(),
        recipe=replace(toy_index().recipe, foundation=FoundationId("toy:random", "0", d, "apache-2.0")),
        layers=axis_of([("a", "channels", c // 2), ("b", "channels", c - c // 2)]),
        ids=rows,
        positions=rows,
        activations=np.zeros((c, 2), dtype=np.float32),
        rows=rows,
        fired=np.zeros(c, dtype=np.int64),
        nan=np.zeros(c, dtype=np.int64),
        lowest=np.zeros(c, dtype=np.float32),
        means=means.astype(np.float16),
        random=unit(rng.normal(size=(50, d))).astype(np.float16),
        vectors=unit(rng.normal(size=(len(toy_index().vectors), d))).astype(np.float16),
    )


def random_probes(q: int, d: int, seed: int) -> Probes:
    rng = np.random.default_rng(seed)
    return Probes(
        tuple(f"p{i}" for i in range(q)),
        unit(rng.normal(size=(q, d))),
        unit(rng.normal(size=(q, d))),
        FoundationId("toy:random", "0", d, "apache-2.0"),
    )


@pytest.mark.parametrize("text", ["red", "green", "blue"])
def test_the_component_of_a_colour_is_found_in_every_layer(text: str) -> None:
    unit_of = ["red", "green", "blue"].index(text)
    hits = search(toy_index(), probe(FM, [text]), top=2)
    assert [hit.component for hit in hits] == [Component("act", unit_of), Component("fc", unit_of)]
    assert all(hit.probe == text for hit in hits)
    assert hits[0].similarity > 0.99
    assert hits[0].alignment == pytest.approx(hits[0].similarity - 3**-0.5, abs=0.05)


def test_several_probes_at_once_equal_one_by_one() -> None:
    together = search(toy_index(), probe(FM, ["red", "blue"]), top=3)
    apart = [*search(toy_index(), probe(FM, ["red"]), top=3), *search(toy_index(), probe(FM, ["blue"]), top=3)]
    assert together == apart


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("c", "d"), [(64, 64), (300, 32), (50, 129)])
@pytest.mark.parametrize("layers", [[], ["b"], ["a", "b"]])
def test_equals_the_slow_twin_exactly(c: int, d: int, seed: int, layers: list[str]) -> None:
    index, probes = random_index(c, d, seed), random_probes(3, d, seed)
    hits = search(index, probes, top=9, layers=layers)
    table = index.means.astype(np.float64)
    wide = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-30)
    for q in range(3):
        scores = wide @ (probes.vectors[q].astype(np.float64) - probes.nulls[q])
        allowed = [r for r in range(c) if r % 7 and (not layers or index.component(r).layer in layers)]
        best = sorted(allowed, key=lambda r: (-scores[r], r))[:9]
        assert [index.row(hit.component) for hit in hits[q * 9 : q * 9 + 9]] == best
        np.testing.assert_allclose([hit.alignment for hit in hits[q * 9 : q * 9 + 9]], scores[best], atol=1e-6)


@pytest.mark.parametrize("exact_in_float16", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_near_ties_are_ranked_exactly(seed: int, exact_in_float16: bool) -> None:
    """Cosines of 0.5 to 0.5001 with a probe: nearer to each other than float16 tells apart in the fast pass."""
    c, d = 300, 24
    rng = np.random.default_rng(100 + seed)
    probes = replace(random_probes(1, d, seed), nulls=np.zeros((1, d), np.float32))
    if exact_in_float16:  # only the rows are rounded, and with them their lengths
        probes = replace(probes, vectors=np.where(np.arange(d) < 16, 0.25, 0).astype(np.float32)[None])
    query = probes.vectors[0].astype(np.float64)
    aside = rng.normal(size=(c, d))
    aside -= np.outer(aside @ query, query)
    cosines = 0.5 + 1e-4 * rng.random((c, 1))
    means = cosines * query + np.sqrt(1 - cosines**2) * aside / np.linalg.norm(aside, axis=1, keepdims=True)
    index = replace(random_index(c, d, seed), means=means.astype(np.float16))
    stored = index.means.astype(np.float64)
    exact = stored @ query / np.linalg.norm(stored, axis=1)
    best = sorted((row for row in range(c) if row % 7), key=lambda row: -exact[row])[:9]
    rows = [index.row(hit.component) for hit in search(index, probes, top=9)]
    np.testing.assert_allclose(exact[rows], exact[best], atol=1e-7)  # what float32 tells apart


@pytest.mark.parametrize("rows", [None, np.array([3, 8, 7, 11])])
def test_alignments_are_cosines_less_those_of_the_nulls(rows: np.ndarray | None) -> None:
    index, probes = random_index(1500, 16, 0), random_probes(3, 16, 0)
    found = alignments(index, probes, rows)
    means = index.means.astype(np.float64)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-30)
    means[::7] = np.nan  # the dead
    similarity, to_null = means @ probes.vectors.T, means @ probes.nulls.T
    chosen = slice(None) if rows is None else rows
    np.testing.assert_allclose(found.similarity, similarity[chosen], atol=1e-6)
    np.testing.assert_allclose(found.alignment, (similarity - to_null)[chosen], atol=1e-6)
    known = lengths(index.means if rows is None else index.means[rows])
    np.testing.assert_array_equal(alignments(index, probes, rows, known).alignment, found.alignment)
    with pytest.raises(SemlensError, match="the probes with other"):
        alignments(index, replace(probes, foundation=replace(probes.foundation, name="other")))


def test_hits_are_rows_that_print_and_show_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    hits = search(toy_index(), probe(FM, ["red"]), top=2)
    assert isinstance(hits, Rows)
    assert (len(hits), hits[0].component, hits[1:]) == (2, Component("act", 0), [hits[1]])
    assert hits.records()[0] == {
        "probe": "red",
        "component": "act:0",
        "similarity": hits[0].similarity,
        "alignment": hits[0].alignment,
        "baseline": hits[0].baseline,
        "chance": hits[0].chance,
        "by": "examples",
        **dict.fromkeys(("effect", "z", "joint", "r2", "permuted")),
    }
    assert "act:0" in repr(hits)
    assert "components by alignment" in repr(hits)
    assert hits._repr_html_().count("data:image/webp;base64,") == 2 * 2  # each with its examples


def test_more_than_there_is_gives_all_that_is_alive() -> None:
    assert len(search(random_index(14, 8, 0), random_probes(1, 8, 0), top=100)) == 12


def test_ties_go_to_the_lower_row() -> None:
    index = random_index(10, 4, 0)
    means = np.zeros((10, 4), dtype=np.float16)
    means[:, 0] = 1  # row 0 is dead
    probes = replace(
        random_probes(1, 4, 0),
        vectors=np.array([[1, 0, 0, 0]], dtype=np.float32),
        nulls=np.zeros((1, 4), dtype=np.float32),
    )
    hits = search(replace(index, means=means), probes, top=3)
    assert [index.row(hit.component) for hit in hits] == [1, 2, 3]


def test_an_image_finds_what_it_shows() -> None:
    photo = flat_images([(0, 0, 130)]).load(0)
    hit = search(toy_index(), probe_images(FM, [photo]), top=1, layers=["fc"])[0]
    assert (hit.component, hit.similarity) == (Component("fc", 2), hit.alignment)


def test_similarity_stays_in_range_and_the_baseline_is_a_quantile() -> None:
    index, probes = random_index(200, 3, 1), random_probes(4, 3, 1)
    hits = search(index, probes, top=200)
    assert all(-1 <= hit.similarity <= 1 for hit in hits)
    random = index.random.astype(np.float64)
    for made, values in (
        (baseline(index, probes), random @ probes.vectors.T),
        (aligned_baseline(index, probes), random @ probes.vectors.T - random @ probes.nulls.T),
    ):
        for q in range(4):
            assert made[q] == pytest.approx(sorted(values[:, q].tolist())[int(0.95 * len(values))], abs=1e-5)
    assert hits[0].baseline == baseline(index, probes)[0]
    assert [hit.chance for hit in hits[::188]] == aligned_baseline(index, probes).tolist()


def test_probes_of_another_space_are_refused() -> None:
    with pytest.raises(SemlensError, match="made with toy:colours, the probes with other"):
        search(toy_index(), probe(ColourSpace("other"), ["red"]))
    digest = replace(probe(FM, ["red"]), foundation=replace(FM.identity, digest="ffff"))
    with pytest.raises(SemlensError, match="its weights differ"):
        search(toy_index(), digest)


def test_mistakes() -> None:
    with pytest.raises(SemlensError, match="unknown layer 'actt'.*act"):
        search(toy_index(), probe(FM, ["red"]), layers=["actt"])
    with pytest.raises(SemlensError, match="search has no k=: write top="):
        search(toy_index(), probe(FM, ["red"]), k=3)  # type: ignore[call-arg]
    with pytest.raises(SemlensError, match="search has no layes=: write layers="):
        search(toy_index(), probe(FM, ["red"]), layes=["fc"])  # type: ignore[call-arg]
    with pytest.raises(SemlensError, match="search has no xyz=: there are index, probes, top, layers"):
        search(toy_index(), probe(FM, ["red"]), xyz=1)  # type: ignore[call-arg]
    with pytest.raises(SemlensError, match="top is 0"):
        search(toy_index(), probe(FM, ["red"]), top=0)


ABOUT = [*[(c,) for c in range(10)], *[None] * 20, (), (2, 7)]
RESPONDING = responding(ABOUT, layers=(20, 12))


def _units(hits) -> list[int]:
    return [RESPONDING.row(hit.component) for hit in hits]


def _slow(texts: list[int]) -> np.ndarray:
    """z by its definition, over the images."""
    kept = RESPONDING.encodings
    away = images() - images().mean(axis=0)
    k = np.linalg.inv(kept.covariance + 0.3 * np.trace(kept.covariance) / len(kept.covariance) * np.eye(away.shape[1]))
    places = away @ k @ phrases(texts).vectors.T
    return np.sqrt(len(away)) * (kept.activations.astype(np.float64) @ places) / len(away) / places.std(axis=0)


def test_components_are_ranked_by_what_they_respond_to_over_all_images() -> None:
    hits = search(RESPONDING, phrases([3]), top=3)
    assert {hit.by for hit in hits} == {"encoding"}
    assert _units(hits)[0] == 3
    slow = _slow([3])[:, 0]
    assert [hit.z for hit in hits] == pytest.approx(np.sort(slow)[::-1][:3].tolist(), rel=2e-3)
    assert hits[0].z > 8 > hits[0].permuted > 1 > abs(hits[1].z) - 4
    assert hits[0].effect > 0
    assert np.isnan(hits[0].joint)
    assert "components by encoding" in repr(hits)
    by_examples = search(RESPONDING, phrases([3]), by="examples", top=3)
    assert {hit.by for hit in by_examples} == {"examples"}
    assert hits[0].alignment == pytest.approx(by_examples[0].alignment, abs=1e-6)
    assert hits[0].chance == by_examples[0].chance


def test_what_chance_reaches_is_what_permuted_components_reach() -> None:
    """Components that respond to nothing: one in twenty is above what 95 % of permuted ones stay below."""
    index = responding([None] * 400)
    hits = search(index, phrases([4]), top=400)
    assert 0.02 < np.mean([hit.z > hit.permuted for hit in hits]) < 0.08


def test_what_never_varies_is_no_hit_and_layers_are_kept_to() -> None:
    assert len(search(RESPONDING, phrases([3]), top=100)) == len(ABOUT) - 1
    inner = search(RESPONDING, phrases([3]), top=100, layers="layer1")
    assert {hit.component.layer for hit in inner} == {"layer1"}
    assert len(inner) == 11


def test_beside_other_phrases_what_only_goes_along_counts_less() -> None:
    """Component 0 responds to concept 0; concept 1 is in most of these images, and in its examples."""
    z = {n: hit.z for hit in search(RESPONDING, phrases([1]), top=99) for n in [RESPONDING.row(hit.component)]}
    hits = search(RESPONDING, phrases([1]), top=99, against=phrases())
    joint = {RESPONDING.row(hit.component): hit.joint for hit in hits}
    assert joint[0] / joint[1] < 0.35
    assert {hit.z for hit in hits} == set(z.values())
    assert hits.title == "components by encoding, beside 11 other phrases"
    both = search(RESPONDING, phrases([1, 4]), top=99)
    assert both.title == "components by encoding, beside 1 other phrases"
    assert [hit.component for hit in both[:1]] == [hits[0].component]


def test_joint_coefficients_are_those_of_a_regression_on_the_similarities() -> None:
    hits = search(RESPONDING, phrases([1]), top=99, against=phrases([5, 1, 6]))
    similarities = images().astype(np.float64) @ phrases([1, 5, 6]).vectors.T
    x = similarities - similarities.mean(axis=0)
    ridge = 0.3 * x.var(axis=0).mean()
    beta = np.linalg.solve(x.T @ x / len(x) + ridge * np.eye(3), x.T @ RESPONDING.encodings.activations.T / len(x))
    expected = beta[0] * x.std(axis=0)[0]
    for hit in hits:
        assert hit.joint == pytest.approx(expected[RESPONDING.row(hit.component)], abs=2e-3)


def test_an_image_is_asked_for_by_how_it_differs_from_the_others() -> None:
    """The component of the one concept that the image shows comes first, though all images share much else."""
    alone = np.flatnonzero(shown()[:, 6] & (shown().sum(axis=1) == 1))[0]
    vector = images()[[alone]].astype(np.float32)
    probes = Probes(("photo",), vector, 0 * vector, phrases().foundation, (0,))
    hits = search(RESPONDING, probes, top=2)
    away = vector[0] - images().mean(axis=0)
    kept = RESPONDING.encodings
    k = np.linalg.inv(kept.covariance + 0.3 * np.trace(kept.covariance) / len(kept.covariance) * np.eye(len(away)))
    assert _units(hits)[0] == 6
    assert hits[0].effect == pytest.approx(float(kept.cross[6] @ k @ away), rel=1e-3)


def test_the_way_is_asked_for_and_refused_where_it_is_not_there() -> None:
    assert search(toy_index(), probe(FM, ["red"]), top=1)[0].by == "examples"
    with pytest.raises(SemlensError, match="holds no encodings: add them with `semlens encode`"):
        search(toy_index(), probe(FM, ["red"]), by="encoding")
    with pytest.raises(SemlensError, match="unknown way 'encodings'"):
        search(toy_index(), probe(FM, ["red"]), by="encodings")
    with pytest.raises(SemlensError, match="cannot be searched against a vocabulary"):
        search(RESPONDING, phrases([1]), against=phrases(), by="examples")
