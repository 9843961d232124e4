"""Labels by encoding: right where examples are not, none by chance, two where there are two."""

import json
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

from semlens.analysis.chance import q_values
from semlens.analysis.labels.encoded import OVERLAP, RATIO, _second, _top, rank
from semlens.analysis.labels.labelling import Labels, label
from semlens.analysis.probe import Probes
from semlens.analysis.responses import responses
from semlens.analysis.stored import keep, stored_labels
from semlens.benchmark.conditions import again
from semlens.errors import SemlensError
from semlens.index.encodings import Encodings
from semlens.index.index import given, load_index
from semlens.index.records import Thumbnails
from semlens.numerics.vectors import unit
from semlens.types import MISSING
from semlens.views.contact_sheet import label_sheet
from tests.responding import responding, words

ABOUT: list[tuple[int, ...] | None] = [*[(c,) for c in range(10)], *[None] * 40, (), (2, 7), (5, 8)]
INDEX = responding(ABOUT, layers=(30, 23), absent={9: 10})


@cache
def labelled() -> Labels:
    return label(INDEX, words())


def test_a_component_is_called_what_it_responds_to_and_nothing_by_chance() -> None:
    assert [labelled().of(row) for row in range(9)] == [f"concept {c}" for c in range(9)]
    assert labelled().accepted[10:50].sum() <= 2
    assert labelled().of(50) is None  # never varies
    assert labelled().best(50) == ""
    assert labelled().of(9) is None  # responds, but has no example to look at
    assert labelled().by == "encoding"


def test_examples_call_it_by_what_only_goes_along() -> None:
    """Most of component 0's images show concept 1 too; over all images it responds to concept 0 alone."""
    by_examples = label(INDEX, words(), by="examples", split=False, draws=1000)
    assert by_examples.by == "examples"
    first, second = by_examples.fits[0, :2]
    assert second > 0.6 * first  # nearly as good by examples
    assert set(by_examples.ranked[0, :2].tolist()) == {0, 1}
    z = labelled().fits[0]
    numbers = labelled().ranked[0].tolist()
    assert numbers[0] == 0
    assert 1 not in numbers or z[numbers.index(1)] < 0.45 * z[0]


def test_the_row_says_z_and_ratio_and_by_what() -> None:
    row = labelled().at(3)
    assert (row.label, row.by) == ("concept 3", "encoding")
    assert row.z == pytest.approx(labelled().fits[3, 0])
    assert row.z > 8
    assert abs(row.runners_up[0].ratio) < 0.4
    assert row.runners_up[0].ratio == pytest.approx(row.runners_up[0].z / row.z)
    assert np.isnan([row.alignment, row.stability, row.margin, row.r2]).all()
    assert json.dumps(labelled().rows.records())
    assert "components have a label by encoding" in labelled().rows.title
    seen = replace(INDEX, read_thumbnails=lambda: Thumbnails.pack([b""] * 600))
    assert label_sheet(replace(labelled(), index=seen)).size[1] > 500


def test_a_sum_of_two_has_two_labels_and_what_has_one_does_not() -> None:
    meanings = labelled().meanings
    assert {one.label for one in meanings[51]} == {"concept 2", "concept 7"}
    assert {one.label for one in meanings[52]} == {"concept 5", "concept 8"}
    assert not set(meanings) & set(range(9))
    for row in (51, 52):
        first, second = meanings[row]
        assert (first.ratio, first.examples) == (1, ())
        assert second.ratio == pytest.approx(second.score / first.score, rel=1e-5)
        assert second.ratio >= RATIO
    assert not label(INDEX, words(), split=False).meanings


def test_a_second_label_is_clear_not_only_sure() -> None:
    """z of 7 beside 10 is a correlation of 0.29 over 600 images and of 0.11 over 4,000."""
    ranked, z, apart = np.array([[0, 1]], np.int32), np.array([[10, 7]], np.float32), np.eye(2, dtype=np.float32)
    assert [_second(ranked, z, apart, 2, images).tolist() for images in (600, 2000, 4000)] == [[1], [1], [MISSING]]


def test_a_synonym_is_no_second_label() -> None:
    plain = words()
    twins = unit(plain.vectors + 0.02 * np.random.default_rng(0).normal(size=plain.vectors.shape)).astype(np.float32)
    doubled = Probes(
        (*plain.names, *(f"{name} again" for name in plain.names)),
        np.concatenate([plain.vectors, twins]),
        np.concatenate([plain.nulls, plain.nulls]),
        plain.foundation,
    )
    found = label(INDEX, doubled)
    assert set(found.meanings) == {51, 52}
    assert {one.label.removesuffix(" again") for one in found.meanings[51]} == {"concept 2", "concept 7"}
    asked = responses(INDEX)
    overlap = asked.metric.overlap(doubled.vectors[:1], doubled.vectors[12:13])
    assert overlap[0, 0] > OVERLAP


