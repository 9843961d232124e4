"""A plan counts what a build then does, and says how large it becomes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from semlens.cli import app
from semlens.cli.plan import clock
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.pipeline import build, plan
from semlens.pipeline.plan import BuildPlan, Stage
from semlens.sets import chosen
from tests.toy import ColourSpace, colours, random_images

LAYERS = ["act", "fc"]
IMAGES = random_images(60)
pytestmark = pytest.mark.filterwarnings("ignore::semlens.index.IndexWarning")


def planned(**how: Any) -> BuildPlan:
    return plan(colours(), IMAGES, LAYERS, ColourSpace(), batch_size=4, workers=0, **how)


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({"k": 5}, {"embed images": 60, "collect": 60}),
        ({"k": 5, "encode": 20}, {"embed images": 20, "collect": 60, "embed": 15}),
        ({"k": 2, "encode": "none", "crop": "activation"}, {"collect": 60, "locate": 14, "embed": 14}),
        ({"k": 5, "classes": [0], "of": "all"}, {"embed images": 60, "collect": 60, "relevance": 60}),
    ],
)
def test_the_stages_are_those_of_the_build(tmp_path: Path, how: dict[str, Any], counts: dict[str, int]) -> None:
    told = planned(**how)
    assert (told.images, told.components) == (60, 7)
    assert {stage.step: stage.count for stage in told.stages} == counts
    assert all(stage.each > 0 for stage in told.stages if stage.step != "locate")
    seen: dict[str, int] = {}

    def note(step: str, done: int, total: int) -> None:
        seen[step] = total

    build(
        colours(), IMAGES, LAYERS, ColourSpace(), tmp_path / "index", batch_size=4, workers=0, progress=note, **how
    )  # fmt: skip
    done = {step: total for step, total in seen.items() if step not in ("thumbnails", "locate")}
    assert done.keys() >= {step for step, count in counts.items() if step not in ("locate", "embed")}
    assert all(count >= done.get(step, 0) for step, count in counts.items() if step != "embed")
    size = sum(path.stat().st_size for path in (tmp_path / "index").iterdir())
    assert told.index_bytes < size < told.index_bytes + 40_000, "tables and manifests come on top"


def test_processes_share_the_stages_and_each_begins() -> None:
    stages = (Stage("collect", 100, "images", 0.5), Stage("embed", 10, "pieces", 1.0))
    told = BuildPlan(100, 7, 3.0, stages, 0, 0)
    assert [told.seconds(n) for n in (1, 2, 60)] == [63, 33, 4]


def test_what_a_build_refuses_a_plan_refuses() -> None:
    with pytest.raises(SemlensError, match="unknown crop"):
        planned(crop="round")
    with pytest.raises(SemlensError, match="encode is 'some'"):
        planned(encode="some")


def test_some_of_a_set_are_a_set() -> None:
    named = load_images([(Image.new("RGB", (8, 8), (i, 0, 0)), f"label {i}") for i in range(5)])
    some = chosen(named, [3, 1])
    assert len(some) == 2
    assert some.labels == ("label 3", "label 1")
    assert np.asarray(some.load(0))[0, 0, 0] == 3
    assert some.names == (named.names[3], named.names[1])
    assert some.fingerprint != named.fingerprint


def test_the_command_takes_the_options_of_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for id in range(6):
        random_images(6).load(id).resize((64, 64)).save(tmp_path / f"{id}.png")
    named = [
        "--model",
        "testbed:shortcut",
        "--images",
        str(tmp_path),
        "--layer",
        "block4",
        "--foundation",
        "testbed:clip",
    ]
    app(["plan", *named, "--k", "2", "--workers", "0", "--json"], standalone_mode=False)
    row = json.loads(capsys.readouterr().out)
    assert row["images"] == 6
    assert [stage["step"] for stage in row["stages"]] == ["embed images", "collect"]
    assert row["seconds"]["1"] > row["seconds"]["2"] > row["start"]
    assert {option.name for option in app.commands["build"].params} - {
        option.name for option in app.commands["plan"].params
    } == {"out", "executor", "shard", "resume", "replace"}


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.25, "1.2 s"), (119.0, "119.0 s"), (120.0, "2.0 min"), (9e5, "10.4 days")]
)
def test_times_are_said_in_the_units_of_people(seconds: float, said: str) -> None:
    assert clock(seconds) == said
