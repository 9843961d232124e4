from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

from semlens.analysis.audit.audit import RESAMPLES, audit
from semlens.analysis.audit.findings import Audit, changes
from semlens.analysis.audit.grammar import QUADRANTS, parse_requirement
from semlens.analysis.audit.quadrants import quadrant
from semlens.analysis.audit.requirements import LayerFigures, Sight, judge
from semlens.analysis.audit.spec import Spec, check_spec
from semlens.analysis.chance import p_values, q_values, random_components, statistic
from semlens.analysis.labels.labelling import label
from semlens.analysis.labels.scorers import resampled, standardised
from semlens.analysis.probe import Probes
from semlens.errors import SemlensError
from semlens.index.index import ConceptIndex
from semlens.index.relevance import ClassRelevance, Unread
from semlens.types import Component, FoundationId
from tests.planted import phrases, planted, with_relevance

VALID, SPURIOUS = [0, 1, 2], [5, 6]
ABOUT: list[tuple[int, ...] | None] = [
    *[(c,) for c in VALID], *[(c,) for c in SPURIOUS], (0, 5), (9,), None, (10,), (11,), *[None] * 10,
]  # fmt: skip
SHARES = [0.1, 0.1, 0.05, 0.2, 0.05, 0.05, 0.1, 0.05, 0.02, 0.01, *[0.01] * 10]
INDEX = with_relevance(planted(ABOUT, k=12), [[share, share / 2] for share in SHARES], ("ox", "cow"))


def spec_of(**change: Any) -> Spec:
    named = {"valid": [f"concept {c}" for c in VALID], "spurious": [f"concept {c}" for c in SPURIOUS]}
    return check_spec({"output": "ox", **named, **change})


def run(index: ConceptIndex = INDEX, probes: Probes | None = None, **change: Any) -> Audit:
    return audit(index, spec_of(**change), probes or phrases(VALID + SPURIOUS), draws=1500)


@cache
def audited() -> Audit:
    return run()


def test_components_stand_where_their_examples_put_them() -> None:
    stands = {str(row.component): row.quadrant for row in audited().rows}
    assert [stands[f"layer0:{unit}"] for unit in range(5)] == ["valid"] * 3 + ["spurious"] * 2
    assert [stands[f"layer0:{unit}"] for unit in (6, 8, 9)] == ["neither"] * 3
    assert sum(stands[f"layer0:{unit}"] != "neither" for unit in range(10, 20)) <= 1
    assert [row.spurious_concept for row in audited().offenders][:2] == ["concept 5", "concept 6"]


def test_relevance_that_a_dictionary_does_not_explain_is_no_reason_to_pass() -> None:
    shares = [[0.9 if unit < 3 else 0.1 / 17] for unit in range(20)]
    plain = with_relevance(planted(ABOUT, k=12), shares, ("ox",))
    relevance = plain.relevance
    assert relevance is not None
    asked: dict[str, Any] = {"requirements": ["relevance_mass(spurious) <= 0.3"], "layers": ["layer0"]}
    verdicts = {}
    for left in (0.2, 0.7):
        other = replace(relevance, unread=(Unread("layer0@error", (left,)), Unread("layer1@error", (0.9,))))
        found = run(replace(plain, read_additions={ClassRelevance: partial(replace, other)}), **asked)
        assert [doubt for doubt in found.doubts if "layer" in doubt] == [
            f"{left:.0%} of the relevance at layer0 passes what the dictionary does not explain"
        ]
        verdicts[left] = found.verdicts[0]
    assert "or through what the dictionary does not explain" not in verdicts[0.2].reason
    assert verdicts[0.7].verdict == "cannot tell"
    assert verdicts[0.7].reason.endswith("fit no concept of the spec, or through what the dictionary does not explain")
    assert verdicts[0.7].value == verdicts[0.2].value


def test_a_component_can_fit_both_sides() -> None:
    mixed = planted([(0, 5), *[None] * 30], k=30, crops=1500)
    found = run(with_relevance(mixed, [[0.01]] * 31, ("ox",)), fdr=0.5)
    assert found.rows[0].quadrant == "both"


def test_quadrants_are_numbered_as_named() -> None:
    fits = np.array([[True, False], [False, True], [True, True], [False, False]])
    assert [QUADRANTS[at] for at in quadrant(fits)] == ["valid", "spurious", "both", "neither"]


