"""The command line as a user and as a script sees it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semlens import __version__
from semlens.analysis.search import Hit
from semlens.cli import main
from semlens.cli.common import images_of
from semlens.cli.read import _by_chance
from semlens.images import load_images
from semlens.index.index import load_index
from semlens.types import Component

MODEL = f"file:{Path(__file__).parents[1] / 'toy_model.py'}:build"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(folder / f"photo [red]{i:02d}.png")
    (folder / "broken.jpg").write_bytes(b"not an image")
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, photos: Path, clip_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("out") / "index"
    command(*build(photos, clip_folder, out))
    return out


def build(photos: Path, clip_folder: Path, out: Path) -> list[str]:
    foundation = f"open_clip:local-dir:{clip_folder}"
    layers = ["--layer", "act,conv", "--layer", "fc"]
    return [
        "build",
        "--model",
        MODEL,
        "--images",
        str(photos),
        *layers,
        "--foundation",
        foundation,
        "--out",
        str(out),
        "--k",
        "3",
    ]


def command(*arguments: str) -> int:
    """Runs the command line in this process; its exit code."""
    before, sys.argv = sys.argv, ["semlens", *arguments]
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert command(*arguments, "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_layers(capsys: pytest.CaptureFixture[str]) -> None:
    assert {"layer": "fc", "kind": "channels", "components": 4} in rows(capsys, "layers", MODEL)
    assert command("layers", MODEL) == 0
    assert "conv" in capsys.readouterr().out


def test_build_and_info(capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path) -> None:
    out = tmp_path / "index"
    (row,) = rows(capsys, *build(photos, clip_folder, out))
    assert {key: row[key] for key in ("index", "layers", "components", "images")} == {
        "index": str(out),
        "layers": 3,
        "components": 10,
        "images": 12,
    }
    assert row["seconds"] >= 0
    (facts,) = rows(capsys, "info", str(out), "--verify")
    assert facts["dead"] == 0
    assert facts["recipe"]["images"]["unreadable"] == 1
    assert {key: facts[key] for key in ("histogram", "labels", "scores", "atlas")} == {
        "histogram": True,
        "labels": None,
        "scores": None,
        "atlas": None,
    }
    counts = load_index(out).histogram.counts
    assert counts.sum(axis=1).tolist() == [12] * 10
    assert facts["recipe"]["foundation"]["licence"] == "cc-by-4.0"
    assert command("info", str(out)) == 0
    assert "unreadable)" in capsys.readouterr().out


def test_encodings_are_built_added_and_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path, index: Path
) -> None:
    out = tmp_path / "index"
    (row,) = rows(capsys, *build(photos, clip_folder, out), "--encode", "none")
    assert (row["encoded"], row["groups"]) == (0, None)
    assert command("info", str(out)) == 0
    assert "none; `encode` adds them" in capsys.readouterr().out
    (row,) = rows(capsys, "encode", str(out), "--model", MODEL, "--images", str(photos))
    assert (row["encoded"], row["components"]) == (12, 10)
    assert row["remarks"] == ["encodings are over 12 images only: what they say is uncertain below 200"]
    assert {path.name for path in out.iterdir()} == {path.name for path in index.iterdir()}
    (facts,) = rows(capsys, "info", str(out), "--verify")
    found = facts["encodings"]
    assert {key: found[key] for key in ("images", "kept", "outputs", "seed", "groups")} == {
        "images": 12, "kept": 12, "outputs": 4, "seed": 0, "groups": None,
    }  # fmt: skip
    assert command("info", str(out)) == 0
    assert "over 12 images, 12 kept, 4 outputs" in capsys.readouterr().out
    command("encode", str(out), "--model", MODEL, "--images", str(photos), "--group-column", "patient")
    assert "group_column is 'patient', but these images come without columns" in capsys.readouterr().err


def test_groups_are_said_at_the_end_and_a_twin_is_untrained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path
) -> None:
    names = sorted(path.name for path in photos.glob("*.png"))
    cells = [f"{photos / name},{'abc'[n % 3]}" for n, name in enumerate(names)]
    (tmp_path / "table.csv").write_text("\n".join(["path,patient", *cells]))
    made = build(tmp_path / "table.csv", clip_folder, tmp_path / "index")
    assert command(*made, "--group-column", "Patient", "--untrained") == 0
    said = capsys.readouterr().err
    assert "over 12 images, encoded over 12, those kept in 3 groups by Patient in" in said
    twin = load_index(tmp_path / "index")
    assert twin.recipe.model.name == f"{MODEL} untrained (seed 0)"
    assert twin.encodings.groups.tolist() == [0, 1, 2] * 4


def test_build_reports_what_it_skipped_on_stderr(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path
) -> None:
    assert command(*build(photos, clip_folder, tmp_path / "index")) == 0
    told = capsys.readouterr()
    assert "skipped broken.jpg: " in told.err
    assert told.out == ""


def test_shards_and_resume(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path, index: Path
) -> None:
    out = tmp_path / "index"
    for i in (1, 0):
        (row,) = rows(capsys, *build(photos, clip_folder, out), "--shard", f"{i}/2")
        assert Path(row["shard"]).is_file()
    rows(capsys, *build(photos, clip_folder, out), "--resume")
    one, two = load_index(out), load_index(index)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.means, two.means)


def test_search_by_text(
    capsys: pytest.CaptureFixture[str], index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = rows(capsys, "search", str(index), "a cat", "a dog", "--top", "3", "--layer", "fc")
    assert [row["probe"] for row in found] == ["a cat"] * 3 + ["a dog"] * 3
    assert all(row["component"].startswith("fc:") and -1 <= row["similarity"] <= 1 for row in found)
    assert all(row["name"] in {"red", "green", "blue", "not red"} and len(row["examples"]) == 3 for row in found)
    again = rows(capsys, "search", str(index), "a cat", "a dog", "--top", "3", "--layer", " fc ")
    assert again == found
    both = rows(capsys, "search", str(index), "a cat", "--top", "99", "--layer", "fc, act")
    assert {row["component"].partition(":")[0] for row in both} == {"fc", "act"}


def test_search_by_image_shows_a_table_and_draws(
    capsys: pytest.CaptureFixture[str], index: Path, photos: Path, tmp_path: Path
) -> None:
    photo = photos / "photo [red]03.png"
    asked = ("search", str(index), "--image", str(photo), "--top", "2")
    assert command(*asked, "--by", "examples", "--sheet", str(tmp_path / "s.png")) == 0
    told = capsys.readouterr()
    assert "photo [red]" in told.out.replace("\n", "")  # nothing in a file's name is markup
    assert "nothing above chance: 95 % of components made of random examples" in " ".join(told.out.split())
    assert command(*asked) == 0
    assert "by encoding, ranked by z: 95 % of components with permuted" in " ".join(capsys.readouterr().out.split())
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size[0] > 500
        assert len(set(sheet.convert("RGB").resize((60, 60)).get_flattened_data())) > 50


def test_the_images_of_an_index_are_read_as_it_was(index: Path, tmp_path: Path) -> None:
    for name, shade in (("a", (255, 0, 0, 0)), ("b", (0, 255, 0, 128))):
        Image.new("RGBA", (9, 8), shade).save(tmp_path / f"{name}.png")
    loaded, black = load_index(index), load_images(tmp_path, background="black")
    of_black = replace(loaded, recipe=replace(loaded.recipe, images=replace(loaded.recipe.images, source=black.source)))
    assert images_of(of_black).fingerprint == black.fingerprint
    assert images_of(of_black, str(tmp_path)).fingerprint == black.fingerprint
    assert images_of(of_black, str(tmp_path), group_column=None).fingerprint == black.fingerprint
    red = images_of(of_black, str(tmp_path), background="red")
    assert red.fingerprint == load_images(tmp_path, background="red").fingerprint != black.fingerprint


def test_background_and_limit_hold_wherever_a_file_is_read(
    capsys: pytest.CaptureFixture[str], index: Path, tmp_path: Path
) -> None:
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(clear := tmp_path / "clear.png")
    Image.new("RGB", (30, 20), "black").save(black := tmp_path / "black.png")
    Image.new("RGB", (30, 20), "white").save(white := tmp_path / "white.png")

    def searched(*options: object) -> list[float]:
        return [row["similarity"] for row in rows(capsys, "search", str(index), *map(str, options))]

    assert searched("--image", clear) == searched("--image", white)
    assert searched("--image", clear, "--background", "black") == searched("--image", black)
    assert searched("--image", black) != searched("--image", white)

    def value(*options: object) -> list[float]:
        out = ("--target", "red", "--out", str(tmp_path / "heat.png"))
        return [row["value"] for row in rows(capsys, "attribute", MODEL, *map(str, options), *out)]

    assert value(clear, "--background", "#000000") != value(clear) == value(white)
    for asked in (("search", str(index), "--image", str(clear)), ("attribute", MODEL, str(clear))):
        assert command(*asked, "--max-pixels", "599") == 2
        assert "it has 30 x 20 pixels, and the limit is 599" in capsys.readouterr().err
    assert command("demo", "--out", str(tmp_path / "d"), "--background", "red") == 2
    assert "background is of --images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("alignments", "said"),
    [
        ((0.3, 0.2), "alignment: 95 % of components made of random examples stay below 0.100"),
        ((0.3, 0.1), "stay below 0.100; 1 of these 2 do too"),
        (
            (0.1, 0.0),
            "nothing above chance: 95 % of components made of random examples stay below an alignment of 0.100",
        ),
    ],
)
def test_the_foot_of_a_search_is_about_what_it_ranks_by(alignments: tuple[float, float], said: str) -> None:
    hits = [Hit("zebra", Component("fc", unit), 0.9, value, 0.5, 0.1) for unit, value in enumerate(alignments)]
    assert _by_chance(hits).endswith(said)
    assert _by_chance([replace(hits[0], chance=float("nan"))]).startswith("what chance reaches is not known")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["layers", "timm:resnet19"], "unknown timm model"),
        (["search", "INDEX"], "nothing to search for"),
        (["search", "INDEX", "cat", "--layer", "fcc"], "unknown layer 'fcc'"),
        (["search", "INDEX", "cat", "--template", "photo"], "no {} to put the text in"),
        (["search", "INDEX", "--image", "nowhere.png"], "cannot read nowhere.png"),
        (["info", "/nowhere/index"], "nowhere"),
        (["build", "--k", "50"], "k is 50, but there are 13 images"),
        (["build", "--foundation", "open_clip:ViT-B-32"], "ViT-B-32"),
        (["build", "--layer", "cnov"], "nearest: conv"),
        (["build", "--shard", "3"], "write I/N"),
        (["build", "--images", "/nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str],
    index: Path,
    photos: Path,
    clip_folder: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
) -> None:
    given = [str(index) if a == "INDEX" else a for a in arguments]
    if given[0] == "build":
        given = [*build(photos, clip_folder, tmp_path / "index"), *given[1:]]
    assert command(*given) == 2
    told = capsys.readouterr()
    assert told.err.count("semlens: ") == 1
    assert message in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not (tmp_path / "index").exists()


def test_other_weights_of_the_foundation_model_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, photos: Path, clip_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    mine = tmp_path / "clip"
    mine.mkdir()
    for file in clip_folder.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    assert command(*build(photos, mine, tmp_path / "index")) == 0
    weights = load_file(mine / "open_clip_model.safetensors")
    save_file({name: torch.zeros_like(w) for name, w in weights.items()}, mine / "open_clip_model.safetensors")
    assert command("search", str(tmp_path / "index"), "a cat") == 2
    assert "has other weights than the index was made with" in capsys.readouterr().err


def test_version_and_help_need_no_torch() -> None:
    for flag, text in (("--version", __version__), ("--help", "search")):
        shown = subprocess.run([sys.executable, "-m", "semlens", flag], capture_output=True, text=True, check=True)
        assert text in shown.stdout
    code = "import sys, semlens.cli; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_without_torch_a_command_that_needs_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; sys.argv = ['semlens', 'layers', 'timm:resnet18']\n"
    told = subprocess.run(
        [sys.executable, "-c", f"{code}from semlens.cli import main; main()"], capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (2, "semlens: torch is not installed: pip install 'semlens[torch]'\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("completion", shell) == 0
    assert "_SEMLENS_COMPLETE" in capsys.readouterr().out


def test_completion_completes() -> None:
    asked = {**os.environ, "_SEMLENS_COMPLETE": "bash_complete", "COMP_WORDS": "semlens search --sh", "COMP_CWORD": "2"}
    shown = subprocess.run([sys.executable, "-m", "semlens"], capture_output=True, text=True, env=asked)
    assert "--sheet" in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["serach", "x"], "search"), (["build"], "--model"), (["info"], "INDEX"), (["info", "a", "--vrify"], "--verify")],
)
def test_a_command_that_cannot_be_read_is_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    assert message in capsys.readouterr().err
