"""Verified audits, held against exact counterfactuals of the testbed."""

from pathlib import Path

import numpy as np
import pytest

from semlens.analysis.ask import probe_spec
from semlens.analysis.audit import Spec, audit
from semlens.benchmark.truth import effects
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.index import load_index
from semlens.model import load_model
from semlens.pipeline import build
from semlens.revisit.verify_audit import verify_audit
from semlens.testbed.world import CLASSES, CLEAN, SHORTCUT, World, write_world


@pytest.mark.slow
def test_what_the_output_loses_goes_with_what_the_concept_does(tmp_path: Path) -> None:
    """Band-aid and ruler are planted, one for "other" and one against; hairs say nothing."""
    folder = write_world(World.of(SHORTCUT, 120, 5), tmp_path / "world")  # the table of the scenes
    model, foundation, images = load_model("testbed:shortcut"), load_foundation("testbed:clip"), load_images(folder)
    build(model, images, ["block4"], foundation, tmp_path / "index", k=8, crop="none", classes=CLASSES)
    asked = ("band-aid", "ruler", "hairs")
    spec = Spec(output="other", valid=("crusty surface", "streaks"), spurious=asked, marks="scenes.csv")
    found = audit(load_index(tmp_path / "index"), spec, probe_spec(foundation, spec, folder.parent))
    fall = {row.concept: row for row in verify_audit(found, model, images)}
    truth = effects(model, World.of(CLEAN, 24, 6).scenes, ["block4"], concepts=asked)
    shift = dict(zip(asked, (truth.logit[:, 1] - truth.logit[:, 0]).mean(axis=0).tolist(), strict=True))
    assert fall["band-aid"].low > 0 < shift["band-aid"]
    assert fall["ruler"].high < 0 > shift["ruler"]
    calm = fall["hairs"].fall if "hairs" in fall else 0.0
    assert abs(calm) < 0.5 * min(abs(fall["band-aid"].fall), abs(fall["ruler"].fall))
    assert {row.chosen_by for row in fall.values()} == {"marked images"}
    assert all(np.isfinite([row.fall, row.low, row.high]).all() for row in fall.values())
    with pytest.raises(SemlensError, match="model"):
        verify_audit(found, load_model("testbed:clean"), images)
