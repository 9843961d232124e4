"""Strategies planted in relevance vectors: found again, with the images that follow none, at a calibrated rate."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.prototypes import MISLABELLED, STRANGE, Strategies, rooted, strategies
from semlens.errors import SemlensError
from semlens.index import ConceptIndex, ImageTable, RelevanceVectors, given
from semlens.types import MISSING, LayerAxis, Relevance, VectorRows
from semlens.views.strategy_sheet import strategy_sheet
from tests.tiny_index import tiny, tiny_relevance

COMPONENTS, IMAGES = 24, 300
WAYS = np.array([[0, 1, 2, 3], [8, 9, 10, 11], [12, 13, 14, 15]])
PARTS = (0.6, 0.3, 0.1)
ODD, WRONG = (3, 50), (7, 90)


def shares_of(way: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Relevance that goes to the four components of a way, and a little to all others; magnitudes add up to 1."""
    found = rng.gamma(2, 0.01, size=(len(way), COMPONENTS))
    for j, components in enumerate(WAYS):
        found[np.ix_(way == j, components)] += rng.gamma(20, 0.05, size=((way == j).sum(), 4))
    return found / found.sum(axis=1, keepdims=True)


def index_of(vectors: np.ndarray, predicted: np.ndarray, of: str = "label") -> ConceptIndex:
    """`tiny()` with one layer of many components, and vectors for output 4, which is called cat."""
    made, c, n = tiny(), COMPONENTS, len(vectors)
    arrays = {name: getattr(made, name)[:1].repeat(c, axis=0) for name in (
        "ids", "positions", "activations", "rows", "fired", "nan", "lowest", "means",
    )}  # fmt: skip
    table = ImageTable(tuple(f"{i}.png" for i in range(n)), (None,) * n, (None,) * n)
    ids, number = np.arange(n, dtype=np.int32), np.where(predicted, 4, 9).astype(np.int32)
    kept = RelevanceVectors(
        "epsilon_plus_flat", {}, of, (4, 9), n, ("cat", "dog"), ids, np.zeros(n, np.int32), number,
        vectors.astype(np.float16),
    )  # fmt: skip
    return replace(
        made, layers=(LayerAxis("layer1", "channels", 0, c),), **arrays, read_images=partial(given, table),
        recipe=replace(made.recipe, images=replace(made.recipe.images, count=n)),
        read_unit_names=lambda: (None,) * c, read_additions={RelevanceVectors: partial(given, kept)},
    )  # fmt: skip


@cache
def made() -> tuple[Strategies, np.ndarray]:
    """Three ways; two images that go none of them, and two of another class that lie among those of this one."""
    rng = np.random.default_rng(0)
    way = rng.choice(3, size=IMAGES, p=PARTS)
    shares, predicted = shares_of(way, rng), np.ones(IMAGES, bool)
    for image in (*ODD, *WRONG):
        shares[image] = np.roll(shares[image], 5) * np.where(np.arange(COMPONENTS) % 2, 1, -1)
    predicted[list(WRONG)] = False
    return strategies(index_of(shares, predicted), "cat", seed=1), way


def test_planted_strategies_are_recovered_within_two_points() -> None:
    found, way = made()
    rows = found.prototypes
    follows = np.ones(IMAGES, bool)
    follows[[*ODD, *WRONG]] = False
    counts = np.bincount(way[follows])
    assert len(rows) == 3
    np.testing.assert_allclose([row.share for row in rows], np.sort(counts)[::-1] / counts.sum(), atol=0.02)
    assert (np.argsort(-counts)[found.assigned] == way)[follows].mean() >= 0.98
    assert (found.layer, found.output, found.number, int(found.fitted.sum())) == ("layer1", "cat", 4, IMAGES - 2)


def test_a_prototype_is_made_of_the_components_planted() -> None:
    found, way = made()
    for row, j in zip(found.prototypes, np.argsort(-np.bincount(way)), strict=True):
        assert {use.component.unit for use in row.uses} == set(WAYS[j])
        assert abs(sum(use.share for use in row.uses) - 0.9) < 0.1
        members = np.flatnonzero((found.assigned == row.prototype - 1) & found.fitted)
        first = row.uses[0]
        assert first.share == pytest.approx(found.shares[members, first.component.unit].mean())
        assert first.usual == pytest.approx(found.shares[found.fitted, first.component.unit].mean())
        away = np.square(rooted(found.shares[members]) - found.mixture.mean_points()[row.prototype - 1]).sum(axis=1)
        assert row.nearest[0] == f"{members[away.argmin()]}.png"
    assert "layer1:" in str(found.prototypes[0].uses[0])


