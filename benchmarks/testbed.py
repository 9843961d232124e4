"""The truth benchmark beside the published package: python benchmarks/testbed.py --official PYTHON

PYTHON has `semanticlens` 0.2.1, torchvision and safetensors. It searches the same pictures with the same networks.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from semlens.benchmark import PUBLISHED, Row, Study, markdown, prepare, search
from semlens.cli.common import Progress
from semlens.testbed.nets import CLASSIFIERS
from semlens.testbed.world import CONCEPTS, picture_path

HERE = Path(__file__).parent
TEMPLATES = {"no template": None, "a closeup of a {}": ["a closeup of a {}"]}


def official(studied: Study, folder: Path, python: str, how: str) -> list[Row]:
    job = {
        "model": studied.name,
        "layers": [axis.layer for axis in studied.index.layers],
        "images": [str(folder / picture_path(scene)) for scene in studied.scenes],
        "k": studied.index.recipe.k,
        "queries": [concept.phrases[0] for concept in CONCEPTS],
        "templates": TEMPLATES[how],
        "out": str(folder / "scores.npy"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    subprocess.run([python, str(HERE / "_official_testbed.py"), str(folder / "job.json")], check=True, env=env)
    scores = np.load(folder / "scores.npy").astype(np.float32)
    best = search.content(studied, studied.whole)
    return list(search.ranked(studied, scores, f"semanticlens 0.2.1, {how}", best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--official", metavar="PYTHON", required=True)
    parser.add_argument("--model", default="shortcut", choices=[name for name in CLASSIFIERS if name != "transformer"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        studied = prepare(options.model, Path(folder), PUBLISHED, progress=progress)
        rows = list(search.rows(studied))
        for how in TEMPLATES:
            rows += official(studied, Path(folder) / CLASSIFIERS[options.model].population, options.official, how)
    print(markdown(rows))


if __name__ == "__main__":
    main()
