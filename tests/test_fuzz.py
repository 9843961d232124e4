"""A sample of `python -m tests.fuzz`: odd checkpoints and specs are read or refused, each in one sentence."""

import pytest

from tests.fuzz import main

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 5000])
def test_odd_checkpoints_and_specs_are_read_or_refused(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(60, seed) == 0, capsys.readouterr().out
