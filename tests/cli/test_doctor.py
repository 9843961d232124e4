"""`semlens doctor`, as a user and a script see it."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_cli import MODEL, command, rows


def test_doctor(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for n in range(3):
        Image.new("RGB", (8, 8), (80 * n, 20, 60)).save(tmp_path / f"{n}.png")
    found = rows(capsys, "doctor", MODEL, "--images", str(tmp_path))
    assert [row["verdict"] for row in found if row["part"] == "model"] == ["good", "good"]
    assert command("doctor", MODEL) == 0
    shown = capsys.readouterr().out
    assert "4 layers with 13 components" in " ".join(shown.split())
    assert "disk" in shown  # all rows, however many
    assert command("doctor", "--text", "red") == 2
    assert "give both" in capsys.readouterr().err
