"""The table of cases that the page reads too (page/test/audit.test.mjs): grammar of requirements, masses, verdicts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semlens.analysis.audit.encoded import encoded_figures
from semlens.analysis.audit.grammar import QUADRANTS, SIDES, parse_requirement
from semlens.analysis.audit.quadrants import Fit, quadrant
from semlens.analysis.audit.requirements import LayerFigures, figures, holds, judge
from semlens.analysis.audit.spec import load_spec, shipped
from semlens.errors import SemlensError

CASES = json.loads((Path(__file__).parents[2] / "cases" / "audit.json").read_text("utf-8"))
IMAGES = 50


def fit_of(case: dict[str, Any]) -> Fit:
    """The fit of a case's components, resampled once with the same outcome."""
    z = np.array([[row["valid"], row["spurious"]] for row in case["rows"]], np.float32)
    layer = np.array([case["layers"].index(row["layer"]) for row in case["rows"]])
    thresholds = [case["thresholds"][side] for side in ("valid", "spurious")]
    critical = np.tile([np.inf if value is None else value for value in thresholds], (len(z), 1)).astype(float)
    count = len(z)
    best = np.array([[sum(map(ord, row.get(f"{side}_concept", ""))) for side in SIDES] for row in case["rows"]])
    p_value = np.ones((count, 2))
    leaning = z[:, 1] > z[:, 0]
    fits = (z > critical)[:, None]
    return Fit(np.arange(count), layer, z, best, critical, p_value, fits, leaning[:, None])


def figures_of(case: dict[str, Any]) -> tuple[LayerFigures, ...]:
    relevance = np.array([row["relevance"] for row in case["rows"]], np.float32)
    against = np.array([row.get("against", 0) for row in case["rows"]], np.float32)
    fit = fit_of(case)
    if case.get("by") != "encoding":
        return figures(fit, relevance, against, case["layers"], IMAGES, 0)
    share = np.array([row["spurious_share"] for row in case["rows"]], np.float32)
    shares = np.stack([1 - share, share], axis=1)
    divided, spurious = [shares.astype(float)] * 2, np.array([False, True])
    return encoded_figures(divided, spurious, fit, (relevance, against), case["layers"], IMAGES, 0)


def known(value: float) -> Any:
    return None if np.isnan(value) else pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_spec_asks_for_the_usual(name: str) -> None:
    assert list(load_spec(name).requirements) == CASES["usual"]


@pytest.mark.parametrize("case", CASES["requirements"], ids=lambda case: repr(case["text"]))
def test_a_requirement_is_read_or_refused(case: dict[str, Any]) -> None:
    if case["parsed"] is None:
        with pytest.raises(SemlensError):
            parse_requirement(case["text"])
    else:
        parsed = parse_requirement(case["text"])
        assert {name: getattr(parsed, name) for name in ("figure", "operator", "limit")} | {
            "quadrants": list(parsed.quadrants)
        } == case["parsed"]


@pytest.mark.parametrize("case", CASES["audits"], ids=lambda case: case["name"])
def test_components_are_counted_by_quadrant(case: dict[str, Any]) -> None:
    assert [QUADRANTS[number] for number in quadrant(fit_of(case).fits)] == [row["quadrant"] for row in case["rows"]]
    counted: dict[str, dict[str, list[Any]]] = {layer: {} for layer in case["layers"]}
    for layer in figures_of(case):
        for mass in layer.masses():
            counted[mass.layer][mass.quadrant] = [mass.components, known(mass.relevance)]
    assert counted == case["masses"]


@pytest.mark.parametrize("case", CASES["audits"], ids=lambda case: case["name"])
def test_requirements_are_met_or_not(case: dict[str, Any]) -> None:
    for expected in case["verdicts"]:
        asked = parse_requirement(expected["requirement"])
        verdict = judge(asked, figures_of(case))
        assert (holds(asked, verdict.value), verdict.layer) == (expected["met"], expected["layer"]), expected
        assert known(verdict.value) == expected["value"]
