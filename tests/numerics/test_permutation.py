"""P-values of effects: against permutations of every component's own, and uniform where nothing is related."""

import numpy as np
import pytest

from semlens.numerics.encoding import Metric
from semlens.numerics.permutation import highest_p, like_shapes, moments, permutations, single_null, standard, tail_p

N, D, Q = 300, 24, 40

SHAPES = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "negative": lambda rng, shape: -np.exp(rng.standard_normal(shape)),
    "skewed": lambda rng, shape: np.exp(rng.standard_normal(shape)),
    "sparse": lambda rng, shape: (rng.random(shape) < 0.01) * rng.exponential(1, shape),
    "less sparse": lambda rng, shape: (rng.random(shape) < 0.05) * rng.exponential(1, shape),
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, shape),
}


def _images(rng, n=N):
    """Embeddings with heavy tails and a few strong directions, as those of photographs have."""
    e = rng.exponential(1, (n, 6)) ** 1.5 @ rng.standard_normal((6, D)) + 0.5 * rng.standard_t(3, (n, D)) + 2
    return (e / np.linalg.norm(e, axis=1, keepdims=True)).astype(np.float32)


def _asked(e, activations, rng, draws=1000, groups=None):
    """The z of phrases near some images for standardised activations, and their permutations."""
    away = e.astype(np.float64) - e.mean(axis=0)
    metric = Metric(away.T @ away / len(e), len(e))
    phrases = e[rng.integers(0, len(e), Q)] + 0.1 * rng.standard_normal((Q, D)).astype(np.float32)
    z = metric.z((activations @ away / len(e)).astype(np.float32), phrases)
    groups = np.arange(len(e), dtype=np.int32) if groups is None else groups
    return z, permutations(metric, e, groups, phrases, draws=draws)


@pytest.fixture(scope="module")
def unrelated():
    """P-values of 300 components of each shape, together in one layer, four times with other images."""
    p: dict[str, list[np.ndarray]] = {name: [] for name in SHAPES}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        e, y = _images(rng), standard(np.concatenate([shape(rng, (300, N)) for shape in SHAPES.values()]))
        z, permuted = _asked(e, y, rng)
        for name, some in zip(SHAPES, np.split(highest_p(z.max(axis=1), permuted, y), len(SHAPES)), strict=True):
            p[name].append(some)
    return {name: np.concatenate(some) for name, some in p.items()}


@pytest.mark.parametrize("name", SHAPES)
def test_p_values_are_uniform_where_nothing_is_related(unrelated, name) -> None:
    p = np.sort(unrelated[name])
    distance = np.abs(p - (np.arange(len(p)) + 0.5) / len(p)).max()  # Kolmogorov and Smirnov
    assert distance < 1.63 / np.sqrt(len(p)) + 0.02  # 1 %, and what permutations shared by components add
    assert (p <= 0.01).mean() < 0.02


def test_shared_permutations_give_what_own_ones_give() -> None:
    rng = np.random.default_rng(5)
    e, y = _images(rng), standard(np.concatenate([shape(rng, (40, N)) for shape in SHAPES.values()]))
    z, permuted = _asked(e, y, rng)
    shared = highest_p(z.max(axis=1), permuted, y)
    own = np.concatenate(
        [tail_p(best[None], single_null(permuted, row).max(axis=1)) for best, row in zip(z.max(axis=1), y, strict=True)]
    )
    assert np.abs(shared - own).mean() < 0.02
    assert np.abs(shared - own).max() < 0.1


def test_a_z_is_that_of_the_permuted_activation() -> None:
    rng = np.random.default_rng(6)
    e, y = _images(rng, 50), standard(rng.standard_normal((2, 50)))
    metric, phrases = Metric(np.cov(e.T, bias=True), 50), rng.standard_normal((3, D)).astype(np.float32)
    permuted = permutations(metric, e, np.arange(50, dtype=np.int32), phrases, draws=20)
    moved = y[1][next(permuted.orders())[7]]
    expected = metric.z((moved[None] @ (e - e.mean(axis=0)) / 50).astype(np.float32), phrases)
    np.testing.assert_allclose(single_null(permuted, y[1])[7], expected[0], atol=1e-3)
    assert sorted(next(permuted.orders())[7].tolist()) == list(range(50))


def test_many_directions_are_taken_through_the_space_and_few_directly() -> None:
    rng = np.random.default_rng(7)
    e, y, phrases = _images(rng, 60), standard(rng.standard_normal((1, 60))), rng.standard_normal((3, D))
    metric, alone = Metric(np.cov(e.T, bias=True), 60), np.arange(60, dtype=np.int32)
    few = permutations(metric, e, alone, phrases, draws=10)
    many = permutations(metric, e, alone, np.tile(phrases, (10, 1)), draws=10)  # 30 directions, 24 dimensions
    np.testing.assert_allclose(single_null(few, y[0]), single_null(many, y[0])[:, :3], atol=1e-4)


def test_groups_move_as_blocks_and_keep_the_rate() -> None:
    """Pictures of each patient alike in activation and embedding: without groups almost all would be significant."""
    rng = np.random.default_rng(8)
    patients = rng.permutation(np.repeat(np.arange(60), rng.integers(2, 14, 60))).astype(np.int32)
    e = _images(rng, 60)[patients] + 0.02 * rng.standard_normal((len(patients), D)).astype(np.float32)
    y = standard(rng.exponential(1, (400, 60))[:, patients] + 0.1 * rng.standard_normal((400, len(patients))))
    z, grouped = _asked(e, y, np.random.default_rng(9), groups=patients)
    _, alone = _asked(e, y, np.random.default_rng(9))
    whose = patients[next(grouped.orders())[3]]
    assert all(len(np.unique(whose[patients == patient])) == 1 for patient in range(60))
    assert 0.02 < (highest_p(z.max(axis=1), grouped, y) <= 0.05).mean() < 0.08
    assert (highest_p(z.max(axis=1), alone, y) <= 0.05).mean() > 0.5


def test_a_tail_goes_on_where_the_draws_end() -> None:
    null = np.random.default_rng(10).exponential(1, 1000)
    p = tail_p(np.array([0.0, np.sort(null)[-3], null.max() + 1, 100.0]), null)
    assert p[0] == 1
    assert p[1] == 4 / 1001
    assert p[2] == pytest.approx(np.exp(-null.max() - 1), rel=0.6)
    assert p[3] == 1e-4


def test_what_never_varies_is_in_no_group_and_has_p_1() -> None:
    y = np.stack([np.ones(N), np.arange(N, dtype=float)])
    rng = np.random.default_rng(11)
    z, permuted = _asked(_images(rng), standard(y), rng, draws=50)
    assert [group.tolist() for group in like_shapes(permuted, y)] == [[1]]
    assert highest_p(z.max(axis=1), permuted, standard(y))[0] == 1


def test_shapes_share_their_permutations_where_the_images_are_too_many_for_a_difference() -> None:
    """What the shift says is where the highest z by chance lies, beside that of normal activations."""
    rng = np.random.default_rng(12)
    for n, groups in ((4000, 1), (100, 2)):
        e = _images(rng, n)
        y = standard(np.stack([rng.standard_normal(n), rng.exponential(1, n)]))
        _, permuted = _asked(e, y, rng, draws=2000)
        assert len(list(like_shapes(permuted, y))) == groups
        highest = [single_null(permuted, row).max(axis=1) for row in y]
        moved = np.quantile(highest[1], 0.9) - np.quantile(highest[0], 0.9)
        said = permuted.shift(*moments(y))
        assert said[1] - said[0] == pytest.approx(moved, abs=0.15)
