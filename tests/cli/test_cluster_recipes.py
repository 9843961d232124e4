"""The recipes of docs/scale.md for clusters, run as scripts: the parts side by side, then what joins them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pipeline.test_build import content
from tests.test_docs import blocks

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="the recipes are for bash")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    run = [sys.executable, "-m", "semlens", "testbed", str(folder / "world"), "--count", "40"]
    subprocess.run(run, check=True, capture_output=True)
    return folder / "world" / "scenes.csv"


def started(script: str, world: Path, out: Path, **variables: str) -> subprocess.Popen[str]:
    given = {
        "MODEL": "testbed:shortcut", "IMAGES": str(world), "LAYER": "block4", "FOUNDATION": "testbed:clip",
        "OUT": str(out), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return subprocess.Popen(
        ["bash", "-c", script], env=os.environ | given | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def ended(*running: subprocess.Popen[str]) -> None:
    for process in running:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said


def test_the_recipes_give_the_index_of_one_process(world: Path, tmp_path: Path) -> None:
    part, join = blocks(PAGE, "bash")
    job = yaml.safe_load(blocks(PAGE, "yaml")[0])["spec"]
    container = job["template"]["spec"]["containers"][0]
    assert container["command"] == ["bash", "-c"]
    assert container["env"][0] == {"name": "PARTS", "value": str(job["completions"])}
    whole = started(join.replace("--resume", ""), world, tmp_path / "whole")
    slurm = [
        started(part, world, tmp_path / "parts", SLURM_ARRAY_TASK_ID=str(i), SLURM_ARRAY_TASK_COUNT="3")
        for i in range(2)
    ]
    ended(whole, *slurm)
    ended(started(container["args"][0], world, tmp_path / "parts", JOB_COMPLETION_INDEX="2", PARTS="3"))
    before = {path.name for path in (tmp_path / "parts.partial").glob("shard-*")}
    assert before == {f"shard-0000{i}-of-00003.safetensors" for i in range(3)}
    ended(started(join, world, tmp_path / "parts"))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
