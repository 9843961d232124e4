"""A model as a user would hand one in with `file:toy_model.py:build`."""

import sys
from pathlib import Path

from semlens import VisionModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.toy import colours


def build() -> VisionModel:
    return colours()
