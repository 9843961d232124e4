"""What is measured of a correction: behaviour, pairs, planted artefacts, side effects; on colours as known logits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from semlens.analysis.audit import Concept, Spec
from semlens.correct.certify import measure_correction
from semlens.correct.concepts import learn_concepts
from semlens.correct.correction import Correction
from semlens.correct.seen import see
from semlens.correct.suppress import suppress
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes
from semlens.numerics.directions import Moments, patterns
from semlens.types import silent
from tests.toy import ColourSpace, colours, flat_images


def labelled(rows: list[tuple[int, int, int]], labels: list[str]) -> ImageSet:
    return replace(flat_images(rows), labels=tuple(labels))


GREYS = [(100, 200, 30), (120, 180, 20), (200, 90, 10), (220, 80, 40)]
LABELS = ["green", "green", "red", "red"]


def test_pairs_tell_by_how_much_a_concept_moves_an_output_and_what_it_does_to_accuracy() -> None:
    """Blue put in moves the logit of blue by its level, and not at all once it is taken out; red wins again."""
    model, images = colours(), labelled(GREYS, LABELS)
    with_blue = labelled([(r, g, 255) for r, g, _ in GREYS], LABELS)
    without = flat_images([(r, g, 0) for r, g, _ in GREYS])
    found = measure_correction(
        suppress(model, "act:2", "zero"), images, output="blue", pairs={"blue": (with_blue, without)}, progress=silent
    )
    rows = {row.measure: row for row in found}
    assert rows["shift of the output"].before == pytest.approx(1.0, abs=1e-5)
    assert rows["shift of the output"].after == 0
    assert rows["shift of the output"].n == 4
    assert rows["accuracy under planted artefacts"].before == 0
    assert rows["accuracy under planted artefacts"].after == 1


def test_pairs_go_by_file_name_and_else_by_place(tmp_path_factory: pytest.TempPathFactory) -> None:
    model = colours()
    folders = []
    for blue, names in ((255, "abcd"), (0, "dcba")):
        folder = tmp_path_factory.mktemp("pairs")
        for name in names:  # the same name has the same red, whichever place it has
            level = 50 * "abcd".index(name)
            flat_images([(level, 0, blue)]).load(0).save(folder / f"{name}.png")
        folders.append(folder)
    images = labelled(GREYS, LABELS)
    red = measure_correction(
        Correction(model, Changes()), images, output="red", pairs={"x": (folders[0], folders[1])}, progress=silent
    )
    assert next(row for row in red if row.measure == "shift of the output").after == 0
    with pytest.raises(SemlensError, match="4 images show it, and 3 do not"):
        measure_correction(Correction(model, Changes()), images, output=0, progress=silent,
                           pairs={"x": (folders[0], flat_images([(1, 1, 1)] * 3))})  # fmt: skip
    (folders[1] / "d.png").rename(folders[1] / "e.png")
    with pytest.raises(SemlensError, match=r"d.png has no partner"):
        measure_correction(Correction(model, Changes()), images, output=0, progress=silent,
                           pairs={"x": (folders[0], folders[1])})  # fmt: skip


def test_behaviour_is_asked_of_the_outputs_own_images() -> None:
    model, images = colours(), labelled(GREYS, LABELS)
    alone = flat_images([(240, 0, 0), (250, 0, 0), (0, 0, 0)])  # redder than the red ones, and one that is black
    found = measure_correction(
        suppress(model, "act:0", "zero"), images, output="red", spurious_only=alone, progress=silent
    )
    row = next(row for row in found if row.measure.startswith("behaviour"))
    assert row.before == pytest.approx(2 / 6)  # of six pairs, both red ones are above the black one alone
    assert row.after == 0.5  # all alike
    assert row.n == 5
    with pytest.raises(SemlensError, match="no image of 'blue'"):
        measure_correction(
            suppress(model, "act:0", "zero"), images, output="blue", spurious_only=alone, progress=silent
        )
    with pytest.raises(SemlensError, match="which output"):
        measure_correction(suppress(model, "act:0", "zero"), images, spurious_only=alone, progress=silent)


def test_a_side_effect_is_what_moved_and_was_to_be_left_alone() -> None:
    """With only blue taken out, green's effect on green stays as it is; with green taken out too, it falls."""
    rng = np.random.default_rng(0)
    rows = [tuple(row) for row in rng.integers(0, 256, (150, 3)).tolist()]
    images = labelled(rows, ["green" if g > r else "red" for r, g, _ in rows])
    spec = Spec("green", valid=[Concept("green"), Concept("red")], spurious=[Concept("blue")])
    how: Any = {"spec": spec, "foundation": ColourSpace(), "progress": silent}
    for taken in ("act:2", "act:1"):
        found = measure_correction(suppress(colours(), taken, "zero"), images, **how)
        aside = {row.group: row for row in found if row.measure.startswith("side effect")}
        assert list(aside) == ["green", "red"]
        assert aside["green"].moved is (taken == "act:1")
        assert [row.group for row in found if row.measure == "effect on the output"] == ["blue"]