def test_masses_are_shares_of_relevance_and_add_up() -> None:
    mass = {one.quadrant: one for one in audited().masses}
    assert sum(one.relevance for one in audited().masses) == pytest.approx(1)
    total = sum(SHARES)
    at = {name: sum(SHARES[row.component.unit] for row in audited().rows if row.quadrant == name) for name in QUADRANTS}
    for name in QUADRANTS:
        assert mass[name].relevance == pytest.approx(at[name] / total, abs=1e-6)
        assert mass[name].low <= mass[name].relevance <= mass[name].high
        assert mass[name].components == sum(row.quadrant == name for row in audited().rows)


def test_p_values_and_thresholds_agree() -> None:
    """What exceeds the critical value is exactly what the step-up procedure discovers, on each side."""
    for side in (0, 1):
        discovered = q_values(audited().fit.p_value[:, side]) <= 0.05
        assert (discovered == audited().fit.fits[:, side]).all()


def test_a_side_with_more_concepts_needs_more() -> None:
    many = [0, 1, 2, 3, 4, 7, 8, 9, 10]
    wide = run(probes=phrases([*many, 5]), valid=[f"concept {c}" for c in many], spurious=["concept 5"])
    same = np.flatnonzero(audited().fit.z[:, 0] == wide.fit.z[:, 0])
    assert len(same) >= 3
    assert (wide.fit.p_value[same, 0] >= audited().fit.p_value[same, 0]).all()
    assert (wide.fit.p_value[same, 0] > audited().fit.p_value[same, 0]).any()


def test_p_values_are_those_of_the_best_of_a_side() -> None:
    """The slow twin: the same scorer, side by side, against the same random components."""
    probes, random = phrases(VALID + SPURIOUS), random_components(INDEX, draws=1500)
    scorer = standardised(INDEX, probes, random, 0)
    rows = np.arange(len(ABOUT))
    real, chance = scorer(INDEX.rows, rows), scorer(random.rows, random.like)
    for side, part in ((0, slice(0, 3)), (1, slice(3, 5))):
        p = p_values(statistic(INDEX, real[:, part].max(axis=1)), random.statistic(chance[:, part].max(axis=1)))
        np.testing.assert_array_equal(p, audited().fit.p_value[:, side])
        np.testing.assert_allclose(real[:, part].max(axis=1), audited().fit.z[:, side], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("line", "met"),
    [
        ("relevance_mass(spurious) <= 0.10", False),
        ("relevance_mass(spurious) <= 60%", True),
        ("relevance_mass(valid + both) > 0.2", True),
        ("relevance_mass(unexpected) <= 0.01", False),
        ("components(spurious) <= 2", True),
        ("components(spurious) < 2", False),
        ("no component with spurious > valid above relevance 0.02", False),
        ("no component with spurious > valid above relevance 0.3", True),
    ],
)
def test_requirements_are_judged(line: str, met: bool) -> None:
    found = run(requirements=[line])
    assert found.passed == met
    verdict = found.verdicts[0]
    assert (verdict.requirement, verdict.met, verdict.layer) == (line, met, "layer0")
    assert verdict.low <= verdict.value <= verdict.high


def test_an_audit_without_requirements_passes() -> None:
    assert audited().passed
    assert len(audited().verdicts) == 0


def test_a_verdict_near_its_limit_is_not_sure() -> None:
    value = {one.quadrant: one.relevance for one in audited().masses}["spurious"]
    near, far = run(
        requirements=[f"relevance_mass(spurious) <= {value - 0.01:.3f}", "relevance_mass(spurious) <= 0.99"]
    ).verdicts
    assert (near.met, near.sure, near.reason) == (False, False, "the interval holds the limit")
    assert (far.met, far.sure) == (True, False)
    assert far.reason == "no marked images prove that the foundation model sees the spurious concepts"
    assert judge(parse_requirement(far.requirement), audited().figures, Sight(proven=True)).sure


def figures(masses: list[float], images: int = 50) -> LayerFigures:
    mass = np.stack([np.array(masses), 1 - np.array(masses), 0 * np.array(masses), 0 * np.array(masses)], axis=1)
    counts = np.zeros(mass.shape, np.int64)
    return LayerFigures("layer", images, mass, 0 * mass[:, :2], counts, np.zeros(len(masses)), seed=0)


