import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from semlens.attribution.check import check
from semlens.attribution.composite import COMPOSITES
from semlens.attribution.rules import Epsilon
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


def test_a_target_behind_a_softmax_is_a_doubt_and_its_logit_is_none() -> None:
    net, x = model(Chain()), pixels(3)
    sure = 20 / float(net.net(x).detach().std())
    score, logit = (
        check(net, x, target=target)[0]
        for target in (lambda out: (out * sure).softmax(1).amax(1), lambda out: (out * sure).amax(1))
    )
    said = "softmaxes: where the target lies behind one, as a box's score does, explain the logit before it"
    assert [said in doubt for doubt in score.doubts] == [True]
    assert logit.doubts == ()


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


class Fails(nn.Module):
    """A network in which relevance goes wrong in one way."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x).mean((2, 3))
        if self.how == "zero":
            return out * 0 + 1
        if self.how == "grows":
            return 50 * out - 50 * out.detach() + out.detach()
        return out


def test_each_way_to_fail_has_its_verdict() -> None:
    zero, grows, absorbs = (model(Fails(how)) for how in ("zero", "grows", "absorbs"))
    for vision in (zero, grows, absorbs):
        assert isinstance(vision.net, Fails)
        assert vision.net.conv.bias is not None
        with torch.no_grad():
            vision.net.conv.weight.copy_(torch.tensor([[1.0, 1, 1], [1, 2, 3]])[:, :, None, None])
            vision.net.conv.bias.copy_(torch.tensor([-2.0, 0.5]))
    x = pixels(2).abs() * 0.05 + 0.9
    (found,) = check(zero, x, ["epsilon"], target=1)
    assert found.verdict == "fault"
    assert "zero at every pixel of 2 of 2 images" in str(found.fault)
    (found,) = check(grows, x, ["epsilon"], target=1)
    assert found.verdict == "doubt"
    assert found.size > 10
    assert "times the explained value" in found.doubts[0]
    (found,) = check(absorbs, x, ["epsilon"], target=0)
    assert "conv alone absorbs" in found.doubts[0]
    assert found.report is not None
    assert found.report.layers[0].bias == pytest.approx(2 / float((x.sum(1).mean((1, 2)) - 2).mean()), rel=0.05)
    (found,) = check(absorbs, x, ["epsilon"], target=1)
    assert (found.verdict, found.doubts, found.fault, found.remark) == ("good", (), None, None)
    rule = COMPOSITES["epsilon"].with_rule("conv", Epsilon(100.0))  # a hundred times the mean output
    (found,) = check(absorbs, x, [rule], target=1)
    assert "stabilisers keep 98%, most of it in conv" in found.doubts[0]
    assert found.remark is not None
    assert "of the value arrives at the pixels" in found.remark


def test_a_target_of_any_kind_is_checked() -> None:
    net, x = model(Chain(bias=True), names=("a", "b", "c", "d")), pixels(3)
    by_name, by_number, each_its_own, component, function = (
        check(net, x, ["epsilon_plus"], target=target)[0]
        for target in ("c", 2, [2, 2, 2], "two:1", lambda output: output[:, 2])
    )
    assert by_name == by_number == each_its_own
    assert function.report == by_name.report
    assert component.report != by_name.report
    assert component.fault is None
    (unknown,) = check(net, x, target="e")
    assert "unknown class 'e'" in str(unknown.fault)


TARGETS = """
import torch

def second(output):
    return output[:, 1]

def shapeless(output):
    return output

number = 3
"""


def test_targets_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from PIL import Image

    photo, file = tmp_path / "photo.png", tmp_path / "mine.py"
    Image.new("RGB", (40, 30), (200, 90, 60)).save(photo)
    file.write_text(TARGETS)
    out = ("--out", str(tmp_path / "heat.png"), "--json")

    def asked(target: str) -> tuple[int, str]:
        code = run(monkeypatch, "attribute", MODEL, str(photo), "--target", target, *out)
        shown = capsys.readouterr()
        return code, shown.out or shown.err

    for target in each(["green", "1", "fc:1", f"{file}:second"]):
        code, shown = asked(target)
        assert (code, json.loads(shown)["target"]) == (0, target)
        assert json.loads(shown)["value"] == pytest.approx(90 / 255, abs=1e-3)
    for target, said in each(
        [
            (f"{file}:shapeless", "not a number per image"),
            (f"{file}:number", "unknown function in"),
            (f"{file}:secon", "nearest: second"),
            (f"{tmp_path}/none.py:second", "unknown file"),
            ("box-score", "so box_score() cannot read it"),
            ("mask-logit", "write mask-logit:CLASS"),
            ("mask-logit:gren", "nearest: green"),
            ("map_mean", "in which there is no map per image"),
        ]
    ):
        code, shown = asked(target)
        assert (code, said in shown) == (2, True), shown
    assert run(monkeypatch, "attribute", MODEL, str(photo), "--check", "--target", "mask-logit:green", "--json") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["verdict"] for row in rows} == {"fault"}


class Patches(nn.Module):
    """Tokens with a position embedding and a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 4, 4, stride=4, bias=False)
        self.pos_embed = nn.Parameter(torch.ones(1, 5, 4))
        self.cls_token = nn.Parameter(torch.ones(1, 1, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], 1) + self.pos_embed
        return self.head(tokens.mean(1))


PATCHES = """
import torch
from semlens import VisionModel
from tests.attribution.test_check import Patches
from tests.toy import to_tensor

def build():
    torch.manual_seed(0)
    return VisionModel(Patches().eval(), to_tensor)
"""


def test_the_table_names_inputs_that_are_no_pixels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "patches.py").write_text(PATCHES)
    words = "attribute", f"file:{tmp_path / 'patches.py'}:build", "--check", "--target", "1", "--method", "epsilon"
    monkeypatch.setenv("COLUMNS", "140")
    assert run(monkeypatch, *words, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["inputs"].keys() == {"pos_embed", "cls_token"}
    assert row["arrived"] + row["bias"] + row["stabiliser"] + sum(row["inputs"].values()) == pytest.approx(1, abs=1e-3)
    assert row["rest"] == pytest.approx(0, abs=1e-3)
    assert run(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    header = [cell.strip() for cell in shown.splitlines()[1].strip("┃").split("┃")]
    names = sorted(row["inputs"], key=lambda name: -abs(row["inputs"][name]))
    assert header == ["method", "verdict", "arrived", "biases", "stabilisers", *names, "rest", "size"]
    cells = [cell.strip() for cell in shown.splitlines()[3].strip("│").split("│")]
    assert cells[:2] == ["epsilon", row["verdict"]]
    shares = [row[part] for part in ("arrived", "bias", "stabiliser")] + [row["inputs"][name] for name in names]
    for cell, share in zip(cells[2:8], [*shares, row["rest"]], strict=True):
        assert float(cell.strip("%").replace(",", "")) / 100 == pytest.approx(share, abs=0.006)
