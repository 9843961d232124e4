"""What the doctor finds: on models and spaces of colour whose answers are known."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import VisionModel
from semlens.revisit import Finding, doctor
from tests.toy import ColourSpace, colours, to_tensor

PLAIN = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "white": (1, 1, 1)}


class AllColours(ColourSpace):
    """Knows the names of all colours, and has one vector for each word that it does not know."""

    WORDS: ClassVar[dict[str, tuple[float, ...]]] = {
        **PLAIN, "black": (0, 0, 0), "": (1, 1, 1),
        **dict.fromkeys(("qzxvub", "wvjkqo", "dachshund"), (0.1, 0.2, 0.3)),
    }  # fmt: skip


class Blind(ColourSpace):
    """All pictures are one."""

    def embed_images(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.ones((len(images), 3), np.float32)


def photos(folder: Path) -> ImageSet:
    """Forty pictures, half of them reddish and labelled so."""
    rng = np.random.default_rng(0)
    for n in range(40):
        name = "red" if n % 2 else "green"
        base = np.multiply(PLAIN[name], 120) + rng.integers(0, 100, 3)
        (folder / name).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), tuple(int(v) for v in base)).save(folder / name / f"{n}.png")
    return load_images(str(folder))


def of(found: "list[Finding] | object", part: str) -> dict[str, Finding]:
    assert isinstance(found, list)
    return {row.what: row for row in found if row.part == part}


def test_each_extra_has_a_row_that_says_how_to_get_it() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    told = of(list(doctor()), "installed")
    extras = set(project["optional-dependencies"]) - {"dev", "all"}
    assert {f"extra {name}" for name in extras} == set(told) - {"Python", "semlens"}
    for name in extras:
        row = told[f"extra {name}"]
        assert row.verdict == "good" or f"pip install 'semlens[{name}]'" in row.said
    assert {"processor", "device", "disk"} == set(of(list(doctor()), "machine"))


def test_a_model_is_tried_on_the_images_that_are_given(tmp_path: Path) -> None:
    rows = of(list(doctor(colours(), photos(tmp_path))), "model")
    assert rows["layers"].said.startswith("4 layers with 13 components")
    assert rows["attribution"].verdict == "good"
    assert "On 4 of your images" in rows["attribution"].said
    assert "noise" in of(list(doctor(colours())), "model")["attribution"].said


def test_a_model_that_cannot_be_explained_is_at_fault() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 2, 1), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).mean((2, 3)).detach())

    row = of(list(doctor(VisionModel(Detached(), to_tensor, name="cut"))), "model")["attribution"]
    assert row.verdict == "fault"


def test_what_a_foundation_model_knows_and_sees_is_told_apart(tmp_path: Path) -> None:
    phrases = ["red", "blue", "dachshund"]
    rows = of(list(doctor(images=photos(tmp_path), foundation=AllColours(), phrases=phrases)), "foundation model")
    assert rows["colours"].verdict == "good"
    assert "6 of 6" in rows["colours"].said
    assert rows["red"].verdict == "good"  # by the labels
    assert "AUROC 1.00" in rows["red"].said
    assert rows["blue"].verdict == "doubt"  # no label says which
    assert rows["dachshund"].verdict == "fault"
    assert "does not know the word 'dachshund'" in rows["dachshund"].said
    assert set(rows) == {"colours", *phrases}


def test_a_table_of_marks_decides_too(tmp_path: Path) -> None:
    images = photos(tmp_path)
    table = tmp_path / "marks.csv"
    table.write_text("path,green\n" + "".join(f"{name},{int('green' in name)}\n" for name in images.names))
    found = list(doctor(images=images, foundation=AllColours(), phrases=["green"], marks=table))
    assert of(found, "foundation model")["green"].verdict == "good"
    table.write_text("path,green\n" + "".join(f"{name},{n % 4 // 2}\n" for n, name in enumerate(images.names)))
    found = list(doctor(images=images, foundation=AllColours(), phrases=["green"], marks=table))
    row = of(found, "foundation model")["green"]
    assert row.verdict == "fault"
    assert "over 40 marked images" in row.said


def test_a_blind_one_is_at_fault(tmp_path: Path) -> None:
    rows = of(list(doctor(images=photos(tmp_path), foundation=Blind(), phrases=["red"])), "foundation model")
    assert {row.verdict for row in rows.values()} == {"fault"}
    assert "broken" in rows["colours"].said


def test_one_that_knows_few_colours_is_doubted() -> None:
    row = of(list(doctor(foundation=ColourSpace())), "foundation model")["colours"]
    assert row.verdict == "doubt"
    assert "try your own phrases" in row.said


def test_phrases_take_images_and_a_foundation_model() -> None:
    with pytest.raises(SemlensError, match="takes a foundation model and images: give both"):
        doctor(phrases=["ruler"])
