"""A sample of `python -m tests.kills`: what is killed and taken up again ends with the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the runs to be killed are forked")
def test_killed_runs_resume_to_the_same_bytes() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.kills", "1", "1"], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    rows = run.stdout.splitlines()
    assert [row.partition(":")[0] for row in rows] == ["build", "embed", "relevance", "shards", "encode"]
    assert all(row.endswith("0 ended with other bytes") and " 0 killed" not in row for row in rows), rows
