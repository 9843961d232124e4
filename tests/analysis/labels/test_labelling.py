import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from semlens.analysis.chance import q_values
from semlens.analysis.labels.labelling import Labels, label
from semlens.analysis.results import Rows
from semlens.errors import SemlensError
from semlens.numerics.vectors import mean_rows
from semlens.types import Component, FoundationId
from tests.planted import phrases, planted

ABOUT: list[tuple[int, ...] | None] = [(c,) for c in range(10)] * 2 + [None] * 60 + [(3, 7)] * 4
INDEX = planted(ABOUT, layers=(50, 34), absent={1: 3, 25: 10})


@cache
def labelled() -> Labels:
    return label(INDEX, phrases(), draws=1500)


def test_components_get_the_phrase_of_what_they_show_and_random_ones_none() -> None:
    for row, concepts in enumerate(ABOUT[:20]):
        assert concepts
        assert labelled().of(row) == f"concept {concepts[0]}" == labelled().best(row)
    assert labelled().accepted[20:80].sum() <= 3
    assert labelled().of(25) is None
    assert labelled().best(25) == ""
    assert np.isnan(labelled().fits[25]).all()


def test_the_rate_of_false_labels_is_kept() -> None:
    """Over many indexes of components that show nothing in particular, and some that do."""
    false, given = 0, 0
    for seed in range(12):
        about: list[tuple[int, ...] | None] = [(c,) for c in range(8)] + [None] * 60
        found = label(planted(about, noise=1.2, seed=seed), phrases(), draws=1000, seed=seed, split=False, fdr=0.1)
        false, given = false + int(found.accepted[8:].sum()), given + int(found.accepted.sum())
    assert given > 60
    assert false / given <= 0.1 + 0.06  # 0.06: two standard deviations of about 100 labels


def test_the_correction_counts_the_living_only() -> None:
    """83 tests were made: component 25 is dead, and 84 would make every q-value a little larger."""
    alive = np.flatnonzero(~INDEX.dead)
    assert len(alive) == 83
    np.testing.assert_array_equal(labelled().q_value[alive], q_values(labelled().p_value[alive]))
    assert labelled().q_value[25] == 1


def test_alignment_is_the_cosine_less_that_of_random_components() -> None:
    from semlens.analysis.chance import random_components

    random = random_components(INDEX, draws=1500)
    expected = mean_rows(INDEX.vectors, random.rows[random.layer == 0]).astype(np.float64).mean(axis=0)
    for row in (0, 7):
        vectors = phrases().vectors[labelled().ranked[row]]
        slow = vectors @ (INDEX.means[row].astype(np.float64) - expected)
        np.testing.assert_allclose(labelled().fits[row], slow, atol=1e-3)


def test_runners_up_follow_in_order_of_score() -> None:
    one = labelled().rows[0]
    assert (one.component, one.label, one.name) == (Component("layer0", 0), "concept 0", None)
    assert len(one.runners_up) == 4
    assert one.runners_up[0].label != one.label
    assert one.margin == pytest.approx(one.alignment - one.runners_up[0].alignment)
    assert one.margin > 0.1
    assert one.stability == 1


def test_an_uncertain_choice_is_not_stable() -> None:
    """Half the examples show one concept, half another: which one leads is a matter of the draw."""
    assert labelled().stability[80:].max() < 0.95
    assert labelled().stability[:20].min() == 1


def test_a_component_with_two_meanings_gets_two_labels() -> None:
    about: list[tuple[int, ...] | None] = [(3, 7)] * 6 + [(c,) for c in range(12)] + [None] * 20
    index = planted(about, k=20, crops=1200)
    found = label(index, phrases(), draws=1500)
    for row in range(6):
        meanings = found.meanings[row]
        assert {one.label for one in meanings} == {"concept 3", "concept 7"}
        third = next(one for one in meanings if one.label == "concept 3")
        assert third.examples == tuple(range(0, 20, 2))
        assert sorted(slot for one in meanings for slot in one.examples) == list(range(20))
    assert not set(range(6, 18)) & set(found.meanings)  # one meaning, however it is split
    assert len(found.meanings) <= 7
    assert not label(index, phrases(), draws=1000, split=False).meanings


@pytest.mark.parametrize("method", ["prompt", "centred", "soft-wpmi", "csp"])
def test_every_method_finds_what_is_plain(method: str) -> None:
    found = label(INDEX, phrases(), method=method, draws=1000, split=False)
    assert [found.best(row) for row in range(20)] == [f"concept {c}" for c in range(10)] * 2
    assert found.accepted[20:80].mean() < 0.1
    # scores of soft-wpmi are relative to how often a phrase fits other components, so where all fit, none stands out
    assert (found.accepted[:20].mean() > 0.8) == (method != "soft-wpmi")
    assert np.isnan(found.stability[0]) == (method in ("soft-wpmi", "csp"))


def test_only_the_layers_asked_for_are_labelled() -> None:
    found = label(INDEX, phrases(), layers=["layer1"], draws=1000, split=False)
    assert [one.component.layer for one in found.rows] == ["layer1"] * 34
    assert (found.p_value[:50] == 1).all()
    assert not found.accepted[:50].any()


def test_one_seed_gives_one_answer_and_small_vocabularies_work() -> None:
    a, b = (label(INDEX, phrases(), draws=1000, seed=4) for _ in range(2))
    assert (a.p_value == b.p_value).all()
    assert a.rows == b.rows
    assert a.meanings == b.meanings
    one = label(INDEX, phrases([3]), draws=4000, split=False)
    assert one.ranked.shape == (84, 1)
    assert one.accepted[[3, 13]].all()
    assert not one.accepted[[0, 1, 2]].any()
    assert np.isnan(one.rows[3].margin)
    assert one.rows[3].runners_up == ()


def test_rows_print_and_become_json() -> None:
    rows = labelled().rows
    assert isinstance(rows, Rows)
    assert len(rows) == 83
    record = rows.records()[0]
    assert json.loads(json.dumps(record))["component"] == "layer0:0"
    assert {"component", "label", "alignment", "p_value"} <= set(record)
    assert "concept 0" in repr(labelled())
    assert "false-discovery rate 0.05" in repr(labelled())
    assert "data:image/webp;base64," in labelled()._repr_html_()


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(SemlensError, match="unknown method 'centered'; nearest: centred"):
        label(INDEX, phrases(), method="centered")
    with pytest.raises(SemlensError, match="false-discovery rate is 2"):
        label(INDEX, phrases(), fdr=2.0)
    with pytest.raises(SemlensError, match="made with toy:planted, the probes with other"):
        label(INDEX, replace(phrases(), foundation=FoundationId("other", "0", 48, "x")))
    with pytest.raises(SemlensError, match="unknown layer"):
        label(INDEX, phrases(), layers=["layer9"])


def test_one_meaning_beside_random_images_is_not_two() -> None:
    """Seven in ten of the examples show one concept and the others anything: the smaller half is chance."""
    rng, double = np.random.default_rng(0), 0
    for seed in range(3):
        index = planted([(int(c),) for c in rng.integers(12, size=60)], k=20, crops=1200, seed=seed)
        rows = np.array(index.rows)
        for row in rows:
            row[-6:] = rng.choice(1200, 6, replace=False)
        spoilt = replace(index, rows=rows, ids=rows.copy(), means=mean_rows(index.vectors, rows))
        double += len(label(spoilt, phrases(), draws=2000).meanings)
    assert double <= 2