def test_intervals_cover_images_even_where_examples_are_sure() -> None:
    """With no doubt about examples a share over n images has Jeffreys' interval of a proportion."""
    from scipy.stats import beta

    value, low, high = figures([0.2] * 4001).interval(np.full(4001, 0.2), share=True)
    assert value == 0.2
    np.testing.assert_allclose([low, high], beta(10.5, 40.5).ppf([0.025, 0.975]), atol=0.01)
    _, low, high = figures([0.0] * 4001).interval(np.zeros(4001), share=True)
    assert low == 0
    assert 0.02 < high < 0.06
    value, low, high = figures([0.2] * 11).interval(np.arange(11.0), share=False)
    np.testing.assert_allclose([value, low, high], [0, 0, 9.775])  # counts: over resampled examples alone


def test_the_interval_covers_the_truth() -> None:
    """Shares over 40 images, each 0 or 1, the widest case: the intervals hold the true one nearly 95 times in 100."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(600):
        share = float((rng.random(40) < 0.3).mean())
        _, low, high = figures([share] * 2001, images=40).interval(np.full(2001, share), share=True)
        hits += low <= 0.3 <= high
    assert 0.92 <= hits / 600 <= 0.98


def test_the_worst_layer_decides() -> None:
    two = planted([(0,), (0,), *[None] * 8, (5,), (5,), *[None] * 8], layers=(10, 10), k=12)
    index = with_relevance(two, [[0.2]] * 2 + [[0.01]] * 8 + [[0.2]] * 2 + [[0.01]] * 8, ("ox",))
    line = "relevance_mass(spurious) <= 0.3"
    assert run(index, layers=["layer0"], requirements=[line]).passed
    both = run(index, layers=["layer0", "layer1"], requirements=[line, "relevance_mass(valid) >= 0.3"])
    assert [(one.met, one.layer) for one in both.verdicts] == [(False, "layer1"), (False, "layer1")]
    assert {one.layer for one in both.masses} == {"layer0", "layer1"}
    assert run(index, requirements=[line]).verdicts[0].layer == "layer1"  # unasked: the last hidden layer


@pytest.mark.parametrize("line", ["relevance_mass(spurious) <= 0.9", "relevance_mass(valid) >= 0.1"])
@pytest.mark.parametrize("unknown_first", [True, False])
def test_a_layer_of_unknown_relevance_decides(line: str, unknown_first: bool) -> None:
    """Nobody knows whether it meets the requirement, so the audit must not pass."""
    known, unknown = replace(figures([0.5] * 11), layer="known"), replace(figures([np.nan] * 11), layer="unknown")
    assert judge(parse_requirement(line), [known]).met
    verdict = judge(parse_requirement(line), [unknown, known] if unknown_first else [known, unknown])
    assert (verdict.verdict, verdict.met, verdict.sure, verdict.layer) == ("cannot tell", False, False, "unknown")
    assert verdict.reason == "the relevance of unknown is not known"
    assert np.isnan([verdict.value, verdict.low, verdict.high]).all()


def test_fits_of_resamples_are_centred_on_the_fit_itself() -> None:
    """A bootstrap resample holds some examples twice and fits less: that bias is taken off before it is judged."""
    fit = audited().fit
    probes, random = phrases(VALID + SPURIOUS), random_components(INDEX, draws=1500)
    scorer = standardised(INDEX, probes, random, 0)
    asked = np.tile(np.arange(5), (len(fit.members), 1))
    scores = resampled(INDEX, scorer, fit.members, RESAMPLES, 0, asked)
    sides = np.stack([scores[:, :, :3].max(axis=2), scores[:, :, 3:].max(axis=2)], axis=2)
    bias = sides.mean(axis=1) - fit.z
    assert (bias[:3, 0] < 0).all()
    centred = sides - bias[:, None]
    np.testing.assert_array_equal(fit.drawn, centred > fit.critical[:, None])
    np.testing.assert_array_equal(fit.leaning, centred[..., 1] > centred[..., 0])


def test_concepts_say_what_the_relevance_goes_to() -> None:
    found = {(one.side, one.concept): one for one in audited().concepts}
    assert len(found) == 5
    assert found["spurious", "concept 5"].components >= 1
    flagged = [row for row in audited().rows if row.quadrant in ("spurious", "both")]
    expected = sum(row.relevance for row in flagged if row.spurious_concept == "concept 5")
    assert found["spurious", "concept 5"].relevance == pytest.approx(expected, abs=1e-6)
    assert found["spurious", "concept 5"].against == pytest.approx(expected / 10, abs=1e-6)


def test_rows_say_what_else_is_affected() -> None:
    row = next(row for row in audited().rows if row.component == Component("layer0", 3))
    assert (row.relevance, row.affected) == (pytest.approx(0.2 / sum(SHARES)), ("cow",))
    assert row.against == pytest.approx(0.02 / sum(SHARES))
    assert sum(one.relevance for one in audited().rows) == pytest.approx(1)
    assert next(row for row in audited().rows if row.component.unit == 19).affected == ()
    assert [one.relevance for one in audited().rows] == sorted((one.relevance for one in audited().rows), reverse=True)


def test_one_seed_gives_one_audit() -> None:
    again = run()
    assert again.rows == audited().rows
    assert again.masses == audited().masses
    other = audit(INDEX, spec_of(), phrases(VALID + SPURIOUS), draws=1500, seed=1)
    assert other.masses != audited().masses


def test_probes_that_say_nothing_or_the_same_are_doubted() -> None:
    probes = phrases(VALID + SPURIOUS)
    vectors = probes.vectors.copy()
    vectors[1], vectors[4] = probes.nulls[0], vectors[0]
    found = run(probes=replace(probes, vectors=vectors))
    assert any(
        doubt.startswith("'concept 1': the foundation model does not tell it from no phrase") for doubt in found.doubts
    )
    assert any("'concept 0' (valid) and 'concept 6' (spurious)" in doubt for doubt in found.doubts)
    assert audited().doubts == ()


def test_labels_are_shown_beside() -> None:
    labels = label(INDEX, phrases(), draws=1500, split=False)
    found = audit(INDEX, spec_of(), phrases(VALID + SPURIOUS), labels=labels, draws=1500)
    assert next(row for row in found.rows if row.component.unit == 6).label == "concept 9"


def test_changes_between_two_audits() -> None:
    less = with_relevance(
        planted(ABOUT, k=12), [[0.01 if n in (3, 4) else share] for n, share in enumerate(SHARES)], ("ox",)
    )
    moved = {one.quadrant: one for one in changes(run(less), audited())}
    assert moved["spurious"].before > moved["spurious"].after
    assert moved["spurious"].low <= moved["spurious"].after - moved["spurious"].before <= moved["spurious"].high
    assert moved["spurious"].high < 0.1
    same = {one.quadrant: one for one in changes(audited(), audited())}
    assert all(one.low <= 0 <= one.high for one in same.values())


def test_audits_of_other_layers_do_not_compare() -> None:
    two = with_relevance(planted([*ABOUT, *ABOUT], layers=(20, 20), k=12), [[s] for s in SHARES * 2], ("ox",))
    a, b = run(two, layers=["layer0"]), run(two, layers=["layer1"])
    with pytest.raises(SemlensError, match=r"share no layer \(layer1; layer0\)"):
        changes(a, b)


def test_it_prints_verdicts_masses_and_offenders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # wide enough to fold nothing
    found = run(requirements=["relevance_mass(spurious) <= 0.10"])
    assert all(part in repr(found) for part in ("relevance_mass(spurious) <= 0.10", "neither", "layer0:3"))
    assert "data:image/webp;base64," in found._repr_html_()


def test_what_cannot_be_audited_is_said() -> None:
    with pytest.raises(SemlensError, match="holds no relevance: build it with the classes"):
        run(planted(ABOUT))
    with pytest.raises(SemlensError, match="unknown class 'goat'"):
        run(output="goat")
    with pytest.raises(SemlensError, match="asks for 5 probes, 12 were given"):
        run(probes=phrases())
    with pytest.raises(SemlensError, match="unknown layer 'layer7'"):
        run(layers=["layer7"])
    with pytest.raises(SemlensError, match="made with toy:planted, the probes with other"):
        run(probes=replace(phrases(VALID + SPURIOUS), foundation=FoundationId("other", "0", 48, "x")))
    relevance = INDEX.relevance
    assert relevance is not None
    empty = replace(relevance, counts=np.array([0, 50]), positive=relevance.positive * np.nan)
    with pytest.raises(SemlensError, match="no image counted for 'ox'"):
        run(replace(INDEX, read_additions={ClassRelevance: lambda: empty}))
    outputs = replace(INDEX, read_unit_names=lambda: ("x",) * len(ABOUT))
    with pytest.raises(SemlensError, match="holds the model's outputs only"):
        run(outputs)
