import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.check import check
from semlens.attribution.composite import COMPOSITES
from semlens.cli import main
from semlens.errors import SemlensError
from tests.attribution.loops import each
from tests.attribution.nets import Chain, model, pixels


class Unseen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: object, g: Tensor) -> Tensor:
        return g * 2


class Odd(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 2, 1)
        self.nan = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = Unseen.apply(x) if self.how == "function" else torch.matrix_exp(x) if self.how == "table" else x / self.nan
        return x.mean((2, 3))


def test_a_sound_model_is_good_and_says_where_relevance_goes() -> None:
    net = model(Chain(bias=True))
    results = check(net, pixels(3), list(COMPOSITES))
    assert [result.method for result in results] == list(COMPOSITES)
    for result in each(results):
        assert result.fault is None
        assert result.report is not None
        assert result.forward_error == 0
        assert result.batch_error < 1e-10
        assert result.report.elsewhere == pytest.approx(0, abs=1e-3 * abs(result.report.entered))
    free = check(model(Chain()), pixels(3), ["epsilon_plus_flat"])[0]
    assert free.report is not None
    assert free.report.arrived == pytest.approx(free.report.entered, rel=1e-4)
    with pytest.raises(SemlensError, match="conserves nothing"):
        check(net, pixels(1), ["gradient"])


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(("how", "said"), [("function", "'Unseen'"), ("table", "'matrix_exp'"), ("nan", "not finite")])
def test_what_is_not_covered_is_a_fault_in_one_sentence(how: str, said: str) -> None:
    odd = Odd(how)
    net = model(odd)
    with torch.no_grad():
        odd.nan.zero_()
    (result,) = check(net, pixels(2), ["epsilon"])
    assert result.fault is not None
    assert said in result.fault


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["semlens", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


MODEL = f"file:{Path(__file__).parents[1] / 'toy_model.py'}:build"


def test_the_command_checks_a_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "attribute", MODEL, "--check", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["method"] for row in rows} == set(COMPOSITES)
    (default,) = [row for row in rows if row["default"]]
    assert (default["method"], default["fault"], default["bias"]) == ("epsilon_plus_flat", None, 0.0)
    assert default["arrived"] == pytest.approx(1, abs=1e-4)
    assert run(monkeypatch, "attribute", MODEL, "--check", "--method", "attnlrp") == 0
    assert "good" in capsys.readouterr().out


def test_the_command_draws_a_heat_map(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from PIL import Image

    photo, picture = tmp_path / "photo.png", tmp_path / "heat.png"
    Image.new("RGB", (40, 30), (200, 30, 60)).save(photo)
    assert run(monkeypatch, "attribute", MODEL, str(photo), "--out", str(picture), "--json") == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["target"], row["value"]) == ("red", pytest.approx(200 / 255, abs=1e-3))
    assert row["arrived"] == pytest.approx(1, abs=1e-3)
    with Image.open(picture) as drawn:
        assert drawn.width > 200
    assert run(monkeypatch, "attribute", MODEL, str(photo), "--target", "gren", "--json") == 2
    assert "green" in capsys.readouterr().err
    assert run(monkeypatch, "attribute", MODEL) == 2
    assert "--check" in capsys.readouterr().err