def test_strange_images_and_wrong_labels_come_first() -> None:
    found, _ = made()
    images = found.images
    assert {row.id for row in images[:4]} == {*ODD, *WRONG}
    assert {row.id: row.verdict for row in images[:4]} == {
        **dict.fromkeys(ODD, STRANGE), **dict.fromkeys(WRONG, MISLABELLED)
    }  # fmt: skip
    assert [row.predicted for row in images[:4] if row.id in WRONG] == ["dog", "dog"]
    assert sum(bool(row.verdict) for row in images) <= 4 + 0.02 * IMAGES
    strange = next(row for row in images if row.id == ODD[0])
    mean = found.means[strange.prototype - 1]
    most = strange.more[0].component.unit
    assert most == (found.shares[ODD[0]] - mean).argmax()
    assert strange.less[0].component.unit == (found.shares[ODD[0]] - mean).argmin()
    assert strange.more[0].usual == pytest.approx(mean[most])


def relevance_of(shares: np.ndarray, found: Strategies) -> Relevance:
    n, c = len(shares), COMPONENTS
    plain = tiny_relevance()
    zeros = np.zeros((c, 1), np.int64)
    vectors = VectorRows(
        n, np.arange(n, dtype=np.int32), np.zeros(n, np.int32), np.full(n, 4, np.int32), shares.astype(np.float16)
    )
    return replace(
        plain, layers=found.index.layers, parameters={}, of="all", classes=(4,), class_names=("cat",), positive=zeros,
        negative=zeros, top=zeros, counts=np.array([n]), passing=plain.passing[:, :1],
        ids=np.full((c, 1), MISSING, np.int32), shares=np.full((c, 1), -np.inf, np.float32), vectors=vectors,
    )  # fmt: skip


def test_other_images_of_the_class_are_called_unusual_at_the_rate_asked_for() -> None:
    """3,000 fresh images: the share of p-values up to alpha is alpha, within what 300 images can tell; others stand
    out."""
    found, _ = made()
    rng = np.random.default_rng(5)
    fresh = shares_of(rng.choice(3, size=3000, p=PARTS), rng)
    rows = found.assign(relevance_of(fresh, found))
    p = np.array([row.p_value for row in rows])
    for alpha in (0.05, 0.1, 0.2):
        assert abs((p <= alpha).mean() - alpha) <= 0.02 + alpha / 10
    assert sum(row.verdict == STRANGE for row in rows) == (p <= 0.05).sum()
    odd = found.assign(relevance_of(np.roll(fresh[:50], 5, axis=1), found), [f"new{i}" for i in range(50)])
    assert all(row.verdict for row in odd)
    assert odd[3].image == "new3"


def test_relevance_that_was_computed_otherwise_is_refused() -> None:
    found, _ = made()
    right = relevance_of(found.shares[:5], found)
    with pytest.raises(SemlensError, match="has no vectors of single images"):
        found.assign(replace(right, vectors=None))
    with pytest.raises(SemlensError, match="not of the strategies' rules: compute it"):
        found.assign(replace(right, method="gradient"))
    with pytest.raises(SemlensError, match="not of the strategies' class"):
        found.assign(replace(right, classes=(5,)))


def test_over_all_images_only_those_predicted_are_of_the_class() -> None:
    rng = np.random.default_rng(1)
    shares = shares_of(rng.choice(3, size=120, p=PARTS), rng)
    found = strategies(index_of(shares, np.arange(120) % 2 == 0, of="all"), 4, most=1)
    assert found.ids.tolist() == list(range(0, 120, 2))
    assert (len(found.prototypes), found.prototypes[0].images) == (1, 60)


def test_images_that_all_use_the_same_are_one_way() -> None:
    one = np.zeros((30, COMPONENTS))
    one[:, 2] = 1
    found = strategies(index_of(one, np.ones(30, bool)), "cat")
    assert [(row.images, row.uses[0].component.unit, row.uses[0].share) for row in found.prototypes] == [(30, 2, 1)]
    assert {row.verdict for row in found.images} == {""}


def test_what_cannot_be_asked_is_named() -> None:
    rng = np.random.default_rng(1)
    few = index_of(shares_of(rng.choice(3, size=12, p=PARTS), rng), np.ones(12, bool))
    with pytest.raises(SemlensError, match="vectors of 12 images of 'cat': strategies need 15 or more"):
        strategies(few, "cat")
    with pytest.raises(SemlensError, match="unknown class 'cow'; nearest: "):
        strategies(few, "cow")
    with pytest.raises(SemlensError, match="unknown layer 'layer2'"):
        strategies(few, "cat", layer="layer2")
    with pytest.raises(SemlensError, match="alpha between 0 and 1"):
        strategies(few, "cat", alpha=2)
    with pytest.raises(SemlensError, match="holds no relevance vectors: build it with --classes and --vectors"):
        strategies(tiny(), "cat")


def test_the_sheet_shows_every_prototype_with_its_images() -> None:
    """Each prototype's images in a colour of their own, under its heading."""
    found, way = made()
    index = replace(found.index, rows=np.full_like(found.index.rows, MISSING))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sheet = strategy_sheet(
        replace(found, index=index), lambda i: Image.new("RGB", (50, 50), colours[way[i]]), components=1, pictures=3
    )
    pixels = np.asarray(sheet).reshape(-1, 3)
    counted = [int((pixels == colour).all(axis=1).sum()) for colour in colours]
    assert counted == [3 * 110 * 110] * 3