@pytest.mark.slow
def test_the_rate_of_false_labels_is_kept() -> None:
    false, given = 0, 0
    for seed in range(5):
        about: list[tuple[int, ...] | None] = [(c,) for c in range(4, 8)] + [None] * 60
        found = label(responding(about, seed=10 + seed), words(), seed=seed, split=False, fdr=0.1)
        false, given = false + int(found.accepted[4:].sum()), given + int(found.accepted.sum())
    assert given >= 20
    assert false / given <= 0.1 + 0.1  # two standard deviations of some 22 labels


def test_few_among_many_are_found_and_no_others() -> None:
    """Four of 2,100 respond: at the least p-value of 1,000 draws that would be too few for a label."""
    about: list[tuple[int, ...] | None] = [(4,), (5,), (6,), (7,), *[None] * 2096]
    found = label(responding(about), words(), split=False)
    assert found.accepted[:4].all()
    assert found.accepted.sum() == 4
    assert found.p_value[:4].max() < 1e-4


def test_too_few_even_for_more_draws_are_said() -> None:
    about: list[tuple[int, ...] | None] = [(4,), *[None] * 60]
    found = label(responding(about), words(), split=False, fdr=1e-5)
    assert not found.accepted.any()
    assert "1 stand out as far as 1,000 draws can show, too few among 61" in found.rows.title


@pytest.mark.parametrize(("images", "noise", "said"), [(60, 2.0, True), (60, 0.1, False), (300, 20.0, False)])
def test_images_too_few_to_tell_most_components_from_chance_are_said(images: int, noise: float, said: bool) -> None:
    index = responding([(c,) for c in range(4, 12)], noise=noise)
    assert index.encodings
    few = index._with(Encodings, partial(given, again(index.encodings, np.arange(images))))
    found = label(few, words(), split=False)
    assert (found.accepted.sum() < 4) == (noise > 1)
    assert ("60 images tell few components from chance: encode more (semlens encode)" in found.rows.title) == said


def test_p_values_and_q_values_are_of_what_was_ranked() -> None:
    ranked = np.flatnonzero(labelled().ranked[:, 0] < 12)
    assert len(ranked) == 51
    np.testing.assert_array_equal(labelled().q_value[ranked], q_values(labelled().p_value[ranked]))
    one = label(INDEX, words(), layers="layer1")
    assert (one.ranked[:30] >= 12).all()
    assert one.of(51) == labelled().of(51)


def test_kept_labels_come_back_with_z_and_ratio(tmp_path) -> None:
    index = load_saved(tmp_path)
    made = label(index, words())
    keep(made, tmp_path / "index")
    back = stored_labels(load_index(tmp_path / "index"))
    assert back.by == "encoding"
    np.testing.assert_array_equal(back.fits, made.fits)
    assert [back.of(row) for row in range(53)] == [made.of(row) for row in range(53)]
    for row, pair in made.meanings.items():
        assert [one.label for one in back.meanings[row]] == [one.label for one in pair]
        assert back.meanings[row][1].ratio == pytest.approx(pair[1].ratio, rel=1e-6)
    assert back.at(51).z == made.at(51).z


def load_saved(tmp_path):
    """The index in a folder, opened again: what it keeps of encodings is another test's matter."""
    replace(INDEX, read_additions={}).save(tmp_path / "index")
    return replace(load_index(tmp_path / "index"), read_additions=INDEX.read_additions)


def test_mistakes_are_named() -> None:
    with pytest.raises(SemlensError, match="method 'csp' scores examples"):
        label(INDEX, words(), by="encoding", method="csp")
    with pytest.raises(SemlensError, match="draws is 100: what chance reaches is not known from fewer than 1,000"):
        label(INDEX, words(), draws=100)
    with pytest.raises(SemlensError, match="holds no encodings"):
        label(replace(INDEX, read_additions={}), words(), by="encoding")
    assert label(INDEX, words(), method="prompt", split=False, draws=1000).by == "examples"


def test_ties_go_to_the_lower_phrase() -> None:
    found = rank(responses(INDEX), words([4, 4, 5]), [0], fdr=0.05, draws=1000, seed=0)
    assert found.ranked[4].tolist()[:2] == [0, 1]
    assert found.z[4, 0] == found.z[4, 1]


@pytest.mark.parametrize(("q", "m"), [(10_003, 50), (3_300, 50), (200, 7), (5, 5)])
def test_the_highest_of_many_are_the_highest(q: int, m: int) -> None:
    scores = np.random.default_rng(q).normal(size=(33, q)).astype(np.float32)
    assert (np.sort(_top(scores, m), axis=1) == np.sort(np.argsort(-scores, axis=1)[:, :m], axis=1)).all()
