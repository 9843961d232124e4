"""Relevant but unexpected: what is relevant by construction and about something that was not expected."""

import numpy as np
import pytest

from semlens.analysis.surprises import unexpected
from semlens.errors import SemlensError
from semlens.types import Component
from tests.planted import phrases, planted

ABOUT = [(0,), (1,), (2,), (3,), (4,), (5,), None, (6,)]
INDEX = planted(ABOUT, absent={7: 10}, noise=0.3)
RELEVANCE = np.array([5.0, -9.0, 3.0, 2.0, 0.0, 0.02, 1.0, 4.0])


def test_what_is_relevant_and_fits_no_expected_phrase_is_listed_by_relevance() -> None:
    found = unexpected(INDEX, phrases([0, 3, 8]), relevance=RELEVANCE)
    assert [row.component for row in found] == [Component("layer0", unit) for unit in (2, 6)]
    assert [row.relevance for row in found] == pytest.approx([3 / 15.02, 1 / 15.02])
    assert all(row.p_value > 0.01 and row.nearest in ("concept 0", "concept 3", "concept 8") for row in found)
    assert found.remarks == ("1 relevant components without examples are left out",)


def test_all_that_is_expected_leaves_what_is_about_nothing() -> None:
    found = unexpected(INDEX, phrases(), relevance=RELEVANCE, least=0.001)
    assert [row.component.unit for row in found] == [6]


def test_relevance_is_shared_out_within_each_layer() -> None:
    two = planted(ABOUT[:6], layers=(3, 3), noise=0.3)
    found = unexpected(two, phrases([0]), relevance=np.array([1.0, 1, 2, 10, 0, 30]))
    shares = {(row.component.layer, row.component.unit): row.relevance for row in found}
    assert shares == pytest.approx(
        {("layer1", 2): 0.75, ("layer0", 2): 0.5, ("layer1", 0): 0.25, ("layer0", 1): 0.25}
    )  # fmt: skip
    one = unexpected(two, phrases([0]), relevance=np.array([1.0, 1, 2, 10, 0, 30]), layers=["layer0"])
    assert [row.component for row in one] == [Component("layer0", 2), Component("layer0", 1)]


def test_mistakes() -> None:
    with pytest.raises(SemlensError, match="give an output of the index, or relevance"):
        unexpected(INDEX, phrases())
    with pytest.raises(SemlensError, match="holds no relevance"):
        unexpected(INDEX, phrases(), 0)
    with pytest.raises(SemlensError, match="3 relevances for 8 components"):
        unexpected(INDEX, phrases(), relevance=np.ones(3))