def test_side_effects_are_asked_where_nothing_of_what_was_taken_out_is_shown() -> None:
    """Blue counts for green only where it is strong: green's effect on all images moves with it, on the others not."""
    rng = np.random.default_rng(0)
    rows = [(int(r), int(g), int(80 + 170 * (g > 128)) * int(b)) for r, g, b in
            zip(*rng.integers(0, 256, (2, 120)), rng.integers(0, 2, 120), strict=True)]  # fmt: skip
    images = labelled(rows, ["green" if g > r else "red" for r, g, _ in rows])
    spec = Spec("green", valid=[Concept("green"), Concept("red")], spurious=[Concept("blue")])
    model = colours()
    with torch.no_grad():
        model.net.get_submodule("fc").weight[1, 2] = 3  # type: ignore[operator]
    marks = {"blue": {name: row[2] > 0 for name, row in zip(images.names, rows, strict=True)}}
    how: Any = {"spec": spec, "foundation": ColourSpace(), "progress": silent}
    found = measure_correction(suppress(model, "act:2", "zero"), images, marks=marks, **how)
    aside = [row for row in found if row.measure.startswith("side effect")]
    without = sum(row[2] == 0 for row in rows)
    assert {row.n for row in aside} == {without}
    assert all(row.before == row.after and not row.moved for row in aside)
    assert f"the {without} images that show nothing" in found.remarks[-1]
    by_phrase = measure_correction(suppress(model, "act:2", "zero"), images, **how)
    assert {row.n for row in by_phrase if row.measure.startswith("side effect")} == {63}  # five show but a little blue
    all_of_them = {**marks, "blue": dict.fromkeys(images.names, True)}
    found = measure_correction(suppress(model, "act:2", "zero"), images, marks=all_of_them, **how)
    assert any(row.moved for row in found if row.measure.startswith("side effect"))
    assert "only 0 images" in found.remarks[-1]


def test_concepts_learnt_in_parts_are_those_of_all_images_at_once() -> None:
    """Sums over batches, some images held out, against the whole in memory."""
    rng = np.random.default_rng(1)
    images = flat_images([tuple(row) for row in rng.integers(0, 256, (150, 3)).tolist()])
    model = colours()
    shown: dict[str, Any] = {"a": list(range(40)), "b": list(range(30, 90)), "phrase": "red"}
    made = learn_concepts(model, images, "act", positive=shown, foundation=ColourSpace(), progress=silent)
    seen = see(model, images, layer="act")
    unit = np.stack([np.asarray(images.load(i), np.float64).mean((0, 1)) for i in range(150)])
    red = (unit / np.linalg.norm(unit, axis=1, keepdims=True))[:, 0]
    marks = np.stack([np.isin(seen.ids, shown["a"]), np.isin(seen.ids, shown["b"]), red], axis=1).astype(float)
    expected = patterns(Moments.of(seen.vectors, marks), ridge=0.1) * [1, 1, red.std()]
    np.testing.assert_allclose(made.dictionary.decoder.numpy().T, expected, rtol=1e-4, atol=1e-6)
    assert [row.n for row in made.told] == [30, 30, 16]
    one = load_images([images.load(0)])
    assert learn_concepts(model, images, "act", positive={"c": one}, progress=silent).told[0].n == 30
