"""Audits by encoding, on components and outputs of which it is known what they respond to."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from semlens.analysis.audit.audit import audit
from semlens.analysis.audit.encoded import concepts_of, encoded_components, squared_shares
from semlens.analysis.audit.findings import Audit
from semlens.analysis.audit.spec import Spec, check_spec, entries
from semlens.analysis.drivers import joint_of, similarities
from semlens.errors import SemlensError
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex
from semlens.numerics.encoding import Metric
from tests.encoded_audit import IMAGES, asked, encoded_index, presence
from tests.planted import planted, with_relevance

VALID, SPURIOUS = [0, 1, 2], [5, 6]
ABOUT: list[dict[int, float]] = [{0: 1}, {1: 1}, {5: 1}, {6: 1}, {0: 1, 5: 1}, {9: 1}, {}, {}]
SHARES = [0.3, 0.1, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05]
LOGITS: list[dict[int, float]] = [{0: 2, 5: 2}, {1: 1, 0: -1}]
TOGETHER = ((5, 0),)  # the shortcut's concept brings a valid one along


@cache
def index() -> ConceptIndex:
    return encoded_index(ABOUT, SHARES, logits=LOGITS, shown=presence(together=TOGETHER))


def spec_of(**change: Any) -> Spec:
    named = {"valid": [f"concept {c}" for c in VALID], "spurious": [f"concept {c}" for c in SPURIOUS]}
    return check_spec({"output": "ox", **named, **change})


def run(at: ConceptIndex | None = None, probes: Any = None, **change: Any) -> Audit:
    return audit(at or index(), spec_of(**change), probes or asked(VALID + SPURIOUS))


@cache
def audited() -> Audit:
    return run()


def test_components_stand_where_they_respond_and_not_where_confounds_put_them() -> None:
    """Concept 5 brings concept 0 along in four images of five: what responds to one does not fit the other."""
    stands = {row.component.unit: row.quadrant for row in audited().rows}
    assert [stands[unit] for unit in range(5)] == ["valid", "valid", "spurious", "spurious", "both"]
    assert [stands[unit] for unit in (5, 6, 7)] == ["neither"] * 3
    assert audited().by == "encoding"


def test_relevance_is_divided_by_what_components_respond_to() -> None:
    mass = {one.quadrant: one for one in audited().masses}
    assert mass["valid"].relevance + mass["spurious"].relevance == pytest.approx(1)
    assert mass["spurious"].relevance == pytest.approx(
        0.35 / 0.8, abs=0.08
    )  # of what responds to a concept of the spec
    assert mass["neither"].relevance == pytest.approx(0.2, abs=1e-6)
    assert mass["both"].relevance == 0
    assert mass["both"].components == 1
    assert mass["spurious"].low < 0.35 / 0.8 < mass["spurious"].high
    share = {row.component.unit: row.spurious_share for row in audited().rows}
    assert share[4] == pytest.approx(0.5, abs=0.1)
    concept = {one.concept: one for one in audited().concepts}
    assert concept["concept 5"].relevance == pytest.approx(0.25 / 0.8, abs=0.08)


def test_net_relevance_takes_off_what_speaks_against_concept_by_concept() -> None:
    """A concept that speaks against the class on the whole does not make up for one that speaks for it."""
    against = [0.0, 0.0, 0.15, 0.4, 0.0, 0.0, 0.0, 0.0]
    found = run(
        encoded_index(ABOUT, SHARES, against=against), requirements=["net_relevance(spurious) <= 0.05"]
    ).verdicts[0]
    assert found.value == pytest.approx(0.05 + 0.1 / 2, abs=0.03)
    assert found.verdict == "not met"


def test_what_drives_the_output_is_found_by_its_own_encoding() -> None:
    """ox - cow is 3 x concept 0 + 2 x concept 5 - concept 1: shares 9, 4 and 1 of 14 where they vary alike."""
    drivers = {row.phrase: row for row in audited().drivers}
    assert [row.phrase for row in audited().drivers][:3] == ["concept 0", "concept 5", "concept 1"]
    assert drivers["concept 0"].output == "ox - cow"
    assert drivers["concept 1"].high < 0 < drivers["concept 5"].effect
    assert drivers["concept 1"].alike == ()
    assert drivers["concept 5"].alike == ("concept 0",)  # what is the one's may be the other's: the interval says so
    assert drivers["concept 5"].low == 0
    assert drivers["concept 5"].high > drivers["concept 5"].effect + drivers["concept 0"].effect
    found = run(requirements=["drivers(spurious) <= 0.15", "drivers(spurious) <= 0.45"]).verdicts
    assert found[0].value == pytest.approx(4 / 14, abs=0.12)  # what goes together shares
    assert [(one.verdict, one.layer) for one in found] == [("not met", "the output"), ("met", "the output")]
    assert [one.sure for one in found] == [False, False]
    assert found[0].low < 0.02
    apart = run(encoded_index(ABOUT, SHARES, logits=LOGITS), requirements=["drivers(spurious) <= 0.15"]).verdicts[0]
    assert (apart.verdict, apart.sure) == ("not met", True)
    assert apart.value == pytest.approx(4 / 14, abs=0.06)


def test_an_output_without_encoding_cannot_be_told() -> None:
    found = run(encoded_index(ABOUT, SHARES), requirements=["drivers(spurious) <= 0.15"])
    assert (found.verdicts[0].verdict, found.passed, found.failed) == ("cannot tell", False, False)
    assert "holds no encoding of this output" in found.verdicts[0].reason


def test_weights_of_images_are_as_good_as_images_taken_twice() -> None:
    rng = np.random.default_rng(0)
    similarity, activation = rng.normal(size=(50, 3)), rng.normal(size=(4, 50)).astype(np.float32)
    counts = rng.integers(0, 3, 50)
    twice = np.repeat(np.arange(50), counts)
    s, y = similarity[twice], activation[:, twice]
    away = s - s.mean(axis=0)
    metric = Metric(away.T @ away / len(s), len(s))
    expected = metric.joint(y @ away.astype(np.float32) / len(s), np.eye(3))
    np.testing.assert_allclose(joint_of(similarity, activation, counts.astype(float)), expected, atol=1e-5)


def test_shares_by_hand() -> None:
    found = squared_shares(np.array([[3.0, -9.0, 4.0], [0.0, -1.0, 1.0]]), np.array([1.0, 1.0, 1.0]))
    np.testing.assert_allclose(found, np.array([[8 / 23, 0, 15 / 23], [0, 0, 0]]))


def test_the_noise_of_coefficients_is_what_permuted_activations_show() -> None:
    encodings = index().encodings
    assert encodings is not None
    found = encoded_components(index(), encodings, concepts_of(asked(VALID + SPURIOUS), entries(spec_of())), ["layer0"])
    rng, similarity = np.random.default_rng(0), similarities(encodings, found.concepts.directions)
    noise = rng.permuted(np.repeat(found.activations[:1], 2000, axis=0), axis=1)
    shown = joint_of(similarity, noise, np.ones(len(similarity))).var(axis=0)
    np.testing.assert_allclose(found.noise, shown, rtol=0.15)


def test_what_is_not_named_is_not_credited_to_what_is() -> None:
    """Of three components that follow concept 5 alike two follow others more, of which the spec knows nothing: what
    raises one is held against it, what lowers the other is not."""
    about: list[dict[int, float]] = [{5: 1, 9: 1.5, 10: 1}, {5: 1}, {0: 1}, {5: 1, 9: -1.5, 10: -1}]
    at = encoded_index(about, [0.4, 0.2, 0.2, 0.2])
    own, r2 = at.encodings, np.array([0.95, 0.7, 0.7, 0.95], np.float32)
    assert own is not None
    assert {row.component.unit: row.quadrant for row in run(at).rows}[0] == "spurious"
    own = replace(own, r2=r2)
    known = at._with(Encodings, lambda: own)
    stands = {row.component.unit: row.quadrant for row in run(known).rows}
    assert stands == {0: "neither", 1: "spurious", 2: "valid", 3: "spurious"}


def test_what_raises_beyond_the_concepts_by_regression_on_all_images() -> None:
    about: list[dict[int, float]] = [{5: 1, 9: 1.5, 10: 1}, {5: 1}, {5: 1, 9: -1.5, 10: -1}, {9: 1}]
    at = encoded_index(about, [0.25] * 4)
    own, r2 = at.encodings, np.array([0.95, 0.2, 0.95, np.nan], np.float32)
    assert own is not None
    concepts = concepts_of(asked(VALID + SPURIOUS), entries(spec_of()))
    found = encoded_components(at, replace(own, r2=r2), concepts, ["layer0"])
    along = np.column_stack([np.ones(IMAGES), similarities(own, concepts.directions)])
    predicted = own.embeddings.astype(np.float64) @ found.metric.vectors(own.cross[found.members]).T
    for n, row in enumerate(found.members.tolist()):
        rest = predicted[:, n] - along @ np.linalg.lstsq(along, predicted[:, n], rcond=None)[0]
        y = own.activations[row].astype(np.float64)
        named = 1 - np.var(y - along @ np.linalg.lstsq(along, y, rcond=None)[0]) / np.var(y)
        left = max(np.nan_to_num(r2[row]) - named, 0)
        expected = (np.quantile(rest, 0.95) - np.median(rest)) / rest.std() * np.sqrt(left)
        assert found.unnamed[n] == pytest.approx(expected, rel=0.03)
    assert found.unnamed[0] > 1.2 * found.unnamed[2] > 0
    assert found.unnamed[[1, 3]].tolist() == [0, 0]  # nothing is left, or R2 is not known


def test_which_way_is_chosen_and_said() -> None:
    assert audit(index(), spec_of(), asked(VALID + SPURIOUS), by="examples", draws=1000).by == "examples"
    with pytest.raises(SemlensError, match="holds no encodings: add them with `semlens encode`"):
        audit(
            with_relevance(planted([(0,)] * 8), [[0.1]] * 8, ("ox",)), spec_of(), asked(VALID + SPURIOUS), by="encoding"
        )
    with pytest.raises(SemlensError, match="'encodings'"):
        audit(index(), spec_of(), asked(VALID + SPURIOUS), by="encodings")
