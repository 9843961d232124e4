"""`dictionary learn` and `info`, and an index of what was learned, from a command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.index.index import load_index
from tests.cli.test_cli import MODEL, command, rows


@pytest.mark.filterwarnings("ignore:relevance passes what dictionaries")
def test_a_dictionary_is_learned_described_and_built_upon(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip_folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    for i in range(24):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(f"photos/{i:02d}.png")
    learn = ["dictionary", "learn", MODEL, "photos", "--layer", "conv", "-n", "9", "-k", "2", "-o", "d.safetensors"]
    (made,) = rows(capsys, *learn, "--steps", "40", "--workers", "0")
    assert (made["file"], made["layer"], made["units"]) == ("d.safetensors", "conv", 9)
    assert 0 <= made["fvu"] < 1
    (facts,) = rows(capsys, "dictionary", "info", "d.safetensors")
    assert facts["digest"] == made["digest"]
    (measured,) = rows(capsys, "dictionary", "info", "d.safetensors", "--model", MODEL, "--images", "photos")
    assert measured["vectors"] == 24 * made["vectors"]  # one image in twenty was held out
    assert command("dictionary", "info", "d.safetensors", "--model", MODEL) == 2
    assert "give --model and --images, or neither" in capsys.readouterr().err
    assert command("dictionary", "info", "none.safetensors") == 2
    assert "there is no dictionary 'none.safetensors'" in capsys.readouterr().err
    (parts,) = rows(capsys, "dictionary", "pca", MODEL, "photos", "--layer", "conv", "--output", "red", "-n", "2",
                    "-o", "pca.safetensors")  # fmt: skip
    assert (parts["units"], parts["rule"], parts["named"]) == (1, "Linear()", 1)  # red is of one channel alone
    told = rows(capsys, "dictionary", "tcav", "pca.safetensors", MODEL, "photos", "--target", "red", "--draws", "50")
    assert [row["direction"] for row in told] == ["red 0"]
    assert all(row["n"] == 24 and 0 < row["effect_p"] <= 1 for row in told)
    layer = "conv@dictionary:d.safetensors"
    built = ["--images", "photos", "--layer", f"fc,{layer}", "--foundation", f"open_clip:local-dir:{clip_folder}"]
    (row,) = rows(capsys, "build", "--model", MODEL, *built, "--out", "index", "--k", "3")
    assert row["components"] == 4 + 9
    axis = load_index("index").layers[1]
    assert (axis.layer, axis.kind) == (layer, f"dictionary {made['digest'][:16]}, FVU {facts['fvu']:.3f}")
    assert command("info", "index") == 0
    assert "FVU" in capsys.readouterr().out
    Path("words.txt").write_text("a cat\na dog\n")
    asked = ["unexpected", "index", "--expected", "words.txt", "--layer", layer, "--least", "0"]
    found = rows(capsys, *asked, "--target", "red", "--method", "gradient")
    assert found
    assert all(row["component"].startswith(layer) and row["nearest"] in ("a cat", "a dog") for row in found)
    assert [row["relevance"] for row in found] == sorted((row["relevance"] for row in found), reverse=True)
    assert command(*asked) == 2
    assert "give an output of the index, or relevance" in capsys.readouterr().err


def test_faithful_holds_relevance_against_removal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip_folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(f"photos/{i}.png")
    tower = f"open_clip:local-dir:{clip_folder}"
    asked = ["faithful", tower, "photos", "--layer", "transformer.resblocks.1@cls", "--target", "similarity:a cat"]
    found = rows(capsys, *asked, "--by", "gradient", "--by", "random", "--steps", "3", "--plot", "curves.png")
    areas, points = found[:4], found[4:]
    assert [(row["by"], row["curve"]) for row in areas] == [
        ("gradient", "deletion"), ("random", "deletion"), ("gradient", "insertion"), ("random", "insertion")
    ]  # fmt: skip
    assert [row["fraction"] for row in points[:4]] == pytest.approx([0, 1 / 12, 1 / 6, 0.25])
    own = [row["score"] for row in points[:4]]
    assert areas[0]["area"] == pytest.approx((own[0] / 2 + own[1] + own[2] + own[3] / 2) / 3)
    with Image.open("curves.png") as drawn:
        assert drawn.size[0] > 500
    assert command(*asked, "--by", "none") == 2
    assert "unknown way to rank components 'none'" in capsys.readouterr().err
    assert command("faithful", MODEL, "photos", "--layer", "conv", "--target", "similarity:a cat") == 2
    assert "'a cat' is a text: give the foundation model" in capsys.readouterr().err
