"""The off switch of what makes a CPU fast, in processes of their own: it is read from the environment."""

import json
import os
import platform
import subprocess
import sys
from typing import Any

import pytest

from semlens.collection.cpu import on_amd
from tests.tiny_index import ROOT

pytestmark = pytest.mark.slow

COLLECT = """
import json, sys
import numpy as np
from torch.overrides import _get_current_function_mode
looked_up = []
sys.addaudithook(lambda event, arguments: looked_up.append(arguments[1]) if event == "ctypes.dlsym" else None)
from semlens.collection import collect, fast_cpu
from tests.collection.test_collect import LAYERS, SMALL
from tests.toy import random_images
examples = collect(SMALL, random_images(12), LAYERS, k=5)
with fast_cpu():
    mode = type(_get_current_function_mode()).__name__
print(json.dumps({
    "exact": [getattr(examples, name).tolist() for name in ("ids", "positions", "fired", "nan")],
    "activations": np.where(np.isfinite(examples.activations), examples.activations, -1).tolist(),
    "mallopt": "mallopt" in looked_up,
    "mode": mode,
}))
"""


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, object]]:
    """What is collected by the value of SEMLENS_PLAIN_CPU."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "SEMLENS_PLAIN"))}
    command, printed = [sys.executable, "-W", "ignore", "-c", COLLECT], {}
    for value in ("", "1"):
        env = environment | {"SEMLENS_PLAIN_CPU": value}
        process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        printed[value] = json.loads(process.stdout)
    return printed


def test_plain_results_are_the_same_to_rounding(results: dict[str, dict[str, Any]]) -> None:
    plain, fast = results["1"], results[""]
    assert plain["exact"] == fast["exact"]
    for a, b in zip(plain["activations"], fast["activations"], strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-6)


def test_plain_leaves_the_allocator_and_the_operators_alone(results: dict[str, dict[str, Any]]) -> None:
    assert (results["1"]["mallopt"], results["1"]["mode"]) == (False, "NoneType")
    assert results[""]["mallopt"] == (platform.libc_ver()[0] == "glibc")
    assert results[""]["mode"] == ("OneDnnLinear" if on_amd() else "NoneType")
