"""A sample of tables and pictures at random; `python -m tests.fuzz_inputs 2000` reads as many as one wants."""

from pathlib import Path

import pytest

from tests.fuzz_inputs import fault_of_picture, fault_of_table

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(40))
def test_a_table_keeps_its_labels_or_says_so(tmp_path: Path, seed: int) -> None:
    assert fault_of_table(seed, tmp_path) == ""


@pytest.mark.parametrize("seed", range(40))
def test_a_picture_is_read_or_has_a_reason(tmp_path: Path, seed: int) -> None:
    assert fault_of_picture(seed, tmp_path) == ""
