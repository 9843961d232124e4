import json
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from semlens.analysis.results import MAX_ROWS_SHOWN, Rows, cell, data_url, plain
from semlens.errors import SemlensError
from semlens.types import Component


@dataclass(frozen=True)
class Thing:
    component: Component
    share: float
    label: str | None
    more: tuple[str, ...] = ()


ROWS = Rows(
    [Thing(Component("a", 1), 0.25, "x <b>", ("p", "q")), Thing(Component("b", 2), float("nan"), None)],
    "things & more", lambda one: [b"webp"] if one.label else [],
)  # fmt: skip


def test_rows_are_a_sequence_that_equals_a_list() -> None:
    assert list(ROWS) == [ROWS[0], ROWS[1]] == ROWS[:]
    assert [ROWS[0], ROWS[1]] == ROWS
    assert [ROWS[0]] != ROWS
    assert len(ROWS[1:]) == 1
    assert ROWS[1:].title == "things & more"
    assert hash(ROWS) == hash(ROWS[:])


def test_records_hold_what_json_can() -> None:
    records = ROWS.records()
    assert records == [
        {"component": "a:1", "share": 0.25, "label": "x <b>", "more": ["p", "q"]},
        {"component": "b:2", "share": None, "label": None, "more": []},
    ]
    assert json.loads(json.dumps(records)) == records
    assert plain(np.float32(0.5)) == 0.5
    assert plain(np.inf) is None
    assert plain(ROWS[0])["component"] == "a:1"


def test_a_table_names_its_columns_and_shows_its_values() -> None:
    text = repr(ROWS)
    assert "things & more" in text
    assert all(part in text for part in ("component", "a:1", "0.250", "x <b>", "p, q"))
    assert "nan" not in text
    only = repr(Rows(list(ROWS), printed=("label",)))
    assert "x <b>" in only
    assert "a:1" not in only


def test_long_results_say_how_many_are_left() -> None:
    many = Rows([ROWS[0]] * (MAX_ROWS_SHOWN + 3))
    assert repr(many).endswith("and 3 more")
    assert repr(many).count("a:1") == MAX_ROWS_SHOWN
    assert repr(Rows([])).endswith("none")


def test_a_notebook_sees_pictures_and_no_markup() -> None:
    page = ROWS._repr_html_()
    assert data_url(b"webp") in page
    assert page.count("<img") == 1
    assert "x &lt;b&gt;" in page
    assert "things &amp; more" in page
    assert "<b>" not in page


def test_data_frames_have_a_column_per_field() -> None:
    pandas, polars = ROWS.to_pandas(), ROWS.to_polars()
    assert pandas["component"].tolist() == ["a:1", "b:2"] == polars["component"].to_list()
    assert polars["share"].to_list() == [0.25, None]
    assert pandas["share"].isna().tolist() == [False, True]


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_an_absent_package_says_which_extra_brings_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SemlensError, match=r"pip install 'semlens\[notebook\]'"):
        getattr(ROWS, f"to_{package}")()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (True, "yes"), (0.1234, "0.123"), (0.00025, "0.00025"), (-np.inf, ""), (7, "7"), (0.0, "0.000")],
)
def test_cells(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_a_table_is_drawn_once_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook rich would display the table itself, and leave nothing to return."""
    displayed = pytest.importorskip("IPython.display")
    seen: list[object] = []
    shown = Rows([Shown(1)])
    before = repr(shown)
    monkeypatch.setattr("builtins.get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setattr(displayed, "display", seen.append)
    assert repr(shown) == before
    assert not seen


class ZMQInteractiveShell:
    """By the name of its class rich knows a notebook."""


@dataclass(frozen=True)
class Shown:
    count: int
